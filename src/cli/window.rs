//! `--from` and `--to`: the part of a log that is provisioned for, replayed and exported.

use super::UsageError;
use super::reading::Reading;
use wsim_logs::range;
use wsim_logs::time::Zone;
use wsim_trace::{Request, Trace};

/// A part of a log by arrival. Logs are cut to it while they are read; a trace is cut here, because a file of one holds more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window {
    /// The first instant inside, µs since the epoch.
    pub(super) from_us: Option<i64>,
    /// The first instant behind it.
    pub(super) to_us: Option<i64>,
}

impl Window {
    /// Reads the two arguments.
    pub(super) fn new(reading: &Reading, zone: &Zone) -> anyhow::Result<Self> {
        let now = jiff::Timestamp::now();
        let point = |name: &str, text: &Option<String>, end| match text {
            Some(text) => range::parse(text, zone, now, end).map(Some).map_err(|error| UsageError(format!("{name}: {error}"))),
            None => Ok(None),
        };
        let window = Self { from_us: point("--from", &reading.from, false)?, to_us: point("--to", &reading.to, true)? };
        if let (Some(from), Some(to)) = (window.from_us, window.to_us)
            && from >= to
        {
            return Err(UsageError("--from is not before --to".to_owned()).into());
        }
        Ok(window)
    }

    /// The requests inside, in arrival order.
    pub(super) fn requests(self, trace: &Trace) -> impl Iterator<Item = Request> + '_ {
        let inside = move |at: i64| self.from_us.is_none_or(|from| at >= from) && self.to_us.is_none_or(|to| at < to);
        trace.requests().filter(move |request| inside(request.arrival_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_its_beginning_and_not_its_end() {
        let mut trace = Trace::new();
        for arrival_us in 0..5 {
            trace.push(Request { arrival_us, ..Request::EMPTY });
        }
        trace.seal();
        let inside = |from_us, to_us| Window { from_us, to_us }.requests(&trace).map(|request| request.arrival_us).collect::<Vec<_>>();
        assert_eq!(inside(Some(1), Some(3)), [1, 2]);
        assert_eq!(inside(None, None).len(), 5);
    }
}
