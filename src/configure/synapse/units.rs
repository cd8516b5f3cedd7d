//! systemd units: a target for all processes, the main process, and one template for the workers.
//!
//! Programs and paths are those of the packages from packages.matrix.org; comments in the units name the changes for other
//! installations.

use super::super::{Context, OutputFile};
use wsim_plan::Cpu;

pub(super) fn files(context: &Context<'_>) -> Vec<OutputFile> {
    let installed = &context.config.installed;
    let secret = context.release.has_replication_secret() && !context.cluster.workers.is_empty();
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
        OutputFile::new("systemd/matrix-synapse.service", unit("main process", "synapse.app.homeserver", &configs(false), "")),
    ];
    if !context.cluster.workers.is_empty() {
        let after = "# Workers wait for the main process, which updates the database schema.\nAfter=matrix-synapse.service\nWants=matrix-synapse.service\n";
        files.push(OutputFile::new(
            "systemd/matrix-synapse-worker@.service",
            unit("worker %i", "synapse.app.generic_worker", &configs(true), after),
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
    let short = |value: f64| {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    format!(
        "# The plan's limit: {} ms of CPU in every {} ms.\n[Service]\nCPUQuota={}%\nCPUQuotaPeriodSec={}ms\n",
        short(cpu.cores * cpu.period_ms),
        short(cpu.period_ms),
        short(cpu.cores * 100.0),
        short(cpu.period_ms)
    )
}

fn unit(what: &str, module: &str, configs: &str, extra: &str) -> String {
    format!(
        "[Unit]\nDescription=Synapse {what}\nPartOf=matrix-synapse.target\n{extra}\n[Service]\nType=notify\nNotifyAccess=main\nUser=matrix-synapse\nWorkingDirectory=/var/lib/matrix-synapse\n\
         EnvironmentFile=-/etc/default/matrix-synapse\n\
         # The Debian packages install Synapse to /opt/venvs/matrix-synapse; for another installation, name its Python here.\n\
         ExecStart=/opt/venvs/matrix-synapse/bin/python -m {module}{configs}\n\
         ExecReload=/bin/kill -HUP $MAINPID\nRestart=always\nRestartSec=3\n\
         # A process needs an open connection for every waiting sync.\nLimitNOFILE=65536\n\n[Install]\nWantedBy=matrix-synapse.target\n"
    )
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
