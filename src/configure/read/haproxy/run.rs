//! Evaluates one request in a frontend: its `http-request` rules in order, then `use_backend`, then the rules of the backend.

use std::cell::Cell;
use std::collections::HashMap;

use super::super::model::{Delivery, Doubts, Facts, KeyValue, Request, RouteTarget, Routed, Site, SourceLocation, Unknown};
use super::super::pattern::{Pattern, bounded};

use super::condition::Acls;
use super::config::{Action, Backend, Balance, Format, Frontend, Piece, Rule};
use super::sample::{COMPARISONS_MAX, RequestView};

impl Site for Frontend {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn route(&self, request: &Request) -> Routed {
        route(self, request)
    }
}

fn route(frontend: &Frontend, request: &Request) -> Routed {
    let mut run = Run {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        headers: request.headers.clone(),
        address: request.address.clone(),
        variables: HashMap::new(),
        unknown: HashMap::new(),
        servers: &frontend.config.servers,
        comparisons: Cell::new(COMPARISONS_MAX),
    };
    match run.route(frontend) {
        Ok(mut routed) => {
            routed.rewritten = run.path != request.path;
            routed
        }
        Err(unknown) => Routed::unknown(unknown),
    }
}

struct Run<'f> {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    address: String,
    variables: HashMap<String, String>,
    /// Variables and headers that a rule sets whose condition or value is unknown.
    unknown: HashMap<String, String>,
    servers: &'f HashMap<String, usize>,
    comparisons: Cell<usize>,
}

impl Run<'_> {
    fn request_view(&self) -> RequestView<'_> {
        RequestView {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            address: &self.address,
            variables: &self.variables,
            unknown: &self.unknown,
            servers: self.servers,
            comparisons: &self.comparisons,
        }
    }

    fn route(&mut self, frontend: &Frontend) -> Result<Routed, Unknown> {
        if let Some(answered) = self.rules(&frontend.rules, &frontend.acls)? {
            return Ok(answered);
        }
        for choice in &frontend.choices {
            let view = self.request_view();
            view.spend(RULE_COST).map_err(|why| Unknown::new(why, &choice.at))?;
            let holds = match &choice.condition {
                Some(condition) => condition.holds(&frontend.acls, &view).map_err(|why| Unknown::new(why, &choice.at))?,
                None => true,
            };
            if !holds {
                continue;
            }
            let name = self.text(&choice.backend).map_err(|why| Unknown::new(why, &choice.at))?;
            // If an expression gives a name without a backend, HAProxy uses the default backend and tries no further rule.
            match frontend.config.backends.iter().position(|backend| backend.pool.name == name) {
                Some(index) => return self.enter(frontend, index, choice.at.clone()),
                None => break,
            }
        }
        match &frontend.default {
            Some((name, at)) => match frontend.config.backends.iter().position(|backend| backend.pool.name == *name) {
                Some(index) => self.enter(frontend, index, at.clone()),
                None => Err(Unknown::new(format!("there is no backend {}", name.escape_debug()), at)),
            },
            None => Ok(Routed::local("status 503: no backend matches", Some(frontend.facts.at.clone()))),
        }
    }

    fn enter(&mut self, frontend: &Frontend, index: usize, rule: SourceLocation) -> Result<Routed, Unknown> {
        let backend = &frontend.config.backends[index];
        if let Some(answered) = self.rules(&backend.rules, &backend.acls)? {
            return Ok(answered);
        }
        if backend.pool.servers.is_empty() {
            let what = if backend.is_statistics { "the statistics page" } else { "status 503: the backend has no server" };
            return Ok(Routed::local(what, Some(backend.pool.at.clone())));
        }
        let delivery = Delivery {
            body_max: None,
            patience_ms: backend.server_timeout_ms,
            forwarded_for: self.forwarded_for(frontend, backend),
            forwarded_proto: self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-proto"))
                || self.unknown.contains_key("x-forwarded-proto:"),
            buffers_requests: false,
            buffers_responses: false,
            doubts: Doubts::default(),
        };
        Ok(Routed {
            target: RouteTarget::Pool(index),
            rule: Some(rule),
            key: self.key(backend),
            rewritten: false,
            delivery: Some(delivery),
        })
    }

    /// Where `X-Forwarded-For` comes from: `option forwardfor`, or a rule that sets the header.
    fn forwarded_for(&self, frontend: &Frontend, backend: &Backend) -> Option<String> {
        let is_set = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"));
        let by_rule = || (is_set || self.unknown.contains_key("x-forwarded-for:")).then(|| "set by a rule".to_owned());
        if frontend.forwards || backend.forwards { Some("option forwardfor".to_owned()) } else { by_rule() }
    }

    fn rules(&mut self, rules: &[Rule], acls: &Acls) -> Result<Option<Routed>, Unknown> {
        for rule in rules {
            let unknown = |why: String| Unknown::new(why, &rule.at);
            // A rule costs about as much as comparing with so many values.
            self.request_view().spend(RULE_COST).map_err(unknown)?;
            if let Some(condition) = &rule.condition {
                match condition.holds(acls, &self.request_view()) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(why) => {
                        self.perhaps(rule, &why).map_err(unknown)?;
                        continue;
                    }
                }
            }
            if let Some(what) = self.act(&rule.action).map_err(unknown)? {
                return Ok(Some(Routed::local(what, Some(rule.at.clone()))));
            }
        }
        Ok(None)
    }

    /// A rule whose condition is unknown: what it sets is unknown, and what it refuses by the state of counters is let through.
    fn perhaps(&mut self, rule: &Rule, why: &str) -> Result<(), String> {
        match &rule.action {
            Action::SetVariable(name, _) | Action::SetVariableText(name, _) | Action::UnsetVariable(name) => {
                self.unknown.insert(name.clone(), why.to_owned());
            }
            Action::SetHeader(name, ..) | Action::DeleteHeader(name) | Action::ReplaceHeader(name, ..) => {
                self.unknown.insert(format!("{}:", name.to_ascii_lowercase()), why.to_owned());
            }
            Action::Answers(_) if rule.by_state => {}
            _ => return Err(why.to_owned()),
        }
        Ok(())
    }

    fn act(&mut self, action: &Action) -> Result<Option<String>, String> {
        match action {
            Action::SetVariable(name, sample) => {
                let value = sample.value(&self.request_view());
                self.set_variable(name, value)?;
            }
            Action::SetVariableText(name, format) => {
                let value = self.text(format).map(Some);
                self.set_variable(name, value)?;
            }
            Action::UnsetVariable(name) => {
                self.unknown.remove(name);
                self.variables.remove(name);
            }
            Action::SetHeader(name, format, replace) => {
                let value = self.text(format);
                if *replace {
                    self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
                    self.unknown.remove(&format!("{}:", name.to_ascii_lowercase()));
                }
                match value {
                    Ok(value) => self.headers.push((name.clone(), value)),
                    Err(why) => drop(self.unknown.insert(format!("{}:", name.to_ascii_lowercase()), why)),
                }
            }
            Action::DeleteHeader(name) => {
                self.unknown.remove(&format!("{}:", name.to_ascii_lowercase()));
                self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
            }
            Action::ReplaceHeader(name, pattern, replacement) => self.replace_header(name, pattern, replacement)?,
            Action::SetPath(format) => self.path = self.text(format)?,
            Action::SetQuery(format) => self.query = Some(self.text(format)?),
            Action::SetMethod(format) => self.method = self.text(format)?,
            Action::ReplacePath { pattern, replacement, with_query } => {
                let old = match (&self.query, with_query) {
                    (Some(query), true) => format!("{}?{query}", self.path),
                    _ => self.path.clone(),
                };
                if let Some(new) = self.expanded(pattern, replacement, &old)? {
                    match new.split_once('?').filter(|_| *with_query) {
                        Some((path, query)) => (self.path, self.query) = (path.to_owned(), Some(query.to_owned())),
                        None => self.path = new,
                    }
                }
            }
            Action::Answers(what) => return Ok(Some(what.clone())),
            Action::Unknown(why) => return Err(why.clone()),
        }
        Ok(None)
    }

    fn set_variable(&mut self, name: &str, value: Result<Option<String>, String>) -> Result<(), String> {
        self.unknown.remove(name);
        match value {
            Ok(Some(value)) => {
                self.request_view().spend(value.len() / BYTES_PER_COMPARISON)?;
                self.variables.insert(name.to_owned(), value);
            }
            Ok(None) => drop(self.variables.remove(name)),
            Err(why) => drop(self.unknown.insert(name.to_owned(), why)),
        }
        Ok(())
    }

    /// `replace-header`: a value in which the expression matches becomes the replacement as a whole (`http_act.c`).
    fn replace_header(&mut self, name: &str, pattern: &Pattern, replacement: &Format) -> Result<(), String> {
        for index in 0..self.headers.len() {
            let (own, value) = &self.headers[index];
            if own.eq_ignore_ascii_case(name)
                && let Some(new) = self.expanded(pattern, replacement, value)?
            {
                self.headers[index].1 = new;
            }
        }
        Ok(())
    }

    /// The replacement with the groups of a match in the text; `None` if the expression does not match.
    fn expanded(&self, pattern: &Pattern, replacement: &Format, text: &str) -> Result<Option<String>, String> {
        self.request_view().spend(1 + text.len() / BYTES_PER_COMPARISON)?;
        match pattern.captures(text) {
            Some(captures) => Ok(Some(captures.expanded(&self.text(replacement)?)?)),
            None => Ok(None),
        }
    }

    fn text(&self, format: &Format) -> Result<String, String> {
        let mut text = String::new();
        for piece in &format.0 {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Sample(sample) => text.push_str(&sample.value(&self.request_view())?.unwrap_or_default()),
            }
            text = bounded(text)?;
        }
        // Texts are kept, in variables and headers: what they take together is bounded as well.
        self.request_view().spend(text.len() / BYTES_PER_COMPARISON)?;
        Ok(text)
    }

    fn key(&self, backend: &Backend) -> KeyValue {
        let view = self.request_view();
        let text = match &backend.balance {
            Balance::Nothing => return KeyValue::None,
            Balance::Unknown(why) => return KeyValue::Unknown(why.clone()),
            Balance::Source => self.address.clone(),
            Balance::Uri { whole } => match (&self.query, whole) {
                (Some(query), true) => format!("{}?{query}", self.path),
                _ => self.path.clone(),
            },
            Balance::Header(name) => {
                if let Some(why) = self.unknown.get(&format!("{}:", name.to_ascii_lowercase())) {
                    return KeyValue::Unknown(why.clone());
                }
                let value = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
                value.and_then(|value| value.split(',').next()).unwrap_or_default().trim().to_owned()
            }
            Balance::Parameter(name) => {
                let pairs = self.query.iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
                pairs.filter(|(own, _)| own == name).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
            }
            Balance::Sample(sample) => match sample.value(&view) {
                Ok(value) => value.unwrap_or_default(),
                Err(why) => return KeyValue::Unknown(why),
            },
        };
        KeyValue::Text(text)
    }
}

const RULE_COST: usize = 20;
const BYTES_PER_COMPARISON: usize = 64;
