//! Why logs without a single usable request have none.

use super::super::time_range::TimeRange;
use super::{ReadConfig, ReadSummary};
use wsim_text as text;
use wsim_trace::ingest::LineTally;

/// An error message that names the cause and the way out.
pub(super) fn no_requests(config: &ReadConfig, summary: &ReadSummary) -> String {
    let sum = |count: fn(&LineTally) -> u64| summary.tallies.iter().map(count).sum::<u64>();
    let (lines, malformed) = (sum(|tally| tally.lines), sum(|tally| tally.malformed));
    let (outside, without_clock) = (sum(|tally| tally.outside), sum(|tally| tally.without_clock));
    if outside > 0 {
        let spans = summary.tallies.iter().filter_map(|tally| tally.outside_span_us);
        let span = spans.reduce(|all, span| (all.0.min(span.0), all.1.max(span.1))).unwrap_or_default();
        return outside_range("the logs cover", config, span);
    }
    if without_clock > 0 {
        return format!("none of the {without_clock} requests has a time stamp: give the proxy's log, or log with %(asctime)s");
    }
    if summary.partial && lines == 0 {
        return "interrupted before the first line was read".to_owned();
    }
    if let Some(lost) = summary.lost() {
        return format!("no request could be read: {lost}");
    }
    match (lines, summary.tallies.as_slice()) {
        (0, [only]) if only.path == "-" => "standard input is empty".to_owned(),
        (0, [only]) => format!("{} is empty", only.path),
        (0, _) => "the logs are empty".to_owned(),
        (_, tallies) => {
            let of_synapse = !tallies.is_empty() && tallies.iter().all(|tally| tally.lines == 0 || is_quiet_synapse(tally));
            if of_synapse {
                return "a Synapse log without request lines: they are logged at INFO by synapse.access.*, so set the level of that logger \
                        (and of the root logger) to INFO in the log configuration, or give the reverse proxy's log"
                    .to_owned();
            }
            let first = tallies.iter().find(|tally| tally.lines > 0);
            let read_as = first.map_or(String::new(), |tally| format!("; read as {}", tally.reason));
            let example = tallies.iter().flat_map(|tally| &tally.examples).next();
            let example = example.map_or(String::new(), |example| format!("; line {}: {}", example.line, example.reason));
            format!(
                "none of the {lines} lines is a request ({malformed} are malformed){read_as}{example}; is this the right log? See --format and \
                 --log-format"
            )
        }
    }
}

/// Whether an input is a Synapse log whose level leaves the requests out, not one whose request lines are broken.
fn is_quiet_synapse(tally: &LineTally) -> bool {
    tally.format.starts_with("synapse") && tally.requests == 0 && tally.malformed == 0
}

/// Says what the input covers, and what was asked for.
pub(super) fn outside_range(covers: &str, config: &ReadConfig, (first, last): (i64, i64)) -> String {
    let TimeRange { from_us, to_us } = config.range;
    let asked = match (from_us, to_us) {
        (Some(from), Some(to)) => format!("{} to {}", text::minute(from), text::minute(to)),
        (Some(from), None) => format!("{} onwards", text::minute(from)),
        (None, Some(to)) => format!("times before {}", text::minute(to)),
        (None, None) => "all of it".to_owned(),
    };
    let today = if config.range_is_today { " (a time without a date means today)" } else { "" };
    format!("{covers} {} to {}; you asked for {asked}{today}", text::minute(first), text::minute(last))
}
