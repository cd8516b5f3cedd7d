//! A run: slots come due, requests go out, answers come back, everything is booked.
//!
//! ```text
//! 1. the dispatcher's thread hands over each slot when it is due
//! 2. its lane lets it go, or it waits for its user's earlier requests
//! 3. the script makes the request
//! 4. a connection carries it, or it waits for one
//! 5. the script learns from the answer, the outcome is booked, the lane goes on
//! ```
//!
//! Steps 2 to 5 are on one thread with a current-thread runtime, so nothing here is locked. The recorder has a third thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::Method;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

use super::breaker::{Breaker, BreakerLimits};
use super::dispatcher::{self, Pace};
use super::lanes::{Entry, Lanes, Waiting};
use super::pool::{Place, Pool, Ready};
use super::recording::{Recording, Sink};
use super::schedule::{Row, Schedule, Shape};
use super::stop::{Stop, StopReason};
use super::{Account, End, Outcome, Position, Reason, Script};
use wsim_stats::hashing::NumberMap;
use wsim_transport::{Answer, Connection, Connector, Failure, Outgoing};

/// Limits of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Connections open at once, at least 1. Every request under way has one, parked syncs too.
    pub connections_max: usize,
    /// Requests that may wait for their lane or for a connection; further ones are not sent but counted.
    pub waiting_max: usize,
    /// How long to wait for parked syncs when the schedule is over. Other requests end by the transport's own timeout.
    pub drain: Duration,
    /// How long to wait for anything when the run was stopped.
    pub drain_stopped: Duration,
    /// How the clock is kept.
    pub pace: Pace,
    /// When to leave the target alone.
    pub breaker: BreakerLimits,
    /// Tell the target which row each request is of. For emulated clusters.
    pub tell_rows: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            waiting_max: 100_000,
            drain: Duration::from_secs(35),
            drain_stopped: Duration::from_secs(5),
            pace: Pace::Sleep,
            breaker: BreakerLimits::default(),
            tell_rows: false,
        }
    }
}

/// Everything that a run needs.
pub struct Run<S> {
    /// What is due when.
    pub schedule: Arc<Schedule>,
    /// The shape that the schedule was laid out with; its ramp is kept here.
    pub shape: Shape,
    /// Makes up requests.
    pub script: Box<dyn Script>,
    /// Where they go.
    pub connector: Connector,
    /// Who measures.
    pub sink: S,
    /// Limits.
    pub settings: Settings,
    /// When offset 0 of the schedule is.
    pub begin: Instant,
    /// Ends the run early.
    pub stop: Arc<Stop>,
    /// Shows how it goes.
    pub live: Arc<Live>,
}

/// How a run goes, for whoever watches. Counts, each correct by itself.
#[derive(Debug, Default)]
pub struct Live {
    /// Slots that came due.
    pub due: AtomicU64,
    /// Requests under way.
    pub under_way: AtomicU64,
    /// Requests that wait for their lane or a connection.
    pub waiting: AtomicU64,
    /// Requests that ended, by an answer or a failure.
    pub ended: AtomicU64,
    /// Those of them that failed.
    pub failed: AtomicU64,
    /// Slots that were not sent.
    pub skipped: AtomicU64,
}

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    /// Where everything went; adds up to the schedule.
    pub account: Account,
    /// From the beginning of the schedule to the last end.
    pub took: Duration,
    /// Why it ended early.
    pub stopped: Option<StopReason>,
}

/// Why a run could not begin, or has no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The system gives no thread or no event queue.
    #[error("could not start the run: {0}")]
    Start(#[from] io::Error),
    /// A defect.
    #[error("a thread of the run panicked; this is a defect of wsim")]
    Panicked,
}

/// Runs a schedule to its end on the calling thread.
///
/// # Errors
/// See [`RunError`]. What happens to requests is no error but an outcome.
pub fn run<S: Sink + 'static>(run: Run<S>) -> Result<(Finished, S), RunError> {
    // A thread of its own, because being punctual is not undone.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("engine".to_owned()).spawn_scoped(scope, || {
            dispatcher::be_punctual();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, whole(run))
        })?;
        thread.join().map_err(|_| RunError::Panicked)?
    })
}

async fn whole<S: Sink + 'static>(run: Run<S>) -> Result<(Finished, S), RunError> {
    let Run { schedule, shape, script, connector, sink, settings, begin, stop, live } = run;
    let (due, incoming) = unbounded_channel();
    let recording = Recording::start(sink, Arc::clone(&stop))?;
    let dispatcher = dispatcher::start(Arc::clone(&schedule), begin, settings.pace, Arc::clone(&stop), due)?;
    let engine = Engine {
        lanes: Lanes::new(schedule.lanes as usize * usize::from(schedule.copies)),
        pool: Pool::new(settings.connections_max),
        breaker: Breaker::new(settings.breaker),
        under_way: NumberMap::default(),
        polls_under_way: 0,
        upstreams: HashMap::new(),
        last_ns: 0,
        connector: Rc::new(connector),
        schedule,
        shape,
        script,
        settings,
        begin,
        stop,
        live,
        recording: Some(recording),
    };
    let engine = Rc::new(RefCell::new(engine));
    receive(&engine, incoming).await;
    let handed = dispatcher.join().map_err(|_| RunError::Panicked)?;
    engine.borrow_mut().skip_the_rest(handed);
    drain(&engine).await;
    let mut engine = engine.borrow_mut();
    engine.give_up();
    let stopped = engine.stop.reason().cloned();
    let took = Duration::from_nanos(engine.last_ns);
    let Some(recording) = engine.recording.take() else { return Err(RunError::Panicked) };
    let (account, sink) = recording.finish();
    Ok((Finished { account, took, stopped }, sink.ok_or(RunError::Panicked)?))
}

/// Takes in slots until the dispatcher has no more.
async fn receive<S: Sink + 'static>(engine: &Rc<RefCell<Engine<S>>>, mut incoming: UnboundedReceiver<u32>) {
    let mut slots = Vec::with_capacity(64);
    let mut flush = tokio::time::interval(FLUSH);
    loop {
        tokio::select! {
            count = incoming.recv_many(&mut slots, 64) => {
                if count == 0 {
                    return;
                }
                for slot in slots.drain(..) {
                    arrive(engine, slot);
                }
            }
            _ = flush.tick() => engine.borrow_mut().flush(),
        }
    }
}

/// Waits for what is under way, as long as the settings allow.
async fn drain<S: Sink + 'static>(engine: &Rc<RefCell<Engine<S>>>) {
    let began = Instant::now();
    while engine.borrow_mut().must_wait(began.elapsed()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How often outcomes are handed over when there are few.
const FLUSH: Duration = Duration::from_millis(100);

struct Engine<S> {
    schedule: Arc<Schedule>,
    shape: Shape,
    script: Box<dyn Script>,
    connector: Rc<Connector>,
    settings: Settings,
    begin: Instant,
    stop: Arc<Stop>,
    live: Arc<Live>,
    lanes: Lanes,
    pool: Pool,
    breaker: Breaker,
    /// Slots with a connection, and since when they were due.
    under_way: NumberMap<u32, u64>,
    polls_under_way: usize,
    upstreams: HashMap<Arc<str>, u8>,
    last_ns: u64,
    /// Absent once the run is closed.
    recording: Option<Recording<S>>,
}

/// A slot is due.
fn arrive<S: Sink + 'static>(this: &Rc<RefCell<Engine<S>>>, number: u32) {
    let mut engine = this.borrow_mut();
    engine.live.due.fetch_add(1, Ordering::Relaxed);
    let slot = engine.schedule.slots[number as usize];
    let row = engine.schedule.rows[slot.row as usize];
    if let Some(reason) = row.skip {
        return engine.skip(number, reason);
    }
    if engine.schedule.is_before_ramp(slot, &engine.shape) {
        return engine.skip(number, Reason::Ramp);
    }
    let Some(lane) = engine.lane(number) else {
        engine.launch(this, number, slot.intended_ns);
        return;
    };
    if !engine.lanes.is_free(lane, row.alongside) && engine.is_full() {
        return engine.skip(number, Reason::Full);
    }
    match engine.lanes.enter(lane, Waiting { slot: number, alongside: row.alongside, sync: row.sync }) {
        Entry::Go => {
            if !engine.launch(this, number, slot.intended_ns) {
                engine.lanes.leave(lane);
                engine.proceed(this, lane);
            }
        }
        Entry::Waits { overtaken } => {
            if let Some(before) = overtaken {
                engine.skip(before, Reason::Overtaken);
            }
        }
    }
}

/// One request on one connection, from its first byte to its outcome.
async fn exchange<S: Sink + 'static>(this: Rc<RefCell<Engine<S>>>, ready: Ready, place: Place) {
    let (connector, row) = this.borrow().sending(ready.slot);
    let kept = match place {
        Place::Kept(connection) => Some(*connection),
        Place::New | Place::None => None,
    };
    let (result, written, connection) = send(&connector, &ready.outgoing, row, kept).await;
    let mut engine = this.borrow_mut();
    engine.finish(&ready, &result, written);
    engine.pool.give_back(connection);
    engine.serve_waiting(&this);
    if let Some(lane) = engine.lane(ready.slot) {
        engine.lanes.leave(lane);
        engine.proceed(&this, lane);
    }
}

/// Sends on the connection kept, or on a new one. Where the server has closed the kept one while it was idle, a request that does no harm
/// twice is sent again, once.
async fn send(
    connector: &Connector,
    outgoing: &Outgoing,
    row: Option<u32>,
    kept: Option<Connection>,
) -> (Result<Answer, Failure>, Option<Instant>, Option<Connection>) {
    if let Some(mut connection) = kept {
        match connection.send_as(outgoing, row).await {
            Ok(answer) => return (Ok(answer), None, Some(connection)),
            Err(Failure::Closed) if outgoing.method != Method::POST => {}
            Err(failure) => return (Err(failure), connection.written(), None),
        }
    }
    match connector.open().await {
        Err(failure) => (Err(failure), None, None),
        Ok(mut connection) => match connection.send_as(outgoing, row).await {
            Ok(answer) => (Ok(answer), None, Some(connection)),
            Err(failure) => (Err(failure), connection.written(), None),
        },
    }
}

impl<S: Sink + 'static> Engine<S> {
    /// Makes and sends a request, or lets it wait for a connection. `false` if it was skipped.
    fn launch(&mut self, this: &Rc<RefCell<Self>>, number: u32, due_ns: u64) -> bool {
        let slot = self.schedule.slots[number as usize];
        let outgoing = match self.script.request(Position { row: slot.row, copy: slot.copy }) {
            Ok(outgoing) => outgoing,
            Err(why) => {
                self.skip(number, Reason::Content(why));
                return false;
            }
        };
        let ready = Ready { slot: number, due_ns, outgoing };
        match self.pool.take() {
            Place::None if self.is_full() => {
                self.skip(number, Reason::Full);
                return false;
            }
            Place::None => self.pool.line_up(ready),
            place => self.begin_exchange(this, ready, place),
        }
        true
    }

    fn begin_exchange(&mut self, this: &Rc<RefCell<Self>>, ready: Ready, place: Place) {
        self.under_way.insert(ready.slot, ready.due_ns);
        self.polls_under_way += usize::from(self.row(ready.slot).long_poll);
        self.live.under_way.store(self.under_way.len() as u64, Ordering::Relaxed);
        spawn_local(exchange(Rc::clone(this), ready, place));
    }

    /// Gives connections to requests that wait for one.
    fn serve_waiting(&mut self, this: &Rc<RefCell<Self>>) {
        while let Some((ready, place)) = self.pool.next() {
            self.begin_exchange(this, ready, place);
        }
    }

    /// Lets a lane go on.
    fn proceed(&mut self, this: &Rc<RefCell<Self>>, lane: usize) {
        while let Some(number) = self.lanes.next(lane) {
            let due_ns = self.since(Instant::now()).max(self.schedule.slots[number as usize].intended_ns);
            if !self.launch(this, number, due_ns) {
                self.lanes.leave(lane);
            }
        }
        self.live.waiting.store((self.lanes.waiting() + self.pool.waiting()) as u64, Ordering::Relaxed);
    }

    fn finish(&mut self, ready: &Ready, result: &Result<Answer, Failure>, written: Option<Instant>) {
        let slot = self.schedule.slots[ready.slot as usize];
        self.under_way.remove(&ready.slot);
        self.polls_under_way -= usize::from(self.row(ready.slot).long_poll);
        self.live.under_way.store(self.under_way.len() as u64, Ordering::Relaxed);
        let mut outcome = self.outcome(ready.slot, ready.due_ns, End::Completed);
        match result {
            Ok(answer) => {
                self.script.learn(Position { row: slot.row, copy: slot.copy }, answer);
                outcome.sent_ns = self.since(answer.sent).max(1);
                outcome.first_byte_ns = self.since(answer.first_byte);
                outcome.last_byte_ns = self.since(answer.last_byte);
                outcome.bytes = u32::try_from(answer.bytes).unwrap_or(u32::MAX);
                outcome.status = answer.status;
                outcome.upstream = answer.upstream.as_ref().map_or(0, |name| self.upstream(name));
            }
            Err(failure) => {
                outcome.end = End::Failed(*failure);
                outcome.sent_ns = written.map_or(0, |instant| self.since(instant).max(1));
                outcome.last_byte_ns = self.since(Instant::now());
            }
        }
        self.ended(outcome);
        if let Some(reason) = self.breaker.book(&outcome) {
            self.stop.set(reason);
        }
    }

    fn ended(&mut self, outcome: Outcome) {
        self.live.ended.fetch_add(1, Ordering::Relaxed);
        if matches!(outcome.end, End::Failed(_)) {
            self.live.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.last_ns = self.last_ns.max(outcome.last_byte_ns);
        self.book(outcome);
    }

    fn skip(&mut self, number: u32, reason: Reason) {
        self.live.skipped.fetch_add(1, Ordering::Relaxed);
        let intended = self.schedule.slots[number as usize].intended_ns;
        let outcome = self.outcome(number, intended, End::Skipped(reason));
        self.book(outcome);
    }

    fn book(&mut self, outcome: Outcome) {
        if let Some(recording) = &mut self.recording {
            recording.book(outcome);
        }
    }

    fn flush(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.flush();
        }
    }

    /// An outcome without an answer.
    fn outcome(&self, number: u32, due_ns: u64, end: End) -> Outcome {
        let slot = self.schedule.slots[number as usize];
        let row = &self.schedule.rows[slot.row as usize];
        Outcome {
            intended_ns: slot.intended_ns,
            due_ns,
            sent_ns: 0,
            first_byte_ns: 0,
            last_byte_ns: 0,
            bytes: 0,
            original_us: row.original_us,
            row: slot.row,
            copy: slot.copy,
            endpoint: row.endpoint,
            status: 0,
            original_status: row.original_status,
            upstream: 0,
            long_poll: row.long_poll,
            end,
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

    /// What sending a slot needs.
    fn sending(&self, number: u32) -> (Rc<Connector>, Option<u32>) {
        (Rc::clone(&self.connector), self.settings.tell_rows.then(|| self.schedule.slots[number as usize].row))
    }

    fn row(&self, number: u32) -> &Row {
        &self.schedule.rows[self.schedule.slots[number as usize].row as usize]
    }

    fn lane(&self, number: u32) -> Option<usize> {
        let lane = self.row(number).lane;
        let copy = usize::from(self.schedule.slots[number as usize].copy);
        (lane != Row::NO_LANE).then(|| copy * self.schedule.lanes as usize + lane as usize)
    }

    fn is_full(&self) -> bool {
        self.lanes.waiting() + self.pool.waiting() >= self.settings.waiting_max
    }

    fn since(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.begin).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Slots that the dispatcher never handed over.
    fn skip_the_rest(&mut self, handed: u32) {
        for number in handed..u32::try_from(self.schedule.slots.len()).unwrap_or(u32::MAX) {
            self.skip(number, Reason::Stopped);
        }
    }

    /// Whether there is something to wait for.
    fn must_wait(&mut self, waited: Duration) -> bool {
        self.flush();
        let waiting = self.lanes.waiting() + self.pool.waiting();
        if self.stop.is_set() {
            self.skip_waiting();
            return !self.under_way.is_empty() && waited < self.settings.drain_stopped;
        }
        let only_polls = self.under_way.len() == self.polls_under_way;
        if only_polls && waited >= self.settings.drain {
            return false;
        }
        !self.under_way.is_empty() || waiting > 0
    }

    fn skip_waiting(&mut self) {
        let mut waiting: Vec<u32> = self.lanes.drain().collect();
        waiting.extend(self.pool.drain().map(|ready| ready.slot));
        for number in waiting {
            self.skip(number, Reason::Stopped);
        }
    }

    /// Books what is neither sent nor answered when the waiting is over.
    fn give_up(&mut self) {
        self.skip_waiting();
        let mut left: Vec<(u32, u64)> = self.under_way.drain().collect();
        left.sort_unstable();
        for (number, due_ns) in left {
            let mut outcome = self.outcome(number, due_ns, End::Failed(Failure::Abandoned));
            outcome.last_byte_ns = self.since(Instant::now());
            self.ended(outcome);
        }
    }
}
