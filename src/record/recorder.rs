//! Finds the processes and reads their counters.
//!
//! A process whose parent bears the same name (PostgreSQL's backends) is counted with that parent. CPU of a process that has ended stays in the counter of
//! its name, so that a restart looks like a pause.
//!
//! Most processes of a machine are not looked at: a command line is read when a process is new, twice more soon after (a script may become Synapse by `exec`),
//! and then every [`RECHECK`] samples.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::cgroup::Groups;
use super::identity::{Identity, identify};
use super::{RecordError, Stat, name};

/// Where to look, and for what.
#[derive(Debug, Clone)]
pub struct RecorderConfig {
    /// The folder of processes.
    pub processes: PathBuf,
    /// The folder where control groups are mounted.
    pub control_groups: PathBuf,
    /// Only processes of Synapse whose command line names this file or folder of configuration; all if `None`.
    pub configuration: Option<String>,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self { processes: "/proc".into(), control_groups: "/sys/fs/cgroup".into(), configuration: None }
    }
}

/// The software of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Software {
    /// The main process or a worker.
    Synapse,
    /// PostgreSQL with all its backends.
    Postgres,
    /// Redis, or what stands in for it.
    Redis,
}

/// One process at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `main`, the name of a worker, `postgres`, `redis` or `valkey`.
    pub process: String,
    /// Its software.
    pub software: Software,
    /// CPU since its start, user and system, all threads, s. Never falls.
    pub cpu_seconds: f64,
    /// Resident memory, bytes. What the backends of PostgreSQL share is counted once.
    pub rss_bytes: u64,
    /// Threads of all its processes.
    pub threads: u32,
    /// Cores that its control group allows; `None` without a limit.
    pub limit_cores: Option<f64>,
    /// Cores on which it may run; `None` where the system does not say.
    pub allowed_cores: Option<u32>,
    /// Time for which the limit kept its threads from running, s; `None` without a limit.
    pub throttled_seconds: Option<f64>,
}

/// Reads the counters of all processes that it finds, again and again.
#[derive(Debug)]
pub struct Recorder {
    config: RecorderConfig,
    ticks_per_second: f64,
    page_bytes: u64,
    samples: u64,
    known: HashMap<u32, Known>,
    series: BTreeMap<String, Series>,
}

/// A process that was seen.
#[derive(Debug)]
struct Known {
    started_ticks: u64,
    /// Number of the sample in which it was first seen.
    since: u64,
    /// `None` for what is not recorded.
    named: Option<(String, Software)>,
}

/// All processes of one name.
#[derive(Debug)]
struct Series {
    software: Software,
    /// CPU of those that have ended, s.
    ended_seconds: f64,
    /// By process id, without those that have a parent of the same name.
    roots: BTreeMap<u32, Root>,
}

#[derive(Debug)]
struct Root {
    started_ticks: u64,
    cpu_seconds: f64,
    groups: Groups,
    limit_cores: Option<f64>,
}

/// A process that is recorded, as it is now.
#[derive(Debug, Clone)]
struct Live {
    pid: u32,
    name: String,
    software: Software,
    stat: Stat,
}

impl Recorder {
    /// Looks for processes for the first time with the first [`Self::sample`].
    #[must_use]
    pub fn new(config: RecorderConfig) -> Self {
        Self {
            config,
            ticks_per_second: rustix::param::clock_ticks_per_second() as f64,
            page_bytes: rustix::param::page_size() as u64,
            samples: 0,
            known: HashMap::new(),
            series: BTreeMap::new(),
        }
    }

    /// The processes that run now, by name. One that ends while it is read is left out.
    ///
    /// # Errors
    /// The processes cannot be listed.
    pub fn sample(&mut self) -> Result<Vec<Sample>, RecordError> {
        let live = self.live()?;
        self.samples += 1;
        let by_pid: HashMap<u32, &Live> = live.iter().map(|process| (process.pid, process)).collect();
        let mut families: BTreeMap<u32, Vec<&Live>> = BTreeMap::new();
        for process in &live {
            families.entry(root_of(process, &by_pid)).or_default().push(process);
        }
        for (root, members) in &families {
            if let Some(process) = by_pid.get(root) {
                self.update(process, members);
            }
        }
        for series in self.series.values_mut() {
            let ended =
                series.roots.extract_if(.., |pid, root| by_pid.get(pid).is_none_or(|now| now.stat.started_ticks != root.started_ticks));
            series.ended_seconds += ended.map(|(_, root)| root.cpu_seconds).sum::<f64>();
        }
        let samples = self.series.iter().filter_map(|(name, series)| self.of_series(name, series, &families)).collect();
        Ok(samples)
    }

    /// Names that several processes bear at once: of two homeservers on one machine, for example. Their figures are added up.
    #[must_use]
    pub fn repeated(&self) -> BTreeSet<&str> {
        let several = self.series.iter().filter(|(_, series)| series.software == Software::Synapse && series.roots.len() > 1);
        several.map(|(name, _)| name.as_str()).collect()
    }

    /// The processes that are recorded, in the order of their ids: parents usually before their children.
    fn live(&mut self) -> Result<Vec<Live>, RecordError> {
        let folder = &self.config.processes;
        let error = |source| RecordError::Processes { path: folder.clone(), source };
        let mut pids: Vec<u32> = Vec::new();
        for entry in fs::read_dir(folder).map_err(error)? {
            // A process may end while the list is read.
            let Ok(entry) = entry else { continue };
            pids.extend(entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        pids.sort_unstable();
        let live = pids.iter().filter_map(|&pid| self.look_at(pid)).collect();
        let pids: BTreeSet<u32> = pids.into_iter().collect();
        self.known.retain(|pid, _| pids.contains(pid));
        Ok(live)
    }

    /// What a process is and has used; `None` if it is not recorded, or has just ended.
    fn look_at(&mut self, pid: u32) -> Option<Live> {
        let samples = self.samples;
        let is_due = |known: &Known| samples - known.since < NEW || (samples + u64::from(pid)).is_multiple_of(RECHECK);
        if self.known.get(&pid).is_some_and(|known| known.named.is_none() && !is_due(known)) {
            return None;
        }
        let folder = self.config.processes.join(pid.to_string());
        let stat = Stat::parse(&fs::read(folder.join("stat")).ok()?)?;
        let same = self.known.get(&pid).filter(|known| known.started_ticks == stat.started_ticks);
        let (named, since) = match same {
            Some(Known { named: Some(named), since, .. }) => (Some(named.clone()), *since),
            Some(known) => (self.named(&folder), known.since),
            None => (self.named(&folder), samples),
        };
        self.known.insert(pid, Known { started_ticks: stat.started_ticks, since, named: named.clone() });
        named.map(|(name, software)| Live { pid, name, software, stat })
    }

    /// The name under which a process is recorded.
    fn named(&self, folder: &Path) -> Option<(String, Software)> {
        let command_line = fs::read(folder.join("cmdline")).ok()?;
        match identify(&command_line)? {
            Identity::Postgres => Some(("postgres".to_owned(), Software::Postgres)),
            Identity::Redis(name) => Some((name.to_owned(), Software::Redis)),
            Identity::Synapse { is_main, configuration } => {
                if self.config.configuration.as_ref().is_some_and(|wanted| !configuration.contains(wanted)) {
                    return None;
                }
                let group = || Groups::of(&fs::read_to_string(folder.join("cgroup")).unwrap_or_default(), &self.config.control_groups).path;
                let name = if is_main { MAIN.to_owned() } else { name::of_worker(folder, &configuration, group().as_deref()) };
                Some((name, Software::Synapse))
            }
        }
    }

    /// Takes over the CPU that a process and its children of the same name have used.
    fn update(&mut self, process: &Live, members: &[&Live]) {
        let folder = self.config.processes.join(process.pid.to_string());
        let ticks: u64 = members.iter().map(|member| member.stat.cpu_ticks.saturating_add(member.stat.children_ticks)).sum();
        let cpu_seconds = ticks as f64 / self.ticks_per_second;
        let is_due = (self.samples + u64::from(process.pid)).is_multiple_of(RECHECK);
        let series = self.series.entry(process.name.clone()).or_insert_with(|| Series {
            software: process.software,
            ended_seconds: 0.0,
            roots: BTreeMap::new(),
        });
        let started_ticks = process.stat.started_ticks;
        if let Some(root) = series.roots.get_mut(&process.pid).filter(|root| root.started_ticks == started_ticks) {
            // A child that ended between two readings is in neither for a moment.
            root.cpu_seconds = root.cpu_seconds.max(cpu_seconds);
            if is_due {
                root.limit_cores = root.groups.limit_cores();
            }
            return;
        }
        let groups = Groups::of(&fs::read_to_string(folder.join("cgroup")).unwrap_or_default(), &self.config.control_groups);
        let root = Root { started_ticks, cpu_seconds, limit_cores: groups.limit_cores(), groups };
        if let Some(before) = series.roots.insert(process.pid, root) {
            series.ended_seconds += before.cpu_seconds;
        }
    }

    /// The sample of all processes of a name; `None` if none runs.
    fn of_series(&self, name: &str, series: &Series, families: &BTreeMap<u32, Vec<&Live>>) -> Option<Sample> {
        let (first, root) = series.roots.first_key_value()?;
        let members: Vec<&Live> = series.roots.keys().filter_map(|pid| families.get(pid)).flatten().copied().collect();
        let running: f64 = series.roots.values().map(|root| root.cpu_seconds).sum();
        Some(Sample {
            process: name.to_owned(),
            software: series.software,
            cpu_seconds: series.ended_seconds + running,
            rss_bytes: self.resident_pages(&members) * self.page_bytes,
            threads: members.iter().map(|member| member.stat.threads).sum(),
            limit_cores: root.limit_cores,
            allowed_cores: allowed_cores(*first),
            throttled_seconds: root.limit_cores.and_then(|_| root.groups.throttled_seconds()),
        })
    }

    /// Resident memory of processes that share some of it. All share about the same memory, so the largest share is counted once.
    fn resident_pages(&self, members: &[&Live]) -> u64 {
        if let [alone] = members {
            return alone.stat.resident_pages;
        }
        let mut own = 0_u64;
        let mut shared_max = 0;
        for member in members {
            let text = fs::read_to_string(self.config.processes.join(member.pid.to_string()).join("statm")).unwrap_or_default();
            let mut pages = text.split_ascii_whitespace().skip(1).map_while(|pages| pages.parse::<u64>().ok());
            let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
            own += resident.saturating_sub(shared);
            shared_max = shared.max(shared_max);
        }
        own + shared_max
    }
}

/// The topmost process of the same name among the parents of a process.
fn root_of(process: &Live, by_pid: &HashMap<u32, &Live>) -> u32 {
    let mut root = process;
    for _ in 0..GENERATIONS_MAX {
        match by_pid.get(&root.stat.parent) {
            Some(parent) if parent.name == process.name && parent.pid != root.pid => root = parent,
            _ => break,
        }
    }
    root.pid
}

#[cfg(target_os = "linux")]
fn allowed_cores(pid: u32) -> Option<u32> {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
    Some(rustix::thread::sched_getaffinity(Some(pid)).ok()?.count())
}

#[cfg(not(target_os = "linux"))]
fn allowed_cores(_: u32) -> Option<u32> {
    None
}

const MAIN: &str = "main";
/// Samples in which a command line is read again after the process was first seen.
const NEW: u64 = 3;
/// Samples between two readings of the command line of any other process, and of limits.
const RECHECK: u64 = 12;
const GENERATIONS_MAX: usize = 16;

#[cfg(test)]
mod tests;
