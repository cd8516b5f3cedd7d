//! Properties that hold for any workload and any balancing rule.

use proptest::prelude::*;

use super::tests::{RULES, Scene};
use crate::engine::time::Span;
use crate::station::{Background, Cpu};
use crate::synapse::record::{Record, mark};
use crate::synapse::topology::{Costs, Machine, Slicing, Topology};
use crate::synapse::workload::{Class, Lock};
use wsim_stats::student_t;
use wsim_trace::NameId;

/// Lets half of the polls wait for the news of another request, before or after them.
fn wake_some(records: &mut [Record]) {
    for index in 0..records.len() {
        let cause = (index * 7 + 3) % records.len();
        if records[index].has(mark::LONG_POLL) && records[index].events & 1 == 1 && !records[cause].has(mark::LONG_POLL) {
            records[index].cause = u32::try_from(cause + 1).unwrap();
            records[cause].set(mark::NEWS);
        }
    }
}

/// Random requests of four classes: plain, long polls (some in chains), events with a lock per room, membership changes.
fn any_scene() -> impl Strategy<Value = Scene> {
    let record = (0u64..40_000, 0u32..30_000, 0u16..6, 0u32..40_000, (0u32..5, 0u32..4), 0u16..4, 0u8..32);
    let parameters = (1usize..5, 0usize..RULES.len(), any::<u64>(), 0u64..3000, 1u32..6);
    (prop::collection::vec(record, 1..120), parameters).prop_map(|(rows, (processes, rule, seed, replication_us, connections))| {
        let mut at = 0;
        let mut records: Vec<Record> = Vec::new();
        for (gap_us, cpu_us, transactions, db_us, (user, room), class, marks) in rows {
            at += gap_us;
            let mut r = Record { cpu_us, transactions, db_us, class, ..Record::at(at) };
            (r.user, r.room, r.events) = (NameId(user), NameId(room), u16::from(marks));
            r.set_parallel(marks % 4);
            if class == 1 {
                r.set(mark::LONG_POLL);
                r.wait_us = u32::from(marks) * 10_000;
                link(&mut records, &mut r);
            }
            records.push(r);
        }
        wake_some(&mut records);
        let mut scene = Scene::of(records);
        let class = |lock, persists| Class { lock, persists, ..Class::plain(0) };
        scene.workload.classes =
            vec![class(Lock::None, false), class(Lock::None, false), class(Lock::Room, true), class(Lock::Member, true)];
        scene.topology = Topology::one_pool(processes);
        scene.topology.processes.iter_mut().for_each(|p| p.connections = connections);
        scene.topology.persisters = vec![u16::try_from(processes - 1).unwrap()];
        scene.costs = Costs {
            replication: Span::from_micros(replication_us),
            replication_delay: Span::from_micros(700),
            persist_cpu: Span::from_micros(900),
            persist_db: Span::from_millis(4),
            rpc_delay: Span::from_micros(400),
            ..Costs::LOGGED
        };
        scene.rule = RULES[rule];
        scene.seed = seed;
        scene
    })
}

/// Makes every second poll of a user follow the one before.
fn link(records: &mut [Record], record: &mut Record) {
    let index = u32::try_from(records.len()).unwrap();
    let before = records.iter_mut().rev().find(|r| r.has(mark::LONG_POLL) && r.user == record.user);
    if let Some(before) = before.filter(|before| before.next == 0 && !before.has(mark::FOLLOWS_POLL)) {
        before.next = index;
        record.set(mark::FOLLOWS_POLL);
        record.think_us = 5_000;
    }
}

fn close(a: f64, b: f64, slack: f64) -> bool {
    (a - b).abs() <= slack + 1e-9 * a.abs().max(b.abs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn on_a_machine_without_limits_sharing_changes_nothing(
        mut scene in any_scene(),
        (share, unlogged) in (prop::sample::select(vec![0.0, 0.3, 1.0]), 0.0f64..2.0),
        (background, last) in (0.0f64..0.3, prop::option::of(0.0f64..1.0)),
    ) {
        scene.costs.thread_share = Some(share);
        (scene.costs.unlogged_cpu, scene.costs.unlogged_after_response) = (unlogged, 0.5);
        scene.costs.slicing = last.map_or(Slicing::Even, Slicing::LastShare);
        scene.topology.processes.iter_mut().for_each(|process| process.background = Background::from_utilisation(background));
        let apart = format!("{:?}", scene.play());
        scene.topology.machine = Some(Machine { cores: 1e9, database: 0.5, others: 0.0 });
        prop_assert_eq!(apart, format!("{:?}", scene.play()));
    }

    #[test]
    fn every_request_completes_and_little_s_law_holds_at_every_station(scene in any_scene()) {
        let result = scene.play();
        prop_assert_eq!((result.unfinished, result.rejected), (0, 0));
        prop_assert_eq!(result.started + result.merged_polls, scene.workload.records.len() as u64);
        prop_assert_eq!(result.groups[0].work.count(), result.started);
        for process in &result.processes {
            for station in [process.reactor, process.connections] {
                // Mean number present × time = visits × their mean time, because the station is empty at the end.
                let (present, visits) = (station.present * result.seconds, station.visits as f64 * station.visit_seconds);
                prop_assert!(close(present, visits, 1e-9), "{} {}", present, visits);
            }
        }
        // The whole system: active requests × time = sum of latencies (each rounded to a microsecond).
        let present = result.processes.iter().map(|p| p.active).sum::<f64>() * result.seconds;
        let latencies = result.groups[0].work.mean_ms() / 1e3 * result.started as f64;
        prop_assert!(close(present, latencies, 1e-6 * result.started as f64), "{} {}", present, latencies);
    }

    #[test]
    fn no_work_is_lost_or_added(scene in any_scene()) {
        let result = scene.play();
        let cpu = scene.workload.records.iter().map(|r| f64::from(r.cpu_us)).sum::<f64>() / 1e6;
        let events = scene.workload.records.iter().filter(|r| r.class >= 2).count() as f64;
        let others = scene.topology.processes.len() as f64 - 1.0;
        let persist = events * (scene.costs.persist_cpu.seconds() + others * scene.costs.replication.seconds());
        let busy = result.processes.iter().map(|p| p.cores).sum::<f64>() * result.seconds;
        prop_assert!(busy <= cpu + persist + 1e-6, "{} {}", busy, cpu + persist);
        if result.merged_polls > 0 {
            // Merged polls cause no work.
            return Ok(());
        }
        prop_assert!(close(busy, cpu + persist, 1e-6), "{} {}", busy, cpu + persist);
        prop_assert_eq!(result.events_persisted as f64, events);
        let db: f64 = result.processes.iter().map(|p| p.connections_busy).sum::<f64>() * result.seconds;
        let requested: f64 = scene.workload.records.iter().filter(|r| r.transactions > 0).map(|r| f64::from(r.db_us)).sum::<f64>() / 1e6;
        let batches = result.batches as f64 * scene.costs.persist_db.seconds();
        prop_assert!(close(db, requested + batches, 1e-6), "{} {}", db, requested + batches);
    }

    #[test]
    fn with_one_process_all_rules_are_the_same(scene in any_scene()) {
        let mut scene = Scene { topology: Topology::one_pool(1), ..scene };
        let results: Vec<String> = RULES.iter().map(|&rule| {
            scene.rule = rule;
            format!("{:?}", scene.play())
        }).collect();
        prop_assert!(results.iter().all(|result| *result == results[0]));
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes(scene in any_scene()) {
        prop_assert_eq!(format!("{:?}", scene.play()), format!("{:?}", scene.play()));
    }

    #[test]
    fn a_quota_and_background_work_only_delay(scene in any_scene(), cores in 0.1f64..1.0) {
        let free = scene.play();
        let mut bound = scene;
        bound.topology.processes.iter_mut().for_each(|p| (p.cpu, p.background) = (Cpu::cores(cores), Background::from_utilisation(0.05)));
        let bound = bound.play();
        prop_assert_eq!(bound.started + bound.merged_polls, free.started + free.merged_polls);
        if bound.merged_polls > free.merged_polls {
            return Ok(());
        }
        let work = |r: &crate::synapse::result::RunResult| r.processes.iter().map(|p| p.cores).sum::<f64>() * r.seconds;
        prop_assert!(work(&bound) >= work(&free) - 1e-6);
    }
}

#[test]
fn common_random_numbers_reduce_the_variance_of_a_difference() {
    let synthetic: crate::theory::Synthetic = "poisson rate=240 service=exp:10ms".parse().unwrap();
    let latency = |rule: usize, seed: u64| {
        let workload = synthetic.workload(Span::from_millis(60_000), seed);
        let mut scene = Scene::of(Vec::new());
        (scene.workload, scene.topology, scene.rule, scene.seed) = (workload, Topology::one_pool(3), RULES[rule], seed);
        scene.play().groups[0].work.mean_ms()
    };
    let random: Vec<f64> = (0..30).map(|seed| latency(1, seed)).collect();
    let shortest: Vec<f64> = (0..30).map(|seed| latency(3, seed)).collect();
    let others: Vec<f64> = (100..130).map(|seed| latency(3, seed)).collect();
    let common = student_t::paired_difference(&random, &shortest, 0.95);
    let independent = student_t::paired_difference(&random, &others, 0.95);
    let (common_width, independent_width) = (common.high - common.low, independent.high - independent.low);
    assert!(common.low > 0.0, "the shortest queue wins: {common:?}");
    assert!(common_width < 0.9 * independent_width, "{common_width} against {independent_width}");
}
