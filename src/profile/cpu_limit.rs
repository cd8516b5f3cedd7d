//! CPU that the processes which wrote the logs could use: told by the administrator, or found in the logs.
//!
//! Knows nothing of plans: what was told comes as names and numbers. Invariant: what was told is never replaced by what is found; where the two
//! disagree, a warning says so.

mod found;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::deployment::{DeployedProcess, DeployedRole, Deployment, WarningEffect};
use super::model::Profile;
use super::process_cpu::{ProcessCpu, plain_name};
use found::{FoundLimit, find_limits};
use wsim_stats::Interval;
use wsim_text::{list, plural, quoted};
use wsim_trace::{NameId, Request, ServedBy, Trace};

/// CPU that a process of the observed deployment could use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CpuLimit {
    /// Cores, at most 1.
    pub cores: Interval,
    /// Length of a period of the limit, ms.
    pub period_ms: f64,
    pub source: LimitSource,
    /// Busy spells of the process that the limit was found from; 0 if it was told.
    pub spells: u64,
}

/// How a limit is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitSource {
    /// The administrator says so.
    Told,
    /// The log says so, and the process's CPU counter agrees.
    FoundAndMeasured,
    /// The log alone says so.
    Found,
}

/// What the administrator says of the deployment that wrote the logs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToldDeployment {
    pub processes: Vec<ToldProcess>,
    /// Cores of the machine that all processes share.
    pub cores: Option<f64>,
}

/// What the administrator says of one process.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToldProcess {
    /// What logs may call the process: its name, its address.
    pub names: Vec<String>,
    pub is_main: bool,
    /// It serves requests of clients, as one of a pool.
    pub in_pool: bool,
    /// Cores that it may use; 1 or more is no limit.
    pub cores: f64,
    /// Length of a period of the limit, ms.
    pub period_ms: f64,
}

impl CpuLimit {
    /// Whether the process could use a whole core.
    pub fn is_whole_core(&self) -> bool {
        self.cores.value >= 1.0
    }

    /// `0.25 cores, 5 ms in every 20 ms`.
    fn words(&self) -> String {
        if self.is_whole_core() {
            return "a whole core".to_owned();
        }
        let Interval { value, low, high } = self.cores;
        let range = if self.source == LimitSource::Told { String::new() } else { format!(" ({low:.2}–{high:.2})") };
        format!(
            "{} cores{range}, {} ms in every {} ms",
            wsim_text::tick((value * 1000.0).round() / 1000.0),
            wsim_text::tick((value * self.period_ms * 10.0).round() / 10.0),
            wsim_text::tick(self.period_ms)
        )
    }
}

impl Deployment {
    /// The limit of a process, by the name that the logs give it.
    pub fn cpu_limit(&self, name: &str) -> Option<&CpuLimit> {
        self.processes.iter().find(|process| process.name == name).and_then(|process| process.cpu_limit.as_ref())
    }

    /// What was told, found or assumed of the CPU that the processes could use, a sentence.
    pub fn cpu_sentence(&self) -> String {
        let with = |is: fn(LimitSource) -> bool| -> Vec<String> {
            let limited =
                self.processes.iter().filter_map(|process| Some((process, process.cpu_limit.filter(|limit| !limit.is_whole_core())?)));
            let limited = limited.filter(|(_, limit)| is(limit.source));
            limited.map(|(process, limit)| format!("{} {}", quoted(&process.name), limit.words())).take(NAMES_MAX).collect()
        };
        let told = with(|source| source == LimitSource::Told);
        let found = with(|source| source != LimitSource::Told);
        let mut parts = Vec::new();
        parts.extend((!told.is_empty()).then(|| format!("{} (told by --observed)", list(&told))));
        parts.extend((!found.is_empty()).then(|| format!("{} (found in the log)", list(&found))));
        let all_told = !self.processes.is_empty()
            && self.processes.iter().all(|process| process.cpu_limit.is_some_and(|limit| limit.source == LimitSource::Told));
        let others = if parts.is_empty() { "every process" } else { "every other process" };
        parts.push(format!(
            "{others} a whole core ({})",
            if all_told { "told by --observed" } else { "assumed; --observed tells CPU limits" }
        ));
        let cores =
            self.cores.map_or_else(String::new, |cores| format!(" They shared {} cores (told by --observed).", wsim_text::tick(cores)));
        format!("CPU that the processes of the log could use: {}.{cores}", parts.join("; "))
    }

    /// Adds what the administrator says; the trace knows the addresses of processes. A process that nothing was said of keeps no limit, and a
    /// warning names it.
    pub fn tell(&mut self, told: &ToldDeployment, trace: Option<&Trace>) {
        self.cores = told.cores;
        let by_address = trace.map(|trace| told.by_address(trace)).unwrap_or_default();
        let said: Vec<Option<&ToldProcess>> =
            self.processes.iter().map(|process| told.of(process).or_else(|| by_address.get(&process.name).copied())).collect();
        let others = told.other_workers(&said);
        let mut unknown = Vec::new();
        for (process, said) in self.processes.iter_mut().zip(said) {
            let is_other_worker = process.role == DeployedRole::Worker && process.requests > 0;
            match said.or(others.filter(|_| is_other_worker)) {
                Some(said) => process.cpu_limit = Some(said.limit()),
                None => unknown.push(quoted(&process.name)),
            }
        }
        if !unknown.is_empty() {
            let names: Vec<String> = unknown.iter().take(NAMES_MAX).cloned().collect();
            let are = if unknown.len() == 1 { "is" } else { "are" };
            self.warn(
                WarningEffect::Doubt,
                format!(
                    "{} of the logs {are} not in the plan of --observed ({}): a whole core is assumed; name its pools and workers as the logs do",
                    plural(unknown.len() as u64, "process", "processes"),
                    list(&names)
                ),
            );
        }
        let limited: Vec<String> = self
            .processes
            .iter()
            .filter_map(|process| Some((process, process.cpu_limit.filter(|limit| !limit.is_whole_core())?)))
            .map(|(process, limit)| format!("{} may use {}", quoted(&process.name), limit.words()))
            .collect();
        let cores = told.cores.map(|cores| format!("the machine has {} cores", wsim_text::tick(cores)));
        let facts: Vec<String> = if limited.is_empty() { vec!["every process may use a whole core".to_owned()] } else { limited };
        let facts: Vec<String> = facts.into_iter().take(NAMES_MAX).chain(cores).collect();
        self.notes.push(format!("told by --observed: {}", facts.join("; ")));
    }
}

impl ToldDeployment {
    /// The limits of the servers in a proxy's log, by upstream, or by process where Synapse logged a request. An upstream that nothing was said of is the
    /// main process if it is the only one.
    pub fn limits_of(&self, trace: &Trace) -> HashMap<NameId, CpuLimit> {
        let servers: BTreeSet<NameId> = trace.requests().map(|request| server_of(&request)).filter(|server| server.is_some()).collect();
        let mut limits = HashMap::new();
        let mut unknown = Vec::new();
        for server in servers {
            match self.of_name(trace.names.text(server)) {
                Some(told) => {
                    limits.insert(server, told.limit());
                }
                None => unknown.push(server),
            }
        }
        if let ([server], Some(main)) = (unknown.as_slice(), self.processes.iter().find(|told| told.is_main)) {
            limits.insert(*server, main.limit());
        }
        limits
    }

    /// What was said of a process by its name: by exactly this name, else by the only one that is like it.
    fn of_name(&self, name: &str) -> Option<&ToldProcess> {
        let exact = |name: &str| self.processes.iter().find(|told| told.names.iter().any(|own| own == name));
        exact(name).or_else(|| exact(name.rsplit('/').next()?)).or_else(|| {
            let wanted = plain_name(name);
            let mut similar = self.processes.iter().filter(|told| told.names.iter().any(|own| plain_name(own) == wanted));
            similar.next().filter(|_| !wanted.is_empty() && similar.next().is_none())
        })
    }

    /// What was said of processes by the addresses that a proxy's log has of them, by the name of the process.
    fn by_address(&self, trace: &Trace) -> BTreeMap<String, &ToldProcess> {
        let upstreams: BTreeSet<NameId> = trace.requests().map(|request| request.upstream).filter(|upstream| upstream.is_some()).collect();
        let served_by = if upstreams.is_empty() { ServedBy::default() } else { ServedBy::from_trace(trace) };
        let of = |upstream: NameId| {
            let process = served_by.process_of(&Request { upstream, ..Request::default() });
            Some((trace.names.text(process).to_owned(), self.of_name(trace.names.text(upstream))?))
        };
        upstreams.into_iter().filter_map(of).collect()
    }

    /// What was said of the workers of pools that no process of the logs is known to be, if it is the same of all: the logs have other names for them.
    fn other_workers(&self, said: &[Option<&ToldProcess>]) -> Option<&ToldProcess> {
        let is_known = |told: &ToldProcess| said.iter().flatten().any(|said| std::ptr::eq(*said, told));
        let mut others = self.processes.iter().filter(|told| told.in_pool && !is_known(told));
        let first = others.next()?;
        others.all(|other| other.limit() == first.limit()).then_some(first)
    }

    /// What was said of a process of the logs.
    fn of(&self, process: &DeployedProcess) -> Option<&ToldProcess> {
        let main = || self.processes.iter().find(|told| told.is_main && process.role == DeployedRole::Main);
        self.of_name(&process.name).or_else(main)
    }
}

impl ToldProcess {
    fn limit(&self) -> CpuLimit {
        // A Python process uses no second core, whatever its container may.
        CpuLimit { cores: Interval::exact(self.cores.min(1.0)), period_ms: self.period_ms, source: LimitSource::Told, spells: 0 }
    }
}

impl Profile {
    /// Looks for processes that never got more than a share of a core although their requests waited. What was told stays.
    pub fn find_cpu_limits(&mut self, trace: &Trace, process_cpu: Option<&ProcessCpu>) {
        for (name, found) in find_limits(self, trace, process_cpu) {
            let Some(process) = self.deployment.processes.iter_mut().find(|process| process.name == name) else { continue };
            match process.cpu_limit {
                None => {
                    process.cpu_limit = Some(found.limit);
                    let (effect, text) = (WarningEffect::Doubt, found_sentence(&name, &found));
                    self.deployment.warn(effect, text);
                }
                Some(told) if told.is_whole_core() => {
                    let text = format!(
                        "{} may use a whole core by --observed, but never got more than {} although its requests waited: check its limit, or whether other programs use its cores",
                        quoted(&name),
                        found.limit.words()
                    );
                    self.deployment.warn(WarningEffect::Doubt, text);
                }
                Some(_) => {}
            }
        }
    }
}

/// What was found, how sure, and what to do.
fn found_sentence(name: &str, found: &FoundLimit) -> String {
    let limit = &found.limit;
    let (sure, counter) = match limit.source {
        LimitSource::FoundAndMeasured => ("almost certainly", " (its CPU counter agrees)"),
        LimitSource::Found | LimitSource::Told => ("probably", ""),
    };
    let Interval { value, low, high } = limit.cores;
    // A name that TOML takes as it is.
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let key = if plain { name.to_owned() } else { quoted(name) };
    format!(
        "{} {sure} gets at most {value:.2} cores ({low:.2}–{high:.2}), in periods of about {} ms: in {} it used that and no more while {:.1} requests at a time waited for a thread{counter}. That is a container's limit, or other programs on its cores; --observed tells it: [process.{key}] cpu = {value:.2}, cpu_period = {}",
        quoted(name),
        wsim_text::tick(limit.period_ms),
        plural(limit.spells, "busy spell", "busy spells"),
        found.waiting,
        wsim_text::tick(limit.period_ms)
    )
}

/// The server of a request, as the inference of demand counts servers.
pub(super) fn server_of(request: &Request) -> NameId {
    if request.upstream.is_some() { request.upstream } else { request.process }
}

const NAMES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, role: DeployedRole) -> DeployedProcess {
        DeployedProcess {
            name: name.to_owned(),
            role,
            requests: 10,
            internal_requests: 0,
            cpu_seconds: Some(1.0),
            process_cpu_seconds: None,
            own_peak: None,
            peak_cores: Some(0.1),
            own_log: true,
            cpu_limit: None,
        }
    }

    fn told(names: &[&str], cores: f64) -> ToldProcess {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        ToldProcess { is_main: names.iter().any(|name| name == "main"), in_pool: false, names, cores, period_ms: 20.0 }
    }

    #[test]
    fn what_is_told_of_a_process_finds_it_by_name_address_likeness_and_role() {
        let processes = vec![
            process("homeserver-0", DeployedRole::Main),
            process("generic_worker1", DeployedRole::Worker),
            process("10.0.0.7:8082", DeployedRole::Worker),
            process("synapse-stream-writer1", DeployedRole::Worker),
            process("pusher1", DeployedRole::Worker),
        ];
        let mut deployment = Deployment { processes, ..Deployment::default() };
        let processes = vec![
            told(&["main"], 0.5),
            told(&["generic_worker1", "10.0.0.7:8081"], 0.25),
            told(&["generic_worker2", "10.0.0.7:8082"], 2.0),
            told(&["stream_writer1"], 0.1),
        ];
        deployment.tell(&ToldDeployment { processes, cores: Some(4.0) }, None);
        let cores = |name: &str| deployment.cpu_limit(name).map(|limit| limit.cores.value);
        assert_eq!(cores("homeserver-0"), Some(0.5));
        assert_eq!(cores("generic_worker1"), Some(0.25));
        assert_eq!(cores("10.0.0.7:8082"), Some(1.0), "a Python process uses no second core");
        assert_eq!(cores("synapse-stream-writer1"), Some(0.1));
        assert_eq!(cores("pusher1"), None);
        assert_eq!(deployment.cores, Some(4.0));
        assert!(deployment.warnings[0].text.contains("\"pusher1\""), "{:?}", deployment.warnings);
        assert!(deployment.notes[0].contains("\"generic_worker1\" may use 0.25 cores, 5 ms in every 20 ms"), "{:?}", deployment.notes);
        let sentence = deployment.cpu_sentence();
        assert!(sentence.contains("\"generic_worker1\" 0.25 cores, 5 ms in every 20 ms"), "{sentence}");
        assert!(
            sentence.ends_with(
                "every other process a whole core (assumed; --observed tells CPU limits). They shared 4 cores (told by --observed)."
            ),
            "{sentence}"
        );
        assert_eq!(
            Deployment::default().cpu_sentence(),
            "CPU that the processes of the log could use: every process a whole core (assumed; --observed tells CPU limits)."
        );
    }

    #[test]
    fn a_worker_is_found_by_its_address_in_the_proxy_s_log_and_workers_of_other_names_by_elimination() {
        let mut trace = Trace::new();
        let [worker, address] = ["generic_worker1", "127.0.0.1:8081"].map(|name| trace.names.intern(name.as_bytes()));
        trace.push(Request { process: worker, upstream: address, ..Request::default() });
        trace.seal();
        let processes = ["generic_worker1", "generic_worker2", "generic_worker3"].map(|name| process(name, DeployedRole::Worker)).to_vec();
        let mut deployment = Deployment { processes, ..Deployment::default() };
        let in_pool = |names: &[&str], cores| ToldProcess { in_pool: true, ..told(names, cores) };
        let mut said = ToldDeployment {
            processes: vec![in_pool(&["sync1", "127.0.0.1:8081"], 0.25), in_pool(&["sync2"], 0.5), in_pool(&["sync3"], 0.5)],
            cores: None,
        };
        deployment.tell(&said, Some(&trace));
        let cores: Vec<Option<f64>> = deployment.processes.iter().map(|process| process.cpu_limit.map(|limit| limit.cores.value)).collect();
        assert_eq!(cores, [Some(0.25), Some(0.5), Some(0.5)]);
        assert!(deployment.warnings.is_empty(), "{:?}", deployment.warnings);
        said.processes[2].cores = 0.75;
        assert_eq!(said.other_workers(&[said.processes.first()]), None, "which of them is which, nobody knows");
        let by_server = said.limits_of(&trace);
        assert_eq!(by_server.get(&address).map(|limit| limit.cores.value), Some(0.25));
    }
}
