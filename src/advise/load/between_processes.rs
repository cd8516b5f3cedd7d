//! Requests between Synapse's processes as load: they go to the writer of their stream, else to the main process.
//!
//! Where the process that serves the cause is the writer itself, Synapse calls the same code without HTTP: the work stays, the hop does not.
//! Events handed to a persister are left out, because the law counts them with the persisting of events.

use super::{endpoint_facts, writer_indices};
use wsim_endpoints::between_processes::{causes, hands_over_events};
use wsim_plan::{CheckedPlan, Destination};
use wsim_profile::{EndpointProfile, Profile};
use wsim_simulate::calibrate::between_processes::HOP_CPU;

/// A class of requests between processes with the factors on its CPU under a plan: low, best, high.
pub(super) struct InternalLoad<'a> {
    pub(super) endpoint: &'a EndpointProfile,
    pub(super) factors: [f64; 3],
    /// The workers that serve it; empty: the main process.
    pub(super) workers: Vec<usize>,
}

/// The load of each class under a plan.
pub(super) fn internal_loads<'a>(plan: &CheckedPlan, profile: &'a Profile) -> Vec<InternalLoad<'a>> {
    let load = |endpoint: &'a EndpointProfile| {
        let workers = serving(plan, endpoint);
        let local = local_share(plan, profile, endpoint, &workers);
        InternalLoad { endpoint, factors: factors(endpoint, local), workers }
    };
    profile.between_processes.iter().filter(|endpoint| !hands_over_events(endpoint.pattern.as_deref())).map(load).collect()
}

/// The workers that serve a class, by index; empty: the main process.
fn serving(plan: &CheckedPlan, endpoint: &EndpointProfile) -> Vec<usize> {
    match plan.route(endpoint_facts(endpoint)) {
        Destination::Main => Vec::new(),
        Destination::Pool(pool) => plan.members(pool).iter().map(|member| member.worker).collect(),
        Destination::Writer(stream) => writer_indices(plan, plan.workers(), &stream),
    }
}

/// Share of the requests whose cause is served by one of `workers` itself, with even shares among the workers of a pool.
fn local_share(plan: &CheckedPlan, profile: &Profile, endpoint: &EndpointProfile, workers: &[usize]) -> f64 {
    let (mut all, mut local) = (0.0, 0.0);
    let groups = causes(endpoint.pattern.as_deref());
    for cause in profile.endpoints.iter().filter(|cause| groups.contains(&cause.group.as_str())) {
        let serving = serving(plan, cause);
        let same = match (serving.len(), workers.len()) {
            (0, 0) => 1.0,
            (causing, writing) => {
                serving.iter().filter(|worker| workers.contains(worker)).count() as f64 / (causing * writing).max(1) as f64
            }
        };
        all += cause.requests as f64;
        local += cause.requests as f64 * same;
    }
    if all > 0.0 { local / all } else { 0.0 }
}

fn factors(endpoint: &EndpointProfile, local: f64) -> [f64; 3] {
    let hops = endpoint.requests as f64 * local;
    let without = |hop: f64| if endpoint.cpu_seconds > 0.0 { (1.0 - hops * hop / endpoint.cpu_seconds).max(0.0) } else { 1.0 };
    [HOP_CPU.high, HOP_CPU.value, HOP_CPU.low].map(without)
}

/// Requests between processes that are load under a plan, over the whole log.
pub(super) fn requests(profile: &Profile) -> u64 {
    let counted = profile.between_processes.iter().filter(|endpoint| !hands_over_events(endpoint.pattern.as_deref()));
    counted.map(|endpoint| endpoint.requests).sum()
}

#[cfg(test)]
mod tests {
    use super::super::loads;
    use super::*;
    use crate::fixture::ProfileFixture;
    use wsim_plan::Plan;

    /// Syncs of 0.1 core on workers of their own, 20 a second, and 0.6 core of presence that they cause.
    fn profile() -> Profile {
        let mut profile = ProfileFixture::new().class("sync", 0.1, 20).build();
        let sync = profile.endpoints[0].clone();
        profile.between_processes = vec![EndpointProfile {
            group: "replication".to_owned(),
            pattern: Some("^/_synapse/replication/(presence_set_state|bump_presence_active_time)/".to_owned()),
            workers: Vec::new(),
            stream: Some("presence".to_owned()),
            cpu_seconds: 6.0 * sync.cpu_seconds,
            peak_cpu_seconds: 6.0 * sync.peak_cpu_seconds,
            ..sync
        }];
        profile
    }

    fn cores(plan: &str) -> Vec<(String, [f64; 3])> {
        let plan = Plan::from_toml(&format!("name = \"p\"\nsynapse = \"1.157\"\n{plan}"), "plan").unwrap();
        let of = |demand: crate::law::ProcessDemand| [demand.requests.low, demand.requests.value, demand.requests.high];
        loads(&plan, &profile(), None).into_iter().map(|load| (load.name.clone(), of(load.demand))).collect()
    }

    fn close(actual: [f64; 3], expected: [f64; 3]) {
        assert!(actual.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{actual:?} {expected:?}");
    }

    const SYNC_WORKER: &str = "[[pool]]\nname = \"sync\"\nendpoints = [\"sync\"]\nworkers = 1\n";

    #[test]
    fn the_writer_of_the_stream_has_the_load_and_main_where_there_is_none() {
        let with_writer = cores(&format!("{SYNC_WORKER}[stream_writers]\npresence = \"presence1\"\n"));
        let of = |name: &str| with_writer.iter().find(|(process, _)| process == name).unwrap().1;
        close(of("presence1"), [0.6; 3]);
        close(of("main"), [0.0; 3]);
        close(cores(SYNC_WORKER)[0].1, [0.6; 3]);
    }

    #[test]
    fn a_process_that_serves_the_cause_itself_saves_the_hop_and_keeps_the_work() {
        // 20 hops a second of 1 ms (0 to 1.6 ms).
        close(cores("")[0].1, [0.7 - 0.032, 0.7 - 0.02, 0.7]);
        let on_the_sync_worker =
            cores("[[pool]]\nname = \"sync\"\nendpoints = [\"sync\"]\nworkers = 1\n[stream_writers]\npresence = \"sync1\"\n");
        close(on_the_sync_worker[1].1, [0.7 - 0.032, 0.7 - 0.02, 0.7]);
    }
}
