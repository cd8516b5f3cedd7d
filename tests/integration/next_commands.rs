//! Every command that a run proposes can be run as it is printed, and is about the same input.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{BackgroundProcess, run_in, sample};

/// The commands that a run proposes, the one on the terminal first.
fn proposed(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let (_, printed, errors) = run_in(folder, arguments);
    let lines: Vec<&str> = printed.lines().collect();
    let next = lines.iter().position(|line| line.starts_with("Next")).unwrap_or_else(|| panic!("{printed}{errors}"));
    let shown = lines[next + 1].trim().to_owned();
    let name = arguments[arguments.iter().position(|word| *word == "--name").unwrap() + 1];
    let out = arguments[arguments.iter().position(|word| *word == "--out").unwrap() + 1];
    let report: Value = serde_json::from_slice(&std::fs::read(folder.join(out).join(name).join("report.json")).unwrap()).unwrap();
    let commands: Vec<String> =
        report["next"].as_array().unwrap().iter().map(|step| step["command"].as_str().unwrap().to_owned()).collect();
    assert_eq!(commands[0], shown, "the terminal shows the first");
    commands
}

/// Runs a command as a shell reads it, and returns what it prints. A missed objective (exit status 3) is a result.
fn run_as_printed(folder: &Path, command: &str) -> String {
    let program = assert_cmd::cargo::cargo_bin("wsim");
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh").arg("-c").arg(command).env("PATH", path).current_dir(folder).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn analyse_ends_in_simulate_with_the_options_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (log, plan) = (sample("one-worker"), sample("one-worker/observed.toml"));
    // A file whose name a shell would read as two words.
    std::fs::copy(sample("one-worker/process-cpu.csv"), folder.path().join("process cpu.csv")).unwrap();
    let arguments = [
        "analyse",
        &log,
        "--process-cpu",
        "process cpu.csv",
        "--observed",
        &plan,
        "--objective",
        "busy < 75%",
        "--cores",
        "2",
        "--tz",
        "UTC",
        "--seed",
        "7",
        "--out",
        "my reports",
        "--name",
        "first",
        "-v",
    ];
    let commands = proposed(folder.path(), &arguments);
    let simulate = &commands[0];
    for kept in ["'process cpu.csv'", "--observed", "--objective 'busy < 75%'", "--cores 2", "--tz UTC", "--seed 7", "--out 'my reports'"] {
        assert!(simulate.starts_with("wsim simulate ") && simulate.contains(kept), "{kept}: {simulate}");
    }
    for dropped in [" --name", " -v"] {
        assert!(!simulate.contains(dropped), "{dropped}: {simulate}");
    }
    run_as_printed(folder.path(), &format!("{simulate} --plan generic:1 --replications 2 --no-backtest"));
    for command in &commands[1..] {
        run_as_printed(folder.path(), &command.replace("--process-cpu cpu.csv", ""));
    }
}

#[test]
fn simulate_ends_in_the_configuration_of_a_plan_with_workers() {
    let folder = tempfile::tempdir().unwrap();
    let log = sample("one-worker");
    let arguments = [
        "simulate",
        &log,
        "--plan",
        "generic:2",
        "--objective",
        "busy < 95%",
        "--replications",
        "2",
        "--no-backtest",
        "--out",
        "reports",
        "--name",
        "split",
    ];
    let commands = proposed(folder.path(), &arguments);
    assert_eq!(commands[0], "wsim configure reports/split/plan.toml --out synapse-workers");
    run_as_printed(folder.path(), &commands[0]);
    assert!(folder.path().join("synapse-workers/CHECKLIST.md").is_file());
}

#[test]
fn what_came_from_a_pipe_is_read_from_the_trace() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read(sample("nginx-rich.log.gz")).or_else(|_| std::fs::read(sample("nginx-combined.log"))).unwrap();
    let arguments = ["analyse", "-", "--out", "out", "--name", "piped", "--quiet"];
    let output = crate::support::wsim().current_dir(folder.path()).args(arguments).write_stdin(text).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(folder.path().join("out/piped/report.json")).unwrap()).unwrap();
    assert_eq!(report["next"][0]["command"], "wsim simulate out/piped/trace.parquet --out out");
}

#[test]
fn a_folder_that_may_not_be_written_costs_the_files_only() {
    let folder = tempfile::tempdir().unwrap();
    // A file where the folder of reports would be made, because root may write anywhere.
    std::fs::write(folder.path().join("taken"), "").unwrap();
    let (status, printed, errors) = run_in(folder.path(), &["analyse", &sample("nginx-combined.log"), "--out", "taken/reports"]);
    assert_eq!(status, 1, "{errors}");
    assert!(printed.contains("Confidence") && printed.contains("Next"), "{printed}");
    assert!(errors.contains("the figures are printed, no files are written") && errors.contains("could not be written"), "{errors}");
}

/// The commands below `Next` on a terminal, each alone on its line.
fn next_commands(printed: &str) -> Vec<String> {
    let after = printed.lines().skip_while(|line| !line.starts_with("Next"));
    let commands: Vec<String> = after.map(str::trim).filter(|line| line.starts_with("wsim ")).map(str::to_owned).collect();
    assert!(!commands.is_empty(), "{printed}");
    commands
}

#[test]
fn configure_ends_in_audit_and_replay() {
    let folder = tempfile::tempdir().unwrap();
    let log = sample("one-worker");
    let simulate = ["simulate", &log, "--plan", "generic:2", "--replications", "2", "--no-backtest", "--name", "split", "--quiet"];
    run_in(folder.path(), &simulate);
    let (status, printed, errors) =
        run_in(folder.path(), &["configure", "reports/split/plan.toml", "--for", "compose", "--out", "my cluster"]);
    assert_eq!(status, 0, "{errors}");
    let commands = next_commands(&printed);
    assert_eq!(commands[0], "wsim audit 'my cluster'");
    assert_eq!(commands[1], "wsim replay reports/split/trace.parquet --target emulated --plan 'my cluster/plan.toml'");
    run_as_printed(folder.path(), &commands[0]);
    run_as_printed(folder.path(), &format!("{} --to 2026-11-20T17:34:12Z --speed 2", commands[1]));
    // What writes its own proxy has nothing to audit, and a plan without a run beside it nothing to replay.
    let (status, printed, errors) = run_in(folder.path(), &["configure", "generic:2", "--for", "ess-helm", "--out", "values"]);
    assert_eq!(status, 0, "{errors}");
    assert!(!printed.contains("Next"), "{printed}");
}

#[test]
fn emulate_ends_in_provision_and_that_in_replay() {
    let folder = tempfile::tempdir().unwrap();
    let log = sample("one-worker");
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsim"));
    command.args(["emulate", "--plan", "generic:2", "--listen", "127.0.0.1:0", "--tz", "UTC", &log]).current_dir(folder.path());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut running = BackgroundProcess(child);
    let lines = BufReader::new(running.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let printed = lines.take_while(|line| !line.starts_with("Stop it")).collect::<Vec<_>>().join("\n");
    let commands = next_commands(&printed);
    assert!(commands[0].starts_with(&format!("wsim provision {log} --tz UTC --target http://127.0.0.1:")), "{printed}");
    assert!(commands[1].starts_with(&format!("wsim replay {log} --plan generic:2 --tz UTC --target http://127.0.0.1:")), "{printed}");
    // A replay without a world says how to get one, with what it was given.
    let url = commands[1].split("--target ").nth(1).unwrap().split(' ').next().unwrap();
    let (status, _, errors) = run_in(folder.path(), &["replay", &log, "--tz", "UTC", "--target", url]);
    assert!(status == 2 && errors.contains(&format!("`wsim provision {log} --tz UTC --target {url}")), "{errors}");
    assert!(errors.contains("--secret-file FILE`"), "{errors}");
    let printed = run_as_printed(folder.path(), &format!("{} --history 1", commands[0]));
    let next = &next_commands(&printed)[0];
    assert!(next.starts_with(&format!("wsim replay {log} --target {url} --tz UTC --world ")), "provision leads to the replay: {next}");
    run_as_printed(folder.path(), &format!("{} --to 2026-11-20T17:34:12Z --speed 2", commands[1]));
}

#[test]
fn a_recording_ends_in_an_analysis_with_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(sample("one-worker/process-cpu.csv"), folder.path().join("my cpu.csv")).unwrap();
    // No Synapse runs here, so the recording ends with status 1 after it has said what follows.
    let (_, printed, errors) = run_in(folder.path(), &["record", "new cpu.csv", "--for", "300ms", "--every", "100ms"]);
    if printed.is_empty() {
        assert!(errors.contains("no process"), "{errors}");
        return;
    }
    let command = &next_commands(&printed)[0];
    assert_eq!(command, "wsim analyse LOG --process-cpu 'new cpu.csv'");
    run_as_printed(folder.path(), &command.replace("LOG", &sample("one-worker")).replace("new cpu.csv", "my cpu.csv"));
}

#[test]
fn every_step_that_an_analysis_proposes_runs() {
    for log in ["cluster/synapse-generic_worker1.log.gz", "nginx-combined.log"] {
        let folder = tempfile::tempdir().unwrap();
        let log = sample(log);
        for command in proposed(folder.path(), &["analyse", &log, "--out", "out", "--name", "run"]) {
            // Files that the user has to make first, and a simulation of all plans, which takes its time.
            let command = command.replace(" --process-cpu cpu.csv", "").replace(" /var/log/matrix-synapse/homeserver.log", "");
            let short = if command.starts_with("wsim simulate") { " --plan generic:1 --replications 2 --no-backtest" } else { "" };
            run_as_printed(folder.path(), &format!("{command}{short}"));
        }
    }
}
