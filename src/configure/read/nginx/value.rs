//! The values of variables for one request.

use std::collections::HashMap;

use super::super::model::{Request, SourceLocation, Unknown};

use super::super::pattern::{Captures, bounded};
use super::config::{Config, Map};
use wsim_nginx::variables::{Digits, Piece, pieces};

/// The state of one request.
#[derive(Debug)]
pub(super) struct Values<'r> {
    pub(super) config: &'r Config,
    pub(super) request: &'r Request,
    /// The path that is matched: decoded, perhaps rewritten.
    pub(super) uri: String,
    /// The query, perhaps rewritten.
    pub(super) args: Option<String>,
    set: HashMap<String, String>,
    /// Values of maps, evaluated once for each request as in nginx.
    kept: HashMap<String, String>,
    /// `$0`, `$1`, … of the last expression that matched.
    groups: Vec<String>,
    steps: usize,
}

impl<'r> Values<'r> {
    pub(super) fn new(config: &'r Config, request: &'r Request, uri: String) -> Self {
        let args = request.query.clone();
        Self { config, request, uri, args, set: HashMap::new(), kept: HashMap::new(), groups: Vec::new(), steps: 0 }
    }

    pub(super) fn set(&mut self, name: &str, value: String) {
        self.set.insert(name.to_owned(), value);
    }

    /// Stores the groups of a match.
    pub(super) fn matched(&mut self, captures: Captures) {
        self.groups = captures.groups;
        for (name, value) in captures.named {
            self.set.insert(name.to_ascii_lowercase(), value);
        }
    }

    /// A text with its variables replaced by their values.
    pub(super) fn text(&mut self, text: &str, at: &SourceLocation) -> Result<String, Unknown> {
        self.text_within(text, at, 0)
    }

    fn text_within(&mut self, text: &str, at: &SourceLocation, depth: usize) -> Result<String, Unknown> {
        let mut out = String::new();
        for piece in pieces(text, Digits::Capture) {
            match piece {
                Piece::Literal(literal) => out.push_str(literal),
                Piece::Dollar { .. } => out.push('$'),
                Piece::Variable { name, .. } => out.push_str(&self.variable(&name.to_ascii_lowercase(), at, depth)?),
            }
            out = bounded(out).map_err(|why| Unknown::new(why, at))?;
        }
        // Texts are kept in variables: what they take together is bounded as well.
        self.spend(out.len() / BYTES_PER_STEP, at)?;
        Ok(out)
    }

    /// Takes account of steps of the evaluation: directives, expressions, variables.
    pub(super) fn spend(&mut self, steps: usize, at: &SourceLocation) -> Result<(), Unknown> {
        self.steps += steps;
        if self.steps > STEPS_MAX { Err(Unknown::new(format!("more than {STEPS_MAX} steps for one request"), at)) } else { Ok(()) }
    }

    fn variable(&mut self, name: &str, at: &SourceLocation, depth: usize) -> Result<String, Unknown> {
        self.spend(1, at)?;
        if depth > DEPTH_MAX {
            return Err(Unknown::new("variables that refer to each other", at));
        }
        if let Ok(number) = name.parse::<usize>() {
            return Ok(self.groups.get(number).cloned().unwrap_or_default());
        }
        if let Some(value) = self.set.get(name).or_else(|| self.kept.get(name)) {
            return Ok(value.clone());
        }
        let config = self.config;
        if let Some(map) = config.maps.get(name) {
            let value = self.map(map, depth)?;
            self.kept.insert(name.to_owned(), value.clone());
            return Ok(value);
        }
        if let Some(geo) = config.geos.get(name) {
            let address = self.request.address.parse().map_err(|_| Unknown::new("the client's address is not known", at))?;
            return Ok(geo.value(address).to_owned());
        }
        if let Some((what, at)) = config.foreign.get(name) {
            return Err(Unknown::new(format!("${name} comes from {what}, which is not evaluated"), at));
        }
        if let Some(value) = self.builtin(name) {
            return Ok(value);
        }
        // A named group of an expression that did not match, or a `set` that did not run, is empty.
        if config.declared.contains(name) {
            return Ok(String::new());
        }
        if KNOWN_BUT_UNEVALUATED.iter().any(|known| name.starts_with(known)) {
            return Err(Unknown::new(format!("${name} is not evaluated"), at));
        }
        Err(Unknown::new(format!("${name} is set in none of these files"), at))
    }

    fn map(&mut self, map: &Map, depth: usize) -> Result<String, Unknown> {
        let source = self.text_within(&map.source, &map.at, depth + 1)?;
        if map.hostnames {
            return Err(Unknown::new("a map with hostnames, which is not evaluated", &map.at));
        }
        if let Some(value) = map.exact.get(&source.to_lowercase()) {
            return self.text_within(value, &map.at, depth + 1);
        }
        for (pattern, value, at) in &map.patterns {
            self.spend(1, at)?;
            let pattern = pattern.as_ref().map_err(|why| Unknown::new(why.clone(), at))?;
            if let Some(captures) = pattern.captures(&source) {
                self.matched(captures);
                return self.text_within(value, at, depth + 1);
            }
        }
        self.text_within(&map.default, &map.at, depth + 1)
    }

    /// nginx's own variables that depend on the request only.
    fn builtin(&self, name: &str) -> Option<String> {
        let request = self.request;
        Some(match name {
            "uri" | "document_uri" => self.uri.clone(),
            "args" | "query_string" => self.args.clone().unwrap_or_default(),
            "is_args" => if self.args.as_deref().is_some_and(|args| !args.is_empty()) { "?" } else { "" }.to_owned(),
            "request_uri" => request.target(),
            "request_method" => request.method.clone(),
            "request" => format!("{} {} HTTP/1.1", request.method, request.target()),
            "remote_addr" | "realip_remote_addr" | "binary_remote_addr" => request.address.clone(),
            "proxy_add_x_forwarded_for" => match request.header("x-forwarded-for") {
                Some(before) => format!("{before}, {}", request.address),
                None => request.address.clone(),
            },
            "host" | "http_host" | "server_name" => request.header("host").unwrap_or("matrix.example.org").to_owned(),
            "scheme" => "https".to_owned(),
            "https" => "on".to_owned(),
            "server_port" => "443".to_owned(),
            "remote_user" | "content_length" | "content_type" => String::new(),
            _ => return self.named(name),
        })
    }

    fn named(&self, name: &str) -> Option<String> {
        if let Some(argument) = name.strip_prefix("arg_") {
            return Some(argument_of(self.args.as_deref().unwrap_or_default(), argument));
        }
        if let Some(header) = name.strip_prefix("http_") {
            let values = self.request.headers.iter().filter(|(own, _)| own.replace('-', "_").eq_ignore_ascii_case(header));
            return Some(values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", "));
        }
        let cookie = name.strip_prefix("cookie_")?;
        let cookies = self.request.header("cookie").unwrap_or_default();
        let found = cookies.split(';').filter_map(|pair| pair.trim().split_once('=')).find(|(own, _)| own.eq_ignore_ascii_case(cookie));
        Some(found.map(|(_, value)| value.to_owned()).unwrap_or_default())
    }
}

/// `$arg_NAME`: the first parameter of the name in any case, as sent (`ngx_http_arg`).
fn argument_of(args: &str, name: &str) -> String {
    let found = args.split('&').filter_map(|pair| pair.split_once('=')).find(|(own, _)| own.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// Beginnings of nginx's variables that are not evaluated here.
const KNOWN_BUT_UNEVALUATED: [&str; 20] = [
    "ssl_",
    "time_",
    "request_",
    "upstream_",
    "connection",
    "pid",
    "hostname",
    "msec",
    "geoip",
    "proxy_",
    "sent_",
    "server_",
    "remote_",
    "tcpinfo",
    "realip_",
    "nginx_version",
    "document_root",
    "status",
    "bytes_",
    "jwt_",
];
const STEPS_MAX: usize = 50_000;
const DEPTH_MAX: usize = 24;
const BYTES_PER_STEP: usize = 64;
