//! Evaluates one request in a frontend: its `http-request` rules in order, then `use_backend`, then the rules of the backend.

use std::cell::Cell;
use std::collections::HashMap;

use super::super::model::{KeyValue, Request, RouteTarget, Routed, Site, SourceLocation, Unknown};
use super::super::pattern::bounded;

use super::build::{Action, Backend, Balance, Format, Frontend, Piece, Rule};
use super::condition::Acls;
use super::sample::{COMPARISONS_MAX, RequestView};

impl Site for Frontend {
    fn name(&self) -> &str {
        &self.name
    }

    fn location(&self) -> &SourceLocation {
        &self.at
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

struct Run {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    address: String,
    variables: HashMap<String, String>,
    comparisons: Cell<usize>,
}

impl Run {
    fn request_view(&self) -> RequestView<'_> {
        RequestView {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            address: &self.address,
            variables: &self.variables,
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
            None => Ok(Routed::local("status 503: no backend matches", Some(frontend.at.clone()))),
        }
    }

    fn enter(&mut self, frontend: &Frontend, index: usize, rule: SourceLocation) -> Result<Routed, Unknown> {
        let backend = &frontend.config.backends[index];
        if let Some(answered) = self.rules(&backend.rules, &backend.acls)? {
            return Ok(answered);
        }
        Ok(Routed { target: RouteTarget::Pool(index), rule: Some(rule), key: self.key(backend), rewritten: false })
    }

    fn rules(&mut self, rules: &[Rule], acls: &Acls) -> Result<Option<Routed>, Unknown> {
        for rule in rules {
            let unknown = |why: String| Unknown::new(why, &rule.at);
            // A rule costs about as much as comparing with so many values.
            self.request_view().spend(RULE_COST).map_err(unknown)?;
            if let Some(condition) = &rule.condition
                && !condition.holds(acls, &self.request_view()).map_err(unknown)?
            {
                continue;
            }
            if let Some(what) = self.act(&rule.action).map_err(unknown)? {
                return Ok(Some(Routed::local(what, Some(rule.at.clone()))));
            }
        }
        Ok(None)
    }

    fn act(&mut self, action: &Action) -> Result<Option<String>, String> {
        match action {
            Action::SetVariable(name, sample) => match sample.value(&self.request_view())? {
                Some(value) => {
                    self.request_view().spend(value.len() / BYTES_PER_COMPARISON)?;
                    self.variables.insert(name.clone(), value);
                }
                None => {
                    self.variables.remove(name);
                }
            },
            Action::SetVariableText(name, format) => {
                let value = self.text(format)?;
                self.variables.insert(name.clone(), value);
            }
            Action::UnsetVariable(name) => {
                self.variables.remove(name);
            }
            Action::SetHeader(name, format, replace) => {
                // The value of a header matters only if some rule reads the header. An unknown value is treated as a missing header.
                let value = self.text(format);
                if *replace {
                    self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
                }
                if let Ok(value) = value {
                    self.headers.push((name.clone(), value));
                }
            }
            Action::DeleteHeader(name) => self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name)),
            Action::SetPath(format) => self.path = self.text(format)?,
            Action::SetQuery(format) => self.query = Some(self.text(format)?),
            Action::SetMethod(format) => self.method = self.text(format)?,
            Action::ReplacePath(pattern, replacement) => {
                self.path = pattern.replaced(&self.path, false, replacement)?;
            }
            Action::Answers(what) => return Ok(Some(what.clone())),
            Action::Unknown(why) => return Err(why.clone()),
        }
        Ok(None)
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
