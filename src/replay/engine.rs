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
//! In this file `index` is the index of a slot.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::{LocalSet, spawn_local, yield_now};

use super::breaker::{Breaker, BreakerLimits};
use super::clock::{Clock, Pace, Stall, StallWatch};
use super::lanes::{Admission, Lanes, QueuedSlot};
use super::pool::{Grant, Pool, ReadyRequest};
use super::recording::{Recording, Sink};
use super::schedule::{Row, Schedule, TrafficConfig};
use super::stop::{StopReason, StopSignal};
use super::{End, Outcome, OutcomeTotals, Position, Script, SkipReason};
use wsim_stats::hashing::NumberMap;
use wsim_transport::{Connector, Exchange, Failure, minimise_timer_slack, raise_descriptor_limit, raise_thread_priority};

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

async fn run_to_end<S: Sink + 'static>(run: Run<S>) -> Result<(FinishedRun, S), RunError> {
    let Run { schedule, traffic, script, connector, sink, config, begin, stop, live } = run;
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
        recording: Some(Recording::start(sink, Arc::clone(&stop), begin)?),
        schedule,
        traffic,
        script,
        config,
        begin,
        stop,
        live,
    };
    let engine = Rc::new(RefCell::new(engine));
    dispatch(&engine, &mut clock).await?;
    drain(&engine, &mut clock).await?;
    let mut engine = engine.borrow_mut();
    engine.abandon_in_flight();
    let stopped = engine.stop.reason().cloned();
    let took = Duration::from_nanos(engine.last_ns);
    let stalls = engine.stall_watch.take();
    let Some(recording) = engine.recording.take() else { return Err(RunError::Panicked) };
    let (totals, sink) = recording.finish();
    Ok((FinishedRun { totals, took, stopped, stalls, connections_allowed }, sink.ok_or(RunError::Panicked)?))
}

/// Takes up each slot when it is due, until there is none left or the run is stopped.
async fn dispatch<S: Sink + 'static>(engine: &Rc<RefCell<Engine<S>>>, clock: &mut Clock) -> io::Result<()> {
    let mut next_flush = Instant::now();
    let mut next_sweep = next_flush + SWEEP_INTERVAL;
    loop {
        let now = Instant::now();
        let wake = {
            let mut engine = engine.borrow_mut();
            engine.on_wake(now);
            if now >= next_flush {
                engine.flush();
                next_flush = now + FLUSH_INTERVAL;
            }
            if now >= next_sweep {
                engine.pool.close_ended();
                next_sweep = now + SWEEP_INTERVAL;
            }
            if engine.stop.is_set() {
                engine.skip_undelivered();
                return Ok(());
            }
            engine.next_wake(now)
        };
        match wake {
            NextWake::At(instant) => clock.sleep_until(instant).await?,
            NextWake::Due(slots) => {
                for slot in slots {
                    on_due(engine, slot);
                }
                // Many at once must not keep responses waiting.
                yield_now().await;
            }
            NextWake::Never => return Ok(()),
        }
    }
}

/// Waits for requests in flight, as long as the configuration allows.
async fn drain<S: Sink + 'static>(engine: &Rc<RefCell<Engine<S>>>, clock: &mut Clock) -> io::Result<()> {
    let began = Instant::now();
    loop {
        let now = Instant::now();
        let wake = now + DRAIN_CHECK_INTERVAL;
        {
            let mut engine = engine.borrow_mut();
            engine.on_wake(now);
            if !engine.keep_draining(now - began) {
                return Ok(());
            }
            engine.expect_wake(wake);
        }
        clock.sleep_until(wake).await?;
    }
}

/// What the clock has to do.
enum NextWake {
    /// These slots are due.
    Due(std::ops::Range<u32>),
    At(Instant),
    /// All slots have been taken up.
    Never,
}

/// How often outcomes are handed to the recorder when there are few.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// How often idle connections that the server has closed are closed here too, which frees their descriptors.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// The clock wakes at least this often: to see that the run was stopped, and whether the engine stood still.
const HEARTBEAT: Duration = Duration::from_millis(20);
const DRAIN_CHECK_INTERVAL: Duration = Duration::from_millis(5);
/// Slots that are taken up before responses are looked at again.
const SLOTS_AT_ONCE: u32 = 64;

struct Engine<S> {
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
    /// Slots that have a connection, and when they were due, ns.
    in_flight: NumberMap<u32, u64>,
    polls_in_flight: usize,
    upstreams: HashMap<Arc<str>, u8>,
    last_ns: u64,
    stall_watch: StallWatch,
    /// Index of the first slot that has not been taken up.
    next_slot: u32,
    /// `None` once the run is over.
    recording: Option<Recording<S>>,
}

/// Handles a slot that is due.
fn on_due<S: Sink + 'static>(shared: &Rc<RefCell<Engine<S>>>, index: u32) {
    let mut engine = shared.borrow_mut();
    engine.live.due.fetch_add(1, Ordering::Relaxed);
    let slot = engine.schedule.slots[index as usize];
    let row = engine.schedule.rows[slot.row as usize];
    if let Some(reason) = row.skip {
        return engine.skip(index, reason);
    }
    if engine.schedule.is_before_ramp(slot, &engine.traffic) {
        return engine.skip(index, SkipReason::Ramp);
    }
    let Some(lane) = engine.lane(index) else {
        engine.start_or_queue(shared, index, slot.intended_ns);
        return;
    };
    if !engine.lanes.is_free(lane, row.overlap_max) && engine.is_full() {
        return engine.skip(index, SkipReason::QueueFull);
    }
    match engine.lanes.admit(lane, QueuedSlot { slot: index, overlap_max: row.overlap_max, sync: row.sync }) {
        Admission::Admitted => {
            if !engine.start_or_queue(shared, index, slot.intended_ns) {
                engine.lanes.release(lane);
                engine.admit_waiting(shared, lane);
            }
        }
        Admission::Queued { overtaken } => {
            if let Some(before) = overtaken {
                engine.skip(before, SkipReason::Overtaken);
            }
        }
    }
}

/// Sends one request, records its outcome, and lets waiting requests go on.
async fn run_exchange<S: Sink + 'static>(shared: Rc<RefCell<Engine<S>>>, ready: ReadyRequest, grant: Grant, granted: Instant) {
    let (connector, row, deadline) = shared.borrow().exchange_context(ready.slot, granted);
    let held = grant.held();
    let opens = Cell::new(matches!(grant, Grant::Open));
    let on_opened = |connection: &_| {
        opens.set(false);
        let mut engine = shared.borrow_mut();
        engine.pool.on_opened(connection);
        engine.serve_waiting(&shared);
    };
    let exchange = wsim_transport::exchange(&connector, &ready.request, row, grant.into_kept(), deadline, on_opened).await;
    let mut engine = shared.borrow_mut();
    engine.on_exchange_end(&ready, granted, &exchange);
    if opens.get() {
        engine.pool.on_not_opened();
    }
    engine.pool.release(exchange.connection, held);
    engine.serve_waiting(&shared);
    if let Some(lane) = engine.lane(ready.slot) {
        engine.lanes.release(lane);
        engine.admit_waiting(&shared, lane);
    }
}

impl<S: Sink + 'static> Engine<S> {
    /// Makes a request and sends it, or queues it for a connection. `false` if it was skipped.
    fn start_or_queue(&mut self, shared: &Rc<RefCell<Self>>, index: u32, due_ns: u64) -> bool {
        let slot = self.schedule.slots[index as usize];
        let request = match self.script.request(Position { row: slot.row, copy: slot.copy }) {
            Ok(request) => request,
            Err(why) => {
                self.skip(index, SkipReason::Content(why));
                return false;
            }
        };
        let dispatched_ns = self.since(Instant::now()).max(due_ns);
        let ready = ReadyRequest { slot: index, due_ns, dispatched_ns, request };
        match self.pool.acquire() {
            Some(grant) => self.begin_exchange(shared, ready, grant),
            None if self.is_full() => {
                self.skip(index, SkipReason::QueueFull);
                return false;
            }
            None => self.pool.enqueue(ready),
        }
        true
    }

    fn begin_exchange(&mut self, shared: &Rc<RefCell<Self>>, ready: ReadyRequest, grant: Grant) {
        self.in_flight.insert(ready.slot, ready.due_ns);
        self.polls_in_flight += usize::from(self.row(ready.slot).long_poll);
        self.live.in_flight.store(self.in_flight.len() as u64, Ordering::Relaxed);
        spawn_local(run_exchange(Rc::clone(shared), ready, grant, Instant::now()));
    }

    /// Gives free connections to requests that wait for one.
    fn serve_waiting(&mut self, shared: &Rc<RefCell<Self>>) {
        while let Some((ready, grant)) = self.pool.next_waiting() {
            self.begin_exchange(shared, ready, grant);
        }
    }

    /// Starts the slots that a lane now admits.
    fn admit_waiting(&mut self, shared: &Rc<RefCell<Self>>, lane: usize) {
        while let Some(index) = self.lanes.admit_next(lane) {
            let due_ns = self.since(Instant::now()).max(self.schedule.slots[index as usize].intended_ns);
            if !self.start_or_queue(shared, index, due_ns) {
                self.lanes.release(lane);
            }
        }
        self.live.waiting.store((self.lanes.waiting() + self.pool.waiting()) as u64, Ordering::Relaxed);
    }

    fn on_exchange_end(&mut self, ready: &ReadyRequest, granted: Instant, exchange: &Exchange) {
        let now_ns = self.since(Instant::now());
        self.stall_watch.on_run(now_ns);
        let slot = self.schedule.slots[ready.slot as usize];
        self.in_flight.remove(&ready.slot);
        self.polls_in_flight -= usize::from(self.row(ready.slot).long_poll);
        self.live.in_flight.store(self.in_flight.len() as u64, Ordering::Relaxed);
        let timeline = &exchange.timeline;
        // 0 means that there was none.
        let begin = self.begin;
        let instant_ns = |instant: Option<Instant>| instant.map_or(0, |instant| since(begin, instant).max(1));
        let mut outcome = Outcome {
            dispatched_ns: ready.dispatched_ns,
            granted_ns: self.since(granted).max(ready.dispatched_ns),
            repeated_ns: instant_ns(timeline.repeated),
            connected_ns: instant_ns(timeline.connected),
            secured_ns: instant_ns(timeline.secured),
            sent_ns: instant_ns(timeline.sent),
            last_byte_ns: now_ns,
            repeats: exchange.repeats,
            ..self.outcome(ready.slot, ready.due_ns, End::Completed)
        };
        match &exchange.result {
            Ok(response) => {
                outcome.first_byte_ns = instant_ns(timeline.first_byte);
                outcome.last_byte_ns = timeline.last_byte.map_or(now_ns, |instant| self.since(instant));
                outcome.bytes = u32::try_from(response.bytes).unwrap_or(u32::MAX);
                outcome.status = response.status;
                self.script.learn(Position { row: slot.row, copy: slot.copy }, response);
                outcome.upstream = response.upstream.as_ref().map_or(0, |name| self.upstream(name));
            }
            Err(failure) => outcome.end = End::Failed(*failure),
        }
        outcome.disturbed = self.stall_watch.overlaps(outcome.due_ns, outcome.last_byte_ns);
        self.record_ended(outcome);
        if let Some(reason) = self.breaker.record(&outcome) {
            self.stop.set(reason);
        }
    }

    fn record_ended(&mut self, outcome: Outcome) {
        self.live.ended.fetch_add(1, Ordering::Relaxed);
        if matches!(outcome.end, End::Failed(_)) {
            self.live.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.last_ns = self.last_ns.max(outcome.last_byte_ns);
        self.record(outcome);
    }

    fn skip(&mut self, index: u32, reason: SkipReason) {
        self.live.skipped.fetch_add(1, Ordering::Relaxed);
        let intended = self.schedule.slots[index as usize].intended_ns;
        let outcome = self.outcome(index, intended, End::Skipped(reason));
        self.record(outcome);
    }

    fn record(&mut self, outcome: Outcome) {
        if let Some(recording) = &mut self.recording {
            recording.record(outcome);
        }
    }

    fn flush(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.flush();
        }
    }

    /// The outcome of a slot without a response.
    fn outcome(&self, index: u32, due_ns: u64, end: End) -> Outcome {
        let slot = self.schedule.slots[index as usize];
        let row = &self.schedule.rows[slot.row as usize];
        Outcome {
            due_ns,
            dispatched_ns: due_ns,
            granted_ns: due_ns,
            original_us: row.original_us,
            row: slot.row,
            copy: slot.copy,
            endpoint: row.endpoint,
            original_status: row.original_status,
            long_poll: row.long_poll,
            ..Outcome::of_end(slot.intended_ns, end)
        }
    }

    fn upstream(&mut self, name: &Arc<str>) -> u8 {
        if let Some(&number) = self.upstreams.get(name) {
            return number;
        }
        let number = u8::try_from(self.upstreams.len() + 1).unwrap_or(u8::MAX);
        if number < u8::MAX {
            self.upstreams.insert(Arc::clone(name), number);
            if let Some(recording) = &mut self.recording {
                recording.upstream(number, name);
            }
        }
        number
    }

    /// The connector for a slot's request, the row to send in its header, and when the request has waited too long.
    fn exchange_context(&self, index: u32, granted: Instant) -> (Rc<Connector>, Option<u32>, Instant) {
        let row = self.config.send_row_header.then(|| self.schedule.number_of(self.schedule.slots[index as usize]));
        let deadline = granted + self.config.timeout + Duration::from_millis(self.row(index).poll_ms.into());
        (Rc::clone(&self.connector), row, deadline)
    }

    /// The engine runs: was it to run earlier?
    fn on_wake(&mut self, now: Instant) {
        self.stall_watch.on_run(self.since(now));
    }

    fn expect_wake(&mut self, instant: Instant) {
        self.stall_watch.expect(self.since(instant));
    }

    /// What to do at `now`.
    fn next_wake(&mut self, now: Instant) -> NextWake {
        let now_ns = self.since(now);
        let left = &self.schedule.slots[self.next_slot as usize..];
        let Some(first) = left.first() else { return NextWake::Never };
        if first.intended_ns <= now_ns && now >= self.begin {
            let count = left.iter().take(SLOTS_AT_ONCE as usize).take_while(|slot| slot.intended_ns <= now_ns).count();
            let end = self.next_slot + u32::try_from(count).unwrap_or(SLOTS_AT_ONCE);
            self.stall_watch.expect(now_ns);
            return NextWake::Due(std::mem::replace(&mut self.next_slot, end)..end);
        }
        let wake = (self.begin + Duration::from_nanos(first.intended_ns)).min(now + HEARTBEAT);
        self.expect_wake(wake);
        NextWake::At(wake)
    }

    fn row(&self, index: u32) -> &Row {
        &self.schedule.rows[self.schedule.slots[index as usize].row as usize]
    }

    fn lane(&self, index: u32) -> Option<usize> {
        let lane = self.row(index).lane;
        let copy = usize::from(self.schedule.slots[index as usize].copy);
        (lane != Row::NO_LANE).then(|| copy * self.schedule.lanes as usize + lane as usize)
    }

    fn is_full(&self) -> bool {
        self.lanes.waiting() + self.pool.waiting() >= self.config.waiting_max
    }

    fn since(&self, instant: Instant) -> u64 {
        since(self.begin, instant)
    }

    /// Skips the slots that were not taken up because the run was stopped.
    fn skip_undelivered(&mut self) {
        let end = u32::try_from(self.schedule.slots.len()).unwrap_or(u32::MAX);
        for index in std::mem::replace(&mut self.next_slot, end)..end {
            self.skip(index, SkipReason::Stopped);
        }
    }

    /// Whether to go on waiting for requests after the end of the schedule.
    fn keep_draining(&mut self, waited: Duration) -> bool {
        self.flush();
        let waiting = self.lanes.waiting() + self.pool.waiting();
        if self.stop.is_set() {
            self.skip_waiting();
            return !self.in_flight.is_empty() && waited < self.config.drain_stopped;
        }
        let only_polls = self.in_flight.len() == self.polls_in_flight;
        if only_polls && waited >= self.config.drain {
            return false;
        }
        !self.in_flight.is_empty() || waiting > 0
    }

    fn skip_waiting(&mut self) {
        let mut waiting: Vec<u32> = self.lanes.drain().collect();
        waiting.extend(self.pool.drain().map(|ready| ready.slot));
        for index in waiting {
            self.skip(index, SkipReason::Stopped);
        }
    }

    /// Records the requests that are still waiting or in flight when the drain is over.
    fn abandon_in_flight(&mut self) {
        self.skip_waiting();
        let mut left: Vec<(u32, u64)> = self.in_flight.drain().collect();
        left.sort_unstable();
        for (index, due_ns) in left {
            let mut outcome = self.outcome(index, due_ns, End::Failed(Failure::Abandoned));
            outcome.last_byte_ns = self.since(Instant::now());
            self.record_ended(outcome);
        }
    }
}

/// ns from one instant to another; 0 if it is before.
fn since(begin: Instant, instant: Instant) -> u64 {
    u64::try_from(instant.saturating_duration_since(begin).as_nanos()).unwrap_or(u64::MAX)
}
