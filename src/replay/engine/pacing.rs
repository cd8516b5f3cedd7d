//! When the engine wakes: to take up slots that are due, to look after its connections, and to wait for the end.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::yield_now;

use super::super::clock::Clock;
use super::{Engine, sending};

/// Takes up each slot when it is due, until there is none left or the run is stopped.
pub(super) async fn dispatch(shared: &Rc<RefCell<Engine>>, clock: &mut Clock) -> io::Result<()> {
    let mut upkeep = Upkeep::new();
    let mut taken_up = 0;
    loop {
        let now = Instant::now();
        let wake = {
            let mut engine = shared.borrow_mut();
            engine.on_wake(now);
            upkeep.look_after(&mut engine, shared, now);
            if engine.stop.is_set() {
                engine.skip_undelivered();
                return Ok(());
            }
            engine.next_wake(now)
        };
        match wake {
            NextWake::At(instant) => clock.sleep_until(instant).await?,
            NextWake::Due(slots) => {
                taken_up += slots.len();
                for slot in slots {
                    sending::on_due(shared, slot);
                }
                // Many at once must not keep responses waiting; of few, the wait for the next one takes care.
                if taken_up >= SLOTS_AT_ONCE {
                    taken_up = 0;
                    yield_now().await;
                }
            }
            NextWake::Never => return Ok(()),
        }
    }
}

/// Waits for requests in flight, as long as the configuration allows.
pub(super) async fn drain(shared: &Rc<RefCell<Engine>>, clock: &mut Clock) -> io::Result<()> {
    let began = Instant::now();
    let mut upkeep = Upkeep::new();
    loop {
        let now = Instant::now();
        let wake = now + DRAIN_CHECK_INTERVAL;
        {
            let mut engine = shared.borrow_mut();
            engine.on_wake(now);
            upkeep.look_after(&mut engine, shared, now);
            if !engine.keep_draining(now - began) {
                return Ok(());
            }
            engine.expect_wake(wake);
        }
        clock.sleep_until(wake).await?;
    }
}

/// What has to be done now and then.
struct Upkeep {
    next_flush: Instant,
    next_sweep: Instant,
}

impl Upkeep {
    fn new() -> Self {
        let now = Instant::now();
        Self { next_flush: now, next_sweep: now + SWEEP_INTERVAL }
    }

    fn look_after(&mut self, engine: &mut Engine, shared: &Rc<RefCell<Engine>>, now: Instant) {
        if now >= self.next_flush {
            engine.flush();
            engine.expire(now);
            self.next_flush = now + FLUSH_INTERVAL;
        }
        if now >= self.next_sweep {
            engine.pool.close_ended();
            engine.serve_waiting(shared);
            self.next_sweep = now + SWEEP_INTERVAL;
        }
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

/// How often outcomes are handed to the recorder when there are few, and requests that have waited too long are ended.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// How often idle connections that the server has closed are closed here too, which frees their descriptors.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// The clock wakes at least this often: to see that the run was stopped, and whether the engine stood still.
const HEARTBEAT: Duration = Duration::from_millis(20);
const DRAIN_CHECK_INTERVAL: Duration = Duration::from_millis(5);
/// Slots that are taken up before responses are looked at again.
const SLOTS_AT_ONCE: usize = 64;

impl Engine {
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
            let count = left.iter().take(SLOTS_AT_ONCE).take_while(|slot| slot.intended_ns <= now_ns).count();
            let end = self.next_slot + u32::try_from(count).unwrap_or(u32::MAX);
            self.stall_watch.expect(now_ns);
            return NextWake::Due(std::mem::replace(&mut self.next_slot, end)..end);
        }
        let wake = (self.begin + Duration::from_nanos(first.intended_ns)).min(now + HEARTBEAT);
        self.expect_wake(wake);
        NextWake::At(wake)
    }

    /// Whether to go on waiting for requests after the end of the schedule.
    fn keep_draining(&mut self, waited: Duration) -> bool {
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
}
