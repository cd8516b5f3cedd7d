//! The result of one run.

use wsim_stats::DurationHistogram;

/// Measurements of one run, warm-up excluded.
#[derive(Debug, Clone)]
pub struct RunResult {
    /// Processes in the topology's order.
    pub processes: Vec<ProcessResult>,
    /// Groups by the `group` of the workload's classes.
    pub groups: Vec<GroupResult>,
    /// Requests that started, warm-up included.
    pub started: u64,
    /// Long polls that were not sent, because the response before contained their events already.
    pub merged_polls: u64,
    /// Requests that a proxy rejected, or that exceeded the simulator's limit of 2^24 under way.
    pub rejected: u64,
    /// Requests that had started and not completed when no event was left: 0 unless a balancer lost them.
    pub unfinished: u64,
    /// Requests with cold caches; counted only if some class has a cold ratio.
    pub cold: u64,
    pub events_persisted: u64,
    /// Batches in which the events were written.
    pub batches: u64,
    /// Share of transactions that started at a database concurrency above the largest in the data of the fit.
    pub extrapolated_share: f64,
    /// Length of the measured time, s.
    pub seconds: f64,
    /// Width of the bins of all timelines, s.
    pub bin_seconds: f64,
    /// Events of the event loop.
    pub queue_events: u64,
}

/// Measurements of one process.
#[derive(Debug, Clone)]
pub struct ProcessResult {
    /// Mean busy cores.
    pub cores: f64,
    /// Busy share of the CPU that the process may use: `cores` over the quota, if there is one.
    pub utilisation: f64,
    /// Requests that started in the measured time.
    pub requests: u64,
    /// The reactor: slices of requests only.
    pub reactor: StationResult,
    /// The connection pool, waiting included.
    pub connections: StationResult,
    /// Mean number of busy connections.
    pub connections_busy: f64,
    /// Waits for connections, summed per request as Synapse logs them (`db sched`).
    pub waits: DurationHistogram,
    /// Mean number of active requests. Long polls that wait are not active.
    pub active: f64,
    /// Largest number of active requests, warm-up included.
    pub active_largest: u32,
    /// Mean number of active requests per bin.
    pub active_over_time: Vec<f64>,
    /// Mean busy cores per bin.
    pub cores_over_time: Vec<f64>,
}

/// A station's figures for Little's law. Visits and their time include the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StationResult {
    /// Mean number of customers over the measured time.
    pub present: f64,
    pub visits: u64,
    /// Mean time of a visit, waiting included, s.
    pub visit_seconds: f64,
}

/// The requests of one group that started in the measured time.
#[derive(Debug, Clone)]
pub struct GroupResult {
    /// Work latency: from arrival to response; for long polls from wake-up to response, without the wait.
    pub work: DurationHistogram,
    /// Work latency as Synapse's log would give it: from the moment the request first runs in the reactor; for long polls the sum of CPU,
    /// transactions and waits for connections.
    pub logged: DurationHistogram,
    /// Waits for database connections of requests with transactions.
    pub waits: DurationHistogram,
}

impl RunResult {
    pub fn overall(&self) -> DurationHistogram {
        let mut all = DurationHistogram::default();
        self.groups.iter().for_each(|group| all.merge(&group.work));
        all
    }

    /// Mean number of active requests in all processes per bin.
    pub fn active_over_time(&self) -> Vec<f64> {
        let bins = self.processes.iter().map(|p| p.active_over_time.len()).max().unwrap_or(0);
        (0..bins).map(|bin| self.processes.iter().filter_map(|p| p.active_over_time.get(bin)).sum()).collect()
    }
}
