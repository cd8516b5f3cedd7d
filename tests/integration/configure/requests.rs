//! Requests for every row of an endpoint table: the row's pattern with names in place of its wildcards, by every relevant method.

use regex_syntax::hir::{Hir, HirKind};
use wsim::endpoints::{Method, Syntax, Table};

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) target: String,
    /// The Authorization header, or empty.
    pub(super) authorization: String,
    /// The User-Agent header, or empty.
    pub(super) agent: String,
    /// The last byte of the client's address 127.0.0.N.
    pub(super) source: u8,
}

/// Requests for all rows and some that match no row. The same table gives the same requests.
pub(super) fn requests(table: &Table, methods: &[Method]) -> Vec<Request> {
    let mut requests = Vec::new();
    for row in &table.rows {
        let pattern = match row.syntax {
            Syntax::Regex => row.effective_pattern().to_owned(),
            Syntax::Prefix => format!("^{}", regex_syntax::escape(row.effective_pattern())),
        };
        for path in paths(&pattern, requests.len()) {
            add(&mut requests, &path, methods);
        }
    }
    for path in UNLISTED_PATHS {
        add(&mut requests, path, methods);
    }
    // Transactions of many servers, sends to many rooms, syncs of many users: a comparison of keys needs many of them.
    for number in 0..60 {
        add(&mut requests, &format!("/_matrix/federation/v1/send/{number}"), &[Method::Put]);
        add(&mut requests, &format!("/_matrix/client/r0/rooms/!r{number}:example.org/send/m.room.message/{number}"), &[Method::Put]);
        add(&mut requests, &format!("/_matrix/client/r0/join/%23alias{number}%3Aexample.org"), &[Method::Post]);
        add(&mut requests, "/_matrix/client/r0/sync", &[Method::Get]);
    }
    requests
}

fn add(requests: &mut Vec<Request>, path: &str, methods: &[Method]) {
    for &method in methods {
        let number = requests.len();
        let user = number % 23;
        let (authorization, in_url) = match number % 11 {
            0..=6 => (format!("Bearer syt_{}_{number:06}_1aB{number}", BASE64_NAMES[user % BASE64_NAMES.len()]), String::new()),
            7 => (format!("Bearer mct_opaque{user}"), String::new()),
            8 => (String::new(), format!("access_token=syt_{}_x{number}_y", BASE64_NAMES[user % BASE64_NAMES.len()])),
            9 => (String::new(), format!("access_token=opaque{user}")),
            _ => (String::new(), String::new()),
        };
        let (authorization, in_url) = match number % 4 {
            _ if !path.starts_with("/_matrix/federation") => (authorization, in_url),
            0 => (format!("X-Matrix origin=s{user}.example.org,key=\"ed25519:a\",sig=\"x{number}\""), String::new()),
            1 => (
                format!("X-Matrix origin=\"s{user}.example.org:8448\",destination=\"example.org\",key=\"ed25519:a\",sig=\"x\""),
                String::new(),
            ),
            2 => {
                (format!("X-Matrix destination=\"example.org\",key=\"ed25519:a\",origin=\"s{user}.example.org\",sig=\"x\""), String::new())
            }
            _ => (authorization, in_url),
        };
        let query = match (path.ends_with("/sync"), number % 5) {
            (true, 0) => "timeout=30000",
            (true, 1) => "since=s1_2&full_state=true",
            (true, 2) => "since=&timeout=0",
            (true, _) => "timeout=30000&since=s12_3&filter=0",
            (false, 0) => "dir=b&from=t1",
            _ => "",
        };
        let query: Vec<&str> = [query, in_url.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) };
        requests.push(Request { method, target, authorization, agent: String::new(), source: u8::try_from(2 + number % 9).unwrap() });
    }
}

/// Paths that the pattern matches. `seed` varies the names in them.
fn paths(pattern: &str, seed: usize) -> Vec<String> {
    let hir = regex_syntax::parse(pattern).unwrap();
    let mut names = Names(seed);
    let is_open_ended = !pattern.ends_with('$');
    let mut paths = expand(&hir, &mut names);
    if is_open_ended {
        let tails: &[&str] = if pattern.ends_with('/') { &["tail", "%21a%2Fb%3Ac/x"] } else { &["", "/tail"] };
        paths = paths.iter().flat_map(|path| tails.iter().map(move |tail| format!("{path}{tail}"))).collect();
    }
    paths
}

/// Every alternative, with a name for every wildcard.
fn expand(hir: &Hir, names: &mut Names) -> Vec<String> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(literal) => vec![String::from_utf8(literal.0.to_vec()).unwrap()],
        // The parser simplifies an alternation such as (v1|v2) to a class of two letters; larger classes are wildcards.
        HirKind::Class(class) => match class.literal() {
            Some(literal) => vec![String::from_utf8(literal).unwrap()],
            None => small_class(class).unwrap_or_else(|| vec![names.next()]),
        },
        HirKind::Repetition(repetition) if repetition.max == Some(1) => {
            let mut both = expand(&repetition.sub, names);
            both.push(String::new());
            both
        }
        HirKind::Repetition(_) => vec![names.next()],
        HirKind::Capture(capture) => expand(&capture.sub, names),
        HirKind::Alternation(parts) => parts.iter().flat_map(|part| expand(part, names)).collect(),
        HirKind::Concat(parts) => parts.iter().fold(vec![String::new()], |heads, part| {
            let tails = expand(part, names);
            heads.iter().flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}"))).collect()
        }),
    }
}

/// The characters of a class with at most four of them.
fn small_class(class: &regex_syntax::hir::Class) -> Option<Vec<String>> {
    let regex_syntax::hir::Class::Unicode(class) = class else { return None };
    let letters: usize = class.iter().map(|range| range.len()).sum();
    (letters <= 4).then(|| class.iter().flat_map(|range| (range.start()..=range.end()).map(String::from)).collect())
}

/// Names of rooms, users and events, as clients write them: some escaped, some not.
struct Names(usize);

impl Names {
    fn next(&mut self) -> String {
        self.0 += 1;
        let number = self.0 % 37;
        match self.0 % 3 {
            0 => format!("!room{number}:example.org"),
            1 => format!("%21room{number}%3Aexample.org"),
            _ => format!("%40user{number}%3Aexample.org"),
        }
    }
}

/// Paths that are in no row, some nearly in one.
const UNLISTED_PATHS: [&str; 12] = [
    "/_matrix/client/v3/logout",
    "/_matrix/client/v3/account/password",
    "/_matrix/client/v3/syncs",
    "/_matrix/client/v3/sync/",
    "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync",
    "/_matrix/client/unstable/org.matrix.msc3575/sync",
    "/_matrix/client/v3/rooms/%21a%3Ab/upgrade",
    "/_matrix/federation/v1/openid/userinfo",
    "/_matrix/key/v2/server",
    "/_matrix/client/v3/keys/upload%2Fx",
    "/_synapse/client/unsubscribe",
    "/_synapse/admin/v1/server_version",
];
const BASE64_NAMES: [&str; 9] = ["YWxpY2U", "Ym9i", "Y2Fyb2w", "ZGF2ZQ", "ZXZl", "ZnJhbms", "Z3JhY2U", "aGVpZGk", "aXZhbg"];
