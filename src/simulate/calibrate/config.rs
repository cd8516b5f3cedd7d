//! Choices that neither the trace nor its profile makes.

use std::collections::BTreeMap;

use super::machine::MachineConfig;
use crate::engine::StopFlag;
use crate::station::Cpu;
use wsim_profile::{ProcessCpu, Window};
use wsim_stats::Interval;

/// How a trace is prepared for simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareConfig {
    /// CPU counters of whole processes. CPU that request lines do not show is fitted to them; without them it is assumed.
    pub process_cpu: Option<ProcessCpu>,
    /// The time that costs are fitted on; `None`: the whole trace. (A request's own CPU is always the request's own.)
    pub calibration: Option<Window>,
    /// CPU limits of the processes that wrote the logs, by name as logged. Processes without an entry have the limit that the profile's
    /// deployment says, else a whole core.
    pub limits: BTreeMap<String, Cpu>,
    /// Multiplies every request's CPU (sensitivity: 0.5, 1, 2).
    pub demand: f64,
    /// Which end of the range of unlogged CPU to use.
    pub coverage: Bound,
    /// Which end of the range of the CPU per persisted event on every other process to use.
    pub replication: Bound,
    /// Database connections of every process (`cp_max`; Twisted's default is 5).
    pub connections: u32,
    /// The machines that processes and database share. Without cores each process has a core of its own, and the database takes as long as
    /// observed.
    pub machine: MachineConfig,
    /// Threads for the runs that delays are fitted with, and for back-tests. The result does not depend on it.
    pub threads: usize,
    /// Ends the preparation early; what was prepared then is incomplete and serves for nothing.
    pub stop: StopFlag,
}

impl Default for PrepareConfig {
    fn default() -> Self {
        Self {
            process_cpu: None,
            calibration: None,
            limits: BTreeMap::new(),
            demand: 1.0,
            coverage: Bound::Value,
            replication: Bound::Value,
            connections: 5,
            machine: MachineConfig::default(),
            threads: 1,
            stop: StopFlag::default(),
        }
    }
}

/// Which point of a range to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bound {
    /// The lower end.
    Low,
    /// The best estimate.
    #[default]
    Value,
    /// The upper end.
    High,
}

impl Bound {
    pub(super) fn select(self, range: Interval) -> f64 {
        match self {
            Self::Low => range.low,
            Self::Value => range.value,
            Self::High => range.high,
        }
    }
}
