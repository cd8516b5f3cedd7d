//! Files with metrics: snapshots of `/_synapse/metrics` taken at times, text with time stamps, or saved answers of Prometheus.
//!
//! The time of a sample is that of its line; else that in the name of the file (`main-1764000000.prom`, `main-2025-11-24T16:00:00Z.txt`); else the time at which
//! the file was last changed. A snapshot fetched from a process has no labels that name the process, so it is named by the file: `main` above.

use std::collections::HashMap;
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::exposition::parse_line;
use super::{Labels, PrometheusError, Series, parse_answer};

/// Series by name and labels.
#[derive(Debug, Default)]
pub(crate) struct SeriesSet(HashMap<(String, Labels), Vec<(f64, f64)>>);

impl SeriesSet {
    pub(crate) fn add(&mut self, series: Series) {
        self.0.entry((series.name, series.labels)).or_default().extend(series.samples);
    }

    /// In the order of time; of several samples at one time the first is kept.
    pub(crate) fn into_series(self) -> Vec<Series> {
        let whole = |((name, labels), mut samples): ((String, Labels), Vec<(f64, f64)>)| {
            samples.retain(|(time, value)| time.is_finite() && value.is_finite());
            samples.sort_by(|a, b| a.0.total_cmp(&b.0));
            samples.dedup_by_key(|sample| sample.0);
            Series { name, labels, samples }
        };
        let mut all: Vec<Series> = self.0.into_iter().map(whole).filter(|series| !series.samples.is_empty()).collect();
        all.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
        all
    }
}

/// Reads a file into the set.
pub(crate) fn read(path: &Path, set: &mut SeriesSet) -> Result<(), PrometheusError> {
    let unread = |source| PrometheusError::Read { path: path.to_owned(), source };
    let bytes = wsim_text::read_file(path, BYTES_MAX).map_err(unread)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    let problem = |problem| PrometheusError::File { path: path.to_owned(), problem };
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let (process, named_time) = name_and_time(&stem);
    let changed = || {
        let time = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
        Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
    };
    let time = named_time.or_else(changed).unwrap_or(0.0);
    for series in read_text(text, time, process).map_err(problem)? {
        set.add(series);
    }
    Ok(())
}

/// Reads exposition text, or JSON. `time` is that of lines without one (seconds since 1970); `process` names the process where no label does.
///
/// # Errors
/// What is wrong, with the number of the line.
pub fn read_text(text: &str, time: f64, process: &str) -> Result<Vec<Series>, String> {
    if text.trim_start().starts_with('{') {
        return parse_answer(text.trim().as_bytes()).map_err(|(_, words)| words);
    }
    // OpenMetrics ends with a mark of its own, and has times in seconds.
    let is_open_metrics = text.trim_end().ends_with("# EOF");
    let mut all = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(sample) = parse_line(line).map_err(|problem| format!("line {}: {problem}", index + 1))? else { continue };
        let name = base_name(&sample.name);
        if !is_wanted(name) {
            continue;
        }
        let stamp = sample.stamp.map(|stamp| if is_open_metrics || stamp < SECONDS_MAX { stamp } else { stamp / 1e3 });
        let mut labels = sample.labels;
        if !labels.contains_key("job") && !labels.contains_key("instance") {
            labels.insert("process".to_owned(), process.to_owned());
        }
        // Counters have both names in old releases.
        all.push(Series { name: name.to_owned(), labels, samples: vec![(stamp.unwrap_or(time), sample.value)] });
    }
    Ok(all)
}

/// The name of a counter without the `_total` that its client library adds.
pub(crate) fn base_name(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

/// Whether a metric is used. The others, ten thousands of lines, are not kept.
pub(crate) fn is_wanted(name: &str) -> bool {
    super::measure::METRICS.contains(&name)
}

/// The process and the time in the stem of a file's name.
fn name_and_time(stem: &str) -> (&str, Option<f64>) {
    let breaks = stem.match_indices(['-', '_', '.', '@']).map(|(at, _)| at);
    let starts: Vec<usize> = std::iter::once(0).chain(breaks.map(|at| at + 1)).collect();
    for start in starts {
        if let Some(time) = time_of(&stem[start..]) {
            return (stem[..start].trim_end_matches(['-', '_', '.', '@']), Some(time));
        }
    }
    (stem, None)
}

/// `1764000000`, `1764000000.5`, `2025-11-24T16:00:00Z` or `20251124T160000Z`.
fn time_of(text: &str) -> Option<f64> {
    let seconds = |text: &str| text.parse::<f64>().ok().filter(|time| (1e9..SECONDS_MAX).contains(time));
    let instant = |text: &str| text.parse::<jiff::Timestamp>().ok().map(|time| time.as_microsecond() as f64 / 1e6);
    seconds(text).or_else(|| instant(text))
}

/// A snapshot of a big server has 10 MB; a day of a process, every fifteen seconds, in one file.
const BYTES_MAX: usize = 1 << 30;

/// Times above are in ms: the year 5138 in seconds, 1973 in ms.
const SECONDS_MAX: f64 = 1e11;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_files_have_a_process_and_a_time() {
        assert_eq!(name_and_time("main-1764000000"), ("main", Some(1_764_000_000.0)));
        assert_eq!(name_and_time("generic_worker1.1764000000.25"), ("generic_worker1", Some(1_764_000_000.25)));
        assert_eq!(name_and_time("generic-worker-1-2025-11-24T16:00:00Z"), ("generic-worker-1", Some(1_764_000_000.0)));
        assert_eq!(name_and_time("20251124T160000Z"), ("", Some(1_764_000_000.0)));
        assert_eq!(name_and_time("generic_worker1"), ("generic_worker1", None));
    }

    #[test]
    fn times_are_in_ms_or_in_seconds_by_format() {
        let plain = read_text("process_cpu_seconds_total 5 1764000000500\nother 1\n", 1.0, "main").unwrap();
        assert_eq!((plain.len(), plain[0].samples[0], plain[0].labels["process"].as_str()), (1, (1_764_000_000.5, 5.0), "main"));
        let open = read_text("process_cpu_seconds_total{job=\"x\"} 5 1764000000.5\n# EOF\n", 1.0, "main").unwrap();
        assert_eq!((open[0].samples[0].0, open[0].labels.get("process")), (1_764_000_000.5, None));
        assert_eq!(read_text("process_cpu_seconds_total 5", 7.0, "main").unwrap()[0].samples, [(7.0, 5.0)]);
        assert!(read_text("a 1\n<html>\n", 1.0, "main").unwrap_err().starts_with("line 2: "));
    }

    proptest! {
        #[test]
        fn any_name_and_text_is_read_without_a_panic(stem in ".{0,40}", text in "(?s).{0,200}") {
            let (process, _) = name_and_time(&stem);
            let _ = read_text(&text, 0.0, process);
        }
    }
}
