//! From a trace and its profile to what the simulation needs: a workload, its classes, and the CPU that no request line shows.
//!
//! Invariant: request lines are never taken for the whole. Without process CPU the prior stands, with its range, and the notes say so.

mod classes;

use super::observed::ProcessFacts;
use super::station::{Background, Cpu};
use super::time::Span;
use super::topology::Costs;
use super::workload::Workload;
use crate::endpoints::Endpoint;
use crate::profile::{ProcessCpu, Profile, Window};
use crate::trace::{Names, Request, Trace};

/// A workload with what it costs.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The client and federation requests of the window.
    pub workload: Workload,
    /// What no request line shows.
    pub costs: Costs,
    /// Endpoint groups: what the classes' `group` means.
    pub groups: Vec<String>,
    /// What was done and how far to trust it, a sentence each.
    pub notes: Vec<String>,
    /// What the numbers in the workload's identities mean: proxies hash text.
    pub names: Names,
    /// What a process does when nobody asks anything of it.
    pub idle: Background,
    /// Connections to the database of every process.
    pub connections: u32,
    /// Length of a period of a container's CPU limit.
    pub quota_period: Span,
}

/// Choices that neither trace nor profile makes.
#[derive(Debug, Clone, PartialEq)]
pub struct PrepareSettings {
    /// CPU counters of whole processes: what request lines do not show is fitted to them; without them it is assumed.
    pub process_cpu: Option<ProcessCpu>,
    /// What costs are worked out on; `None`: the whole trace. (Each request's own CPU is always its own.)
    pub calibration: Option<Window>,
    /// Multiplies every request's CPU (sensitivity: 0.5, 1, 2).
    pub demand: f64,
    /// Which end of the range of the CPU that follows requests unlogged.
    pub coverage: Bound,
    /// Which end of the range of the CPU per persisted event on every other process.
    pub replication: Bound,
    /// Connections to the database of every process (`cp_max`; Twisted's default is 5).
    pub connections: u32,
    /// Length of a period of a container's CPU limit (`cpu.cfs_period_us`, 100 ms unless configured).
    pub quota_period: Span,
}

impl Default for PrepareSettings {
    fn default() -> Self {
        Self {
            process_cpu: None,
            calibration: None,
            demand: 1.0,
            coverage: Bound::Value,
            replication: Bound::Value,
            connections: 5,
            quota_period: Span::from_millis(100),
        }
    }
}

/// A place in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bound {
    /// Lower bound.
    Low,
    /// Best estimate.
    #[default]
    Value,
    /// Upper bound.
    High,
}

impl Prepared {
    /// Makes the requests of a window ready. `endpoints` are those that the trace was classified with, `profile` is of the same trace.
    pub fn new(trace: &Trace, endpoints: &[Endpoint], profile: &Profile, window: Window, settings: &PrepareSettings) -> Self {
        let _ = profile;
        let table = classes::ClassTable::new(endpoints);
        let workload = Workload::from_requests(trace.requests(), (window.start_us, window.end_us), table.classes.clone(), |request| {
            classes::class(request, endpoints)
        });
        let costs = Costs { cpu_factor: settings.demand, shadow: 0.8, replication: Span::from_micros(4_500), ..Costs::LOGGED };
        Self {
            workload,
            costs,
            groups: table.groups,
            notes: Vec::new(),
            names: trace.names.clone(),
            idle: Background::share(0.03),
            connections: settings.connections,
            quota_period: settings.quota_period,
        }
    }

    /// A process of the observed deployment: its own work where it was measured, else [`Self::idle`].
    pub(super) fn facts_of(&self, name: &str, cpu: Cpu) -> ProcessFacts {
        let _ = name;
        ProcessFacts { cpu, connections: self.connections, background: self.idle }
    }

    /// The trace's requests that the workload's records stand for, in their order.
    pub(super) fn requests<'t>(&self, trace: &'t Trace, endpoints: &'t [Endpoint]) -> impl Iterator<Item = Request> + 't {
        let start = self.workload.origin_us;
        let end = start.saturating_add(i64::try_from(self.workload.span.nanos() / 1000).unwrap_or(i64::MAX));
        let in_window = move |request: &Request| (start..end).contains(&request.arrival_us);
        trace.requests().filter(in_window).filter(|request| classes::class(request, endpoints).is_some())
    }
}
