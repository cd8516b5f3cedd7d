//! Profiling on all threads: logs while they are read, or an existing trace.
//!
//! The functions are not generic over the observer, so that the loop over lines is compiled here, with this crate's optimisation.

use std::sync::Arc;

use wsim_endpoints::Classifier;
use wsim_logs::source::Source;
use wsim_trace::ingest::{self, IngestConfig, IngestError, Outcome, Progress};
use wsim_trace::{ServedBy, Trace, flag};

use super::profiler::{Profiler, ProfilerConfig};

/// Reads logs without keeping the requests: each thread has a profiler of its own, and the result is their sum.
///
/// # Errors
/// [`IngestError`] if a named file cannot be opened, or has no format that is known.
pub fn profile_logs(
    sources: &[Source],
    ingest: &IngestConfig,
    classifier: &Classifier,
    progress: &Progress,
    config: &ProfilerConfig,
) -> Result<(Outcome, Profiler<'static>), IngestError> {
    let profilers = (0..ingest.threads).map(|_| Profiler::new(config)).collect();
    let (outcome, profilers) = ingest::into_observers(sources, ingest, classifier, progress, profilers)?;
    Ok((outcome, merge(profilers, config)))
}

/// Profiles a trace; each thread takes every n-th chunk.
pub fn profile_trace<'t>(trace: &'t Trace, config: &ProfilerConfig, threads: usize) -> Profiler<'t> {
    // Without lines of both sides upstreams and processes are not to be told apart.
    let both = trace.any_has(flag::PROXY) && trace.any_has(flag::SYNAPSE);
    let served_by = Arc::new(if both { ServedBy::from_trace(trace) } else { ServedBy::default() });
    let served_by = &served_by;
    let profilers = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|part| {
                scope.spawn(move || {
                    let mut profiler = Profiler::of_trace(config, &trace.names, served_by);
                    for request in trace.part(part, threads) {
                        profiler.observe(&request, &trace.names);
                    }
                    profiler
                })
            })
            .collect();
        #[expect(clippy::expect_used, reason = "a panic in a thread is a defect and is propagated")]
        running.into_iter().map(|thread| thread.join().expect("a profiling thread panicked")).collect()
    });
    merge(profilers, config)
}

fn merge<'t>(profilers: Vec<Profiler<'t>>, config: &ProfilerConfig) -> Profiler<'t> {
    let sum = profilers.into_iter().reduce(|mut all, part| {
        all.merge(part);
        all
    });
    sum.unwrap_or_else(|| Profiler::new(config))
}
