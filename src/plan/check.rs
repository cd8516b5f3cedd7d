//! Is a plan a plan? Every rule that a plan file must keep, with the way out in each message.
//!
//! Knows nothing of files: a [`Fault`] says where in the plan, [`super::file`] turns that into a line.

use std::collections::BTreeMap;

use thiserror::Error;

use super::known::{self, WriterLimit};
use super::model::{Plan, Pool, Selector, Writers};
use super::rule::UnknownRule;
use super::server::ServerError;
use super::suggest;

/// A broken rule and where.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{problem}")]
pub struct Fault {
    /// The way from the top of the file to the value at fault.
    pub at: Vec<Step>,
    /// What is wrong.
    pub problem: Problem,
}

/// One step into a plan file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A key of a table.
    Key(String),
    /// A place in an array, from 0.
    Index(usize),
}

/// What can be wrong with a plan.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Problem {
    /// The release is not `1.157` or `1.157.1`.
    #[error("synapse = {0:?} is not a release; write it like \"1.157\"")]
    Release(String),
    /// No proxy process.
    #[error("processes = 0: the proxy needs at least one")]
    NoProxyProcess,
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
        /// Pool.
        pool: String,
        /// What was written.
        group: String,
        /// The nearest group.
        suggestion: Option<String>,
    },
    /// A pattern or method that cannot match.
    #[error("pool {pool:?}: {problem}")]
    Pattern {
        /// Pool.
        pool: String,
        /// Why not.
        problem: String,
    },
    /// Servers and a number.
    #[error("pool {0:?} has both servers and workers; keep servers if the addresses matter, else workers")]
    ServersAndWorkers(String),
    /// Neither servers nor a number.
    #[error("pool {0:?} has neither servers nor workers; add workers = 2, or servers = [\"127.0.0.1:8081\"]")]
    NoServers(String),
    /// Zero workers, or absurdly many.
    #[error("pool {0:?}: workers must be 1 to {WORKERS_MAX}")]
    Workers(String),
    /// Not a server.
    #[error("pool {pool:?}: {error}")]
    Server {
        /// Pool.
        pool: String,
        /// Why.
        error: ServerError,
    },
    /// One server twice in one pool.
    #[error("pool {pool:?} lists {server:?} twice; give it a weight instead: {server}=2")]
    ServerTwice {
        /// Pool.
        pool: String,
        /// Server.
        server: String,
    },
    /// Not a balancing rule.
    #[error("pool {pool:?}: {error}")]
    Rule {
        /// Pool.
        pool: String,
        /// Why.
        error: UnknownRule,
    },
    /// Not a number of cores.
    #[error("pool {0:?}: cpu must be above 0 and at most {CPU_MAX} cores; 1.0 is one core of the machine that wrote the log")]
    Cpu(String),
    /// One process, two limits.
    #[error("pool {pool:?} gives {server:?} another cpu than an earlier pool does; a worker has one limit")]
    CpuTwice {
        /// Pool.
        pool: String,
        /// Server.
        server: String,
    },
    /// No such stream.
    #[error("there is no stream {stream:?} that a worker may write{}", hint(suggestion.as_deref()))]
    Stream {
        /// What was written.
        stream: String,
        /// The nearest stream.
        suggestion: Option<String>,
    },
    /// Several writers where Synapse allows one, or none.
    #[error("stream {stream:?} has {count} writers, but Synapse wants {wants}; leave the stream out to have the main process write it")]
    Writers {
        /// Stream.
        stream: String,
        /// How many there are.
        count: usize,
        /// How many there must be.
        wants: &'static str,
    },
    /// A duty of nobody, or of a worker without a usable name, or twice of one.
    #[error(
        "duties.{setting}: {worker:?} is no usable worker name, is \"main\", or stands twice; leave the setting out to have the main process do it"
    )]
    DutyName {
        /// Synapse's setting.
        setting: &'static str,
        /// Name.
        worker: String,
    },
    /// A writer without a usable name, or twice.
    #[error("stream {stream:?}: {writer:?} is no usable worker name, is \"main\", or stands twice")]
    WriterName {
        /// Stream.
        stream: String,
        /// Name.
        writer: String,
    },
}

fn hint(suggestion: Option<&str>) -> String {
    suggestion.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default()
}

impl Plan {
    /// Whether this is a plan that could run: the first fault found, in the file's order.
    ///
    /// # Errors
    /// [`Fault`] names the place and the way out.
    pub fn check(&self) -> Result<(), Fault> {
        check_release(&self.synapse).map_err(|problem| fault(&["synapse"], problem))?;
        if self.proxy.processes == 0 {
            return Err(fault(&["proxy", "processes"], Problem::NoProxyProcess));
        }
        if let Some(release) = self.proxy.release.as_ref().filter(|release| !is_release(release)) {
            return Err(fault(&["proxy", "release"], Problem::ProxyRelease(release.clone())));
        }
        for (index, pool) in self.pools.iter().enumerate() {
            if self.pools[..index].iter().any(|earlier| earlier.name == pool.name) {
                return Err(in_pool(index, &["name"], Problem::DuplicatePool(pool.name.clone())));
            }
            check_pool(index, pool)?;
            self.rule(pool).map_err(|error| in_pool(index, &["balance"], Problem::Rule { pool: pool.name.clone(), error }))?;
        }
        self.check_shared_limits()?;
        for (stream, writers) in &self.stream_writers {
            check_writers(stream, writers).map_err(|problem| fault(&["stream_writers", stream], problem))?;
        }
        for (setting, names) in self.duties.assigned() {
            check_duty(setting, names).map_err(|problem| fault(&["duties", setting], problem))?;
        }
        self.check_worker_names()
    }

    /// What is allowed but probably not meant, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut owner: BTreeMap<&Selector, &str> = BTreeMap::new();
        for pool in &self.pools {
            for selector in &pool.endpoints {
                if let Some(first) = owner.get(selector) {
                    warnings.push(format!(
                        "{} stands in pool {first:?} and in pool {:?}; the first gets it",
                        describe(selector),
                        pool.name
                    ));
                    continue;
                }
                owner.insert(selector, &pool.name);
                match selector {
                    Selector::Group(group) => warnings.extend(group_warning(pool, group)),
                    Selector::Pattern { pattern, methods } if !methods.is_empty() => warnings.push(format!(
                        "pool {:?} takes {pattern:?} for some methods only: estimates by endpoint class leave it on the main process",
                        pool.name
                    )),
                    Selector::Pattern { .. } => {}
                }
            }
            if self.rule(pool).is_ok_and(|rule| rule.spread == super::rule::Spread::LeastBusy) && takes_sync(pool) {
                warnings.push(format!(
                    "pool {:?} balances /sync by requests in progress: every parked long poll counts, so the rule sees clients, not load",
                    pool.name
                ));
            }
            if pool.size() > 1 && takes(pool, "pagination") && self.rule(pool).is_ok_and(|rule| !rule.keeps_rooms()) {
                warnings.push(format!(
                    "pool {:?} names pagination, but its rule does not keep a room on one worker: /messages stays on the main process",
                    pool.name
                ));
            }
        }
        warnings
    }

    fn check_shared_limits(&self) -> Result<(), Fault> {
        let workers = self.workers();
        for (index, pool) in self.pools.iter().enumerate() {
            for (place, _) in self.members(index) {
                let worker = &workers[place];
                if (worker.cpu - pool.cpu).abs() > f64::EPSILON {
                    let server = worker.address.clone().unwrap_or_else(|| worker.name.clone());
                    return Err(in_pool(index, &["cpu"], Problem::CpuTwice { pool: pool.name.clone(), server }));
                }
            }
        }
        Ok(())
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
    for (place, selector) in pool.endpoints.iter().enumerate() {
        check_selector(pool, selector).map_err(|problem| {
            let mut fault = in_pool(index, &["endpoints"], problem);
            fault.at.push(Step::Index(place));
            fault
        })?;
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
    if !(pool.cpu > 0.0 && pool.cpu <= CPU_MAX) {
        return Err(in_pool(index, &["cpu"], Problem::Cpu(name())));
    }
    Ok(())
}

fn check_servers(index: usize, pool: &Pool) -> Result<(), Fault> {
    if pool.servers.is_empty() {
        return Ok(());
    }
    let servers = pool.servers().map_err(|error| in_pool(index, &["servers"], Problem::Server { pool: pool.name.clone(), error }))?;
    if servers.len() > WORKERS_MAX as usize {
        return Err(in_pool(index, &["servers"], Problem::Workers(pool.name.clone())));
    }
    for (place, server) in servers.iter().enumerate() {
        if servers[..place].iter().any(|earlier| earlier.name == server.name) {
            let problem = Problem::ServerTwice { pool: pool.name.clone(), server: server.name.clone() };
            return Err(in_pool(index, &["servers"], problem));
        }
    }
    Ok(())
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
            if regex_syntax::parse(pattern).is_err() {
                return Err(wrong(format!("the pattern {pattern:?} is not a regular expression; check brackets and backslashes")));
            }
            match methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
                Some(method) => Err(wrong(format!("{method:?} is no method; use {}", METHODS.join(", ")))),
                None => Ok(()),
            }
        }
    }
}

fn check_duty(setting: &'static str, names: &[String]) -> Result<(), Problem> {
    let usable = |place: usize, name: &String| is_worker_name(name) && !names[..place].contains(name);
    match names.iter().enumerate().find(|(place, name)| !usable(*place, name)) {
        Some((_, worker)) => Err(Problem::DutyName { setting, worker: worker.clone() }),
        None if names.is_empty() => Err(Problem::DutyName { setting, worker: String::new() }),
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

/// A name that is safe in configuration files of any kind. `main` and `master` are the main process's own.
fn is_worker_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    plain && !name.is_empty() && name.len() <= 60 && name != "main" && name != "master"
}

fn group_warning(pool: &Pool, group: &str) -> Option<String> {
    if known::is_main_only(group) {
        return Some(format!("pool {:?} names {group}, which only the main process serves: it stays there", pool.name));
    }
    (group == "sliding_sync").then(|| {
        format!(
            "pool {:?} takes sliding_sync, which no release's worker document lists; it works on generic workers, but that is your choice",
            pool.name
        )
    })
}

fn takes_sync(pool: &Pool) -> bool {
    takes(pool, "sync") || takes(pool, "sliding_sync")
}

fn takes(pool: &Pool, group: &str) -> bool {
    pool.endpoints.iter().any(|selector| matches!(selector, Selector::Group(name) if name == group))
}

fn describe(selector: &Selector) -> String {
    match selector {
        Selector::Group(group) => format!("group {group}"),
        Selector::Pattern { pattern, .. } => format!("pattern {pattern:?}"),
    }
}

fn fault(keys: &[&str], problem: Problem) -> Fault {
    Fault { at: keys.iter().map(|key| Step::Key((*key).to_owned())).collect(), problem }
}

fn in_pool(index: usize, keys: &[&str], problem: Problem) -> Fault {
    let mut fault = fault(keys, problem);
    fault.at.splice(0..0, [Step::Key("pool".to_owned()), Step::Index(index)]);
    fault
}

/// More workers in one pool than anyone runs.
const WORKERS_MAX: u32 = 1000;
/// More cores than one Python process could use; a guard against slips such as `cpu = 100` for 100 %.
const CPU_MAX: f64 = 16.0;
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
