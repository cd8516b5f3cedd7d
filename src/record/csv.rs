//! The lines of a recording: CSV that `--process-cpu` reads.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use super::recorder::Sample;

/// The first line. Seconds since 1970; the name; CPU seconds; bytes; a number; cores of its control group's limit, empty without one; cores on which it may
/// run; seconds for which the limit kept it from running, empty where the kernel does not say.
pub const HEADER: &str = "epoch,process,cpu_seconds_total,rss_bytes,threads,cpu_limit_cores,allowed_cores,throttled_seconds_total\n";

/// The lines of all processes at one instant.
pub(crate) fn lines(at: SystemTime, samples: &[Sample]) -> String {
    let epoch = at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let mut text = String::with_capacity(80 * samples.len());
    for sample in samples {
        let Sample { process, cpu_seconds, rss_bytes, threads, allowed_cores, .. } = sample;
        let limit = sample.limit_cores.map_or_else(String::new, |cores| format!("{cores}"));
        let throttled = sample.throttled_seconds.map_or_else(String::new, |seconds| format!("{seconds:.3}"));
        let allowed = allowed_cores.map_or_else(String::new, |cores| cores.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{epoch:.3},{process},{cpu_seconds:.2},{rss_bytes},{threads},{limit},{allowed},{throttled}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::recorder::Software;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_line_has_the_columns_of_the_header() {
        let sample = Sample {
            process: "generic_worker1".to_owned(),
            software: Software::Synapse,
            cpu_seconds: 12.5,
            rss_bytes: 104_857_600,
            threads: 21,
            limit_cores: Some(0.25),
            allowed_cores: Some(2),
            throttled_seconds: None,
        };
        let at = UNIX_EPOCH + Duration::from_millis(1_764_000_000_250);
        let mut text = lines(at, std::slice::from_ref(&sample));
        text += &lines(at, &[Sample { process: "redis".to_owned(), limit_cores: None, allowed_cores: None, ..sample }]);
        assert_eq!(text, "1764000000.250,generic_worker1,12.50,104857600,21,0.25,2,\n1764000000.250,redis,12.50,104857600,21,,,\n");
        let columns = HEADER.trim().split(',').count();
        assert!(text.lines().all(|line| line.split(',').count() == columns));
    }
}
