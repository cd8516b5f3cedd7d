//! The candidates of a sweep while they are simulated: first all of them, then the best with more replications.

use super::super::law::Law;
use super::super::limits::{ConnectionPool, LimitInputs};
use super::candidates::{Trial, discard};
use super::config::{SweepConfig, SweepInput};
use super::input_range::InputRange;
use super::judge;
use super::model::{DiscardedPlan, SimulatedPlan};
use super::progress::ProgressListener;
use super::run_summary::{self, RunSummary};
use wsim_plan::CheckedPlan;
use wsim_simulate::deploy::{DeployError, Deployment};
use wsim_simulate::prepare::PreparedWorkload;
use wsim_simulate::replications::{Candidate, ReplicationConfig, Scenario};
use wsim_simulate::time::Span;
use wsim_simulate::topology::TopologyError;

pub(super) struct SweepState<'a> {
    pub(super) input: &'a SweepInput<'a>,
    pub(super) config: &'a SweepConfig,
    pub(super) prepared: &'a PreparedWorkload,
    pub(super) candidates: Vec<CandidateRuns>,
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
    pub(super) runs: Vec<RunSummary>,
    /// The limit on replications, not the width of the intervals, ended the runs.
    pub(super) capped: bool,
    /// How uncertain the figures are because of what goes into the simulation.
    pub(super) range: InputRange,
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
}

impl SweepState<'_> {
    fn scenario(&self, config: ReplicationConfig) -> Scenario<'_> {
        let SweepConfig { growth, seed, .. } = *self.config;
        let config = ReplicationConfig { uncertainty: self.prepared.uncertainty, ..config };
        Scenario { workload: &self.prepared.workload, growth, costs: &self.prepared.costs, seed, config, stop: &self.input.prepare.stop }
    }

    /// The first replications of all candidates, a few candidates at a time. After a cancellation the others are discarded.
    pub(super) fn first_round(&mut self, listener: &dyn ProgressListener, discarded: &mut Vec<DiscardedPlan>) -> Result<(), TopologyError> {
        let Some(pilot) = self.candidates.first() else { return Ok(()) };
        let config = self.config.replications;
        self.warm_up = self.scenario(config).find_warm_up(pilot.candidate())?;
        let all = self.candidates.len();
        let mut done = 0;
        while done < all && !listener.is_cancelled() {
            listener.on_progress("candidates", done, all);
            let chosen: Vec<usize> = (done..all.min(done + CANDIDATES_AT_ONCE)).collect();
            self.replicate(&chosen, config.with_fixed_count(config.first_batch()), |_| true)?;
            done += chosen.len();
        }
        // All must have the same replications, and one says nothing about the spread.
        let first_batch = config.first_batch() as usize;
        let any_complete = self.candidates.iter().any(|candidate| candidate.runs.len() >= first_batch);
        let least = if any_complete { first_batch } else { REPLICATIONS_MIN.min(first_batch) };
        for candidate in self.candidates.extract_if(.., |candidate| candidate.runs.len() < least) {
            self.partial = true;
            discarded.push(discard(&candidate.trial.plan, "interrupted before it was simulated".to_owned()));
        }
        self.partial |= listener.is_cancelled();
        Ok(())
    }

    /// More replications for the finalists, on the same traffic, until their intervals have converged or the limit is reached.
    pub(super) fn final_round(&mut self, listener: &dyn ProgressListener) -> Result<(), TopologyError> {
        let config = ReplicationConfig { uncertainty: self.prepared.uncertainty, ..self.config.replications };
        let finalists = self.finalists();
        self.replicate(&finalists, config, |done| {
            let proceed = !listener.is_cancelled();
            if proceed {
                listener.on_progress("replications", done as usize, config.most as usize);
            }
            proceed
        })?;
        self.partial |= listener.is_cancelled();
        for candidate in &mut self.candidates {
            candidate.capped = !config.has_converged(&candidate.runs);
        }
        Ok(())
    }

    /// The candidates that would be chosen first, in their order.
    pub(super) fn finalists(&self) -> Vec<usize> {
        let mut finalists: Vec<usize> = judge::order(&self.judged()).into_iter().take(FINALISTS).collect();
        finalists.sort_unstable();
        finalists
    }

    /// Adds replications to the runs of some candidates, which have equally many so far.
    fn replicate(&mut self, chosen: &[usize], config: ReplicationConfig, proceed: impl FnMut(u32) -> bool) -> Result<(), TopologyError> {
        let mut runs: Vec<Vec<RunSummary>> = chosen.iter().map(|index| std::mem::take(&mut self.candidates[*index].runs)).collect();
        let candidates: Vec<Candidate<'_>> = chosen.iter().map(|index| self.candidates[*index].candidate()).collect();
        let keep = |replication, run| RunSummary::from_run(replication, &run);
        self.scenario(config).replicate(&candidates, &mut runs, self.warm_up, keep, proceed)?;
        for (index, runs) in chosen.iter().zip(runs) {
            self.candidates[*index].runs = runs;
        }
        Ok(())
    }

    /// Every candidate over its runs, compared with the objective.
    pub(super) fn judged(&self) -> Vec<SimulatedPlan> {
        let judged = |candidate: &CandidateRuns| {
            let Trial { plan, strategy, .. } = &candidate.trial;
            let mut simulated = run_summary::simulated_plan(
                plan,
                strategy,
                &candidate.deployment,
                &self.prepared.groups,
                &candidate.runs,
                self.measured_seconds(),
            );
            simulated.capped = candidate.capped;
            candidate.range.widen(&mut simulated, &self.prepared.groups);
            simulated.working_from_seconds = self.warm_up.seconds();
            judge::judge(&mut simulated, candidate.range.peak_cores, &self.limit_inputs(self.config.growth));
            simulated
        };
        self.candidates.iter().map(judged).collect()
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

/// Candidates that share a drawn schedule: limits memory.
const CANDIDATES_AT_ONCE: usize = 4;
/// Fewest replications from which an interrupted candidate is judged.
const REPLICATIONS_MIN: usize = 2;
/// Candidates that get more replications.
const FINALISTS: usize = 4;
