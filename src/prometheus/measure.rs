//! From series to what each process did in a span of time.

use std::collections::{BTreeMap, BTreeSet};

use super::targets::{CPU, Targets};
use super::{Labels, Series, TimeSpan};

/// What is known of the processes of one homeserver.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measurements {
    /// Each process, in the order of its labels.
    pub processes: Vec<ProcessMeasurement>,
    /// The span that was asked for.
    pub span: Option<TimeSpan>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProcessMeasurement {
    /// Labels of its target: `job`, `index`, `instance` and what Prometheus adds.
    pub labels: Labels,
    /// Time (seconds since 1970) and its CPU counter, s.
    pub cpu: Vec<(f64, f64)>,
    /// Time and resident memory, bytes.
    pub memory: Vec<(f64, f64)>,
    /// The part of the span in which its CPU is known, s.
    pub seconds: f64,
    /// CPU of the whole process in the span, s.
    pub cpu_seconds: f64,
    /// CPU of requests by Synapse's servlet, s. What Synapse's request log shows, too.
    pub servlet_cpu: BTreeMap<String, f64>,
    /// CPU of background work by its name, s: in no request line.
    pub background_cpu: BTreeMap<String, f64>,
    /// How long the reactor worked between two looks at its sockets. Its sum over the span is the busy share of the event loop.
    pub reactor_tick: Option<Timing>,
    /// How long transactions waited for one of the process's database connections.
    pub connection_wait: Option<Timing>,
    /// The largest age of an event that a sender or a notifier had not processed yet, s.
    pub event_lag_seconds: Option<f64>,
    /// The most replication commands that waited to be processed.
    pub command_queue: Option<f64>,
}

/// A distribution of times in the span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// How many there were.
    pub count: f64,
    /// Their sum, s.
    pub sum_seconds: f64,
    /// The upper bound of the histogram's bucket in which the 99th percentile is, s; infinite above its last bucket.
    pub p99_seconds: f64,
}

impl Timing {
    /// Mean, s.
    #[must_use]
    pub fn mean_seconds(&self) -> f64 {
        self.sum_seconds / self.count.max(1.0)
    }
}

impl ProcessMeasurement {
    /// CPU of all requests, s.
    #[must_use]
    pub fn request_seconds(&self) -> f64 {
        self.servlet_cpu.values().sum()
    }

    /// CPU of all background work, s.
    #[must_use]
    pub fn background_seconds(&self) -> f64 {
        self.background_cpu.values().sum()
    }

    /// Share of the time in which the event loop worked, 0 to 1.
    #[must_use]
    pub fn loop_busy(&self) -> Option<f64> {
        self.reactor_tick.filter(|_| self.seconds > 0.0).map(|tick| (tick.sum_seconds / self.seconds).min(1.0))
    }
}

/// What the targets did in the span.
pub(crate) fn measurements(series: Vec<Series>, targets: &Targets, span: TimeSpan) -> Measurements {
    let mut of_target: Vec<Vec<Series>> = targets.all().iter().map(|_| Vec::new()).collect();
    for series in series {
        if let Some(index) = targets.index_of(&series.labels) {
            of_target[index].push(series);
        }
    }
    let processes = targets.all().iter().zip(of_target).map(|(target, series)| process(&target.labels, series, span));
    Measurements { processes: processes.collect(), span: Some(span) }
}

fn process(labels: &Labels, mut series: Vec<Series>, span: TimeSpan) -> ProcessMeasurement {
    from_zero(&mut series);
    let of = |name: &str| series.iter().find(|series| series.name == name).map(|series| series.samples.clone()).unwrap_or_default();
    let cpu = of(CPU);
    let known = TimeSpan {
        start: span.start.max(cpu.first().map_or(span.end, |sample| sample.0)),
        end: span.end.min(cpu.last().map_or(span.start, |sample| sample.0)),
    };
    let grown = |name: &str| series.iter().find(|series| series.name == name).map_or(0.0, |series| series.increase(known));
    let gauge =
        |name: &str| series.iter().filter(|series| series.name == name).filter_map(|series| series.largest(span)).max_by(f64::total_cmp);
    let by_label = |names: [&str; 2], label: &str| {
        let mut sums = BTreeMap::new();
        for series in series.iter().filter(|series| names.contains(&series.name.as_str())) {
            let seconds = series.increase(known);
            if seconds > 0.0 {
                *sums.entry(series.labels.get(label).cloned().unwrap_or_default()).or_insert(0.0) += seconds;
            }
        }
        sums
    };
    ProcessMeasurement {
        labels: labels.clone(),
        memory: of(MEMORY),
        seconds: (known.end - known.start).max(0.0),
        cpu_seconds: grown(CPU),
        servlet_cpu: by_label(SERVLET_CPU, "servlet"),
        background_cpu: by_label(BACKGROUND_CPU, "name"),
        reactor_tick: timing(&series, TICK, known),
        connection_wait: timing(&series, CONNECTION_WAIT, known),
        // Written in ms.
        event_lag_seconds: gauge(EVENT_LAG).map(|ms| ms / 1e3),
        command_queue: gauge(COMMAND_QUEUE),
        cpu,
    }
}

/// A counter with a new label begins when it first counts, so that its first value is growth, if the process itself was seen before.
fn from_zero(series: &mut [Series]) {
    let times: BTreeSet<u64> = series
        .iter()
        .filter(|series| series.name == BUILD_INFO)
        .flat_map(|series| &series.samples)
        .map(|(time, _)| time.to_bits())
        .collect();
    // Times are positive, whose bits are in their order.
    for series in series.iter_mut().filter(|series| series.name.starts_with("synapse_") && series.name.ends_with("_seconds")) {
        let Some(first) = series.samples.first().map(|sample| sample.0) else { continue };
        if let Some(before) = times.range(..first.to_bits()).next_back() {
            series.samples.insert(0, (f64::from_bits(*before), 0.0));
        }
    }
}

/// A histogram's growth, summed over its other labels.
fn timing(series: &[Series], name: &str, span: TimeSpan) -> Option<Timing> {
    let part = |ending: &str| {
        let full = format!("{name}_{ending}");
        series.iter().filter(move |series| series.name == full)
    };
    let sum = |ending: &str| -> f64 { part(ending).map(|series| series.increase(span)).sum() };
    let (count, sum_seconds) = (sum("count"), sum("sum"));
    if count <= 0.0 {
        return None;
    }
    let mut buckets: BTreeMap<u64, f64> = BTreeMap::new();
    for series in part("bucket") {
        let bound: Option<f64> = series.labels.get("le").and_then(|bound| bound.parse().ok());
        if let Some(bound) = bound.filter(|bound| *bound >= 0.0) {
            *buckets.entry(bound.to_bits()).or_insert(0.0) += series.increase(span);
        }
    }
    let p99_seconds = buckets.iter().find(|(_, below)| **below >= 0.99 * count).map_or(f64::INFINITY, |(bound, _)| f64::from_bits(*bound));
    Some(Timing { count, sum_seconds, p99_seconds })
}

/// Everything that is used, without the `_total` of counters.
pub(crate) const METRICS: &[&str] = &[
    CPU,
    MEMORY,
    BUILD_INFO,
    SERVLET_CPU[0],
    SERVLET_CPU[1],
    BACKGROUND_CPU[0],
    BACKGROUND_CPU[1],
    "python_twisted_reactor_tick_time_bucket",
    "python_twisted_reactor_tick_time_sum",
    "python_twisted_reactor_tick_time_count",
    "synapse_storage_schedule_time_bucket",
    "synapse_storage_schedule_time_sum",
    "synapse_storage_schedule_time_count",
    EVENT_LAG,
    COMMAND_QUEUE,
];

pub(crate) const MEMORY: &str = "process_resident_memory_bytes";
pub(crate) const BUILD_INFO: &str = "synapse_build_info";
const SERVLET_CPU: [&str; 2] = ["synapse_http_server_response_ru_utime_seconds", "synapse_http_server_response_ru_stime_seconds"];
const BACKGROUND_CPU: [&str; 2] = ["synapse_background_process_ru_utime_seconds", "synapse_background_process_ru_stime_seconds"];
const TICK: &str = "python_twisted_reactor_tick_time";
const CONNECTION_WAIT: &str = "synapse_storage_schedule_time";
const EVENT_LAG: &str = "synapse_event_processing_lag";
const COMMAND_QUEUE: &str = "synapse_replication_tcp_command_queue";

#[cfg(test)]
mod tests {
    use super::super::targets::tests::series;
    use super::*;

    #[test]
    fn the_cpu_of_a_process_is_split_by_what_it_was_for() {
        let job = ("job", "generic_worker");
        let all = vec![
            series(CPU, &[job], &[(0.0, 100.0), (10.0, 105.0), (20.0, 110.0)]),
            series(MEMORY, &[job], &[(0.0, 1e8), (20.0, 2e8)]),
            series(BUILD_INFO, &[job, ("version", "1.157.0")], &[(0.0, 1.0), (10.0, 1.0), (20.0, 1.0)]),
            series(SERVLET_CPU[0], &[job, ("servlet", "SyncRestServlet"), ("method", "GET")], &[(0.0, 50.0), (20.0, 54.0)]),
            // Its first request came within the span.
            series(SERVLET_CPU[1], &[job, ("servlet", "SyncRestServlet"), ("method", "GET")], &[(10.0, 1.0), (20.0, 1.5)]),
            series(BACKGROUND_CPU[0], &[job, ("name", "persist_events")], &[(0.0, 7.0), (20.0, 9.0)]),
            series("python_twisted_reactor_tick_time_count", &[job], &[(0.0, 0.0), (20.0, 100.0)]),
            series("python_twisted_reactor_tick_time_sum", &[job], &[(0.0, 0.0), (20.0, 5.0)]),
            series("python_twisted_reactor_tick_time_bucket", &[job, ("le", "0.1")], &[(0.0, 0.0), (20.0, 98.0)]),
            series("python_twisted_reactor_tick_time_bucket", &[job, ("le", "1.0")], &[(0.0, 0.0), (20.0, 100.0)]),
            series(EVENT_LAG, &[job, ("name", "federation_sender")], &[(10.0, 1500.0)]),
        ];
        let targets = Targets::of(&all).select(&[], "here").unwrap();
        let found = measurements(all, &targets, TimeSpan { start: 0.0, end: 20.0 });
        let process = &found.processes[0];
        assert_eq!((process.cpu_seconds, process.seconds, process.cpu.len(), process.memory.len()), (10.0, 20.0, 3, 2));
        assert_eq!(process.servlet_cpu["SyncRestServlet"], 4.0 + 1.5);
        assert_eq!(process.background_cpu["persist_events"], 2.0);
        assert_eq!((process.reactor_tick.unwrap().p99_seconds, process.loop_busy()), (1.0, Some(0.25)));
        assert_eq!((process.event_lag_seconds, process.command_queue, process.connection_wait), (Some(1.5), None, None));
    }
}
