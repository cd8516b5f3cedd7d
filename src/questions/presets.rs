//! Does the preset pay? Layouts of guides and playbooks, and plans of the user, on one log: what each costs and what it brings over the main
//! process alone.

use serde::Serialize;

use crate::memory::{self, Footprint};
use crate::prices::{self, Prices};
use wsim_advise::sweep::{self, DiscardedPlan, ProgressListener, SimulatedPlan, Sweep, SweepConfig, SweepError, SweepInput, Trial};
use wsim_advise::{Meets, Objective};
use wsim_plan::CheckedPlan;
use wsim_profile::Profile;
use wsim_stats::Interval;

/// A plan to compare, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    pub plan: CheckedPlan,
    pub source: String,
}

/// What the machine and PostgreSQL have; `None`: not told.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Machine {
    /// Bytes.
    pub memory: Option<f64>,
    /// PostgreSQL's `max_connections`.
    pub max_connections: Option<u32>,
}

/// All plans on one log, in the order that they were given in.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    pub seed: u64,
    pub requests: u64,
    pub objective: String,
    pub rows: Vec<Row>,
    /// Index of the cheapest plan that meets the objective at the upper end of its 95 % interval; `None` if there is none.
    pub cheapest: Option<usize>,
    /// Index of the plan with the lowest expected cost; `None` without a price of missing.
    pub least_expected: Option<usize>,
    pub currency: Option<String>,
    /// Plans that could not be simulated: name, why.
    pub left_out: Vec<(String, String)>,
}

/// One plan.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub plan: String,
    pub source: String,
    /// Worker processes besides the main process.
    pub workers: u32,
    /// CPU of all processes on average, cores.
    pub cores: Interval,
    /// The same over that of the main process alone; 1 for it.
    pub cores_ratio: f64,
    /// Busy share of the busiest process at the peak.
    pub busy: Interval,
    pub busiest: String,
    /// `None` where work piles up.
    pub p95_ms: Option<Interval>,
    /// p95 minus that of the main process alone, ms; `None` where either piles up.
    pub p95_gain_ms: Option<f64>,
    /// Whether the ranges of both p95 overlap, so that nobody can tell them apart.
    pub p95_overlaps: bool,
    pub footprint: Footprint,
    /// The `cp_max` with which no process has more than the objective's share of its connections busy.
    pub cp_max: u32,
    pub meets: Meets,
    /// Probability of missing the objective.
    pub misses: f64,
    /// Cost of a month.
    pub cost: Option<Interval>,
    /// Cost of a month, and the price of missing times its probability.
    pub expected_cost: Option<f64>,
    /// Expected cost over the lowest of all plans.
    pub regret: Option<f64>,
    /// Memory or connections that the machine does not have; a sentence each.
    pub warnings: Vec<String>,
}

/// How to compare.
#[derive(Debug, Clone)]
pub struct ComparisonConfig {
    pub sweep: SweepConfig,
    pub prices: Option<Prices>,
    pub machine: Machine,
}

/// Simulates every plan on the log.
///
/// # Errors
/// There is nothing to simulate.
pub fn compare(
    input: &SweepInput<'_>,
    plans: &[Compared],
    config: &ComparisonConfig,
    listener: &dyn ProgressListener,
) -> Result<Comparison, SweepError> {
    let trials = plans.iter().map(|one| Trial { strategy: one.plan.name.clone(), plan: one.plan.clone(), named: true }).collect();
    let sweep = sweep::compare(input, trials, Vec::new(), &config.sweep, listener)?;
    Ok(table(&sweep, plans, input.profile, input.prepare.connections, config))
}

fn table(sweep: &Sweep, plans: &[Compared], profile: &Profile, cp_max: u32, config: &ComparisonConfig) -> Comparison {
    let objective = &config.sweep.objective;
    let base = sweep.candidates.iter().find(|plan| plan.summary.workers == 0);
    let mut rows: Vec<Row> = Vec::new();
    for one in plans {
        let found = sweep.candidates.iter().find(|candidate| candidate.summary.plan == one.plan);
        rows.extend(found.map(|plan| row(plan, one, base, profile, cp_max, config)));
    }
    let least = rows.iter().filter_map(|row| row.expected_cost).min_by(f64::total_cmp);
    for row in &mut rows {
        row.regret = row.expected_cost.zip(least).map(|(cost, least)| cost - least);
    }
    let key = |row: &Row| (row.cost.map_or(0.0, |cost| cost.value), f64::from(row.workers), row.cores.value);
    let cheaper = |a: &Row, b: &Row| {
        let ((a_cost, a_workers, a_cores), (b_cost, b_workers, b_cores)) = (key(a), key(b));
        a_cost.total_cmp(&b_cost).then(a_workers.total_cmp(&b_workers)).then(a_cores.total_cmp(&b_cores))
    };
    let certain = (0..rows.len()).filter(|index| rows[*index].meets == Meets::Yes && rows[*index].warnings.is_empty());
    let cheapest = certain.min_by(|a, b| cheaper(&rows[*a], &rows[*b]));
    let least_expected = (0..rows.len()).find(|index| rows[*index].regret == Some(0.0));
    Comparison {
        seed: sweep.seed,
        requests: sweep.requests,
        objective: objective.to_string(),
        cheapest,
        least_expected,
        currency: config.prices.as_ref().map(|prices| prices.currency.clone()),
        left_out: sweep.discarded.iter().map(|DiscardedPlan { plan, why, .. }| (plan.clone(), why.clone())).collect(),
        rows,
    }
}

fn row(
    plan: &SimulatedPlan,
    one: &Compared,
    base: Option<&SimulatedPlan>,
    profile: &Profile,
    cp_max: u32,
    config: &ComparisonConfig,
) -> Row {
    let objective = &config.sweep.objective;
    let times = |plan: &SimulatedPlan| plan.response_times().map(|times| times.p95);
    let (own, of_base) = (times(plan), base.and_then(times));
    let both = own.zip(of_base);
    let busiest = plan.summary.busiest();
    let footprint = memory::footprint(plan.summary.workers + 1, cp_max, profile);
    let cost = config.prices.as_ref().map(|prices| prices.month(prices::cores_to_provide(plan, objective), footprint.memory_bytes));
    let misses = prices::probability_of_missing(plan, objective);
    let miss = config.prices.as_ref().and_then(|prices| prices.miss);
    let base_cores = base.map_or(0.0, |base| base.summary.total_cores.value);
    Row {
        plan: plan.summary.plan.name.clone(),
        source: one.source.clone(),
        workers: plan.summary.workers,
        cores: plan.summary.total_cores,
        cores_ratio: if base_cores > 0.0 { plan.summary.total_cores.value / base_cores } else { 1.0 },
        busy: busiest.map_or(Interval::exact(0.0), |process| process.peak),
        busiest: busiest.map(|process| process.name.clone()).unwrap_or_default(),
        p95_ms: own,
        p95_gain_ms: both.map(|(own, base)| own.value - base.value),
        p95_overlaps: both.is_none_or(|(own, base)| own.low <= base.high && base.low <= own.high),
        cp_max: cp_max_needed(plan, cp_max, objective),
        meets: plan.summary.meets,
        misses,
        expected_cost: cost.zip(miss).map(|(cost, miss)| cost.value + misses * miss),
        cost,
        regret: None,
        warnings: warnings(&footprint, config.machine),
        footprint,
    }
}

/// The connections with which the busiest pool would be as busy as the objective allows.
fn cp_max_needed(plan: &SimulatedPlan, cp_max: u32, objective: &Objective) -> u32 {
    let busiest = plan.summary.processes.iter().filter_map(|process| process.connections).map(|share| share.high).fold(0.0, f64::max);
    let needed = (busiest * f64::from(cp_max) / objective.connections_or_default()).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let needed = needed.clamp(f64::from(CP_MAX_USUAL), 1000.0) as u32;
    needed
}

/// What does not fit.
fn warnings(footprint: &Footprint, machine: Machine) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(all) = machine.memory {
        let there = all * MEMORY_SHARE;
        let needed = footprint.memory_bytes;
        if needed.low > there {
            warnings.push("does not fit into the memory of the machine".to_owned());
        } else if needed.high > there {
            warnings.push("may not fit into the memory of the machine".to_owned());
        }
    }
    let most = machine.max_connections.unwrap_or(MAX_CONNECTIONS_USUAL).saturating_sub(CONNECTIONS_RESERVED);
    if footprint.connections > most {
        let needed = footprint.connections + CONNECTIONS_RESERVED;
        warnings.push(format!("needs max_connections = {needed} in PostgreSQL, or a smaller cp_max"));
    }
    warnings
}

/// Twisted's default, below which nobody sets it.
const CP_MAX_USUAL: u32 = 5;
/// PostgreSQL's default of `max_connections`.
const MAX_CONNECTIONS_USUAL: u32 = 100;
/// PostgreSQL's default of `superuser_reserved_connections`.
const CONNECTIONS_RESERVED: u32 = 3;
/// The rest is the system's, and its cache of files.
const MEMORY_SHARE: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    fn footprint(processes: u32, cp_max: u32, bytes: f64) -> Footprint {
        let memory_bytes = Interval::new(bytes, bytes / 2.0, bytes * 2.0);
        Footprint { processes, memory_bytes, measured_processes: 0, connections: processes * cp_max }
    }

    #[test]
    fn what_does_not_fit_the_machine_is_said() {
        let machine = |gb: f64| Machine { memory: Some(gb * 1e9), max_connections: None };
        let said = |footprint: &Footprint, machine| warnings(footprint, machine).join("; ");
        assert_eq!(said(&footprint(3, 10, 1e9), machine(8.0)), "");
        assert_eq!(said(&footprint(3, 10, 1e9), machine(2.0)), "may not fit into the memory of the machine");
        assert_eq!(said(&footprint(3, 10, 1e9), machine(0.5)), "does not fit into the memory of the machine");
        // 19 processes of 10 connections: 190, and three that PostgreSQL keeps.
        let many = footprint(19, 10, 1e9);
        assert_eq!(said(&many, machine(8.0)), "needs max_connections = 193 in PostgreSQL, or a smaller cp_max");
        assert_eq!(said(&many, Machine { max_connections: Some(200), ..machine(8.0) }), "");
        assert_eq!(said(&footprint(9, 10, 1e9), Machine { memory: None, max_connections: Some(93) }), "");
    }
}
