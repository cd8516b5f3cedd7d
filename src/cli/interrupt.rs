//! Ctrl-C: the first ends reading early and the report is still written; the second ends the program at once and removes what is
//! half-written.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use wsim_trace::ingest::Progress;

/// The temporary folder to remove at a second Ctrl-C.
static UNFINISHED: OnceLock<Mutex<Option<PathBuf>>> = OnceLock::new();

/// Exit status of a program ended by SIGINT, by the shells' convention.
const INTERRUPTED: i32 = 130;

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Starts a thread that watches for Ctrl-C and SIGTERM: the first sets the stop flag of `progress`, the second ends the program.
pub(super) fn watch(progress: &Arc<Progress>) {
    let progress = Arc::clone(progress);
    std::thread::spawn(move || {
        // Without a runtime Ctrl-C ends the program, which is the system's default.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            while signalled().await.is_ok() {
                if progress.stop.swap(true, Ordering::Relaxed) {
                    exit_at_once();
                }
                let text = b"\ninterrupted: the report will cover what was read so far; press Ctrl-C again to stop at once\n";
                let _ = std::io::Write::write_all(&mut std::io::stderr(), text);
            }
        });
    });
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

/// The next Ctrl-C or, on Unix, SIGTERM.
async fn signalled() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Calls `ready`, then blocks until Ctrl-C or SIGTERM, for a command that serves until it is stopped. A signal during `ready` counts.
pub(super) fn wait(ready: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut signal = std::pin::pin!(signalled());
        // Polled once before `ready`, so that the handler is installed.
        tokio::select! {
            biased;
            early = &mut signal => return Ok(early?),
            () = std::future::ready(()) => {}
        }
        ready()?;
        Ok(signal.await?)
    })
}

/// Ends the program without leaving a half-written run behind.
fn exit_at_once() -> ! {
    if let Some(folder) = cell().lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = std::fs::remove_dir_all(folder);
    }
    std::process::exit(INTERRUPTED)
}

/// Names the folder to remove if the program is ended now; `None` once the folder is complete.
pub(super) fn unfinished(folder: Option<PathBuf>) {
    *cell().lock().unwrap_or_else(PoisonError::into_inner) = folder;
}

fn cell() -> &'static Mutex<Option<PathBuf>> {
    UNFINISHED.get_or_init(|| Mutex::new(None))
}
