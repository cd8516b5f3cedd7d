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
    /// Further places with the same hint.
    #[serde(rename = "also_at", skip_serializing_if = "Vec::is_empty")]
    pub also_at: Vec<SourceLocation>,
    /// The processes of Synapse that refuse to start because of this, by their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused_by: Vec<String>,
}

impl Finding {
    /// A finding without requests. The words are what is wrong, its effect, and the way out.
    pub(super) fn new(code: &'static str, severity: Severity, at: Option<SourceLocation>, words: [String; 3]) -> Self {
        let [what, why, fix] = words;
        Self { code, severity, at, what, why, fix, examples: Vec::new(), requests: 0, also_at: Vec::new(), refused_by: Vec::new() }
    }

    /// An error without requests.
    pub(super) fn error(code: &'static str, at: Option<SourceLocation>, words: [String; 3]) -> Self {
        Self::new(code, Severity::Error, at, words)
    }
}

/// Sorts the findings, worst first, and makes one hint of all hints of a kind.
pub(super) fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.code.cmp(b.code)).then_with(|| a.at.cmp(&b.at)));
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        // What is not evaluated has a reason each time; of all other hints one place is enough to see what is meant.
        let is_of_kind = |other: &Finding| {
            other.severity == Severity::Hint
                && other.code == finding.code
                && (finding.code != "not-evaluated" || other.what == finding.what)
        };
        let known = (finding.severity == Severity::Hint).then(|| merged.iter().position(is_of_kind)).flatten();
        match known.and_then(|index| merged.get_mut(index)) {
            Some(known) => {
                known.requests += finding.requests;
                known.examples.extend(finding.examples);
                known.examples.truncate(SHOWN);
                known.also_at.extend(finding.at.filter(|at| known.at.as_ref() != Some(at)));
            }
            None => merged.push(finding),
        }
    }
    for finding in &mut merged {
        finding.also_at.dedup();
        if !finding.also_at.is_empty() {
            finding.what =
                format!("{} (also at {})", finding.what, wsim_text::plural(finding.also_at.len() as u64, "other place", "other places"));
        }
    }
    merged
}

/// The most requests shown for one finding.
pub(super) const SHOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_of_one_kind_are_one_with_a_count() {
        let at = |line: usize| Some(SourceLocation::new(&"a.conf".into(), line));
        let finding =
            |code, severity, line, what: &str| Finding::new(code, severity, at(line), [what.to_owned(), String::new(), String::new()]);
        let all = vec![
            finding("no-zone", Severity::Hint, 3, "b"),
            finding("no-zone", Severity::Hint, 1, "a"),
            finding("not-evaluated", Severity::Hint, 5, "x"),
            finding("not-evaluated", Severity::Hint, 6, "y"),
            finding("not-evaluated", Severity::Hint, 7, "x"),
            finding("user-split", Severity::Warning, 2, "w"),
            finding("user-split", Severity::Warning, 9, "w"),
        ];
        let sorted = sorted(all);
        let shown: Vec<(&str, &str, usize)> = sorted.iter().map(|f| (f.code, f.what.as_str(), f.also_at.len())).collect();
        assert_eq!(
            shown,
            [
                ("user-split", "w", 0),
                ("user-split", "w", 0),
                ("no-zone", "a (also at 1 other place)", 1),
                ("not-evaluated", "x (also at 1 other place)", 1),
                ("not-evaluated", "y", 0)
            ]
        );
    }
}
