//! The time that a log covers, without stray timestamps and without gaps.

use wsim_stats::{Cell, Grid, ObservedTime};
use wsim_trace::Request;

use super::model::Window;

/// First arrival, last end and number of requests, by the hour.
#[derive(Debug, Clone)]
pub(super) struct HourlyExtents {
    hours: Grid<Extent>,
}

#[derive(Debug, Clone, Copy)]
struct Extent {
    first_us: i64,
    last_us: i64,
    requests: u64,
}

impl Default for Extent {
    fn default() -> Self {
        Self { first_us: i64::MAX, last_us: i64::MIN, requests: 0 }
    }
}

impl Cell for Extent {
    fn absorb(&mut self, other: &Self, _: i64) {
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
        self.requests += other.requests;
    }
}

/// When the requests were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogTime {
    /// From the first arrival to the last end.
    pub(super) window: Window,
    /// The window without its gaps.
    pub(super) observed: ObservedTime,
    /// Number of requests with stray times.
    pub(super) strays: u64,
}

/// The time that requests cover, without gaps and stray times.
pub fn observed_time(requests: impl Iterator<Item = Request>) -> ObservedTime {
    let mut extents = HourlyExtents::new();
    requests.for_each(|request| extents.observe(request.arrival_us, request.wall_us));
    extents.log_time().observed
}

impl HourlyExtents {
    pub(super) fn new() -> Self {
        Self { hours: Grid::new(&[HOUR_US], 1, 1, PAGES_MAX) }
    }

    pub(super) fn observe(&mut self, arrival_us: i64, wall_us: u32) {
        let arrival_us = arrival_us.clamp(-LIMIT_US, LIMIT_US);
        let last_us = arrival_us + i64::from(wall_us);
        self.hours.row_mut(arrival_us).0[0].absorb(&Extent { first_us: arrival_us, last_us, requests: 1 }, 0);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.hours.merge(other.hours);
    }

    /// The window, its gaps, and the number of stray requests.
    ///
    /// Requests are divided into clusters with more than a day of silence between them. A cluster with less than a hundredth of all
    /// requests, or with very few, is stray: a clock that jumped to 1970 or 2038, a line of another year. If many requests were stray,
    /// the log is sparse and none is. The window spans the other clusters. Within it a silence is a gap if it is longer than an hour and
    /// much longer than is usual between two requests.
    pub(super) fn log_time(&self) -> LogTime {
        let hours: Vec<Extent> = self.hours.rows().map(|(_, row)| row[0]).filter(|extent| extent.requests > 0).collect();
        let clusters = clusters(&hours, SILENCE_US);
        let total: u64 = clusters.iter().map(|cluster| cluster.requests).sum();
        let largest = clusters.iter().map(|cluster| cluster.requests).max().unwrap_or(0);
        let few = total.div_ceil(STRAY_SHARE).max(STRAYS_MAX.min(total / STRAYS_TOGETHER) + 1);
        let is_stray = |cluster: &&Extent| cluster.requests < few && cluster.requests < largest;
        let strays: u64 = clusters.iter().filter(is_stray).map(|cluster| cluster.requests).sum();
        let strays = if strays.saturating_mul(STRAYS_TOGETHER) <= total { strays } else { 0 };
        let kept: Vec<Extent> = clusters.iter().filter(|cluster| strays == 0 || !is_stray(cluster)).copied().collect();
        let in_kept = |hour: &Extent| {
            let number = kept.partition_point(|cluster| cluster.first_us <= hour.first_us);
            number.checked_sub(1).is_some_and(|number| hour.first_us <= kept[number].last_us)
        };
        let hours: Vec<Extent> = hours.into_iter().filter(in_kept).collect();
        // The ends are exclusive.
        let observed: ObservedTime =
            clusters_of_gap(&hours).iter().map(|cluster| (cluster.first_us, cluster.last_us.saturating_add(1))).collect();
        let (start_us, end_us) = observed.ends().unwrap_or_default();
        LogTime { window: Window { start_us, end_us }, observed, strays }
    }
}

/// Merges neighbours with at most `silence_us` between them.
fn clusters(extents: &[Extent], silence_us: i64) -> Vec<Extent> {
    let mut clusters: Vec<Extent> = Vec::new();
    for extent in extents {
        match clusters.last_mut() {
            Some(last) if extent.first_us.saturating_sub(last.last_us) <= silence_us => last.absorb(extent, 0),
            _ => clusters.push(*extent),
        }
    }
    clusters
}

/// Clusters with gaps between them.
fn clusters_of_gap(hours: &[Extent]) -> Vec<Extent> {
    let silent = clusters(hours, HOUR_US);
    let mut silences: Vec<i64> = silent.windows(2).map(|pair| pair[1].first_us.saturating_sub(pair[0].last_us)).collect();
    silences.sort_unstable_by(|a, b| b.cmp(a));
    // All other intervals between requests are shorter than an hour.
    let intervals = hours.iter().map(|hour| hour.requests).sum::<u64>().saturating_sub(1);
    let usual = usize::try_from(intervals / UNUSUAL_SHARE).ok().and_then(|number| silences.get(number)).copied().unwrap_or(0);
    clusters(&silent, usual.saturating_mul(MUCH_LONGER).max(HOUR_US))
}

/// 30,000 years, so that no window overflows.
const LIMIT_US: i64 = 1 << 60;
const PAGES_MAX: usize = 8192;
const HOUR_US: i64 = 3_600_000_000;
const SILENCE_US: i64 = 86_400_000_000;
const STRAY_SHARE: u64 = 100;
/// A cluster of this many requests is stray in a short log too.
const STRAYS_MAX: u64 = 5;
/// Strays are at most a tenth of all requests.
const STRAYS_TOGETHER: u64 = 10;
/// A tenth of all intervals between requests may be unusual.
const UNUSUAL_SHARE: u64 = 10;
const MUCH_LONGER: i64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = HOUR_US;

    fn log_time(stamps: impl IntoIterator<Item = i64>) -> LogTime {
        let mut extents = HourlyExtents::new();
        stamps.into_iter().for_each(|stamp| extents.observe(stamp, 1000));
        extents.log_time()
    }

    fn window(stamps: impl IntoIterator<Item = i64>) -> (Window, u64) {
        let LogTime { window, strays, .. } = log_time(stamps);
        (window, strays)
    }

    /// A request a second for ten minutes.
    fn minutes(from_us: i64) -> impl Iterator<Item = i64> {
        (0..600).map(move |second| from_us + second * 1_000_000)
    }

    #[test]
    fn the_window_runs_from_the_first_arrival_to_the_last_end() {
        assert_eq!(window([500 * HOUR, 501 * HOUR, 499 * HOUR]), (Window { start_us: 499 * HOUR, end_us: 501 * HOUR + 1001 }, 0));
    }

    #[test]
    fn clocks_that_jumped_do_not_extend_the_window() {
        let stamps = (0..1000).map(|i| 400_000 * HOUR + i).chain([0, 700_000 * HOUR, i64::MAX, i64::MIN]);
        assert_eq!(window(stamps), (Window { start_us: 400_000 * HOUR, end_us: 400_000 * HOUR + 2000 }, 4));
    }

    #[test]
    fn a_weekend_of_silence_between_two_busy_weeks_belongs_to_the_window() {
        let (window, strays) = window((0..10).map(|i| i * HOUR).chain((0..10).map(|i| (72 + i) * HOUR)));
        assert_eq!((window.end_us - window.start_us, strays), (81 * HOUR + 1001, 0));
    }

    #[test]
    fn no_requests_have_an_empty_window() {
        assert_eq!(window([]), (Window { start_us: 0, end_us: 0 }, 0));
    }

    #[test]
    fn one_line_of_a_short_log_is_stray_too() {
        let stamps = (0..37).map(|i| 400_000 * HOUR + i).chain([0, 408_760 * HOUR]);
        assert_eq!(window(stamps), (Window { start_us: 400_000 * HOUR, end_us: 400_000 * HOUR + 1037 }, 2));
        let sparse = window((0..30).map(|week| week * 7 * 24 * HOUR));
        assert_eq!(sparse.1, 0, "a request a week is a sparse log");
    }

    #[test]
    fn two_logs_are_two_spans_however_far_apart_they_are() {
        for gap in [2 * HOUR, 240 * HOUR, 365 * 24 * HOUR, 30 * 365 * 24 * HOUR] {
            let time = log_time(minutes(0).chain(minutes(gap)));
            let spans: Vec<_> = time.observed.spans().collect();
            assert_eq!(spans, [(0, 599_001_001), (gap, gap + 599_001_001)]);
            assert_eq!((time.window, time.strays), (Window { start_us: 0, end_us: gap + 599_001_001 }, 0));
        }
    }

    #[test]
    fn a_stray_between_two_logs_is_in_neither() {
        let time = log_time(minutes(0).chain([100 * HOUR]).chain(minutes(240 * HOUR)));
        assert_eq!((time.observed.spans().count(), time.strays), (2, 1));
    }

    #[test]
    fn usual_silence_is_no_gap() {
        let every_two_hours = log_time((0..100).map(|i| i * 2 * HOUR));
        assert_eq!(every_two_hours.observed.spans().count(), 1);
        let twice = log_time((0..100).map(|i| i * 2 * HOUR).chain((0..100).map(|i| (i * 2 + 10_000) * HOUR)));
        assert_eq!(twice.observed.spans().count(), 2);
        let office = (0..5).flat_map(|day| (0..1000).map(move |i| (day * 24 + 8) * HOUR + i * HOUR / 100));
        assert_eq!(log_time(office).observed.spans().count(), 5, "nights are longer than anything in a day");
    }
}
