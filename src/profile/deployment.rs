//! The deployment that wrote the logs: its processes, and whether the logs are of all of them.
//!
//! Judges by the requests alone; what the inputs themselves tell (a file that could not be read) is added by the reader with
//! [`Deployment::warn`]. Invariant: a process is listed once, whatever the proxies call it, and only if requests reached it.

use serde::{Deserialize, Serialize};

use super::costed::CostedCounters;
use super::cpu_limit::CpuLimit;
use super::measured_work::MeasuredWork;
use super::model::{Peak, Window};
use super::process_cpu::ProcessCpu;
use super::processes::ProcessSums;
use wsim_text::{count, list, plural, quoted};
use wsim_trace::foreign::ForeignTraffic;

/// What the logs tell of the deployment that wrote them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Deployment {
    /// The main process first if it is known, then by CPU at the peak.
    pub processes: Vec<DeployedProcess>,
    /// Part of the deployment or of its requests is missing.
    pub partial: bool,
    /// So much is missing that nothing can be said of the deployment as a whole.
    pub too_partial: bool,
    /// How the processes are known, and what is missing. Phrases without a full stop.
    pub notes: Vec<String>,
    /// What the reader must know before the verdict.
    pub warnings: Vec<Warning>,
    /// Requests in a proxy's log that never reached Synapse.
    pub foreign_requests: u64,
    /// Cores of the machine that all processes share, if told.
    #[serde(default)]
    pub cores: Option<f64>,
    /// What the CPU of the processes was used for, where Prometheus measured it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<MeasuredWork>,
}

/// One Synapse process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeployedProcess {
    /// Text from the log: must be escaped.
    pub name: String,
    pub role: DeployedRole,
    /// Client and federation requests.
    pub requests: u64,
    /// Requests from other processes.
    pub internal_requests: u64,
    /// CPU seconds of its request lines, where Synapse logged them.
    pub cpu_seconds: Option<f64>,
    /// CPU seconds of the whole process over the same time, if given.
    pub process_cpu_seconds: Option<f64>,
    /// CPU of its requests in the busiest five minutes of the whole log, cores; `None` if unknown.
    pub peak_cores: Option<f64>,
    /// Its own busiest five minutes, by the CPU of its requests; `None` if unknown.
    #[serde(skip)]
    pub own_peak: Option<Peak>,
    /// Its own log is among the inputs; otherwise a proxy names it as an upstream.
    pub own_log: bool,
    /// CPU that it could use; `None` if nothing was told or found: a whole core is assumed.
    #[serde(default)]
    pub cpu_limit: Option<CpuLimit>,
}

/// What a process is, as far as its name and its requests tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployedRole {
    Main,
    /// Other processes hand over events to it.
    EventPersister,
    Worker,
}

/// What the reader must know before the verdict: a sentence without a full stop, and what it means for the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub effect: WarningEffect,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningEffect {
    /// Something was put right.
    Told,
    /// The figures may be wrong.
    Doubt,
    /// The figures are of a part only.
    Partial,
    /// There can be no verdict.
    NoVerdict,
}

impl Deployment {
    /// Adds what the reader must know.
    pub fn warn(&mut self, effect: WarningEffect, text: String) {
        self.partial |= effect >= WarningEffect::Partial;
        self.too_partial |= effect == WarningEffect::NoVerdict;
        self.warnings.push(Warning { effect, text });
    }

    /// Whether requests were served by more than the main process.
    pub fn has_workers(&self) -> bool {
        self.processes.len() > 1 || self.processes.iter().any(|process| process.internal_requests > 0)
    }

    /// Why there can be no verdict.
    pub fn obstacles(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().filter(|warning| warning.effect == WarningEffect::NoVerdict).map(|warning| warning.text.as_str())
    }
}

/// What the deployment is found from.
pub(super) struct DeploymentFacts<'a> {
    pub(super) costed: &'a CostedCounters<'a>,
    pub(super) peak: Window,
    pub(super) process_cpu: Option<&'a ProcessCpu>,
    pub(super) foreign: Option<&'a ForeignTraffic>,
}

pub(super) fn deployment(facts: &DeploymentFacts<'_>) -> Deployment {
    let profiler = facts.costed.profiler;
    let sums = profiler.processes.sums();
    let main = main_process(&sums);
    let role = |index: usize, sums: &ProcessSums| match sums.persists {
        _ if main == Some(index) => DeployedRole::Main,
        0 => DeployedRole::Worker,
        _ => DeployedRole::EventPersister,
    };
    let mut processes: Vec<DeployedProcess> =
        sums.iter().enumerate().map(|(index, sums)| deployed(sums, role(index, sums), facts)).collect();
    processes.sort_by(|a, b| {
        let key = |process: &DeployedProcess| process.peak_cores.or(process.cpu_seconds).unwrap_or(0.0);
        (a.role != DeployedRole::Main)
            .cmp(&(b.role != DeployedRole::Main))
            .then(key(b).total_cmp(&key(a)))
            .then(b.requests.cmp(&a.requests))
            .then_with(|| a.name.cmp(&b.name))
    });
    let mut deployment = Deployment { processes, foreign_requests: profiler.foreign, ..Deployment::default() };
    if deployment.processes.iter().any(|process| !process.own_log) && !deployment.processes.iter().any(|process| process.own_log) {
        deployment.notes.push("the processes are the upstreams in the proxy's log".to_owned());
    }
    let reached = profiler.requests - profiler.foreign;
    // With a proxy's log of the requests the demand of processes without a log is known as well.
    let proxied = profiler.proxied * 2 >= reached && profiler.proxied > 0;
    let syncs = profiler.processes.sums().iter().map(|sums| sums.syncs).sum::<u64>();
    for missing in missing(&sums, main, syncs) {
        deployment.notes.push(missing.clone());
        let effect = if proxied { WarningEffect::Partial } else { WarningEffect::NoVerdict };
        deployment.warn(effect, missing);
    }
    if let Some(doubt) = assumed_main(&sums, main) {
        deployment.warn(WarningEffect::Doubt, doubt);
    }
    if let Some(told) = foreign_sentence(facts.foreign, profiler.foreign) {
        deployment.warn(WarningEffect::Told, told);
    }
    deployment
}

fn deployed(sums: &ProcessSums, role: DeployedRole, facts: &DeploymentFacts<'_>) -> DeployedProcess {
    let nominal = facts.costed.scale().nominal;
    let counter = facts.process_cpu.and_then(|cpu| cpu.find(&sums.name));
    DeployedProcess {
        name: sums.name.clone(),
        role,
        requests: sums.requests,
        internal_requests: sums.internal_requests,
        cpu_seconds: (sums.costed > 0).then_some(sums.cpu_us as f64 / 1e6),
        process_cpu_seconds: counter.map(|counter| counter.seconds_within(&facts.costed.observed)),
        peak_cores: nominal.map(|factor| sums.cores_within(facts.peak, factor)),
        own_peak: nominal.map(|factor| sums.own_peak(&facts.costed.observed, factor)),
        own_log: sums.logged,
        cpu_limit: None,
    }
}

/// The main process: by its name, else the process with most requests of the kinds that no worker serves, else the only one if nothing
/// says that it is a worker.
fn main_process(processes: &[&ProcessSums]) -> Option<usize> {
    if let Some(named) = processes.iter().position(|process| is_main_name(&process.name)) {
        return Some(named);
    }
    let most = (0..processes.len()).max_by_key(|&index| (processes[index].main_only, std::cmp::Reverse(index)))?;
    if processes[most].main_only > 0 && !(is_worker_name(&processes[most].name) && processes.len() == 1) {
        return Some(most);
    }
    let only = processes.len() == 1 && !is_worker_name(&processes[0].name) && processes[0].internal_requests == 0;
    only.then_some(0)
}

/// That the only process counts as the main process although nothing it does says so.
fn assumed_main(processes: &[&ProcessSums], main: Option<usize>) -> Option<String> {
    let process = processes.get(main?).filter(|_| processes.len() == 1)?;
    let is_doubtful = process.logged && process.main_only == 0 && process.requests >= MANY_REQUESTS && !is_main_name(&process.name);
    is_doubtful.then(|| {
        format!(
            "{} is taken for the whole server, although none of its {} requests is of a kind that only the main process serves: if it is a worker, give the logs of all processes",
            quoted(&process.name),
            count(process.requests)
        )
    })
}

/// What of the deployment is not in the logs. Without any log of Synapse nothing is expected.
fn missing(processes: &[&ProcessSums], main: Option<usize>, syncs: u64) -> Vec<String> {
    let logged: Vec<&&ProcessSums> = processes.iter().filter(|process| process.logged).collect();
    let mut missing = Vec::new();
    let [first, ..] = logged.as_slice() else { return missing };
    let client: u64 = processes.iter().map(|process| process.requests).sum();
    let internal: u64 = logged.iter().map(|process| process.internal_requests).sum();
    match (main.map(|index| processes[index]), logged.len()) {
        (None, 1) => missing.push(format!(
            "the only Synapse log is that of {}, a worker: the logs of the main process and of other workers are missing",
            quoted(&first.name)
        )),
        (None, _) => missing.push(
            "the main process's log is missing: none of the processes is called main or answers requests that no worker may serve"
                .to_owned(),
        ),
        (Some(main), 1) if main.logged && internal > 0 && processes.len() == 1 => missing.push(format!(
            "{} come from other Synapse processes, whose logs are missing: this is the main process alone",
            plural(internal, "request", "requests")
        )),
        (Some(main), _) if !main.logged => missing.push(format!("the main process ({}) has no log here", quoted(&main.name))),
        _ => {}
    }
    let unlogged: Vec<String> = processes
        .iter()
        .enumerate()
        .filter(|(index, process)| !process.logged && main != Some(*index))
        .map(|(_, process)| quoted(&process.name))
        .collect();
    if !unlogged.is_empty() {
        let (are, logs) = if unlogged.len() == 1 { ("is", "its log is") } else { ("are", "their logs are") };
        missing.push(format!(
            "{} {are} known only from the proxy's log ({}): {logs} missing",
            plural(unlogged.len() as u64, "process", "processes"),
            listed(&unlogged)
        ));
    }
    let has_workers = logged.len() > 1 || internal > 0;
    if missing.is_empty() && has_workers && syncs == 0 && client >= SYNC_EXPECTED {
        missing.push(format!("none of the {} requests is a /sync: the log of the process that serves /sync is missing", count(client)));
    }
    missing
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    let mut shown: Vec<String> = names.iter().take(NAMES_MAX).cloned().collect();
    shown.extend((more > 0).then(|| format!("{more} more")));
    list(&shown)
}

/// `Left out: 660 requests that never reached Synapse (600 answered by the proxy itself, 60 by "unix:/run/php.sock")`.
fn foreign_sentence(foreign: Option<&ForeignTraffic>, counted: u64) -> Option<String> {
    let all = foreign.map_or(counted, ForeignTraffic::requests);
    if all == 0 {
        return None;
    }
    let mut parts = Vec::new();
    if let Some(foreign) = foreign {
        let mut part = |requests: u64, what: String| parts.extend((requests > 0).then(|| format!("{} {what}", count(requests))));
        part(foreign.not_matrix, "of paths that are no Matrix paths".to_owned());
        part(foreign.by_proxy, "answered by the proxy itself".to_owned());
        part(foreign.other_hosts, "to virtual hosts that --virtual-host does not name".to_owned());
        part(foreign.unknown_to_synapse, "of kinds that Synapse's logs of the same time do not have".to_owned());
        let mut upstreams: Vec<(&String, u64)> = foreign.upstreams.iter().map(|(name, requests)| (name, *requests)).collect();
        upstreams.sort_by_key(|upstream| std::cmp::Reverse(upstream.1));
        for (name, requests) in upstreams.iter().take(NAMES_MAX) {
            part(*requests, format!("sent to {}, which is not Synapse", quoted(name)));
        }
        part(upstreams.iter().skip(NAMES_MAX).map(|(_, requests)| requests).sum(), "sent to other upstreams".to_owned());
    }
    let detail = if parts.is_empty() { String::new() } else { format!(" ({})", list(&parts)) };
    Some(format!("foreign traffic left out: {} in the proxy's log never reached Synapse{detail}", plural(all, "request", "requests")))
}

fn is_main_name(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    name == "master" || name.contains("homeserver") || name.starts_with("main-") || is_main_container(&name)
}

/// `synapse`, `matrix-synapse-1`, `ess-synapse-main-0`: the name of a container, with the number of its replica.
fn is_main_container(name: &str) -> bool {
    let mut words: Vec<&str> = name.split(['-', '_', '.']).collect();
    while words.len() > 1 && words.last().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit())) {
        words.pop();
    }
    words.last() == Some(&"main")
        || (words.contains(&"synapse") && words.iter().all(|word| ["matrix", "synapse", "app", "server"].contains(word)))
}

fn is_worker_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WORKER_WORDS.iter().any(|word| name.contains(word))
}

/// Parts of the names that workers usually have: those in Synapse's documentation, in its Docker image and in the known playbooks.
const WORKER_WORDS: [&str; 18] = [
    "worker",
    "persister",
    "sender",
    "writer",
    "synchrotron",
    "federation",
    "pusher",
    "media_repo",
    "media-repo",
    "client_reader",
    "frontend_proxy",
    "event_creator",
    "user_dir",
    "appservice",
    "sync",
    "generic",
    "reader",
    "presence",
];
/// Client requests of one process of which some would be of a kind that only the main process serves, were it the main process.
const MANY_REQUESTS: u64 = 1000;
/// Client requests among which there would be a `/sync`.
const SYNC_EXPECTED: u64 = 200;
/// Names told one by one.
const NAMES_MAX: usize = 5;
