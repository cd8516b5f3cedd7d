//! Findings while they are collected: the same fault of several processes is one finding with all their names.

use super::super::super::read::SourceLocation;
use super::super::finding::{Finding, Severity};

/// The findings about Synapse's settings.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
}

impl Report {
    /// Adds a finding. The words are what is wrong, its effect, and the way out.
    pub(super) fn add(&mut self, code: &'static str, severity: Severity, at: &SourceLocation, words: [String; 3]) {
        let [what, ..] = &words;
        if !self.findings.iter().any(|own| own.code == code && own.at.as_ref() == Some(at) && own.what == *what) {
            self.findings.push(Finding::new(code, severity, Some(at.clone()), words));
        }
    }

    /// Adds an error for which Synapse's loader refuses to start a process.
    pub(super) fn refuse(&mut self, process: &str, code: &'static str, at: &SourceLocation, words: [String; 2]) {
        let [what, fix] = words;
        let known = self.findings.iter_mut().find(|own| own.code == code && own.at.as_ref() == Some(at) && own.what == what);
        let finding = match known {
            Some(finding) => finding,
            None => {
                let words = [what, String::new(), fix];
                self.findings.push(Finding::new(code, Severity::Error, Some(at.clone()), words));
                let last = self.findings.len() - 1;
                &mut self.findings[last]
            }
        };
        if !finding.refused_by.iter().any(|own| own == process) {
            finding.refused_by.push(process.to_owned());
        }
        let shown: Vec<String> = finding.refused_by.iter().take(SHOWN).map(|name| name.escape_debug().to_string()).collect();
        let more = finding.refused_by.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        finding.why = format!("Synapse refuses to start: {}{more}", shown.join(", "));
    }
}

const SHOWN: usize = 6;
