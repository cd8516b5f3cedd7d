//! Ingress: what ingress-nginx makes of it, as nginx directives at the lines of the objects.
//!
//! Of a controller that is not ingress-nginx only the paths count, which all controllers read in the same way; its limits are its own.
//! Traefik's is in [`super::traefik`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::super::model::{Note, Proxy, Words};
use super::super::nginx;
use super::super::tree::Node;
use super::document::Object;
use super::objects::{Backend, Objects};
use wsim_nginx::Directive;

/// The controller that reads an Ingress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller {
    IngressNginx,
    Traefik,
    Other,
}

impl Controller {
    /// By the class, or else by the annotations.
    pub(super) fn of(ingress: &Object) -> Self {
        let class = ingress.spec(&["ingressClassName"]).and_then(Node::text);
        let class = class.or_else(|| ingress.annotation("kubernetes.io/ingress.class")).unwrap_or_default();
        let annotations = ingress.root.at(&["metadata", "annotations"]).map(Node::entries).unwrap_or_default();
        let has = |start: &str| annotations.iter().any(|(name, _)| name.starts_with(start));
        if class.contains("traefik") || (class.is_empty() && has("traefik.ingress.kubernetes.io/")) {
            Self::Traefik
        } else if class.contains("nginx") || (class.is_empty() && has(ANNOTATION)) {
            Self::IngressNginx
        } else {
            Self::Other
        }
    }
}

/// A path of an Ingress.
#[derive(Debug, Clone)]
pub(super) struct Route<'o> {
    pub(super) ingress: &'o Object,
    /// `_` for every host.
    pub(super) host: String,
    pub(super) path: String,
    pub(super) kind: PathKind,
    pub(super) backend: Backend,
    pub(super) line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathKind {
    Exact,
    Prefix,
    /// `ImplementationSpecific`, or none.
    Own,
}

/// The paths of an Ingress, with its default backend as `/` of every host.
pub(super) fn routes<'o>(ingress: &'o Object, objects: &Objects) -> Vec<Route<'o>> {
    let text = |node: &Node, path: &[&str]| node.at(path).and_then(Node::text);
    let backend = |node: &Node| {
        let service = text(node, &["service", "name"]).or_else(|| text(node, &["serviceName"])).unwrap_or_default();
        let port = text(node, &["service", "port", "number"]).or_else(|| text(node, &["service", "port", "name"]));
        let port = port.or_else(|| text(node, &["servicePort"])).unwrap_or_default();
        objects.backend(&service, &port, &ingress.namespace)
    };
    let mut routes = Vec::new();
    for rule in ingress.spec(&["rules"]).map(Node::items).unwrap_or_default() {
        let host = text(rule, &["host"]).filter(|host| !host.is_empty()).unwrap_or_else(|| "_".to_owned());
        for node in rule.at(&["http", "paths"]).map(Node::items).unwrap_or_default() {
            let kind = match text(node, &["pathType"]).as_deref() {
                Some("Exact") => PathKind::Exact,
                Some("Prefix") => PathKind::Prefix,
                _ => PathKind::Own,
            };
            let path = text(node, &["path"]).filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
            let Some(target) = node.get("backend") else { continue };
            let line = node.get("path").unwrap_or(node).line;
            routes.push(Route { ingress, host: host.clone(), path, kind, backend: backend(target), line });
        }
    }
    let default = ingress.spec(&["defaultBackend"]).or_else(|| ingress.spec(&["backend"]));
    if let Some(node) = default {
        let line = node.line;
        routes.push(Route { ingress, host: "_".to_owned(), path: "/".to_owned(), kind: PathKind::Prefix, backend: backend(node), line });
    }
    routes
}

/// The proxy of all Ingresses that are not Traefik's.
pub(super) fn proxy(objects: &Objects) -> Option<Proxy> {
    let ingresses: Vec<&Object> = objects.of_kind("Ingress").filter(|ingress| Controller::of(ingress) != Controller::Traefik).collect();
    let first = ingresses.first()?;
    let is_nginx = ingresses.iter().any(|ingress| Controller::of(ingress) == Controller::IngressNginx);
    let mut notes = Vec::new();
    let mut hosts: BTreeMap<String, Vec<Route<'_>>> = BTreeMap::new();
    for ingress in &ingresses {
        if ingress.annotation(&format!("{ANNOTATION}canary")).as_deref() == Some("true") {
            notes.push(ingress.note("a canary is not evaluated: it takes a share of another Ingress' requests".to_owned()));
            continue;
        }
        for route in routes(ingress, objects) {
            hosts.entry(route.host.clone()).or_default().push(route);
        }
    }
    let mut maker = Maker { file: Arc::clone(&first.file), upstreams: Vec::new(), notes };
    let mut directives = Vec::new();
    for (host, routes) in hosts.iter().take(HOSTS_MAX) {
        if let Some(note) = passed_on(host, routes) {
            maker.notes.push(note);
            continue;
        }
        directives.push(maker.server(host, routes));
    }
    let Maker { upstreams, notes, .. } = maker;
    directives.extend(upstreams);
    let proxy = nginx::of_directives(&directives, notes);
    Some(Proxy { words: if is_nginx { Words::IngressNginx } else { Words::Kubernetes }, ..proxy })
}

/// A note on a host whose requests another proxy of these files gets.
pub(super) fn passed_on(host: &str, routes: &[Route<'_>]) -> Option<Note> {
    let (route, holder) = routes.iter().find_map(|route| Some((route, route.backend.proxy.as_ref()?)))?;
    let text = format!(
        "requests for {} are passed on to the proxy that {} configures; its rules are evaluated, not these paths",
        if host == "_" { "any host" } else { host },
        holder.escape_debug()
    );
    Some(Note { at: super::super::model::SourceLocation::new(&route.ingress.file, route.line), text })
}

/// Makes nginx's directives.
struct Maker {
    /// The file of the object whose directives are being made.
    file: Arc<str>,
    upstreams: Vec<Directive>,
    notes: Vec<Note>,
}

impl Maker {
    fn server(&mut self, host: &str, routes: &[Route<'_>]) -> Directive {
        let line = routes.first().map_or(0, |route| route.line);
        if let Some(route) = routes.first() {
            self.file = Arc::clone(&route.ingress.file);
        }
        let mut names = vec![host.to_owned()];
        let mut inner = Vec::new();
        let mut seen: Vec<&Object> = Vec::new();
        for route in routes {
            if seen.iter().any(|known| std::ptr::eq(*known, route.ingress)) {
                continue;
            }
            seen.push(route.ingress);
            if Controller::of(route.ingress) != Controller::IngressNginx {
                continue;
            }
            let alias = annotation(route.ingress, "server-alias").unwrap_or_default();
            names.extend(alias.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
            self.file = Arc::clone(&route.ingress.file);
            inner.extend(self.snippet(route.ingress, "server-snippet"));
        }
        for port in ["80", "443"] {
            inner.push(self.directive("listen", &[port], line, None));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        inner.push(self.directive("server_name", &names, line, None));
        // One path with a regular expression makes all of the host's paths such.
        let uses_regex = routes.iter().any(|route| {
            Controller::of(route.ingress) == Controller::IngressNginx
                && (annotation(route.ingress, "use-regex").as_deref() == Some("true") || rewrite_target(route).is_some())
        });
        for (sign, path, route) in ordered(routes, uses_regex) {
            self.file = Arc::clone(&route.ingress.file);
            inner.push(self.location(sign, &path, route));
        }
        // Without a rule for everything, the default backend answers.
        if !routes.iter().any(|route| route.path == "/" && route.kind != PathKind::Exact) {
            let missing = self.directive("return", &["404"], line, None);
            inner.push(self.directive("location", &["/"], line, Some(vec![missing])));
        }
        self.directive("server", &[], line, Some(inner))
    }

    fn location(&mut self, sign: &str, path: &str, route: &Route<'_>) -> Directive {
        let line = route.line;
        let own = |name: &str| annotation(route.ingress, name);
        let mut block = Vec::new();
        if Controller::of(route.ingress) == Controller::IngressNginx {
            if let Some(target) = own("permanent-redirect").or_else(|| own("temporal-redirect")) {
                block.push(self.directive("return", &["301", &target], line, None));
            }
            block.extend(self.snippet(route.ingress, "configuration-snippet"));
            let size = own("proxy-body-size").unwrap_or_else(|| "1m".to_owned());
            let wait = own("proxy-read-timeout").unwrap_or_else(|| "60".to_owned());
            let wait = if wait.ends_with(|c: char| c.is_ascii_digit()) { format!("{wait}s") } else { wait };
            let buffering = own("proxy-buffering").unwrap_or_else(|| "off".to_owned());
            let request_buffering = own("proxy-request-buffering").unwrap_or_else(|| "on".to_owned());
            for (name, value) in [
                ("client_max_body_size", size.as_str()),
                ("proxy_read_timeout", &wait),
                ("proxy_buffering", &buffering),
                ("proxy_request_buffering", &request_buffering),
            ] {
                block.push(self.directive(name, &[value], line, None));
            }
        } else {
            // The limits of another controller are not known.
            block.push(self.directive("client_max_body_size", &["0"], line, None));
            block.push(self.directive("proxy_read_timeout", &["1d"], line, None));
        }
        for (name, value) in [("X-Forwarded-For", "$remote_addr"), ("X-Forwarded-Proto", "$scheme")] {
            block.push(self.directive("proxy_set_header", &[name, value], line, None));
        }
        if let Some(target) = rewrite_target(route) {
            block.push(self.directive("rewrite", &[&format!("(?i){}", route.path), &target, "break"], line, None));
        }
        let upstream = self.upstream(route);
        block.push(self.directive("proxy_pass", &[&format!("http://{upstream}")], line, None));
        let arguments: Vec<&str> = [sign, path].into_iter().filter(|word| !word.is_empty()).collect();
        self.directive("location", &arguments, line, Some(block))
    }

    /// The name of the upstream of a backend with an Ingress' own rule of balancing.
    fn upstream(&mut self, route: &Route<'_>) -> String {
        let is_nginx = Controller::of(route.ingress) == Controller::IngressNginx;
        let hash = annotation(route.ingress, "upstream-hash-by").filter(|key| is_nginx && !key.is_empty());
        let balance = annotation(route.ingress, "load-balance").filter(|_| is_nginx && hash.is_none());
        let mut name = route.backend.name.clone();
        let mut block: Vec<Directive> = Vec::new();
        let line = route.line;
        // The balancers of all of nginx's processes are the controller's own.
        block.push(self.directive("zone", &[&name, "64k"], line, None));
        match (hash, balance.as_deref()) {
            (Some(key), _) => block.push(self.directive("hash", &[&key, "consistent"], line, None)),
            (None, Some("ip_hash")) => block.push(self.directive("ip_hash", &[], line, None)),
            (None, Some("ewma" | "least_conn")) => block.push(self.directive("least_conn", &[], line, None)),
            _ => {}
        }
        for server in &route.backend.servers {
            block.push(self.directive("server", &[&server.address], line, None));
        }
        let shape = |directive: &Directive| (directive.name.clone(), directive.arguments.clone());
        let shapes = |block: &[Directive]| block.iter().map(shape).filter(|(name, _)| name != "zone").collect::<Vec<_>>();
        let mut number = 2;
        loop {
            match self.upstreams.iter().find(|upstream| upstream.argument(0) == name) {
                None => break,
                Some(known) if shapes(known.block.as_deref().unwrap_or_default()) == shapes(&block) => return name,
                Some(_) => name = format!("{}-{number}", route.backend.name),
            }
            number += 1;
        }
        let upstream = self.directive("upstream", &[&name], line, Some(block));
        self.upstreams.push(upstream);
        name
    }

    /// The directives of an annotation with nginx's own words.
    fn snippet(&mut self, ingress: &Object, name: &str) -> Vec<Directive> {
        let Some(node) = ingress.root.at(&["metadata", "annotations", &format!("{ANNOTATION}{name}")]) else { return Vec::new() };
        let text = node.text().unwrap_or_default();
        match wsim_nginx::parse(Path::new(&*ingress.file), &text) {
            Ok(mut directives) => {
                shift(&mut directives, node.line);
                directives
            }
            Err(error) => {
                let text = format!("the annotation {name} is not evaluated: expected {}", error.expected);
                self.notes.push(Note { at: ingress.at(node), text });
                Vec::new()
            }
        }
    }

    fn directive(&self, name: &str, arguments: &[&str], line: usize, block: Option<Vec<Directive>>) -> Directive {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Directive { name: name.to_owned(), arguments, block, file: Arc::clone(&self.file), line, last_line: line }
    }
}

/// The locations of a host in the order in which ingress-nginx writes them: longer paths first. A prefix ends at a slash, so that it
/// needs a second location for itself.
fn ordered<'r, 'o>(routes: &'r [Route<'o>], uses_regex: bool) -> Vec<(&'static str, String, &'r Route<'o>)> {
    let mut sorted: Vec<&Route<'_>> = routes.iter().collect();
    sorted.sort_by(|a, b| b.path.cmp(&a.path));
    sorted.sort_by_key(|route| std::cmp::Reverse(route.path.len()));
    let mut locations: Vec<(&'static str, String, &Route<'_>)> = Vec::new();
    let mut taken: Vec<(&'static str, String)> = Vec::new();
    for route in sorted {
        let path = route.path.as_str();
        let is_exact_elsewhere = || routes.iter().any(|other| other.kind == PathKind::Exact && other.path == path);
        let own: Vec<(&'static str, String)> = match route.kind {
            _ if uses_regex => vec![("~*", format!("^{path}"))],
            PathKind::Exact => vec![("=", path.to_owned())],
            PathKind::Prefix if path != "/" => {
                let trimmed = path.trim_end_matches('/');
                let mut both = vec![("", format!("{trimmed}/"))];
                if !is_exact_elsewhere() {
                    both.push(("=", trimmed.to_owned()));
                }
                both
            }
            PathKind::Prefix | PathKind::Own => vec![("", path.to_owned())],
        };
        for (sign, path) in own {
            // Of two Ingresses with one path the first counts.
            if !taken.iter().any(|(known, text)| *known == sign && *text == path) {
                taken.push((sign, path.clone()));
                locations.push((sign, path, route));
            }
        }
    }
    locations
}

/// The target of a rewrite that changes the path.
fn rewrite_target(route: &Route<'_>) -> Option<String> {
    let is_nginx = Controller::of(route.ingress) == Controller::IngressNginx;
    annotation(route.ingress, "rewrite-target").filter(|target| is_nginx && !target.is_empty() && *target != route.path)
}

fn annotation(ingress: &Object, name: &str) -> Option<String> {
    ingress.annotation(&format!("{ANNOTATION}{name}"))
}

/// A snippet begins in the line behind its annotation.
fn shift(directives: &mut [Directive], lines: usize) {
    for directive in directives {
        directive.line += lines;
        if let Some(block) = &mut directive.block {
            shift(block, lines);
        }
    }
}

const ANNOTATION: &str = "nginx.ingress.kubernetes.io/";
const HOSTS_MAX: usize = 1000;
