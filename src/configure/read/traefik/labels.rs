//! Traefik's labels of a compose file, as the dynamic configuration that they stand for.
//!
//! Source: Traefik's documentation of the Docker provider: `traefik.http.routers.NAME.rule=…`,
//! `traefik.http.services.NAME.loadbalancer.server.port=…`. The server of a service is the container, known by the compose service's name.

use super::super::tree::{Node, Value};

/// Whether a tree is a compose file with labels for Traefik.
pub fn are_in(root: &Node) -> bool {
    services(root).any(|(_, service)| labels(service).iter().any(|label| label.key.starts_with("traefik.http.")))
}

/// The dynamic configuration: `http.routers`, `http.services` and `http.middlewares`.
pub(super) fn configuration(root: &Node) -> Node {
    let mut http = empty(0);
    for (name, service) in services(root) {
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
                    add_server(&mut http, own, name, &label.value, label.line);
                }
                ("routers" | "middlewares", rest) if !rest.is_empty() && rest.len() <= DEPTH_MAX => {
                    if *kind == "routers" && !routers.iter().any(|(known, _)| known == own) {
                        routers.push(((*own).to_owned(), label.line));
                    }
                    let mut path = vec![*kind, *own];
                    path.extend(rest);
                    set(&mut http, &path, value(rest, &label.value, label.line), label.line);
                }
                _ => {}
            }
        }
        // A container without a service of its own gets one of its name, and a router without a service the only one.
        if named.is_empty() {
            let port = exposed(service).unwrap_or_else(|| "80".to_owned());
            add_server(&mut http, name, name, &port, service.line);
            named.push(name.to_owned());
        }
        for (router, line) in routers {
            let path = ["routers", router.as_str(), "service"];
            if http.at(&path).is_none()
                && let Some(only) = named.first()
            {
                set(&mut http, &path, text(only, line), line);
            }
        }
    }
    let mut root = empty(0);
    set(&mut root, &["http"], http, 0);
    root
}

struct Label {
    key: String,
    value: String,
    line: usize,
}

fn services(root: &Node) -> impl Iterator<Item = (&str, &Node)> {
    root.get("services").map(Node::entries).unwrap_or_default().iter().map(|(name, node)| (name.as_str(), node))
}

/// Labels as a list of `key=value` or as a map, of the service itself or of its `deploy` section.
fn labels(service: &Node) -> Vec<Label> {
    let mut found = Vec::new();
    for labels in [service.get("labels"), service.at(&["deploy", "labels"])].into_iter().flatten() {
        for item in labels.items().iter().filter(|_| labels.entries().is_empty()) {
            let text = item.text().unwrap_or_default();
            let (key, value) = text.split_once('=').unwrap_or((text.as_str(), ""));
            found.push(Label { key: key.trim().to_owned(), value: unescaped(value), line: item.line });
        }
        for (key, node) in labels.entries() {
            found.push(Label { key: key.clone(), value: unescaped(&node.text().unwrap_or_default()), line: node.line });
        }
    }
    found
}

/// Compose writes a dollar sign as two.
fn unescaped(value: &str) -> String {
    value.trim().replace("$$", "$")
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
            Node { value: Value::List(label.split(',').map(|part| text(part.trim(), line)).collect()), line }
        }
        _ => text(label, line),
    }
}

fn add_server(http: &mut Node, service: &str, container: &str, port: &str, line: usize) {
    let mut server = empty(line);
    set(&mut server, &["url"], text(&format!("http://{container}:{port}"), line), line);
    let list = Node { value: Value::List(vec![server]), line };
    set(http, &["services", service, "loadBalancer", "servers"], list, line);
}

fn text(text: &str, line: usize) -> Node {
    Node { value: Value::Text(text.to_owned()), line }
}

fn empty(line: usize) -> Node {
    Node { value: Value::Map(Vec::new()), line }
}

/// Sets a value at the end of a path of keys, and makes the maps on the way.
fn set(node: &mut Node, path: &[&str], value: Node, line: usize) {
    let Some((first, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    if !matches!(node.value, Value::Map(_)) {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else { return };
    let index = entries.iter().position(|(key, _)| key == first).unwrap_or_else(|| {
        entries.push(((*first).to_owned(), empty(line)));
        entries.len() - 1
    });
    if let Some((_, inner)) = entries.get_mut(index) {
        set(inner, rest, value, line);
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
}
