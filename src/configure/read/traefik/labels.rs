//! Traefik's labels of a compose file, as the dynamic configuration that they stand for.
//!
//! Source: Traefik's documentation of the Docker provider: `traefik.http.routers.NAME.rule=…`,
//! `traefik.http.services.NAME.loadbalancer.server.port=…`. The server of a service is the container, known by the compose service's name.

use super::super::compose::{Label, containers, labels, services};
use super::super::tree::{Node, Value};
use super::syntax::major_of_image;

/// Whether a tree is a compose file with labels for Traefik.
pub fn are_in(root: &Node) -> bool {
    services(root).any(|(_, service)| labels(service).iter().any(|label| label.key.starts_with("traefik.http.")))
}

/// Traefik's major version, if its own container is among the services.
pub(super) fn major(root: &Node) -> Option<u32> {
    services(root).find_map(|(_, service)| major_of_image(&service.get("image").and_then(Node::text)?))
}

/// The dynamic configuration: `http.routers`, `http.services` and `http.middlewares`.
pub(super) fn configuration(root: &Node) -> Node {
    let mut http = Node::map(0);
    let mut servers: Vec<(String, Vec<Node>)> = Vec::new();
    for (name, service) in services(root) {
        let containers = containers(name, service);
        let labels: Vec<Label> = labels(service).into_iter().filter(|label| label.key.starts_with("traefik.")).collect();
        let is_off = labels.iter().any(|label| label.key == "traefik.enable" && label.value == "false");
        if labels.is_empty() || is_off {
            continue;
        }
        let routed = labels.iter().filter_map(|label| Some((label.key.strip_prefix("traefik.http.")?, label)));
        let mut routers: Vec<(String, usize)> = Vec::new();
        let mut named: Vec<String> = Vec::new();
        for (path, label) in routed {
            let parts: Vec<&str> = path.split('.').collect();
            let [kind, own, rest @ ..] = parts.as_slice() else { continue };
            match (*kind, rest) {
                ("services", rest) if is_like(rest, &["loadbalancer", "server", "port"]) => {
                    named.push((*own).to_owned());
                    add_servers(&mut servers, own, &containers, &label.value, label.line);
                }
                ("services", [balancer, rest @ ..])
                    if balancer.eq_ignore_ascii_case("loadbalancer")
                        && !rest.is_empty()
                        && rest.len() <= DEPTH_MAX
                        && !rest[0].eq_ignore_ascii_case("server") =>
                {
                    let mut path = vec!["services", *own, "loadBalancer"];
                    path.extend(rest);
                    http.set(&path, Node::of_text(&label.value, label.line), label.line);
                }
                ("routers" | "middlewares" | "serversTransports", rest) if !rest.is_empty() && rest.len() <= DEPTH_MAX => {
                    if *kind == "routers" && !routers.iter().any(|(known, _)| known == own) {
                        routers.push(((*own).to_owned(), label.line));
                    }
                    let mut path = vec![*kind, *own];
                    path.extend(rest);
                    http.set(&path, value(rest, &label.value, label.line), label.line);
                }
                _ => {}
            }
        }
        // A container without a service of its own gets one of its name, and a router without a service the only one.
        if named.is_empty() {
            let port = exposed(service).unwrap_or_else(|| "80".to_owned());
            add_servers(&mut servers, name, &containers, &port, service.line);
            named.push(name.to_owned());
        }
        for (router, line) in routers {
            let path = ["routers", router.as_str(), "service"];
            if http.at(&path).is_none()
                && let Some(only) = named.first()
            {
                http.set(&path, Node::of_text(only, line), line);
            }
        }
    }
    for (service, list) in servers {
        let line = list.first().map_or(0, |server| server.line);
        http.set(&["services", &service, "loadBalancer", "servers"], Node { value: Value::List(list), line }, line);
    }
    let mut root = Node::map(0);
    root.set(&["http"], http, 0);
    root
}

/// The only port that a service exposes.
fn exposed(service: &Node) -> Option<String> {
    let ports = service.get("expose").map(Node::texts).unwrap_or_default();
    ports.into_iter().next()
}

fn is_like(words: &[&str], wanted: &[&str]) -> bool {
    words.len() == wanted.len() && words.iter().zip(wanted).all(|(word, wanted)| word.eq_ignore_ascii_case(wanted))
}

/// `entrypoints` and `middlewares` are lists between commas.
fn value(path: &[&str], label: &str, line: usize) -> Node {
    match path {
        [only] if only.eq_ignore_ascii_case("entrypoints") || only.eq_ignore_ascii_case("middlewares") => {
            Node { value: Value::List(label.split(',').map(|part| Node::of_text(part.trim(), line)).collect()), line }
        }
        _ => Node::of_text(label, line),
    }
}

/// Adds the servers of a Traefik service; several containers that name the same service share its load.
fn add_servers(servers: &mut Vec<(String, Vec<Node>)>, service: &str, containers: &[String], port: &str, line: usize) {
    let own = containers.iter().map(|container| {
        let mut server = Node::map(line);
        server.set(&["url"], Node::of_text(&format!("http://{container}:{port}"), line), line);
        server
    });
    match servers.iter_mut().find(|(known, _)| known == service) {
        Some((_, list)) => list.extend(own),
        None => servers.push((service.to_owned(), own.collect())),
    }
}

const DEPTH_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::model::{Request, RouteTarget};
    use super::super::read;

    const COMPOSE: &str = r#"services:
  synapse:
    image: matrixdotorg/synapse:latest
    labels:
      - "traefik.enable=true"
      - "traefik.http.routers.synapse.rule=Host(`matrix.example.com`)"
      - "traefik.http.services.synapse.loadbalancer.server.port=8008"
  worker:
    labels:
      traefik.http.routers.worker.rule: "Host(`matrix.example.com`) && PathRegexp(`^/_matrix/client/(r0|v3)/sync$$`)"
    expose: [8009]
  off:
    labels: ["traefik.enable=false", "traefik.http.routers.off.rule=PathPrefix(`/`)", "traefik.http.routers.off.priority=9999"]
"#;

    #[test]
    fn labels_are_routers_and_services() {
        let proxy = read(&[(Path::new("docker-compose.yml"), COMPOSE)]).unwrap();
        let goes = |target: &str| match proxy.sites[0].route(&Request::new("GET", target)).target {
            RouteTarget::Pool(index) => proxy.pools[index].servers[0].address.clone(),
            other => format!("{other:?}"),
        };
        assert_eq!(goes("/_matrix/client/v3/sync"), "worker:8009");
        assert_eq!(goes("/_matrix/client/v3/login"), "synapse:8008");
        assert_eq!(proxy.hosts, ["matrix.example.com"]);
    }

    #[test]
    fn containers_of_one_service_share_its_load() {
        let worker = |name: &str, more: &str| {
            format!(
                "  {name}:\n    labels: [\"traefik.http.routers.w.rule=PathPrefix(`/_matrix/client`)\", \"traefik.http.services.w.loadbalancer.server.port=8009\"]\n{more}"
            )
        };
        let text = format!("services:\n{}{}", worker("one", ""), worker("two", "    deploy: {replicas: 2}\n"));
        let proxy = read(&[(Path::new("compose.yaml"), &text)]).unwrap();
        let addresses: Vec<&str> = proxy.pools[0].servers.iter().map(|server| server.address.as_str()).collect();
        assert_eq!(addresses, ["one:8009", "two-1:8009", "two-2:8009"]);
    }

    #[test]
    fn a_router_that_this_version_refuses_is_left_out() {
        let text = |image: &str| {
            format!(
                "services:\n  traefik:\n    image: {image}\n{}",
                COMPOSE
                    .replace("services:\n", "")
                    .replace("PathRegexp(`^/_matrix/client/(r0|v3)/sync$$`)", "PathPrefix(`/_matrix/client`, `/_synapse/client`)",)
            )
        };
        let goes = |image: &str| {
            let text = text(image);
            let proxy = read(&[(Path::new("compose.yaml"), &text)]).unwrap();
            let RouteTarget::Pool(index) = proxy.sites[0].route(&Request::new("GET", "/_matrix/client/v3/sync")).target else { panic!() };
            (proxy.pools[index].name.clone(), proxy.notes.len())
        };
        assert_eq!(goes("traefik:v2.11"), ("worker".to_owned(), 0));
        assert_eq!(goes("traefik:v3.6"), ("synapse".to_owned(), 1));
        assert_eq!(goes("traefik:latest"), ("worker".to_owned(), 1));
    }
}
