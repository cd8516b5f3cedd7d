//! What a profile must say, whatever the order, the split and the stamps of the requests.

use proptest::prelude::*;

use super::testing::{costed, request, table, timed};
use super::{DemandMethod, InferredDemand, ProcessCpu, Profile, ProfileInputs, Profiler, ProfilerConfig};
use wsim_endpoints::{EndpointId, Method};
use wsim_trace::{NameId, Names, Request, flag};

const SECOND: i64 = 1_000_000;
const NOON: i64 = 1_700_000_000 * SECOND;

fn observed(requests: &[Request], names: &Names) -> Profiler<'static> {
    let mut profiler = Profiler::new(&ProfilerConfig::new(table()));
    requests.iter().for_each(|r| profiler.observe(r, names));
    profiler.forget(names);
    profiler
}

fn profile(requests: &[Request]) -> Profile {
    observed(requests, &Names::new()).finish(&ProfileInputs::default())
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-9)
}

/// Any request, with stamps that are mostly of one day and sometimes of none.
fn any_request() -> impl Strategy<Value = Request> {
    let times = prop_oneof![9 => 0..86_400 * SECOND, 1 => any::<i64>()];
    let bits = prop::sample::select(vec![
        flag::WALL,
        flag::WALL | flag::COST,
        flag::WALL | flag::COST | flag::LONG_POLL,
        flag::WALL | flag::LONG_POLL,
        flag::INTERNAL | flag::WALL | flag::COST,
        flag::APPSERVICE | flag::COST,
        0,
    ]);
    let durations = (prop_oneof![0u32..2_000_000, any::<u32>()], 0u32..3_000_000);
    let identity = (0u32..6, 0u32..6, 0u32..6);
    (times, bits, durations, identity, 0u16..9, prop::sample::select(vec![0u16, 200, 200, 404, 499, 500, 65_535])).prop_map(
        |(time, flags, (wall_us, cpu_us), (user, room, peer), endpoint, status)| Request {
            wall_us,
            cpu_us: if flags & flag::COST == 0 { 0 } else { cpu_us },
            timeout_ms: 30_000,
            user: NameId(user),
            room: NameId(room),
            peer: NameId(peer),
            process: NameId(user % 3),
            endpoint: EndpointId(endpoint),
            method: if endpoint == 1 { Method::Put } else { Method::Get },
            status,
            flags,
            ..request(NOON.saturating_add(time))
        },
    )
}

fn six_names() -> Names {
    let mut names = Names::new();
    (0..6).for_each(|i| {
        names.intern(format!("@user{i}:example.org").as_bytes());
    });
    names
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_and_split_do_not_matter(requests in prop::collection::vec(any_request(), 0..120), cut in 0usize..120, inferred: bool) {
        let names = six_names();
        let inputs = ProfileInputs {
            inferred: inferred.then(|| InferredDemand::from_prior(&table(), 1.5)),
            ..ProfileInputs::default()
        };
        let whole = observed(&requests, &names).finish(&inputs);

        let cut = cut.min(requests.len());
        let mut halves = observed(&requests[cut..], &names);
        halves.merge(observed(&requests[..cut], &names));
        prop_assert_eq!(&halves.finish(&inputs), &whole);

        let mut backwards = requests;
        backwards.reverse();
        prop_assert_eq!(&observed(&backwards, &names).finish(&inputs), &whole);
    }

    #[test]
    fn totals_add_up(requests in prop::collection::vec(any_request(), 1..120)) {
        let p = observed(&requests, &six_names()).finish(&ProfileInputs::default());
        prop_assert_eq!(p.requests + p.internal_requests, requests.len() as u64);
        prop_assert_eq!(p.groups.iter().filter(|g| !g.internal).map(|g| g.requests).sum::<u64>(), p.requests);
        prop_assert_eq!(p.groups.iter().filter(|g| g.internal).map(|g| g.requests).sum::<u64>(), p.internal_requests);
        prop_assert_eq!(p.endpoints.iter().map(|e| e.requests).sum::<u64>(), p.requests);
        prop_assert_eq!(p.destinations.iter().map(|d| d.requests).sum::<u64>(), p.requests);
        prop_assert_eq!(p.outcomes.by_status.iter().map(|s| s.1).sum::<u64>(), p.requests);
        prop_assert_eq!(p.series.week.iter().flatten().sum::<u64>(), p.requests);

        let logged: f64 = requests.iter().map(|r| f64::from(r.cpu_us)).sum::<f64>() / 1e6;
        let by_group: f64 = p.groups.iter().filter_map(|g| g.cpu_seconds).sum();
        prop_assert!(close(by_group, logged), "{by_group} of {logged}");
        let client: f64 = p.groups.iter().filter(|g| !g.internal).filter_map(|g| g.cpu_seconds).sum();
        prop_assert!(close(p.endpoints.iter().map(|e| e.cpu_seconds).sum(), client));
        prop_assert!(close(p.between_processes.iter().map(|e| e.cpu_seconds).sum::<f64>() + client, logged));
        prop_assert_eq!(p.between_processes.iter().map(|e| e.requests).sum::<u64>(), p.internal_requests);
        prop_assert!(close(p.destinations.iter().filter_map(|d| d.cpu_seconds).sum(), client));

        if p.outcomes.stray_times == 0 {
            // Where CPU is known the series are of all of it, as the peaks are.
            let all = if p.series.cpu_seconds.is_empty() { p.requests } else { p.requests + p.internal_requests };
            prop_assert_eq!(p.series.requests.iter().flatten().sum::<u64>(), all);
            if !p.series.cpu_seconds.is_empty() {
                prop_assert!(close(p.series.cpu_seconds.iter().flatten().sum(), logged));
            }
        }
        prop_assert!(p.series.requests.iter().all(|bins| bins.len() <= 240));
        let peak = p.peaks.five_minutes;
        let in_peak: u64 = p.endpoints.iter().map(|e| e.peak_requests).sum();
        prop_assert!(close(peak.requests_per_second * peak.window.seconds(), in_peak as f64), "{peak:?} {in_peak}");
        if let Some(cores) = peak.cores {
            prop_assert!(close(cores * peak.window.seconds(), p.endpoints.iter().chain(&p.between_processes).map(|e| e.peak_cpu_seconds).sum()));
        }
    }
}

#[test]
fn an_empty_log_has_an_empty_profile() {
    let p = profile(&[]);
    assert_eq!((p.requests, p.groups.len(), p.demand.method), (0, 0, DemandMethod::None));
}

#[test]
fn a_stray_stamp_neither_stretches_the_window_nor_coarsens_the_bins() {
    let mut requests: Vec<Request> = (0..3000).map(|i| costed(NOON + i * SECOND / 10, 20_000, 10_000)).collect();
    requests.push(costed(0, 20_000, 10_000));
    requests.push(costed(2_147_483_647 * SECOND, 20_000, 10_000));
    let p = profile(&requests);
    assert_eq!(p.window.start_us, NOON);
    assert!(p.window.seconds() < 301.0);
    assert_eq!(p.outcomes.stray_times, 2);
    assert_eq!(p.requests, 3002);
    assert!((p.peaks.one_minute.cores.unwrap() - 0.1).abs() < 1e-9, "{:?}", p.peaks);
    assert_eq!(p.peaks.one_minute.window.seconds(), 60.0);
}

#[test]
fn a_long_poll_counts_for_its_work_when_it_wakes() {
    let poll = |i: i64| Request {
        timeout_ms: 30_000,
        flags: flag::WALL | flag::COST | flag::LONG_POLL,
        ..costed(NOON + i * SECOND, 20_000_000, 5000)
    };
    let p = profile(&(0..600).map(poll).collect::<Vec<_>>());
    let sync = &p.groups[0];
    assert_eq!((sync.id.as_str(), sync.long_polls), ("sync", 600));
    assert!((sync.latency_ms.unwrap().p50 - 5.0).abs() < 0.01);
    assert!((sync.waiting_ms.unwrap().p50 - 19_995.0).abs() < 20.0);
    assert!(p.concurrency.working_max < 0.011 && p.concurrency.waiting_max > 19.9, "{:?}", p.concurrency);
    assert_eq!(p.series.latency_heat[2].iter().sum::<u64>(), 0);
    assert_eq!(p.series.latency_heat[3].iter().sum::<u64>(), 600);
}

#[test]
fn traffic_between_processes_is_counted_apart() {
    let mut names = Names::new();
    let process = names.intern(b"event_persister1");
    let template = names.intern(b"/_synapse/replication/send_events/{id}");
    let internal_request = |i: i64| Request {
        endpoint: EndpointId(6),
        template,
        process,
        flags: flag::WALL | flag::COST | flag::INTERNAL,
        ..costed(NOON + i * SECOND, 10_000, 3000)
    };
    let requests: Vec<Request> = (0..100).flat_map(|i| [internal_request(i), costed(NOON + i * SECOND, 10_000, 10_000)]).collect();
    let p = observed(&requests, &names).finish(&ProfileInputs::default());
    assert_eq!((p.requests, p.internal_requests), (100, 100));
    assert!(p.groups.iter().any(|g| g.internal && g.id == "replication" && close(g.cpu_seconds.unwrap(), 0.3)));
    assert_eq!((p.processes[0].internal_requests, p.processes[0].requests), (100, 0));
    // 10 ms of a client's request and 3 ms between processes a second: one whole for mean and peaks.
    assert!((p.peaks.busy_hour.cores.unwrap() - 0.013).abs() < 0.001);
    assert!(close(p.peaks.mean.cores.unwrap(), p.peaks.busy_hour.cores.unwrap()));
    assert!(p.peaks.one_minute.cores.unwrap() >= p.peaks.mean.cores.unwrap() * 0.95, "{:?}", p.peaks);
    // The persister's log shows exactly one event per internal request.
    assert!((p.events_per_second.mean - 1.0).abs() < 0.02, "{:?}", p.events_per_second);
}

#[test]
fn events_are_estimated_from_successful_sends() {
    let send = |i: i64, status| Request { endpoint: EndpointId(1), method: Method::Put, status, ..timed(NOON + i * SECOND, 50_000) };
    let requests: Vec<Request> = (0..1000).map(|i| send(i, if i % 2 == 0 { 200 } else { 403 })).collect();
    let p = profile(&requests);
    assert!((p.events_per_second.mean - 0.5).abs() < 0.01);
    assert!((p.events_per_second.peak - 0.5).abs() < 0.01);
}

#[test]
fn inferred_demand_is_used_where_cpu_is_not_logged() {
    let requests: Vec<Request> =
        (0..1000).map(|i| Request { endpoint: EndpointId(u16::from(i >= 500)), ..timed(NOON + i * SECOND, 50_000) }).collect();
    let mut inferred = InferredDemand::from_prior(&table(), 1.0);
    (inferred.per_endpoint_cpu_us[0], inferred.per_endpoint_cpu_us[1]) = (2000.0, 40_000.0);
    let p = observed(&requests, &Names::new()).finish(&ProfileInputs { inferred: Some(inferred), ..ProfileInputs::default() });
    assert_eq!(p.demand.method, DemandMethod::Prior);
    assert_eq!((p.groups[0].id.as_str(), p.groups[0].cpu_seconds), ("event_sending", Some(20.0)));
    let per_request = p.groups[0].cpu_ms.unwrap();
    assert_eq!((per_request.low, per_request.value, per_request.high), (20.0, 40.0, 80.0));
    // The peak is in the half with the expensive requests.
    assert!(p.peaks.five_minutes.window.start_us >= NOON + 500 * SECOND);
    assert!(close(p.peaks.five_minutes.cores.unwrap(), 0.04));
}

#[test]
fn what_only_a_proxy_saw_may_be_given_the_mean_of_its_class() {
    let logged = (0..100).map(|i| costed(NOON + i * SECOND, 30_000, 8000));
    let requests: Vec<Request> = logged.chain((0..50).map(|i| timed(NOON + i * SECOND, 30_000))).collect();
    let profiler = observed(&requests, &Names::new());
    let inferred = profiler.logged_means();
    assert!(close(inferred.as_ref().unwrap().per_endpoint_cpu_us[0], 8000.0));
    let p = profiler.clone().finish(&ProfileInputs { inferred, ..ProfileInputs::default() });
    assert!(close(p.groups[0].cpu_seconds.unwrap(), 1.2));
    assert_eq!(p.demand.method, DemandMethod::Logged);
    assert!(close(profiler.finish(&ProfileInputs::default()).groups[0].cpu_seconds.unwrap(), 0.8));
}

#[test]
fn what_is_inferred_keeps_its_uncertainty_beside_logged_requests() {
    // A tenth of the demand is logged; the class of the rest never is, so the reference value at the speed of the logged class holds.
    let send = |i: i64| Request { endpoint: EndpointId(1), ..timed(NOON + i * SECOND, 50_000) };
    let requests: Vec<Request> = (0..100).map(|i| costed(NOON + i * SECOND, 30_000, 3300)).chain((0..250).map(send)).collect();
    let demand = |requests: &[Request]| {
        let profiler = observed(requests, &Names::new());
        let inferred = profiler.logged_means();
        profiler.finish(&ProfileInputs { inferred, ..ProfileInputs::default() }).demand
    };
    let mixed = demand(&requests);
    assert_eq!(mixed.method, DemandMethod::Prior, "{mixed:?}");
    assert!((mixed.range.low - 0.55).abs() < 0.02 && (mixed.range.high - 1.9).abs() < 0.02, "{mixed:?}");
    assert!(mixed.note.contains("10 % of the demand, and inferred for the rest"), "{}", mixed.note);
    // The range of a whole is that of its parts: with logged sends only the rest is uncertain.
    let logged = demand(&requests[..100]);
    assert_eq!((logged.method, logged.range.low, logged.range.high), (DemandMethod::Logged, 1.0, 1.0));
    let like_logged: Vec<Request> =
        (0..100).flat_map(|i| [costed(NOON + i * SECOND, 30_000, 3300), timed(NOON + i * SECOND, 30_000)]).collect();
    let half = demand(&like_logged);
    assert_eq!(half.method, DemandMethod::Logged);
    assert!((half.range.low - 0.9).abs() < 1e-9 && (half.range.high - 1.125).abs() < 1e-9, "{half:?}");
}

#[test]
fn without_cpu_nothing_is_made_up() {
    let p = profile(&(0..100).map(|i| timed(NOON + i * SECOND, 50_000)).collect::<Vec<_>>());
    assert_eq!((p.demand.method, p.groups[0].cpu_seconds, p.peaks.one_minute.cores), (DemandMethod::None, None, None));
    assert!(p.series.cpu_seconds.is_empty());
    assert!((p.peaks.one_minute.requests_per_second - 1.0).abs() < 0.02);
}

#[test]
fn a_log_of_months_keeps_its_totals_in_coarser_bins() {
    let day = 86_400 * SECOND;
    let requests: Vec<Request> = (0..120 * 24 * 60).map(|minute| costed(NOON + minute * 60 * SECOND, 20_000, 6000)).collect();
    let p = profile(&requests);
    assert_eq!(p.requests, 172_800);
    assert!((p.window.end_us - p.window.start_us - 120 * day).abs() < 61 * SECOND);
    assert!(close(p.series.cpu_seconds.iter().flatten().sum(), 1036.8));
    assert!((p.peaks.busy_hour.cores.unwrap() - 0.0001).abs() < 1e-5, "{:?}", p.peaks);
}

#[test]
fn weekdays_and_hours_go_by_the_zone() {
    // Tuesday 14 November 2023, 22:13:20 UTC; an hour further east it is 23 h, three hours further Wednesday.
    for (hours, weekday, hour) in [(0, 1, 22), (1, 1, 23), (3, 2, 1)] {
        let settings = ProfilerConfig { zone_offset_seconds: hours * 3600, ..ProfilerConfig::new(table()) };
        let mut profiler = Profiler::new(&settings);
        profiler.observe(&request(NOON), &Names::new());
        profiler.forget(&Names::new());
        let week = profiler.finish(&ProfileInputs::default()).series.week;
        assert_eq!(week[weekday][hour], 1);
    }
}

#[test]
fn coverage_is_measured_where_process_cpu_is_given() {
    let mut names = Names::new();
    let process = names.intern(b"generic_worker1");
    let requests: Vec<Request> = (0..1000).map(|i| Request { process, ..costed(NOON + i * SECOND / 5, 30_000, 20_000) }).collect();
    let csv: String = (0..=20).map(|i| format!("{},synapse-generic-worker-1,{}\n", NOON / SECOND + i * 10, i * 10 / 5)).collect();
    let process_cpu = Some(ProcessCpu::parse(csv.as_bytes()).unwrap());
    let p = observed(&requests, &names).finish(&ProfileInputs { process_cpu, ..ProfileInputs::default() });
    assert!(p.coverage.measured && (p.coverage.factor.value - 2.0).abs() < 0.05, "{:?}", p.coverage);
    assert!((p.processes[0].process_cpu_seconds.unwrap() - 40.0).abs() < 0.1);
    let prior = observed(&requests, &names).finish(&ProfileInputs::default()).coverage;
    assert_eq!((prior.measured, prior.factor.value, prior.factor.low, prior.factor.high), (false, 1.8, 1.6, 2.0));
}
