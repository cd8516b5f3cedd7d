//! Exact response times of a few exponential servers with a queue each, from the stationary distribution of the truncated Markov chain.

use super::exact::{Response, erlang_mixture};

/// Poisson arrivals at `rate` to `N` exponential servers with mean `service`. `choose` gets the number of customers at each server and gives
/// the servers that an arrival may join, with their probabilities.
pub(super) fn responses<const N: usize>(rate: f64, service: f64, choose: impl Fn([usize; N]) -> Vec<(usize, f64)>) -> Response {
    let distribution = stationary(rate, service, &choose);
    let mut found = vec![0.0; QUEUE_LIMIT];
    for (index, p) in distribution.iter().enumerate() {
        let state = state_of(index);
        choose(state).into_iter().for_each(|(server, share)| found[state[server]] += p * share);
    }
    erlang_mixture(found, service)
}

/// The server with the fewest customers; ties are broken evenly.
pub(super) fn shortest<const N: usize>(state: [usize; N]) -> Vec<(usize, f64)> {
    among(state, &(0..N).collect::<Vec<_>>(), 1.0)
}

/// Two different servers drawn at random, of which the one with fewer customers is chosen; ties are broken evenly.
pub(super) fn best_of_two<const N: usize>(state: [usize; N]) -> Vec<(usize, f64)> {
    let pairs: Vec<[usize; 2]> = (0..N).flat_map(|a| (a + 1..N).map(move |b| [a, b])).collect();
    pairs.iter().flat_map(|pair| among(state, pair, 1.0 / pairs.len() as f64)).collect()
}

fn among<const N: usize>(state: [usize; N], servers: &[usize], probability: f64) -> Vec<(usize, f64)> {
    let least = servers.iter().map(|&s| state[s]).min().unwrap();
    let tied: Vec<usize> = servers.iter().copied().filter(|&s| state[s] == least).collect();
    tied.iter().map(|&s| (s, probability / tied.len() as f64)).collect()
}

/// The stationary distribution by power iteration of the uniformised chain. Arrivals at a full queue are lost.
fn stationary<const N: usize>(rate: f64, service: f64, choose: &impl Fn([usize; N]) -> Vec<(usize, f64)>) -> Vec<f64> {
    let states = place_value(N);
    let total = rate + N as f64 / service;
    let mut transitions: Vec<Vec<(usize, f64)>> = Vec::with_capacity(states);
    for index in 0..states {
        let state: [usize; N] = state_of(index);
        let mut out: Vec<(usize, f64)> = Vec::new();
        for (server, share) in choose(state) {
            let full = state[server] + 1 == QUEUE_LIMIT;
            out.push((if full { index } else { index + place_value(server) }, share * rate / total));
        }
        for (server, &present) in state.iter().enumerate() {
            out.push((if present == 0 { index } else { index - place_value(server) }, 1.0 / service / total));
        }
        transitions.push(out);
    }
    let mut distribution = vec![1.0 / states as f64; states];
    for _ in 0..ITERATIONS {
        let mut next = vec![0.0; states];
        for (p, out) in distribution.iter().zip(&transitions) {
            out.iter().for_each(|&(to, share)| next[to] += p * share);
        }
        distribution = next;
    }
    distribution
}

/// A state is encoded as a number to the base `QUEUE_LIMIT` whose digits are the lengths of the queues.
fn place_value(server: usize) -> usize {
    std::iter::repeat_n(QUEUE_LIMIT, server).product()
}

fn state_of<const N: usize>(mut index: usize) -> [usize; N] {
    std::array::from_fn(|_| {
        let digit = index % QUEUE_LIMIT;
        index /= QUEUE_LIMIT;
        digit
    })
}

const QUEUE_LIMIT: usize = 14;
const ITERATIONS: usize = 400;
