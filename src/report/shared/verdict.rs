//! The top of every page: the recommendation, the plan, the reasons and the confidence.
//!
//! Knows nothing of the sections below.

use super::escape;
use super::glossary::{self, Term};
use super::page::sentence;
use super::plan_cells::meets_text;
use super::plan_diagram::PlanDiagram;
use super::run_facts::RunFacts;
use super::table::Tone;
use wsim_advise::{Confidence, ConfidenceLevel, Decision, Meets, Objective, PlanSummary};
use wsim_configure::{CONNECTIONS, MEMORY_MIB};
use wsim_plan::Pool;
use wsim_stats::Interval;
use wsim_text as text;

/// The top of a page. All texts are escaped for it except for markup characters, which the template escapes.
#[derive(Default)]
pub(crate) struct VerdictSection {
    /// A few words.
    pub(crate) headline: String,
    /// Colour class of the headline; empty for none.
    pub(crate) tone: &'static str,
    /// The sentences below the headline.
    pub(crate) lead: Vec<String>,
    pub(crate) plan: Option<VerdictBox>,
    /// Strongest first.
    pub(crate) reasons: Vec<String>,
    pub(crate) confidence: ConfidenceNote,
    /// Purpose and command of each next step, most useful first.
    pub(crate) next: Vec<(String, String)>,
}

impl VerdictSection {
    /// The reasons that are shown unfolded.
    pub(crate) fn strongest(&self) -> &[String] {
        &self.reasons[..self.reasons.len().min(REASONS_UNFOLDED)]
    }

    /// The reasons that are folded.
    pub(crate) fn further(&self) -> &[String] {
        &self.reasons[self.strongest().len()..]
    }

    /// `2 further reasons`.
    pub(crate) fn further_label(&self) -> String {
        text::plural(self.further().len() as u64, "further reason", "further reasons")
    }
}

pub(crate) fn next_steps(facts: &RunFacts) -> Vec<(String, String)> {
    facts.next.iter().map(|step| (sentence(&text::capital(&step.why)), sentence(&step.command))).collect()
}

/// The plan that a report shows first.
pub(crate) struct VerdictBox {
    pub(crate) heading: &'static str,
    pub(crate) name: String,
    /// Colour class of the last fact.
    pub(crate) tone: &'static str,
    /// Why the plan meets the objective or does not.
    pub(crate) reason: String,
    pub(crate) facts: Vec<Fact>,
    pub(crate) diagram: PlanDiagram,
    /// Meaning of the whiskers in the diagram.
    pub(crate) whiskers: &'static str,
    pub(crate) costs: String,
}

/// A number with its name.
pub(crate) struct Fact {
    pub(crate) label: &'static str,
    pub(crate) value: String,
    pub(crate) note: String,
}

impl Fact {
    /// What the glossary says of the label.
    pub(crate) fn term(&self) -> Option<&'static Term> {
        glossary::find(self.label)
    }
}

impl VerdictBox {
    /// The box for `plan`. `measure` is the fact that differs between kinds of report; `whiskers` says what the whiskers of the diagram
    /// mean, `cores_period` over which time the CPU is a mean.
    pub(crate) fn new(
        plan: &PlanSummary,
        recommended: bool,
        measure: Fact,
        objective: &Objective,
        (whiskers, cores_period): (&'static str, &str),
    ) -> Self {
        let (meets, tone) = meets_text(plan.meets);
        let processes = Fact {
            label: "Processes",
            value: if plan.workers == 0 { "main only".to_owned() } else { format!("main + {}", plan.workers) },
            note: match plan.workers {
                0 => "no workers".to_owned(),
                workers => text::plural(u64::from(workers), "worker", "workers"),
            },
        };
        let busiest = Fact {
            label: "Busiest process",
            value: plan.busiest().map_or_else(|| text::UNKNOWN.to_owned(), |process| text::percent(process.peak.value)),
            note: plan.busiest().map_or_else(String::new, |process| {
                let uncertainty = text::range::between(&text::percent(process.peak.low), &text::percent(process.peak.high));
                format!("{}, uncertainty {uncertainty}", escape::page(&process.name, 30))
            }),
        };
        let meets = Fact { label: "Meets the objective", value: meets.to_owned(), note: escape::page(&objective.to_string(), 80) };
        Self {
            heading: plan_heading(recommended),
            name: escape::page(&plan.plan.name, 80),
            tone: tone.class(),
            reason: sentence(&plan.reason),
            facts: vec![processes, busiest, measure, meets],
            diagram: PlanDiagram::new(plan, objective),
            whiskers,
            costs: costs(plan.workers, plan.total_cores, cores_period),
        }
    }
}

pub(crate) fn plan_heading(recommended: bool) -> &'static str {
    if recommended { "Recommended plan" } else { "Closest plan (none meets the objective)" }
}

/// The confidence in the recommendation, for a page.
#[derive(Default)]
pub(crate) struct ConfidenceNote {
    pub(crate) level: &'static str,
    pub(crate) why: String,
    /// Colour class of the level.
    pub(crate) tone: &'static str,
}

impl From<&Confidence> for ConfidenceNote {
    fn from(confidence: &Confidence) -> Self {
        let tone = match confidence.level {
            ConfidenceLevel::High => Tone::Good,
            ConfidenceLevel::Medium => Tone::Warn,
            ConfidenceLevel::Low => Tone::Bad,
        };
        Self { level: confidence.level.word(), why: sentence(&confidence.why), tone: tone.class() }
    }
}

/// The shortest form of the advice about `plan`: `Stay with one process`, `Split off 2 sync workers`.
pub(crate) fn headline(decision: Decision, plan: &PlanSummary) -> String {
    let doubt = if plan.meets == Meets::Maybe { ", by the best estimate" } else { "" };
    match decision {
        Decision::Unknown => "No advice".to_owned(),
        Decision::NoPlanMeets if plan.meets == Meets::Maybe => "No plan is certain to meet the objective".to_owned(),
        Decision::NoPlanMeets => "No plan meets the objective".to_owned(),
        Decision::StayWithOneProcess => format!("Stay with one process{doubt}"),
        Decision::WorkersNotNeeded => format!("One process is enough{doubt}"),
        Decision::KeepDeployment => "Your processes are enough".to_owned(),
        Decision::ChangeDeployment => "Your processes are not enough".to_owned(),
        Decision::AddWorkers => format!("Split off {}{doubt}", workers_text(plan)),
    }
}

/// The workers of a plan: `2 sync and 1 federation workers`, or their number alone where the plan has many pools.
fn workers_text(plan: &PlanSummary) -> String {
    let pools = &plan.plan.pools;
    let pooled: usize = pools.iter().map(Pool::size).sum();
    let only_pools = u64::try_from(pooled).is_ok_and(|pooled| pooled == u64::from(plan.workers));
    if only_pools && (1..=POOLS_NAMED_MAX).contains(&pools.len()) {
        let kinds: Vec<String> = pools.iter().map(|pool| format!("{} {}", pool.size(), worker_kind(pool))).collect();
        format!("{} {}", text::list(&kinds), if pooled == 1 { "worker" } else { "workers" })
    } else {
        text::plural(u64::from(plan.workers), "worker", "workers")
    }
}

/// The kind of worker in a pool, for the middle of a sentence: `federation` for a pool `federation_workers`.
fn worker_kind(pool: &Pool) -> String {
    let name = escape::page(&pool.name, 20).replace('_', " ");
    name.trim_end_matches(" workers").trim_end_matches(" worker").to_owned()
}

/// Processes, cores, database connections and memory of a plan. `period` says over which time the cores are a mean.
pub(crate) fn costs(workers: u32, cores: Interval, period: &str) -> String {
    let processes = u64::from(workers) + 1;
    let processes_text = match workers {
        0 => "1 process".to_owned(),
        1 => "2 processes (main and 1 worker)".to_owned(),
        _ => format!("{processes} processes (main and {workers} workers)"),
    };
    let total = |per_process: usize| text::count(processes * per_process as u64);
    let (after_start, full_caches) = MEMORY_MIB;
    sentence(&format!(
        "{processes_text}. CPU {period}: {} cores, background CPU included. Database connections: up to {} if cp_max is {CONNECTIONS}, as in Synapse's examples. Memory: about {} MiB after the start, {} MiB with full caches.",
        text::range(cores),
        total(CONNECTIONS),
        total(after_start),
        total(full_caches)
    ))
}

const REASONS_UNFOLDED: usize = 3;
/// Pools that a headline names; with more it counts workers.
const POOLS_NAMED_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture;

    #[test]
    fn a_headline_is_short_and_says_what_to_do() {
        let report = fixture::report();
        let headline = |index: usize, decision| headline(decision, &report.advice.candidates[index]);
        assert_eq!(headline(0, Decision::StayWithOneProcess), "Stay with one process");
        assert_eq!(headline(0, Decision::WorkersNotNeeded), "One process is enough");
        assert_eq!(headline(1, Decision::AddWorkers), "Split off 1 generic worker");
        assert_eq!(headline(3, Decision::AddWorkers), "Split off 2 generic workers, by the best estimate");
        assert_eq!(headline(4, Decision::AddWorkers), "Split off 2 sync and 1 federation workers");
        assert_eq!(headline(8, Decision::AddWorkers), "Split off 5 workers");
        assert_eq!(headline(0, Decision::NoPlanMeets), "No plan meets the objective");
        for index in 0..report.advice.candidates.len() {
            let headline = headline(index, Decision::AddWorkers);
            assert!(escape::columns(&headline) <= 64, "{headline}");
        }
    }

    #[test]
    fn costs_count_the_main_process() {
        let text = costs(2, Interval::new(0.62, 0.5, 0.8), "at the peak");
        assert!(text.starts_with("3 processes (main and 2 workers). CPU at the peak: 0.62 (0.50–0.80) cores"), "{text}");
        assert!(text.contains("up to 30 if cp_max"), "{text}");
        assert!(costs(0, Interval::exact(1.0), "").starts_with("1 process. "));
    }

    #[test]
    fn three_reasons_are_unfolded() {
        let verdict = |count: usize| VerdictSection { reasons: (0..count).map(|i| i.to_string()).collect(), ..VerdictSection::default() };
        assert_eq!((verdict(5).strongest().len(), verdict(5).further_label().as_str()), (3, "2 further reasons"));
        assert_eq!((verdict(2).strongest().len(), verdict(2).further().len()), (2, 0));
    }
}
