//! Time that no log covers: a replay and an exported schedule do not wait for it, unless asked to.

use super::time_range::TimeRange;
use wsim_profile::observed_time;
use wsim_replay::{LeftOutTime, ReplayedRequests};
use wsim_text::{duration, plural};
use wsim_trace::Trace;

/// The requests of a range, without gaps and stray times unless they are to be kept, and sentences about what was left out.
pub(super) fn replayed_requests(trace: &Trace, range: TimeRange, keep_gaps: bool) -> (ReplayedRequests, Option<String>) {
    let mut replayed = ReplayedRequests::new(range.requests(trace), range.from_us, range.to_us);
    if keep_gaps {
        return (replayed, None);
    }
    let (from_us, to_us) = (range.from_us.unwrap_or(i64::MIN), range.to_us.unwrap_or(i64::MAX));
    let left_out = replayed.leave_out_gaps(&observed_time(trace.requests()).within(from_us, to_us));
    (replayed, sentences(&left_out))
}

fn sentences(left_out: &LeftOutTime) -> Option<String> {
    let mut sentences = Vec::new();
    if left_out.gaps > 0 {
        let (gaps, are) = (plural(left_out.gaps, "gap", "gaps"), if left_out.gaps == 1 { "is" } else { "are" });
        let each = if left_out.gaps == 1 { "" } else { " each" };
        sentences.push(format!("{gaps} in the log ({}) {are} cut to 10 s{each}; --keep-gaps waits.", duration(left_out.seconds)));
    }
    if left_out.strays > 0 {
        let (requests, are) = (plural(left_out.strays, "request", "requests"), if left_out.strays == 1 { "is" } else { "are" });
        sentences.push(format!("{requests} far in time from all others {are} not sent; --keep-gaps sends them."));
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_trace::Request;

    #[test]
    fn a_gap_and_a_stray_request_are_left_out_and_said_to_be() {
        const DAY_US: i64 = 86_400_000_000;
        let mut trace = Trace::new();
        for second in 0..60 {
            for start_us in [0, 10 * DAY_US] {
                trace.push(Request { arrival_us: start_us + second * 1_000_000, ..Request::default() });
            }
        }
        trace.push(Request { arrival_us: 400 * DAY_US, ..Request::default() });
        trace.seal();
        let (replayed, said) = replayed_requests(&trace, TimeRange::default(), false);
        assert_eq!(replayed.requests.len(), 120);
        assert!(replayed.window_us < 130_000_000, "{}", replayed.window_us);
        let said = said.unwrap();
        assert!(said.starts_with("1 gap in the log (9 d 23 h) is cut to 10 s"), "{said}");
        assert!(said.contains("1 request far in time from all others is not sent"), "{said}");
        let (kept, said) = replayed_requests(&trace, TimeRange::default(), true);
        assert_eq!((kept.requests.len(), kept.window_us, said), (121, 400 * DAY_US.unsigned_abs(), None));
    }
}
