//! Every command that a run proposes can be run as it is printed, and is about the same input.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{run_in, sample};

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

/// Runs a command as a shell reads it. A missed objective (exit status 3) is a result.
fn run_as_printed(folder: &Path, command: &str) {
    let program = assert_cmd::cargo::cargo_bin("wsim");
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh").arg("-c").arg(command).env("PATH", path).current_dir(folder).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
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
