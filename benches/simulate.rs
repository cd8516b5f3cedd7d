//! The speed of the simulator on one core: its event queue alone, and the full model.
//!
//! `cargo bench --bench simulate`. Targets: 5 million queue events per second for M/M/4, 0.3 million requests per second for the full model.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wsim::simulate::cluster::Run;
use wsim::simulate::record::{Record, mark};
use wsim::simulate::router::{LeastInFlight, Router};
use wsim::simulate::schedule::{Population, Schedule};
use wsim::simulate::station::{Background, MeasurementWindow};
use wsim::simulate::theory::{RunLength, Synthetic, simulate};
use wsim::simulate::time::{Span, Time};
use wsim::simulate::topology::{Costs, Topology};
use wsim::simulate::workload::{Class, Lock, Workload};
use wsim::trace::NameId;

fn queue_events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue events");
    group.sample_size(20);
    for (name, words) in [
        ("M/M/4", "poisson rate=640 service=exp:5ms servers=4"),
        ("four servers, shortest queue", "poisson rate=640 service=exp:5ms servers=4 balance=jsq"),
    ] {
        let Ok(synthetic) = words.parse::<Synthetic>() else { continue };
        // Each customer is two events, an arrival and a departure.
        group.throughput(Throughput::Elements(2 * CUSTOMERS));
        group.bench_function(name, |bencher| bencher.iter(|| simulate(&synthetic, 1, RunLength::with_fixed_count(CUSTOMERS))));
    }
    group.finish();
}

fn full_model(criterion: &mut Criterion) {
    let workload = homeserver();
    let mut topology = Topology::one_pool(8);
    topology.persisters = vec![6, 7];
    topology.processes.iter_mut().for_each(|process| process.background = Background::from_utilisation(0.03));
    let costs = Costs {
        unlogged_cpu: 0.6,
        replication: Span::from_micros(1_000),
        replication_delay: Span::from_micros(500),
        persist_cpu: Span::from_millis(3),
        persist_db: Span::from_millis(8),
        rpc_delay: Span::from_micros(700),
        rpc_cpu: Span::from_millis(1),
        ..Costs::LOGGED
    };
    let routers = |_: usize, _: usize, _: u64| -> Box<dyn Router> { Box::new(LeastInFlight) };
    let schedule = Schedule::draw(&workload, Population::OBSERVED, 1);
    let measurement = MeasurementWindow::new(Time::ZERO, Time::ZERO + workload.span, 240);
    let run = Run {
        workload: &workload,
        schedule: &schedule,
        topology: &topology,
        routers: &routers,
        costs: &costs,
        measurement,
        as_logged: false,
        seed: 1,
    };
    let mut group = criterion.benchmark_group("requests");
    group.sample_size(10);
    group.throughput(Throughput::Elements(workload.records.len() as u64));
    group.bench_function("full model, 8 workers", |bencher| bencher.iter(|| run.simulate()));
    group.throughput(Throughput::Elements(workload.records.len() as u64));
    let resampled = Population { growth: 1.0, ..Population::RESAMPLED };
    group.bench_function("drawing a schedule", |bencher| bencher.iter(|| Schedule::draw(&workload, resampled, 1).len()));
    group.finish();
}

/// A quarter of an hour of a busy homeserver: 280 requests a second, a third of them long polls that follow each other, one in twenty sends an
/// event; five database transactions each on average.
fn homeserver() -> Workload {
    let mut state = 1u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut last_poll = vec![0u32; 1 + usize::try_from(USERS).unwrap_or(0)];
    let mut records: Vec<Record> = Vec::new();
    for index in 0..REQUESTS {
        let mut record = Record::at(u64::from(index) * SPACING_US + below(SPACING_US));
        let user = 1 + u32::try_from(below(USERS)).unwrap_or(0);
        (record.user, record.room) = (NameId(user), NameId(1 + u32::try_from(below(500)).unwrap_or(0)));
        record.cpu_us = 500 + u32::try_from(below(9_000)).unwrap_or(0);
        record.transactions = u16::try_from(below(11)).unwrap_or(0);
        record.db_us = u32::from(record.transactions) * 1_500;
        record.class = [0, 1, 1, 0, 0, 1, 0, 2, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0][usize::try_from(below(20)).unwrap_or(0)];
        if record.class == 1 {
            record.set(mark::LONG_POLL);
            record.wait_us = u32::try_from(below(20_000_000)).unwrap_or(0);
            let before = std::mem::replace(&mut last_poll[user as usize], index);
            if before > 0 {
                record.set(mark::FOLLOWS_POLL);
                record.think_us = 50_000;
                records[before as usize].next = index;
            }
        }
        records.push(record);
    }
    let events = Class { lock: Lock::Room, persists: true, ..Class::plain(2) };
    let span = Span::from_micros(SPACING_US * u64::from(REQUESTS));
    Workload { records, classes: vec![Class::plain(0), Class::plain(1), events], origin_us: 0, span, skips: Vec::new() }
}

const CUSTOMERS: u64 = 500_000;
const REQUESTS: u32 = 250_000;
const SPACING_US: u64 = 3_600;
const USERS: u64 = 20_000;

criterion_group!(benches, queue_events, full_model);
criterion_main!(benches);
