//! A request while it passes the routes: its rewritten parts, and the variables set so far.

use std::collections::HashMap;

use super::super::model::Request;
use super::super::pattern::bounded;
use super::text::clean_path;
use wsim_http::percent;

/// The request and its variables. A text with a placeholder that is not evaluated is an error with the reason, never a guess.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) request: Request,
    variables: HashMap<String, Value>,
    /// Headers with an unknown value, and the reason.
    unknown_headers: HashMap<String, String>,
}

/// A text, or the reason why it is unknown.
pub(super) type Value = Result<String, String>;

impl State {
    pub(super) fn new(request: &Request) -> Self {
        Self { request: request.clone(), variables: HashMap::new(), unknown_headers: HashMap::new() }
    }

    /// Sets a variable. The name has no braces.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.variables.insert(name.to_owned(), value);
    }

    /// Replaces a request header; `None` removes it.
    pub(super) fn set_header(&mut self, name: &str, value: Option<Value>) {
        let name_is = |own: &str| own.eq_ignore_ascii_case(name);
        self.request.headers.retain(|(own, _)| !name_is(own));
        self.unknown_headers.retain(|own, _| !name_is(own));
        match value {
            Some(Ok(value)) => self.request.headers.push((name.to_owned(), value)),
            Some(Err(why)) => drop(self.unknown_headers.insert(name.to_owned(), why)),
            None => {}
        }
    }

    /// Whether the request has this header, with a known value or not.
    pub(super) fn has_header(&self, name: &str) -> bool {
        !matches!(self.known_header(name), Ok(None))
    }

    /// The value of a header, or the reason why it is unknown.
    pub(super) fn known_header(&self, name: &str) -> Result<Option<&str>, String> {
        match self.unknown_headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some((_, why)) => Err(why.clone()),
            None => Ok(self.request.header(name)),
        }
    }

    /// A text with its placeholders replaced, as by Caddy's `Replacer.ReplaceAll` with an empty text for missing values.
    pub(super) fn filled(&self, text: &str) -> Value {
        let mut out = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}').map(|length| open + length) else { break };
            if open > 0 && rest.as_bytes()[open - 1] == b'\\' {
                // An escaped brace is literal.
                out.push_str(&rest[..open - 1]);
                out.push('{');
                rest = &rest[open + 1..];
                continue;
            }
            out.push_str(&rest[..open]);
            out.push_str(&self.value(&rest[open + 1..close])?);
            out = bounded(out)?;
            rest = &rest[close + 1..];
        }
        out.push_str(rest);
        bounded(out)
    }

    /// The value of a placeholder, by its name without braces: a variable, or else a property of the request by its short or long name.
    pub(super) fn value(&self, name: &str) -> Value {
        if let Some(value) = self.variables.get(name).or_else(|| self.variables.get(name.strip_prefix("http.vars.")?)) {
            return value.clone();
        }
        let request = &self.request;
        let text = |text: &str| Ok(text.to_owned());
        match name {
            "http.request.method" | "method" => text(&request.method),
            "http.request.uri" | "uri" => Ok(request.target()),
            "http.request.uri.path" | "path" => Ok(clean_path(&request.path)),
            "http.request.uri.query" | "query" => text(request.query.as_deref().unwrap_or_default()),
            "http.request.host" | "host" => {
                let host = request.header("host").unwrap_or_default();
                text(host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host))
            }
            "http.request.hostport" | "hostport" => text(request.header("host").unwrap_or_default()),
            "http.request.remote.host" | "remote_host" | "client_ip" | "http.vars.client_ip" => text(&request.address),
            "http.request.scheme" | "scheme" => text("https"),
            _ => self.prefixed(name),
        }
    }

    /// `{header.NAME}`, `{query.NAME}`, `{vars.NAME}` and their long forms.
    fn prefixed(&self, name: &str) -> Value {
        let after = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
        if let Some(header) = after(["http.request.header.", "header."]) {
            return self.known_header(header).map(|value| value.unwrap_or_default().to_owned());
        }
        if let Some(parameter) = after(["http.request.uri.query.", "query."]) {
            return Ok(decoded(self.request.parameter(parameter).unwrap_or_default()));
        }
        if let Some(variable) = after(["http.vars.", "vars."]) {
            return self.variables.get(variable).cloned().unwrap_or_else(|| Ok(String::new()));
        }
        Err(format!("the placeholder {{{}}} is not evaluated", name.escape_debug()))
    }
}

/// A query's value as Go's `url.ParseQuery` decodes it.
fn decoded(text: &str) -> String {
    percent::decode_text(&text.replace('+', " ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_or_reported_as_unknown() {
        let mut state = State::new(&Request::new("GET", "/a%20b?x=1%2F2").with_header("Authorization", "Bearer t"));
        state.set("user", Ok("alice".to_owned()));
        assert_eq!(state.filled("{method} {uri}|{http.request.uri.path}").unwrap(), "GET /a%20b?x=1%2F2|/a b");
        assert_eq!(state.filled("{header.Authorization}|{query.x}|{query.y}|{user}|{vars.none}").unwrap(), "Bearer t|1/2||alice|");
        assert_eq!(state.filled("\\{user} {open").unwrap(), "{user} {open");
        assert!(state.filled("a {http.request.uuid}").unwrap_err().contains("{http.request.uuid}"));
    }

    #[test]
    fn a_header_of_unknown_value_is_not_guessed() {
        let mut state = State::new(&Request::new("GET", "/").with_header("X-Key", "sent by the client"));
        state.set_header("x-key", Some(Err("no".to_owned())));
        assert_eq!(state.known_header("X-Key"), Err("no".to_owned()));
        state.set_header("X-Key", Some(Ok("1".to_owned())));
        assert_eq!(state.known_header("x-key"), Ok(Some("1")));
        state.set_header("X-Key", None);
        assert_eq!(state.known_header("x-key"), Ok(None));
    }
}
