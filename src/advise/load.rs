//! Which process serves what under a plan: the demand on every process at the peak, before
//! background CPU and replication are added (`law`).
//!
//! Keys are not spread evenly: the heaviest key of a keyed pool is placed on one worker, and pools that share workers are spread together.
//!
//! Invariant: requests are conserved. Under any plan the requests of all processes add up to those of the profile's classes, those between processes included.

mod between_processes;
mod pools;
mod split;
mod sum;

use super::law::ProcessDemand;
use super::model::ProcessRole;
use between_processes::{InternalLoad, internal_loads};
use pools::{PoolLoad, connected_pools, spread_over_workers};
pub(super) use split::{Part, Split};
use sum::LoadSum;
use wsim_plan::{CheckedPlan, Destination, EndpointFacts, Worker};
use wsim_profile::{EndpointProfile, HeavyHitter, Profile};

/// One process with the demand on it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load<'a> {
    /// `main` or the worker's name.
    pub(super) name: String,
    pub(super) role: ProcessRole,
    /// Name of the pool; `None` for the main process and for processes that only write streams.
    pub(super) pool: Option<String>,
    /// Cores that the process may use.
    pub(super) cpu: f64,
    /// Demand at the peak.
    pub(super) demand: ProcessDemand,
    /// Requests per second at the peak.
    pub(super) requests_per_second: f64,
    /// Requests over the whole log.
    pub(super) requests: u64,
    /// The heaviest user, room or server of a keyed pool, assumed to be sent to this process, with its request CPU in cores.
    pub(super) pinned: Option<(&'a HeavyHitter, f64)>,
}

/// The load of every process: the main process first, then the plan's workers in order. `split`: for plans whose pools take single requests.
pub(super) fn loads<'a>(plan: &CheckedPlan, profile: &'a Profile, split: Option<&Split>) -> Vec<Load<'a>> {
    let workers = plan.workers();
    let seconds = profile.peaks.five_minutes.window.seconds();
    let mut main = LoadSum::default();
    let mut pools: Vec<LoadSum> = vec![LoadSum::default(); plan.pools.len()];
    let mut worker_sums: Vec<LoadSum> = vec![LoadSum::default(); workers.len()];
    for endpoint in &profile.endpoints {
        let of_class = [(plan.route(endpoint_facts(endpoint)), Part::ALL)];
        let parts = split.and_then(|split| split.of_class(endpoint)).unwrap_or(&of_class);
        for (destination, part) in parts {
            match destination {
                Destination::Main => main.add(endpoint, [1.0; 3], seconds, *part),
                Destination::Pool(index) => pools[*index].add(endpoint, cold_cache_factor(plan, *index, &endpoint.group), seconds, *part),
                Destination::Writer(stream) => {
                    let writers = writer_indices(plan, workers, stream);
                    for index in &writers {
                        worker_sums[*index].add(endpoint, [1.0; 3], seconds, part.divided(writers.len()));
                    }
                }
            }
        }
    }
    for InternalLoad { endpoint, factors, workers } in internal_loads(plan, profile) {
        if workers.is_empty() {
            main.add(endpoint, factors, seconds, Part::ALL);
        }
        for index in &workers {
            worker_sums[*index].add(endpoint, factors, seconds, Part::ALL.divided(workers.len()));
        }
    }
    let all: f64 = profile.endpoints.iter().chain(&profile.between_processes).map(|e| e.peak_cpu_seconds.max(0.0)).sum::<f64>() / seconds;
    let pool_loads: Vec<PoolLoad<'a>> =
        pools.into_iter().enumerate().map(|(index, sum)| PoolLoad::new(plan, index, (sum, all), profile)).collect();
    let mut pinned: Vec<Option<(&'a HeavyHitter, f64)>> = vec![None; workers.len()];
    for connected in connected_pools(&pool_loads, workers.len()) {
        spread_over_workers(&connected, &pool_loads, workers, &mut worker_sums, &mut pinned);
    }
    let persisters = writer_indices(plan, workers, "events");
    let main_persists = if persisters.is_empty() { 1.0 } else { 0.0 };
    let mut loads = vec![Load {
        cpu: plan.cpu_of_main().cores,
        ..load(&main, MAIN_NAME, ProcessRole::Main, main.demand(!workers.is_empty(), main_persists))
    }];
    for (index, (worker, sum)) in workers.iter().zip(worker_sums).enumerate() {
        let persists = if persisters.contains(&index) { 1.0 / persisters.len() as f64 } else { 0.0 };
        loads.push(Load {
            pool: worker.pool.map(|pool| plan.pools[pool].name.clone()),
            cpu: worker.cpu.cores,
            pinned: pinned[index],
            ..load(&sum, &worker.name, ProcessRole::Worker, sum.demand(true, persists))
        });
    }
    let clients: u64 = profile.endpoints.iter().map(|endpoint| endpoint.requests).sum();
    settle_requests(&mut loads, clients + between_processes::requests(profile));
    loads
}

/// What routing needs to know of an endpoint class.
pub(super) fn endpoint_facts(endpoint: &EndpointProfile) -> EndpointFacts<'_> {
    EndpointFacts {
        group: &endpoint.group,
        pattern: endpoint.pattern.as_deref(),
        workers: &endpoint.workers,
        stream: endpoint.stream.as_deref(),
        any_worker: endpoint.any_worker,
        condition: endpoint.condition.as_deref(),
    }
}

fn writer_indices(plan: &CheckedPlan, workers: &[Worker], stream: &str) -> Vec<usize> {
    let names = plan.stream_writers.get(stream).map(|writers| writers.names()).unwrap_or_default();
    names.iter().filter_map(|name| workers.iter().position(|worker| worker.name == *name)).collect()
}

/// The load of a process with one core and no pool.
fn load<'a>(sum: &LoadSum, name: &str, role: ProcessRole, demand: ProcessDemand) -> Load<'a> {
    Load {
        name: name.to_owned(),
        role,
        pool: None,
        cpu: 1.0,
        demand,
        requests_per_second: sum.peak_requests,
        // Rounded down; `settle_requests` distributes the rest.
        requests: whole(sum.requests),
        pinned: None,
    }
}

/// Factor on the CPU of a sync when a user's requests move between workers whose caches are cold: low, best, high.
///
/// Measured with three workers: an initial sync took 43 ms in turn against 18 to 39 ms by user, other classes hardly changed; elsewhere
/// the factor is unknown between 1 and 2.
fn cold_cache_factor(plan: &CheckedPlan, pool: usize, group: &str) -> [f64; 3] {
    let keeps = plan.pools[pool].size() < 2 || plan.rule(pool).is_keyed_by_user();
    match group {
        "initial_sync" if !keeps => INITIAL_SYNC_COLD,
        "sync" | "sliding_sync" if !keeps => SYNC_COLD,
        _ => [1.0; 3],
    }
}

/// Rounding down has left requests over: the process with most requests gets them.
fn settle_requests(loads: &mut [Load<'_>], total: u64) {
    let assigned: u64 = loads.iter().map(|load| load.requests).sum();
    if let Some(largest) = loads.iter_mut().max_by_key(|load| load.requests) {
        largest.requests = (largest.requests + total).saturating_sub(assigned);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests, floored, not negative")]
fn whole(requests: f64) -> u64 {
    // Slightly more, so that 3 * (1/3 of 9) is 9 and not 8.
    (requests + 1e-6).floor() as u64
}

/// The name of the main process in reports; no plan may use it for a worker.
const MAIN_NAME: &str = "main";
/// 43 ms over 39, 28.5 and 18 ms.
const INITIAL_SYNC_COLD: [f64; 3] = [1.1, 1.5, 2.4];
const SYNC_COLD: [f64; 3] = [1.0, 1.0, 2.0];

#[cfg(test)]
mod tests;
