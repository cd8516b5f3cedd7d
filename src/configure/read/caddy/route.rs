//! Routes, and their evaluation for one request.

use std::collections::HashSet;

use super::super::model::{Delivery, Doubts, Facts, KeyValue, Request, RouteTarget, Routed, Site, SourceLocation, Unknown};
use super::super::units::tighter;

use super::map::Map;
use super::matcher::{Set, any};
use super::state::{State, Value};

/// Matchers and handlers.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) sets: Vec<Set>,
    pub(super) handlers: Vec<Handler>,
    /// Of the routes of one group only the first match is used.
    pub(super) group: Option<String>,
    pub(super) terminal: bool,
    pub(super) at: SourceLocation,
}

/// A step of a route.
#[derive(Debug, Clone)]
pub(super) enum Handler {
    Subroute(Vec<Route>),
    /// A pool, by its index, the key of its rule, and how long a response may take to begin, or to go on, in milliseconds.
    Proxy(usize, Hash, Option<u64>),
    /// `request_body max_size`, in bytes.
    LimitBody(u64),
    Answers(String),
    /// A new path.
    Rewrite(String),
    StripPrefix(String),
    SetMethod(String),
    /// Variables set from a text.
    Map(Map),
    /// A variable and its new value, which may have placeholders.
    SetVariable(String, String),
    /// A request header and its new value, which may have placeholders; `None` removes the header.
    SetHeader(String, Option<String>),
    /// An additional value of a request header.
    AddHeader(String, String),
    /// Replacement of text within a request header, which is not evaluated.
    EditHeader(String),
    /// Several handlers in order.
    Several(Vec<Handler>),
    Unknown(String),
    /// A handler that routes nothing.
    Nothing,
}

/// The key of a selection policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hash {
    Nothing,
    Address,
    Uri,
    Header(String),
    Query(String),
    Cookie(String),
}

/// A server, or a site block.
#[derive(Debug)]
pub(super) struct CaddySite {
    pub(super) facts: Facts,
    pub(super) routes: Vec<Route>,
    /// The server's time-out for writing a response, milliseconds.
    pub(super) write_timeout: Option<u64>,
}

impl CaddySite {
    /// A site with addresses such as `example.org`, `https://*.example.org:8448` or `:80`.
    pub(super) fn new(name: String, at: SourceLocation, routes: Vec<Route>) -> Self {
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for address in name.split([',', ' ']).filter(|address| !address.is_empty()) {
            let (default, bare) = match address.split_once("://") {
                Some(("http", bare)) => (80, bare),
                Some((_, bare)) => (443, bare),
                None => (443, address),
            };
            let bare = bare.split('/').next().unwrap_or_default();
            let (host, port) = match bare.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?))) {
                Some((host, port)) => (host, port),
                None => (bare, default),
            };
            if host.contains('.') || host == "localhost" {
                hosts.push(host.to_owned());
            }
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        Self { facts: Facts { name, at, hosts, ports }, routes, write_timeout: None }
    }
}

impl Site for CaddySite {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn route(&self, request: &Request) -> Routed {
        let mut run = Run { state: State::new(request), steps: 0, body_max: None, write_timeout: self.write_timeout };
        match run.through(&self.routes, 0) {
            Ok(Some(mut routed)) => {
                routed.rewritten = run.state.request.path != request.path;
                routed
            }
            Ok(None) => Routed::local("an empty response: no route matches", Some(self.facts.at.clone())),
            Err(unknown) => Routed::unknown(unknown),
        }
    }
}

struct Run {
    state: State,
    steps: usize,
    /// The smallest `max_size` so far.
    body_max: Option<u64>,
    write_timeout: Option<u64>,
}

impl Run {
    fn through(&mut self, routes: &[Route], depth: usize) -> Result<Option<Routed>, Unknown> {
        let mut taken: HashSet<&str> = HashSet::new();
        for route in routes {
            if depth > DEPTH_MAX {
                return Err(Unknown::new("routes without end", &route.at));
            }
            self.spend(1, &route.at)?;
            if route.group.as_deref().is_some_and(|group| taken.contains(group)) || !any(&route.sets, &self.state, &route.at)? {
                continue;
            }
            taken.extend(route.group.as_deref());
            for handler in &route.handlers {
                if let Some(routed) = self.handle(handler, route, depth)? {
                    return Ok(Some(routed));
                }
            }
            if route.terminal {
                return Ok(Some(Routed::local("an empty response", Some(route.at.clone()))));
            }
        }
        Ok(None)
    }

    /// Takes account of steps of the evaluation: routes, handlers, rows of maps, texts that are kept.
    fn spend(&mut self, steps: usize, at: &SourceLocation) -> Result<(), Unknown> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > STEPS_MAX { Err(Unknown::new(format!("more than {STEPS_MAX} steps for one request"), at)) } else { Ok(()) }
    }

    /// The value that a handler sets.
    fn filled(&mut self, text: &str, at: &SourceLocation) -> Result<Value, Unknown> {
        let value = self.state.filled(text);
        self.spend(1 + value.as_ref().map_or(0, String::len) / BYTES_PER_STEP, at)?;
        Ok(value)
    }

    fn handle(&mut self, handler: &Handler, route: &Route, depth: usize) -> Result<Option<Routed>, Unknown> {
        let at = &route.at;
        match handler {
            Handler::Subroute(routes) => return self.through(routes, depth + 1),
            Handler::LimitBody(bytes) => self.body_max = tighter(self.body_max, Some(*bytes)),
            Handler::Proxy(pool, hash, patience) => {
                let key = self.key(hash);
                return Ok(Some(Routed {
                    target: RouteTarget::Pool(*pool),
                    rule: Some(at.clone()),
                    key,
                    rewritten: false,
                    delivery: Some(self.delivery(*patience)),
                }));
            }
            Handler::Answers(what) => return Ok(Some(Routed::local(what.clone(), Some(at.clone())))),
            Handler::Rewrite(to) if to.contains('{') && to != "{path}" && to != "{uri}" => {
                return Err(Unknown::new("a rewrite with placeholders is not evaluated", at));
            }
            Handler::Rewrite(to) if !to.contains('{') => {
                let (path, query) = to.split_once('?').map_or((to.as_str(), None), |(path, query)| (path, Some(query)));
                path.clone_into(&mut self.state.request.path);
                if let Some(query) = query {
                    self.state.request.query = Some(query.to_owned());
                }
            }
            Handler::StripPrefix(prefix) => {
                if let Some(rest) = self.state.request.path.strip_prefix(prefix.as_str()) {
                    self.state.request.path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
                }
            }
            Handler::SetMethod(method) => method.clone_into(&mut self.state.request.method),
            Handler::Several(handlers) => {
                for handler in handlers {
                    if let Some(routed) = self.handle(handler, route, depth + 1)? {
                        return Ok(Some(routed));
                    }
                }
            }
            Handler::Map(map) => {
                self.spend(map.cost(), at)?;
                map.apply(&mut self.state);
            }
            Handler::SetVariable(name, value) => {
                let value = self.filled(value, at)?;
                self.state.set(name, value);
            }
            Handler::SetHeader(name, value) => {
                let value = value.as_ref().map(|value| self.filled(value, at)).transpose()?;
                self.state.set_header(name, value);
            }
            Handler::AddHeader(name, value) => {
                let value = self.filled(value, at)?;
                let value =
                    if self.state.has_header(name) { Err(format!("a second value of the header {name} is not evaluated")) } else { value };
                self.state.set_header(name, Some(value));
            }
            Handler::EditHeader(name) => {
                if self.state.has_header(name) {
                    self.state.set_header(name, Some(Err(format!("replacing text in the header {name} is not evaluated"))));
                }
            }
            Handler::Unknown(what) => return Err(Unknown::new(format!("{what} is not evaluated"), at)),
            Handler::Nothing | Handler::Rewrite(_) => {}
        }
        Ok(None)
    }

    /// Caddy sets `X-Forwarded-For` and `-Proto` itself and passes bodies on as they come.
    fn delivery(&self, patience: Option<u64>) -> Delivery {
        Delivery {
            body_max: self.body_max,
            patience_ms: tighter(patience, self.write_timeout),
            forwarded_for: Some("set by Caddy".to_owned()),
            forwarded_proto: true,
            buffers_requests: false,
            buffers_responses: false,
            doubts: Doubts::default(),
        }
    }

    fn key(&self, hash: &Hash) -> KeyValue {
        let request = &self.state.request;
        KeyValue::Text(match hash {
            Hash::Nothing => return KeyValue::None,
            Hash::Address => request.address.clone(),
            Hash::Uri => request.target(),
            Hash::Header(name) => match self.state.known_header(name) {
                Ok(value) => value.unwrap_or_default().to_owned(),
                Err(why) => return KeyValue::Unknown(why),
            },
            Hash::Query(name) => request.parameter(name).unwrap_or_default().to_owned(),
            Hash::Cookie(name) => {
                let cookies = request.header("cookie").unwrap_or_default();
                let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
                pairs.filter(|(own, _)| own == name).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
            }
        })
    }
}

const DEPTH_MAX: usize = 40;
const STEPS_MAX: usize = 50_000;
const BYTES_PER_STEP: usize = 64;
