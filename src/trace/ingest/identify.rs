//! From a log line's record to a request: its endpoint, user, room and peer.
//!
//! The only place that decides who a request's user and peer are. Secrets (tokens) are reduced to a localpart or a hash.

use prefetch_index::prefetch_index;

use super::kept_names::{STAND_IN, StandIns};
use crate::causes::TokenTable;
use crate::draw::CoarseStamp;
use crate::foreign::is_foreign_class;
use crate::names::{Awaited, Names, pseudonym_of_token};
use crate::query::{Parameter, Query};
use crate::request::{NameId, Request, flag};
use crate::server_names::{NameCollector, ServerNames};
use crate::template::Templates;
use wsim_endpoints::{Classifier, EndpointId, EndpointTraits, Method};
use wsim_http::identity::{matrix_origin, room_segment, token_localpart};
use wsim_http::servers::of_url;
use wsim_http::{Target, percent, query, target};
use wsim_logs::record::{Record, StampMeaning};

/// How many requests' users were identified in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserKeys {
    /// By the requester in Synapse's log.
    pub requester: u64,
    /// By a user or a hash that the proxy logged, or the localpart in a logged token.
    pub logged: u64,
    /// By address and user agent, in place of a user.
    pub stand_in: u64,
}

impl UserKeys {
    pub(super) fn add(&mut self, other: UserKeys) {
        self.requester += other.requester;
        self.logged += other.logged;
        self.stand_in += other.stand_in;
    }

    /// Whether users are known by what was logged of them, and none by a stand-in.
    pub fn are_logged(&self) -> bool {
        self.requester + self.logged > 0 && self.stand_in == 0
    }

    /// One sentence fragment, for the report.
    pub fn describe(&self) -> String {
        let total = (self.requester + self.logged + self.stand_in).max(1);
        let share = |n: u64| format!("{} %", (n * 100 + total / 2) / total);
        let kinds = [
            (self.requester, "requester in Synapse's log"),
            (self.logged, "user or token hash logged by the proxy"),
            (self.stand_in, "address and user agent, because nothing better is logged"),
        ];
        let seen: Vec<_> = kinds.iter().filter(|(n, _)| *n > 0).collect();
        match seen.as_slice() {
            [] => "no user could be identified".to_owned(),
            [(_, words)] => (*words).to_owned(),
            several => several.iter().map(|(n, words)| format!("{words} ({})", share(*n))).collect::<Vec<_>>().join(", "),
        }
    }
}

/// Optional facts to find out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wants {
    /// Path templates (for a trace).
    pub templates: bool,
    /// Hashes by which a proxy's lines are joined to Synapse's.
    pub join: bool,
}

/// What method and path of a request determine. Equal 64-bit hashes are taken for equal paths, as with names.
#[derive(Debug, Clone, Copy)]
struct PathFacts {
    /// For the query of an incremental and of an initial sync; the same twice for other paths.
    endpoints: [EndpointId; 2],
    room: NameId,
    /// Index of the template, if templates are wanted.
    template: u32,
    /// The room's id is escaped.
    escaped_room: bool,
}

impl Default for PathFacts {
    fn default() -> Self {
        Self { endpoints: [EndpointId(0); 2], room: NameId::NONE, template: 0, escaped_room: false }
    }
}

/// Size of the cache of paths, which fits the second-level cache.
const PATHS: usize = 4096;

/// Turns records into requests; one for each thread.
pub(super) struct Identifier<'c> {
    classifier: &'c Classifier,
    traits: Vec<EndpointTraits>,
    /// Whether Synapse has no part in a class.
    foreign: Vec<bool>,
    wants: Wants,
    scratch: Vec<u8>,
    stand_ins: StandIns,
    templates: Templates,
    /// Cache by the low bits of the hash of method and path; a stored hash of 0 marks a free slot.
    paths: Box<[(u64, PathFacts)]>,
    pub(super) user_keys: UserKeys,
    /// The sync tokens of a block's requests, for a trace.
    pub(super) tokens: TokenTable,
    /// Only with a trace, from which a replay may be made.
    servers: Option<NameCollector>,
}

/// Who a record may be from.
#[derive(Clone, Copy)]
struct Identity<'r, 'a> {
    record: &'r Record<'a>,
    address: Option<Awaited<'r>>,
    requester: Option<Awaited<'r>>,
}

/// A request, and its stamp where that is too coarse to be an arrival.
pub(super) type Identified = (Request, Option<CoarseStamp>);

impl<'c> Identifier<'c> {
    pub(super) fn new(classifier: &'c Classifier, wants: Wants) -> Self {
        Self {
            classifier,
            traits: classifier.endpoints().iter().map(|endpoint| endpoint.traits()).collect(),
            foreign: classifier.endpoints().iter().map(is_foreign_class).collect(),
            wants,
            scratch: Vec::with_capacity(256),
            stand_ins: StandIns::default(),
            templates: Templates::default(),
            paths: vec![(0, PathFacts::default()); PATHS].into(),
            user_keys: UserKeys::default(),
            tokens: TokenTable::default(),
            servers: wants.templates.then(NameCollector::default),
        }
    }

    /// `None` if the record has no time stamp.
    pub(super) fn request(&mut self, record: &Record<'_>, file: &FileFacts, names: &mut Names) -> Option<Identified> {
        let stamp = record.stamp?;
        let method = Method::from_bytes(record.method);
        let plain = target::split_path(&record.target);
        let whole = Target { path: &record.target, query: None };
        let target = plain.or_else(|| target::split(&record.target)).unwrap_or(whole);
        // What is looked up in memory far away is asked for before the query is read.
        let path_hash = self.await_path(method, target.path);
        let address = record.address.map(|address| names.await_name(address));
        let requester = record.user.as_deref().map(|user| names.await_name(user));
        let query_text = target.query.unwrap_or_default();
        let query = Query::read(query_text);
        let path = match plain {
            Some(target) => self.path_facts(path_hash, method, target.path, names),
            None => self.unusual_path_facts(method, &record.target, target.path, names),
        };
        let identity = Identity { record, address, requester };
        let [incremental, initial] = path.endpoints;
        // A preflight has the query of the request after it, and costs nothing.
        let may_be_initial = incremental != initial && method != Method::Options;
        let mut endpoint = if may_be_initial && is_initial_sync(&query, query_text) { initial } else { incremental };
        let mut traits = self.traits.get(usize::from(endpoint.0)).copied().unwrap_or_default();
        if traits.initial && query_text.is_empty() && !file.queries_logged {
            endpoint = self.with_since(method, target.path);
            traits = self.traits.get(usize::from(endpoint.0)).copied().unwrap_or_default();
        }
        let synapse = record.cost.is_some();
        let cost = record.cost.unwrap_or_default();
        let timeout_ms = if traits.polls { timeout_ms(&query) } else { 0 };
        let flags = flags_of(record, &query, traits, timeout_ms > 0, file) | if query_text.is_empty() { 0 } else { flag::QUERY };
        let foreign = flags & flag::PROXY != 0
            && (self.foreign.get(usize::from(endpoint.0)).copied().unwrap_or(false)
                || (file.upstreams_logged && record.upstream.is_none()));
        let flags = if foreign { flags | flag::FOREIGN } else { flags };
        let flags = if path.escaped_room { flags | flag::ESCAPED_ROOM } else { flags };
        let agent = record.agent.as_deref().map_or(NameId::NONE, |agent| names.intern(family(agent)));
        let (user, peer) = self.user_and_peer(&identity, &query, traits.federation, agent, names);
        if let Some(servers) = &mut self.servers {
            collect_servers(servers, record, query_text, plain.is_none());
        }
        let wall = if synapse { record.wall_us } else { record.upstream_us.or(record.wall_us) };
        let request = Request {
            arrival_us: record.arrival_us()?,
            wall_us: saturate(wall.unwrap_or(0)),
            send_us: if synapse { i32::try_from(record.send_us.unwrap_or(0)).unwrap_or(i32::MAX) } else { 0 },
            proxy_us: if synapse { 0 } else { saturate(record.wall_us.unwrap_or(0)) },
            cpu_us: saturate(cost.cpu_user_us.saturating_add(cost.cpu_system_us)),
            db_sched_us: saturate(cost.db_sched_us),
            db_txn_us: saturate(cost.db_txn_us),
            db_count: cost.db_count,
            events: cost.events,
            bytes_sent: saturate(record.bytes_sent.unwrap_or(0)),
            bytes_received: saturate(record.bytes_received.unwrap_or(0)),
            timeout_ms,
            user,
            room: path.room,
            peer,
            template: if self.wants.templates { self.templates.name(path.template, &query, names) } else { NameId::NONE },
            agent,
            process: if synapse { names.intern(record.process.unwrap_or(file.process.as_bytes())) } else { NameId::NONE },
            upstream: record.upstream.as_deref().map_or(NameId::NONE, |upstream| names.intern(upstream)),
            request_id: record.request_id.map_or(0, proxy_made_id),
            since: if traits.polls { self.since(&query) } else { 0 },
            news: 0,
            news_stream: 0,
            woken_us: 0,
            match_hash: if self.wants.join { self.match_hash(record.method, target.path, query_text) } else { 0 },
            endpoint,
            status: record.status,
            method,
            flags,
        };
        let coarse = (stamp.resolution_us > 20_000).then(|| CoarseStamp {
            file: file.number,
            micros: stamp.micros,
            resolution_us: stamp.resolution_us,
            lag_us: if stamp.meaning == StampMeaning::End { stamp.micros.saturating_sub(request.arrival_us) } else { 0 },
        });
        Some((request, coarse))
    }

    /// The hash of a path, whose facts are looked up a little later.
    #[inline]
    fn await_path(&self, method: Method, path: &[u8]) -> u64 {
        let hash = xxhash_rust::xxh3::xxh3_64_with_seed(path, method as u64).max(1);
        prefetch_index(&self.paths, path_slot(hash));
        hash
    }

    /// The facts of a path, from the cache for four of five requests.
    #[inline]
    fn path_facts(&mut self, hash: u64, method: Method, path: &[u8], names: &mut Names) -> PathFacts {
        let slot = path_slot(hash);
        let (known, facts) = self.paths[slot];
        if known == hash {
            return facts;
        }
        let facts = self.new_path_facts(method, path, names);
        self.paths[slot] = (hash, facts);
        facts
    }

    fn new_path_facts(&mut self, method: Method, path: &[u8], names: &mut Names) -> PathFacts {
        let mut depends_on_query = false;
        let incremental = self.classifier.classify_path(method, path, || {
            depends_on_query = true;
            false
        });
        let initial = if depends_on_query { self.classifier.classify_path(method, path, || true) } else { incremental };
        self.facts_of(path, [incremental, initial], names)
    }

    /// [`Self::path_facts`] for a target that is not a plain path.
    #[cold]
    fn unusual_path_facts(&mut self, method: Method, target: &[u8], path: &[u8], names: &mut Names) -> PathFacts {
        let endpoint = self.classifier.classify(method, target);
        self.facts_of(path, [endpoint; 2], names)
    }

    fn facts_of(&mut self, path: &[u8], endpoints: [EndpointId; 2], names: &mut Names) -> PathFacts {
        let template = if self.wants.templates { self.templates.index(path) } else { 0 };
        if let Some(servers) = &mut self.servers {
            servers.observe_path(path);
        }
        let room = room_segment(path);
        let escaped_room = room.is_some_and(|room| room.starts_with(b"%21"));
        PathFacts { endpoints, room: room.map_or(NameId::NONE, |room| self.room(room, names)), template, escaped_room }
    }

    /// The endpoint of an incremental sync with this path.
    fn with_since(&mut self, method: Method, path: &[u8]) -> EndpointId {
        self.scratch.clear();
        self.scratch.extend_from_slice(path);
        self.scratch.extend_from_slice(b"?since=s");
        self.classifier.classify(method, &self.scratch)
    }

    /// Local user and remote peer.
    fn user_and_peer(
        &mut self,
        identity: &Identity<'_, '_>,
        query: &Query<'_>,
        federation: bool,
        agent: NameId,
        names: &mut Names,
    ) -> (NameId, NameId) {
        let Identity { record, address, requester } = *identity;
        if record.cost.is_some() {
            let Some((requester, text)) = requester.zip(record.user.as_deref()) else {
                return (
                    NameId::NONE,
                    address.map_or(NameId::NONE, |address| if federation { NameId::NONE } else { names.intern_awaited(address) }),
                );
            };
            self.user_keys.requester += 1;
            if text.first() == Some(&b'@') {
                return (names.intern_awaited(requester), address.map_or(NameId::NONE, |address| names.intern_awaited(address)));
            }
            return (NameId::NONE, names.intern_awaited(requester));
        }
        if federation {
            let origin = record.authorization.as_deref().and_then(matrix_origin).map(|origin| names.await_name(origin));
            return (NameId::NONE, origin.or(address).map_or(NameId::NONE, |origin| names.intern_awaited(origin)));
        }
        let peer = address.map_or(NameId::NONE, |address| names.intern_awaited(address));
        (self.proxy_user(record, query, peer, agent, names), peer)
    }

    /// The best name for a user that a proxy's line contains.
    fn proxy_user(&mut self, record: &Record<'_>, query: &Query<'_>, peer: NameId, agent: NameId, names: &mut Names) -> NameId {
        if let Some(user) = record.user.as_deref().filter(|user| !user.is_empty() && *user != b"-") {
            self.user_keys.logged += 1;
            return names.intern(user);
        }
        if let Some(secret) =
            record.authorization.as_deref().or(query.get(Parameter::AccessToken)).filter(|secret| !secret.is_empty() && *secret != b"-")
        {
            self.user_keys.logged += 1;
            return names.intern(token_user(secret).as_bytes());
        }
        if record.address.is_none() {
            return NameId::NONE;
        }
        self.user_keys.stand_in += 1;
        self.stand_in(peer, agent, names)
    }

    /// `ADDRESS AGENT`. For a trace it is written where it is known which agents are kept.
    fn stand_in(&mut self, peer: NameId, agent: NameId, names: &mut Names) -> NameId {
        if self.wants.templates {
            return STAND_IN;
        }
        self.stand_ins.name(peer, agent, names, |text, names| names.intern_clean(text))
    }

    /// The server names of all records.
    pub(super) fn into_server_names(self) -> ServerNames {
        self.servers.map(NameCollector::finish).unwrap_or_default()
    }

    /// Clears the caches that hold ids of names; to be called when the names are dropped.
    pub(super) fn forget_names(&mut self) {
        self.stand_ins.clear();
        self.paths.fill((0, PathFacts::default()));
        self.templates.forget();
    }

    /// The room in the path, percent-decoded, so that one room has one name.
    fn room(&mut self, segment: &[u8], names: &mut Names) -> NameId {
        if memchr::memchr(b'%', segment).is_none() {
            return names.intern(segment);
        }
        names.intern(percent::decode_into(segment, &mut self.scratch))
    }

    /// The number of the token from which a sync goes on.
    fn since(&mut self, query: &Query<'_>) -> u32 {
        let token = query.get(Parameter::Since).or_else(|| query.get(Parameter::Pos));
        let Some(token) = token.filter(|token| self.wants.templates && !token.is_empty()) else { return 0 };
        if memchr::memchr(b'%', token).is_none() {
            return self.tokens.number(token);
        }
        self.tokens.number(percent::decode_into(token, &mut self.scratch))
    }

    /// Hash of method and target without the secret values, which Synapse redacts and proxies log; never 0.
    fn match_hash(&mut self, method: &[u8], path: &[u8], query: &[u8]) -> u32 {
        self.scratch.clear();
        self.scratch.extend_from_slice(method);
        self.scratch.extend_from_slice(path);
        for (name, value) in query::parameters(query) {
            self.scratch.push(b'&');
            self.scratch.extend_from_slice(name);
            // `access_token` and `client_secret` in any spelling: Synapse redacts their values.
            if !(name.ends_with(b"token") || name.ends_with(b"secret")) {
                self.scratch.extend_from_slice(value);
            }
        }
        // Synapse replaces bytes outside ASCII, so they cannot take part.
        self.scratch.retain(u8::is_ascii);
        u32::try_from(xxhash_rust::xxh3::xxh3_64(&self.scratch) >> 32).unwrap_or(1).max(1)
    }
}

/// Where the facts of a path with this hash are kept.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "only the low bits of a hash are wanted")]
fn path_slot(hash: u64) -> usize {
    hash as usize % PATHS
}

/// Facts that hold for all lines of a file.
#[derive(Debug, Clone)]
pub(super) struct FileFacts {
    /// Counted from 0.
    pub number: u32,
    /// Process whose log it is, from the file's name.
    pub process: String,
    /// Whether targets come with their query string.
    pub queries_logged: bool,
    /// Whether lines name the upstream that answered, so that a line without one is a request that the proxy answered itself.
    pub upstreams_logged: bool,
}

/// Collects the server names of a record that are not in its path.
fn collect_servers(servers: &mut NameCollector, record: &Record<'_>, query: &[u8], is_url: bool) {
    // In Synapse's log the site is a listener's tag.
    let site = if record.cost.is_some() { None } else { record.site };
    let user = record.user.as_deref();
    servers.observe_owner(site, user);
    if !query.is_empty() {
        servers.observe_query(query);
    }
    if let Some(referrer) = record.referrer.as_deref() {
        servers.insert(of_url(referrer));
    }
    if is_url {
        servers.insert(of_url(&record.target));
    }
    if let Some(origin) = record.authorization.as_deref().and_then(matrix_origin) {
        servers.insert(origin);
    }
    // Synapse's requester of a federation request is a server.
    if let Some(origin) = user.filter(|user| record.cost.is_some() && user.first() != Some(&b'@')) {
        servers.insert(origin);
    }
}

/// How long a poll may wait, ms; 0 if the query does not say.
fn timeout_ms(query: &Query<'_>) -> u32 {
    let value = query.get(Parameter::Timeout).and_then(wsim_logs::time::decimal);
    value.and_then(|ms| u32::try_from(ms).ok()).unwrap_or(0)
}

/// [`query::is_initial_sync`] of a query that has been read already; `text` is the whole query. Only text with an escape or a
/// fragment has to be read again.
fn is_initial_sync(query: &Query<'_>, text: &[u8]) -> bool {
    if memchr::memchr2(b'%', b'#', text).is_some() {
        return query::is_initial_sync(Some(text));
    }
    query::is_initial(query.get(Parameter::Since), query.get(Parameter::FullState))
}

fn flags_of(record: &Record<'_>, query: &Query<'_>, traits: EndpointTraits, waits: bool, file: &FileFacts) -> u16 {
    let synapse = record.cost.is_some();
    let known = if synapse { record.wall_us.is_some() } else { record.upstream_us.or(record.wall_us).is_some() };
    let ends = record.stamp.is_some_and(|stamp| stamp.meaning == StampMeaning::End);
    let polls = traits.polls && (waits || !file.queries_logged);
    let mut flags = if synapse { flag::SYNAPSE | flag::COST } else { flag::PROXY };
    for (set, bit) in [
        (known, flag::WALL),
        (!synapse && record.wall_us.is_some(), flag::PROXY_TIME),
        (record.aborted, flag::ABORTED),
        (polls, flag::LONG_POLL),
        (traits.internal, flag::INTERNAL),
        (query.has(Parameter::UserId), flag::APPSERVICE),
        (record.upstream_tries > 1, flag::RETRIED),
        (ends && record.wall_us.is_none(), flag::NO_DURATION),
    ] {
        if set {
            flags |= bit;
        }
    }
    flags
}

/// `Element/1.11.99 (iPhone; …)` -> `Element`: enough to distinguish clients, bots and bridges, without versions.
fn family(agent: &[u8]) -> &[u8] {
    if agent == b"-" {
        return b"";
    }
    let end = agent.iter().position(|byte| matches!(byte, b'/' | b'(' | b';')).unwrap_or(agent.len());
    // To the end of a word: half a token does not look like one.
    let end = if end <= FAMILY_MAX {
        end
    } else {
        FAMILY_MAX + agent[FAMILY_MAX..end].iter().take(WORD_MAX).take_while(|byte| **byte != b' ').count()
    };
    let name = agent[..end].trim_ascii();
    if name == b"Mozilla" && memchr::memmem::find(agent, b"Element").is_some() { b"Element (desktop or browser)" } else { name }
}

/// Longest name of a program that is kept whole, in bytes.
const FAMILY_MAX: usize = 40;
/// Longest word that is kept at its end.
const WORD_MAX: usize = 100;

/// The name of a token's user: the localpart that Synapse writes into its own tokens, else a hash of the token.
fn token_user(secret: &[u8]) -> String {
    match token_localpart(secret) {
        Some(localpart) => format!("@{localpart}"),
        None => pseudonym_of_token(xxhash_rust::xxh3::xxh3_64(secret)),
    }
}

/// Hash of a request id made by a proxy; 0 for Synapse's own ids, which are plain numbers and cannot be joined by.
fn proxy_made_id(id: &[u8]) -> u64 {
    let counter = id.len() <= 12 && id.iter().all(u8::is_ascii_digit);
    if counter || id.is_empty() || id == b"-" { 0 } else { xxhash_rust::xxh3::xxh3_64(id).max(1) }
}

fn saturate(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_cut_to_their_family() {
        assert_eq!(family(b"Element/1.11.99 (iPhone; iOS 17.5)"), b"Element");
        assert_eq!(family(b"Mozilla/5.0 (X11) Element/1.2"), b"Element (desktop or browser)");
        assert_eq!(family(b"-"), b"");
        assert_eq!(family(b"mautrix-whatsapp"), b"mautrix-whatsapp");
        let token = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let mut names = Names::new();
        let mut kept = |agent: &str| {
            let id = names.intern(family(agent.as_bytes()));
            names.text(id).to_owned()
        };
        assert_eq!(kept(&format!("a client that calls itself {token} and more")), "a client that calls itself <redacted>");
        assert!(kept(token).starts_with("token:"));
    }

    #[test]
    fn only_ids_that_a_proxy_made_join() {
        assert_eq!(proxy_made_id(b"123"), 0);
        assert_ne!(proxy_made_id(b"7f3c9e1a5b7f3c9e1a5b7f3c9e1a5b7f"), 0);
    }
}
