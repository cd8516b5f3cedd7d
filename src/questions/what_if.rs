//! Presence or typing, what if: switched off, set by fewer clients, or written by a process of its own. The same plan on the trace with and without.

use serde::Serialize;

use crate::without_news::{News, NewsCosts};
use wsim_advise::sweep::{self, ProgressListener, SimulatedPlan, SweepConfig, SweepError, SweepInput, Trial};
use wsim_plan::{CheckedPlan, Writers};
use wsim_profile::Profile;
use wsim_simulate::replications::{ReplicationConfig, Variation};
use wsim_stats::Interval;
use wsim_trace::Trace;

/// One supposition on one plan.
#[derive(Debug, Clone, Serialize)]
pub struct Case {
    /// `as it is`, `without presence`, `half of it`, `a writer of its own`.
    pub name: String,
    pub plan: String,
    pub requests_per_second: f64,
    pub syncs_per_second: f64,
    /// CPU of all processes on average, cores.
    pub cores: Interval,
    /// Of the main process at the peak.
    pub main_busy: Interval,
    pub busiest: String,
    pub busy: Interval,
    /// `None` where work piles up.
    pub p95_ms: Option<Interval>,
}

/// What is supposed.
#[derive(Debug, Clone, Serialize)]
pub struct WhatIf {
    pub news: News,
    pub seed: u64,
    pub costs: NewsCosts,
    pub cases: Vec<Case>,
}

/// A trace to suppose something of, and how to simulate it.
pub struct Supposed<'a> {
    pub input: SweepInput<'a>,
    pub plan: &'a CheckedPlan,
    pub config: &'a SweepConfig,
}

/// Simulates the plan on the trace as it is, on the trace with shares of the news, and with a writer of its own. `changed` makes the trace and the
/// profile with a share of the news.
///
/// # Errors
/// There is nothing to simulate.
pub fn what_if(
    news: News,
    supposed: &Supposed<'_>,
    shares: &[f64],
    changed: &dyn Fn(f64) -> (Trace, Profile),
    listener: &dyn ProgressListener,
) -> Result<WhatIf, SweepError> {
    let Supposed { input, plan, config } = supposed;
    let costs = NewsCosts::of(input.trace, input.endpoints, news);
    // Counters of processes are of the traffic as it was: fitted to other traffic they would give the same CPU to what is left of it. What no line
    // shows is the same share of what lines show in every case.
    let coverage = wsim_profile::Coverage { measured: false, processes: Vec::new(), ..input.profile.coverage.clone() };
    let prepare = wsim_simulate::prepare::PrepareConfig { process_cpu: None, ..input.prepare.clone() };
    let profile = Profile { coverage: coverage.clone(), ..input.profile.clone() };
    let input = &SweepInput { profile: &profile, prepare: &prepare, ..*input };
    let mut cases = simulate("as it is", input, &[plan], config, listener)?;
    for share in shares {
        let (trace, profile) = changed(*share);
        let name = if *share <= 0.0 { format!("without {}", news.word()) } else { format!("{} % of it", (share * 100.0).round()) };
        let profile = Profile { coverage: coverage.clone(), ..profile };
        let input = SweepInput { trace: &trace, profile: &profile, ..*input };
        cases.extend(simulate(&name, &input, &[plan], config, listener)?);
    }
    if let Some(apart) = with_writer(plan, news) {
        cases.extend(simulate("a writer of its own", input, &[&apart], config, listener)?);
    }
    Ok(WhatIf { news, seed: config.seed, costs, cases })
}

/// The plan with a writer of the stream that has nothing else to do; `None` if the plan has no workers or has such a writer.
fn with_writer(plan: &CheckedPlan, news: News) -> Option<CheckedPlan> {
    let mut apart = plan.clone().into_plan();
    if plan.worker_count() == 0 {
        return None;
    }
    let name = format!("{}_writer1", news.word());
    apart.stream_writers.insert(news.word().to_owned(), Writers::One(name.clone()));
    apart.name = format!("{}, {name}", plan.name);
    apart.check().ok().filter(|apart| apart.worker_count() > plan.worker_count())
}

fn simulate(
    name: &str,
    input: &SweepInput<'_>,
    plans: &[&CheckedPlan],
    config: &SweepConfig,
    listener: &dyn ProgressListener,
) -> Result<Vec<Case>, SweepError> {
    // The same users in all cases, or a difference would be that of who was drawn.
    let replications = ReplicationConfig { variation: Variation::Redrawn, ..config.replications };
    let config = &SweepConfig { replications, ..config.clone() };
    let trials = plans.iter().map(|plan| Trial { strategy: plan.name.clone(), plan: (*plan).clone(), named: true }).collect();
    let sweep = sweep::compare(input, trials, Vec::new(), config, listener)?;
    Ok(sweep.candidates.iter().map(|plan| case(name, plan, input)).collect())
}

fn case(name: &str, plan: &SimulatedPlan, input: &SweepInput<'_>) -> Case {
    let seconds = input.profile.observed_seconds();
    let syncs: u64 =
        input.profile.groups.iter().filter(|group| matches!(group.id.as_str(), "sync" | "sliding_sync")).map(|group| group.requests).sum();
    let busiest = plan.summary.busiest();
    let main = plan.summary.processes.iter().find(|process| process.is_main());
    Case {
        name: name.to_owned(),
        plan: plan.summary.plan.name.clone(),
        requests_per_second: input.profile.requests as f64 / seconds,
        syncs_per_second: syncs as f64 / seconds,
        cores: plan.summary.total_cores,
        main_busy: main.map_or(Interval::exact(0.0), |process| process.peak),
        busiest: busiest.map(|process| process.name.clone()).unwrap_or_default(),
        busy: busiest.map_or(Interval::exact(0.0), |process| process.peak),
        p95_ms: plan.response_times().map(|times| times.p95),
    }
}
