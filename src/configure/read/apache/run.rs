//! One request at a virtual host: variables, rewriting, then the directives that pass on.
//!
//! Sources: `server/request.c` of httpd (`ap_process_request_internal`), and the order in which mod_rewrite and mod_proxy translate a path.

use std::sync::Arc;

use super::super::model::{Delivery, Doubts, Facts, KeyValue, Request, RouteTarget, Routed, Site, SourceLocation, Unknown};
use super::super::pattern::Pattern;
use super::expand::variable;
use super::pass::{Alias, Passed};
use super::rewrite::{self, Rewritten, Rule, State};
use super::section::{Around, Conditional, Section};
use super::target::Target;
use super::uri::{self, Slashes};

/// A virtual host.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) facts: Facts,
    pub(super) is_tls: bool,
    /// The names of all balancers in lower case, in the order of the proxy's pools.
    pub(super) pools: Arc<[String]>,
    pub(super) aliases: Vec<Alias>,
    pub(super) rules: Vec<Rule>,
    pub(super) sections: Vec<Section>,
    /// `If` outside of other sections.
    pub(super) conditional: Vec<Conditional>,
    /// `DocumentRoot`, without a slash at the end.
    pub(super) root: String,
    pub(super) environment: Vec<SetEnvironment>,
    pub(super) settings: Settings,
}

/// A `SetEnvIf`.
#[derive(Debug, Clone)]
pub(super) struct SetEnvironment {
    pub(super) attribute: String,
    pub(super) pattern: Pattern,
    pub(super) assignments: Vec<String>,
}

/// How requests are read and passed on.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) slashes: Slashes,
    pub(super) merges_slashes: bool,
    pub(super) interpolates: bool,
    pub(super) timeout_ms: Option<u64>,
    pub(super) proxy_timeout_ms: Option<u64>,
    pub(super) adds_headers: bool,
    pub(super) removes_forwarded_for: bool,
    pub(super) sets_forwarded_for: bool,
    pub(super) forwarded_proto: bool,
    /// Bytes; 0 for no limit.
    pub(super) body_max: Option<u64>,
}

impl Default for Settings {
    /// Apache's own defaults.
    fn default() -> Self {
        Self {
            slashes: Slashes::Refused,
            merges_slashes: true,
            interpolates: false,
            timeout_ms: None,
            proxy_timeout_ms: None,
            adds_headers: true,
            removes_forwarded_for: false,
            sets_forwarded_for: false,
            forwarded_proto: false,
            body_max: None,
        }
    }
}

impl Site for Server {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn route(&self, request: &Request) -> Routed {
        self.run(request).unwrap_or_else(Routed::unknown)
    }
}

impl Server {
    fn run(&self, request: &Request) -> Result<Routed, Unknown> {
        let path = match uri::decoded(&request.path, self.settings.slashes, self.settings.merges_slashes) {
            Ok(path) => path,
            Err(status) => {
                return Ok(Routed::local(
                    format!("status {status}: an encoded slash, and AllowEncodedSlashes is off"),
                    Some(self.facts.at.clone()),
                ));
            }
        };
        let mut state = State {
            request,
            path: path.clone(),
            uri: path,
            query: request.query.clone(),
            environment: self.variables(request),
            is_tls: self.is_tls,
            server_name: self.facts.hosts.first().map_or("localhost", String::as_str),
            port: self.facts.ports.first().copied().unwrap_or(if self.is_tls { 443 } else { 80 }),
        };
        let mut around = self.around(&state, false)?;
        let mut routed = match rewrite::apply(&self.rules, &mut state)? {
            Rewritten::Local { what, at } => return Ok(Routed::local(what, Some(at))),
            Rewritten::Proxy { url, no_escape, at } => {
                (self.passed_on(request, &Passed { url: url.clone(), is_as_sent: no_escape }, &at, None, &around)?, Some(url))
            }
            Rewritten::Continue => self.aliased(request, &state, &around)?,
        };
        if routed.1.is_none() {
            around = self.around(&state, true)?;
        }
        if let Some(new) = self.rewritten_within(&state, routed.1.as_deref(), &around)? {
            routed.0 = new;
        }
        let is_passed = !matches!(routed.0.target, RouteTarget::Local(_));
        match (around.denied, around.redirect) {
            (Some(at), _) => Ok(Routed::local("status 403", Some(at))),
            (None, Some(at)) => Ok(Routed::local("a redirect", Some(at))),
            (None, None) => match around.unknown.filter(|_| !is_passed) {
                Some((name, at)) => Err(Unknown::new(format!("{} is not evaluated", name.escape_debug()), &at)),
                None => Ok(routed.0),
            },
        }
    }

    /// What the sections that apply to a path say together; those of files only where no file is passed on.
    fn around(&self, state: &State<'_>, has_file: bool) -> Result<Around<'_>, Unknown> {
        let mut around = Around::new(self.settings.clone(), &self.conditional);
        let file = format!("{}{}", self.root, state.uri);
        let of_files = self.sections.iter().filter(|section| section.is_of_files && has_file);
        for section in of_files.chain(self.sections.iter().filter(|section| !section.is_of_files)) {
            let path = if section.is_of_files { &file } else { &state.path };
            if section.paths.apply(path).map_err(|why| Unknown::new(why, &section.at))? {
                around.add(&section.contents);
            }
        }
        around.add_conditional(&|name| variable(name, state))?;
        Ok(around)
    }

    /// What the rules of sections make of a request: they match the file's path without that of their folder, or the address to which the
    /// request is passed on already.
    fn rewritten_within(&self, state: &State<'_>, url: Option<&str>, around: &Around<'_>) -> Result<Option<Routed>, Unknown> {
        let rules = around.rules();
        if rules.is_empty() {
            return Ok(None);
        }
        let file = format!("{}{}", self.root, state.uri);
        let text = match url {
            Some(url) => format!("proxy:{url}"),
            None => file.strip_prefix(around.folder).map_or(file.clone(), str::to_owned),
        };
        let mut state = State { uri: text, ..state.clone() };
        Ok(match rewrite::apply(rules, &mut state)? {
            Rewritten::Continue => None,
            Rewritten::Proxy { url, no_escape, at } => {
                Some(self.passed_on(state.request, &Passed { url, is_as_sent: no_escape }, &at, None, around)?)
            }
            Rewritten::Local { what, at } if what == rewrite::A_FILE => {
                return Err(Unknown::new("a rule of a section that leads to another path here is not evaluated", &at));
            }
            Rewritten::Local { what, at } => Some(Routed::local(what, Some(at))),
        })
    }

    /// The variables that `SetEnvIf` sets.
    fn variables(&self, request: &Request) -> Vec<(String, String)> {
        let mut variables: Vec<(String, String)> = Vec::new();
        for rule in &self.environment {
            let value = match rule.attribute.to_ascii_lowercase().as_str() {
                "request_uri" => request.path.clone(),
                "request_method" => request.method.clone(),
                "remote_addr" => request.address.clone(),
                name => request.header(name).unwrap_or_default().to_owned(),
            };
            if !rule.pattern.matches(&value) {
                continue;
            }
            for assignment in &rule.assignments {
                let (name, value) = assignment.split_once('=').unwrap_or((assignment, "1"));
                let bare = name.trim_start_matches('!');
                variables.retain(|(own, _)| own != bare);
                if !name.starts_with('!') {
                    variables.push((bare.to_owned(), value.to_owned()));
                }
            }
        }
        variables
    }

    /// The first directive that takes the path, and the address that it names: those of sections come before those of the server.
    fn aliased(&self, request: &Request, state: &State<'_>, around: &Around<'_>) -> Result<(Routed, Option<String>), Unknown> {
        for alias in around.alias.into_iter().chain(&self.aliases) {
            if let Some(file) = &alias.missing {
                return Err(Unknown::new(
                    format!("the included file {} is not there, and may pass these requests on", file.escape_debug()),
                    &alias.at,
                ));
            }
            let Some(mut passed) = alias.applied(&state.uri, &request.path).map_err(|why| Unknown::new(why, &alias.at))? else { continue };
            if let Some(unknown) = &alias.unknown {
                return Err(Unknown::new(format!("{} is not evaluated", unknown.escape_debug()), &alias.at));
            }
            if alias.target.is_none() {
                break;
            }
            if alias.interpolates && around.settings.interpolates {
                passed.url = interpolated(&passed.url, &state.environment);
            }
            let routed = self.passed_on(request, &passed, &alias.at, alias.timeout_ms, around)?;
            return Ok((routed, Some(passed.url)));
        }
        Ok((Routed::local(rewrite::A_FILE, Some(self.facts.at.clone())), None))
    }

    fn passed_on(
        &self,
        request: &Request,
        passed: &Passed,
        at: &SourceLocation,
        timeout_ms: Option<u64>,
        around: &Around<'_>,
    ) -> Result<Routed, Unknown> {
        let Some(target) = Target::read(&passed.url) else {
            return Err(Unknown::new(format!("the address {} is not read", passed.url.escape_debug()), at));
        };
        let destination = if target.is_balancer {
            let index = self.pools.iter().position(|name| *name == target.address);
            RouteTarget::Pool(index.ok_or_else(|| Unknown::new(format!("there is no balancer {}", target.address.escape_debug()), at))?)
        } else {
            RouteTarget::Server(target.address)
        };
        // Without nocanon every path whose spelling is not the only one is passed on in Apache's.
        let is_changed = if passed.is_as_sent {
            target.path != request.path
        } else {
            uri::encoded(&target.path) != request.path || uri::has_spellings(&request.path)
        };
        Ok(Routed {
            target: destination,
            rule: Some(at.clone()),
            key: KeyValue::None,
            rewritten: is_changed,
            delivery: Some(Delivery {
                doubts: Doubts { forwarded_for: around.doubt.clone(), forwarded_proto: around.doubt.clone(), ..Doubts::default() },
                ..around.settings.delivery(timeout_ms)
            }),
        })
    }
}

impl Settings {
    fn delivery(&self, timeout_ms: Option<u64>) -> Delivery {
        let forwarded_for = match (self.sets_forwarded_for, self.adds_headers, self.removes_forwarded_for) {
            (true, false, _) => Some("set by RequestHeader".to_owned()),
            (false, true, true) => Some("set by mod_proxy".to_owned()),
            // mod_proxy appends the address to what is there.
            (_, true, _) => Some("$proxy_add_x_forwarded_for".to_owned()),
            (false, false, _) => None,
        };
        Delivery {
            body_max: self.body_max.filter(|size| *size > 0),
            patience_ms: timeout_ms.or(self.proxy_timeout_ms).or(self.timeout_ms).or(Some(TIMEOUT_MS)),
            forwarded_for,
            forwarded_proto: self.forwarded_proto,
            buffers_requests: false,
            buffers_responses: false,
            doubts: Doubts::default(),
        }
    }
}

/// An address with the values of variables (`${NAME}`).
fn interpolated(text: &str, environment: &[(String, String)]) -> String {
    environment.iter().fold(text.to_owned(), |text, (name, value)| {
        let mark = format!("${{{name}}}");
        if text.len() < TEXT_MAX { text.replace(&mark, value) } else { text }
    })
}

/// Apache's default for `Timeout`.
const TIMEOUT_MS: u64 = 60_000;
const TEXT_MAX: usize = 100_000;
