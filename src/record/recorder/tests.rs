//! Recording on a folder like `/proc`.

use super::*;
use crate::stat::tests::line;

/// A folder like `/proc`.
struct Processes(tempfile::TempDir);

impl Processes {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, pid: u32, parent: u32, words: &[&str], cpu_ticks: u64, children_ticks: u64) {
        let folder = self.0.path().join(pid.to_string());
        fs::create_dir_all(&folder).unwrap();
        let stat = Stat { parent, cpu_ticks, children_ticks, threads: 2, started_ticks: u64::from(pid), resident_pages: 100 };
        fs::write(folder.join("stat"), line(pid, &stat)).unwrap();
        fs::write(folder.join("statm"), "500 100 60 1 0 2 0\n").unwrap();
        fs::write(folder.join("cgroup"), "0::/a.service\n").unwrap();
        fs::write(folder.join("cmdline"), words.iter().flat_map(|word| word.bytes().chain([0])).collect::<Vec<u8>>()).unwrap();
    }

    fn end(&self, pid: u32) {
        fs::remove_dir_all(self.0.path().join(pid.to_string())).unwrap();
    }

    fn recorder(&self) -> Recorder {
        let config =
            RecorderConfig { processes: self.0.path().to_owned(), control_groups: self.0.path().join("groups"), configuration: None };
        Recorder { ticks_per_second: 100.0, page_bytes: 4096, ..Recorder::new(config) }
    }
}

const MAIN_WORDS: [&str; 5] = ["python3", "-m", "synapse.app.homeserver", "-c", "/nonexistent/homeserver.yaml"];
const WORKER_WORDS: [&str; 5] = ["python3", "-m", "synapse.app.generic_worker", "-c", "/nonexistent/generic_worker1.yaml"];

fn seconds(recorder: &mut Recorder, name: &str) -> Option<f64> {
    recorder.sample().unwrap().iter().find(|sample| sample.process == name).map(|sample| sample.cpu_seconds)
}

#[test]
fn each_process_has_its_counters() {
    let processes = Processes::new();
    processes.run(10, 1, &MAIN_WORDS, 1000, 0);
    processes.run(11, 1, &WORKER_WORDS, 250, 0);
    processes.run(12, 1, &["sshd"], 99, 0);
    fs::create_dir_all(processes.0.path().join("groups/a.service")).unwrap();
    fs::write(processes.0.path().join("groups/a.service/cpu.max"), "50000 100000\n").unwrap();
    let samples = processes.recorder().sample().unwrap();
    let names: Vec<&str> = samples.iter().map(|sample| sample.process.as_str()).collect();
    assert_eq!(names, ["generic_worker1", "main"]);
    assert_eq!((samples[1].cpu_seconds, samples[1].rss_bytes, samples[1].threads), (10.0, 409_600, 2));
    assert_eq!((samples[1].limit_cores, samples[1].software), (Some(0.5), Software::Synapse));
}

#[test]
fn a_restart_is_a_pause_and_a_counter_never_falls() {
    let processes = Processes::new();
    processes.run(10, 1, &MAIN_WORDS, 1000, 0);
    let mut recorder = processes.recorder();
    assert_eq!(seconds(&mut recorder, "main"), Some(10.0));
    processes.end(10);
    assert_eq!(seconds(&mut recorder, "main"), None);
    processes.run(20, 1, &MAIN_WORDS, 50, 0);
    assert_eq!(seconds(&mut recorder, "main"), Some(10.5));
    // The same id again, for a process that started later.
    processes.end(20);
    processes.run(20, 1, &MAIN_WORDS, 10, 0);
    let stat = Stat { parent: 1, cpu_ticks: 10, children_ticks: 0, threads: 1, started_ticks: 77, resident_pages: 1 };
    fs::write(processes.0.path().join("20/stat"), line(20, &stat)).unwrap();
    assert_eq!(seconds(&mut recorder, "main"), Some(10.6));
}

#[test]
fn backends_count_with_their_database_and_what_they_share_once() {
    let processes = Processes::new();
    processes.run(5, 1, &["/usr/lib/postgresql/15/bin/postgres", "-D", "x"], 100, 300);
    processes.run(6, 5, &["postgres: checkpointer "], 50, 0);
    processes.run(7, 5, &["postgres: synapse synapse 127.0.0.1(4) idle"], 150, 0);
    let mut recorder = processes.recorder();
    let [sample] = <[Sample; 1]>::try_from(recorder.sample().unwrap()).unwrap();
    assert_eq!((sample.process.as_str(), sample.cpu_seconds, sample.threads), ("postgres", 6.0, 6));
    assert_eq!(sample.rss_bytes, (3 * 40 + 60) * 4096);
    // A backend ends: its time is that of its parent's children from now on.
    processes.end(7);
    assert_eq!(seconds(&mut recorder, "postgres"), Some(6.0));
    processes.run(5, 1, &["/usr/lib/postgresql/15/bin/postgres", "-D", "x"], 100, 460);
    assert_eq!(seconds(&mut recorder, "postgres"), Some(6.1));
}

#[test]
fn a_script_that_becomes_synapse_is_found() {
    let processes = Processes::new();
    processes.run(10, 1, &["sh", "start.sh"], 1, 0);
    let mut recorder = processes.recorder();
    assert_eq!(seconds(&mut recorder, "main"), None);
    processes.run(10, 1, &MAIN_WORDS, 2, 0);
    assert_eq!(seconds(&mut recorder, "main"), Some(0.02));
    processes.run(30, 1, &["sleep", "9"], 1, 0);
    (0..5).for_each(|_| drop(recorder.sample().unwrap()));
    processes.run(30, 1, &WORKER_WORDS, 7, 0);
    assert!((0..RECHECK).any(|_| seconds(&mut recorder, "generic_worker1").is_some()), "it is looked at again");
}

#[test]
fn two_homeservers_are_noticed_and_can_be_told_apart() {
    let processes = Processes::new();
    processes.run(10, 1, &MAIN_WORDS, 100, 0);
    processes.run(11, 1, &["python3", "-m", "synapse.app.homeserver", "-c", "/other.yaml"], 200, 0);
    let mut recorder = processes.recorder();
    assert_eq!(seconds(&mut recorder, "main"), Some(3.0));
    assert_eq!(recorder.repeated().into_iter().collect::<Vec<_>>(), ["main"]);
    let mut recorder = processes.recorder();
    recorder.config.configuration = Some("/other.yaml".to_owned());
    assert_eq!(seconds(&mut recorder, "main"), Some(2.0));
    assert!(recorder.repeated().is_empty());
}

#[test]
fn without_a_list_of_processes_there_is_an_error() {
    let config = RecorderConfig { processes: "/nonexistent".into(), ..RecorderConfig::default() };
    assert!(matches!(Recorder::new(config).sample(), Err(RecordError::Processes { .. })));
}
