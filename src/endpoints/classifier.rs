//! The classifier: method and request target in, [`EndpointId`] out.
//!
//! Owns the rules by which rows become endpoints. `automaton` matches paths, `wsim_http::target` splits targets, `classes` classifies
//! paths that no row matches. Invariant: for a given table and config the ids and endpoints are always the same, and all endpoints are
//! known when the classifier has been built.

use std::collections::BTreeSet;

use super::automaton::{Automaton, Outcome, PatternError, Rule, parse_prefix, parse_regex};
use super::classes::Class;
use super::groups::{INITIAL_SYNC, SYNC};
use super::table::{Row, Syntax, Table};
use super::{Endpoint, EndpointId, Method, words};
use wsim_http::{query, target};

/// Options of the classification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassifierConfig {
    /// Sliding sync may go to the workers that serve `/sync`. No table lists it, so the default is the main process; its
    /// group is `sliding_sync` either way.
    pub sliding_sync_to_sync: bool,
    /// Match the path as nginx does: percent-decoded, slashes merged, dots resolved. The default is the path as sent,
    /// as Synapse and HAProxy match it.
    pub decoded_path: bool,
}

/// A table that cannot be used. Never an embedded one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassifierError {
    /// A pattern cannot be compiled.
    #[error("pattern {pattern} of {table}: {source}")]
    Pattern {
        /// The table's name.
        table: String,
        /// Escaped and truncated.
        pattern: String,
        /// The reason.
        source: PatternError,
    },
    /// The patterns cannot be compiled together.
    #[error("{table}: {source}")]
    Table {
        /// The table's name.
        table: String,
        /// The reason.
        source: PatternError,
    },
    /// More worker types than there are bits.
    #[error("{table} names more than {WORKERS_MAX} worker types")]
    Workers {
        /// The table's name.
        table: String,
    },
}

/// Finds the endpoint of every request. Shared by reference between threads.
#[derive(Debug)]
pub struct Classifier {
    config: ClassifierConfig,
    table: Table,
    endpoints: Vec<Endpoint>,
    /// One per set of rows that a method selects.
    machines: Vec<Machine>,
    /// Index of each method's machine.
    by_method: [u8; Method::ALL.len()],
    /// For each endpoint of group `sync` its counterpart of group `initial_sync`.
    initial: Vec<Option<EndpointId>>,
}

#[derive(Debug)]
struct Machine {
    automaton: Automaton,
    /// The endpoint of each outcome; `None` where no row matched.
    endpoints: Vec<Option<EndpointId>>,
}

impl Classifier {
    /// Builds the classifier of a table, which takes some milliseconds. For one request [`explain()`](super::explain()) takes less.
    ///
    /// # Errors
    /// A pattern of a user's own table cannot be compiled.
    pub fn new(table: &Table, config: &ClassifierConfig) -> Result<Self, ClassifierError> {
        let rules = TableRules::new(table)?;
        let (automata, by_method) = rules.automata(table)?;
        let mut endpoints: Vec<Endpoint> = Class::ALL.into_iter().map(|class| class_endpoint(class, table, config)).collect();
        // Over all methods, so that the same rows have the same id for every method.
        let outcomes: BTreeSet<Outcome> =
            automata.iter().flat_map(Automaton::outcomes).filter(|outcome| **outcome != Outcome::NONE).copied().collect();
        let outcomes: Vec<Outcome> = outcomes.into_iter().collect();
        let first = endpoints.len();
        for outcome in &outcomes {
            endpoints.push(rules.endpoint(table, *outcome));
        }
        let mut initial = vec![None; endpoints.len()];
        for index in first..endpoints.len() {
            if endpoints[index].group == SYNC {
                initial[index] = Some(id(endpoints.len()));
                endpoints.push(Endpoint { group: INITIAL_SYNC.to_owned(), ..endpoints[index].clone() });
            }
        }
        initial.resize(endpoints.len(), None);
        if endpoints.len() > usize::from(u16::MAX) {
            return Err(ClassifierError::Table { table: table.name.clone(), source: PatternError::TooLarge });
        }
        let answer = |outcome: &Outcome| outcomes.binary_search(outcome).ok().map(|index| id(first + index));
        let machines = automata
            .into_iter()
            .map(|automaton| Machine { endpoints: automaton.outcomes().iter().map(answer).collect(), automaton })
            .collect();
        Ok(Self { config: *config, table: table.clone(), endpoints, machines, by_method, initial })
    }

    /// The endpoints by id. The first ones are wsim's own classes, equal for every table; then follow the rows that can be first, by
    /// priority, each with the workers that further rows can add.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The endpoint of an id of this classifier.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> &Endpoint {
        &self.endpoints[usize::from(id.0)]
    }

    /// The table it was built from.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The config it was built with.
    #[must_use]
    pub fn config(&self) -> ClassifierConfig {
        self.config
    }

    /// Classifies a request. `target` is that of the request line: a path with or without `?query`, or an absolute URI. Rows are matched
    /// against the path alone; the query only distinguishes an initial sync from an incremental one.
    ///
    /// Without queries in the log every sync is an initial one, which only the caller can know.
    #[must_use]
    #[inline]
    pub fn classify(&self, method: Method, target: &[u8]) -> EndpointId {
        let Some(target::Target { path, query }) = target::split(target) else { return EndpointId(not_a_path(method, target) as u16) };
        self.classify_path(method, path, || has_initial_query(method, query))
    }

    /// [`Self::classify`] for a caller that has split the target already: `path` begins with a slash and ends before the
    /// first `?` or `#`. `initial` says whether the query is [that of an initial sync](query::is_initial_sync); it is called
    /// for `/sync` only.
    #[must_use]
    #[inline]
    pub fn classify_path(&self, method: Method, path: &[u8], initial: impl FnOnce() -> bool) -> EndpointId {
        if self.config.decoded_path {
            self.search(method, &target::as_nginx_matches(path), initial)
        } else {
            self.search(method, path, initial)
        }
    }

    #[inline]
    fn search(&self, method: Method, path: &[u8], initial: impl FnOnce() -> bool) -> EndpointId {
        let machine = &self.machines[usize::from(self.by_method[method as usize])];
        match machine.endpoints[machine.automaton.search(path)] {
            Some(endpoint) => match self.initial[usize::from(endpoint.0)] {
                Some(counterpart) if is_initial_sync(path, initial) => counterpart,
                _ => endpoint,
            },
            None => EndpointId(Class::of(path) as u16),
        }
    }
}

/// Whether the query of a `/sync` is that of an initial one. A preflight has the query of the request after it.
pub(super) fn has_initial_query(method: Method, query: Option<&[u8]>) -> bool {
    method != Method::Options && query::is_initial_sync(query)
}

/// Whether a request matched by a `sync` row is an initial sync.
pub(super) fn is_initial_sync(path: &[u8], initial: impl FnOnce() -> bool) -> bool {
    if path.ends_with(b"/sync") { initial() } else { path.ends_with(b"/initialSync") }
}

/// `OPTIONS *` asks about the server as a whole; any other target that is not a path is invalid.
#[cold]
pub(super) fn not_a_path(method: Method, target: &[u8]) -> Class {
    if method == Method::Options && target == b"*" { Class::NotMatrix } else { Class::Invalid }
}

/// The rows of a table as rules.
pub(super) struct TableRules {
    /// Row indices by priority: the rules are indices of this list.
    pub(super) order: Vec<usize>,
    /// The worker of each bit.
    workers: Vec<String>,
    pub(super) rules: Vec<Rule>,
}

impl TableRules {
    pub(super) fn new(table: &Table) -> Result<Self, ClassifierError> {
        let order = table.by_priority();
        let workers = worker_names(table);
        if workers.len() > WORKERS_MAX {
            return Err(ClassifierError::Workers { table: table.name.clone() });
        }
        let rules = order
            .iter()
            .map(|&index| {
                let row = &table.rows[index];
                let bit = workers.iter().position(|worker| *worker == row.worker).map_or(0, |bit| 1 << bit);
                Ok(Rule { pattern: parse(table, row)?, worker: bit, stream: row.stream.is_some() })
            })
            .collect::<Result<Vec<Rule>, ClassifierError>>()?;
        Ok(Self { order, workers, rules })
    }

    /// The endpoint of a combination of rows.
    pub(super) fn endpoint(&self, table: &Table, outcome: Outcome) -> Endpoint {
        let row = &table.rows[self.order[outcome.first as usize]];
        let workers = self.workers.iter().enumerate().filter(|(bit, _)| outcome.workers & 1 << bit != 0);
        Endpoint {
            group: row.group.clone(),
            workers: workers.map(|(_, worker)| worker.clone()).collect(),
            stream: row.stream.clone(),
            condition: row.condition.clone(),
            any_worker: outcome.workers != 0 && (outcome.unstreamed || row.any_worker()),
            pattern: Some(row.effective_pattern().to_owned()),
            internal: false,
        }
    }

    /// One automaton per set of rows that a method selects, and the index of each method's automaton.
    fn automata(&self, table: &Table) -> Result<(Vec<Automaton>, [u8; Method::ALL.len()]), ClassifierError> {
        let mut selections: Vec<Vec<usize>> = Vec::new();
        let mut by_method = [0; Method::ALL.len()];
        for method in Method::ALL {
            let selection: Vec<usize> = (0..self.order.len()).filter(|&rule| table.rows[self.order[rule]].applies_to(method)).collect();
            let index = selections.iter().position(|known| *known == selection).unwrap_or_else(|| {
                selections.push(selection);
                selections.len() - 1
            });
            by_method[method as usize] = u8::try_from(index).unwrap_or(u8::MAX); // at most eight methods
        }
        // One thread per automaton: on two cores two automata take as long as one.
        let automata = std::thread::scope(|scope| {
            let building: Vec<_> = selections
                .iter()
                .map(|selection| scope.spawn(|| Automaton::of_selection(&self.rules, selection, table.first_match_only)))
                .collect();
            building
                .into_iter()
                .map(|thread| thread.join().unwrap_or(Err(PatternError::TooLarge)))
                .collect::<Result<Vec<Automaton>, PatternError>>()
        });
        Ok((automata.map_err(|source| ClassifierError::Table { table: table.name.clone(), source })?, by_method))
    }
}

/// The endpoint of a path that no row matches.
pub(super) fn class_endpoint(class: Class, table: &Table, config: &ClassifierConfig) -> Endpoint {
    let mut endpoint = class.endpoint();
    if class == Class::SlidingSync && config.sliding_sync_to_sync {
        endpoint.workers = sync_workers(table);
        endpoint.any_worker = !endpoint.workers.is_empty();
    }
    endpoint
}

pub(super) fn parse(table: &Table, row: &Row) -> Result<regex_syntax::hir::Hir, ClassifierError> {
    match row.syntax {
        Syntax::Prefix => Ok(parse_prefix(row.effective_pattern())),
        Syntax::Regex => parse_regex(row.effective_pattern()).map_err(|source| ClassifierError::Pattern {
            table: table.name.clone(),
            pattern: row.effective_pattern().escape_default().take(PATTERN_SHOWN_CHARS).collect(),
            source,
        }),
    }
}

/// The worker types of a table in the order of lists: generic workers first.
fn worker_names(table: &Table) -> Vec<String> {
    let mut names: Vec<&String> = Vec::new();
    for row in &table.rows {
        if row.worker != Row::MAIN && !names.contains(&&row.worker) {
            names.push(&row.worker);
        }
    }
    names.sort_by_key(|name| words::worker_rank(name));
    names.into_iter().cloned().collect()
}

/// The workers of the rows that match `/sync`.
fn sync_workers(table: &Table) -> Vec<String> {
    let serves_sync = |worker: &String| {
        table.rows.iter().any(|row| row.group == SYNC && row.worker == *worker && row.effective_pattern().contains("/sync"))
    };
    worker_names(table).into_iter().filter(serves_sync).collect()
}

/// The endpoint id of an index; the caller rejects longer lists.
fn id(index: usize) -> EndpointId {
    EndpointId(u16::try_from(index).unwrap_or(u16::MAX))
}

const WORKERS_MAX: usize = 32;
const PATTERN_SHOWN_CHARS: usize = 200;

#[cfg(test)]
mod tests;
