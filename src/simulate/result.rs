//! What one run says.

use wsim_stats::DurationHistogram;

/// Measurements of one run, warm-up excluded.
#[derive(Debug, Clone)]
pub struct RunResult {
    /// In the topology's order.
    pub processes: Vec<ProcessResult>,
    /// By the `group` of the classes.
    pub groups: Vec<GroupResult>,
    /// Requests that began to work (warm-up included).
    pub begun: u64,
    /// Long polls that were not made because the answer before had their news already.
    pub merged: u64,
    /// Requests that a proxy refused, or that found no room in the simulator (2^24 under way).
    pub refused: u64,
    /// Requests that had begun and were not answered when nothing more could happen: 0 unless a balancer lost them.
    pub unfinished: u64,
    /// Requests whose caches were cold, where a class cares.
    pub cold: u64,
    /// Events written.
    pub events_persisted: u64,
    /// Batches they were written in.
    pub batches: u64,
    /// Share of transactions that started at a database concurrency beyond what its fit has seen.
    pub extrapolated_share: f64,
    /// Measured time, seconds.
    pub seconds: f64,
    /// Width of the bins of all timelines, seconds.
    pub bin_seconds: f64,
    /// Events of the queue.
    pub queue_events: u64,
}

/// One process.
#[derive(Debug, Clone)]
pub struct ProcessResult {
    /// Busy cores of the reactor over the measured time.
    pub cores: f64,
    /// Busy share of what the process may use: `cores` over the quota where there is one.
    pub utilisation: f64,
    /// Requests begun.
    pub requests: u64,
    /// The reactor, slices of requests only.
    pub reactor: StationResult,
    /// The pool of connections, waiting included.
    pub connections: StationResult,
    /// Busy connections on average.
    pub connections_busy: f64,
    /// Waits for a connection, summed per request as Synapse logs them (`db sched`).
    pub waits: DurationHistogram,
    /// Requests at work (parked long polls left out), mean over the measured time.
    pub working: f64,
    /// Most requests at work at once, warm-up included.
    pub working_largest: u32,
    /// Requests at work, mean per bin.
    pub working_over_time: Vec<f64>,
    /// Busy cores per bin.
    pub cores_over_time: Vec<f64>,
}

/// A station's numbers for Little's law; visits and their time include the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StationResult {
    /// Mean number present over the measured time.
    pub present: f64,
    /// Visits.
    pub visits: u64,
    /// Mean time of a visit, waiting included, seconds.
    pub visit_seconds: f64,
}

/// One group of requests that began in the measured time.
#[derive(Debug, Clone)]
pub struct GroupResult {
    /// Work latency: from arrival to answer; long polls from their news to the answer. Never a parked time.
    pub work: DurationHistogram,
    /// The same as Synapse's own log would give it: from the moment the process looks at the request, which is when its
    /// turn at the reactor has come; of long polls CPU, transactions and waits for connections.
    pub logged: DurationHistogram,
    /// Waits for database connections, requests with transactions only.
    pub waits: DurationHistogram,
}

impl RunResult {
    /// Work latency of all groups together.
    pub fn overall(&self) -> DurationHistogram {
        let mut all = DurationHistogram::default();
        self.groups.iter().for_each(|group| all.merge(&group.work));
        all
    }

    /// Requests at work in all processes, mean per bin.
    pub fn working_over_time(&self) -> Vec<f64> {
        let bins = self.processes.iter().map(|p| p.working_over_time.len()).max().unwrap_or(0);
        (0..bins).map(|bin| self.processes.iter().filter_map(|p| p.working_over_time.get(bin)).sum()).collect()
    }
}
