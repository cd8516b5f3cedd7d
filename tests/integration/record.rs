//! `wsim record` beside real processes with the command lines of Synapse: a stand-in for its package is run by Python.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{BackgroundProcess, run_in};
use wsim::profile::ProcessCpu;

/// A folder with a package `synapse` whose main process sleeps and whose worker is always busy, and their configuration.
fn stand_in() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("synapse/app");
    std::fs::create_dir_all(&app).unwrap();
    std::fs::write(app.join("homeserver.py"), "import time\ntime.sleep(1e9)\n").unwrap();
    std::fs::write(app.join("generic_worker.py"), "while True:\n    sum(range(1000))\n").unwrap();
    std::fs::write(folder.path().join("homeserver.yaml"), "server_name: a.test\n").unwrap();
    std::fs::write(folder.path().join("w.yaml"), "worker_app: synapse.app.generic_worker\nworker_name: busy-worker\n").unwrap();
    folder
}

/// Starts a process of the stand-in with these files of configuration.
fn start(folder: &Path, module: &str, files: &[&str]) -> BackgroundProcess {
    let mut command = Command::new("python3");
    command.current_dir(folder).args(["-m", module]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for file in files {
        command.args(["--config-path", file]);
    }
    BackgroundProcess(command.spawn().unwrap())
}

/// The configuration of this test, because other tests and servers run on the machine.
fn own(folder: &Path) -> String {
    folder.join("homeserver.yaml").to_string_lossy().into_owned()
}

#[test]
fn what_is_recorded_is_what_process_cpu_reads() {
    let folder = stand_in();
    let config = own(folder.path());
    let _main = start(folder.path(), "synapse.app.homeserver", &[&config]);
    let _worker = start(folder.path(), "synapse.app.generic_worker", &[&config, "w.yaml"]);
    let words = ["record", "cpu.csv", "--for", "1500ms", "--every", "300ms", "--config", &config, "--json"];
    let (status, out, error) = run_in(folder.path(), &words);
    assert_eq!(status, 0, "{error}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    let synapse: Vec<&Value> = summary["processes"].as_array().unwrap().iter().filter(|process| process["software"] == "synapse").collect();
    assert_eq!(synapse.iter().map(|process| process["name"].as_str().unwrap()).collect::<Vec<_>>(), ["busy-worker", "main"]);
    assert!(synapse.iter().all(|process| process["rss_bytes_max"].as_u64().unwrap() > 1_000_000), "{summary}");

    let cpu = ProcessCpu::read(&folder.path().join("cpu.csv")).unwrap();
    let (worker, main) = (cpu.find("busy-worker").unwrap(), cpu.find("main").unwrap());
    let (start, end) = worker.span_us();
    let (used, passed) = (worker.seconds_between(start, end), (end - start) as f64 / 1e6);
    assert!(used > 0.1 && used <= passed + 0.02, "{used} s of CPU in {passed} s");
    assert!((used - synapse[0]["cpu_seconds"].as_f64().unwrap()).abs() < 1e-6);
    assert!(main.seconds_between(start, end) < used / 2.0);
    // The worker may have started during the first interval.
    assert!(passed >= 1.1, "the last sample is at the end: {passed}");
}

#[test]
fn a_signal_ends_a_recording_that_can_be_continued() {
    let folder = stand_in();
    let config = own(folder.path());
    let _main = start(folder.path(), "synapse.app.homeserver", &[&config]);
    let path = folder.path().join("cpu.csv");
    let lines = || std::fs::read_to_string(&path).unwrap_or_default().lines().filter(|line| line.contains(",main,")).count();
    for (signal, options) in [(Signal::INT, &[][..]), (Signal::TERM, &["--append"])] {
        let before = lines();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsim"));
        command.current_dir(folder.path()).args(["record", "--every", "200ms", "--config", &config]).args(options);
        let recorder = BackgroundProcess(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        let began = Instant::now();
        while lines() < before + 2 {
            assert!(began.elapsed() < Duration::from_secs(60), "nothing is recorded");
            std::thread::sleep(Duration::from_millis(20));
        }
        kill_process(Pid::from_child(&recorder.0), signal).unwrap();
        let mut recorder = recorder;
        assert_eq!(recorder.0.wait().unwrap().code(), Some(0));
        assert!(lines() > before + 2, "one more sample at the end");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("epoch")).count(), 1);
    let (status, _, error) = run_in(folder.path(), &["record", "--for", "100ms", "--config", &config]);
    assert_eq!(status, 1);
    assert!(error.contains("--append") && error.contains("--force"), "{error}");
}

#[test]
fn without_a_process_of_synapse_the_recording_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (status, _, error) = run_in(folder.path(), &["record", "--for", "100ms", "--config", "/no/such/homeserver.yaml"]);
    assert_eq!(status, 1);
    assert!(error.contains("no process of Synapse with the configuration /no/such/homeserver.yaml was seen"), "{error}");
}

#[test]
fn a_full_disk_ends_the_recording_with_an_error() {
    let folder = stand_in();
    let (status, _, error) = run_in(folder.path(), &["record", "/dev/full", "--append", "--for", "1s"]);
    assert_eq!(status, 1, "{error}");
    assert!(error.contains("could not write /dev/full"), "{error}");
}
