//! A manifest's documents, and what all objects have: kind, name, namespace.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::model::{Note, ReadError, SourceLocation};
use super::super::tree::{self, Node};

/// An object of a manifest.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) file: Arc<str>,
    pub(super) kind: String,
    pub(super) name: String,
    /// Empty where the manifest leaves it to `kubectl`.
    pub(super) namespace: String,
    pub(super) root: Node,
}

impl Object {
    fn of(file: &Arc<str>, root: Node) -> Option<Self> {
        let text = |path: &[&str]| root.at(path).and_then(Node::text).unwrap_or_default();
        let (kind, name, namespace) = (text(&["kind"]), text(&["metadata", "name"]), text(&["metadata", "namespace"]));
        (!kind.is_empty()).then(|| Self { file: Arc::clone(file), kind, name, namespace, root })
    }

    pub(super) fn at(&self, node: &Node) -> SourceLocation {
        SourceLocation::new(&self.file, node.line)
    }

    /// The object's own place: that of its name.
    pub(super) fn place(&self) -> SourceLocation {
        self.at(self.root.at(&["metadata", "name"]).or_else(|| self.root.get("kind")).unwrap_or(&self.root))
    }

    pub(super) fn note(&self, text: String) -> Note {
        Note { at: self.place(), text }
    }

    pub(super) fn spec(&self, path: &[&str]) -> Option<&Node> {
        self.root.get("spec").and_then(|spec| spec.at(path))
    }

    /// An annotation's text.
    pub(super) fn annotation(&self, name: &str) -> Option<String> {
        self.root.at(&["metadata", "annotations", name]).and_then(Node::text)
    }

    /// The files of a ConfigMap or Secret, as `NAME/KEY` and text.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let plain = ["data", "stringData"].into_iter().filter_map(|key| self.root.get(key)).flat_map(Node::entries);
        let is_secret = self.kind == "Secret";
        let encoded: &[(String, Node)] = if is_secret { self.root.get("data").map(Node::entries).unwrap_or_default() } else { &[] };
        let is_encoded = |node: &Node| encoded.iter().any(|(_, own)| std::ptr::eq(own, node));
        let files = plain.filter_map(|(key, node)| {
            let text = node.text()?;
            let text = if is_encoded(node) {
                let bytes = STANDARD.decode(text.split_whitespace().collect::<String>()).ok()?;
                String::from_utf8(bytes).ok()?
            } else {
                text
            };
            // A value without a line break is a setting, not a file; so is an entry whose name could leave the folder.
            (text.contains('\n') && !key.contains('/') && key != "..").then(|| (format!("{}/{key}", self.name), text))
        });
        files.take(FILES_MAX).collect()
    }
}

/// Whether a text is a manifest: some document has an `apiVersion` and a `kind`.
pub(in super::super) fn is_manifest(text: &str) -> bool {
    let has = |key: &str| text.lines().take(LINES_MAX).any(|line| line.trim_start_matches(['{', ' ', '"']).starts_with(key));
    let has_kind = |key: &str| text.lines().take(LINES_MAX).any(|line| line.starts_with(key));
    (has_kind("apiVersion:") && has_kind("kind:"))
        || (text.trim_start().starts_with('{') && has("apiVersion\"") && text.contains("\"kind\""))
}

/// The objects of all documents, with those of lists.
pub(super) fn objects(file: &Arc<str>, text: &str) -> Result<Vec<Object>, ReadError> {
    let mut found = Vec::new();
    for (line, document) in documents(text) {
        let mut root = tree::yaml(file, document).map_err(|error| match error {
            ReadError::Syntax { at, message } if at.line > 0 => {
                ReadError::Syntax { at: SourceLocation::new(file, at.line + line), message }
            }
            error => error,
        })?;
        root.shift_lines(line);
        let is_list = root.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List")) && root.get("items").is_some();
        if is_list {
            let items = root.get("items").map(Node::items).unwrap_or_default();
            found.extend(items.iter().filter_map(|item| Object::of(file, item.clone())));
        } else {
            found.extend(Object::of(file, root));
        }
    }
    Ok(found)
}

/// The documents of a text that say anything, with the number of lines before each.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let mut documents = Vec::new();
    let (mut start, mut first_line) = (0, 0);
    let mut add = |from: usize, to: usize, line: usize| {
        let document = &text[from..to];
        let says = document.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        if says && documents.len() < DOCUMENTS_MAX {
            documents.push((line, document));
        }
    };
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let word = line.trim_end();
        if word == "---" || word.starts_with("--- ") || word == "..." {
            add(start, at, first_line);
            (start, first_line) = (at + line.len(), number + 1);
        }
        at += line.len();
    }
    add(start, text.len(), first_line);
    documents
}

const LINES_MAX: usize = 5000;
const DOCUMENTS_MAX: usize = 5000;
const FILES_MAX: usize = 200;
