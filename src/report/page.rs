//! What all pages share: head, policy, contents, and the answer on top.
//!
//! Knows nothing of what stands below the answer. The script's hash in the policy is computed from the script itself.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::escape;
use super::format;
use super::model::RunFacts;
use super::picture::Picture;
use super::table::{Table, Tone};
use wsim_advise::{Candidate, Meets};
use wsim_configure::{CONNECTIONS, MEMORY_MIB};
use wsim_plan::Pool;
use wsim_stats::Interval;

/// What surrounds the content of a page.
pub(super) struct Shell {
    pub(super) policy: &'static str,
    pub(super) style: &'static str,
    pub(super) script: &'static str,
    /// `capacity report`, …
    pub(super) kind: &'static str,
    pub(super) wsim: String,
    pub(super) synapse: String,
    pub(super) created: String,
    pub(super) seed: u64,
    /// Window, for the head of the page.
    pub(super) window: String,
    /// A warning above everything.
    pub(super) notice: Option<(&'static str, &'static str)>,
    /// Ids and names of the sections, in their order.
    pub(super) contents: Vec<(&'static str, &'static str)>,
}

impl Shell {
    pub(super) fn new(kind: &'static str, facts: &RunFacts, window: String) -> Self {
        Self {
            policy: policy(),
            style: STYLE,
            script: SCRIPT,
            kind,
            wsim: facts.wsim.clone(),
            synapse: facts.synapse_version.clone(),
            created: facts.created.clone(),
            seed: facts.seed,
            window,
            notice: None,
            contents: Vec::new(),
        }
    }

    /// Of a page about several runs, which have no release and no seed in common.
    pub(super) fn of_several(kind: &'static str, wsim: &str, created: &str, window: String) -> Self {
        Self {
            policy: policy(),
            style: STYLE,
            script: SCRIPT,
            kind,
            wsim: wsim.to_owned(),
            synapse: String::new(),
            created: created.to_owned(),
            seed: 0,
            window,
            notice: None,
            contents: Vec::new(),
        }
    }

    /// With the sections that are there.
    #[must_use]
    pub(super) fn with_contents<const N: usize>(mut self, sections: [(&'static str, &'static str, bool); N]) -> Self {
        self.contents = sections.into_iter().filter(|(.., there)| *there).map(|(id, name, _)| (id, name)).collect();
        self
    }

    /// Where the evidence begins.
    pub(super) fn first_section(&self) -> &'static str {
        self.contents.first().map_or("verdict", |(id, _)| id)
    }
}

/// The answer: what a reader in a hurry reads.
#[derive(Default)]
pub(super) struct Top {
    /// A few words.
    pub(super) headline: String,
    /// The sentences under it.
    pub(super) lead: Vec<String>,
    pub(super) answer: Option<Answer>,
    /// Strongest first.
    pub(super) reasons: Vec<String>,
    pub(super) confidence: Confidence,
    /// What for, and the command; most useful first.
    pub(super) next: Vec<(String, String)>,
}

impl Top {
    /// The reasons that stand open.
    pub(super) fn strongest(&self) -> &[String] {
        &self.reasons[..self.reasons.len().min(REASONS_OPEN)]
    }

    /// The others.
    pub(super) fn further(&self) -> &[String] {
        &self.reasons[self.strongest().len()..]
    }

    /// `2 further reasons`.
    pub(super) fn further_words(&self) -> String {
        format::plural(self.further().len() as u64, "further reason", "further reasons")
    }

    /// What to type next.
    pub(super) fn steps(facts: &RunFacts) -> Vec<(String, String)> {
        facts.next.iter().map(|step| (sentence(&format::capital(&step.why)), sentence(&step.command))).collect()
    }
}

/// The plan that is shown first.
pub(super) struct Answer {
    pub(super) heading: &'static str,
    pub(super) name: String,
    pub(super) tone: &'static str,
    pub(super) verdict: String,
    pub(super) facts: Vec<Fact>,
    pub(super) picture: Picture,
    /// What a whisker stands for.
    pub(super) range: &'static str,
    /// What the plan costs, in a sentence.
    pub(super) costs: String,
}

/// A number with its name.
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) note: String,
}

/// How sure the answer is.
#[derive(Default)]
pub(super) struct Confidence {
    pub(super) level: String,
    pub(super) why: String,
    pub(super) tone: &'static str,
}

impl From<&wsim_advise::Confidence> for Confidence {
    fn from(said: &wsim_advise::Confidence) -> Self {
        let tone = match said.level.as_str() {
            "high" => Tone::Good,
            "medium" => Tone::Warn,
            "low" => Tone::Bad,
            _ => Tone::Plain,
        };
        Self { level: sentence(&said.level), why: sentence(&said.why), tone: tone.class() }
    }
}

/// A plan as the shortest advice: `Stay with one process`, `Split off 2 sync workers`.
pub(super) fn headline(candidate: &Candidate, recommended: bool) -> String {
    if !recommended {
        return match candidate.meets_objective {
            Meets::Maybe => "No plan is sure to meet the objective",
            Meets::Yes | Meets::No => "No plan meets the objective",
        }
        .to_owned();
    }
    let doubt = if candidate.meets_objective == Meets::Maybe { ", by the best estimate" } else { "" };
    if candidate.workers == 0 {
        return format!("Stay with one process{doubt}");
    }
    let pools = &candidate.plan.pools;
    let pooled: u32 = pools.iter().map(size).sum();
    let what = if pooled == candidate.workers && (1..=POOLS_NAMED).contains(&pools.len()) {
        let kinds: Vec<String> = pools.iter().map(|pool| format!("{} {}", size(pool), kind(pool))).collect();
        let last = kinds.last().map_or("", String::as_str);
        let before = kinds[..kinds.len() - 1].join(", ");
        format!(
            "{}{last} {}",
            if before.is_empty() { before } else { format!("{before} and ") },
            if pooled == 1 { "worker" } else { "workers" }
        )
    } else {
        format::plural(u64::from(candidate.workers), "worker", "workers")
    };
    format!("Split off {what}{doubt}")
}

/// The sentence under `headline`, without the words that the headline has said already.
pub(super) fn lead(verdict: &str) -> String {
    let said = ["Stay with one process: ", "No advice: "];
    let rest = said.iter().find_map(|words| verdict.strip_prefix(words)).unwrap_or(verdict);
    sentence(&format::capital(rest))
}

/// Processes, cores, database connections, memory. `when` says over which time the cores are a mean.
pub(super) fn costs(workers: u32, cores: Interval, when: &str) -> String {
    let processes = u64::from(workers) + 1;
    let what = match workers {
        0 => "1 process".to_owned(),
        1 => "2 processes (main and 1 worker)".to_owned(),
        _ => format!("{processes} processes (main and {workers} workers)"),
    };
    let count = |each: usize| format::count(processes * each as u64);
    let (fresh, full) = MEMORY_MIB;
    sentence(&format!(
        "{what}; together {} cores {when}, with the CPU that no request line shows. Up to {} database connections if cp_max is {CONNECTIONS}, as in Synapse's examples. About {} MiB of memory after the start, {} MiB with full caches.",
        format::range(cores),
        count(CONNECTIONS),
        count(fresh),
        count(full)
    ))
}

fn size(pool: &Pool) -> u32 {
    pool.workers.unwrap_or_else(|| u32::try_from(pool.servers.len()).unwrap_or(u32::MAX))
}

/// What kind of worker a pool has, in the middle of a sentence.
fn kind(pool: &Pool) -> String {
    let name = escape::page(&pool.name, 20).replace('_', " ");
    let bare = name.trim_end_matches(" workers").trim_end_matches(" worker");
    bare.to_owned()
}

/// Those with rows.
pub(super) fn filled<const N: usize>(tables: [Table; N]) -> Vec<Table> {
    tables.into_iter().filter(|table| !table.is_empty()).collect()
}

/// Our own words, which may quote a log.
pub(super) fn sentence(text: &str) -> String {
    // A number and its sign stay on one line.
    escape::page(text, 1_000).replace(" %", "\u{a0}%")
}

/// What a page may load: nothing; what may run: the one script whose hash it names.
fn policy() -> &'static str {
    static POLICY: OnceLock<String> = OnceLock::new();
    POLICY.get_or_init(|| {
        let hash = STANDARD.encode(Sha256::digest(SCRIPT));
        format!(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'"
        )
    })
}

const STYLE: &str = include_str!("templates/style.css");
const SCRIPT: &str = include_str!("templates/page.js");
const REASONS_OPEN: usize = 3;
/// Pools that a headline names.
const POOLS_NAMED: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_headline_is_short_and_says_what_to_do() {
        let report = fixture::report();
        let said = |index: usize, recommended| headline(&report.advice.candidates[index], recommended);
        assert_eq!(said(0, true), "Stay with one process");
        assert_eq!(said(1, true), "Split off 1 generic worker");
        assert_eq!(said(3, true), "Split off 2 generic workers, by the best estimate");
        assert_eq!(said(4, true), "Split off 2 sync and 1 federation workers");
        assert_eq!(said(8, true), "Split off 5 workers");
        assert_eq!(said(0, false), "No plan meets the objective");
        for index in 0..report.advice.candidates.len() {
            assert!(escape::columns(&said(index, true)) <= 64, "{}", said(index, true));
        }
    }

    #[test]
    fn the_lead_does_not_repeat_the_headline() {
        assert_eq!(lead("Stay with one process: the main process is 22 % busy."), "The main process is 22\u{a0}% busy.");
        assert_eq!(lead("Split off /sync first: it is dear."), "Split off /sync first: it is dear.");
    }

    #[test]
    fn costs_count_the_main_process() {
        let said = costs(2, Interval::new(0.62, 0.5, 0.8), "at the peak");
        assert!(said.starts_with("3 processes (main and 2 workers); together 0.62 (0.50–0.80) cores at the peak"), "{said}");
        assert!(said.contains("Up to 30 database connections"), "{said}");
        assert!(costs(0, Interval::exact(1.0), "").starts_with("1 process; "));
    }

    #[test]
    fn three_reasons_stand_open() {
        let top = |count: usize| Top { reasons: (0..count).map(|i| i.to_string()).collect(), ..Top::default() };
        assert_eq!((top(5).strongest().len(), top(5).further_words().as_str()), (3, "2 further reasons"));
        assert_eq!((top(2).strongest().len(), top(2).further().len()), (2, 0));
    }

    #[test]
    fn the_policy_names_the_script_in_the_page() {
        let page = crate::html(&fixture::report()).unwrap();
        let script = page.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        assert!(!script.trim().is_empty());
        let hash = STANDARD.encode(Sha256::digest(script.as_bytes()));
        let policy = page.split_once("Content-Security-Policy\" content=\"").unwrap().1.split_once('"').unwrap().0;
        assert!(policy.contains("default-src &#39;none&#39;"), "{policy}");
        assert!(policy.replace("&#43;", "+").replace("&#61;", "=").contains(&format!("sha256-{hash}&#39;")), "{policy}");
    }
}
