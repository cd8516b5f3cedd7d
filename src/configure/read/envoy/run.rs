//! One request at a virtual host: the first route that matches.

use std::sync::Arc;

use super::super::model::{Delivery, Doubts, Facts, KeyValue, Request, RouteTarget, Routed, Site, SourceLocation, Unknown};
use super::matching::Match;

/// A virtual host of one listener.
#[derive(Debug)]
pub(super) struct VirtualHost {
    pub(super) facts: Facts,
    pub(super) routes: Vec<Route>,
    /// The keys of the pools' rules may be hashed, by the index of the pool.
    pub(super) hashes: Arc<[bool]>,
    /// Whether the client's address is appended to `X-Forwarded-For`.
    pub(super) appends_address: bool,
}

#[derive(Debug)]
pub(super) struct Route {
    pub(super) matches: Match,
    pub(super) action: Action,
    pub(super) at: SourceLocation,
}

#[derive(Debug)]
pub(super) enum Action {
    /// A pool.
    Cluster {
        pool: usize,
        /// What takes the place of the matched prefix.
        prefix_rewrite: Option<String>,
        /// Whether an expression rewrites the path.
        rewrites: bool,
        /// `None` without a limit.
        patience_ms: Option<u64>,
        keys: Vec<Key>,
    },
    Local(String),
    Unknown(String),
}

/// An entry of `hash_policy`.
#[derive(Debug)]
pub(super) enum Key {
    Header(String),
    Address,
    Parameter(String),
    Unknown(String),
}

impl Site for VirtualHost {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn route(&self, request: &Request) -> Routed {
        for route in &self.routes {
            match route.matches.matches(request) {
                Err(why) => return Routed::unknown(Unknown::new(why, &route.at)),
                Ok(false) => {}
                Ok(true) => return self.taken(route, request),
            }
        }
        Routed::local("status 404: no route matches", Some(self.facts.at.clone()))
    }
}

impl VirtualHost {
    fn taken(&self, route: &Route, request: &Request) -> Routed {
        match &route.action {
            Action::Unknown(why) => Routed::unknown(Unknown::new(why.clone(), &route.at)),
            Action::Local(what) => Routed::local(what.clone(), Some(route.at.clone())),
            Action::Cluster { pool, prefix_rewrite, rewrites, patience_ms, keys } => {
                let is_same = |new: &String| route.matches.prefix() == Some(new.as_str());
                let delivery = Delivery {
                    body_max: None,
                    patience_ms: *patience_ms,
                    // The address is appended to what the client sends.
                    forwarded_for: self.appends_address.then(|| "$proxy_add_x_forwarded_for".to_owned()),
                    forwarded_proto: true,
                    buffers_requests: false,
                    buffers_responses: false,
                    doubts: Doubts::default(),
                };
                let is_hashed = self.hashes.get(*pool).copied().unwrap_or(false);
                Routed {
                    target: RouteTarget::Pool(*pool),
                    rule: Some(route.at.clone()),
                    key: if is_hashed { key(keys, request) } else { KeyValue::None },
                    rewritten: *rewrites || prefix_rewrite.as_ref().is_some_and(|new| !is_same(new)),
                    delivery: Some(delivery),
                }
            }
        }
    }
}

/// The keys of all policies together; without any, Envoy takes a random one.
fn key(keys: &[Key], request: &Request) -> KeyValue {
    let mut parts = Vec::new();
    for key in keys {
        parts.push(match key {
            Key::Header(name) => request.header(name).unwrap_or_default().to_owned(),
            Key::Address => request.address.clone(),
            Key::Parameter(name) => request.parameter(name).unwrap_or_default().to_owned(),
            Key::Unknown(why) => return KeyValue::Unknown(why.clone()),
        });
    }
    if keys.is_empty() { KeyValue::None } else { KeyValue::Text(parts.join("\n").trim_matches('\n').to_owned()) }
}
