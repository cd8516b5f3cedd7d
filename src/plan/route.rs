//! The process or pool that serves an endpoint class under a plan.
//!
//! Knows classes, not requests: a selector with a pattern takes the class whose pattern in the table is the same text. Patterns that are no
//! row of the table, patterns for some methods and pools for some clients take single requests (see [`super::request`]).

use super::checked::CheckedPlan;
use super::model::{Pool, Selector};
use wsim_endpoints::{Endpoint, Row};

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

impl<'a> From<&'a Row> for EndpointFacts<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            group: &row.group,
            pattern: Some(row.effective_pattern()),
            workers: std::slice::from_ref(&row.worker),
            stream: row.stream.as_deref(),
            any_worker: row.any_worker(),
            condition: row.condition.as_deref(),
        }
    }
}

/// The server of an endpoint class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    Main,
    /// A pool, by its index in [`Plan::pools`](super::Plan::pools).
    Pool(usize),
    /// The writers of this stream (see [`Plan::stream_writers`](super::Plan::stream_writers)).
    Writer(String),
}

impl CheckedPlan {
    /// The process or pool that serves an endpoint class.
    ///
    /// 1. A class that belongs on a stream goes to the stream's writer, if the plan has one. Without a writer only a class that any
    ///    worker may serve can go to a pool; the main process writes the stream itself.
    /// 2. Otherwise the first pool that names the class's group, or its very pattern, gets it, if any worker may serve it at all.
    ///    Sliding sync is in no release's table: it goes to a pool only if the pool names `sliding_sync`.
    /// 3. `initial_sync` belongs to the pool that names it; where none does, to the pool that names `sync`, as the paths are the same.
    /// 4. Rows with a condition on the configuration go to a pool only when the pool says so explicitly. `sso_only`: the pool names the
    ///    `sso_…` group and has one worker, as a login must stay on one process. `presence_disabled`, `msc3861_enabled`: the pool names the
    ///    pattern, as their groups hold other rows too. `same_instance`, `single_instance`: the pool has one worker.
    /// 5. `same_room_same_instance` (`/messages`) goes to a pool that is balanced by room or has one worker.
    ///
    /// Everything else stays on the main process. Pools that take the requests of some clients only are left out.
    pub fn route<'a>(&self, endpoint: impl Into<EndpointFacts<'a>>) -> Destination {
        self.route_among(endpoint.into(), |pool| !self.pools[pool].selects_clients())
    }

    /// The same for requests that only some pools take: `takes` tells by the index whether a pool takes the requests of their clients.
    pub fn route_among(&self, endpoint: EndpointFacts<'_>, mut takes: impl FnMut(usize) -> bool) -> Destination {
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
        let mut find = |group: &str, pattern: Option<&str>| {
            let mut pools = self.pools.iter().enumerate();
            pools.find_map(|(index, pool)| names(pool, group, pattern).filter(|_| takes(index)).map(|how| (index, how)))
        };
        let is_sync = endpoint.group == "initial_sync" && find("initial_sync", None).is_none();
        match find(if is_sync { "sync" } else { endpoint.group }, endpoint.pattern) {
            Some((index, how)) if self.admits(index, endpoint, how) => Destination::Pool(index),
            _ => Destination::Main,
        }
    }

    fn admits(&self, index: usize, endpoint: EndpointFacts<'_>, how: Named) -> bool {
        let pool = &self.pools[index];
        match endpoint.condition {
            Some("sso_only" | "same_instance" | "single_instance") => pool.size() == 1,
            Some("presence_disabled" | "msc3861_enabled") => how == Named::Pattern,
            Some("same_room_same_instance") => pool.size() == 1 || self.rule(index).is_keyed_by_room(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Plan, Preset, PresetConfig};

    /// `group, workers, stream, any worker, condition` of a class.
    fn class(group: &str, stream: Option<&str>, any_worker: bool, condition: Option<&str>) -> Endpoint {
        let worker = match group {
            "media" | "media_admin" => vec!["media_repository".to_owned()],
            "sliding_sync" | "client_other" => Vec::new(),
            _ => vec!["generic_worker".to_owned()],
        };
        Endpoint {
            group: group.to_owned(),
            workers: worker,
            stream: stream.map(str::to_owned),
            condition: condition.map(str::to_owned),
            any_worker,
            pattern: Some(format!("^/{group}$")),
            internal: false,
        }
    }

    fn plan(name: &str, n: u32, sliding_sync: bool) -> CheckedPlan {
        let config = PresetConfig { sliding_sync, ..PresetConfig::default() };
        Preset::find(name).unwrap().plan(n, &config).unwrap()
    }

    /// Where a class goes, in words: `main`, the pool's name, `writer:STREAM`.
    fn routed(plan: &CheckedPlan, endpoint: &Endpoint) -> String {
        match plan.route(endpoint) {
            Destination::Main => "main".to_owned(),
            Destination::Pool(index) => plan.pools[index].name.clone(),
            Destination::Writer(stream) => format!("writer:{stream}"),
        }
    }

    #[test]
    fn the_presets_route_sensibly() {
        let put_typing = class("typing", Some("typing"), false, Some("single_writer"));
        let get_presence = class("presence", Some("presence"), true, None);
        let put_presence = class("presence", Some("presence"), false, Some("single_writer"));
        let keys_upload = class("device_lists", Some("device_lists"), true, Some("multi_writer"));
        let messages = class("pagination", None, true, Some("same_room_same_instance"));
        let sync = class("sync", None, true, None);
        let initial_sync = class("initial_sync", None, true, None);
        let sliding_sync = class("sliding_sync", None, false, None);
        let media = class("media", None, true, None);
        let sso = class("sso_all", None, true, Some("sso_only"));
        let other = class("client_other", None, false, None);
        let send = class("event_sending", None, true, None);
        let cases = [
            ("monolith", 0, &put_typing, "main"),
            ("monolith", 0, &sync, "main"),
            ("generic", 2, &put_typing, "main"),
            ("stream-writers", 1, &put_typing, "writer:typing"),
            ("generic", 2, &get_presence, "generic"),
            ("generic", 2, &put_presence, "main"),
            ("stream-writers", 3, &get_presence, "writer:presence"),
            ("stream-writers", 3, &put_presence, "writer:presence"),
            ("generic", 2, &keys_upload, "generic"),
            ("stream-writers", 1, &keys_upload, "writer:device_lists"),
            ("sync-split", 2, &keys_upload, "main"),
            ("generic", 1, &messages, "generic"),
            ("generic", 2, &messages, "main"),
            ("synapse-docs", 2, &messages, "event"),
            ("mdad-generic", 3, &messages, "main"),
            ("event-senders", 3, &messages, "event"),
            ("docker-image", 2, &messages, "client_reader"),
            ("docker-image", 7, &messages, "main"),
            ("sync-split", 3, &initial_sync, "sync"),
            ("initial-sync-apart", 3, &initial_sync, "initial"),
            ("initial-sync-apart", 3, &sync, "sync"),
            ("ess-helm", 1, &initial_sync, "sync"),
            ("ess-helm", 3, &initial_sync, "initial-sync"),
            ("sync-split", 3, &sliding_sync, "main"),
            ("ess-helm", 1, &sliding_sync, "sync"),
            ("generic", 4, &media, "main"),
            ("media", 1, &media, "media"),
            ("generic", 1, &sso, "main"),
            ("generic", 1, &other, "main"),
            ("ess-helm", 2, &send, "event-creator"),
            ("federation-apart", 1, &send, "main"),
        ];
        for (preset, n, endpoint, expected) in cases {
            assert_eq!(routed(&plan(preset, n, false), endpoint), expected, "{preset} {n}: {endpoint:?}");
        }
        assert_eq!(routed(&plan("sync-split", 3, true), &sliding_sync), "sync");
    }

    #[test]
    fn requests_of_the_newest_release_go_where_its_document_sends_them() {
        use wsim_endpoints::{Classifier, ClassifierConfig, Method, table_for};
        let classifier = Classifier::new(&table_for(None).unwrap().table, &ClassifierConfig::default()).unwrap();
        let (get, post, put) = (Method::Get, Method::Post, Method::Put);
        let cases = [
            (get, "/_matrix/client/v3/sync?since=s1&timeout=30000", "synapse-docs", "sync"),
            (get, "/_matrix/client/v3/sync", "initial-sync-apart", "initial"),
            (get, "/_matrix/client/v3/sync?since=s1", "initial-sync-apart", "sync"),
            (put, "/_matrix/client/v3/rooms/!a/send/m.room.message/1", "synapse-docs", "event"),
            (get, "/_matrix/client/v3/rooms/!a/messages?from=1", "synapse-docs", "event"),
            (get, "/_matrix/client/v3/rooms/!a/messages?from=1", "generic", "main"),
            (put, "/_matrix/client/v3/rooms/!a/typing/@a:b", "synapse-docs", "main"),
            (put, "/_matrix/client/v3/rooms/!a/typing/@a:b", "stream-writers", "writer:typing"),
            (post, "/_matrix/client/v3/keys/upload", "generic", "generic"),
            (post, "/_matrix/client/v3/keys/upload", "stream-writers", "writer:device_lists"),
            (get, "/_matrix/client/v3/presence/@a:b/status", "generic", "generic"),
            (put, "/_matrix/client/v3/presence/@a:b/status", "generic", "main"),
            (put, "/_matrix/federation/v1/send/1", "federation-apart", "inbound"),
            (get, "/_matrix/federation/v1/event/$e", "federation-apart", "reader"),
            (get, "/_matrix/client/v1/media/download/a/b", "mdad-specialised", "main"),
            (get, "/_matrix/client/v1/media/download/a/b", "media", "media"),
            (get, "/_matrix/client/v3/login/sso/redirect", "generic", "main"),
            (post, "/_matrix/client/v3/logout", "generic", "main"),
            (post, "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos=1", "ess-helm", "sync"),
            (post, "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos=1", "generic", "main"),
        ];
        for (method, target, preset, expected) in cases {
            let endpoint = classifier.endpoint(classifier.classify(method, target.as_bytes()));
            assert_eq!(routed(&plan(preset, 2, false), endpoint), expected, "{preset}: {target} {endpoint:?}");
        }
    }

    #[test]
    fn conditions_on_the_configuration_must_be_named_explicitly() {
        let mut plan = plan("generic", 1, false).into_plan();
        let routed = |plan: &Plan, endpoint: &Endpoint| routed(&plan.clone().check().unwrap(), endpoint);
        let sso = class("sso_all", None, true, Some("sso_only"));
        plan.pools[0].endpoints.push(Selector::Group("sso_all".to_owned()));
        assert_eq!(routed(&plan, &sso), "generic");
        plan.pools[0].servers.push("127.0.0.1:8082".to_owned());
        assert_eq!(routed(&plan, &sso), "main", "a login must stay on one process");

        let presence = class("presence", None, true, Some("presence_disabled"));
        assert_eq!(routed(&plan, &presence), "main");
        plan.pools[0].endpoints.insert(0, Selector::Pattern { pattern: "^/presence$".to_owned(), methods: Vec::new() });
        assert_eq!(routed(&plan, &presence), "generic");
    }

    #[test]
    fn a_pattern_takes_its_own_row_only_and_the_first_pool_wins() {
        let mut plan = plan("sync-split", 1, false).into_plan();
        let routed = |plan: &Plan, endpoint: &Endpoint| routed(&plan.clone().check().unwrap(), endpoint);
        let mut first = plan.pools[0].clone();
        first.name = "apart".to_owned();
        first.endpoints = vec![Selector::Pattern { pattern: "^/sync$".to_owned(), methods: Vec::new() }];
        plan.pools.insert(0, first);
        let mut events = class("sync", None, true, None);
        assert_eq!(routed(&plan, &events), "apart");
        events.pattern = Some("^/events$".to_owned());
        assert_eq!(routed(&plan, &events), "sync");
    }
}
