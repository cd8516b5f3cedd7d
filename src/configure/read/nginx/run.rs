//! Evaluates one request in one server: rewrite, search, rewrite again, until a module responds.

use super::super::model::{Facts, KeyValue, Request, RouteTarget, Routed, Shadowed, Site, SourceLocation, Unknown};

use super::build::Server;
use super::location::{Found, Location, Name, find, named};
use super::scope::{Condition, Content, Flag, Scope, Step};
use super::upstream::{Hash, address};
use super::value::Values;
use wsim_http::target::as_nginx_matches;
use wsim_nginx::variables::has_variables;

impl Site for Server {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn route(&self, request: &Request) -> Routed {
        route(self, request)
    }

    fn shadowed(&self, requests: &[Request]) -> Vec<Shadowed> {
        let uris: Vec<String> = requests.iter().map(|request| matched_path(&request.path)).collect();
        let takers: Vec<Option<&SourceLocation>> = uris
            .iter()
            .map(|uri| match find(&self.locations, uri) {
                Ok(Found::Location(location, _)) => Some(&location.at),
                _ => None,
            })
            .collect();
        let mut shadowed = Vec::new();
        for location in &self.locations {
            let Name::Regex(Ok(pattern)) = &location.name else { continue };
            let matching: Vec<usize> = (0..uris.len()).filter(|index| pattern.matches(&uris[*index])).collect();
            let is_reached = matching.iter().any(|index| takers[*index].is_none_or(|taker| is_within(location, taker)));
            if let (false, Some(by)) = (is_reached, matching.iter().find_map(|index| takers[*index])) {
                shadowed.push(Shadowed { at: location.at.clone(), by: by.clone(), requests: matching.len() });
            }
        }
        shadowed
    }
}

/// Whether a place is a location or one within it.
fn is_within(location: &Location, place: &SourceLocation) -> bool {
    location.at == *place || location.inner.iter().any(|inner| is_within(inner, place))
}

fn matched_path(path: &str) -> String {
    String::from_utf8_lossy(&as_nginx_matches(path.as_bytes())).into_owned()
}

fn route(server: &Server, request: &Request) -> Routed {
    let uri = matched_path(&request.path);
    let values = Values::new(&server.config, request, uri);
    let mut run = Run { server, values, rewritten: false, error_page_used: false };
    run.route().unwrap_or_else(Routed::unknown)
}

struct Run<'r> {
    server: &'r Server,
    values: Values<'r>,
    rewritten: bool,
    error_page_used: bool,
}

/// The result of the rewrite directives.
enum Flow<'s> {
    /// The content of this scope responds.
    Content(&'s Scope),
    Return(u16, SourceLocation),
    /// The path changed: search the locations again.
    Again,
}

impl<'r> Run<'r> {
    fn route(&mut self) -> Result<Routed, Unknown> {
        let server = self.server;
        match self.rewrite(&server.scope)? {
            Flow::Return(code, at) => {
                if let Some(routed) = self.error_page(&server.scope, code)? {
                    return Ok(routed);
                }
                return Ok(Routed::local(format!("status {code}"), Some(at)));
            }
            Flow::Content(_) | Flow::Again => {}
        }
        self.search(true, 0)
    }

    fn search(&mut self, from_outside: bool, hops: usize) -> Result<Routed, Unknown> {
        if hops > HOPS_MAX {
            return Err(Unknown::new("a request that is redirected within nginx without end (status 500)", &self.server.facts.at));
        }
        match find(&self.server.locations, &self.values.uri)? {
            Found::Nothing => Ok(Routed::local("a file, or status 404: no location matches", Some(self.server.facts.at.clone()))),
            Found::Redirect(location) => Ok(Routed::local("status 301, for the slash at the end", Some(location.at.clone()))),
            Found::Location(location, captures) => {
                if let Some(captures) = captures {
                    self.values.matched(captures);
                }
                if location.scope.internal && from_outside {
                    return Ok(Routed::local("status 404: the location is internal", Some(location.at.clone())));
                }
                self.enter(location, hops)
            }
        }
    }

    fn enter(&mut self, location: &'r Location, hops: usize) -> Result<Routed, Unknown> {
        let scope = self.limited(&location.scope);
        match self.rewrite(&location.scope)? {
            Flow::Return(code, at) => match self.error_page(&location.scope, code)? {
                Some(routed) => Ok(routed),
                None => Ok(Routed::local(format!("status {code}"), Some(at))),
            },
            Flow::Again => self.search(false, hops + 1),
            Flow::Content(inner) => {
                if let Some(at) = scope.denied.as_ref().or(inner.denied.as_ref()) {
                    if let Some(routed) = self.error_page(&location.scope, 403)? {
                        return Ok(routed);
                    }
                    return Ok(Routed::local("status 403", Some(at.clone())));
                }
                if let Some((files, at)) = inner.try_files.as_ref().or(location.scope.try_files.as_ref()) {
                    return self.try_files(files, at, hops);
                }
                // A true `if` takes precedence over `limit_except`, and both over the location itself.
                let conditional = (!std::ptr::eq(inner, &raw const location.scope)).then_some(inner);
                let content = conditional.and_then(|inner| inner.content.as_ref()).or(scope.content.as_ref());
                let content = content.or(location.scope.content.as_ref());
                match (content, &inner.missing) {
                    (Some(content), _) => self.respond(content, location, inner),
                    (None, Some((file, at))) => Err(Unknown::new(
                        format!("the included file {} is not there, and may pass these requests on", file.escape_debug()),
                        at,
                    )),
                    (None, None) => Ok(Routed::local("a file, or status 404", Some(location.at.clone()))),
                }
            }
        }
    }

    /// The `limit_except` block if it applies to the method, else the location itself.
    fn limited(&self, scope: &'r Scope) -> &'r Scope {
        match &scope.limit_except {
            Some((methods, inner)) => {
                let method = self.values.request.method.as_str();
                let through = methods.iter().any(|own| own == method || (own == "GET" && method == "HEAD"));
                if through { scope } else { inner }
            }
            None => scope,
        }
    }

    fn try_files(&mut self, files: &[String], at: &SourceLocation, hops: usize) -> Result<Routed, Unknown> {
        let Some(last) = files.last() else { return Ok(Routed::local("status 404", Some(at.clone()))) };
        if let Some(code) = last.strip_prefix('=') {
            return Ok(Routed::local(format!("status {code}"), Some(at.clone())));
        }
        if last.starts_with('@') {
            return self.named(last, at, hops);
        }
        let target = self.values.text(last, at)?;
        // A fallback that leads back here is a file that exists: nginx would redirect without end otherwise.
        if target.split('?').next() == Some(self.values.uri.as_str()) {
            return Ok(Routed::local("a file", Some(at.clone())));
        }
        self.redirect(&target);
        self.search(false, hops + 1)
    }

    fn named(&mut self, name: &str, at: &SourceLocation, hops: usize) -> Result<Routed, Unknown> {
        if hops > HOPS_MAX {
            return Err(Unknown::new("named locations that refer to each other", at));
        }
        match named(&self.server.locations, name) {
            Some(location) => self.enter(location, hops + 1),
            None => Ok(Routed::local(format!("status 500: there is no location {name}"), Some(at.clone()))),
        }
    }

    fn redirect(&mut self, target: &str) {
        match target.split_once('?') {
            Some((path, query)) => {
                path.clone_into(&mut self.values.uri);
                self.values.args = Some(query.to_owned());
            }
            None => target.clone_into(&mut self.values.uri),
        }
        self.rewritten = true;
    }

    /// The destination that `error_page` gives a status, if any.
    fn error_page(&mut self, scope: &Scope, code: u16) -> Result<Option<Routed>, Unknown> {
        if self.error_page_used || code < 300 {
            return Ok(None);
        }
        let Some(page) = scope.around.error_pages.iter().find(|page| page.codes.contains(&code)) else { return Ok(None) };
        self.error_page_used = true;
        if page.target.starts_with('@') {
            return self.named(&page.target, &page.at, 0).map(Some);
        }
        if !page.target.starts_with('/') {
            return Ok(None);
        }
        let target = self.values.text(&page.target, &page.at)?;
        self.redirect(&target);
        self.search(false, 1).map(Some)
    }

    fn rewrite<'s>(&mut self, scope: &'s Scope) -> Result<Flow<'s>, Unknown> {
        let mut changed = false;
        let mut current = scope;
        match self.steps(&scope.steps, &mut current, &mut changed)? {
            Some(Stop::Return(code, at)) => Ok(Flow::Return(code, at)),
            Some(Stop::Stay) => Ok(Flow::Content(current)),
            Some(Stop::Again) => Ok(Flow::Again),
            None if changed => Ok(Flow::Again),
            None => Ok(Flow::Content(current)),
        }
    }

    fn steps<'s>(&mut self, steps: &'s [Step], current: &mut &'s Scope, changed: &mut bool) -> Result<Option<Stop>, Unknown> {
        for step in steps {
            self.values.spend(1, step.location())?;
            match step {
                Step::Set { name, value, at } => {
                    let value = self.values.text(value, at)?;
                    self.values.set(name, value);
                }
                Step::Return { code, at } => return Ok(Some(Stop::Return(*code, at.clone()))),
                Step::Break { .. } => return Ok(Some(Stop::Stay)),
                Step::If { condition, scope, at } => {
                    if self.holds(condition, at)? {
                        *current = scope;
                        if let Some(stop) = self.steps(&scope.steps, current, changed)? {
                            return Ok(Some(stop));
                        }
                    }
                }
                Step::Rewrite { pattern, replacement, flag, at } => {
                    let pattern = pattern.as_ref().map_err(|why| Unknown::new(why.clone(), at))?;
                    self.values.spend(self.values.uri.len() / 64, at)?;
                    let Some(captures) = pattern.captures(&self.values.uri) else { continue };
                    self.values.matched(captures);
                    if *flag == Flag::Redirect {
                        return Ok(Some(Stop::Return(302, at.clone())));
                    }
                    self.replace(replacement, at)?;
                    *changed = true;
                    match flag {
                        Flag::Last => return Ok(Some(Stop::Again)),
                        Flag::Break => return Ok(Some(Stop::Stay)),
                        Flag::None | Flag::Redirect => {}
                    }
                }
            }
        }
        Ok(None)
    }

    /// Sets a new path. Its query comes before the old query, which a `?` at the end removes.
    fn replace(&mut self, replacement: &str, at: &SourceLocation) -> Result<(), Unknown> {
        let text = self.values.text(replacement, at)?;
        self.rewritten = true;
        let Some((path, query)) = text.split_once('?') else {
            self.values.uri = text;
            return Ok(());
        };
        let old = self.values.args.take();
        self.values.args = match (replacement.ends_with('?'), query.strip_suffix('?').unwrap_or(query), old) {
            (true, "", _) => None,
            (true, query, _) => Some(query.to_owned()),
            (false, query, Some(old)) if !old.is_empty() => Some(format!("{query}&{old}")),
            (false, query, _) => Some(query.to_owned()),
        };
        path.clone_into(&mut self.values.uri);
        Ok(())
    }

    fn holds(&mut self, condition: &Condition, at: &SourceLocation) -> Result<bool, Unknown> {
        Ok(match condition {
            Condition::True(text) => {
                let value = self.values.text(text, at)?;
                !value.is_empty() && value != "0"
            }
            Condition::Equal { left, right, negated } => {
                let (left, right) = (self.values.text(left, at)?, self.values.text(right, at)?);
                (left == right) != *negated
            }
            Condition::Matches { left, pattern, negated } => {
                let pattern = pattern.as_ref().map_err(|why| Unknown::new(why.clone(), at))?;
                let left = self.values.text(left, at)?;
                let found = pattern.captures(&left);
                let matched = found.is_some();
                if let Some(captures) = found {
                    self.values.matched(captures);
                }
                matched != *negated
            }
            Condition::File { negated } => *negated,
            Condition::Unreadable => return Err(Unknown::new("a condition that is not evaluated", at)),
        })
    }

    fn respond(&mut self, content: &Content, location: &Location, scope: &Scope) -> Result<Routed, Unknown> {
        match content {
            Content::Other { what, at } => Ok(Routed::local(what.clone(), Some(at.clone()))),
            Content::Program { what, at } => Err(Unknown::new(format!("{what} is not evaluated"), at)),
            Content::Proxy { address: proxied, at } => {
                let text = self.values.text(proxied, at)?;
                let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
                    return Err(Unknown::new("a proxy_pass without an http:// or https:// address", at));
                };
                let default_port = if text.starts_with("https://") { 443 } else { 80 };
                let (authority, uri) = authority(rest);
                // With variables in proxy_pass, nginx sends its path as written; without, nginx replaces the location's part of the decoded path.
                let plain = uri.is_empty() || (has_variables(proxied) && uri == self.values.request.target());
                let rewritten = self.rewritten || !plain;
                if authority.is_empty() {
                    return Ok(Routed::local("status 500: the address of proxy_pass is empty", Some(at.clone())));
                }
                let (target, key) = self.upstream(authority, default_port);
                Ok(Routed { target, rule: Some(location.at.clone()), key, rewritten, delivery: Some(scope.around.delivery()) })
            }
        }
    }

    fn upstream(&mut self, authority: &str, default_port: u16) -> (RouteTarget, KeyValue) {
        let upstreams = &self.server.config.upstreams;
        let Some(index) = upstreams.iter().position(|upstream| upstream.pool.name.eq_ignore_ascii_case(authority)) else {
            return (RouteTarget::Server(address(authority, default_port)), KeyValue::None);
        };
        let key = match &upstreams[index].hash {
            Hash::Nothing => KeyValue::None,
            Hash::Address => KeyValue::Text(network(&self.values.request.address)),
            Hash::Text(text) => match self.values.text(text, &upstreams[index].pool.at) {
                Ok(text) => KeyValue::Text(text),
                Err(unknown) => KeyValue::Unknown(unknown.why),
            },
        };
        (RouteTarget::Pool(index), key)
    }
}

enum Stop {
    Return(u16, SourceLocation),
    Stay,
    Again,
}

/// The part of an address that `ip_hash` hashes: three bytes of an IPv4 address, all of an IPv6 address.
fn network(address: &str) -> String {
    match (address.contains(':'), address.rsplit_once('.')) {
        (false, Some((network, _))) => network.to_owned(),
        _ => address.to_owned(),
    }
}

/// `127.0.0.1:8008/x` → the server and the path; a socket's path ends at a colon.
fn authority(rest: &str) -> (&str, &str) {
    if let Some(path) = rest.strip_prefix("unix:") {
        let end = rest.len() - path.find(':').map_or(0, |colon| path.len() - colon);
        return (&rest[..end], rest[end..].trim_start_matches(':'));
    }
    rest.find(['/', '?']).map_or((rest, ""), |slash| rest.split_at(slash))
}

const HOPS_MAX: usize = 10;
