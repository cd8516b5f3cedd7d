//! Refuses targets that look like a production server, before a single request is sent.
//!
//! Owns the rules; the caller looks up addresses, the server's own name and the names in the log. The rules come from accidents with other
//! tools (buger/goreplay#66 and #420, ebay/teeproxy#45), see docs/replay.md.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// What is known about a target and the log.
#[derive(Debug, Clone, Default)]
pub struct TargetFacts {
    /// Host name in the target's URL.
    pub host: String,
    pub addresses: Vec<SocketAddr>,
    /// The target's own names: its `server_name`, and the host that it delegates to.
    pub names: Vec<String>,
    /// Server names in the log: domains of users and rooms, lower case.
    pub in_log: BTreeSet<String>,
}

/// Rules that the administrator has lifted.
#[derive(Debug, Clone, Default)]
pub struct SafetyOverrides {
    /// Allow addresses outside loopback and private ranges.
    pub public_target: bool,
    /// Allow this server although it is in the log.
    pub server_in_log: Option<String>,
}

/// Why nothing is sent to a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeTarget {
    /// The target has a public address.
    #[error("{host} has the public address {address}: replay only to a test server in your own network; --allow-public-target lifts this")]
    Public { host: String, address: IpAddr },
    /// The target looks like the server that the log comes from.
    #[error(
        "{name} is in the log: the target looks like the server the log comes from. If it is an isolated copy, allow it with --allow-server {name}"
    )]
    InLog {
        /// Server name or host.
        name: String,
    },
}

/// Checks a target against the rules.
///
/// # Errors
/// The first [`UnsafeTarget`] that applies.
pub fn check(known: &TargetFacts, allowed: &SafetyOverrides) -> Result<(), UnsafeTarget> {
    if !allowed.public_target
        && let Some(address) = known.addresses.iter().map(SocketAddr::ip).find(|address| !is_private(*address))
    {
        return Err(UnsafeTarget::Public { host: known.host.clone(), address });
    }
    let mut names = std::iter::once(known.host.as_str()).chain(known.names.iter().map(String::as_str));
    let found = names.find(|name| known.in_log.contains(without_port(&name.to_ascii_lowercase())) && !is_local_name(name));
    match found {
        Some(name) if allowed.server_in_log.as_deref() != Some(name) => Err(UnsafeTarget::InLog { name: name.to_owned() }),
        _ => Ok(()),
    }
}

/// Whether an address is loopback, private, link-local or unique local (RFC 1918, 3927, 4193, 4291).
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_loopback() || four.is_private() || four.is_link_local(),
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => is_private(IpAddr::V4(four)),
            None => six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local(),
        },
    }
}

/// Whether a name is one that every machine has.
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

    fn known(host: &str, address: &str, server_name: &str, in_log: &[&str]) -> TargetFacts {
        TargetFacts {
            host: host.to_owned(),
            addresses: vec![address.parse().unwrap()],
            names: vec![server_name.to_owned()],
            in_log: in_log.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn a_server_in_the_log_is_refused_unless_allowed_by_name() {
        let copy = known("10.0.0.5", "10.0.0.5:8008", "Example.org", &["example.org", "other.org"]);
        let refused = check(&copy, &SafetyOverrides::default());
        assert_eq!(refused, Err(UnsafeTarget::InLog { name: "Example.org".to_owned() }));
        assert_eq!(check(&copy, &SafetyOverrides { server_in_log: Some("other.org".to_owned()), ..SafetyOverrides::default() }), refused);
        assert_eq!(check(&copy, &SafetyOverrides { server_in_log: Some("Example.org".to_owned()), ..SafetyOverrides::default() }), Ok(()));
        let by_host = known("matrix.example.org", "10.0.0.5:443", "test.local", &["matrix.example.org"]);
        assert!(check(&by_host, &SafetyOverrides::default()).is_err());
        assert_eq!(check(&known("localhost", "127.0.0.1:8008", "test.local", &["localhost"]), &SafetyOverrides::default()), Ok(()));
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
            assert_eq!(check(&target, &SafetyOverrides::default()).is_ok(), private, "{address}");
            assert!(check(&target, &SafetyOverrides { public_target: true, ..SafetyOverrides::default() }).is_ok(), "{address}");
        }
    }
}
