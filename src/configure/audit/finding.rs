//! A finding: what, where, why, and what to do.

use serde::{Serialize, Serializer};

use super::super::read::SourceLocation;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Works, and could be better.
    Hint,
    /// Works badly, or only by luck.
    Warning,
    /// Requests fail.
    Error,
}

impl Severity {
    /// As people write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// Reads the word.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Hint, Self::Warning, Self::Error].into_iter().find(|severity| severity.word() == word)
    }
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Short name, stable between releases.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// File and line; none where something is missing everywhere.
    #[serde(rename = "place")]
    pub at: Option<SourceLocation>,
    /// What is wrong.
    pub what: String,
    /// What it does.
    pub why: String,
    /// What to do.
    pub fix: String,
    /// Some of the requests, `METHOD path`.
    pub examples: Vec<String>,
    /// How many requests of the table it concerns.
    pub requests: usize,
}

/// The most requests shown for one finding.
pub(super) const SHOWN: usize = 4;
