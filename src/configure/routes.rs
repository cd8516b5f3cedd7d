//! The routes from requests to pools: one list for all proxies, in which the first match decides.
//!
//! The list has the order of [`wsim_endpoints::Classifier`] (rows with a stream first, then as in the document) and the
//! destinations of [`wsim_plan::RequestRouter`]. Knows nothing of the proxies' syntax.
//!
//! Invariant: for a request of real clients and servers, the first matching rule has the destination that the classifier and the plan
//! give; a request without a matching rule goes to the main process. A path that two rows match by accident (a user called `a/send`)
//! may stay on the main process, which can serve everything.

use std::collections::BTreeSet;

use super::extras::AUTHENTICATION;
use super::resource::Resource;
use wsim_endpoints::{Method, Row, Syntax, Table};
use wsim_plan::{CheckedPlan, Destination, EndpointFacts, Selector};

/// The destination of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    Main,
    /// A pool, by its index in the plan.
    Pool(usize),
    /// The workers that write one or several streams.
    Writers(Vec<String>),
    /// matrix-authentication-service, which is no process of Synapse.
    Authentication,
}

/// The syncs that a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    Any,
    /// Only initial syncs: without `since`, or with `full_state=true`.
    Initial,
}

/// A rule of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// A regular expression that is searched in the path as sent (not decoded, without the query).
    pub pattern: String,
    /// Empty for all methods.
    pub methods: Vec<Method>,
    pub sync: Sync,
    /// Only requests of the clients that this pool of the plan selects; `None` for everybody's.
    pub clients: Option<usize>,
    pub target: Target,
    /// The endpoint group; [`OWN`] for a pattern of the plan that is not in the table.
    pub group: String,
    /// The stream that the endpoint writes, if any.
    pub stream: Option<String>,
}

/// The group of rules from patterns of the plan.
pub const OWN: &str = "own";

impl Rule {
    /// The resources that a Synapse listener needs to serve the requests.
    pub fn resources(&self) -> BTreeSet<Resource> {
        let mut resources = BTreeSet::new();
        if self.pattern.contains("/_matrix/federation") || self.pattern.contains("/_matrix/key") {
            resources.insert(Resource::Federation);
        } else if !self.pattern.contains("/_matrix/media") {
            resources.insert(Resource::Client);
        }
        if matches!(self.group.as_str(), "media" | "media_admin") {
            resources.insert(Resource::Media);
        }
        resources
    }

    /// The top-level alternatives of the pattern, each with whether it is anchored to the beginning of the path.
    pub fn alternatives(&self) -> Vec<(bool, String)> {
        split_alternatives(&self.pattern)
            .into_iter()
            .map(|part| match part.strip_prefix('^') {
                Some(rest) => (true, rest.to_owned()),
                None => (false, part.to_owned()),
            })
            .collect()
    }
}

/// The rules of a plan under a release's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// In order of precedence. Requests without a matching rule go to the main process.
    pub rules: Vec<Rule>,
}

impl Routes {
    /// The routes of a plan under a release's table.
    pub fn new(plan: &CheckedPlan, table: &Table) -> Self {
        let mut routes = Self { rules: own_patterns(plan, table) };
        for index in table.by_priority() {
            routes.add_row(plan, table, &table.rows[index]);
        }
        for path in SLIDING_SYNC {
            let facts =
                EndpointFacts { group: "sliding_sync", pattern: None, workers: &[], stream: None, any_worker: false, condition: None };
            routes.push_for_all(plan, format!("^{path}$"), &[], Sync::Any, facts);
        }
        let useful = routes.rules.iter().rposition(|rule| rule.target != Target::Main).map_or(0, |last| last + 1);
        routes.rules.truncate(useful);
        routes
    }

    /// Sends logins, logouts and refreshes to matrix-authentication-service, before everything else.
    #[must_use]
    pub fn with_authentication(mut self) -> Self {
        let (pattern, group) = (AUTHENTICATION.to_owned(), "registration_login".to_owned());
        let target = Target::Authentication;
        self.rules.insert(0, Rule { pattern, methods: Vec::new(), sync: Sync::Any, clients: None, target, group, stream: None });
        self
    }

    fn add_row(&mut self, plan: &CheckedPlan, table: &Table, row: &Row) {
        let has_writer = row.stream.as_ref().is_some_and(|stream| plan.stream_writers.contains_key(stream));
        if row.stream.is_some() && !has_writer && !row.any_worker() {
            // The methods of a stream's endpoint that only read have rows of their own, without a stream.
            for reads in table.rows.iter().filter(|other| other.stream.is_none() && other.group == row.group) {
                if plan.route(reads) != Destination::Main || clients_of(plan, reads.into()).next().is_some() {
                    self.push_for_all(plan, pattern(reads), &reads.methods, Sync::Any, reads.into());
                }
            }
        }
        let facts = EndpointFacts::from(row);
        if row.group != "sync" {
            self.push_for_all(plan, pattern(row), &row.methods, Sync::Any, facts);
            return;
        }
        let initial = EndpointFacts { group: "initial_sync", ..facts };
        let path = row.effective_pattern();
        if path.contains("/initialSync") {
            self.push_for_all(plan, pattern(row), &row.methods, Sync::Any, initial);
            return;
        }
        // Initial syncs come first, because a pool that names them takes them before any pool that names sync.
        let differ = |clients| path.contains("/sync") && destination(plan, initial, clients) != destination(plan, facts, clients);
        let named = |pool: &usize| plan.pools[*pool].endpoints.contains(&Selector::Group("initial_sync".to_owned()));
        let several = plan.pools.iter().filter(|pool| pool.selects_clients()).count() > 1;
        for pool in clients_of(plan, initial).filter(named).filter(|pool| several || differ(Some(*pool))) {
            self.push(plan, pattern(row), &row.methods, Sync::Initial, Some(pool), initial);
        }
        if differ(None) {
            self.push(plan, pattern(row), &row.methods, Sync::Initial, None, initial);
        }
        self.push_for_all(plan, pattern(row), &row.methods, Sync::Any, facts);
    }

    /// A rule for each pool of some clients that takes requests of the row, and one for everybody else.
    fn push_for_all(&mut self, plan: &CheckedPlan, pattern: String, methods: &[Method], sync: Sync, facts: EndpointFacts<'_>) {
        for pool in clients_of(plan, facts) {
            self.push(plan, pattern.clone(), methods, sync, Some(pool), facts);
        }
        self.push(plan, pattern, methods, sync, None, facts);
    }

    fn push(
        &mut self,
        plan: &CheckedPlan,
        pattern: String,
        methods: &[Method],
        sync: Sync,
        clients: Option<usize>,
        facts: EndpointFacts<'_>,
    ) {
        let target = match destination(plan, facts, clients) {
            Destination::Main => Target::Main,
            Destination::Pool(pool) => Target::Pool(pool),
            Destination::Writer(stream) => {
                Target::Writers(plan.stream_writers.get(&stream).map(|w| w.names().to_vec()).unwrap_or_default())
            }
        };
        let (group, stream) = (facts.group.to_owned(), facts.stream.map(str::to_owned));
        let rule = Rule { pattern, methods: methods.to_vec(), sync, clients, target, group, stream };
        // A rule that repeats an earlier one has no effect, because the earlier one matches first.
        let same = |earlier: &Rule| {
            earlier.pattern == rule.pattern
                && (earlier.methods.is_empty() || earlier.methods == rule.methods)
                && (earlier.sync == Sync::Any || earlier.sync == rule.sync)
                && (earlier.clients.is_none() || earlier.clients == rule.clients)
        };
        if !self.rules.iter().any(same) {
            self.rules.push(rule);
        }
    }

    /// The targets other than the main process, in the order of their first rule.
    pub fn targets(&self) -> Vec<&Target> {
        let mut targets = Vec::new();
        for rule in &self.rules {
            if rule.target != Target::Main && !targets.contains(&&rule.target) {
                targets.push(&rule.target);
            }
        }
        targets
    }

    /// Whether some rule matches initial syncs only.
    pub fn splits_syncs(&self) -> bool {
        self.rules.iter().any(|rule| rule.sync == Sync::Initial)
    }

    /// The pools of some clients that a rule asks about, in the plan's order.
    pub fn selecting_pools(&self) -> Vec<usize> {
        let mut pools: Vec<usize> = self.rules.iter().filter_map(|rule| rule.clients).collect();
        pools.sort_unstable();
        pools.dedup();
        pools
    }
}

/// The destination of a class's requests: of clients that a pool selects, or of those that no pool selects.
fn destination(plan: &CheckedPlan, facts: EndpointFacts<'_>, clients: Option<usize>) -> Destination {
    plan.route_among(facts, |pool| Some(pool) == clients || !plan.pools[pool].selects_clients())
}

/// The pools of some clients for which a class has another destination than for everybody else, in order.
fn clients_of<'p>(plan: &'p CheckedPlan, facts: EndpointFacts<'p>) -> impl Iterator<Item = usize> + 'p {
    let selecting = plan.pools.iter().enumerate().filter(|(_, pool)| pool.selects_clients()).map(|(index, _)| index);
    selecting.filter(move |index| destination(plan, facts, Some(*index)) != destination(plan, facts, None))
}

/// Patterns of the plan that are not in the table. They come first, because the administrator wrote them on purpose.
fn own_patterns(plan: &CheckedPlan, table: &Table) -> Vec<Rule> {
    let is_row = |text: &str| table.rows.iter().any(|row| row.effective_pattern() == text);
    let mut rules = Vec::new();
    for (index, pool) in plan.pools.iter().enumerate() {
        for selector in &pool.endpoints {
            let Selector::Pattern { pattern, methods } = selector else { continue };
            if selector.is_row(is_row) {
                continue;
            }
            let methods = methods.iter().map(|method| Method::from_bytes(method.as_bytes())).collect();
            let (target, group) = (Target::Pool(index), OWN.to_owned());
            let clients = pool.selects_clients().then_some(index);
            rules.push(Rule { pattern: pattern.clone(), methods, sync: Sync::Any, clients, target, group, stream: None });
        }
    }
    rules
}

fn pattern(row: &Row) -> String {
    match row.syntax {
        Syntax::Regex => row.effective_pattern().to_owned(),
        Syntax::Prefix => format!("^{}", regex_syntax::escape(row.effective_pattern())),
    }
}

/// Splits a pattern at each `|` outside groups and classes.
fn split_alternatives(pattern: &str) -> Vec<&str> {
    let (mut depth, mut class, mut escaped, mut start) = (0_usize, false, false, 0);
    let mut parts = Vec::new();
    for (at, byte) in pattern.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => depth += 1,
            b')' if !class => depth = depth.saturating_sub(1),
            b'|' if !class && depth == 0 => {
                parts.push(&pattern[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&pattern[start..]);
    parts
}

/// Paths of sliding sync, which no table has; they follow the plan's group `sliding_sync`.
const SLIDING_SYNC: [&str; 2] =
    ["/_matrix/client/unstable/org\\.matrix\\.simplified_msc3575/sync", "/_matrix/client/unstable/org\\.matrix\\.msc3575/sync"];
