//! What a profile says: plain serialisable data, without methods that need the trace.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::deployment::Deployment;
use wsim_stats::{Interval, ObservedTime};

/// Everything `wsim analyse` learns from the traffic itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// First arrival to last end.
    pub window: Window,
    /// The parts of the window that no log covers, in order: silence of more than an hour, and much longer than is usual in the log. No mean
    /// is over these.
    #[serde(default)]
    pub gaps: Vec<Window>,
    /// Client and federation requests; traffic between Synapse processes is not in here.
    pub requests: u64,
    /// Requests between Synapse processes.
    pub internal_requests: u64,
    /// One entry per group with at least one request, most CPU (then most requests) first. Internal groups included, marked.
    pub groups: Vec<GroupProfile>,
    /// One entry per endpoint class seen (finer than groups), for planning.
    pub endpoints: Vec<EndpointProfile>,
    /// The same for requests between Synapse processes, by the stream whose writer serves them.
    #[serde(default)]
    pub between_processes: Vec<EndpointProfile>,
    /// Where the endpoint table would let requests go.
    pub destinations: Vec<DestinationProfile>,
    /// The processes (Synapse's log) or upstreams (a proxy's log) that served the requests; empty if unknown.
    pub processes: Vec<ProcessProfile>,
    /// The database that these processes share; `None` where no log shows transactions.
    #[serde(default)]
    pub database: Option<DatabaseProfile>,
    /// Memory of the processes, where it was measured.
    #[serde(default)]
    pub memory: Vec<ProcessMemory>,
    /// The processes of the deployment that wrote the logs, and what of it is missing.
    #[serde(default)]
    pub deployment: Deployment,
    /// Peaks by CPU demand.
    pub peaks: Peaks,
    /// Response times of all client and federation requests, long-poll waiting excluded.
    #[serde(default)]
    pub work_ms: Option<Quantiles>,
    /// Index of dispersion at growing time scales; Poisson traffic gives 1.
    pub dispersion: Vec<Dispersion>,
    /// Requests at work, and long polls that wait.
    pub concurrency: Concurrency,
    pub heavy_hitters: HeavyHitters,
    pub outcomes: Outcomes,
    pub demand: Demand,
    /// CPU of whole processes divided by the CPU that request lines show.
    pub coverage: Coverage,
    /// Events persisted per second: sends, joins, state, and an estimate of inbound PDUs.
    pub events_per_second: EventRate,
    /// For charts.
    pub series: Series,
}

impl Profile {
    /// The window without its gaps.
    pub fn observed(&self) -> ObservedTime {
        let Window { start_us, end_us } = self.window;
        let starts = std::iter::once(start_us).chain(self.gaps.iter().map(|gap| gap.end_us));
        let ends = self.gaps.iter().map(|gap| gap.start_us).chain([end_us]);
        starts.zip(ends).collect::<ObservedTime>().within(start_us, end_us)
    }

    /// Length of the window without its gaps, at least a microsecond: what means are over.
    pub fn observed_seconds(&self) -> f64 {
        self.observed().seconds().max(1e-6)
    }
}

/// A span of time, µs since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Inclusive.
    pub start_us: i64,
    /// Exclusive.
    pub end_us: i64,
}

impl Window {
    /// Length in seconds, at least one microsecond.
    pub fn seconds(&self) -> f64 {
        ((self.end_us - self.start_us).max(1)) as f64 / 1e6
    }
}

/// Statistics of a time, ms.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    pub mean: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupProfile {
    pub id: String,
    /// Traffic between Synapse processes.
    pub internal: bool,
    pub requests: u64,
    /// CPU seconds that request lines show or that were inferred (see [`Profile::demand`]); `None` if neither is possible.
    pub cpu_seconds: Option<f64>,
    /// Mean CPU per request, ms, with the uncertainty from sampling and from rounding to 1 ms.
    pub cpu_ms: Option<Interval>,
    /// Response time, long-poll waiting excluded. `None` if no duration was logged.
    pub latency_ms: Option<Quantiles>,
    /// Waiting time of the group's long polls.
    #[serde(rename = "parked_ms")]
    pub waiting_ms: Option<Quantiles>,
    pub long_polls: u64,
    /// Responses of 500 and up, and requests without a response.
    pub errors: u64,
    /// Requests whose client disconnected before the response was complete.
    pub aborted: u64,
    /// Bytes to clients.
    pub bytes_sent: u64,
    /// Worker types that may serve the group, as the table names them; empty for the main process only.
    pub workers: Vec<String>,
    /// Stream whose writer should serve the requests.
    pub stream: Option<String>,
}

/// One endpoint class, for planning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointProfile {
    pub group: String,
    /// Pattern in the endpoint table; `None` for classes of wsim's own.
    pub pattern: Option<String>,
    /// Worker types that may serve the class; empty for the main process only.
    pub workers: Vec<String>,
    /// Stream whose writer should serve the requests.
    pub stream: Option<String>,
    /// Any worker may serve the class although the stream's writer is preferred.
    pub any_worker: bool,
    /// The table's condition on who may serve the class.
    pub condition: Option<String>,
    pub requests: u64,
    /// CPU seconds, logged or inferred.
    pub cpu_seconds: f64,
    /// CPU seconds within [`Peaks::five_minutes`].
    pub peak_cpu_seconds: f64,
    /// Requests within [`Peaks::five_minutes`].
    pub peak_requests: u64,
    /// Time of its database transactions over the whole log, seconds.
    #[serde(default)]
    pub db_seconds: f64,
}

/// Where the table would let requests go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DestinationProfile {
    /// `main`, `generic_worker`, `stream:NAME`, `media_repository`, or another worker type of an old table.
    pub id: String,
    pub requests: u64,
    /// CPU seconds, if known.
    pub cpu_seconds: Option<f64>,
}

/// What one process or upstream did in the logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessProfile {
    /// Name as logged.
    pub name: String,
    /// Client and federation requests.
    pub requests: u64,
    /// Requests from other Synapse processes.
    pub internal_requests: u64,
    /// CPU seconds in request lines.
    pub cpu_seconds: Option<f64>,
    /// CPU seconds of the whole process over the same time, if given.
    pub process_cpu_seconds: Option<f64>,
    /// Sum of transaction time, seconds.
    pub db_seconds: Option<f64>,
    /// Its database connections, where transactions are logged.
    #[serde(default)]
    pub database: Option<DatabaseLoad>,
    /// Busy share of one core from request lines alone, 0 to 1 and more.
    pub utilisation: Option<f64>,
}

/// The database connections of one process in its busiest five minutes by transaction time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DatabaseLoad {
    pub window: Window,
    /// Connections in use at once, mean.
    pub busy: f64,
    /// Requests that wait for a connection at once, mean.
    pub waiting: f64,
    /// Mean time of a transaction over the whole log, ms.
    pub transaction_ms: f64,
}

/// The database as all processes together use it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DatabaseProfile {
    /// The five minutes with most time in transactions.
    pub window: Window,
    /// Transactions at once in these five minutes, mean.
    pub busy: f64,
    /// The most transactions at once that the log shows, mean over some seconds.
    pub largest: f64,
    /// Transactions per second in these five minutes.
    pub per_second: f64,
    /// Transactions per second at which a transaction would take for ever, where the log shows that transactions take longer when there are
    /// more of them.
    pub ceiling_per_second: Option<Interval>,
    /// CPU of PostgreSQL in these five minutes, cores; `None` without a counter of it.
    pub cpu_cores: Option<f64>,
}

/// Resident memory of one process, as measured beside its CPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessMemory {
    /// As in the file of counters.
    pub name: String,
    /// Whether it is a process of Synapse.
    pub is_synapse: bool,
    /// The largest value within the log's time, bytes.
    pub largest_bytes: f64,
}

/// The busiest spans, chosen by CPU demand (by requests where CPU is unknown).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    pub one_minute: Peak,
    pub five_minutes: Peak,
    /// The whole window if it is shorter than an hour.
    pub busy_hour: Peak,
    /// Not a peak: the mean over the window without its gaps, of the same requests and the same CPU as the peaks.
    pub mean: Peak,
}

/// One busiest span. Spans slide in steps of one second up to some minutes, depending on the length of the log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Shorter than the peak's name says if the log is shorter.
    pub window: Window,
    /// Client and federation requests.
    pub requests_per_second: f64,
    /// CPU of all requests, those between Synapse processes included; `None` if unknown.
    pub cores: Option<f64>,
}

/// Burstiness at one time scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dispersion {
    /// Length of the bins, seconds.
    pub scale_seconds: f64,
    pub bins: u64,
    /// Var N / E N of arrivals per bin.
    pub arrivals: f64,
    /// The same for CPU demand in units of the mean demand of a request; `None` if unknown.
    pub work: Option<f64>,
}

/// Requests at work, and long polls that wait.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Concurrency {
    /// Mean number of requests at work; a long poll is at work from its wake-up on.
    pub working_mean: f64,
    /// The largest mean over one second.
    pub working_max: f64,
    /// Mean number of waiting long polls.
    #[serde(rename = "parked_mean")]
    pub waiting_mean: f64,
    /// The largest mean over one second.
    #[serde(rename = "parked_max")]
    pub waiting_max: f64,
}

/// The sources of most load: most CPU first (most requests where CPU is unknown), at most 20 of each kind.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HeavyHitters {
    /// Local users.
    pub users: Vec<HeavyHitter>,
    pub rooms: Vec<HeavyHitter>,
    /// Remote servers.
    pub origins: Vec<HeavyHitter>,
    /// Client addresses.
    pub addresses: Vec<HeavyHitter>,
    /// User agent families.
    pub agents: Vec<HeavyHitter>,
    /// Application services and bridges (users in requests with `user_id=`).
    pub appservices: Vec<HeavyHitter>,
    /// Sum of squared user shares, 1 if one user causes all load: the skew that keyed balancing is exposed to.
    pub user_hhi: Option<f64>,
    pub distinct_users: u64,
    /// How precise [`Self::distinct_users`] is.
    #[serde(default)]
    pub distinct_users_are: Precision,
    /// How users are identified: `requester in Synapse's log`, `hash logged by the proxy`, `address and user agent`.
    pub user_key: String,
    /// The lists above whose names were too many to be counted one by one: their sums are estimates.
    #[serde(default)]
    pub estimated: Vec<String>,
}

/// How precise a number of distinct names is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    /// Counted one by one.
    #[default]
    #[serde(rename = "exact")]
    Exact,
    /// Estimated, with a standard error of 0.8 %.
    #[serde(rename = "about")]
    About,
    /// A lower bound: only so many names were kept.
    #[serde(rename = "at least")]
    AtLeast,
}

impl Precision {
    /// The word before the number, with a blank; empty for exact numbers.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Exact => "",
            Self::About => "about ",
            Self::AtLeast => "at least ",
        }
    }
}

/// One user, room, server, address or agent with its share of the load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeavyHitter {
    /// Text from the log: must be escaped.
    pub name: String,
    pub requests: u64,
    /// CPU seconds, if known.
    pub cpu_seconds: Option<f64>,
    /// Share of all CPU (of all requests where CPU is unknown), 0 to 1.
    pub share: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Outcomes {
    /// Requests per status; 0 for requests without a response.
    pub by_status: Vec<(u16, u64)>,
    /// Requests whose client disconnected before the response was complete.
    pub aborted: u64,
    /// Requests that a proxy tried on more than one upstream, as far as logged.
    pub retried: u64,
    /// Requests whose timestamps lie far from all others (a clock that jumped): included in all totals, but not in the window, rates
    /// and peaks.
    #[serde(default)]
    pub stray_times: u64,
}

/// How CPU demand was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DemandMethod {
    /// Synapse's `ru=` in the log.
    #[serde(rename = "logged")]
    Logged,
    /// Least squares on process CPU.
    #[serde(rename = "regression on process CPU")]
    Regression,
    /// Response times and requests in progress.
    #[serde(rename = "processor-sharing inversion")]
    ProcessorSharing,
    /// Reference values.
    #[serde(rename = "prior table")]
    Prior,
    /// The CPU demand is unknown.
    #[serde(rename = "none")]
    None,
}

impl fmt::Display for DemandMethod {
    /// Writes the same words as the JSON report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logged => "logged",
            Self::Regression => "regression on process CPU",
            Self::ProcessorSharing => "processor-sharing inversion",
            Self::Prior => "prior table",
            Self::None => "none",
        })
    }
}

/// CPU demand of requests: how it was found, and how uncertain it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// The method that most of the demand comes from.
    pub method: DemandMethod,
    /// One sentence: what was done and how far to trust it.
    pub note: String,
    /// Factor on all of the demand: 0.5, 1 and 2 for inferred demand, 1 for logged, between where only a part is inferred.
    pub range: Interval,
}

/// CPU of whole processes divided by the CPU in their request lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// At least 1.
    pub factor: Interval,
    /// Measured from process CPU; otherwise the prior.
    pub measured: bool,
    /// The processes that were measured.
    pub processes: Vec<ProcessCoverage>,
    /// Where the factor comes from, one sentence.
    pub note: String,
}

/// Coverage of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessCoverage {
    pub name: String,
    /// The time that log and counter both cover, seconds.
    #[serde(default)]
    pub seconds: f64,
    /// CPU of the whole process.
    pub process_cpu_seconds: f64,
    /// CPU in its request lines over the same time.
    pub logged_cpu_seconds: f64,
}

/// Events persisted per second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EventRate {
    /// Over the whole window.
    pub mean: f64,
    /// In [`Peaks::five_minutes`].
    pub peak: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series {
    /// Start of the first bin, µs since the epoch.
    pub start_us: i64,
    /// Width of a bin; there are at most 240 bins.
    pub bin_seconds: f64,
    /// Where bins that no log covers are left out, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skips: Vec<SeriesSkip>,
    /// Group ids, in the order of [`Self::requests`] and [`Self::cpu_seconds`]: those between processes too, where CPU is known.
    pub groups: Vec<String>,
    /// `[group][bin]` requests.
    pub requests: Vec<Vec<u64>>,
    /// `[group][bin]` CPU seconds; empty if unknown.
    pub cpu_seconds: Vec<Vec<f64>>,
    /// Arrivals by weekday (0 is Monday) and hour, in the chosen time zone; seven rows of 24.
    pub week: Vec<Vec<u64>>,
    /// Requests by response time over time, client and federation traffic: `[bucket of LATENCY_BUCKETS_MS][bin]`.
    pub latency_heat: Vec<Vec<u64>>,
}

impl Series {
    /// Start of a bin, µs since the epoch.
    pub fn bin_start_us(&self, bin: usize) -> i64 {
        let skipped: f64 = self.skips.iter().filter(|skip| skip.bin <= bin).map(|skip| skip.seconds).sum();
        #[expect(clippy::cast_possible_truncation, reason = "spans of log time are far below the limit")]
        let since_us = (self.bin_seconds * 1e6 * bin as f64 + skipped * 1e6) as i64;
        self.start_us.saturating_add(since_us)
    }
}

/// Time that is left out of a [`Series`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeriesSkip {
    /// The bin after the time.
    pub bin: usize,
    pub seconds: f64,
}

/// Lower bounds of the latency heat map's buckets, ms.
pub const LATENCY_BUCKETS_MS: [f64; 12] = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0];
