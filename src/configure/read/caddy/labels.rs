//! Labels of caddy-docker-proxy in compose files, as the Caddyfile that the plugin makes of them.
//!
//! `caddy` (or `caddy_0`, `caddy_1`, …) is a site, every dot in a label begins a block, a number before a directive its place, and a number
//! behind it tells two directives of one name apart. `{{upstreams 8008}}` are the containers of the service, known by its name.
//!
//! Sources: `caddyfile/fromlabels.go`, `marshal.go` (order) and `merge.go` (blocks of several containers), `generator/labels.go` of
//! caddy-docker-proxy.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::compose::{Label, containers, labels, services};
use super::super::model::{Note, SourceLocation};
use super::super::tree::Node;
use super::tokens::{Segment, words};

/// Whether a tree is a compose file with labels for the plugin.
pub fn are_in(root: &Node) -> bool {
    services(root).any(|(_, service)| labels(service).iter().any(|label| is_label(&label.key)))
}

/// The Caddyfile of the labels of several compose files.
pub(super) fn segments(files: &[(Arc<str>, Node)], notes: &mut Vec<Note>) -> Vec<Segment> {
    let mut whole = Block::default();
    for (file, root) in files {
        for (name, service) in services(root) {
            let labels = labels(service).into_iter().filter(|label| is_label(&label.key)).take(LABELS_MAX);
            let mut own = Block::default();
            for label in labels {
                let at = SourceLocation::new(file, label.line);
                let value = with_upstreams(&label, &containers(name, service), &at, notes);
                own.take(&label.key, words(&value), &at);
            }
            whole.merge(own);
        }
    }
    whole.sort();
    whole.children.into_iter().map(|block| block.segment(0)).collect()
}

/// `caddy`, `caddy_1`, and what begins with one of these and a dot.
fn is_label(key: &str) -> bool {
    let Some(rest) = key.strip_prefix("caddy") else { return false };
    let rest = rest.strip_prefix('_').map_or(rest, |number| number.trim_start_matches(|c: char| c.is_ascii_digit()));
    let is_numbered = key.strip_prefix("caddy_").is_none_or(|number| number.starts_with(|c: char| c.is_ascii_digit()));
    is_numbered && (rest.is_empty() || rest.starts_with('.'))
}

/// The value of a label with the containers in the place of `{{upstreams}}`.
fn with_upstreams(label: &Label, containers: &[String], at: &SourceLocation, notes: &mut Vec<Note>) -> String {
    let mut out = String::new();
    let mut rest = label.value.as_str();
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inner, end)) = after.split_once("}}") else { break };
        out.push_str(before);
        let mut parts = inner.split_whitespace();
        if parts.next() == Some("upstreams") {
            out.push_str(&upstreams(parts, containers));
        } else {
            notes.push(Note { at: at.clone(), text: format!("the template in the label {} is not evaluated", label.key.escape_debug()) });
            out.push_str(&format!("{{{{{inner}}}}}"));
        }
        rest = end;
    }
    out + rest
}

fn upstreams<'a>(parts: impl Iterator<Item = &'a str>, containers: &[String]) -> String {
    let (mut scheme, mut port) = ("", "");
    for part in parts {
        let part = part.trim_matches('"');
        if part.bytes().all(|byte| byte.is_ascii_digit()) { port = part } else { scheme = part }
    }
    let server = |container: &String| {
        let start = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
        let end = if port.is_empty() { String::new() } else { format!(":{port}") };
        format!("{start}{container}{end}")
    };
    containers.iter().map(server).collect::<Vec<_>>().join(" ")
}

/// A line of the Caddyfile with what is inside of it.
#[derive(Default)]
struct Block {
    /// The label by which it was made.
    path: String,
    place: Option<u64>,
    keys: Vec<String>,
    children: Vec<Block>,
    at: Option<SourceLocation>,
}

impl Block {
    /// Adds the words of a label.
    fn take(&mut self, path: &str, words: Vec<String>, at: &SourceLocation) {
        let mut block = self;
        let mut known = String::new();
        for part in path.replace("\\.", "\0").split('.').take(DEPTH_MAX) {
            let is_site = known.is_empty();
            known = if is_site { part.to_owned() } else { format!("{known}.{part}") };
            let index = block.children.iter().position(|child| child.path == known).unwrap_or_else(|| {
                let (place, name) = if is_site { (None, None) } else { named(part) };
                let keys = name.into_iter().map(|name| name.replace('\0', ".")).collect();
                block.children.push(Self { path: known.clone(), place, keys, children: Vec::new(), at: Some(at.clone()) });
                block.children.len() - 1
            });
            block = &mut block.children[index];
        }
        block.at = Some(at.clone());
        block.keys.extend(words);
    }

    /// Adds the blocks of another container: equal ones are one, and the servers of one path share its load.
    fn merge(&mut self, other: Self) {
        for theirs in other.children {
            let is_proxy = theirs.keys.first().is_some_and(|first| first == "reverse_proxy" || first == "php_fastcgi");
            let is_same = |own: &&mut Self| {
                own.keys == theirs.keys || (is_proxy && own.keys.first() == theirs.keys.first() && own.matcher() == theirs.matcher())
            };
            match self.children.iter_mut().find(is_same) {
                Some(own) if is_proxy => {
                    let skipped = if theirs.keys.get(1).is_some_and(|key| is_matcher(key)) { 2 } else { 1 };
                    own.keys.extend(theirs.keys.iter().skip(skipped).cloned());
                    own.merge(theirs);
                }
                Some(own) => own.merge(theirs),
                None => self.children.push(theirs),
            }
        }
    }

    fn matcher(&self) -> &str {
        self.keys.get(1).filter(|key| is_matcher(key)).map_or("*", String::as_str)
    }

    fn sort(&mut self) {
        self.children.iter_mut().for_each(Self::sort);
        self.children.sort_by(|a, b| a.compare(b));
    }

    /// Options of the whole Caddyfile, snippets and matchers come first, then the places, then the words.
    fn compare(&self, other: &Self) -> Ordering {
        let is_snippet = |block: &Self| matches!(block.keys.as_slice(), [key] if key.starts_with('(') && key.ends_with(')'));
        let is_matcher = |block: &Self| block.keys.first().is_some_and(|key| key.starts_with('@'));
        let kind = |block: &Self| (!block.keys.is_empty(), !is_snippet(block), !is_matcher(block));
        let place = |block: &Self| block.place.unwrap_or(u64::MAX);
        let by_children = || {
            let pairs = self.children.iter().zip(&other.children).map(|(a, b)| a.compare(b));
            pairs.fold(Ordering::Equal, Ordering::then).then(self.children.len().cmp(&other.children.len()))
        };
        kind(self)
            .cmp(&kind(other))
            .then_with(|| place(self).cmp(&place(other)))
            .then_with(|| self.keys.cmp(&other.keys))
            .then_with(by_children)
    }

    fn segment(self, depth: usize) -> Segment {
        let at = self.at.unwrap_or_else(|| SourceLocation::new(&Arc::from(""), 0));
        let is_block = !self.children.is_empty() || depth == 0;
        let inner: Vec<Segment> = self.children.into_iter().map(|block| block.segment(depth + 1)).collect();
        Segment { words: self.keys, block: is_block.then_some(inner), at }
    }
}

fn is_matcher(word: &str) -> bool {
    word == "*" || word.starts_with(['/', '@'])
}

/// The place and the name in a part of a label: `0_reverse_proxy`, `handle_1`.
fn named(part: &str) -> (Option<u64>, Option<String>) {
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| !text.is_empty());
    let (place, rest) = match part.split_once('_') {
        Some((before, rest)) if number(before).is_some() && !rest.is_empty() => (number(before), rest),
        _ => (None, part),
    };
    let name = match rest.rsplit_once('_') {
        Some((name, after)) if number(after).is_some() && !name.is_empty() => name,
        _ => rest,
    };
    (place, Some(name.to_owned()))
}

const LABELS_MAX: usize = 2000;
const DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::super::model::{Proxy, Request, RouteTarget};
    use super::super::read_labels;

    fn read(text: &str) -> Proxy {
        read_labels(&[(Path::new("compose.yaml"), text)], &wsim_nginx::NoFiles).unwrap()
    }

    fn goes(proxy: &Proxy, site: usize, target: &str) -> String {
        match proxy.sites[site].route(&Request::new("GET", target).with_header("Host", "matrix.example.org")).target {
            RouteTarget::Pool(index) => proxy.pools[index].name.clone(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn containers_share_a_site_whose_parts_they_name() {
        let proxy = read(
            "services:\n  synapse:\n    labels:\n      caddy: matrix.example.org\n      caddy.reverse_proxy: /_matrix/* {{upstreams 8008}}\n      \
             caddy.@sync.path_regexp: ^/_matrix/client/(r0|v3)/sync$$\n  \
             one:\n    labels: [\"caddy=matrix.example.org\", \"caddy.handle=@sync\", \"caddy.handle.reverse_proxy={{ upstreams http 8083 }}\"]\n  \
             two:\n    deploy: {replicas: 2}\n    labels: [\"caddy=matrix.example.org\", \"caddy.handle=@sync\", \"caddy.handle.reverse_proxy={{upstreams 8083}}\"]\n  \
             other:\n    labels: {diun.enable: true}\n",
        );
        assert_eq!((proxy.sites.len(), proxy.sites[0].hosts()[0].as_str()), (1, "matrix.example.org"));
        assert_eq!(goes(&proxy, 0, "/_matrix/client/v3/sync"), "one:8083,two-1:8083,two-2:8083");
        assert_eq!(goes(&proxy, 0, "/_matrix/client/v3/login"), "synapse:8008");
        assert!(goes(&proxy, 0, "/").starts_with("Local"));
        assert_eq!(proxy.sites[0].location().line, 4);
    }

    #[test]
    fn numbers_before_a_directive_are_its_place_and_numbers_behind_it_are_nothing() {
        let proxy = read(
            "services:\n  synapse:\n    labels:\n      caddy_0: a.example.org\n      caddy_0.route.1_reverse_proxy: /_matrix/* {{upstreams 8008}}\n      \
             caddy_0.route.0_reverse_proxy: /_matrix/client/* s:1\n      caddy_1: b.example.org\n      caddy_1.handle_1: /_matrix/*\n      \
             caddy_1.handle_1.reverse_proxy: s:2\n      caddy_1.handle_2: \"\"\n      caddy_1.handle_2.respond: hello\n      caddy_2: (snippet)\n      \
             caddy_2.reverse_proxy: s:3\n      caddy_3: c.example.org\n      caddy_3.import: snippet\n      caddy_4.email: a@example.org\n      \
             caddy_ingress_network: net\n",
        );
        assert_eq!(proxy.sites.len(), 3);
        assert_eq!(goes(&proxy, 0, "/_matrix/client/v3/sync"), "s:1");
        assert_eq!(goes(&proxy, 0, "/_matrix/federation/v1/version"), "synapse:8008");
        assert_eq!(goes(&proxy, 1, "/_matrix/client/v3/sync"), "s:2");
        assert!(goes(&proxy, 1, "/").contains("respond hello"));
        assert_eq!(goes(&proxy, 2, "/"), "s:3");
    }

    #[test]
    fn other_templates_are_named() {
        let proxy = read("services:\n  s:\n    labels:\n      caddy: a.example.org\n      caddy.reverse_proxy: '{{index .Names 0}}:80'\n");
        assert!(proxy.notes[0].text.contains("the template in the label caddy.reverse_proxy"));
    }
}
