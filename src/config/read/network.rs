//! Addresses that trust and connections depend on: networks of peers, base URLs of providers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use toml::Value;

use super::value::{Read, is_host, parsed};
use crate::config::Network;

/// The networks that `loopback` stands for.
pub(super) const LOOPBACK: [Network; 2] = [
    Network {
        address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
        prefix: 8,
    },
    Network {
        address: IpAddr::V6(Ipv6Addr::LOCALHOST),
        prefix: 128,
    },
];

/// Networks whose peers are believed.
pub(super) fn networks(value: &Value) -> Read<Vec<Network>> {
    let expected = "\"loopback\", an address, or a network like \"10.1.0.0/16\" with no bit set \
                    after its prefix";
    parsed(value, expected, |text| match text {
        "loopback" => Some(LOOPBACK.to_vec()),
        _ => network(text).map(|network| vec![network]),
    })
}

fn network(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    // A peer's mapped address counts as IPv4, so a network of mapped ones would match nobody.
    let address: IpAddr = address.parse().ok()?;
    let address = (address.to_canonical() == address).then_some(address)?;
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let prefix: u8 = prefix.map_or(Some(width), |prefix| prefix.parse().ok())?;
    let after_prefix = bits.checked_shl(u32::from(prefix)).unwrap_or(0);
    (prefix <= width && after_prefix == 0).then_some(Network { address, prefix })
}

/// Scheme and authority, without a path.
pub(super) fn base_url(value: &Value) -> Read<Uri> {
    let expected = "a URL like \"https://host\" or \"https://host:8443\", without user and path";
    parsed(value, expected, |text| {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        let host = authority.host();
        let port_fits = match authority.as_str().strip_prefix(host)? {
            "" => true,
            port => port
                .strip_prefix(':')?
                .parse::<u16>()
                .is_ok_and(|port| port > 0),
        };
        let bare = uri.path() == "/" && uri.query().is_none() && !text.contains('#');
        let web = matches!(uri.scheme_str(), Some("https" | "http"));
        (web && bare && port_fits && !host.is_empty()).then_some(uri)
    })
}

/// Where a provider is.
pub(super) fn authority(value: &Value) -> Read<Uri> {
    let uri = base_url(value)?;
    let host = uri.host().unwrap_or_default();
    parsed(value, ANSWERS, |_| is_server(host).then(|| uri.clone()))
}

/// A host and port to connect to.
pub(super) fn endpoint(value: &Value) -> Read<(String, u16)> {
    parsed(value, "a host and port like \"10.0.0.4:443\"", |text| {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let address = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = match address {
            Some(address) => address.parse::<Ipv6Addr>().ok()?.to_string(),
            None => is_host(host).then(|| host.to_owned())?,
        };
        is_server(&host).then_some((host, port))
    })
}

const ANSWERS: &str = "the address of a provider, which link-local, multicast and unspecified \
                       ones are not";

/// Whether a provider could be there: not at the addresses of a machine's own metadata service,
/// nor at those where nobody in particular answers.
fn is_server(host: &str) -> bool {
    match host
        .trim_matches(['[', ']'])
        .parse::<IpAddr>()
        .map(|address| address.to_canonical())
    {
        Ok(IpAddr::V4(v4)) => {
            !(v4.is_link_local() || v4.is_multicast() || v4.is_unspecified() || v4.is_broadcast())
        }
        Ok(IpAddr::V6(v6)) => {
            !(v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified())
        }
        Err(_) => true,
    }
}

/// A base URL without the slash that `http` prints after it.
pub(super) fn text(uri: &Uri) -> String {
    uri.to_string().trim_end_matches('/').to_owned()
}
