//! What limits a server: `wsim analyse` and `wsim simulate` name the same first limit, what helps against it, and no response time of a
//! plan under which work piles up.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::support::Run;

/// The traffic of one process whose requests are one transaction each.
struct Traffic {
    per_second: f64,
    transaction_seconds: f64,
    connections: usize,
    cpu_seconds: f64,
}

/// Thirteen transactions of 335 ms a second, for which five connections are hardly enough: busy 87 %.
const PRESSED: Traffic = Traffic { per_second: 13.0, transaction_seconds: 0.335, connections: 5, cpu_seconds: 0.006 };
/// The same requests at a database that is six times as fast.
const RELAXED: Traffic = Traffic { transaction_seconds: 0.055, ..PRESSED };
/// Hardly any transactions, and a process that is busy most of the time.
const COMPUTING: Traffic = Traffic { transaction_seconds: 0.01, cpu_seconds: 0.04, ..PRESSED };

impl Traffic {
    /// Ten minutes of the main process's log. Arrivals are Poisson, transactions exponential, connections are given first come, first served.
    fn write(&self, folder: &Path) -> String {
        let mut random = Random(12345);
        let mut free_at = vec![0.0_f64; self.connections];
        let (mut arrival, mut lines) = (0.0, Vec::new());
        for number in 0.. {
            arrival += random.exponential(1.0 / self.per_second);
            if arrival > 600.0 {
                break;
            }
            let transaction = random.exponential(self.transaction_seconds);
            let cpu = random.exponential(self.cpu_seconds);
            let first = (0..free_at.len()).min_by(|&a, &b| free_at[a].total_cmp(&free_at[b])).unwrap();
            let start = free_at[first].max(arrival);
            free_at[first] = start + transaction;
            let (wait, end) = (start - arrival, start + transaction + cpu);
            let path = if number % 20 == 0 { "/_matrix/client/v3/capabilities" } else { "/_matrix/client/v3/sync?timeout=0&since=s1" };
            let user = number % 97;
            let millis = (end * 1000.0).round();
            let (minute, second, fraction) = ((millis / 60_000.0).floor(), (millis / 1000.0).floor() % 60.0, millis % 1000.0);
            let line = format!(
                "2026-11-20 09:{minute:02}:{second:02},{fraction:03} - synapse.access.http.8008 - 643 - INFO - GET-{number} - 10.0.1.{user} - 8008 - {{@u{user}:test.local}} Processed request: {:.3}sec/0.000sec ru=({cpu:.3}sec, 0.000sec) db=({wait:.3}sec/{transaction:.3}sec/1) 1000B 200 \"GET {path} HTTP/1.1\" \"Element\" [0 dbevts]\n",
                end - arrival
            );
            lines.push((end, line));
        }
        lines.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut text = String::new();
        lines.iter().for_each(|(_, line)| text.write_str(line).unwrap());
        let path = folder.join("homeserver.log");
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let log = self.write(folder.path());
        Run::of(command, &[&[log.as_str()][..], arguments].concat())
    }
}

/// Lehmer's generator.
struct Random(u64);

impl Random {
    fn exponential(&mut self, mean: f64) -> f64 {
        self.0 = self.0 * 48271 % 2_147_483_647;
        -(self.0 as f64 / 2_147_483_647.0).ln() * mean
    }
}

const QUICK: [&str; 7] = ["--replications", "3", "--plan", "monolith", "--plan", "generic 2", "--no-backtest"];

fn first(limits: &Value) -> (&str, &str, f64) {
    let limit = &limits[0];
    (limit["kind"].as_str().unwrap(), limit["where"].as_str().unwrap(), limit["headroom"]["value"].as_f64().unwrap())
}

fn candidate<'a>(report: &'a Value, plan: &str) -> &'a Value {
    report["candidates"].as_array().unwrap().iter().find(|candidate| candidate["plan"] == plan).unwrap()
}

#[test]
fn connections_that_are_used_up_are_the_first_limit_of_both_commands() {
    let (analysed, simulated) = (PRESSED.run("analyse", &[]), PRESSED.run("simulate", &QUICK));
    let (analysis, simulation) = (analysed.json(), simulated.json());
    for (report, limits) in [(&analysis, &analysis["deployment"]["limits"]), (&simulation, &simulation["limits"])] {
        let (kind, place, headroom) = first(limits);
        assert_eq!(kind, "connections", "{limits}");
        assert!(["main", "homeserver"].contains(&place) && headroom <= 1.0, "{limits}");
        let of_main = candidate(report, "monolith");
        assert_eq!((first(&of_main["limits"]).0, &of_main["meets"]), ("connections", &"no".into()), "{of_main}");
        assert!(report["recommended"].as_str().is_some_and(|plan| plan != "monolith"), "{}", report["recommended"]);
        assert!(
            limits.as_array().unwrap().iter().any(|limit| limit["kind"] == "cpu" && limit["headroom"]["value"].as_f64().unwrap() > 3.0)
        );
    }
    for run in [&analysed, &simulated] {
        // The terminal breaks lines anywhere.
        let text = run.stdout().split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "database connections are the first limit, already reached",
            "cp_max above the 5",
            "a faster database (a transaction takes",
            "a split by kind (/sync 9",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for name in ["report.md", "report.html"] {
            assert!(run.read(name).contains("database connections"), "{name}");
        }
    }
}

/// Both commands stay with one process, whose connections allow more than twice the load.
fn assert_connections_are_no_limit(traffic: &Traffic, arguments: &[&str]) {
    for (command, quick) in [("analyse", &[][..]), ("simulate", &QUICK)] {
        let report = traffic.run(command, &[quick, arguments].concat()).json();
        let limits = candidate(&report, "monolith")["limits"].as_array().unwrap();
        let connections = limits.iter().find(|limit| limit["kind"] == "connections").unwrap();
        assert!(connections["headroom"]["value"].as_f64().unwrap() > 2.0, "{connections}");
        assert_eq!(report["recommended"], "monolith", "{command}: {}", report["verdict"]);
    }
}

#[test]
fn a_fast_database_leaves_headroom() {
    assert_connections_are_no_limit(&RELAXED, &[]);
}

#[test]
fn more_connections_leave_headroom() {
    assert_connections_are_no_limit(&Traffic { connections: 20, ..PRESSED }, &["--connections", "20"]);
}

#[test]
fn without_waits_a_log_shows_that_there_are_more_connections_than_the_default() {
    let report = Traffic { connections: 20, ..PRESSED }.run("analyse", &[]).json();
    assert!(first(&report["deployment"]["limits"]).2 > 1.2, "{}", report["deployment"]);
    assert_eq!(report["recommended"], "monolith");
}

#[test]
fn a_busy_process_is_limited_by_its_cpu() {
    let report = COMPUTING.run("analyse", &[]).json();
    let (kind, _, headroom) = first(&report["deployment"]["limits"]);
    assert!(kind == "cpu" && headroom < 1.0, "{}", report["deployment"]);
    let levers = report["deployment"]["levers"].to_string();
    assert!(levers.contains("a split by kind (/sync 9"), "{levers}");
}

/// Counters of PostgreSQL, with and without memory, beside [`RELAXED`].
fn counters(folder: &Path) -> String {
    let mut text = "epoch,process,cpu_seconds_total,rss_bytes\n".to_owned();
    // 2026-11-20 09:00:00, one and a half cores.
    for step in 0..=62 {
        let (epoch, seconds) = (1_795_165_200 + step * 10, f64::from(step) * 15.0);
        writeln!(text, "{epoch},postgres: main,{seconds},1500000000\n{epoch},homeserver,{},900000000", f64::from(step)).unwrap();
    }
    let path = folder.join("cpu.csv");
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn the_database_and_the_memory_are_limits_where_the_machine_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let counters = counters(folder.path());
    let arguments = ["--process-cpu", &counters, "--cores", "2", "--memory", "4GB", "--connections", "5"];
    for (command, quick) in [("analyse", &[][..]), ("simulate", &QUICK)] {
        let run = RELAXED.run(command, &[&arguments[..], quick, &["-v"]].concat());
        let report = run.json();
        let limits = if command == "analyse" { &report["deployment"]["limits"] } else { &report["limits"] };
        let of =
            |limits: &Value, kind: &str| limits.as_array().unwrap().iter().find(|limit| limit["kind"] == kind).cloned().unwrap_or_default();
        for limits in [limits, &candidate(&report, "monolith")["limits"], &candidate(&report, "generic 2")["limits"]] {
            // One and a half of 1.4 cores: 70 % of two.
            let (database, memory) = (of(limits, "database"), of(limits, "memory"));
            assert!(database["headroom"]["value"].as_f64().unwrap() < 1.0, "{command}: {limits}");
            assert_eq!(database["quantity"], "1.5 of 1.4 cores", "{command}");
            assert!(memory["quantity"].as_str().unwrap().ends_with(" of 4.00 GB"), "{command}: {memory}");
        }
        let text = run.stdout().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("the database, already reached (1.5 of 1.4 cores)"), "{command}: {text}");
    }
    let without = RELAXED.run("analyse", &["--process-cpu", &counters]).json();
    let limits = without["deployment"]["limits"].to_string();
    assert!(!limits.contains("database\"") && !limits.contains("memory"), "of how many cores and how much memory? {limits}");
}

#[test]
fn an_idle_server_has_room_for_more_than_fifty_times_and_is_not_told_a_number() {
    let idle = Traffic { per_second: 0.2, transaction_seconds: 0.002, connections: 5, cpu_seconds: 0.001 };
    let run = idle.run("analyse", &[]);
    let report = run.json();
    for limit in report["deployment"]["limits"].as_array().unwrap() {
        assert!(limit["headroom"]["value"].as_f64().unwrap() <= 50.0, "{limit}");
    }
    assert_eq!(report["deployment"]["limits"][0]["more"], true, "{}", report["deployment"]);
    let verdict = report["verdict"].as_str().unwrap();
    assert!(verdict.contains("more than 50"), "{verdict}");
    for name in ["report.md", "report.html"] {
        assert!(run.read(name).contains("over 50×"), "{name}");
    }
}

#[test]
fn analyse_answers_an_objective_about_response_times_or_names_the_command_that_does() {
    let term = |traffic: &Traffic, objective: &str| {
        let run = traffic.run("analyse", &["--objective", objective]);
        let report = run.json();
        (candidate(&report, "monolith")["response_times"][0].clone(), report["verdict"].as_str().unwrap().to_owned(), run)
    };
    let (met, verdict, run) = term(&RELAXED, "p95 sync < 5s, busy < 70%");
    assert_eq!((&met["term"], &met["meets"]), (&"p95 sync < 5s".into(), &"yes".into()), "{met}");
    let [logged, estimate] = [&met["logged_ms"], &met["estimate_ms"]["value"]].map(|ms| ms.as_f64().unwrap());
    assert!((estimate / logged - 1.0).abs() < 0.1, "{met}");
    assert!(verdict.contains("Response times of one process by an approximation: p95 sync < 5s: about"), "{verdict}");
    assert_eq!(run.status(), Some(0));
    // Waits for connections make these times.
    let (open, verdict, run) = term(&PRESSED, "p95 < 500ms");
    assert_eq!((&open["estimate_ms"], &open["meets"]), (&Value::Null, &"maybe".into()), "{open}");
    assert!(
        verdict.contains("p95 work < 500ms needs a simulation: wsim simulate ") && verdict.contains("--objective 'p95 < 500ms'"),
        "{verdict}"
    );
    assert!(run.stdout().contains("--objective 'p95 < 500ms'"));
    let error = RELAXED.run("analyse", &["--objective", "p95 typing < 1s"]);
    assert_eq!(error.status(), Some(2));
    assert!(error.stderr().contains("of which there are no requests; there are "), "{}", error.stderr());
}

#[test]
fn a_plan_whose_work_piles_up_fails_whatever_the_objective_and_has_no_response_times() {
    let arguments = ["--plan", "monolith", "--replications", "3", "--no-backtest", "--growth", "2", "--objective", "p95 < 100000s"];
    let run = PRESSED.run("simulate", &arguments);
    assert_eq!(run.status(), Some(3), "{}", run.stderr());
    let report = run.json();
    let monolith = candidate(&report, "monolith");
    assert_eq!((&monolith["stable"], &monolith["meets"]), (&false.into(), &"no".into()), "{monolith}");
    assert_eq!((&monolith["latency_ms"], &monolith["groups"]), (&Value::Null, &Value::Array(Vec::new())));
    assert_eq!(monolith["unstable"]["cause"], "connections");
    let text = run.stdout().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("not stable: work piles up at main's database connections"), "{text}");
    assert!(!text.contains("p95 work is"), "{text}");
}

#[test]
fn growth_ends_where_work_piles_up() {
    let arguments = ["--plan", "monolith", "--replications", "3", "--no-backtest", "--objective", "p95 < 100000s"];
    let report = Traffic { per_second: 8.0, ..PRESSED }.run("simulate", &arguments).json();
    assert_eq!(report["recommended"], "monolith", "{}", report["verdict"]);
    let last = report["growth_steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["meets"], &last["stable"], &last["p95_ms"]), (&"no".into(), &false.into(), &Value::Null), "{last}");
    assert!(last["factor"].as_f64().unwrap() <= 2.5, "{last}");
    let reasons = report["reasons"].to_string();
    assert!(reasons.contains("not stable") && !reasons.contains("still meets the objective at 4"), "{reasons}");
}
