//! Which part of an answer a request asks for, and how the next part is asked for.
//!
//! Invariant: where a page begins is opaque to clients, and names nothing of any tenant's.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::HOST;
use http::request;
use http::uri::Authority;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use crate::admin::fault::Fault;
use crate::admin::target::REPORTS;
use crate::core::form;
use crate::core::tenant::TenantId;
use crate::report::kept::After;

/// Items of a page, unless the client asks for fewer or more.
const USUAL: usize = 100;
/// Most of them.
const MOST: usize = 1000;

/// A token of another place than the one asked for.
pub(super) const ELSEWHERE: Fault = Fault::Query("$skiptoken is what @odata.nextLink says");

/// What stands for itself in a query.
const PLAIN: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Which part of an answer is asked for.
#[derive(Debug)]
pub(super) struct Page {
    /// The tenant that the query names.
    pub(super) tenant: Option<TenantId>,
    /// Most items.
    pub(super) most: usize,
    /// Where it begins; none: at the begin.
    pub(super) place: Option<Place>,
    version: Option<String>,
    /// Scheme and authority, as far as they are known.
    origin: String,
    is_sized: bool,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At this connection of a report, counted from 0.
    Connection(u32),
    /// After this report of a list.
    Report(After),
}

impl Page {
    /// Reads a query.
    pub(super) fn read(head: &request::Parts, is_tls: bool) -> Result<Self, Fault> {
        const TENANT: Fault = Fault::Query("tenantId is a tenant's id, given once");
        const TOP: Fault = Fault::Query("$top is a number from 1 to 1000, given once");
        let query = head.uri.query().unwrap_or_default();
        let field = |name, fault| field(query, name).ok_or(fault);
        let tenant = field("tenantId", TENANT)?;
        let tenant = tenant.map(|id| TenantId::parse(&id).map_err(|_| TENANT));
        let top = field("$top", TOP)?.map(|top| number(&top).ok_or(TOP));
        let top = top.transpose()?;
        let place = field("$skiptoken", ELSEWHERE)?;
        let place = place.map(|token| Place::read(&token).ok_or(ELSEWHERE));
        let version = field("api-version", Fault::Query("api-version is given once"))?;
        Ok(Self {
            tenant: tenant.transpose()?,
            most: top.unwrap_or(USUAL),
            place: place.transpose()?,
            version,
            origin: origin(head, is_tls).unwrap_or_default(),
            is_sized: top.is_some(),
        })
    }

    /// Where the part that begins at a place is.
    pub(super) fn link(&self, report: Option<Uuid>, place: Place) -> String {
        let mut link = format!("{}{REPORTS}", self.origin);
        if let Some(id) = report {
            link = format!("{link}/{id}");
        }
        let version = self.version.as_deref();
        let version = version.map(|text| utf8_percent_encode(text, &PLAIN).to_string());
        let given = [
            ("api-version", version),
            ("tenantId", self.tenant.map(|tenant| tenant.to_string())),
            ("$top", self.is_sized.then(|| self.most.to_string())),
            ("$skiptoken", Some(place.token())),
        ];
        let given = given.into_iter();
        let given = given.filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        format!("{link}?{}", given.collect::<Vec<_>>().join("&"))
    }
}

/// A parameter's value, if it is there. None: it is there twice, or something cannot be decoded.
fn field(query: &str, name: &str) -> Option<Option<String>> {
    let mut found = None;
    for pair in query.split('&') {
        let (named, value) = pair.split_once('=').unwrap_or((pair, ""));
        if form::decode(named)? != name {
            continue;
        }
        let value = form::decode(value)?.into_owned();
        if found.replace(value).is_some() {
            return None;
        }
    }
    Some(found)
}

/// Digits only, within the bounds.
fn number(text: &str) -> Option<usize> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number)?;
    (1..=MOST).contains(&number).then_some(number)
}

/// As the client knows it; whoever lies about it lies to itself.
fn origin(head: &request::Parts, is_tls: bool) -> Option<String> {
    let authority = match head.uri.authority() {
        Some(authority) => authority.clone(),
        None => head
            .headers
            .get(HOST)?
            .to_str()
            .ok()?
            .parse::<Authority>()
            .ok()?,
    };
    let scheme = if is_tls { "https" } else { "http" };
    let is_plain = !authority.as_str().contains('@');
    is_plain.then(|| format!("{scheme}://{authority}"))
}

impl Place {
    fn token(self) -> String {
        URL_SAFE_NO_PAD.encode(match self {
            Self::Connection(number) => number.to_be_bytes().to_vec(),
            Self::Report(After { requested, id }) => {
                [&requested.to_be_bytes()[..], &id.as_bytes()[..]].concat()
            }
        })
    }

    fn read(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        if let Ok(number) = <[u8; 4]>::try_from(&bytes[..]) {
            return Some(Self::Connection(u32::from_be_bytes(number)));
        }
        let (requested, id) = bytes.split_first_chunk::<8>()?;
        Some(Self::Report(After {
            requested: i64::from_be_bytes(*requested),
            id: Uuid::from_slice(id).ok()?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn page(uri: &str, host: &str) -> Result<Page, Fault> {
        let request = Request::get(uri).header(HOST, host).body(()).unwrap();
        Page::read(&request.into_parts().0, true)
    }

    #[test]
    fn a_link_asks_for_what_was_asked_for() {
        let id = Uuid::from_u128(7);
        let uri =
            "/x?api-version=2022%2D03 01&%24top=2&tenantId=11111111-1111-4111-8111-111111111111"
                .replace(' ', "%20");
        let asked = page(&uri, "gateway.internal:9443").unwrap();
        assert_eq!(asked.most, 2);
        let place = Place::Report(After { requested: -5, id });
        let link = asked.link(None, place);
        assert!(link.starts_with("https://gateway.internal:9443/governance/crossTenantConnectionReports?api-version=2022-03%2001&tenantId=1111"), "{link}");
        let again = page(&link, "elsewhere").unwrap();
        assert_eq!(
            (again.place, again.most, again.tenant),
            (Some(place), 2, asked.tenant)
        );

        let plain = page("/x", "a@b").unwrap();
        let link = plain.link(Some(id), Place::Connection(100));
        assert_eq!(
            link,
            format!("/governance/crossTenantConnectionReports/{id}?$skiptoken=AAAAZA")
        );
        let again = page(&link, "x").unwrap();
        assert_eq!(again.place, Some(Place::Connection(100)));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for query in [
            "$top=0",
            "$top=1001",
            "$top=-1",
            "$top=+1",
            "$top=",
            "$top=1&$top=1",
            "$top=1e2",
            "$skiptoken=",
            "$skiptoken=A",
            "$skiptoken=AAAA",
            "$skiptoken=%00",
            "$skiptoken=AAAAZA==",
            "$skiptoken=AAAAZA&$skiptoken=AAAAZA",
            "tenantId=",
            "tenantId=contoso.com",
            "tenantId=00000000-0000-0000-0000-000000000000",
            "tenantId=11111111-1111-4111-8111-111111111111&tenantId=11111111-1111-4111-8111-111111111111",
            "api-version=1&api-version=2",
            "%=a",
            "tenantId=%",
        ] {
            let found = page(&format!("/x?{query}"), "h");
            assert!(matches!(found, Err(Fault::Query(_))), "{query}: {found:?}");
        }
    }
}
