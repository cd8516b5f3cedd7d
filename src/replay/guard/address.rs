//! Which addresses may be connected to.
//!
//! Source: the IANA special-purpose address registries (RFC 6890), and the addresses at which clouds serve the secrets of their machines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wsim_http::host::canonical;

/// What an address may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressClass {
    /// Loopback, or private (RFC 1918, 4193).
    Private,
    /// Reachable from other networks, or set aside for something that is not known here.
    Public,
    /// No test server has it; says what it is.
    Never(&'static str),
}

/// The class of an address; of an IPv4 address within IPv6, the stricter class of the two.
pub(super) fn class_of(address: IpAddr) -> AddressClass {
    let outer = match address {
        IpAddr::V4(four) => class_of_v4(four),
        IpAddr::V6(six) => class_of_v6(six),
    };
    match (outer, canonical(address)) {
        (never @ AddressClass::Never(_), _) | (never, IpAddr::V6(_)) => never,
        (AddressClass::Private, IpAddr::V4(four)) => class_of_v4(four),
        // A translator is a server of its own, so the address stays public.
        (AddressClass::Public, IpAddr::V4(four)) => match class_of_v4(four) {
            never @ AddressClass::Never(_) => never,
            _ => AddressClass::Public,
        },
    }
}

fn class_of_v4(address: Ipv4Addr) -> AddressClass {
    match address.octets() {
        [0, ..] => AddressClass::Never("unspecified"),
        [169, 254, ..] => AddressClass::Never("link-local, where clouds serve the secrets of their machines"),
        [224..=239, ..] => AddressClass::Never("multicast"),
        [255, 255, 255, 255] => AddressClass::Never("broadcast"),
        // Alibaba, Azure, Oracle.
        [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => AddressClass::Never(METADATA),
        _ if address.is_loopback() || address.is_private() => AddressClass::Private,
        _ => AddressClass::Public,
    }
}

fn class_of_v6(address: Ipv6Addr) -> AddressClass {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Never("unspecified"),
        [0xff00..=0xffff, ..] => AddressClass::Never("multicast"),
        [0xfe80..=0xfebf, ..] => AddressClass::Never("link-local"),
        // Amazon, Google.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => AddressClass::Never(METADATA),
        // The class of a mapped or compatible address is that of its IPv4 address.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] => AddressClass::Private,
        _ if address.is_unique_local() => AddressClass::Private,
        _ => AddressClass::Public,
    }
}

const METADATA: &str = "where a cloud serves the secrets of its machines";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_has_its_class() {
        let private = [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.0.1",
            "192.168.0.1",
            "::1",
            "fd00::1",
            "fc00::1",
            "::ffff:10.0.0.1",
        ];
        let public = [
            "172.32.0.1",
            "8.8.8.8",
            "100.64.0.1",
            "192.0.2.1",
            "240.0.0.1",
            "2001:db8::1",
            "2606:4700::1",
            "::ffff:8.8.8.8",
            "fec0::1",
            "64:ff9b::10.0.0.1",
            "2002:a00:1::1",
            "198.18.0.1",
        ];
        let never = [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "::",
            "ff02::1",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "::ffff:224.0.0.1",
        ];
        for (addresses, expected) in [(&private[..], "private"), (&public[..], "public"), (&never[..], "never")] {
            for address in addresses {
                let class = match class_of(address.parse().unwrap()) {
                    AddressClass::Private => "private",
                    AddressClass::Public => "public",
                    AddressClass::Never(_) => "never",
                };
                assert_eq!(class, expected, "{address}");
            }
        }
    }
}
