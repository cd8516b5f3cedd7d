//! systemd units: a target for all processes, the main process, and one template for the workers.
//!
//! Programs and paths are those of the packages from packages.matrix.org; comments in the units name the changes for other
//! installations.

use super::super::address::Address;
use super::super::{Context, OutputFile};
use super::{Steps, container, short};
use wsim_plan::{Cpu, ProxyKind};

pub(super) fn files(context: &Context<'_>) -> Vec<OutputFile> {
    let installed = &context.config.installed;
    let secret = context.writes_secret();
    let configs = |with_worker: bool| {
        let mut files = vec!["/etc/matrix-synapse/homeserver.yaml".to_owned(), "/etc/matrix-synapse/conf.d/".to_owned()];
        files.push(format!("{installed}/synapse/workers.yaml"));
        if secret {
            files.push(format!("{installed}/synapse/replication-secret.yaml"));
        }
        if with_worker {
            files.push(format!("{installed}/synapse/workers/%i.yaml"));
        }
        files.iter().map(|file| format!(" \\\n    --config-path={file}")).collect::<String>()
    };
    let wants: String =
        context.cluster.workers.iter().map(|process| format!("Wants=matrix-synapse-worker@{}.service\n", process.name)).collect();
    let mut files = vec![
        OutputFile::new(
            "systemd/matrix-synapse.target",
            format!(
                "# Start and stop all of Synapse: systemctl restart matrix-synapse.target\n[Unit]\nDescription=Synapse with its workers\n\
                 After=network.target postgresql.service redis-server.service\nWants=matrix-synapse.service\n{wants}\n[Install]\nWantedBy=multi-user.target\n"
            ),
        ),
        OutputFile::new("systemd/matrix-synapse.service", unit(context, "main process", "synapse.app.homeserver", &configs(false), "")),
    ];
    if !context.cluster.workers.is_empty() {
        let after = "# Workers wait for the main process, which updates the database schema.\nAfter=matrix-synapse.service\nWants=matrix-synapse.service\n";
        files.push(OutputFile::new(
            "systemd/matrix-synapse-worker@.service",
            unit(context, "worker %i", "synapse.app.generic_worker", &configs(true), after),
        ));
    }
    for process in context.cluster.workers.iter().filter(|process| process.app != "synapse.app.generic_worker") {
        // The template runs the generic worker; these workers run another program.
        let configs = configs(true);
        let text = format!(
            "# {} runs a separate program in this release.\n[Service]\nExecStart=\nExecStart=/opt/venvs/matrix-synapse/bin/python -m {}{configs}\n",
            process.name, process.app
        );
        files.push(OutputFile::new(format!("systemd/matrix-synapse-worker@{}.service.d/program.conf", process.name), text));
    }
    files.extend(cpu_limits(context));
    files
}

/// The limits of the plan, a drop-in for each process that has one.
fn cpu_limits(context: &Context<'_>) -> Vec<OutputFile> {
    let main = ("matrix-synapse".to_owned(), context.plan.cpu_of_main());
    let workers = context.plan.workers().iter().map(|worker| (format!("matrix-synapse-worker@{}", worker.name), worker.cpu));
    let limited = std::iter::once(main).chain(workers).filter(|(_, cpu)| !cpu.is_unlimited());
    limited.map(|(unit, cpu)| OutputFile::new(format!("systemd/{unit}.service.d/cpu.conf"), cpu_limit(cpu))).collect()
}

fn cpu_limit(cpu: Cpu) -> String {
    format!(
        "# The plan's limit: {} ms of CPU in every {} ms.\n[Service]\nCPUQuota={}%\nCPUQuotaPeriodSec={}ms\n",
        short(cpu.cores * cpu.period_ms),
        short(cpu.period_ms),
        short(cpu.cores * 100.0),
        short(cpu.period_ms)
    )
}

fn unit(context: &Context<'_>, what: &str, module: &str, configs: &str, extra: &str) -> String {
    let runtime = runtime_directories(context);
    format!(
        "[Unit]\nDescription=Synapse {what}\nPartOf=matrix-synapse.target\n{extra}\n[Service]\nType=notify\nNotifyAccess=main\nUser=matrix-synapse\nWorkingDirectory=/var/lib/matrix-synapse\n{runtime}\
         EnvironmentFile=-/etc/default/matrix-synapse\n\
         # The Debian packages install Synapse to /opt/venvs/matrix-synapse; for another installation, name its Python here.\n\
         ExecStart=/opt/venvs/matrix-synapse/bin/python -m {module}{configs}\n\
         ExecReload=/bin/kill -HUP $MAINPID\nRestart=always\nRestartSec=3\n\
         # A process needs an open connection for every waiting sync.\nLimitNOFILE=65536\n\n[Install]\nWantedBy=matrix-synapse.target\n"
    )
}

pub(super) fn steps(context: &Context<'_>) -> Steps {
    let installed = &context.config.installed;
    let cluster = context.cluster;
    let mut install = vec![
        format!(
            "Copy `synapse/` to `{installed}/synapse/`, readable by Synapse's user. Files with mode 0600 contain secrets: only that user may read them."
        ),
        "Merge `synapse/homeserver-additions.yaml` into homeserver.yaml by hand. Where workers.yaml has the same settings, it overrides them."
            .to_owned(),
    ];
    if !cluster.workers.is_empty() && context.config.redis.is_none() {
        install.push("Install and start Redis. It must not be reachable from other machines.".to_owned());
    }
    let outside: Vec<String> =
        container::socket_folders(context).into_iter().filter(|folder| runtime_directory(folder).is_none()).collect();
    if !outside.is_empty() {
        install.push(format!("Create the folders of the sockets, which belong to Synapse's user: {}.", outside.join(", ")));
    }
    install.push("Copy `systemd/*` to /etc/systemd/system/ and run `systemctl daemon-reload`. The unit of the main process replaces the unit of the package: compare them first.".to_owned());
    let mut start_workers = Vec::new();
    if !cluster.workers.is_empty() {
        let names: Vec<String> = cluster.workers.iter().map(|process| format!("matrix-synapse-worker@{}", process.name)).collect();
        start_workers.push(format!("Start the workers: `systemctl enable --now {}`.", names.join(" ")));
        let checks: Vec<String> = cluster
            .workers
            .iter()
            .filter_map(|process| match process.clients.as_ref()? {
                Address::Unix(path) => Some(format!("`curl -f --unix-socket {path} http://localhost/health`")),
                tcp => Some(format!("`curl -f http://{tcp}/health`")),
            })
            .collect();
        if !checks.is_empty() {
            start_workers.push(format!("Check that each worker responds: {}.", checks.join(", ")));
        }
    }
    Steps {
        install,
        restart_main: "Restart the main process and check its log.".to_owned(),
        start_workers,
        proxy: proxy_step(context.config.proxy).to_owned(),
        after: vec![
            "Enable the target, so that all processes start with the machine: `systemctl enable matrix-synapse.target`.".to_owned(),
        ],
        stop: "`systemctl stop matrix-synapse.target`".to_owned(),
        restore: format!("homeserver.yaml, the units and {}'s configuration; `systemctl daemon-reload`", context.config.proxy.name()),
    }
}

/// How the written files become the proxy's configuration.
pub(in super::super) fn proxy_step(proxy: ProxyKind) -> &'static str {
    match proxy {
        ProxyKind::Nginx => {
            "copy wsim-maps.conf to /etc/nginx/conf.d/ and wsim-locations.conf to /etc/nginx/snippets/, include the latter in your site (see example-site.conf) instead of its own locations for Matrix, then `nginx -t && systemctl reload nginx`."
        }
        ProxyKind::Haproxy => {
            "merge haproxy.cfg into yours, or use it with your own `bind` lines and certificate, then `haproxy -c -f FILE && systemctl reload haproxy`."
        }
        ProxyKind::Caddy => "use the Caddyfile with your own site address, then `caddy validate --config FILE && systemctl reload caddy`.",
        ProxyKind::Traefik => {
            "copy dynamic.yaml to the folder of the file provider, with your own entry points and rule for the host; Traefik reloads it without a restart. Timeouts belong to the static configuration: see the comment in static-additions.yaml."
        }
        ProxyKind::Apache => {
            "include wsim.conf in your site instead of its own ProxyPass lines for Matrix, enable the modules it names, then `apachectl -t && systemctl reload apache2`."
        }
        ProxyKind::Envoy => "",
    }
}

/// The folders below /run that systemd creates for the sockets, as a line of a unit: only there it clears them at a restart of the machine.
fn runtime_directories(context: &Context<'_>) -> String {
    let names: Vec<String> =
        container::socket_folders(context).iter().filter_map(|folder| runtime_directory(folder).map(str::to_owned)).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(
        "# For the sockets; the folder stays while another process uses it.\nRuntimeDirectory={}\nRuntimeDirectoryPreserve=yes\n",
        names.join(" ")
    )
}

fn runtime_directory(folder: &str) -> Option<&str> {
    folder.strip_prefix("/run/").filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_quota_and_its_period() {
        let text = cpu_limit(Cpu { cores: 0.25, period_ms: 20.0 });
        assert_eq!(text, "# The plan's limit: 5 ms of CPU in every 20 ms.\n[Service]\nCPUQuota=25%\nCPUQuotaPeriodSec=20ms\n");
        let third = cpu_limit(Cpu { cores: 1.0 / 3.0, period_ms: 100.0 });
        assert!(third.contains("CPUQuota=33.33%\nCPUQuotaPeriodSec=100ms\n"), "{third}");
    }
}
