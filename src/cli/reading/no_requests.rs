//! Why logs without a single usable request have none.

use super::{ReadConfig, ReadSummary};
use wsim_trace::ingest::LineTally;

/// An error message that names the cause and the way out.
pub(super) fn no_requests(config: &ReadConfig, summary: &ReadSummary) -> String {
    let sum = |count: fn(&LineTally) -> u64| summary.tallies.iter().map(count).sum::<u64>();
    let (lines, malformed) = (sum(|tally| tally.lines), sum(|tally| tally.malformed));
    let (outside, without_clock) = (sum(|tally| tally.outside), sum(|tally| tally.without_clock));
    if outside > 0 {
        return outside_range(config, outside);
    }
    if without_clock > 0 {
        return format!("none of the {without_clock} requests has a time stamp: give the proxy's log, or log with %(asctime)s");
    }
    match (lines, summary.tallies.as_slice()) {
        (0, [only]) if only.path == "-" => "standard input is empty".to_owned(),
        (0, [only]) => format!("{} is empty", only.path),
        (0, _) => "the logs are empty".to_owned(),
        _ => format!(
            "none of the {lines} lines is a request ({malformed} are malformed); is this the right log? See --format and --log-format"
        ),
    }
}

fn outside_range(config: &ReadConfig, requests: u64) -> String {
    let today = if config.range_is_today { " (a time without a date means today)" } else { "" };
    format!("all {requests} requests are outside --from/--to{today}")
}
