use super::*;
use crate::synapse::workload::Lock;
use wsim_endpoints::{EndpointId, Method};
use wsim_profile::{InferredDemand, ProcessCpu, ProfileInputs, ProfilerConfig, profile_trace};
use wsim_trace::NameId;

pub(crate) fn endpoint(group: &str, pattern: &str) -> Endpoint {
    Endpoint {
        group: group.to_owned(),
        workers: vec!["generic_worker".to_owned()],
        stream: None,
        condition: None,
        any_worker: true,
        pattern: Some(pattern.to_owned()),
        internal: false,
    }
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint("client", "^/members$"),
        endpoint("event_sending", "^/rooms/.*/send"),
        endpoint("event_sending", "^/rooms/.*/(join|leave)$"),
    ]
}

/// A hundred seconds of ten requests a second by 20 users on two workers; every fifth makes an event.
pub(crate) fn trace(costed: bool) -> Trace {
    let mut trace = Trace::new();
    let users: Vec<NameId> = (0..20).map(|i| trace.names.intern(format!("@user{i}:x").as_bytes())).collect();
    let workers = ["generic_worker1", "generic_worker2"].map(|name| trace.names.intern(name.as_bytes()));
    let room = trace.names.intern(b"!room:x");
    for i in 0..1000_u16 {
        let sends = i % 5 == 0;
        let cost = if costed { flag::COST | flag::SYNAPSE } else { flag::PROXY };
        trace.push(Request {
            arrival_us: 1_000_000_000 + i64::from(i) * 100_000,
            wall_us: 30_000,
            cpu_us: if costed { 10_000 } else { 0 },
            db_txn_us: if costed { 4_000 } else { 0 },
            db_count: if costed { 2 } else { 0 },
            user: users[usize::from(i) % 20],
            room,
            process: workers[usize::from(i) % 2],
            endpoint: EndpointId(u16::from(sends)),
            method: if sends { Method::Put } else { Method::Get },
            status: 200,
            flags: flag::WALL | cost,
            ..Request::default()
        });
    }
    trace.seal();
    trace
}

pub(crate) fn profile(trace: &Trace, process_cpu: Option<ProcessCpu>) -> Profile {
    let profiler = profile_trace(trace, &ProfilerConfig::new(endpoints()), 1);
    let inferred = (!trace.any_has(flag::COST)).then(|| InferredDemand::from_prior(&endpoints(), 1.0));
    profiler.finish(&ProfileInputs { process_cpu, inferred, ..ProfileInputs::default() })
}

fn prepared(trace: &Trace, config: &PrepareConfig) -> PreparedWorkload {
    let profile = profile(trace, config.process_cpu.clone());
    PreparedWorkload::new(trace, &endpoints(), &profile, profile.window, config)
}

/// Each worker logs 0.05 core; `cpu` cores are used by each.
pub(crate) fn counters(cpu: f64) -> ProcessCpu {
    let lines = (0..14).flat_map(|i| {
        [("generic_worker1", cpu), ("generic_worker2", cpu)]
            .map(move |(name, cpu)| format!("{},{name},{}\n", 990 + i * 10, f64::from(i) * 10.0 * cpu))
    });
    ProcessCpu::parse(lines.collect::<String>().as_bytes()).unwrap()
}

#[test]
fn without_process_cpu_unlogged_cpu_is_assumed_and_the_notes_say_so() {
    let prepared = prepared(&trace(true), &PrepareConfig::default());
    assert!(!prepared.is_measured && prepared.costs.unlogged_cpu >= 0.1 && prepared.costs.replication > Span::ZERO);
    assert!(prepared.notes.iter().any(|note| note.contains("assumed, not measured")), "{:?}", prepared.notes);
}

#[test]
fn with_process_cpu_the_parts_add_up_to_the_counters() {
    let prepared = prepared(&trace(true), &PrepareConfig { process_cpu: Some(counters(0.09)), ..PrepareConfig::default() });
    let idle = prepared.idle.rate * prepared.idle.slice.seconds();
    let modelled = 0.05 * (1.0 + prepared.costs.unlogged_cpu) + idle + 2.0 * prepared.costs.replication.seconds();
    assert!(prepared.is_measured && (modelled / 0.09 - 1.0).abs() < 0.03, "{modelled}");
}

#[test]
fn a_worker_that_uses_no_more_than_it_logs_has_unlogged_cpu_all_the_same() {
    let prepared = prepared(&trace(true), &PrepareConfig { process_cpu: Some(counters(0.05)), ..PrepareConfig::default() });
    assert!(prepared.costs.unlogged_cpu >= 0.1);
}

#[test]
fn the_ends_of_the_ranges_enclose_the_estimate() {
    let trace = trace(true);
    let at = |coverage, replication| prepared(&trace, &PrepareConfig { coverage, replication, ..PrepareConfig::default() }).costs;
    let (low, value, high) = (at(Bound::Low, Bound::Low), at(Bound::Value, Bound::Value), at(Bound::High, Bound::High));
    assert!(low.unlogged_cpu < value.unlogged_cpu && value.unlogged_cpu < high.unlogged_cpu);
    assert!(low.replication < value.replication && value.replication < high.replication);
}

#[test]
fn writes_lock_their_room_and_make_events_and_reads_do_not() {
    let prepared = prepared(&trace(true), &PrepareConfig::default());
    let class = |number: usize| &prepared.workload.classes[usize::from(prepared.workload.records[number].class)];
    assert!(class(0).persists && class(0).lock == Lock::Room);
    assert!(!class(1).persists && class(1).lock == Lock::None);
    assert_eq!(prepared.groups[usize::from(class(1).group)], "client");
    assert_eq!(prepared.workload.classes[5].lock, Lock::Member);
}

#[test]
fn requests_without_logged_cpu_get_what_the_profile_found_for_their_class() {
    let trace = trace(false);
    let prepared = prepared(&trace, &PrepareConfig::default());
    let cpu: u64 = prepared.workload.records.iter().map(|record| u64::from(record.cpu_us)).sum();
    let found: f64 = profile(&trace, None).endpoints.iter().map(|endpoint| endpoint.cpu_seconds).sum();
    assert!(cpu > 0 && cpu as f64 / 1e6 <= found * 1.1, "{cpu} of {found}");
    assert!(prepared.workload.records.iter().all(|record| record.cpu_us <= 30_000));
    assert!(prepared.notes.iter().any(|note| note.contains("inferred")));
}

#[test]
fn a_delay_that_load_does_not_explain_is_kept() {
    // 30 ms of wall, of which 10 CPU and 4 transactions, at a twentieth of a core: 16 ms are unexplained.
    let prepared = prepared(&trace(true), &PrepareConfig::default());
    let kept = prepared.workload.records[1].wait_us + prepared.workload.records[1].db_us;
    assert!((12_000..=20_000).contains(&kept), "{kept}");
}

/// The trace, and again this much later.
fn twice(apart_us: i64) -> Trace {
    let (one, mut two) = (trace(true), Trace::new());
    two.names = one.names.clone();
    for start_us in [0, apart_us] {
        one.requests().for_each(|request| two.push(Request { arrival_us: request.arrival_us + start_us, ..request }));
    }
    two.seal();
    two
}

#[test]
fn time_that_no_log_covers_costs_no_events_and_changes_no_costs() {
    use crate::engine::NEVER_STOPPED;
    use crate::replications::{Candidate, ReplicationConfig, Scenario};

    let run = |trace: &Trace| {
        let prepared = prepared(trace, &PrepareConfig::default());
        let observed = prepared.observed_deployment(trace, &endpoints()).unwrap();
        let (workload, costs, config) = (&observed.workload, &prepared.costs, ReplicationConfig::default());
        let scenario = Scenario { workload, growth: 1.0, costs, seed: 1, config, stop: &NEVER_STOPPED };
        let candidate = Candidate { topology: &observed.topology, routers: &observed.routers };
        let run = scenario.once(candidate, 0, Span::ZERO).unwrap().unwrap();
        let cores: f64 = run.processes.iter().map(|process| process.cores).sum();
        (run.queue_events, run.seconds, cores, prepared.costs.unlogged_cpu)
    };
    let one = run(&trace(true));
    for days in [10, 365, 30 * 365] {
        let two = run(&twice(days * 86_400_000_000));
        assert!(two.0 < 2 * one.0 + one.0 / 10, "{days} days: {} events, {} for one log", two.0, one.0);
        assert!(two.1 < 2.0 * one.1 + 12.0, "{days} days: {} s simulated", two.1);
        assert!((two.2 / one.2 - 1.0).abs() < 0.1, "{days} days: {} cores, {} for one log", two.2, one.2);
        assert!((two.3 - one.3).abs() < 0.05, "{days} days: {} unlogged, {} for one log", two.3, one.3);
    }
}

#[test]
fn a_calibration_that_is_stopped_ends_and_keeps_all_delays() {
    let stop = crate::engine::StopFlag::from(Arc::new(std::sync::atomic::AtomicBool::new(true)));
    let prepared = prepared(&trace(true), &PrepareConfig { stop, ..PrepareConfig::default() });
    assert!(prepared.workload.classes.iter().all(|class| class.delay_share == 1.0));
}
