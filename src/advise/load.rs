//! Who serves what under a plan: the duties of every process at the peak, before prices.
//!
//! Invariant: requests are conserved. Whatever the plan, the requests of all processes add up to those of the profile's classes.

use super::law::Duties;
use super::skew::{Skew, extreme};
use wsim_plan::{Destination, EndpointFacts, Plan, Pool, Rule, Worker};
use wsim_profile::{EndpointProfile, Heavy, Profile};
use wsim_stats::Interval;

/// One process with what it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Load<'a> {
    /// `main` or the worker's name.
    pub name: String,
    /// Name of its pool; `None` for the main process and pure stream writers.
    pub pool: Option<String>,
    /// Cores it may use.
    pub cpu: f64,
    /// What it does at the peak.
    pub duties: Duties,
    /// Requests per second at the peak.
    pub requests_per_second: f64,
    /// Requests over the whole window.
    pub requests: u64,
    /// The user, room or server that a keyed rule pins to it, with the request CPU (cores) that comes along.
    pub pinned: Option<(&'a Heavy, f64)>,
}

/// Requests with their CPU at the peak.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    /// `low, value, high` in cores.
    cores: [f64; 3],
    peak_requests: f64,
    requests: f64,
}

/// A pool with what is routed to it.
struct Share<'a> {
    members: Vec<(usize, u32)>,
    sum: Sum,
    variance: f64,
    skew: Skew<'a>,
}

/// The load of every process: main first, then the plan's workers in order, the busiest of equals first.
pub fn loads<'a>(plan: &Plan, profile: &'a Profile) -> Vec<Load<'a>> {
    let workers = plan.workers();
    let seconds = profile.peaks.five_minutes.window.seconds();
    let mut main = Sum::default();
    let mut pools: Vec<Sum> = vec![Sum::default(); plan.pools.len()];
    let mut own: Vec<Sum> = vec![Sum::default(); workers.len()];
    for endpoint in &profile.endpoints {
        match plan.route(facts(endpoint)) {
            Destination::Main => main.add(endpoint, [1.0; 3], seconds, 1.0),
            Destination::Pool(index) => pools[index].add(endpoint, affinity(plan, &plan.pools[index], &endpoint.group), seconds, 1.0),
            Destination::Writer(stream) => {
                let writers = writer_places(plan, &workers, &stream);
                for place in &writers {
                    own[*place].add(endpoint, [1.0; 3], seconds, 1.0 / writers.len() as f64);
                }
            }
        }
    }
    let shares: Vec<Share<'a>> = pools.into_iter().enumerate().map(|(index, sum)| share(plan, index, sum, profile)).collect();
    let mut pinned: Vec<Option<(&'a Heavy, f64)>> = vec![None; workers.len()];
    for component in components(&shares, workers.len()) {
        spread(&component, &shares, &workers, &mut own, &mut pinned);
    }
    let persisters = writer_places(plan, &workers, "events");
    let mut loads = vec![main.into_load("main", None, 1.0, !workers.is_empty(), if persisters.is_empty() { 1.0 } else { 0.0 })];
    for (place, (worker, sum)) in workers.iter().zip(own).enumerate() {
        let persists = if persisters.contains(&place) { 1.0 / persisters.len() as f64 } else { 0.0 };
        let pool = worker.pool.map(|index| plan.pools[index].name.clone());
        let mut load = sum.into_load(&worker.name, pool, worker.cpu, true, persists);
        load.pinned = pinned[place];
        loads.push(load);
    }
    settle_requests(&mut loads, profile.endpoints.iter().map(|endpoint| endpoint.requests).sum());
    loads
}

/// The facts of a class that routing needs.
pub fn facts(endpoint: &EndpointProfile) -> EndpointFacts<'_> {
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

    fn into_load<'a>(self, name: &str, pool: Option<String>, cpu: f64, replicates: bool, persists: f64) -> Load<'a> {
        let [low, value, high] = self.cores;
        Load {
            name: name.to_owned(),
            pool,
            cpu,
            duties: Duties { requests: Interval::new(value, low, high), replicates, persists },
            requests_per_second: self.peak_requests,
            // Whole requests are dealt out at the end; until then the fraction's integer part.
            requests: whole(self.requests),
            pinned: None,
        }
    }
}

/// What a sync costs more when a user's requests wander between workers with cold caches: `low, value, high`.
///
/// Measured with three workers: initial sync 43 ms in turn against 18 to 39 ms by user, other classes hardly changed; elsewhere unknown
/// between 1 and 2.
fn affinity(plan: &Plan, pool: &Pool, group: &str) -> [f64; 3] {
    let keeps = pool.size() < 2 || plan.rule(pool).is_ok_and(|rule| rule.keeps_users());
    match group {
        "initial_sync" if !keeps => INITIAL_SYNC_WANDERING,
        "sync" | "sliding_sync" if !keeps => SYNC_WANDERING,
        _ => [1.0; 3],
    }
}

fn writer_places(plan: &Plan, workers: &[Worker], stream: &str) -> Vec<usize> {
    let names = plan.stream_writers.get(stream).map(|writers| writers.names()).unwrap_or_default();
    names.iter().filter_map(|name| workers.iter().position(|worker| worker.name == *name)).collect()
}

fn share<'a>(plan: &Plan, index: usize, sum: Sum, profile: &'a Profile) -> Share<'a> {
    let pool = &plan.pools[index];
    let members = plan.members(index);
    let rule: Option<Rule> = plan.rule(pool).ok();
    let (skew, ring) = match &rule {
        Some(rule) if members.len() > 1 => (Skew::of(rule, pool, profile), rule.ring_variation(plan.proxy.kind, members.len())),
        _ => (Skew::EVEN, 0.0),
    };
    let variance = skew.variance(ring, members.len());
    Share { members, sum, variance, skew }
}

/// Pools that share workers belong together: the places of the pools of each such set.
fn components(shares: &[Share<'_>], workers: usize) -> Vec<Vec<usize>> {
    let mut colour: Vec<usize> = (0..workers).collect();
    for share in shares {
        let Some(&(first, _)) = share.members.first() else { continue };
        let target = colour[first];
        for &(place, _) in &share.members {
            let old = colour[place];
            colour.iter_mut().filter(|c| **c == old).for_each(|c| *c = target);
        }
    }
    let mut sets: Vec<(usize, Vec<usize>)> = Vec::new();
    for (index, share) in shares.iter().enumerate() {
        let Some(&(first, _)) = share.members.first() else { continue };
        match sets.iter_mut().find(|(c, _)| *c == colour[first]) {
            Some((_, set)) => set.push(index),
            None => sets.push((colour[first], vec![index])),
        }
    }
    sets.into_iter().map(|(_, set)| set).collect()
}

/// Adds the load of pools over common workers to those workers: weights first, then what skew moves to the busiest.
fn spread<'a>(pools: &[usize], shares: &[Share<'a>], workers: &[Worker], own: &mut [Sum], pinned: &mut [Option<(&'a Heavy, f64)>]) {
    let mut means = vec![Sum::default(); workers.len()];
    let mut variances = vec![[0.0_f64; 3]; workers.len()];
    let mut places: Vec<usize> = Vec::new();
    let mut total = Sum::default();
    for share in pools.iter().map(|index| &shares[*index]) {
        let weight_sum: f64 = share.members.iter().map(|(_, weight)| f64::from(*weight)).sum();
        for &(place, weight) in &share.members {
            let part = f64::from(weight) / weight_sum;
            let cores = share.sum.cores.map(|cores| cores * part);
            for ((mean, variance), cores) in means[place].cores.iter_mut().zip(&mut variances[place]).zip(cores) {
                *mean += cores;
                *variance += cores * cores * share.variance;
            }
            means[place].peak_requests += share.sum.peak_requests * part;
            means[place].requests += share.sum.requests * part;
            if !places.contains(&place) {
                places.push(place);
            }
        }
        total.merge(&share.sum);
    }
    let burden = |place: usize| means[place].cores[1] / workers[place].cpu;
    // The first of equals, so that the busiest of a pool is its number 1.
    let Some(busiest) = places.iter().copied().reduce(|best, place| if burden(place) > burden(best) { place } else { best }) else {
        return;
    };
    let hitter = pools.iter().filter_map(|index| floor(&shares[*index], busiest)).max_by(|a, b| a.1[1].total_cmp(&b.1[1]));
    let moved: [f64; 3] = std::array::from_fn(|bound| {
        let mean = means[busiest].cores[bound];
        let expected = mean + variances[busiest][bound].sqrt() * extreme(places.len());
        let least = hitter.map_or(0.0, |(_, cores)| cores[bound]);
        expected.max(least).min(total.cores[bound]).max(mean) - mean
    });
    if let Some((heavy, cores)) = hitter {
        pinned[busiest] = Some((heavy, cores[1]));
    }
    for place in places {
        own[place].merge(&shifted(&means[place], place == busiest, &moved, &total, &means[busiest]));
    }
}

/// The load that a pool's largest value alone brings to the busiest server.
fn floor<'a>(share: &Share<'a>, busiest: usize) -> Option<(&'a Heavy, [f64; 3])> {
    let (heavy, part) = share.skew.top?;
    share.members.iter().any(|(place, _)| *place == busiest).then(|| (heavy, share.sum.cores.map(|cores| cores * part)))
}

/// A worker's mean load, after `moved` cores went from the others to the busiest. Requests move in proportion.
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

/// Whole requests: rounding down left some over, which go to the busiest in requests.
fn settle_requests(loads: &mut [Load<'_>], total: u64) {
    let dealt: u64 = loads.iter().map(|load| load.requests).sum();
    if let Some(largest) = loads.iter_mut().max_by_key(|load| load.requests) {
        largest.requests = (largest.requests + total).saturating_sub(dealt);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests, floored, not negative")]
fn whole(requests: f64) -> u64 {
    // A hair above, so that 3 * (1/3 of 9) is 9 and not 8.
    (requests + 1e-6).floor() as u64
}

const INITIAL_SYNC_WANDERING: [f64; 3] = [1.0, 1.5, 2.0];
const SYNC_WANDERING: [f64; 3] = [1.0, 1.0, 2.0];

#[cfg(test)]
mod tests;
