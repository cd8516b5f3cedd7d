//! Shards of one replay, joined.
//!
//! Invariant: counts and histograms of the joined report are those that one machine would have written for the same outcomes; whatever makes
//! a shard void, or is missing, makes the whole void.

use super::super::format;
use super::ReplayReport;

/// Why reports are not shards of one replay.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// None.
    #[error("there is nothing to join")]
    Nothing,
    /// A run that is whole.
    #[error("{0} is no shard but a whole run: give the folders of runs with --shard")]
    Whole(String),
    /// Two runs of the same shard.
    #[error("{0} and {1} are both shard {2}: give each shard once")]
    Twice(String, String, u32),
    /// Shards of two replays.
    #[error("{first} and {other} are not of one replay: {what} is {mine} there and {theirs} here")]
    Mixed {
        /// The first run.
        first: String,
        /// The one that does not fit.
        other: String,
        /// What differs.
        what: &'static str,
        /// Of the first.
        mine: String,
        /// Of the other.
        theirs: String,
    },
    /// Steps of several shards were not taken at the same time.
    #[error("{0} looked for the limit, step by step on its own: runs with --find-limit cannot be joined")]
    Limit(String),
}

/// Joins reports with their names. Facts (command, time) are the first's.
///
/// # Errors
/// [`JoinError`] if they are not different shards of one replay.
pub fn join(mut shards: Vec<(String, ReplayReport)>) -> Result<ReplayReport, JoinError> {
    let mut numbers: Vec<(u32, String)> = Vec::new();
    let mut of = 0;
    for (name, report) in &shards {
        let Some((number, count)) = report.shard else { return Err(JoinError::Whole(name.clone())) };
        if !report.steps.is_empty() {
            return Err(JoinError::Limit(name.clone()));
        }
        if let Some((first, first_report)) = shards.first() {
            same(first, first_report, name, report)?;
        }
        if let Some((_, twin)) = numbers.iter().find(|(taken, _)| *taken == number) {
            return Err(JoinError::Twice(twin.clone(), name.clone(), number));
        }
        numbers.push((number, name.clone()));
        of = count;
    }
    // By number, so that the order of the arguments changes nothing.
    shards.sort_by_key(|(_, report)| report.shard);
    let mut void = missing(of, &numbers);
    let partial = !void.is_empty();
    for (name, report) in &shards {
        let number = report.shard.map_or(0, |(number, _)| number);
        void.extend(report.void_reasons.iter().map(|reason| format!("shard {number} ({name}): {reason}")));
    }
    let mut rest = shards.into_iter().map(|(_, report)| report);
    let mut whole = rest.next().ok_or(JoinError::Nothing)?;
    for report in rest {
        whole.measured.add(&report.measured);
        whole.took_seconds = whole.took_seconds.max(report.took_seconds);
        whole.facts.partial |= report.facts.partial;
    }
    whole.facts.partial |= partial;
    whole.void_reasons = void;
    whole.shard = None;
    Ok(whole)
}

/// A reason if not all are there.
fn missing(of: u32, numbers: &[(u32, String)]) -> Vec<String> {
    let there = |number: &u32| numbers.iter().any(|(taken, _)| taken == number);
    let count = (0..of).filter(|number| !there(number)).count();
    if count == 0 {
        return Vec::new();
    }
    let mut named: Vec<String> = (0..of).filter(|number| !there(number)).take(NAMED).map(|number| number.to_string()).collect();
    if count > NAMED {
        named.push(format!("and {} more", count - NAMED));
    }
    let are = if count == 1 { "is" } else { "are" };
    vec![format!("{count} of {of} shards {are} missing: {}", named.join(", "))]
}

/// Checks that two reports are of one replay.
fn same(first: &str, a: &ReplayReport, other: &str, b: &ReplayReport) -> Result<(), JoinError> {
    let of = |report: &ReplayReport| report.shard.map_or(1, |(_, of)| of).to_string();
    let name = |report: &ReplayReport| report.server_name.clone().unwrap_or_else(|| "unknown".to_owned());
    let facts = [
        ("the number of shards", of(a), of(b)),
        ("the target", a.target.clone(), b.target.clone()),
        ("the server's name", name(a), name(b)),
        ("the part of the log", format::window(a.window), format::window(b.window)),
        ("the beginning, µs,", a.window.start_us.to_string(), b.window.start_us.to_string()),
        ("the end, µs,", a.window.end_us.to_string(), b.window.end_us.to_string()),
        ("--speed", a.speed.to_string(), b.speed.to_string()),
        ("--load", a.load.to_string(), b.load.to_string()),
        ("--seed", a.facts.seed.to_string(), b.facts.seed.to_string()),
        ("what was allowed", a.allowed.to_owned(), b.allowed.to_owned()),
        ("the Synapse release of the endpoint table", a.facts.synapse_version.clone(), b.facts.synapse_version.clone()),
    ];
    match facts.into_iter().find(|(_, mine, theirs)| mine != theirs) {
        None => Ok(()),
        Some((what, mine, theirs)) => Err(JoinError::Mixed { first: first.to_owned(), other: other.to_owned(), what, mine, theirs }),
    }
}

/// Missing shards that are named.
const NAMED: usize = 10;
