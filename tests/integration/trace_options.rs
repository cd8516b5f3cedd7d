//! Every option of reading works on a trace, or is refused. The options come from the definition of the command line: a new one without a
//! decision here fails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use wsim::trace::Trace;

use crate::planted::{Field, LOG_FORMATS};
use crate::support::run_in;

/// What an option does on a trace.
enum Decision {
    /// A usage error, which names the option.
    Refused(&'static [&'static str]),
    /// The run is like one of the logs with the same option.
    LikeLogs(&'static [&'static str]),
    /// The same, and endpoints change.
    Reclassifies(&'static [&'static str]),
    /// A check of its own.
    Works(fn(&Fixture)),
    /// Not about what is read.
    Unrelated,
}

use Decision::{LikeLogs, Reclassifies, Refused, Unrelated, Works};

/// By the option's long name; the empty name is that of the inputs.
const DECISIONS: [(&str, Decision); 38] = [
    ("", Unrelated),
    ("format", Refused(&["--format", "nginx-combined"])),
    ("log-format", Refused(&["--log-format", "$remote_addr [$time_local] \"$request\" $status"])),
    ("nginx-config", Refused(&["--nginx-config", "nginx.conf"])),
    ("stamp", Refused(&["--stamp", "start"])),
    ("dedupe", Refused(&["--dedupe"])),
    ("virtual-host", Refused(&["--virtual-host", "matrix.example.org"])),
    ("tz", Works(a_zone_is_that_of_the_hours)),
    ("from", Works(a_start_leaves_out_what_is_before)),
    ("to", Works(an_end_leaves_out_what_is_after)),
    ("seed", Works(a_seed_is_reported)),
    ("threads", LikeLogs(&["--threads", "1"])),
    ("synapse-version", Reclassifies(&["--synapse-version", "1.20"])),
    ("table", Reclassifies(&["--table", "own.map"])),
    ("sliding-sync-to-sync", Reclassifies(&["--sliding-sync-to-sync"])),
    ("observed", LikeLogs(&["--observed", "generic:2"])),
    ("process-cpu", LikeLogs(&["--process-cpu", "cpu.csv"])),
    ("prometheus", LikeLogs(&["--prometheus", "metrics.prom"])),
    ("prometheus-select", LikeLogs(&["--prometheus", "metrics.prom", "--prometheus-select", "job=synapse"])),
    ("prometheus-credentials", LikeLogs(&["--prometheus", "metrics.prom", "--prometheus-credentials", "credentials"])),
    ("prometheus-ca", LikeLogs(&["--prometheus", "metrics.prom", "--prometheus-ca", "ca.pem"])),
    ("connections", LikeLogs(&["--connections", "8"])),
    ("cores", LikeLogs(&["--cores", "4"])),
    ("memory", LikeLogs(&["--memory", "8GB"])),
    ("anonymise", Works(names_are_replaced)),
    ("anonymise-key", LikeLogs(&["--anonymise-key", "key"])),
    ("no-trace", Works(no_trace_is_written)),
    ("objective", Unrelated),
    ("out", Unrelated),
    ("name", Unrelated),
    ("force", Unrelated),
    ("json", Unrelated),
    ("quiet", Unrelated),
    ("verbose", Unrelated),
    ("tables", Unrelated),
    ("settings", Unrelated),
    ("help", Unrelated),
    ("version", Unrelated),
];

/// CPU of the process that answered, before, within and after the log's time.
const METRICS: &str = "\
process_cpu_seconds_total{instance=\"127.0.0.1:8083\",job=\"synapse\"} 100 1795190380000
process_cpu_seconds_total{instance=\"127.0.0.1:8083\",job=\"synapse\"} 130 1795190460000
process_cpu_seconds_total{instance=\"127.0.0.1:8083\",job=\"synapse\"} 170 1795190600000
synapse_build_info{instance=\"127.0.0.1:8083\",job=\"synapse\",version=\"1.157.0\"} 1 1795190460000
";

/// Commands that read logs or a trace.
const COMMANDS: [&str; 7] = ["analyse", "simulate", "replay", "export", "provision", "audit", "emulate"];

/// A log, and the trace that was made from it.
struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("access.log", &LOG_FORMATS[1].log(3, |field| Field::usual(field).to_owned()));
        write("nginx.conf", "http { log_format x '$remote_addr [$time_local] \"$request\" $status'; access_log /var/log/x.log x; }\n");
        write("own.map", "^/_matrix/client/v3/sync$ generic_worker\n^/_matrix/client/v3/profile/ generic_worker\n");
        write("metrics.prom", METRICS);
        write("credentials", "administrator:secret\n");
        write("ca.pem", "");
        write("cpu.csv", "0,127.0.0.1:8083,1\n9999999999,127.0.0.1:8083,900\n");
        let fixture = Self { folder };
        fixture.run("open", &["access.log"]);
        fixture
    }

    /// Analyses into `reports/NAME`.
    fn run(&self, name: &str, arguments: &[&str]) {
        let (status, output, error) = run_in(self.folder.path(), &[&["analyse", "--name", name], arguments].concat());
        assert!(status == 0 || status == 3, "{arguments:?}: {output}{error}");
    }

    fn path(&self, run: &str, file: &str) -> std::path::PathBuf {
        self.folder.path().join("reports").join(run).join(file)
    }

    fn report(&self, run: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(run, "report.json")).unwrap()).unwrap()
    }

    fn trace(&self, run: &str) -> Trace {
        wsim::parquet::read(&self.path(run, "trace.parquet")).unwrap().0
    }
}

const TRACE: &str = "reports/open/trace.parquet";

/// The requests of a run: how many there are of each endpoint and name.
fn requests(path: &Path) -> BTreeMap<String, usize> {
    let (trace, header) = wsim::parquet::read(path).unwrap();
    let mut counts = BTreeMap::new();
    for request in trace.requests() {
        let endpoint = &header.endpoints[usize::from(request.endpoint.0)];
        let names = [request.user, request.room, request.peer, request.agent].map(|id| trace.names.text(id));
        let key = format!("{} {} {:?} {names:?} {}", request.arrival_us, endpoint.group, endpoint.workers, request.flags);
        *counts.entry(key).or_default() += 1;
    }
    counts
}

#[test]
fn every_option_of_reading_has_a_decision() {
    let mut options = BTreeSet::new();
    let mut program = wsim::cli::command();
    program.build();
    for name in COMMANDS {
        let command = program.find_subcommand(name).unwrap_or_else(|| panic!("no command {name}"));
        for argument in command.get_arguments() {
            let about_reading = matches!(argument.get_help_heading(), Some("Reading logs" | "Endpoint table"));
            let long = argument.get_long().unwrap_or_default();
            if name == "analyse" || about_reading || long.starts_with("anonymise") || long == "process-cpu" {
                options.insert(long.to_owned());
            }
        }
    }
    let decided: BTreeSet<String> = DECISIONS.iter().map(|(name, _)| (*name).to_owned()).filter(|name| name != "version").collect();
    options.remove("version");
    assert_eq!(options, decided, "options of reading, and decisions about them");
}

#[test]
fn options_about_lines_are_refused() {
    let fixture = Fixture::new();
    let refused: Vec<&[&str]> =
        DECISIONS.iter().filter_map(|(_, decision)| if let Refused(option) = decision { Some(*option) } else { None }).collect();
    for option in &refused {
        is_refused(&fixture, &["analyse"], option);
    }
    // Every command reads by the same code.
    let commands: [&[&str]; 3] = [
        &["simulate"],
        &["replay", "--target", "emulated", "--plan", "generic:2"],
        &["provision", "--target", "http://localhost:9", "--dry-run"],
    ];
    for command in commands {
        is_refused(&fixture, command, refused[0]);
    }
}

fn is_refused(fixture: &Fixture, command: &[&str], option: &[&str]) {
    let (status, _, error) = run_in(fixture.folder.path(), &[command, &[TRACE], option].concat());
    let wanted = format!("error: {}: a trace has no lines any more; give it with the logs, when the trace is made\n", option[0]);
    assert_eq!((status, error.as_str()), (2, wanted.as_str()), "{command:?} {option:?}");
}

#[test]
fn options_about_the_run_work_as_with_logs() {
    let fixture = Fixture::new();
    for (name, decision) in &DECISIONS {
        if let LikeLogs(option) = decision {
            is_like_logs(&fixture, name, option);
        }
    }
}

#[test]
fn options_about_the_table_classify_anew() {
    let fixture = Fixture::new();
    for (name, decision) in &DECISIONS {
        if let Reclassifies(option) = decision {
            is_like_logs(&fixture, name, option);
            let endpoints = |run: &str| requests(&fixture.path(run, "trace.parquet"));
            assert_ne!(endpoints("open"), endpoints(&format!("{name}-trace")), "{option:?} changes nothing");
        }
    }
}

#[test]
fn other_options_work() {
    let fixture = Fixture::new();
    for (_, decision) in &DECISIONS {
        if let Works(check) = decision {
            check(&fixture);
        }
    }
}

fn is_like_logs(fixture: &Fixture, name: &str, option: &[&str]) {
    let (of_trace, of_logs) = (format!("{name}-trace"), format!("{name}-logs"));
    fixture.run(&of_trace, &[&[TRACE], option].concat());
    fixture.run(&of_logs, &[&["access.log"], option].concat());
    let all = [&of_trace, &of_logs].map(|run| requests(&fixture.path(run, "trace.parquet")));
    assert_eq!(all[0], all[1], "{option:?}");
    let reports = [&of_trace, &of_logs].map(|run| fixture.report(run));
    for key in ["synapse_version", "coverage", "demand", "endpoints", "heavy_hitters", "seed"] {
        assert_eq!(reports[0][key], reports[1][key], "{option:?}: {key}");
    }
}

fn a_start_leaves_out_what_is_before(fixture: &Fixture) {
    fixture.run("late", &[TRACE, "--from", "2026-11-20T16:01:00"]);
    let (late, all) = (fixture.trace("late"), fixture.trace("open").len());
    let left_out = all - late.len();
    assert!(!late.is_empty() && left_out > 0 && late.requests().all(|request| request.arrival_us >= SPLIT_US), "{left_out} of {all}");
    let said = format!("{left_out} requests of the trace are outside --from and --to");
    assert!(fixture.report("late")["assumptions"].to_string().contains(&said), "{said}");
    let (status, _, error) = run_in(fixture.folder.path(), &["analyse", TRACE, "--from", "2099-01-01", "--name", "none"]);
    let wanted = "error: the trace covers 2026-11-20 16:00 UTC to 2026-11-20 16:02 UTC; you asked for 2099-01-01 00:00 UTC onwards\n";
    assert_eq!((status, error.as_str()), (1, wanted));
    assert!(!fixture.path("none", "").exists());
}

fn an_end_leaves_out_what_is_after(fixture: &Fixture) {
    fixture.run("early", &[TRACE, "--to", "2026-11-20T16:01:00"]);
    let (early, all) = (fixture.trace("early"), fixture.trace("open").len());
    assert!(!early.is_empty() && early.len() < all && early.requests().all(|request| request.arrival_us < SPLIT_US));
    for command in [&["simulate"][..], &["replay", "--target", "emulated", "--plan", "generic:2"]] {
        let (status, _, error) = run_in(fixture.folder.path(), &[command, &[TRACE, "--to", "2001-01-01"]].concat());
        assert!(status == 1 && error.starts_with("error: the trace covers "), "{command:?}: {error}");
    }
}

/// 2026-11-20T16:01:00Z.
const SPLIT_US: i64 = 1_795_190_460_000_000;

fn a_zone_is_that_of_the_hours(fixture: &Fixture) {
    fixture.run("berlin", &[TRACE, "--tz", "Europe/Berlin"]);
    let report = fixture.report("berlin");
    assert_eq!((&report["time_zone"], &fixture.report("open")["time_zone"]), (&"Europe/Berlin".into(), &"UTC".into()));
    assert!(report["assumptions"].to_string().contains("were read as UTC when the trace was made"), "{}", report["assumptions"]);
}

fn a_seed_is_reported(fixture: &Fixture) {
    fixture.run("seed", &[TRACE, "--seed", "9"]);
    assert_eq!(fixture.report("seed")["seed"], 9);
}

fn names_are_replaced(fixture: &Fixture) {
    fixture.run("hidden", &[TRACE, "--anonymise"]);
    let text = |trace: &Trace| trace.requests().map(|request| trace.names.text(request.peer).to_owned()).collect::<String>();
    assert!(text(&fixture.trace("open")).contains(Field::Address.usual()));
    assert!(!text(&fixture.trace("hidden")).contains(Field::Address.usual()));
}

fn no_trace_is_written(fixture: &Fixture) {
    fixture.run("bare", &[TRACE, "--no-trace"]);
    assert!(fixture.path("bare", "report.json").is_file() && !fixture.path("bare", "trace.parquet").exists());
}
