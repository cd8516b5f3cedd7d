//! The model of Synapse processes, reduced to cases with a known solution: the reactor alone, the database connections alone, both as a
//! product-form network, processor sharing, and the queue of an event persister.

use wsim::simulate::cluster::Run;
use wsim::simulate::router::{RandomServer, Router};
use wsim::simulate::schedule::{Population, Schedule};
use wsim::simulate::station::{Background, MeasurementWindow, Spread};
use wsim::simulate::theory::Synthetic;
use wsim::simulate::time::{Span, Time};
use wsim::simulate::topology::{Costs, Slicing, Topology};
use wsim::simulate::workload::{Class, Workload};
use wsim::stats::student_t;
use wsim::trace::NameId;

use super::exact::{self, Response};
use super::{MEAN, assert_covers};

/// The name of a figure, its exact value, and how to read it from [`Figures`].
type Expected = (&'static str, f64, fn(&Figures) -> f64);

/// A deployment and its synthetic workload.
struct Deployment {
    topology: Topology,
    costs: Costs,
    prepare: fn(&mut Workload),
    words: &'static str,
    seconds: u64,
}

/// Results of one run, in seconds.
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

    /// Runs 200 seeds in twenty groups of ten: an interval from each group, most of which must hold the exact value.
    fn assert_figures(&self, expected: &[Expected]) {
        let runs: Vec<Figures> = (1..=200).map(|seed| self.figures(seed)).collect();
        for (name, exact, figure) in expected {
            let values: Vec<f64> = runs.iter().map(figure).collect();
            let intervals: Vec<_> = values.chunks(10).map(|group| student_t::mean_interval(group, 0.95)).collect();
            assert_covers(&format!("{}: {name}", self.words), *exact, &intervals, &values);
        }
    }
}

#[test]
fn a_reactor_alone_is_an_m_m_1_queue() {
    let deployment = Deployment {
        topology: Topology::one_pool(1),
        costs: Costs::LOGGED,
        prepare: |_| {},
        words: "poisson rate=100 service=exp:5ms",
        seconds: 30,
    };
    let exact = Response::exponential(MEAN / 0.5);
    deployment.assert_figures(&[("mean", exact.mean, |f| f.mean)]);
}

#[test]
fn database_connections_alone_are_an_m_m_c_queue() {
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
    deployment.assert_figures(&[("mean", exact.mean, |f| f.mean), ("p95", exact.quantile(0.95), |f| f.p95)]);
}

#[test]
fn reactor_and_database_connections_are_a_product_form_network() {
    // Three slices of 2 ms and two transactions of 10 ms for each request, and background slices of the same distribution, as replication
    // causes them.
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
    let transaction_rate = 2.0 * rate;
    let wait = exact::erlang_c(2, transaction_rate * transaction) / (2.0 / transaction - transaction_rate);
    let whole = 3.0 * reactor + 2.0 * (wait + transaction);
    deployment.assert_figures(&[
        ("reactor", reactor, |f| f.reactor),
        ("connection", wait + transaction, |f| f.pool_wait),
        ("whole", whole, |f| f.mean),
    ]);
}

#[test]
fn many_short_slices_approximate_processor_sharing() {
    let deployment = Deployment {
        topology: Topology::one_pool(1),
        costs: Costs { rounds_max: u16::MAX, ..Costs::LOGGED },
        // Slices of 0.5 ms, served in turn, with transactions of zero length between them.
        prepare: |workload| workload.records.iter_mut().for_each(|r| r.transactions = (r.cpu_us / 500).try_into().unwrap()),
        words: "poisson rate=50 service=hyperexp:4:10ms",
        seconds: 30,
    };
    deployment.assert_figures(&[("mean", 0.010 / 0.5, |f| f.mean)]);
}

#[test]
fn a_room_queue_persists_waiting_events_in_one_batch() {
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
    deployment.assert_figures(&[
        ("mean", exact.mean, |f| f.mean),
        ("p95", exact.quantile(0.95), |f| f.p95),
        ("p99", exact.quantile(0.99), |f| f.p99),
    ]);
}

/// Events of as many rooms as there are events, at one persister.
fn events_of_many_rooms(costs: Costs) -> Deployment {
    Deployment {
        topology: Topology::one_pool(1),
        costs,
        prepare: |workload| {
            workload.classes[0] = Class { persists: true, ..Class::plain(0) };
            workload.records.iter_mut().for_each(|record| record.cpu_us = 0);
        },
        words: "poisson rate=60 service=det:1ms",
        seconds: 60,
    }
}

#[test]
fn a_persister_of_many_rooms_is_one_server() {
    // M/D/1 with a service of 10 ms and 60 % of it in use (Pollaczek and Khinchine).
    let exact = 0.010 * (1.0 + 0.6 / (2.0 * 0.4));
    events_of_many_rooms(Costs { persist_db: Span::from_millis(10), ..Costs::LOGGED }).assert_figures(&[("mean", exact, |f| f.mean)]);
}

#[test]
fn a_persister_writes_in_times_of_the_observed_shape() {
    // M/G/1: two of three batches take a quarter of what the third takes.
    let spread = Spread::from_times(&(0..48).map(|number| if number % 3 == 0 { 0.020 } else { 0.005 }).collect::<Vec<_>>());
    let variation = spread.squared_variation();
    assert!((variation - 0.5).abs() < 0.05, "{variation}");
    let exact = 0.010 * (1.0 + 0.6 * (1.0 + variation) / (2.0 * 0.4));
    events_of_many_rooms(Costs { persist_db: Span::from_millis(10), persist_spread: spread, ..Costs::LOGGED }).assert_figures(&[(
        "mean",
        exact,
        |f| f.mean,
    )]);
}
