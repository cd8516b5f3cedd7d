//! What must hold before a single request is sent: the target is nobody's production.
//!
//! Owns the rules. Whoever calls looks things up: addresses, the server's own name, the names in the log. Source of the rules: what went wrong
//! with other tools (buger/goreplay#66 and #420, ebay/teeproxy#45), see docs/replay.md.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// What is known of a target and of the log.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Host name in the target's URL.
    pub host: String,
    /// Its addresses.
    pub addresses: Vec<SocketAddr>,
    /// What the target calls itself: its `server_name`, the host it delegates to.
    pub names: Vec<String>,
    /// Server names and hosts that stand in the log: domains of users and rooms.
    pub in_log: BTreeSet<String>,
}

/// What the administrator has allowed by name.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Addresses outside loopback and private ranges.
    pub public_target: bool,
    /// This server, although it is in the log.
    pub server_in_log: Option<String>,
}

/// Why nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The target is reachable by everybody.
    #[error(
        "{host} has the public address {address}: a replay belongs on a test server in your own network; --allow-public-target lifts this"
    )]
    Public {
        /// Host of the target.
        host: String,
        /// The address.
        address: IpAddr,
    },
    /// The target is the server that the log comes from.
    #[error(
        "{name} stands in the log: the target looks like the server it comes from. If it is a copy of it, cut off from the original, say so with --allow-server {name}"
    )]
    InLog {
        /// Server name or host.
        name: String,
    },
}

/// Checks a target.
///
/// # Errors
/// The first [`Refusal`] that applies.
pub fn check(known: &Known, allowed: &Allowed) -> Result<(), Refusal> {
    if !allowed.public_target
        && let Some(address) = known.addresses.iter().map(SocketAddr::ip).find(|address| !is_private(*address))
    {
        return Err(Refusal::Public { host: known.host.clone(), address });
    }
    let mut names = std::iter::once(known.host.as_str()).chain(known.names.iter().map(String::as_str));
    let found = names.find(|name| known.in_log.contains(without_port(&name.to_ascii_lowercase())) && !is_local_name(name));
    match found {
        Some(name) if allowed.server_in_log.as_deref() != Some(name) => Err(Refusal::InLog { name: name.to_owned() }),
        _ => Ok(()),
    }
}

/// Loopback, private, link-local and unique local addresses (RFC 1918, 3927, 4193, 4291).
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_loopback() || four.is_private() || four.is_link_local(),
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => is_private(IpAddr::V4(four)),
            None => six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local(),
        },
    }
}

/// Names that say nothing of which server it is.
fn is_local_name(name: &str) -> bool {
    let host = without_port(name);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn without_port(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(host: &str, address: &str, server_name: &str, in_log: &[&str]) -> Known {
        Known {
            host: host.to_owned(),
            addresses: vec![address.parse().unwrap()],
            names: vec![server_name.to_owned()],
            in_log: in_log.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn a_server_of_the_log_is_refused_unless_named() {
        let copy = known("10.0.0.5", "10.0.0.5:8008", "Example.org", &["example.org", "other.org"]);
        let refused = check(&copy, &Allowed::default());
        assert_eq!(refused, Err(Refusal::InLog { name: "Example.org".to_owned() }));
        assert_eq!(check(&copy, &Allowed { server_in_log: Some("other.org".to_owned()), ..Allowed::default() }), refused);
        assert_eq!(check(&copy, &Allowed { server_in_log: Some("Example.org".to_owned()), ..Allowed::default() }), Ok(()));
        let by_host = known("matrix.example.org", "10.0.0.5:443", "test.local", &["matrix.example.org"]);
        assert!(check(&by_host, &Allowed::default()).is_err());
        assert_eq!(check(&known("localhost", "127.0.0.1:8008", "test.local", &["localhost"]), &Allowed::default()), Ok(()));
    }

    #[test]
    fn public_addresses_are_refused_unless_allowed() {
        for (address, private) in [
            ("127.0.0.1:1", true),
            ("10.1.2.3:1", true),
            ("172.31.0.1:1", true),
            ("192.168.0.1:1", true),
            ("[::1]:1", true),
            ("[fd00::1]:1", true),
            ("[::ffff:10.0.0.1]:1", true),
            ("172.32.0.1:1", false),
            ("8.8.8.8:1", false),
            ("[2001:db8::1]:1", false),
            ("[::ffff:8.8.8.8]:1", false),
        ] {
            let target = known("test", address, "test", &[]);
            assert_eq!(check(&target, &Allowed::default()).is_ok(), private, "{address}");
            assert!(check(&target, &Allowed { public_target: true, ..Allowed::default() }).is_ok(), "{address}");
        }
    }
}
