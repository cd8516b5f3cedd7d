//! The time that each balancing rule takes to choose one of four servers.
//!
//! `cargo bench --bench balance`. One iteration is one pick and the end of one earlier request, with a hundred others in flight. Rules with a key
//! hash keys of 40 bytes, a thousand of them in turn. "known key" is the time of a pick whose key has been mapped to a server before.

use std::collections::VecDeque;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use wsim::balance::{
    Algorithm, Apache, Balancer, BalancerConfig, Caddy, Comparator, Envoy, Haproxy, HashEra, HashType, KeyPart, Nginx, Pick, PickContext,
    Server, ServerSlot, Traefik,
};

fn algorithms() -> Vec<(&'static str, Algorithm)> {
    let hdr = |hash| Algorithm::Haproxy(Haproxy::Key { part: KeyPart::FirstValue, hash });
    vec![
        ("nginx round robin", Algorithm::Nginx(Nginx::RoundRobin)),
        ("nginx least_conn", Algorithm::Nginx(Nginx::LeastConnections)),
        ("nginx hash", Algorithm::Nginx(Nginx::Hash)),
        ("nginx hash consistent", Algorithm::Nginx(Nginx::Consistent)),
        ("nginx random two", Algorithm::Nginx(Nginx::RandomTwo)),
        ("haproxy roundrobin", Algorithm::Haproxy(Haproxy::RoundRobin)),
        ("haproxy static-rr", Algorithm::Haproxy(Haproxy::StaticRoundRobin)),
        ("haproxy leastconn", Algorithm::Haproxy(Haproxy::LeastConnections { random_ties: false })),
        ("haproxy random", Algorithm::Haproxy(Haproxy::Random { draws: 2 })),
        ("haproxy hdr", hdr(HashType::default())),
        ("haproxy hdr consistent", hdr(HashType::consistent())),
        ("caddy round_robin", Algorithm::Caddy(Caddy::RoundRobin)),
        ("caddy least_conn", Algorithm::Caddy(Caddy::LeastConnections)),
        ("caddy header", Algorithm::Caddy(Caddy::Hash(HashEra::XxHash))),
        ("traefik wrr", Algorithm::Traefik(Traefik::WeightedRoundRobin)),
        ("traefik p2c", Algorithm::Traefik(Traefik::TwoChoices)),
        ("traefik hrw", Algorithm::Traefik(Traefik::HighestRandomWeight)),
        ("traefik leasttime", Algorithm::Traefik(Traefik::LeastTime)),
        ("apache bybusyness", Algorithm::Apache(Apache::ByBusyness)),
        ("envoy ring_hash", Algorithm::Envoy(Envoy::RING_HASH)),
        ("envoy maglev", Algorithm::Envoy(Envoy::MAGLEV)),
        ("envoy least_request", Algorithm::Envoy(Envoy::LeastRequest { choices: 2 })),
        ("synapse shards", Algorithm::SynapseShards),
        ("shortest busy queue", Algorithm::Comparator(Comparator::ShortestBusyQueue)),
    ]
}

fn balancer(algorithm: Algorithm) -> Balancer {
    let servers = (0..4).map(|i| Server::new(&format!("127.0.0.1:{}", 8013 + i), 1, i)).collect();
    Balancer::new(&BalancerConfig { algorithm, servers, processes: 1 })
}

/// Adds a request to those in flight, and ends the oldest of them if there are more than a hundred.
fn replace_oldest(balancer: &mut Balancer, flight: &mut VecDeque<ServerSlot>, slot: ServerSlot) {
    flight.push_back(slot);
    if flight.len() > 100
        && let Some(oldest) = flight.pop_front()
    {
        balancer.release(oldest);
    }
}

fn picks(criterion: &mut Criterion) {
    let keys: Vec<Vec<u8>> = (0..1000).map(|n| format!("Bearer syt_YWxpY2U_kQpWzXvBnTyUiOpA_{n:06}").into_bytes()).collect();
    let mut group = criterion.benchmark_group("one pick");
    for (name, algorithm) in algorithms() {
        let mut balancer = balancer(algorithm);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut flight = VecDeque::with_capacity(128);
        let mut next_key = keys.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let key = next_key.next().map(Vec::as_slice);
                let context = &mut PickContext { key: black_box(key), address: None, random: &mut random };
                if let Pick::Server(slot) = balancer.pick(context) {
                    replace_oldest(&mut balancer, &mut flight, slot);
                }
            });
        });
    }
    let mut balancer = balancer(Algorithm::Nginx(Nginx::Consistent));
    let mut flight = VecDeque::with_capacity(128);
    let servers: Vec<usize> = keys.iter().filter_map(|key| balancer.server_of_key(key)).collect();
    let mut next_server = servers.iter().cycle();
    group.bench_function("known key", |bencher| {
        bencher.iter(|| {
            if let Some(slot) = next_server.next().and_then(|server| balancer.assign(black_box(*server))) {
                replace_oldest(&mut balancer, &mut flight, slot);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, picks);
criterion_main!(benches);
