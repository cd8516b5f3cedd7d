//! All objects together: the servers behind a Service, and whether these are a proxy whose configuration is among the files.

use super::super::model::UpstreamServer;
use super::super::tree::Node;
use super::document::Object;

/// The objects of all manifests.
#[derive(Debug)]
pub(super) struct Objects {
    all: Vec<Object>,
    /// ConfigMaps and Secrets with a proxy's configuration.
    passing: Vec<String>,
}

/// What a route sends requests to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    /// `namespace-service-port`, as controllers name it.
    pub(super) name: String,
    pub(super) servers: Vec<UpstreamServer>,
    /// The ConfigMap or Secret with the rules of the proxy that the servers are.
    pub(super) proxy: Option<String>,
}

impl Objects {
    pub(super) fn new(all: Vec<Object>, passing: &[String]) -> Self {
        Self { all, passing: passing.to_vec() }
    }

    pub(super) fn all(&self) -> &[Object] {
        &self.all
    }

    pub(super) fn of_kind<'o>(&'o self, kind: &'o str) -> impl Iterator<Item = &'o Object> {
        self.all.iter().filter(move |object| object.kind == kind)
    }

    /// The images of all containers.
    pub(super) fn images(&self) -> impl Iterator<Item = String> {
        let pods = self.all.iter().filter(|object| WORKLOADS.contains(&object.kind.as_str())).filter_map(pod_of);
        let containers = pods.flat_map(|pod| pod.get("containers").map(Node::items).unwrap_or_default());
        containers.filter_map(|container| container.get("image").and_then(Node::text))
    }

    /// An object by kind and name; of several that of the same namespace. A namespace that one of the two leaves out may be the same.
    pub(super) fn named(&self, kind: &str, name: &str, namespace: &str) -> Option<&Object> {
        let found = || self.all.iter().filter(|object| object.kind == kind && object.name == name);
        let is_same = |object: &&Object| object.namespace == namespace;
        let may_be = |object: &&Object| object.namespace.is_empty() || namespace.is_empty();
        found().find(is_same).or_else(|| found().find(may_be))
    }

    /// The servers of a Service's port, which is a number or a name.
    pub(super) fn backend(&self, service: &str, port: &str, namespace: &str) -> Backend {
        let space = if namespace.is_empty() { "default" } else { namespace };
        let name = format!("{space}-{service}-{port}");
        let Some(object) = self.named("Service", service, namespace) else {
            let server = UpstreamServer { address: format!("{service}:{port}"), name: None, weight: 1 };
            return Backend { name, servers: vec![server], proxy: None };
        };
        let ports = object.spec(&["ports"]).map(Node::items).unwrap_or_default();
        let text = |node: &Node, key: &str| node.get(key).and_then(Node::text);
        let own = ports.iter().find(|own| text(own, "port").as_deref() == Some(port) || text(own, "name").as_deref() == Some(port));
        let own = own.or_else(|| ports.first().filter(|_| ports.len() == 1 && port.is_empty()));
        let target = own.and_then(|own| text(own, "targetPort").or_else(|| text(own, "port"))).unwrap_or_else(|| port.to_owned());
        let workloads: Vec<&Object> = self.all.iter().filter(|workload| selects(object, workload)).collect();
        let target = match target.parse::<u16>() {
            Ok(_) => target,
            Err(_) => workloads.iter().find_map(|workload| container_port(workload, &target)).unwrap_or(target),
        };
        let count = |workload: &Object| match workload.kind.as_str() {
            "Pod" | "DaemonSet" => 1,
            _ => workload.spec(&["replicas"]).and_then(Node::number).unwrap_or(1).clamp(0, SERVERS_MAX),
        };
        let pods: Vec<String> =
            workloads.iter().flat_map(|workload| (0..count(workload)).map(|index| format!("{}-{index}", workload.name))).collect();
        let hosts = if pods.len() < 2 { vec![service.to_owned()] } else { pods };
        let servers = hosts.into_iter().map(|host| UpstreamServer { address: format!("{host}:{target}"), name: None, weight: 1 });
        let proxy = workloads.iter().find_map(|workload| self.mounted(workload));
        Backend { name, servers: servers.collect(), proxy }
    }

    /// The ConfigMap or Secret with a proxy's configuration that a workload mounts.
    fn mounted(&self, workload: &Object) -> Option<String> {
        let pod = pod_of(workload)?;
        let text = |node: Option<&Node>, key: &str| node.and_then(|node| node.get(key)).and_then(Node::text);
        let volumes = pod.get("volumes").map(Node::items).unwrap_or_default();
        let projected = volumes.iter().flat_map(|volume| volume.at(&["projected", "sources"]).map(Node::items).unwrap_or_default());
        let mut names = volumes.iter().chain(projected).flat_map(|volume| {
            let secret = volume.get("secret");
            [text(volume.get("configMap"), "name"), text(secret, "secretName"), text(secret, "name")].into_iter().flatten()
        });
        names.find(|name| self.passing.contains(name))
    }
}

/// Whether a Service's selector takes the pods of a workload.
fn selects(service: &Object, workload: &Object) -> bool {
    if !WORKLOADS.contains(&workload.kind.as_str()) {
        return false;
    }
    let is_near = service.namespace == workload.namespace || service.namespace.is_empty() || workload.namespace.is_empty();
    let wanted = service.spec(&["selector"]).map(Node::entries).unwrap_or_default();
    let labels =
        if workload.kind == "Pod" { workload.root.at(&["metadata", "labels"]) } else { workload.spec(&["template", "metadata", "labels"]) };
    let has = |key: &str, value: Option<String>| labels.and_then(|labels| labels.get(key)).and_then(Node::text) == value;
    is_near && !wanted.is_empty() && wanted.iter().all(|(key, value)| has(key, value.text()))
}

fn pod_of(workload: &Object) -> Option<&Node> {
    if workload.kind == "Pod" { workload.root.get("spec") } else { workload.spec(&["template", "spec"]) }
}

/// The number of a named port of a workload's containers.
fn container_port(workload: &Object, name: &str) -> Option<String> {
    let containers = pod_of(workload)?.get("containers")?.items();
    let mut ports = containers.iter().flat_map(|container| container.get("ports").map(Node::items).unwrap_or_default());
    ports.find(|port| port.get("name").and_then(Node::text).as_deref() == Some(name))?.get("containerPort")?.text()
}

const WORKLOADS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod"];
const SERVERS_MAX: i64 = 1000;
