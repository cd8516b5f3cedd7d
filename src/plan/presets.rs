//! The standard plans: common layouts, and the first ones to try. A registry; each entry is a function of the number of workers.
//!
//! A preset with several roles has a list of roles: with 3 workers the first three roles of the list exist. Addresses are defaults
//! on one machine and are meant to be edited.

use std::ops::RangeInclusive;

use thiserror::Error;

use super::background_roles::BackgroundRoles;
use super::checked::CheckedPlan;
use super::cpu::{Cpu, ProcessLimit};
use super::model::{Plan, Pool, Proxy, ProxyKind, Selector};
use super::suggest;
use super::writers::Writers;

/// A standard plan, for a range of worker counts.
#[derive(Debug, Clone)]
pub struct Preset {
    /// The name on the command line.
    pub name: &'static str,
    /// One line of text.
    pub description: &'static str,
    /// The document or project that the plan comes from.
    pub source: &'static str,
    /// The numbers of workers that the plan is made for.
    pub workers: RangeInclusive<u32>,
    build: fn(u32, &PresetConfig) -> Draft,
}

/// The configuration of all presets.
#[derive(Debug, Clone, PartialEq)]
pub struct PresetConfig {
    /// Release whose endpoint table applies.
    pub synapse: String,
    /// Send sliding sync, which no release's table lists, to the sync workers. (`ess-helm` always does.)
    pub sliding_sync: bool,
    /// CPU that the main process may use; `None`: a core.
    pub main_cpu: Option<Cpu>,
    /// CPU that each worker of a pool may use; `None`: a core.
    pub worker_cpu: Option<Cpu>,
}

impl Default for PresetConfig {
    fn default() -> Self {
        Self { synapse: NEWEST_RELEASE.to_owned(), sliding_sync: false, main_cpu: None, worker_cpu: None }
    }
}

/// No preset has this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no standard plan {name:?}{}; standard plans: {}", suggestion.map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default(), names())]
pub struct UnknownPreset {
    pub name: String,
    /// The preset with the most similar name.
    pub suggestion: Option<&'static str>,
}

impl Preset {
    /// Every standard plan, simplest first.
    pub fn all() -> &'static [Preset] {
        &PRESETS
    }

    /// The preset of that name.
    ///
    /// # Errors
    /// No preset has this name; the message lists them all.
    pub fn find(name: &str) -> Result<&'static Preset, UnknownPreset> {
        PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| UnknownPreset {
            name: name.to_owned(),
            suggestion: suggest::nearest(name, PRESETS.iter().map(|preset| preset.name)),
        })
    }

    /// The plan with exactly `workers` worker processes; `None` outside [`Preset::workers`].
    pub fn plan(&self, workers: u32, config: &PresetConfig) -> Option<CheckedPlan> {
        if !self.workers.contains(&workers) {
            return None;
        }
        let mut draft = (self.build)(workers, config);
        if let Some(cpu) = config.worker_cpu {
            draft.pools.iter_mut().for_each(|pool| (pool.cpu, pool.cpu_period) = (cpu.cores, cpu.period_ms));
        }
        let name = if workers == 0 { self.name.to_owned() } else { format!("{} {workers}", self.name) };
        let plan = Plan {
            name,
            synapse: config.synapse.clone(),
            proxy: Proxy { kind: draft.proxy, processes: 1, release: None },
            pools: draft.pools,
            stream_writers: draft.writers,
            background_roles: BackgroundRoles::default(),
            machine: None,
            processes: config.main_cpu.map(|cpu| ("main".to_owned(), ProcessLimit::from(cpu))).into_iter().collect(),
        };
        #[expect(clippy::expect_used, reason = "the presets are constants; a test checks every one with every number of workers")]
        Some(plan.check().expect("a standard plan has no faults"))
    }
}

fn names() -> String {
    PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

const PRESETS: [Preset; 13] = [
    Preset {
        name: "monolith",
        description: "the main process serves everything",
        source: "Synapse's default",
        workers: 0..=0,
        build: monolith,
    },
    Preset {
        name: "generic",
        description: "workers that take everything a worker may take, in turn",
        source: "Synapse docs/workers.md, \"Generic workers\"",
        workers: 1..=8,
        build: generic,
    },
    Preset {
        name: "synapse-docs",
        description: "the same workers for everything, sync by user, events by room, inbound federation by address, the rest in turn",
        source: "Synapse docs/workers.md, \"Load balancing\" and its nginx example",
        workers: 1..=8,
        build: synapse_docs,
    },
    Preset {
        name: "sync-split",
        description: "only sync leaves the main process, by user",
        source: "Synapse docs/workers.md, nginx example",
        workers: 1..=8,
        build: |n, config| Draft::nginx().pool("sync", &sync_groups(config), n, HASH_RING, Some("user")),
    },
    Preset {
        name: "initial-sync-apart",
        description: "sync by user, initial syncs on separate workers, where they delay no other requests",
        source: "Synapse docs/workers.md, \"Load balancing\"; ess-helm",
        workers: 2..=8,
        build: initial_sync_apart,
    },
    Preset {
        name: "federation-apart",
        description: "only federation leaves the main process: inbound transactions by address, reads in turn",
        source: "Synapse docs/workers.md, \"Load balancing\"",
        workers: 1..=8,
        build: federation_apart,
    },
    Preset {
        name: "event-senders",
        description: "only sending, joining and scrolling back leave the main process, by room",
        source: "Synapse docs/workers.md, \"Load balancing\"",
        workers: 1..=8,
        build: |n, _| Draft::nginx().pool("event", &["event_sending", "pagination"], n, HASH_RING, Some("room")),
    },
    Preset {
        name: "stream-writers",
        description: "stream writers and event persisters first, then workers for everything as in synapse-docs",
        source: "Synapse docs/workers.md, \"Stream writers\"",
        workers: 1..=8,
        build: stream_writers,
    },
    Preset {
        name: "media",
        description: "only media leaves the main process",
        source: "Synapse docs/workers.md, \"synapse.app.media_repository\"",
        workers: 1..=2,
        build: |n, _| Draft::nginx().pool("media", &MEDIA, n, "round robin", None),
    },
    Preset {
        name: "docker-image",
        description: "one pool per worker type, each in turn",
        source: "Synapse docker/configure_workers_and_start.py",
        workers: 1..=8,
        build: docker_image,
    },
    Preset {
        name: "ess-helm",
        description: "HAProxy: sync by token, events by room, inbound federation by address, federation reads by path",
        source: "element-hq/ess-helm, HAProxy template",
        workers: 1..=8,
        build: ess_helm,
    },
    Preset {
        name: "mdad-generic",
        description: "workers that take everything, by client address",
        source: "matrix-docker-ansible-deploy, generic workers",
        workers: 1..=8,
        build: |n, config| Draft::nginx().pool("generic", &everything(config, n), n, "hash $http_x_forwarded_for", None),
    },
    Preset {
        name: "mdad-specialised",
        description: "sync by user, rooms by room, client reads and media by least connections, federation by address",
        source: "matrix-docker-ansible-deploy, specialised workers",
        workers: 1..=8,
        build: mdad_specialised,
    },
];

fn monolith(_: u32, _: &PresetConfig) -> Draft {
    Draft::nginx()
}

fn generic(n: u32, config: &PresetConfig) -> Draft {
    Draft::nginx().pool("generic", &everything(config, n), n, "round robin", None)
}

fn synapse_docs(n: u32, config: &PresetConfig) -> Draft {
    Draft::nginx().docs_pools(n, config)
}

fn initial_sync_apart(n: u32, config: &PresetConfig) -> Draft {
    let roles = ["sync", "initial", "sync", "sync", "sync", "initial", "sync", "sync"];
    let mut groups = sync_groups(config);
    groups.retain(|group| *group != "initial_sync");
    Draft::nginx().pool("initial", &["initial_sync"], count(&roles, "initial", n), HASH_RING, Some("user")).pool(
        "sync",
        &groups,
        count(&roles, "sync", n),
        HASH_RING,
        Some("user"),
    )
}

fn federation_apart(n: u32, _: &PresetConfig) -> Draft {
    let roles = ["inbound", "reader", "inbound", "inbound", "reader", "inbound", "reader", "inbound"];
    let mut draft = Draft::nginx().pool("inbound", &["federation_send"], count(&roles, "inbound", n), "hash", Some("address"));
    if n == 1 {
        return draft.shared("reader", &["federation"], "round robin", None);
    }
    draft = draft.pool("reader", &["federation"], count(&roles, "reader", n), "round robin", None);
    draft
}

fn stream_writers(n: u32, config: &PresetConfig) -> Draft {
    let roles = ["writer", "persister", "generic", "generic", "generic", "persister", "generic", "generic"];
    let mut draft = Draft::nginx();
    for stream in ["typing", "to_device", "account_data", "receipts", "presence", "push_rules", "device_lists"] {
        draft.writers.insert(stream.to_owned(), Writers::One("stream_writer1".to_owned()));
    }
    let persisters = count(&roles, "persister", n);
    let names: Vec<String> = (1..=persisters).map(|i| format!("event_persister{i}")).collect();
    match names.as_slice() {
        [] => {}
        [one] => drop(draft.writers.insert("events".to_owned(), Writers::One(one.clone()))),
        _ => drop(draft.writers.insert("events".to_owned(), Writers::Several(names))),
    }
    draft.docs_pools(count(&roles, "generic", n), config)
}

/// Ports as the image's script counts them.
fn docker_image(n: u32, config: &PresetConfig) -> Draft {
    let roles = [
        "synchrotron",
        "client_reader",
        "event_creator",
        "synchrotron",
        "federation_inbound",
        "federation_reader",
        "client_reader",
        "media_repository",
    ];
    let client_readers = count(&roles, "client_reader", n);
    let mut client = vec!["client", "encryption", "device_lists", "registration_login", "delayed_events"];
    if client_readers == 1 {
        client.push("pagination");
    }
    let mut draft = Draft { port: 18009, ..Draft::nginx() };
    draft = draft.pool("synchrotron", &sync_groups(config), count(&roles, "synchrotron", n), "round robin", None);
    draft
        .pool("client_reader", &client, client_readers, "round robin", None)
        .pool("event_creator", &["event_sending"], count(&roles, "event_creator", n), "round robin", None)
        .pool("federation_inbound", &["federation_send"], count(&roles, "federation_inbound", n), "round robin", None)
        .pool("federation_reader", &["federation"], count(&roles, "federation_reader", n), "round robin", None)
        .pool("media_repository", &MEDIA, count(&roles, "media_repository", n), "round robin", None)
}

fn ess_helm(n: u32, _: &PresetConfig) -> Draft {
    let roles =
        ["sync", "event-creator", "initial-sync", "client-reader", "federation-inbound", "sync", "federation-reader", "media-repository"];
    let by_token = "balance hdr(X-Access-Token)";
    let client = ["client", "encryption", "device_lists", "registration_login", "delayed_events", "user_directory"];
    Draft { proxy: ProxyKind::Haproxy, ..Draft::nginx() }
        .pool("initial-sync", &["initial_sync"], count(&roles, "initial-sync", n), by_token, None)
        .pool("sync", &["sync", "sliding_sync"], count(&roles, "sync", n), by_token, None)
        .pool("event-creator", &["event_sending"], count(&roles, "event-creator", n), "balance hdr(X-Matrix-Room)", None)
        .pool("federation-inbound", &["federation_send"], count(&roles, "federation-inbound", n), "balance source", None)
        .pool("federation-reader", &["federation"], count(&roles, "federation-reader", n), "balance uri whole", None)
        .pool("client-reader", &client, count(&roles, "client-reader", n), "roundrobin", None)
        .pool("media-repository", &MEDIA, count(&roles, "media-repository", n), "roundrobin", None)
}

fn mdad_specialised(n: u32, config: &PresetConfig) -> Draft {
    let roles = ["sync", "room", "client", "federation", "sync", "room", "sync", "media"];
    let client = ["client", "encryption", "device_lists", "registration_login", "user_directory", "delayed_events"];
    Draft::nginx()
        .pool("room", &["event_sending", "pagination"], count(&roles, "room", n), "hash $room_name consistent", None)
        .pool("sync", &sync_groups(config), count(&roles, "sync", n), "hash $mxid_localpart consistent", None)
        .pool("client", &client, count(&roles, "client", n), "least_conn", None)
        .pool("federation", &["federation", "federation_send"], count(&roles, "federation", n), "hash $http_x_forwarded_for", None)
        .pool("media", &MEDIA, count(&roles, "media", n), "least_conn", None)
}

/// How many of the first `n` roles are `role`.
fn count(roles: &[&str], role: &str, n: u32) -> u32 {
    u32::try_from(roles.iter().zip(0..n).filter(|(name, _)| **name == role).count()).unwrap_or(u32::MAX)
}

fn sync_groups(config: &PresetConfig) -> Vec<&'static str> {
    let mut groups = vec!["sync", "initial_sync"];
    if config.sliding_sync {
        groups.push("sliding_sync");
    }
    groups
}

/// Every group that any worker may serve at least in part. `/messages` needs one worker per room, so only a single worker gets it.
fn everything(config: &PresetConfig, n: u32) -> Vec<&'static str> {
    let mut groups = sync_groups(config);
    groups.extend(["event_sending", "federation", "federation_send"]);
    groups.extend(OTHER_GENERIC);
    if n == 1 {
        groups.push("pagination");
    }
    groups
}

/// A plan under construction: pools get default addresses one after the other.
struct Draft {
    proxy: ProxyKind,
    port: u16,
    pools: Vec<Pool>,
    writers: std::collections::BTreeMap<String, Writers>,
}

impl Draft {
    fn nginx() -> Self {
        Self { proxy: ProxyKind::Nginx, port: 8081, pools: Vec::new(), writers: std::collections::BTreeMap::new() }
    }

    /// Adds a pool of `workers` new workers; nothing if there are none.
    fn pool(mut self, name: &str, groups: &[&str], workers: u32, balance: &str, key: Option<&str>) -> Self {
        if workers == 0 {
            return self;
        }
        let servers = (0..workers)
            .map(|_| {
                let server = format!("127.0.0.1:{}", self.port);
                self.port += 1;
                server
            })
            .collect();
        self.push(name, groups, servers, balance, key);
        self
    }

    /// Adds a pool over the workers of the first pool.
    fn shared(mut self, name: &str, groups: &[&str], balance: &str, key: Option<&str>) -> Self {
        let servers = self.pools.first().map(|pool| pool.servers.clone()).unwrap_or_default();
        if !servers.is_empty() {
            self.push(name, groups, servers, balance, key);
        }
        self
    }

    /// The rules of Synapse's documentation over one set of workers.
    fn docs_pools(self, workers: u32, config: &PresetConfig) -> Self {
        self.pool("generic", &OTHER_GENERIC, workers, "round robin", None)
            .shared("federation", &["federation"], "round robin", None)
            .shared("sync", &sync_groups(config), HASH_RING, Some("user"))
            .shared("event", &["event_sending", "pagination"], HASH_RING, Some("room"))
            .shared("inbound", &["federation_send"], "hash", Some("address"))
    }

    fn push(&mut self, name: &str, groups: &[&str], servers: Vec<String>, balance: &str, key: Option<&str>) {
        self.pools.push(Pool {
            name: name.to_owned(),
            endpoints: groups.iter().map(|group| Selector::Group((*group).to_owned())).collect(),
            servers,
            workers: None,
            balance: balance.to_owned(),
            key: key.map(str::to_owned),
            cpu: 1.0,
            ..Pool::default()
        });
    }
}

/// The newest release whose table is known.
pub const NEWEST_RELEASE: &str = "1.157";
const HASH_RING: &str = "hash consistent";
const MEDIA: [&str; 2] = ["media", "media_admin"];
const OTHER_GENERIC: [&str; 12] = [
    "client",
    "encryption",
    "device_lists",
    "registration_login",
    "user_directory",
    "delayed_events",
    "receipts",
    "push_rules",
    "account_data",
    "presence",
    "admin",
    "quarantined_media_changes",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known;

    #[test]
    fn every_preset_is_a_plan_with_as_many_workers_as_asked_for() {
        for preset in Preset::all() {
            for n in 0..=9 {
                let Some(plan) = preset.plan(n, &PresetConfig::default()) else {
                    assert!(!preset.workers.contains(&n), "{} {n}", preset.name);
                    continue;
                };
                assert_eq!(plan.worker_count(), n, "{}", plan.name);
                assert_eq!(Plan::from_toml(&plan.to_toml(), "p").as_ref(), Ok(&plan));
                let unexpected: Vec<String> = plan.warnings().into_iter().filter(|text| !text.contains("worker document lists")).collect();
                assert_eq!(unexpected, Vec::<String>::new(), "{}", plan.name);
            }
        }
    }

    #[test]
    fn presets_cover_every_group_a_worker_may_serve() {
        let config = PresetConfig { sliding_sync: true, ..PresetConfig::default() };
        let mut named: Vec<String> = Vec::new();
        for preset in Preset::all() {
            for plan in (0..=8).filter_map(|n| preset.plan(n, &config)) {
                let plan = plan.into_plan();
                named.extend(plan.stream_writers.into_keys());
                named.extend(plan.pools.into_iter().flat_map(|pool| pool.endpoints).filter_map(|selector| match selector {
                    Selector::Group(group) => Some(group),
                    Selector::Pattern { .. } => None,
                }));
            }
        }
        // Logins through an identity provider must stay on one process; `groups` left Synapse with 1.61.
        let left_out = |group: &str| group.starts_with("sso") || group == "groups" || known::is_main_only(group);
        for group in known::groups().filter(|group| !left_out(group)) {
            assert!(named.iter().any(|name| name == group), "{group}");
        }
    }

    #[test]
    fn a_wrong_name_gets_the_nearest_one() {
        let error = Preset::find("sync-splitt").unwrap_err();
        assert_eq!(error.suggestion, Some("sync-split"));
        assert!(
            error
                .to_string()
                .starts_with("there is no standard plan \"sync-splitt\" (did you mean \"sync-split\"?); standard plans: monolith, generic"),
            "{error}"
        );
        assert_eq!(Preset::find("ess-helm").unwrap().name, "ess-helm");
    }
}
