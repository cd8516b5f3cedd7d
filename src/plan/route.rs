//! Who serves an endpoint class under a plan.
//!
//! Knows classes, not requests: a selector with a pattern takes the class whose pattern in the table is the same text; a pattern
//! that is no row of the table, or one limited to some methods, takes no class (see [`Plan::route`]).

use super::model::{Plan, Pool, Selector};
use crate::endpoints::Endpoint;

/// What routing needs to know of an endpoint class.
#[derive(Debug, Clone, Copy)]
pub struct EndpointFacts<'a> {
    /// Group id.
    pub group: &'a str,
    /// The pattern in the table; `None` for classes of this program's own.
    pub pattern: Option<&'a str>,
    /// Worker types that may serve it; empty: the main process only.
    pub workers: &'a [String],
    /// The stream whose writer should serve it.
    pub stream: Option<&'a str>,
    /// Any worker may serve it although a writer is preferred.
    pub any_worker: bool,
    /// A condition of the table.
    pub condition: Option<&'a str>,
}

impl<'a> From<&'a Endpoint> for EndpointFacts<'a> {
    fn from(endpoint: &'a Endpoint) -> Self {
        Self {
            group: &endpoint.group,
            pattern: endpoint.pattern.as_deref(),
            workers: &endpoint.workers,
            stream: endpoint.stream.as_deref(),
            any_worker: endpoint.any_worker,
            condition: endpoint.condition.as_deref(),
        }
    }
}

/// Who serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The main process.
    Main,
    /// A pool, by its place in [`Plan::pools`].
    Pool(usize),
    /// The writers of this stream (see [`Plan::stream_writers`]).
    Writer(String),
}

impl Plan {
    /// Who serves an endpoint class.
    ///
    /// 1. A class that belongs on a stream goes to the stream's writer, if the plan has one. Without a writer only a class that any
    ///    worker may serve can go to a pool; the main process writes the stream itself.
    /// 2. Otherwise the first pool that names the class's group, or its very pattern, gets it, if any worker may serve it at all.
    ///    Sliding sync stands in no release's table: it goes to a pool only if the pool names `sliding_sync`.
    /// 3. `initial_sync` belongs to the pool that names it; where none does, to the pool that names `sync`, as the paths are the same.
    /// 4. Rows with a condition on the configuration go to a pool only when it says so expressly. `sso_only`: the pool names the
    ///    `sso_…` group and has one worker, as a login must stay on one process. `presence_disabled`, `msc3861_enabled`: the pool names the
    ///    pattern, as their groups hold other rows too. `same_instance`, `single_instance`: the pool has one worker.
    /// 5. `same_room_same_instance` (`/messages`) goes to a pool that is balanced by room or has one worker.
    ///
    /// Everything else stays on the main process.
    pub fn route<'a>(&self, endpoint: impl Into<EndpointFacts<'a>>) -> Destination {
        let endpoint = endpoint.into();
        if let Some(stream) = endpoint.stream {
            if self.stream_writers.get(stream).is_some_and(|writers| !writers.names().is_empty()) {
                return Destination::Writer(stream.to_owned());
            }
            if !endpoint.any_worker {
                return Destination::Main;
            }
        }
        if endpoint.workers.is_empty() && endpoint.group != SLIDING_SYNC {
            return Destination::Main;
        }
        let group = self.effective_group(endpoint.group);
        let found = self.pools.iter().enumerate().find_map(|(index, pool)| Some((index, pool, names(pool, group, endpoint.pattern)?)));
        match found {
            Some((index, pool, how)) if self.admits(pool, endpoint, how) => Destination::Pool(index),
            _ => Destination::Main,
        }
    }

    /// `sync` for `initial_sync` where no pool names the latter.
    fn effective_group<'a>(&self, group: &'a str) -> &'a str {
        let named = |group: &str| self.pools.iter().any(|pool| names(pool, group, None).is_some());
        if group == "initial_sync" && !named(group) { "sync" } else { group }
    }

    fn admits(&self, pool: &Pool, endpoint: EndpointFacts<'_>, how: Named) -> bool {
        match endpoint.condition {
            Some("sso_only" | "same_instance" | "single_instance") => pool.size() == 1,
            Some("presence_disabled" | "msc3861_enabled") => how == Named::Pattern,
            Some("same_room_same_instance") => pool.size() == 1 || self.rule(pool).is_ok_and(|rule| rule.keeps_rooms()),
            _ => true,
        }
    }
}

/// How a pool names a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Group,
    Pattern,
}

fn names(pool: &Pool, group: &str, pattern: Option<&str>) -> Option<Named> {
    pool.endpoints.iter().find_map(|selector| match selector {
        Selector::Group(name) if name == group => Some(Named::Group),
        Selector::Pattern { pattern: own, methods } if methods.is_empty() && Some(own.as_str()) == pattern => Some(Named::Pattern),
        _ => None,
    })
}

const SLIDING_SYNC: &str = "sliding_sync";
