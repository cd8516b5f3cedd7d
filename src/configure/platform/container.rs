//! What docker compose and Kubernetes have in common: images, names, the command line of a process, its health check.
//!
//! Source: `docker/start.py` and `contrib/docker_compose_workers/` of Synapse: the image runs `run`, takes the application from
//! `SYNAPSE_WORKER`, and hands `--config-path` on.

use std::collections::BTreeMap;

use super::super::address::Address;
use super::super::cluster::Process;
use super::super::{ConfigureError, Context};
use wsim_plan::ProxyKind;

/// The host name of the main process.
pub(super) const MAIN: &str = "synapse";
/// The host name of the proxy.
pub(super) const PROXY: &str = "proxy";
/// The host name of Redis.
pub(super) const REDIS: &str = "redis";
/// The port at which the proxy listens, behind whatever ends TLS.
pub(super) const PROXY_PORT: u16 = 8008;
/// The user and group of Synapse in its image.
pub(super) const USER: u32 = 991;
pub(super) const REDIS_IMAGE: &str = "redis:7-alpine";
/// The host name of Prometheus, where it is started with the others.
pub(super) const PROMETHEUS: &str = "prometheus";
pub(super) const PROMETHEUS_IMAGE: &str = "prom/prometheus:v3.5.0";

/// A DNS label: small letters, digits and hyphens, 63 characters at most.
pub(super) fn label(name: &str) -> String {
    let text: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(63).collect();
    text.trim_matches('-').to_owned()
}

/// The image of the release.
pub(super) fn image(context: &Context<'_>) -> String {
    let release = &context.plan.synapse;
    let patch = if release.matches('.').count() == 1 { ".0" } else { "" };
    format!("docker.io/matrixdotorg/synapse:v{release}{patch}")
}

/// The image of the proxy, in which the written files are known to be understood.
pub(super) fn proxy_image(proxy: ProxyKind) -> &'static str {
    match proxy {
        ProxyKind::Haproxy => "haproxy:3.0-alpine",
        ProxyKind::Caddy => "caddy:2-alpine",
        // From 1.27.3 on nginx looks names up again, which it has to when a container gets another address.
        _ => "nginx:1.28-alpine",
    }
}

/// The proxy's written files, and where its image reads them.
pub(super) fn proxy_files(proxy: ProxyKind) -> &'static [(&'static str, &'static str)] {
    match proxy {
        ProxyKind::Haproxy => &[("proxy/haproxy/haproxy.cfg", "/usr/local/etc/haproxy/haproxy.cfg")],
        ProxyKind::Caddy => &[("proxy/caddy/Caddyfile", "/etc/caddy/Caddyfile")],
        _ => &[
            ("proxy/nginx/wsim-maps.conf", "/etc/nginx/conf.d/wsim-maps.conf"),
            ("proxy/nginx/wsim-locations.conf", "/etc/nginx/snippets/wsim-locations.conf"),
            ("proxy/nginx/site.conf", "/etc/nginx/conf.d/default.conf"),
        ],
    }
}

/// The name under which other containers reach a process: the host of its address, or a label made of its name.
pub(super) fn service(process: &Process) -> String {
    let of = |address: &Option<Address>| match address {
        Some(Address::Tcp { host, .. }) => Some(host.split('.').next().unwrap_or(host).to_owned()),
        _ => None,
    };
    of(&process.clients).or_else(|| of(&process.replication)).unwrap_or_else(|| label(&process.name))
}

/// The name of the main process' container.
pub(super) fn main_service(context: &Context<'_>) -> String {
    match &context.cluster.main {
        Address::Tcp { host, .. } => host.split('.').next().unwrap_or(host).to_owned(),
        Address::Unix(_) => MAIN.to_owned(),
    }
}

/// The arguments of the image: `run`, and the configuration files in order, because later ones count.
pub(super) fn arguments(context: &Context<'_>, homeserver: &str, process: Option<&Process>) -> Vec<String> {
    let installed = &context.config.installed;
    let mut files = vec![homeserver.to_owned(), format!("{installed}/synapse/homeserver-additions.yaml")];
    files.push(format!("{installed}/synapse/workers.yaml"));
    if has_secret(context) {
        files.push(format!("{installed}/synapse/replication-secret.yaml"));
    }
    files.extend(process.map(|process| format!("{installed}/synapse/workers/{}.yaml", process.name)));
    std::iter::once("run".to_owned()).chain(files.into_iter().map(|file| format!("--config-path={file}"))).collect()
}

pub(super) fn has_secret(context: &Context<'_>) -> bool {
    context.writes_secret()
}

/// The address at which a process answers `/health`: every HTTP listener of Synapse does. `None` for a process without a listener.
pub(super) fn health(process: &Process) -> Option<&Address> {
    process.clients.as_ref().or(process.replication.as_ref())
}

/// The folders of the unix sockets of Synapse's processes.
pub(super) fn socket_folders(context: &Context<'_>) -> Vec<String> {
    let cluster = context.cluster;
    let own = [Some(&cluster.main), Some(&cluster.main_replication)].into_iter();
    let workers = cluster.workers.iter().flat_map(|process| [process.clients.as_ref(), process.replication.as_ref()]);
    let mut folders: Vec<String> = own.chain(workers).flatten().filter_map(Address::folder).map(str::to_owned).collect();
    folders.sort();
    folders.dedup();
    folders
}

/// Whether Redis is to run beside the other containers, because no other one is named.
pub(super) fn has_own_redis(context: &Context<'_>) -> bool {
    !context.cluster.workers.is_empty() && context.config.redis.is_none()
}

/// # Errors
/// An address that no other container reaches, or two containers of one name.
pub(super) fn check(context: &Context<'_>) -> Result<(), ConfigureError> {
    let cluster = context.cluster;
    let wrong = |worker: &str, address: &Address, problem: &str| {
        Err(ConfigureError::Address { worker: worker.to_owned(), address: address.to_string(), problem: problem.to_owned() })
    };
    let own = [("main", Some(&cluster.main)), ("main", Some(&cluster.main_replication))].into_iter();
    let workers = cluster
        .workers
        .iter()
        .flat_map(|process| [(process.name.as_str(), process.clients.as_ref()), (process.name.as_str(), process.replication.as_ref())]);
    for (name, address) in own.chain(workers) {
        match address {
            Some(address @ Address::Unix(_)) if context.config.platform == super::Platform::Kubernetes => {
                return wrong(name, address, "pods share no unix sockets; use host:port");
            }
            Some(address @ Address::Tcp { .. }) if address.is_local() => {
                return wrong(
                    name,
                    address,
                    "reaches nobody from another container; leave the address out, or use the name of the container",
                );
            }
            Some(address @ Address::Tcp { host, .. }) if host.parse::<std::net::IpAddr>().is_ok() => {
                return wrong(
                    name,
                    address,
                    "containers get their IP addresses when they start; leave the address out, or use the name of the container",
                );
            }
            _ => {}
        }
    }
    let mut taken: BTreeMap<String, String> = [(main_service(context), "the main process".to_owned())].into();
    taken.insert(PROXY.to_owned(), "the proxy".to_owned());
    taken.insert(REDIS.to_owned(), "Redis".to_owned());
    if cluster.main_metrics.is_some() {
        taken.insert(PROMETHEUS.to_owned(), "Prometheus".to_owned());
    }
    for process in &cluster.workers {
        if let Some(first) = taken.insert(service(process), format!("worker {:?}", process.name)) {
            return Err(ConfigureError::ServiceTwice { service: service(process), first, second: process.name.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_dns_label() {
        assert_eq!(label("stream_writer1"), "stream-writer1");
        assert_eq!(label("Sync_"), "sync");
        assert_eq!(label(&"a".repeat(70)).len(), 63);
    }
}
