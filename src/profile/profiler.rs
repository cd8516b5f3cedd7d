//! Counts requests, one at a time, in memory of a fixed size.
//!
//! This is the hot path: per request some additions in arrays, one histogram, five time bins and up to five sums by id. No text is read,
//! and nothing is allocated once every name has been seen.

use std::sync::Arc;

use wsim_endpoints::{Endpoint, Method};
use wsim_stats::{Cell, DurationHistogram, Grid, Interval, Timeline};
use wsim_trace::foreign::ForeignTraffic;
use wsim_trace::{Names, Request, ServedBy, flag};

use super::classes::{ClassTraits, Classes};
use super::hitters::HitterCounters;
use super::inference::InferredDemand;
use super::model::{DemandMethod, LATENCY_BUCKETS_MS};
use super::process_cpu::ProcessCpu;
use super::processes::Processes;
use super::sums::{ClassSums, is_uncosted};
use super::window::HourlyExtents;

/// What a profiler needs to know in advance. Profilers can be merged only if their configs are equal.
#[derive(Debug, Clone)]
pub struct ProfilerConfig {
    /// The table that requests were classified with: [`Request::endpoint`] is an index into it.
    pub endpoints: Arc<[Endpoint]>,
    /// Offset from UTC, positive to the east, for the map of weekdays and hours.
    pub zone_offset_seconds: i32,
}

impl ProfilerConfig {
    /// For a table, in UTC.
    pub fn new(endpoints: impl Into<Arc<[Endpoint]>>) -> Self {
        Self { endpoints: endpoints.into(), zone_offset_seconds: 0 }
    }
}

/// Facts that a finished profile uses in addition to the requests.
#[derive(Debug, Clone, Default)]
pub struct ProfileInputs {
    /// CPU of whole processes, from `--process-cpu`.
    pub process_cpu: Option<ProcessCpu>,
    /// Demand for requests whose CPU is not logged.
    pub inferred: Option<InferredDemand>,
    /// How users are identified; otherwise guessed from their names.
    pub user_key: Option<String>,
    /// Which requests never reached Synapse, as far as all lines together tell.
    pub foreign: Option<ForeignTraffic>,
}

/// The counters: 60 MB at most, however long the log, and the [heavy hitters](super::hitters).
#[derive(Debug, Clone)]
pub struct Profiler<'t> {
    pub(super) endpoints: Arc<[Endpoint]>,
    pub(super) classes: Classes,
    pub(super) sums: Vec<ClassSums>,
    /// Response time per group, long-poll waiting excluded.
    pub(super) latencies: Vec<DurationHistogram>,
    /// Waiting time of long polls per group.
    pub(super) waits: Vec<DurationHistogram>,
    pub(super) by_status: Vec<u64>,
    pub(super) aborted: u64,
    pub(super) retried: u64,
    pub(super) requests: u64,
    pub(super) internal_requests: u64,
    pub(super) extents: HourlyExtents,
    pub(super) timeline: Timeline,
    pub(super) demand: Grid<DemandCell>,
    pub(super) week: Box<[u64; HOURS_PER_WEEK]>,
    zone_offset_us: i64,
    pub(super) hitters: HitterCounters<'t>,
    pub(super) processes: Processes,
    /// Which process served a request, for a trace.
    served_by: Arc<ServedBy>,
    /// Requests that never reached Synapse.
    pub(super) foreign: u64,
    /// Other client and federation requests that a proxy logged.
    pub(super) proxied: u64,
}

/// One class in one time bin. Further columns hold the heat map of response times and events, see [`Columns`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DemandCell {
    pub(super) requests: u32,
    /// Requests whose CPU is not logged.
    pub(super) uncosted: u32,
    pub(super) cpu_us: u64,
}

impl Cell for DemandCell {
    fn absorb(&mut self, other: &Self, _: i64) {
        self.requests = self.requests.saturating_add(other.requests);
        self.uncosted = self.uncosted.saturating_add(other.uncosted);
        self.cpu_us = self.cpu_us.saturating_add(other.cpu_us);
    }
}

/// The layout of a row of the demand grid. First one column per class of the table and one for unknown classes; then one column
/// per latency bucket, which counts in `requests`; last one column of events, with thousandths of the events that requests of clients
/// and servers suggest in `cpu_us`, and the internal requests to persisters in `requests`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    /// Index of the first latency bucket.
    pub(super) heat: usize,
    /// Index of the column of events.
    pub(super) events: usize,
}

impl Columns {
    pub(super) fn new(table: usize) -> Self {
        let heat = table + 1;
        Self { heat, events: heat + LATENCY_BUCKETS_MS.len() }
    }
}

impl<'t> Profiler<'t> {
    /// For requests of any names, which [`Self::forget`] tells when their ids become void.
    pub fn new(config: &ProfilerConfig) -> Self {
        Self::with_hitters(config, HitterCounters::streamed(), Arc::default())
    }

    /// For requests whose names are all in `names`, which are counted by id.
    pub(super) fn of_trace(config: &ProfilerConfig, names: &'t Names, served_by: &Arc<ServedBy>) -> Self {
        Self::with_hitters(config, HitterCounters::traced(names), Arc::clone(served_by))
    }

    fn with_hitters(config: &ProfilerConfig, hitters: HitterCounters<'t>, served_by: Arc<ServedBy>) -> Self {
        let classes = Classes::new(&config.endpoints);
        let (class_count, group_count) = (classes.traits.len(), classes.groups.len());
        let columns = Columns::new(classes.table).events + 1;
        let page_bytes = columns * DEMAND_BINS_PER_PAGE * size_of::<DemandCell>();
        Self {
            endpoints: Arc::clone(&config.endpoints),
            classes,
            sums: vec![ClassSums::default(); class_count],
            latencies: vec![DurationHistogram::default(); group_count],
            waits: vec![DurationHistogram::default(); group_count],
            by_status: Vec::new(),
            aborted: 0,
            retried: 0,
            requests: 0,
            internal_requests: 0,
            extents: HourlyExtents::new(),
            timeline: Timeline::new(),
            demand: Grid::new(DEMAND_LADDER_US, columns, DEMAND_BINS_PER_PAGE, (DEMAND_BYTES_MAX / page_bytes).max(8)),
            week: Box::new([0; HOURS_PER_WEEK]),
            zone_offset_us: i64::from(config.zone_offset_seconds) * 1_000_000,
            hitters,
            processes: Processes::new(),
            served_by,
            foreign: 0,
            proxied: 0,
        }
    }

    /// Counts one request. `names` resolves its name ids, which are valid until [`Self::forget`].
    pub fn observe(&mut self, r: &Request, names: &Names) {
        self.hitters.prefetch(r);
        let class = self.classes.class(r.endpoint.0, r.has(flag::INTERNAL));
        let traits = self.classes.traits[class];
        let long_poll_wait_us = r.long_poll_wait_us().min(r.wall_us);
        let work_us = r.wall_us - long_poll_wait_us;
        let start_us = r.arrival_us.saturating_add(long_poll_wait_us.into());

        self.sums[class].observe(r);
        if r.has(flag::WALL) {
            let group = usize::from(traits.group);
            self.latencies[group].record(work_us);
            if r.has(flag::LONG_POLL) {
                self.waits[group].record(long_poll_wait_us);
            }
        }
        self.extents.observe(r.arrival_us, r.wall_us);
        let foreign = r.has(flag::FOREIGN);
        if !foreign {
            self.processes.observe(r, self.served_by.process_of(r), traits, start_us, names);
        }
        if traits.internal {
            self.observe_internal(r, class, start_us);
            return;
        }

        self.requests += 1;
        self.observe_outcome(r);
        let hour = r.arrival_us.saturating_add(self.zone_offset_us).div_euclid(HOUR_US);
        let hour_of_week = (hour + THURSDAY_HOURS).rem_euclid(HOURS_PER_WEEK as i64);
        self.week[usize::try_from(hour_of_week).unwrap_or(0)] += 1;

        self.observe_demand(r, class, start_us, work_us, traits.milli_events);
        if foreign {
            self.foreign += 1;
            return;
        }
        self.proxied += u64::from(r.has(flag::PROXY));
        let nominal_us = if is_uncosted(r) { traits.nominal_us } else { 0 };
        self.timeline.record_arrival(start_us, r.cpu_us, nominal_us);
        self.timeline.record_busy(start_us, work_us);
        self.timeline.record_waiting(r.arrival_us, long_poll_wait_us);
        self.hitters.observe(r, traits.federation, nominal_us, names);
    }

    /// Takes leave of the names of all requests since the last call. To be called before other names have their ids, and at the end.
    pub fn forget(&mut self, names: &Names) {
        self.hitters.forget(names);
    }

    /// Adds the counts of another profiler, with the same result as if this profiler had counted its requests.
    pub fn merge(&mut self, other: Self) {
        debug_assert_eq!(self.endpoints.len(), other.endpoints.len(), "profilers of one endpoint table");
        self.sums.iter_mut().zip(&other.sums).for_each(|(own, other)| own.merge(other));
        self.latencies.iter_mut().zip(&other.latencies).for_each(|(own, other)| own.merge(other));
        self.waits.iter_mut().zip(&other.waits).for_each(|(own, other)| own.merge(other));
        self.by_status.resize(self.by_status.len().max(other.by_status.len()), 0);
        self.by_status.iter_mut().zip(&other.by_status).for_each(|(own, other)| *own += other);
        self.aborted += other.aborted;
        self.retried += other.retried;
        self.requests += other.requests;
        self.internal_requests += other.internal_requests;
        self.extents.merge(other.extents);
        self.timeline.merge(other.timeline);
        self.demand.merge(other.demand);
        self.week.iter_mut().zip(other.week.iter()).for_each(|(own, other)| *own += other);
        self.hitters.merge(other.hitters);
        self.processes.merge(other.processes);
        self.foreign += other.foreign;
        self.proxied += other.proxied;
    }

    /// Client and federation requests counted so far.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Requests between Synapse processes counted so far.
    pub fn internal_requests(&self) -> u64 {
        self.internal_requests
    }

    /// Whether any client or federation request has logged CPU; if not, demand must be inferred.
    pub fn has_logged_cpu(&self) -> bool {
        self.sums.iter().zip(&self.classes.traits).any(|(sums, traits)| sums.costed > 0 && !traits.internal)
    }

    /// Demand for a proxy's log of all requests beside Synapse logs of some workers only: the mean of each class that is logged twenty
    /// times or more, else the prior at the speed of those classes. `None` if no CPU is logged at all.
    ///
    /// Only used if the caller passes it in [`ProfileInputs::inferred`]. Requests that a proxy answered itself cost nothing, and the caller
    /// knows whether these are the only ones without CPU.
    pub fn logged_means(&self) -> Option<InferredDemand> {
        let classes = || self.sums.iter().zip(&self.classes.traits).take(self.classes.table).filter(|(_, t)| !t.internal);
        let logged: f64 = classes().map(|(s, _)| s.cpu_us as f64).sum();
        let typical: f64 = classes().map(|(s, t)| s.costed as f64 * f64::from(t.nominal_us)).sum();
        if typical <= 0.0 {
            return None;
        }
        let mean = |(sums, traits): (&ClassSums, &ClassTraits)| {
            if sums.costed >= CLASS_LOGGED_MIN {
                sums.cpu_us as f64 / sums.costed as f64
            } else {
                f64::from(traits.nominal_us) * logged / typical
            }
        };
        Some(InferredDemand {
            method: DemandMethod::Logged,
            note: "assumed to cost what the same class costs where Synapse logged it".to_owned(),
            per_endpoint_cpu_us: self.sums.iter().zip(&self.classes.traits).take(self.classes.table).map(mean).collect(),
            like_logged: self.sums.iter().take(self.classes.table).map(|sums| sums.costed >= CLASS_LOGGED_MIN).collect(),
            range: Interval::new(1.0, 0.5, 2.0),
        })
    }

    pub(super) fn columns(&self) -> Columns {
        Columns::new(self.classes.table)
    }

    fn observe_internal(&mut self, r: &Request, class: usize, start_us: i64) {
        self.internal_requests += 1;
        let columns = self.columns();
        let (row, _) = self.demand.row_mut(start_us);
        let cpu_us = if r.has(flag::COST) { r.cpu_us } else { 0 };
        // A table without a class for them has no column for them either.
        if class < columns.heat {
            row[class].absorb(&DemandCell { requests: 1, uncosted: 0, cpu_us: cpu_us.into() }, 0);
        }
        if self.classes.traits[class].hands_over_events && is_success(r) {
            row[columns.events].requests = row[columns.events].requests.saturating_add(1);
        }
        if cpu_us > 0 {
            self.timeline.record_work(start_us, cpu_us);
        }
    }

    fn observe_outcome(&mut self, r: &Request) {
        self.aborted += u64::from(r.has(flag::ABORTED));
        self.retried += u64::from(r.has(flag::RETRIED));
        let status = usize::from(r.status);
        if status >= self.by_status.len() {
            self.by_status.resize(status + 1, 0);
        }
        self.by_status[status] += 1;
    }

    fn observe_demand(&mut self, r: &Request, class: usize, start_us: i64, work_us: u32, milli_events: u16) {
        let columns = self.columns();
        let (row, _) = self.demand.row_mut(start_us);
        let logged = r.has(flag::COST);
        let cpu_us = if logged { r.cpu_us } else { 0 };
        row[class].absorb(&DemandCell { requests: 1, uncosted: u32::from(is_uncosted(r)), cpu_us: cpu_us.into() }, 0);
        if r.has(flag::WALL) {
            let cell = &mut row[columns.heat + latency_bucket(work_us)];
            cell.requests = cell.requests.saturating_add(1);
        }
        if milli_events > 0 && is_success(r) && !r.has(flag::FOREIGN) && !matches!(r.method, Method::Get | Method::Head | Method::Options) {
            row[columns.events].cpu_us += u64::from(milli_events);
        }
    }
}

fn is_success(r: &Request) -> bool {
    (200..300).contains(&r.status)
}

fn latency_bucket(work_us: u32) -> usize {
    LATENCY_BUCKETS_MS[1..].iter().take_while(|&&bound| f64::from(work_us) >= bound * 1e3).count()
}

const HOUR_US: i64 = 3_600_000_000;
/// Logged requests of a class from which their mean holds for the others.
const CLASS_LOGGED_MIN: u64 = 20;
pub(super) const HOURS_PER_WEEK: usize = 7 * 24;
/// 1970 started on a Thursday, the fourth day of a week that starts on Monday.
const THURSDAY_HOURS: i64 = 3 * 24;

/// Bin widths that divide five minutes and an hour, so that peaks are whole bins. A table of 150 classes has bins of 1 s for logs of up
/// to two hours, 60 s up to four days, 300 s up to three weeks.
const DEMAND_LADDER_US: &[i64] =
    &[1_000_000, 5_000_000, 15_000_000, 60_000_000, 300_000_000, 900_000_000, HOUR_US, 4 * HOUR_US, 12 * HOUR_US, 24 * HOUR_US];
const DEMAND_BINS_PER_PAGE: usize = 4;
const DEMAND_BYTES_MAX: usize = 16 << 20;

impl wsim_trace::ingest::Observer for Profiler<'_> {
    fn observe(&mut self, request: &Request, names: &Names) {
        Self::observe(self, request, names);
    }

    fn forget(&mut self, names: &Names) {
        Self::forget(self, names);
    }
}
