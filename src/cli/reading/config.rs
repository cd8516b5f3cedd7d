//! What to read and how: the arguments, checked and typed.

use super::super::observed_arg::{ObservedArgs, ObservedPlan};
use super::super::output::Output;
use super::super::time_range::TimeRange;
use super::on_trace::TraceOptions;
use super::{AnonymiseArgs, Anonymiser, ReadArgs};
use wsim_endpoints::{Classifier, Table};
use wsim_logs::source::{self, Input, Source};
use wsim_profile::ProcessCpu;
use wsim_prometheus::PrometheusConfig;
use wsim_trace::ingest;

/// Everything that reading needs to know.
pub(in crate::cli) struct ReadConfig {
    pub(super) sources: Vec<Source>,
    /// What of the arguments is not read, and why.
    pub(super) source_notes: Vec<String>,
    pub(super) ingest: ingest::IngestConfig,
    pub(super) classifier: Classifier,
    pub(super) table_note: String,
    pub(in crate::cli) synapse_version: String,
    pub(in crate::cli) process_cpu: Option<ProcessCpu>,
    /// Where to read the counters of processes in place of a file.
    pub(super) prometheus: Option<PrometheusConfig>,
    pub(in crate::cli) range: TimeRange,
    /// `--from` or `--to` is a time of day, which means today.
    pub(super) range_is_today: bool,
    pub(in crate::cli) anonymise: Option<Anonymiser>,
    pub(super) sliding_sync_to_sync: bool,
    pub(super) on_trace: TraceOptions,
    /// The deployment that wrote the logs, if it is told.
    pub(super) observed: Option<ObservedPlan>,
    pub(super) keep_requests: bool,
    pub(super) quiet: bool,
}

impl ReadConfig {
    /// Reads `logs`, keeps their requests as they are, and shows progress.
    pub(in crate::cli) fn new(logs: &[String], args: &ReadArgs) -> anyhow::Result<Self> {
        let range = TimeRange::parse(("--from", args.from.as_deref()), ("--to", args.to.as_deref()), &args.zone()?)?;
        let detect = args.lines.detect_config()?;
        let table = args.table.select()?;
        let expansion = source::expand(logs)?;
        Ok(Self {
            sources: expansion.sources,
            source_notes: expansion.notes,
            ingest: ingest::IngestConfig {
                detect,
                from_us: range.from_us,
                to_us: range.to_us,
                seed: args.seed,
                dedupe: args.dedupe,
                hosts: args.lines.virtual_host.clone(),
                threads: args.threads(),
            },
            classifier: Classifier::new(&table.table, &args.table.classifier_config())?,
            synapse_version: release_of(&table.table),
            table_note: args.table.describe(&table),
            process_cpu: args.process_cpu.as_deref().map(ProcessCpu::read).transpose()?,
            prometheus: args.prometheus.config()?,
            range,
            range_is_today: [&args.from, &args.to].into_iter().flatten().any(|text| is_time_of_day(text)),
            anonymise: None,
            sliding_sync_to_sync: args.table.sliding_sync_to_sync,
            on_trace: TraceOptions::new(args),
            observed: None,
            keep_requests: true,
            quiet: false,
        })
    }

    /// Anonymises and shows progress as the arguments say.
    ///
    /// # Errors
    /// As [`Self::anonymised`].
    pub(in crate::cli) fn with_output(self, output: &Output) -> anyhow::Result<Self> {
        self.quiet(output.quiet).anonymised(&output.anonymise)
    }

    /// Replaces names as the arguments say.
    ///
    /// # Errors
    /// The file of the key cannot be read or written.
    pub(in crate::cli) fn anonymised(self, args: &AnonymiseArgs) -> anyhow::Result<Self> {
        Ok(Self { anonymise: args.anonymiser(self.quiet)?, ..self })
    }

    /// With the deployment that wrote the logs.
    ///
    /// # Errors
    /// Its plan cannot be read.
    pub(in crate::cli) fn observed(self, args: &ObservedArgs) -> anyhow::Result<Self> {
        Ok(Self { observed: args.read()?, ..self })
    }

    /// Names of logs for commands that a report suggests.
    pub(in crate::cli) fn shown_logs(&self, logs: &[String]) -> Vec<String> {
        if self.anonymise.is_some() { vec!["LOG".to_owned()] } else { logs.to_vec() }
    }

    /// Without a trace memory stays flat, and nothing can be joined.
    pub(in crate::cli) fn keep_requests(self, keep_requests: bool) -> Self {
        Self { keep_requests, ..self }
    }

    /// No progress bar.
    pub(in crate::cli) fn quiet(self, quiet: bool) -> Self {
        Self { quiet, ..self }
    }

    /// Bytes on disk, if every input is a file.
    pub(super) fn bytes(&self) -> Option<u64> {
        let bytes = |source: &Source| match &source.input {
            Input::File(path) => std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len()),
            Input::StandardInput => None,
        };
        self.sources.iter().map(bytes).sum()
    }
}

/// The release that a table belongs to, or the name of an own table.
fn release_of(table: &Table) -> String {
    table.name.strip_prefix("Synapse ").unwrap_or(&table.name).to_owned()
}

/// `16:30` or `16:30:05`.
fn is_time_of_day(text: &str) -> bool {
    text.parse::<jiff::civil::Time>().is_ok() && !text.contains(['-', 'T'])
}
