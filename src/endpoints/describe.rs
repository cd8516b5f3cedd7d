//! Descriptions of tables, rows, endpoints and explanations.
//!
//! Text of a user's own table is not changed: the caller must escape a description before printing it on a terminal.

use super::classifier::ClassifierConfig;
use super::diff::{Change, Difference};
use super::explain::Explanation;
use super::table::{Row, Table};
use super::{Endpoint, groups, words};

impl Row {
    /// Worker, group, methods, stream, condition and notes, each in a word or two.
    #[must_use]
    pub fn attributes(&self) -> Vec<String> {
        let mut attributes = vec![self.worker.clone(), format!("group {}", self.group)];
        if !self.methods.is_empty() {
            attributes.push(format!("{} only", self.method_names()));
        }
        attributes.extend(self.stream.iter().map(|stream| format!("stream {stream}")));
        attributes.extend(self.condition.iter().chain(&self.notes).cloned());
        attributes
    }

    /// The fields that [`Change::Changed`] names, except the pattern: `methods GET and PUT`.
    #[must_use]
    pub fn describe_fields(&self, fields: &[&str]) -> Vec<String> {
        fields.iter().filter_map(|field| Some(format!("{field} {}", self.describe_field(field)?))).collect()
    }

    fn describe_field(&self, field: &str) -> Option<String> {
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        Some(match field {
            "group" => self.group.clone(),
            "section" => or_none(&self.section),
            "methods" if self.methods.is_empty() => "all".to_owned(),
            "methods" => self.method_names(),
            "condition" => or_none(&self.condition),
            "notes" if self.notes.is_empty() => "none".to_owned(),
            "notes" => self.notes.join(" and "),
            "corrected_pattern" => or_none(&self.corrected_pattern),
            _ => return None,
        })
    }

    fn method_names(&self) -> String {
        self.methods.iter().map(|method| method.name()).collect::<Vec<_>>().join(" and ")
    }
}

impl Endpoint {
    /// The group, with its description where the pattern does not show which requests are meant.
    #[must_use]
    pub fn describe_group(&self) -> String {
        let is_own_class = self.pattern.is_none() || self.internal || self.group == "initial_sync";
        match groups::find(&self.group).filter(|_| is_own_class) {
            Some(group) => format!("{} ({})", group.id, group.description),
            None => self.group.clone(),
        }
    }

    /// The workers that may serve it.
    #[must_use]
    pub fn describe_workers(&self) -> String {
        let only_writer = self.stream.as_ref().filter(|_| !self.any_worker);
        match (self.workers.is_empty(), self.group.as_str()) {
            (false, _) if only_writer.is_some() => {
                let stream = only_writer.map_or("", String::as_str);
                let workers: Vec<&str> = self.workers.iter().map(String::as_str).collect();
                format!("the writer of {stream} alone (a {}; the main process if the stream has no other writer)", workers.join(" or "))
            }
            (false, _) => {
                let workers: Vec<String> = self.workers.iter().map(|worker| with_words(worker, words::worker(worker))).collect();
                workers.join(", ")
            }
            (true, "not_matrix" | "invalid" | "well_known") => "none (answered by the proxy, or by no process)".to_owned(),
            (true, "replication") => "none (between the processes, past the proxy)".to_owned(),
            (true, _) => "none (main process only)".to_owned(),
        }
    }

    /// The stream, and whether only its writer may serve the request.
    #[must_use]
    pub fn describe_stream(&self) -> Option<String> {
        self.stream.as_ref().map(|stream| match self.any_worker {
            true => format!("{stream} (its writer is preferred, any worker above may serve it)"),
            false => format!("{stream} (written by the workers that stream_writers names)"),
        })
    }

    /// The condition, and what it requires.
    #[must_use]
    pub fn describe_condition(&self) -> Option<String> {
        self.condition.as_ref().map(|condition| with_words(condition, words::condition(condition)))
    }
}

impl Table {
    /// Name, document, releases and number of rows.
    #[must_use]
    pub fn describe(&self) -> String {
        let releases = match (self.releases.first(), self.releases.last()) {
            (Some(first), Some(last)) if first != last => format!(", the same in {first} to {last}"),
            _ => String::new(),
        };
        format!("{} ({}{releases}): {} rows", self.name, self.document, self.rows.len())
    }

    /// Every condition and note of the rows with its meaning, in the order of their first row.
    #[must_use]
    pub fn legend(&self) -> Vec<(&str, &'static str)> {
        let mut terms: Vec<(&str, &'static str)> = Vec::new();
        for row in &self.rows {
            let conditions = row.condition.iter().filter_map(|name| Some((name.as_str(), words::condition(name)?)));
            let notes = row.notes.iter().filter_map(|name| Some((name.as_str(), words::note(name)?)));
            for term in conditions.chain(notes) {
                if !terms.contains(&term) {
                    terms.push(term);
                }
            }
        }
        terms
    }
}

impl Explanation {
    /// How the matching rows combine.
    #[must_use]
    pub fn describe_rule(&self, table: &Table) -> String {
        match (self.rows.is_empty(), table.first_match_only) {
            (true, _) => format!("No row of {} matches this path and method.", table.name),
            (false, true) => format!("Rows of {} that match; the first alone decides:", table.name),
            (false, false) => format!("Rows of {} that match; the first decides, and each adds its worker:", table.name),
        }
    }

    /// What else to know: how the query counts, and where proxies and Synapse read the path differently.
    #[must_use]
    pub fn remarks(&self, config: &ClassifierConfig) -> Vec<String> {
        let query = self.query.then(|| match self.endpoint.group.as_str() {
            "sync" | "initial_sync" => {
                "Rows match the path without the query; the query tells an initial sync from an incremental one.".to_owned()
            }
            _ => "Rows match the path without the query.".to_owned(),
        });
        let otherwise = self.otherwise.as_ref().map(|other| {
            let other = &other.group;
            match config.decoded_path {
                true => format!("Synapse and HAProxy match the path as sent, and for them this is {other}."),
                false => format!("nginx matches the decoded path, and for it this is {other} (see --decoded-path)."),
            }
        });
        query.into_iter().chain(otherwise).collect()
    }
}

impl Difference {
    /// How many rows were added, changed and removed.
    #[must_use]
    pub fn describe(&self) -> String {
        let count = |wanted: fn(&Change) -> bool| self.changes.iter().filter(|change| wanted(change)).count();
        format!(
            "{} -> {}, rows: {} added, {} changed, {} removed, {} unchanged",
            self.from,
            self.to,
            count(|change| matches!(change, Change::Added { .. })),
            count(|change| matches!(change, Change::Changed { .. })),
            count(|change| matches!(change, Change::Removed { .. })),
            self.unchanged
        )
    }
}

/// A term with its meaning in brackets: `generic_worker (any generic worker)`.
#[must_use]
pub fn with_words(term: &str, words: Option<&str>) -> String {
    words.map_or_else(|| term.to_owned(), |words| format!("{term} ({words})"))
}
