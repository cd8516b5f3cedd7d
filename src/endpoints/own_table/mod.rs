//! An administrator's own tables: an Ansible list, a `docs/workers.md`, a HAProxy path map.
//!
//! Owns the detection of the kind and the common parts: the check of patterns, and the names of groups from the embedded tables. One file
//! per kind. Any bytes are accepted without a panic; errors name file and line.

use std::collections::HashMap;

use super::Method;
use super::classifier::{self, ClassifierError};
use super::table::{Row, Syntax, Table, Tables};

mod ansible;
mod document;
mod html;
mod map;

/// The kind of file of a user's own table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnTableKind {
    /// matrix-docker-ansible-deploy: `matrix_synapse_workers_…_endpoints:` lists, with or without newlines.
    Ansible,
    /// Synapse's `docs/workers.md`, or its web page.
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

/// A file that cannot be used as a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnTableError {
    /// A file of no known kind.
    #[error(
        "{file} is not an endpoint table: expected matrix_synapse_workers_…_endpoints lists (Ansible), \
         a Synapse docs/workers.md or its web page, or a HAProxy map of `PATTERN BACKEND` lines"
    )]
    Unknown {
        /// Name of the file.
        file: String,
    },
    /// A file of a known kind without an endpoint.
    #[error("{file} looks like a {kind}, but contains no endpoint pattern", kind = .kind.name())]
    Empty {
        /// Name of the file.
        file: String,
        /// The detected kind.
        kind: OwnTableKind,
    },
    /// A line that cannot be read.
    #[error("{file}:{line}: {reason}")]
    Line {
        /// Name of the file.
        file: String,
        /// Line from 1.
        line: usize,
        /// Text of the file is escaped and truncated in it.
        reason: String,
    },
}

/// Detects the kind of a file by its content.
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

/// Reads a user's own table. `file` is its name in messages, and becomes the table's name. Groups, and streams that the file does not
/// state, are those of the same pattern in Synapse's tables.
///
/// # Errors
/// The file is of no known kind, contains no endpoint, or has a line or pattern that cannot be read.
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
    for (line, mut row) in found {
        if classifier::parse(&table, &row).is_err() {
            // One release's document has a pattern that does not compile; its evident intent is known.
            let corrected = known.rows(&row.pattern).iter().find(|known| known.corrected_pattern.is_some());
            row.corrected_pattern = corrected.and_then(|known| known.corrected_pattern.clone());
            row.notes.extend(corrected.map(|_| "unbalanced_parenthesis".to_owned()));
        }
        if let Err(ClassifierError::Pattern { pattern, source, .. }) = classifier::parse(&table, &row) {
            let reason = format!("pattern {pattern}: {source}");
            return Err(OwnTableError::Line { file: file.to_owned(), line, reason });
        }
        table.rows.push(row);
    }
    Ok(table)
}

/// Rows with their line numbers (from 1), or the number of an unreadable line with the reason.
type Found = Result<Vec<(usize, Row)>, (usize, String)>;

/// The row of a pattern: a regular expression starts with `^`, any other text is a literal prefix.
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

/// The patterns of the embedded tables; the newest row with a pattern counts.
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

/// The sentences before a list of endpoints, which state properties of its rows.
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

    fn mention(&self, words: &str) -> bool {
        self.text.contains(words)
    }

    /// Sets methods, condition, notes and stream of a row.
    fn apply(&self, row: &mut Row) {
        if self.mention("for get requests") || self.mention("only the get") || self.mention("get requests only") {
            row.methods = vec![Method::Get];
        }
        if let Some(stream) = self.stream() {
            row.stream = Some(stream);
        }
        let condition = if row.stream.is_some() {
            Some(if self.mention("supports multiple writers") { "multi_writer" } else { "single_writer" })
        } else if self.mention("pagination requests") {
            Some("same_room_same_instance")
        } else if self.mention("to use sso") {
            Some("sso_only")
        } else if self.mention("msc3861") {
            Some("msc3861_enabled")
        } else if self.mention("use_presence") || self.mention("presence is disabled") {
            Some("presence_disabled")
        } else if self.mention("user directory updates allow") {
            Some("update_user_directory_from_worker")
        } else {
            None
        };
        row.condition = condition.map(str::to_owned);
        if row.stream.is_some() && self.mention("any worker") {
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

/// Parts of a pattern that determine the group if nothing else does.
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
