//! What a plan or a replay has to satisfy, as a type and as text: `p95 work < 500ms, p99 sync < 2s, busy < 70%, errors < 1%`.
//!
//! Whatever the objective, a plan under which work piles up does not meet it: that is judged with the plans, not here. A simulation has no
//! errors and a replay does not see how busy a process is, so each refuses the other's terms ([`Objective::for_plans`],
//! [`Objective::for_replays`]).
//!
//! ```text
//! OBJECTIVE  TERM, TERM and TERM …
//! TERM       busy < 70%                          every process, in the busiest five minutes of all together
//!            connections < 80%                   the database connections of every process, in the five minutes in which they are busiest
//!            STATISTIC [GROUP] < TIME            STATISTIC mean, p50 (median), p95, p99; GROUP an endpoint group or `work`
//!                                                (all of them, the default); TIME like 500ms, 1.5s, 250us
//!            errors [GROUP] < 5%                 requests that got no response, or a status that is worse than the one in the log
//!            failures [GROUP] < 1%               of these, requests that got no response or a 5xx
//!            down < 2s                           how long the target, or one of its upstreams, did not respond, in all
//! ```

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::outcome_term::{Measure, OutcomeTerm};

/// What a plan must satisfy at the peak.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// Upper limit of the busy share of any process, exclusive; above 0, at most 1.
    pub busy: f64,
    /// Upper limit of the busy share of any process's database connections, exclusive; above 0, at most 1.
    pub connections: f64,
    /// In the order in which they were written.
    pub latencies: Vec<LatencyTerm>,
    /// What only a replay measures, in the order in which they were written.
    pub outcomes: Vec<OutcomeTerm>,
}

/// An upper limit of a response time, long-poll waiting excluded.
#[derive(Debug, Clone, PartialEq)]
pub struct LatencyTerm {
    pub statistic: Statistic,
    /// Endpoint group; `None`: all requests together.
    pub group: Option<String>,
    /// Exclusive; above 0.
    pub below_ms: f64,
}

/// A summary of a distribution of response times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    Mean,
    P50,
    P95,
    P99,
}

impl Statistic {
    pub fn word(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }
}

impl Default for Objective {
    /// Processes below 70 %: above it waiting grows faster than load (at 70 % a request waits more than twice its own work in an M/M/1
    /// queue). Connections below 80 %: several servers with one queue wait less at the same load (at 80 % of five a transaction waits
    /// half its own time in an M/M/5 queue, at 90 % one and a half times).
    fn default() -> Self {
        Self { busy: 0.7, connections: CONNECTIONS, latencies: Vec::new(), outcomes: Vec::new() }
    }
}

impl Objective {
    /// The default for predictions of response times: a plan must not make them much worse. The limit of the 95th percentile is twice
    /// what the log shows, to two digits, at least 500 ms, which leaves room for the error of the model and for what no plan can
    /// change, such as slow answers of other servers.
    pub fn with_response_times(observed_p95_ms: Option<f64>) -> Self {
        let below_ms = two_digits(observed_p95_ms.unwrap_or(0.0) * P95_FACTOR).max(P95_LEAST_MS);
        Self { latencies: vec![LatencyTerm { statistic: Statistic::P95, group: None, below_ms }], ..Self::default() }
    }

    /// The limit of the connections; the default where the objective has none.
    pub fn connections_or_default(&self) -> f64 {
        if self.connections < 1.0 { self.connections } else { CONNECTIONS }
    }

    /// The terms that need no response times.
    #[must_use]
    pub fn without_latencies(&self) -> Self {
        Self { latencies: Vec::new(), outcomes: Vec::new(), ..self.clone() }
    }

    /// An objective of plans.
    ///
    /// # Errors
    /// [`ObjectiveError::OnlyReplays`] with the first term that only a replay can answer.
    pub fn for_plans(self) -> Result<Self, ObjectiveError> {
        match self.outcomes.first() {
            None => Ok(self),
            Some(term) => Err(ObjectiveError::OnlyReplays(term.to_string())),
        }
    }

    /// What is expected of a replay, with the [defaults](OutcomeTerm::defaults) that the objective does not replace.
    ///
    /// # Errors
    /// [`ObjectiveError::OnlyPlans`] with a term that a replay cannot answer.
    pub fn for_replays(mut self) -> Result<Self, ObjectiveError> {
        if self.busy < 1.0 || self.connections < 1.0 {
            let plans = Self { latencies: Vec::new(), outcomes: Vec::new(), ..self };
            return Err(ObjectiveError::OnlyPlans(plans.to_string()));
        }
        let missing = OutcomeTerm::defaults().into_iter().filter(|term| !self.outcomes.iter().any(|own| own.is_about_the_same(term)));
        let missing: Vec<OutcomeTerm> = missing.collect();
        self.outcomes.extend(missing);
        Ok(self)
    }

    /// What is expected of a replay if nothing is said.
    pub fn of_replays() -> Self {
        Self { outcomes: OutcomeTerm::defaults().into(), ..Self::nothing() }
    }

    /// An objective without terms.
    pub fn nothing() -> Self {
        Self { busy: 1.0, connections: 1.0, latencies: Vec::new(), outcomes: Vec::new() }
    }

    /// Checks that there are requests of the groups that the objective names.
    ///
    /// # Errors
    /// [`ObjectiveError::Group`] with the first group that is not among `present`.
    pub fn check_groups(&self, present: &[&str]) -> Result<(), ObjectiveError> {
        let groups = self.latencies.iter().filter_map(|term| term.group.as_deref());
        let absent = groups.chain(self.outcomes.iter().filter_map(OutcomeTerm::group)).find(|group| !present.contains(group));
        absent.map_or(Ok(()), |group| Err(ObjectiveError::Group { group: group.to_owned(), known: present.join(", ") }))
    }
}

/// Why a text is not an objective.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ObjectiveError {
    #[error("an objective looks like \"busy < 70%\" or \"p95 work < 500ms, busy < 70%\"")]
    Empty,
    /// Not `NAME < VALUE`.
    #[error("{0:?} is not an objective; write it like \"busy < 70%\" or \"p95 sync < 500ms\"")]
    Form(String),
    /// A group of which there are no requests.
    #[error("the objective asks about {group:?}, of which there are no requests; there are {known}")]
    Group { group: String, known: String },
    /// The left side is neither `busy`, `connections` nor a statistic with at most one group.
    #[error("unknown objective {term:?}; {}", hint(suggestion.as_deref()))]
    Subject {
        term: String,
        /// The same term with the misspelt word corrected.
        suggestion: Option<String>,
    },
    /// Not between 0 and 100 %.
    #[error("{0:?} must be above 0% and at most 100%, like \"busy < 70%\"")]
    Value(String),
    #[error("{0:?}: only a replay has errors; write it for wsim replay --expect")]
    OnlyReplays(String),
    #[error("{0:?}: a replay does not see how busy a process is; write it for wsim simulate --objective")]
    OnlyPlans(String),
    /// Not a time above 0.
    #[error("{0:?} must end in a time above zero with its unit, like 500ms or 1.5s")]
    Time(String),
}

impl FromStr for Objective {
    type Err = ObjectiveError;

    /// Reads terms joined by `,` or `and`. Of several terms about the same share the strictest counts; without one it may be up to 100 %.
    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let lower = text.to_ascii_lowercase();
        let terms = lower.split(',').flat_map(|part| part.split(" and ")).map(str::trim).filter(|term| !term.is_empty());
        let mut objective = Self::nothing();
        let mut any = false;
        for term in terms {
            any = true;
            let (subject, value) = term.split_once('<').ok_or_else(|| ObjectiveError::Form(term.to_owned()))?;
            let value = value.trim_start_matches('=').trim();
            let words = subject.replace(['(', ')'], " ");
            let words: Vec<&str> = words.split_whitespace().collect();
            match words[..] {
                ["busy" | "utilisation" | "utilization"] => objective.busy = objective.busy.min(share(term, value)?),
                ["connections" | "connection"] => objective.connections = objective.connections.min(share(term, value)?),
                ["errors" | "error"] => objective.outcomes.push(outcome(term, Measure::Errors, None, value)?),
                ["errors" | "error", group] => objective.outcomes.push(outcome(term, Measure::Errors, Some(group), value)?),
                ["failures" | "failure"] => objective.outcomes.push(outcome(term, Measure::Failures, None, value)?),
                ["failures" | "failure", group] => objective.outcomes.push(outcome(term, Measure::Failures, Some(group), value)?),
                ["down" | "downtime"] => {
                    let below_ms = milliseconds(value).ok_or_else(|| ObjectiveError::Time(term.to_owned()))?;
                    objective.outcomes.push(OutcomeTerm::Down { below_s: below_ms / 1e3 });
                }
                [statistic] => objective.latencies.push(latency(term, statistic, "work", value)?),
                [statistic, group] => objective.latencies.push(latency(term, statistic, group, value)?),
                _ => return Err(unknown(term)),
            }
        }
        if any { Ok(objective) } else { Err(ObjectiveError::Empty) }
    }
}

/// The error for a term whose first word is unknown, with the word that was probably meant.
fn unknown(term: &str) -> ObjectiveError {
    let typed = term.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
    let known = ["busy", "connections", "utilisation", "mean", "median", "p50", "p95", "p99", "errors", "failures", "down"];
    let near = wsim_plan::suggest::nearest(typed, known).filter(|near| *near != typed);
    ObjectiveError::Subject { term: term.to_owned(), suggestion: near.map(|near| term.replacen(typed, near, 1)) }
}

fn hint(suggestion: Option<&str>) -> String {
    match suggestion {
        Some(suggestion) => format!("did you mean {suggestion:?}?"),
        None => "write \"busy < 70%\", \"connections < 80%\", or mean, p50, p95 or p99 as in \"p95 sync < 500ms\"; of a replay also \
                 \"errors < 1%\", \"failures < 1%\" or \"down < 2s\""
            .to_owned(),
    }
}

fn share(term: &str, value: &str) -> Result<f64, ObjectiveError> {
    let share = match value.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => value.parse::<f64>(),
    };
    match share {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err(ObjectiveError::Value(term.to_owned())),
    }
}

fn outcome(term: &str, measure: Measure, group: Option<&str>, value: &str) -> Result<OutcomeTerm, ObjectiveError> {
    Ok(OutcomeTerm::Share { measure, group: group.and_then(one_group), below: share(term, value)? })
}

/// The name of a group; `None` for a word that means all of them.
fn one_group(group: &str) -> Option<String> {
    Some(group).filter(|group| !matches!(*group, "work" | "overall" | "latency" | "all")).map(str::to_owned)
}

fn latency(term: &str, statistic: &str, group: &str, value: &str) -> Result<LatencyTerm, ObjectiveError> {
    let statistic = match statistic {
        "mean" | "average" => Statistic::Mean,
        "p50" | "median" => Statistic::P50,
        "p95" => Statistic::P95,
        "p99" => Statistic::P99,
        _ => return Err(unknown(term)),
    };
    let group = one_group(group);
    let below_ms = milliseconds(value).ok_or_else(|| ObjectiveError::Time(term.to_owned()))?;
    Ok(LatencyTerm { statistic, group, below_ms })
}

fn milliseconds(text: &str) -> Option<f64> {
    wsim_text::parse_duration(text).map(|duration| duration.as_nanos() as f64 / 1e6).filter(|ms| *ms > 0.0)
}

fn two_digits(ms: f64) -> f64 {
    if ms <= 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powf(ms.log10().floor() - 1.0);
    (ms / unit).round() * unit
}

const CONNECTIONS: f64 = 0.8;
const P95_FACTOR: f64 = 2.0;
const P95_LEAST_MS: f64 = 500.0;

impl fmt::Display for LatencyTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} < {}", self.statistic.word(), self.group.as_deref().unwrap_or("work"), typed_time(self.below_ms))
    }
}

/// A time as it is typed.
pub(super) fn typed_time(ms: f64) -> String {
    if ms >= 1000.0 { format!("{}s", (ms * 1e3).round() / 1e6) } else { format!("{}ms", (ms * 1e6).round() / 1e6) }
}

/// Rounded, so that 70 % is not written as 70.00000000000001.
pub(super) fn typed_percent(share: f64) -> f64 {
    (share * 1e6).round() / 1e4
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms: Vec<String> = self.latencies.iter().map(LatencyTerm::to_string).collect();
        terms.extend(self.outcomes.iter().map(OutcomeTerm::to_string));
        if self.busy < 1.0 || (terms.is_empty() && self.connections >= 1.0) {
            terms.push(format!("busy < {}%", typed_percent(self.busy)));
        }
        if self.connections < 1.0 {
            terms.push(format!("connections < {}%", typed_percent(self.connections)));
        }
        f.write_str(&terms.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn busy_terms_are_read_and_written() {
        for (text, busy) in [
            ("busy < 70%", 0.7),
            ("busy<0.6", 0.6),
            (" BUSY <= 55 % ", 0.55),
            ("busy < 80%, busy < 60%", 0.6),
            ("busy < 80% and utilisation < 50%", 0.5),
        ] {
            let objective: Objective = text.parse().unwrap();
            assert!((objective.busy - busy).abs() < 1e-12, "{text}");
            assert_eq!(objective.to_string().parse::<Objective>().map(|again| again.to_string()), Ok(objective.to_string()));
        }
        assert_eq!(Objective::default().to_string(), "busy < 70%, connections < 80%");
    }

    #[test]
    fn connections_are_a_term_like_busy() {
        let read = |text: &str| text.parse::<Objective>().unwrap();
        assert_eq!(read("connections < 80%").to_string(), "connections < 80%");
        assert_eq!(read("p95 < 1s, connections < 0.5 and connections < 60%").to_string(), "p95 work < 1s, connections < 50%");
        assert_eq!(read("busy < 70%").connections, 1.0);
        assert_eq!(read("busy < 70%").connections_or_default(), 0.8);
        assert!(matches!("connections < 80".parse::<Objective>(), Err(ObjectiveError::Value(_))));
    }

    #[test]
    fn the_default_for_predictions_is_twice_the_observed_p95_and_at_least_half_a_second() {
        let text = |observed| Objective::with_response_times(observed).to_string();
        assert_eq!(text(None), "p95 work < 500ms, busy < 70%, connections < 80%");
        assert_eq!(text(Some(84.0)), text(None));
        assert_eq!(text(Some(1384.0)), "p95 work < 2.8s, busy < 70%, connections < 80%");
    }

    #[test]
    fn latency_terms_name_a_statistic_a_group_and_a_time() {
        let read = |text: &str| text.parse::<Objective>().unwrap().to_string();
        assert_eq!(read("p95 work < 500ms, busy < 70%"), "p95 work < 500ms, busy < 70%");
        assert_eq!(read("p95(sync) < 1.5 s and median < 250us"), "p95 sync < 1.5s, p50 work < 0.25ms");
        assert_eq!(read("mean federation_send < 2s, p99 < 1s"), "mean federation_send < 2s, p99 work < 1s");
        let objective: Objective = "p95 sync < 1s".parse().unwrap();
        assert_eq!(objective.latencies, [LatencyTerm { statistic: Statistic::P95, group: Some("sync".to_owned()), below_ms: 1000.0 }]);
        assert_eq!(objective.busy, 1.0);
    }

    #[test]
    fn what_a_replay_counts_is_a_term_too() {
        let read = |text: &str| text.parse::<Objective>().unwrap();
        let text = "errors < 1%, p95 work < 500ms, failures sync < 0.5% and down < 3s";
        assert_eq!(read(text).to_string(), "p95 work < 500ms, errors < 1%, failures sync < 0.5%, down < 3s");
        assert_eq!(read("errors all < 0.1%").to_string(), "errors < 0.1%");
        assert!("errors < 1".parse::<Objective>().is_ok(), "a share of 1 is 100 %");
        assert!(matches!("errors < 5".parse::<Objective>(), Err(ObjectiveError::Value(_))));
        assert!(matches!("down < 3".parse::<Objective>(), Err(ObjectiveError::Time(_))));
        assert_eq!(
            "erors < 1%".parse::<Objective>().unwrap_err().to_string(),
            "unknown objective \"erors < 1%\"; did you mean \"errors < 1%\"?"
        );
        let expected = read("errors < 1%, errors sync < 2%").for_replays().unwrap();
        assert_eq!(expected.to_string(), "errors < 1%, errors sync < 2%, failures < 1%, down < 2s");
        assert_eq!(Objective::of_replays().to_string(), "failures < 1%, errors < 5%, down < 2s");
        assert!(read("p95 sync < 1s, busy < 70%").for_replays().unwrap_err().to_string().starts_with("\"busy < 70%\": a replay"));
        assert!(read("errors < 1%").for_plans().unwrap_err().to_string().starts_with("\"errors < 1%\": only a replay"));
        assert_eq!(
            read("errors sync < 1%").check_groups(&["media"]).unwrap_err().to_string(),
            "the objective asks about \"sync\", of which there are no requests; there are media"
        );
    }

    #[test]
    fn an_error_says_what_to_write() {
        let error = |text: &str| text.parse::<Objective>().unwrap_err();
        assert!(matches!(error("colour < 3"), ObjectiveError::Subject { suggestion: None, .. }));
        assert!(matches!(error("p95 sync initial < 3s"), ObjectiveError::Subject { suggestion: None, .. }));
        assert_eq!(error("bussy < 50%").to_string(), "unknown objective \"bussy < 50%\"; did you mean \"busy < 50%\"?");
        assert!(matches!(error("busy"), ObjectiveError::Form(_)));
        assert!(matches!(error("busy < 70"), ObjectiveError::Value(_)));
        assert!(matches!(error("busy < nan"), ObjectiveError::Value(_)));
        assert!(matches!(error("p95 < 500"), ObjectiveError::Time(_)));
        assert!(matches!(error("p95 < 0ms"), ObjectiveError::Time(_)));
        assert_eq!(error(" , "), ObjectiveError::Empty);
        let sync = "busy < 70%, p99 sync < 1s".parse::<Objective>().unwrap();
        assert_eq!(sync.check_groups(&["sync", "media"]), Ok(()));
        assert!(sync.check_groups(&["media"]).unwrap_err().to_string().ends_with("there are media"));
        assert_eq!(sync.without_latencies().to_string(), "busy < 70%");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}", term in "(p95|busy|mean) ?\\PC{0,8} ?< ?\\PC{0,8}") {
            let _ = text.parse::<Objective>();
            let _ = term.parse::<Objective>();
        }
    }
}
