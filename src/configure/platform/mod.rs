//! Where Synapse runs: what starts its processes there, with the limits of the plan.
//!
//! ```text
//! systemd, compose, Kubernetes   the proxy's and Synapse's own files, and what starts the processes with them
//! NixOS                          the proxy's own files, and Synapse's settings as options
//! ess-helm, Ansible              values and variables only: these write their own files for the proxy and Synapse
//! ```
//!
//! One module for each platform, all from the same [`Cluster`](super::Cluster) and [`Routes`](super::Routes). Knows nothing of a proxy's
//! syntax. Invariant: no address in what is written for a platform is one that reaches nobody there.

mod ansible;
mod compose;
mod container;
mod ess_helm;
mod kubernetes;
mod nixos;
mod systemd;

pub(super) use self::systemd::proxy_step;
use super::address::Address;
use super::{ConfigureError, Context, OutputFile};
use wsim_plan::{Cpu, Plan, ProxyKind, Server};

/// Where Synapse runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// systemd units on Debian or the like.
    Systemd,
    /// docker compose.
    Compose,
    /// Kubernetes, with plain manifests.
    Kubernetes,
    /// Kubernetes, with the chart of Element Server Suite.
    EssHelm,
    /// The playbook matrix-docker-ansible-deploy.
    Ansible,
    /// The options `services.matrix-synapse` of NixOS.
    Nixos,
}

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 6] = [Self::Systemd, Self::Compose, Self::Kubernetes, Self::EssHelm, Self::Ansible, Self::Nixos];

    /// The platform of a keyword on the command line.
    pub fn from_keyword(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.keyword() == word)
    }

    /// The keyword on the command line.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Compose => "compose",
            Self::Kubernetes => "kubernetes",
            Self::EssHelm => "ess-helm",
            Self::Ansible => "ansible",
            Self::Nixos => "nixos",
        }
    }

    /// The name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Compose => "docker compose",
            Self::Kubernetes => "Kubernetes",
            Self::EssHelm => "ess-helm",
            Self::Ansible => "matrix-docker-ansible-deploy",
            Self::Nixos => "NixOS",
        }
    }

    /// The proxies for which something is written, the usual one first.
    pub fn proxies(self) -> &'static [ProxyKind] {
        match self {
            Self::Systemd => &[ProxyKind::Nginx, ProxyKind::Haproxy, ProxyKind::Caddy, ProxyKind::Traefik, ProxyKind::Apache],
            Self::Compose | Self::Kubernetes | Self::Nixos => &[ProxyKind::Nginx, ProxyKind::Haproxy, ProxyKind::Caddy],
            Self::EssHelm => &[ProxyKind::Haproxy],
            Self::Ansible => &[ProxyKind::Nginx],
        }
    }

    /// The proxy of the platform's own, which a plan cannot choose.
    pub fn own_proxy(self) -> Option<ProxyKind> {
        if let [only] = self.proxies() { Some(*only) } else { None }
    }

    /// Whether every process has a network of its own, in which other processes have names.
    pub fn has_containers(self) -> bool {
        !matches!(self, Self::Systemd | Self::Nixos)
    }

    /// Whether the proxy's and Synapse's own files are written.
    pub fn takes_files(self) -> bool {
        !matches!(self, Self::EssHelm | Self::Ansible)
    }

    /// The address at which the main process serves clients and federation, if none is given.
    pub fn main(self) -> Address {
        Address::tcp(if self.has_containers() { container::MAIN } else { "127.0.0.1" }, 8008)
    }

    /// The address at which the main process serves replication, if none is given; `sockets` is the folder of unix sockets, if those are
    /// wanted.
    pub fn main_replication(self, sockets: Option<&str>) -> Address {
        match sockets {
            Some(folder) => Address::Unix(format!("{folder}/main-replication.sock")),
            None => Address::tcp(if self.has_containers() { container::MAIN } else { "127.0.0.1" }, 9093),
        }
    }

    /// The folder that contains `synapse/` where Synapse runs, if none is given.
    pub fn installed(self) -> &'static str {
        if self.has_containers() { "/wsim" } else { "/etc/matrix-synapse/wsim" }
    }

    /// The host name of a worker where containers have names: a DNS label made of the worker's name.
    pub(super) fn host_of(self, worker: &str) -> String {
        if self.has_containers() { container::label(worker) } else { worker.to_owned() }
    }
}

/// In containers, replaces addresses of the plan that reach nobody from another container by the worker's name.
pub(super) fn reachable(plan: &mut Plan, platform: Platform, warnings: &mut Vec<String>) {
    if !platform.has_containers() {
        return;
    }
    let mut replaced: Vec<(String, String)> = Vec::new();
    for pool in &mut plan.pools {
        let names: Vec<String> = (0..pool.servers.len()).map(|index| pool.worker_name(index)).collect();
        for (text, name) in pool.servers.iter_mut().zip(&names) {
            let Ok(server) = Server::parse(text) else { continue };
            let address = Address::parse(&server.name).ok().filter(Address::is_local);
            let Some(Address::Tcp { port, .. }) = address else { continue };
            let known = replaced.iter().find(|(before, _)| *before == server.name).map(|(_, after)| after.clone());
            let after = known.unwrap_or_else(|| {
                let after = Address::tcp(&platform.host_of(name), port).to_string();
                replaced.push((server.name.clone(), after.clone()));
                after
            });
            *text = if server.weight == 1 { after } else { format!("{after}={}", server.weight) };
        }
    }
    if let [(before, after), others @ ..] = replaced.as_slice()
        && platform.takes_files()
    {
        let more = if others.is_empty() { String::new() } else { format!(", and {} more", others.len()) };
        warnings.push(format!("{before} reaches nobody from another container: {after} is written instead{more}"));
    }
}

/// # Errors
/// The platform cannot do what the plan or the options say.
pub(super) fn check(context: &Context<'_>) -> Result<(), ConfigureError> {
    let (platform, proxy) = (context.config.platform, context.config.proxy);
    if !platform.proxies().contains(&proxy) {
        let choices: Vec<&str> = platform.proxies().iter().map(|kind| kind.keyword()).collect();
        return Err(ConfigureError::PlatformProxy { platform: platform.name(), proxy: proxy.name(), choices: choices.join(", ") });
    }
    match platform {
        Platform::Compose | Platform::Kubernetes => container::check(context),
        Platform::Nixos => nixos::check(context),
        Platform::Systemd | Platform::EssHelm | Platform::Ansible => Ok(()),
    }
}

/// Adds the files of the platform to the proxy's and Synapse's own ones.
pub(super) fn files(context: &Context<'_>, files: &mut Vec<OutputFile>, warnings: &mut Vec<String>) {
    let more = match context.config.platform {
        Platform::Systemd => systemd::files(context),
        Platform::Compose => compose::files(context),
        Platform::Kubernetes => kubernetes::files(context, files),
        Platform::EssHelm => ess_helm::files(context, warnings),
        Platform::Ansible => ansible::files(context, warnings),
        Platform::Nixos => {
            // NixOS writes Synapse's files from its options; a secret has no place among them.
            files.retain(|file| file.secret || !file.path.starts_with("synapse/"));
            nixos::files(context, warnings)
        }
    };
    files.extend(more);
}

/// What an administrator does to install and start everything, and to take it back.
pub(super) struct Steps {
    /// How the files get where they belong, before anything is restarted.
    pub(super) install: Vec<String>,
    /// How the main process gets its new settings.
    pub(super) restart_main: String,
    /// How the workers start, and how to see that they respond.
    pub(super) start_workers: Vec<String>,
    /// How the proxy gets its new rules, as the end of a sentence.
    pub(super) proxy: String,
    /// What comes after everything runs.
    pub(super) after: Vec<String>,
    /// Stops every process.
    pub(super) stop: String,
    /// Restores the old state, the processes being stopped.
    pub(super) restore: String,
}

pub(super) fn steps(context: &Context<'_>) -> Steps {
    match context.config.platform {
        Platform::Systemd => systemd::steps(context),
        Platform::Compose => compose::steps(context),
        Platform::Kubernetes => kubernetes::steps(context),
        Platform::EssHelm => ess_helm::steps(),
        Platform::Ansible => ansible::steps(),
        Platform::Nixos => nixos::steps(context),
    }
}

/// The heading of every file.
fn heading(context: &Context<'_>, what: &str) -> String {
    format!(
        "# {what} for the plan {:?}, Synapse {}.\n# Written by `wsim configure --for {}`: do not edit this file, but change plan.toml and run it again.\n",
        context.plan.name,
        context.plan.synapse,
        context.config.platform.keyword()
    )
}

/// A number with at most two decimals, and no zeros at its end.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The limit of a process; `None` if the process may use a whole core.
fn limit_of(context: &Context<'_>, worker: Option<&str>) -> Option<Cpu> {
    let cpu = match worker {
        None => context.plan.cpu_of_main(),
        Some(name) => context.plan.workers().iter().find(|worker| worker.name == name)?.cpu,
    };
    (!cpu.is_unlimited()).then_some(cpu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_plan::{Preset, PresetConfig};

    #[test]
    fn every_platform_has_a_keyword_and_a_proxy() {
        for platform in Platform::ALL {
            assert_eq!(Platform::from_keyword(platform.keyword()), Some(platform));
            assert!(!platform.proxies().is_empty());
        }
        assert_eq!(Platform::from_keyword("docker"), None);
        assert_eq!(Platform::EssHelm.own_proxy(), Some(ProxyKind::Haproxy));
        assert_eq!(Platform::Systemd.own_proxy(), None);
    }

    #[test]
    fn a_loopback_address_becomes_the_name_of_its_worker_wherever_a_pool_names_it() {
        let mut plan = Preset::find("federation-apart").unwrap().plan(1, &PresetConfig::default()).unwrap().into_plan();
        plan.pools[1].servers[0] = format!("{}=3", plan.pools[0].servers[0]);
        let mut warnings = Vec::new();
        reachable(&mut plan, Platform::Compose, &mut warnings);
        let port = plan.pools[0].servers[0].rsplit_once(':').unwrap().1.to_owned();
        assert_eq!(
            (plan.pools[0].servers[0].clone(), plan.pools[1].servers[0].clone()),
            (format!("inbound1:{port}"), format!("inbound1:{port}=3"))
        );
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let before = plan.clone();
        reachable(&mut plan, Platform::Kubernetes, &mut warnings);
        assert_eq!(plan, before, "names stay");
    }
}
