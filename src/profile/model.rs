//! What a profile says: plain data, serialisable, no methods that need the trace.

use serde::{Deserialize, Serialize};

use wsim_stats::Interval;

/// Everything `wsim analyse` learns from the traffic itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// First arrival to last end.
    pub window: Window,
    /// Client and federation requests; traffic between Synapse processes is not in here.
    pub requests: u64,
    /// Requests between Synapse processes.
    pub internal_requests: u64,
    /// One entry per group with at least one request, most CPU (then most requests) first. Internal groups included, marked.
    pub groups: Vec<GroupProfile>,
    /// One entry per endpoint class seen (finer than groups), for planning.
    pub endpoints: Vec<EndpointProfile>,
    /// Where the table would let it go: `main`, `generic_worker`, `stream:typing`, `media_repository`, …
    pub destinations: Vec<DestinationProfile>,
    /// Which process served it in the logs (Synapse) or which upstream (proxy); empty if unknown.
    pub processes: Vec<ProcessProfile>,
    /// Peaks by CPU demand.
    pub peaks: Peaks,
    /// Index of dispersion for counts at growing time scales; Poisson traffic gives 1.
    pub dispersion: Vec<Dispersion>,
    /// Requests in progress, and long polls parked.
    pub concurrency: Concurrency,
    /// Who makes the load.
    pub heavy_hitters: HeavyHitters,
    /// Failures and clients that left.
    pub outcomes: Outcomes,
    /// How CPU demand was found.
    pub demand: Demand,
    /// Process CPU per CPU that request lines show.
    pub coverage: Coverage,
    /// Events persisted per second on average over the window and in the peak 5 minutes (sends, joins, state, inbound PDUs estimated).
    pub events_per_second: EventRate,
    /// Demand over time, for charts.
    pub series: Series,
}

/// A span of time, µs since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Start, inclusive.
    pub start_us: i64,
    /// End, exclusive.
    pub end_us: i64,
}

impl Window {
    /// Length in seconds, at least one microsecond.
    pub fn seconds(&self) -> f64 {
        ((self.end_us - self.start_us).max(1)) as f64 / 1e6
    }
}

/// Quantiles of a time, ms.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Largest.
    pub max: f64,
    /// Arithmetic mean.
    pub mean: f64,
}

/// One endpoint group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupProfile {
    /// Group id.
    pub id: String,
    /// Traffic between Synapse processes.
    pub internal: bool,
    /// Requests.
    pub requests: u64,
    /// CPU seconds that request lines show or that were inferred (see [`Profile::demand`]); `None` if neither is possible.
    pub cpu_seconds: Option<f64>,
    /// Mean CPU per request, ms, with the interval that rounding to 1 ms and sampling leave.
    pub cpu_ms: Option<Interval>,
    /// Work latency, ms: wall time less time parked in a long poll. `None` if no duration was logged.
    pub latency_ms: Option<Quantiles>,
    /// Time parked, ms, over the long polls of the group.
    pub parked_ms: Option<Quantiles>,
    /// Long polls among the requests.
    pub long_polls: u64,
    /// Answers of 500 and up, and requests that got none.
    pub errors: u64,
    /// Clients that left early.
    pub aborted: u64,
    /// Bytes to clients.
    pub bytes_sent: u64,
    /// Worker types that may serve it, as the table names them; empty: main only.
    pub workers: Vec<String>,
    /// Stream whose writer should serve it.
    pub stream: Option<String>,
}

/// One endpoint class, for planning. Client and federation traffic only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointProfile {
    /// Group id.
    pub group: String,
    /// Pattern in the table, if it came from there.
    pub pattern: Option<String>,
    /// Worker types that may serve it.
    pub workers: Vec<String>,
    /// Stream whose writer should serve it.
    pub stream: Option<String>,
    /// Any worker may serve it although a writer is preferred.
    pub any_worker: bool,
    /// Condition of the table.
    pub condition: Option<String>,
    /// Requests.
    pub requests: u64,
    /// CPU seconds, logged or inferred.
    pub cpu_seconds: f64,
    /// CPU seconds within [`Peaks::five_minutes`].
    pub peak_cpu_seconds: f64,
    /// Requests within [`Peaks::five_minutes`].
    pub peak_requests: u64,
}

/// Where the table would let requests go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DestinationProfile {
    /// `main`, `generic_worker`, `stream:NAME`, `media_repository`, or another worker type of an old table.
    pub id: String,
    /// Requests.
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
    /// CPU seconds in its request lines.
    pub cpu_seconds: Option<f64>,
    /// CPU seconds of the whole process over the same time, if given.
    pub process_cpu_seconds: Option<f64>,
    /// Sum of transaction time, seconds.
    pub db_seconds: Option<f64>,
    /// Busy share of one core from request lines alone, 0 to 1 and more.
    pub utilisation: Option<f64>,
}

/// The busiest spans, chosen by CPU demand (by requests where CPU is unknown).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// Busiest minute.
    pub one_minute: Peak,
    /// Busiest five minutes.
    pub five_minutes: Peak,
    /// Busiest hour (the whole window if it is shorter).
    pub busy_hour: Peak,
}

/// One busiest span. Spans slide in steps of one second to one minute, as the window's length allows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// When. Shorter than its name says if the log is shorter.
    pub window: Window,
    /// Requests per second in it.
    pub requests_per_second: f64,
    /// CPU demand in it, cores; `None` if unknown.
    pub cores: Option<f64>,
}

/// Burstiness at one time scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dispersion {
    /// Length of the bins, seconds.
    pub scale_seconds: f64,
    /// Number of bins.
    pub bins: u64,
    /// Var N / E N of arrivals per bin.
    pub arrivals: f64,
    /// The same for CPU demand in units of the mean demand of a request; `None` if unknown.
    pub work: Option<f64>,
}

/// Requests in progress.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Concurrency {
    /// Mean number at work (long polls count for their work only).
    pub working_mean: f64,
    /// Largest number at work in any one second (mean over that second).
    pub working_max: f64,
    /// Mean number of parked long polls.
    pub parked_mean: f64,
    /// Largest number of parked long polls (mean over one second).
    pub parked_max: f64,
}

/// Who makes the load, most CPU first (most requests where CPU is unknown), at most 20 each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HeavyHitters {
    /// Local users. The name is log text: escape it.
    pub users: Vec<Heavy>,
    /// Rooms.
    pub rooms: Vec<Heavy>,
    /// Remote servers.
    pub origins: Vec<Heavy>,
    /// Client addresses.
    pub addresses: Vec<Heavy>,
    /// User agent families.
    pub agents: Vec<Heavy>,
    /// Application services and bridges (users that came with `user_id=`).
    pub appservices: Vec<Heavy>,
    /// Sum of squared user shares (1 = one user makes all load): the skew that keyed balancing meets.
    pub user_hhi: Option<f64>,
    /// Distinct users (a lower bound if the counter overflowed).
    pub distinct_users: u64,
    /// How users were told apart: `requester in Synapse's log`, `hash logged by the proxy`, `address and user agent`.
    pub user_key: String,
}

/// One name with its share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heavy {
    /// Text from the log: escape it.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// CPU seconds, if known.
    pub cpu_seconds: Option<f64>,
    /// Share of all CPU (of all requests where CPU is unknown), 0 to 1.
    pub share: f64,
}

/// Failures and clients that left.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Outcomes {
    /// Requests per status; 0 = no status sent.
    pub by_status: Vec<(u16, u64)>,
    /// Clients that left early.
    pub aborted: u64,
    /// Requests that a proxy tried on more than one upstream, as far as logged.
    pub retried: u64,
    /// Requests whose stamps lie far from all others (a clock that jumped): in all totals, but not in the window, rates and peaks.
    #[serde(default)]
    pub stray_times: u64,
}

/// How CPU demand was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Demand {
    /// `logged` (Synapse's ru=), `regression on process CPU`, `regression on requests in progress`, `processor-sharing inversion`, `prior table`, `none`.
    pub method: String,
    /// One sentence for people: what was done and how far to trust it.
    pub note: String,
    /// Multiplies demand: 0.5, 1, 2 for inferred demand, 1 for logged.
    pub range: Interval,
}

/// Process CPU divided by the CPU in request lines (kappa of the worker model).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The factor, at least 1.
    pub factor: Interval,
    /// True if measured from process CPU, false if the prior was used.
    pub measured: bool,
    /// Per process where measured.
    pub processes: Vec<ProcessCoverage>,
    /// Where it comes from, one sentence.
    pub note: String,
}

/// Coverage of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessCoverage {
    /// Process.
    pub name: String,
    /// CPU seconds of the whole process.
    pub process_cpu_seconds: f64,
    /// CPU seconds in its request lines over the same time.
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

/// Demand over time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series {
    /// Start of the first bin, µs since the epoch.
    pub start_us: i64,
    /// Width of a bin, seconds; chosen so that there are at most 240 bins.
    pub bin_seconds: f64,
    /// Group ids, in the order of [`Self::requests`] and [`Self::cpu_seconds`].
    pub groups: Vec<String>,
    /// `[group][bin]` requests.
    pub requests: Vec<Vec<u64>>,
    /// `[group][bin]` CPU seconds; empty if unknown.
    pub cpu_seconds: Vec<Vec<f64>>,
    /// Arrivals by weekday (0 = Monday) and hour, in the chosen zone; seven rows of 24.
    pub week: Vec<Vec<u64>>,
    /// Heat map of work latency over time, client and federation traffic: `[latency bucket][bin]`, buckets as in [`LATENCY_BUCKETS_MS`].
    pub latency_heat: Vec<Vec<u64>>,
}

/// Lower bounds of the latency heat map's buckets, ms.
pub const LATENCY_BUCKETS_MS: [f64; 12] = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0];
