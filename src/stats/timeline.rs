//! Load over time in bins of one second and more: arrivals, work, and the number of requests in progress.
//!
//! The number in progress is kept as two sums per bin instead of an entry in every bin that a span covers: a start adds one to the level
//! and its offset in the bin to the offsets, an end subtracts both. The time covered within a bin is then exactly
//! `level before × width + level change × width - offsets`, so that a span of any length costs two additions.
//!
//! Invariant: all sums are integers modulo 2^64, so that order and split do not matter, and widening the bins loses nothing.

use super::grid::{Cell, Grid};

/// Load over time; at most 13 MB.
#[derive(Debug, Clone)]
pub struct Timeline {
    grid: Grid<Bin>,
}

/// One bin of [`Timeline::bins`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimelineBin {
    /// Start of the bin, µs.
    pub start_us: i64,
    pub arrivals: u64,
    /// Measured work that arrived, µs.
    pub work_us: u64,
    /// Nominal work that arrived, µs (see [`Timeline::record_arrival`]).
    pub nominal_us: u64,
    /// Sum of the busy spans within the bin, µs.
    pub busy_us: i64,
    /// Sum of the waiting spans within the bin, µs.
    pub waiting_us: i64,
    /// Numbers of busy and of waiting spans at the end of the bin.
    pub open: (i64, i64),
}

impl Default for Timeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Timeline {
    pub fn new() -> Self {
        Self { grid: Grid::new(LADDER_US, 1, BINS_PER_PAGE, PAGES_MAX) }
    }

    /// Records an arrival with its measured work, its usual work (nominal), or neither.
    pub fn record_arrival(&mut self, time_us: i64, work_us: u32, nominal_us: u32) {
        let bin = &mut self.grid.row_mut(time_us).0[0];
        bin.arrivals = bin.arrivals.saturating_add(1);
        bin.work_us = bin.work_us.saturating_add(u64::from(work_us));
        bin.nominal_us = bin.nominal_us.saturating_add(u64::from(nominal_us));
    }

    /// Records measured work without an arrival.
    pub fn record_work(&mut self, time_us: i64, work_us: u32) {
        let bin = &mut self.grid.row_mut(time_us).0[0];
        bin.work_us = bin.work_us.saturating_add(u64::from(work_us));
    }

    /// Records a busy span, `[start_us, start_us + length_us)`.
    pub fn record_busy(&mut self, start_us: i64, length_us: u32) {
        self.span(start_us, length_us, |bin| &mut bin.busy);
    }

    /// Records a waiting span, `[start_us, start_us + length_us)`.
    pub fn record_waiting(&mut self, start_us: i64, length_us: u32) {
        self.span(start_us, length_us, |bin| &mut bin.waiting);
    }

    /// Adds the content of another timeline.
    pub fn merge(&mut self, other: Self) {
        self.grid.merge(other.grid);
    }

    /// Width of a bin, µs: one second, doubled until the bins fit.
    pub fn width_us(&self) -> i64 {
        self.grid.width_us()
    }

    /// The bins by time. Bins in which nothing starts or ends may be left out; their levels are [`TimelineBin::open`] of the bin before.
    pub fn bins(&self) -> impl Iterator<Item = TimelineBin> {
        let width = self.width_us();
        self.grid.rows().scan((0i64, 0i64), move |level, (start_us, row)| {
            let bin = &row[0];
            let covered = |before: i64, change: &Level| {
                (before.wrapping_add(change.count.into())).wrapping_mul(width).wrapping_sub(change.offsets_us)
            };
            let (busy_us, waiting_us) = (covered(level.0, &bin.busy), covered(level.1, &bin.waiting));
            *level = (level.0 + i64::from(bin.busy.count), level.1 + i64::from(bin.waiting.count));
            Some(TimelineBin {
                start_us,
                arrivals: bin.arrivals.into(),
                work_us: bin.work_us,
                nominal_us: bin.nominal_us,
                busy_us,
                waiting_us,
                open: *level,
            })
        })
    }

    fn span(&mut self, start_us: i64, length_us: u32, kind: impl Fn(&mut Bin) -> &mut Level) {
        if length_us == 0 {
            return;
        }
        let (row, offset) = self.grid.row_mut(start_us);
        kind(&mut row[0]).change(1, offset);
        let (row, offset) = self.grid.row_mut(start_us.saturating_add(length_us.into()));
        kind(&mut row[0]).change(-1, -offset);
    }
}

#[derive(Debug, Clone, Default)]
struct Bin {
    arrivals: u32,
    work_us: u64,
    nominal_us: u64,
    busy: Level,
    waiting: Level,
}

/// Number of starts minus ends, and the sum of their offsets in the bin.
#[derive(Debug, Clone, Default)]
struct Level {
    count: i32,
    offsets_us: i64,
}

impl Level {
    fn change(&mut self, count: i32, offset_us: i64) {
        self.count = self.count.wrapping_add(count);
        self.offsets_us = self.offsets_us.wrapping_add(offset_us);
    }

    fn absorb(&mut self, other: &Self, shift_us: i64) {
        self.change(other.count, other.offsets_us.wrapping_add(i64::from(other.count).wrapping_mul(shift_us)));
    }
}

impl Cell for Bin {
    fn absorb(&mut self, other: &Self, shift_us: i64) {
        self.arrivals = self.arrivals.saturating_add(other.arrivals);
        self.work_us = self.work_us.saturating_add(other.work_us);
        self.nominal_us = self.nominal_us.saturating_add(other.nominal_us);
        self.busy.absorb(&other.busy, shift_us);
        self.waiting.absorb(&other.waiting, shift_us);
    }
}

/// One second, then doubling.
const LADDER_US: &[i64] = &[1_000_000];
const BINS_PER_PAGE: usize = 64;
/// 262,144 bins: three days of seconds.
const PAGES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;

    fn busy_by_second(spans: &[(i64, u32)]) -> Vec<(i64, i64)> {
        let mut timeline = Timeline::new();
        spans.iter().for_each(|&(start, length)| timeline.record_busy(start, length));
        timeline.bins().filter(|b| b.busy_us != 0).map(|b| (b.start_us / SECOND, b.busy_us)).collect()
    }

    #[test]
    fn a_span_is_spread_over_the_seconds_it_covers() {
        assert_eq!(busy_by_second(&[(500_000, 2_000_000)]), [(0, 500_000), (1, 1_000_000), (2, 500_000)]);
    }

    #[test]
    fn a_span_across_a_gap_stays_open_in_between() {
        let mut timeline = Timeline::new();
        timeline.record_busy(0, 1_000_000_000);
        let last_before_gap = timeline.bins().take_while(|b| b.start_us < 900 * SECOND).last().unwrap();
        assert_eq!((last_before_gap.start_us, last_before_gap.open.0), (63 * SECOND, 1));
        assert_eq!(timeline.bins().last().unwrap().open.0, 0);
    }

    proptest! {
        #[test]
        fn covered_time_equals_the_spans_counted_one_by_one(
            spans in prop::collection::vec((0i64..200_000_000, 0u32..50_000_000), 1..30),
        ) {
            let mut expected = std::collections::BTreeMap::new();
            for &(start, length) in &spans {
                let end = start + i64::from(length);
                for second in start / SECOND..=end / SECOND {
                    let covered = end.min((second + 1) * SECOND) - start.max(second * SECOND);
                    *expected.entry(second).or_insert(0) += covered.max(0);
                }
            }
            expected.retain(|_, covered| *covered > 0);
            // Only bins of unchanged level are left out; 250 s are four pages, all with entries or of constant level.
            let got: std::collections::BTreeMap<i64, i64> = busy_by_second(&spans).into_iter().collect();
            for (second, covered) in got {
                prop_assert_eq!(expected.get(&second), Some(&covered), "second {}", second);
            }
        }
    }

    #[test]
    fn widened_bins_cover_the_same_time() {
        let mut timeline = Timeline::new();
        let mut total = 0;
        for i in 0..5000i64 {
            timeline.record_busy(i * 90 * SECOND + 400_000, 70_000_000);
            total += 70_000_000;
        }
        assert_eq!(timeline.width_us(), 2 * SECOND);
        assert_eq!(timeline.bins().map(|b| b.busy_us).sum::<i64>(), total);
    }
}
