//! Arguments of every command that reads logs.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::super::UsageError;
use super::super::prometheus::PrometheusArgs;
use super::super::table_args::TableArgs;
use wsim_http::host::Host;
use wsim_logs::StampMeaning;
use wsim_logs::detect::{self, DetectConfig, FORMATS, Format};
use wsim_logs::formats::nginx_config::NginxConfig;
use wsim_logs::time::Zone;

/// How the lines of logs are read, as typed.
#[derive(Debug, Args)]
pub(in crate::cli) struct LineArgs {
    /// Log format [default: detected; --help lists the names]
    #[arg(long, value_name = "NAME", help_heading = "Reading logs")]
    pub(super) format: Option<String>,
    /// Format string of the logs: nginx, Apache, lighttpd, HAProxy, Envoy
    #[arg(long, value_name = "STRING", help_heading = "Reading logs")]
    pub(super) log_format: Option<String>,
    /// nginx configuration that defines the log format
    #[arg(long, value_name = "FILE", help_heading = "Reading logs")]
    pub(super) nginx_config: Option<PathBuf>,
    /// Time stamps mark a request's start or end [default: by format]
    #[arg(long, value_parser = ["start", "end"], hide_possible_values = true, value_name = "start|end", help_heading = "Reading logs")]
    pub(super) stamp: Option<String>,
    /// Time zone of stamps without one: local, +02:00, Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", help_heading = "Reading logs")]
    pub(super) tz: Option<String>,
    /// Virtual host of Synapse, where the proxy's log has hosts; repeatable [default: all]
    #[arg(long, value_name = "NAME", value_parser = host, help_heading = "Reading logs")]
    pub(in crate::cli) virtual_host: Vec<Host>,
}

/// How to read logs and classify their requests, as typed.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReadArgs {
    #[command(flatten)]
    pub(super) lines: LineArgs,
    /// Ignore requests before this time: 2026-11-20, 16:30, -3h, yesterday
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Reading logs")]
    pub(in crate::cli) from: Option<String>,
    /// Ignore requests at or after this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Reading logs")]
    pub(in crate::cli) to: Option<String>,
    /// Drop requests that an earlier file has too (overlapping files, two formats)
    #[arg(long, help_heading = "Reading logs")]
    pub(super) dedupe: bool,
    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Reading logs")]
    pub(in crate::cli) seed: u64,
    /// Threads for parsing and simulation [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Reading logs")]
    threads: Option<u16>,

    #[command(flatten)]
    pub(in crate::cli) table: TableArgs,

    /// CPU of each process over the same time: CSV or Prometheus JSON
    ///
    /// The columns of the CSV are epoch,process,cpu_seconds_total; docs/method.md says how to record it.
    #[arg(long, value_name = "FILE", help_heading = "Advice")]
    pub(in crate::cli) process_cpu: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) prometheus: PrometheusArgs,
}

impl ReadArgs {
    pub(in crate::cli) fn threads(&self) -> usize {
        self.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, Into::into), Into::into)
    }

    /// The time zone of `--tz`.
    pub(in crate::cli) fn zone(&self) -> Result<Zone, UsageError> {
        self.lines.zone()
    }
}

impl LineArgs {
    /// The time zone of `--tz`.
    pub(in crate::cli) fn zone(&self) -> Result<Zone, UsageError> {
        Zone::parse(self.tz.as_deref().unwrap_or("UTC")).map_err(|error| UsageError(format!("--tz: {error}")))
    }

    /// What was typed about the format of the logs.
    pub(in crate::cli) fn detect_config(&self) -> anyhow::Result<DetectConfig> {
        let format = match self.format.as_deref() {
            None | Some("auto") => None,
            Some(name) => Some(Format::from_name(name).ok_or_else(|| unknown_format(name))?),
        };
        // The expression is the same for every file, so an error in it is reported before any file is opened.
        if let Some(expression) = &self.log_format {
            let config = DetectConfig { log_format: Some(expression.clone()), ..DetectConfig::default() };
            detect::detect(&[], &config).map_err(|error| UsageError(error.to_string()))?;
        }
        Ok(DetectConfig {
            format,
            log_format: self.log_format.clone(),
            nginx_config: self.nginx_config.as_deref().map(NginxConfig::read).transpose()?.map(Arc::new),
            log: None,
            zone: self.zone()?,
            stamp: self.stamp.as_deref().map(|word| if word == "start" { StampMeaning::Start } else { StampMeaning::End }),
            changed_us: None,
        })
    }
}

/// Reads the name or the address of a server.
fn host(text: &str) -> Result<Host, String> {
    Host::read(text.as_bytes()).ok_or_else(|| "give the name of a virtual host, such as matrix.example.org".to_owned())
}

fn unknown_format(name: &str) -> UsageError {
    let known: Vec<&str> = FORMATS.iter().map(|(known, _)| *known).collect();
    UsageError(format!("--format: unknown format `{}`; known are auto, {}", name.escape_debug(), known.join(", ")))
}
