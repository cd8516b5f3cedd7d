//! Bursts of a bridge or bot against one reactor and its socket, and what a worker of their own changes for people.
//!
//! A burst of n requests with c of CPU each, at a reactor that people keep busy by ρ, is worked off in n c / (1 − ρ) (a fluid queue). A request of a person in that time waits for what is left of
//! the burst if the reactor serves one after another (first come, first served: n c / 2 on average), and takes n + 1 times its CPU if it serves all by turns (processor sharing). Synapse
//! serves slices, and whoever waits for the database does not wait for the reactor: only as many requests as there are database connections stand before a slice at once. So a request of
//! a person that needs no transaction waits for so many slices of the burst at least: the lower end of the range, at which the real cluster was.
//!
//! The socket: Synapse listens with a backlog of 50 (`app/_base.py`), so the kernel keeps 51 connections that are not accepted yet. The reactor accepts none while it is in a slice. Linux drops the
//! opening of a connection for which there is no room, and the proxy's kernel tries again after a second.

use serde::Serialize;

use wsim_plan::Glob;
use wsim_stats::Interval;
use wsim_trace::{Request, Trace, flag};

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct BotsConfig {
    /// Requests of a burst; `None`: the largest of a second in the log.
    pub burst: Option<u32>,
    /// Time in which the burst arrives, seconds.
    pub over_seconds: f64,
    /// Programs that count as bots besides requests with `user_id=`.
    pub agents: Vec<Glob>,
}

/// What the profile says of the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Time that the log covers.
    pub seconds: f64,
    /// CPU of processes over that in request lines.
    pub coverage: Interval,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bots {
    /// Requests of bridges and bots in the log.
    pub requests: u64,
    pub requests_per_second: f64,
    /// CPU of one, with what no request line shows.
    pub cpu_ms: Interval,
    /// Their share of all CPU in request lines.
    pub share: f64,
    /// The most of them in one second of the log.
    pub largest_in_a_second: u32,
    pub burst: u32,
    /// Whether `burst` was given or is the log's.
    pub is_given: bool,
    pub over_seconds: f64,
    /// How busy everybody else keeps one process that serves all of it, cores, in the busiest five minutes.
    pub others_busy: Interval,
    /// Until the burst is worked off at that process, and at a worker of its own.
    pub drained_seconds: Interval,
    pub drained_apart_seconds: Interval,
    /// How much longer the request of a person takes while the burst is worked off, mean.
    pub wait_ms: Interval,
    /// Requests of people in that time.
    pub people_meanwhile: Interval,
    /// The longest slice of a request of the log, ms.
    pub longest_slice_ms: f64,
    /// Connections of the burst that find the socket full and are opened a second later.
    pub refused: Interval,
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BotsError {
    #[error(
        "no request in these logs is of a bridge or bot that acts for users (user_id= in its requests): name its program with --agent, for example --agent 'mautrix-*'"
    )]
    Nobody,
    #[error("these logs show no CPU: give Synapse's own log")]
    NoCpu,
}

/// Works out what a burst does.
///
/// # Errors
/// The log has no requests of bots, or no CPU.
pub fn bots(trace: &Trace, observed: Observed, config: &BotsConfig) -> Result<Bots, BotsError> {
    let is_agent = |name: &str| config.agents.iter().any(|glob| glob.matches(name));
    let is_bot =
        |request: &Request| request.has(flag::APPSERVICE) || (request.agent.is_some() && is_agent(trace.names.text(request.agent)));
    let (mut own, mut all) = (Sums::default(), Sums::default());
    let (mut second, mut in_second, mut most) = (i64::MIN, 0u32, 0u32);
    let mut longest = 0.0f64;
    let mut others = Peak::default();
    for request in trace.requests().filter(|request| !request.has(flag::FOREIGN)) {
        all.add(&request);
        if request.has(flag::COST) {
            longest = longest.max(f64::from(request.cpu_us) / f64::from(request.db_count.saturating_add(1)) / 1000.0);
        }
        if !request.has(flag::INTERNAL) && is_bot(&request) {
            own.add(&request);
            let now = request.arrival_us.div_euclid(1_000_000);
            in_second = if now == second { in_second + 1 } else { 1 };
            second = now;
            most = most.max(in_second);
        } else {
            others.add(&request);
        }
    }
    if own.requests == 0 {
        return Err(BotsError::Nobody);
    }
    if own.costed == 0 {
        return Err(BotsError::NoCpu);
    }
    let seconds = observed.seconds.max(1.0);
    let coverage = observed.coverage;
    let mean = own.cpu_us / own.costed as f64 / 1e6;
    let variance = (own.squares / own.costed as f64 / 1e12 - mean * mean).max(0.0);
    let error = TWO_SIDED_95 * (variance / own.costed as f64).sqrt();
    let each = Interval { value: mean, low: (mean - error).max(mean / 3.0), high: mean + error };
    // What no request line shows grows with the requests at most as much as they do; a part of it does not.
    let each = Interval { value: each.value * coverage.value, low: each.low, high: each.high * coverage.high };
    let busy = coverage.scaled(others.cores(seconds));
    let burst = config.burst.unwrap_or(most);
    let slices = own.transactions as f64 / own.costed as f64 + 1.0;
    let effect = effect(f64::from(burst), config.over_seconds, each, busy, Slices { own: others.mean_cpu(), each: slices });
    let rate = others.requests as f64 / seconds;
    Ok(Bots {
        requests: own.requests,
        requests_per_second: own.requests as f64 / seconds,
        cpu_ms: each.scaled(1000.0),
        share: if all.cpu_us > 0.0 { own.cpu_us / all.cpu_us } else { 0.0 },
        largest_in_a_second: most,
        burst,
        is_given: config.burst.is_some(),
        over_seconds: config.over_seconds,
        others_busy: busy,
        drained_seconds: effect.drained,
        drained_apart_seconds: effect.apart,
        wait_ms: effect.wait.scaled(1000.0),
        people_meanwhile: effect.drained.scaled(rate),
        longest_slice_ms: longest,
        refused: refused(f64::from(burst), config.over_seconds, longest / 1000.0),
    })
}

struct Effect {
    drained: Interval,
    apart: Interval,
    wait: Interval,
}

/// How requests share the reactor.
#[derive(Clone, Copy)]
struct Slices {
    /// CPU of a request of a person, seconds.
    own: f64,
    /// Slices of a request of the burst: one more than its transactions.
    each: f64,
}

/// What a burst of so many requests within `over` seconds does, with `each` of CPU at a reactor that others keep `busy`; seconds.
fn effect(burst: f64, over: f64, each: Interval, busy: Interval, slices: Slices) -> Effect {
    let own = slices.own;
    let drain = |each: f64, busy: f64| {
        let room = (1.0 - busy).max(ROOM_MIN);
        // What arrives slower than it is worked off leaves nothing.
        (burst * each / room).max(over)
    };
    // What piles up at most: the burst less what was done while it arrived.
    let pile = |each: f64, busy: f64| (burst * each - over * (1.0 - busy).max(ROOM_MIN)).max(0.0);
    let (first_come, by_turns) = (
        |each: f64, busy: f64| pile(each, busy) / 2.0,
        |each: f64, busy: f64| {
            let at_once = if each > 0.0 { pile(each, busy) / each } else { 0.0 };
            (at_once * own).min(pile(each, busy) / (1.0 - busy).max(ROOM_MIN))
        },
    );
    let bounds = |each: f64, busy: f64| (first_come(each, busy), by_turns(each, busy));
    let (low, value, high) = (bounds(each.low, busy.low), bounds(each.value, busy.value), bounds(each.high, busy.high));
    Effect {
        drained: Interval { value: drain(each.value, busy.value), low: drain(each.low, busy.low), high: drain(each.high, busy.high) },
        apart: Interval { value: drain(each.value, 0.0), low: drain(each.low, 0.0), high: drain(each.high, 0.0) },
        wait: {
            let high = high.0.max(high.1);
            let in_front = if each.low > 0.0 { (pile(each.low, busy.low) / each.low).min(CONNECTIONS) } else { 0.0 };
            let low = (in_front * each.low / slices.each).min(low.0.min(low.1));
            // Between both ends nothing is likelier than another order of magnitude.
            Interval { value: (low * high).sqrt().clamp(low, value.0.max(value.1).max(low)), low, high }
        },
    }
}

/// Connections that find no room: all of the burst that arrive within one slice beyond what the kernel keeps; none if the reactor comes to accept in between.
fn refused(burst: f64, over: f64, slice: f64) -> Interval {
    let within = if over > slice { burst * slice / over } else { burst };
    let most = (within - KEPT_BY_KERNEL).max(0.0).round();
    Interval { value: most / 2.0, low: 0.0, high: most }
}

#[derive(Default)]
struct Sums {
    requests: u64,
    costed: u64,
    cpu_us: f64,
    squares: f64,
    transactions: u64,
}

impl Sums {
    fn add(&mut self, request: &Request) {
        self.requests += 1;
        if request.has(flag::COST) {
            let cpu = f64::from(request.cpu_us);
            self.costed += 1;
            self.cpu_us += cpu;
            self.squares += cpu * cpu;
            self.transactions += u64::from(request.db_count);
        }
    }
}

/// CPU over time, in pieces of five minutes.
#[derive(Default)]
struct Peak {
    piece: i64,
    in_piece: f64,
    most: f64,
    cpu_us: f64,
    requests: u64,
    costed: u64,
}

impl Peak {
    fn add(&mut self, request: &Request) {
        let piece = request.arrival_us.div_euclid(PIECE_US);
        if piece != self.piece {
            (self.piece, self.in_piece) = (piece, 0.0);
        }
        self.requests += u64::from(!request.has(flag::INTERNAL));
        if request.has(flag::COST) {
            let cpu = f64::from(request.cpu_us);
            self.costed += 1;
            self.cpu_us += cpu;
            self.in_piece += cpu;
            self.most = self.most.max(self.in_piece);
        }
    }

    /// In the busiest piece; of a log that is shorter than one, its mean.
    fn cores(&self, seconds: f64) -> f64 {
        let mean = self.cpu_us / 1e6 / seconds;
        mean.max(self.most / PIECE_US as f64)
    }

    fn mean_cpu(&self) -> f64 {
        self.cpu_us / 1e6 / self.costed.max(1) as f64
    }
}

/// A backlog of 50 keeps one more.
const KEPT_BY_KERNEL: f64 = 51.0;
const ROOM_MIN: f64 = 0.01;
/// Database connections of a process (Twisted's default of `cp_max`).
const CONNECTIONS: f64 = 5.0;
const PIECE_US: i64 = 300_000_000;
const TWO_SIDED_95: f64 = 1.96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_worked_off_as_a_fluid_queue_says() {
        let exact = Interval::exact;
        let slices = Slices { own: 0.002, each: 4.0 };
        // A hundred requests of 10 ms at a reactor that is half busy: two seconds; alone one.
        let all_at_once = effect(100.0, 0.0, exact(0.01), exact(0.5), slices);
        assert!((all_at_once.drained.value - 2.0).abs() < 1e-9 && (all_at_once.apart.value - 1.0).abs() < 1e-9);
        // First come, first served: half of a second of work; five slices of 2.5 ms at least.
        assert!((all_at_once.wait.high - 0.5).abs() < 1e-9 && (all_at_once.wait.low - 0.0125).abs() < 1e-9);
        // Over a second half a second is done meanwhile.
        let slower = effect(100.0, 1.0, exact(0.01), exact(0.5), slices);
        assert!((slower.wait.high - 0.25).abs() < 1e-9 && (slower.drained.value - 2.0).abs() < 1e-9);
        // Slower than it is worked off: nobody waits.
        let slow = effect(100.0, 10.0, exact(0.01), exact(0.5), slices);
        assert_eq!((slow.wait.high, slow.drained.value), (0.0, 10.0));
    }

    #[test]
    fn a_socket_keeps_fifty_one_connections() {
        assert_eq!(refused(51.0, 0.0, 0.05).high, 0.0);
        assert_eq!(refused(100.0, 0.0, 0.05), Interval { value: 24.5, low: 0.0, high: 49.0 });
        // 500 requests over a second, and a slice of 200 ms.
        assert_eq!(refused(500.0, 1.0, 0.2).high, 49.0);
    }

    #[test]
    fn bursts_of_a_log_are_counted() {
        let mut trace = Trace::new();
        let (bridge, person) = (trace.names.intern(b"mautrix-telegram"), trace.names.intern(b"Element"));
        let mut push = |at_ms: i64, agent, flags, cpu_us| {
            trace.push(Request { arrival_us: at_ms * 1000, agent, flags: flags | flag::COST, cpu_us, ..Request::default() });
        };
        (0..100).for_each(|second| push(second * 1000, person, 0, 5_000));
        (0..30).for_each(|number| push(50_000 + number * 10, bridge, flag::APPSERVICE, 10_000));
        trace.seal();
        let observed = Observed { seconds: 100.0, coverage: Interval::exact(2.0) };
        let found = bots(&trace, observed, &BotsConfig::default()).unwrap();
        assert_eq!((found.requests, found.largest_in_a_second, found.burst), (30, 30, 30));
        assert!((found.share - 300.0 / 800.0).abs() < 1e-9);
        // People: 5 ms a second, twice with what no line shows.
        assert!((found.others_busy.value - 0.01).abs() < 1e-9 && (found.cpu_ms.value - 20.0).abs() < 1e-9);
        let named = BotsConfig { agents: vec![Glob::from_text("Elem*")], ..BotsConfig::default() };
        assert_eq!(bots(&trace, observed, &named).unwrap().requests, 130);
        assert_eq!(bots(&Trace::new(), observed, &named), Err(BotsError::Nobody));
    }
}
