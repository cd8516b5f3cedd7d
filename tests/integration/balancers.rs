//! The balancers compared with the programs themselves: nginx, HAProxy and Caddy as Debian packages them.
//!
//! Each test starts a proxy on free loopback ports, in front of small servers that answer with their own name, sends it
//! requests, and holds every answer against `wsim route` (keys) or the balancer (requests held open). The proxies come by
//! `tests/proxies/install`; a test fails where one is missing.
#![expect(clippy::unwrap_used, reason = "a comparison that cannot go on has failed")]

mod caddy;
mod client;
mod echo;
mod haproxy;
mod nginx;
mod routing;

use std::collections::BTreeMap;
use std::net::IpAddr;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use wsim::balance::{Balancer, PickContext, Pick, ServerSlot, WaitingQueues};
use wsim::cli::route::{Route, run};
use wsim::plan::Plan;

use self::client::Client;
use self::echo::Echo;
use crate::proxy;

/// A pool in a plan, with the same servers as the running proxy.
struct Case {
    /// First part of the path; also the name of the pool.
    name: &'static str,
    /// Balancing words of the plan.
    balance: &'static str,
    /// Key of the plan.
    key: Option<&'static str>,
    /// The servers' weights; as many servers.
    weights: &'static [u32],
    /// What is sent.
    traffic: Traffic,
    /// Most requests in flight at a server.
    limit: Option<u32>,
}

/// A case without a key of its own in the plan.
const fn case(name: &'static str, balance: &'static str, weights: &'static [u32], traffic: Traffic) -> Case {
    Case { name, balance, key: None, weights, traffic, limit: None }
}

impl Case {
    const fn with_key(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    const fn with_limit(self, limit: u32) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Its balancer, with the limits that a plan cannot say.
    fn balancer(&self, plan: &str) -> Balancer {
        let plan = Plan::from_toml(plan, "plan.toml").unwrap();
        let pool = plan.pools.iter().find(|pool| pool.name == self.name).unwrap();
        let mut config = plan.balancer_config(pool).unwrap();
        for server in &mut config.servers {
            server.limit = self.limit;
        }
        Balancer::new(&config)
    }

    /// How many requests fit at once.
    fn capacity(&self) -> usize {
        self.limit.map_or(usize::MAX, |limit| limit as usize * self.weights.len())
    }
}

/// How the key travels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Traffic {
    /// In the header `X-Key`.
    Header,
    /// As the path and query.
    Uri,
    /// As the client's address.
    Address,
    /// Nowhere: rotations.
    Nothing,
}

/// The servers of a case, with weights where they differ from 1.
fn servers(echoes: &[Echo], weights: &[u32]) -> Vec<String> {
    let entry = |(echo, weight): (&Echo, &u32)| if *weight == 1 { echo.address() } else { format!("{}={weight}", echo.address()) };
    echoes.iter().zip(weights).map(entry).collect()
}

/// A plan file with every case as a pool.
fn plan(proxy: &str, release: &str, cases: &[Case], echoes: &[Echo]) -> String {
    let mut plan = format!("name = \"comparison\"\nsynapse = \"1.157\"\n[proxy]\nkind = \"{proxy}\"\nrelease = \"{release}\"\n");
    for case in cases {
        plan += &format!(
            "[[pool]]\nname = \"{}\"\nendpoints = [\"sync\"]\nservers = {:?}\nbalance = {:?}\n",
            case.name,
            servers(echoes, case.weights),
            case.balance
        );
        if let Some(key) = case.key {
            plan += &format!("key = \"{key}\"\n");
        }
    }
    plan
}

/// The servers that `wsim route` names for some keys.
fn route(plan: &str, pool: &str, keys: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.toml");
    std::fs::write(&file, plan).unwrap();
    let args = Route { plan: file.to_string_lossy().into_owned(), pool: pool.to_owned(), seed: 1, ..Route::default() };
    let mut out = Vec::new();
    run(&args, &mut out, &mut keys.join("\n").as_bytes()).unwrap();
    let out = String::from_utf8(out).unwrap();
    out.lines().map(|line| line.rsplit_once('\t').unwrap().1.to_owned()).collect()
}

/// Sends every case's keys through the proxy and compares each answer.
fn compare_keys(port: u16, plan: &str, cases: &[Case]) {
    for case in cases {
        let keys = keys(case);
        let expected = route(plan, case.name, &keys);
        let mut client = Client::new(port);
        let answers: Vec<String> = keys.iter().map(|key| send(&mut client, case, key)).collect();
        let wrong: Vec<_> = keys.iter().zip(&answers).zip(&expected).filter(|((_, answer), expected)| answer != expected).take(5).collect();
        assert!(wrong.is_empty(), "{} ({}): {} keys, first differences {wrong:?}", case.name, case.balance, keys.len());
        let distinct: std::collections::BTreeSet<&String> = answers.iter().collect();
        assert!(distinct.len() > 1 || case.weights.len() == 1, "{}: all keys went to one server, which proves nothing", case.name);
    }
}

fn send(client: &mut Client, case: &Case, key: &str) -> String {
    match case.traffic {
        Traffic::Header if key.is_empty() => client.get(&format!("/{}/x", case.name), &[]),
        Traffic::Header => client.get(&format!("/{}/x", case.name), &[("X-Key", key)]),
        Traffic::Uri => client.get(key, &[]),
        Traffic::Address => client.from(key.parse().unwrap()).get(&format!("/{}/x", case.name), &[]),
        Traffic::Nothing => client.get(&format!("/{}/x", case.name), &[]),
    }
}

/// Keys as they occur, in a fixed order.
fn keys(case: &Case) -> Vec<String> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(20_260_101);
    let mut text = |length: u64| -> String {
        let length = 1 + random.next_u64() % length;
        (0..length).map(|_| char::from(LETTERS[usize::try_from(random.next_u64() % LETTERS.len() as u64).unwrap()])).collect()
    };
    match case.traffic {
        Traffic::Header => (0..2000)
            .map(|n| match n % 7 {
                0 => text(40),
                5 => format!("{}, {}", text(15), text(15)),
                6 => format!("\"{},{}\" {} ,{}", text(3), text(3), text(3), text(3)),
                1 => format!("Bearer syt_{}_{}_{}", text(12), text(20), text(6)),
                2 => format!("!{}:example.org", text(18)),
                3 => format!("@user{n}:example.org"),
                _ => n.to_string(),
            })
            .collect(),
        Traffic::Uri => (0..1500)
            .map(|n| match n % 4 {
                0 => format!("/{}/_matrix/client/v3/rooms/!{}:example.org/send/m.room.message/{n}", case.name, text(18)),
                1 => format!("/{}/_matrix/client/v3/sync?since=s{n}_{}&timeout=30000", case.name, text(8)),
                2 => format!("/{}/_matrix/federation/v1/event/{}?x=/{}&since={n}", case.name, text(30), text(9)),
                _ => format!("/{}/{}?asince={}", case.name, text(9), text(9)),
            })
            .collect(),
        Traffic::Address => (0..600_u32)
            .map(|n| {
                let [_, a, b, c] = n.wrapping_mul(2_654_435_761).to_be_bytes();
                IpAddr::from([127, a, b, c.clamp(1, 254)]).to_string()
            })
            .collect(),
        Traffic::Nothing => vec![String::new(); 1000],
    }
}

/// Opens and closes requests in a fixed random order and compares every choice with the balancer's. `settle` waits until the
/// proxy has booked a request as ended.
fn compare_open_and_close(port: u16, plan: &str, case: &Case, echoes: &[Echo], settle: std::time::Duration) {
    let mut balancer = case.balancer(plan);
    let keyed = case.traffic == Traffic::Header;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut open: Vec<(ServerSlot, client::Held)> = Vec::new();
    let mut picks = 0;
    for step in 0..400 {
        // Mostly opening at first, then as many of both, so that loads and ties of all kinds come up.
        let opens = open.is_empty() || random.next_u64() % 100 < if open.len() < 12 { 70 } else { 45 };
        let opens = opens && open.len() < case.capacity();
        if !opens {
            let which = usize::try_from(random.next_u64() % open.len() as u64).unwrap();
            let (slot, held) = open.swap_remove(which);
            held.finish(echoes);
            balancer.release(slot);
            std::thread::sleep(settle);
            continue;
        }
        let key = keyed.then(|| format!("key-{}", random.next_u64() % 40));
        let headers: Vec<(&str, &str)> = key.as_deref().map(|key| ("X-Key", key)).into_iter().collect();
        let held = client::Held::open(port, &format!("/{}/x", case.name), &headers);
        let address = Some(IpAddr::from([127, 0, 0, 1]));
        let choice = &mut PickContext { key: key.as_deref().map(str::as_bytes), address, random: &mut random };
        let Pick::Server(slot) = balancer.pick(choice) else { panic!("{}: the balancer gave no server", case.name) };
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

/// Opens requests beyond the servers' limits and ends some: the waiting requests must start in the order of the balancer's queues.
fn compare_waiting(port: u16, plan: &str, case: &Case, echoes: &[Echo]) {
    const SETTLE: std::time::Duration = std::time::Duration::from_millis(10);
    let mut balancer = case.balancer(plan);
    let mut queues: WaitingQueues<u64> = WaitingQueues::new(balancer.servers().len());
    let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
    let mut held: Vec<(ServerSlot, client::Held)> = Vec::new();
    let mut asked: BTreeMap<u64, client::Asked> = BTreeMap::new();
    let (mut waited, mut at_once) = (0, 0);
    for step in 0..150_u64 {
        let says = |server: &str| format!("{} ({}), step {step}: answered by {server}", case.name, case.balance);
        if asked.len() < 6 && (held.is_empty() || random.next_u64() % 100 < 55) {
            let key = format!("key-{}", random.next_u64() % 12);
            let headers: &[(&str, &str)] = if case.traffic == Traffic::Header { &[("X-Key", &key)] } else { &[] };
            let mut request = client::Asked::ask(port, &format!("/{}/x", case.name), headers);
            let key = (case.traffic == Traffic::Header).then_some(key.as_bytes());
            match balancer.pick(&mut PickContext { key, address: None, random: &mut random }) {
                Pick::Server(slot) => {
                    let answered = request.answered();
                    assert_eq!(answered.server, balancer.servers()[slot.server()].name, "{}", says(&answered.server));
                    held.push((slot, answered));
                    at_once += 1;
                }
                Pick::Queue(queue) => {
                    assert!(request.waits(SETTLE), "{}", says("somebody, where it should wait"));
                    queues.push(queue, step);
                    asked.insert(step, request);
                    waited += 1;
                }
                Pick::Unavailable => panic!("{}", says("nobody")),
            }
            continue;
        }
        let which = usize::try_from(random.next_u64() % held.len() as u64).unwrap();
        let (slot, done) = held.swap_remove(which);
        done.finish(echoes);
        balancer.release(slot);
        if let Some((queue, who)) = queues.pop_for(slot.server()) {
            let admitted = balancer.start_queued(queue, slot.server());
            let answered = asked.remove(&who).unwrap().answered();
            assert_eq!(answered.server, balancer.servers()[slot.server()].name, "{}", says(&answered.server));
            held.push((admitted, answered));
        }
        std::thread::sleep(SETTLE);
    }
    assert!(waited > 15 && at_once > 15, "{}: {waited} waited, {at_once} did not", case.name);
    while let Some((slot, done)) = held.pop() {
        done.finish(echoes);
        balancer.release(slot);
        if let Some((queue, who)) = queues.pop_for(slot.server()) {
            held.push((balancer.start_queued(queue, slot.server()), asked.remove(&who).unwrap().answered()));
        }
    }
    assert!(asked.is_empty() && queues.is_empty());
}

/// Compares how often each server is chosen at random, all idle (ties only) and while some requests are held open.
fn compare_shares(port: u16, plan: &str, case: &Case, echoes: &[Echo]) {
    for held in [0, 9] {
        compare_shares_at_load(port, plan, case, echoes, held);
    }
}

/// The sum of squared differences over expected counts stays below what chance exceeds once in 700 000 times.
fn compare_shares_at_load(port: u16, plan: &str, case: &Case, echoes: &[Echo], held: usize) {
    const PICKS: u32 = 4000;
    let mut balancer = case.balancer(plan);
    let names: Vec<String> = balancer.servers().iter().map(|server| server.name.clone()).collect();
    let index_of = |name: &String| names.iter().position(|known| known == name).unwrap();
    let path = format!("/{}/x", case.name);
    let held: Vec<client::Held> = (0..held).map(|_| client::Held::open(port, &path, &[])).collect();
    for held in &held {
        assert!(balancer.assign(index_of(&held.server)).is_some());
    }
    // The expectation from so many draws that its own error is small.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut expected = vec![0.0; names.len()];
    for _ in 0..400_000 {
        let Pick::Server(slot) = balancer.pick(&mut PickContext { key: None, address: None, random: &mut random }) else { panic!("no server") };
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

/// Of three degrees of freedom (four servers); fewer servers stay below it too. A wrong rule misses it by far.
const CHI_SQUARED_3_AT_1_IN_700_000: f64 = 30.0;
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
