//! A finding: the fault, its location, its effect, and the fix.

use serde::{Serialize, Serializer};

use super::super::read::SourceLocation;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Works, but could be better.
    Hint,
    /// Works badly, or only under some conditions.
    Warning,
    /// Requests fail.
    Error,
}

impl Severity {
    /// The word in output and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The severity of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Hint, Self::Warning, Self::Error].into_iter().find(|severity| severity.word() == word)
    }
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// A fault or a possible improvement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A short identifier, stable between releases.
    pub code: &'static str,
    pub severity: Severity,
    /// `None` if something is missing from all files.
    #[serde(rename = "place")]
    pub at: Option<SourceLocation>,
    /// The fault, as a phrase.
    pub what: String,
    /// Its effect.
    pub why: String,
    pub fix: String,
    /// Some of the affected requests, `METHOD path`.
    pub examples: Vec<String>,
    /// Number of affected example requests.
    pub requests: usize,
}

/// The most requests shown for one finding.
pub(super) const SHOWN: usize = 4;
