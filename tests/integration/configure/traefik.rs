//! Traefik has no Debian package, so its files are compared with the keys in its documentation and checked for consistency.
//!
//! This is weaker than running Traefik: an invalid rule passes if its brackets and matchers are correct.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use wsim::plan::ProxyKind;

use super::accepted::{configure_plan, plans};
use super::plans::file;

/// The part of the file provider's dynamic configuration that wsim writes. Unknown keys are errors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dynamic {
    http: Http,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Http {
    routers: BTreeMap<String, Router>,
    services: BTreeMap<String, Service>,
    middlewares: BTreeMap<String, Middleware>,
    servers_transports: BTreeMap<String, Transport>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Router {
    rule: String,
    service: String,
    priority: i64,
    middlewares: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Service {
    load_balancer: LoadBalancer,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LoadBalancer {
    servers_transport: String,
    strategy: Option<String>,
    health_check: Option<HealthCheck>,
    servers: Vec<Server>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthCheck {
    path: String,
    #[serde(rename = "interval")]
    _interval: String,
    #[serde(rename = "timeout")]
    _timeout: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    url: String,
    weight: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Middleware {
    IpAllowList {
        #[serde(rename = "sourceRange")]
        source_range: Vec<String>,
    },
    Buffering {
        #[serde(rename = "maxRequestBodyBytes")]
        max: u64,
        #[serde(rename = "memRequestBodyBytes")]
        memory: u64,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Transport {
    forwarding_timeouts: BTreeMap<String, String>,
}

#[test]
fn the_traefik_files_are_consistent_and_have_only_documented_keys() {
    for release in ["1.18", "1.48", "1.90", "1.135", "1.157"] {
        for plan in plans(release) {
            let configuration = configure_plan(&plan, ProxyKind::Traefik, release);
            let dynamic: Dynamic = serde_saphyr::from_str(file(&configuration, "proxy/traefik/dynamic.yaml"))
                .unwrap_or_else(|error| panic!("{} {release}: {error}", plan.name));
            check_http(&dynamic.http);
            let statics: BTreeMap<String, serde_json::Value> =
                serde_saphyr::from_str(file(&configuration, "proxy/traefik/static-additions.yaml")).unwrap();
            assert_eq!(statics.keys().collect::<Vec<_>>(), ["accessLog", "entryPoints"]);
        }
    }
}

fn check_http(http: &Http) {
    let mut priorities = BTreeSet::new();
    for (name, router) in &http.routers {
        assert!(http.services.contains_key(&router.service), "{name}: no service {}", router.service);
        for middleware in &router.middlewares {
            assert!(http.middlewares.contains_key(middleware), "{name}: no middleware {middleware}");
        }
        if name != "wsim-main" && name != "wsim-admin" {
            assert!(priorities.insert(router.priority), "{name} shares its priority");
        }
        check_rule(&router.rule);
        let admin = router.rule.contains("/_synapse/admin");
        assert_eq!(router.middlewares.iter().any(|name| name == "wsim-from-here"), admin, "{}", router.rule);
    }
    for service in http.services.values() {
        let balancer = &service.load_balancer;
        // One of several is asked whether it is there; of a single one there is no other.
        assert_eq!(balancer.health_check.is_some(), balancer.servers.len() > 1);
        assert!(balancer.health_check.iter().all(|check| check.path == "/health"));
        assert!(http.servers_transports.contains_key(&balancer.servers_transport));
        assert!(balancer.strategy.as_deref().is_none_or(|strategy| ["p2c", "hrw", "leasttime"].contains(&strategy)));
        assert!(!balancer.servers.is_empty());
        for server in &balancer.servers {
            assert!(server.url.starts_with("http://") && server.weight != Some(0), "{}", server.url);
        }
    }
    for transport in http.servers_transports.values() {
        let known = ["dialTimeout", "responseHeaderTimeout", "idleConnTimeout"];
        assert!(transport.forwarding_timeouts.keys().all(|key| known.contains(&key.as_str())));
        assert!(transport.forwarding_timeouts.values().all(|value| value.ends_with('s')));
    }
    for middleware in http.middlewares.values() {
        match middleware {
            Middleware::IpAllowList { source_range } => assert_eq!(source_range, &["127.0.0.0/8", "::1/128"]),
            Middleware::Buffering { max, memory } => assert!(max > memory),
        }
    }
}

/// Asserts that the rule consists of Traefik 3's matchers, that its brackets match, and that every pattern is a regular expression.
fn check_rule(rule: &str) {
    let known = ["Host", "PathRegexp", "PathPrefix", "Method", "Query", "QueryRegexp"];
    let (mut outside, mut depth, mut patterns) = (String::new(), 0_i32, Vec::new());
    for (index, part) in rule.split('`').enumerate() {
        if index % 2 == 1 {
            patterns.push(part);
            continue;
        }
        outside.push_str(part);
        depth += i32::try_from(part.matches('(').count()).unwrap() - i32::try_from(part.matches(')').count()).unwrap();
        assert!(depth >= 0, "{rule}");
    }
    assert_eq!(depth, 0, "{rule}");
    for pattern in patterns {
        regex_syntax::parse(pattern).unwrap_or_else(|error| panic!("{rule}: {error}"));
    }
    let words = outside.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    for word in words {
        assert!(known.contains(&word), "{rule}: {word}");
    }
}
