//! Which form an answer takes: the route decides, and on some routes the browser's wish.

use http::HeaderMap;

use crate::config::{Browsers, ErrorFormat, Route, RouteKind};

mod accept;

/// The form of an answer that the gateway writes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// Power Apps API hub; names the service's host.
    ApiHub(String),
    /// Azure Resource Manager.
    Arm,
    /// RFC 6749, with the members that Entra adds.
    OAuth,
    /// A page for people.
    Page,
}

impl Style {
    /// The form of answers on this route to a request with these headers.
    pub fn of(route: &Route, headers: &HeaderMap) -> Self {
        let RouteKind::Connection(connection) = &route.kind else {
            return Self::OAuth;
        };
        if connection.browsers == Browsers::Page && accept::prefers_html(headers) {
            return Self::Page;
        }
        match connection.errors {
            ErrorFormat::ApiHub => {
                let host = connection.service.endpoint.authority.host();
                Self::ApiHub(host.unwrap_or_default().to_owned())
            }
            ErrorFormat::Arm => Self::Arm,
            ErrorFormat::OAuth => Self::OAuth,
        }
    }
}
