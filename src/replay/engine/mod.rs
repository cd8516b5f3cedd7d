//! A run: sends each request when it is due and records how it ended.
//!
//! ```text
//! 1. the clock wakes the engine when a slot is due
//! 2. the slot's lane admits it, or queues it behind its user's earlier requests
//! 3. the script makes the request
//! 4. the request gets a connection, or waits for one
//! 5. the script learns from the response, the outcome is recorded, the lane admits the next slots
//! ```
//!
//! All of it runs on one thread with a current-thread runtime, so nothing here needs a lock. The recorder has a thread of its own.
//! In this module `index` is the index of a slot.

mod accounting;
mod pacing;
mod sending;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use super::breaker::{Breaker, BreakerLimits};
use super::clock::{Clock, Pace, Stall, StallWatch};
use super::lanes::Lanes;
use super::pool::Pool;
use super::recording::{Recording, Sink};
use super::schedule::{Row, Schedule, TrafficConfig};
use super::stop::{StopReason, StopSignal};
use super::{OutcomeTotals, Script};
use sending::RequestInFlight;
use wsim_stats::hashing::NumberMap;
use wsim_transport::{Connector, minimise_timer_slack, raise_descriptor_limit, raise_thread_priority};

/// Limits of a run, and how it is paced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineConfig {
    /// Connections open at once, at least 1. With HTTP/1.1 each request in flight has one, waiting long polls included.
    pub connections_max: usize,
    /// Longest wait for a response, beyond what a long poll asks to wait itself.
    pub timeout: Duration,
    /// Requests that may wait for their lane or for a connection; further ones are skipped and counted.
    pub waiting_max: usize,
    /// How long to wait for long polls after the end of the schedule. Other requests end by their timeout.
    pub drain: Duration,
    /// How long to wait for requests in flight after the run was stopped.
    pub drain_stopped: Duration,
    pub pace: Pace,
    /// When to stop because the target fails.
    pub breaker: BreakerLimits,
    /// Send the row's index in the header [`ROW_HEADER`](wsim_transport::ROW_HEADER), that of a clone beyond the rows of all copies before it
    /// ([`Schedule::number_of`]). For emulated clusters.
    pub send_row_header: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            // Synapse's initial syncs take minutes.
            timeout: Duration::from_secs(120),
            waiting_max: 100_000,
            drain: Duration::from_secs(35),
            drain_stopped: Duration::from_secs(5),
            pace: Pace::Sleep,
            breaker: BreakerLimits::default(),
            send_row_header: false,
        }
    }
}

/// The parts of a run.
pub struct Run<S> {
    pub schedule: Arc<Schedule>,
    /// The configuration that `schedule` was made from; its ramp takes effect here.
    pub traffic: TrafficConfig,
    pub script: Box<dyn Script>,
    pub connector: Connector,
    /// Receives the outcomes.
    pub sink: S,
    pub config: EngineConfig,
    /// The instant of the schedule's offset 0.
    pub begin: Instant,
    /// Ends the run early.
    pub stop: Arc<StopSignal>,
    /// Counts for progress and metrics.
    pub live: Arc<LiveCounters>,
}

/// Counts of a run in progress, for the progress bar and `/metrics`. Each is correct by itself; together they may be of slightly
/// different instants.
#[derive(Debug, Default)]
pub struct LiveCounters {
    /// Slots that came due.
    pub due: AtomicU64,
    pub in_flight: AtomicU64,
    /// Requests that wait for their lane or a connection.
    pub waiting: AtomicU64,
    /// Requests that got a response or failed.
    pub ended: AtomicU64,
    /// The failed ones among `ended`.
    pub failed: AtomicU64,
    /// Slots that were not sent.
    pub skipped: AtomicU64,
}

/// Result of a run.
#[derive(Debug)]
pub struct FinishedRun {
    /// Add up to the schedule.
    pub totals: OutcomeTotals,
    /// From the beginning of the schedule to the end of the last request.
    pub took: Duration,
    /// Why it ended early, if it did.
    pub stopped: Option<StopReason>,
    /// When the generator stood still, in the order of time.
    pub stalls: Vec<Stall>,
    /// The most connections that this machine allows, if that is fewer than were wanted: its limit on open files.
    pub connections_allowed: Option<usize>,
}

/// Why a run could not start, or has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The system provides no thread or no event queue.
    #[error("could not start the run: {0}")]
    Start(#[from] io::Error),
    #[error("a thread of the run panicked; this is a defect of wsim")]
    Panicked,
}

/// Runs a schedule to its end; blocks the calling thread.
///
/// # Errors
/// See [`RunError`]. A failed request is an outcome, not an error.
pub fn run<S: Sink + 'static>(run: Run<S>) -> Result<(FinishedRun, S), RunError> {
    // Only this function knows the sink: all else is compiled, and optimised, in this crate and not in that of the caller.
    let Run { schedule, traffic, script, connector, sink, config, begin, stop, live } = run;
    let (recording, recorder) = Recording::start(sink, begin)?;
    let finished = run_on_thread(Run { schedule, traffic, script, connector, sink: recording, config, begin, stop, live });
    // The recorder ends with the engine's end of the channel, which an engine that panicked has dropped too.
    let sink = recorder.join().map_err(|_| RunError::Panicked)?;
    Ok((finished?, sink))
}

fn run_on_thread(run: Run<Recording>) -> Result<FinishedRun, RunError> {
    // Runs on a dedicated thread because the priority and timer-slack changes are never reverted.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("engine".to_owned()).spawn_scoped(scope, || {
            minimise_timer_slack();
            raise_thread_priority();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, run_to_end(run))
        })?;
        thread.join().map_err(|_| RunError::Panicked)?
    })
}

async fn run_to_end(run: Run<Recording>) -> Result<FinishedRun, RunError> {
    let Run { schedule, traffic, script, connector, sink: recording, config, begin, stop, live } = run;
    let connections_allowed = raise_descriptor_limit(config.connections_max);
    let connections_max = connections_allowed.unwrap_or(usize::MAX).min(config.connections_max);
    let mut clock = Clock::new(config.pace)?;
    let engine = Engine {
        lanes: Lanes::new(schedule.lanes as usize * usize::from(schedule.copies)),
        pool: Pool::new(connections_max, connector.wants_http2()),
        breaker: Breaker::new(config.breaker),
        in_flight: NumberMap::default(),
        polls_in_flight: 0,
        upstreams: HashMap::new(),
        last_ns: 0,
        stall_watch: StallWatch::default(),
        next_slot: 0,
        connector: Rc::new(connector),
        recording,
        schedule,
        traffic,
        script,
        config,
        begin,
        stop,
        live,
    };
    let engine = Rc::new(RefCell::new(engine));
    pacing::dispatch(&engine, &mut clock).await?;
    pacing::drain(&engine, &mut clock).await?;
    let mut engine = engine.borrow_mut();
    engine.abandon_in_flight();
    engine.flush();
    Ok(FinishedRun {
        totals: engine.recording.take_totals(),
        took: Duration::from_nanos(engine.last_ns),
        stopped: engine.stop.reason().cloned(),
        stalls: engine.stall_watch.take(),
        connections_allowed,
    })
}

/// A run that is going on.
struct Engine {
    schedule: Arc<Schedule>,
    traffic: TrafficConfig,
    script: Box<dyn Script>,
    connector: Rc<Connector>,
    config: EngineConfig,
    begin: Instant,
    stop: Arc<StopSignal>,
    live: Arc<LiveCounters>,
    lanes: Lanes,
    pool: Pool,
    breaker: Breaker,
    /// By slot.
    in_flight: NumberMap<u32, RequestInFlight>,
    polls_in_flight: usize,
    upstreams: HashMap<Arc<str>, u8>,
    last_ns: u64,
    stall_watch: StallWatch,
    /// Index of the first slot that has not been taken up.
    next_slot: u32,
    recording: Recording,
}

impl Engine {
    fn row(&self, index: u32) -> &Row {
        &self.schedule.rows[self.schedule.slots[index as usize].row as usize]
    }

    fn lane(&self, index: u32) -> Option<usize> {
        let lane = self.row(index).lane;
        let copy = usize::from(self.schedule.slots[index as usize].copy);
        (lane != Row::NO_LANE).then(|| copy * self.schedule.lanes as usize + lane as usize)
    }

    fn since(&self, instant: Instant) -> u64 {
        since(self.begin, instant)
    }
}

/// ns from one instant to another; 0 if it is before.
fn since(begin: Instant, instant: Instant) -> u64 {
    u64::try_from(instant.saturating_duration_since(begin).as_nanos()).unwrap_or(u64::MAX)
}
