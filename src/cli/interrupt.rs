//! Signals that ask the program to end: Ctrl-C (SIGINT), SIGTERM, and SIGHUP, which a lost session sends.
//!
//! A command that can finish early does so at the first signal and still writes its report ([`watch`]); any other command ends at once. A second
//! Ctrl-C or SIGTERM ends every command at once. SIGTERM twice within a second is one request, because GNU `timeout` sends it to the program and to
//! its group. SIGHUP never counts as a second signal, because a lost session may send several; if it is
//! ignored when the program starts (`nohup`), it stays ignored. Invariant: an ended program leaves no half-written folder.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use wsim_trace::ingest::Progress;

/// What the next signal does.
enum Reaction {
    /// Ends the program.
    End,
    /// Lets the command finish early.
    Finish(Arc<Progress>),
    /// Wakes the command, which waits for a signal; `true` once there was one.
    Wake(bool),
}

static REACTION: Mutex<Reaction> = Mutex::new(Reaction::End);
static WOKEN: Condvar = Condvar::new();
/// Whether there was a Ctrl-C or SIGTERM.
static ASKED: AtomicBool = AtomicBool::new(false);
/// When the last SIGTERM came.
static TERMINATED: Mutex<Option<Instant>> = Mutex::new(None);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Interrupt,
    #[cfg(unix)]
    Terminate,
    #[cfg(unix)]
    HangUp,
}

impl Signal {
    /// The number that every Unix gives it.
    fn number(self) -> i32 {
        match self {
            Self::Interrupt => 2,
            #[cfg(unix)]
            Self::Terminate => TERMINATE,
            #[cfg(unix)]
            Self::HangUp => HANG_UP,
        }
    }
}

/// Starts the thread that receives signals and returns when they are received. Until [`watch`] or [`wait`] every signal ends the program.
pub(super) fn start() {
    let (ready, is_ready) = mpsc::channel();
    let receive = move || {
        // Without a runtime signals do what the system does by default, which is to end the program.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            let Ok(mut signals) = Signals::new() else { return };
            let _ = ready.send(());
            loop {
                let signal = signals.next().await;
                on_signal(signal);
            }
        });
    };
    // Without a thread, too. The sender is dropped on every way out, so that this does not wait for ever.
    if std::thread::Builder::new().name("signals".to_owned()).spawn(receive).is_ok() {
        let _ = is_ready.recv();
    }
}

/// From now on the first signal sets the stop flag of `progress`.
pub(super) fn watch(progress: &Arc<Progress>) {
    *reaction() = Reaction::Finish(Arc::clone(progress));
}

/// Calls `action` soon after [`watch`] has seen the first signal, on a thread of its own that ends with the process.
pub(super) fn on_stop(progress: &Arc<Progress>, action: impl FnOnce() + Send + 'static) {
    let progress = Arc::clone(progress);
    std::thread::spawn(move || {
        while !progress.stop.load(Ordering::Relaxed) {
            std::thread::sleep(POLL_INTERVAL);
        }
        action();
    });
}

/// Calls `ready`, then blocks until a signal, for a command that serves until it is stopped. A signal during `ready` counts.
pub(super) fn wait(ready: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    expect();
    ready()?;
    let waiting = |reaction: &mut Reaction| matches!(reaction, Reaction::Wake(false));
    drop(WOKEN.wait_while(reaction(), waiting).unwrap_or_else(PoisonError::into_inner));
    Ok(())
}

/// From now on the first signal wakes [`sleep`].
pub(super) fn expect() {
    *reaction() = Reaction::Wake(false);
}

/// Sleeps, but not beyond the first signal after [`expect`]. Returns whether there was one.
pub(super) fn sleep(time: Duration) -> bool {
    let waiting = |reaction: &mut Reaction| matches!(reaction, Reaction::Wake(false));
    let (reaction, _) = WOKEN.wait_timeout_while(reaction(), time, waiting).unwrap_or_else(PoisonError::into_inner);
    matches!(*reaction, Reaction::Wake(true))
}

fn reaction() -> MutexGuard<'static, Reaction> {
    REACTION.lock().unwrap_or_else(PoisonError::into_inner)
}

fn on_signal(signal: Signal) {
    if signal.number() == TERMINATE {
        let before = TERMINATED.lock().unwrap_or_else(PoisonError::into_inner).replace(Instant::now());
        if before.is_some_and(|before| before.elapsed() < SAME_REQUEST) {
            return;
        }
    }
    // A hang-up is never a second signal, and does not make the next signal a second one.
    let second = signal.number() != HANG_UP && ASKED.swap(true, Ordering::Relaxed);
    let mut reaction = reaction();
    match &mut *reaction {
        Reaction::End => end(signal),
        _ if second => end(signal),
        Reaction::Finish(progress) => {
            if !progress.stop.swap(true, Ordering::Relaxed) {
                let text = b"\ninterrupted: the report will cover what was read so far; press Ctrl-C again to stop at once\n";
                // After a hang-up there may be no terminal.
                let _ = std::io::Write::write_all(&mut std::io::stderr(), text);
            }
        }
        Reaction::Wake(woken) => {
            *woken = true;
            WOKEN.notify_all();
        }
    }
}

/// Ends the program without leaving a half-written folder behind.
fn end(signal: Signal) -> ! {
    wsim_folder::remove_unfinished();
    // By the shells' convention.
    std::process::exit(128 + signal.number())
}

/// The signals that are received.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// `None` if hang-ups are ignored.
    hang_up: Option<tokio::signal::unix::Signal>,
    /// A file over the limit of `ulimit -f` is then an error of the write, and not the end of the program.
    _file_size: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if hang_up_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
            _file_size: signal(SignalKind::from_raw(SIGXFSZ)).ok(),
        })
    }

    async fn next(&mut self) -> Signal {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        // In order: of two signals that came together the hang-up is the first.
        tokio::select! {
            biased;
            _ = hang_up => Signal::HangUp,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

/// Whether the program was started with hang-ups ignored, as `nohup` does. Known on Linux only, where the kernel lists ignored signals.
#[cfg(unix)]
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}

/// Number of SIGTERM.
const TERMINATE: i32 = 15;

/// Between two SIGTERM of one request.
const SAME_REQUEST: Duration = Duration::from_secs(1);

/// Number of SIGHUP.
const HANG_UP: i32 = 1;

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A write went over the limit on the size of files. The number is the same on every system but MIPS.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;
