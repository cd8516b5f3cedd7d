//! A parsed proxy configuration: sites that route requests, pools of servers, and the parts that were not evaluated.
//!
//! The types are the same for every proxy, so the audit does not depend on the proxy.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use wsim_plan::ProxyKind;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceLocation {
    /// The file as it was named or included.
    pub file: Arc<str>,
    /// Line, counted from 1; 0 means the whole file.
    pub line: usize,
}

impl SourceLocation {
    /// A line of a file.
    pub fn new(file: &Arc<str>, line: usize) -> Self {
        Self { file: Arc::clone(file), line }
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.escape_debug();
        if self.line == 0 { write!(formatter, "{file}") } else { write!(formatter, "{file}:{}", self.line) }
    }
}

impl Serialize for SourceLocation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A request as it reaches the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `PUT`, …
    pub method: String,
    /// The part of the target before the question mark, as sent.
    pub path: String,
    /// The part of the target after the question mark, as sent.
    pub query: Option<String>,
    /// In order; the case of names does not matter.
    pub headers: Vec<(String, String)>,
    /// The client's IP address.
    pub address: String,
}

impl Request {
    /// A request without headers, from an example address.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query.to_owned())));
        Self { method: method.to_owned(), path: path.to_owned(), query, headers: Vec::new(), address: "192.0.2.1".to_owned() }
    }

    /// The same request with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The first header with a name; its case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Path and query as sent.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The first query parameter with a name, as sent.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let query = self.query.as_deref()?;
        query.split('&').find_map(|pair| match pair.split_once('=') {
            Some((own, value)) if own == name => Some(value),
            None if pair == name => Some(""),
            _ => None,
        })
    }
}

/// The destination of a request, and the rule that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    pub target: RouteTarget,
    /// The rule that decided; `None` if no rule did.
    pub rule: Option<SourceLocation>,
    /// The key that the pool's rule hashes for this request.
    pub key: KeyValue,
    /// Whether the proxy decodes or rewrites the path that it passes on, which breaks signatures over the path.
    pub rewritten: bool,
    /// How the request is passed on; `None` for proxies whose defaults need no check, and for what is not passed on.
    pub delivery: Option<Delivery>,
}

impl Routed {
    /// A request whose destination could not be evaluated.
    pub fn unknown(unknown: Unknown) -> Self {
        Self {
            rule: Some(unknown.at.clone()),
            target: RouteTarget::Unknown(unknown),
            key: KeyValue::None,
            rewritten: false,
            delivery: None,
        }
    }

    /// A request to which the proxy responds itself.
    pub fn local(what: impl Into<String>, rule: Option<SourceLocation>) -> Self {
        Self { target: RouteTarget::Local(what.into()), rule, key: KeyValue::None, rewritten: false, delivery: None }
    }
}

/// How a proxy passes a request on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The largest body that the proxy accepts, bytes; `None` without a limit.
    pub body_max: Option<u64>,
    /// The time that the proxy waits for the response, milliseconds; `None` without a limit.
    pub patience_ms: Option<u64>,
    /// The value of `X-Forwarded-For` as configured; `None` if the client's own header is passed on.
    pub forwarded_for: Option<String>,
    /// Whether `X-Forwarded-Proto` is set.
    pub forwarded_proto: bool,
    /// Whether the proxy receives a body as a whole before it passes it on.
    pub buffers_requests: bool,
    /// Whether the proxy takes a response from the server as fast as it comes, however slow the client is.
    pub buffers_responses: bool,
    pub doubts: Doubts,
}

/// The settings of a [`Delivery`] about which a file that is not there may say something else, each with the place that includes the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doubts {
    pub body_max: Option<SourceLocation>,
    pub patience: Option<SourceLocation>,
    pub forwarded_for: Option<SourceLocation>,
    pub forwarded_proto: Option<SourceLocation>,
    pub buffers: Option<SourceLocation>,
}

/// A rule that no request reaches, because an earlier one takes all that it matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadowed {
    pub at: SourceLocation,
    /// The rule that takes the requests.
    pub by: SourceLocation,
    /// Number of the tried requests that the rule matches.
    pub requests: usize,
}

/// The destination of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// A pool, by its index in [`Proxy::pools`].
    Pool(usize),
    /// A server outside all pools, by its address.
    Server(String),
    /// The proxy itself responds: with a file, a redirect or an error.
    Local(String),
    Unknown(Unknown),
}

/// The key of a request in a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValue {
    /// The pool's rule has no key.
    None,
    /// The text that the rule hashes; empty if the request lacks it.
    Text(String),
    /// The reason why the key could not be evaluated.
    Unknown(String),
}

/// A part of a configuration that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The reason, as a phrase.
    pub why: String,
    pub at: SourceLocation,
}

impl Unknown {
    pub fn new(why: impl Into<String>, at: &SourceLocation) -> Self {
        Self { why: why.into(), at: at.clone() }
    }
}

/// A part of a configuration that was read, but not evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    #[serde(rename = "place")]
    pub at: SourceLocation,
    pub text: String,
}

/// A server of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamServer {
    /// `host:port`, `unix:/path`.
    pub address: String,
    /// The server's name, if the proxy's configuration has one.
    pub name: Option<String>,
    /// Share relative to the other servers of the pool.
    pub weight: u32,
}

/// A pool of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamPool {
    /// The pool's name; for a pool without a name, the address of its server.
    pub name: String,
    /// In order, without servers that are down or only a backup.
    pub servers: Vec<UpstreamServer>,
    /// The balancing rule in the proxy's own words.
    pub balance: String,
    /// Whether all processes of the proxy share the balancing state.
    pub shared: bool,
    pub at: SourceLocation,
}

/// What is known of a site besides its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The site's name for people.
    pub name: String,
    pub at: SourceLocation,
    /// The host names that select the site, as they are written (`*.example.org`, `~^m`); empty if every host does.
    pub hosts: Vec<String>,
    /// The ports that the site listens on; empty if unknown.
    pub ports: Vec<u16>,
}

/// A virtual host: one set of rules.
pub trait Site: fmt::Debug + Send + Sync {
    fn facts(&self) -> &Facts;
    /// The destination of a request.
    fn route(&self, request: &Request) -> Routed;
    /// See [`Facts::name`].
    fn name(&self) -> &str {
        &self.facts().name
    }
    /// See [`Facts::at`].
    fn location(&self) -> &SourceLocation {
        &self.facts().at
    }
    /// See [`Facts::hosts`].
    fn hosts(&self) -> &[String] {
        &self.facts().hosts
    }
    /// See [`Facts::ports`].
    fn ports(&self) -> &[u16] {
        &self.facts().ports
    }
    /// Rules that none of these requests reaches, although they match some of them.
    fn shadowed(&self, _requests: &[Request]) -> Vec<Shadowed> {
        Vec::new()
    }
}

/// Whose words a finding uses for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    Nginx,
    /// Annotations of an Ingress that ingress-nginx reads.
    IngressNginx,
    Haproxy,
    Caddy,
    Traefik,
    Apache,
    Envoy,
    /// A Kubernetes object of which only the routes are evaluated.
    Kubernetes,
}

/// A proxy's configuration, ready to route.
#[derive(Debug)]
pub struct Proxy {
    pub kind: ProxyKind,
    pub words: Words,
    pub sites: Vec<Box<dyn Site>>,
    pub pools: Vec<UpstreamPool>,
    /// Host names that rules compare with, for proxies whose rules and not sites select the host.
    pub hosts: Vec<String>,
    /// Number of processes with their own balancing state; `None` for one for each core.
    pub processes: Option<u32>,
    /// The location of the setting behind [`Self::processes`].
    pub processes_at: Option<SourceLocation>,
    /// The parts that were read, but not evaluated.
    pub notes: Vec<Note>,
    /// Included files that are not there: what they say is unknown.
    pub missing: Vec<SourceLocation>,
}

/// Why a configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file that cannot be opened.
    #[error("{file}: {source}")]
    Open {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// Text that is none of the proxy's.
    #[error("{at}: {message}")]
    Syntax { at: SourceLocation, message: String },
    /// A file of unknown kind.
    #[error("{0}: neither nginx, HAProxy, Caddy, Traefik, Apache, Envoy nor Synapse configuration; name the program with --kind")]
    Kind(String),
}
