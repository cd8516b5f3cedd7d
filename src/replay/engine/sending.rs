//! From a slot that is due to its request on a connection, and from its end to the requests that waited for it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::task::spawn_local;

use super::super::lanes::{Admission, QueuedSlot};
use super::super::pool::{Grant, Held, Waiter, WaitingRequest};
use super::super::{Position, SkipReason};
use super::Engine;
use wsim_transport::{Connector, Exchange, OutgoingRequest, REPEATS_MAX, attempt};

/// A request that has a connection, or opens one.
#[derive(Debug)]
pub(super) struct RequestInFlight {
    /// ns.
    pub(super) due_ns: u64,
    /// When it has waited too long, ns.
    deadline_ns: u64,
    is_expired: bool,
    /// Wakes its task.
    waker: Option<Waker>,
}

/// Handles a slot that is due.
pub(super) fn on_due(shared: &Rc<RefCell<Engine>>, index: u32) {
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

/// A request that was made, and its connection.
struct Ready {
    waiting: WaitingRequest,
    request: OutgoingRequest,
    grant: Grant,
    granted: Instant,
}

/// Sends a request, and then those that wait for its connection: a task for each would cost more than the connection's read.
async fn run_exchanges(shared: Rc<RefCell<Engine>>, first: Ready) {
    let mut next = Some(first);
    while let Some(ready) = next {
        next = run_exchange(&shared, ready).await;
    }
}

/// Sends one request, records its outcome, and lets waiting requests go on. Returns the first of them.
async fn run_exchange(shared: &Rc<RefCell<Engine>>, ready: Ready) -> Option<Ready> {
    let Ready { waiting, request, mut grant, mut granted } = ready;
    let (connector, row) = shared.borrow().exchange_context(waiting.slot);
    let (mut repeats, mut repeated) = (0, None);
    let (mut exchange, held) = loop {
        let (mut exchange, holds) = send(shared, &connector, &request, row, waiting.slot, grant).await;
        exchange.timeline.repeated = repeated;
        exchange.repeats = repeats;
        if !exchange.may_be_repeated || repeats == REPEATS_MAX {
            break (exchange, Some(holds));
        }
        repeated = Some(Instant::now());
        repeats += 1;
        grant = match exchange.connection.take() {
            // The connection was the request's own; the next one is too.
            None => Grant::Open,
            connection => {
                shared.borrow_mut().pool.release(connection, holds);
                // Boxed: few requests wait again, and the future of all others would be as large as theirs.
                let Some(next) = Box::pin(next_grant(shared, waiting.slot)).await else { break (exchange, None) };
                granted = Instant::now();
                next
            }
        };
    };
    let mut engine = shared.borrow_mut();
    engine.on_exchange_end(&waiting, granted, &exchange);
    if let Some(held) = held {
        engine.pool.release(exchange.connection.take(), held);
    }
    let next = engine.next_ready(shared);
    engine.serve_waiting(shared);
    if let Some(lane) = engine.lane(waiting.slot) {
        engine.lanes.release(lane);
        engine.admit_waiting(shared, lane);
    }
    next
}

/// Sends a request once. Also says what it holds of the pool now.
async fn send(
    shared: &Rc<RefCell<Engine>>,
    connector: &Connector,
    request: &OutgoingRequest,
    row: Option<u32>,
    slot: u32,
    grant: Grant,
) -> (Exchange, Held) {
    let held = Cell::new(grant.held());
    let opens = Cell::new(matches!(grant, Grant::Open));
    let on_opened = |connection: &_| {
        opens.set(false);
        let mut engine = shared.borrow_mut();
        held.set(engine.pool.on_opened(connection));
        engine.serve_waiting(shared);
    };
    let exchange = attempt(connector, request, row, grant.into_kept(), Expiry { engine: shared, slot }, on_opened).await;
    if opens.get() {
        shared.borrow_mut().pool.on_not_opened();
    }
    (exchange, held.get())
}

/// A connection for a request that is sent again; `None` if the request has waited too long, or the run ends.
async fn next_grant(shared: &Rc<RefCell<Engine>>, slot: u32) -> Option<Grant> {
    let mut receiver = {
        let mut engine = shared.borrow_mut();
        if let Some(grant) = engine.pool.acquire() {
            engine.serve_waiting(shared);
            return Some(grant);
        }
        engine.pool.enqueue_again()
    };
    let mut expiry = Expiry { engine: shared, slot };
    let granted = poll_fn(|context| match Pin::new(&mut receiver).poll(context) {
        Poll::Ready(granted) => Poll::Ready(granted.ok()),
        Poll::Pending => Pin::new(&mut expiry).poll(context).map(|()| None),
    })
    .await;
    if granted.is_none() {
        receiver.close();
        if let Ok(grant) = receiver.try_recv() {
            shared.borrow_mut().pool.give_back(grant);
        }
    }
    granted
}

/// Ends when a request has waited too long. The engine looks for such requests now and then ([`Engine::expire`]): a timer for each would cost more
/// than writing the request's head.
struct Expiry<'e> {
    engine: &'e RefCell<Engine>,
    slot: u32,
}

impl Future for Expiry<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.engine.borrow_mut().in_flight.get_mut(&self.slot) {
            Some(request) if !request.is_expired => {
                // A task has one waker from its beginning to its end.
                request.waker.get_or_insert_with(|| context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl Engine {
    /// Sends a request, or queues it for a connection. `false` if it was skipped.
    fn start_or_queue(&mut self, shared: &Rc<RefCell<Self>>, index: u32, due_ns: u64) -> bool {
        let now = Instant::now();
        let waiting = WaitingRequest { slot: index, due_ns, dispatched_ns: self.since(now).max(due_ns) };
        let Some(grant) = self.pool.acquire() else {
            if self.is_full() {
                self.skip(index, SkipReason::QueueFull);
                return false;
            }
            self.pool.enqueue(waiting);
            return true;
        };
        let Some(ready) = self.make(waiting, grant, now) else { return false };
        spawn_local(run_exchanges(Rc::clone(shared), ready));
        true
    }

    /// Makes a request that will be sent at once. `None` if it cannot be made, and was skipped.
    fn make(&mut self, waiting: WaitingRequest, grant: Grant, granted: Instant) -> Option<Ready> {
        let slot = self.schedule.slots[waiting.slot as usize];
        let request = match self.script.request(Position { row: slot.row, copy: slot.copy }) {
            Ok(request) => request,
            Err(why) => {
                self.skip(waiting.slot, SkipReason::Content(why));
                self.pool.give_back(grant);
                return None;
            }
        };
        let row = self.row(waiting.slot);
        let timeout_ns = u64::try_from(self.config.timeout.as_nanos()).unwrap_or(u64::MAX);
        let deadline_ns = self.since(granted).saturating_add(timeout_ns).saturating_add(u64::from(row.poll_ms) * 1_000_000);
        self.polls_in_flight += usize::from(row.long_poll);
        self.in_flight.insert(waiting.slot, RequestInFlight { due_ns: waiting.due_ns, deadline_ns, is_expired: false, waker: None });
        self.live.in_flight.store(self.in_flight.len() as u64, Ordering::Relaxed);
        Some(Ready { waiting, request, grant, granted })
    }

    /// Gives free connections to requests that wait for one.
    pub(super) fn serve_waiting(&mut self, shared: &Rc<RefCell<Self>>) {
        while let Some(ready) = self.next_ready(shared) {
            spawn_local(run_exchanges(Rc::clone(shared), ready));
        }
    }

    /// The next request that waits for a connection, if one is free.
    fn next_ready(&mut self, shared: &Rc<RefCell<Self>>) -> Option<Ready> {
        loop {
            let (waiter, grant) = self.pool.next_waiting()?;
            let waiting = match waiter {
                Waiter::New(waiting) => waiting,
                Waiter::Again(sender) => {
                    if let Err(unused) = sender.send(grant) {
                        self.pool.give_back(unused);
                    }
                    continue;
                }
            };
            if let Some(ready) = self.make(waiting, grant, Instant::now()) {
                return Some(ready);
            }
            if let Some(lane) = self.lane(waiting.slot) {
                self.lanes.release(lane);
                self.admit_waiting(shared, lane);
            }
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

    /// Ends the requests that have waited too long.
    pub(super) fn expire(&mut self, now: Instant) {
        let now_ns = self.since(now);
        for request in self.in_flight.values_mut().filter(|request| request.deadline_ns <= now_ns) {
            request.is_expired = true;
            if let Some(waker) = request.waker.take() {
                waker.wake();
            }
        }
    }

    /// The connector for a slot's request, and the row to send in its header.
    fn exchange_context(&self, index: u32) -> (Rc<Connector>, Option<u32>) {
        let row = self.config.send_row_header.then(|| self.schedule.number_of(self.schedule.slots[index as usize]));
        (Rc::clone(&self.connector), row)
    }

    fn is_full(&self) -> bool {
        self.lanes.waiting() + self.pool.waiting() >= self.config.waiting_max
    }
}
