//! What a configuration without problems sets up, for people and as JSON.

mod connection;
mod etcd;
mod records;
mod traces;
mod webhooks;

use std::fmt;
use std::path::{Path, PathBuf};

use http::Method;
use serde::Serialize;

use self::connection::Connection;
use self::etcd::Etcd;
use self::records::{Audit, Events};
use self::traces::Traces;
use self::webhooks::Webhook;
use crate::config::{Config, PolicySource, Route, RouteKind, Warning};
use crate::core::policy::{Isolation, Mode};
use crate::problem::visible;

/// A configuration in sum.
#[derive(Serialize)]
pub(super) struct Summary {
    valid: bool,
    config: PathBuf,
    mode: Mode,
    listeners: [Listener; 2],
    policies: Policies,
    audit: Audit,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Events>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traces: Option<Traces>,
    routes: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    webhooks: Vec<Webhook>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<PathBuf>,
    /// Of a directory: nobody is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etcd: Option<Etcd>,
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
    /// The upstream's path, where it is another than the gateway's.
    #[serde(skip)]
    rewritten: Option<String>,
    /// Of a relay or connection route.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
    /// Of a connection route.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<Connection>,
}

impl Summary {
    pub(super) fn of(
        file: &Path,
        config: &Config,
        policies: Option<usize>,
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
            address: config.admin.address.to_string(),
            tls: config.admin.tls.is_some(),
            client_certificates: false,
        };
        Self {
            valid: true,
            config: file.to_owned(),
            mode: config.mode,
            listeners: [data, admin],
            policies: Policies {
                directory: config.policies.directory().ok().map(Path::to_owned),
                count: policies,
                etcd: match &config.policies.source {
                    PolicySource::Directory(_) => None,
                    PolicySource::Etcd(etcd) => Some(Etcd::of(etcd)),
                },
                absent: match config.policies.absent {
                    Isolation::Off => "off",
                    Isolation::On => "on",
                },
            },
            audit: Audit::of(&config.audit, config.logs.as_ref()),
            events: config.events.as_ref().map(Events::of),
            traces: config.traces.as_ref().map(Traces::of),
            routes: config.routes.iter().map(|route| Row::of(route)).collect(),
            webhooks: config.webhooks.iter().map(Webhook::of).collect(),
            warnings,
        }
    }
}

impl Row {
    fn of(route: &Route) -> Self {
        let (methods, endpoint): (&[Method], _) = match &route.kind {
            RouteKind::Connection(connection) => {
                (&connection.methods, &connection.service.endpoint)
            }
            RouteKind::Relay { methods } => (methods, &route.provider.endpoint),
            RouteKind::Discovery | RouteKind::Token => (&[], &route.provider.endpoint),
        };
        let authority = endpoint.authority.to_string();
        Self {
            name: route.name.to_string(),
            kind: route.kind.as_str(),
            host: route.host.clone(),
            path: route.path.to_string(),
            provider: route.provider.name.clone(),
            upstream: format!("{}{}", authority.trim_end_matches('/'), route.upstream_path),
            rewritten: (route.path != route.upstream_path).then(|| route.upstream_path.to_string()),
            methods: methods.iter().map(ToString::to_string).collect(),
            connection: Connection::of(route),
        }
    }

    fn cells(&self) -> [String; 5] {
        let host = self.host.clone().unwrap_or_else(|| "any".to_owned());
        let provider = match (&self.rewritten, &self.connection) {
            (Some(path), None) => format!("{} as {path}", self.provider),
            (_, Some(_)) | (None, _) => self.provider.clone(),
        };
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
            etcd,
            absent,
        } = &self.policies;
        write!(f, "policies: ")?;
        if let (Some(directory), Some(count)) = (directory, count) {
            write!(f, "{count} in {}", directory.display())?;
        }
        if let Some(etcd) = etcd {
            write!(f, "{etcd}")?;
        }
        writeln!(f, "; a tenant without one counts as {absent}")?;
        writeln!(f, "{}", self.audit)?;
        if let Some(events) = &self.events {
            writeln!(f, "{events}")?;
        }
        if let Some(traces) = &self.traces {
            writeln!(f, "{traces}")?;
        }
        writeln!(f)?;
        self.table(f)?;
        self.connections(f)?;
        self.relays(f)?;
        if !self.webhooks.is_empty() {
            writeln!(f)?;
        }
        self.webhooks
            .iter()
            .try_for_each(|webhook| writeln!(f, "{webhook}"))?;
        if !self.warnings.is_empty() {
            writeln!(f)?;
        }
        self.warnings
            .iter()
            .try_for_each(|warning| writeln!(f, "warning: {}", visible(&warning.to_string())))
    }
}

impl Summary {
    fn connections(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.routes.iter().any(|row| row.connection.is_some()) {
            writeln!(f, "\nconnections, decided before they are created:")?;
        }
        for row in &self.routes {
            let Some(connection) = &row.connection else {
                continue;
            };
            let (methods, destination) = (row.methods.join(", "), connection.destination());
            write!(f, "  {}: {methods} to {destination}", row.name)?;
            match &row.rewritten {
                Some(path) => writeln!(f, " as {path}")?,
                None => writeln!(f)?,
            }
            for (tenant, told) in connection.sources() {
                writeln!(f, "    {tenant}: {told}")?;
            }
        }
        Ok(())
    }

    fn relays(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_relay = |row: &&Row| !row.methods.is_empty() && row.connection.is_none();
        let mut relays = self.routes.iter().filter(is_relay).peekable();
        if relays.peek().is_some() {
            writeln!(f, "\ndeclared to carry no tokens:")?;
        }
        for relay in relays {
            let (methods, name) = (relay.methods.join(", "), &relay.name);
            writeln!(f, "  {methods} {} ({name})", relay.path)?;
        }
        Ok(())
    }

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
