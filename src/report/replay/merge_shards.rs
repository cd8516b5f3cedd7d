//! Merges the shards of one replay, for `wsim merge`: checks that they belong together, and adds what they measured.
//!
//! Invariant: counts and histograms of the merged report are those that one machine would have written for the same outcomes. The
//! merged report is void (it says nothing about the target) if a shard is void or missing. Episodes, which are judged by second, are those that each
//! shard saw.

use super::model::ReplayReport;
use crate::shared::vocabulary;
use wsim_text as text;

/// Why reports are not shards of one replay.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error("there is nothing to merge")]
    Nothing,
    #[error("{0} is not a shard but a complete run: give folders that `wsim replay --shard` wrote")]
    Complete(String),
    #[error("{0} and {1} are both shard {2}: give each shard once")]
    Duplicate(String, String, u32),
    #[error("{first} and {other} are not shards of the same replay: {what} is {first_value} in the first and {other_value} in the second")]
    Mixed {
        first: String,
        other: String,
        /// The property that differs.
        what: &'static str,
        first_value: String,
        other_value: String,
    },
    #[error(
        "{first} and {other} were not one run: they began {apart} apart, at {first_began} and {other_began}; start all shards with the same --start-at"
    )]
    Apart { first: String, other: String, apart: String, first_began: String, other_began: String },
    /// Several shards do not take the steps of the search at the same time.
    #[error("{0} was run with --find-limit: such runs cannot be merged")]
    Limit(String),
}

/// Merges reports, each given with its name. Command and time are those of the first shard.
///
/// # Errors
/// [`MergeError`] if they are not different shards of one replay.
pub fn merge_shards(mut shards: Vec<(String, ReplayReport)>) -> Result<ReplayReport, MergeError> {
    let mut numbers: Vec<(u32, String)> = Vec::new();
    let mut expected = 0;
    for (name, report) in &shards {
        let Some((number, count)) = report.shard else { return Err(MergeError::Complete(name.clone())) };
        if !report.steps.is_empty() {
            return Err(MergeError::Limit(name.clone()));
        }
        if let Some((first, first_report)) = shards.first() {
            check_same_replay(first, first_report, name, report)?;
        }
        if let Some((_, duplicate)) = numbers.iter().find(|(taken, _)| *taken == number) {
            return Err(MergeError::Duplicate(duplicate.clone(), name.clone(), number));
        }
        numbers.push((number, name.clone()));
        expected = count;
    }
    // Sorted, so that the order of the arguments does not matter.
    shards.sort_by_key(|(_, report)| report.shard);
    let mut void = missing(expected, &numbers);
    let partial = !void.is_empty();
    for (name, report) in &shards {
        let number = report.shard.map_or(0, |(number, _)| number);
        void.extend(report.void_reasons.iter().map(|reason| format!("shard {number} ({name}): {reason}")));
    }
    let mut rest = shards.into_iter().map(|(_, report)| report);
    let mut whole = rest.next().ok_or(MergeError::Nothing)?;
    for report in rest {
        whole.stopped = whole.stopped.or(report.stopped);
        whole.conditions.began_us = whole.conditions.began_us.min(report.conditions.began_us);
        whole.measured.add(&report.measured);
        whole.took_seconds = whole.took_seconds.max(report.took_seconds);
        whole.facts.partial |= report.facts.partial;
    }
    whole.facts.partial |= partial;
    whole.void_reasons = void;
    whole.shard = None;
    Ok(whole)
}

/// A reason for the merged run to be void, unless all `expected` shards are given.
fn missing(expected: u32, numbers: &[(u32, String)]) -> Vec<String> {
    let given = |number: &u32| numbers.iter().any(|(taken, _)| taken == number);
    let count = (0..expected).filter(|number| !given(number)).count();
    if count == 0 {
        return Vec::new();
    }
    let mut named: Vec<String> = (0..expected).filter(|number| !given(number)).take(NAMED_MAX).map(|number| number.to_string()).collect();
    if count > NAMED_MAX {
        named.push(format!("and {} more", count - NAMED_MAX));
    }
    let are = if count == 1 { "is" } else { "are" };
    vec![format!("{count} of {expected} shards {are} missing: {}", named.join(", "))]
}

/// Checks that two reports are shards of the same replay.
fn check_same_replay(first: &str, a: &ReplayReport, other: &str, b: &ReplayReport) -> Result<(), MergeError> {
    let of = |report: &ReplayReport| report.shard.map_or(1, |(_, of)| of).to_string();
    let name = |report: &ReplayReport| report.server_name.clone().unwrap_or_else(|| "unknown".to_owned());
    let facts = [
        ("the number of shards", of(a), of(b)),
        ("the target", a.target.clone(), b.target.clone()),
        ("the server name", name(a), name(b)),
        ("the part of the log", vocabulary::window(a.window), vocabulary::window(b.window)),
        ("the start (µs)", a.window.start_us.to_string(), b.window.start_us.to_string()),
        ("the end (µs)", a.window.end_us.to_string(), b.window.end_us.to_string()),
        ("--speed", a.speed.to_string(), b.speed.to_string()),
        ("--load", a.load.to_string(), b.load.to_string()),
        ("--seed", a.facts.seed.to_string(), b.facts.seed.to_string()),
        ("the kind of requests allowed", a.allowed.name().to_owned(), b.allowed.name().to_owned()),
        ("the Synapse release of the endpoint table", a.facts.synapse_version.clone(), b.facts.synapse_version.clone()),
        ("the version of wsim", a.facts.wsim.clone(), b.facts.wsim.clone()),
        ("--only", listed(&a.conditions.only), listed(&b.conditions.only)),
        ("--skip", listed(&a.conditions.skip), listed(&b.conditions.skip)),
        ("--ramp (s)", a.conditions.ramp_seconds.to_string(), b.conditions.ramp_seconds.to_string()),
        ("the protocol", protocol(a), protocol(b)),
        ("--max-connections", counted(a.conditions.connections_max), counted(b.conditions.connections_max)),
        ("the number of logged requests", counted(a.conditions.logged_requests), counted(b.conditions.logged_requests)),
        ("--expect", a.expected.to_string(), b.expected.to_string()),
        ("how the log was read", a.facts.assumptions.join(" "), b.facts.assumptions.join(" ")),
        ("what was left out of the log", a.left_out_time.clone().unwrap_or_default(), b.left_out_time.clone().unwrap_or_default()),
    ];
    match facts.into_iter().find(|(_, a, b)| a != b) {
        None => check_same_time(first, a, other, b),
        Some((what, first_value, other_value)) => {
            Err(MergeError::Mixed { first: first.to_owned(), other: other.to_owned(), what, first_value, other_value })
        }
    }
}

/// Checks that two shards loaded the target at the same time.
fn check_same_time(first: &str, a: &ReplayReport, other: &str, b: &ReplayReport) -> Result<(), MergeError> {
    let (Some(began), Some(other_began)) = (a.conditions.began_us, b.conditions.began_us) else { return Ok(()) };
    let apart_s = began.abs_diff(other_began) as f64 / 1e6;
    if apart_s <= (a.took_seconds.max(b.took_seconds) * APART_MAX).max(1.0) {
        return Ok(());
    }
    Err(MergeError::Apart {
        first: first.to_owned(),
        other: other.to_owned(),
        apart: text::duration(apart_s),
        first_began: text::rfc3339(began),
        other_began: text::rfc3339(other_began),
    })
}

fn listed(names: &[String]) -> String {
    let mut names = names.to_vec();
    names.sort_unstable();
    if names.is_empty() { "nothing".to_owned() } else { names.join(",") }
}

fn protocol(report: &ReplayReport) -> String {
    if report.conditions.http2 { "HTTP/2" } else { "HTTP/1.1" }.to_owned()
}

fn counted(count: Option<u64>) -> String {
    count.map_or_else(|| text::UNKNOWN.to_owned(), text::count)
}

/// Shards may begin this share of their duration apart: their clocks differ, and they wait for nobody.
const APART_MAX: f64 = 0.02;
/// Missing shards that are named.
const NAMED_MAX: usize = 10;
