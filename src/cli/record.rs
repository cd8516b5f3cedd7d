//! `wsim record`: CPU and memory of Synapse's processes, PostgreSQL and Redis over time, as the CSV that `--process-cpu` reads.
//!
//! ```text
//! arguments ─▶ Recorder ─▶ Recording ─▶ Ctrl-C or --for ─▶ summary
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::output::shell_words;
use super::{Exit, UsageError, interrupt, next_steps};
use wsim_record::{Existing, RecordedProcess, Recorder, RecorderConfig, Recording, RecordingConfig, Software, Summary};
use wsim_report::NextStep;
use wsim_text::{bytes, duration, list, parse_duration, plural, prose};

/// Arguments of `wsim record`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = LONG)]
pub struct Record {
    /// CSV file to write, or `-` for standard output
    #[arg(value_name = "FILE", default_value = "cpu.csv")]
    file: PathBuf,
    /// How long to record: 1h, 90m [default: until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    length: Option<Duration>,
    /// Time between two samples
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = interval)]
    every: Duration,
    /// Only the Synapse whose processes are started with this configuration file or folder
    #[arg(long, value_name = "PATH")]
    config: Option<String>,
    /// Continue an earlier recording
    #[arg(long, conflicts_with = "force")]
    append: bool,
    /// Replace the file
    #[arg(long)]
    force: bool,
    /// Print what was recorded as JSON
    #[arg(long)]
    json: bool,
    /// Print only errors
    #[arg(long, short)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  sudo wsim record cpu.csv --for 1h
  wsim analyse /var/log/matrix-synapse/ --process-cpu cpu.csv";

const LONG: &str = "\
Run it on the machine of Synapse while the log is written, for an hour or more, best with the busiest of the day. Processes are found however they \
are started: by hand, by systemd, in containers (run wsim on the host, or in a container with --pid=host). A worker has the name that its configuration gives it; \
to read that file wsim needs the rights of its user, for example with sudo. Without them the name is that of the file. New and restarted processes are found \
within a minute.

The columns are those of docs/method.md: time, process, CPU, memory, threads, limits. Ctrl-C or SIGTERM ends the recording with one more sample.

Examples:
  sudo wsim record cpu.csv --for 1h
  wsim analyse /var/log/matrix-synapse/ --process-cpu cpu.csv
  sudo systemd-run --unit wsim-record wsim record /var/tmp/cpu.csv --for 24h --every 15s
  wsim record - --for 10s | column -s , -t";

/// Runs the command.
///
/// # Errors
/// The options make no sense, processes cannot be listed, the file cannot be written, or no process of Synapse was seen.
pub fn run(arguments: &Record) -> anyhow::Result<Exit> {
    let file = (arguments.file != Path::new("-")).then(|| arguments.file.clone());
    if file.is_none() && (arguments.json || arguments.append) {
        return Err(UsageError("-: standard output takes the recording, so give a file for --json and --append".to_owned()).into());
    }
    let existing = match (arguments.append, arguments.force) {
        (true, _) => Existing::Append,
        (false, true) => Existing::Replace,
        (false, false) => Existing::Keep,
    };
    interrupt::expect();
    let recorder = Recorder::new(RecorderConfig { configuration: arguments.config.clone(), ..RecorderConfig::default() });
    let config = RecordingConfig { every: arguments.every, length: arguments.length, file, existing };
    let recording = Recording::start(config, recorder)?;
    if !arguments.quiet {
        announce(arguments, &recording);
    }
    let summary = recording.run(interrupt::sleep)?;
    report(arguments, &summary)?;
    if !summary.processes.iter().any(|process| process.software == Software::Synapse) {
        let which = arguments.config.as_ref().map_or_else(String::new, |path| format!(" with the configuration {path}"));
        anyhow::bail!("no process of Synapse{which} was seen: run wsim on Synapse's machine, as root, and not inside another container");
    }
    Ok(Exit::Done)
}

/// Says on standard error what is recorded and how to stop.
fn announce(arguments: &Record, recording: &Recording) {
    let mut names: Vec<&str> = Vec::new();
    let mut has_synapse = false;
    for (name, software) in recording.names() {
        names.push(name);
        has_synapse |= software == Software::Synapse;
    }
    if !has_synapse {
        anstream::eprintln!("no process of Synapse is running or visible; waiting for one");
    }
    let found = if names.is_empty() { "processes".to_owned() } else { list(&names) };
    let end = arguments.length.map_or_else(String::new, |length| format!(" for {}", duration(length.as_secs_f64())));
    anstream::eprintln!("recording {found} every {}{end}; stop with Ctrl-C", duration(arguments.every.as_secs_f64()));
}

/// Prints what was recorded, and warns of names that several processes bear.
fn report(arguments: &Record, summary: &Summary) -> anyhow::Result<()> {
    for process in summary.processes.iter().filter(|process| process.repeated) {
        anstream::eprintln!(
            "several processes are called {}; their figures are added up (--config PATH records one Synapse only)",
            process.name
        );
    }
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let processes: Vec<_> = summary.processes.iter().map(json).collect();
        let result =
            serde_json::json!({"file": arguments.file, "samples": summary.samples, "seconds": summary.seconds, "processes": processes});
        writeln!(out, "{result}")?;
    } else if !arguments.quiet && arguments.file != Path::new("-") {
        let samples = plural(summary.samples, "sample", "samples");
        writeln!(out, "{samples} in {} in {}", duration(summary.seconds), arguments.file.display())?;
        for process in &summary.processes {
            writeln!(out, "{}", line(process))?;
        }
        let command = format!("wsim analyse LOG --process-cpu {}", shell_words(&[arguments.file.to_string_lossy().into_owned()]));
        let why = "analyse the log of that time; LOG stands for its files".to_owned();
        next_steps::say(&mut out, &[NextStep { why, command }])?;
    }
    Ok(out.flush()?)
}

/// `  generic_worker1     0.25 cores  210 MiB  limit 0.5 cores`
fn line(process: &RecordedProcess) -> String {
    let cores = process.cores.map_or_else(|| "seen once".to_owned(), prose::cores);
    let limit = process.limit_cores.map_or_else(String::new, |limit| format!("  limit {}", prose::cores(limit)));
    format!("  {:24} {cores:>12}  {:>9}{limit}", process.name, bytes(process.rss_bytes_max))
}

fn json(process: &RecordedProcess) -> serde_json::Value {
    serde_json::json!({
        "name": process.name,
        "software": match process.software {
            Software::Synapse => "synapse",
            Software::Postgres => "postgres",
            Software::Redis => "redis",
        },
        "cpu_seconds": process.cpu_seconds,
        "cores": process.cores,
        "rss_bytes_max": process.rss_bytes_max,
        "cpu_limit_cores": process.limit_cores,
        "repeated": process.repeated,
    })
}

/// How long to record.
fn length(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).ok_or_else(|| format!("{text:?} is not a time like 1h, 90m or 30s"))?;
    if time.is_zero() { Err("it must be longer than nothing, for example 1h".to_owned()) } else { Ok(time) }
}

/// Time between samples: not so short that the recording itself counts, not so long that peaks are lost.
fn interval(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).ok_or_else(|| format!("{text:?} is not a time like 5s, 500ms or 1m"))?;
    if (EVERY_MIN..=EVERY_MAX).contains(&time) { Ok(time) } else { Err("it must be between 100ms and 5m".to_owned()) }
}

const EVERY_MIN: Duration = Duration::from_millis(100);
const EVERY_MAX: Duration = Duration::from_mins(5);
