//! How the load of pools spreads over their workers: by weight, and unevenly where a rule has a key.

use super::super::model::first_largest;
use super::super::skew::{Skew, expected_maximum};
use super::sum::LoadSum;
use wsim_plan::{CheckedPlan, PoolMember, Worker};
use wsim_profile::{HeavyHitter, Profile};

/// A pool with the load that is routed to it.
pub(super) struct PoolLoad<'a> {
    members: Vec<PoolMember>,
    sum: LoadSum,
    /// Variance of a server's load in units of its squared mean.
    variance: f64,
    skew: Skew<'a>,
}

impl<'a> PoolLoad<'a> {
    /// `all`: the load of the whole log, cores.
    pub(super) fn new(plan: &CheckedPlan, index: usize, (sum, all): (LoadSum, f64), profile: &'a Profile) -> Self {
        let pool = &plan.pools[index];
        let members = plan.members(index).to_vec();
        let rule = plan.rule(index);
        let (skew, ring) = if members.len() > 1 {
            (Skew::for_rule(rule, pool, profile, all / sum.cores[1].max(1e-9)), rule.ring_variation(plan.proxy.kind, members.len()))
        } else {
            (Skew::EVEN, 0.0)
        };
        let variance = skew.variance(ring, members.len());
        Self { members, sum, variance, skew }
    }
}

/// The indices of pools, in one set where pools share workers.
pub(super) fn connected_pools(pool_loads: &[PoolLoad<'_>], workers: usize) -> Vec<Vec<usize>> {
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
pub(super) fn spread_over_workers<'a>(
    pools: &[usize],
    pool_loads: &[PoolLoad<'a>],
    workers: &[Worker],
    worker_sums: &mut [LoadSum],
    pinned: &mut [Option<(&'a HeavyHitter, f64)>],
) {
    let mut means = vec![LoadSum::default(); workers.len()];
    let mut variances = vec![[0.0_f64; 3]; workers.len()];
    let mut members: Vec<usize> = Vec::new();
    let mut total = LoadSum::default();
    for pool in pools.iter().map(|index| &pool_loads[*index]) {
        let weight_sum: f64 = pool.members.iter().map(|member| f64::from(member.weight)).sum();
        for &PoolMember { worker: member, weight } in &pool.members {
            let part = f64::from(weight) / weight_sum;
            let cores = pool.sum.cores.map(|cores| cores * part);
            let LoadSum { cores: mean_cores, even, .. } = &mut means[member];
            for (((mean, even), variance), cores) in mean_cores.iter_mut().zip(even).zip(&mut variances[member]).zip(cores) {
                *mean += cores;
                *even += cores;
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
    let busy = |member: usize| means[member].cores[1] / workers[member].cpu.cores;
    // Of equals the first, so that the busiest of a pool is its number 1.
    let Some(busiest) = first_largest(members.iter().map(|member| busy(*member))).map(|index| members[index]) else { return };
    let hitter = pools.iter().filter_map(|index| largest_key(&pool_loads[*index], busiest)).max_by(|a, b| a.1[1].total_cmp(&b.1[1]));
    // A hash may be luckier than is expected, or less lucky: no skew beyond the heaviest key, as expected, a standard deviation more.
    let deviations = [0.0, expected_maximum(members.len()), expected_maximum(members.len()) + 1.0];
    let moved: [f64; 3] = std::array::from_fn(|bound| {
        let mean = means[busiest].cores[bound];
        let expected = mean + variances[busiest][bound].sqrt() * deviations[bound];
        let least = hitter.map_or(0.0, |(_, cores)| cores[bound]);
        expected.max(least).min(total.cores[bound]).max(mean) - mean
    });
    if let Some((heavy, cores)) = hitter {
        pinned[busiest] = Some((heavy, cores[1]));
    }
    for member in members {
        worker_sums[member].merge(&shifted(&means[member], member == busiest, &moved, &total, &means[busiest]));
    }
}

/// The load that the heaviest key of a pool alone brings to the busiest worker.
fn largest_key<'a>(pool: &PoolLoad<'a>, busiest: usize) -> Option<(&'a HeavyHitter, [f64; 3])> {
    let (heavy, part) = pool.skew.top?;
    pool.members.iter().any(|member| member.worker == busiest).then(|| (heavy, pool.sum.cores.map(|cores| cores * part)))
}

/// A worker's mean load after `moved` cores have moved from the other workers to the busiest. Requests move in proportion.
fn shifted(mean: &LoadSum, is_busiest: bool, moved: &[f64; 3], total: &LoadSum, busiest: &LoadSum) -> LoadSum {
    let mut sum = *mean;
    let give = |own: f64, all: f64, top: f64, moved: f64| {
        if is_busiest {
            return own + moved;
        }
        let others = all - top;
        if others > 0.0 { (own - moved * own / others).max(0.0) } else { own }
    };
    // The others have least where the busiest has most.
    let share = |bound: usize| if total.cores[bound] > 0.0 { moved[bound] / total.cores[bound] } else { 0.0 };
    sum.cores = std::array::from_fn(|bound| {
        let moved = share(if is_busiest { bound } else { 2 - bound }) * total.cores[bound];
        give(mean.cores[bound], total.cores[bound], busiest.cores[bound], moved)
    });
    let fraction = if total.cores[1] > 0.0 { moved[1] / total.cores[1] } else { 0.0 };
    sum.peak_requests = give(mean.peak_requests, total.peak_requests, busiest.peak_requests, fraction * total.peak_requests);
    sum.requests = give(mean.requests, total.requests, busiest.requests, fraction * total.requests);
    sum
}
