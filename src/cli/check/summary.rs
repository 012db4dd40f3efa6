//! What a configuration without problems sets up, for people and as JSON.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::{Config, Route, RouteKind, Warning};
use crate::core::policy::{Isolation, Mode};

/// A configuration in sum.
#[derive(Serialize)]
pub(super) struct Summary {
    valid: bool,
    config: PathBuf,
    mode: Mode,
    listeners: [Listener; 2],
    policies: Policies,
    routes: Vec<Row>,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct Listener {
    listener: &'static str,
    address: String,
    tls: bool,
    client_certificates: bool,
}

#[derive(Serialize)]
struct Policies {
    directory: PathBuf,
    count: usize,
    absent: &'static str,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kind: &'static str,
    host: Option<String>,
    path: String,
    provider: String,
    /// What a request is sent to.
    upstream: String,
    /// The provider's path, where it is another than the gateway's.
    #[serde(skip)]
    rewritten: Option<String>,
    /// Of a relay route.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
}

impl Summary {
    pub(super) fn of(
        file: &Path,
        config: &Config,
        policies: usize,
        warnings: Vec<Warning>,
    ) -> Self {
        let tls = config.listen.tls.as_ref();
        let data = Listener {
            listener: "data",
            address: config.listen.address.to_string(),
            tls: tls.is_some(),
            client_certificates: tls.is_some_and(|tls| tls.client_ca.is_some()),
        };
        let admin = Listener {
            listener: "admin",
            address: config.admin.to_string(),
            tls: false,
            client_certificates: false,
        };
        Self {
            valid: true,
            config: file.to_owned(),
            mode: config.mode,
            listeners: [data, admin],
            policies: Policies {
                directory: config.policies.directory.clone(),
                count: policies,
                absent: match config.policies.absent {
                    Isolation::Off => "off",
                    Isolation::On => "on",
                },
            },
            routes: config.routes.iter().map(|route| Row::of(route)).collect(),
            warnings,
        }
    }
}

impl Row {
    fn of(route: &Route) -> Self {
        let authority = route.provider.authority.to_string();
        let methods = match &route.kind {
            RouteKind::Relay { methods } => methods.iter().map(ToString::to_string).collect(),
            RouteKind::Discovery | RouteKind::Token => Vec::new(),
        };
        Self {
            name: route.name.to_string(),
            kind: route.kind.as_str(),
            host: route.host.clone(),
            path: route.path.to_string(),
            provider: route.provider.name.clone(),
            upstream: format!("{}{}", authority.trim_end_matches('/'), route.upstream_path),
            rewritten: (route.path != route.upstream_path).then(|| route.upstream_path.to_string()),
            methods,
        }
    }

    fn cells(&self) -> [String; 5] {
        let host = self.host.clone().unwrap_or_else(|| "any".to_owned());
        let rewritten = self.rewritten.iter().map(|path| format!(" as {path}"));
        let provider = self.provider.clone() + &rewritten.collect::<String>();
        [
            self.name.clone(),
            self.kind.to_owned(),
            host,
            self.path.clone(),
            provider,
        ]
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: valid, mode {}\n",
            self.config.display(),
            self.mode.as_str()
        )?;
        for listener in &self.listeners {
            let protocol = match (listener.tls, listener.client_certificates) {
                (true, true) => "TLS, client certificates required",
                (true, false) => "TLS",
                (false, _) => "plain HTTP",
            };
            writeln!(
                f,
                "listener {}: {}, {protocol}",
                listener.listener, listener.address
            )?;
        }
        let Policies {
            directory,
            count,
            absent,
        } = &self.policies;
        let directory = directory.display();
        writeln!(
            f,
            "policies: {count} in {directory}; a tenant without one counts as {absent}\n"
        )?;
        self.table(f)?;
        let mut relays = self
            .routes
            .iter()
            .filter(|route| !route.methods.is_empty())
            .peekable();
        if relays.peek().is_some() {
            writeln!(f, "\ndeclared to carry no tokens:")?;
        }
        for relay in relays {
            writeln!(
                f,
                "  {} {} ({})",
                relay.methods.join(", "),
                relay.path,
                relay.name
            )?;
        }
        if !self.warnings.is_empty() {
            writeln!(f)?;
        }
        self.warnings
            .iter()
            .try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

impl Summary {
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = ["ROUTE", "KIND", "HOST", "PATH", "PROVIDER"].map(str::to_owned);
        let rows: Vec<[String; 5]> = std::iter::once(titles)
            .chain(self.routes.iter().map(Row::cells))
            .collect();
        let mut widths = [0; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.len().max(*width);
            }
        }
        for row in rows {
            let padded = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}  "));
            writeln!(f, "{}", padded.collect::<String>().trim_end())?;
        }
        Ok(())
    }
}
