//! Texts of mod_rewrite: groups of rules and conditions, and variables of a request.
//!
//! Source: `modules/mappers/mod_rewrite.c` of httpd (`do_expand`, `lookup_variable`).

use super::super::model::{SourceLocation, Unknown};
use super::super::pattern::{Captures, bounded};
use super::rewrite::State;

/// The groups of a rule that applies, and of its last condition that matched.
pub(super) struct Found {
    pub(super) rule: Captures,
    pub(super) condition: Captures,
}

/// A text with its groups (`$1`, `%1`) and variables (`%{…}`).
pub(super) fn expanded(text: &str, state: &State<'_>, found: &Found, at: &SourceLocation) -> Result<String, Unknown> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(mark) = rest.find(['$', '%', '\\']) {
        out.push_str(&rest[..mark]);
        let after = &rest[mark + 1..];
        let next = after.chars().next();
        let is_rule = rest.as_bytes()[mark] == b'$';
        if rest.as_bytes()[mark] == b'\\' {
            out.extend(next);
            rest = next.map_or("", |next| &after[next.len_utf8()..]);
        } else if let Some(digit) = next.and_then(|next| next.to_digit(10)) {
            let groups = if is_rule { &found.rule } else { &found.condition };
            out.push_str(groups.groups.get(digit as usize).map_or("", String::as_str));
            rest = &after[1..];
        } else if next == Some('{') {
            let (name, end) = after[1..].split_once('}').unwrap_or((&after[1..], ""));
            if is_rule {
                return Err(Unknown::new("a RewriteMap is not evaluated", at));
            }
            let value = variable(name, state);
            out.push_str(&value.ok_or_else(|| Unknown::new(format!("%{{{}}} is not evaluated", name.escape_debug()), at))?);
            rest = end;
        } else {
            out.push_str(&rest[mark..=mark]);
            rest = after;
        }
    }
    bounded(out + rest).map_err(|why| Unknown::new(why, at))
}

/// The value of a variable; `None` if it is not known.
pub(super) fn variable(name: &str, state: &State<'_>) -> Option<String> {
    let header = |name: &str| Some(state.request.header(name).unwrap_or_default().to_owned());
    if let Some(name) = name.strip_prefix("ENV:") {
        return Some(state.environment.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone()).unwrap_or_default());
    }
    if let Some(name) = name.strip_prefix("HTTP:") {
        return header(name);
    }
    match name {
        "REQUEST_METHOD" => Some(state.request.method.clone()),
        "REQUEST_URI" | "SCRIPT_NAME" => Some(state.path.clone()),
        "REQUEST_FILENAME" => Some(state.uri.clone()),
        "QUERY_STRING" => Some(state.query.clone().unwrap_or_default()),
        "THE_REQUEST" => Some(format!("{} {} HTTP/1.1", state.request.method, state.request.target())),
        "HTTP_HOST" => header("Host"),
        "HTTP_USER_AGENT" => header("User-Agent"),
        "HTTP_REFERER" => header("Referer"),
        "HTTP_COOKIE" => header("Cookie"),
        "HTTP_ACCEPT" => header("Accept"),
        "HTTPS" => Some(if state.is_tls { "on" } else { "off" }.to_owned()),
        "REQUEST_SCHEME" => Some(if state.is_tls { "https" } else { "http" }.to_owned()),
        "SERVER_NAME" => Some(state.server_name.to_owned()),
        "SERVER_PORT" => Some(state.port.to_string()),
        "SERVER_PROTOCOL" => Some("HTTP/1.1".to_owned()),
        "REMOTE_ADDR" => Some(state.request.address.clone()),
        "IS_SUBREQ" => Some("false".to_owned()),
        _ => None,
    }
}
