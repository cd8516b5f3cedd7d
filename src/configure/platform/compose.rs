//! docker compose: a service for each process, for the proxy, and for Redis.
//!
//! Services reach each other by their names. `configs` is not used, because the files lie beside `compose.yaml`. The homeserver's own
//! files stay in `/data`, as in the image's documentation. PostgreSQL is only referred to: its place and password are in homeserver.yaml.

use std::fmt::Write as _;

use super::super::address::Address;
use super::super::cluster::Process;
use super::super::{Context, OutputFile};
use super::container::{self, MAIN, PROMETHEUS, PROMETHEUS_IMAGE, PROXY, PROXY_PORT, REDIS, REDIS_IMAGE, USER};
use super::{Steps, heading, limit_of, short};
use wsim_plan::{Cpu, ProxyKind};

pub(super) fn files(context: &Context<'_>) -> Vec<OutputFile> {
    let mut out = heading(context, "Containers");
    write_common(&mut out, context);
    out.push_str("services:\n");
    if container::has_own_redis(context) {
        let _ = write!(
            out,
            "  # The processes communicate over Redis. It keeps nothing, and no port of it is published.\n  {REDIS}:\n    image: {REDIS_IMAGE}\n    \
             restart: unless-stopped\n    command: [redis-server, --save, '', --appendonly, 'no']\n    networks: [synapse]\n    \
             healthcheck:\n      test: [CMD, redis-cli, ping]\n      interval: 5s\n      timeout: 3s\n      retries: 5\n"
        );
    }
    write_process(&mut out, context, None);
    for process in &context.cluster.workers {
        write_process(&mut out, context, Some(process));
    }
    write_proxy(&mut out, context);
    write_prometheus(&mut out, context);
    write_networks(&mut out, context);
    vec![OutputFile::new("compose.yaml", out)]
}

/// Prometheus beside the processes, which it reaches by their names; it starts on request only, because there may be one already.
fn write_prometheus(out: &mut String, context: &Context<'_>) {
    if context.cluster.main_metrics.is_some() {
        let _ = write!(
            out,
            "  # Prometheus, for who has none that reaches this network: `docker compose --profile metrics up -d`.\n  {PROMETHEUS}:\n    image: {PROMETHEUS_IMAGE}\n    \
             profiles: [metrics]\n    restart: unless-stopped\n    networks: [synapse]\n    volumes:\n      - ./prometheus/prometheus.yml:/etc/prometheus/prometheus.yml:ro\n    \
             healthcheck:\n      test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:9090/-/healthy']\n      interval: 15s\n      timeout: 5s\n      retries: 4\n"
        );
    }
}

fn write_common(out: &mut String, context: &Context<'_>) {
    let _ = write!(
        out,
        "# The homeserver's own files are in SYNAPSE_DATA (./data by default): homeserver.yaml, the signing key, media. A new homeserver gets them by\n\
         #   docker compose run --rm -e SYNAPSE_SERVER_NAME=example.org -e SYNAPSE_REPORT_STATS=no {MAIN} generate\n\
         # PostgreSQL is not written here: `database` in homeserver.yaml names its host, which must be in the network `synapse`, or be reached from it.\n\n\
         x-synapse: &synapse\n  image: ${{SYNAPSE_IMAGE:-{}}}\n  restart: unless-stopped\n  networks: [synapse]\n  volumes:\n    \
         - ${{SYNAPSE_DATA:-./data}}:/data\n    - ./synapse:{}/synapse:ro\n",
        container::image(context),
        context.config.installed
    );
    for (index, folder) in container::socket_folders(context).iter().enumerate() {
        let _ = writeln!(out, "    - sockets{}:{folder}", index + 1);
    }
    if let Some(redis) = &context.config.redis {
        if let Some(file) = &redis.password_file {
            let _ = writeln!(out, "    - {file}:{file}:ro");
        }
        if let Some(folder) = redis.address.folder() {
            let _ = writeln!(out, "    - {folder}:{folder}");
        }
    }
    out.push('\n');
}

fn write_process(out: &mut String, context: &Context<'_>, process: Option<&Process>) {
    let name = process.map_or_else(|| container::main_service(context), container::service);
    let _ = write!(
        out,
        "  # {}\n  {name}:\n    <<: *synapse\n",
        process.map_or_else(|| "The main process.".to_owned(), |process| format!("Worker {}.", process.name))
    );
    write_entrypoint(out, context, process);
    out.push_str("    command:\n");
    for argument in container::arguments(context, "/data/homeserver.yaml", process) {
        let _ = writeln!(out, "      - {argument}");
    }
    let app = process.map_or("synapse.app.homeserver", |process| process.app);
    let _ = write!(out, "    environment:\n      SYNAPSE_WORKER: {app}\n");
    write_depends_on(out, context, process);
    write_health(out, process.map_or(Some(&context.cluster.main), container::health));
    if let Some(cpu) = limit_of(context, process.map(|process| process.name.as_str())) {
        write_limit(out, cpu);
    }
}

/// A process that was killed leaves its sockets, and beside each a lock with its pid. In a new container the new process has the same pid, takes the
/// lock for another one's (Twisted's `FilesystemLock`), and does not start.
fn write_entrypoint(out: &mut String, context: &Context<'_>, process: Option<&Process>) {
    let own = match process {
        None => [Some(&context.cluster.main), Some(&context.cluster.main_replication)],
        Some(process) => [process.clients.as_ref(), process.replication.as_ref()],
    };
    let sockets: Vec<String> = own
        .into_iter()
        .flatten()
        .filter_map(|address| if let Address::Unix(path) = address { Some(format!("{path} {path}.lock")) } else { None })
        .collect();
    if !sockets.is_empty() {
        let _ = write!(
            out,
            "    # What a killed process left: with it, Synapse does not start.\n    entrypoint: [sh, -c, 'rm -f {}; exec /start.py \"$$@\"', sh]\n",
            sockets.join(" ")
        );
    }
}

fn write_depends_on(out: &mut String, context: &Context<'_>, process: Option<&Process>) {
    let redis = container::has_own_redis(context);
    if process.is_none() && !redis {
        return;
    }
    out.push_str("    depends_on:\n");
    if redis {
        let _ = write!(out, "      {REDIS}:\n        condition: service_healthy\n");
    }
    if process.is_some() {
        let _ = write!(
            out,
            "      # The main process updates the database schema first.\n      {}:\n        condition: service_healthy\n",
            container::main_service(context)
        );
    }
}

fn write_health(out: &mut String, address: Option<&Address>) {
    let test = match address {
        None => {
            out.push_str("    # A process without a listener answers nobody.\n    healthcheck:\n      disable: true\n");
            return;
        }
        Some(Address::Tcp { port, .. }) => format!("curl, -fsS, 'http://127.0.0.1:{port}/health'"),
        Some(Address::Unix(path)) => format!("curl, -fsS, --unix-socket, {path}, 'http://localhost/health'"),
    };
    let _ = write!(
        out,
        "    healthcheck:\n      test: [CMD, {test}]\n      start_period: 60s\n      interval: 15s\n      timeout: 5s\n      retries: 4\n"
    );
}

fn write_limit(out: &mut String, cpu: Cpu) {
    // `cpus` always has periods of 100 ms.
    if (cpu.period_ms - 100.0).abs() < 0.01 {
        let _ = write!(out, "    # The plan's limit.\n    cpus: {}\n", short(cpu.cores));
    } else {
        let _ = write!(
            out,
            "    # The plan's limit: microseconds of CPU in every period.\n    cpu_period: {}\n    cpu_quota: {}\n",
            short(cpu.period_ms * 1000.0),
            short((cpu.period_ms * 1000.0 * cpu.cores).round())
        );
    }
}

fn write_proxy(out: &mut String, context: &Context<'_>) {
    let proxy = context.config.proxy;
    let _ = write!(
        out,
        "  # {}, behind whatever ends TLS on this machine.\n  {PROXY}:\n    image: {}\n    restart: unless-stopped\n    networks: [synapse]\n    ports:\n      \
         # Only this machine: the proxy believes the X-Forwarded-For of private addresses.\n      - '127.0.0.1:{PROXY_PORT}:{PROXY_PORT}'\n    volumes:\n",
        proxy.name(),
        container::proxy_image(proxy)
    );
    for (file, place) in container::proxy_files(proxy) {
        let _ = writeln!(out, "      - ./{file}:{place}:ro");
    }
    for (index, folder) in container::socket_folders(context).iter().enumerate() {
        let _ = writeln!(out, "      - sockets{}:{folder}", index + 1);
    }
    out.push_str("    depends_on:\n");
    let served = context.cluster.workers.iter().filter(|process| process.clients.is_some()).map(container::service);
    for name in std::iter::once(container::main_service(context)).chain(served) {
        let _ = write!(out, "      {name}:\n        condition: service_started\n");
    }
    let _ = write!(
        out,
        "    healthcheck:\n      test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:{PROXY_PORT}/_matrix/client/versions']\n      \
         start_period: 60s\n      interval: 15s\n      timeout: 5s\n      retries: 4\n"
    );
}

fn write_networks(out: &mut String, context: &Context<'_>) {
    out.push_str("\nnetworks:\n  synapse:\n    name: synapse\n");
    let folders = container::socket_folders(context);
    if !folders.is_empty() {
        out.push_str("\n# Folders of unix sockets, which only these containers share.\nvolumes:\n");
        for (index, _) in folders.iter().enumerate() {
            // A new volume belongs to root, and Synapse is no root.
            let _ = write!(
                out,
                "  sockets{}:\n    driver_opts:\n      type: tmpfs\n      device: tmpfs\n      o: uid={USER},gid={USER},mode=755\n",
                index + 1
            );
        }
    }
}

pub(super) fn steps(context: &Context<'_>) -> Steps {
    let mut install = vec![
        "Copy this folder to the server, with the homeserver's own files as `data/` in it (or name their folder in `SYNAPSE_DATA`). \
         Check it: `docker compose config --quiet`."
            .to_owned(),
        "`listeners` and `redis` of homeserver.yaml are replaced as a whole by `synapse/homeserver-additions.yaml`, which every process reads after it: \
         copy listeners of your own (metrics, manhole) there. `database` in homeserver.yaml must name PostgreSQL as the containers reach it."
            .to_owned(),
    ];
    if container::has_secret(context) {
        install.push(format!("Let the image's user read the secret: `chown {USER}:{USER} synapse/replication-secret.yaml`."));
    }
    let main = container::main_service(context);
    let names: Vec<String> = context.cluster.workers.iter().map(container::service).collect();
    let start_workers = if names.is_empty() {
        Vec::new()
    } else {
        vec![
            format!("Start the workers: `docker compose up -d {}`.", names.join(" ")),
            "Check that each is healthy: `docker compose ps`.".to_owned(),
        ]
    };
    let reload = match context.config.proxy {
        ProxyKind::Haproxy => "kill -s HUP proxy",
        ProxyKind::Caddy => "exec proxy caddy reload --config /etc/caddy/Caddyfile",
        _ => "exec proxy nginx -s reload",
    };
    Steps {
        install,
        restart_main: format!(
            "Start the main process with its new settings: `docker compose up -d --force-recreate {main}`, and read `docker compose logs {main}`."
        ),
        start_workers,
        proxy: format!(
            "`docker compose up -d {PROXY}` (later changes: `docker compose {reload}`), and have what ends TLS send `/_matrix` and `/_synapse/client` to 127.0.0.1:{PROXY_PORT}, with `X-Forwarded-For` and `X-Forwarded-Proto`."
        ),
        after: Vec::new(),
        stop: "`docker compose stop`".to_owned(),
        restore:
            "the old compose file, homeserver.yaml and the configuration of what ends TLS; `docker compose up -d --remove-orphans` there"
                .to_owned(),
    }
}
