//! Ctrl-C: once ends the reading and the report is still written, twice ends at once and leaves nothing half-written.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wsim_trace::ingest::Progress;

/// The temporary folder to remove at a second Ctrl-C.
static UNFINISHED: OnceLock<Mutex<Option<PathBuf>>> = OnceLock::new();

/// Exit status of a program ended by SIGINT, by the shells' convention.
const INTERRUPTED: i32 = 130;

/// Watches for Ctrl-C and SIGTERM from now on, on a thread of its own.
pub(super) fn watch(progress: &Arc<Progress>) {
    let progress = Arc::clone(progress);
    std::thread::spawn(move || {
        // Without a runtime Ctrl-C simply ends the program, which is no worse than the system's default.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            while signalled().await.is_ok() {
                if progress.stop.swap(true, Ordering::Relaxed) {
                    leave();
                }
                let text = b"\ninterrupted: the report will cover what was read; once more to stop at once\n";
                let _ = std::io::Write::write_all(&mut std::io::stderr(), text);
            }
        });
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

/// Calls `ready` and waits for Ctrl-C or SIGTERM: for a command that has nothing to do but to be there. A signal while `ready` runs counts.
pub(super) fn wait(ready: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut signal = std::pin::pin!(signalled());
        // Asked once, so that it listens.
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
fn leave() -> ! {
    if let Some(folder) = cell().lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = std::fs::remove_dir_all(folder);
    }
    std::process::exit(INTERRUPTED)
}

/// Names the folder that must not stay behind half-written; `None` once it is whole.
pub(super) fn unfinished(folder: Option<PathBuf>) {
    *cell().lock().unwrap_or_else(PoisonError::into_inner) = folder;
}

fn cell() -> &'static Mutex<Option<PathBuf>> {
    UNFINISHED.get_or_init(|| Mutex::new(None))
}
