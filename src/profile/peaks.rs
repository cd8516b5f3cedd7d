//! Busiest spans, burstiness and concurrency, computed from time bins after the whole log is read.

use wsim_stats::{DispersionCounter, ObservedTime, Timeline};

use super::model::{Concurrency, Dispersion, Peak, Window};

/// Load in one bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub(super) start_us: i64,
    pub(super) requests: u64,
    pub(super) cpu_us: f64,
}

/// Bins of one width in order of time, without empty bins.
#[derive(Debug, Clone)]
pub(super) struct Loads {
    pub(super) width_us: i64,
    pub(super) bins: Vec<Load>,
}

impl Loads {
    /// The span of length `span_us` with the most CPU (most requests, if `by_cpu` is false), in steps of a bin; a whole bin if bins are
    /// wider. A peak is within one span of the observed time, and the whole of that if it is not longer: what no log covers does not dilute
    /// a peak. But a short span with few of the requests is a quiet server's and not a log of its own.
    pub(super) fn peak(&self, observed: &ObservedTime, span_us: i64, by_cpu: bool) -> Peak {
        let weight = |(requests, cpu_us): (u64, f64)| if by_cpu { cpu_us } else { requests as f64 };
        let total: u64 = self.bins.iter().map(|bin| bin.requests).sum();
        let mut best: Option<(Window, (u64, f64))> = None;
        for (start_us, end_us) in observed.spans() {
            let window = Window { start_us, end_us };
            let bins = self.bins_in(window);
            let found = if end_us - start_us <= span_us {
                let all: (u64, f64) = (bins.iter().map(|b| b.requests).sum(), bins.iter().map(|b| b.cpu_us).sum());
                let is_log = all.0.saturating_mul(OWN_LOG_SHARE) >= total;
                (if is_log { window } else { Window { end_us: start_us + span_us, ..window } }, all)
            } else {
                let span_us = (span_us / self.width_us).max(1) * self.width_us;
                Loads { width_us: self.width_us, bins: bins.to_vec() }.slide(window, span_us, by_cpu)
            };
            if best.is_none_or(|best| weight(found.1) > weight(best.1) * (1.0 + 1e-12)) {
                best = Some(found);
            }
        }
        let (window, (requests, cpu_us)) = best.unwrap_or((Window { start_us: 0, end_us: 0 }, (0, 0.0)));
        Peak { window, requests_per_second: requests as f64 / window.seconds(), cores: by_cpu.then(|| cpu_us / 1e6 / window.seconds()) }
    }

    /// The mean over all of the observed time.
    pub(super) fn mean(&self, observed: &ObservedTime, by_cpu: bool) -> Peak {
        let requests: u64 = self.bins.iter().map(|bin| bin.requests).sum();
        let cpu_us: f64 = self.bins.iter().map(|bin| bin.cpu_us).sum();
        let (start_us, end_us) = observed.ends().unwrap_or_default();
        let seconds = observed.seconds().max(1e-6);
        Peak {
            window: Window { start_us, end_us },
            requests_per_second: requests as f64 / seconds,
            cores: by_cpu.then(|| cpu_us / 1e6 / seconds),
        }
    }

    fn bins_in(&self, window: Window) -> &[Load] {
        let first = self.bins.partition_point(|bin| bin.start_us + self.width_us <= window.start_us);
        let last = self.bins.partition_point(|bin| bin.start_us < window.end_us);
        &self.bins[first.min(last)..last]
    }

    fn slide(&self, window: Window, span_us: i64, by_cpu: bool) -> (Window, (u64, f64)) {
        // A best span starts with a bin that is not empty, or is the last span that fits.
        let last_start = -(span_us - window.end_us).div_euclid(self.width_us) * self.width_us;
        let weight = |(requests, cpu_us): (u64, f64)| if by_cpu { cpu_us } else { requests as f64 };
        let mut best = (Window { start_us: window.start_us, end_us: window.start_us + span_us }, (0, 0.0));
        let (mut requests, mut cpu, mut next, mut first) = (0u64, Sum::default(), 0, 0);
        for candidate in &self.bins {
            let start = candidate.start_us.min(last_start).max(self.bins[0].start_us);
            while let Some(bin) = self.bins.get(next).filter(|b| b.start_us < start + span_us) {
                requests += bin.requests;
                cpu.add(bin.cpu_us);
                next += 1;
            }
            while self.bins[first].start_us < start {
                requests -= self.bins[first].requests;
                cpu.add(-self.bins[first].cpu_us);
                first += 1;
            }
            if weight((requests, cpu.value())) > weight(best.1) * (1.0 + 1e-12) {
                best = (Window { start_us: start, end_us: start + span_us }, (requests, cpu.value()));
            }
        }
        best
    }
}

/// A sum that keeps its rounding error (Neumaier 1974), so that adding and subtracting while sliding leaves no residue.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }

    fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// Index of dispersion at each scale that fits twenty times into the window. The first and last thousandth of all arrivals
/// are left out: a log that is cut by completion time starts and ends with long requests only, which is not a burst.
/// Gaps of the observed time are left out, as if the log went on.
pub(super) fn dispersion(timeline: &Timeline, observed: &ObservedTime, work_us: Option<&impl Fn(u64, u64) -> f64>) -> Vec<Dispersion> {
    let width = timeline.width_us();
    let inside = || timeline.bins().filter(|b| observed.overlaps(b.start_us, b.start_us + width));
    let total: u64 = inside().map(|b| b.arrivals).sum();
    let edge = total / 1000;
    let (mut seen, mut bins) = (0, Vec::new());
    for bin in inside() {
        let before = seen;
        seen += bin.arrivals;
        if before >= edge && seen <= total - edge && bin.arrivals > 0 {
            bins.push((bin.start_us, bin.arrivals as f64, work_us.map(|work| work(bin.work_us, bin.nominal_us))));
        }
    }
    let requests: f64 = bins.iter().map(|b| b.1).sum();
    let mean_work = bins.iter().filter_map(|b| b.2).sum::<f64>() / requests.max(1.0);
    // Whole bins are left out, so that the others stay next to each other.
    let mut skips = observed.skips().zip(observed.spans().skip(1)).peekable();
    let mut skipped = 0;
    for bin in &mut bins {
        while let Some(((_, skip_us), _)) = skips.next_if(|(_, (start_us, _))| bin.0 + width > *start_us) {
            skipped = i64::try_from(skip_us).unwrap_or(0) / width * width;
        }
        bin.0 -= skipped;
    }
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return Vec::new() };
    let steps_in_all = (last.0 - first.0) / width + 1;
    SCALES_SECONDS
        .iter()
        .filter(|&&scale| scale * 1_000_000 % width == 0 && steps_in_all * width >= scale * 1_000_000 * INTERVALS_MIN)
        .filter_map(|&scale| {
            let steps = (scale * 1_000_000 / width).unsigned_abs();
            let (mut arrivals, mut work) = (DispersionCounter::new(steps), DispersionCounter::new(steps));
            let mut expected = first.0;
            for &(start, count, cost) in &bins {
                let gap = ((start - expected) / width).unsigned_abs();
                arrivals.push_zeros(gap);
                arrivals.push(count);
                work.push_zeros(gap);
                work.push(cost.unwrap_or(0.0) / mean_work.max(f64::MIN_POSITIVE));
                expected = start + width;
            }
            Some(Dispersion {
                scale_seconds: scale as f64,
                bins: arrivals.intervals(),
                arrivals: arrivals.index()?,
                work: if mean_work > 0.0 { work.index() } else { None },
            })
        })
        .collect()
}

/// Mean and largest number of requests at work and of long polls that wait.
pub(super) fn concurrency(timeline: &Timeline, observed: &ObservedTime) -> Concurrency {
    let width = timeline.width_us();
    let mut result = Concurrency { working_mean: 0.0, working_max: 0.0, waiting_mean: 0.0, waiting_max: 0.0 };
    let mut before: Option<(i64, (i64, i64))> = None;
    for bin in timeline.bins() {
        let inside = observed.overlaps(bin.start_us, bin.start_us + width);
        if let Some((end, open)) = before.filter(|_| inside) {
            // Between pages the levels do not change.
            let gap = (bin.start_us - end).max(0) as f64;
            result.working_mean += open.0.max(0) as f64 * gap;
            result.waiting_mean += open.1.max(0) as f64 * gap;
        }
        before = Some((bin.start_us + width, bin.open));
        if inside {
            result.working_mean += bin.busy_us as f64;
            result.waiting_mean += bin.waiting_us as f64;
            result.working_max = result.working_max.max(bin.busy_us as f64 / width as f64);
            result.waiting_max = result.waiting_max.max(bin.waiting_us as f64 / width as f64);
        }
    }
    let length = (observed.seconds() * 1e6).max(1.0);
    result.working_mean /= length;
    result.waiting_mean /= length;
    result
}

const SCALES_SECONDS: [i64; 9] = [1, 2, 5, 10, 30, 60, 300, 900, 3600];
const INTERVALS_MIN: i64 = 20;
/// A span with a tenth of all requests is a log of its own.
const OWN_LOG_SHARE: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;

    fn loads(cpu_ms: &[(i64, u64)]) -> Loads {
        let load = |&(second, ms): &(i64, u64)| Load { start_us: second * SECOND, requests: 1, cpu_us: ms as f64 * 1e3 };
        Loads { width_us: SECOND, bins: cpu_ms.iter().map(load).collect() }
    }

    #[test]
    fn the_peak_goes_by_cpu_and_not_by_requests() {
        let many = (0..60).map(|s| (s, 1)).chain([(600, 5000)]).collect::<Vec<_>>();
        let window = ObservedTime::single(0, 3600 * SECOND);
        let by_cpu = loads(&many).peak(&window, 60 * SECOND, true);
        assert_eq!((by_cpu.window.start_us, by_cpu.cores), (600 * SECOND, Some(5.0 / 60.0)));
        let by_requests = loads(&many).peak(&window, 60 * SECOND, false);
        assert_eq!((by_requests.window.start_us, by_requests.requests_per_second, by_requests.cores), (0, 1.0, None));
    }

    #[test]
    fn a_short_log_is_its_own_peak() {
        let window = Window { start_us: 0, end_us: 10 * SECOND };
        let peak = loads(&[(0, 1000), (9, 1000)]).peak(&ObservedTime::single(0, 10 * SECOND), 3600 * SECOND, true);
        assert_eq!((peak.window, peak.cores, peak.requests_per_second), (window, Some(0.2), 0.2));
    }

    proptest! {
        #[test]
        fn the_peak_is_the_best_of_all_spans(bins in prop::collection::btree_map(0i64..200, 1u64..100, 1..60), span in 1i64..50) {
            let bins: Vec<(i64, u64)> = bins.into_iter().collect();
            let (first, last) = (bins[0].0, bins[bins.len() - 1].0);
            let window = Window { start_us: first * SECOND, end_us: (last + 1) * SECOND };
            let peak = loads(&bins).peak(&ObservedTime::single(window.start_us, window.end_us), span * SECOND, true);
            let span = span.min(last + 1 - first);
            let sum_from = |start: i64| bins.iter().filter(|b| (start..start + span).contains(&b.0)).map(|b| b.1).sum::<u64>();
            let best = (first..=last + 1 - span).map(sum_from).max().unwrap();
            let got = peak.cores.unwrap() * peak.window.seconds() * 1e3;
            prop_assert!((got - best as f64).abs() < 1e-6, "{got} for {best}");
            prop_assert!(peak.window.start_us >= window.start_us && peak.window.end_us <= window.end_us);
        }
    }

    #[test]
    fn one_request_a_second_that_takes_half_of_it_is_half_a_request_at_work() {
        let mut timeline = Timeline::new();
        for second in 0..100 {
            timeline.record_busy(second * SECOND, 500_000);
            timeline.record_waiting(second * SECOND, 2_000_000);
        }
        let c = concurrency(&timeline, &ObservedTime::single(0, 100 * SECOND));
        assert_eq!((c.working_mean, c.working_max), (0.5, 0.5));
        assert!((c.waiting_max - 2.0).abs() < 1e-9 && (c.waiting_mean - 2.0).abs() < 0.03, "{c:?}");
    }

    #[test]
    fn scales_need_twenty_intervals() {
        let mut timeline = Timeline::new();
        (0..1000).for_each(|second| timeline.record_arrival(second * SECOND, 10, 0));
        let all = dispersion(&timeline, &ObservedTime::single(0, 1000 * SECOND), Some(&|work: u64, _: u64| work as f64));
        assert_eq!(all.iter().map(|d| d.scale_seconds).collect::<Vec<_>>(), [1.0, 2.0, 5.0, 10.0, 30.0]);
        assert!(all.iter().all(|d| d.arrivals == 0.0 && d.work == Some(0.0)), "{all:?}");
    }

    #[test]
    fn time_that_no_log_covers_dilutes_nothing() {
        let alone = ObservedTime::single(0, 100 * SECOND);
        let (mut one, mut two) = (Timeline::new(), Timeline::new());
        let mut bins = Vec::new();
        const YEAR: i64 = 365 * 86_400 * SECOND;
        for second in 0..100 {
            let count = 1 + second % 3;
            for start in [second * SECOND, second * SECOND + YEAR] {
                (0..count).for_each(|_| two.record_arrival(start, 10, 0));
                two.record_busy(start, 500_000);
                bins.push(Load { start_us: start, requests: 1, cpu_us: 10.0 });
            }
            (0..count).for_each(|_| one.record_arrival(second * SECOND, 10, 0));
            one.record_busy(second * SECOND, 500_000);
        }
        bins.sort_by_key(|bin| bin.start_us);
        let both: ObservedTime = [(0, 100 * SECOND), (YEAR, YEAR + 100 * SECOND)].into_iter().collect();
        let peak = |bins: &[Load], time| Loads { width_us: SECOND, bins: bins.to_vec() }.peak(time, 300 * SECOND, true);
        assert_eq!(peak(&bins, &both), peak(&bins[..100], &alone));
        assert_eq!(concurrency(&two, &both).working_mean, 0.5);
        let work = |work: u64, _: u64| work as f64;
        let (alone, both) = (dispersion(&one, &alone, Some(&work)), dispersion(&two, &both, Some(&work)));
        assert!((alone[0].arrivals - both[0].arrivals).abs() < 0.1, "{both:?}");
        assert_eq!(both.iter().map(|d| d.scale_seconds).collect::<Vec<_>>(), [1.0, 2.0, 5.0, 10.0], "200 s, not a year");
    }

    #[test]
    fn a_short_burst_of_a_quiet_server_is_not_a_log_of_its_own() {
        let hours: ObservedTime = (0..20).map(|hour| (hour * 7200 * SECOND, hour * 7200 * SECOND + SECOND)).collect();
        let bins: Vec<(i64, u64)> = (0..20).map(|hour| (hour * 7200, 1000)).collect();
        let peak = loads(&bins).peak(&hours, 300 * SECOND, true);
        assert_eq!((peak.window.seconds(), peak.cores), (300.0, Some(1.0 / 300.0)));
    }
}
