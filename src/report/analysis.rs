//! The one report model of `wsim analyse`, from which every form of output is made.
//!
//! Owns what the forms share: totals, which plan to show, how candidates rank. Knows nothing of files and forms.

use serde::{Deserialize, Serialize};

use super::model::{Input, MalformedExample, RunFacts};
use wsim_advise::{Advice, Candidate, Meets, Process};
use wsim_profile::{GroupProfile, Profile};

/// Everything `wsim analyse` found, in the order of the flow: inputs, traffic, advice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalysisReport {
    /// What is true of the whole run.
    pub facts: RunFacts,
    /// Every input with the account of its lines.
    pub inputs: Vec<Input>,
    /// A sample of the malformed lines.
    pub malformed_examples: Vec<MalformedExample>,
    /// What the traffic demands.
    pub profile: Profile,
    /// What to do about it.
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
    /// Whole lines that report none.
    pub not_requests: u64,
    /// Broken lines.
    pub malformed: u64,
    /// Requests left out because they were there already.
    pub duplicates: u64,
}

/// The plan a report shows in full.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The candidate.
    pub candidate: &'a Candidate,
    /// True if it is recommended; false if no candidate meets the objective and this one comes closest.
    pub recommended: bool,
}

impl AnalysisReport {
    /// Puts the parts together.
    pub fn new(facts: RunFacts, inputs: Vec<Input>, malformed_examples: Vec<MalformedExample>, profile: Profile, advice: Advice) -> Self {
        Self { facts, inputs, malformed_examples, profile, advice }
    }

    /// Client, federation and internal requests: every request once.
    pub fn requests(&self) -> u64 {
        self.profile.requests + self.profile.internal_requests
    }

    /// Sums over all inputs.
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

    /// CPU seconds of all groups, internal traffic included; `None` if no group's CPU is known.
    pub fn cpu_seconds(&self) -> Option<f64> {
        let known: Vec<f64> = self.profile.groups.iter().filter_map(|group| group.cpu_seconds).collect();
        if known.is_empty() { None } else { Some(known.iter().sum()) }
    }

    /// Groups of client and federation traffic, heaviest first.
    pub fn client_groups(&self) -> impl Iterator<Item = &GroupProfile> {
        self.profile.groups.iter().filter(|group| !group.internal)
    }

    /// The recommended plan, or the one that comes closest to the objective; `None` without candidates.
    pub fn shown(&self) -> Option<Shown<'_>> {
        shown(&self.advice)
    }
}

/// See [`AnalysisReport::shown`].
pub fn shown(advice: &Advice) -> Option<Shown<'_>> {
    if let Some(candidate) = advice.recommended.and_then(|index| advice.candidates.get(index)) {
        return Some(Shown { candidate, recommended: true });
    }
    let closest = advice.candidates.iter().min_by(|a, b| peak_value(a).total_cmp(&peak_value(b)))?;
    Some(Shown { candidate: closest, recommended: false })
}

/// The busiest process of a candidate.
pub fn busiest(candidate: &Candidate) -> Option<&Process> {
    candidate.processes.iter().max_by(|a, b| a.utilisation.value.total_cmp(&b.utilisation.value))
}

/// For each number of workers the candidate that does best (meets the objective, then the least busy), with its index;
/// fewest workers first.
pub fn best_by_workers(advice: &Advice) -> Vec<(usize, &Candidate)> {
    let mut best: std::collections::BTreeMap<u32, (usize, &Candidate)> = std::collections::BTreeMap::new();
    for (index, candidate) in advice.candidates.iter().enumerate() {
        let entry = best.entry(candidate.workers).or_insert((index, candidate));
        let recommended = advice.recommended;
        let key = |(i, c): &(usize, &Candidate)| (recommended != Some(*i), rank(c.meets_objective));
        let (new, old) = ((index, candidate), *entry);
        if key(&new).cmp(&key(&old)).then(peak_value(new.1).total_cmp(&peak_value(old.1))).is_lt() {
            *entry = new;
        }
    }
    best.into_values().collect()
}

/// The share of a core that the objective allows, read from its text (`busy < 70%` gives 0.7).
pub fn objective_share(objective: &str) -> Option<f64> {
    let before = objective.split('%').next().filter(|before| before.len() < objective.len())?.trim_end();
    let digits = before.rsplit(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    digits.parse::<f64>().ok().map(|percent| percent / 100.0).filter(|share| share.is_finite() && *share > 0.0)
}

fn peak_value(candidate: &Candidate) -> f64 {
    busiest(candidate).map_or(f64::INFINITY, |process| process.utilisation.value)
}

fn rank(meets: Meets) -> u8 {
    match meets {
        Meets::Yes => 0,
        Meets::Maybe => 1,
        Meets::No => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_objective_is_read_from_its_text() {
        assert_eq!(objective_share("busy < 70%"), Some(0.7));
        assert_eq!(objective_share("every process below 65.5 % busy"), Some(0.655));
        assert_eq!(objective_share("p95 < 200 ms"), None);
        assert_eq!(objective_share("%"), None);
    }

    #[test]
    fn without_a_recommendation_the_closest_plan_is_shown_as_such() {
        let mut report = fixture::report();
        assert!(report.shown().is_some_and(|shown| shown.recommended));
        report.advice.recommended = None;
        let shown = report.shown().unwrap();
        assert!(!shown.recommended);
        let least = report.advice.candidates.iter().map(peak_value).fold(f64::INFINITY, f64::min);
        assert_eq!(peak_value(shown.candidate), least);
        report.advice.candidates.clear();
        report.advice.recommended = Some(9);
        assert!(report.shown().is_none());
    }

    #[test]
    fn one_candidate_stands_for_each_number_of_workers() {
        let report = fixture::report();
        let best = best_by_workers(&report.advice);
        let workers: Vec<u32> = best.iter().map(|(_, candidate)| candidate.workers).collect();
        assert!(workers.is_sorted_by(|a, b| a < b), "{workers:?}");
        assert!(best.iter().any(|(index, _)| Some(*index) == report.advice.recommended));
    }

    #[test]
    fn totals_add_up() {
        let report = fixture::report();
        let totals = report.totals();
        assert_eq!(totals.lines, totals.requests + totals.not_requests + totals.malformed);
        assert!(report.inputs.iter().all(Input::adds_up));
        assert_eq!(report.requests(), report.profile.groups.iter().map(|group| group.requests).sum::<u64>());
    }
}
