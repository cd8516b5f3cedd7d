//! What a signal does to a command: the report so far, an end at once, or nothing.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{BackgroundProcess, sample};

/// A command that runs in a folder of its own, with its input open.
struct Running {
    process: BackgroundProcess,
    folder: tempfile::TempDir,
}

impl Running {
    /// Starts a program and waits until it has made the work folder of its run.
    fn start(program: &str, words: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command.current_dir(folder.path()).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = Self { process: BackgroundProcess(command.spawn().unwrap()), folder };
        let began = Instant::now();
        while !running.names().iter().any(|name| name.ends_with(".partial")) {
            assert!(began.elapsed() < Duration::from_secs(60), "the run did not begin");
            std::thread::sleep(Duration::from_millis(10));
        }
        running
    }

    fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("reports")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process.0), signal).unwrap();
    }

    /// Writes a few blocks of a log to the standard input; ends early if nobody reads them.
    fn feed(&mut self) {
        let log = std::fs::read(sample("nginx-rich.log")).unwrap();
        let pipe = self.process.0.stdin.as_mut().unwrap();
        let _ = (0..(3 << 20) / log.len()).all(|_| pipe.write_all(&log).is_ok());
    }

    /// Closes the input and waits for the end.
    fn end(&mut self) -> (ExitStatus, String) {
        drop(self.process.0.stdin.take());
        let mut error = String::new();
        let mut stderr = self.process.0.stderr.take().unwrap();
        // Read beside standard output, so that neither fills its pipe.
        let mut stdout = self.process.0.stdout.take().unwrap();
        let reader = std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        stderr.read_to_string(&mut error).unwrap();
        let _ = reader.join();
        (self.process.0.wait().unwrap(), error)
    }

    fn report(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.folder.path().join("reports").join(name).join("report.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

const WSIM: &str = env!("CARGO_BIN_EXE_wsim");
const ANALYSE: [&str; 4] = ["analyse", "-", "--name", "run"];

#[test]
fn every_first_signal_ends_reading_and_the_report_is_written() {
    for signals in [&[Signal::INT][..], &[Signal::TERM], &[Signal::HUP], &[Signal::HUP, Signal::HUP, Signal::TERM, Signal::HUP]] {
        let mut running = Running::start(WSIM, &ANALYSE);
        running.feed();
        for &signal in signals {
            running.signal(signal);
            // So that the kernel does not merge signals of a kind.
            std::thread::sleep(Duration::from_millis(30));
        }
        running.feed();
        let (status, error) = running.end();
        assert!(status.code().is_some_and(|code| code == 0 || code == 3), "{signals:?}: {status}: {error}");
        assert_eq!(running.report("run")["partial"], true, "{signals:?}");
        assert_eq!(running.names(), ["run"]);
    }
}

#[test]
fn an_interrupted_reading_says_so_first_and_gives_no_verdict() {
    let unread = sample("one-worker/synapse-main.log.gz");
    let mut running = Running::start(WSIM, &["analyse", "-", &unread, "--name", "run"]);
    running.feed();
    running.signal(Signal::INT);
    std::thread::sleep(Duration::from_millis(30));
    running.feed();
    let (status, error) = running.end();
    assert_eq!(status.code(), Some(3), "{error}");
    let report = running.report("run");
    assert_eq!((&report["partial"], &report["deployment"]["partial"]), (&Value::Bool(true), &Value::Bool(true)));
    let verdict = report["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("No verdict: reading was interrupted"), "{verdict}");
    assert_eq!((&report["recommended"], &report["candidates"]), (&Value::Null, &Value::Array(Vec::new())));
    assert!(report["confidence"]["why"].as_str().unwrap().contains("reading was interrupted"), "{}", report["confidence"]);
    let page = std::fs::read_to_string(running.folder.path().join("reports/run/report.html")).unwrap();
    assert!(page.contains("No verdict: the picture is too partial"));
}

#[test]
fn a_second_signal_ends_the_program_at_once_and_leaves_nothing() {
    let mut running = Running::start(WSIM, &ANALYSE);
    running.feed();
    // Both wait for the program when it goes on, so that the second comes before the first has had its effect.
    for signal in [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT] {
        running.signal(signal);
    }
    let (status, error) = running.end();
    assert_eq!(status.code(), Some(143), "{error}");
    assert!(running.names().is_empty(), "{:?}", running.names());
}

#[test]
fn a_hang_up_under_nohup_stays_ignored() {
    let mut running = Running::start("nohup", &[&[WSIM][..], &ANALYSE].concat());
    running.feed();
    running.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(100));
    let (status, error) = running.end();
    assert!(status.code().is_some_and(|code| code == 0 || code == 3), "{status}: {error}");
    assert_eq!(running.report("run")["partial"], false);
}

#[test]
fn a_replay_whose_session_is_lost_writes_what_it_measured() {
    for signal in [Signal::HUP, Signal::TERM] {
        let log = sample("one-worker");
        let words = [
            "replay",
            "--target",
            "emulated",
            "--plan",
            "generic:2",
            "--from",
            "2026-11-20T17:34:20Z",
            "--to",
            "2026-11-20T17:34:50Z",
            "--name",
            "run",
        ];
        let mut running = Running::start(WSIM, &[&words[..], &[&log]].concat());
        std::thread::sleep(Duration::from_millis(700));
        running.signal(signal);
        let (status, error) = running.end();
        assert_eq!(status.code(), Some(3), "{error}");
        let report = running.report("run");
        assert_eq!((&report["partial"], &report["void"]), (&Value::Bool(true), &Value::Bool(true)));
        assert_eq!(running.names(), ["run"]);
    }
}

#[test]
fn an_emulated_cluster_ends_when_its_session_is_lost() {
    let mut command = Command::new(WSIM);
    command.args(["emulate", "--plan", "generic:1", "--json", "--listen", "127.0.0.1:0"]).arg(sample("synapse-worker.log"));
    let mut running = BackgroundProcess(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(running.0.stdout.take().unwrap()), &mut line).unwrap();
    kill_process(Pid::from_child(&running.0), Signal::HUP).unwrap();
    assert!(running.0.wait().unwrap().success());
    let secret: Value = serde_json::from_str(&line).unwrap();
    std::fs::remove_file(Path::new(secret["secret_file"].as_str().unwrap())).unwrap();
}

#[test]
fn errors_quote_arguments_and_files_without_what_acts_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "x\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}";
    std::fs::write(folder.path().join("plan.toml"), format!("name = \"{}\"\nsynapse = \"1.157\"\nbroken {hostile} =\n", "a")).unwrap();
    let cases: [&[&str]; 7] = [
        &["analyse", hostile],
        &[hostile],
        &["analyse", "x", "--objectve", hostile],
        &["analyse", "x", &format!("--{hostile}")],
        &["analyse", "x", "--from", hostile],
        &["configure", "plan.toml", "--out", "new"],
        &["analyse", "x", "--format", hostile],
    ];
    for words in cases {
        let output = crate::support::wsim().current_dir(folder.path()).args(words).output().unwrap();
        assert_ne!(output.status.code(), Some(0), "{words:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!error.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{words:?}: {error:?}");
        assert!(error.contains("error:"), "{error}");
    }
}

#[test]
fn names_of_plans_act_on_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let name = "evil \\u001b]0;owned\\u0007\\u202e<script>alert(1)</script>\\n# more";
    let plan =
        format!("name = \"{name}\"\nsynapse = \"1.157\"\n[[pool]]\nname = \"generic\"\nendpoints = [\"sync\", \"client\"]\nworkers = 2\n");
    std::fs::write(folder.path().join("plan.toml"), plan).unwrap();
    let log = sample("synapse-worker.log");
    let commands: [&[&str]; 4] = [
        &["simulate", &log, "--plan", "plan.toml", "--workers", "2..2", "--replications", "2", "--no-backtest", "--name", "simulated"],
        &["replay", &log, "--target", "emulated", "--plan", "plan.toml", "--speed", "50", "--name", "replayed"],
        &["report", "reports/simulated", "reports/replayed"],
        &["configure", "plan.toml", "--out", "configured"],
    ];
    let acts = |text: &str| text.chars().any(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || c == '\u{202e}');
    for words in commands {
        let (status, stdout, stderr) = crate::support::run_in(folder.path(), words);
        assert!(status == 0 || status == 3, "{words:?}: {stderr}");
        assert!(!acts(&stdout) && !acts(&stderr), "{words:?}: {stdout:?} {stderr:?}");
    }
    let mut checked = 0;
    let mut folders = vec![folder.path().join("reports"), folder.path().join("configured")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // A plan keeps the name as it is; TOML escapes what TOML must.
            if path.extension().is_some_and(|kind| kind == "parquet" || kind == "hlog") || path.ends_with("plan.toml") {
                continue;
            }
            // Lines of CSV end with both.
            let text = std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
            let is_shown = path.extension().is_some_and(|kind| ["html", "md", "svg"].iter().any(|shown| kind == *shown));
            assert!(!(acts(&text) || is_shown && text.contains("<script>alert")), "{}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} files");
}
