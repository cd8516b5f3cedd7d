//! The clock of a run: a thread that sleeps until each slot is due and delivers it.
//!
//! Each sleep is computed from the run's absolute beginning, so errors do not add up (GoReplay sleeps the gaps between requests and drifts).
//! It is a thread with a timer slack of 1 ns, because tokio's timers round up to a millisecond (tokio-rs/tokio#5021).

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::schedule::Schedule;
use super::stop::StopSignal;
use wsim_transport::{minimise_timer_slack, raise_thread_priority};

/// How often the thread checks whether the run was stopped.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// With [`Pace::Precise`], the thread spins instead of sleeping for this long before an instant.
const SPIN: Duration = Duration::from_micros(80);

/// How exactly requests are sent on time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Sleep: tens of microseconds late, almost no CPU.
    #[default]
    Sleep,
    /// Sleep, then spin for the last 80 µs: takes a third of a core at 5,000 requests/s. For machines with a core to spare.
    Precise,
}

/// Starts the thread. It ends after the last slot, or when the run is stopped, and returns how many slots it delivered.
pub(super) fn start(
    schedule: Arc<Schedule>,
    begin: Instant,
    pace: Pace,
    stop: Arc<StopSignal>,
    due: UnboundedSender<u32>,
) -> std::io::Result<JoinHandle<u32>> {
    thread::Builder::new().name("dispatcher".to_owned()).spawn(move || {
        minimise_timer_slack();
        raise_thread_priority();
        let mut next = 0;
        for slot in &schedule.slots {
            if !sleep_until(begin + Duration::from_nanos(slot.intended_ns), pace, &stop) || due.send(next).is_err() {
                break;
            }
            next += 1;
        }
        next
    })
}

/// Sleeps until `instant`; `false` if the run was stopped before.
fn sleep_until(instant: Instant, pace: Pace, stop: &StopSignal) -> bool {
    loop {
        if stop.is_set() {
            return false;
        }
        let left = instant.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        match pace {
            Pace::Precise if left <= SPIN => std::hint::spin_loop(),
            Pace::Precise => thread::sleep((left - SPIN).min(STOP_CHECK_INTERVAL)),
            Pace::Sleep => thread::sleep(left.min(STOP_CHECK_INTERVAL)),
        }
    }
}
