//! The span of time that a log covers, without stray timestamps.

use wsim_stats::{Cell, Grid};

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

impl HourlyExtents {
    pub(super) fn new() -> Self {
        Self { hours: Grid::new(&[3_600_000_000], 1, 1, PAGES_MAX) }
    }

    pub(super) fn observe(&mut self, arrival_us: i64, wall_us: u32) {
        let arrival_us = arrival_us.clamp(-LIMIT_US, LIMIT_US);
        let last_us = arrival_us + i64::from(wall_us);
        self.hours.row_mut(arrival_us).0[0].absorb(&Extent { first_us: arrival_us, last_us, requests: 1 }, 0);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.hours.merge(other.hours);
    }

    /// The window, and the number of stray requests outside it.
    ///
    /// Requests are divided into clusters with more than a day of silence between them. A cluster with less than a hundredth
    /// of all requests is stray: a clock that jumped to 1970 or 2038, a line of another year. The window spans the other clusters.
    pub(super) fn window(&self) -> (Window, u64) {
        let mut clusters: Vec<Extent> = Vec::new();
        for extent in self.hours.rows().map(|(_, row)| row[0]).filter(|e| e.requests > 0) {
            match clusters.last_mut() {
                Some(last) if extent.first_us.saturating_sub(last.last_us) <= SILENCE_US => last.absorb(&extent, 0),
                _ => clusters.push(extent),
            }
        }
        let total: u64 = clusters.iter().map(|c| c.requests).sum();
        let largest = clusters.iter().map(|c| c.requests).max().unwrap_or(0);
        let mut hull = Extent::default();
        for cluster in clusters.iter().filter(|c| c.requests == largest || c.requests >= total.div_ceil(STRAY_SHARE)) {
            hull.absorb(cluster, 0);
        }
        if hull.requests == 0 {
            return (Window { start_us: 0, end_us: 0 }, 0);
        }
        // The end is exclusive.
        (Window { start_us: hull.first_us, end_us: hull.last_us.saturating_add(1) }, total - hull.requests)
    }
}

/// 30,000 years, so that no window overflows.
const LIMIT_US: i64 = 1 << 60;
const PAGES_MAX: usize = 8192;
const SILENCE_US: i64 = 86_400_000_000;
const STRAY_SHARE: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn window(stamps: impl IntoIterator<Item = i64>) -> (Window, u64) {
        let mut extents = HourlyExtents::new();
        stamps.into_iter().for_each(|stamp| extents.observe(stamp, 1000));
        extents.window()
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
}
