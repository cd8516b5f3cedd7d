//! The processes, their addresses and their work: the common ground of the proxy's and Synapse's files.
//!
//! Knows nothing of the files. Invariant: no two listeners have the same address, and every server of a pool and every stream writer
//! that serves requests has an address.

use std::collections::{BTreeMap, BTreeSet};

use super::address::Address;
use super::platform::Platform;
use super::present::PresentWorker;
use super::release::{Known, background_role_since, several_writers_since, stream_since};
use super::resource::Resource;
use super::routes::{Routes, Target};
use super::{ConfigureConfig, ConfigureError};
use wsim_plan::{CheckedPlan, Plan};

/// A worker process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// `worker_name`.
    pub name: String,
    /// The address for clients and federation; `None` if no request goes to the process.
    pub clients: Option<Address>,
    /// The address for replication; only stream writers have one.
    pub replication: Option<Address>,
    /// The address for Prometheus.
    pub metrics: Option<Address>,
    /// The resources of the listener for clients and federation.
    pub resources: BTreeSet<Resource>,
    pub streams: Vec<String>,
    /// The settings of [`wsim_plan::BackgroundRoles`] that name the process.
    pub background_roles: Vec<&'static str>,
    /// `worker_app`.
    pub app: &'static str,
}

impl Process {
    /// Whether the process has the media repository.
    pub fn has_media(&self) -> bool {
        self.resources.contains(&Resource::Media)
    }
}

/// All processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The address of the main process for clients and federation.
    pub main: Address,
    /// The address of the main process for replication.
    pub main_replication: Address,
    /// The address of the main process for Prometheus.
    pub main_metrics: Option<Address>,
    /// In the order of [`CheckedPlan::workers`].
    pub workers: Vec<Process>,
    /// Whether all processes run on one machine, by the addresses in the plan.
    pub is_one_machine: bool,
    ports: Ports,
}

/// Gives every worker of a pool an address, in the plan too, and checks the plan with its addresses.
///
/// # Errors
/// The release has no such stream or background role, or no port is left.
pub(crate) fn assign_addresses(
    mut plan: Plan,
    release: &Known,
    synapse: &str,
    config: &ConfigureConfig,
    warnings: &mut Vec<String>,
) -> Result<(CheckedPlan, Cluster), ConfigureError> {
    check_streams(&plan, release, synapse)?;
    check_background_roles(&plan, release, synapse)?;
    let mut ports = Ports::new(&plan, config);
    warnings.extend(ports.remark(&plan, config));
    for pool in &mut plan.pools {
        let Some(workers) = pool.workers.take() else { continue };
        for index in 0..usize::try_from(workers).unwrap_or(usize::MAX) {
            let name = pool.worker_name(index);
            let address = ports.kept_or_next(config.present_worker(&name).and_then(|worker| worker.clients.as_ref()), &name)?;
            pool.servers.push(address.to_string());
        }
    }
    let plan = plan.check()?.for_release(synapse);
    let cluster = Cluster::new(&plan, ports, release, config)?;
    Ok((plan, cluster))
}

impl ConfigureConfig {
    /// A worker of the deployment that is to be replaced.
    pub(crate) fn present_worker(&self, name: &str) -> Option<&PresentWorker> {
        self.present.as_ref()?.worker(name)
    }
}

impl Cluster {
    fn new(plan: &CheckedPlan, ports: Ports, release: &Known, config: &ConfigureConfig) -> Result<Self, ConfigureError> {
        let processes = plan.workers().iter().map(|worker| {
            let clients = worker.address.as_deref().and_then(|address| Address::parse(address).ok());
            let assigned = plan.background_roles.assigned().into_iter().filter(|(_, names)| names.contains(&worker.name));
            let background_roles: Vec<_> = assigned.map(|(setting, _)| setting).collect();
            let writes = |(stream, writers): (&String, &wsim_plan::Writers)| writers.names().contains(&worker.name).then(|| stream.clone());
            let streams = plan.stream_writers.iter().filter_map(writes).collect();
            let app = app(&worker.name, &background_roles, release)?;
            let name = worker.name.clone();
            Ok(Process { name, clients, replication: None, metrics: None, resources: BTreeSet::new(), streams, background_roles, app })
        });
        let workers = processes.collect::<Result<Vec<_>, ConfigureError>>()?;
        Ok(Self {
            main: config.main.clone(),
            main_replication: config.main_replication.clone(),
            main_metrics: None,
            workers,
            is_one_machine: ports.is_local,
            ports,
        })
    }

    /// Adds the resources that the routes need from each worker, and the replication addresses of stream writers.
    ///
    /// # Errors
    /// Two listeners have one address, no port is left, the release has no unix sockets, or media jobs are on a worker without media.
    pub(crate) fn with_routes(
        mut self,
        plan: &CheckedPlan,
        routes: &Routes,
        release: &Known,
        config: &ConfigureConfig,
    ) -> Result<Self, ConfigureError> {
        for rule in &routes.rules {
            for name in self.names(plan, &rule.target) {
                let ports = &mut self.ports;
                let Some(process) = self.workers.iter_mut().find(|process| process.name == name) else { continue };
                if process.clients.is_none() {
                    let present = config.present_worker(&name).and_then(|worker| worker.clients.as_ref());
                    process.clients = Some(ports.kept_or_next(present, &name)?);
                }
                process.resources.extend(rule.resources());
            }
        }
        let Self { workers, ports, main, main_metrics, .. } = &mut self;
        let restricted = config.present.as_ref().map(|present| present.restricted.as_slice()).unwrap_or_default();
        for process in workers.iter_mut().filter(|process| !process.streams.is_empty() || restricted.contains(&process.name)) {
            let present = config.present_worker(&process.name).and_then(|worker| worker.replication.as_ref());
            process.replication = Some(match ports.keep(present) {
                Some(address) => address,
                None => ports.next_for_replication(&process.name, process.clients.as_ref())?,
            });
        }
        if config.extras.metrics {
            let present = config.present.as_ref().and_then(|present| present.main_metrics.as_ref());
            let host = match (&*main, config.platform.main()) {
                (Address::Tcp { host, .. }, _) => host.clone(),
                (Address::Unix(_), Address::Tcp { host, .. }) => host,
                (Address::Unix(_), Address::Unix(_)) => "localhost".to_owned(),
            };
            *main_metrics = Some(match ports.keep(present) {
                Some(address) => address,
                None => ports.next_port("main", Some(&host))?,
            });
            for process in workers.iter_mut() {
                let present = config.present_worker(&process.name).and_then(|worker| worker.metrics.as_ref());
                process.metrics = Some(match ports.keep(present) {
                    Some(address) => address,
                    None => ports.next_port(&process.name, None)?,
                });
            }
        }
        // A pool's worker without a route still listens, because the proxy's file contains its address.
        for process in &mut self.workers {
            if process.clients.is_some() && process.resources.is_empty() {
                process.resources.insert(Resource::Client);
            }
        }
        self.check_media_jobs()?;
        self.check_addresses(release)?;
        Ok(self)
    }

    /// The names of a target's workers, in order.
    pub fn names(&self, plan: &CheckedPlan, target: &Target) -> Vec<String> {
        match target {
            Target::Main | Target::Authentication => Vec::new(),
            Target::Pool(pool) => plan.members(*pool).iter().map(|member| plan.workers()[member.worker].name.clone()).collect(),
            Target::Writers(names) => names.clone(),
        }
    }

    /// A worker by name.
    pub fn worker(&self, name: &str) -> Option<&Process> {
        self.workers.iter().find(|process| process.name == name)
    }

    fn check_media_jobs(&self) -> Result<(), ConfigureError> {
        let setting = "media_instance_running_background_jobs";
        match self.workers.iter().find(|process| process.background_roles.contains(&setting) && !process.has_media()) {
            Some(process) => Err(ConfigureError::NoMedia(process.name.clone())),
            None => Ok(()),
        }
    }

    fn check_addresses(&self, release: &Known) -> Result<(), ConfigureError> {
        let mut taken: BTreeMap<Address, String> = BTreeMap::new();
        let own = [(&self.main, "the main process"), (&self.main_replication, "the main process's replication")];
        let own = own.into_iter().map(|(address, name)| (address, name.to_owned()));
        let workers = self.workers.iter().flat_map(|process| {
            let clients = process.clients.as_ref().map(|address| (address, process.name.clone()));
            let replication = process.replication.as_ref().map(|address| (address, format!("the replication of {}", process.name)));
            let metrics = process.metrics.as_ref().map(|address| (address, format!("the metrics of {}", process.name)));
            clients.into_iter().chain(replication).chain(metrics)
        });
        let own_metrics = self.main_metrics.iter().map(|address| (address, "the main process's metrics".to_owned()));
        let workers = own_metrics.chain(workers);
        for (address, name) in own.chain(workers) {
            if matches!(address, Address::Unix(_)) && !release.has_unix_sockets() {
                let problem = "unix sockets came with Synapse 1.90; use host:port".to_owned();
                return Err(ConfigureError::Address { worker: name, address: address.to_string(), problem });
            }
            if let Some(first) = taken.insert(address.resolved(), name.clone()) {
                return Err(ConfigureError::AddressTwice { address: address.to_string(), first, second: name });
            }
        }
        Ok(())
    }
}

/// Free ports.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ports {
    base: u16,
    next: u32,
    taken: BTreeSet<u16>,
    /// Addresses that have a process already.
    kept: BTreeSet<Address>,
    /// Whether all known addresses are of one machine, so that a new one can be a loopback address.
    is_local: bool,
    platform: Platform,
    /// The folder of sockets, instead of ports.
    sockets: Option<String>,
}

impl Ports {
    fn new(plan: &Plan, config: &ConfigureConfig) -> Self {
        let named =
            plan.pools.iter().flat_map(|pool| pool.servers().unwrap_or_default()).filter_map(|server| Address::parse(&server.name).ok());
        let own = [config.main.clone(), config.main_replication.clone()];
        let port = |address: &Address| match address {
            Address::Tcp { port, .. } => Some(*port),
            Address::Unix(_) => None,
        };
        let known: Vec<Address> = named.chain(own).collect();
        // The present processes may still run when the new ones start.
        let present = config.present.iter().flat_map(|present| present.ports.iter().copied());
        let taken = known.iter().filter_map(port).chain(present).collect();
        Self {
            base: config.base_port,
            next: u32::from(config.base_port),
            taken,
            kept: known.iter().map(Address::resolved).collect(),
            is_local: !config.platform.has_containers() && known.iter().all(Address::is_local),
            platform: config.platform,
            sockets: config.sockets.clone(),
        }
    }

    /// The address that a process has now, unless another one needs it.
    fn keep(&mut self, present: Option<&Address>) -> Option<Address> {
        present.filter(|address| self.kept.insert(address.resolved())).cloned()
    }

    /// The address that a process has now, unless another one needs it; else a new one.
    fn kept_or_next(&mut self, present: Option<&Address>, worker: &str) -> Result<Address, ConfigureError> {
        match self.keep(present) {
            Some(address) => Ok(address),
            None => self.next(worker),
        }
    }

    /// What to know of the addresses that are not in the plan, where a loopback address would reach nobody.
    fn remark(&self, plan: &Plan, config: &ConfigureConfig) -> Vec<String> {
        if self.is_local || self.platform.has_containers() {
            return Vec::new();
        }
        let mut remarks = Vec::new();
        if plan.pools.iter().any(|pool| pool.workers.is_some()) || !plan.stream_writers.is_empty() {
            remarks.push(
                "the processes run on several machines or in containers: workers and replication listeners without an address in the plan get \
                 the worker's name as their host, which has to lead to it (the name of its container or service)"
                    .to_owned(),
            );
        }
        for (option, address) in [("--main", &config.main), ("--main-replication", &config.main_replication)] {
            if address.is_local() {
                remarks.push(format!(
                    "{option} {address} reaches the main process from its own machine or container only; give its name there"
                ));
            }
        }
        remarks
    }

    /// A new address of a worker for clients.
    fn next(&mut self, worker: &str) -> Result<Address, ConfigureError> {
        self.assign(worker, &format!("{worker}.sock"), None)
    }

    /// A new address of a worker for replication; in containers at the host of its address for clients, which is known to lead to it.
    fn next_for_replication(&mut self, worker: &str, clients: Option<&Address>) -> Result<Address, ConfigureError> {
        let host = match clients {
            Some(Address::Tcp { host, .. }) if self.platform.has_containers() => Some(host.as_str()),
            _ => None,
        };
        self.assign(worker, &format!("{worker}-replication.sock"), host)
    }

    /// A socket if those are wanted, else [`Self::next_port`].
    fn assign(&mut self, worker: &str, socket: &str, host: Option<&str>) -> Result<Address, ConfigureError> {
        if let Some(folder) = &self.sockets {
            return Ok(Address::Unix(format!("{folder}/{socket}")));
        }
        self.next_port(worker, host)
    }

    /// The next free port, on the loopback address, or where that would reach nobody, at `host` or the worker's name.
    fn next_port(&mut self, worker: &str, host: Option<&str>) -> Result<Address, ConfigureError> {
        loop {
            let port = u16::try_from(self.next).ok().filter(|port| *port > 0);
            let port = port.ok_or_else(|| ConfigureError::NoPort(self.base, worker.to_owned()))?;
            self.next += 1;
            if self.taken.insert(port) {
                return Ok(match (self.is_local, host) {
                    (true, _) => Address::tcp("127.0.0.1", port),
                    (false, Some(host)) => Address::tcp(host, port),
                    (false, None) => Address::tcp(&self.platform.host_of(worker), port),
                });
            }
        }
    }
}

fn check_streams(plan: &Plan, release: &Known, synapse: &str) -> Result<(), ConfigureError> {
    for (stream, writers) in &plan.stream_writers {
        let since = stream_since(stream).unwrap_or(super::release::OLDEST);
        if !release.is_at_least(since) {
            return Err(ConfigureError::Stream { release: synapse.to_owned(), stream: stream.clone(), since });
        }
        if let Some(since) = several_writers_since(stream).filter(|since| writers.names().len() > 1 && !release.is_at_least(since)) {
            return Err(ConfigureError::Writers { release: synapse.to_owned(), stream: stream.clone(), since });
        }
    }
    Ok(())
}

fn check_background_roles(plan: &Plan, release: &Known, synapse: &str) -> Result<(), ConfigureError> {
    for (setting, _) in plan.background_roles.assigned() {
        let since = background_role_since(setting).unwrap_or(super::release::OLDEST);
        if !release.is_at_least(since) {
            return Err(ConfigureError::BackgroundRole { release: synapse.to_owned(), setting: setting.to_owned(), since });
        }
    }
    Ok(())
}

/// The program of a worker: a generic worker, unless an old release has a separate program for one of its background roles.
fn app(name: &str, background_roles: &[&'static str], release: &Known) -> Result<&'static str, ConfigureError> {
    let mut app: Option<&'static str> = None;
    for program in background_roles.iter().filter_map(|role| program_of(role, release)) {
        match app {
            Some(first) if first != program => {
                let release = release.to_string();
                return Err(ConfigureError::TwoApps { worker: name.to_owned(), first, second: program, release });
            }
            _ => app = Some(program),
        }
    }
    Ok(app.unwrap_or("synapse.app.generic_worker"))
}

fn program_of(role: &str, release: &Known) -> Option<&'static str> {
    match role {
        "update_user_directory_from_worker" if !release.background_roles_by_name() => Some("synapse.app.user_dir"),
        "notify_appservices_from_worker" if !release.background_roles_by_name() => Some("synapse.app.appservice"),
        "pusher_instances" if !release.senders_are_generic() => Some("synapse.app.pusher"),
        "federation_sender_instances" if !release.senders_are_generic() => Some("synapse.app.federation_sender"),
        _ => None,
    }
}
