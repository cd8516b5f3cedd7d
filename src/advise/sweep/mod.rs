//! The sweep: candidates simulated on common traffic, the smallest that meets the objective, and what would break it.
//!
//! ```text
//! candidates  standard plans × workers × rules, or those named ──▶ screen ──▶ trials, discarded with the reason
//! digest      every trial, the same replications; finalists until their intervals are narrow
//! choice      each held against the objective ──▶ recommended, runner-up, paired difference
//! stress      the recommended plan under growing load and other assumptions
//! sentences   what an administrator can act on
//! ```
//!
//! Invariant: the work is bounded by counts and never by a clock, so the same seed gives the same result.

pub mod candidates;
mod choice;
mod digest;
mod model;
mod sentences;
mod stress;
mod window;

pub use candidates::{BalanceRule, Trial};
pub use model::*;
pub use window::{WindowChoice, choose as choose_window, warm_up_seconds};

use super::objective::Objective;
use super::screen;
use candidates::discard;
use digest::Digest;
use wsim_endpoints::Endpoint;
use wsim_plan::Options;
use wsim_profile::{Profile, Window};
use wsim_simulate::deploy::Deployment;
use wsim_simulate::prepare::{PrepareSettings, Prepared};
use wsim_simulate::run::{Candidate, ReplicationPlan, Scenario};
use wsim_simulate::time::Span;
use wsim_simulate::topology::TopologyError;
use wsim_trace::Trace;

/// What is simulated.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The requests.
    pub trace: &'a Trace,
    /// What they were classified with.
    pub endpoints: &'a [Endpoint],
    /// Their profile.
    pub profile: &'a Profile,
    /// How costs are worked out.
    pub prepare: &'a PrepareSettings,
    /// Which part of the trace, lead-in included.
    pub window: Window,
}

/// How to sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepSettings {
    /// What a plan has to satisfy.
    pub objective: Objective,
    /// What the standard plans share.
    pub plans: Options,
    /// Users per observed user.
    pub growth: f64,
    /// Everything random hangs on it.
    pub seed: u64,
    /// How often and how sure. Candidates get `first` replications, those in question up to `most`.
    pub replications: ReplicationPlan,
    /// How the window was chosen, a few words.
    pub window_note: String,
}

/// Hears how far it is, and says when to stop.
pub trait Watch {
    /// `done` of `all` candidates of this stage are simulated.
    fn at(&self, stage: &str, done: usize, all: usize);
    /// Whether to end early with what there is.
    fn stopped(&self) -> bool;
}

/// Hears nothing, never stops.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn at(&self, _: &str, _: usize, _: usize) {}

    fn stopped(&self) -> bool {
        false
    }
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    /// Nothing to simulate.
    #[error("no request to simulate in the window {0}")]
    Empty(String),
    /// Every candidate is out.
    #[error("no plan is left to simulate: {0}")]
    NoPlans(String),
    /// The objective names a group that is not there.
    #[error("the objective asks about {group:?}, of which there are no requests in the window; there are {known}")]
    Group {
        /// What was asked for.
        group: String,
        /// The groups that there are.
        known: String,
    },
    /// A plan cannot be simulated.
    #[error(transparent)]
    Topology(#[from] TopologyError),
}

/// Simulates trials and judges them. `discarded` are those that never became one.
///
/// # Errors
/// There is nothing to simulate, or the objective names an unknown group.
pub fn sweep(
    subject: &Subject<'_>,
    trials: Vec<Trial>,
    mut discarded: Vec<Discarded>,
    settings: &SweepSettings,
    watch: &dyn Watch,
) -> Result<Sweep, SweepError> {
    let prepared = Prepared::new(subject.trace, subject.endpoints, subject.profile, subject.window, subject.prepare);
    check(&prepared, subject, settings)?;
    let screening =
        screen::Settings { objective: settings.objective.clone(), plans: settings.plans.clone(), ..screen::Settings::default() };
    let (trials, hopeless) = candidates::screened(trials, subject.profile, &screening, candidates_max(&prepared, settings));
    discarded.extend(hopeless);
    let mut field = Field { subject, settings, prepared: &prepared, entries: Vec::new(), warm_up: Span::ZERO, partial: false };
    for trial in trials {
        match Deployment::of(&trial.plan, subject.endpoints, &prepared) {
            Ok(deployment) => field.entries.push(Entry { trial, deployment, digests: Vec::new(), capped: false }),
            Err(error) => discarded.push(discard(&trial.plan, error.to_string())),
        }
    }
    field.first_round(watch, &mut discarded)?;
    if field.entries.is_empty() {
        let why = discarded.first().map_or_else(|| "none was named".to_owned(), |one| format!("{}: {}", one.plan, one.why));
        return Err(SweepError::NoPlans(why));
    }
    field.final_round(watch)?;
    let candidates = field.judged();
    let digests: Vec<Vec<Digest>> = field.entries.iter().map(|entry| entry.digests.clone()).collect();
    let recommended = choice::recommend(&candidates, &digests);
    let runner_up = recommended.and_then(|index| choice::runner_up(&candidates, index));
    let comparison = recommended.zip(runner_up).map(|(ours, theirs)| choice::compare(&digests[ours], &digests[theirs], 1));
    let shown = recommended.or_else(|| choice::closest(&candidates)).unwrap_or(0);
    let growth_steps = if recommended.is_some() { stress::growth(&field, shown, watch)? } else { Vec::new() };
    let sensitivity = stress::sensitivity(&field, shown, watch)?;
    let mut sweep = Sweep {
        objective: settings.objective.to_string(),
        busy: settings.objective.busy,
        seed: settings.seed,
        growth: settings.growth,
        window: subject.window,
        peak: window::peak(subject.profile, subject.window),
        window_note: settings.window_note.clone(),
        requests: prepared.workload.records.len() as u64,
        partial: field.partial,
        replications: candidates.iter().map(|candidate| candidate.replications).max().unwrap_or(0),
        resampled: settings.replications.resample,
        warm_up_seconds: field.warm_up.seconds(),
        candidates,
        discarded,
        recommended,
        runner_up,
        comparison,
        growth_steps,
        sensitivity,
        verdict: String::new(),
        reasons: Vec::new(),
        assumptions: Vec::new(),
    };
    sentences::write(&mut sweep, &prepared.notes);
    Ok(sweep)
}

fn check(prepared: &Prepared, subject: &Subject<'_>, settings: &SweepSettings) -> Result<(), SweepError> {
    if prepared.workload.records.is_empty() {
        return Err(SweepError::Empty(super::words::instant(subject.window.start_us)));
    }
    let classes = &prepared.workload.classes;
    let mut present: Vec<&str> = prepared
        .workload
        .records
        .iter()
        .filter_map(|record| prepared.groups.get(usize::from(classes.get(usize::from(record.class))?.group)))
        .map(String::as_str)
        .collect();
    present.sort_unstable();
    present.dedup();
    let absent = settings.objective.latencies.iter().filter_map(|term| term.group.as_deref()).find(|group| !present.contains(group));
    match absent {
        Some(group) => Err(SweepError::Group { group: group.to_owned(), known: present.join(", ") }),
        None => Ok(()),
    }
}

/// As many as the work allows, at least six.
fn candidates_max(prepared: &Prepared, settings: &SweepSettings) -> usize {
    let visits = prepared.workload.records.len() as f64 * settings.growth.max(0.01) * f64::from(settings.replications.first.max(1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let fits = (VISITS_MAX / visits).clamp(CANDIDATES_MIN, CANDIDATES_MAX) as usize;
    fits
}

/// Candidates with what their runs have said so far.
struct Field<'a> {
    subject: &'a Subject<'a>,
    settings: &'a SweepSettings,
    prepared: &'a Prepared,
    entries: Vec<Entry>,
    warm_up: Span,
    partial: bool,
}

struct Entry {
    trial: Trial,
    deployment: Deployment,
    digests: Vec<Digest>,
    capped: bool,
}

impl Entry {
    fn candidate(&self) -> Candidate<'_> {
        Candidate { topology: &self.deployment.topology, routers: &self.deployment.routers }
    }
}

impl Field<'_> {
    fn scenario(&self) -> Scenario<'_> {
        let Self { prepared, settings, .. } = self;
        Scenario {
            workload: &prepared.workload,
            growth: settings.growth,
            costs: &prepared.costs,
            seed: settings.seed,
            plan: settings.replications,
        }
    }

    fn first(&self) -> u32 {
        let plan = self.settings.replications;
        plan.first.clamp(1, plan.most.max(1))
    }

    /// The first replications of all, a few candidates at a time. Interrupted, the rest is discarded.
    fn first_round(&mut self, watch: &dyn Watch, discarded: &mut Vec<Discarded>) -> Result<(), TopologyError> {
        let Some(pilot) = self.entries.first() else { return Ok(()) };
        self.warm_up = self.scenario().find_warm_up(pilot.candidate())?;
        let all = self.entries.len();
        let mut done = 0;
        while done < all && !(done > 0 && watch.stopped()) {
            watch.at("candidates", done, all);
            let chosen: Vec<usize> = (done..all.min(done + TOGETHER)).collect();
            self.run(&chosen, 0..self.first())?;
            done += chosen.len();
        }
        for entry in self.entries.drain(done..) {
            self.partial = true;
            discarded.push(discard(&entry.trial.plan, "interrupted before it was simulated".to_owned()));
        }
        Ok(())
    }

    /// More replications for those in question, in step, until their intervals are narrow or the cap is reached.
    fn final_round(&mut self, watch: &dyn Watch) -> Result<(), TopologyError> {
        let plan = self.settings.replications;
        let order = choice::order(&self.judged());
        let mut chosen: Vec<usize> = order.into_iter().take(FINALISTS).collect();
        chosen.sort_unstable();
        let narrow = |entry: &Entry| digest::narrow(&entry.digests, plan.mean_within, plan.p95_within);
        let mut done = self.first();
        while done < plan.most && chosen.iter().any(|index| !narrow(&self.entries[*index])) && !watch.stopped() {
            watch.at("replications", done as usize, plan.most as usize);
            let batch = (done / 2).clamp(1, plan.most - done);
            self.run(&chosen, done..done + batch)?;
            done += batch;
        }
        self.partial |= watch.stopped();
        for entry in &mut self.entries {
            entry.capped = !narrow(entry);
        }
        Ok(())
    }

    fn run(&mut self, chosen: &[usize], replications: std::ops::Range<u32>) -> Result<(), TopologyError> {
        let candidates: Vec<Candidate<'_>> = chosen.iter().map(|index| self.entries[*index].candidate()).collect();
        let keep = |replication, run| Digest::of(replication, &run);
        let digests = self.scenario().run_each(&candidates, replications, self.warm_up, keep)?;
        for (place, digest) in digests {
            self.entries[chosen[place]].digests.push(digest);
        }
        Ok(())
    }

    fn judged(&self) -> Vec<Simulated> {
        let one = |entry: &Entry| {
            let Trial { plan, strategy, .. } = &entry.trial;
            let mut candidate = digest::summary(plan, strategy, &entry.deployment, &self.prepared.groups, &entry.digests);
            candidate.capped = entry.capped;
            candidate.working_from_seconds = self.warm_up.seconds();
            choice::judge(&mut candidate, &self.settings.objective);
            candidate
        };
        self.entries.iter().map(one).collect()
    }
}

/// Requests simulated in the first round at most: one to three minutes of a core.
const VISITS_MAX: f64 = 4e7;
const CANDIDATES_MIN: f64 = 6.0;
const CANDIDATES_MAX: f64 = 32.0;
/// Candidates that share a drawn schedule; bounds memory, and how long an interruption takes.
const TOGETHER: usize = 4;
/// Candidates that get more replications.
const FINALISTS: usize = 4;

#[cfg(test)]
mod tests;
