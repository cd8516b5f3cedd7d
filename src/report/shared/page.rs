//! The frame of every page: head, security policy, contents.
//!
//! Knows nothing of the content of a page. The policy contains the hash of the script, computed from the script itself.

use std::sync::OnceLock;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::escape;
use super::glossary::{self, Term};
use super::run_facts::RunFacts;
use super::table::Table;
use crate::exporter::ReportError;

/// A page as text, without characters that act on what shows it or are invisible.
pub(crate) fn render(page: &impl Template) -> Result<String, ReportError> {
    Ok(escape::document(&page.render()?).into_owned())
}

/// What surrounds the content of a page.
pub(crate) struct PageFrame {
    /// Every term of the glossary.
    pub(crate) terms: &'static [Term],
    pub(crate) policy: &'static str,
    pub(crate) style: &'static str,
    pub(crate) script: &'static str,
    /// `capacity report`, …
    pub(crate) kind: &'static str,
    /// Version of wsim.
    pub(crate) wsim: String,
    /// Synapse release, and the seed; empty and unused for a page about several runs.
    pub(crate) synapse: String,
    pub(crate) created: String,
    pub(crate) seed: u64,
    /// Window of time, for the head of the page.
    pub(crate) window: String,
    /// A word and a sentence above everything else.
    pub(crate) notice: Option<(&'static str, &'static str)>,
    /// Ids and names of the sections, in order.
    pub(crate) contents: Vec<(&'static str, &'static str)>,
}

impl PageFrame {
    pub(crate) fn new(kind: &'static str, facts: &RunFacts, window: String) -> Self {
        let frame = Self::from_several_runs(kind, &facts.wsim, &facts.created, window);
        Self { synapse: facts.synapse_version.clone(), seed: facts.seed, ..frame }
    }

    /// The frame of a page about several runs, which have no release and no seed in common.
    pub(crate) fn from_several_runs(kind: &'static str, wsim: &str, created: &str, window: String) -> Self {
        Self {
            terms: glossary::terms(),
            policy: policy(),
            style: STYLE,
            script: SCRIPT,
            kind,
            wsim: wsim.to_owned(),
            synapse: String::new(),
            created: created.to_owned(),
            seed: 0,
            window,
            notice: None,
            contents: Vec::new(),
        }
    }

    /// Sets the contents to the sections whose third value says that they exist.
    #[must_use]
    pub(crate) fn with_contents<const N: usize>(mut self, sections: [(&'static str, &'static str, bool); N]) -> Self {
        self.contents = sections.into_iter().filter(|(.., exists)| *exists).map(|(id, name, _)| (id, name)).collect();
        self
    }

    /// Id of the section that follows the verdict.
    pub(crate) fn first_section(&self) -> &'static str {
        self.contents.first().map_or("verdict", |(id, _)| id)
    }
}

/// A table of a page: the reader sees it at once, or unfolds it.
pub(crate) struct Part {
    pub(crate) table: Table,
    pub(crate) open: bool,
    /// Whether it is printed although it is folded.
    pub(crate) printed: bool,
}

/// The room for folded tables on the six pages of paper that a report may take.
pub(crate) struct Paper {
    left_mm: f64,
}

impl Paper {
    pub(crate) fn new() -> Self {
        Self { left_mm: FOLDED_MM }
    }

    /// A table that is shown at once.
    pub(crate) fn open(&mut self, table: Table) -> Part {
        self.left_mm -= printed_mm(&table);
        Part { table, open: true, printed: true }
    }

    /// A table that is folded, and printed if there is room for it.
    pub(crate) fn folded(&mut self, table: Table) -> Part {
        let needs = printed_mm(&table);
        let printed = needs <= self.left_mm;
        if printed {
            self.left_mm -= needs;
        }
        Part { table, open: false, printed }
    }
}

/// A table of endpoint groups whose second column counts requests, with the groups that matter most first.
pub(crate) fn most_requests_first(mut table: Table) -> Table {
    let requests = |row: &[super::table::Cell]| row.get(1).and_then(|cell| cell.value).unwrap_or(0.0);
    table.rows.sort_by(|a, b| requests(b).total_cmp(&requests(a)));
    table
}

/// The parts of the tables that have rows: the first `open` of them are shown at once.
pub(crate) fn parts(paper: &mut Paper, open: usize, tables: impl IntoIterator<Item = Table>) -> Vec<Part> {
    let tables = non_empty(tables).into_iter().enumerate();
    tables.map(|(index, table)| if index < open { paper.open(table) } else { paper.folded(table) }).collect()
}

/// Height of a table on paper: a line for each row that is shown, more where a sentence takes several.
fn printed_mm(table: &Table) -> f64 {
    let shown = table.rows.len().min(if table.is_long() { ROWS_SHOWN } else { usize::MAX });
    let row_mm = |row: &Vec<super::table::Cell>| {
        let longest = row.iter().map(|cell| cell.text.chars().count()).max().unwrap_or(0).min(400);
        let column = LINE_CHARACTERS / row.len().max(1);
        ROW_MM * longest.div_ceil(column.max(1)).clamp(1, 8) as f64 + PADDING_MM
    };
    HEAD_MM + table.rows.iter().take(shown).map(row_mm).sum::<f64>()
}

/// Rows of a long table that are shown and printed before the reader asks for all; as in the style sheet.
const ROWS_SHOWN: usize = 10;
/// Room for tables on paper: six pages of A4 without what verdict, facts, charts, lists of what is not printed and method take.
const FOLDED_MM: f64 = 190.0;
/// Title, note and head of a table.
const HEAD_MM: f64 = 24.0;
/// A line of a row, and the space between rows.
const ROW_MM: f64 = 3.6;
const PADDING_MM: f64 = 2.4;
/// Characters of a line of all columns together.
const LINE_CHARACTERS: usize = 150;

/// The tables that have rows.
fn non_empty(tables: impl IntoIterator<Item = Table>) -> Vec<Table> {
    tables.into_iter().filter(|table| !table.is_empty()).collect()
}

/// Rows of the section "Method" that all runs have: seed, command, version and time.
pub(crate) fn run_rows(facts: &RunFacts, seed: u64) -> [(&'static str, String); 3] {
    [
        ("Random seed", seed.to_string()),
        ("Command", facts.command.clone()),
        ("Created", format!("{} by wsim {}", facts.created, facts.wsim)),
    ]
}

/// A sentence of the report, which may quote a log: visible and cut, with a percentage on one line. The template escapes markup.
pub(crate) fn sentence(text: &str) -> String {
    escape::page(text, 1_000).replace(" %", "\u{a0}%")
}

/// A policy under which the page loads nothing and runs only the script with this hash.
fn policy() -> &'static str {
    static POLICY: OnceLock<String> = OnceLock::new();
    POLICY.get_or_init(|| {
        let hash = STANDARD.encode(Sha256::digest(SCRIPT));
        format!(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'"
        )
    })
}

const STYLE: &str = include_str!("../templates/style.css");
const SCRIPT: &str = include_str!("../templates/page.js");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture;
    use crate::exporter::Report;

    #[test]
    fn the_policy_contains_the_hash_of_the_script_in_the_page() {
        let page = fixture::report().html().unwrap();
        let script = page.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        assert!(!script.trim().is_empty());
        let hash = STANDARD.encode(Sha256::digest(script.as_bytes()));
        let policy = page.split_once("Content-Security-Policy\" content=\"").unwrap().1.split_once('"').unwrap().0;
        assert!(policy.contains("default-src &#39;none&#39;"), "{policy}");
        assert!(policy.replace("&#43;", "+").replace("&#61;", "=").contains(&format!("sha256-{hash}&#39;")), "{policy}");
    }
}
