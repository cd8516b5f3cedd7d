use super::*;
use crate::fixture::ProfileFixture;
use wsim_plan::{Preset, PresetConfig};
use wsim_stats::Interval;

fn plan(name: &str, n: u32) -> CheckedPlan {
    Preset::find(name).unwrap().plan(n, &PresetConfig::default()).unwrap()
}

fn cores(load: &Load<'_>) -> f64 {
    load.demand.requests.value
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

#[test]
fn in_turn_every_worker_gets_the_same() {
    let profile = ProfileFixture::new().class("client", 0.6, 30).main_only("client_other", 0.1, 5).build();
    let loads = loads(&plan("generic", 3), &profile, None);
    let names: Vec<&str> = loads.iter().map(|load| load.name.as_str()).collect();
    assert_eq!(names, ["main", "generic1", "generic2", "generic3"]);
    close(cores(&loads[0]), 0.1);
    for worker in &loads[1..] {
        close(cores(worker), 0.2);
        close(worker.requests_per_second, 10.0);
        assert_eq!(worker.requests, 30_000);
    }
}

#[test]
fn by_user_the_busiest_has_its_expected_share() {
    // HHI 0.04, nginx ring: CV = sqrt(3 * 0.04 + 1/160), busiest = 1/4 * (1 + CV * sqrt(2 ln 4)).
    let profile = ProfileFixture::new().class("sync", 0.8, 40).user("@a:x", 0.2).build();
    let loads = loads(&plan("sync-split", 4), &profile, None);
    let cv = (3.0 * 0.04 + 1.0 / 160.0_f64).sqrt();
    let busiest = 0.8 / 4.0 * (1.0 + cv * (2.0 * 4.0_f64.ln()).sqrt());
    close(cores(&loads[1]), busiest);
    close(cores(&loads[2]), (0.8 - busiest) / 3.0);
    close(loads[1..].iter().map(cores).sum(), 0.8);
    let (heavy, pinned) = loads[1].pinned.unwrap();
    assert_eq!(heavy.name, "@a:x");
    close(pinned, 0.16);
}

#[test]
fn how_unlucky_a_hash_is_belongs_to_the_range() {
    let profile = ProfileFixture::new().class("sync", 0.8, 40).user("@a:x", 0.2).build();
    let loads = loads(&plan("sync-split", 4), &profile, None);
    let range = |index: usize| loads[index].demand.requests;
    // At least an even share, at most a standard deviation more than expected; the others have least where the first has most.
    let cv = (3.0 * 0.04 + 1.0 / 160.0_f64).sqrt();
    close(range(1).low, 0.2);
    close(range(1).high, 0.2 * (1.0 + cv * ((2.0 * 4.0_f64.ln()).sqrt() + 1.0)));
    close(range(2).high, 0.2);
    close(range(2).low, (0.8 - range(1).high) / 3.0);
    let even: f64 = loads[1..].iter().map(|load| load.demand.evenly.high).sum();
    close(even, 0.8);
}

#[test]
fn no_worker_carries_less_than_its_largest_user() {
    let mut profile = ProfileFixture::new().class("sync", 1.0, 40).user("@bridge:x", 0.9).build();
    profile.heavy_hitters.user_hhi = Some(0.0);
    let loads = loads(&plan("sync-split", 8), &profile, None);
    close(cores(&loads[1]), 0.9);
    close(loads[1..].iter().map(cores).sum(), 1.0);
}

#[test]
fn rooms_and_servers_are_counted_among_the_requests_that_have_them() {
    // The room makes 10 % of all, that is 40 % of sending; by room on two workers at least that much goes to one.
    let profile = ProfileFixture::new().class("event_sending", 0.2, 10).class("sync", 0.6, 40).room("!r", 0.1).build();
    let loads = loads(&plan("event-senders", 2), &profile, None);
    let (room, pinned) = loads[1].pinned.unwrap();
    assert_eq!(room.name, "!r");
    close(pinned, 0.08);
    let cv = (0.4_f64.powi(2) + 1.0 / 160.0).sqrt();
    close(cores(&loads[1]), 0.1 * (1.0 + cv * (2.0 * 2.0_f64.ln()).sqrt()));
}

#[test]
fn weights_divide_a_rotation() {
    let profile = ProfileFixture::new().class("client", 0.6, 30).build();
    let mut plan = plan("generic", 2).into_plan();
    plan.pools[0].servers[0].push_str("=2");
    let plan = plan.check().unwrap();
    let loads = loads(&plan, &profile, None);
    close(cores(&loads[1]), 0.4);
    close(cores(&loads[2]), 0.2);
    assert_eq!((loads[1].requests, loads[2].requests), (60_000, 30_000));
}

#[test]
fn streams_go_to_their_writer_and_persisting_to_the_persisters() {
    let profile = ProfileFixture::new().stream("typing", 0.05, 5).class("client", 0.3, 10).build();
    let without = loads(&plan("generic", 1), &profile, None);
    close(cores(&without[0]), 0.05);
    close(without[0].demand.persists, 1.0);
    let with = loads(&plan("stream-writers", 6), &profile, None);
    let of = |name: &str| with.iter().find(|load| load.name == name).unwrap();
    close(cores(of("stream_writer1")), 0.05);
    close(of("event_persister1").demand.persists, 0.5);
    close(of("event_persister2").demand.persists, 0.5);
    close(with[0].demand.persists, 0.0);
    close(cores(&with[0]), 0.0);
    assert_eq!(of("event_persister1").requests, 0);
}

#[test]
fn syncs_on_cold_caches_cost_more_at_the_upper_end() {
    let profile = ProfileFixture::new().class("sync", 0.4, 20).class("initial_sync", 0.2, 1).build();
    let total = |name: &str, n: u32, bound: fn(Interval) -> f64| -> f64 {
        loads(&plan(name, n), &profile, None).iter().map(|load| bound(load.demand.evenly)).sum()
    };
    close(total("generic", 1, |i| i.high), 0.6);
    close(total("generic", 2, |i| i.value), 0.4 + 0.3);
    close(total("generic", 2, |i| i.high), 0.4 * 2.0 + 0.2 * 2.4);
    close(total("generic", 2, |i| i.low), 0.4 + 0.2 * 1.1);
    close(total("sync-split", 2, |i| i.high), 0.6);
}

#[test]
fn pools_over_the_same_workers_average_their_unevenness() {
    let profile = ProfileFixture::new().class("sync", 0.4, 20).class("event_sending", 0.2, 10).class("client", 0.2, 10).build();
    let loads = loads(&plan("synapse-docs", 2), &profile, None);
    // The rings' own spread only: two independent pools add in squares.
    let sd = ((0.2_f64 * 0.2 + 0.1 * 0.1) / 160.0).sqrt();
    close(cores(&loads[1]), 0.4 + sd * (2.0 * 2.0_f64.ln()).sqrt());
    close(loads[1..].iter().map(cores).sum(), 0.8);
}

#[test]
fn requests_are_conserved_under_every_plan() {
    let profile = ProfileFixture::new()
        .class("sync", 0.41, 17)
        .class("event_sending", 0.23, 7)
        .class("federation_send", 0.11, 3)
        .class("media", 0.02, 1)
        .stream("to_device", 0.01, 1)
        .main_only("client_other", 0.07, 13)
        .endpoint("pagination", &["generic_worker"], None, Some("same_room_same_instance"), 0.1, 2)
        .user("@bridge:x", 0.37)
        .build();
    for preset in Preset::all() {
        for plan in (0..=8).filter_map(|n| preset.plan(n, &PresetConfig::default())) {
            let loads = loads(&plan, &profile, None);
            assert_eq!(loads.iter().map(|load| load.requests).sum::<u64>(), profile.requests, "{}", plan.name);
            let per_second: f64 = loads.iter().map(|load| load.requests_per_second).sum();
            assert!((per_second - 44.0).abs() < 1e-6, "{}: {per_second}", plan.name);
        }
    }
}
