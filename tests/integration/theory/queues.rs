//! Single queues: exponential and general services, several servers, balancing rules, batches.

use wsim::simulate::theory::{RunLength, Synthetic, SyntheticResult, simulate};
use wsim::stats::Interval;

use super::exact::{self, Response};
use super::lattice::{self, tails};
use super::{MEAN, assert_covers, chain};

/// Results of one synthetic workload with many seeds.
struct Runs {
    results: Vec<SyntheticResult>,
    words: String,
}

impl Runs {
    fn simulate(words: &str, seeds: u64, customers: u64) -> Self {
        let synthetic: Synthetic = words.parse().unwrap();
        let results = (1..=seeds).map(|seed| simulate(&synthetic, seed, RunLength::with_fixed_count(customers)).unwrap()).collect();
        Self { results, words: words.to_owned() }
    }

    fn assert_mean(&self, exact: f64) {
        self.check("mean", exact, |r| r.mean.interval);
    }

    fn assert_all(&self, exact: &Response) {
        self.assert_mean(exact.mean);
        self.check("p95", exact.quantile(0.95), |r| r.p95.interval);
        self.check("p99", exact.quantile(0.99), |r| r.p99.interval);
    }

    fn check(&self, figure: &str, exact: f64, interval: fn(&SyntheticResult) -> Interval) {
        let intervals: Vec<Interval> = self.results.iter().map(interval).collect();
        let values: Vec<f64> = intervals.iter().map(|i| i.value).collect();
        assert_covers(&format!("{}: {figure}", self.words), exact, &intervals, &values);
    }
}

#[test]
fn one_exponential_server() {
    Runs::simulate("poisson rate=100 service=exp:5ms", 100, 40_000).assert_all(&Response::exponential(MEAN / 0.5));
}

#[test]
fn four_exponential_servers_with_one_queue() {
    Runs::simulate("poisson rate=560 service=exp:5ms servers=4", 40, 60_000).assert_all(&exact::mmc(560.0, MEAN, 4));
}

#[test]
fn constant_service_times() {
    let exact = lattice::mg1(120.0, MEAN, tails::deterministic(MEAN));
    assert!((exact.mean / exact::mg1_mean(120.0, MEAN, 0.0) - 1.0).abs() < 1e-3);
    Runs::simulate("poisson rate=120 service=det:5ms", 40, 30_000).assert_all(&exact);
}

#[test]
fn service_times_of_several_distributions() {
    let cases: [(&str, f64, Response); 3] = [
        ("erlang:4", 0.25, lattice::mg1(100.0, MEAN, tails::erlang(4, MEAN))),
        ("hyperexp:3", 3.0, lattice::mg1(100.0, MEAN, tails::hyperexponential(3.0, MEAN))),
        ("lognormal:1.5", 1.5, lattice::mg1(100.0, MEAN, tails::lognormal(1.5, MEAN))),
    ];
    for (distribution, scv, exact) in cases {
        let mean = exact::mg1_mean(100.0, MEAN, scv);
        assert!((exact.mean / mean - 1.0).abs() < 2e-3, "{distribution}: the lattice gives {}, the formula {mean}", exact.mean);
        Runs::simulate(&format!("poisson rate=100 service={distribution}:5ms"), 20, 80_000).assert_all(&exact);
    }
}

#[test]
fn mean_of_processor_sharing_depends_on_the_mean_service_only() {
    for service in ["exp:5ms", "det:5ms", "hyperexp:4:5ms", "lognormal:3:5ms"] {
        Runs::simulate(&format!("poisson rate=100 service={service} discipline=ps"), 40, 20_000).assert_mean(MEAN / 0.5);
    }
}

#[test]
fn round_robin_gives_erlang_interarrival_times() {
    // Every third of 400 arrivals a second goes to one server: its interarrival times are Erlang(3).
    let exact = exact::gim1(|s| (400.0 / (400.0 + s)).powi(3), MEAN);
    Runs::simulate("poisson rate=400 service=exp:5ms servers=3 balance=round-robin", 40, 40_000).assert_all(&exact);
    let deterministic = exact::gim1(|s| (-s / 140.0).exp(), MEAN);
    Runs::simulate("deterministic rate=140 service=exp:5ms", 40, 30_000).assert_all(&deterministic);
}

#[test]
fn the_shortest_of_two_queues() {
    let exact = chain::responses::<2>(280.0, MEAN, chain::shortest);
    Runs::simulate("poisson rate=280 service=exp:5ms servers=2 balance=jsq", 40, 60_000).assert_all(&exact);
}

#[test]
fn the_shorter_of_two_random_queues_out_of_three() {
    let exact = chain::responses::<3>(360.0, MEAN, chain::best_of_two);
    Runs::simulate("poisson rate=360 service=exp:5ms servers=3 balance=power-of-2", 40, 60_000).assert_all(&exact);
}

#[test]
fn arrivals_in_batches() {
    // The work of a geometric batch is exponential, so its customers leave like those of M/M/1 with that service.
    let geometric = Response::exponential(2.5 * MEAN / 0.5);
    Runs::simulate("batch rate=100 size=geometric:2.5 service=exp:5ms", 40, 40_000).assert_all(&geometric);
    Runs::simulate("batch rate=100 size=4 service=exp:5ms", 40, 20_000).assert_mean((16.0 + 4.0) / 8.0 * MEAN / 0.5);
}
