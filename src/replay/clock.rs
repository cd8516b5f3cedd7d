//! The clock of a run: wakes the engine at absolute instants, and notices when the engine stood still.
//!
//! Every wait is computed from the run's absolute beginning, so errors do not add up (GoReplay sleeps the gaps between requests and drifts). The
//! timer is a descriptor in the engine's own event queue: tokio's timers round up to a millisecond (tokio-rs/tokio#5021), and a thread that sleeps
//! costs two context switches for each request.

use std::io;
use std::time::{Duration, Instant};

/// With [`Pace::Precise`], the engine spins instead of sleeping for this long before an instant.
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

/// Wakes one task at an instant.
pub(super) struct Clock {
    timer: Timer,
    pace: Pace,
}

impl Clock {
    /// A clock, within a tokio runtime.
    pub(super) fn new(pace: Pace) -> io::Result<Self> {
        Ok(Self { timer: Timer::new()?, pace })
    }

    pub(super) async fn sleep_until(&mut self, instant: Instant) -> io::Result<()> {
        let wake = if self.pace == Pace::Precise { instant.checked_sub(SPIN).unwrap_or(instant) } else { instant };
        if wake > Instant::now() {
            self.timer.sleep_until(wake).await?;
        }
        // Responses go on being read.
        while Instant::now() < instant {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
use linux::Timer;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Instant;

    use rustix::time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A timerfd of the monotonic clock, which is that of [`Instant`].
    pub(super) struct Timer {
        descriptor: AsyncFd<OwnedFd>,
        /// The same instant by both.
        base: (Instant, Timespec),
    }

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            let descriptor = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            let base = (Instant::now(), clock_gettime(ClockId::Monotonic));
            #[expect(deprecated, reason = "its successor is unsafe for the sake of types that are no descriptors; this one is")]
            let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
            Ok(Self { descriptor, base })
        }

        pub(super) async fn sleep_until(&mut self, instant: Instant) -> io::Result<()> {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value = Itimerspec { it_interval: zero, it_value: self.timespec(instant) };
            timerfd_settime(self.descriptor.get_ref(), TimerfdTimerFlags::ABSTIME, &value)?;
            // An event that was still queued for an earlier instant must not end this wait.
            while Instant::now() < instant {
                self.descriptor.readable().await?.clear_ready();
            }
            Ok(())
        }

        fn timespec(&self, instant: Instant) -> Timespec {
            let (base, at_base) = self.base;
            let ahead = instant.saturating_duration_since(base);
            let nanoseconds = at_base.tv_nsec + i64::from(ahead.subsec_nanos());
            let seconds = at_base.tv_sec.saturating_add(i64::try_from(ahead.as_secs()).unwrap_or(i64::MAX));
            Timespec { tv_sec: seconds.saturating_add(nanoseconds / 1_000_000_000), tv_nsec: nanoseconds % 1_000_000_000 }
        }
    }
}

#[cfg(not(target_os = "linux"))]
struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    #[expect(clippy::unnecessary_wraps, reason = "the signature of Linux")]
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn sleep_until(&mut self, instant: Instant) -> io::Result<()> {
        tokio::time::sleep_until(instant.into()).await;
        Ok(())
    }
}

/// A time in which the generator's thread did not run although it was due to: the process was stopped, the machine suspended or overloaded.
/// ns since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// When the thread should have run.
    pub from_ns: u64,
    /// When it ran.
    pub to_ns: u64,
}

/// Finds stalls from when the engine asked to be woken.
#[derive(Debug, Default)]
pub(super) struct StallWatch {
    wake_ns: u64,
    stalls: Vec<Stall>,
}

impl StallWatch {
    /// The engine asks to be woken.
    pub(super) fn expect(&mut self, wake_ns: u64) {
        self.wake_ns = wake_ns;
    }

    /// The engine runs.
    pub(super) fn on_run(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.wake_ns) < STALL_MIN_NS {
            return;
        }
        let count = self.stalls.len();
        match self.stalls.last_mut() {
            // A stall that follows another at once is the same.
            Some(last) if self.wake_ns <= last.to_ns => last.to_ns = now_ns,
            _ if count < STALLS_MAX => self.stalls.push(Stall { from_ns: self.wake_ns, to_ns: now_ns }),
            _ => {}
        }
        self.wake_ns = now_ns;
    }

    /// Whether the engine stood still within a time.
    pub(super) fn overlaps(&self, from_ns: u64, to_ns: u64) -> bool {
        self.stalls.iter().rev().take_while(|stall| stall.to_ns > from_ns).any(|stall| stall.from_ns < to_ns)
    }

    pub(super) fn take(&mut self) -> Vec<Stall> {
        std::mem::take(&mut self.stalls)
    }
}

/// Shorter delays are ordinary lateness.
const STALL_MIN_NS: u64 = 50_000_000;
/// A machine that stands still more often than this is too slow for the run anyway.
const STALLS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_clock_never_wakes_early_and_takes_no_millisecond() {
        for pace in [Pace::Sleep, Pace::Precise] {
            let mut clock = Clock::new(pace).unwrap();
            let mut late = Vec::new();
            for _ in 0..50 {
                let instant = Instant::now() + Duration::from_micros(300);
                clock.sleep_until(instant).await.unwrap();
                let now = Instant::now();
                assert!(now >= instant);
                late.push(now - instant);
            }
            late.sort_unstable();
            // tokio's own timer takes 0.5 ms in the median; a busy machine may need as long for some.
            assert!(late[5] < Duration::from_micros(500), "{pace:?}: {late:?}");
            clock.sleep_until(Instant::now() - Duration::from_secs(1)).await.unwrap();
        }
    }

    #[test]
    fn a_stall_is_found_once_and_covers_what_waited() {
        const MS: u64 = 1_000_000;
        let mut watch = StallWatch::default();
        watch.expect(1000 * MS);
        watch.on_run(1001 * MS);
        assert!(!watch.overlaps(0, 2000 * MS));
        watch.expect(1020 * MS);
        watch.on_run(1920 * MS);
        watch.on_run(1921 * MS);
        watch.expect(1940 * MS);
        watch.on_run(1940 * MS);
        assert!(watch.overlaps(1500 * MS, 1600 * MS) && watch.overlaps(0, 1021 * MS) && watch.overlaps(1900 * MS, 5000 * MS));
        assert!(!watch.overlaps(0, 1020 * MS) && !watch.overlaps(1920 * MS, 3000 * MS));
        assert_eq!(watch.take(), [Stall { from_ns: 1020 * MS, to_ns: 1920 * MS }]);
    }
}
