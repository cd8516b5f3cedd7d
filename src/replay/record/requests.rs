//! Every outcome as a row of a Parquet file, for questions that the report's tables do not answer.
//!
//! Written in row groups during the run, so that memory does not grow, and brought up to date every second. Invariant: one row per outcome, in the order in which requests ended.
//! Columns: see [`COLUMNS`]; times in ns since the run began, null if there was none.

use super::super::{End, Outcome};
use wsim_trace::table::{ColumnKind, ColumnValues, TableError, TableWriter};

/// Why the file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the requests could not be written to requests.parquet: {0}")]
pub struct RequestsError(#[from] TableError);

/// The columns in order. New ones go at the end; none is renamed.
pub const COLUMNS: [(&str, ColumnKind); 23] = [
    ("intended_ns", ColumnKind::Number),
    ("due_ns", ColumnKind::Number),
    ("sent_ns", ColumnKind::NumberOrNull),
    ("first_byte_ns", ColumnKind::NumberOrNull),
    ("last_byte_ns", ColumnKind::NumberOrNull),
    ("group", ColumnKind::Text),
    ("upstream", ColumnKind::Text),
    ("status", ColumnKind::NumberOrNull),
    ("original_status", ColumnKind::NumberOrNull),
    ("original_us", ColumnKind::Number),
    ("bytes", ColumnKind::Number),
    ("long_poll", ColumnKind::Bool),
    ("end", ColumnKind::Text),
    ("reason", ColumnKind::Text),
    ("copy", ColumnKind::Number),
    ("row", ColumnKind::Number),
    ("dispatched_ns", ColumnKind::Number),
    ("granted_ns", ColumnKind::Number),
    ("repeated_ns", ColumnKind::NumberOrNull),
    ("connected_ns", ColumnKind::NumberOrNull),
    ("secured_ns", ColumnKind::NumberOrNull),
    ("repeats", ColumnKind::Number),
    ("disturbed", ColumnKind::Bool),
];

/// The columns that are instants, and not lengths of time.
pub const INSTANTS: [&str; 10] = [
    "intended_ns",
    "due_ns",
    "sent_ns",
    "first_byte_ns",
    "last_byte_ns",
    "dispatched_ns",
    "granted_ns",
    "repeated_ns",
    "connected_ns",
    "secured_ns",
];

/// Name of the file's schema.
pub const SCHEMA: &str = "wsim.requests/1";

/// Rows in a row group: 8 MiB of outcomes.
const GROUP_ROWS: usize = 65_536;

/// The file that is being written.
pub(super) struct Requests {
    table: Box<dyn TableWriter>,
    /// Outcomes of the current row group, each with the number of its endpoint group, from 1.
    waiting: Vec<(Outcome, u32)>,
    /// Of these, how many are in the file already, for the time being.
    checked: usize,
}

/// The texts that a row group's numbers stand for.
pub(super) struct Names<'n> {
    pub(super) groups: Vec<&'n str>,
    pub(super) upstreams: Vec<&'n str>,
}

impl Requests {
    pub(super) fn new(table: Box<dyn TableWriter>) -> Self {
        Self { table, waiting: Vec::new(), checked: 0 }
    }

    /// Adds an outcome. `true` if the row group is full.
    pub(super) fn add(&mut self, outcome: &Outcome, group: usize) -> bool {
        self.waiting.push((*outcome, u32::try_from(group).map_or(0, |index| index + 1)));
        self.waiting.len() >= GROUP_ROWS
    }

    /// Writes the current row group.
    pub(super) fn write(&mut self, names: &Names<'_>) -> Result<(), RequestsError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.table.write(values(&self.waiting, names))?;
        self.waiting.clear();
        self.checked = 0;
        Ok(())
    }

    /// Brings the file up to date.
    pub(super) fn checkpoint(&mut self, names: &Names<'_>) -> Result<(), RequestsError> {
        if self.waiting.len() > self.checked {
            self.table.checkpoint(values(&self.waiting, names), SCHEMA)?;
            self.checked = self.waiting.len();
        }
        Ok(())
    }

    /// Writes the current row group and the end of the file.
    pub(super) fn finish(mut self, names: &Names<'_>) -> Result<(), RequestsError> {
        self.write(names)?;
        self.table.finish(SCHEMA)?;
        Ok(())
    }
}

/// The columns of outcomes.
fn values<'n>(rows: &[(Outcome, u32)], names: &Names<'n>) -> Vec<ColumnValues<'n>> {
    let numbers = |of: fn(&Outcome) -> u64| ColumnValues::Numbers(rows.iter().map(|(outcome, _)| of(outcome)).collect());
    let skipped = |outcome: &Outcome| matches!(outcome.end, End::Skipped(_));
    let (mut reasons, mut indices): (Vec<&str>, Vec<u32>) = (Vec::new(), Vec::with_capacity(rows.len()));
    for (outcome, _) in rows {
        let reason = match outcome.end {
            End::Completed => "",
            End::Failed(failure) => failure.name(),
            End::Skipped(reason) => reason.name(),
        };
        indices.push(index(&mut reasons, reason));
    }
    let ended = rows.iter().map(|(outcome, _)| match outcome.end {
        End::Completed => 1,
        End::Failed(_) => 2,
        End::Skipped(_) => 3,
    });
    // A number beyond the list stands for all upstreams without a number of their own.
    let upstreams = rows
        .iter()
        .map(|(outcome, _)| u32::from(outcome.upstream))
        .map(|number| if number as usize > names.upstreams.len() { 0 } else { number });
    let last_byte = rows.iter().map(|(outcome, _)| if skipped(outcome) { 0 } else { outcome.last_byte_ns });
    vec![
        numbers(|outcome| outcome.intended_ns),
        numbers(|outcome| outcome.due_ns),
        numbers(|outcome| outcome.sent_ns),
        numbers(|outcome| if outcome.end == End::Completed { outcome.first_byte_ns } else { 0 }),
        ColumnValues::Numbers(last_byte.collect()),
        ColumnValues::Texts(rows.iter().map(|(_, group)| *group).collect(), names.groups.clone()),
        ColumnValues::Texts(upstreams.collect(), names.upstreams.clone()),
        numbers(|outcome| u64::from(outcome.status)),
        numbers(|outcome| u64::from(outcome.original_status)),
        numbers(|outcome| u64::from(outcome.original_us)),
        numbers(|outcome| u64::from(outcome.bytes)),
        ColumnValues::Bools(rows.iter().map(|(outcome, _)| outcome.long_poll).collect()),
        ColumnValues::Texts(ended.collect(), vec!["completed", "failed", "skipped"]),
        ColumnValues::Texts(indices, reasons),
        numbers(|outcome| u64::from(outcome.copy)),
        numbers(|outcome| u64::from(outcome.row)),
        numbers(|outcome| outcome.dispatched_ns),
        numbers(|outcome| outcome.granted_ns),
        numbers(|outcome| outcome.repeated_ns),
        numbers(|outcome| outcome.connected_ns),
        numbers(|outcome| outcome.secured_ns),
        numbers(|outcome| outcome.repeats.into()),
        ColumnValues::Bools(rows.iter().map(|(outcome, _)| outcome.disturbed).collect()),
    ]
}

/// The number of a reason, from 1; 0 for none.
fn index(reasons: &mut Vec<&'static str>, reason: &'static str) -> u32 {
    if reason.is_empty() {
        return 0;
    }
    let found = reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
        reasons.push(reason);
        reasons.len() - 1
    });
    u32::try_from(found + 1).unwrap_or(0)
}
