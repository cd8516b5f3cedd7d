//! The changes between two tables, row by row.

use serde::Serialize;

use super::table::{Row, Table};

/// The changes from one table to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Name of the table before.
    pub from: String,
    /// Name of the table after.
    pub to: String,
    /// Added and changed rows in the order of the table after, then removed rows.
    pub changes: Vec<Change>,
    /// Number of equal rows.
    pub unchanged: usize,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Change {
    /// Only in the table after.
    Added {
        /// The row.
        row: Row,
    },
    /// Only in the table before.
    Removed {
        /// The row.
        row: Row,
    },
    /// In both tables, with differences.
    Changed {
        /// Before.
        before: Box<Row>,
        /// After.
        after: Box<Row>,
        /// The names of the fields that differ.
        fields: Vec<&'static str>,
    },
}

/// Compares two tables. Rows with the same worker, stream and pattern are paired; the remaining rows are paired if their
/// patterns differ only in the API versions or in the end.
#[must_use]
pub fn diff(from: &Table, to: &Table) -> Difference {
    let mut before: Vec<Option<&Row>> = from.rows.iter().map(Some).collect();
    let mut partners: Vec<Option<&Row>> = vec![None; to.rows.len()];
    let steps: [fn(&Row, &Row) -> bool; 4] = [
        |a, b| a == b,
        |a, b| same_destination(a, b) && a.pattern == b.pattern && a.methods == b.methods,
        |a, b| same_destination(a, b) && a.pattern == b.pattern,
        |a, b| same_destination(a, b) && core(&a.pattern) == core(&b.pattern),
    ];
    for belongs in steps {
        for (row, partner) in to.rows.iter().zip(&mut partners) {
            if partner.is_none()
                && let Some(found) = before.iter_mut().find(|other| other.is_some_and(|other| belongs(other, row)))
            {
                *partner = found.take();
            }
        }
    }
    let mut changes = Vec::new();
    let mut unchanged = 0;
    for (row, partner) in to.rows.iter().zip(partners) {
        match partner {
            Some(partner) if partner == row => unchanged += 1,
            Some(partner) => {
                changes.push(Change::Changed {
                    before: Box::new(partner.clone()),
                    after: Box::new(row.clone()),
                    fields: changed_fields(partner, row),
                });
            }
            None => changes.push(Change::Added { row: row.clone() }),
        }
    }
    changes.extend(before.into_iter().flatten().map(|row| Change::Removed { row: row.clone() }));
    Difference { from: from.name.clone(), to: to.name.clone(), changes, unchanged }
}

fn same_destination(a: &Row, b: &Row) -> bool {
    a.worker == b.worker && a.stream == b.stream
}

fn changed_fields(before: &Row, after: &Row) -> Vec<&'static str> {
    [
        ("pattern", before.pattern != after.pattern),
        ("group", before.group != after.group),
        ("section", before.section != after.section),
        ("methods", before.methods != after.methods),
        ("condition", before.condition != after.condition),
        ("syntax", before.syntax != after.syntax),
        ("notes", before.notes != after.notes),
        ("corrected_pattern", before.corrected_pattern != after.corrected_pattern),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

/// A pattern without the API versions and without its end:
/// `^/_matrix/client/(r0|v3|unstable)/keys/upload/` -> `^/_matrix/client` and `keys/upload`.
fn core(pattern: &str) -> (&str, &str) {
    let (head, tail) = ["^/_matrix/client/", "^/_matrix/federation/"]
        .into_iter()
        .find_map(|api| pattern.strip_prefix(api).map(|tail| (api, tail)))
        .unwrap_or(("", pattern));
    let after_versions = match tail.strip_prefix('(') {
        Some(versions) => versions.split_once(")/").map_or(tail, |(_, rest)| rest),
        None => tail.split_once('/').map_or(tail, |(_, rest)| rest),
    };
    let tail = if head.is_empty() { tail } else { after_versions };
    (head, tail.trim_end_matches("(/|$)").trim_end_matches(['$', '/']))
}

#[cfg(test)]
mod tests {
    use super::super::table_for;
    use super::*;

    fn between(from: &str, to: &str) -> Difference {
        diff(&table_for(Some(from)).unwrap().table, &table_for(Some(to)).unwrap().table)
    }

    fn added(difference: &Difference) -> Vec<&str> {
        difference
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Added { row } => Some(row.pattern.as_str()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn releases_with_the_same_table_do_not_differ() {
        let difference = between("1.98", "1.104");
        assert!(difference.changes.is_empty());
        assert_eq!(difference.unchanged, 96);
    }

    #[test]
    fn a_new_row_is_added_and_a_dropped_one_removed() {
        assert_eq!(added(&between("1.155", "1.156")), ["^/_matrix/client/v1/room_summary/.*$"]);
        let difference = between("1.156", "1.157");
        assert_eq!(difference.changes.len(), 4, "the MSC3861 rows went");
        assert!(difference.changes.iter().all(|change| matches!(change,
            Change::Removed { row } if row.condition.as_deref() == Some("msc3861_enabled"))));
    }

    #[test]
    fn a_version_added_to_a_pattern_is_a_change_of_the_row() {
        let difference = between("1.47", "1.48");
        let changed = difference.changes.iter().any(|change| {
            matches!(change,
            Change::Changed { before, after, fields } if fields == &["pattern"]
                && before.pattern == "^/_matrix/client/(v2_alpha|r0)/sync$"
                && after.pattern == "^/_matrix/client/(v2_alpha|r0|v3)/sync$")
        });
        assert!(changed);
        assert!(added(&difference).is_empty(), "{:?}", added(&difference));
    }

    #[test]
    fn there_and_back_is_the_same_number_of_rows() {
        let (there, back) = (between("1.76", "1.157"), between("1.157", "1.76"));
        let count =
            |difference: &Difference, wanted: fn(&Change) -> bool| difference.changes.iter().filter(|change| wanted(change)).count();
        let is_added = |change: &Change| matches!(change, Change::Added { .. });
        let is_removed = |change: &Change| matches!(change, Change::Removed { .. });
        assert_eq!(count(&there, is_added), count(&back, is_removed));
        assert_eq!(there.unchanged, back.unchanged);
        assert_eq!(there.unchanged + there.changes.len() - count(&there, is_removed), 114);
    }
}
