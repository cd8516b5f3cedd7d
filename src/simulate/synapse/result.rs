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
    /// Requests with cold caches, of classes whose costs depend on that.
    pub cold: u64,
    pub events_persisted: u64,
    /// Batches in which the events were written.
    pub batches: u64,
    /// Share of transactions that started at a database concurrency above the largest in the data of the fit.
    pub extrapolated_share: f64,
    /// Length of the measured time, s.
    pub seconds: f64,
    /// Time from the end of the measured time until the last event, s: work that was left then, and long polls that still waited.
    pub overrun_seconds: f64,
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
    /// Number of connections.
    pub connections_all: u32,
    /// Mean number of busy connections per bin.
    pub connections_over_time: Vec<f64>,
    /// Waits for connections, summed per request as Synapse logs them (`db sched`).
    pub waits: DurationHistogram,
    /// Share of the time in which the process wrote events: a persister is full at 1.
    pub writing: f64,
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

/// Why a run is not stable: what its work piles up at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instability {
    pub cause: Bottleneck,
    /// Index of the process.
    pub process: usize,
}

/// What work piles up at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bottleneck {
    /// The process's CPU.
    Cpu,
    /// Its database connections.
    Connections,
    /// Something else that is served one after the other, such as the events of one room.
    Queue,
}

impl RunResult {
    /// Whether work piled up, so that the figures depend on the length of the run and mean nothing: a process or its connections were
    /// busy without a pause in the last quarter of the measured time; requests never completed; or requests under way grew from quarter
    /// to quarter and took long to complete after the last arrival.
    ///
    /// A stable queue is idle at times, however long it gets: with 97 % of its time busy a customer waits 32 services in an M/M/1 queue.
    pub fn instability(&self) -> Option<Instability> {
        let busiest = self.processes.iter().enumerate().flat_map(|(process, figures)| {
            [(figures.last_cpu_share(), Bottleneck::Cpu, process), (figures.last_connections_share(), Bottleneck::Connections, process)]
        });
        let busiest = busiest.max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((share, cause, process)) = busiest
            && share >= SATURATED
        {
            return Some(Instability { cause, process });
        }
        let grows = grows(&self.active_over_time()) && self.overrun_seconds > OVERRUN_SECONDS.max(self.seconds * OVERRUN_SHARE);
        (grows || self.unfinished > 0).then(|| {
            let last = |process: &ProcessResult| last_quarter(&process.active_over_time);
            let most = self.processes.iter().map(last).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            Instability { cause: Bottleneck::Queue, process: most.map_or(0, |(process, _)| process) }
        })
    }
}

impl ProcessResult {
    fn last_cpu_share(&self) -> f64 {
        let capacity = if self.utilisation > 0.0 { self.cores / self.utilisation } else { 1.0 };
        last_quarter(&self.cores_over_time) / capacity
    }

    fn last_connections_share(&self) -> f64 {
        last_quarter(&self.connections_over_time) / f64::from(self.connections_all.max(1))
    }
}

/// Mean of the last quarter of the bins.
fn last_quarter(bins: &[f64]) -> f64 {
    let quarter = &bins[bins.len() - bins.len().div_ceil(4)..];
    quarter.iter().sum::<f64>() / quarter.len().max(1) as f64
}

/// Whether a number of requests grew from each quarter of the time to the next, to more than twice its start.
fn grows(bins: &[f64]) -> bool {
    let quarter = bins.len() / 4;
    if quarter == 0 {
        return false;
    }
    let means: Vec<f64> = bins.chunks_exact(quarter).take(4).map(|bins| bins.iter().sum::<f64>() / quarter as f64).collect();
    means.is_sorted() && means[3] > 2.0 * means[0] + GROWN_BY
}

/// Busy share in the last quarter of the time from which a station counts as overloaded.
const SATURATED: f64 = 0.97;
/// Fewer requests than this under way are no queue.
const GROWN_BY: f64 = 5.0;
/// Long polls that wait for their timeout may outlast the measured time by so much.
const OVERRUN_SECONDS: f64 = 60.0;
const OVERRUN_SHARE: f64 = 0.05;
