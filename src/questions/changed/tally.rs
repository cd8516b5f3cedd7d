//! Sums over the requests of two windows, the good one in pieces: their spread is the noise.

use std::collections::HashMap;

use super::{Difference, Dimension};
use wsim_endpoints::Endpoint;
use wsim_profile::{Window, observed_time};
use wsim_trace::{Request, Trace, flag};

/// Sums of some requests. CPU and waiting in µs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) requests: u64,
    figures: [f64; 2],
    squares: [f64; 2],
}

impl Sums {
    fn add(&mut self, figures: [f64; 2]) {
        self.requests += 1;
        for (index, figure) in figures.into_iter().enumerate() {
            self.figures[index] += figure;
            self.squares[index] += figure * figure;
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Tally {
    good: [Sums; PIECES],
    pub(super) bad: Sums,
}

impl Default for Tally {
    fn default() -> Self {
        Self { good: [Sums::default(); PIECES], bad: Sums::default() }
    }
}

impl Tally {
    pub(super) fn good_requests(&self) -> u64 {
        self.good.iter().map(|piece| piece.requests).sum()
    }

    fn good_sum(&self, of: impl Fn(&Sums) -> f64) -> f64 {
        self.good.iter().map(of).sum()
    }
}

#[derive(Debug)]
pub(super) struct Tallies {
    pub(super) all: Tally,
    by: Vec<HashMap<u32, Tally>>,
    piece_seconds: [f64; PIECES],
    pub(super) bad_seconds: f64,
    pub(super) has_cpu: bool,
}

impl Tallies {
    pub(super) fn of(trace: &Trace, endpoints: &[Endpoint], good: Window, bad: Window) -> Self {
        let observed = observed_time(trace.requests());
        let seconds = |start: i64, end: i64| observed.within(start, end).seconds().max(1e-6);
        let length = (good.end_us - good.start_us).max(1);
        let pieces = i64::try_from(PIECES).unwrap_or(1);
        let edge = |piece: usize| good.start_us + length * i64::try_from(piece).unwrap_or(0) / pieces;
        let groups = GroupNumbers::new(endpoints);
        let mut tallies = Self {
            all: Tally::default(),
            by: vec![HashMap::new(); Dimension::ALL.len()],
            piece_seconds: std::array::from_fn(|piece| seconds(edge(piece), edge(piece + 1))),
            bad_seconds: seconds(bad.start_us, bad.end_us),
            has_cpu: false,
        };
        for request in trace.requests().filter(|request| !request.has(flag::FOREIGN)) {
            let at = request.arrival_us;
            let place = if (good.start_us..good.end_us).contains(&at) {
                Some(usize::try_from((at - good.start_us) * pieces / length).unwrap_or(0).min(PIECES - 1))
            } else if (bad.start_us..bad.end_us).contains(&at) {
                None
            } else {
                continue;
            };
            tallies.add(&request, groups.of(&request), place);
        }
        tallies
    }

    fn add(&mut self, request: &Request, group: u32, place: Option<usize>) {
        self.has_cpu |= request.has(flag::COST);
        let waiting = if request.has(flag::WALL) { request.work_us().saturating_sub(request.cpu_us) } else { 0 };
        let figures = [f64::from(request.cpu_us), f64::from(waiting)];
        let add = |tally: &mut Tally| match place {
            Some(piece) => tally.good[piece].add(figures),
            None => tally.bad.add(figures),
        };
        add(&mut self.all);
        for (dimension, tallies) in Dimension::ALL.into_iter().zip(&mut self.by) {
            let key = match dimension {
                Dimension::User => request.user.0,
                Dimension::Room => request.room.0,
                // The peer of a request between processes is a process.
                Dimension::Peer => {
                    if request.has(flag::INTERNAL) {
                        0
                    } else {
                        request.peer.0
                    }
                }
                Dimension::EndpointGroup => group,
                Dimension::Agent => request.agent.0,
                Dimension::Process => {
                    if request.process.is_some() {
                        request.process.0
                    } else {
                        request.upstream.0
                    }
                }
            };
            add(tallies.entry(key).or_default());
        }
    }

    pub(super) fn of_dimension(&self, dimension: Dimension) -> Vec<(u32, &Tally)> {
        let mut all: Vec<(u32, &Tally)> = self.by[dimension as usize].iter().map(|(key, tally)| (*key, tally)).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }

    pub(super) fn good_seconds(&self) -> f64 {
        self.piece_seconds.iter().sum()
    }

    /// Requests per second in the good and the bad window.
    pub(super) fn rates(&self, tally: &Tally) -> [f64; 2] {
        [tally.good_requests() as f64 / self.good_seconds(), tally.bad.requests as f64 / self.bad_seconds]
    }

    /// Mean CPU of a request in either window, ms.
    pub(super) fn mean_cpu_ms(&self, tally: &Tally) -> [Option<f64>; 2] {
        let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64 / 1000.0);
        [mean(tally.good_sum(|piece| piece.figures[0]), tally.good_requests()), mean(tally.bad.figures[0], tally.bad.requests)]
    }

    /// The difference of a figure per second, with its noise: so many deviations of it.
    pub(super) fn difference(&self, tally: &Tally, figure: usize, deviations: f64) -> Difference {
        let (good_seconds, bad_seconds) = (self.good_seconds(), self.bad_seconds);
        let (good_sum, bad_sum) = (tally.good_sum(|piece| piece.figures[figure]) / 1e6, tally.bad.figures[figure] / 1e6);
        let [good_rate, bad_rate] = self.rates(tally);
        let mean = |sum: f64, count: u64| if count > 0 { Some(sum / count as f64) } else { None };
        let (good_mean, bad_mean) = (mean(good_sum, tally.good_requests()), mean(bad_sum, tally.bad.requests));
        // What is in one window only has the same cost in the other: all is due to the count.
        let good_cost = good_mean.or(bad_mean).unwrap_or(0.0);
        let bad_cost = bad_mean.or(good_mean).unwrap_or(0.0);
        Difference {
            good: good_sum / good_seconds,
            bad: bad_sum / bad_seconds,
            of_count: (bad_rate - good_rate) * f64::midpoint(good_cost, bad_cost),
            of_cost: (bad_cost - good_cost) * f64::midpoint(good_rate, bad_rate),
            noise: deviations * self.variance(tally, figure).sqrt(),
        }
    }

    /// Variance of the difference of two windows like the good one: by the spread of its pieces, and at least that of requests which come
    /// independently of each other (a compound Poisson process).
    fn variance(&self, tally: &Tally, figure: usize) -> f64 {
        let (good_seconds, bad_seconds) = (self.good_seconds(), self.bad_seconds);
        let rates: Vec<f64> = tally
            .good
            .iter()
            .zip(self.piece_seconds)
            .filter(|(_, seconds)| *seconds > 1e-3)
            .map(|(piece, seconds)| piece.figures[figure] / 1e6 / seconds)
            .collect();
        let mean = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
        let spread = rates.iter().map(|rate| (rate - mean) * (rate - mean)).sum::<f64>() / (rates.len().max(2) - 1) as f64;
        let piece_seconds = good_seconds / rates.len().max(1) as f64;
        let by_pieces = spread * piece_seconds * (1.0 / good_seconds + 1.0 / bad_seconds);
        // Both windows are taken for samples of one process, unless the bad one alone has requests.
        let squares = tally.good_sum(|piece| piece.squares[figure]) / 1e12;
        let all = if squares > 0.0 { squares / good_seconds } else { tally.bad.squares[figure] / 1e12 / bad_seconds };
        by_pieces.max(all * (1.0 / good_seconds + 1.0 / bad_seconds))
    }
}

/// One number for the classes of a group: the first of its endpoints.
struct GroupNumbers(Vec<u32>);

impl GroupNumbers {
    fn new(endpoints: &[Endpoint]) -> Self {
        let first = |group: &str| endpoints.iter().position(|endpoint| endpoint.group == group).unwrap_or(0);
        Self(endpoints.iter().map(|endpoint| u32::try_from(first(&endpoint.group)).unwrap_or(0)).collect())
    }

    fn of(&self, request: &Request) -> u32 {
        self.0.get(usize::from(request.endpoint.0)).copied().unwrap_or(u32::MAX)
    }
}

/// Pieces of the good window.
pub(super) const PIECES: usize = 12;
