//! Matchers: path, path_regexp, method, header, query, host, remote_ip, vars, not.

use std::net::IpAddr;

use super::super::model::{SourceLocation, Unknown};

use super::super::pattern::Pattern;
use super::state::State;
use super::text::clean_path;

/// One matcher.
#[derive(Debug, Clone)]
pub(super) enum Matcher {
    Path(Vec<String>),
    PathRegexp(Result<Pattern, String>),
    Method(Vec<String>),
    Host(Vec<String>),
    /// Query parameters with their allowed values; `*` allows any value.
    Query(Vec<(String, Vec<String>)>),
    Header(Vec<(String, Vec<String>)>),
    HeaderRegexp(String, Result<Pattern, String>),
    /// The client's address is in one of these ranges.
    Address(Vec<Range>),
    /// A text with placeholders is one of these values.
    Variable(String, Vec<String>),
    /// None of these sets.
    Not(Vec<Set>),
    /// The reason why the matcher is not evaluated.
    Unknown(String),
}

/// Matchers that must all hold.
pub(super) type Set = Vec<Matcher>;

/// Whether one of the sets holds; an empty list always holds.
pub(super) fn any(sets: &[Set], state: &State, at: &SourceLocation) -> Result<bool, Unknown> {
    if sets.is_empty() {
        return Ok(true);
    }
    for set in sets {
        if all(set, state, at)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn all(set: &Set, state: &State, at: &SourceLocation) -> Result<bool, Unknown> {
    // A matcher that cannot be evaluated matters only if all others hold.
    let mut unknown = None;
    for matcher in set {
        match matcher.holds(state, at) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => unknown = Some(error),
        }
    }
    unknown.map_or(Ok(true), Err)
}

impl Matcher {
    /// The host names that the matcher asks for.
    pub(super) fn hosts(&self) -> Vec<String> {
        match self {
            Self::Host(hosts) => hosts.iter().filter(|host| !host.contains(['*', '{'])).cloned().collect(),
            _ => Vec::new(),
        }
    }

    fn holds(&self, state: &State, at: &SourceLocation) -> Result<bool, Unknown> {
        let request = &state.request;
        let regexp = |pattern: &Result<Pattern, String>, text: &str| match pattern {
            Ok(pattern) => Ok(pattern.matches(text)),
            Err(why) => Err(Unknown::new(why.clone(), at)),
        };
        match self {
            Self::Path(paths) => {
                let path = clean_path(&request.path).to_lowercase();
                Ok(paths.iter().any(|wanted| path_matches(&wanted.to_lowercase(), &path)))
            }
            Self::PathRegexp(pattern) => regexp(pattern, &clean_path(&request.path)),
            Self::Method(methods) => Ok(methods.iter().any(|method| method.eq_ignore_ascii_case(&request.method))),
            Self::Host(hosts) => {
                // A request without a Host header is assumed to match.
                let Some(host) = request.header("host") else { return Ok(true) };
                let host = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host);
                Ok(hosts.iter().any(|wanted| host_matches(wanted, host)))
            }
            Self::Query(wanted) => Ok(wanted.iter().all(|(name, values)| match request.parameter(name) {
                Some(found) => values.iter().any(|value| value == "*" || value == found),
                None => false,
            })),
            Self::Header(wanted) => Ok(wanted.iter().all(|(name, values)| match name.strip_prefix('!') {
                Some(absent) => request.header(absent).is_none(),
                None => match request.header(name) {
                    Some(found) => values.is_empty() || values.iter().any(|value| header_matches(value, found)),
                    None => false,
                },
            })),
            Self::HeaderRegexp(name, pattern) => match request.header(name) {
                Some(found) => regexp(pattern, found),
                None => Ok(false),
            },
            Self::Address(ranges) => {
                let Ok(address) = request.address.parse::<IpAddr>() else {
                    return Err(Unknown::new("the client's address is not known", at));
                };
                Ok(ranges.iter().any(|range| range.holds(address)))
            }
            Self::Variable(text, wanted) => {
                // A name without braces is the name of a variable.
                let found = if text.contains('{') { state.filled(text) } else { state.value(&format!("vars.{text}")) };
                let found = found.map_err(|why| Unknown::new(why, at))?;
                Ok(wanted.contains(&found))
            }
            Self::Not(sets) => Ok(!any(sets, state, at)? || sets.is_empty()),
            Self::Unknown(why) => Err(Unknown::new(why.clone(), at)),
        }
    }
}

/// Addresses with a common prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    address: IpAddr,
    bits: u32,
}

impl Range {
    /// Parses `192.0.2.0/24`, `::1` or `private_ranges`; `None` if the text is not an address.
    pub(super) fn parse(text: &str) -> Option<Vec<Self>> {
        if text == "private_ranges" {
            return PRIVATE.iter().map(|text| Self::one(text)).collect();
        }
        Self::one(text).map(|range| vec![range])
    }

    fn one(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(whole), |bits| bits.parse().ok().filter(|bits| *bits <= whole))?;
        Some(Self { address, bits })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let same = |own: u128, other: u128, whole: u32| self.bits == 0 || (own ^ other) >> (whole - self.bits) == 0;
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

/// Caddy's `private_ranges` (`modules/internal/network.go`).
const PRIVATE: [&str; 6] = ["192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8", "127.0.0.1/8", "fd00::/8", "::1"];

/// `/a*`, `*.b`, `*c*`, `/a/*/b`
fn path_matches(wanted: &str, path: &str) -> bool {
    if wanted == "*" {
        return true;
    }
    let stars = wanted.matches('*').count();
    match (wanted.strip_prefix('*'), wanted.strip_suffix('*')) {
        (Some(_), Some(_)) if stars == 2 => path.contains(wanted.trim_matches('*')),
        (Some(end), None) if stars == 1 => path.ends_with(end),
        (None, Some(start)) if stars == 1 => path.starts_with(start),
        _ if stars == 0 => path == wanted,
        _ => glob(wanted.as_bytes(), path.as_bytes()),
    }
}

/// Go's `path.Match`, only with `*`, which does not match a slash. The time is proportional to both lengths.
fn glob(wanted: &[u8], path: &[u8]) -> bool {
    let (mut w, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while p < path.len() {
        match wanted.get(w) {
            Some(b'*') => {
                star = Some((w, p));
                w += 1;
            }
            Some(byte) if *byte == path[p] => {
                w += 1;
                p += 1;
            }
            _ => match star {
                Some((at, from)) if path[from] != b'/' => {
                    star = Some((at, from + 1));
                    (w, p) = (at + 1, from + 1);
                }
                _ => return false,
            },
        }
    }
    wanted[w..].iter().all(|byte| *byte == b'*')
}

fn host_matches(wanted: &str, host: &str) -> bool {
    match wanted.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(rest)),
        None => wanted.eq_ignore_ascii_case(host),
    }
}

fn header_matches(wanted: &str, found: &str) -> bool {
    match (wanted.strip_prefix('*'), wanted.strip_suffix('*')) {
        (Some(_), Some(_)) => found.contains(wanted.trim_matches('*')),
        (Some(end), None) => found.ends_with(end),
        (None, Some(start)) => found.starts_with(start),
        (None, None) => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_addresses() {
        let holds = |range: &str, address: &str| Range::parse(range).unwrap().iter().any(|range| range.holds(address.parse().unwrap()));
        assert!(holds("127.0.0.0/8", "127.255.0.1") && !holds("127.0.0.0/8", "128.0.0.1") && !holds("127.0.0.0/8", "::1"));
        assert!(holds("::1", "::1") && !holds("::1", "::2") && holds("0.0.0.0/0", "9.9.9.9") && holds("private_ranges", "172.31.0.1"));
        assert!(["", "a", "10.0.0.0/33", "::/129", "10.0.0.0/-1"].iter().all(|text| Range::parse(text).is_none()));
    }
}
