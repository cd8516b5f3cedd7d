//! Ctrl-C: once ends the reading and the report is still written, twice ends at once and leaves nothing half-written.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::trace::ingest::Progress;

/// The temporary folder to remove at a second Ctrl-C.
static UNFINISHED: OnceLock<Mutex<Option<PathBuf>>> = OnceLock::new();

/// Exit status of a program ended by SIGINT, by the shells' convention.
const INTERRUPTED: i32 = 130;

/// Watches for Ctrl-C (and SIGTERM) from now on.
pub(super) fn watch(progress: &Arc<Progress>) {
    let progress = Arc::clone(progress);
    let handler = move || {
        if progress.stop.swap(true, Ordering::Relaxed) {
            if let Some(folder) = cell().lock().unwrap_or_else(PoisonError::into_inner).take() {
                let _ = std::fs::remove_dir_all(folder);
            }
            std::process::exit(INTERRUPTED);
        }
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"\ninterrupted: the report covers what was read; once more to stop at once\n",
        );
    };
    // Without a handler Ctrl-C simply ends the program, which is no worse than the system's default.
    let _ = ctrlc::set_handler(handler);
}

/// Names the folder that must not stay behind half-written; `None` once it is whole.
pub(super) fn unfinished(folder: Option<PathBuf>) {
    *cell().lock().unwrap_or_else(PoisonError::into_inner) = folder;
}

fn cell() -> &'static Mutex<Option<PathBuf>> {
    UNFINISHED.get_or_init(|| Mutex::new(None))
}
