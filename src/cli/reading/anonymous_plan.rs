//! A plan without names that its author chose.

use std::collections::BTreeMap;

use anyhow::Context;

use wsim_endpoints::groups;
use wsim_plan::{BackgroundRoles, CheckedPlan, Plan, Writers};
use wsim_trace::anonymise::Key;

/// The same plan with pseudonyms for itself, its pools, workers and addresses, except for usual words like `sync` and `generic_worker1`.
/// Standard plans stay as they are.
///
/// # Errors
/// The plan has pools of some clients.
pub(in crate::cli) fn anonymous_plan(plan: &CheckedPlan, key: &Key) -> anyhow::Result<CheckedPlan> {
    // Names of users and programs are others in the anonymised log, so that the lists would select nobody there.
    if let Some(pool) = plan.pools.iter().find(|pool| pool.selects_clients()) {
        anyhow::bail!(
            "--anonymise: pool {:?} of the plan selects clients by names that the anonymised log does not have; leave out --anonymise, or give the plan without these lists",
            pool.name
        );
    }
    let pool_name = |name: &str| {
        let usual = groups::find(name).is_some() || key.process(name) == name;
        if usual { name.to_owned() } else { key.label("pool", name) }
    };
    let mut workers = BTreeMap::new();
    for worker in plan.workers() {
        let pool = worker.pool.and_then(|index| plan.pools.get(index)).map(|pool| pool.name.as_str());
        let number = pool.and_then(|pool| Some((pool, worker.name.strip_prefix(pool)?)));
        let pseudonym = number.map_or_else(|| key.process(&worker.name), |(pool, number)| pool_name(pool) + number);
        workers.insert(worker.name.clone(), pseudonym);
    }
    let worker = |name: &String| workers.get(name).cloned().unwrap_or_else(|| key.process(name));
    let mut anonymous: Plan = CheckedPlan::clone(plan).into();
    anonymous.name = key.label("plan", &plan.name);
    for pool in &mut anonymous.pools {
        pool.name = pool_name(&pool.name);
        pool.servers = pool.servers.iter().map(|server| address(server, key)).collect();
    }
    for writers in anonymous.stream_writers.values_mut() {
        *writers = renamed(writers, &worker);
    }
    let roles = &mut anonymous.background_roles;
    let BackgroundRoles {
        run_background_tasks_on,
        update_user_directory_from_worker,
        notify_appservices_from_worker,
        pusher_instances,
        federation_sender_instances,
        media_instance_running_background_jobs,
    } = roles;
    for role in
        [run_background_tasks_on, update_user_directory_from_worker, notify_appservices_from_worker, media_instance_running_background_jobs]
    {
        *role = role.as_ref().map(worker);
    }
    for role in [pusher_instances, federation_sender_instances] {
        *role = role.as_ref().map(|writers| renamed(writers, &worker));
    }
    anonymous.processes =
        plan.processes.iter().map(|(name, limit)| (if name == "main" { name.clone() } else { worker(name) }, *limit)).collect();
    anonymous.check().context("the plan without its names")
}

fn renamed(writers: &Writers, worker: &impl Fn(&String) -> String) -> Writers {
    match writers {
        Writers::One(name) => Writers::One(worker(name)),
        Writers::Several(names) => Writers::Several(names.iter().map(worker).collect()),
    }
}

/// `10.0.0.5:8083=2` -> `s-0123…:8083=2`: equal addresses stay equal.
fn address(server: &str, key: &Key) -> String {
    let (address, weight) = server.rsplit_once('=').map_or((server, None), |(address, weight)| (address, Some(weight)));
    let pseudonym = match address.strip_prefix("unix:") {
        Some(path) => format!("unix:/{}", key.server(path)),
        None => match address.rsplit_once(':') {
            Some((host, port)) => format!("{}:{port}", key.server(host)),
            None => key.server(address),
        },
    };
    weight.map_or_else(|| pseudonym.clone(), |weight| format!("{pseudonym}={weight}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_keeps_its_shape_and_loses_its_names() {
        let text = r#"
name = "acme production"
synapse = "1.157"
[[pool]]
name = "acme-sync"
endpoints = ["sync"]
servers = ["acme-host:8081=2", "acme-host:8082"]
[[pool]]
name = "generic_worker"
endpoints = ["client"]
workers = 2
[stream_writers]
typing = "acme-typing"
events = ["acme-sync1", "generic_worker2"]
"#;
        let plan = Plan::from_toml(text, "plan.toml").unwrap();
        let anonymous = anonymous_plan(&plan, &Key::from_bytes(b"key")).unwrap();
        assert!(!anonymous.to_toml().contains("acme"), "{}", anonymous.to_toml());
        assert_eq!(anonymous.workers().len(), plan.workers().len());
        assert_eq!(anonymous.pools[1].name, "generic_worker");
        let writers = anonymous.stream_writers["events"].names();
        assert_eq!((writers[0].as_str(), writers[1].as_str()), (anonymous.workers()[0].name.as_str(), "generic_worker2"));
        assert!(anonymous.pools[0].servers[0].ends_with(":8081=2"));
    }
}
