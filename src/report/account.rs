//! The account of what was read, in sentences: nothing is lost silently.

use super::analysis::AnalysisReport;
use super::format::{count, plural};
use super::model::JoinFacts;

/// How lines became requests, one sentence for each step that happened.
pub(super) fn lines(report: &AnalysisReport) -> Vec<String> {
    let totals = report.totals();
    let mut said = vec![format!(
        "{} = {} + {} that are not requests + {} malformed.",
        plural(totals.lines, "line", "lines"),
        plural(totals.requests, "request", "requests"),
        count(totals.not_requests),
        count(totals.malformed)
    )];
    if totals.duplicates > 0 {
        said.push(format!("{} stood in more than one input and were counted once.", plural(totals.duplicates, "request", "requests")));
    }
    if let Some(facts) = &report.facts.joined {
        said.push(joined(facts));
    }
    if report.profile.internal_requests > 0 {
        said.push(format!(
            "{} between Synapse processes are counted apart from client traffic.",
            plural(report.profile.internal_requests, "request", "requests")
        ));
    }
    if report.profile.outcomes.stray_times > 0 {
        said.push(format!(
            "{} with stamps far from all others (a clock that jumped) are in all totals, but not in the time span, rates and peaks.",
            plural(report.profile.outcomes.stray_times, "request", "requests")
        ));
    }
    said
}

/// How proxy and Synapse logs were put together.
pub(super) fn joined(facts: &JoinFacts) -> String {
    format!(
        "{} from the proxy and {} from Synapse: {} in both ({} of them by request id), {} only in the proxy's log, {} only in Synapse's.",
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
    use crate::fixture;

    #[test]
    fn the_account_names_every_step() {
        let lines = lines(&fixture::report());
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "47,067,986 lines = 12,220,440 requests + 34,847,112 that are not requests + 434 malformed.");
    }
}
