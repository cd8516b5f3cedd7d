//! Comparisons of a running proxy with the balancer of the same pool: by key, by load, by waiting queue, and by the shares of random choices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use wsim::balance::{Pick, PickContext, ServerSlot, WaitingQueues};
use wsim::cli::route::{Route, run};

use super::case::{Case, Traffic, keys};
use super::client::{Client, HeldRequest, SentRequest};
use super::echo::Echo;

/// Sends every case's keys through the proxy and compares each server that responded with `wsim route`.
pub(super) fn compare_keys(port: u16, plan: &str, cases: &[Case]) {
    for case in cases {
        let keys = keys(case);
        let expected = route(plan, case.name, &keys);
        let mut client = Client::new(port);
        let actual: Vec<String> = keys.iter().map(|key| send(&mut client, case, key)).collect();
        let wrong: Vec<_> = keys.iter().zip(&actual).zip(&expected).filter(|((_, actual), expected)| actual != expected).take(5).collect();
        assert!(wrong.is_empty(), "{} ({}): {} keys, first differences {wrong:?}", case.name, case.balance, keys.len());
        let distinct: BTreeSet<&String> = actual.iter().collect();
        assert!(
            distinct.len() > 1 || case.weights.len() == 1,
            "{}: all keys went to one server, so the comparison proves nothing",
            case.name
        );
    }
}

/// Sends one request with the key and returns the server that responded.
fn send(client: &mut Client, case: &Case, key: &str) -> String {
    match case.traffic {
        Traffic::Header if key.is_empty() => client.get(&format!("/{}/x", case.name), &[]),
        Traffic::Header => client.get(&format!("/{}/x", case.name), &[("X-Key", key)]),
        Traffic::Uri => client.get(key, &[]),
        Traffic::Address => client.from(key.parse().unwrap()).get(&format!("/{}/x", case.name), &[]),
        Traffic::Keyless => client.get(&format!("/{}/x", case.name), &[]),
    }
}

/// Opens and completes requests of every case in a fixed random order and compares every choice with the balancer's. `settle` is how long the
/// proxy may take to notice that a request has ended.
pub(super) fn compare_open_and_close(port: u16, plan: &str, cases: &[Case], echoes: &[Echo], settle: Duration) {
    cases.iter().for_each(|case| open_and_close(port, plan, case, echoes, settle));
}

fn open_and_close(port: u16, plan: &str, case: &Case, echoes: &[Echo], settle: Duration) {
    let mut balancer = case.balancer(plan);
    let keyed = case.traffic == Traffic::Header;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut open: Vec<(ServerSlot, HeldRequest)> = Vec::new();
    let mut picks = 0;
    for step in 0..400 {
        // Mostly opening at first, later about as many of both, so that all kinds of loads and ties occur.
        let open_another = open.is_empty() || random.next_u64() % 100 < if open.len() < 12 { 70 } else { 45 };
        let open_another = open_another && open.len() < case.capacity();
        if !open_another {
            let index = usize::try_from(random.next_u64() % open.len() as u64).unwrap();
            let (slot, held) = open.swap_remove(index);
            held.finish(echoes);
            balancer.release(slot);
            std::thread::sleep(settle);
            continue;
        }
        let key = keyed.then(|| format!("key-{}", random.next_u64() % 40));
        let headers: Vec<(&str, &str)> = key.as_deref().map(|key| ("X-Key", key)).into_iter().collect();
        let held = HeldRequest::open(port, &format!("/{}/x", case.name), &headers);
        let address = Some(IpAddr::from(Ipv4Addr::LOCALHOST));
        let context = &mut PickContext { key: key.as_deref().map(str::as_bytes), address, random: &mut random };
        let Pick::Server(slot) = balancer.pick(context) else { panic!("{}: the balancer gave no server", case.name) };
        let expected = &balancer.servers()[slot.server()].name;
        assert_eq!(&held.server, expected, "{} ({}), step {step}, pick {picks}, {} open", case.name, case.balance, open.len());
        picks += 1;
        open.push((slot, held));
    }
    for (_, held) in open {
        held.finish(echoes);
    }
    assert!(picks > 150, "{picks}");
}

/// Opens requests of every case beyond the servers' limits and completes some of them. The waiting requests must start in the order of the
/// balancer's queues.
pub(super) fn compare_waiting(port: u16, plan: &str, cases: &[Case], echoes: &[Echo]) {
    cases.iter().for_each(|case| fill_queues(port, plan, case, echoes));
}

fn fill_queues(port: u16, plan: &str, case: &Case, echoes: &[Echo]) {
    const SETTLE: Duration = Duration::from_millis(10);
    let mut balancer = case.balancer(plan);
    let mut queues: WaitingQueues<u64> = WaitingQueues::new(balancer.servers().len());
    let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
    let mut held: Vec<(ServerSlot, HeldRequest)> = Vec::new();
    let mut waiting: BTreeMap<u64, SentRequest> = BTreeMap::new();
    let (mut waited, mut started_at_once) = (0, 0);
    for step in 0..150_u64 {
        let message = |outcome: &str| format!("{} ({}), step {step}: {outcome}", case.name, case.balance);
        if waiting.len() < 6 && (held.is_empty() || random.next_u64() % 100 < 55) {
            let key = format!("key-{}", random.next_u64() % 12);
            let headers: &[(&str, &str)] = if case.traffic == Traffic::Header { &[("X-Key", &key)] } else { &[] };
            let mut request = SentRequest::send(port, &format!("/{}/x", case.name), headers);
            let key = (case.traffic == Traffic::Header).then_some(key.as_bytes());
            match balancer.pick(&mut PickContext { key, address: None, random: &mut random }) {
                Pick::Server(slot) => {
                    let started = request.wait_for_server();
                    assert_eq!(started.server, balancer.servers()[slot.server()].name, "{}", message("started at once"));
                    held.push((slot, started));
                    started_at_once += 1;
                }
                Pick::Queue(queue) => {
                    assert!(request.is_waiting(SETTLE), "{}", message("got a server, but should wait"));
                    queues.push(queue, step);
                    waiting.insert(step, request);
                    waited += 1;
                }
                Pick::Unavailable => panic!("{}", message("the balancer rejected the request")),
            }
            continue;
        }
        let index = usize::try_from(random.next_u64() % held.len() as u64).unwrap();
        let (slot, done) = held.swap_remove(index);
        done.finish(echoes);
        balancer.release(slot);
        if let Some((queue, id)) = queues.pop_for(slot.server()) {
            let admitted = balancer.start_queued(queue, slot.server());
            let started = waiting.remove(&id).unwrap().wait_for_server();
            assert_eq!(started.server, balancer.servers()[slot.server()].name, "{}", message("started from the queue"));
            held.push((admitted, started));
        }
        std::thread::sleep(SETTLE);
    }
    assert!(waited > 15 && started_at_once > 15, "{}: {waited} waited, {started_at_once} did not", case.name);
    while let Some((slot, done)) = held.pop() {
        done.finish(echoes);
        balancer.release(slot);
        if let Some((queue, id)) = queues.pop_for(slot.server()) {
            held.push((balancer.start_queued(queue, slot.server()), waiting.remove(&id).unwrap().wait_for_server()));
        }
    }
    assert!(waiting.is_empty() && queues.is_empty());
}

/// Compares how often each server is chosen at random: with all servers idle (only ties), and while some requests are held open.
pub(super) fn compare_shares(port: u16, plan: &str, cases: &[Case], echoes: &[Echo]) {
    for case in cases {
        for held in [0, 9] {
            compare_shares_at_load(port, plan, case, echoes, held);
        }
    }
}

/// A chi-squared test: the sum of squared differences over expected counts must stay below a value that chance exceeds once in 700 000
/// times.
fn compare_shares_at_load(port: u16, plan: &str, case: &Case, echoes: &[Echo], held: usize) {
    const PICKS: u32 = 4000;
    let mut balancer = case.balancer(plan);
    let names: Vec<String> = balancer.servers().iter().map(|server| server.name.clone()).collect();
    let index_of = |name: &String| names.iter().position(|known| known == name).unwrap();
    let path = format!("/{}/x", case.name);
    let held: Vec<HeldRequest> = (0..held).map(|_| HeldRequest::open(port, &path, &[])).collect();
    for held in &held {
        assert!(balancer.assign(index_of(&held.server)).is_some());
    }
    // The expected shares come from so many draws that their own error is small.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut expected = vec![0.0; names.len()];
    for _ in 0..400_000 {
        let Pick::Server(slot) = balancer.pick(&mut PickContext { key: None, address: None, random: &mut random }) else {
            panic!("no server")
        };
        expected[slot.server()] += f64::from(PICKS) / 400_000.0;
        balancer.release(slot);
    }
    let mut counts = vec![0_u32; names.len()];
    let mut client = Client::new(port);
    for _ in 0..PICKS {
        counts[index_of(&client.get(&path, &[]))] += 1;
    }
    let cells = counts.iter().zip(&expected).filter(|(_, expected)| **expected > 0.0);
    let distance: f64 = cells.map(|(count, expected)| (f64::from(*count) - expected).powi(2) / expected).sum();
    let impossible = counts.iter().zip(&expected).any(|(count, expected)| *count > 0 && *expected <= 0.0);
    let loads: Vec<u64> = (0..names.len()).map(|server| balancer.in_flight(server)).collect();
    assert!(
        distance < CHI_SQUARED_3_AT_1_IN_700_000 && !impossible,
        "{} ({}), {loads:?} held: {counts:?} instead of {expected:?}",
        case.name,
        case.balance
    );
    for held in held {
        held.finish(echoes);
    }
}

/// The servers that `wsim route` prints for the keys.
fn route(plan: &str, pool: &str, keys: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.toml");
    std::fs::write(&file, plan).unwrap();
    let args = Route { plan: file.to_string_lossy().into_owned(), pool: Some(pool.to_owned()), seed: 1, ..Route::default() };
    let mut out = Vec::new();
    run(&args, &mut out, &mut keys.join("\n").as_bytes()).unwrap();
    let out = String::from_utf8(out).unwrap();
    out.lines().map(|line| line.rsplit_once('\t').unwrap().1.to_owned()).collect()
}

/// For three degrees of freedom (four servers), and therefore safe for fewer servers. A wrong rule exceeds it by far.
const CHI_SQUARED_3_AT_1_IN_700_000: f64 = 30.0;
