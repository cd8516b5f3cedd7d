//! Where single requests go: the site, the rule that decides with its place, the server, and who may serve such a request.

use serde::Serialize;

use super::super::read::{Proxy, RouteTarget, SourceLocation};
use super::sites::{self, Sites, View};
use super::{AuditConfig, Configuration, keys};
use wsim_endpoints::{Classifier, Method};

/// The way of one request through one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteAnswer {
    /// `METHOD TARGET` as it was asked.
    pub request: String,
    /// The site's name.
    pub site: String,
    /// The host name of the request; `None` if the site takes every host.
    pub host: Option<String>,
    /// `pool`, `server`, `proxy` (the proxy itself responds) or `unknown`.
    pub to: &'static str,
    /// The pool's name or the server's address, what the proxy responds, or why the destination is unknown.
    pub destination: String,
    /// The addresses of the pool's servers.
    pub servers: Vec<String>,
    /// The key by which the pool chooses a server.
    pub key: Option<String>,
    /// The rule that decides.
    pub rule: Option<SourceLocation>,
    /// The endpoint group.
    pub group: String,
    /// Who may serve the request, in words.
    pub served_by: String,
}

/// Evaluates requests (`METHOD TARGET`) at every Matrix site for which they are meant. Headers are those of a typical client.
pub fn routes(configuration: &Configuration, classifier: &Classifier, config: &AuditConfig, requests: &[String]) -> Vec<RouteAnswer> {
    let Sites { views, .. } = sites::of(configuration, config, &mut Vec::new());
    let mut answers = Vec::new();
    for request in requests {
        let (method, target) = request.split_once(' ').unwrap_or(("GET", request.as_str()));
        let meant: Vec<&View<'_>> = views.iter().filter(|view| view.asked.has(target)).collect();
        // A request that is meant for no site is asked everywhere.
        let asked = if meant.is_empty() { views.iter().collect() } else { meant };
        answers.extend(asked.into_iter().map(|view| answer(&configuration.proxies[view.proxy], view, classifier, method, target)));
    }
    answers
}

fn answer(proxy: &Proxy, view: &View<'_>, classifier: &Classifier, method: &str, target: &str) -> RouteAnswer {
    let routed = view.site.route(&keys::typical_request(method, target, view.host.as_deref()));
    let endpoint = classifier.endpoint(classifier.classify(Method::from_bytes(method.as_bytes()), target.as_bytes()));
    let (to, destination, servers) = match routed.target {
        RouteTarget::Pool(index) => {
            let pool = proxy.pools.get(index);
            let servers = pool.map(|pool| pool.servers.iter().map(|server| server.address.clone()).collect()).unwrap_or_default();
            ("pool", pool.map(|pool| pool.name.clone()).unwrap_or_default(), servers)
        }
        RouteTarget::Server(address) => ("server", address.clone(), vec![address]),
        RouteTarget::Local(what) => ("proxy", what, Vec::new()),
        RouteTarget::Unknown(unknown) => ("unknown", unknown.why, Vec::new()),
    };
    let served_by = match (&endpoint.stream, endpoint.workers.is_empty(), endpoint.any_worker) {
        (Some(stream), _, false) => format!("the writer of {stream}"),
        (_, true, _) => "the main process".to_owned(),
        _ => "any worker".to_owned(),
    };
    RouteAnswer {
        request: format!("{method} {target}"),
        site: view.site.name().to_owned(),
        host: view.host.clone(),
        to,
        destination,
        servers,
        key: match routed.key {
            super::super::read::KeyValue::Text(text) => Some(text),
            _ => None,
        },
        rule: routed.rule,
        group: endpoint.group.clone(),
        served_by,
    }
}
