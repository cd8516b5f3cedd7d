//! Requests between Synapse's processes are load of the process that serves them, in every candidate of both commands.
//!
//! The log is of a deployment as administrators run it: a worker for syncs, which hands the presence of its users to a presence writer, and
//! a main process. The presence writer has no request of a client and is the busiest of the three.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::Run;

const SECONDS: u32 = 60;
const SYNCS_PER_SECOND: u32 = 20;
const PLAN: &str =
    "name = \"as observed\"\nsynapse = \"1.157\"\n[[pool]]\nname = \"sync\"\nendpoints = [\"sync\", \"initial_sync\"]\nworkers = 1\n";
const PRESENCE_WRITER: &str = "[stream_writers]\npresence = \"presence1\"\n";

/// One line of Synapse's log: a request that ends `at_ms` after nine o'clock.
fn line(log: &mut String, at_ms: u32, user: u32, cpu_ms: u32, request: &str) {
    let (second, ms) = (at_ms / 1000, at_ms % 1000);
    let who = if request.contains("/_synapse/") { "None".to_owned() } else { format!("@u{user}:test.local") };
    let wall = cpu_ms + 8;
    writeln!(
        log,
        "2026-11-20 09:{:02}:{:02},{ms:03} - synapse.access.http.8008 - 643 - INFO - GET-{at_ms} - 10.0.1.{user} - 8008 - {{{who}}} Processed request: 0.{wall:03}sec/0.000sec ru=(0.{cpu_ms:03}sec, 0.000sec) db=(0.000sec/0.008sec/4) 1000B 200 \"{request} HTTP/1.1\" \"Element\" [0 dbevts]",
        second / 60,
        second % 60,
    )
    .unwrap();
}

/// Writes the three logs: 0.16 cores of syncs, 0.24 of presence, 0.02 at the main process.
fn write_logs(folder: &Path) {
    let [mut sync, mut presence, mut main] = [const { String::new() }; 3];
    for number in 0..SECONDS * SYNCS_PER_SECOND {
        let (at, user) = (100 + number * 1000 / SYNCS_PER_SECOND, number * 7 % 200);
        line(&mut sync, at, user, 8, "GET /_matrix/client/v3/sync?filter=0&timeout=0&since=s0");
        line(&mut presence, at + 3, user, 12, &format!("POST /_synapse/replication/presence_set_state/%40u{user}%3Atest.local/x{number}"));
        if number % 20 == 0 {
            line(&mut main, at, user, 20, "GET /_matrix/client/v3/rooms/!r1:test.local/members");
        }
    }
    for (name, log) in [("synapse-sync1.log", sync), ("synapse-presence1.log", presence), ("synapse-main.log", main)] {
        std::fs::write(folder.join(name), log).unwrap();
    }
    std::fs::write(folder.join("plan.toml"), format!("{PLAN}{PRESENCE_WRITER}")).unwrap();
    std::fs::write(folder.join("without.toml"), PLAN.replace("as observed", "without a writer")).unwrap();
}

struct Logs(tempfile::TempDir);

impl Logs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_logs(folder.path());
        Self(folder)
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Value {
        self.run_on(&["synapse-sync1.log", "synapse-presence1.log", "synapse-main.log"], command, arguments)
    }

    fn run_on(&self, logs: &[&str], command: &str, arguments: &[&str]) -> Value {
        let path = |name: &str| self.0.path().join(name).to_string_lossy().into_owned();
        let arguments = arguments.iter().map(|argument| if argument.ends_with(".toml") { path(argument) } else { (*argument).to_owned() });
        let run = Run::of(command, &logs.iter().map(|log| path(log)).chain(arguments).collect::<Vec<_>>());
        assert!(matches!(run.status(), Some(0 | 3)), "{}", run.stderr());
        run.json()
    }
}

/// Busy share of a process of the plan `name` at the peak.
fn busy(report: &Value, name: &str, process: &str) -> f64 {
    let plan = report["candidates"].as_array().unwrap().iter().find(|plan| plan["plan"] == name).unwrap_or_else(|| panic!("{name}"));
    let process = plan["processes"].as_array().unwrap().iter().find(|one| one["name"] == process).unwrap_or_else(|| panic!("{process}"));
    let peak = process.get("peak").unwrap_or(&process["utilisation"]);
    peak["value"].as_f64().unwrap()
}

#[test]
fn the_presence_writer_is_predicted_as_busy_as_it_was_and_grows_with_the_syncs() {
    let logs = Logs::new();
    let simulate = |growth: &str| {
        logs.run("simulate", &["--plan", "plan.toml", "--plan", "without.toml", "--growth", growth, "--no-backtest", "--replications", "2"])
    };
    let report = simulate("1");
    // 0.24 cores logged, half as much again that no line shows, and 2 % of an idle process.
    let presence = busy(&report, "as observed", "presence1");
    assert!((0.33..0.45).contains(&presence), "{presence}");
    assert!(busy(&report, "as observed", "main") < 0.1);
    assert!(report.to_string().contains("requests between processes"), "the assumption is printed");
    let grown = busy(&simulate("2"), "as observed", "presence1");
    assert!((1.7..2.2).contains(&(grown / presence)), "{grown} {presence}");
    // Without a writer the main process has the work.
    let main = busy(&report, "without a writer", "main");
    assert!((presence + 0.02..presence + 0.1).contains(&main), "{main}");
}

#[test]
fn the_screen_counts_the_same_work_in_every_plan() {
    let report = Logs::new().run("analyse", &[]);
    let total: f64 = 1.5 * (0.16 + 0.24 + 0.02);
    // A hop of 1 ms (0 to 1.6 ms) less for each of 20 requests a second.
    let monolith = busy(&report, "monolith", "main");
    assert!((total - 0.03..total + 0.05).contains(&monolith), "{monolith}");
    assert!(busy(&report, "generic 1", "main") > 0.33, "main writes presence where no plan says otherwise");
    let peak = report["peaks"]["five_minutes"]["cores"].as_f64().unwrap();
    assert!((0.40..0.44).contains(&peak), "{peak}");
}

#[test]
fn events_handed_to_a_persister_are_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let [mut sender, mut persister] = [const { String::new() }; 2];
    for number in 0..SECONDS * 10 {
        let (at, user) = (100 + number * 100, number % 50);
        line(&mut persister, at, user, 8, &format!("POST /_synapse/replication/send_events/x{number}"));
        line(
            &mut sender,
            at + 20,
            user,
            10,
            &format!("PUT /_matrix/client/v3/rooms/!r{}:test.local/send/m.room.message/{number}", number % 40),
        );
    }
    std::fs::write(folder.path().join("synapse-sender1.log"), sender).unwrap();
    std::fs::write(folder.path().join("synapse-persister1.log"), persister).unwrap();
    std::fs::write(folder.path().join("plan.toml"), "name = \"p\"\nsynapse = \"1.157\"\n[[pool]]\nname = \"sender\"\nendpoints = [\"event_sending\"]\nworkers = 1\n[stream_writers]\nevents = \"persister1\"\n").unwrap();
    let report = Logs(folder).run_on(
        &["synapse-sender1.log", "synapse-persister1.log"],
        "simulate",
        &["--plan", "plan.toml", "--no-backtest", "--replications", "2"],
    );
    // 12 ms for each of ten events a second, the 8 ms of its line among them, and 2 % of an idle process.
    let persister = busy(&report, "p", "persister1");
    assert!((0.08..0.18).contains(&persister), "{persister}");
}
