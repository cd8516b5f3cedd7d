//! The simulator against queueing theory: simulated means and percentiles hold the exact values within their own intervals, and
//! over many seeds a 95 % interval covers the truth about 95 times in a hundred.

mod chain;
mod exact;
mod lattice;

use exact::Response;
use lattice::tails;
use wsim::simulate::cluster::Run;
use wsim::simulate::router::{RandomServer, Router};
use wsim::simulate::schedule::{Population, Schedule};
use wsim::simulate::station::{Background, MeasurementWindow};
use wsim::simulate::theory::{RunLength, Synthetic, SyntheticResult, simulate};
use wsim::simulate::time::{Span, Time};
use wsim::simulate::topology::{Costs, Slicing, Topology};
use wsim::simulate::workload::{Class, Workload};
use wsim::stats::student_t;
use wsim::trace::NameId;

const MEAN: f64 = 0.005;

/// Runs a workload with many seeds and counts how often the exact value lies in the interval.
struct Coverage {
    results: Vec<SyntheticResult>,
    what: String,
}

impl Coverage {
    fn of(words: &str, seeds: u64, customers: u64) -> Self {
        let synthetic: Synthetic = words.parse().unwrap();
        let results = (1..=seeds).map(|seed| simulate(&synthetic, seed, RunLength::exactly(customers)).unwrap()).collect();
        Self { results, what: words.to_owned() }
    }

    fn of_mean(&self, exact: f64) {
        self.check("mean", exact, |r| r.mean.interval);
    }

    fn of_all(&self, exact: &Response) {
        self.of_mean(exact.mean);
        self.check("p95", exact.quantile(0.95), |r| r.p95.interval);
        self.check("p99", exact.quantile(0.99), |r| r.p99.interval);
    }

    #[expect(clippy::print_stdout, reason = "shown where a test fails")]
    fn check(&self, figure: &str, exact: f64, interval: fn(&SyntheticResult) -> wsim::stats::Interval) {
        let intervals: Vec<_> = self.results.iter().map(interval).collect();
        let covered = intervals.iter().filter(|i| i.low <= exact && exact <= i.high).count();
        let values: Vec<f64> = intervals.iter().map(|i| i.value).collect();
        let pooled = student_t::mean_interval(&values, 0.9999);
        println!(
            "{}: {figure} exact {exact:.6}, simulated {:.6} ± {:.6}, covered {covered} of {}",
            self.what,
            pooled.value,
            pooled.high - pooled.value,
            values.len()
        );
        assert!(covered >= fewest(values.len()), "{}: {figure}: {covered} of {} intervals cover {exact}", self.what, values.len());
        // And no bias: the mean over all seeds is right to what chance allows (half a percent for finite batches and buckets).
        assert!(pooled.low * 0.995 <= exact && exact <= pooled.high * 1.005, "{}: {figure}: {pooled:?} for {exact}", self.what);
    }
}

/// The number of successes that a binomial variable with p = 0.95 stays below with a chance of about one in a thousand.
fn fewest(trials: usize) -> usize {
    let n = trials as f64;
    let mut term = 0.05f64.powf(n);
    let mut sum = 0.0;
    for k in 0..=trials {
        sum += term;
        if sum > 0.001 {
            return k;
        }
        term *= (n - k as f64) / (k as f64 + 1.0) * 19.0;
    }
    trials
}

#[test]
fn one_exponential_server_over_a_hundred_seeds() {
    Coverage::of("poisson rate=100 service=exp:5ms", 100, 40_000).of_all(&Response::exponential(MEAN / 0.5));
}

#[test]
fn four_exponential_servers_with_one_line() {
    Coverage::of("poisson rate=560 service=exp:5ms servers=4", 40, 60_000).of_all(&exact::mmc(560.0, MEAN, 4));
}

#[test]
fn equal_services() {
    let exact = lattice::mg1(120.0, MEAN, tails::deterministic(MEAN));
    assert!((exact.mean / exact::mg1_mean(120.0, MEAN, 0.0) - 1.0).abs() < 1e-3);
    Coverage::of("poisson rate=120 service=det:5ms", 40, 30_000).of_all(&exact);
}

#[test]
fn services_of_several_laws() {
    let cases: [(&str, f64, Response); 3] = [
        ("erlang:4", 0.25, lattice::mg1(100.0, MEAN, tails::erlang(4, MEAN))),
        ("hyperexp:3", 3.0, lattice::mg1(100.0, MEAN, tails::hyperexponential(3.0, MEAN))),
        ("lognormal:1.5", 1.5, lattice::mg1(100.0, MEAN, tails::lognormal(1.5, MEAN))),
    ];
    for (law, scv, exact) in cases {
        let mean = exact::mg1_mean(100.0, MEAN, scv);
        assert!((exact.mean / mean - 1.0).abs() < 2e-3, "{law}: the lattice says {}, the formula {mean}", exact.mean);
        Coverage::of(&format!("poisson rate=100 service={law}:5ms"), 20, 80_000).of_all(&exact);
    }
}

#[test]
fn processor_sharing_does_not_care_about_the_law() {
    for law in ["exp:5ms", "det:5ms", "hyperexp:4:5ms", "lognormal:3:5ms"] {
        Coverage::of(&format!("poisson rate=100 service={law} discipline=ps"), 40, 20_000).of_mean(MEAN / 0.5);
    }
}

#[test]
fn round_robin_makes_gaps_of_erlang() {
    // Every third of 400 a second: gaps are Erlang(3).
    let exact = exact::gim1(|s| (400.0 / (400.0 + s)).powi(3), MEAN);
    Coverage::of("poisson rate=400 service=exp:5ms servers=3 balance=round-robin", 40, 40_000).of_all(&exact);
    let deterministic = exact::gim1(|s| (-s / 140.0).exp(), MEAN);
    Coverage::of("deterministic rate=140 service=exp:5ms", 40, 30_000).of_all(&deterministic);
}

#[test]
fn the_shorter_of_two_lines() {
    let exact = chain::responses::<2>(280.0, MEAN, chain::shortest);
    Coverage::of("poisson rate=280 service=exp:5ms servers=2 balance=jsq", 40, 60_000).of_all(&exact);
}

#[test]
fn the_shorter_of_two_of_three_lines() {
    let exact = chain::responses::<3>(360.0, MEAN, chain::best_of_two);
    Coverage::of("poisson rate=360 service=exp:5ms servers=3 balance=power-of-2", 40, 60_000).of_all(&exact);
}

#[test]
fn arrivals_in_batches() {
    // A geometric batch is an exponential piece of work; its customers leave like those of M/M/1 with that service.
    let geometric = Response::exponential(2.5 * MEAN / 0.5);
    Coverage::of("batch rate=100 size=geometric:2.5 service=exp:5ms", 40, 40_000).of_all(&geometric);
    Coverage::of("batch rate=100 size=4 service=exp:5ms", 40, 20_000).of_mean((16.0 + 4.0) / 8.0 * MEAN / 0.5);
}

/// A figure's name, its exact value, where to find it.
type Expected = (&'static str, f64, fn(&Figures) -> f64);

/// A run of the model of a deployment.
struct Deployment {
    topology: Topology,
    costs: Costs,
    prepare: fn(&mut Workload),
    words: &'static str,
    seconds: u64,
}

/// What is compared of it.
struct Figures {
    mean: f64,
    p95: f64,
    p99: f64,
    reactor: f64,
    pool_wait: f64,
}

impl Deployment {
    fn figures(&self, seed: u64) -> Figures {
        let synthetic: Synthetic = self.words.parse().unwrap();
        let span = Span::from_millis(self.seconds * 1000);
        let mut workload = synthetic.workload(span, seed);
        (self.prepare)(&mut workload);
        let schedule = Schedule::draw(&workload, Population::OBSERVED, seed);
        let routers = |_: usize, _: usize, _: u64| -> Box<dyn Router> { Box::new(RandomServer) };
        let measurement = MeasurementWindow::new(Time::from_micros(5_000_000), Time::ZERO + span, 1);
        let run = Run {
            workload: &workload,
            schedule: &schedule,
            topology: &self.topology,
            routers: &routers,
            costs: &self.costs,
            measurement,
            seed,
            as_logged: false,
        };
        let result = run.simulate().unwrap();
        let work = &result.groups[0].work;
        let visits = result.processes[0].connections;
        Figures {
            mean: work.mean_ms() / 1e3,
            p95: work.quantile_ms(0.95) / 1e3,
            p99: work.quantile_ms(0.99) / 1e3,
            reactor: result.processes[0].reactor.visit_seconds,
            pool_wait: visits.visit_seconds,
        }
    }

    /// Twenty groups of ten runs: an interval from each group, most of which must hold the exact value.
    #[expect(clippy::print_stdout, reason = "shown where a test fails")]
    fn holds(&self, exact: &[Expected]) {
        let runs: Vec<Figures> = (1..=200).map(|seed| self.figures(seed)).collect();
        for (name, value, figure) in exact {
            let values: Vec<f64> = runs.iter().map(figure).collect();
            let groups = values.chunks(10).map(|group| student_t::mean_interval(group, 0.95));
            let covered = groups.filter(|i| i.low <= *value && *value <= i.high).count();
            let pooled = student_t::mean_interval(&values, 0.9999);
            println!(
                "{}: {name} exact {value:.6}, simulated {:.6} ± {:.6}, covered {covered} of 20",
                self.words,
                pooled.value,
                pooled.high - pooled.value
            );
            assert!(covered >= fewest(20), "{}: {name}: {covered} of 20 cover {value}", self.words);
            assert!(pooled.low * 0.995 <= *value && *value <= pooled.high * 1.005, "{}: {name}: {pooled:?} for {value}", self.words);
        }
    }
}

#[test]
fn a_reactor_alone_is_one_server() {
    let deployment = Deployment {
        topology: Topology::one_pool(1),
        costs: Costs::LOGGED,
        prepare: |_| {},
        words: "poisson rate=100 service=exp:5ms",
        seconds: 30,
    };
    let exact = Response::exponential(MEAN / 0.5);
    deployment.holds(&[("mean", exact.mean, |f| f.mean)]);
}

#[test]
fn connections_alone_are_several_servers() {
    let deployment = Deployment {
        topology: Topology::one_pool(1),
        costs: Costs { exponential_db: true, ..Costs::LOGGED },
        prepare: |workload| {
            for record in &mut workload.records {
                (record.cpu_us, record.db_us, record.transactions) = (0, 5000, 1);
            }
        },
        words: "poisson rate=600 service=det:5ms",
        seconds: 20,
    };
    let exact = exact::mmc(600.0, MEAN, 5);
    deployment.holds(&[("mean", exact.mean, |f| f.mean), ("p95", exact.quantile(0.95), |f| f.p95)]);
}

#[test]
fn reactor_and_connections_are_a_product_form_network() {
    // Three slices of 2 ms and two transactions of 10 ms per request, replication-like slices of the same law beside them.
    let (rate, slice, transaction, background) = (60.0, 0.002, 0.010, 100.0);
    let mut topology = Topology::one_pool(1);
    topology.processes[0].connections = 2;
    topology.processes[0].background = Background { rate: background, slice: Span::from_millis(2), exponential: true };
    let deployment = Deployment {
        topology,
        costs: Costs { slicing: Slicing::Exponential, exponential_db: true, ..Costs::LOGGED },
        prepare: |workload| {
            for record in &mut workload.records {
                (record.cpu_us, record.db_us, record.transactions) = (6000, 20_000, 2);
            }
        },
        words: "poisson rate=60 service=det:6ms",
        seconds: 40,
    };
    let load = (3.0 * rate + background) * slice;
    let reactor = slice / (1.0 - load);
    let asked = 2.0 * rate;
    let wait = exact::erlang_c(2, asked * transaction) / (2.0 / transaction - asked);
    let whole = 3.0 * reactor + 2.0 * (wait + transaction);
    deployment.holds(&[
        ("reactor", reactor, |f| f.reactor),
        ("connection", wait + transaction, |f| f.pool_wait),
        ("whole", whole, |f| f.mean),
    ]);
}

#[test]
fn many_slices_share_the_processor() {
    let deployment = Deployment {
        topology: Topology::one_pool(1),
        costs: Costs { rounds_max: u16::MAX, ..Costs::LOGGED },
        // Transactions that take no time between slices of 0.5 ms, served in turn.
        prepare: |workload| workload.records.iter_mut().for_each(|r| r.transactions = (r.cpu_us / 500).try_into().unwrap()),
        words: "poisson rate=50 service=hyperexp:4:10ms",
        seconds: 30,
    };
    deployment.holds(&[("mean", 0.010 / 0.5, |f| f.mean)]);
}

#[test]
fn a_room_s_queue_merges_what_waits() {
    let deployment = Deployment {
        topology: Topology::one_pool(1),
        costs: Costs { persist_db: Span::from_millis(10), exponential_db: true, ..Costs::LOGGED },
        prepare: |workload| {
            workload.classes[0] = Class { persists: true, ..Class::plain(0) };
            for record in &mut workload.records {
                (record.cpu_us, record.room) = (0, NameId(1));
            }
        },
        words: "poisson rate=150 service=det:1ms",
        seconds: 30,
    };
    let exact = exact::merging(150.0, 0.010);
    deployment.holds(&[
        ("mean", exact.mean, |f| f.mean),
        ("p95", exact.quantile(0.95), |f| f.p95),
        ("p99", exact.quantile(0.99), |f| f.p99),
    ]);
}
