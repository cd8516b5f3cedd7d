//! A small profile whose numbers can be checked by hand.

use wsim_profile::{
    Concurrency, Coverage, Demand, DemandMethod, DeployedProcess, DeployedRole, Deployment, EndpointProfile, EventRate, HeavyHitter,
    HeavyHitters, Outcomes, Peak, Peaks, Profile, Series, WarningEffect, Window,
};
use wsim_stats::Interval;

/// Builds a [`Profile`]: a week long, peak of five minutes, logged CPU, coverage exactly 1, no events, no heavy users.
pub(crate) struct ProfileFixture {
    profile: Profile,
}

/// 2026-11-20 16:57:00 UTC.
const PEAK_START_US: i64 = 1_795_193_820_000_000;

impl ProfileFixture {
    pub(crate) fn new() -> Self {
        let peak = Peak {
            window: Window { start_us: PEAK_START_US, end_us: PEAK_START_US + 300_000_000 },
            requests_per_second: 0.0,
            cores: Some(0.0),
        };
        let profile = Profile {
            gaps: Vec::new(),
            window: Window { start_us: PEAK_START_US - 86_400_000_000, end_us: PEAK_START_US + 7 * 86_400_000_000 },
            requests: 0,
            internal_requests: 0,
            groups: Vec::new(),
            endpoints: Vec::new(),
            between_processes: Vec::new(),
            destinations: Vec::new(),
            processes: Vec::new(),
            database: None,
            memory: Vec::new(),
            deployment: Deployment::default(),
            peaks: Peaks { one_minute: peak, five_minutes: peak, busy_hour: peak, mean: peak },
            work_ms: None,
            dispersion: Vec::new(),
            concurrency: Concurrency { working_mean: 0.0, working_max: 0.0, waiting_mean: 0.0, waiting_max: 0.0 },
            heavy_hitters: HeavyHitters {
                user_hhi: Some(0.0),
                distinct_users: 1000,
                user_key: "requester in Synapse's log".to_owned(),
                ..HeavyHitters::default()
            },
            outcomes: Outcomes::default(),
            demand: Demand { method: DemandMethod::Logged, note: "CPU from the request lines".to_owned(), range: Interval::exact(1.0) },
            coverage: Coverage { factor: Interval::exact(1.0), measured: true, processes: Vec::new(), note: "measured".to_owned() },
            events_per_second: EventRate::default(),
            series: Series::default(),
        };
        Self { profile }
    }

    /// A class that any generic worker may serve, with its request CPU in cores and its requests per second at the peak.
    pub(crate) fn class(self, group: &str, cores: f64, per_second: u64) -> Self {
        let worker = if group.starts_with("media") { "media_repository" } else { "generic_worker" };
        self.endpoint(group, &[worker], None, None, cores, per_second)
    }

    /// A class that only the main process may serve.
    pub(crate) fn main_only(self, group: &str, cores: f64, per_second: u64) -> Self {
        self.endpoint(group, &[], None, None, cores, per_second)
    }

    /// A class that belongs on a stream's single writer.
    pub(crate) fn stream(self, stream: &str, cores: f64, per_second: u64) -> Self {
        self.endpoint(stream, &["generic_worker"], Some(stream), Some("single_writer"), cores, per_second)
    }

    pub(crate) fn endpoint(
        mut self,
        group: &str,
        workers: &[&str],
        stream: Option<&str>,
        condition: Option<&str>,
        cores: f64,
        per_second: u64,
    ) -> Self {
        let peak_requests = per_second * 300;
        self.profile.endpoints.push(EndpointProfile {
            group: group.to_owned(),
            pattern: Some(format!("^/{group}$")),
            workers: workers.iter().map(|worker| (*worker).to_owned()).collect(),
            stream: stream.map(str::to_owned),
            any_worker: false,
            condition: condition.map(str::to_owned),
            requests: peak_requests * 10,
            cpu_seconds: cores * 3000.0,
            peak_cpu_seconds: cores * 300.0,
            peak_requests,
            db_seconds: 0.0,
        });
        self.profile.requests += peak_requests * 10;
        let peak = &mut self.profile.peaks.five_minutes;
        peak.requests_per_second += per_second as f64;
        peak.cores = peak.cores.map(|sum| sum + cores);
        self
    }

    /// The factor as it is, without fixed costs in it.
    pub(crate) fn coverage(mut self, low: f64, value: f64, high: f64) -> Self {
        self.profile.coverage =
            Coverage { factor: Interval { value, low, high }, measured: true, processes: Vec::new(), note: "exact".to_owned() };
        self
    }

    /// No process CPU: background CPU is a prior.
    pub(crate) fn unmeasured(mut self) -> Self {
        self.profile.coverage.measured = false;
        self
    }

    pub(crate) fn demand(mut self, low: f64, value: f64, high: f64) -> Self {
        self.profile.demand =
            Demand { method: DemandMethod::ProcessorSharing, note: "inferred".to_owned(), range: Interval { value, low, high } };
        self
    }

    pub(crate) fn events(mut self, per_second: f64) -> Self {
        self.profile.events_per_second = EventRate { mean: per_second / 2.0, peak: per_second };
        self
    }

    pub(crate) fn window_seconds(mut self, seconds: i64) -> Self {
        self.profile.window = Window { start_us: PEAK_START_US, end_us: PEAK_START_US + seconds * 1_000_000 };
        self
    }

    /// A heavy user; all the others are many and small.
    pub(crate) fn user(mut self, name: &str, share: f64) -> Self {
        self.profile.heavy_hitters.users.push(heavy(name, share));
        let hhi = self.profile.heavy_hitters.user_hhi.unwrap_or(0.0) + share * share;
        self.profile.heavy_hitters.user_hhi = Some(hhi);
        self
    }

    pub(crate) fn room(mut self, name: &str, share: f64) -> Self {
        self.profile.heavy_hitters.rooms.push(heavy(name, share));
        self
    }

    /// A process of the deployment that wrote the logs, with its request CPU at the peak, in cores.
    pub(crate) fn deployed(mut self, name: &str, role: DeployedRole, peak_cores: f64) -> Self {
        self.profile.deployment.processes.push(DeployedProcess {
            name: name.to_owned(),
            role,
            requests: 1000,
            internal_requests: 10,
            cpu_seconds: Some(peak_cores * 3000.0),
            process_cpu_seconds: None,
            peak_cores: Some(peak_cores),
            own_peak: None,
            own_log: true,
            cpu_limit: None,
        });
        self
    }

    pub(crate) fn warn(mut self, effect: WarningEffect, text: &str) -> Self {
        self.profile.deployment.warn(effect, text.to_owned());
        self
    }

    pub(crate) fn waiting(mut self, mean: f64) -> Self {
        self.profile.concurrency = Concurrency { working_mean: 1.0, working_max: 3.0, waiting_mean: mean, waiting_max: 2.0 * mean };
        self
    }

    pub(crate) fn build(self) -> Profile {
        self.profile
    }
}

fn heavy(name: &str, share: f64) -> HeavyHitter {
    HeavyHitter { name: name.to_owned(), requests: 100, cpu_seconds: None, share }
}
