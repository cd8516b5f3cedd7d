//! What a thread that must act at exact instants asks of the kernel. Linux only; elsewhere the calls do nothing.

/// Lets the kernel wake this thread to the nanosecond instead of within the usual 50 µs. Where that is not allowed, the lateness that
/// replays measure shows it.
pub fn minimise_timer_slack() {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
}

/// Lets this thread run before others: on a machine that a load generator shares with its target, the generator must not wait behind it. Needs
/// a privilege (`CAP_SYS_NICE`); without it nothing changes.
pub fn raise_thread_priority() {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::setpriority_process(None, NICE);
    }
}

/// Nice value asked for; 0 is ordinary, -20 the most.
#[cfg(target_os = "linux")]
const NICE: i32 = -10;
