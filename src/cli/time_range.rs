//! A part of a log: `--from` and `--to`, or `--window FROM..TO`.

use super::UsageError;
use wsim_logs::range;
use wsim_logs::time::Zone;
use wsim_trace::{Request, Trace};

/// Arrivals from `from_us` up to but not including `to_us`, in µs since the epoch; an absent end is open.
///
/// Logs are cut to the range while they are read, and a trace after reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TimeRange {
    pub(super) from_us: Option<i64>,
    pub(super) to_us: Option<i64>,
}

impl TimeRange {
    /// Reads both ends as typed, each with the name of its option for messages; times without a zone are in `zone`.
    ///
    /// # Errors
    /// An end is not a point in time, or the range is empty.
    pub(super) fn parse(from: (&str, Option<&str>), to: (&str, Option<&str>), zone: &Zone) -> Result<Self, UsageError> {
        let now = jiff::Timestamp::now();
        let point = |(name, text): (&str, Option<&str>), is_end| {
            let parsed = text.map(|text| range::parse(text, zone, now, is_end)).transpose();
            parsed.map_err(|error| UsageError(format!("{name}: {error}")))
        };
        let range = Self { from_us: point(from, false)?, to_us: point(to, true)? };
        if let (Some(from_us), Some(to_us)) = (range.from_us, range.to_us)
            && from_us >= to_us
        {
            let [from, to] = [from, to].map(|(_, text)| text.unwrap_or_default());
            return Err(UsageError(format!("the range is empty: {from:?} is not before {to:?}")));
        }
        Ok(range)
    }

    /// The requests inside, in arrival order.
    pub(super) fn requests(self, trace: &Trace) -> impl Iterator<Item = Request> + '_ {
        trace.requests().filter(move |request| self.contains(request.arrival_us))
    }

    pub(super) fn contains(self, arrival_us: i64) -> bool {
        self.from_us.is_none_or(|from| arrival_us >= from) && self.to_us.is_none_or(|to| arrival_us < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_includes_its_start_and_excludes_its_end() {
        let mut trace = Trace::new();
        for arrival_us in 0..5 {
            trace.push(Request { arrival_us, ..Request::default() });
        }
        trace.seal();
        let inside = |from_us, to_us| TimeRange { from_us, to_us }.requests(&trace).map(|request| request.arrival_us).collect::<Vec<_>>();
        assert_eq!(inside(Some(1), Some(3)), [1, 2]);
        assert_eq!(inside(None, None).len(), 5);
    }

    #[test]
    fn the_start_must_come_before_the_end() {
        let range = |from, to| TimeRange::parse(("--from", Some(from)), ("--to", Some(to)), &Zone::utc());
        assert!(range("2026-11-20", "2026-11-20").is_ok(), "a whole day");
        assert!(range("2026-11-20T16:30", "2026-11-20T16:30").is_err() && range("soon", "now").is_err());
    }
}
