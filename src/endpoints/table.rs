//! The endpoint tables as data: rows, tables, and the embedded set of all releases.
//!
//! Owns the parsing of `tables.txt` (made by `make_tables.py`) and the choice of a table by release. Knows nothing of matching. The rows
//! of a table are in the order of the document.

use serde::Serialize;

use super::Method;
use super::release::{Release, ReleaseError};

/// One line of a table: requests whose path matches may be served by a worker type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Row {
    /// As printed in the document.
    pub pattern: String,
    /// The pattern to match if the printed one does not compile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrected_pattern: Option<String>,
    /// Regular expression or prefix.
    pub syntax: Syntax,
    /// Worker type, for example `generic_worker`; [`Row::MAIN`] in a user's own table that names the main process.
    pub worker: String,
    /// Group of endpoints, for example `sync`.
    pub group: String,
    /// Heading in the document.
    pub section: Option<String>,
    /// Methods it applies to; empty: all.
    pub methods: Vec<Method>,
    /// The stream whose writer should serve it.
    pub stream: Option<String>,
    /// A condition, for example `sso_only`.
    pub condition: Option<String>,
    /// Remarks, for example `any_worker`.
    pub notes: Vec<String>,
}

impl Row {
    /// Worker of a row that goes to the main process (own tables only).
    pub const MAIN: &str = "main";

    /// The pattern that is matched.
    #[must_use]
    pub fn effective_pattern(&self) -> &str {
        self.corrected_pattern.as_deref().unwrap_or(&self.pattern)
    }

    /// Whether the row applies to requests of this method.
    #[must_use]
    pub fn applies_to(&self, method: Method) -> bool {
        self.methods.is_empty() || self.methods.contains(&method)
    }

    /// Whether any worker may serve it although it names a stream.
    #[must_use]
    pub fn any_worker(&self) -> bool {
        self.stream.is_none() || self.notes.iter().any(|note| note == "any_worker")
    }
}

/// The syntax of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Syntax {
    /// A regular expression, searched in the path.
    Regex,
    /// A literal prefix of the path.
    Prefix,
}

/// The rows of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Its origin: `Synapse 1.157`, or the path of a user's own table.
    pub name: String,
    /// The document, for example `docs/workers.md`.
    pub document: String,
    /// First release with it; `None` for a user's own table.
    pub since: Option<Release>,
    /// First release without it; `None` if it is still valid.
    pub until: Option<Release>,
    /// All releases with it, in order.
    pub releases: Vec<Release>,
    /// In the order of the document.
    pub rows: Vec<Row>,
    /// The first row that matches decides alone, as in a proxy's map. Otherwise (Synapse's document) rows with a stream
    /// come before rows without, and every row adds its worker.
    pub first_match_only: bool,
}

impl Table {
    /// Indices of the rows by priority: rows with a stream first, then as in the document; a map keeps its own order.
    #[must_use]
    pub fn by_priority(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        if !self.first_match_only {
            order.sort_by_key(|&index| self.rows[index].stream.is_none());
        }
        order
    }
}

/// An embedded table, selected by release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedTable {
    /// Its table.
    pub table: Table,
    /// The requested release; the newest known one if none was requested.
    pub release: Release,
    /// The requested release is newer than all that wsim knows: this is the newest table, which may be outdated.
    pub newer_than_known: bool,
}

/// All embedded tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    tables: Vec<Table>,
}

impl Tables {
    /// All embedded tables, oldest first.
    #[must_use]
    pub fn embedded() -> Self {
        // The file is part of the program, and a test parses it, so that this cannot fail.
        let tables = read(EMBEDDED).unwrap_or_default();
        debug_assert!(!tables.is_empty());
        Self { tables }
    }

    /// Oldest first.
    #[must_use]
    pub fn all(&self) -> &[Table] {
        &self.tables
    }

    /// The table of a release (`1.157`, `v1.98.0`, `1.4`); the newest for `None`.
    ///
    /// # Errors
    /// The text is not a release, or an older one than that of the first table (0.26.0).
    pub fn choose(&self, release: Option<&str>) -> Result<SelectedTable, ReleaseError> {
        select(self.newest().and_then(|table| table.releases.last().cloned()), release, |release| {
            self.tables.iter().rev().find(|table| table.since.as_ref().is_some_and(|since| since <= release)).cloned()
        })
    }

    fn newest(&self) -> Option<&Table> {
        self.tables.last()
    }
}

/// The embedded table of a release; see [`Tables::choose`]. Reads no other table.
///
/// # Errors
/// As [`Tables::choose`].
pub fn table_for(release: Option<&str>) -> Result<SelectedTable, ReleaseError> {
    let lines = Lines::of(EMBEDDED);
    let newest = lines.tables.last().and_then(|line| read_releases(line)?.pop());
    select(newest, release, |release| {
        let line = lines.tables.iter().rev().find(|line| read_since(line).is_some_and(|since| since <= *release))?;
        lines.read_table(line)
    })
}

/// The choice of a table by release. `newest` is the newest known release, `find` finds the newest table that is not after a release.
fn select(
    newest: Option<Release>,
    release: Option<&str>,
    find: impl FnOnce(&Release) -> Option<Table>,
) -> Result<SelectedTable, ReleaseError> {
    let newest = newest.unwrap_or_else(Release::oldest);
    let release = match release {
        Some(text) => text.parse::<Release>()?,
        None => newest.clone(),
    };
    let mut table = find(&release).ok_or_else(|| ReleaseError::TooOld { release: release.clone(), oldest: Release::oldest() })?;
    table.name = format!("Synapse {release}");
    Ok(SelectedTable { table, newer_than_known: release.is_after(&newest), release })
}

/// Parses the embedded format. `None` for an error, which only a developer can see (in a test).
fn read(text: &str) -> Option<Vec<Table>> {
    let lines = Lines::of(text);
    lines.tables.iter().map(|line| lines.read_table(line)).collect()
}

/// The lines of the embedded format, without their first word.
struct Lines<'t> {
    rows: Vec<&'t str>,
    tables: Vec<&'t str>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let after = |word: &str| text.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix('\t')).collect();
        Self { rows: after("row"), tables: after("table") }
    }

    fn read_table(&self, line: &str) -> Option<Table> {
        let [since, until, document, _, rows] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
        let since: Release = since.parse().ok()?;
        let mut own = Vec::new();
        for range in rows.split(' ') {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            for row in self.rows.get(from.parse().ok()?..=to.parse().ok()?)? {
                own.push(read_row(&mut row.split('\t'))?);
            }
        }
        Some(Table {
            name: format!("Synapse {since}"),
            document: document.to_owned(),
            since: Some(since),
            until: until.parse().ok(),
            releases: read_releases(line)?,
            rows: own,
            first_match_only: false,
        })
    }
}

fn read_since(line: &str) -> Option<Release> {
    line.split('\t').next()?.parse().ok()
}

fn read_releases(line: &str) -> Option<Vec<Release>> {
    line.split('\t').nth(3)?.split(' ').map(|release| release.parse().ok()).collect()
}

fn read_row<'t>(fields: &mut impl Iterator<Item = &'t str>) -> Option<Row> {
    let mut next = || fields.next().map(|field| (field != "-").then(|| field.to_owned()));
    let list = |field: Option<String>| -> Vec<String> { field.iter().flat_map(|field| field.split(',')).map(str::to_owned).collect() };
    let (worker, group, section, methods) = (next()??, next()??, next()?, list(next()?));
    let (stream, condition, syntax, notes) = (next()?, next()?, next()??, list(next()?));
    Some(Row {
        pattern: next()??,
        corrected_pattern: next().flatten(),
        syntax: if syntax == "prefix" { Syntax::Prefix } else { Syntax::Regex },
        worker,
        group,
        section,
        methods: methods.iter().map(|name| Method::from_bytes(name.as_bytes())).collect(),
        stream,
        condition,
        notes,
    })
}

const EMBEDDED: &str = include_str!("tables.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_read() {
        let tables = read(EMBEDDED).unwrap();
        assert_eq!(tables.len(), 59);
        assert_eq!(tables.iter().map(|table| table.rows.len()).sum::<usize>(), 4555);
        for pair in tables.windows(2) {
            assert_eq!(pair[0].until, pair[1].since, "tables follow one another without a gap");
        }
        for table in &tables {
            assert_eq!(table.releases.first(), table.since.as_ref());
            for row in &table.rows {
                assert!(row.pattern.contains("/_"), "{}", row.pattern);
                assert!(!row.methods.contains(&Method::Other), "{}", row.pattern);
            }
        }
    }

    #[test]
    fn a_table_is_chosen_by_release_however_it_is_written() {
        let tables = Tables::embedded();
        for release in [None, Some("1.157"), Some("v1.98.0"), Some("0.33.3.1"), Some("1.163.2"), Some("0.25.1"), Some("x")] {
            assert_eq!(table_for(release), tables.choose(release), "{release:?}");
        }
        let since = |text| tables.choose(Some(text)).unwrap().table.since.unwrap().to_string();
        assert_eq!(since("1.157"), "1.157.0");
        assert_eq!(since("v1.98.0"), "1.93.0");
        assert_eq!(since("1.4"), "1.3.0");
        assert_eq!(since("1.4.1"), "1.3.0");
        assert_eq!(since("1.12.3"), "1.12.0");
        assert_eq!(since("1.12"), "1.12.0");
        assert_eq!(since("1.12.4"), "1.12.4");
        assert_eq!(since("0.26"), "0.26.0");
        assert_eq!(since("0.33.3.1"), "0.33.3");
        assert_eq!(tables.choose(None).unwrap().table.since.unwrap().to_string(), "1.157.0");
    }

    #[test]
    fn a_release_newer_than_all_gets_the_newest_table_and_a_flag() {
        let tables = Tables::embedded();
        for known in ["1.157", "1.157.0", "1.157.1", "1.30"] {
            assert!(!tables.choose(Some(known)).unwrap().newer_than_known, "{known}");
        }
        for unknown in ["1.157.2", "1.163.2", "2.0", "v1.158"] {
            let choice = tables.choose(Some(unknown)).unwrap();
            assert!(choice.newer_than_known, "{unknown}");
            assert_eq!(choice.table.rows.len(), 114);
        }
    }

    #[test]
    fn a_release_before_the_first_table_is_an_error_that_says_so() {
        let error = Tables::embedded().choose(Some("0.25.1")).unwrap_err();
        assert_eq!(error.to_string(), "Synapse 0.25.1 has no endpoint table: the first is that of 0.26.0");
    }
}
