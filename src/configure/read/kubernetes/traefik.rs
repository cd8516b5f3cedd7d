//! Traefik's own kinds (IngressRoute, Middleware, TraefikService, ServersTransport) and Ingresses of its class, as the dynamic
//! configuration that they stand for.
//!
//! Source: Traefik's documentation, "Kubernetes IngressRoute" and "Kubernetes Ingress"; `pkg/provider/kubernetes` (names, default
//! priorities).

use std::sync::Arc;

use super::super::model::{Note, Proxy};
use super::super::traefik::{self, Statics};
use super::super::tree::{Node, Value};
use super::document::Object;
use super::ingress::{self, Controller, PathKind, Route};
use super::objects::{Backend, Objects};

/// The proxy of all of Traefik's objects.
pub(super) fn proxy(objects: &Objects) -> Option<Proxy> {
    let mut trees: Vec<(Arc<str>, Node)> = Vec::new();
    let mut notes = Vec::new();
    let mut has_routers = false;
    for object in objects.all() {
        let mut http = Node::map(0);
        match object.kind.as_str() {
            "IngressRoute" => has_routers |= route(object, objects, &mut http, &mut notes),
            "Ingress" if Controller::of(object) == Controller::Traefik => {
                has_routers |= plain(object, objects, &mut http, &mut notes);
            }
            "Middleware" => copy(object, "middlewares", &mut http),
            "ServersTransport" => copy(object, "serversTransports", &mut http),
            "TraefikService" => weighted(object, objects, &mut http, &mut notes),
            _ => continue,
        }
        let mut root = Node::map(0);
        root.set(&["http"], http, 0);
        trees.push((Arc::clone(&object.file), root));
    }
    if !has_routers {
        return None;
    }
    let mut proxy = traefik::of_trees(&trees, &statics(objects));
    proxy.notes.extend(notes);
    Some(proxy)
}

/// What tells Traefik's version: its image, or a group of kinds that version 3 dropped.
fn statics(objects: &Objects) -> Statics {
    let is_old = |object: &Object| object.root.get("apiVersion").and_then(Node::text).is_some_and(|name| name.starts_with(GROUP_OF_TWO));
    let old = objects.of_kind("IngressRoute").any(is_old).then_some(2);
    Statics::of_version(objects.images().find_map(|image| traefik::major_of_image(&image)).or(old))
}

/// Removed in Traefik 3.
const GROUP_OF_TWO: &str = "traefik.containo.us/";

/// `namespace-name`, as Traefik names an object of its own.
fn name_of(namespace: &str, name: &str) -> String {
    format!("{}-{name}", if namespace.is_empty() { "default" } else { namespace })
}

fn copy(object: &Object, kind: &str, http: &mut Node) {
    if let Some(spec) = object.root.get("spec") {
        http.set(&[kind, &name_of(&object.namespace, &object.name)], spec.clone(), spec.line);
    }
}

/// The routers of an IngressRoute; whether there is one.
fn route(object: &Object, objects: &Objects, http: &mut Node, notes: &mut Vec<Note>) -> bool {
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::text);
    let mut found = false;
    for (index, node) in object.spec(&["routes"]).map(Node::items).unwrap_or_default().iter().enumerate() {
        let (Some(rule), services) = (node.get("match"), node.get("services").map(Node::items).unwrap_or_default()) else { continue };
        let name = format!("{}-{index}", name_of(&object.namespace, &object.name));
        let service = match services {
            [] => continue,
            [one] => add_service(object, one, objects, http, notes),
            several => {
                let parts = several.iter().filter_map(|service| {
                    let own = add_service(object, service, objects, http, notes)?;
                    let mut part = Node::map(service.line);
                    part.set(&["name"], Node::of_text(&own, service.line), service.line);
                    if let Some(weight) = service.get("weight") {
                        part.set(&["weight"], weight.clone(), weight.line);
                    }
                    Some(part)
                });
                let parts: Vec<Node> = parts.collect();
                let list = Node { value: Value::List(parts), line: node.line };
                http.set(&["services", &name, "weighted", "services"], list, node.line);
                Some(name.clone())
            }
        };
        let Some(service) = service else { continue };
        found = true;
        let middlewares = node.get("middlewares").map(Node::items).unwrap_or_default().iter().filter_map(|middleware| {
            let namespace = text(middleware, "namespace").unwrap_or_else(|| object.namespace.clone());
            Some(Node::of_text(&name_of(&namespace, &text(middleware, "name")?), middleware.line))
        });
        let middlewares = Node { value: Value::List(middlewares.collect()), line: node.line };
        let mut router = Node::map(rule.line);
        router.set(&["rule"], rule.clone(), rule.line);
        router.set(&["service"], Node::of_text(&service, rule.line), rule.line);
        router.set(&["middlewares"], middlewares, rule.line);
        for (from, to) in
            [(node.get("priority"), "priority"), (object.spec(&["entryPoints"]), "entryPoints"), (node.get("syntax"), "ruleSyntax")]
        {
            if let Some(value) = from {
                router.set(&[to], value.clone(), value.line);
            }
        }
        http.set(&["routers", &name], router, rule.line);
    }
    found
}

/// Adds the service that a route names; `None` if its requests go to another proxy of these files.
fn add_service(object: &Object, service: &Node, objects: &Objects, http: &mut Node, notes: &mut Vec<Note>) -> Option<String> {
    let text = |key: &str| service.get(key).and_then(Node::text);
    let name = text("name")?;
    let namespace = text("namespace").unwrap_or_else(|| object.namespace.clone());
    if text("kind").as_deref() == Some("TraefikService") {
        return Some(name_of(&namespace, &name));
    }
    let backend = objects.backend(&name, &text("port").unwrap_or_default(), &namespace);
    if let Some(holder) = &backend.proxy {
        let text = format!("requests are passed on to the proxy that {} configures; its rules are evaluated", holder.escape_debug());
        notes.push(Note { at: object.at(service), text });
        return None;
    }
    let own = format!("{}-{}", object.name, backend.name);
    add_servers(http, &own, &backend, service.line);
    for key in ["strategy", "sticky"] {
        if let Some(value) = service.get(key) {
            http.set(&["services", &own, "loadBalancer", key], value.clone(), value.line);
        }
    }
    if let Some(transport) = text("serversTransport") {
        let transport = Node::of_text(&name_of(&namespace, &transport), service.line);
        http.set(&["services", &own, "loadBalancer", "serversTransport"], transport, service.line);
    }
    Some(own)
}

fn add_servers(http: &mut Node, name: &str, backend: &Backend, line: usize) {
    let servers = backend.servers.iter().map(|server| {
        let mut node = Node::map(line);
        node.set(&["url"], Node::of_text(&format!("http://{}", server.address), line), line);
        node
    });
    let list = Node { value: Value::List(servers.collect()), line };
    http.set(&["services", name, "loadBalancer", "servers"], list, line);
}

/// A service of weighted services.
fn weighted(object: &Object, objects: &Objects, http: &mut Node, notes: &mut Vec<Note>) {
    let Some(services) = object.spec(&["weighted", "services"]) else {
        notes.push(object.note("a TraefikService that is not weighted is not evaluated".to_owned()));
        return;
    };
    let parts = services.items().iter().filter_map(|service| {
        let mut part = Node::map(service.line);
        let own = add_service(object, service, objects, http, notes)?;
        part.set(&["name"], Node::of_text(&own, service.line), service.line);
        if let Some(weight) = service.get("weight") {
            part.set(&["weight"], weight.clone(), weight.line);
        }
        Some(part)
    });
    let list = Node { value: Value::List(parts.collect()), line: services.line };
    http.set(&["services", &name_of(&object.namespace, &object.name), "weighted", "services"], list, services.line);
}

/// The routers of an Ingress of Traefik's class; whether there is one.
fn plain(object: &Object, objects: &Objects, http: &mut Node, notes: &mut Vec<Note>) -> bool {
    let routes = ingress::routes(object, objects);
    let annotation = |name: &str| object.annotation(&format!("traefik.ingress.kubernetes.io/router.{name}"));
    let list = |text: String, line: usize| {
        let names = text.split(',').map(|name| Node::of_text(name.trim(), line)).collect();
        Node { value: Value::List(names), line }
    };
    let mut found = false;
    for (index, route) in routes.iter().enumerate() {
        if let Some(note) = ingress::passed_on(&route.host, std::slice::from_ref(route)) {
            notes.push(note);
            continue;
        }
        found = true;
        let name = format!("{}-{index}", name_of(&object.namespace, &object.name));
        add_servers(http, &name, &route.backend, route.line);
        let mut router = Node::map(route.line);
        router.set(&["rule"], Node::of_text(&rule(route, annotation("pathmatcher").as_deref()), route.line), route.line);
        router.set(&["service"], Node::of_text(&name, route.line), route.line);
        if let Some(priority) = annotation("priority") {
            router.set(&["priority"], Node::of_text(&priority, route.line), route.line);
        }
        if let Some(points) = annotation("entrypoints") {
            router.set(&["entryPoints"], list(points, route.line), route.line);
        }
        if let Some(middlewares) = annotation("middlewares") {
            router.set(&["middlewares"], list(middlewares, route.line), route.line);
        }
        http.set(&["routers", &name], router, route.line);
    }
    found
}

/// ``Host(`a`) && PathPrefix(`/x`)``; in Traefik a prefix of an Ingress may end within a part of the path.
fn rule(route: &Route<'_>, matcher: Option<&str>) -> String {
    let path = match route.kind {
        PathKind::Exact => format!("Path(`{}`)", route.path),
        PathKind::Prefix | PathKind::Own => format!("{}(`{}`)", matcher.unwrap_or("PathPrefix"), route.path),
    };
    match route.host.strip_prefix("*.") {
        _ if route.host == "_" => path,
        Some(domain) => format!("HostRegexp(`^[a-z0-9-]+\\.{}$`) && {path}", domain.replace('.', "\\.")),
        None => format!("Host(`{}`) && {path}", route.host),
    }
}
