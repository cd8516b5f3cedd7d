//! The layouts that guides, images and playbooks set up, with as many workers as they come with.

use std::collections::BTreeMap;

use wsim_plan::{BackgroundRoles, CheckedPlan, Plan, Pool, Preset, PresetConfig, Selector, Writers};

/// A layout and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub plan: CheckedPlan,
    pub source: &'static str,
}

/// The plan without workers first, then the layouts, fewest workers first.
pub fn layouts(config: &PresetConfig) -> Vec<Layout> {
    let preset = |name: &str, workers: u32, source| {
        let plan = Preset::find(name).ok()?.plan(workers, config)?;
        Some(Layout { plan, source })
    };
    let own = |draft: Plan, source| Some(Layout { plan: draft.check().ok()?, source });
    let all = [
        preset("monolith", 0, "Synapse without workers"),
        preset("generic", 1, "one worker that takes all it can"),
        preset("sync-split", 1, "one worker for syncs"),
        preset("synapse-docs", 2, "Synapse docs/workers.md, two generic workers"),
        preset("ess-helm", 7, "ess-helm, every HTTP worker type once, sync twice"),
        preset("docker-image", 8, "Synapse docker/configure_workers_and_start.py, its HTTP worker types"),
        own(one_of_each(config), "matrix-docker-ansible-deploy, matrix_synapse_workers_preset: one-of-each"),
        own(specialised(config), "matrix-docker-ansible-deploy, matrix_synapse_workers_preset: specialized-workers"),
    ];
    all.into_iter().flatten().collect()
}

/// A generic worker and a process for every stream and background role.
fn one_of_each(config: &PresetConfig) -> Plan {
    let mut groups: Vec<&str> = sync_groups(config);
    groups.extend(["event_sending", "pagination", "federation", "federation_send"]);
    groups.extend(CLIENT);
    let generic = pool("generic", &groups, "hash $http_x_forwarded_for", None);
    with_writers_and_roles("mdad one-of-each", config, vec![generic])
}

/// A worker for rooms, one for syncs, one for other reads of clients, one for federation, and a process for every stream and background role.
fn specialised(config: &PresetConfig) -> Plan {
    let pools = vec![
        pool("room", &["event_sending", "pagination"], "hash $room_name consistent", None),
        pool("sync", &sync_groups(config), "hash $mxid_localpart consistent", None),
        pool("client", &CLIENT, "least_conn", None),
        pool("federation", &["federation", "federation_send"], "hash $http_x_forwarded_for", None),
    ];
    with_writers_and_roles("mdad specialized-workers", config, pools)
}

fn with_writers_and_roles(name: &str, config: &PresetConfig, mut pools: Vec<Pool>) -> Plan {
    pools.push(pool("media", &["media", "media_admin"], "least_conn", None));
    let port = 8081;
    for (number, pool) in (port..).zip(&mut pools) {
        pool.servers = vec![format!("127.0.0.1:{number}")];
    }
    let writer = |stream: &&str| ((*stream).to_owned(), Writers::One(format!("writer_{stream}")));
    let stream_writers: BTreeMap<String, Writers> = STREAMS.iter().map(writer).collect();
    let background_roles = BackgroundRoles {
        run_background_tasks_on: Some("background1".to_owned()),
        update_user_directory_from_worker: Some("user_dir1".to_owned()),
        notify_appservices_from_worker: Some("appservice1".to_owned()),
        pusher_instances: Some(Writers::One("pusher1".to_owned())),
        federation_sender_instances: Some(Writers::One("federation_sender1".to_owned())),
        media_instance_running_background_jobs: None,
    };
    Plan { name: name.to_owned(), synapse: config.synapse.clone(), pools, stream_writers, background_roles, ..Plan::default() }
}

fn pool(name: &str, groups: &[&str], balance: &str, key: Option<&str>) -> Pool {
    Pool {
        name: name.to_owned(),
        endpoints: groups.iter().map(|group| Selector::Group((*group).to_owned())).collect(),
        balance: balance.to_owned(),
        key: key.map(str::to_owned),
        cpu: 1.0,
        ..Pool::default()
    }
}

fn sync_groups(config: &PresetConfig) -> Vec<&'static str> {
    let mut groups = vec!["sync", "initial_sync"];
    if config.sliding_sync {
        groups.push("sliding_sync");
    }
    groups
}

/// Streams with writers of their own.
const STREAMS: [&str; 8] = ["events", "typing", "to_device", "account_data", "receipts", "presence", "push_rules", "device_lists"];
/// What a worker may serve of clients' other requests.
const CLIENT: [&str; 6] = ["client", "encryption", "device_lists", "registration_login", "user_directory", "delayed_events"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_a_plan_with_the_workers_that_its_source_has() {
        let layouts = layouts(&PresetConfig::default());
        let workers: Vec<(&str, u32)> = layouts.iter().map(|layout| (layout.plan.name.as_str(), layout.plan.worker_count())).collect();
        let wanted = [
            ("monolith", 0),
            ("generic 1", 1),
            ("sync-split 1", 1),
            ("synapse-docs 2", 2),
            ("ess-helm 7", 7),
            ("docker-image 8", 8),
            // A generic and a media worker, eight writers, background tasks, user directory, appservices, pusher, sender.
            ("mdad one-of-each", 15),
            ("mdad specialized-workers", 18),
        ];
        assert_eq!(workers, wanted);
    }
}
