//! The report model of `wsim analyse`, and what all formats derive from it.
//!
//! Knows nothing of formats.

use std::collections::BTreeMap;

use crate::shared::run_facts::RunFacts;
use crate::shared::share;
use crate::shared::verdict::plan_heading;
use wsim_advise::{Advice, Decision, PlanSummary};
use wsim_profile::{GroupProfile, Profile};
use wsim_trace::ingest::{LineTally, MalformedExample};

/// Everything that `wsim analyse` found.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisReport {
    pub facts: RunFacts,
    /// Every input with its line counts.
    pub inputs: Vec<LineTally>,
    pub profile: Profile,
    pub advice: Advice,
}

/// Sums over all inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Bytes after decompression.
    pub bytes: u64,
    /// Physical lines.
    pub lines: u64,
    /// Lines that report a request.
    pub requests: u64,
    /// Complete lines that report no request.
    pub not_requests: u64,
    pub malformed: u64,
    /// Requests that were left out because another input contained them too.
    pub duplicates: u64,
}

impl AnalysisReport {
    /// Requests from clients, other servers and between processes.
    pub fn requests(&self) -> u64 {
        self.profile.requests + self.profile.internal_requests
    }

    pub fn totals(&self) -> Totals {
        self.inputs.iter().fold(Totals::default(), |sum, input| Totals {
            bytes: sum.bytes + input.bytes,
            lines: sum.lines + input.lines,
            requests: sum.requests + input.requests,
            not_requests: sum.not_requests + input.not_requests,
            malformed: sum.malformed + input.malformed,
            duplicates: sum.duplicates + input.duplicates,
        })
    }

    /// CPU seconds of all groups, requests between processes included; `None` if no group's CPU is known.
    pub fn cpu_seconds(&self) -> Option<f64> {
        let known: Vec<f64> = self.profile.groups.iter().filter_map(|group| group.cpu_seconds).collect();
        if known.is_empty() { None } else { Some(known.iter().sum()) }
    }

    /// The share of a group in all CPU; in all requests if no CPU is known.
    pub(crate) fn group_share(&self, group: &GroupProfile) -> f64 {
        match self.cpu_seconds() {
            Some(cpu) => share(group.cpu_seconds.unwrap_or(0.0), cpu),
            None => share(group.requests as f64, self.requests() as f64),
        }
    }

    /// A sample of the malformed lines.
    pub(crate) fn malformed_examples(&self) -> impl Iterator<Item = &MalformedExample> {
        self.inputs.iter().flat_map(|input| &input.examples)
    }
}

/// What the reader must know before the verdict, one sentence each; without what the verdict itself says.
pub(super) fn warnings(report: &AnalysisReport) -> Vec<String> {
    let verdict = &report.advice.verdict.text;
    let warnings = report.profile.deployment.warnings.iter();
    warnings.filter(|warning| !verdict.contains(&warning.text)).map(|warning| format!("Note: {}.", warning.text)).collect()
}

/// Whether the verdict is to keep the processes that wrote the logs; the plan shown is then the smallest that would do, not advice.
pub(super) fn kept(report: &AnalysisReport) -> bool {
    report.advice.verdict.decision == Decision::KeepDeployment
}

/// The heading of the plan that is shown first.
pub(super) fn heading_of_plan(report: &AnalysisReport, recommended: bool) -> &'static str {
    if kept(report) { "Smallest standard plan that would do" } else { plan_heading(recommended) }
}

/// For each number of workers the best candidate (meets the objective, then least busy) with its index, fewest workers first.
/// The recommended candidate always counts as the best.
pub(super) fn best_by_workers(advice: &Advice) -> Vec<(usize, &PlanSummary)> {
    let mut best: BTreeMap<u32, (usize, &PlanSummary)> = BTreeMap::new();
    let key = |(index, plan): &(usize, &PlanSummary)| (advice.recommended != Some(*index), plan.meets);
    for new in advice.candidates.iter().enumerate() {
        let entry = best.entry(new.1.workers).or_insert(new);
        if key(&new).cmp(&key(entry)).then(busiest_share(new.1).total_cmp(&busiest_share(entry.1))).is_lt() {
            *entry = new;
        }
    }
    best.into_values().collect()
}

fn busiest_share(plan: &PlanSummary) -> f64 {
    plan.busiest().map_or(f64::INFINITY, |process| process.peak.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture;

    #[test]
    fn one_candidate_represents_each_number_of_workers() {
        let report = fixture::report();
        let best = best_by_workers(&report.advice);
        let workers: Vec<u32> = best.iter().map(|(_, plan)| plan.workers).collect();
        assert!(workers.is_sorted_by(|a, b| a < b), "{workers:?}");
        assert!(best.iter().any(|(index, _)| Some(*index) == report.advice.recommended));
    }

    #[test]
    fn totals_add_up() {
        let report = fixture::report();
        let totals = report.totals();
        assert_eq!(totals.lines, totals.requests + totals.not_requests + totals.malformed);
        assert_eq!(report.requests(), report.profile.groups.iter().map(|group| group.requests).sum::<u64>());
    }
}
