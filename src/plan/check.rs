//! The rules that a plan must keep. Every message names the fault and the way out.
//!
//! Knows nothing of files: a [`Fault`] holds the path to a value of the plan, and [`super::file`] turns that into a line.

use regex_syntax::hir::{Hir, HirKind};
use thiserror::Error;

use super::checked::CheckedPlan;
use super::cpu::{self, CPU_MAX, PERIOD_MAX_MS, PERIOD_MIN_MS, QUOTA_MIN_MS};
use super::known::{self, WriterLimit};
use super::model::{Plan, Pool, Selector};
use super::rule::{Rule, UnknownRule};
use super::server::ServerError;
use super::suggest;
use super::writers::Writers;

/// The first rule that a plan breaks.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{problem}")]
pub struct Fault {
    /// The path from the top of the file to the value at fault.
    pub path: Vec<PathStep>,
    pub problem: Problem,
}

/// One step of the path to a value in a plan file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathStep {
    /// A key of a table.
    Key(String),
    /// An index of an array.
    Index(usize),
}

/// What can be wrong with a plan.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Problem {
    /// The release is not `1.157` or `1.157.1`.
    #[error("synapse = {0:?} is not a release; write it like \"1.157\"")]
    Release(String),
    /// No proxy process, or more than [`PROXY_PROCESSES_MAX`].
    #[error("processes must be 1 to {PROXY_PROCESSES_MAX}")]
    ProxyProcesses,
    /// More than [`PLAN_WORKERS_MAX`] workers, or pools, or names of writers.
    #[error("the plan has more than {PLAN_WORKERS_MAX} {0}, and the proxy and Redis of one homeserver serve no more")]
    TooMany(&'static str),
    /// More than [`POOL_WEIGHT_MAX`] in one pool.
    #[error("pool {0:?}: the weights of its servers add up to more than {POOL_WEIGHT_MAX}; divide them by a common factor")]
    Weights(String),
    /// The proxy's release is not `2.6` or `2.6.2`.
    #[error("release = {0:?} is not a release of the proxy; write it like \"2.6.2\", or leave it out for the newest")]
    ProxyRelease(String),
    /// A pool without a usable name.
    #[error("pool name {0:?} must be letters, digits, - and _ only, and not \"main\"")]
    PoolName(String),
    /// Two pools of one name.
    #[error("there are two pools {0:?}; give one of them another name")]
    DuplicatePool(String),
    /// Two processes of one name.
    #[error("two workers would be called {0:?}; rename the pool or the stream writer")]
    DuplicateWorker(String),
    /// A pool that takes nothing.
    #[error("pool {0:?} takes no endpoints; name at least one group, or delete the pool")]
    NoEndpoints(String),
    /// No such group.
    #[error("pool {pool:?}: there is no endpoint group {group:?}{}", hint(suggestion.as_deref()))]
    Group {
        pool: String,
        group: String,
        /// The group with the most similar name.
        suggestion: Option<String>,
    },
    /// More than [`SELECTORS_MAX`] groups and patterns.
    #[error("pool {0:?} names more than {SELECTORS_MAX} endpoints; name groups instead of patterns")]
    Selectors(String),
    /// A pattern or method that cannot match.
    #[error("pool {pool:?}: {problem}")]
    Pattern { pool: String, problem: String },
    /// A list of clients that selects nobody, or nobody that a proxy can tell.
    #[error("pool {pool:?}: {kind}: {problem}")]
    Clients {
        pool: String,
        /// The key in the plan file.
        kind: &'static str,
        problem: String,
    },
    /// Both servers and a number of workers.
    #[error("pool {0:?} has both servers and workers; keep servers if the addresses matter, else workers")]
    ServersAndWorkers(String),
    /// Neither servers nor a number of workers.
    #[error("pool {0:?} has neither servers nor workers; add workers = 2, or servers = [\"127.0.0.1:8081\"]")]
    NoServers(String),
    /// Zero workers, or more than [`WORKERS_MAX`].
    #[error("pool {0:?}: workers must be 1 to {WORKERS_MAX}")]
    Workers(String),
    /// Not a server.
    #[error("pool {pool:?}: {error}")]
    Server { pool: String, error: ServerError },
    /// A name that no worker can have, one that is there twice, or more names than workers.
    #[error(
        "pool {pool:?}: names: {name:?} is no usable worker name, is listed twice, or is one more than the pool has workers; leave names out to have them numbered"
    )]
    WorkerNames { pool: String, name: String },
    /// One worker with two names.
    #[error("pool {pool:?} calls {worker} {name:?}; a worker has one name")]
    NameTwice {
        pool: String,
        /// The worker, and what an earlier pool calls it.
        worker: String,
        name: String,
    },
    /// One server twice in one pool.
    #[error("pool {pool:?} lists {server:?} twice; give it a weight instead: {server}=2")]
    ServerTwice { pool: String, server: String },
    /// Not a balancing rule.
    #[error("pool {pool:?}: {error}")]
    Rule { pool: String, error: UnknownRule },
    /// Not a number of cores.
    #[error("{0}: cpu must be above 0 and at most {CPU_MAX} cores; 1.0 is one core of the machine that wrote the log")]
    Cpu(String),
    /// Not a period that Linux accepts.
    #[error(
        "{whose}: cpu_period = {period} must be {PERIOD_MIN_MS} to {PERIOD_MAX_MS} ms, as for Linux; leave it out for the usual 100 ms"
    )]
    CpuPeriod { whose: String, period: f64 },
    /// A smaller budget than Linux accepts.
    #[error(
        "{whose}: cpu and cpu_period give it {budget:.3} ms in every {period} ms, and Linux gives at least {QUOTA_MIN_MS} ms; write cpu = {least:.2} or more, or a longer cpu_period"
    )]
    CpuQuota { whose: String, budget: f64, period: f64, least: f64 },
    /// A limit for a process that the plan does not start.
    #[error("process {process:?} is neither \"main\" nor a worker of the plan{}", hint(suggestion.as_deref()))]
    UnknownProcess {
        process: String,
        /// The process with the most similar name.
        suggestion: Option<String>,
    },
    /// Not a number of cores of a machine.
    #[error("cores = {0} must be 0.1 to 1024")]
    Cores(f64),
    /// What the plan says of the machine's contention cannot be used.
    #[error("{0}")]
    Contention(&'static str),
    /// One process with two CPU limits.
    #[error("pool {pool:?} gives {server:?} another {key} than an earlier pool does; a worker has one limit")]
    CpuTwice { pool: String, server: String, key: &'static str },
    /// No such stream.
    #[error("there is no stream {stream:?} that a worker may write{}", hint(suggestion.as_deref()))]
    Stream {
        stream: String,
        /// The stream with the most similar name.
        suggestion: Option<String>,
    },
    /// Several writers where Synapse allows one, or none.
    #[error("stream {stream:?} has {count} writers, but Synapse wants {wants}; leave the stream out to have the main process write it")]
    Writers {
        stream: String,
        count: usize,
        /// The number that Synapse allows, in words.
        wants: &'static str,
    },
    /// A background role without a worker, of a worker without a usable name, or of one worker twice.
    #[error(
        "duties.{setting}: {worker:?} is no usable worker name, is \"main\", or is listed twice; leave the setting out to have the main process do it"
    )]
    RoleName { setting: &'static str, worker: String },
    /// A writer without a usable name, or twice.
    #[error("stream {stream:?}: {writer:?} is no usable worker name, is \"main\", or is listed twice")]
    WriterName { stream: String, writer: String },
}

fn hint(suggestion: Option<&str>) -> String {
    suggestion.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
}

impl Plan {
    /// Checks the plan and parses its rules.
    ///
    /// # Errors
    /// The first [`Fault`] in the file's order.
    pub fn check(self) -> Result<CheckedPlan, Fault> {
        check_release(&self.synapse).map_err(|problem| fault(&["synapse"], problem))?;
        if !(1..=PROXY_PROCESSES_MAX).contains(&self.proxy.processes) {
            return Err(fault(&["proxy", "processes"], Problem::ProxyProcesses));
        }
        self.check_size()?;
        if let Some(release) = self.proxy.release.as_ref().filter(|release| !is_release(release)) {
            return Err(fault(&["proxy", "release"], Problem::ProxyRelease(release.clone())));
        }
        let mut rules = Vec::with_capacity(self.pools.len());
        for (index, pool) in self.pools.iter().enumerate() {
            if self.pools[..index].iter().any(|earlier| earlier.name == pool.name) {
                return Err(in_pool(index, &["name"], Problem::DuplicatePool(pool.name.clone())));
            }
            check_pool(index, pool)?;
            let rule = Rule::from_pool(pool, self.proxy.kind);
            rules.push(rule.map_err(|error| in_pool(index, &["balance"], Problem::Rule { pool: pool.name.clone(), error }))?);
        }
        let checked = CheckedPlan::new(self, rules);
        checked.check_shared_limits()?;
        for (stream, writers) in &checked.stream_writers {
            check_writers(stream, writers).map_err(|problem| fault(&["stream_writers", stream], problem))?;
        }
        for (setting, names) in checked.background_roles.assigned() {
            check_role(setting, names).map_err(|problem| fault(&["duties", setting], problem))?;
        }
        checked.check_worker_names()?;
        checked.check_shared_names()?;
        checked.check_cpu()?;
        Ok(checked)
    }
}

impl Plan {
    /// Sizes come before everything else: checks compare each with each.
    fn check_size(&self) -> Result<(), Fault> {
        let most = PLAN_WORKERS_MAX as usize;
        if self.pools.len() > most {
            return Err(in_pool(most, &[], Problem::TooMany("pools")));
        }
        let mut workers = 0_usize;
        for (index, pool) in self.pools.iter().enumerate() {
            workers = workers.saturating_add(pool.servers.len()).saturating_add(pool.workers.unwrap_or(0) as usize);
            // A single pool that is too large has its own message.
            let own = pool.servers.len() > WORKERS_MAX as usize || pool.workers.is_some_and(|workers| workers > WORKERS_MAX);
            if own {
                let key = if pool.servers.is_empty() { "workers" } else { "servers" };
                return Err(in_pool(index, &[key], Problem::Workers(pool.name.clone())));
            }
            if workers > most {
                return Err(in_pool(index, &[], Problem::TooMany("workers")));
            }
            if pool.endpoints.len() > SELECTORS_MAX {
                return Err(in_pool(index, &["endpoints"], Problem::Selectors(pool.name.clone())));
            }
        }
        for (stream, writers) in &self.stream_writers {
            workers = workers.saturating_add(writers.names().len());
            if workers > most {
                return Err(fault(&["stream_writers", stream], Problem::TooMany("workers")));
            }
        }
        for (setting, names) in self.background_roles.assigned() {
            if names.len() > most {
                return Err(fault(&["duties", setting], Problem::TooMany("workers")));
            }
        }
        Ok(())
    }
}

impl CheckedPlan {
    fn check_shared_limits(&self) -> Result<(), Fault> {
        for (index, pool) in self.pools.iter().enumerate() {
            for member in self.members(index) {
                let worker = &self.workers()[member.worker];
                let own = self.processes.contains_key(&worker.name);
                if worker.cpu != pool.cpu() && !own {
                    let server = worker.address.clone().unwrap_or_else(|| worker.name.clone());
                    let key = if worker.cpu.cores == pool.cpu { "cpu_period" } else { "cpu" };
                    return Err(in_pool(index, &[key], Problem::CpuTwice { pool: pool.name.clone(), server, key }));
                }
            }
        }
        Ok(())
    }

    /// A worker in several pools has the name that the first of them gives it.
    fn check_shared_names(&self) -> Result<(), Fault> {
        for (index, pool) in self.pools.iter().enumerate() {
            for (member, name) in self.members(index).iter().zip(&pool.names) {
                let worker = &self.workers()[member.worker];
                if worker.name != *name {
                    let server = worker.address.as_deref().unwrap_or(&worker.name);
                    let told = format!("the worker at {server:?}, which an earlier pool calls {:?},", worker.name);
                    let problem = Problem::NameTwice { pool: pool.name.clone(), worker: told, name: name.clone() };
                    return Err(in_pool(index, &["names"], problem));
                }
            }
        }
        Ok(())
    }

    fn check_cpu(&self) -> Result<(), Fault> {
        cpu::check_processes(&self.processes, self.workers()).map_err(|(process, key, problem)| {
            let path: Vec<&str> = ["process", process.as_str()].into_iter().chain(key).collect();
            fault(&path, problem)
        })?;
        let machine = self.machine.as_ref().map_or(Ok(()), cpu::check_machine);
        machine.map_err(|(key, problem)| fault(&["machine", key], problem))
    }

    fn check_worker_names(&self) -> Result<(), Fault> {
        let workers = self.workers();
        for (index, worker) in workers.iter().enumerate() {
            if workers[..index].iter().any(|earlier| earlier.name == worker.name) {
                let problem = Problem::DuplicateWorker(worker.name.clone());
                return Err(match worker.pool {
                    Some(pool) => in_pool(pool, &["name"], problem),
                    None => fault(&["stream_writers"], problem),
                });
            }
        }
        Ok(())
    }
}

fn check_release(release: &str) -> Result<(), Problem> {
    if is_release(release) { Ok(()) } else { Err(Problem::Release(release.to_owned())) }
}

fn is_release(release: &str) -> bool {
    let parts: Vec<&str> = release.split('.').collect();
    let numeric = parts.iter().all(|part| !part.is_empty() && part.len() <= 5 && part.bytes().all(|byte| byte.is_ascii_digit()));
    numeric && (2..=3).contains(&parts.len())
}

fn check_pool(index: usize, pool: &Pool) -> Result<(), Fault> {
    let name = || pool.name.clone();
    if !is_worker_name(&pool.name) {
        return Err(in_pool(index, &["name"], Problem::PoolName(name())));
    }
    if pool.endpoints.is_empty() {
        return Err(in_pool(index, &["endpoints"], Problem::NoEndpoints(name())));
    }
    for (selector_index, selector) in pool.endpoints.iter().enumerate() {
        check_selector(pool, selector).map_err(|problem| {
            let mut fault = in_pool(index, &["endpoints"], problem);
            fault.path.push(PathStep::Index(selector_index));
            fault
        })?;
    }
    if let Some((kind, _)) = pool.client_lists().into_iter().find(|(_, list)| list.len() > SELECTORS_MAX) {
        let problem = format!("more than {SELECTORS_MAX} entries; use * or larger networks");
        return Err(in_pool(index, &[kind], Problem::Clients { pool: name(), kind, problem }));
    }
    if let Err((kind, problem)) = pool.client_selectors() {
        return Err(in_pool(index, &[kind], Problem::Clients { pool: name(), kind, problem }));
    }
    match (pool.servers.is_empty(), pool.workers) {
        (false, Some(_)) => return Err(in_pool(index, &["workers"], Problem::ServersAndWorkers(name()))),
        (true, None) => return Err(in_pool(index, &[], Problem::NoServers(name()))),
        (true, Some(workers)) if !(1..=WORKERS_MAX).contains(&workers) => {
            return Err(in_pool(index, &["workers"], Problem::Workers(name())));
        }
        _ => {}
    }
    check_servers(index, pool)?;
    check_names(index, pool)?;
    cpu::check_limit(|| format!("pool {:?}", pool.name), pool.cpu, pool.cpu_period)
        .map_err(|(key, problem)| in_pool(index, &[key], problem))
}

fn check_servers(index: usize, pool: &Pool) -> Result<(), Fault> {
    if pool.servers.is_empty() {
        return Ok(());
    }
    let servers = pool.servers().map_err(|error| in_pool(index, &["servers"], Problem::Server { pool: pool.name.clone(), error }))?;
    if servers.iter().map(|server| u64::from(server.weight)).sum::<u64>() > POOL_WEIGHT_MAX {
        return Err(in_pool(index, &["servers"], Problem::Weights(pool.name.clone())));
    }
    for (server_index, server) in servers.iter().enumerate() {
        if servers[..server_index].iter().any(|earlier| earlier.name == server.name) {
            let problem = Problem::ServerTwice { pool: pool.name.clone(), server: server.name.clone() };
            return Err(in_pool(index, &["servers"], problem));
        }
    }
    Ok(())
}

fn check_names(index: usize, pool: &Pool) -> Result<(), Fault> {
    let size = pool.size();
    let wrong = pool.names.iter().enumerate().find(|(at, name)| *at >= size || !is_worker_name(name) || pool.names[..*at].contains(name));
    match wrong {
        Some((_, name)) => Err(in_pool(index, &["names"], Problem::WorkerNames { pool: pool.name.clone(), name: name.clone() })),
        None => Ok(()),
    }
}

fn check_selector(pool: &Pool, selector: &Selector) -> Result<(), Problem> {
    match selector {
        Selector::Group(group) if known::is_group(group) => Ok(()),
        Selector::Group(group) => Err(Problem::Group {
            pool: pool.name.clone(),
            group: group.clone(),
            suggestion: suggest::nearest(group, known::groups()).map(str::to_owned),
        }),
        Selector::Pattern { pattern, methods } => {
            let wrong = |problem: String| Problem::Pattern { pool: pool.name.clone(), problem };
            if pattern.is_empty() {
                return Err(wrong("an empty pattern matches everything; name what it should match".to_owned()));
            }
            // The parser's own message has a picture of several lines; the first reason is enough here.
            let Ok(parsed) = regex_syntax::parse(pattern) else {
                return Err(wrong(format!("the pattern {pattern:?} is not a regular expression; check brackets and backslashes")));
            };
            if let Some(text) = beyond_the_path(&parsed) {
                let instead = if text.contains("user_id=") {
                    "to select a bridge's requests write appservices = [\"@_bridge_*\"] in the pool"
                } else {
                    "match the path, or select by users, appservices, agents or addresses"
                };
                return Err(wrong(format!(
                    "the pattern {pattern:?} never matches: patterns are searched in the path, which ends before the query, and {text:?} is in the query; {instead}"
                )));
            }
            match methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
                Some(method) => Err(wrong(format!("{method:?} is no method; use {}", METHODS.join(", ")))),
                None => Ok(()),
            }
        }
    }
}

/// The text of a pattern that only a query contains, if every match would have to contain such a text.
fn beyond_the_path(pattern: &Hir) -> Option<String> {
    match pattern.kind() {
        HirKind::Literal(literal) => {
            let text = String::from_utf8_lossy(&literal.0).into_owned();
            let parameter = |text: &str| QUERY_PARAMETERS.iter().any(|name| text.contains(&format!("{name}=")));
            (text.contains('?') || parameter(&text)).then_some(text)
        }
        HirKind::Capture(capture) => beyond_the_path(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => beyond_the_path(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().find_map(beyond_the_path),
        HirKind::Alternation(parts) => {
            let texts: Option<Vec<String>> = parts.iter().map(beyond_the_path).collect();
            texts.and_then(|texts| texts.into_iter().next())
        }
        _ => None,
    }
}

fn check_role(setting: &'static str, names: &[String]) -> Result<(), Problem> {
    let usable = |index: usize, name: &String| is_worker_name(name) && !names[..index].contains(name);
    match names.iter().enumerate().find(|(index, name)| !usable(*index, name)) {
        Some((_, worker)) => Err(Problem::RoleName { setting, worker: worker.clone() }),
        None if names.is_empty() => Err(Problem::RoleName { setting, worker: String::new() }),
        None => Ok(()),
    }
}

fn check_writers(stream: &str, writers: &Writers) -> Result<(), Problem> {
    let Some(limit) = known::writer_limit(stream) else {
        let suggestion = suggest::nearest(stream, known::STREAMS.iter().map(|(name, _)| *name)).map(str::to_owned);
        return Err(Problem::Stream { stream: stream.to_owned(), suggestion });
    };
    let names = writers.names();
    let wants = match limit {
        WriterLimit::ExactlyOne if names.len() != 1 => Some("exactly one"),
        _ if names.is_empty() => Some("at least one"),
        _ => None,
    };
    if let Some(wants) = wants {
        return Err(Problem::Writers { stream: stream.to_owned(), count: names.len(), wants });
    }
    for (index, name) in names.iter().enumerate() {
        if !is_worker_name(name) || names[..index].contains(name) {
            return Err(Problem::WriterName { stream: stream.to_owned(), writer: name.clone() });
        }
    }
    Ok(())
}

/// A name that is safe in configuration files of any kind. Synapse calls its main process `main` and `master`.
fn is_worker_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    plain && !name.is_empty() && name.len() <= 60 && name != "main" && name != "master"
}

fn fault(keys: &[&str], problem: Problem) -> Fault {
    Fault { path: keys.iter().map(|key| PathStep::Key((*key).to_owned())).collect(), problem }
}

fn in_pool(index: usize, keys: &[&str], problem: Problem) -> Fault {
    let mut fault = fault(keys, problem);
    fault.path.splice(0..0, [PathStep::Key("pool".to_owned()), PathStep::Index(index)]);
    fault
}

/// The limit on the workers of one pool, beyond any real deployment.
const WORKERS_MAX: u32 = 1000;
/// The limit on all workers, and on pools.
const PLAN_WORKERS_MAX: u32 = 4000;
/// One process of the proxy per core of the largest machines.
const PROXY_PROCESSES_MAX: u32 = 512;
/// A hash ring has up to 160 points for each unit of weight.
const POOL_WEIGHT_MAX: u64 = 20_000;
const SELECTORS_MAX: usize = 1000;
/// Parameters of queries that people look for in logs.
const QUERY_PARAMETERS: [&str; 8] = ["user_id", "access_token", "since", "timeout", "full_state", "filter", "from", "dir"];
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
