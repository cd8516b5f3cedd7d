//! An authentication service in front: tokens that rotate, and what each worker has to ask about them.
//!
//! With matrix-authentication-service an access token says nothing of its user, lives for five minutes unless configured otherwise, and every process that
//! sees it asks the service about it and remembers the answer for two minutes (Synapse 1.163, `api/auth/mas.py`, `_introspection_cache`). So what a request costs depends on how
//! the proxy chooses its worker. The log is read once for each number of workers: who was where and when, and which process had to ask.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use wsim_stats::Interval;
use wsim_stats::random::mix;
use wsim_trace::{Request, Trace, flag};

/// How workers are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// By something that stays with the user: what a proxy can do only if it knows who a token belongs to.
    User,
    /// By the client's address.
    Address,
    /// By the whole token.
    Token,
    /// In turn.
    RoundRobin,
}

impl Choice {
    pub const ALL: [Self; 4] = [Self::User, Self::Address, Self::Token, Self::RoundRobin];

    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Address => "address",
            Self::Token => "token",
            Self::RoundRobin => "none (in turn)",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct TokensConfig {
    /// Life of an access token, seconds.
    pub rotation_seconds: f64,
    /// Numbers of workers to compare.
    pub workers: Vec<u32>,
}

/// A choice among a number of workers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TokensCase {
    pub workers: u32,
    pub choice: Choice,
    /// Questions to the service per second.
    pub asked_per_second: f64,
    /// Share of the requests that wait for an answer of the service.
    pub waiting_share: f64,
    /// That, as mean over all requests, ms.
    pub waiting_ms: Interval,
    /// Times that a user comes to a worker that has not seen him for half an hour, per user and hour: caches are cold.
    pub cold_per_user_hour: f64,
    /// What staying costs: the load of the busiest worker over the mean of all, by CPU, or by requests where the log shows no CPU.
    pub busiest_over_mean: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tokens {
    pub seconds: f64,
    pub rotation_seconds: f64,
    pub requests: u64,
    pub users: u32,
    pub devices: u32,
    /// Tokens that the devices of the log would have had.
    pub tokens: u64,
    /// Answer time of the service, assumed.
    pub answer_ms: Interval,
    /// Whether requests have addresses that differ: behind one proxy all have the same.
    pub has_addresses: bool,
    pub cases: Vec<TokensCase>,
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokensError {
    #[error("no request in these logs names its user: give Synapse's own log, or a proxy's log with a user (docs/logs.md)")]
    NoUsers,
}

/// Reads the log as if its devices had rotating tokens.
///
/// # Errors
/// No request has a user.
pub fn tokens(trace: &Trace, config: &TokensConfig) -> Result<Tokens, TokensError> {
    let is_meant = |request: &Request| request.user.is_some() && !request.has(flag::INTERNAL) && !request.has(flag::FOREIGN);
    let rotation = to_us(config.rotation_seconds).max(1);
    let mut epochs: HashMap<(u32, u32), (i64, u64)> = HashMap::new();
    let mut known: Vec<Known> = Vec::new();
    let mut users: HashSet<u32> = HashSet::new();
    let mut addresses: HashSet<u32> = HashSet::new();
    let mut tokens = 0;
    for request in trace.requests().filter(is_meant) {
        // A client gets a new token when it is about to use one that has expired.
        let (issued, token) = epochs.entry((request.user.0, request.agent.0)).or_insert((i64::MIN, 0));
        if *issued == i64::MIN || request.arrival_us - *issued >= rotation {
            tokens += 1;
            (*issued, *token) = (request.arrival_us, tokens);
        }
        users.insert(request.user.0);
        addresses.insert(request.peer.0);
        known.push(Known {
            at_us: request.arrival_us,
            user: request.user.0,
            address: request.peer.0,
            token: *token,
            cpu_us: request.cpu_us,
        });
    }
    let (Some(first), Some(last)) = (known.first(), known.last()) else { return Err(TokensError::NoUsers) };
    let seconds = ((last.at_us - first.at_us) as f64 / 1e6).max(1.0);
    let has_addresses = addresses.len() > 1;
    let choices = || Choice::ALL.into_iter().filter(|choice| *choice != Choice::Address || has_addresses);
    let cases = config.workers.iter().flat_map(|workers| choices().map(|choice| case(&known, *workers, choice, seconds, users.len())));
    Ok(Tokens {
        seconds,
        rotation_seconds: config.rotation_seconds,
        requests: known.len() as u64,
        users: u32::try_from(users.len()).unwrap_or(u32::MAX),
        devices: u32::try_from(epochs.len()).unwrap_or(u32::MAX),
        tokens,
        answer_ms: ANSWER_MS,
        has_addresses,
        cases: cases.collect(),
    })
}

/// What of a request matters here.
struct Known {
    at_us: i64,
    user: u32,
    address: u32,
    token: u64,
    cpu_us: u32,
}

fn case(requests: &[Known], workers: u32, choice: Choice, seconds: f64, users: usize) -> TokensCase {
    let mut asked_at: HashMap<(u64, u64), i64> = HashMap::new();
    let mut seen_at: HashMap<(u64, u32), i64> = HashMap::new();
    let (mut asked, mut cold) = (0u64, 0u64);
    let has_cpu = requests.iter().any(|request| request.cpu_us > 0);
    let mut loads: HashMap<u64, f64> = HashMap::new();
    for (request, number) in requests.iter().zip(0u64..) {
        let worker = match choice {
            Choice::User => mix(u64::from(request.user)),
            Choice::Address => mix(u64::from(request.address) | 1 << 33),
            Choice::Token => mix(request.token | 1 << 34),
            Choice::RoundRobin => number,
        } % u64::from(workers.max(1));
        *loads.entry(worker).or_default() += if has_cpu { f64::from(request.cpu_us) } else { 1.0 };
        let answer = asked_at.entry((worker, request.token)).or_insert(i64::MIN);
        if *answer == i64::MIN || request.at_us - *answer >= REMEMBERED_US {
            asked += 1;
            *answer = request.at_us;
        }
        let before = seen_at.insert((worker, request.user), request.at_us);
        cold += u64::from(before.is_none_or(|before| request.at_us - before >= CACHES_US));
    }
    let share = asked as f64 / requests.len().max(1) as f64;
    let mean = loads.values().sum::<f64>() / f64::from(workers.max(1));
    let busiest = loads.values().copied().fold(0.0, f64::max);
    TokensCase {
        workers,
        choice,
        asked_per_second: asked as f64 / seconds,
        waiting_share: share,
        waiting_ms: ANSWER_MS.scaled(share),
        cold_per_user_hour: cold as f64 / users.max(1) as f64 / (seconds / 3600.0),
        busiest_over_mean: if mean > 0.0 { busiest / mean } else { 1.0 },
    }
}

fn to_us(seconds: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "an hour or so")]
    let us = (seconds * 1e6) as i64;
    us
}

/// How long a process remembers an answer (`timeout=Duration(minutes=2)`).
const REMEMBERED_US: i64 = 120_000_000;
/// After which entries of caches expire by default (`cache_entry_ttl`, 30 minutes).
const CACHES_US: i64 = 1_800_000_000;
/// Assumed: a question over the local network to a service that reads its database.
const ANSWER_MS: Interval = Interval { value: 15.0, low: 3.0, high: 80.0 };

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests (second, user).
    fn trace(requests: &[(i64, &str)]) -> Trace {
        let mut trace = Trace::new();
        for (second, user) in requests {
            let user = trace.names.intern(user.as_bytes());
            trace.push(Request { arrival_us: second * 1_000_000, user, ..Request::default() });
        }
        trace.seal();
        trace
    }

    fn found(requests: &[(i64, &str)], workers: &[u32]) -> Tokens {
        tokens(&trace(requests), &TokensConfig { rotation_seconds: 300.0, workers: workers.to_vec() }).unwrap()
    }

    fn of(found: &Tokens, choice: Choice) -> TokensCase {
        *found.cases.iter().find(|case| case.choice == choice).unwrap()
    }

    #[test]
    fn a_user_who_asks_every_minute_is_counted_by_hand() {
        // 61 requests in an hour: twelve tokens and one that begins with the last request.
        let hour: Vec<(i64, &str)> = (0..=60).map(|minute| (minute * 60, "@a:b")).collect();
        let found = found(&hour, &[1]);
        assert_eq!((found.tokens, found.users, found.devices, found.seconds), (13, 1, 1, 3600.0));
        // A token is asked about at its minutes 0, 2 and 4.
        let user = of(&found, Choice::User);
        assert!((user.asked_per_second * 3600.0 - 37.0).abs() < 1e-9, "{user:?}");
        assert!((user.cold_per_user_hour - 1.0).abs() < 1e-9);
        assert!(!found.has_addresses, "one address is none that could be hashed");
    }

    #[test]
    fn each_worker_asks_for_itself_and_a_new_token_is_a_new_worker() {
        // Sixty requests a minute of one user for ten minutes.
        let busy: Vec<(i64, &str)> = (0..=600).map(|second| (second, "@a:b")).collect();
        let found = found(&busy, &[4]);
        let [user, token, turn] = [Choice::User, Choice::Token, Choice::RoundRobin].map(|choice| of(&found, choice));
        // Tokens at 0, 300 and 600 s; answers of two minutes.
        assert!((user.asked_per_second * 600.0 - 7.0).abs() < 1e-9, "{user:?}");
        assert!((token.asked_per_second - user.asked_per_second).abs() < 1e-12, "a token has one worker");
        // Four workers ask at each of these times, but for the last token, of which there is one request.
        assert!((turn.asked_per_second * 600.0 - 25.0).abs() < 1e-9, "{turn:?}");
        assert!((turn.cold_per_user_hour / user.cold_per_user_hour - 4.0).abs() < 1e-9);
        // All of one user is at one of four workers; in turn one has 151 of 601 requests.
        assert!((user.busiest_over_mean - 4.0).abs() < 1e-9 && (turn.busiest_over_mean - 151.0 / 150.25).abs() < 1e-9, "{turn:?}");
    }

    #[test]
    fn a_token_moves_to_another_of_n_workers_with_probability_n_less_one_over_n() {
        // 200 users, each of whom has two tokens.
        let names: Vec<String> = (0..200).map(|number| format!("@u{number}:b")).collect();
        let both: Vec<(i64, &str)> = [0, 300].into_iter().flat_map(|at| names.iter().map(move |name| (at, name.as_str()))).collect();
        let found = found(&both, &[4]);
        let cold = |choice| of(&found, choice).cold_per_user_hour / 12.0;
        assert!((cold(Choice::User) - 1.0).abs() < 1e-9);
        assert!((cold(Choice::Token) - 1.75).abs() < 0.1, "{}", cold(Choice::Token));
        let none = tokens(&trace(&[]), &TokensConfig { rotation_seconds: 300.0, workers: vec![2] });
        assert_eq!(none, Err(TokensError::NoUsers));
    }
}
