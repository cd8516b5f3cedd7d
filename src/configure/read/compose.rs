//! Compose files: services, their labels and their containers.
//!
//! Knows nothing of the programs that read the labels. Source: the Compose specification (`labels`, `deploy`, `scale`).

use super::tree::Node;

/// A label of a service.
pub(super) struct Label {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) line: usize,
}

/// The services by their names.
pub(super) fn services(root: &Node) -> impl Iterator<Item = (&str, &Node)> {
    root.get("services").map(Node::entries).unwrap_or_default().iter().map(|(name, node)| (name.as_str(), node))
}

/// Labels as a list of `key=value` or as a map, of the service itself or of its `deploy` section.
pub(super) fn labels(service: &Node) -> Vec<Label> {
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

/// The containers of a service: one, or as many as `deploy.replicas` or `scale` say, numbered as Compose does.
pub(super) fn containers(name: &str, service: &Node) -> Vec<String> {
    let count = service.at(&["deploy", "replicas"]).or_else(|| service.get("scale")).and_then(Node::number).unwrap_or(1);
    if count < 2 { vec![name.to_owned()] } else { (1..=count.min(REPLICAS_MAX)).map(|number| format!("{name}-{number}")).collect() }
}

const REPLICAS_MAX: i64 = 100;
