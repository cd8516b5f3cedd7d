//! What the sentences speak of: the judged candidates with the profile and the law they come from.

use std::collections::BTreeMap;

use super::config::ScreenConfig;
use super::law::Law;
use super::limits::Limit;
use super::limits::headroom;
use super::load::endpoint_facts;
use super::model::{PlanSummary, ProcessSummary};
use super::own::OwnDeployment;
use wsim_plan::{CheckedPlan, Destination};
use wsim_profile::{EndpointProfile, Profile};

pub(super) struct Findings<'a> {
    pub(super) profile: &'a Profile,
    pub(super) config: &'a ScreenConfig,
    pub(super) law: &'a Law,
    /// Sorted, the plan without workers first.
    pub(super) candidates: &'a [PlanSummary],
    pub(super) recommended: Option<usize>,
    /// The recommended plan, else the closest.
    pub(super) shown: Option<usize>,
    /// The deployment that wrote the logs, if it has workers.
    pub(super) own: Option<OwnDeployment<'a>>,
    /// What that deployment runs out of, tightest first, and what helps.
    pub(super) limits: &'a [Limit],
    pub(super) levers: &'a [String],
}

/// How far the load may grow until a process reaches the objective.
#[derive(Debug, Clone, Copy)]
pub(super) struct Headroom<'a> {
    /// Factor at the best estimate; infinite if growth does not load the process.
    pub(super) factor: f64,
    /// Factor at the upper end of the uncertainty.
    pub(super) factor_at_upper_end: f64,
    /// The process that reaches the objective first.
    pub(super) process: &'a ProcessSummary,
}

impl<'a> Findings<'a> {
    pub(super) fn recommended(&self) -> Option<&'a PlanSummary> {
        self.recommended.and_then(|index| self.candidates.get(index))
    }

    pub(super) fn shown(&self) -> Option<&'a PlanSummary> {
        self.shown.and_then(|index| self.candidates.get(index))
    }

    pub(super) fn monolith(&self) -> Option<&'a PlanSummary> {
        self.candidates.iter().find(|candidate| candidate.workers == 0)
    }

    /// The busy limit of the objective, `70 %`.
    pub(super) fn busy_limit(&self) -> String {
        wsim_text::prose::percent(self.config.objective.busy)
    }

    /// Which process of a plan reaches the objective first when the load grows.
    pub(super) fn headroom<'c>(&self, candidate: &'c PlanSummary) -> Option<Headroom<'c>> {
        let workers = candidate.plan.workers();
        let of_process = |process: &'c ProcessSummary| {
            let cpu =
                workers.iter().find(|worker| worker.name == process.name).map_or(candidate.plan.cpu_of_main(), |worker| worker.cpu).cores;
            let factor = |busy: f64, rest: f64| headroom(busy, rest / cpu, self.config.objective.busy);
            Headroom {
                factor: factor(process.peak.value, self.law.rest.value),
                factor_at_upper_end: factor(process.peak.high, self.law.rest.high),
                process,
            }
        };
        candidate.processes.iter().map(of_process).min_by(|a, b| a.factor.total_cmp(&b.factor))
    }

    /// Share of all request CPU per group at the peak, largest first, over the classes that `keep` admits.
    pub(super) fn group_shares(&self, keep: impl Fn(&EndpointProfile) -> bool) -> Vec<(&'a str, f64)> {
        let endpoints = || self.profile.endpoints.iter().chain(&self.profile.between_processes);
        let all: f64 = endpoints().map(|endpoint| endpoint.peak_cpu_seconds.max(0.0)).sum();
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        for endpoint in endpoints().filter(|endpoint| keep(endpoint)) {
            *sums.entry(&endpoint.group).or_default() += endpoint.peak_cpu_seconds.max(0.0);
        }
        let mut shares: Vec<(&str, f64)> = sums.into_iter().filter(|(_, sum)| *sum > 0.0).map(|(group, sum)| (group, sum / all)).collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        shares
    }

    /// Whether a group has enough requests at the peak for a share of it to mean something.
    pub(super) fn has_share(&self, group: &str) -> bool {
        let all = self.profile.endpoints.iter().chain(&self.profile.between_processes);
        all.filter(|endpoint| endpoint.group == group).map(|endpoint| endpoint.peak_requests).sum::<u64>() >= REQUESTS_FOR_SHARES
    }

    /// The groups that a plan leaves on the main process, largest first.
    pub(super) fn groups_on_main(&self, plan: &CheckedPlan) -> Vec<(&'a str, f64)> {
        self.group_shares(|endpoint| plan.route(endpoint_facts(endpoint)) == Destination::Main)
    }

    /// The groups that a plan takes off the main process and that matter (5 % of the CPU, at least one), largest first.
    pub(super) fn groups_moved(&self, plan: &CheckedPlan) -> Vec<(&'a str, f64)> {
        let mut moved = self.group_shares(|endpoint| plan.route(endpoint_facts(endpoint)) != Destination::Main);
        let matter = moved.iter().filter(|(_, share)| *share >= SIGNIFICANT_SHARE).count().max(1);
        moved.truncate(matter);
        moved
    }

    /// Request CPU at the peak, cores, of the classes that `keep` admits.
    pub(super) fn peak_cores(&self, keep: impl Fn(&EndpointProfile) -> bool) -> f64 {
        let kept = self.profile.endpoints.iter().chain(&self.profile.between_processes).filter(|endpoint| keep(endpoint));
        kept.map(|endpoint| endpoint.peak_cpu_seconds.max(0.0)).sum::<f64>() / self.profile.peaks.five_minutes.window.seconds()
    }
}

/// Whether the logs come from a server with workers: several processes, or requests between them.
pub(super) fn has_workers(profile: &Profile) -> bool {
    profile.deployment.has_workers() || profile.internal_requests > 0
}

/// Shares of fewer requests say nothing.
pub const REQUESTS_FOR_SHARES: u64 = 20;
/// Load from which advice about it is worth a sentence, cores.
pub(super) const ADVICE_CORES: f64 = 0.1;
/// Share of the CPU from which a group is worth naming.
pub(super) const SIGNIFICANT_SHARE: f64 = 0.05;
