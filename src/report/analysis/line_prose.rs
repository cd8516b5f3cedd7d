//! How lines became requests, in sentences: every line and every request is accounted for.

use super::model::AnalysisReport;
use wsim_text::{count, plural};
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
            "{} {have} far from all others (the clock jumped): counted in all totals, but not in the time span, rates and peaks.",
            plural(stray, "request", "requests")
        ));
    }
    sentences
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
