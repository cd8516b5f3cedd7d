//! The candidates of a sweep while they are simulated: first a look at each, then replications where they can change the answer.
//!
//! Judged are the replications from 1 on, which are one population. Replication 0, the traffic as observed with the best estimates of all
//! parameters, is drawn from another; it gives the timeline of a plan and no figure.

use super::super::law::Law;
use super::super::limits::{ConnectionPool, LimitInputs};
use super::allocation;
use super::candidates::{Trial, discard};
use super::config::{SweepConfig, SweepInput};
use super::input_range::{InputRange, LatencyRange};
use super::model::{DiscardedPlan, SimulatedPlan};
use super::outlook::{Outlook, outlook};
use super::progress::ProgressListener;
use super::run_summary::{self, RunSummary};
use wsim_plan::CheckedPlan;
use wsim_simulate::RunTask;
use wsim_simulate::deploy::{DeployError, Deployment};
use wsim_simulate::prepare::PreparedWorkload;
use wsim_simulate::replications::{Candidate, ReplicationConfig, Scenario};
use wsim_simulate::time::Span;
use wsim_simulate::topology::TopologyError;

pub(super) struct SweepState<'a> {
    pub(super) input: &'a SweepInput<'a>,
    pub(super) config: &'a SweepConfig,
    pub(super) prepared: &'a PreparedWorkload,
    /// Candidates with runs, fewest workers first.
    pub(super) candidates: Vec<CandidateRuns>,
    /// Candidates without runs, fewest workers first.
    pub(super) larger: Vec<CandidateRuns>,
    /// Most workers of the standard plans that are looked at.
    most_workers: u32,
    /// Time from the start of a run that is not measured.
    pub(super) warm_up: Span,
    pub(super) pool: ConnectionPool,
    /// The utilisation law at the peak of the log.
    pub(super) law: Law,
    /// The sweep was cancelled before it was complete.
    pub(super) partial: bool,
}

/// One candidate with its runs so far.
pub(super) struct CandidateRuns {
    pub(super) trial: Trial,
    pub(super) deployment: Deployment,
    /// Replications 1, 2, 3 …
    pub(super) runs: Vec<RunSummary>,
    /// Requests at work, mean per bin, with the traffic as observed; empty where that was not run.
    pub(super) working: Vec<f64>,
    /// The limit on replications, not the width of the intervals, ended the runs.
    pub(super) capped: bool,
    /// How uncertain the figures are because of what goes into the simulation.
    pub(super) range: InputRange,
    /// The range of response times is the plan's own, and not that of another.
    pub(super) has_own_range: bool,
}

/// A plan as it is simulated, at `growth` times the observed load.
pub(super) fn deploy(
    plan: &CheckedPlan,
    input: &SweepInput<'_>,
    prepared: &PreparedWorkload,
    growth: f64,
) -> Result<Deployment, DeployError> {
    let mut deployment = Deployment::from_plan(plan, input.endpoints, prepared)?;
    prepared.load_unseen_events(&mut deployment.topology, growth);
    Ok(deployment)
}

impl CandidateRuns {
    fn candidate(&self) -> Candidate<'_> {
        Candidate { topology: &self.deployment.topology, routers: &self.deployment.routers }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.runs.len()).unwrap_or(u32::MAX)
    }

    fn workers(&self) -> u32 {
        self.trial.plan.worker_count()
    }
}

impl<'a> SweepState<'a> {
    pub(super) fn new(input: &'a SweepInput<'a>, config: &'a SweepConfig, prepared: &'a PreparedWorkload, law: Law) -> Self {
        Self {
            input,
            config,
            prepared,
            candidates: Vec::new(),
            larger: Vec::new(),
            most_workers: 0,
            warm_up: Span::ZERO,
            pool: ConnectionPool::new(input.profile, Some(input.prepare.connections)),
            law,
            partial: false,
        }
    }

    /// Adds a candidate to simulate; those with more workers later. `range`: how uncertain its figures are because of what goes in.
    pub(super) fn add(&mut self, trial: Trial, deployment: Deployment, range: InputRange) {
        self.larger.push(CandidateRuns {
            trial,
            deployment,
            runs: Vec::new(),
            working: Vec::new(),
            capped: false,
            range,
            has_own_range: false,
        });
    }

    /// `uncertainty` included.
    pub(super) fn replications(&self) -> ReplicationConfig {
        ReplicationConfig { uncertainty: self.prepared.uncertainty, ..self.config.replications }
    }

    fn scenario(&self) -> Scenario<'a> {
        let SweepConfig { growth, seed, .. } = *self.config;
        let (prepared, config) = (self.prepared, self.replications());
        Scenario { workload: &prepared.workload, growth, costs: &prepared.costs, seed, config, stop: &self.input.prepare.stop }
    }

    /// Finds the warm-up with the first candidate, and takes a [look](Self::look). `estimated` is the fewest workers that may be enough by the screen.
    pub(super) fn first_round(&mut self, estimated: Option<u32>, listener: &dyn ProgressListener) -> Result<(), TopologyError> {
        let Some(pilot) = self.larger.first() else { return Ok(()) };
        listener.on_progress("warm-up", 0, 1);
        self.warm_up = self.scenario().find_warm_up(pilot.candidate())?;
        self.most_workers = estimated.unwrap_or(0).saturating_add(LARGER);
        self.look(listener)
    }

    /// The first replications of candidates, fewest workers first, until some number of workers is decided to be enough and plans with
    /// [`LARGER`] more have been looked at too. Plans that the user named are all looked at.
    pub(super) fn look(&mut self, listener: &dyn ProgressListener) -> Result<(), TopologyError> {
        let count = allocation::first_look(&self.config.replications);
        while !listener.is_cancelled() {
            let is_next = |candidate: &CandidateRuns| candidate.trial.named || candidate.workers() <= self.most_workers;
            let next = self.larger.iter().take_while(|candidate| is_next(candidate)).count();
            let first = self.candidates.len();
            self.candidates.extend(self.larger.drain(..next));
            let widest = LatencyRange::envelope(self.candidates.iter().filter_map(|candidate| candidate.range.latency.as_ref()));
            for candidate in &mut self.candidates[first..] {
                candidate.range.latency.clone_from(&widest);
            }
            let wanted: Vec<(usize, u32)> = (first..self.candidates.len()).map(|index| (index, count)).collect();
            if !wanted.is_empty() {
                self.extend(&wanted, "candidates", listener)?;
            }
            let is_enough = self.fewest_that_meet().is_some_and(|workers| workers.saturating_add(LARGER) <= self.most_workers);
            match self.larger.first() {
                Some(larger) if !is_enough => self.most_workers = larger.workers(),
                _ => break,
            }
        }
        self.partial |= listener.is_cancelled();
        // One replication says nothing about the spread.
        let any_complete = self.candidates.iter().any(|candidate| candidate.count() >= count);
        let least = if any_complete { count } else { REPLICATIONS_MIN.min(count) };
        let cut = self.candidates.extract_if(.., |candidate| candidate.count() < least).collect::<Vec<_>>();
        self.partial |= !cut.is_empty();
        drop(self.larger.splice(..0, cut));
        Ok(())
    }

    /// The candidates that were not looked at.
    pub(super) fn discard_larger(&mut self) -> Vec<DiscardedPlan> {
        let why = match self.fewest_that_meet().filter(|_| !self.partial) {
            Some(0) => "one process is enough".to_owned(),
            Some(1) => "1 worker is enough".to_owned(),
            Some(workers) => format!("{workers} workers are enough"),
            None => "interrupted before it was simulated".to_owned(),
        };
        self.larger.drain(..).map(|candidate| discard(&candidate.trial.plan, why.clone())).collect()
    }

    /// More replications where they can change the answer or are shown with it, on the same traffic, until nothing is open or the limit is
    /// reached ([`allocation`]). Then the timelines of the plans that matter.
    pub(super) fn final_round(&mut self, listener: &dyn ProgressListener) -> Result<(), TopologyError> {
        loop {
            let wanted = if listener.is_cancelled() { Vec::new() } else { self.wanted() };
            if wanted.is_empty() || !self.extend(&wanted, "replications", listener)? {
                break;
            }
        }
        let config = self.replications();
        for candidate in &mut self.candidates {
            candidate.capped = candidate.count() >= config.most && !config.has_converged(&candidate.runs);
        }
        self.observe_timelines(listener)?;
        self.partial |= listener.is_cancelled();
        Ok(())
    }

    /// The candidates that shall have more replications, and how many in all.
    fn wanted(&self) -> Vec<(usize, u32)> {
        let judged = self.judged();
        let runs: Vec<&[RunSummary]> = self.candidates.iter().map(|candidate| candidate.runs.as_slice()).collect();
        let outlooks: Vec<Outlook> = (0..judged.len()).map(|index| self.outlook(index, &judged[index])).collect();
        allocation::next(&judged, &runs, &outlooks, &self.replications())
    }

    fn outlook(&self, index: usize, judged: &SimulatedPlan) -> Outlook {
        let SweepConfig { objective, replications, .. } = self.config;
        outlook(judged, &self.candidates[index].runs, objective, &self.prepared.groups, replications.most)
    }

    /// The smallest number of workers with which a plan is decided to meet the objective.
    fn fewest_that_meet(&self) -> Option<u32> {
        let meets = |index: &usize| self.outlook(*index, &self.judge(&self.candidates[*index])) == Outlook::Meets;
        (0..self.candidates.len()).filter(meets).map(|index| self.candidates[index].workers()).min()
    }

    /// The plans that matter: the recommended one and its neighbours, else those that are closest to the objective.
    pub(super) fn neighbours(&self) -> Vec<usize> {
        let judged = self.judged();
        let runs: Vec<&[RunSummary]> = self.candidates.iter().map(|candidate| candidate.runs.as_slice()).collect();
        allocation::neighbours(&judged, &runs)
    }

    /// Replication 0 of the plans that matter and of the plan without workers.
    fn observe_timelines(&mut self, listener: &dyn ProgressListener) -> Result<(), TopologyError> {
        if listener.is_cancelled() {
            return Ok(());
        }
        let mut chosen = self.neighbours();
        chosen.extend((0..self.candidates.len()).filter(|index| self.candidates[*index].workers() == 0));
        chosen.sort_unstable();
        chosen.dedup();
        let tasks: Vec<RunTask> = chosen.iter().map(|index| RunTask { candidate: *index, replication: 0 }).collect();
        let runs = self.run(&tasks, "timelines", listener)?;
        for (task, run) in tasks.iter().zip(runs) {
            self.candidates[task.candidate].working = run.map(RunSummary::into_working).unwrap_or_default();
        }
        Ok(())
    }

    /// Adds replications to candidates until they have so many; returns whether all were run.
    fn extend(&mut self, wanted: &[(usize, u32)], stage: &str, listener: &dyn ProgressListener) -> Result<bool, TopologyError> {
        let last = wanted.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let lacking: Vec<(usize, std::ops::RangeInclusive<u32>)> =
            wanted.iter().map(|(index, count)| (*index, self.candidates[*index].count() + 1..=*count)).collect();
        let of_replication = |replication: u32| {
            let lacks = lacking.iter().filter(move |(_, replications)| replications.contains(&replication));
            lacks.map(move |(candidate, _)| RunTask { candidate: *candidate, replication })
        };
        let tasks: Vec<RunTask> = (1..=last).flat_map(of_replication).collect();
        let runs = self.run(&tasks, stage, listener)?;
        let is_complete = runs.iter().all(Option::is_some);
        for (task, run) in tasks.iter().zip(runs) {
            let kept = &mut self.candidates[task.candidate].runs;
            // After an interruption only the replications before the first that is missing.
            if kept.len() + 1 == task.replication as usize {
                kept.extend(run);
            }
        }
        Ok(is_complete)
    }

    fn run(&self, tasks: &[RunTask], stage: &str, listener: &dyn ProgressListener) -> Result<Vec<Option<RunSummary>>, TopologyError> {
        let candidates: Vec<Candidate<'_>> = self.candidates.iter().map(CandidateRuns::candidate).collect();
        let keep = |replication, run| RunSummary::from_run(replication, &run);
        listener.on_progress(stage, 0, tasks.len());
        self.scenario().run_tasks(&candidates, tasks, self.warm_up, keep, |done| listener.on_progress(stage, done, tasks.len()))
    }

    /// Every candidate over its runs, compared with the objective.
    pub(super) fn judged(&self) -> Vec<SimulatedPlan> {
        self.candidates.iter().map(|candidate| self.judge(candidate)).collect()
    }

    pub(super) fn judge(&self, candidate: &CandidateRuns) -> SimulatedPlan {
        let Trial { plan, strategy, .. } = &candidate.trial;
        let (groups, seconds) = (&self.prepared.groups, self.measured_seconds());
        let mut simulated = run_summary::simulated_plan(plan, strategy, &candidate.deployment, groups, &candidate.runs, seconds);
        simulated.capped = candidate.capped;
        candidate.range.widen(&mut simulated, groups);
        simulated.working.clone_from(&candidate.working);
        simulated.working_from_seconds = self.warm_up.seconds();
        super::judge::judge(&mut simulated, candidate.range.peak_cores, &self.limit_inputs(self.config.growth));
        simulated
    }

    /// What limits are worked out from, at `growth` times the observed load.
    pub(super) fn limit_inputs(&self, growth: f64) -> LimitInputs<'_> {
        let SweepState { input, config, law, pool, .. } = self;
        let machine = config.machine.or_told(input.profile);
        LimitInputs { profile: input.profile, law, pool, machine, objective: &config.objective, growth }
    }

    /// Measured time of one run, seconds.
    pub(super) fn measured_seconds(&self) -> f64 {
        (self.prepared.workload.span.seconds() - self.warm_up.seconds()).max(1e-6)
    }
}

/// Workers by which plans are simulated that are larger than what is enough.
const LARGER: u32 = 1;
/// Fewest replications from which an interrupted candidate is judged.
const REPLICATIONS_MIN: u32 = 2;
