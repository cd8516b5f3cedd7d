//! Whether a configuration was written after the table of an older release.
//!
//! Each embedded table is compared with what goes to workers: if an older one explains it (much) better than the one in force, the
//! rows that came since are missing.

use super::finding::{Finding, SHOWN, Severity};
use super::observe::{Seen, View};
use wsim_endpoints::{Choice, Method, Row, Syntax, Table, Tables};

/// Looks for the table that fits best.
pub(super) fn check(view: &View<'_>, choice: &Choice, findings: &mut Vec<Finding>) {
    if choice.newer_than_known {
        findings.push(Finding {
            code: "release-unknown",
            severity: Severity::Hint,
            at: None,
            what: format!("Synapse {} is newer than the tables of this program", choice.release),
            why: "the newest known table was used; rows may have been added or moved since".to_owned(),
            fix: "compare with docs/workers.md of that release".to_owned(),
            examples: Vec::new(),
            requests: 0,
        });
    }
    // Streams and conditions depend on more than the table.
    let plain: Vec<&Seen<'_>> = view
        .seen
        .iter()
        .filter(|seen| seen.pool().is_some() && seen.endpoint.stream.is_none() && seen.endpoint.condition.is_none())
        .filter(|seen| !seen.endpoint.workers.iter().any(|worker| worker == "media_repository") && seen.endpoint.group != "admin")
        .filter(|seen| seen.endpoint.group != "sliding_sync")
        .collect();
    let at_worker = |seen: &&Seen<'_>| seen.pool().is_some_and(|pool| !view.pools[pool].main);
    let missing: Vec<&&Seen<'_>> = plain.iter().filter(|seen| !seen.endpoint.workers.is_empty() && !at_worker(seen)).collect();
    if missing.is_empty() || !view.main_known || !plain.iter().any(at_worker) {
        return;
    }
    // Groups that go to workers at all: others are the administrator's choice.
    let groups: Vec<&str> = plain.iter().filter(|seen| at_worker(seen)).map(|seen| seen.endpoint.group.as_str()).collect();
    let considered: Vec<&&Seen<'_>> = plain.iter().filter(|seen| groups.contains(&seen.endpoint.group.as_str())).collect();
    let misfits = |table: &Table| {
        let compiled = compile(table);
        considered.iter().filter(|seen| matches(&compiled, seen.example.method, &seen.example.target) != at_worker(seen)).count()
    };
    let now = misfits(&choice.table);
    let embedded = Tables::embedded();
    let older = embedded.all().iter().rev().filter(|table| table.since.as_ref().is_some_and(|since| *since < choice.release));
    let best = older.map(|table| (misfits(table), table)).min_by_key(|(misfits, _)| *misfits);
    let Some((misfits, table)) = best else { return };
    // A few rules fit many tables: only a configuration that covers much is told an age.
    if now < 4 || misfits * 3 > now || considered.iter().filter(|seen| at_worker(seen)).count() < ENOUGH {
        return;
    }
    let compiled = compile(table);
    let added: Vec<&&&Seen<'_>> = considered
        .iter()
        .filter(|seen| {
            !seen.endpoint.workers.is_empty() && !at_worker(seen) && !matches(&compiled, seen.example.method, &seen.example.target)
        })
        .collect();
    let until = table.until.as_ref().map_or(String::new(), |until| format!(", changed in {until}"));
    findings.push(Finding {
        code: "older-table",
        severity: Severity::Warning,
        at: added.first().and_then(|seen| seen.rule.clone()),
        what: format!(
            "the rules are those of the table of Synapse {}{until}, not of {}",
            table.since.as_ref().unwrap_or(&choice.release),
            choice.release
        ),
        why: format!(
            "{} requests that workers may serve since then still go to the main process, such as those of newer API versions",
            added.len()
        ),
        fix: format!(
            "write the rules anew from the table: `wsim endpoints --diff {} {}` shows what changed",
            table.since.as_ref().unwrap_or(&choice.release),
            choice.release
        ),
        requests: added.len(),
        examples: added.iter().take(SHOWN).map(|seen| seen.shown()).collect(),
    });
}

type Compiled<'t> = Vec<(&'t Row, Option<super::super::read::pattern::Pattern>)>;

fn compile(table: &Table) -> Compiled<'_> {
    let compile = |row: &Row| {
        (row.syntax == Syntax::Regex).then(|| super::super::read::pattern::Pattern::new(row.effective_pattern(), false).ok()).flatten()
    };
    table.rows.iter().filter(|row| row.stream.is_none()).map(|row| (row, compile(row))).collect()
}

fn matches(compiled: &Compiled<'_>, method: &str, target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    let method = Method::from_bytes(method.as_bytes());
    compiled.iter().any(|(row, pattern)| {
        row.applies_to(method)
            && pattern.as_ref().map_or_else(|| path.starts_with(row.effective_pattern()), |pattern| pattern.matches(path))
    })
}

/// Requests at workers from which on a table can be recognised.
const ENOUGH: usize = 30;
