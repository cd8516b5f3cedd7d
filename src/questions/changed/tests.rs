//! Planted faults, and windows in which nothing changed.

#![expect(clippy::cast_possible_truncation, reason = "numbers that fit")]

use super::*;
use wsim_endpoints::EndpointId;
use wsim_stats::random::{Purpose, draw, unit};
use wsim_trace::{Request, flag};

const HOUR: i64 = 3_600_000_000;

fn endpoints() -> Vec<Endpoint> {
    let endpoint = |group: &str| Endpoint {
        group: group.to_owned(),
        workers: Vec::new(),
        stream: None,
        condition: None,
        any_worker: false,
        pattern: None,
        internal: false,
    };
    vec![endpoint("sync"), endpoint("event_sending"), endpoint("federation_send")]
}

/// Two hours of 40 users and 3 servers, a request every 200 ms on average, CPU of 5 ms on average; `change` may alter each request, and says how
/// many times it is there.
fn trace(seed: u64, change: impl Fn(&mut Request, bool) -> usize) -> Trace {
    let mut trace = Trace::new();
    let users: Vec<_> = (0..40).map(|user| trace.names.intern(format!("@u{user}:example.org").as_bytes())).collect();
    let servers: Vec<_> = (0..3).map(|server| trace.names.intern(format!("s{server}.example.net").as_bytes())).collect();
    let random = |number: u64, what: u64| unit(draw(seed, Purpose::Service, number * 8 + what));
    let mut at = 0.0;
    let mut number = 0;
    while at < 2.0 * HOUR as f64 {
        number += 1;
        at += -random(number, 0).ln() * 200_000.0;
        let mut request =
            Request { arrival_us: at as i64, flags: flag::COST | flag::WALL | flag::SYNAPSE, status: 200, ..Request::default() };
        request.cpu_us = (-random(number, 1).ln() * 5_000.0) as u32;
        request.wall_us = request.cpu_us + 10_000;
        if random(number, 2) < 0.2 {
            request.peer = servers[(random(number, 3) * 2.999) as usize];
            request.endpoint = EndpointId(2);
        } else {
            request.user = users[(random(number, 3) * 39.999) as usize];
            request.endpoint = EndpointId(u16::from(random(number, 4) < 0.3));
        }
        for _ in 0..change(&mut request, at >= HOUR as f64) {
            trace.push(request);
        }
    }
    trace.seal();
    trace
}

fn found(trace: &Trace) -> Changed {
    let window = |start_us, end_us| Window { start_us, end_us };
    changed(trace, &endpoints(), window(0, HOUR), window(HOUR, 2 * HOUR)).unwrap()
}

#[test]
fn differences_add_up_and_are_count_plus_cost() {
    let trace = trace(1, |request, is_bad| {
        request.cpu_us *= 1 + u32::from(is_bad && request.endpoint.0 == 1);
        1
    });
    let tallies = Tallies::of(&trace, &endpoints(), Window { start_us: 0, end_us: HOUR }, Window { start_us: HOUR, end_us: 2 * HOUR });
    let all = tallies.difference(&tallies.all, CPU, 1.0);
    assert!((all.of_count + all.of_cost - all.change()).abs() < 1e-12);
    for dimension in Dimension::ALL {
        let sum: f64 = tallies.of_dimension(dimension).iter().map(|(_, tally)| tallies.difference(tally, CPU, 1.0).change()).sum();
        assert!((sum - all.change()).abs() < 1e-9, "{dimension:?}");
    }
}

#[test]
fn a_user_who_asks_fifty_times_as_often_is_named_first() {
    let mut names = Trace::new();
    (0..8).for_each(|user| {
        names.names.intern(format!("@u{user}:example.org").as_bytes());
    });
    let culprit = names.names.intern(b"@u7:example.org");
    let trace = trace(2, |request, is_bad| if is_bad && request.user == culprit { 50 } else { 1 });
    let changed = found(&trace);
    let chief = &changed.by_cpu[changed.chief.unwrap()];
    assert_eq!((chief.dimension, chief.name.as_str()), (Dimension::User, "@u7:example.org"));
    assert!((chief.requests[1] / chief.requests[0] / 50.0 - 1.0).abs() < 0.35, "{chief:?}");
    // The CPU of a request is the same, so nearly all is due to the count.
    assert!(chief.cpu.of_cost.abs() < 0.1 * chief.cpu.change(), "{chief:?}");
    assert!(chief.cpu.change() > 0.9 * changed.cpu.change());
    let others = changed.by_cpu.iter().filter(|entry| entry.dimension == Dimension::User).count();
    assert_eq!(others, 1, "{:?}", changed.by_cpu);
}

#[test]
fn an_endpoint_that_got_twice_as_dear_is_named_with_its_cost() {
    let trace = trace(3, |request, is_bad| {
        request.cpu_us *= 1 + u32::from(is_bad && request.endpoint.0 == 1);
        1
    });
    let changed = found(&trace);
    let chief = &changed.by_cpu[changed.chief.unwrap()];
    assert_eq!((chief.dimension, chief.name.as_str()), (Dimension::EndpointGroup, "event_sending"));
    assert!(chief.cpu.of_cost > 0.85 * chief.cpu.change(), "{chief:?}");
    let [before, after] = chief.cpu_ms.map(Option::unwrap);
    assert!((after / before - 2.0).abs() < 0.15, "{before} {after}");
}

#[test]
fn a_burst_of_one_server_is_its_own() {
    let first = {
        let mut names = Trace::new();
        (0..40).for_each(|user| {
            names.names.intern(format!("@u{user}:example.org").as_bytes());
        });
        names.names.intern(b"s0.example.net")
    };
    let trace = trace(4, |request, is_bad| if is_bad && request.peer == first { 12 } else { 1 });
    let changed = found(&trace);
    let chief = &changed.by_cpu[changed.chief.unwrap()];
    assert_eq!((chief.dimension, chief.name.as_str()), (Dimension::Peer, "s0.example.net"));
}

#[test]
fn requests_that_wait_longer_are_found_by_waiting_and_not_by_cpu() {
    let trace = trace(5, |request, is_bad| {
        request.wall_us += 90_000 * u32::from(is_bad && request.endpoint.0 == 2);
        1
    });
    let changed = found(&trace);
    assert!(changed.chief.is_none() && !changed.cpu.is_beyond_noise(), "{:?}", changed.cpu);
    let first = changed.by_waiting.iter().find(|entry| entry.dimension == Dimension::EndpointGroup).unwrap();
    assert_eq!(first.name, "federation_send");
    // A request a second, 90 ms more each.
    assert!((first.waiting.change() / 0.09 - 1.0).abs() < 0.15, "{first:?}");
}

#[test]
fn where_nothing_changed_little_is_found() {
    // 44 entries in six dimensions, each family of one dimension wrong once in twenty: 6 × 5 % of 20 runs is 6.
    let wrong: usize = (10..30).map(|seed| usize::from(!found(&trace(seed, |_, _| 1)).by_cpu.is_empty())).sum();
    assert!(wrong <= 10, "{wrong} of 20");
}

#[test]
fn windows_without_requests_and_windows_that_overlap_are_errors() {
    let trace = trace(6, |_, _| 1);
    let window = |start_us, end_us| Window { start_us, end_us };
    let error = |good, bad| changed(&trace, &endpoints(), good, bad).unwrap_err();
    assert!(matches!(error(window(0, HOUR), window(9 * HOUR, 10 * HOUR)), ChangedError::Empty("bad", ..)));
    assert_eq!(error(window(0, HOUR), window(HOUR - 1, 2 * HOUR)), ChangedError::Overlap);
}
