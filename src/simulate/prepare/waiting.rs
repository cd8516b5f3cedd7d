//! What part of observed times does not depend on load.
//!
//! Wall times and transaction times of a loaded process hold waiting that the simulation makes itself; simulating them as observed
//! would count it twice. Both are taken apart by least squares over requests (worker model, section 6.3):
//!
//! ```text
//! G = wall - CPU - transactions - waits for connections = z_class + α·own CPU + β·others' CPU meanwhile
//! T = transactions                                       = t_class·number + γ·own CPU + δ·others' CPU meanwhile
//! ```
//!
//! Only z and t go on. Own CPU stands in both because a container's limit stretches it.

use std::collections::HashMap;

use super::super::observed::process_of;
use crate::profile::Window;
use crate::stats::least_squares::NonNegativeLeastSquares;
use crate::trace::{NameId, Request, flag};

/// Per class, what does not depend on load.
#[derive(Debug, Clone, Default)]
pub(super) struct Unloaded {
    /// z over the mean of G where G is positive.
    pub delay_share: Vec<f64>,
    /// Mean of G, µs.
    pub delay_mean_us: Vec<f64>,
    /// t over the mean of a transaction.
    pub transaction_share: Vec<f64>,
    /// Requests the fit is made of.
    pub requests: usize,
}

/// Fits both. `requests` have their CPU and come with their class, in order of arrival.
pub(super) fn fit(requests: &[(Request, u16)], classes: usize, window: Window) -> Unloaded {
    let concurrent = Concurrent::new(requests.iter().map(|(request, _)| request), window);
    let mut samples = Vec::with_capacity(requests.len());
    for (request, class) in requests {
        if request.has(flag::WALL) && !request.has(flag::LONG_POLL) {
            samples.push(Sample::new(request, usize::from(*class), concurrent.around(request)));
        }
    }
    let mut unloaded = Unloaded { requests: samples.len(), ..Unloaded::default() };
    let delays = regress(&samples, classes, |sample| (sample.unexplained, 1.0));
    let transactions = regress(&samples, classes, |sample| (sample.transactions, sample.count));
    let shares = |fit: &Fit| -> Vec<f64> { fit.own.iter().zip(&fit.means).map(|(own, mean)| share(*own, *mean)).collect() };
    unloaded.delay_share = shares(&delays);
    unloaded.delay_mean_us = delays.means.iter().map(|mean| mean * 1e6).collect();
    unloaded.transaction_share = shares(&transactions);
    unloaded
}

/// One request, in seconds.
struct Sample {
    class: usize,
    unexplained: f64,
    transactions: f64,
    count: f64,
    own: f64,
    others: f64,
}

impl Sample {
    fn new(request: &Request, class: usize, others: f64) -> Self {
        let seconds = |us: u32| f64::from(us) / 1e6;
        let db = seconds(request.db_txn_us) + seconds(request.db_sched_us);
        Self {
            class,
            unexplained: (seconds(request.wall_us) - seconds(request.cpu_us) - db).max(0.0),
            transactions: seconds(request.db_txn_us),
            count: f64::from(request.db_count),
            own: seconds(request.cpu_us),
            others,
        }
    }
}

/// Per class: what is its own per unit, and the mean per unit.
struct Fit {
    own: Vec<f64>,
    means: Vec<f64>,
}

/// `y = x_class·units + α·own + β·others` over the samples; rows are weighted by one over the class's mean, so that
/// classes of short requests count too.
fn regress(samples: &[Sample], classes: usize, parts: impl Fn(&Sample) -> (f64, f64) + Copy) -> Fit {
    let mut sums = vec![(0.0, 0.0, 0_u32); classes];
    for sample in samples {
        let (y, units) = parts(sample);
        let sum = &mut sums[sample.class];
        *sum = (sum.0 + y, sum.1 + units, sum.2 + 1);
    }
    let means: Vec<f64> = sums.iter().map(|(y, units, _)| if *units > 0.0 { y / units } else { 0.0 }).collect();
    let (own, others) = (classes, classes + 1);
    let mut squares = NonNegativeLeastSquares::new(classes + 2);
    let mut row = vec![0.0; classes + 2];
    for sample in samples {
        let (y, units) = parts(sample);
        let (sum, _, count) = sums[sample.class];
        if units <= 0.0 {
            continue;
        }
        let weight = 1.0 / (sum / f64::from(count) + 0.001);
        row[sample.class] = units * weight;
        (row[own], row[others]) = (sample.own * weight, sample.others * weight);
        squares.observe(&row, y * weight);
        row[sample.class] = 0.0;
    }
    let mut solved = squares.solve();
    solved.truncate(classes);
    for (own, quiet) in solved.iter_mut().zip(quietest(samples, classes, parts)) {
        *own = own.min(quiet);
    }
    Fit { own: solved, means }
}

/// Per class, the median per unit of the quarter of requests that had least company: an upper bound of what does not depend on load.
fn quietest(samples: &[Sample], classes: usize, parts: impl Fn(&Sample) -> (f64, f64)) -> Vec<f64> {
    let mut by_class: Vec<Vec<(f64, f64)>> = vec![Vec::new(); classes];
    for sample in samples {
        let (y, units) = parts(sample);
        if units > 0.0 {
            by_class[sample.class].push((sample.others, y / units));
        }
    }
    let median = |list: &mut Vec<(f64, f64)>| {
        list.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut quiet: Vec<f64> = list.iter().take(list.len().div_ceil(4)).map(|(_, y)| *y).collect();
        quiet.sort_unstable_by(f64::total_cmp);
        quiet.get(quiet.len() / 2).copied().unwrap_or(f64::INFINITY)
    };
    by_class.iter_mut().map(median).collect()
}

/// How much of the mean is the class's own, 0 to 1; all of it where nothing is known.
fn share(own: f64, mean: f64) -> f64 {
    if mean > 0.0 { (own / mean).clamp(0.0, 1.0) } else { 1.0 }
}

/// CPU over time, per process: each request's spread evenly over its work.
struct Concurrent {
    start_us: i64,
    width_us: i64,
    /// Running sums, s.
    sums: HashMap<NameId, Vec<f64>>,
}

impl Concurrent {
    fn new<'r>(requests: impl Iterator<Item = &'r Request>, window: Window) -> Self {
        let length = (window.end_us - window.start_us).max(1);
        let width_us = (length / BINS_MAX).max(BIN_US);
        let bins = usize::try_from(length / width_us).unwrap_or(0) + 2;
        let mut concurrent = Self { start_us: window.start_us, width_us, sums: HashMap::new() };
        for request in requests {
            let (from, until) = work(request);
            let rate = f64::from(request.cpu_us) / 1e6 / (until - from).max(1) as f64;
            let sums = concurrent.sums.entry(process_of(request)).or_insert_with(|| vec![0.0; bins]);
            for bin in bin_range(window.start_us, width_us, from, until, bins) {
                let begins = window.start_us + width_us * i64::try_from(bin).unwrap_or(0);
                let overlap = (until.min(begins + width_us) - from.max(begins)).max(0);
                sums[bin] += rate * overlap as f64;
            }
        }
        for sums in concurrent.sums.values_mut() {
            let mut sum = 0.0;
            for bin in sums.iter_mut() {
                sum += std::mem::replace(bin, sum);
            }
        }
        concurrent
    }

    /// CPU of other requests of the same process while this one was at work, s.
    fn around(&self, request: &Request) -> f64 {
        let (from, until) = work(request);
        let Some(sums) = self.sums.get(&process_of(request)) else { return 0.0 };
        (self.before(sums, until) - self.before(sums, from) - f64::from(request.cpu_us) / 1e6).max(0.0)
    }

    fn before(&self, sums: &[f64], time_us: i64) -> f64 {
        let past = (time_us - self.start_us).max(0);
        let bin = usize::try_from(past / self.width_us).unwrap_or(0).min(sums.len() - 2);
        let part = (past - i64::try_from(bin).unwrap_or(0) * self.width_us) as f64 / self.width_us as f64;
        sums[bin] + (sums[bin + 1] - sums[bin]) * part.min(1.0)
    }
}

/// From its beginning to its end, parks left out, µs.
fn work(request: &Request) -> (i64, i64) {
    let from = request.arrival_us.saturating_add(request.park_us().into());
    (from, from.saturating_add(request.work_us().max(1).into()))
}

fn bin_range(start_us: i64, width_us: i64, from: i64, until: i64, bins: usize) -> std::ops::Range<usize> {
    let place = |time: i64| usize::try_from((time - start_us).max(0) / width_us).unwrap_or(0).min(bins - 1);
    place(from)..(place(until) + 1).min(bins - 1)
}

const BIN_US: i64 = 20_000;
const BINS_MAX: i64 = 2_000_000;
