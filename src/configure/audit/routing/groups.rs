//! Findings while requests are added to them: one for each cause, with all its requests.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::read::SourceLocation;
use super::super::finding::{Finding, SHOWN, Severity};
use super::super::observe::Observation;

/// Requests with equal keys are one finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct FindingKey {
    code: &'static str,
    what: String,
    at: Option<SourceLocation>,
}

/// The texts of a finding that are not part of its key.
struct FindingText {
    severity: Severity,
    why: String,
    fix: String,
}

/// Findings by their keys, while requests are added.
#[derive(Default)]
pub(super) struct FindingGroups {
    /// The texts, the requests, and the names of the requests' groups.
    found: BTreeMap<FindingKey, (FindingText, Vec<String>, BTreeSet<String>)>,
}

impl FindingGroups {
    pub(super) fn add(
        &mut self,
        code: &'static str,
        severity: Severity,
        at: Option<&SourceLocation>,
        observation: &Observation<'_>,
        words: [String; 3],
    ) {
        let [what, why, fix] = words;
        let key = FindingKey { code, what, at: at.cloned() };
        let entry = self.found.entry(key).or_insert_with(|| (FindingText { severity, why, fix }, Vec::new(), BTreeSet::new()));
        entry.1.push(observation.shown());
        entry.2.insert(group_title(&observation.endpoint.group));
    }

    pub(super) fn into_findings(self, findings: &mut Vec<Finding>) {
        for (key, (text, mut requests, groups)) in self.found {
            requests.sort();
            requests.dedup();
            let FindingText { severity, why, fix } = text;
            findings.push(Finding {
                code: key.code,
                severity,
                at: key.at,
                // A text that ends with a colon is followed by the names of the groups.
                what: if key.what.ends_with(':') {
                    format!("{} {}", key.what, groups.into_iter().collect::<Vec<_>>().join(", "))
                } else {
                    key.what
                },
                why,
                fix,
                requests: requests.len(),
                examples: requests.into_iter().take(SHOWN).collect(),
                also_at: Vec::new(),
                refused_by: Vec::new(),
            });
        }
    }
}

fn group_title(group: &str) -> String {
    match group {
        "client_other" => "client API outside the table".to_owned(),
        "federation_other" => "federation API outside the table".to_owned(),
        "key_server" => "the server's signing keys".to_owned(),
        other => other.to_owned(),
    }
}
