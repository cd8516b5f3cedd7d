//! One plan under growing load and under other assumptions, on the traffic of the sweep, by paired differences against the plan as it was swept:
//! a few replications of a case, on the traffic and with the parameters of replications that there are.

use super::super::model::Meets;
use super::input_range::{InputRange, LatencyRange};
use super::judge;
use super::model::StressCase;
use super::paired;
use super::progress::ProgressListener;
use super::run_summary::{self, RunSummary};
use super::state::{self, SweepState};
use wsim_simulate::deploy::Deployment;
use wsim_simulate::parallel::{in_parallel, in_parallel_with};
use wsim_simulate::prepare::{Bound, PrepareConfig, PreparedWorkload};
use wsim_simulate::replications::{Candidate, ReplicationConfig, Scenario};
use wsim_simulate::topology::{Costs, TopologyError};
use wsim_stats::Interval;

/// A plan to simulate under other circumstances.
struct Case<'c> {
    /// Index of the candidate.
    index: usize,
    prepared: &'c PreparedWorkload,
    costs: Costs,
    growth: f64,
    deployment: Deployment,
}

impl<'c> Case<'c> {
    /// `None` if the plan cannot be deployed so.
    fn new(state: &SweepState<'_>, index: usize, prepared: &'c PreparedWorkload, growth: f64) -> Option<Self> {
        let deployment = state::deploy(&state.candidates[index].trial.plan, state.input, prepared, growth).ok()?;
        Some(Self { index, prepared, costs: prepared.costs, growth, deployment })
    }
}

/// The plan under growing load until it misses the objective, at most at four times the load.
pub(super) fn growth(state: &SweepState<'_>, index: usize, listener: &dyn ProgressListener) -> Result<Vec<StressCase>, TopologyError> {
    let kind = state.config.replications.growth_kind.noun();
    let range = &state.candidates[index].range;
    let mut cases: Vec<StressCase> = Vec::new();
    let mut steps = affordable_steps(state);
    while !steps.is_empty() && !listener.is_cancelled() && cases.last().is_none_or(|case| case.meets != Meets::No) {
        // At once, so that all cores are busy: the steps up to the one at which the limits say that the plan fails; then one by one.
        let headroom = if cases.is_empty() { first_headroom(state, index) } else { 0.0 };
        let count = steps.iter().position(|factor| *factor >= headroom).map_or(steps.len(), |place| place + 1);
        let next: Vec<f64> = steps.drain(..count).collect();
        let of_step = |factor: &f64| Case::new(state, index, state.prepared, state.config.growth * factor);
        let deployed: Option<Vec<Case<'_>>> = next.iter().map(of_step).collect();
        let Some(deployed) = deployed else { break };
        let runs = simulate(state, &deployed, pairs(state), |done, all| listener.on_progress("growth", done, all))?;
        for ((case, factor), runs) in deployed.iter().zip(next).zip(runs) {
            if runs.is_empty() {
                return Ok(cases);
            }
            cases.push(judged(state, case, &runs, range, (format!("{kind} × {factor}"), factor)));
        }
    }
    let failing = cases.iter().position(|case| case.meets == Meets::No);
    cases.truncate(failing.map_or(cases.len(), |place| place + 1));
    Ok(cases)
}

/// The steps of growth, as far as their work is limited.
fn affordable_steps(state: &SweepState<'_>) -> Vec<f64> {
    let once = state.prepared.workload.records.len() as f64 * state.config.growth * f64::from(pairs(state));
    let mut requests = 0.0;
    let is_affordable = |factor: &f64| {
        requests += once * factor;
        requests <= REQUESTS_MAX
    };
    GROWTH.into_iter().take_while(is_affordable).collect()
}

/// The growth until the plan's first limit.
fn first_headroom(state: &SweepState<'_>, index: usize) -> f64 {
    state.judge(&state.candidates[index]).summary.limits.first().map_or(f64::INFINITY, |limit| limit.headroom.value)
}

/// The plan with half and twice the CPU demand, and with background CPU and replication at both ends of their uncertainty.
pub(super) fn sensitivity(state: &SweepState<'_>, index: usize, listener: &dyn ProgressListener) -> Result<Vec<StressCase>, TopologyError> {
    let base = state.input.prepare;
    let replication = |bound: Bound| PrepareConfig { replication: bound, ..base.clone() };
    let coverage = |bound: Bound| PrepareConfig { coverage: bound, ..base.clone() };
    let mut cases = demand_cases(state, index, listener)?;
    let mut variants = vec![("background CPU low", coverage(Bound::Low)), ("background CPU high", coverage(Bound::High))];
    if state.candidates[index].trial.plan.worker_count() > 0 {
        variants.push(("replication low", replication(Bound::Low)));
        variants.push(("replication high", replication(Bound::High)));
    }
    let all = variants.len();
    let mut done = 0;
    // Each is another explanation of the log, so it is calibrated anew; as many at once as there are threads, which limits memory.
    while !variants.is_empty() && !listener.is_cancelled() {
        listener.on_progress("sensitivity", done, all);
        let (names, configs): (Vec<&str>, Vec<PrepareConfig>) = variants.drain(..variants.len().min(threads(state).max(2))).unzip();
        done += names.len();
        let prepared = prepare(state, configs);
        let of_variant = |prepared| Case::new(state, index, prepared, state.config.growth);
        let Some(deployed) = prepared.iter().map(of_variant).collect::<Option<Vec<Case<'_>>>>() else { continue };
        let runs = simulate(state, &deployed, pairs(state), |_, _| {})?;
        let named = deployed.iter().zip(names).zip(runs).filter(|(_, runs)| !runs.is_empty());
        cases.extend(named.map(|((case, name), runs)| judged(state, case, &runs, &InputRange::NONE, (name.to_owned(), 1.0))));
    }
    Ok(cases)
}

/// The plan with half of the CPU demand, as it is, and with twice: the same requests, calibrated as they are, at other costs.
fn demand_cases(state: &SweepState<'_>, index: usize, listener: &dyn ProgressListener) -> Result<Vec<StressCase>, TopologyError> {
    let of_factor = |factor: f64| {
        let case = Case::new(state, index, state.prepared, state.config.growth)?;
        let costs = Costs { cpu_factor: case.costs.cpu_factor * factor, ..case.costs };
        Some(Case { costs, ..case })
    };
    let factors = [0.5, 2.0, 1.0];
    let Some(cases) = factors.into_iter().map(of_factor).collect::<Option<Vec<Case<'_>>>>().filter(|_| !listener.is_cancelled()) else {
        return Ok(Vec::new());
    };
    let mut runs = simulate(state, &cases[..2], pairs(state), |done, all| listener.on_progress("sensitivity", done, all))?;
    // The plan as it is has its runs already.
    runs.insert(2, state.candidates[index].runs.clone());
    let mut judged: Vec<StressCase> = cases
        .iter()
        .zip(factors)
        .zip(runs)
        .filter(|(_, runs)| !runs.is_empty())
        .map(|((case, factor), runs)| judged(state, case, &runs, &InputRange::NONE, (format!("CPU demand × {factor}"), factor)))
        .collect();
    judged.sort_by(|a, b| a.factor.total_cmp(&b.factor));
    Ok(judged)
}

/// The workload with all costs at the lower and at the upper end of their uncertainty.
pub(super) struct InputEnds(Vec<PreparedWorkload>);

impl InputEnds {
    /// `None` after a cancellation, and without a candidate.
    pub(super) fn new(state: &SweepState<'_>, listener: &dyn ProgressListener) -> Option<Self> {
        if listener.is_cancelled() || state.candidates.is_empty() {
            return None;
        }
        listener.on_progress("uncertainty", 0, 1);
        let demand = state.input.profile.demand.range;
        let at = |bound: Bound, factor: f64| {
            let base = state.input.prepare;
            PrepareConfig { demand: base.demand * factor, coverage: bound, replication: bound, ..base.clone() }
        };
        Some(Self(prepare(state, vec![at(Bound::Low, demand.low), at(Bound::High, demand.high)])))
    }
}

/// Simulates the plans that matter at both ends of the uncertainty of their costs, on the same traffic, and sets how uncertain response times
/// are, unless that is known. Plans without a range of their own get the widest of the others'.
pub(super) fn input_ranges(
    state: &mut SweepState<'_>,
    ends: Option<&InputEnds>,
    listener: &dyn ProgressListener,
) -> Result<(), TopologyError> {
    let Some(InputEnds(ends)) = ends.filter(|_| !listener.is_cancelled()) else { return Ok(()) };
    let plans = state.neighbours().into_iter().filter(|index| !state.candidates[*index].has_own_range);
    let of_plan = |index: usize| -> Option<[Case<'_>; 2]> {
        let case = |prepared| Case::new(state, index, prepared, state.config.growth);
        Some([case(&ends[0])?, case(&ends[1])?])
    };
    let cases: Vec<Case<'_>> = plans.filter_map(of_plan).flatten().collect();
    let runs = simulate(state, &cases, RANGE_REPLICATIONS, |done, all| listener.on_progress("uncertainty", done, all))?;
    let range = |(cases, runs): (&[Case<'_>], &[Vec<RunSummary>])| -> Option<(usize, LatencyRange)> {
        let (index, [low, high]) = (cases.first()?.index, runs) else { return None };
        let best = &state.candidates[index].runs;
        let paired = low.len().min(high.len()).min(best.len());
        (paired > 0).then(|| (index, LatencyRange::from_runs(&low[..paired], &best[..paired], &high[..paired])))
    };
    let ranges: Vec<(usize, LatencyRange)> = cases.chunks(2).zip(runs.chunks(2)).filter_map(range).collect();
    drop(cases);
    for (index, range) in ranges {
        let candidate = &mut state.candidates[index];
        (candidate.range.latency, candidate.has_own_range) = (Some(range), true);
    }
    let own = state.candidates.iter().filter(|candidate| candidate.has_own_range);
    let widest = LatencyRange::envelope(own.filter_map(|candidate| candidate.range.latency.as_ref()));
    for candidate in state.candidates.iter_mut().filter(|candidate| !candidate.has_own_range) {
        candidate.range.latency.clone_from(&widest);
    }
    Ok(())
}

/// The workload of the sweep, prepared in other ways on all threads.
fn prepare(state: &SweepState<'_>, configs: Vec<PrepareConfig>) -> Vec<PreparedWorkload> {
    let (input, threads) = (state.input, threads(state));
    let of_each = threads.div_ceil(configs.len().max(1));
    let configs: Vec<PrepareConfig> = configs.into_iter().map(|config| PrepareConfig { threads: of_each, ..config }).collect();
    let configs: Vec<&PrepareConfig> = configs.iter().collect();
    in_parallel(&configs, threads, |config| PreparedWorkload::new(input.trace, input.endpoints, input.profile, input.window, config))
}

/// Replications 1, 2, … of each case on all threads; as many as the base has, if those are fewer. No runs of cases that were stopped in.
fn simulate(
    state: &SweepState<'_>,
    cases: &[Case<'_>],
    replications: u32,
    mut on_progress: impl FnMut(usize, usize),
) -> Result<Vec<Vec<RunSummary>>, TopologyError> {
    let count = |case: &Case<'_>| replications.min(u32::try_from(state.candidates[case.index].runs.len()).unwrap_or(u32::MAX));
    let of_case = |(number, case): (usize, &Case<'_>)| (1..=count(case)).map(move |replication| (number, replication)).collect::<Vec<_>>();
    let tasks: Vec<(usize, u32)> = cases.iter().enumerate().flat_map(of_case).collect();
    let (config, seed, warm_up, stop) = (state.config.replications, state.config.seed, state.warm_up, &state.input.prepare.stop);
    let run = |(number, replication): (usize, u32)| -> Result<Option<RunSummary>, TopologyError> {
        let Case { prepared, costs, growth, deployment, .. } = &cases[number];
        if stop.is_set() {
            return Ok(None);
        }
        let config = ReplicationConfig { uncertainty: prepared.uncertainty, ..config };
        let scenario = Scenario { workload: &prepared.workload, growth: *growth, costs, seed, config, stop };
        let candidate = Candidate { topology: &deployment.topology, routers: &deployment.routers };
        Ok(scenario.once(candidate, replication, warm_up)?.map(|run| RunSummary::from_run(replication, &run)))
    };
    let mut runs: Vec<Vec<RunSummary>> = cases.iter().map(|_| Vec::new()).collect();
    let results = in_parallel_with(&tasks, threads(state), run, |done| on_progress(done, tasks.len()));
    for ((number, _), result) in tasks.iter().zip(results) {
        runs[*number].extend(result?);
    }
    for (case, runs) in cases.iter().zip(&mut runs) {
        if runs.len() < count(case) as usize {
            runs.clear();
        }
    }
    Ok(runs)
}

/// `range`: how uncertain the figures are beside the noise of the replications.
fn judged(state: &SweepState<'_>, case: &Case<'_>, paired: &[RunSummary], range: &InputRange, (name, factor): (String, f64)) -> StressCase {
    let Case { index, prepared, growth, deployment, .. } = case;
    let candidate = &state.candidates[*index];
    let runs = paired::extended(&candidate.runs, paired);
    let (trial, seconds) = (&candidate.trial, state.measured_seconds());
    let mut simulated = run_summary::simulated_plan(&trial.plan, &trial.strategy, deployment, &prepared.groups, &runs, seconds);
    range.widen(&mut simulated, &prepared.groups);
    judge::judge(&mut simulated, candidate.range.peak_cores, &state.limit_inputs(*growth));
    let busiest = simulated.summary.busiest();
    StressCase {
        name,
        factor,
        meets: simulated.summary.meets,
        busy: busiest.map_or(Interval::exact(0.0), |process| process.peak),
        busiest: busiest.map(|process| process.name.clone()).unwrap_or_default(),
        p95_ms: simulated.response_times().map(|times| times.p95),
        stable: simulated.is_stable(),
        reason: simulated.summary.reason,
    }
}

/// Pairs that a case is compared with its base by.
fn pairs(state: &SweepState<'_>) -> u32 {
    let requests = state.prepared.workload.records.len() as f64 * state.config.growth;
    if requests < LONG_RUN { PAIRS } else { PAIRS_OF_LONG_RUNS }
}

fn threads(state: &SweepState<'_>) -> usize {
    state.config.replications.threads
}

const GROWTH: [f64; 6] = [1.25, 1.5, 2.0, 2.5, 3.0, 4.0];
/// Pairs of a case: common traffic makes the ratio to the base precise, and long runs more so.
const PAIRS: u32 = 3;
const PAIRS_OF_LONG_RUNS: u32 = 2;
/// Requests from which a run is long.
const LONG_RUN: f64 = 1e5;
/// Pairs that the range of response times comes from.
const RANGE_REPLICATIONS: u32 = 2;
/// Requests simulated for all steps of growth at most.
const REQUESTS_MAX: f64 = 3e7;
