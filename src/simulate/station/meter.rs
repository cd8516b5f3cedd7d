//! Measurements of a station: busy time and number of customers present, in total and per bin of time.
//!
//! Only time between the end of the warm-up and the end of the measurement counts.

use crate::engine::time::{Span, Time};

/// The measured time, and the resolution of timelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasurementWindow {
    /// Start: the end of the warm-up.
    pub from: Time,
    pub until: Time,
    /// Width of a bin of the timelines.
    pub bin: Span,
}

impl MeasurementWindow {
    /// Measures from `from` to `until` in about `bins` bins (at most one more).
    pub fn new(from: Time, until: Time, bins: u64) -> Self {
        let width = (until - from).nanos().div_ceil(bins.max(1)).max(1);
        Self { from, until, bin: Span::from_nanos(width) }
    }

    pub fn span(&self) -> Span {
        self.until - self.from
    }
}

/// Sums of weighted spans per bin. The starts of the spans never go back.
#[derive(Debug, Clone)]
struct Bins {
    measurement: MeasurementWindow,
    at: usize,
    /// Start and end of the current bin, cut to the measured time.
    at_start: Time,
    at_end: Time,
    current: f64,
    /// Sum of the spans with whole rates in the current bin, ns; `current` has the others.
    whole: u64,
    sums: Vec<f64>,
}

impl Bins {
    fn new(measurement: MeasurementWindow) -> Self {
        let at_end = (measurement.from + measurement.bin).min(measurement.until);
        Self { measurement, at: 0, at_start: measurement.from, at_end, current: 0.0, whole: 0, sums: vec![0.0] }
    }

    /// Adds `rate` times the length of `start..end` to the bins it covers.
    #[inline]
    fn add(&mut self, start: Time, end: Time, rate: f64) {
        // Nearly all spans lie within the bin of the span before.
        if start >= self.at_start && end <= self.at_end {
            self.current += (end - start).nanos() as f64 * rate;
        } else {
            self.add_elsewhere(start, end, rate);
        }
    }

    /// [`Self::add`] with a rate of 1.
    #[inline]
    fn add_whole(&mut self, start: Time, end: Time) {
        if start >= self.at_start && end <= self.at_end {
            self.whole += (end - start).nanos();
        } else {
            self.add_elsewhere(start, end, 1.0);
        }
    }

    /// [`Self::add`] with a whole rate.
    #[inline]
    fn add_times(&mut self, start: Time, end: Time, rate: u32) {
        if start >= self.at_start && end <= self.at_end {
            self.whole = self.whole.saturating_add((end - start).nanos().saturating_mul(rate.into()));
        } else {
            self.add_elsewhere(start, end, rate.into());
        }
    }

    /// Sum of all bins.
    fn total(&self) -> f64 {
        self.sums.iter().sum::<f64>() + self.current_sum()
    }

    /// Sum of the current bin so far.
    fn current_sum(&self) -> f64 {
        self.current + self.whole as f64
    }

    #[cold]
    fn add_elsewhere(&mut self, start: Time, end: Time, rate: f64) {
        let (start, end) = (start.max(self.measurement.from), end.min(self.measurement.until));
        if start >= end {
            return;
        }
        self.flush();
        while start >= self.at_end {
            self.at += 1;
            self.at_start = self.at_end;
            self.at_end = (self.at_end + self.measurement.bin).min(self.measurement.until);
        }
        self.spread(start, end, rate);
    }

    /// Moves the current bin's sum into `sums`.
    fn flush(&mut self) {
        if self.sums.len() <= self.at {
            self.sums.resize(self.at + 1, 0.0);
        }
        self.sums[self.at] += self.current_sum();
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
            bin_end = (bin_end + self.measurement.bin).min(self.measurement.until);
        }
    }

    /// Each bin's sum divided by the bin's measured length.
    fn means(&self) -> Vec<f64> {
        let bins = usize::try_from(self.measurement.span().nanos().div_ceil(self.measurement.bin.nanos().max(1))).unwrap_or(0);
        let mut start = self.measurement.from;
        (0..bins)
            .map(|i| {
                let length = ((start + self.measurement.bin).min(self.measurement.until) - start).nanos() as f64;
                start = start + self.measurement.bin;
                let current = if i == self.at { self.current_sum() } else { 0.0 };
                (self.sums.get(i).copied().unwrap_or(0.0) + current) / length.max(1.0)
            })
            .collect()
    }
}

/// Time that a server is busy.
#[derive(Debug, Clone)]
pub struct BusyMeter(Bins);

impl BusyMeter {
    pub fn new(measurement: MeasurementWindow) -> Self {
        Self(Bins::new(measurement))
    }

    /// Counts `work` that was done evenly over `start..finish`. Starts never go back.
    #[inline]
    pub fn add(&mut self, start: Time, finish: Time, work: Span) {
        let elapsed = finish - start;
        if elapsed == work {
            self.0.add_whole(start, finish);
        } else {
            self.0.add(start, finish, work.nanos() as f64 / elapsed.nanos().max(1) as f64);
        }
    }

    /// Counts work that was done without pause over `start..finish`.
    #[inline]
    pub fn add_whole(&mut self, start: Time, finish: Time) {
        self.0.add_whole(start, finish);
    }

    /// Work done in the measured time, seconds.
    pub fn seconds(&self) -> f64 {
        self.0.total() / 1e9
    }

    /// Busy share of the measured time.
    pub fn utilisation(&self) -> f64 {
        self.seconds() / self.0.measurement.span().seconds().max(1e-9)
    }

    pub fn over_time(&self) -> Vec<f64> {
        self.0.means()
    }
}

/// The number of customers at a station, and its mean over the measured time.
#[derive(Debug, Clone)]
pub struct Occupancy {
    present: u32,
    largest: u32,
    measurement: MeasurementWindow,
    /// Area under the occupancy curve in customers · ns. Each arrival adds the measured time still ahead of it and each departure subtracts
    /// it, so no event needs to integrate.
    area: u128,
}

impl Occupancy {
    pub fn new(measurement: MeasurementWindow) -> Self {
        Self { present: 0, largest: 0, measurement, area: 0 }
    }

    /// A customer arrives.
    #[inline]
    pub fn enter(&mut self, now: Time) {
        self.area += u128::from(self.remaining_ns(now));
        self.present += 1;
        self.largest = self.largest.max(self.present);
    }

    /// A customer departs.
    #[inline]
    pub fn leave(&mut self, now: Time) {
        debug_assert!(self.present > 0, "a departure from an empty station");
        self.area -= u128::from(self.remaining_ns(now));
        self.present = self.present.saturating_sub(1);
    }

    /// Measured time after `now`, ns.
    #[inline]
    fn remaining_ns(&self, now: Time) -> u64 {
        (self.measurement.until - now.max(self.measurement.from)).nanos()
    }

    #[inline]
    pub fn present(&self) -> u32 {
        self.present
    }

    /// The largest number at any one time, warm-up included.
    pub fn largest(&self) -> u32 {
        self.largest
    }

    /// Time average over the measured time, which must have ended.
    pub fn mean(&self) -> f64 {
        self.area as f64 / (self.measurement.span().nanos() as f64).max(1.0)
    }
}

/// The number of customers at a station, in total and per bin of time.
#[derive(Debug, Clone)]
pub struct OccupancyOverTime {
    present: u32,
    largest: u32,
    since: Time,
    bins: Bins,
}

impl OccupancyOverTime {
    pub fn new(measurement: MeasurementWindow) -> Self {
        Self { present: 0, largest: 0, since: Time::ZERO, bins: Bins::new(measurement) }
    }

    /// A customer arrives.
    #[inline]
    pub fn enter(&mut self, now: Time) {
        self.bin(now);
        self.present += 1;
        self.largest = self.largest.max(self.present);
    }

    /// A customer departs.
    #[inline]
    pub fn leave(&mut self, now: Time) {
        debug_assert!(self.present > 0, "a departure from an empty station");
        self.bin(now);
        self.present = self.present.saturating_sub(1);
    }

    /// Counts up to `now`. Call once at the end of the run.
    pub fn advance(&mut self, now: Time) {
        self.bin(now);
    }

    #[inline]
    pub fn present(&self) -> u32 {
        self.present
    }

    /// The largest number at any one time, warm-up included.
    pub fn largest(&self) -> u32 {
        self.largest
    }

    /// Time average over the measured time, which must have ended.
    pub fn mean(&self) -> f64 {
        self.bins.total() / (self.bins.measurement.span().nanos() as f64).max(1.0)
    }

    /// Time average of each bin.
    pub fn over_time(&self) -> Vec<f64> {
        self.bins.means()
    }

    #[inline]
    fn bin(&mut self, now: Time) {
        if self.present > 0 {
            self.bins.add_times(self.since, now, self.present);
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
        let mut busy = BusyMeter::new(MeasurementWindow { from: at(100), until: at(200), bin: Span::from_nanos(30) });
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
        let mut number = OccupancyOverTime::new(MeasurementWindow { from: at(0), until: at(100), bin: Span::from_nanos(10) });
        number.enter(at(10));
        number.enter(at(20));
        number.leave(at(50));
        number.leave(at(90));
        number.advance(at(100));
        assert!((number.mean() - 1.1).abs() < 1e-12);
        assert_eq!((number.largest(), number.over_time()[3]), (2, 2.0));
    }

    proptest! {
        #[test]
        fn bins_add_up_to_the_whole(spans in prop::collection::vec((0u64..50, 0u64..200), 0..50), width in 1u64..300) {
            let mut busy = BusyMeter::new(MeasurementWindow { from: at(0), until: at(100_000), bin: Span::from_nanos(width) });
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
