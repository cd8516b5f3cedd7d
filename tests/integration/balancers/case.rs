//! Cases of a comparison: a pool with its balancing rule, servers and limits, and the keys of the requests that are sent to it.

use std::net::IpAddr;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use wsim::balance::Balancer;
use wsim::plan::Plan;

use super::echo::Echo;

/// A pool of a plan, with the same servers as the running proxy.
pub(super) struct Case {
    /// The name of the pool, which is also the first segment of the path of its requests.
    pub(super) name: &'static str,
    /// The plan's `balance`.
    pub(super) balance: &'static str,
    /// The plan's `key`.
    pub(super) key: Option<&'static str>,
    /// The weight of each server.
    pub(super) weights: &'static [u32],
    pub(super) traffic: Traffic,
    /// The most requests that a server may have in flight.
    pub(super) limit: Option<u32>,
}

/// A case without `key` in the plan and without a limit.
pub(super) const fn case(name: &'static str, balance: &'static str, weights: &'static [u32], traffic: Traffic) -> Case {
    Case { name, balance, key: None, weights, traffic, limit: None }
}

impl Case {
    pub(super) const fn with_key(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    pub(super) const fn with_limit(self, limit: u32) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The balancer of this pool, with the limits, which a plan cannot express.
    pub(super) fn balancer(&self, plan: &str) -> Balancer {
        let plan = Plan::from_toml(plan, "plan.toml").unwrap();
        let pool = plan.pools.iter().find(|pool| pool.name == self.name).unwrap();
        let mut config = plan.balancer_config(pool).unwrap();
        for server in &mut config.servers {
            server.limit = self.limit;
        }
        Balancer::new(&config)
    }

    /// The most requests that all servers together may have in flight.
    pub(super) fn capacity(&self) -> usize {
        self.limit.map_or(usize::MAX, |limit| limit as usize * self.weights.len())
    }
}

/// Which part of a request carries the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Traffic {
    /// The header `X-Key`.
    Header,
    /// The path and query.
    Uri,
    /// The client's address.
    Address,
    /// No part: the rule has no key.
    Keyless,
}

/// The servers of a case as a plan writes them, with weights other than 1.
fn servers(echoes: &[Echo], weights: &[u32]) -> Vec<String> {
    let entry = |(echo, weight): (&Echo, &u32)| if *weight == 1 { echo.address() } else { format!("{}={weight}", echo.address()) };
    echoes.iter().zip(weights).map(entry).collect()
}

/// A plan file in which every case is a pool.
pub(super) fn plan(proxy: &str, release: &str, cases: &[Case], echoes: &[Echo]) -> String {
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

/// Realistic and difficult keys, the same for every run.
pub(super) fn keys(case: &Case) -> Vec<String> {
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
        Traffic::Keyless => vec![String::new(); 1000],
    }
}

/// Characters of generated keys.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
