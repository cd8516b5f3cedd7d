//! How lines became requests, in sentences: every line and every request is accounted for.

use super::model::AnalysisReport;
use crate::shared::escape;
use wsim_text::{count, duration, list, minute, plural};
use wsim_trace::ingest::LineTally;
use wsim_trace::join::JoinFacts;

/// One sentence for each step that took place between lines and requests.
pub(crate) fn line_prose(report: &AnalysisReport) -> Vec<String> {
    let totals = report.totals();
    let mut sentences = vec![format!(
        "{} = {} + {} + {} malformed.",
        plural(totals.lines, "line", "lines"),
        plural(totals.requests, "request", "requests"),
        plural(totals.not_requests, "other line", "other lines"),
        count(totals.malformed)
    )];
    if totals.duplicates > 0 {
        let were = if totals.duplicates == 1 { "was" } else { "were" };
        sentences
            .push(format!("{} {were} in more than one input and {were} counted once.", plural(totals.duplicates, "request", "requests")));
    }
    if let Some(facts) = &report.facts.joined {
        sentences.push(joined(facts));
    }
    let internal = report.profile.internal_requests;
    if internal > 0 {
        let are = if internal == 1 { "is" } else { "are" };
        sentences.push(format!(
            "{} between Synapse processes {are} counted separately from client and federation requests.",
            plural(internal, "request", "requests")
        ));
    }
    let stray = report.profile.outcomes.stray_times;
    if stray > 0 {
        let have = if stray == 1 { "has a time" } else { "have times" };
        sentences.push(format!(
            "{} {have} far from all others (the clock jumped, or a line of an old log){}: counted in all totals, but not in the time span, rates and peaks.",
            plural(stray, "request", "requests"),
            named_strays(report)
        ));
    }
    sentences.extend(gaps(report));
    sentences
}

/// The inputs that have requests far from all others, with the number and day of these: `: 2 in old.log (1 January 1970)`.
fn named_strays(report: &AnalysisReport) -> String {
    let observed = report.profile.observed();
    let is_stray = |day: i64| !observed.overlaps(day.saturating_mul(DAY_US), day.saturating_add(1).saturating_mul(DAY_US));
    let of_input = |input: &LineTally| {
        let days: Vec<(i64, u64)> = input.days.iter().map(|(&day, &count)| (day, count)).filter(|(day, _)| is_stray(*day)).collect();
        let (first, last) = (days.first()?.0, days.last()?.0);
        let on = |day: i64| wsim_text::strftime(day.saturating_mul(DAY_US), "%Y-%m-%d");
        let when = if first == last { on(first) } else { format!("{} to {}", on(first), on(last)) };
        let requests: u64 = days.iter().map(|(_, count)| count).sum();
        Some(format!("{} in {} ({when})", count(requests), escape::terminal(&input.path, PATH_MAX)))
    };
    let mut named: Vec<String> = report.inputs.iter().filter_map(of_input).collect();
    if named.is_empty() {
        return String::new();
    }
    let more = named.len().saturating_sub(INPUTS_MAX);
    named.truncate(INPUTS_MAX);
    if more > 0 {
        named.push(plural(more as u64, "other input", "other inputs"));
    }
    format!(", {}", list(&named))
}

/// What no log covers.
fn gaps(report: &AnalysisReport) -> Option<String> {
    let gaps = &report.profile.gaps;
    let longest = gaps.iter().max_by(|a, b| a.seconds().total_cmp(&b.seconds()))?;
    let (first, of) = if gaps.len() == 1 {
        ("1 gap".to_owned(), "it".to_owned())
    } else {
        (plural(gaps.len() as u64, "gap", "gaps"), "the longest".to_owned())
    };
    Some(format!(
        "The log has {first} of more than an hour ({of} is {}, from {} to {}): means are over the {} with requests.",
        duration(longest.seconds()),
        minute(longest.start_us),
        minute(longest.end_us),
        duration(report.profile.observed_seconds())
    ))
}

/// How proxy and Synapse logs were joined.
pub(crate) fn joined(facts: &JoinFacts) -> String {
    format!(
        "{} in the proxy log, {} in Synapse's log: {} in both ({} matched by request ID), {} only in the proxy log, {} only in Synapse's log.",
        plural(facts.proxy_requests, "request", "requests"),
        count(facts.synapse_requests),
        count(facts.joined),
        count(facts.by_request_id),
        count(facts.proxy_only),
        count(facts.synapse_only)
    )
}

const DAY_US: i64 = 86_400_000_000;
/// Inputs with stray times that are named.
const INPUTS_MAX: usize = 5;
const PATH_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture;

    #[test]
    fn every_step_has_a_sentence() {
        let sentences = line_prose(&fixture::report());
        assert_eq!(sentences.len(), 3);
        assert_eq!(sentences[0], "47,067,986 lines = 12,220,440 requests + 34,847,112 other lines + 434 malformed.");
    }
}
