//! What the reading options do with a trace file, whose lines were read when it was made.
//!
//! Every option works on the requests of a trace or is refused; tests/integration/trace_options.rs has a decision for each.

use anyhow::Context;

use super::super::UsageError;
use super::super::time_range::TimeRange;
use super::no_requests::outside_range;
use super::{ReadArgs, ReadConfig, ReadSummary};
use wsim_endpoints::{Classifier, Endpoint, table_for};
use wsim_trace::Trace;
use wsim_trace::reclassify::reclassify;

/// What was typed that matters for a trace.
#[derive(Debug, Clone, Default)]
pub(super) struct TraceOptions {
    /// The first option that says how lines are read.
    about_lines: Option<&'static str>,
    /// `--tz`.
    zone: Option<String>,
    /// `--synapse-version` or `--table`.
    table: bool,
    sliding_sync_to_sync: bool,
}

impl TraceOptions {
    pub(super) fn new(args: &ReadArgs) -> Self {
        let about_lines = [
            ("--format", args.lines.format.as_deref().is_some_and(|format| format != "auto")),
            ("--log-format", args.lines.log_format.is_some()),
            ("--nginx-config", args.lines.nginx_config.is_some()),
            ("--stamp", args.lines.stamp.is_some()),
            ("--dedupe", args.dedupe),
            ("--virtual-host", !args.lines.virtual_host.is_empty()),
        ];
        Self {
            about_lines: about_lines.into_iter().find(|(_, typed)| *typed).map(|(name, _)| name),
            zone: args.lines.tz.clone(),
            table: args.table.synapse_version.is_some() || args.table.table.is_some(),
            sliding_sync_to_sync: args.table.sliding_sync_to_sync,
        }
    }

    /// # Errors
    /// An option says how lines are read.
    pub(super) fn check(&self) -> Result<(), UsageError> {
        match self.about_lines {
            None => Ok(()),
            Some(name) => Err(UsageError(format!("{name}: a trace has no lines any more; give it with the logs, when the trace is made"))),
        }
    }

    /// Applies the options about the endpoint table to requests that were classified by another one.
    ///
    /// # Errors
    /// `--sliding-sync-to-sync` alone, for a trace of a user's own table.
    pub(super) fn reclassify(
        &self,
        config: &ReadConfig,
        summary: &mut ReadSummary,
        trace: Trace,
        endpoints: Vec<Endpoint>,
    ) -> anyhow::Result<(Trace, Vec<Endpoint>)> {
        let of_release;
        let classifier = if self.table {
            summary.synapse_version.clone_from(&config.synapse_version);
            summary.table_note.clone_from(&config.table_note);
            &config.classifier
        } else if self.sliding_sync_to_sync {
            let own_table = || "--sliding-sync-to-sync: the trace was made with another table; give --synapse-version or --table too";
            let table = table_for(Some(&summary.synapse_version)).map_err(|_| UsageError(own_table().to_owned()))?;
            of_release = Classifier::new(&table.table, &config.classifier.config()).context("the table of the trace")?;
            &of_release
        } else {
            return Ok((trace, endpoints));
        };
        summary.sliding_sync_to_sync = self.sliding_sync_to_sync;
        Ok((reclassify(trace, &endpoints, classifier), classifier.endpoints().to_vec()))
    }

    /// The zone of the report's hours, if it is not that of the trace.
    pub(super) fn zone(&self) -> Option<String> {
        self.zone.clone()
    }
}

/// Cuts a trace to `--from` and `--to`, and counts what is left out.
///
/// # Errors
/// No request is inside.
pub(super) fn cut(config: &ReadConfig, summary: &mut ReadSummary, trace: Trace) -> anyhow::Result<Trace> {
    if config.range == TimeRange::default() {
        return Ok(trace);
    }
    let all = trace.len();
    let mut span: Option<(i64, i64)> = None;
    let range = config.range;
    let trace = trace.filter_map(|request| {
        let at = request.arrival_us;
        span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        range.contains(at).then_some(request)
    });
    if let (true, Some(span)) = (trace.is_empty(), span) {
        anyhow::bail!("{}", outside_range("the trace covers", config, span));
    }
    summary.outside_range += (all - trace.len()) as u64;
    Ok(trace)
}
