//! Where metrics come from, and the whole way to measurements.

use std::path::{Path, PathBuf};

use super::files::{self, SeriesSet};
use super::measure::{Measurements, measurements};
use super::server::Server;
use super::targets::{CPU, Targets};
use super::{PrometheusError, Series, TimeSpan};

/// What to read and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PrometheusConfig {
    /// A URL, or files, folders and patterns of files.
    pub sources: Vec<String>,
    /// Labels and their values that the processes have.
    pub selection: Vec<(String, String)>,
    /// A file with what authorises the requests.
    pub credentials: Option<PathBuf>,
    /// A file of certificates to trust in addition to the system's.
    pub ca: Option<PathBuf>,
}

/// Reads what the processes did in a span of time.
///
/// # Errors
/// See [`PrometheusError`].
pub fn measure(config: &PrometheusConfig, span: TimeSpan) -> Result<Measurements, PrometheusError> {
    let mut set = SeriesSet::default();
    let (urls, paths): (Vec<&String>, Vec<&String>) = config.sources.iter().partition(|source| is_url(source));
    let mut elsewhere = String::new();
    for url in &urls {
        let mut server = Server::connect(url, config)?;
        let found = server.series(&config.selection, span)?;
        if Targets::of(&found).all().is_empty() {
            elsewhere = server.elsewhere();
        }
        found.into_iter().for_each(|series| set.add(series));
    }
    for path in expand(&paths)? {
        files::read(&path, &mut set)?;
    }
    let all = set.into_series();
    let source_name = config.sources.join(", ");
    let span_text = wsim_text::time_span(microseconds(span.start), microseconds(span.end));
    let inside: Vec<Series> = all.iter().filter_map(|series| within(series, span)).collect();
    let targets = Targets::of(&inside);
    if targets.all().is_empty() {
        if elsewhere.is_empty() {
            elsewhere = other_time(&all);
        }
        return Err(PrometheusError::NoSynapse { source_name, span: span_text, elsewhere });
    }
    let targets = targets.select(&config.selection, &source_name)?;
    let found = measurements(inside, &targets, span);
    if found.processes.iter().all(|process| process.cpu.len() < 2) {
        return Err(PrometheusError::OneSample { source_name, span: span_text });
    }
    Ok(found)
}

/// The samples within a span, with some before and after it; `None` if there are none.
fn within(series: &Series, span: TimeSpan) -> Option<Series> {
    let near = |time: f64| (span.start - NEAR_SECONDS..=span.end + NEAR_SECONDS).contains(&time);
    let samples: Vec<(f64, f64)> = series.samples.iter().copied().filter(|(time, _)| near(*time)).collect();
    (!samples.is_empty()).then(|| Series { samples, ..series.clone() })
}

/// When the files were made, for an error.
fn other_time(all: &[Series]) -> String {
    let times = || all.iter().filter(|series| series.name == CPU).flat_map(|series| &series.samples).map(|(time, _)| *time);
    let (first, last) = (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max));
    if first > last {
        return ": give what Synapse's /_synapse/metrics shows, with process_cpu_seconds_total".to_owned();
    }
    let there = wsim_text::time_span(microseconds(first), microseconds(last));
    format!(
        ", but of {there}: give metrics of the same time as the log (the time is in the file's name, main-1764000000.prom, or that of its last change)"
    )
}

fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Files, the files in folders, and those that a pattern matches, in order of their names.
fn expand(sources: &[&String]) -> Result<Vec<PathBuf>, PrometheusError> {
    let mut all = Vec::new();
    for source in sources {
        let path = Path::new(source);
        let mut found: Vec<PathBuf> = if path.is_dir() {
            let unread = |source| PrometheusError::Read { path: path.to_owned(), source };
            let entries = std::fs::read_dir(path).map_err(unread)?.map(|entry| entry.map(|entry| entry.path()));
            entries.collect::<Result<Vec<_>, _>>().map_err(unread)?.into_iter().filter(|path| path.is_file()).collect()
        } else if path.exists() {
            vec![path.to_owned()]
        } else {
            glob::glob(source).map(|paths| paths.filter_map(Result::ok).collect()).unwrap_or_default()
        };
        if found.is_empty() {
            return Err(PrometheusError::NoSource((*source).clone()));
        }
        found.sort();
        all.extend(found);
    }
    Ok(all)
}

#[expect(clippy::cast_possible_truncation, reason = "a time of a log")]
fn microseconds(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

/// Samples so far outside are used, so that the first and the last minute are measured where snapshots are minutes apart.
const NEAR_SECONDS: f64 = 300.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(folder: &Path, name: &str, cpu: f64, background: f64) {
        let text = format!(
            "# HELP process_cpu_seconds_total CPU\nprocess_cpu_seconds_total {cpu}\nprocess_resident_memory_bytes 1e8\nsynapse_build_info{{version=\"1.157.0\"}} 1\nsynapse_background_process_ru_utime_seconds_total{{name=\"x\",server_name=\"a.example\"}} {background}\n"
        );
        std::fs::write(folder.join(name), text).unwrap();
    }

    fn of(folder: &Path) -> PrometheusConfig {
        PrometheusConfig { sources: vec![folder.to_string_lossy().into_owned()], ..PrometheusConfig::default() }
    }

    #[test]
    fn snapshots_of_processes_are_series() {
        let folder = tempfile::tempdir().unwrap();
        snapshot(folder.path(), "main-1764000000.prom", 100.0, 5.0);
        snapshot(folder.path(), "main-1764000060.prom", 130.0, 11.0);
        snapshot(folder.path(), "generic_worker1-1764000000.prom", 10.0, 0.0);
        snapshot(folder.path(), "generic_worker1-1764000060.prom", 40.0, 0.0);
        let span = TimeSpan { start: 1_764_000_000.0, end: 1_764_000_060.0 };
        let found = measure(&of(folder.path()), span).unwrap();
        let names: Vec<&str> = found.processes.iter().map(|process| process.labels["process"].as_str()).collect();
        assert_eq!(names, ["generic_worker1", "main"]);
        assert_eq!((found.processes[1].cpu_seconds, found.processes[1].background_cpu["x"]), (30.0, 6.0));
        assert_eq!(found.processes[1].memory.len(), 2);
    }

    #[test]
    fn what_is_missing_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let span = TimeSpan { start: 1_764_000_000.0, end: 1_764_000_060.0 };
        let error = || measure(&of(folder.path()), span).unwrap_err().to_string();
        assert!(error().contains("is neither a URL"), "{}", error());
        snapshot(folder.path(), "main-1764009000.prom", 100.0, 5.0);
        assert!(error().contains("but of 2025-11-24 18:30"), "{}", error());
        snapshot(folder.path(), "main-1764000000.prom", 100.0, 5.0);
        assert!(error().contains("only one sample"), "{}", error());
        std::fs::write(folder.path().join("page.html"), "<html>").unwrap();
        assert!(error().contains("page.html: line 1: a line does not begin with the name of a metric"), "{}", error());
    }
}
