//! systemd units: a target for all processes, the main process, and one template for the workers.
//!
//! Programs and paths are those of the packages from packages.matrix.org; comments in the units name the changes for other
//! installations.

use super::super::{Context, OutputFile};

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
    files
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
