//! Outbound federation: what senders send to which servers, how long it takes to catch up after a sender was down, and what more senders bring.
//!
//! ```text
//! lines of senders ─▶ Outbound ─▶ per destination: rates, response times, busy share ─┐
//!                                  CPU of the sender (measured or assumed) ───────────┴─▶ catch-up after an outage, with 1, 2, 4 senders
//! ```
//!
//! A destination has one transaction on its way at a time (`per_destination_queue.py`), so that it is a station with one server: its busy share is rate × response
//! time, and no further sender helps it. A sender is a process with one reactor; Synapse shares destinations by SHA-256 of their names ([`wsim_balance::shard`]).
//!
//! After a start a destination is in catch-up: rooms in which something was missed get one transaction each with their latest events (`_catch_up_transmission_loop`),
//! otherwise up to 50 events go in one. How many rooms a log of a sender does not show, so the number of transactions has the range from n/50 to n.

pub mod lines;

use std::collections::HashMap;

use serde::Serialize;

use lines::SenderLine;
use wsim_balance::shard;
use wsim_stats::Interval;

/// What lines of senders say so far. The order of lines matters within a file only.
#[derive(Debug, Default)]
pub struct Outbound {
    destinations: HashMap<String, Tally>,
    first_us: Option<i64>,
    last_us: i64,
    /// Destinations beyond [`DESTINATIONS_MAX`].
    pub left_out: u64,
}

#[derive(Debug, Clone, Default)]
struct Tally {
    transactions: u64,
    with_pdus: u64,
    pdus: u64,
    edus: u64,
    failed: u64,
    answered: u64,
    answer_us: u64,
    /// Of transactions with events.
    pdu_answered: u64,
    pdu_answer_us: u64,
    open: Option<(u64, i64, bool)>,
}

impl Outbound {
    /// Counts a line.
    pub fn add(&mut self, line: &[u8]) {
        let Some((at, said)) = lines::read(line) else { return };
        self.first_us = Some(self.first_us.map_or(at, |first| first.min(at)));
        self.last_us = self.last_us.max(at);
        let (SenderLine::Sending { destination, .. } | SenderLine::Answered { destination, .. } | SenderLine::Failed { destination }) =
            said;
        if !self.destinations.contains_key(destination) && self.destinations.len() >= DESTINATIONS_MAX {
            self.left_out += 1;
            return;
        }
        let tally = self.destinations.entry(destination.to_owned()).or_default();
        match said {
            SenderLine::Sending { transaction, pdus, edus, .. } => {
                tally.transactions += 1;
                tally.with_pdus += u64::from(pdus > 0);
                tally.pdus += u64::from(pdus);
                tally.edus += u64::from(edus);
                tally.open = Some((transaction, at, pdus > 0));
            }
            SenderLine::Answered { transaction, status, .. } => {
                let open = tally.open.take().filter(|(sent, ..)| *sent == transaction);
                tally.failed += u64::from(status != 200);
                if let (Some((_, since, has_pdus)), 200) = (open, status) {
                    let took = u64::try_from(at - since).unwrap_or(0);
                    tally.answered += 1;
                    tally.answer_us += took;
                    tally.pdu_answered += u64::from(has_pdus);
                    tally.pdu_answer_us += if has_pdus { took } else { 0 };
                }
            }
            SenderLine::Failed { .. } => {
                tally.failed += 1;
                tally.open = None;
            }
        }
    }

    /// First and last line, µs.
    pub fn span_us(&self) -> Option<(i64, i64)> {
        self.first_us.map(|first| (first, self.last_us))
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct FederationConfig {
    /// How long a sender is down, seconds.
    pub down_seconds: f64,
    /// Numbers of senders to compare, ascending.
    pub senders: Vec<u32>,
    /// CPU of the processes that send, cores, where it was measured, and how many they are.
    pub measured: Option<(f64, u32)>,
}

/// One other server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DestinationLoad {
    /// A server's name.
    pub name: String,
    pub pdus_per_second: f64,
    pub edus_per_second: f64,
    pub transactions_per_second: f64,
    /// Mean time from a transaction to its response.
    pub response_ms: Option<f64>,
    /// Share of the time in which a transaction is on its way.
    pub busy: f64,
    pub failed: u64,
    /// Until all that was missed is sent, from the first transaction after the outage.
    pub catch_up_seconds: Interval,
}

/// A number of senders.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Senders {
    pub senders: u32,
    /// Destinations and share of all transactions of the sender that has most to do.
    pub destinations: u32,
    pub share: f64,
    /// CPU of that sender, cores.
    pub busy: Interval,
    /// Until it has sent all that was missed, from its first event after the start.
    pub catch_up_seconds: Interval,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Federation {
    pub seconds: f64,
    pub down_seconds: f64,
    pub destinations_known: u32,
    pub pdus_per_second: f64,
    pub edus_per_second: f64,
    pub transactions_per_second: f64,
    /// CPU of a transaction with all that leads to it, ms; measured or assumed.
    pub transaction_cpu_ms: Interval,
    pub measured: bool,
    /// From a start until something new wakes a destination, at most the minute in which Synapse looks by itself.
    pub wake_seconds: Interval,
    /// Most busy first, at most ten.
    pub destinations: Vec<DestinationLoad>,
    pub senders: Vec<Senders>,
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FederationError {
    #[error(
        "no transaction to another server is in these logs: give the log of the federation senders (of the main process, where there is none) with \
         synapse.federation.sender at level INFO, which is Synapse's default"
    )]
    Nothing,
    #[error("the transactions of the log span {0} s: give a log of a minute or more")]
    Short(u64),
}

/// Works out loads and catch-up.
///
/// # Errors
/// The lines have no transaction, or span less than ten seconds.
pub fn federation(outbound: &Outbound, config: &FederationConfig) -> Result<Federation, FederationError> {
    let (first, last) = outbound.span_us().ok_or(FederationError::Nothing)?;
    let seconds = (last - first) as f64 / 1e6;
    if seconds < SECONDS_MIN {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below ten")]
        return Err(FederationError::Short(seconds.max(0.0) as u64));
    }
    let mut all: Vec<(&String, &Tally)> = outbound.destinations.iter().collect();
    all.sort_by(|(a, x), (b, y)| y.answer_us.cmp(&x.answer_us).then_with(|| a.cmp(b)));
    let sum = |of: fn(&Tally) -> u64| all.iter().map(|(_, tally)| of(tally)).sum::<u64>() as f64;
    let (transactions, pdus) = (sum(|tally| tally.transactions), sum(|tally| tally.pdus));
    let each = match config.measured {
        Some((cores, _)) if transactions > 0.0 => Interval::exact(cores * seconds / transactions),
        _ => ASSUMED_CPU_SECONDS,
    };
    let mean_response = sum(|tally| tally.answer_us) / 1e6 / sum(|tally| tally.answered).max(1.0);
    let destinations: Vec<DestinationLoad> =
        all.iter().map(|(name, tally)| destination(name, tally, seconds, mean_response, config.down_seconds)).collect();
    let longest = |mine: &dyn Fn(&str) -> bool| {
        destinations.iter().filter(|other| mine(&other.name)).fold(Interval::exact(0.0), |most, other| Interval {
            value: most.value.max(other.catch_up_seconds.value),
            low: most.low.max(other.catch_up_seconds.low),
            high: most.high.max(other.catch_up_seconds.high),
        })
    };
    let senders = config.senders.iter().map(|count| {
        let index = |name: &str| shard(name.as_bytes(), *count as usize);
        let mut work = vec![(0u64, 0u32); (*count).max(1) as usize];
        for (name, tally) in &all {
            let (transactions, destinations) = &mut work[index(name)];
            *transactions += tally.transactions;
            *destinations += 1;
        }
        let (busiest, (most, its)) =
            work.iter().enumerate().max_by_key(|(_, (most, _))| *most).map_or((0, (0, 0)), |(index, work)| (index, *work));
        let busy = each.scaled(most as f64 / seconds);
        Senders {
            senders: *count,
            destinations: its,
            share: if transactions > 0.0 { most as f64 / transactions } else { 0.0 },
            busy,
            catch_up_seconds: caught_up(busy, longest(&|name| index(name) == busiest), config.down_seconds),
        }
    });
    let senders = senders.collect();
    let pdus_per_second = pdus / seconds;
    Ok(Federation {
        seconds,
        down_seconds: config.down_seconds,
        destinations_known: u32::try_from(all.len()).unwrap_or(u32::MAX),
        pdus_per_second,
        edus_per_second: sum(|tally| tally.edus) / seconds,
        transactions_per_second: transactions / seconds,
        transaction_cpu_ms: each.scaled(1000.0),
        measured: config.measured.is_some(),
        wake_seconds: wake(pdus_per_second),
        destinations: destinations.into_iter().take(DESTINATIONS_SHOWN).collect(),
        senders,
    })
}

fn destination(name: &str, tally: &Tally, seconds: f64, mean_response: f64, down: f64) -> DestinationLoad {
    let response = (tally.answered > 0).then(|| tally.answer_us as f64 / 1e6 / tally.answered as f64);
    let with_pdus = if tally.pdu_answered > 0 {
        tally.pdu_answer_us as f64 / 1e6 / tally.pdu_answered as f64
    } else {
        response.unwrap_or(mean_response)
    };
    DestinationLoad {
        name: name.to_owned(),
        pdus_per_second: tally.pdus as f64 / seconds,
        edus_per_second: tally.edus as f64 / seconds,
        transactions_per_second: tally.transactions as f64 / seconds,
        response_ms: response.map(|seconds| seconds * 1000.0),
        busy: (tally.answer_us as f64 / 1e6 / seconds).min(1.0),
        failed: tally.failed,
        catch_up_seconds: one_after_another(tally.pdus as f64 / seconds * down, with_pdus),
    }
}

/// The time of the transactions with so many missed events, one at a time: from 50 events in each to one in each.
fn one_after_another(events: f64, response: f64) -> Interval {
    let few = if events > 0.0 { (events / PDUS_MAX).ceil() } else { 0.0 };
    let many = events.max(few);
    Interval { value: (few * many).sqrt() * response, low: few * response, high: many * response }
}

/// The CPU of what was missed beside what goes on: a queue whose server is `busy` empties in down × busy / (1 − busy). Both waits overlap at best and follow each
/// other at worst.
fn caught_up(busy: Interval, transactions: Interval, down: f64) -> Interval {
    let drain = |busy: f64| down * busy / (1.0 - busy.min(BUSY_MAX));
    let [value, low, high] = [busy.value, busy.low, busy.high].map(drain);
    Interval { value: value.max(transactions.value), low: low.max(transactions.low) * LIGHTER, high: high + transactions.high }
}

/// Until the next event, if events come independently: the mean, and what nineteen of twenty waits are below.
fn wake(pdus_per_second: f64) -> Interval {
    if pdus_per_second <= 0.0 {
        return Interval { value: WAKES_BY_ITSELF_SECONDS, low: 0.0, high: WAKES_BY_ITSELF_SECONDS };
    }
    let mean = pdus_per_second.recip();
    Interval { value: mean.min(WAKES_BY_ITSELF_SECONDS), low: 0.0, high: (3.0 * mean).min(WAKES_BY_ITSELF_SECONDS) }
}

/// Events in a transaction at most (`MAX_PDUS_PER_TRANSACTION`, and the specification).
const PDUS_MAX: f64 = 50.0;
/// Synapse looks for destinations that need catch-up this often (`WAKEUP_RETRY_PERIOD`).
const WAKES_BY_ITSELF_SECONDS: f64 = 60.0;
/// CPU of a transaction with the events and the replication that lead to it, assumed where no counter tells.
const ASSUMED_CPU_SECONDS: Interval = Interval { value: 0.015, low: 0.005, high: 0.04 };
/// What is sent in one go costs less than one by one; how much less is assumed.
const LIGHTER: f64 = 0.5;
const BUSY_MAX: f64 = 0.99;
const SECONDS_MIN: f64 = 10.0;
const DESTINATIONS_MAX: usize = 100_000;
const DESTINATIONS_SHOWN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Transactions (second, destination, events, response in ms).
    fn outbound(sent: &[(u32, &str, u32, u32)]) -> Outbound {
        let mut outbound = Outbound::default();
        for (number, (second, name, pdus, ms)) in sent.iter().enumerate() {
            let stamp = |ms: u32| format!("2026-11-20 10:{:02}:{:02},{:03} - x - ", second / 60, second % 60, ms);
            outbound
                .add(format!("{}TX [{name}] {{{number}}} Sending transaction [{number}], (PDUs: {pdus}, EDUs: 1)", stamp(0)).as_bytes());
            outbound.add(format!("{}TX [{name}] {{{number}}} got 200 response", stamp(*ms)).as_bytes());
        }
        outbound
    }

    fn config(senders: &[u32], measured: Option<(f64, u32)>) -> FederationConfig {
        FederationConfig { down_seconds: 60.0, senders: senders.to_vec(), measured }
    }

    #[test]
    fn a_small_log_is_counted_by_hand() {
        // a.org: an event a second for a hundred seconds, half a second each; b.org: one of them in all.
        let mut sent: Vec<(u32, &str, u32, u32)> = (0..=100).map(|second| (second, "a.org", 1, 500)).collect();
        sent.push((50, "b.org", 3, 100));
        let found = federation(&outbound(&sent), &config(&[1], Some((0.2, 1)))).unwrap();
        assert!((found.seconds - 100.5).abs() < 1e-9 && found.destinations_known == 2);
        let [a, b] = found.destinations.as_slice() else { panic!("{:?}", found.destinations) };
        assert_eq!((a.name.as_str(), a.response_ms, b.response_ms), ("a.org", Some(500.0), Some(100.0)));
        assert!((a.busy - 50.5 / 100.5).abs() < 1e-9);
        // 60.3 events were missed: two transactions at least, 60.3 at most, of half a second.
        let missed = 60.0 * 101.0 / 100.5;
        assert!((a.catch_up_seconds.low - 1.0).abs() < 1e-9 && (a.catch_up_seconds.high - missed * 0.5).abs() < 1e-6);
        // The reactor: 60 s × 0.2 / 0.8.
        let one = &found.senders[0];
        assert!((one.busy.value - 0.2).abs() < 1e-9 && (one.share - 1.0).abs() < 1e-9);
        assert!((one.catch_up_seconds.high - (15.0 + missed * 0.5)).abs() < 1e-6, "{one:?}");
        assert!((one.catch_up_seconds.value - 15.0f64.max(a.catch_up_seconds.value)).abs() < 1e-6);
    }

    #[test]
    fn a_second_sender_takes_destinations_and_not_the_only_one() {
        let alone: Vec<(u32, &str, u32, u32)> = (0..60).map(|second| (second, "a.org", 1, 100)).collect();
        let found = federation(&outbound(&alone), &config(&[1, 2], None)).unwrap();
        assert_eq!(found.senders[0].catch_up_seconds, found.senders[1].catch_up_seconds, "a destination is one sender's");
        let names: Vec<String> = (0..64).map(|number| format!("s{number}.org")).collect();
        let many: Vec<(u32, &str, u32, u32)> = (0..640).map(|n| (n / 4, names[n as usize % 64].as_str(), 1, 100)).collect();
        let found = federation(&outbound(&many), &config(&[1, 2, 4], None)).unwrap();
        let shares: Vec<f64> = found.senders.iter().map(|senders| senders.share).collect();
        let expected = names.iter().filter(|name| shard(name.as_bytes(), 2) == 0).count();
        assert!((shares[1] - expected.max(64 - expected) as f64 / 64.0).abs() < 1e-9, "{shares:?}");
        assert!(shares[0] == 1.0 && shares[2] < shares[1]);
        assert!(found.senders[2].catch_up_seconds.value <= found.senders[0].catch_up_seconds.value);
    }

    #[test]
    fn without_transactions_nothing_is_said() {
        assert_eq!(federation(&Outbound::default(), &config(&[1], None)), Err(FederationError::Nothing));
        let short = outbound(&[(0, "a.org", 1, 100)]);
        assert_eq!(federation(&short, &config(&[1], None)), Err(FederationError::Short(0)));
    }
}
