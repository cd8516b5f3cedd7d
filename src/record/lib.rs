//! CPU and memory of running processes, from Linux's `/proc` and control groups: every process of Synapse, PostgreSQL and Redis, whether started by hand,
//! by systemd or in a container.
//!
//! ```text
//! /proc/PID/cmdline ─▶ identity (which software, which configuration) ─▶ name
//! /proc/PID/stat    ─▶ CPU, threads, memory ─┐
//! control group     ─▶ CPU limit ────────────┴─▶ Recorder ─▶ Sample ─▶ one line of CSV
//! ```
//!
//! Knows nothing of logs and plans. Invariants: a counter of the recording never falls, whatever is restarted meanwhile; the file holds whole samples only.

#![warn(missing_docs)]

mod cgroup;
mod csv;
mod identity;
mod name;
mod recorder;
mod recording;
mod stat;

pub use csv::HEADER;
pub use identity::{Identity, identify};
pub use recorder::{Recorder, RecorderConfig, Sample, Software};
pub use recording::{Existing, RecordedProcess, Recording, RecordingConfig, Summary};
pub use stat::Stat;

use std::io;
use std::path::PathBuf;

/// Why nothing can be recorded, or no more.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The list of processes cannot be read.
    #[error("could not list the processes in {}, which `wsim record` needs; it runs on Linux only", .path.display())]
    Processes {
        /// The folder of processes, usually `/proc`.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// There is a file that is not to be replaced.
    #[error("{} already exists: continue it with --append, replace it with --force, or name another file", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file to append to is not a recording.
    #[error("{} is not a recording of this version of wsim, so nothing is appended to it: name another file", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be opened or written.
    #[error("could not write {}; what it holds are whole samples", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The standard output cannot be written.
    #[error("could not write the recording")]
    Stream(#[source] io::Error),
}
