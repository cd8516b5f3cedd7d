//! The clock of a run: a thread that sleeps until each slot is due and hands it over.
//!
//! Every sleep is computed from the run's absolute beginning, so an error is never carried on (GoReplay sleeps differences and drifts).
//! A thread of its own with a timer slack of 1 ns, because tokio's timers round up to a millisecond (tokio-rs/tokio#5021).

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::schedule::Schedule;
use super::stop::Stop;

/// Longest sleep without a look at whether the run was stopped.
const LOOK_AROUND: Duration = Duration::from_millis(20);
/// How long before an instant the thread stops sleeping and watches the clock instead, with [`Pace::Precise`].
const SPIN: Duration = Duration::from_micros(80);

/// How the clock is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// Sleep: tens of microseconds late, hardly any CPU.
    #[default]
    Sleep,
    /// Sleep, and watch the clock for the last 80 µs: a third of a core at 5,000 requests/s. For machines with a core to spare.
    Precise,
}

/// Starts the thread. It ends behind the last slot, or when the run is stopped, and says how many slots it handed over.
pub(super) fn start(
    schedule: Arc<Schedule>,
    begin: Instant,
    pace: Pace,
    stop: Arc<Stop>,
    due: UnboundedSender<u32>,
) -> std::io::Result<JoinHandle<u32>> {
    thread::Builder::new().name("dispatcher".to_owned()).spawn(move || {
        be_punctual();
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

/// Whether the instant came, rather than a stop.
fn sleep_until(instant: Instant, pace: Pace, stop: &Stop) -> bool {
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
            Pace::Precise => thread::sleep((left - SPIN).min(LOOK_AROUND)),
            Pace::Sleep => thread::sleep(left.min(LOOK_AROUND)),
        }
    }
}

/// Makes the kernel wake this thread exactly, and before others where that is allowed: on a machine that it shares with its target, the
/// generator must not wait behind it.
pub(super) fn be_punctual() {
    #[cfg(target_os = "linux")]
    {
        // The default slack of ordinary threads is 50 µs. Where either is refused (a lower nice value needs a privilege), lateness shows it.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let _ = rustix::process::setpriority_process(None, NICE);
    }
}

/// Nice value asked for; 0 is ordinary, -20 the most.
#[cfg(target_os = "linux")]
const NICE: i32 = -10;
