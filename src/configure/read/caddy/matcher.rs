//! Matchers: path, path_regexp, method, header, query, host, not.

use super::super::model::{Place, Request, Unknown};
use super::super::pattern::Pattern;

/// One matcher.
#[derive(Debug, Clone)]
pub(super) enum Matcher {
    Path(Vec<String>),
    PathRegexp(Result<Pattern, String>),
    Method(Vec<String>),
    Host(Vec<String>),
    /// Parameters with the values that are wanted; `*` is any.
    Query(Vec<(String, Vec<String>)>),
    Header(Vec<(String, Vec<String>)>),
    HeaderRegexp(String, Result<Pattern, String>),
    /// None of these sets.
    Not(Vec<Set>),
    /// Not evaluated.
    Unknown(String),
}

/// Matchers that must all hold.
pub(super) type Set = Vec<Matcher>;

/// Whether one of the sets holds; no sets hold always.
pub(super) fn any(sets: &[Set], request: &Request, place: &Place) -> Result<bool, Unknown> {
    if sets.is_empty() {
        return Ok(true);
    }
    for set in sets {
        if all(set, request, place)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn all(set: &Set, request: &Request, place: &Place) -> Result<bool, Unknown> {
    // What cannot be evaluated matters only if everything else holds.
    let mut unknown = None;
    for matcher in set {
        match matcher.holds(request, place) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => unknown = Some(error),
        }
    }
    unknown.map_or(Ok(true), Err)
}

impl Matcher {
    fn holds(&self, request: &Request, place: &Place) -> Result<bool, Unknown> {
        let regexp = |pattern: &Result<Pattern, String>, text: &str| match pattern {
            Ok(pattern) => Ok(pattern.matches(text)),
            Err(why) => Err(Unknown::new(why.clone(), place)),
        };
        match self {
            Self::Path(paths) => {
                let path = cleaned(&request.path).to_lowercase();
                Ok(paths.iter().any(|wanted| path_matches(&wanted.to_lowercase(), &path)))
            }
            Self::PathRegexp(pattern) => regexp(pattern, &cleaned(&request.path)),
            Self::Method(methods) => Ok(methods.iter().any(|method| method.eq_ignore_ascii_case(&request.method))),
            Self::Host(hosts) => {
                // Without a name the host is taken to be the right one.
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
            Self::Not(sets) => Ok(!any(sets, request, place)? || sets.is_empty()),
            Self::Unknown(why) => Err(Unknown::new(why.clone(), place)),
        }
    }
}

/// Decoded, with single slashes and no dots.
pub(super) fn cleaned(path: &str) -> String {
    String::from_utf8_lossy(&crate::endpoints::as_nginx_sees(path.as_bytes())).into_owned()
}

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

/// Go's `path.Match` as far as `*` goes, which takes no slash; in time proportional to both lengths.
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
