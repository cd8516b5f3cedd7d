//! Pools of some clients: which requests a rule sends to a pool that gets none of the example requests, found by experiment.
//!
//! The words of the proxy's files are tried as programs, users of bridges, tokens and addresses. A word counts only if the proxy's rules
//! send exactly those requests to the pool that a plan's list with this word takes. Knows no proxy's syntax.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use regex_syntax::hir::{Hir, HirKind, Look};

use super::super::read::{Files, Request, RouteTarget};
use super::keys;
use super::observe::Observed;
use crate::clients::token_of;
use wsim_plan::{Network, Pool};

/// The words of the files that may name clients.
#[derive(Debug, Default)]
pub(super) struct Words {
    words: BTreeSet<String>,
}

impl Words {
    /// Adds the words of a file.
    pub(super) fn add(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')).take(LINES_MAX) {
            for quote in ['"', '\'', '`'] {
                self.words.extend(line.split(quote).skip(1).step_by(2).filter_map(word));
            }
            self.words.extend(line.split([' ', '\t', ',']).filter_map(|part| word(part.trim_matches(['"', '\'', '`', ';', '{', '}']))));
            if self.words.len() > WORDS_MAX {
                return;
            }
        }
    }
}

/// A word that may name clients: not empty, no path and no variable. A blank at its end is kept: in an expression it ends the name.
fn word(text: &str) -> Option<String> {
    // At the end of an expression or of an alternative the sign is no variable.
    let has_variable = text.split('$').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
    let is_likely = (2..=WORD_MAX).contains(&text.trim().len()) && !has_variable && !text.contains("/_") && !text.contains(['{', '\u{0}']);
    // Between double quotes a backslash is written twice.
    is_likely.then(|| text.replace("\\\\", "\\"))
}

/// The proxy's files as they are read, with their words kept.
pub(super) struct Recording<'f> {
    files: &'f dyn Files,
    words: RefCell<Words>,
}

impl<'f> Recording<'f> {
    pub(super) fn new(files: &'f dyn Files) -> Self {
        Self { files, words: RefCell::default() }
    }

    pub(super) fn add(&self, text: &str) {
        self.words.borrow_mut().add(text);
    }

    pub(super) fn into_words(self) -> Words {
        self.words.into_inner()
    }
}

impl Files for Recording<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        let text = self.files.read(path)?;
        self.add(&text);
        Ok(text)
    }

    fn matching(&self, pattern: &str, folders: &[&Path]) -> Vec<PathBuf> {
        self.files.matching(pattern, folders)
    }
}

/// A list of clients in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Appservices,
    Agents,
    Addresses,
    Tokens,
}

/// A pool of some clients, by its index in [`Observed::pools`].
pub(super) struct Found {
    pub(super) pool: usize,
    /// The lists of the plan's pool, and nothing else.
    pub(super) lists: Pool,
    /// For each example request that some pool gets: its index in [`Observed::observations`], and whether this pool gets it from these
    /// clients.
    pub(super) takes: Vec<(usize, bool)>,
}

/// The pools without requests for which the rules select clients.
pub(super) fn find(observed: &Observed<'_>, words: &Words) -> Vec<Found> {
    let idle: BTreeSet<usize> = (0..observed.pools.len()).filter(|index| is_idle(observed, *index)).collect();
    if idle.is_empty() {
        return Vec::new();
    }
    let networks: Vec<Network> = words.words.iter().take(WORDS_MAX).filter_map(|word| Network::parse(word).ok()).collect();
    let mut lists: BTreeMap<usize, BTreeMap<Kind, Vec<String>>> = BTreeMap::new();
    for word in words.words.iter().take(WORDS_MAX) {
        for (kind, text) in candidates(word) {
            let Some(pool) = selected(observed, &idle, &networks, kind, &text) else { continue };
            let list = lists.entry(pool).or_default().entry(kind).or_default();
            if !list.contains(&text) {
                list.push(text);
            }
        }
    }
    lists.into_iter().filter_map(|(pool, lists)| found(observed, pool, lists)).collect()
}

/// Whether a pool with servers gets none of the example requests.
fn is_idle(observed: &Observed<'_>, index: usize) -> bool {
    let pool = &observed.pools[index];
    let is_elsewhere = pool.main || pool.is_reached || pool.pool.servers.is_empty();
    !is_elsewhere && !observed.observations.iter().any(|observation| observation.pool() == Some(index))
}

fn found(observed: &Observed<'_>, pool: usize, mut lists: BTreeMap<Kind, Vec<String>>) -> Option<Found> {
    for list in lists.values_mut() {
        // A glob that another one covers says nothing more.
        let all = list.clone();
        list.retain(|text| !all.iter().any(|other| other != text && other.ends_with('*') && text.starts_with(other.trim_end_matches('*'))));
    }
    let mut of_plan = Pool::default();
    let first = match lists.into_iter().collect::<Vec<_>>().as_slice() {
        [(kind, texts)] => {
            let list = match kind {
                Kind::Appservices => &mut of_plan.appservices,
                Kind::Agents => &mut of_plan.agents,
                Kind::Addresses => &mut of_plan.addresses,
                Kind::Tokens => &mut of_plan.tokens,
            };
            list.clone_from(texts);
            (*kind, texts.first()?.clone())
        }
        // `user_id=` or Synapse's own token of the same user: the two places in which a proxy sees one.
        [(Kind::Appservices, users), (Kind::Tokens, tokens)] if are_of_users(users, tokens) => {
            of_plan.users.clone_from(users);
            (Kind::Appservices, users.first()?.clone())
        }
        // Several lists of a plan must all hold; alternatives of different kinds are no list.
        _ => return None,
    };
    of_plan.client_selectors().ok()?;
    let (kind, text) = first;
    let sample = positives(kind, &text).into_iter().next()?;
    let takes =
        observed.observations.iter().enumerate().filter(|(_, observation)| observation.pool().is_some()).map(|(index, observation)| {
            let request = keys::typical_request(
                observation.example.method,
                &observation.example.target,
                observed.views[observation.view].host.as_deref(),
            );
            (index, goes_to(observed, observation.view, &sent_by(&request, kind, &sample)) == Some(pool))
        });
    Some(Found { pool, lists: of_plan, takes: takes.collect() })
}

/// Whether the tokens are those that Synapse makes for the users without a `*`, and for no others.
fn are_of_users(users: &[String], tokens: &[String]) -> bool {
    let own: BTreeSet<String> = users.iter().filter(|user| !user.contains('*')).map(|user| format!("{}*", token_of(user))).collect();
    own == tokens.iter().cloned().collect()
}

/// The pool that gets the requests of exactly the clients that the text selects; `None` if there is none. `networks` are those that the
/// files name: an address of another one may belong to the same list.
fn selected(observed: &Observed<'_>, idle: &BTreeSet<usize>, networks: &[Network], kind: Kind, text: &str) -> Option<usize> {
    let (yes, mut no) = (positives(kind, text), negatives(kind, text));
    if kind == Kind::Addresses {
        no.retain(|value| !value.parse().is_ok_and(|address| networks.iter().any(|network| network.contains(address))));
    }
    for (view, own) in observed.views.iter().enumerate() {
        for (method, target) in PROBES.iter().filter(|(_, target)| own.asked.has(target)) {
            let request = keys::typical_request(method, target, own.host.as_deref());
            let Some(pool) =
                yes.first().and_then(|first| goes_to(observed, view, &sent_by(&request, kind, first))).filter(|pool| idle.contains(pool))
            else {
                continue;
            };
            let goes = |value: &String| goes_to(observed, view, &sent_by(&request, kind, value)) == Some(pool);
            return (yes.iter().all(goes) && !no.iter().any(goes)).then_some(pool);
        }
    }
    None
}

/// The pool of a request, by its index in [`Observed::pools`].
fn goes_to(observed: &Observed<'_>, view: usize, request: &Request) -> Option<usize> {
    let view = &observed.views[view];
    let first = observed.pools.iter().position(|pool| pool.proxy_index == view.proxy)?;
    if let RouteTarget::Pool(index) = view.site.route(request).target { Some(first + index) } else { None }
}

/// The request as such a client sends it.
fn sent_by(request: &Request, kind: Kind, value: &str) -> Request {
    let mut request = request.clone();
    let mut header = |name: &str, value: String| {
        request.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
        request.headers.push((name.to_owned(), value));
    };
    match kind {
        Kind::Agents => header("User-Agent", value.to_owned()),
        Kind::Tokens => header("Authorization", format!("Bearer {value}")),
        Kind::Addresses => value.clone_into(&mut request.address),
        Kind::Appservices => {
            let user = format!("user_id={}", value.replace('@', "%40").replace(':', "%3A"));
            request.query = Some(request.query.map_or_else(|| user.clone(), |query| format!("{query}&{user}")));
        }
    }
    request
}

/// Values that a list with this text takes.
fn positives(kind: Kind, text: &str) -> Vec<String> {
    let filled = ["", "x7"].map(|part| text.replace('*', part));
    match kind {
        Kind::Agents => filled.iter().flat_map(|name| [name.clone(), format!("{name}/1.2.3"), format!("{name} (linux)")]).collect(),
        Kind::Appservices | Kind::Tokens => filled.to_vec(),
        Kind::Addresses => Network::parse(text).map(|network| ends(&network, text)).unwrap_or_default(),
    }
}

/// Values that a list with this text does not take, close to it and far away.
fn negatives(kind: Kind, text: &str) -> Vec<String> {
    let plain = text.replace('*', "");
    let mut values = Vec::new();
    if kind == Kind::Addresses {
        let network = Network::parse(text);
        let others = ["203.0.113.5", "2001:db8:ffff::5", "10.255.255.254", "192.168.255.254"];
        let is_outside =
            |address: &str| network.as_ref().is_ok_and(|network| address.parse().is_ok_and(|address| !network.contains(address)));
        return others.into_iter().filter(|address| is_outside(address)).map(str::to_owned).collect();
    }
    if !text.starts_with('*') {
        values.push(format!("zz{plain}"));
    }
    if !text.ends_with('*') {
        values.push(format!("{plain}zz"));
    }
    values.push(if kind == Kind::Agents { "other/1.0" } else { "@other:example.net" }.to_owned());
    values
}

/// The first and the last address of a network.
fn ends(network: &Network, text: &str) -> Vec<String> {
    let address = text.split('/').next().unwrap_or_default();
    let last = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(own)) => {
            let host = u32::MAX.checked_shr(network.bits()).unwrap_or(0);
            std::net::Ipv4Addr::from(u32::from(own) | host).to_string()
        }
        Ok(std::net::IpAddr::V6(own)) => {
            let host = u128::MAX.checked_shr(network.bits()).unwrap_or(0);
            std::net::Ipv6Addr::from(u128::from(own) | host).to_string()
        }
        Err(_) => return Vec::new(),
    };
    vec![address.to_owned(), last]
}

/// What a word of a file may mean in a plan's lists.
fn candidates(word: &str) -> Vec<(Kind, String)> {
    if Network::parse(word).is_ok() {
        return vec![(Kind::Addresses, word.to_owned())];
    }
    let mut found = Vec::new();
    for glob in globs(word) {
        let plain = glob.trim_start_matches('|').trim_start_matches("Bearer ");
        if plain.starts_with('@') {
            found.push((Kind::Appservices, plain.to_owned()));
        } else if plain.ends_with('*') && !plain.starts_with('*') && !plain.contains(' ') {
            found.push((Kind::Tokens, plain.to_owned()));
        }
        if plain.len() == glob.len() {
            found.push((Kind::Agents, glob));
        }
    }
    found
}

/// Globs that mean what a word means: as an expression, as it is, as a beginning, or as a part.
fn globs(word: &str) -> Vec<String> {
    let pattern = word.trim_start_matches(['~', '*']);
    let is_expression = pattern.contains(['^', '\\', '[', '(', '+']) || pattern.contains(".*") || word.starts_with('~');
    let mut found = Vec::new();
    if is_expression {
        found.extend(glob_of(pattern));
    } else {
        found.extend([word.to_owned(), format!("{word}*"), format!("*{word}*")]);
    }
    let is_plain = |glob: &String| glob.len() > 2 && glob.chars().all(|c| c.is_ascii_graphic() || c == ' ') && glob.trim() == glob;
    found.into_iter().filter(is_plain).collect()
}

/// The glob of an expression that is a text with an open or a fixed end.
fn glob_of(pattern: &str) -> Option<String> {
    let hir = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(20).build().parse(pattern).ok()?;
    let mut reader = GlobReader::default();
    reader.read(&hir);
    let start = if reader.anchored { "" } else { "*" };
    // A blank after the text ends it: the next part of what is compared follows.
    let end = if reader.ended || reader.text.ends_with(' ') { "" } else { "*" };
    let text = reader.text.trim();
    (!text.is_empty()).then(|| format!("{start}{text}{end}"))
}

#[derive(Default)]
struct GlobReader {
    text: String,
    anchored: bool,
    /// Whether nothing but the end, or what stands after a program's name, may follow.
    ended: bool,
    /// Whether the rest does not count any more.
    done: bool,
}

impl GlobReader {
    fn read(&mut self, hir: &Hir) {
        if self.done {
            return;
        }
        match hir.kind() {
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.read(part)),
            HirKind::Capture(capture) => self.read(&capture.sub),
            HirKind::Literal(literal) => self.text.push_str(&String::from_utf8_lossy(&literal.0)),
            HirKind::Look(Look::Start | Look::StartLF) if self.text.is_empty() => self.anchored = true,
            HirKind::Look(Look::End | Look::EndLF) => (self.ended, self.done) = (true, true),
            // Of spellings of one sign the first: `(@|%40)`, `[Aa]`.
            HirKind::Alternation(parts) => {
                let ends = parts.iter().any(|part| matches!(part.kind(), HirKind::Look(Look::End | Look::EndLF)));
                match parts.first().map(Hir::kind) {
                    _ if ends => (self.ended, self.done) = (true, true),
                    Some(HirKind::Literal(literal)) => self.text.push_str(&String::from_utf8_lossy(&literal.0)),
                    _ => self.done = true,
                }
            }
            // What stands before, up to a blank.
            HirKind::Repetition(repetition) if repetition.min == 0 && self.text.is_empty() => {}
            // Blanks around a name do not count.
            HirKind::Repetition(repetition) if repetition.min == 0 && is_blank(&repetition.sub) => {}
            _ => self.done = true,
        }
    }
}

fn is_blank(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Literal(literal) if *literal.0 == *b" ")
}

/// Requests of every kind that a pool may take.
const PROBES: [(&str, &str); 8] = [
    ("GET", "/_matrix/client/v3/sync?since=s1"),
    ("PUT", "/_matrix/client/v3/rooms/!room:example.org/send/m.room.message/t1"),
    ("GET", "/_matrix/client/v3/rooms/!room:example.org/messages"),
    ("GET", "/_matrix/client/v3/joined_rooms"),
    ("POST", "/_matrix/client/v3/keys/query"),
    ("POST", "/_matrix/client/v3/login"),
    ("PUT", "/_matrix/federation/v1/send/t1"),
    ("GET", "/_matrix/media/v3/download/example.org/abc"),
];
const WORDS_MAX: usize = 400;
const WORD_MAX: usize = 200;
const LINES_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_a_word_and_a_variable_is_none() {
        assert_eq!(word("~^ *mautrix\\\\-[^/(;]* *([/(;]|$)").as_deref(), Some("~^ *mautrix\\-[^/(;]* *([/(;]|$)"));
        assert_eq!(word("~^(@|%40)bot(:|%3[Aa])a\\.org ").as_deref(), Some("~^(@|%40)bot(:|%3[Aa])a\\.org "));
        assert_eq!([word("$arg_user_id"), word("~^/_matrix$"), word(" a ")], [None, None, None]);
    }

    #[test]
    fn a_word_means_a_glob() {
        assert_eq!(globs("~^ *mautrix\\-[^/(;]* *([/(;]|$)"), ["mautrix-*"]);
        assert_eq!(globs("^(@|%40)_irc_[^ ]*$"), ["@_irc_*"]);
        assert_eq!(globs("~^(@|%40)alice(:|%3[Aa])a\\.org "), ["@alice:a.org"]);
        assert!(candidates("~^[^ ]* Bearer syt_YWxpY2U_").contains(&(Kind::Tokens, "syt_YWxpY2U_*".to_owned())));
        assert_eq!(globs("~*mautrix"), ["*mautrix*"]);
        assert_eq!(globs("mautrix-telegram"), ["mautrix-telegram", "mautrix-telegram*", "*mautrix-telegram*"]);
        assert_eq!(candidates("10.0.0.0/8"), [(Kind::Addresses, "10.0.0.0/8".to_owned())]);
        assert!(candidates("^Bearer mct_").contains(&(Kind::Tokens, "mct_*".to_owned())));
        assert_eq!(ends(&Network::parse("10.0.0.0/8").unwrap(), "10.0.0.0/8"), ["10.0.0.0", "10.255.255.255"]);
    }
}
