//! Kubernetes: plain manifests, one file for each kind of thing.
//!
//! Every process is a `StatefulSet` of one pod with a `Service` of its own: each has its name, its address and its limit, the proxy
//! balances and not Kubernetes, and there are never two pods of a stream writer at once. The Services have addresses that stay, so that
//! no proxy has to look names up again. The proxy's and Synapse's files are in `ConfigMap`s; every pod sees its own only. A hash of them
//! in the pods' annotations restarts the pods when they change.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::super::address::Address;
use super::super::cluster::Process;
use super::super::{Context, OutputFile, metrics};
use super::container::{self, PROXY, PROXY_PORT, REDIS, REDIS_IMAGE, USER};
use super::{Steps, heading, limit_of, short};
use wsim_plan::Cpu;

pub(super) fn files(context: &Context<'_>, written: &[OutputFile]) -> Vec<OutputFile> {
    let hash = hash_of(written, "synapse/");
    let mut files = vec![
        OutputFile::new("kubernetes/config.yaml", config(context, written)),
        OutputFile::new("kubernetes/data.yaml", data(context)),
        OutputFile::new("kubernetes/synapse.yaml", processes(context, &hash)),
        OutputFile::new("kubernetes/proxy.yaml", proxy(context, &hash_of(written, "proxy/"))),
    ];
    if container::has_own_redis(context) {
        files.push(OutputFile::new("kubernetes/redis.yaml", redis(context)));
    }
    if let Some(text) = monitor(context) {
        files.push(OutputFile::new("kubernetes/service-monitor.yaml", text));
    }
    if let Some(secret) = written.iter().find(|file| file.secret) {
        let text = format!(
            "{}apiVersion: v1\nkind: Secret\nmetadata:\n  name: synapse-replication\n{LABELS}stringData:\n  replication-secret.yaml: |\n{}",
            heading(context, "The secret between Synapse's processes"),
            indented(&secret.text, 4)
        );
        files.push(OutputFile { path: "kubernetes/secret.yaml".to_owned(), text, secret: true });
    }
    files
}

/// What the Prometheus operator is told: all Services with metrics, and the labels that the processes have in the written scrape configuration.
fn monitor(context: &Context<'_>) -> Option<String> {
    context.cluster.main_metrics.as_ref()?;
    let mut out = heading(context, "Metrics, for the Prometheus operator");
    let _ = write!(
        out,
        "# Without the operator: prometheus/prometheus.yml. Some operators select by a label: add the one of yours (`release: …`) here.\n\
         apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata:\n  name: synapse\n{LABELS}spec:\n  selector:\n    matchExpressions:\n      \
         - key: {METRICS_LABEL}process\n        operator: Exists\n  endpoints:\n    - port: metrics\n      path: {}\n      interval: 15s\n      relabelings:\n",
        metrics::PATH
    );
    for label in ["job", "index", "process"] {
        let source = format!("__meta_kubernetes_service_label_{}{label}", METRICS_LABEL.replace(['.', '/'], "_"));
        let _ = writeln!(out, "        - sourceLabels: [{source}]\n          targetLabel: {label}");
    }
    Some(out)
}

fn hash_of(written: &[OutputFile], folder: &str) -> String {
    let mut hash = Sha256::new();
    for file in written.iter().filter(|file| file.path.starts_with(folder)) {
        hash.update(file.path.as_bytes());
        hash.update([0]);
        hash.update(file.text.as_bytes());
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The text as the lines of a block of YAML.
fn indented(text: &str, width: usize) -> String {
    let blank = " ".repeat(width);
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{blank}{line}\n") }).collect()
}

fn config(context: &Context<'_>, written: &[OutputFile]) -> String {
    let mut out = heading(context, "The files of Synapse and of the proxy");
    let proxy_files = container::proxy_files(context.config.proxy);
    let inside = |folder: &'static str| {
        move |file: &&OutputFile| {
            !file.secret && file.path.strip_prefix(folder).is_some_and(|rest| rest.ends_with(".yaml") && !rest.contains('/'))
        }
    };
    let maps: [(&str, Vec<&OutputFile>); 4] = [
        ("synapse-config", written.iter().filter(inside("synapse/")).collect()),
        ("synapse-workers", written.iter().filter(inside("synapse/workers/")).collect()),
        ("synapse-log", written.iter().filter(inside("synapse/log/")).collect()),
        ("synapse-proxy", written.iter().filter(|file| proxy_files.iter().any(|(path, _)| *path == file.path)).collect()),
    ];
    let mut first = true;
    for (name, files) in maps.iter().filter(|(_, files)| !files.is_empty()) {
        let separator = if std::mem::take(&mut first) { "" } else { "---\n" };
        let _ = write!(out, "{separator}apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n{LABELS}data:\n");
        for file in files {
            // The second indentation indicator keeps lines that begin with blanks as they are.
            let _ = write!(out, "  {}: |2\n{}", key(&file.path), indented(&file.text, 4));
        }
    }
    out
}

/// The key of a file in its `ConfigMap`.
fn key(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn data(context: &Context<'_>) -> String {
    let media = context.cluster.workers.iter().any(Process::has_media);
    let mode = if media { "ReadWriteMany" } else { "ReadWriteOnce" };
    let why = if media { "# Several pods store media: the storage class must offer ReadWriteMany, or use object storage.\n" } else { "" };
    format!(
        "{}{why}apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: synapse-data\n{LABELS}spec:\n  accessModes: [{mode}]\n  resources:\n    requests:\n      \
         # Change it to what your media need.\n      storage: 50Gi\n",
        heading(context, "Media")
    )
}

fn processes(context: &Context<'_>, hash: &str) -> String {
    let mut out = heading(context, "The processes of Synapse");
    out.push_str(
        "# homeserver.yaml and the signing key are in the Secret `synapse-homeserver`, which only you can write:\n\
         #   kubectl create secret generic synapse-homeserver --from-file=homeserver.yaml --from-file=signing.key\n\
         # homeserver.yaml says `signing_key_path: /homeserver/signing.key`, `media_store_path: /data/media_store`, and names PostgreSQL's host.\n",
    );
    write_process(&mut out, context, None, hash);
    for process in &context.cluster.workers {
        out.push_str("---\n");
        write_process(&mut out, context, Some(process), hash);
    }
    out
}

fn write_process(out: &mut String, context: &Context<'_>, process: Option<&Process>, hash: &str) {
    let name = process.map_or_else(|| container::main_service(context), container::service);
    let component = if process.is_some() { "worker" } else { "main" };
    let (clients, replication) = match process {
        None => (Some(&context.cluster.main), (!context.cluster.workers.is_empty()).then_some(&context.cluster.main_replication)),
        Some(process) => (process.clients.as_ref(), process.replication.as_ref()),
    };
    let metrics = process.map_or(context.cluster.main_metrics.as_ref(), |process| process.metrics.as_ref());
    let ports: Vec<(&str, u16)> = [("http", clients), ("replication", replication), ("metrics", metrics)]
        .into_iter()
        .filter_map(|(what, address)| match address {
            Some(Address::Tcp { port, .. }) => Some((what, *port)),
            _ => None,
        })
        .collect();
    let process_name = process.map_or("main", |process| process.name.as_str());
    let scraped = metrics::scraped(context).into_iter().find(|scraped| scraped.process == process_name);
    let scraped: String = scraped
        .iter()
        .flat_map(metrics::Scraped::labels)
        .map(|(label, value)| format!("    {METRICS_LABEL}{label}: '{value}'\n"))
        .collect();
    let labels = |indent: usize| {
        let blank = " ".repeat(indent);
        format!(
            "{blank}app.kubernetes.io/name: synapse\n{blank}app.kubernetes.io/component: {component}\n{blank}app.kubernetes.io/instance: {name}\n"
        )
    };
    let _ = write!(
        out,
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  labels:\n{}{scraped}spec:\n  selector:\n    app.kubernetes.io/instance: {name}\n",
        labels(4)
    );
    if ports.is_empty() {
        // A StatefulSet needs a Service; this one has no ports, because nobody calls the process.
        out.push_str("  # Nobody calls this process.\n  clusterIP: None\n");
    } else {
        out.push_str("  ports:\n");
        for (what, port) in &ports {
            let _ = write!(out, "    - name: {what}\n      port: {port}\n      targetPort: {what}\n");
        }
    }
    let _ = write!(
        out,
        "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: {name}\n  labels:\n{}spec:\n  serviceName: {name}\n  # Never more: the name, the address and the streams are this one process'.\n  \
         replicas: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/instance: {name}\n  template:\n    metadata:\n      labels:\n{}      annotations:\n        \
         wsim/files: '{hash}'\n    spec:\n      enableServiceLinks: false\n      securityContext:\n        runAsUser: {USER}\n        runAsGroup: {USER}\n        fsGroup: {USER}\n      containers:\n        - name: synapse\n          \
         image: {}\n          args:\n",
        labels(4),
        labels(8),
        container::image(context)
    );
    for argument in container::arguments(context, "/homeserver/homeserver.yaml", process) {
        let _ = writeln!(out, "            - {argument}");
    }
    let app = process.map_or("synapse.app.homeserver", |process| process.app);
    let _ = write!(out, "          env:\n            - name: SYNAPSE_WORKER\n              value: {app}\n");
    if !ports.is_empty() {
        out.push_str("          ports:\n");
        for (what, port) in &ports {
            let _ = write!(out, "            - name: {what}\n              containerPort: {port}\n");
        }
        write_probes(out, ports[0].0, process.is_none());
    }
    if let Some(cpu) = limit_of(context, process.map(|process| process.name.as_str())) {
        write_limit(out, cpu);
    }
    write_volumes(out, context, process);
}

fn write_probes(out: &mut String, port: &str, main: bool) {
    // The main process may update the database schema for a long time; a worker waits for it and restarts meanwhile.
    let startup = if main { 720 } else { 60 };
    for (probe, period, failures) in [("startup", 5, startup), ("liveness", 15, 8), ("readiness", 5, 3)] {
        let _ = write!(
            out,
            "          {probe}Probe:\n            httpGet:\n              path: /health\n              port: {port}\n            periodSeconds: {period}\n            \
             timeoutSeconds: 5\n            failureThreshold: {failures}\n"
        );
    }
}

fn write_limit(out: &mut String, cpu: Cpu) {
    let milli = short((cpu.cores * 1000.0).round());
    let _ = write!(
        out,
        "          # The plan's limit. The period is the node's (`cpuCFSQuotaPeriod`, 100 ms){}.\n          resources:\n            requests:\n              cpu: {milli}m\n            limits:\n              cpu: {milli}m\n",
        if (cpu.period_ms - 100.0).abs() < 0.01 { String::new() } else { format!("; the plan has {} ms", short(cpu.period_ms)) }
    );
}

fn write_volumes(out: &mut String, context: &Context<'_>, process: Option<&Process>) {
    let installed = &context.config.installed;
    let password = context.config.redis.as_ref().and_then(|redis| redis.password_file.as_deref());
    let _ = write!(
        out,
        "          volumeMounts:\n            - name: files\n              mountPath: {installed}/synapse\n              readOnly: true\n            - name: homeserver\n              \
         mountPath: /homeserver\n              readOnly: true\n            - name: data\n              mountPath: /data\n"
    );
    if let Some(file) = password {
        let _ = write!(out, "            - name: redis\n              mountPath: {}\n              readOnly: true\n", folder_of(file));
    }
    out.push_str("      volumes:\n        - name: files\n          projected:\n            sources:\n              - configMap:\n                  name: synapse-config\n");
    if container::has_secret(context) {
        out.push_str("              - secret:\n                  name: synapse-replication\n");
    }
    if let Some(process) = process {
        for (map, folder) in [("synapse-workers", "workers"), ("synapse-log", "log")] {
            let _ = write!(
                out,
                "              - configMap:\n                  name: {map}\n                  items:\n                    - key: {0}.yaml\n                      path: {folder}/{0}.yaml\n",
                process.name
            );
        }
    }
    out.push_str("        - name: homeserver\n          secret:\n            secretName: synapse-homeserver\n        - name: data\n");
    let keeps_media = process.is_none_or(Process::has_media);
    out.push_str(if keeps_media {
        "          persistentVolumeClaim:\n            claimName: synapse-data\n"
    } else {
        "          emptyDir: {}\n"
    });
    if password.is_some() {
        out.push_str("        - name: redis\n          secret:\n            # Write it yourself; its key is the name of the file.\n            secretName: synapse-redis\n");
    }
}

fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder })
}

fn redis(context: &Context<'_>) -> String {
    format!(
        "{}# The processes communicate over it. It keeps nothing.\n{}---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {REDIS}\n  labels:\n    app.kubernetes.io/name: {REDIS}\nspec:\n  \
         replicas: 1\n  strategy:\n    type: Recreate\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: {REDIS}\n  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: {REDIS}\n    \
         spec:\n      containers:\n        - name: redis\n          image: {REDIS_IMAGE}\n          args: [redis-server, --save, '', --appendonly, 'no']\n          ports:\n            - name: redis\n              containerPort: 6379\n          \
         readinessProbe:\n            tcpSocket:\n              port: redis\n",
        heading(context, "Redis"),
        service(REDIS, "redis", 6379)
    )
}

fn service(name: &str, port_name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  labels:\n    app.kubernetes.io/name: {name}\nspec:\n  selector:\n    app.kubernetes.io/name: {name}\n  ports:\n    - name: {port_name}\n      port: {port}\n      targetPort: {port_name}\n"
    )
}

fn proxy(context: &Context<'_>, hash: &str) -> String {
    let kind = context.config.proxy;
    let mut out = heading(context, "The proxy");
    let _ = write!(
        out,
        "# Your Ingress ends TLS and sends the Matrix site to the Service `{PROXY}`, port {PROXY_PORT}, with X-Forwarded-For and X-Forwarded-Proto. One replica: several\n\
         # would count connections each for itself, but keys still lead to the same worker.\n{}---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {PROXY}\n  labels:\n    app.kubernetes.io/name: {PROXY}\nspec:\n  replicas: 1\n  \
         selector:\n    matchLabels:\n      app.kubernetes.io/name: {PROXY}\n  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: {PROXY}\n      annotations:\n        wsim/files: '{hash}'\n    spec:\n      containers:\n        - name: proxy\n          \
         image: {}\n          ports:\n            - name: http\n              containerPort: {PROXY_PORT}\n          readinessProbe:\n            tcpSocket:\n              port: http\n          volumeMounts:\n",
        service(PROXY, "http", PROXY_PORT),
        container::proxy_image(kind)
    );
    for (file, place) in container::proxy_files(kind) {
        let _ = write!(
            out,
            "            - name: files\n              mountPath: {place}\n              subPath: {}\n              readOnly: true\n",
            key(file)
        );
    }
    out.push_str("      volumes:\n        - name: files\n          configMap:\n            name: synapse-proxy\n");
    out
}

/// The beginning of the labels by which Prometheus knows a process.
const METRICS_LABEL: &str = "wsim/";
/// The labels of what belongs to all processes.
const LABELS: &str = "  labels:\n    app.kubernetes.io/name: synapse\n";

pub(super) fn steps(context: &Context<'_>) -> Steps {
    let main = container::main_service(context);
    let mut install = vec![
        "Check the manifests: `kubectl apply --dry-run=server -f kubernetes/`. `proxy/` and `synapse/` hold the same files as the ConfigMaps, to read and for `wsim audit`."
            .to_owned(),
        "Write the Secret `synapse-homeserver` (see kubernetes/synapse.yaml). `listeners` and `redis` of homeserver.yaml are replaced as a whole by homeserver-additions.yaml: \
         copy listeners of your own (metrics, manhole) there."
            .to_owned(),
        "`kubectl apply -f kubernetes/data.yaml -f kubernetes/config.yaml`.".to_owned(),
    ];
    if container::has_secret(context) {
        install.push("`kubectl apply -f kubernetes/secret.yaml`; keep that file out of repositories.".to_owned());
    }
    if container::has_own_redis(context) {
        install.push("`kubectl apply -f kubernetes/redis.yaml`.".to_owned());
    }
    let start_workers = if context.cluster.workers.is_empty() {
        Vec::new()
    } else {
        vec![
            "The workers start with it; each is ready when it responds: `kubectl get pods -l app.kubernetes.io/component=worker`."
                .to_owned(),
        ]
    };
    Steps {
        install,
        restart_main: format!("Start the processes: `kubectl apply -f kubernetes/synapse.yaml`, and read `kubectl logs {main}-0`."),
        start_workers,
        proxy: format!(
            "`kubectl apply -f kubernetes/proxy.yaml`, and have your Ingress send `/_matrix` and `/_synapse/client` to the Service `{PROXY}`. An Ingress with a limit of body size or time needs the same as the proxy (uploads, ten minutes)."
        ),
        after: vec![
            "Delete the StatefulSets of workers that the plan no longer has: `kubectl get statefulsets -l app.kubernetes.io/name=synapse`."
                .to_owned(),
        ],
        stop: "`kubectl scale statefulset --all --replicas=0` in its namespace".to_owned(),
        restore: "the old manifests and Secrets with `kubectl apply`, and the old Ingress".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_empty_lines_and_indentation() {
        assert_eq!(indented("a\n\n  b\n", 4), "    a\n\n      b\n");
        assert_eq!((key("synapse/log/w.yaml"), folder_of("/run/secrets/redis"), folder_of("/a")), ("w.yaml", "/run/secrets", "/"));
    }

    #[test]
    fn a_limit_is_in_thousandths_of_a_core() {
        let mut out = String::new();
        write_limit(&mut out, Cpu { cores: 0.25, period_ms: 100.0 });
        assert!(out.contains("cpu: 250m\n") && !out.contains("the plan has"), "{out}");
    }
}
