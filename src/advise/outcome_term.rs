//! The terms of an objective about how the requests of a replay end: errors, failures, and the time without responses.
//!
//! Knows nothing of how they are written ([`super::objective`]) or measured.

use std::fmt;

use super::objective::{typed_percent, typed_time};

/// An upper limit on what went wrong in a replay, exclusive.
#[derive(Debug, Clone, PartialEq)]
pub enum OutcomeTerm {
    /// A share of the requests of a group (`None`: of all), above 0 and at most 1.
    Share { measure: Measure, group: Option<String>, below: f64 },
    /// Seconds without responses, above 0.
    Down { below_s: f64 },
}

/// What a replay counts of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// No response, or a worse status than in the log.
    Errors,
    /// No response, or a 5xx where the log has none.
    Failures,
}

impl Measure {
    pub fn word(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Failures => "failures",
        }
    }
}

impl OutcomeTerm {
    /// What is expected of every replay: that hardly a request fails, that few get an error which the log does not have (a world with made-up
    /// content has some), and that the target is there all the time.
    pub fn defaults() -> [Self; 3] {
        let share = |measure, below| Self::Share { measure, group: None, below };
        [share(Measure::Failures, FAILURES), share(Measure::Errors, ERRORS), Self::Down { below_s: DOWN_SECONDS }]
    }

    /// Whether two terms limit the same figure.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Down { .. }, Self::Down { .. }) => true,
            (Self::Share { measure: a, group: b, .. }, Self::Share { measure: c, group: d, .. }) => a == c && b == d,
            _ => false,
        }
    }

    /// Endpoint group, if the term is about one.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Share { group, .. } => group.as_deref(),
            Self::Down { .. } => None,
        }
    }
}

impl fmt::Display for OutcomeTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { measure, group: Some(group), below } => write!(f, "{} {group} < {}%", measure.word(), typed_percent(*below)),
            Self::Share { measure, group: None, below } => write!(f, "{} < {}%", measure.word(), typed_percent(*below)),
            Self::Down { below_s } => write!(f, "down < {}", typed_time(below_s * 1e3)),
        }
    }
}

const FAILURES: f64 = 0.01;
const ERRORS: f64 = 0.05;
const DOWN_SECONDS: f64 = 2.0;
