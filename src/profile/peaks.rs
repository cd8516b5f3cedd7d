//! Busiest spans, burstiness and concurrency, computed from time bins after the whole log is read.

use wsim_stats::{DispersionCounter, Timeline};

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
    /// The span of length `span_us` with the most CPU (most requests, if `by_cpu` is false), in steps of a bin. The whole window if
    /// it is not longer than the span; a whole bin if bins are wider.
    pub(super) fn peak(&self, window: Window, span_us: i64, by_cpu: bool) -> Peak {
        let length = window.end_us - window.start_us;
        let found = if length <= span_us {
            let all = (self.bins.iter().map(|b| b.requests).sum(), self.bins.iter().map(|b| b.cpu_us).sum());
            (window, all)
        } else {
            self.slide(window, (span_us / self.width_us).max(1) * self.width_us, by_cpu)
        };
        let (window, (requests, cpu_us)) = found;
        Peak { window, requests_per_second: requests as f64 / window.seconds(), cores: by_cpu.then(|| cpu_us / 1e6 / window.seconds()) }
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
pub(super) fn dispersion(timeline: &Timeline, window: Window, work_us: Option<&impl Fn(u64, u64) -> f64>) -> Vec<Dispersion> {
    let width = timeline.width_us();
    let inside = || timeline.bins().filter(|b| (window.start_us - width + 1..window.end_us).contains(&b.start_us));
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
pub(super) fn concurrency(timeline: &Timeline, window: Window) -> Concurrency {
    let width = timeline.width_us();
    let mut result = Concurrency { working_mean: 0.0, working_max: 0.0, waiting_mean: 0.0, waiting_max: 0.0 };
    let mut before: Option<(i64, (i64, i64))> = None;
    for bin in timeline.bins() {
        let inside = bin.start_us + width > window.start_us && bin.start_us < window.end_us;
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
    let length = (window.end_us - window.start_us).max(1) as f64;
    result.working_mean /= length;
    result.waiting_mean /= length;
    result
}

const SCALES_SECONDS: [i64; 9] = [1, 2, 5, 10, 30, 60, 300, 900, 3600];
const INTERVALS_MIN: i64 = 20;

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
        let window = Window { start_us: 0, end_us: 3600 * SECOND };
        let by_cpu = loads(&many).peak(window, 60 * SECOND, true);
        assert_eq!((by_cpu.window.start_us, by_cpu.cores), (600 * SECOND, Some(5.0 / 60.0)));
        let by_requests = loads(&many).peak(window, 60 * SECOND, false);
        assert_eq!((by_requests.window.start_us, by_requests.requests_per_second, by_requests.cores), (0, 1.0, None));
    }

    #[test]
    fn a_short_log_is_its_own_peak() {
        let window = Window { start_us: 0, end_us: 10 * SECOND };
        let peak = loads(&[(0, 1000), (9, 1000)]).peak(window, 3600 * SECOND, true);
        assert_eq!((peak.window, peak.cores, peak.requests_per_second), (window, Some(0.2), 0.2));
    }

    proptest! {
        #[test]
        fn the_peak_is_the_best_of_all_spans(bins in prop::collection::btree_map(0i64..200, 1u64..100, 1..60), span in 1i64..50) {
            let bins: Vec<(i64, u64)> = bins.into_iter().collect();
            let (first, last) = (bins[0].0, bins[bins.len() - 1].0);
            let window = Window { start_us: first * SECOND, end_us: (last + 1) * SECOND };
            let peak = loads(&bins).peak(window, span * SECOND, true);
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
        let c = concurrency(&timeline, Window { start_us: 0, end_us: 100 * SECOND });
        assert_eq!((c.working_mean, c.working_max), (0.5, 0.5));
        assert!((c.waiting_max - 2.0).abs() < 1e-9 && (c.waiting_mean - 2.0).abs() < 0.03, "{c:?}");
    }

    #[test]
    fn scales_need_twenty_intervals() {
        let mut timeline = Timeline::new();
        (0..1000).for_each(|second| timeline.record_arrival(second * SECOND, 10, 0));
        let all = dispersion(&timeline, Window { start_us: 0, end_us: 1000 * SECOND }, Some(&|work: u64, _: u64| work as f64));
        assert_eq!(all.iter().map(|d| d.scale_seconds).collect::<Vec<_>>(), [1.0, 2.0, 5.0, 10.0, 30.0]);
        assert!(all.iter().all(|d| d.arrivals == 0.0 && d.work == Some(0.0)), "{all:?}");
    }
}
