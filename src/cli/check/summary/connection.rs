//! A connection route in sum: which service, and where creator and sign-in tenant come from.

use serde::Serialize;

use crate::config::{Browsers, CreatorSource, ErrorFormat, Place, Route, RouteKind, SignInSource};

#[derive(Serialize)]
pub(super) struct Connection {
    service: String,
    #[serde(skip)]
    authority: String,
    creator: Vec<Source>,
    /// Empty: nobody has signed in at this step.
    sign_in: Vec<Source>,
    errors: &'static str,
    browsers: &'static str,
}

/// A place where a tenant is told.
#[derive(Serialize)]
struct Source {
    place: &'static str,
    name: String,
    /// What `aud` of the token there must be.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    audience: Vec<String>,
}

impl Connection {
    /// None: another kind of route.
    pub(super) fn of(route: &Route) -> Option<Self> {
        let RouteKind::Connection(connection) = &route.kind else {
            return None;
        };
        let authority = connection.service.endpoint.authority.to_string();
        Some(Self {
            service: connection.service.name.clone(),
            authority: authority.trim_end_matches('/').to_owned(),
            creator: route.creator.iter().map(Source::of_creator).collect(),
            sign_in: connection.sign_in.iter().map(Source::of_sign_in).collect(),
            errors: match connection.errors {
                ErrorFormat::ApiHub => "apihub",
                ErrorFormat::Arm => "arm",
                ErrorFormat::OAuth => "oauth",
            },
            browsers: match connection.browsers {
                Browsers::Json => "json",
                Browsers::Page => "page",
            },
        })
    }
}

impl Source {
    fn of_creator(source: &CreatorSource) -> Self {
        let plain = |place, name: String| (place, name, Vec::new());
        let (place, name, audience) = match source {
            CreatorSource::Bearer {
                header, audience, ..
            } => ("bearer", header.to_string(), audience.clone()),
            CreatorSource::Fixed(tenant) => plain("tenant", tenant.to_string()),
            CreatorSource::Header(header) => plain("header", header.to_string()),
            CreatorSource::Path(name) => plain("path", format!("{{{name}}}")),
        };
        Self {
            place,
            name,
            audience,
        }
    }

    fn of_sign_in(source: &SignInSource) -> Self {
        let (place, name) = match &source.place {
            Place::Form(field) => ("form", field.clone()),
            Place::Header(header) => ("header", header.to_string()),
            Place::Json(pointer) => ("json", pointer.to_string()),
        };
        Self {
            place,
            name,
            audience: source.audience.clone(),
        }
    }
}

impl Connection {
    /// Where its requests go.
    pub(super) fn destination(&self) -> String {
        format!("{} at {}", self.service, self.authority)
    }

    /// Where creator and sign-in tenant are told.
    pub(super) fn sources(&self) -> [(&'static str, String); 2] {
        let sign_in = match self.sign_in.as_slice() {
            [] => "none".to_owned(),
            sources => list(sources),
        };
        [("creator", list(&self.creator)), ("sign-in", sign_in)]
    }
}

fn list(sources: &[Source]) -> String {
    let each = |source: &Source| format!("{} {}", source.place, source.name);
    sources.iter().map(each).collect::<Vec<_>>().join(", ")
}
