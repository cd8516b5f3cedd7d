//! What reading a proxy's configuration gives: sites that route requests, pools of servers, and what was not understood.
//!
//! The same for every proxy, so that the audit need not know which one it looks at.

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
    /// As sent, before the question mark.
    pub path: String,
    /// As sent, after the question mark.
    pub query: Option<String>,
    /// In order; names in any case.
    pub headers: Vec<(String, String)>,
    /// The client's IP address.
    pub address: String,
}

impl Request {
    /// A request without query from one address.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query.to_owned())));
        Self { method: method.to_owned(), path: path.to_owned(), query, headers: Vec::new(), address: "192.0.2.1".to_owned() }
    }

    /// The same with one header more.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The first header of a name, in any case.
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

    /// The first parameter of a name in the query, as sent.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let query = self.query.as_deref()?;
        query.split('&').find_map(|pair| match pair.split_once('=') {
            Some((own, value)) if own == name => Some(value),
            None if pair == name => Some(""),
            _ => None,
        })
    }
}

/// Where a request goes, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// Where it goes.
    pub target: RouteTarget,
    /// The rule that decided; `None` where no rule did.
    pub rule: Option<SourceLocation>,
    /// What the pool's rule hashes for this request.
    pub key: KeyValue,
    /// The proxy hands on a path that it decoded or rewrote: a signature over the path no longer fits.
    pub rewritten: bool,
}

impl Routed {
    /// A request that was not understood.
    pub fn unknown(unknown: Unknown) -> Self {
        Self { rule: Some(unknown.at.clone()), target: RouteTarget::Unknown(unknown), key: KeyValue::None, rewritten: false }
    }

    /// A request that the proxy answers itself.
    pub fn local(what: impl Into<String>, rule: Option<SourceLocation>) -> Self {
        Self { target: RouteTarget::Local(what.into()), rule, key: KeyValue::None, rewritten: false }
    }
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// To a pool, by its place in [`Proxy::pools`].
    Pool(usize),
    /// To a server that is named on the spot.
    Server(String),
    /// The proxy answers itself: a file, a redirect, an error.
    Local(String),
    /// Not evaluated.
    Unknown(Unknown),
}

/// What is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValue {
    /// The pool hashes nothing.
    None,
    /// This text; empty where the request lacks it.
    Text(String),
    /// Not evaluated, for this reason.
    Unknown(String),
}

/// Something that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// What, as a sentence's end.
    pub why: String,
    /// Where.
    pub at: SourceLocation,
}

impl Unknown {
    /// An unknown at a place.
    pub fn new(why: impl Into<String>, at: &SourceLocation) -> Self {
        Self { why: why.into(), at: at.clone() }
    }
}

/// Something that was read and left out of account.
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
    /// Its name, where the proxy gives it one.
    pub name: Option<String>,
    /// Share relative to its neighbours.
    pub weight: u32,
}

/// A pool of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamPool {
    /// Its name; the address where it has none.
    pub name: String,
    /// Servers in order, without those that are down or only a reserve.
    pub servers: Vec<UpstreamServer>,
    /// The rule in the proxy's own words.
    pub balance: String,
    /// Balancing state is shared by all of the proxy's processes.
    pub shared: bool,
    /// Where it stands.
    pub at: SourceLocation,
}

/// A virtual host: one set of rules.
pub trait Site: fmt::Debug + Send + Sync {
    /// What it is called, for people.
    fn name(&self) -> &str;
    /// Where it stands.
    fn location(&self) -> &SourceLocation;
    /// Where a request goes.
    fn route(&self, request: &Request) -> Routed;
}

/// A proxy's configuration, ready to route.
#[derive(Debug)]
pub struct Proxy {
    /// The program.
    pub kind: ProxyKind,
    /// Virtual hosts in order.
    pub sites: Vec<Box<dyn Site>>,
    /// Pools in order.
    pub pools: Vec<UpstreamPool>,
    /// Host names that rules ask for, where the rules and not the sites tell hosts apart.
    pub hosts: Vec<String>,
    /// Processes that keep their own balancing state; `None`: as many as there are cores.
    pub processes: Option<u32>,
    /// Where that stands.
    pub processes_at: Option<SourceLocation>,
    /// What was left out of account.
    pub notes: Vec<Note>,
}

/// Why a configuration cannot be read at all.
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
    Syntax {
        /// Where.
        at: SourceLocation,
        /// What should stand there.
        message: String,
    },
    /// A file of no known kind.
    #[error("{0}: neither nginx, HAProxy, Caddy, Traefik nor Synapse configuration; say which with --kind")]
    Kind(String),
}
