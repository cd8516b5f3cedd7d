//! The model's behaviours one by one, on workloads small enough to calculate by hand.

use super::Run;
use crate::engine::time::{Span, Time};
use crate::station::{Cpu, MeasurementWindow};
use crate::synapse::caches::CacheEffect;
use crate::synapse::outages::Outages;
use crate::synapse::record::{Record, mark};
use crate::synapse::result::RunResult;
use crate::synapse::router::{ByActor, FewestActive, LeastInFlight, RandomServer, RoundRobin, Router};
use crate::synapse::schedule::{Population, Schedule};
use crate::synapse::topology::{Costs, Machine, Slicing, Topology};
use crate::synapse::workload::{Class, Lock, Workload};
use wsim_trace::NameId;

pub(super) type Rule = fn() -> Box<dyn Router>;

/// The simple rules of [`crate::synapse::router`].
pub(super) const RULES: [Rule; 5] = [
    || Box::new(RoundRobin::default()),
    || Box::new(RandomServer),
    || Box::new(ByActor),
    || Box::new(FewestActive),
    || Box::new(LeastInFlight),
];

/// The input of a small run.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub workload: Workload,
    pub topology: Topology,
    pub costs: Costs,
    pub rule: Rule,
    pub seed: u64,
}

impl Scene {
    /// Requests of one plain class at one process, within an hour.
    pub(super) fn of(records: Vec<Record>) -> Self {
        let workload =
            Workload { records, classes: vec![Class::plain(0)], origin_us: 0, span: Span::from_millis(3_600_000), skips: Vec::new() };
        Self { workload, topology: Topology::one_pool(1), costs: Costs::LOGGED, rule: RULES[0], seed: 1 }
    }

    pub(super) fn play(&self) -> RunResult {
        let schedule = Schedule::draw(&self.workload, Population::OBSERVED, self.seed);
        let rule = self.rule;
        let routers = move |_: usize, _: usize, _: u64| rule();
        let measurement = MeasurementWindow::new(Time::ZERO, Time::ZERO + self.workload.span, 60);
        let (workload, topology, costs) = (&self.workload, &self.topology, &self.costs);
        Run { workload, schedule: &schedule, topology, routers: &routers, costs, measurement, seed: self.seed, as_logged: true }
            .simulate()
            .unwrap()
    }

    /// Smallest and largest latency of group 0, ms.
    fn range_ms(&self) -> (f64, f64) {
        let result = self.play();
        let work = &result.groups[0].work;
        assert_eq!(result.unfinished, 0);
        (work.quantile_ms(0.0), work.max_ms())
    }
}

/// A request at `ms` with `cpu_ms` of CPU.
fn request(ms: u64, cpu_ms: u32) -> Record {
    Record { cpu_us: cpu_ms * 1000, ..Record::at(ms * 1000) }
}

/// A long poll at `ms` that is woken `wait_ms` later.
fn poll(ms: u64, wait_ms: u32, cpu_ms: u32) -> Record {
    let mut record = Record { wait_us: wait_ms * 1000, ..request(ms, cpu_ms) };
    record.set(mark::LONG_POLL);
    record
}

fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() <= expected * 0.002 + 1e-9, "{value} for {expected}");
}

#[test]
fn processes_share_their_machine() {
    // Two requests of 6 ms at two processes at the same time: on two cores neither is delayed, on one core the second takes twice as long.
    let mut scene = Scene::of(vec![request(0, 6), request(0, 6)]);
    scene.topology = Topology::one_pool(2);
    let on = |cores: f64| Some(Machine { cores, database: 0.5, others: 0.0 });
    scene.topology.machine = on(2.0);
    let (first, second) = scene.range_ms();
    near(first, 6.0);
    near(second, 6.0);
    scene.topology.machine = on(1.0);
    let (first, second) = scene.range_ms();
    near(first, 6.0);
    near(second, 12.0);
    let cores: f64 = scene.play().processes.iter().map(|process| process.cores).sum();
    near(cores * 3600.0, 0.012);
    // A transaction of 10 ms, half of it database CPU, beside a busy process: together they need 1.5 cores, so 5 + 5 * 1.5.
    let reads = Record { transactions: 1, db_us: 10_000, ..Record::at(1_000) };
    scene.workload.records = vec![request(0, 50), reads];
    let (first, _) = scene.range_ms();
    near(first, 12.5);
}

#[test]
fn slices_of_two_requests_alternate() {
    // 3 slices of 2 ms each with transactions that take no time: A ends at 9 (its third slice waits for B's second).
    let cut = Record { transactions: 2, ..request(0, 6) };
    let (first, second) = Scene::of(vec![cut, cut]).range_ms();
    near(first, 10.0);
    near(second, 12.0);
    let (first, second) = Scene::of(vec![request(0, 6), request(0, 6)]).range_ms();
    near(first, 6.0);
    near(second, 12.0);
}

#[test]
fn a_last_slice_that_holds_most_blocks_everyone() {
    let big = Record { transactions: 9, ..request(0, 1000) };
    let small = request(601, 1);
    let even = Scene::of(vec![big, small]);
    let lumped = Scene { costs: Costs { slicing: Slicing::LastShare(0.9), ..Costs::LOGGED }, ..Scene::of(vec![big, small]) };
    near(even.range_ms().0, 100.0);
    near(lumped.range_ms().0, 400.0);
    near(lumped.range_ms().1, 1000.0);
}

#[test]
fn transactions_wait_for_one_of_the_connections() {
    let asks = Record { transactions: 1, db_us: 10_000, ..request(0, 0) };
    let mut scene = Scene::of(vec![asks; 7]);
    let result = scene.play();
    near(result.groups[0].work.max_ms(), 20.0);
    near(result.groups[0].waits.max_ms(), 10.0);
    assert_eq!(result.processes[0].waits.count(), 7);
    scene.topology.processes[0].connections = 7;
    near(scene.play().groups[0].work.max_ms(), 10.0);
}

#[test]
fn parallel_transactions_shorten_the_request_and_not_the_work() {
    let mut four = Record { transactions: 4, db_us: 40_000, ..request(0, 0) };
    near(Scene::of(vec![four]).range_ms().1, 40.0);
    four.set_parallel(2);
    let scene = Scene::of(vec![four]);
    near(scene.range_ms().1, 20.0);
    assert_eq!(scene.play().processes[0].connections.visits, 4);
    near(scene.play().processes[0].connections_busy * 3600.0, 0.040);
}

#[test]
fn a_delay_does_not_occupy_the_process() {
    let remote = Record { wait_us: 500_000, ..request(0, 2) };
    let result = Scene::of(vec![remote; 3]).play();
    near(result.groups[0].work.max_ms(), 506.0);
    near(result.processes[0].cores * 3600.0, 0.006);
}

#[test]
fn a_long_poll_wait_is_not_latency_and_its_wake_up_is_an_absolute_time() {
    let (low, high) = Scene::of(vec![poll(0, 20_000, 5), poll(19_000, 1_000, 5)]).range_ms();
    // Both wake at 20 s: a burst of two.
    near(low, 5.0);
    near(high, 10.0);
}

#[test]
fn a_device_polls_again_after_its_think_time_and_a_past_wake_up_is_immediate() {
    // The first response takes 4 s of CPU; so the second poll arrives at 4.1 s, after its wake-up at 2 s.
    let mut first = poll(0, 0, 4000);
    first.next = 1;
    let mut second = Record { think_us: 100_000, ..poll(100, 1_900, 5) };
    second.set(mark::FOLLOWS_POLL);
    let result = Scene::of(vec![first, second]).play();
    assert_eq!(result.started, 2);
    near(result.groups[0].work.max_ms(), 4000.0);
    near(result.groups[0].work.quantile_ms(0.0), 5.0);
    let late = result.processes[0].active_over_time[0] * 60.0;
    near(late, 4.005);
}

/// A chain of polls of one device.
fn chain(mut polls: Vec<Record>) -> Vec<Record> {
    let last = polls.len() - 1;
    for (poll, next) in polls.iter_mut().zip(1..).take(last) {
        poll.next = next;
    }
    polls.iter_mut().skip(1).for_each(|poll| poll.set(mark::FOLLOWS_POLL));
    polls
}

#[test]
fn events_while_a_device_is_away_are_one_response() {
    // The first response takes 4 s; the wake-ups at 2 s and 3 s are fetched together, the poll waits for the one at 9 s.
    let polls = chain(vec![poll(0, 0, 4000), poll(100, 1_900, 5), poll(2_010, 990, 6), poll(3_010, 5_990, 7)]);
    let result = Scene::of(polls).play();
    assert_eq!((result.started, result.merged_polls), (3, 1));
    near(result.groups[0].work.quantile_ms(0.0), 6.0);
    near(result.processes[0].cores * 3600.0, 4.013);
}

#[test]
fn a_late_poll_takes_the_wake_up_that_it_would_have_missed() {
    // On time it waits 30 s from 0.1 s on and times out, and the next one is woken at 31 s. Four seconds later it still waits then.
    let mut in_vain = poll(100, 30_000, 5);
    in_vain.set(mark::TIMED_OUT);
    let polls = |first_ms: u32| chain(vec![poll(0, 0, first_ms), in_vain, poll(30_200, 800, 6)]);
    assert_eq!(Scene::of(polls(1)).play().merged_polls, 0);
    let late = Scene::of(polls(4000)).play();
    assert_eq!((late.started, late.merged_polls), (2, 1));
    let at = late.processes[0].cores_over_time.iter().rposition(|&cores| cores > 0.0);
    assert_eq!(at, Some(0), "the response is at 31 s, within the first minute");
}

#[test]
fn a_poll_that_timed_out_waits_its_timeout_from_its_arrival() {
    let mut first = poll(0, 0, 1000);
    first.next = 1;
    let mut second = Record { think_us: 0, ..poll(0, 30_000, 5) };
    second.set(mark::FOLLOWS_POLL);
    second.set(mark::TIMED_OUT);
    let result = Scene::of(vec![first, second]).play();
    let busy_bin = result.processes[0].cores_over_time.iter().rposition(|&cores| cores > 0.0);
    assert_eq!(busy_bin, Some(0));
    near(result.groups[0].work.quantile_ms(0.0), 5.0);
}

fn sends(count: usize, room: u32, cpu_ms: u32, lock: Lock) -> Scene {
    let mut scene = Scene::of(vec![Record { room: NameId(room), ..request(0, cpu_ms) }; count]);
    scene.workload.classes[0] = Class { persists: true, lock, ..Class::plain(0) };
    scene.costs.persist_db = Span::from_millis(10);
    scene
}

#[test]
fn a_room_s_lock_admits_one_event_at_a_time() {
    let result = sends(3, 7, 0, Lock::Room).play();
    near(result.groups[0].work.max_ms(), 30.0);
    assert_eq!((result.events_persisted, result.batches), (3, 3));
    let unlocked = sends(3, 7, 0, Lock::None).play();
    near(unlocked.groups[0].work.max_ms(), 20.0);
    assert_eq!((unlocked.events_persisted, unlocked.batches), (3, 2), "the two that wait are one batch");
    let unknown_room = sends(3, 0, 0, Lock::Room).play();
    near(unknown_room.groups[0].work.max_ms(), 30.0);
    assert_eq!(unknown_room.batches, 3, "nothing merges, and a persister writes one batch at a time");
}

#[test]
fn an_event_goes_to_its_persister_and_the_response_waits_for_half_of_its_replication() {
    let mut scene = sends(1, 7, 2, Lock::Room);
    scene.topology = Topology::one_pool(3);
    scene.topology.pools = vec![vec![1]];
    scene.topology.persisters = vec![2];
    scene.costs.rpc_delay = Span::from_millis(1);
    scene.costs.rpc_cpu = Span::from_millis(3);
    scene.costs.persist_cpu = Span::from_millis(4);
    scene.costs.replication = Span::from_millis(5);
    scene.costs.replication_delay = Span::from_millis(2);
    let result = scene.play();
    // Creation, RPC, handling it, persisting, writing, delay of replication, half of its slice.
    near(result.groups[0].work.max_ms(), 2.0 + 1.0 + 3.0 + 4.0 + 10.0 + 2.0 + 2.5);
    let busy: Vec<f64> = result.processes.iter().map(|p| p.cores * 3600.0 * 1e3).collect();
    near(busy[0], 5.0);
    near(busy[1], 7.0);
    near(busy[2], 7.0);
}

#[test]
fn a_persister_that_made_the_event_itself_needs_no_rpc() {
    let mut scene = sends(1, 7, 2, Lock::Room);
    scene.costs.rpc_delay = Span::from_millis(100);
    near(scene.range_ms().1, 12.0);
}

#[test]
fn cold_caches_cost_more_where_the_user_was_not_served_recently() {
    let occurrence = |ms: u64, cold: bool| {
        let mut record = Record { user: NameId(1), transactions: 2, db_us: 4_000, ..request(ms, 10) };
        if cold {
            record.set(mark::COLD);
        }
        record
    };
    let mut scene = Scene::of(vec![occurrence(0, true), occurrence(1_000, false), occurrence(2_000, false), occurrence(3_000, false)]);
    scene.workload.classes[0].caches = CacheEffect::Ratio(2.0);
    let as_observed = scene.play();
    assert_eq!(as_observed.cold, 1);
    near(as_observed.groups[0].work.max_ms(), 14.0);
    scene.topology = Topology::one_pool(2);
    let moved = scene.play();
    assert_eq!(moved.cold, 2, "two workers, each cold once");
    near(moved.groups[0].work.max_ms(), 28.0);
    near(moved.processes.iter().map(|p| p.cores).sum::<f64>() * 3600.0, 0.010 * 3.0 + 0.020);
}

#[test]
fn unlogged_cpu_is_work_too() {
    let mut scene = Scene::of(vec![Record { events: 4, ..request(0, 10) }]);
    scene.costs.unlogged_cpu = 0.8;
    scene.costs.fetched_event = Span::from_millis(1);
    let result = scene.play();
    near(result.groups[0].work.max_ms(), 14.0);
    near(result.processes[0].cores * 3600.0, 0.022);
}

#[test]
fn a_quota_stretches_long_requests_only() {
    let mut scene = Scene::of(vec![request(0, 20), request(10_000, 200)]);
    scene.topology.processes[0].cpu = Cpu::cores(0.25);
    let (short, long) = scene.range_ms();
    near(short, 20.0);
    near(long, 725.0);
    let result = scene.play();
    near(result.processes[0].utilisation, result.processes[0].cores * 4.0);
}

#[test]
fn an_inconsistent_topology_is_an_error_and_not_a_panic() {
    let mut scene = Scene::of(vec![request(0, 1)]);
    scene.topology.pools = vec![vec![4]];
    let schedule = Schedule::draw(&scene.workload, Population::OBSERVED, 1);
    let routers = |_: usize, _: usize, _: u64| RULES[0]();
    let measurement = MeasurementWindow::new(Time::ZERO, Time::from_micros(10), 1);
    let (workload, topology, costs) = (&scene.workload, &scene.topology, &scene.costs);
    assert!(
        Run { workload, schedule: &schedule, topology, routers: &routers, costs, measurement, seed: 1, as_logged: true }
            .simulate()
            .is_err()
    );
}

#[test]
fn response_times_of_an_overloaded_process_are_not_cut_off() {
    // Twenty thousand requests of half a second at once: the last response is ready after nearly three hours.
    let scene = Scene::of((0..20_000).map(|_| request(0, 500)).collect());
    near(scene.range_ms().1, 10_000_000.0);
}

/// A request at `ms` that makes news.
fn write(ms: u64, cpu_ms: u32) -> Record {
    let mut record = request(ms, cpu_ms);
    record.set(mark::NEWS);
    record
}

/// A long poll at `ms` that the request with this index woke after `wait_ms`.
fn caused(ms: u64, wait_ms: u32, cpu_ms: u32, cause: u32) -> Record {
    Record { cause: cause + 1, ..poll(ms, wait_ms, cpu_ms) }
}

#[test]
fn news_that_comes_late_wakes_late() {
    // In the log the write ended at 1050 ms and woke the poll. Here another request delays it, by nothing up to two seconds.
    for before_ms in [0, 100, 500, 2000] {
        let records = vec![caused(0, 1050, 5, 2), request(900, before_ms), write(1000, 50)];
        let mut scene = Scene::of(records.clone());
        scene.workload.classes.push(Class::plain(1));
        scene.workload.records[1].class = 1;
        scene.workload.records[2].class = 1;
        let (first, last) = scene.range_ms();
        near(first, 5.0);
        near(last, 5.0);
        // Without the cause the poll would wait in the queue.
        scene.workload.records[0].cause = 0;
        let (_, last) = scene.range_ms();
        near(last, 5.0 + f64::from(before_ms.saturating_sub(100)));
    }
}

#[test]
fn one_write_wakes_its_whole_herd_at_one_instant() {
    for size in [1, 3, 8] {
        let mut records: Vec<Record> = (0..size).map(|n| caused(u64::from(n) * 10, 990 - n * 10, 5, size)).collect();
        records.push(Record { class: 1, ..write(1000, 40) });
        let mut scene = Scene::of(records);
        scene.workload.classes.push(Class::plain(1));
        let (first, last) = scene.range_ms();
        near(first, 5.0);
        near(last, 5.0 * f64::from(size));
    }
}

#[test]
fn a_device_that_comes_back_late_finds_the_news() {
    // The first poll takes 500 ms; the news of the second is out at 1100 ms, before the second is sent at 1510 ms.
    let mut second = caused(1100, 5, 3, 2);
    second.set(mark::FOLLOWS_POLL);
    second.think_us = 10_000;
    let first = Record { next: 1, ..poll(0, 1000, 500) };
    let mut scene = Scene::of(vec![first, second, Record { class: 1, ..write(1050, 50) }]);
    scene.workload.classes.push(Class::plain(1));
    scene.topology = Topology::one_pool(2);
    scene.rule = RULES[4];
    let (first, last) = scene.range_ms();
    near(first, 3.0);
    near(last, 500.0);
}

#[test]
fn the_news_of_the_next_poll_wakes_the_one_that_waits() {
    // The write that woke the first poll never ends here, because an endless request is before it in its process.
    let mut second = caused(1010, 90, 3, 4);
    second.set(mark::FOLLOWS_POLL);
    second.think_us = 5_000;
    let first = Record { next: 1, ..caused(0, 1000, 3, 3) };
    let other = |record: Record| Record { class: 1, ..record };
    let elsewhere = |record: Record| Record { endpoint: 1, ..other(record) };
    let records = vec![first, second, elsewhere(request(900, 4_000_000)), elsewhere(write(950, 50)), other(write(1060, 40))];
    let mut scene = Scene::of(records);
    scene.workload.classes.push(Class::plain(1));
    let mut topology = Topology::one_pool(2);
    topology.pools = vec![vec![0], vec![1]];
    topology.routes = vec![0, 1];
    scene.topology = topology;
    let result = scene.play();
    assert_eq!(result.groups[0].work.count(), 2);
    near(result.groups[0].work.max_ms(), 3.0);
}

#[test]
fn an_event_wakes_when_it_is_written() {
    // A send takes 10 ms, the persister 20 ms for it; the poll at a third process wakes 30 ms after the send's arrival, not before.
    let mut scene = Scene::of(vec![caused(0, 500, 5, 1), Record { class: 1, room: NameId(7), ..write(1000, 10) }]);
    scene.workload.classes.push(Class { persists: true, ..Class::plain(1) });
    scene.costs.persist_cpu = Span::from_millis(20);
    let result = scene.play();
    near(result.groups[0].work.max_ms(), 5.0);
    near(result.groups[1].work.max_ms(), 30.0);
}

#[test]
fn a_process_that_is_down_serves_nothing_and_others_take_its_requests() {
    // A request a second at two processes for an hour; the second is down for ten minutes.
    let mut scene = Scene::of((0..3600).map(|second| request(second * 1000, 10)).collect());
    scene.topology = Topology::one_pool(2);
    let minutes = |result: &RunResult, process: usize, range: std::ops::Range<usize>| {
        result.processes[process].cores_over_time[range].iter().sum::<f64>()
    };
    let all_up = scene.play();
    assert!(minutes(&all_up, 1, 11..20) > 0.0);
    scene.topology.outages = Outages::rolling(&[1], Time::ZERO + Span::from_millis(600_000), Span::from_millis(600_000), Span::ZERO);
    let with_outage = scene.play();
    assert_eq!((minutes(&with_outage, 1, 11..20), with_outage.unfinished, with_outage.started), (0.0, 0, 3600));
    near(minutes(&with_outage, 0, 11..20), 9.0 * 0.01);
    // Before it everything is the same.
    assert_eq!(all_up.processes[0].cores_over_time[..10], with_outage.processes[0].cores_over_time[..10]);
}

#[test]
fn without_another_process_requests_wait_until_it_is_back_and_find_it_cold() {
    let mut scene = Scene::of(vec![request(0, 10), request(1_000, 10), request(5_000, 10), request(100_000, 10)]);
    scene.topology.outages = Outages::rolling(&[0], Time::ZERO + Span::from_millis(500), Span::from_millis(3_500), Span::ZERO);
    let (first, last) = scene.range_ms();
    near(first, 10.0);
    near(last, 3_010.0);
    // Twice the CPU at its start, and a third of the difference left after five seconds.
    scene.topology.outages = scene.topology.outages.warming(1.0, Span::from_millis(5_000));
    near(scene.range_ms().1, 3_020.0);
    let cpu: f64 = scene.play().processes[0].cores * 3600.0;
    near(cpu, 0.04 + 0.01 * (1.0 + (-1.0_f64 / 5.0).exp()));
    // Caches are empty after it.
    scene.topology.outages = Outages::rolling(&[0], Time::ZERO + Span::from_millis(2_000), Span::from_millis(1_000), Span::ZERO);
    scene.workload.classes[0].caches = CacheEffect::Ratio(2.0);
    scene.workload.records.iter_mut().for_each(|record| record.user = NameId(1));
    assert_eq!(scene.play().cold, 1, "the first request of the user after the start");
}
