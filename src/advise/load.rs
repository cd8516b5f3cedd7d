//! Which process serves what under a plan: the demand on every process at the peak, before costs.
//!
//! Invariant: requests are conserved. Under any plan the requests of all processes add up to those of the profile's classes.

use super::law::ProcessDemand;
use super::model::ProcessRole;
use super::skew::{Skew, expected_maximum};
use wsim_plan::{CheckedPlan, Destination, EndpointFacts, PoolMember, Worker};
use wsim_profile::{EndpointProfile, HeavyHitter, Profile};
use wsim_stats::Interval;

/// One process with the demand on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Load<'a> {
    /// `main` or the worker's name.
    pub name: String,
    pub role: ProcessRole,
    /// Name of the pool; `None` for the main process and for processes that only write streams.
    pub pool: Option<String>,
    /// Cores that the process may use.
    pub cpu: f64,
    /// Demand at the peak.
    pub demand: ProcessDemand,
    /// Requests per second at the peak.
    pub requests_per_second: f64,
    /// Requests over the whole log.
    pub requests: u64,
    /// The heaviest user, room or server that a keyed rule sends to this process, with its request CPU in cores.
    pub pinned: Option<(&'a HeavyHitter, f64)>,
}

/// Sums over requests.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    /// CPU at the peak, cores: low, best, high.
    cores: [f64; 3],
    /// Requests per second at the peak.
    peak_requests: f64,
    /// Requests over the whole log.
    requests: f64,
}

/// A pool with the load that is routed to it.
struct PoolLoad<'a> {
    members: Vec<PoolMember>,
    sum: Sum,
    /// Variance of a server's load in units of its squared mean.
    variance: f64,
    skew: Skew<'a>,
}

/// The load of every process: the main process first, then the plan's workers in order.
pub fn loads<'a>(plan: &CheckedPlan, profile: &'a Profile) -> Vec<Load<'a>> {
    let workers = plan.workers();
    let seconds = profile.peaks.five_minutes.window.seconds();
    let mut main = Sum::default();
    let mut pools: Vec<Sum> = vec![Sum::default(); plan.pools.len()];
    let mut own: Vec<Sum> = vec![Sum::default(); workers.len()];
    for endpoint in &profile.endpoints {
        match plan.route(endpoint_facts(endpoint)) {
            Destination::Main => main.add(endpoint, [1.0; 3], seconds, 1.0),
            Destination::Pool(index) => pools[index].add(endpoint, cold_cache_factor(plan, index, &endpoint.group), seconds, 1.0),
            Destination::Writer(stream) => {
                let writers = writer_indices(plan, workers, &stream);
                for index in &writers {
                    own[*index].add(endpoint, [1.0; 3], seconds, 1.0 / writers.len() as f64);
                }
            }
        }
    }
    let pool_loads: Vec<PoolLoad<'a>> = pools.into_iter().enumerate().map(|(index, sum)| pool_load(plan, index, sum, profile)).collect();
    let mut pinned: Vec<Option<(&'a HeavyHitter, f64)>> = vec![None; workers.len()];
    for component in connected_pools(&pool_loads, workers.len()) {
        spread(&component, &pool_loads, workers, &mut own, &mut pinned);
    }
    let persisters = writer_indices(plan, workers, "events");
    let main_persists = if persisters.is_empty() { 1.0 } else { 0.0 };
    let mut loads = vec![main.into_load(MAIN_NAME, ProcessRole::Main, main.demand(!workers.is_empty(), main_persists))];
    for (index, (worker, sum)) in workers.iter().zip(own).enumerate() {
        let persists = if persisters.contains(&index) { 1.0 / persisters.len() as f64 } else { 0.0 };
        loads.push(Load {
            pool: worker.pool.map(|pool| plan.pools[pool].name.clone()),
            cpu: worker.cpu,
            pinned: pinned[index],
            ..sum.into_load(&worker.name, ProcessRole::Worker, sum.demand(true, persists))
        });
    }
    settle_requests(&mut loads, profile.endpoints.iter().map(|endpoint| endpoint.requests).sum());
    loads
}

/// What routing needs to know of an endpoint class.
pub fn endpoint_facts(endpoint: &EndpointProfile) -> EndpointFacts<'_> {
    EndpointFacts {
        group: &endpoint.group,
        pattern: endpoint.pattern.as_deref(),
        workers: &endpoint.workers,
        stream: endpoint.stream.as_deref(),
        any_worker: endpoint.any_worker,
        condition: endpoint.condition.as_deref(),
    }
}

impl Sum {
    fn add(&mut self, endpoint: &EndpointProfile, factors: [f64; 3], seconds: f64, part: f64) {
        for (cores, factor) in self.cores.iter_mut().zip(factors) {
            *cores += endpoint.peak_cpu_seconds.max(0.0) / seconds * factor * part;
        }
        self.peak_requests += endpoint.peak_requests as f64 / seconds * part;
        self.requests += endpoint.requests as f64 * part;
    }

    fn demand(&self, replicates: bool, persists: f64) -> ProcessDemand {
        let [low, value, high] = self.cores;
        ProcessDemand { requests: Interval::new(value, low, high), replicates, persists }
    }

    /// The load of a process with one core and no pool.
    fn into_load<'a>(self, name: &str, role: ProcessRole, demand: ProcessDemand) -> Load<'a> {
        Load {
            name: name.to_owned(),
            role,
            pool: None,
            cpu: 1.0,
            demand,
            requests_per_second: self.peak_requests,
            // Rounded down; `settle_requests` distributes the rest.
            requests: whole(self.requests),
            pinned: None,
        }
    }
}

/// Factor on the CPU of a sync when a user's requests move between workers whose caches are cold: low, best, high.
///
/// Measured with three workers: an initial sync took 43 ms in turn against 18 to 39 ms by user, other classes hardly changed; elsewhere
/// the factor is unknown between 1 and 2.
fn cold_cache_factor(plan: &CheckedPlan, pool: usize, group: &str) -> [f64; 3] {
    let keeps = plan.pools[pool].size() < 2 || plan.rule(pool).keeps_users();
    match group {
        "initial_sync" if !keeps => INITIAL_SYNC_COLD,
        "sync" | "sliding_sync" if !keeps => SYNC_COLD,
        _ => [1.0; 3],
    }
}

fn writer_indices(plan: &CheckedPlan, workers: &[Worker], stream: &str) -> Vec<usize> {
    let names = plan.stream_writers.get(stream).map(|writers| writers.names()).unwrap_or_default();
    names.iter().filter_map(|name| workers.iter().position(|worker| worker.name == *name)).collect()
}

fn pool_load<'a>(plan: &CheckedPlan, index: usize, sum: Sum, profile: &'a Profile) -> PoolLoad<'a> {
    let pool = &plan.pools[index];
    let members = plan.members(index).to_vec();
    let rule = plan.rule(index);
    let (skew, ring) = if members.len() > 1 {
        (Skew::of(rule, pool, profile), rule.ring_variation(plan.proxy.kind, members.len()))
    } else {
        (Skew::EVEN, 0.0)
    };
    let variance = skew.variance(ring, members.len());
    PoolLoad { members, sum, variance, skew }
}

/// The indices of pools, in one set where pools share workers.
fn connected_pools(pool_loads: &[PoolLoad<'_>], workers: usize) -> Vec<Vec<usize>> {
    let mut colour: Vec<usize> = (0..workers).collect();
    for load in pool_loads {
        let Some(first) = load.members.first() else { continue };
        let target = colour[first.worker];
        for member in &load.members {
            let old = colour[member.worker];
            colour.iter_mut().filter(|c| **c == old).for_each(|c| *c = target);
        }
    }
    let mut sets: Vec<(usize, Vec<usize>)> = Vec::new();
    for (index, load) in pool_loads.iter().enumerate() {
        let Some(first) = load.members.first() else { continue };
        match sets.iter_mut().find(|(c, _)| *c == colour[first.worker]) {
            Some((_, set)) => set.push(index),
            None => sets.push((colour[first.worker], vec![index])),
        }
    }
    sets.into_iter().map(|(_, set)| set).collect()
}

/// Adds the load of pools over common workers to those workers: first by weight, then what skew moves to the busiest worker.
fn spread<'a>(
    pools: &[usize],
    pool_loads: &[PoolLoad<'a>],
    workers: &[Worker],
    own: &mut [Sum],
    pinned: &mut [Option<(&'a HeavyHitter, f64)>],
) {
    let mut means = vec![Sum::default(); workers.len()];
    let mut variances = vec![[0.0_f64; 3]; workers.len()];
    let mut members: Vec<usize> = Vec::new();
    let mut total = Sum::default();
    for pool in pools.iter().map(|index| &pool_loads[*index]) {
        let weight_sum: f64 = pool.members.iter().map(|member| f64::from(member.weight)).sum();
        for &PoolMember { worker: member, weight } in &pool.members {
            let part = f64::from(weight) / weight_sum;
            let cores = pool.sum.cores.map(|cores| cores * part);
            for ((mean, variance), cores) in means[member].cores.iter_mut().zip(&mut variances[member]).zip(cores) {
                *mean += cores;
                *variance += cores * cores * pool.variance;
            }
            means[member].peak_requests += pool.sum.peak_requests * part;
            means[member].requests += pool.sum.requests * part;
            if !members.contains(&member) {
                members.push(member);
            }
        }
        total.merge(&pool.sum);
    }
    let busy = |member: usize| means[member].cores[1] / workers[member].cpu;
    // The first of equals, so that the busiest of a pool is its number 1.
    let Some(busiest) = members.iter().copied().reduce(|best, member| if busy(member) > busy(best) { member } else { best }) else {
        return;
    };
    let hitter = pools.iter().filter_map(|index| largest_key(&pool_loads[*index], busiest)).max_by(|a, b| a.1[1].total_cmp(&b.1[1]));
    let moved: [f64; 3] = std::array::from_fn(|bound| {
        let mean = means[busiest].cores[bound];
        let expected = mean + variances[busiest][bound].sqrt() * expected_maximum(members.len());
        let least = hitter.map_or(0.0, |(_, cores)| cores[bound]);
        expected.max(least).min(total.cores[bound]).max(mean) - mean
    });
    if let Some((heavy, cores)) = hitter {
        pinned[busiest] = Some((heavy, cores[1]));
    }
    for member in members {
        own[member].merge(&shifted(&means[member], member == busiest, &moved, &total, &means[busiest]));
    }
}

/// The load that the heaviest key of a pool alone brings to the busiest worker.
fn largest_key<'a>(pool: &PoolLoad<'a>, busiest: usize) -> Option<(&'a HeavyHitter, [f64; 3])> {
    let (heavy, part) = pool.skew.top?;
    pool.members.iter().any(|member| member.worker == busiest).then(|| (heavy, pool.sum.cores.map(|cores| cores * part)))
}

/// A worker's mean load after `moved` cores have moved from the other workers to the busiest. Requests move in proportion.
fn shifted(mean: &Sum, is_busiest: bool, moved: &[f64; 3], total: &Sum, busiest: &Sum) -> Sum {
    let mut sum = *mean;
    let give = |own: f64, all: f64, top: f64, moved: f64| {
        if is_busiest {
            return own + moved;
        }
        let others = all - top;
        if others > 0.0 { (own - moved * own / others).max(0.0) } else { own }
    };
    sum.cores = std::array::from_fn(|bound| give(mean.cores[bound], total.cores[bound], busiest.cores[bound], moved[bound]));
    let fraction = if total.cores[1] > 0.0 { moved[1] / total.cores[1] } else { 0.0 };
    sum.peak_requests = give(mean.peak_requests, total.peak_requests, busiest.peak_requests, fraction * total.peak_requests);
    sum.requests = give(mean.requests, total.requests, busiest.requests, fraction * total.requests);
    sum
}

impl Sum {
    fn merge(&mut self, other: &Self) {
        for (cores, more) in self.cores.iter_mut().zip(other.cores) {
            *cores += more;
        }
        self.peak_requests += other.peak_requests;
        self.requests += other.requests;
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
const INITIAL_SYNC_COLD: [f64; 3] = [1.0, 1.5, 2.0];
const SYNC_COLD: [f64; 3] = [1.0, 1.0, 2.0];

#[cfg(test)]
mod tests;
