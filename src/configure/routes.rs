//! The routes from requests to pools: one list for all proxies, in which the first match decides.
//!
//! The list has the order of [`wsim_endpoints::Classifier`] (rows with a stream first, then as in the document) and the
//! destinations of [`CheckedPlan::route`]. Knows nothing of the proxies' syntax.
//!
//! Invariant: for a request of real clients and servers, the first matching rule has the destination that the classifier and the plan
//! give; a request without a matching rule goes to the main process. A path that two rows match by accident (a user called `a/send`)
//! may stay on the main process, which can serve everything.

use std::collections::BTreeSet;

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
            routes.push(plan, format!("^{path}$"), &[], Sync::Any, facts);
        }
        let useful = routes.rules.iter().rposition(|rule| rule.target != Target::Main).map_or(0, |last| last + 1);
        routes.rules.truncate(useful);
        routes
    }

    fn add_row(&mut self, plan: &CheckedPlan, table: &Table, row: &Row) {
        let workers = std::slice::from_ref(&row.worker);
        let has_writer = row.stream.as_ref().is_some_and(|stream| plan.stream_writers.contains_key(stream));
        if row.stream.is_some() && !has_writer && !row.any_worker() {
            // The methods of a stream's endpoint that only read have rows of their own, without a stream.
            for reads in table.rows.iter().filter(|other| other.stream.is_none() && other.group == row.group) {
                if plan.route(facts(reads, workers)) != Destination::Main {
                    self.push(plan, pattern(reads), &reads.methods, Sync::Any, facts(reads, workers));
                }
            }
        }
        let facts = facts(row, workers);
        if row.group != "sync" {
            self.push(plan, pattern(row), &row.methods, Sync::Any, facts);
            return;
        }
        let initial = EndpointFacts { group: "initial_sync", ..facts };
        if row.effective_pattern().contains("/initialSync") {
            self.push(plan, pattern(row), &row.methods, Sync::Any, initial);
        } else {
            if row.effective_pattern().contains("/sync") && plan.route(initial) != plan.route(facts) {
                self.push(plan, pattern(row), &row.methods, Sync::Initial, initial);
            }
            self.push(plan, pattern(row), &row.methods, Sync::Any, facts);
        }
    }

    fn push(&mut self, plan: &CheckedPlan, pattern: String, methods: &[Method], sync: Sync, facts: EndpointFacts<'_>) {
        let target = match plan.route(facts) {
            Destination::Main => Target::Main,
            Destination::Pool(pool) => Target::Pool(pool),
            Destination::Writer(stream) => {
                Target::Writers(plan.stream_writers.get(&stream).map(|w| w.names().to_vec()).unwrap_or_default())
            }
        };
        let (group, stream) = (facts.group.to_owned(), facts.stream.map(str::to_owned));
        let rule = Rule { pattern, methods: methods.to_vec(), sync, target, group, stream };
        // A rule that repeats an earlier one has no effect, because the earlier one matches first.
        let same = |earlier: &Rule| {
            earlier.pattern == rule.pattern && (earlier.methods.is_empty() || earlier.methods == rule.methods) && {
                earlier.sync == Sync::Any || earlier.sync == rule.sync
            }
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

    /// Parts of the plan that have no effect, or that Synapse's documentation does not recommend.
    pub fn warnings(&self, plan: &CheckedPlan) -> Vec<String> {
        let targets = self.targets();
        let idle = plan.pools.iter().enumerate().filter(|(index, _)| !targets.contains(&&Target::Pool(*index)));
        let mut warnings: Vec<String> =
            idle.map(|(_, pool)| format!("pool {:?} gets no requests: only the main process serves its endpoints", pool.name)).collect();
        for rule in self.rules.iter().filter(|rule| rule.group == OWN) {
            warnings.push(format!("{:?} is not in the endpoint table: whether a worker can serve it is not checked", rule.pattern));
        }
        let takes = |group: &str| self.rules.iter().any(|rule| rule.group == group && rule.target != Target::Main);
        if takes("media") && !takes("media_admin") {
            warnings.push(
                "\"media\" goes to workers, but \"media_admin\" stays on the main process, which then has no media repository".to_owned(),
            );
        }
        warnings
    }
}

/// Patterns of the plan that are not in the table. They come first, because the administrator wrote them on purpose.
fn own_patterns(plan: &CheckedPlan, table: &Table) -> Vec<Rule> {
    let is_row = |text: &str| table.rows.iter().any(|row| row.effective_pattern() == text);
    let mut rules = Vec::new();
    for (index, pool) in plan.pools.iter().enumerate() {
        for selector in &pool.endpoints {
            let Selector::Pattern { pattern, methods } = selector else { continue };
            if methods.is_empty() && is_row(pattern) {
                continue;
            }
            let methods = methods.iter().map(|method| Method::from_bytes(method.as_bytes())).collect();
            let (target, group) = (Target::Pool(index), OWN.to_owned());
            rules.push(Rule { pattern: pattern.clone(), methods, sync: Sync::Any, target, group, stream: None });
        }
    }
    rules
}

fn facts<'a>(row: &'a Row, workers: &'a [String]) -> EndpointFacts<'a> {
    EndpointFacts {
        group: &row.group,
        pattern: Some(row.effective_pattern()),
        workers,
        stream: row.stream.as_deref(),
        any_worker: row.any_worker(),
        condition: row.condition.as_deref(),
    }
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
