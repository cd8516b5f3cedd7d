//! Known answers of syntheses and sizes.

use super::*;
use crate::habits::RequestKind;
use wsim_endpoints::{Classifier, ClassifierConfig, table_for};
use wsim_trace::flag;

fn classifier() -> Classifier {
    Classifier::new(&table_for(None).unwrap().table, &ClassifierConfig::default()).unwrap()
}

fn server() -> Server {
    Server { users: 100, rooms: Some(1), federation: Federation::None, bridges: 0, presence: false }
}

/// Habits without any acts: everybody is online with one device.
fn silent() -> Habits {
    let mut habits = Habits::built_in();
    let nothing: Vec<String> =
        habits.habits.keys().filter(|name| name.ends_with("_per_hour")).map(|name| format!("{name}=0.000001")).collect();
    for setting in nothing.iter().map(String::as_str).chain([
        "online=1",
        "devices=1",
        "think_ms=1",
        "speed=1",
        "burst=1",
        "typing_per_message=0.000001",
        "readers=0.000001",
    ]) {
        habits.set(setting).unwrap();
    }
    habits
}

fn made(server: &Server, habits: &Habits, seconds: f64) -> Synthesis {
    let length = Length { seconds_min: seconds, requests: 0, seconds_max: seconds };
    synthesise(server, habits, &habits.draw(1, 0, 1), &classifier(), length, 3)
}

#[test]
fn devices_without_news_poll_every_thirty_seconds() {
    let synthesis = made(&server(), &silent(), 600.0);
    let polls = synthesis.trace.requests().filter(|request| request.has(flag::LONG_POLL));
    // A hundred devices, twenty times each.
    let (mut count, mut out_of_time) = (0.0, 0);
    for poll in polls {
        count += 1.0;
        out_of_time += u32::from(poll.timed_out());
    }
    assert!((count / 2000.0_f64 - 1.0).abs() < 0.06, "{count}");
    assert_eq!(f64::from(out_of_time), count);
}

#[test]
fn a_message_wakes_everybody_in_its_room_and_each_wake_up_has_its_cause() {
    let mut habits = silent();
    // One message a minute of all together.
    habits.set("messages_per_hour=0.6").unwrap();
    habits.set("rooms_per_user=1").unwrap();
    let synthesis = made(&server(), &habits, 600.0);
    let sends: Vec<u32> = synthesis
        .trace
        .requests()
        .filter(|request| request.news_stream == 1 && !request.has(flag::LONG_POLL))
        .map(|send| send.news)
        .collect();
    assert_eq!(sends.len() as u64, synthesis.events);
    assert!((4..=20).contains(&sends.len()), "{}", sends.len());
    for send in &sends[..sends.len() - 1] {
        let woken = synthesis.trace.requests().filter(|poll| poll.has(flag::LONG_POLL) && poll.news == *send).count();
        // Whoever was between two polls may have found an earlier message when it came back.
        assert!((95..=100).contains(&woken), "{woken} of 100 for {send}");
    }
}

#[test]
fn rates_and_costs_are_those_of_the_habits() {
    let mut habits = silent();
    habits.set("media_per_hour=360").unwrap();
    let synthesis = made(&server(), &habits, 600.0);
    let drawn = habits.draw(1, 0, 1);
    let classifier = classifier();
    let media: Vec<_> = synthesis.trace.requests().filter(|one| classifier.endpoint(one.endpoint).group == "media").collect();
    // 100 users, a request in ten seconds each: 6,000 in 600 s.
    assert!((media.len() as f64 / 6000.0 - 1.0).abs() < 0.05, "{}", media.len());
    let mean = media.iter().map(|one| f64::from(one.cpu_us)).sum::<f64>() / media.len() as f64;
    assert!((mean / 1000.0 / drawn.cpu_ms("media") - 1.0).abs() < 0.05, "{mean}");
}

#[test]
fn every_kind_of_request_has_its_endpoint_group() {
    let classifier = classifier();
    let group = |kind: &RequestKind| {
        let target = kind.path.replace("{room}", "!a:b").replace("{user}", "@a:b");
        let method = wsim_endpoints::Method::from_bytes(kind.method.as_bytes());
        classifier.endpoint(classifier.classify(method, target.as_bytes())).group.clone()
    };
    let groups = [
        ("sync", "sync"),
        ("initial_sync", "initial_sync"),
        ("send", "event_sending"),
        ("typing", "typing"),
        ("receipt", "receipts"),
        ("presence", "presence"),
        ("read", "client"),
        ("pagination", "pagination"),
        ("media", "media"),
        ("keys", "encryption"),
        ("to_device", "to_device"),
        ("federation_send", "federation_send"),
        ("federation_read", "federation"),
    ];
    let habits = Habits::built_in();
    for (kind, wanted) in groups {
        assert_eq!(group(&habits.requests[kind]), wanted, "{kind}");
    }
}

#[test]
fn a_larger_server_needs_more_and_the_same_seed_the_same() {
    let config = |seed| SizeConfig {
        objective: Objective::with_response_times(None),
        machine: MachineLimits::default(),
        plans: PresetConfig::default(),
        draws: 12,
        simulated: 0,
        seed,
        threads: 2,
        stop: StopFlag::default(),
    };
    let sized = |users, seed| {
        let server = Server { users, rooms: None, federation: Federation::Small, bridges: 1, presence: true };
        size(&server, &Habits::built_in(), &classifier(), &config(seed), &mut |_, _, _| {}).unwrap()
    };
    let (small, large) = (sized(20, 1), sized(1000, 1));
    assert!(large.cores.value > 4.0 * small.cores.value, "{:?} {:?}", small.cores, large.cores);
    assert!(small.cores.low < small.cores.value && small.cores.value < small.cores.high);
    assert_eq!(small.workers.iter().map(|(_, draws)| draws).sum::<u32>(), 12);
    assert_eq!(format!("{small:?}"), format!("{:?}", sized(20, 1)));
    assert_ne!(format!("{small:?}"), format!("{:?}", sized(20, 2)));
}

#[test]
fn quantiles_and_rank_correlations_are_those_of_textbooks() {
    assert_eq!(quantiles((0..=20).map(f64::from).collect()), Interval::new(10.0, 1.0, 19.0));
    let of = |a: &[f64], b: &[f64]| correlation(&ranks(a.iter().copied()), &ranks(b.iter().copied()));
    assert!((of(&[1.0, 2.0, 3.0, 4.0], &[10.0, 100.0, 1e3, 1e9]) - 1.0).abs() < 1e-12);
    assert!((of(&[1.0, 2.0, 3.0], &[3.0, 1.0, 2.0]) + 0.5).abs() < 1e-12);
}
