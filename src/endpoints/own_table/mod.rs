//! Tables of an administrator's own: an Ansible list, a `docs/workers.md`, a HAProxy path map.
//!
//! Owns telling them apart and what they share: checking patterns, and naming groups after the embedded tables. One file
//! per kind. Any bytes in, never a panic; errors name file and line.

use std::collections::HashMap;

use super::Method;
use super::classifier::{self, ClassifierError};
use super::table::{Row, Syntax, Table, Tables};

mod ansible;
mod document;
mod map;

/// What kind of file an own table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnTableKind {
    /// matrix-docker-ansible-deploy: `matrix_synapse_workers_…_endpoints:` lists, also with all newlines lost.
    Ansible,
    /// Synapse's `docs/workers.md`.
    WorkersDocument,
    /// A HAProxy map: `PATTERN BACKEND` per line.
    HaproxyMap,
}

impl OwnTableKind {
    /// The kind in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ansible => "Ansible endpoint list",
            Self::WorkersDocument => "Synapse docs/workers.md",
            Self::HaproxyMap => "HAProxy path map",
        }
    }
}

/// Why a file cannot be used as a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnTableError {
    /// None of the kinds.
    #[error(
        "{file} is no endpoint table: expected matrix_synapse_workers_…_endpoints lists (Ansible), \
         a Synapse docs/workers.md, or a HAProxy map of `PATTERN BACKEND` lines"
    )]
    Unknown {
        /// The file.
        file: String,
    },
    /// The kind is clear, but there is no endpoint in it.
    #[error("{file} looks like a {kind}, but no endpoint pattern is in it", kind = .kind.name())]
    Empty {
        /// The file.
        file: String,
        /// What it looked like.
        kind: OwnTableKind,
    },
    /// A line that cannot be read.
    #[error("{file}:{line}: {reason}")]
    Line {
        /// The file.
        file: String,
        /// Line from 1.
        line: usize,
        /// Why; text of the file is escaped and cut in it.
        reason: String,
    },
}

/// Tells the kind of a file by its content.
#[must_use]
pub fn detect(text: &str) -> Option<OwnTableKind> {
    if ansible::looks_like(text) {
        Some(OwnTableKind::Ansible)
    } else if document::looks_like(text) {
        Some(OwnTableKind::WorkersDocument)
    } else if map::looks_like(text) {
        Some(OwnTableKind::HaproxyMap)
    } else {
        None
    }
}

/// Reads an own table. `file` is its name in messages and becomes the table's name.
///
/// Groups and, where the file says nothing, streams are those that Synapse's tables give to the same pattern.
///
/// # Errors
/// The file is none of the kinds, holds no endpoint, or has a line or pattern that cannot be read.
pub fn read_own_table(file: &str, bytes: &[u8]) -> Result<Table, OwnTableError> {
    let text = String::from_utf8_lossy(bytes);
    let kind = detect(&text).ok_or_else(|| OwnTableError::Unknown { file: file.to_owned() })?;
    let known = Known::embedded();
    let found = match kind {
        OwnTableKind::Ansible => ansible::read(&text, &known),
        OwnTableKind::WorkersDocument => document::read(&text, &known),
        OwnTableKind::HaproxyMap => map::read(&text, &known),
    };
    let found = found.map_err(|(line, reason)| OwnTableError::Line { file: file.to_owned(), line, reason })?;
    if found.is_empty() {
        return Err(OwnTableError::Empty { file: file.to_owned(), kind });
    }
    let mut table = Table {
        name: file.to_owned(),
        document: kind.name().to_owned(),
        since: None,
        until: None,
        releases: Vec::new(),
        rows: Vec::new(),
        first_match_only: kind == OwnTableKind::HaproxyMap,
    };
    for (line, row) in found {
        if let Err(ClassifierError::Pattern { pattern, source, .. }) = classifier::parse(&table, &row) {
            let reason = format!("pattern {pattern}: {source}");
            return Err(OwnTableError::Line { file: file.to_owned(), line, reason });
        }
        table.rows.push(row);
    }
    Ok(table)
}

/// Rows with the line (from 1) that each stands in, or the line that cannot be read and why.
type Found = Result<Vec<(usize, Row)>, (usize, String)>;

/// A pattern as a table writes it: a regular expression begins with `^`, anything else is a literal prefix.
fn row(pattern: &str, worker: &str) -> Row {
    Row {
        pattern: pattern.to_owned(),
        corrected_pattern: None,
        syntax: if pattern.starts_with('^') { Syntax::Regex } else { Syntax::Prefix },
        worker: worker.to_owned(),
        group: String::new(),
        section: None,
        methods: Vec::new(),
        stream: None,
        condition: None,
        notes: Vec::new(),
    }
}

/// Whether a word can be an endpoint pattern of a Matrix server.
fn is_pattern(word: &str) -> bool {
    let path = word.strip_prefix('^').unwrap_or(word);
    path.starts_with("/_matrix/") || path.starts_with("/_synapse/") || (word.starts_with("^/") && word.len() > 2)
}

/// What the embedded tables know of patterns: the newest row with a pattern counts.
struct Known {
    rows: HashMap<String, Vec<Row>>,
}

impl Known {
    fn embedded() -> Self {
        let mut rows: HashMap<String, Vec<Row>> = HashMap::new();
        for row in Tables::embedded().all().iter().rev().flat_map(|table| &table.rows) {
            for pattern in [Some(&row.pattern), row.corrected_pattern.as_ref()].into_iter().flatten() {
                rows.entry(bare(pattern)).or_default().push(row.clone());
            }
        }
        Self { rows }
    }

    fn rows(&self, pattern: &str) -> &[Row] {
        self.rows.get(&bare(pattern)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The group of a row, from its stream, its section, the same pattern in the embedded tables, or its path.
    fn group(&self, row: &Row) -> String {
        if let Some(stream) = &row.stream {
            return stream.clone();
        }
        let same = self.rows(&row.pattern);
        let best = same.iter().find(|known| known.worker == row.worker && known.stream.is_none()).or_else(|| same.first());
        if let Some(known) = best {
            return known.group.clone();
        }
        let section = row.section.as_deref().unwrap_or_default();
        let by_section = SECTIONS.iter().find(|(title, _)| section.eq_ignore_ascii_case(title)).map(|(_, group)| *group);
        let by_path = || PATHS.iter().find(|(part, _)| row.pattern.contains(part)).map(|(_, group)| *group);
        by_section.or_else(by_path).unwrap_or("client").to_owned()
    }
}

fn bare(pattern: &str) -> String {
    pattern.strip_prefix('^').unwrap_or(pattern).to_owned()
}

/// What sentences before a list of endpoints say of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sentences {
    text: String,
}

impl Sentences {
    fn clear(&mut self) {
        self.text.clear();
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(&line.to_lowercase());
        self.text.push(' ');
    }

    fn says(&self, words: &str) -> bool {
        self.text.contains(words)
    }

    /// Fills in methods, condition, notes and stream of a row.
    fn apply(&self, row: &mut Row) {
        if self.says("for get requests") || self.says("only the get") || self.says("get requests only") {
            row.methods = vec![Method::Get];
        }
        if let Some(stream) = self.stream() {
            row.stream = Some(stream);
        }
        let condition = if row.stream.is_some() {
            Some(if self.says("supports multiple writers") { "multi_writer" } else { "single_writer" })
        } else if self.says("pagination requests") {
            Some("same_room_same_instance")
        } else if self.says("to use sso") {
            Some("sso_only")
        } else if self.says("msc3861") {
            Some("msc3861_enabled")
        } else if self.says("use_presence") || self.says("presence is disabled") {
            Some("presence_disabled")
        } else if self.says("user directory updates allow") {
            Some("update_user_directory_from_worker")
        } else {
            None
        };
        row.condition = condition.map(str::to_owned);
        if row.stream.is_some() && self.says("any worker") {
            row.notes.push("any_worker".to_owned());
        }
    }

    /// "…the stream writer for the `typing` stream".
    fn stream(&self) -> Option<String> {
        let (_, after) = self.text.split_once("stream writer for the `")?;
        let (name, rest) = after.split_once('`')?;
        rest.trim_start().starts_with("stream").then(|| name.to_owned())
    }
}

/// Section titles of Synapse's document and the group of their rows.
const SECTIONS: [(&str, &str); 17] = [
    ("Sync requests", "sync"),
    ("Federation requests", "federation"),
    ("Inbound federation transaction request", "federation_send"),
    ("Client API requests", "client"),
    ("Encryption requests", "encryption"),
    ("Registration/login requests", "registration_login"),
    ("Event sending requests", "event_sending"),
    ("Device requests", "to_device"),
    ("Account data requests", "account_data"),
    ("Receipts requests", "receipts"),
    ("Presence requests", "presence"),
    ("Push rules requests", "push_rules"),
    ("User directory search requests", "user_directory"),
    ("Admin API requests", "admin"),
    ("for all SSO providers", "sso_all"),
    ("OpenID Connect requests", "sso_oidc"),
    ("SAML requests", "sso_saml"),
];

/// Parts of a pattern that tell the group where nothing else does.
const PATHS: [(&str, &str); 8] = [
    ("/sync", "sync"),
    ("/initialSync", "sync"),
    ("/_matrix/media", "media"),
    ("v1/media/", "media"),
    ("/_matrix/federation/v1/send/", "federation_send"),
    ("/_matrix/federation", "federation"),
    ("/_matrix/key", "federation"),
    ("/_synapse/admin", "admin"),
];
