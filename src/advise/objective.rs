//! What a plan has to satisfy, written as text: `busy < 70%`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Every process of a plan must stay below this at the peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// Largest busy share allowed, exclusive; above 0, at most 1.
    pub busy: f64,
}

impl Default for Objective {
    /// Below 70 %: beyond it waiting grows faster than load (at 70 % a request waits twice its own work in an M/M/1 queue).
    fn default() -> Self {
        Self { busy: 0.7 }
    }
}

/// Why a text is not an objective.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ObjectiveError {
    /// Nothing there.
    #[error("an objective looks like \"busy < 70%\"")]
    Empty,
    /// Not `NAME < VALUE`.
    #[error("{0:?} is not an objective; write it like \"busy < 70%\"")]
    Form(String),
    /// A latency: the screen has no clock.
    #[error("{0:?} is about latency, which only `wsim simulate` can answer; `wsim analyse` takes \"busy < 70%\"")]
    Latency(String),
    /// Something else.
    #[error("{0:?} is nothing that can be asked for; write \"busy < 70%\"")]
    Subject(String),
    /// Not between 0 and 100 %.
    #[error("{0:?} must be above 0% and at most 100%, like \"busy < 70%\"")]
    Value(String),
}

impl FromStr for Objective {
    type Err = ObjectiveError;

    /// Terms joined by `,` or `and`; of several `busy` terms the strictest counts.
    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let lower = text.to_ascii_lowercase();
        let terms = lower.split(',').flat_map(|part| part.split(" and ")).map(str::trim).filter(|term| !term.is_empty());
        let mut strictest: Option<f64> = None;
        for term in terms {
            let busy = busy_term(term)?;
            strictest = Some(strictest.map_or(busy, |other| other.min(busy)));
        }
        strictest.map(|busy| Self { busy }).ok_or(ObjectiveError::Empty)
    }
}

fn busy_term(term: &str) -> Result<f64, ObjectiveError> {
    let owned = || term.to_owned();
    let (subject, value) = term.split_once('<').ok_or_else(|| ObjectiveError::Form(owned()))?;
    let subject = subject.trim();
    if LATENCY_WORDS.iter().any(|word| subject.starts_with(word)) {
        return Err(ObjectiveError::Latency(owned()));
    }
    if !matches!(subject, "busy" | "utilisation" | "utilization") {
        return Err(ObjectiveError::Subject(owned()));
    }
    let value = value.trim_start_matches('=').trim();
    let busy = match value.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => value.parse::<f64>(),
    };
    match busy {
        Ok(busy) if busy > 0.0 && busy <= 1.0 => Ok(busy),
        _ => Err(ObjectiveError::Value(owned())),
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough digits for what people write, without 70.00000000000001.
        let percent = (self.busy * 1e6).round() / 1e4;
        write!(f, "busy < {percent}%")
    }
}

const LATENCY_WORDS: [&str; 9] = ["p50", "p9", "mean", "median", "latency", "wait", "response", "lag", "time"];

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(Objective::default().to_string(), "busy < 70%");
    }

    #[test]
    fn what_is_not_available_yet_says_where_it_will_be() {
        let error = |text: &str| text.parse::<Objective>().unwrap_err();
        assert!(matches!(error("p95(sync) < 500ms"), ObjectiveError::Latency(_)));
        assert!(error("busy < 70%, p99 < 1s").to_string().contains("wsim simulate"));
        assert!(matches!(error("colour < 3"), ObjectiveError::Subject(_)));
        assert!(matches!(error("busy"), ObjectiveError::Form(_)));
        assert!(matches!(error("busy < 70"), ObjectiveError::Value(_)));
        assert!(matches!(error("busy < nan"), ObjectiveError::Value(_)));
        assert_eq!(error(" , "), ObjectiveError::Empty);
    }
}
