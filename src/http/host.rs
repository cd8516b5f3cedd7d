//! A server's name or address in one spelling, whatever spelling it was written in.
//!
//! Owns what makes two spellings equal: case, ports, trailing dots, percent-encoding, Unicode and punycode (UTS 46), the notations of IPv4 that
//! resolvers accept (`127.1`, `0x7f000001`, `017700000001`), and IPv4 addresses within IPv6. Knows nothing of what a name is used for.
//! Invariant: any bytes are accepted; equal hosts are equal values.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::percent;

/// A host without its port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An IPv4 address in IPv6 notation is kept as IPv4.
    Address(IpAddr),
    /// Lower case, in ASCII (`xn--…`), without a dot at its end.
    Name(String),
}

impl Host {
    /// Reads a host as it stands in a URL, a header or an identifier: with or without scheme, user, port, path. `None` for text that cannot
    /// be a host.
    ///
    /// ```
    /// use wsim_http::Host;
    /// assert_eq!(Host::read(b"https://M%61trix.B\xC3\xBCcher.example.:8448/"), Host::read(b"matrix.xn--bcher-kva.example"));
    /// assert_eq!(Host::read(b"0x7f.1"), Host::read(b"[::ffff:127.0.0.1]:80"));
    /// ```
    pub fn read(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let unescaped = undo_hex_escapes(text);
        let decoded = percent::decode(&unescaped);
        let text = String::from_utf8_lossy(&decoded);
        let text = authority(text.trim_matches(|c: char| c.is_whitespace() || c == '"'));
        if let Some(address) = bracketed(text).or_else(|| without_zone(text).parse().ok()) {
            return Some(Self::Address(canonical(address)));
        }
        let name = idna::domain_to_ascii(without_port(text)).unwrap_or_else(|_| without_port(text).to_lowercase());
        let name = name.trim_end_matches('.');
        if let Some(address) = numeric_ipv4(name) {
            return Some(Self::Address(IpAddr::V4(address)));
        }
        let is_name = name.len() <= NAME_MAX
            && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        is_name.then(|| Self::Name(name.to_owned()))
    }

    /// An address of a connection.
    pub fn of_address(address: IpAddr) -> Self {
        Self::Address(canonical(address))
    }

    /// Whether every machine calls itself so: `localhost` and the loopback addresses.
    pub fn is_this_machine(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => {
                name.ends_with(".localhost")
                    || matches!(name.as_str(), "localhost" | "localhost.localdomain" | "localhost6" | "ip6-localhost" | "ip6-loopback")
            }
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(out),
            Self::Name(name) => out.write_str(name),
        }
    }
}

/// The IPv4 address that an IPv6 address stands for, else the address itself.
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => embedded_ipv4(six).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// The IPv4 address within a mapped, compatible or translated IPv6 address, or one of 6to4 (RFC 4291, 6052, 8215, 2765, 3056).
fn embedded_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let tail = |a: u16, b: u16| Ipv4Addr::from((u32::from(a) << 16) | u32::from(b));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, a, b]
        | [0, 0, 0, 0, 0xffff, 0, a, b]
        | [0x64, 0xff9b, 0, 0, 0, 0, a, b]
        | [0x64, 0xff9b, 1, 0, 0, 0, a, b]
        | [0x2002, a, b, ..] => Some(tail(a, b)),
        _ => None,
    }
}

/// The authority of a URL, without its user; text that is no URL up to its first slash.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or_else(|| text.strip_prefix("//").unwrap_or(text), |(_, rest)| rest);
    let whole = rest.split(['/', '?', '#', '\\']).next().unwrap_or(rest);
    whole.rsplit_once('@').map_or(whole, |(_, host)| host)
}

/// `[::1]:80` -> `::1`.
fn bracketed(text: &str) -> Option<IpAddr> {
    let (inside, _) = text.strip_prefix('[')?.split_once(']')?;
    without_zone(inside).parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// `fe80::1%eth0` -> `fe80::1`.
fn without_zone(text: &str) -> &str {
    text.split_once('%').map_or(text, |(address, _)| address)
}

fn without_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => text,
    }
}

/// The notations of `inet_aton`: one to four parts, decimal, octal or hexadecimal, of which the last fills the remaining bytes.
fn numeric_ipv4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|&part| part > 255) {
        return None;
    }
    let free_bits = 32 - 8 * u32::try_from(first.len()).ok()?;
    if u64::from(*last) >> free_bits != 0 {
        return None;
    }
    let head = first.iter().zip([24, 16, 8]).fold(0_u32, |bits, (part, shift)| bits | (part << shift));
    Some(Ipv4Addr::from(head | last))
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { u32::from_str_radix(digits, radix).ok() } else { None }
}

/// nginx and Apache write bytes outside ASCII as `\xC3`.
fn undo_hex_escapes(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'\\', b'x', high, low, ..] => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                plain.push(high << 4 | low);
                rest = &rest[4..];
            }
            None => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Longest name of the Domain Name System.
const NAME_MAX: usize = 253;

/// Longest text that is looked at: a name, each byte of which is percent-encoded, with scheme, user and port.
const TEXT_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> String {
        Host::read(text.as_bytes()).map_or_else(|| "none".to_owned(), |host| host.to_string())
    }

    #[test]
    fn spellings_of_one_host_are_equal() {
        let same: [(&str, &[&str]); 6] = [
            (
                "matrix.example.org",
                &[
                    "MATRIX.Example.ORG",
                    "matrix.example.org.",
                    "matrix.example.org.:8448",
                    "https://user:secret@matrix.example.org/path?x#y",
                    "m%61trix%2Eexample.org",
                    "matrix。example．org｡",
                    "ｍａｔｒｉｘ.example.org",
                    "\\x6datrix.example.org",
                    " matrix.example.org ",
                    "//matrix.example.org",
                ],
            ),
            (
                "xn--bcher-kva.example",
                &[
                    "bücher.example",
                    "BÜCHER.example",
                    "bu\u{308}cher.example",
                    "XN--BCHER-KVA.example.",
                    "b\\xC3\\xBCcher.example",
                    "b%C3%BCcher.example",
                ],
            ),
            (
                "10.0.0.5",
                &[
                    "10.0.0.5:8008",
                    "10.5",
                    "10.0.5",
                    "167772165",
                    "0xA000005",
                    "0x0a.0.0.5",
                    "012.0.0.05",
                    "01200000005",
                    "[::ffff:10.0.0.5]",
                    "[::ffff:a00:5]:80",
                    "::ffff:10.0.0.5",
                    "::10.0.0.5",
                    "64:ff9b::10.0.0.5",
                    "2002:a00:5::1",
                    "１０.0.0.5",
                    "10.0.0.5.",
                ],
            ),
            ("127.0.0.1", &["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "017700000001", "0x7F000001"]),
            ("::1", &["[::1]", "[::1]:8008", "0:0:0:0:0:0:0:1", "[0:0::1%lo]", "http://[::1]:80/x"]),
            ("synapse", &["Synapse", "synapse:8008", "synapse."]),
        ];
        for (host, spellings) in same {
            for spelling in spellings {
                assert_eq!(read(spelling), host, "{spelling}");
            }
        }
    }

    #[test]
    fn text_that_cannot_be_a_host_is_none() {
        for text in
            ["", "-", "_", ".", ":80", "a b", "http://", "[::1", "\u{0}", "a/b c".trim_start_matches("a/"), &"a".repeat(254), "{server}"]
        {
            assert_eq!(read(text), "none", "{text:?}");
        }
        for text in ["256.1.1.1", "1.2.3.4.5", "08.1", "0x.1", "4294967296"] {
            assert!(matches!(Host::read(text.as_bytes()), Some(Host::Name(_))), "{text}");
        }
    }

    #[test]
    fn only_local_names_are_this_machine() {
        for (text, local) in [
            ("localhost", true),
            ("LOCALHOST.", true),
            ("a.localhost", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("::ffff:127.0.0.1", true),
        ]
        .into_iter()
        .chain([("mylocalhost", false), ("localhost.example.org", false), ("10.0.0.1", false), ("128.0.0.1", false)])
        {
            assert_eq!(Host::read(text.as_bytes()).unwrap().is_this_machine(), local, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_accepted_and_a_host_is_read_as_itself(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(host) = Host::read(&bytes) {
                prop_assert_eq!(Host::read(host.to_string().as_bytes()), Some(host));
            }
        }

        #[test]
        fn any_text_that_is_a_host_is_read_as_itself(text in "\\PC{0,30}") {
            if let Some(host) = Host::read(text.as_bytes()) {
                prop_assert_eq!(Host::read(host.to_string().as_bytes()), Some(host));
            }
        }
    }
}
