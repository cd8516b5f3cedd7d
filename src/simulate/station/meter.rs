//! What a station did over time: busy time and numbers present, per bin and in all.
//!
//! Nothing before the end of the warm-up or after the end of measuring is counted.

use super::super::time::{Span, Time};

/// When to measure, and how finely over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measuring {
    /// End of the warm-up.
    pub from: Time,
    /// End of measuring.
    pub until: Time,
    /// Width of a bin of the timelines.
    pub bin: Span,
}

impl Measuring {
    /// From `from` to `until` in about `bins` bins (at most one more).
    pub fn over(from: Time, until: Time, bins: u64) -> Self {
        let width = (until - from).nanos().div_ceil(bins.max(1)).max(1);
        Self { from, until, bin: Span::from_nanos(width) }
    }

    /// Length of the measured time.
    pub fn span(&self) -> Span {
        self.until - self.from
    }
}

/// Adds up weighted spans that begin in order.
#[derive(Debug, Clone)]
struct Bins {
    measuring: Measuring,
    at: usize,
    /// Of the current bin, cut to the measured time.
    at_start: Time,
    at_end: Time,
    current: f64,
    /// The same where the rate was 1, ns.
    whole: u64,
    sums: Vec<f64>,
}

impl Bins {
    fn new(measuring: Measuring) -> Self {
        let at_end = (measuring.from + measuring.bin).min(measuring.until);
        Self { measuring, at: 0, at_start: measuring.from, at_end, current: 0.0, whole: 0, sums: vec![0.0] }
    }

    /// Adds `rate` times the length of `start..end` to the bins it covers.
    #[inline]
    fn add(&mut self, start: Time, end: Time, rate: f64) {
        // Nearly all lie within the bin of the one before.
        if start >= self.at_start && end <= self.at_end {
            self.current += (end - start).nanos() as f64 * rate;
        } else {
            self.add_elsewhere(start, end, rate);
        }
    }

    /// The same at the rate 1.
    #[inline]
    fn add_whole(&mut self, start: Time, end: Time) {
        if start >= self.at_start && end <= self.at_end {
            self.whole += (end - start).nanos();
        } else {
            self.add_elsewhere(start, end, 1.0);
        }
    }

    /// Of the current bin.
    fn open(&self) -> f64 {
        self.current + self.whole as f64
    }

    #[cold]
    fn add_elsewhere(&mut self, start: Time, end: Time, rate: f64) {
        let (start, end) = (start.max(self.measuring.from), end.min(self.measuring.until));
        if start >= end {
            return;
        }
        self.flush();
        while start >= self.at_end {
            self.at += 1;
            self.at_start = self.at_end;
            self.at_end = (self.at_end + self.measuring.bin).min(self.measuring.until);
        }
        self.spread(start, end, rate);
    }

    /// Puts what was added up in the current bin where it belongs.
    fn flush(&mut self) {
        if self.sums.len() <= self.at {
            self.sums.resize(self.at + 1, 0.0);
        }
        self.sums[self.at] += self.open();
        (self.current, self.whole) = (0.0, 0);
    }

    #[cold]
    fn spread(&mut self, mut start: Time, end: Time, rate: f64) {
        let (mut bin, mut bin_end) = (self.at, self.at_end);
        while start < end {
            if self.sums.len() <= bin {
                self.sums.resize(bin + 1, 0.0);
            }
            self.sums[bin] += (end.min(bin_end) - start).nanos() as f64 * rate;
            start = bin_end;
            bin += 1;
            bin_end = (bin_end + self.measuring.bin).min(self.measuring.until);
        }
    }

    /// Sums per bin over the bin's measured length.
    fn means(&self) -> Vec<f64> {
        let bins = usize::try_from(self.measuring.span().nanos().div_ceil(self.measuring.bin.nanos().max(1))).unwrap_or(0);
        let mut start = self.measuring.from;
        (0..bins)
            .map(|i| {
                let length = ((start + self.measuring.bin).min(self.measuring.until) - start).nanos() as f64;
                start = start + self.measuring.bin;
                let current = if i == self.at { self.open() } else { 0.0 };
                (self.sums.get(i).copied().unwrap_or(0.0) + current) / length.max(1.0)
            })
            .collect()
    }
}

/// Time a server works.
#[derive(Debug, Clone)]
pub struct BusyMeter(Bins);

impl BusyMeter {
    /// Nothing yet.
    pub fn new(measuring: Measuring) -> Self {
        Self(Bins::new(measuring))
    }

    /// `work` was done, evenly over `start..finish`; starts never go back.
    #[inline]
    pub fn add(&mut self, start: Time, finish: Time, work: Span) {
        let elapsed = finish - start;
        if elapsed == work {
            self.0.add_whole(start, finish);
        } else {
            self.0.add(start, finish, work.nanos() as f64 / elapsed.nanos().max(1) as f64);
        }
    }

    /// Work was done all the time of `start..finish`.
    #[inline]
    pub fn add_whole(&mut self, start: Time, finish: Time) {
        self.0.add_whole(start, finish);
    }

    /// Work done in the measured time, seconds.
    pub fn seconds(&self) -> f64 {
        (self.0.sums.iter().sum::<f64>() + self.0.open()) / 1e9
    }

    /// Busy share of the measured time.
    pub fn utilisation(&self) -> f64 {
        self.seconds() / self.0.measuring.span().seconds().max(1e-9)
    }

    /// Busy share per bin.
    pub fn over_time(&self) -> Vec<f64> {
        self.0.means()
    }
}

/// How many are present.
#[derive(Debug, Clone)]
pub struct Occupancy {
    present: u32,
    largest: u32,
    measuring: Measuring,
    /// Number times ns, were all those present to stay until the end of measuring: of each one what is measured from its coming on, less
    /// from its going on.
    area: u128,
}

impl Occupancy {
    /// Nobody yet.
    pub fn new(measuring: Measuring) -> Self {
        Self { present: 0, largest: 0, measuring, area: 0 }
    }

    /// One more.
    #[inline]
    pub fn enter(&mut self, now: Time) {
        self.area += u128::from(self.left(now));
        self.present += 1;
        self.largest = self.largest.max(self.present);
    }

    /// One less.
    #[inline]
    pub fn leave(&mut self, now: Time) {
        debug_assert!(self.present > 0, "somebody leaves an empty station");
        self.area -= u128::from(self.left(now));
        self.present = self.present.saturating_sub(1);
    }

    /// Measured time from `now` on, ns.
    #[inline]
    fn left(&self, now: Time) -> u64 {
        (self.measuring.until - now.max(self.measuring.from)).nanos()
    }

    /// How many are present now.
    #[inline]
    pub fn present(&self) -> u32 {
        self.present
    }

    /// Most at any one time, warm-up included.
    pub fn largest(&self) -> u32 {
        self.largest
    }

    /// Time-averaged number over the measured time, whose end must have come.
    pub fn mean(&self) -> f64 {
        self.area as f64 / (self.measuring.span().nanos() as f64).max(1.0)
    }
}

/// How many are present, over time.
#[derive(Debug, Clone)]
pub struct OccupancyOverTime {
    whole: Occupancy,
    since: Time,
    bins: Bins,
}

impl OccupancyOverTime {
    /// Nobody yet.
    pub fn new(measuring: Measuring) -> Self {
        Self { whole: Occupancy::new(measuring), since: Time::ZERO, bins: Bins::new(measuring) }
    }

    /// One more.
    #[inline]
    pub fn enter(&mut self, now: Time) {
        self.bin(now);
        self.whole.enter(now);
    }

    /// One less.
    #[inline]
    pub fn leave(&mut self, now: Time) {
        self.bin(now);
        self.whole.leave(now);
    }

    /// Counts up to `now`; call once at the end.
    pub fn advance(&mut self, now: Time) {
        self.bin(now);
    }

    /// The number without its history.
    pub fn whole(&self) -> &Occupancy {
        &self.whole
    }

    /// Time-averaged number per bin.
    pub fn over_time(&self) -> Vec<f64> {
        self.bins.means()
    }

    #[inline]
    fn bin(&mut self, now: Time) {
        if self.whole.present > 0 {
            self.bins.add(self.since, now, f64::from(self.whole.present));
        }
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[test]
    fn warm_up_and_overrun_are_not_counted() {
        let mut busy = BusyMeter::new(Measuring { from: at(100), until: at(200), bin: Span::from_nanos(30) });
        busy.add(at(0), at(110), Span::from_nanos(110));
        busy.add(at(120), at(140), Span::from_nanos(10));
        busy.add(at(190), at(300), Span::from_nanos(110));
        assert!((busy.utilisation() - 0.30).abs() < 1e-12, "{}", busy.utilisation());
        let bins = busy.over_time();
        assert_eq!(bins.len(), 4);
        assert!((bins[0] - 15.0 / 30.0).abs() < 1e-12 && (bins[1] - 5.0 / 30.0).abs() < 1e-12 && (bins[3] - 1.0).abs() < 1e-12, "{bins:?}");
    }

    #[test]
    fn the_mean_number_is_the_area_over_the_time() {
        let mut number = OccupancyOverTime::new(Measuring { from: at(0), until: at(100), bin: Span::from_nanos(10) });
        number.enter(at(10));
        number.enter(at(20));
        number.leave(at(50));
        number.leave(at(90));
        number.advance(at(100));
        assert!((number.whole().mean() - 1.1).abs() < 1e-12);
        assert_eq!((number.whole().largest(), number.over_time()[3]), (2, 2.0));
    }

    proptest! {
        #[test]
        fn bins_add_up_to_the_whole(spans in prop::collection::vec((0u64..50, 0u64..200), 0..50), width in 1u64..300) {
            let mut busy = BusyMeter::new(Measuring { from: at(0), until: at(100_000), bin: Span::from_nanos(width) });
            let (mut start, mut total) = (0, 0);
            for (gap, length) in spans {
                start += gap;
                busy.add(at(start), at(start + length), Span::from_nanos(length));
                total += length;
            }
            prop_assert!((busy.seconds() * 1e9 - total as f64).abs() < 1e-6);
        }
    }
}
