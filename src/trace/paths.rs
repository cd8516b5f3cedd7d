//! The known paths of Matrix and Synapse, as a tree of literals and placeholders.
//!
//! Owns the table `paths.txt` and its reading. Knows nothing of queries. Invariant: [`write_template`] writes text of that table and nothing
//! of the path, however the path looks.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use wsim_http::identity::is_room_keyword;

/// Appends the template of `path`, which has no query, to `out`. A segment that no known path has at its place becomes `{id}`, unless it is
/// a literal of another known path.
pub(super) fn write_template(path: &[u8], out: &mut Vec<u8>) {
    if !is_of_matrix(path) {
        out.extend_from_slice(b"(other)");
        return;
    }
    let tree = &*TREE;
    let mut place = Place::Node(ROOT);
    let mut before: &[u8] = b"";
    for (position, segment) in path[1..].split(|&byte| byte == b'/').enumerate() {
        out.push(b'/');
        if position == SEGMENTS_MAX {
            out.extend_from_slice(b"{rest}");
            break;
        }
        let (text, next) = tree.step(place, segment, before);
        out.extend_from_slice(text.as_bytes());
        (place, before) = (next, segment);
    }
}

/// Whether a path belongs to a homeserver; all others have one template.
fn is_of_matrix(path: &[u8]) -> bool {
    ["/_matrix/", "/_synapse/", "/.well-known/matrix/"].iter().any(|start| path.starts_with(start.as_bytes())) || path == b"/health"
}

/// Where in the tree the segments so far lead.
#[derive(Debug, Clone, Copy)]
enum Place {
    Node(usize),
    /// Below a path whose further segments are ids.
    Ids,
    /// No known path begins like this.
    Unknown,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted by text.
    literals: Vec<(&'static str, usize)>,
    placeholder: Option<Placeholder>,
    /// Every further segment is an id.
    ids_below: bool,
}

/// Any text at a place of a path.
#[derive(Debug, Clone, Copy)]
struct Placeholder {
    /// With braces.
    text: &'static str,
    next: usize,
}

#[derive(Debug, Default)]
struct Tree {
    nodes: Vec<Node>,
    /// For a placeholder the words that are kept in its place, sorted.
    words: BTreeMap<&'static str, Vec<&'static str>>,
    /// All placeholders, sorted: a template is its own template.
    placeholders: Vec<&'static str>,
    /// Every literal and word, sorted.
    known: Vec<&'static str>,
}

static TREE: LazyLock<Tree> = LazyLock::new(|| Tree::from_table(TABLE));

const TABLE: &str = include_str!("paths.txt");
const ROOT: usize = 0;
const SEGMENTS_MAX: usize = 16;

impl Tree {
    fn from_table(table: &'static str) -> Self {
        let (sections, words) = read_table(table);
        let mut tree = Self { nodes: vec![Node::default()], words, ..Self::default() };
        for section in &sections {
            let top = tree.attach(&section.prefixes);
            for path in &section.paths {
                tree.add(top, path);
            }
        }
        let literals = tree.nodes.iter().flat_map(|node| node.literals.iter().map(|(text, _)| *text));
        tree.known = literals.chain(tree.words.values().flatten().copied()).collect();
        tree.placeholders = tree.nodes.iter().filter_map(|node| node.placeholder.map(|placeholder| placeholder.text)).collect();
        tree.placeholders.extend(["{id}", "{rest}"]);
        for list in [&mut tree.known, &mut tree.placeholders] {
            list.sort_unstable();
            list.dedup();
        }
        tree.words.values_mut().for_each(|words| words.sort_unstable());
        tree.nodes.iter_mut().for_each(|node| node.literals.sort_unstable());
        tree
    }

    /// The node to which all these prefixes lead, so that the paths below are in memory once.
    fn attach(&mut self, prefixes: &[Vec<&'static str>]) -> usize {
        if let [only] = prefixes {
            return self.walk(ROOT, only);
        }
        let shared = self.new_node();
        for prefix in prefixes {
            let Some((last, before)) = prefix.split_last() else { continue };
            let parent = self.walk(ROOT, before);
            self.nodes[parent].literals.push((last, shared));
        }
        shared
    }

    /// Adds a path below a node.
    fn add(&mut self, top: usize, path: &[&'static str]) {
        match path.split_last() {
            Some((&"*", before)) => {
                let node = self.walk(top, before);
                self.nodes[node].ids_below = true;
            }
            _ => {
                self.walk(top, path);
            }
        }
    }

    /// The node at the end of these segments, which are added where they are missing.
    fn walk(&mut self, from: usize, segments: &[&'static str]) -> usize {
        segments.iter().fold(from, |node, &segment| {
            let known = if segment.starts_with('{') {
                self.nodes[node].placeholder.map(|placeholder| placeholder.next)
            } else {
                self.nodes[node].literals.iter().find(|(text, _)| *text == segment).map(|(_, next)| *next)
            };
            known.unwrap_or_else(|| {
                let next = self.new_node();
                if segment.starts_with('{') {
                    self.nodes[node].placeholder = Some(Placeholder { text: segment, next });
                } else {
                    self.nodes[node].literals.push((segment, next));
                }
                next
            })
        })
    }

    fn new_node(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// The template's text for a segment, and where it leads. `before` is the segment before it.
    fn step(&self, place: Place, segment: &[u8], before: &[u8]) -> (&'static str, Place) {
        let node = match place {
            Place::Node(node) => &self.nodes[node],
            Place::Ids => return ("{id}", Place::Ids),
            Place::Unknown => return (self.unknown(segment, before), Place::Unknown),
        };
        let wanted = head(segment);
        // By the heads first: a call to compare texts costs more than the rest of the search.
        let search = |&(text, _): &(&'static str, usize)| head(text.as_bytes()).cmp(&wanted).then_with(|| text.as_bytes().cmp(segment));
        if let Ok(index) = node.literals.binary_search_by(search) {
            let (text, next) = node.literals[index];
            return (text, Place::Node(next));
        }
        match node.placeholder {
            Some(placeholder) if !segment.is_empty() => (self.in_place_of(placeholder, segment), Place::Node(placeholder.next)),
            _ if node.ids_below => ("{id}", Place::Ids),
            _ => (self.unknown(segment, before), Place::Unknown),
        }
    }

    /// A word that is kept at this place, or the placeholder. Aliases and room ids are interchangeable and told apart by their sigil.
    fn in_place_of(&self, placeholder: Placeholder, segment: &[u8]) -> &'static str {
        match (placeholder.text, sigil(segment)) {
            ("{room}", b'#') => "{alias}",
            ("{alias}", b'!') => "{room}",
            (text, b'{') => find(&self.placeholders, segment).unwrap_or(text),
            (text, _) => self.words.get(text).and_then(|words| find(words, segment)).unwrap_or(text),
        }
    }

    /// A segment of a path that is not in the table.
    fn unknown(&self, segment: &[u8], before: &[u8]) -> &'static str {
        match sigil(segment) {
            b'!' => return "{room}",
            b'@' => return "{user}",
            b'$' => return "{event}",
            b'#' => return "{alias}",
            b'{' => return find(&self.placeholders, segment).unwrap_or("{id}"),
            _ => {}
        }
        if segment.is_empty() {
            ""
        } else if is_room_keyword(before) {
            "{room}"
        } else {
            find(&self.known, segment).unwrap_or("{id}")
        }
    }
}

/// The first eight bytes as a number that orders texts as the bytes do.
#[inline]
fn head(text: &[u8]) -> u64 {
    if let Some(eight) = text.first_chunk() {
        return u64::from_be_bytes(*eight);
    }
    let number = text.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    // Nothing is shifted out of an empty text.
    number.checked_shl(8 * (8 - u32::try_from(text.len()).unwrap_or(0))).unwrap_or(0)
}

fn find(sorted: &[&'static str], text: &[u8]) -> Option<&'static str> {
    sorted.binary_search_by(|known| known.as_bytes().cmp(text)).ok().map(|index| sorted[index])
}

/// The first byte of an identifier, decoded if it is a percent-encoded sigil; 0 for an empty segment.
fn sigil(segment: &[u8]) -> u8 {
    match segment {
        [b'%', b'2', b'1', ..] => b'!',
        [b'%', b'2', b'3', ..] => b'#',
        [b'%', b'2', b'4', ..] => b'$',
        [b'%', b'4', b'0', ..] => b'@',
        [first, ..] => *first,
        [] => 0,
    }
}

/// Paths that follow the same prefixes.
#[derive(Debug, Default)]
struct Section {
    prefixes: Vec<Vec<&'static str>>,
    paths: Vec<Vec<&'static str>>,
}

/// The sections of the table, and the words that are kept in place of each placeholder.
fn read_table(table: &'static str) -> (Vec<Section>, BTreeMap<&'static str, Vec<&'static str>>) {
    let (mut sections, mut words): (Vec<Section>, BTreeMap<_, Vec<_>>) = Default::default();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(list) = line.strip_prefix("words ") {
            let mut list = list.split(' ');
            words.entry(list.next().unwrap_or_default()).or_default().extend(list);
        } else if let Some(prefixes) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let prefixes = prefixes.split(' ').map(|prefix| prefix.split('/').filter(|segment| !segment.is_empty()).collect()).collect();
            sections.push(Section { prefixes, paths: Vec::new() });
        } else if let Some(section) = sections.last_mut() {
            section.paths.extend(alternatives(line));
        }
    }
    (sections, words)
}

/// The paths of a line, one for each combination of its alternatives.
fn alternatives(line: &'static str) -> Vec<Vec<&'static str>> {
    line.split('/').fold(vec![Vec::new()], |paths, segment| {
        let choices = segment.strip_prefix('(').and_then(|choices| choices.strip_suffix(')')).unwrap_or(segment);
        paths.iter().flat_map(|path| choices.split('|').map(move |choice| [path.as_slice(), &[choice]].concat())).collect()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use wsim_endpoints::{Classifier, ClassifierConfig, Method, table_for};

    fn template(path: &str) -> String {
        let mut out = Vec::new();
        write_template(path.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Every path of the table, with its placeholders.
    fn table_paths() -> Vec<String> {
        let all = read_table(TABLE).0.into_iter().flat_map(|section| {
            let joined = |prefix: &[&str], path: &[&str]| format!("/{}", [prefix, path].concat().join("/"));
            section.prefixes.iter().flat_map(|prefix| section.paths.iter().map(move |path| joined(prefix, path))).collect::<Vec<_>>()
        });
        all.filter(|path| !path.ends_with("/*")).collect()
    }

    /// A path with a text in place of each placeholder.
    fn fill(path: &str, text: &str) -> String {
        let segments = path.split('/').map(|segment| if segment.starts_with('{') { text } else { segment });
        segments.collect::<Vec<_>>().join("/")
    }

    #[test]
    fn every_known_path_becomes_its_own_template() {
        let paths = table_paths();
        assert!(paths.len() > 1000, "{}", paths.len());
        for path in paths {
            let filled = template(&fill(&path, "planted-text"));
            assert_eq!(filled.split('/').count(), path.split('/').count(), "{path} became {filled}");
            for (wanted, found) in path.split('/').zip(filled.split('/')) {
                assert!(wanted == found || (wanted.starts_with('{') && found.starts_with('{')), "{path} became {filled}");
            }
        }
    }

    #[test]
    fn a_template_is_classified_like_its_path() {
        for release in ["1.10", "1.50", "1.100", "1.157"] {
            let classifier = Classifier::new(&table_for(Some(release)).unwrap().table, &ClassifierConfig::default()).unwrap();
            for path in table_paths() {
                for method in [Method::Get, Method::Put, Method::Post, Method::Delete] {
                    let path = fill(&path, "AbCd1");
                    let classes = [path.as_str(), &template(&path)].map(|path| classifier.classify(method, path.as_bytes()));
                    assert_eq!(classes[0], classes[1], "{release}: {path} became {}", template(&path));
                }
            }
        }
    }

    #[test]
    fn text_of_a_log_never_enters_a_template() {
        for (path, wanted) in [
            ("/_synapse/admin/v1/registration_tokens/secrettoken", "/_synapse/admin/v1/registration_tokens/{token}"),
            ("/_matrix/key/v2/query/acme.example/ed25519", "/_matrix/key/v2/query/{server}/{key}"),
            ("/_synapse/admin/v1/federation/destinations/acme.example/rooms", "/_synapse/admin/v1/federation/destinations/{server}/rooms"),
            ("/_matrix/media/v3/download/acme.example/abc/salaries.pdf", "/_matrix/media/v3/download/{server}/{media}/{file}"),
            ("/_matrix/client/v3/user/@a:b/rooms/!r:b/tags/u.divorce", "/_matrix/client/v3/user/{user}/rooms/{room}/tags/{tag}"),
            ("/_matrix/client/v3/user/@a:b/rooms/!r:b/tags/m.favourite", "/_matrix/client/v3/user/{user}/rooms/{room}/tags/m.favourite"),
            ("/_matrix/client/v3/pushrules/global/content/acme/enabled", "/_matrix/client/v3/pushrules/global/content/{rule}/enabled"),
            ("/_synapse/admin/v1/auth_providers/oidc-acme/users/bob", "/_synapse/admin/v1/auth_providers/{provider}/users/{user}"),
            ("/_matrix/client/v3/admin/whois/bob", "/_matrix/client/v3/admin/whois/{user}"),
            ("/_matrix/client/v3/user/bob/account_data/com.acme.data", "/_matrix/client/v3/user/{user}/account_data/{type}"),
            ("/_matrix/client/v3/user/bob/account_data/m.direct", "/_matrix/client/v3/user/{user}/account_data/m.direct"),
            ("/_matrix/client/v3/login/sso/redirect/oidc-acme", "/_matrix/client/v3/login/sso/redirect/{provider}"),
            ("/_matrix/client/v3/rooms/!a:b/send/com.acme.event/t1", "/_matrix/client/v3/rooms/{room}/send/{type}/{txn}"),
            ("/_matrix/client/v3/acme/plan", "/_matrix/client/v3/{id}/{id}"),
            ("/_matrix/acme", "/_matrix/{id}"),
            ("/_synapse/replication/add_tag/bob/acme/tag/AbC", "/_synapse/replication/add_tag/{id}/{id}/{id}/{id}"),
            ("/_synapse/replication/of_acme/AbC", "/_synapse/replication/{id}/{id}"),
            ("/.well-known/matrix/acme", "/.well-known/matrix/{id}"),
            ("/acme", "(other)"),
        ] {
            assert_eq!(template(path), wanted, "{path}");
        }
    }

    #[test]
    fn people_rooms_and_events_become_placeholders() {
        assert_eq!(
            template("/_matrix/client/v3/rooms/%21abc%3Aexample.org/send/m.room.message/m1714.9"),
            "/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}"
        );
        assert_eq!(template("/_matrix/client/v3/rooms/!NPhsp-jxd9SUPO1jeL/messages"), "/_matrix/client/v3/rooms/{room}/messages");
        assert_eq!(
            template("/_matrix/client/v3/rooms/!a:b/receipt/m.read/$ev:x"),
            "/_matrix/client/v3/rooms/{room}/receipt/m.read/{event}"
        );
        assert_eq!(
            template("/_matrix/client/v3/profile/%40alice%3Aexample.org/displayname"),
            "/_matrix/client/v3/profile/{user}/displayname"
        );
        assert_eq!(template("/_matrix/federation/v1/send/1714644480000"), "/_matrix/federation/v1/send/{txn}");
        assert_eq!(template("/_matrix/client/v1/media/download/example.org/AbCdEf"), "/_matrix/client/v1/media/download/{server}/{media}");
        assert_eq!(template("/_synapse/replication/fed_send_events/AbCdEfGhIj"), "/_synapse/replication/fed_send_events/{id}");
        assert_eq!(
            template("/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"),
            "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
        );
        assert_eq!(template("/_matrix/client/v3/directory/room/%23room%3Ax"), "/_matrix/client/v3/directory/room/{alias}");
        assert_eq!(template("/wp-login.php"), "(other)");
    }

    #[test]
    fn a_template_is_its_own_template() {
        for path in table_paths() {
            let once = template(&fill(&path, "AbCd1"));
            assert_eq!(template(&once), once);
        }
    }

    #[test]
    fn an_unknown_path_keeps_words_of_the_api() {
        assert_eq!(
            template("/_matrix/client/unstable/org.example.new/rooms/abc/messages/%40bob%3Ab"),
            "/_matrix/client/unstable/{id}/rooms/{room}/messages/{user}"
        );
    }

    proptest! {
        #[test]
        fn a_template_holds_known_words_and_placeholders_only(path in "/_(matrix|synapse)(/[a-zA-Z0-9._~%!@#$-]{0,12}){1,20}") {
            for segment in template(&path).split('/') {
                let known = segment.is_empty() || (segment.starts_with('{') && segment.ends_with('}'));
                prop_assert!(known || find(&TREE.known, segment.as_bytes()).is_some(), "{segment} of {path}");
            }
        }
    }
}
