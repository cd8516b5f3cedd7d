//! CPU counters of whole processes, from a file that the administrator exports.
//!
//! Two formats are read:
//!
//! - CSV with a header: `epoch,process,cpu_seconds_total` (seconds since 1970, name, counter in seconds), any column order;
//!   without a header the columns are taken in this order. A column `rss_bytes` (resident memory) is read if there is one.
//! - The response of Prometheus to a range query (`/api/v1/query_range`, `resultType` `matrix`) for
//!   `process_cpu_seconds_total`, or for `process_cpu_user_seconds_total` and `process_cpu_system_seconds_total`, which are added up.
//!
//! A counter that falls was reset by a restart and counts from zero again, as in Prometheus' `increase`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use wsim_stats::ObservedTime;

use super::model::ProcessMemory;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProcessCpu {
    counters: Vec<CpuCounter>,
}

/// One process's CPU over time.
#[derive(Debug, Clone, PartialEq)]
pub struct CpuCounter {
    /// Possible names, the best first (a Prometheus series has several labels).
    pub names: Vec<String>,
    /// Time in µs since the epoch and CPU seconds since the first sample, both never falling.
    samples: Vec<(i64, f64)>,
    /// Time in µs since the epoch and resident memory in bytes; empty where the file has none.
    memory: Vec<(i64, f64)>,
}

/// The software of a process, guessed from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Software {
    /// Every process without a well-known name of other software.
    Synapse,
    /// PostgreSQL.
    Database,
    /// Proxies, caches, exporters.
    Other,
}

/// Why a file of CPU counters could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProcessCpuError {
    #[error("could not read process CPU from {path:?}")]
    Read { path: PathBuf, source: std::io::Error },
    /// A line of a CSV file.
    #[error("line {line} of the process CPU file: {problem}; expected epoch,process,cpu_seconds_total")]
    Csv {
        /// From 1.
        line: usize,
        problem: &'static str,
    },
    /// Not JSON, or not the response to a range query.
    #[error(
        "the process CPU file is not the response to a Prometheus range query; save the response of /api/v1/query_range?query=process_cpu_seconds_total unchanged"
    )]
    Json(#[source] serde_json::Error),
    /// The response to an instant query, or to another kind of query.
    #[error("the process CPU file has a Prometheus result of another type than matrix; use query_range instead of query")]
    NotMatrix,
    #[error("the process CPU file has no process with two samples")]
    Empty,
}

impl ProcessCpu {
    /// Reads a file in either format.
    ///
    /// # Errors
    /// The file cannot be read, has neither format or a malformed line, or holds no process with two samples.
    pub fn read(path: &Path) -> Result<Self, ProcessCpuError> {
        let bytes = wsim_text::read_file(path, BYTES_MAX).map_err(|source| ProcessCpuError::Read { path: path.to_owned(), source })?;
        Self::parse(&bytes)
    }

    /// Parses either format; text that starts with a brace is JSON.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ProcessCpuError> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}').trim();
        let series = if text.starts_with('{') { json_series(text)? } else { csv_series(text)? };
        let counters: Vec<CpuCounter> = series.into_iter().filter_map(|(names, samples)| CpuCounter::new(names, samples)).collect();
        if counters.is_empty() { Err(ProcessCpuError::Empty) } else { Ok(Self { counters }) }
    }

    /// Counters that were read elsewhere: possible names, the best first; time in seconds since 1970 with CPU seconds, and with bytes of memory.
    /// A process with fewer than two samples is left out.
    pub fn from_samples(processes: impl IntoIterator<Item = (Vec<String>, Vec<(f64, f64)>, Vec<(f64, f64)>)>) -> Self {
        let counter = |(names, cpu, memory)| CpuCounter::new(names, RawSamples { cpu, memory });
        Self { counters: processes.into_iter().filter_map(counter).collect() }
    }

    pub fn counters(&self) -> &[CpuCounter] {
        &self.counters
    }

    /// The process that a log calls `name`: the one with exactly this name, else the only one whose name differs just in case,
    /// punctuation, a prefix `synapse` or `matrix`, and a suffix of a file or unit.
    pub fn find(&self, name: &str) -> Option<&CpuCounter> {
        let exact = self.counters.iter().find(|c| c.names.iter().any(|n| n == name));
        exact.or_else(|| {
            let wanted = plain_name(name);
            let mut similar = self.counters.iter().filter(|c| c.names.iter().any(|n| plain_name(n) == wanted));
            similar.next().filter(|_| !wanted.is_empty() && similar.next().is_none())
        })
    }

    /// The same counters under other names: what `rename` makes of the names by which a log calls them (`logged`), or else of their own.
    /// Other software keeps its well-known name.
    pub fn renamed(&self, logged: &[&str], rename: impl Fn(&str) -> String) -> Self {
        let is_counter = |name: &str, counter: &CpuCounter| self.find(name).is_some_and(|found| std::ptr::eq(found, counter));
        let names = |counter: &CpuCounter| {
            if let Some(software) = counter.well_known() {
                return vec![software.to_owned()];
            }
            let names: Vec<String> = logged.iter().filter(|name| is_counter(name, counter)).map(|name| rename(name)).collect();
            if names.is_empty() { vec![rename(counter.name())] } else { names }
        };
        let counters = self.counters.iter().map(|counter| CpuCounter { names: names(counter), ..counter.clone() });
        Self { counters: counters.collect() }
    }

    /// The largest resident memory of each process within the spans of an observed time, largest first. Empty where the file has none.
    pub fn memory_within(&self, observed: &ObservedTime) -> Vec<ProcessMemory> {
        let of_counter = |counter: &CpuCounter| {
            let inside = counter.memory.iter().filter(|(time, _)| observed.contains(*time)).map(|(_, bytes)| *bytes);
            let largest_bytes = inside.fold(0.0, f64::max);
            let is_synapse = counter.software() == Software::Synapse;
            (largest_bytes > 0.0).then(|| ProcessMemory { name: counter.name().to_owned(), is_synapse, largest_bytes })
        };
        let mut all: Vec<ProcessMemory> = self.counters.iter().filter_map(of_counter).collect();
        all.sort_by(|a, b| b.largest_bytes.total_cmp(&a.largest_bytes).then_with(|| a.name.cmp(&b.name)));
        all
    }

    /// The processes that belong to Synapse.
    pub fn synapse(&self) -> impl Iterator<Item = &CpuCounter> {
        self.counters.iter().filter(|counter| counter.software() == Software::Synapse)
    }
}

impl CpuCounter {
    pub fn software(&self) -> Software {
        match self.well_known() {
            Some(DATABASE) => Software::Database,
            Some(_) => Software::Other,
            None => Software::Synapse,
        }
    }

    /// The software other than Synapse with which a name begins.
    fn well_known(&self) -> Option<&'static str> {
        let names: Vec<String> = self.names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let mut known = std::iter::once(DATABASE).chain(NOT_SYNAPSE.iter().copied());
        known.find(|known| names.iter().any(|name| name.starts_with(known)))
    }

    fn new(names: Vec<String>, samples: RawSamples) -> Option<Self> {
        let RawSamples { cpu: mut raw, memory } = samples;
        raw.retain(|(time, value)| time.abs() < SECONDS_MAX && value.is_finite() && *value >= 0.0);
        raw.sort_by(|a, b| a.0.total_cmp(&b.0));
        raw.dedup_by_key(|sample| sample.0);
        let mut total = 0.0;
        let mut before = raw.first()?.1;
        let mut samples = Vec::with_capacity(raw.len());
        for (time, value) in raw {
            total += if value >= before { value - before } else { value };
            before = value;
            samples.push((microseconds(time), total));
        }
        let sound = |(time, bytes): &(f64, f64)| time.abs() < SECONDS_MAX && bytes.is_finite() && *bytes > 0.0;
        let memory = memory.into_iter().filter(sound).map(|(time, bytes)| (microseconds(time), bytes)).collect();
        (samples.len() >= 2).then_some(Self { names, samples, memory })
    }

    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// First and last sample, µs since the epoch.
    pub fn span_us(&self) -> (i64, i64) {
        match (self.samples.first(), self.samples.last()) {
            (Some(first), Some(last)) => (first.0, last.0),
            _ => (0, 0),
        }
    }

    /// Median distance between samples, µs.
    pub fn step_us(&self) -> i64 {
        let mut steps: Vec<i64> = self.samples.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        steps.sort_unstable();
        steps.get(steps.len() / 2).copied().unwrap_or(1).max(1)
    }

    /// The largest CPU per second between two samples at least half the usual distance apart: samples in quick succession are those of a clock
    /// that was set or of a reading that was late.
    pub fn highest_rate(&self) -> f64 {
        let least = self.step_us() / 2;
        let far = self.samples.windows(2).filter(|pair| pair[1].0 - pair[0].0 >= least.max(1));
        far.map(|pair| (pair[1].1 - pair[0].1) * 1e6 / (pair[1].0 - pair[0].0) as f64).fold(0.0, f64::max)
    }

    /// CPU seconds used in `[start_us, end_us)`: linear between samples, zero outside of them.
    pub fn seconds_between(&self, start_us: i64, end_us: i64) -> f64 {
        (self.total_at(end_us) - self.total_at(start_us)).max(0.0)
    }

    /// CPU seconds used in the spans of an observed time.
    pub fn seconds_within(&self, observed: &ObservedTime) -> f64 {
        observed.spans().map(|(start_us, end_us)| self.seconds_between(start_us, end_us)).sum()
    }

    fn total_at(&self, time_us: i64) -> f64 {
        let after = self.samples.partition_point(|sample| sample.0 <= time_us);
        let Some(&(t0, v0)) = after.checked_sub(1).and_then(|i| self.samples.get(i)) else { return 0.0 };
        let Some(&(t1, v1)) = self.samples.get(after) else { return v0 };
        v0 + (v1 - v0) * ((time_us - t0) as f64 / (t1 - t0).max(1) as f64)
    }
}

/// A month of thirty processes, four times a minute.
const BYTES_MAX: usize = 200_000_000;

/// `synapse-Generic_Worker1.service` -> `genericworker1`; `homeserver`, `master` and a plain `synapse` are the main process.
pub(super) fn plain_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let mut rest = lower.rsplit('/').next().unwrap_or("");
    for ending in [".gz", ".log", ".json", ".service", ".scope", ".yaml", ".log"] {
        rest = rest.strip_suffix(ending).unwrap_or(rest);
    }
    let mut plain: String = rest.chars().filter(|c| c.is_alphanumeric()).collect();
    for front in ["matrix", "synapse", "worker"] {
        if let Some(tail) = plain.strip_prefix(front).filter(|tail| !tail.is_empty() && !tail.starts_with(|c: char| c.is_ascii_digit())) {
            plain = tail.to_owned();
        }
    }
    match plain.as_str() {
        "synapse" | "homeserver" | "master" | "mainprocess" => "main".to_owned(),
        _ => plain,
    }
}

/// Raw samples by names of the process.
type RawSeries = BTreeMap<Vec<String>, RawSamples>;

/// Raw samples of one process, with their time in seconds since 1970.
#[derive(Debug, Default)]
struct RawSamples {
    /// CPU seconds.
    cpu: Vec<(f64, f64)>,
    /// Resident memory, bytes.
    memory: Vec<(f64, f64)>,
}

#[expect(clippy::cast_possible_truncation, reason = "times are below SECONDS_MAX")]
fn microseconds(time: f64) -> i64 {
    (time * 1e6).round() as i64
}

fn csv_series(text: &str) -> Result<RawSeries, ProcessCpuError> {
    let mut columns = [0, 1, 2];
    let mut memory_column = None;
    let mut series = RawSeries::new();
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        let problem = |problem| ProcessCpuError::Csv { line: index + 1, problem };
        if fields == [""] {
            continue;
        }
        if index == 0 && fields[0].parse::<f64>().is_err() {
            for (column, title) in columns.iter_mut().zip(["epoch", "process", "cpu_seconds_total"]) {
                *column = fields
                    .iter()
                    .position(|f| f.eq_ignore_ascii_case(title))
                    .ok_or_else(|| problem("a column is missing in the header"))?;
            }
            memory_column = fields.iter().position(|field| MEMORY_COLUMNS.iter().any(|title| field.eq_ignore_ascii_case(title)));
            continue;
        }
        let [epoch, process, cpu] = columns.map(|column| fields.get(column).copied().unwrap_or(""));
        let epoch: f64 = epoch.parse().map_err(|_| problem("the epoch is not a number"))?;
        let cpu = cpu.parse().map_err(|_| problem("the CPU seconds are not a number"))?;
        if process.is_empty() {
            return Err(problem("the process has no name"));
        }
        let samples = series.entry(vec![process.to_owned()]).or_default();
        samples.cpu.push((epoch, cpu));
        // A process may have ended before its memory was read.
        let memory = memory_column.and_then(|column| fields.get(column)?.parse().ok());
        samples.memory.extend(memory.map(|bytes| (epoch, bytes)));
    }
    Ok(series)
}

fn json_series(text: &str) -> Result<RawSeries, ProcessCpuError> {
    let response: PrometheusResponse = serde_json::from_str(text).map_err(ProcessCpuError::Json)?;
    if response.data.result_type != "matrix" {
        return Err(ProcessCpuError::NotMatrix);
    }
    // Series that differ only in the metric's name or the CPU mode are parts of one process.
    let mut processes: BTreeMap<Vec<(String, String)>, Vec<PrometheusSeries>> = BTreeMap::new();
    for series in response.data.result {
        let labels = series.metric.iter().filter(|(key, _)| !matches!(key.as_str(), "__name__" | "mode" | "cpu"));
        processes.entry(labels.map(|(k, v)| (k.clone(), v.clone())).collect()).or_default().push(series);
    }
    let mut result = RawSeries::new();
    for mut parts in processes.into_values() {
        let whole = parts.iter().position(|p| p.metric.get("__name__").is_some_and(|n| n == "process_cpu_seconds_total"));
        if let Some(whole) = whole {
            parts = vec![parts.swap_remove(whole)];
        }
        let names = names_of(&parts[0].metric);
        result.entry(names).or_default().cpu = sum_of_parts(&parts);
    }
    Ok(result)
}

/// Sums counters at the sample times of the first.
fn sum_of_parts(parts: &[PrometheusSeries]) -> Vec<(f64, f64)> {
    let values = |series: &PrometheusSeries| -> Vec<(f64, f64)> {
        series.values.iter().filter_map(|(time, value)| Some((*time, value.parse().ok()?))).collect()
    };
    let mut sums = values(&parts[0]);
    for part in &parts[1..] {
        let other: BTreeMap<u64, f64> = values(part).into_iter().map(|(time, value)| (time.to_bits(), value)).collect();
        sums.retain_mut(|(time, sum)| other.get(&time.to_bits()).map(|value| *sum += value).is_some());
    }
    sums
}

/// What a log might call the process that a series is of: Synapse's metrics carry `job` and `index` (docs/metrics-howto.md),
/// other exporters `name`, `process`, `groupname` or the container's name.
pub fn names_of(metric: &BTreeMap<String, String>) -> Vec<String> {
    let label = |key: &str| metric.get(key).filter(|value| !value.is_empty());
    let mut names: Vec<String> = NAME_LABELS.iter().filter_map(|key| label(key).cloned()).collect();
    if let Some(job) = label("job") {
        if let Some(index) = label("index") {
            names.push(format!("{job}{index}"));
        }
        names.push(job.clone());
    }
    names.extend(label("instance").cloned());
    if names.is_empty() {
        names.push("unnamed".to_owned());
    }
    names
}

#[derive(Deserialize)]
struct PrometheusResponse {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    #[serde(default)]
    result: Vec<PrometheusSeries>,
}

#[derive(Deserialize)]
struct PrometheusSeries {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

const NAME_LABELS: &[&str] = &["process", "worker", "worker_name", "name", "groupname", "container", "pod", "unit"];

const DATABASE: &str = "postgres";

const NOT_SYNAPSE: &[&str] = &[
    "pgbouncer",
    "redis",
    "valkey",
    "nginx",
    "haproxy",
    "apache",
    "httpd",
    "caddy",
    "traefik",
    "envoy",
    "prometheus",
    "grafana",
    "node_exporter",
    "coturn",
    "element-web",
    "sliding-sync",
];

/// What recorders call resident memory in bytes.
const MEMORY_COLUMNS: &[&str] = &["rss_bytes", "resident_memory_bytes", "process_resident_memory_bytes", "memory_bytes"];

/// The year 9999 and more.
const SECONDS_MAX: f64 = 1e12;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CSV: &str = "epoch,process,cpu_seconds_total\n100,main,5.0\n110,main,7\n120,main,1.5\n100,redis,0\n120,redis,4\n";

    #[test]
    fn a_csv_counter_is_read_and_a_restart_starts_again_at_zero() {
        let cpu = ProcessCpu::parse(CSV.as_bytes()).unwrap();
        let main = cpu.find("main").unwrap();
        assert_eq!(main.span_us(), (100_000_000, 120_000_000));
        assert_eq!(main.seconds_between(100_000_000, 110_000_000), 2.0);
        assert_eq!(main.seconds_between(0, i64::MAX), 3.5);
        assert_eq!(main.highest_rate(), 0.2);
        assert_eq!(main.seconds_between(105_000_000, 110_000_000), 1.0);
        assert_eq!(cpu.synapse().map(CpuCounter::name).collect::<Vec<_>>(), ["main"]);
        assert_eq!(cpu.find("redis").map(CpuCounter::software), Some(Software::Other));
    }

    #[test]
    fn columns_may_come_in_any_order() {
        let cpu = ProcessCpu::parse(b"process,cpu_seconds_total,epoch\nmain,1,100\nmain,2,200\n").unwrap();
        assert_eq!(cpu.find("main").unwrap().seconds_between(0, 200_000_000), 1.0);
    }

    #[test]
    fn memory_is_read_where_the_file_has_it() {
        let cpu =
            ProcessCpu::parse(b"epoch,process,cpu_seconds_total,rss_bytes\n100,main,1,300\n110,main,2,500\n120,main,3,\n900,main,9,9999\n100,redis,0,50\n120,redis,1,60\n")
                .unwrap();
        let found = cpu.memory_within(&ObservedTime::single(0, 200_000_000));
        let texts: Vec<_> = found.iter().map(|memory| (memory.name.as_str(), memory.is_synapse, memory.largest_bytes)).collect();
        assert_eq!(texts, [("main", true, 500.0), ("redis", false, 60.0)]);
        assert!(ProcessCpu::parse(CSV.as_bytes()).unwrap().memory_within(&ObservedTime::single(0, 200_000_000)).is_empty());
    }

    #[test]
    fn a_broken_line_is_named() {
        let error = ProcessCpu::parse(b"epoch,process,cpu_seconds_total\n100,main,x\n").unwrap_err();
        assert!(error.to_string().starts_with("line 2 "), "{error}");
        assert!(matches!(ProcessCpu::parse(b""), Err(ProcessCpuError::Empty)));
    }

    #[test]
    fn user_and_system_time_of_one_process_are_added_up() {
        let json = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"process_cpu_user_seconds_total","job":"generic_worker","index":"1","instance":"h:9101"},"values":[[100,"1"],[160,"4"]]},
            {"metric":{"__name__":"process_cpu_system_seconds_total","job":"generic_worker","index":"1","instance":"h:9101"},"values":[[100,"0.5"],[160,"1.5"]]},
            {"metric":{"__name__":"process_cpu_seconds_total","job":"main","instance":"h:9100"},"values":[[100,"1"],[160,"2"]]}]}}"#;
        let cpu = ProcessCpu::parse(json.as_bytes()).unwrap();
        assert_eq!(cpu.find("generic_worker1").unwrap().seconds_between(100_000_000, 160_000_000), 4.0);
        assert_eq!(cpu.find("main").unwrap().seconds_between(0, 200_000_000), 1.0);
    }

    #[test]
    fn an_instant_query_is_refused_with_the_way_out() {
        let error = ProcessCpu::parse(br#"{"data":{"resultType":"vector","result":[]}}"#).unwrap_err();
        assert!(error.to_string().contains("query_range"));
    }

    #[test]
    fn names_match_but_for_case_punctuation_and_synapse_in_front() {
        let cpu =
            ProcessCpu::parse(b"1,synapse-generic-worker-1.service,0\n2,synapse-generic-worker-1.service,1\n1,synapse,0\n2,synapse,1\n")
                .unwrap();
        assert_eq!(cpu.find("generic_worker1").unwrap().name(), "synapse-generic-worker-1.service");
        assert_eq!(cpu.find("homeserver.log").unwrap().name(), "synapse");
        assert_eq!(cpu.find("generic_worker2"), None);
    }

    #[test]
    fn renamed_counters_are_found_by_the_new_name_of_the_logged_process() {
        let cpu =
            ProcessCpu::parse(b"1,matrix-Acme1.service,0\n2,matrix-Acme1.service,1\n1,postgres: acme,0\n2,postgres: acme,5\n").unwrap();
        let renamed = cpu.renamed(&["acme1"], |name| format!("p-{}", name.len()));
        assert_eq!(renamed.find("p-5").unwrap().seconds_between(0, 9_000_000), 1.0);
        assert_eq!(
            renamed.counters().iter().map(|counter| (counter.name(), counter.software())).collect::<Vec<_>>(),
            [("p-5", Software::Synapse), ("postgres", Software::Database)]
        );
    }

    #[test]
    fn a_name_that_two_processes_could_mean_is_left_alone() {
        let cpu = ProcessCpu::parse(b"1,sync-1,0\n2,sync-1,1\n1,sync_1,0\n2,sync_1,1\n").unwrap();
        assert_eq!(cpu.find("SYNC1"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ProcessCpu::parse(&bytes);
        }
    }
}
