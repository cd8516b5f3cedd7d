//! Whether a configuration follows the endpoint table of an older release.
//!
//! Each embedded table is compared with the requests that go to workers. If an older table fits much better than the current one,
//! the configuration lacks the rows that were added since.

use super::finding::{Finding, SHOWN, Severity};
use super::observe::{Observation, Observed};
use wsim_endpoints::{Method, Row, SelectedTable, Syntax, Table, Tables};

/// Finds the table that fits best.
pub(super) fn check(observed: &Observed<'_>, choice: &SelectedTable, findings: &mut Vec<Finding>) {
    if choice.newer_than_known {
        findings.push(Finding {
            code: "release-unknown",
            severity: Severity::Hint,
            at: None,
            what: format!("Synapse {} is newer than the tables of this program", choice.release),
            why: "the newest known table is used; later releases may have added or moved rows".to_owned(),
            fix: "compare with docs/workers.md of that release".to_owned(),
            examples: Vec::new(),
            requests: 0,
            also_at: Vec::new(),
            refused_by: Vec::new(),
        });
    }
    // Streams and conditions depend on more than the table.
    let plain: Vec<&Observation<'_>> = observed
        .observations
        .iter()
        .filter(|observation| {
            observation.pool().is_some() && observation.endpoint.stream.is_none() && observation.endpoint.condition.is_none()
        })
        .filter(|observation| {
            !observation.endpoint.workers.iter().any(|worker| worker == "media_repository") && observation.endpoint.group != "admin"
        })
        .filter(|observation| observation.endpoint.group != "sliding_sync")
        .collect();
    let at_worker = |observation: &&Observation<'_>| observation.pool().is_some_and(|pool| !observed.pools[pool].main);
    let missing: Vec<&&Observation<'_>> =
        plain.iter().filter(|observation| !observation.endpoint.workers.is_empty() && !at_worker(observation)).collect();
    if missing.is_empty() || !observed.main_known || !plain.iter().any(at_worker) {
        return;
    }
    // Only groups that go to workers at all: the administrator decided to keep the others on the main process.
    let groups: Vec<&str> =
        plain.iter().filter(|observation| at_worker(observation)).map(|observation| observation.endpoint.group.as_str()).collect();
    let considered: Vec<&&Observation<'_>> =
        plain.iter().filter(|observation| groups.contains(&observation.endpoint.group.as_str())).collect();
    let misfits = |table: &Table| {
        let compiled = compile(table);
        considered
            .iter()
            .filter(|observation| matches(&compiled, observation.example.method, &observation.example.target) != at_worker(observation))
            .count()
    };
    let now = misfits(&choice.table);
    let embedded = Tables::embedded();
    let older = embedded.all().iter().rev().filter(|table| table.since.as_ref().is_some_and(|since| *since < choice.release));
    let best = older.map(|table| (misfits(table), table)).min_by_key(|(misfits, _)| *misfits);
    let Some((misfits, table)) = best else { return };
    // A few rules fit many tables: only a configuration that covers many requests has a recognisable age.
    if now < 4 || misfits * 3 > now || considered.iter().filter(|observation| at_worker(observation)).count() < ENOUGH {
        return;
    }
    let compiled = compile(table);
    let added: Vec<&&&Observation<'_>> = considered
        .iter()
        .filter(|observation| {
            !observation.endpoint.workers.is_empty()
                && !at_worker(observation)
                && !matches(&compiled, observation.example.method, &observation.example.target)
        })
        .collect();
    let until = table.until.as_ref().map_or(String::new(), |until| format!(", changed in {until}"));
    findings.push(Finding {
        code: "older-table",
        severity: Severity::Warning,
        at: added.first().and_then(|observation| observation.rule.clone()),
        what: format!(
            "the rules follow the endpoint table of Synapse {}{until}, not of {}",
            table.since.as_ref().unwrap_or(&choice.release),
            choice.release
        ),
        why: format!(
            "the main process still serves {} requests that workers can serve since then, such as those of newer API versions",
            added.len()
        ),
        fix: format!(
            "update the rules from the current table: `wsim endpoints --diff {} {}` shows the changes",
            table.since.as_ref().unwrap_or(&choice.release),
            choice.release
        ),
        requests: added.len(),
        examples: added.iter().take(SHOWN).map(|observation| observation.shown()).collect(),
        also_at: Vec::new(),
        refused_by: Vec::new(),
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

/// The number of requests at workers that is enough to recognise a table.
const ENOUGH: usize = 30;
