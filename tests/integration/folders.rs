//! What commands replace, what they refuse to replace, who can read what they write, and what they clean up.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{BackgroundProcess, run_in, sample, wsim};

/// The files below a folder with their contents, in order.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.push((entry.path(), Vec::new()));
            files.extend(contents(&entry.path()));
        } else {
            files.push((entry.path(), std::fs::read(entry.path()).unwrap()));
        }
    }
    files.sort();
    files
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A place with what the commands need, and command lines that each write the folder `reports/run` in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["before", "after"] {
            let (_, _, error) = place.run(&["analyse", &sample("synapse-worker.log"), "--no-trace", "--quiet", "--name", name]);
            assert!(place.reports().join(name).join("report.json").exists(), "{error}");
        }
        std::fs::write(place.folder.path().join("world.json"), WORLD).unwrap();
        place
    }

    fn reports(&self) -> PathBuf {
        self.folder.path().join("reports")
    }

    fn target(&self) -> PathBuf {
        self.reports().join("run")
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        run_in(self.folder.path(), arguments)
    }

    fn commands() -> Vec<Vec<String>> {
        let log = sample("synapse-worker.log");
        let words = |text: &str| text.split(' ').map(|word| word.replace("LOG", &log)).collect();
        vec![
            words("analyse LOG --quiet --name run"),
            words("simulate LOG --plan generic --workers 2..2 --replications 2 --no-backtest --quiet --name run"),
            words("report reports/before reports/after --quiet --name run"),
            words("configure generic:2 --quiet --out reports/run"),
            words("export LOG --quiet --out reports/run"),
        ]
    }

    /// Runs a command with further arguments.
    fn run_command(&self, command: &[String], more: &[&str]) -> (i32, String, String) {
        let words: Vec<&str> = command.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.run(&words)
    }
}

/// A world with one user, as far as `wsim export` needs one.
const WORLD: &str = include_str!("folders/world.json");

#[test]
fn force_replaces_exactly_what_wsim_wrote() {
    let place = Place::new();
    for command in Place::commands() {
        let name = &command[0];
        let (status, _, error) = place.run_command(&command, &[]);
        assert!(status == 0 || status == 3, "{name}: {error}");
        let (status, _, error) = place.run_command(&command, &[]);
        assert!(status == 1 && error.contains("already exists") && error.contains("--force"), "{name}: {error}");
        let (status, _, error) = place.run_command(&command, &["--force"]);
        assert!(status == 0 || status == 3, "{name}: {error}");
        // A repository in the folder, a file of the user, a changed file: each is named and nothing is touched.
        let target = place.target();
        std::fs::create_dir_all(target.join(".git/objects")).unwrap();
        std::fs::write(target.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        std::fs::write(target.join("notes.md"), "mine").unwrap();
        let before = contents(&target);
        let (status, _, error) = place.run_command(&command, &["--force"]);
        assert!(status == 1 && error.contains(".git/") && error.contains("notes.md"), "{name}: {error}");
        assert_eq!(contents(&target), before, "{name}");
        std::fs::remove_dir_all(target.join(".git")).unwrap();
        std::fs::remove_file(target.join("notes.md")).unwrap();
        let written = contents(&target).into_iter().find(|(path, text)| {
            path.extension().is_some_and(|kind| kind == "md" || kind == "json") && !text.is_empty() && !path.ends_with(".wsim-files.json")
        });
        let edited = written.map_or_else(|| target.join("locustfile.py"), |(path, _)| path);
        std::fs::OpenOptions::new().append(true).open(&edited).unwrap().write_all(b"my notes").unwrap();
        let (status, _, error) = place.run_command(&command, &["--force"]);
        assert!(status == 1 && error.contains("changed since wsim wrote it"), "{name}: {error}");
        std::fs::remove_dir_all(&target).unwrap();
        assert_eq!(names(&place.reports()), ["after", "before"], "{name} leaves nothing");
    }
}

#[test]
fn a_folder_with_the_names_of_a_run_is_not_a_run() {
    let place = Place::new();
    let target = place.target();
    std::fs::create_dir(&target).unwrap();
    for name in ["report.json", "plan.toml", "CHECKLIST.md", "locustfile.py", "thesis.tex"] {
        std::fs::write(target.join(name), "years of work").unwrap();
    }
    let before = contents(&target);
    for command in Place::commands() {
        for more in [&[][..], &["--force"][..]] {
            let (status, _, error) = place.run_command(&command, more);
            assert!(status == 1 && error.contains("has no list of the files that wsim wrote there"), "{}: {error}", command[0]);
        }
        assert_eq!(contents(&target), before, "{}", command[0]);
    }
}

#[cfg(unix)]
#[test]
fn places_that_are_no_folders_are_refused_before_anything_is_read() {
    let place = Place::new();
    std::fs::write(place.folder.path().join("file"), "mine").unwrap();
    std::os::unix::fs::symlink("reports/before", place.folder.path().join("link")).unwrap();
    let log = sample("synapse-worker.log");
    let cases: [(&[&str], &str); 9] = [
        (&["analyse", &log, "--out", "file"], "--out: file is a file, not a folder"),
        (&["analyse", &log, "--out", "file/deeper"], "could not write file/deeper"),
        (&["analyse", &log, "--out", "/proc/wsim"], "could not write in /proc/wsim, so name another folder with --out"),
        (&["analyse", &log, "--name", "../up"], "use one folder name without slashes"),
        (&["analyse", &log, "--name", "nul"], "Windows reserves such names"),
        (&["analyse", &log, "--out", ".", "--name", "link", "--force"], "link is a symbolic link, not a folder"),
        (&["configure", "generic:2", "--out", "link", "--force"], "link is a symbolic link, not a folder"),
        (&["configure", "generic:2", "--out", "file", "--force"], "file is a file, not a folder"),
        (&["configure", "generic:2", "--out", ".", "--force"], "not a folder that can be replaced as a whole"),
    ];
    let before = contents(&place.reports());
    for (words, expected) in cases {
        let (status, _, error) = place.run(words);
        assert!(status == 1 && error.contains(expected), "{words:?}: {error}");
    }
    assert_eq!(contents(&place.reports()), before);
    assert_eq!(names(place.folder.path()), ["file", "link", "reports", "world.json"]);
}

#[test]
fn manual_pages_of_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["generate", "man", "--out", "man1"];
    assert_eq!(run_in(folder.path(), &words).0, 0);
    std::fs::write(folder.path().join("man1/other.1"), "other").unwrap();
    assert_eq!(run_in(folder.path(), &words).0, 0, "the pages of an earlier version are replaced");
    std::fs::write(folder.path().join("man1/wsim.1"), "a page of another program").unwrap();
    let (status, _, error) = run_in(folder.path(), &words);
    assert!(status == 1 && error.contains("wsim.1 is there and is not a manual page of wsim"), "{error}");
    for (name, text) in [("other.1", "other"), ("wsim.1", "a page of another program")] {
        assert_eq!(std::fs::read_to_string(folder.path().join("man1").join(name)).unwrap(), text);
    }
}

#[cfg(unix)]
#[test]
fn files_that_hold_people_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let log = sample("synapse-worker.log");
    let replay = ["replay", &log, "--target", "emulated", "--plan", "generic:2", "--speed", "50", "--quiet", "--name", "replayed"];
    let (_, _, error) = place.run(&replay);
    place.run(&["analyse", &log, "--quiet", "--name", "analysed"]);
    for file in ["replayed/requests.parquet", "replayed/replay.hlog", "analysed/trace.parquet"] {
        let path = place.reports().join(file);
        assert!(path.is_file(), "{file}: {error}");
        assert_eq!(mode(&path), 0o600, "{file}");
    }
    assert_eq!(place.run(&["export", &log, "--quiet", "--out", "schedule"]).0, 0);
    assert_eq!(mode(&place.folder.path().join("schedule")), 0o700);
}

/// `wsim analyse -` that has made its work folder and waits for lines.
fn waiting(folder: &Path) -> BackgroundProcess {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsim"));
    command.current_dir(folder).args(["analyse", "-", "--name", "run", "--force"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let work = || folder.join("reports").is_dir() && names(&folder.join("reports")).iter().any(|name| name.ends_with(".partial"));
    let running = BackgroundProcess(child);
    let began = std::time::Instant::now();
    while !work() {
        assert!(began.elapsed().as_secs() < 20, "the run did not begin");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    running
}

#[test]
fn the_next_run_removes_what_a_killed_one_left_and_nothing_of_a_running_one() {
    let place = Place::new();
    let mut killed = waiting(place.folder.path());
    killed.0.kill().unwrap();
    killed.0.wait().unwrap();
    let left = |place: &Place| names(&place.reports()).into_iter().filter(|name| name.starts_with('.')).collect::<Vec<_>>();
    let abandoned = left(&place);
    assert_eq!(abandoned.len(), 1);
    // The same place in another guise: nothing says that wsim made it.
    std::fs::create_dir(place.reports().join(".thesis.partial")).unwrap();
    std::fs::write(place.reports().join(".thesis.partial/chapter"), "").unwrap();
    let mut running = Command::new(env!("CARGO_BIN_EXE_wsim"));
    running.current_dir(place.folder.path()).args(["analyse", "-", "--name", "other", "--quiet"]);
    let mut running = BackgroundProcess(running.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    let began = std::time::Instant::now();
    while !left(&place).iter().any(|name| name.starts_with(".other.")) {
        assert!(began.elapsed().as_secs() < 20, "the run did not begin");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(!left(&place).contains(&abandoned[0]), "{:?}", left(&place));
    let (status, _, error) = place.run(&["report", "reports/before", "reports/after", "--quiet"]);
    assert_eq!(status, 0, "{error}");
    let mut pipe = running.0.stdin.take().unwrap();
    pipe.write_all(&std::fs::read(sample("synapse-worker.log")).unwrap()).unwrap();
    drop(pipe);
    assert!(running.0.wait().unwrap().code().is_some_and(|code| code == 0 || code == 3));
    assert_eq!(names(&place.reports()), [".thesis.partial", "after", "before", "comparison", "other"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_beside_a_whole_one() {
    let place = Place::new();
    place.run(&["analyse", &sample("synapse-worker.log"), "--quiet", "--name", "run"]);
    let before = contents(&place.target());
    let mut running = waiting(place.folder.path());
    let mut pipe = running.0.stdin.take().unwrap();
    let log = std::fs::read(sample("nginx-rich.log")).unwrap();
    let write = |pipe: &mut std::process::ChildStdin| (0..(3 << 20) / log.len()).all(|_| pipe.write_all(&log).is_ok());
    assert!(write(&mut pipe));
    rustix::process::kill_process(rustix::process::Pid::from_child(&running.0), rustix::process::Signal::TERM).unwrap();
    // The reader notices the signal at its next block and may close the pipe before everything is written.
    write(&mut pipe);
    drop(pipe);
    let mut error = String::new();
    std::io::Read::read_to_string(&mut running.0.stderr.take().unwrap(), &mut error).unwrap();
    assert!(error.contains("holds a complete run, which an interrupted one does not replace"), "{error}");
    assert_eq!(contents(&place.target()), before);
    let report = std::fs::read_to_string(place.reports().join("run-partial/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["partial"], true);
}

#[test]
fn a_shard_whose_interval_log_is_empty_is_named() {
    // `merge` reads the reports first, so this needs real shards: those of the merge tests.
    let place = tempfile::tempdir().unwrap();
    let runs = crate::merge::shards(place.path());
    std::fs::write(runs[1].join("replay.hlog"), "").unwrap();
    let merge = || wsim().arg("merge").args(&runs).args(["--name", "whole", "--out"]).arg(place.path()).output().unwrap();
    let output = merge();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&format!("{}: interval log 2 is empty", runs[1].join("replay.hlog").display())), "{error}");
    std::fs::remove_file(runs[1].join("replay.hlog")).unwrap();
    let error = String::from_utf8_lossy(&merge().stderr).into_owned();
    assert!(error.contains("replay.hlog is missing, although other shards have theirs"), "{error}");
    assert!(!place.path().join("whole").exists());
}
