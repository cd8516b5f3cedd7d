//! Memory of processes, and the database connections that they may open.

use serde::Serialize;

use wsim_profile::Profile;
use wsim_stats::Interval;

/// Resident memory of so many processes of Synapse whose memory nobody measured, bytes.
pub fn of_processes(processes: Interval) -> Interval {
    Interval {
        value: processes.value * PROCESS_BYTES.value,
        low: processes.low * PROCESS_BYTES.low,
        high: processes.high * PROCESS_BYTES.high,
    }
}

/// What a plan needs of the machine besides CPU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Footprint {
    /// Processes of Synapse.
    pub processes: u32,
    /// Their resident memory, with that of PostgreSQL and Redis where it was measured; bytes.
    pub memory_bytes: Interval,
    /// How many processes of Synapse the memory was measured of; 0: it is assumed.
    pub measured_processes: usize,
    /// Connections to PostgreSQL that the processes may open together.
    pub connections: u32,
}

/// The footprint of a plan of so many processes with `cp_max` connections each.
pub fn footprint(processes: u32, cp_max: u32, profile: &Profile) -> Footprint {
    let measured: Vec<f64> = profile.memory.iter().filter(|memory| memory.is_synapse).map(|memory| memory.largest_bytes).collect();
    let others: f64 = profile.memory.iter().filter(|memory| !memory.is_synapse).map(|memory| memory.largest_bytes).sum();
    let count = Interval::exact(f64::from(processes));
    let synapse = if measured.is_empty() {
        of_processes(count)
    } else {
        let each = measured.iter().sum::<f64>() / measured.len() as f64;
        let range = |bound: fn(f64, f64) -> f64| measured.iter().copied().reduce(bound).unwrap_or(each);
        // Caches of a log's time may not be full yet.
        Interval::new(each, range(f64::min), range(f64::max).max(each * CACHES_TO_COME)).scaled(f64::from(processes))
    };
    Footprint {
        processes,
        memory_bytes: synapse.plus(Interval::exact(others)),
        measured_processes: measured.len(),
        connections: processes.saturating_mul(cp_max),
    }
}

/// A process just started, between, and after a day with full caches: as in the limits of `wsim analyse` (docs/method.md).
pub const PROCESS_BYTES: Interval = Interval { value: 300.0 * MIB, low: 120.0 * MIB, high: 500.0 * MIB };
const MIB: f64 = 1_048_576.0;
/// How much more a process may need whose caches fill after the measurement.
const CACHES_TO_COME: f64 = 1.5;
