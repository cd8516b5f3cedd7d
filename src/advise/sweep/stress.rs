//! One plan under growing load and under other assumptions, on the traffic of the sweep.

use super::super::model::Meets;
use super::input_range::{InputRange, LatencyRange};
use super::judge;
use super::model::StressCase;
use super::progress::ProgressListener;
use super::run_summary::{self, RunSummary};
use super::state::{self, SweepState};
use wsim_simulate::deploy::Deployment;
use wsim_simulate::prepare::{Bound, PrepareConfig, PreparedWorkload};
use wsim_simulate::replications::{Candidate, ReplicationConfig, Scenario};
use wsim_simulate::topology::TopologyError;
use wsim_stats::Interval;

/// The plan under growing load until it misses the objective, at most at four times the load.
pub(super) fn growth(state: &SweepState<'_>, index: usize, listener: &dyn ProgressListener) -> Result<Vec<StressCase>, TopologyError> {
    let mut cases = Vec::new();
    for (done, factor) in GROWTH.into_iter().enumerate() {
        let requests = state.prepared.workload.records.len() as f64 * state.config.growth * factor * f64::from(REPLICATIONS);
        if listener.is_cancelled() || requests > REQUESTS_MAX {
            break;
        }
        listener.on_progress("growth", done, GROWTH.len());
        let (prepared, growth) = (state.prepared, state.config.growth * factor);
        let range = state.candidates[index].range.clone();
        let Some(case) =
            case(state, index, prepared, growth, &range, (format!("{} × {factor}", state.config.replications.growth_kind.noun()), factor))?
        else {
            break;
        };
        let fails = case.meets == Meets::No;
        cases.push(case);
        if fails {
            break;
        }
    }
    Ok(cases)
}

/// The plan with half and twice the CPU demand, and with background CPU and replication at both ends of their uncertainty.
pub(super) fn sensitivity(state: &SweepState<'_>, index: usize, listener: &dyn ProgressListener) -> Result<Vec<StressCase>, TopologyError> {
    let base = state.input.prepare;
    let demand = |factor: f64| PrepareConfig { demand: base.demand * factor, ..base.clone() };
    let replication = |bound: Bound| PrepareConfig { replication: bound, ..base.clone() };
    let coverage = |bound: Bound| PrepareConfig { coverage: bound, ..base.clone() };
    let mut variants = vec![
        ("CPU demand × 0.5", 0.5, demand(0.5)),
        ("CPU demand × 1", 1.0, demand(1.0)),
        ("CPU demand × 2", 2.0, demand(2.0)),
        ("background CPU low", 1.0, coverage(Bound::Low)),
        ("background CPU high", 1.0, coverage(Bound::High)),
    ];
    if state.candidates[index].trial.plan.worker_count() > 0 {
        variants.push(("replication low", 1.0, replication(Bound::Low)));
        variants.push(("replication high", 1.0, replication(Bound::High)));
    }
    let all = variants.len();
    let mut cases = Vec::new();
    for (done, (name, factor, prepare)) in variants.into_iter().enumerate() {
        if listener.is_cancelled() {
            break;
        }
        listener.on_progress("sensitivity", done, all);
        let input = state.input;
        let prepared = PreparedWorkload::new(input.trace, input.endpoints, input.profile, input.window, &prepare);
        cases.extend(case(state, index, &prepared, state.config.growth, &InputRange::NONE, (name.to_owned(), factor))?);
    }
    Ok(cases)
}

/// Simulates the finalists with all costs at the lower and at the upper end of their uncertainty, on the same traffic, and sets how uncertain
/// response times are. Other candidates get the widest of these ranges.
pub(super) fn input_ranges(state: &mut SweepState<'_>, listener: &dyn ProgressListener) -> Result<(), TopologyError> {
    let (input, finalists) = (state.input, state.finalists());
    let demand = input.profile.demand.range;
    let at = |bound: Bound, factor: f64| {
        let base = input.prepare;
        let config = PrepareConfig { demand: base.demand * factor, coverage: bound, replication: bound, ..base.clone() };
        PreparedWorkload::new(input.trace, input.endpoints, input.profile, input.window, &config)
    };
    if listener.is_cancelled() || finalists.is_empty() {
        return Ok(());
    }
    let ends = [at(Bound::Low, demand.low), at(Bound::High, demand.high)];
    for (done, index) in finalists.iter().copied().enumerate() {
        listener.on_progress("uncertainty", done, finalists.len());
        let [Some((_, low)), Some((_, high))] = [
            runs(state, index, &ends[0], state.config.growth, RANGE_REPLICATIONS)?,
            runs(state, index, &ends[1], state.config.growth, RANGE_REPLICATIONS)?,
        ] else {
            continue;
        };
        let paired = low.len().min(high.len()).min(state.candidates[index].runs.len());
        let best = &state.candidates[index].runs[..paired];
        state.candidates[index].range.latency = Some(LatencyRange::from_runs(&low[..paired], best, &high[..paired]));
    }
    let widest = LatencyRange::envelope(state.candidates.iter().filter_map(|candidate| candidate.range.latency.as_ref()));
    for candidate in state.candidates.iter_mut().filter(|candidate| candidate.range.latency.is_none()) {
        candidate.range.latency.clone_from(&widest);
    }
    Ok(())
}

/// One plan of the sweep, simulated anew with few replications; `None` if that was stopped or is not possible.
fn runs(
    state: &SweepState<'_>,
    index: usize,
    prepared: &PreparedWorkload,
    growth: f64,
    most: u32,
) -> Result<Option<(Deployment, Vec<RunSummary>)>, TopologyError> {
    let trial = &state.candidates[index].trial;
    let Ok(deployment) = state::deploy(&trial.plan, state.input, prepared, growth) else { return Ok(None) };
    let config = ReplicationConfig { uncertainty: prepared.uncertainty, ..state.config.replications };
    let config = config.with_fixed_count(most.min(config.first_batch().max(2)));
    let scenario = Scenario {
        workload: &prepared.workload,
        growth,
        costs: &prepared.costs,
        seed: state.config.seed,
        config,
        stop: &state.input.prepare.stop,
    };
    let candidate = Candidate { topology: &deployment.topology, routers: &deployment.routers };
    let keep = |replication, run| RunSummary::from_run(replication, &run);
    let mut runs: [Vec<RunSummary>; 1] = [Vec::new()];
    scenario.replicate(&[candidate], &mut runs, state.warm_up, keep, |_| true)?;
    let [runs] = runs;
    Ok((!state.input.prepare.stop.is_set() && !runs.is_empty()).then_some((deployment, runs)))
}

/// `range`: how uncertain the figures are beside the noise of the replications.
fn case(
    state: &SweepState<'_>,
    index: usize,
    prepared: &PreparedWorkload,
    growth: f64,
    range: &InputRange,
    (name, factor): (String, f64),
) -> Result<Option<StressCase>, TopologyError> {
    let trial = &state.candidates[index].trial;
    let Some((deployment, runs)) = runs(state, index, prepared, growth, REPLICATIONS)? else { return Ok(None) };
    let mut simulated =
        run_summary::simulated_plan(&trial.plan, &trial.strategy, &deployment, &prepared.groups, &runs, state.measured_seconds());
    range.widen(&mut simulated, &prepared.groups);
    judge::judge(&mut simulated, state.candidates[index].range.peak_cores, &state.limit_inputs(growth));
    let busiest = simulated.summary.busiest();
    Ok(Some(StressCase {
        name,
        factor,
        meets: simulated.summary.meets,
        busy: busiest.map_or(Interval::exact(0.0), |process| process.peak),
        busiest: busiest.map(|process| process.name.clone()).unwrap_or_default(),
        p95_ms: simulated.response_times().map(|times| times.p95),
        stable: simulated.is_stable(),
        reason: simulated.summary.reason,
    }))
}

const GROWTH: [f64; 6] = [1.25, 1.5, 2.0, 2.5, 3.0, 4.0];
/// Few, because these figures are read one by one and not compared.
const REPLICATIONS: u32 = 6;
/// Pairs that the range of response times comes from: common traffic makes the ratio precise.
const RANGE_REPLICATIONS: u32 = 3;
/// Requests simulated for one step at most.
const REQUESTS_MAX: f64 = 2e7;
