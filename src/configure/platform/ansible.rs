//! matrix-docker-ansible-deploy: variables for the inventory. The playbook writes the files of Synapse and of its nginx.
//!
//! Source: the role `matrix-synapse`, `defaults/main.yml`, `vars/main.yml`, `tasks/validate_config.yml` and the template of
//! `matrix-synapse-reverse-proxy-companion.conf`. Its workers are of fixed kinds, each with a fixed rule of balancing; how many there are and which
//! paths they get are variables (the lists `…_locations` are defaults, which an inventory may set; the lists `…_endpoints` are not).
//! nginx tries the kinds in a fixed order, by decoded path alone: neither methods nor queries count.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::address::Address;
use super::super::routes::{Rule, Sync, Target};
use super::super::synapse::setting::scalar;
use super::super::{Context, OutputFile};
use super::{Steps, heading, limit_of, short};
use wsim_plan::{Key, Pool};
use wsim_text::{list, plural};

/// A kind of worker that serves requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Generic,
    Room,
    Sync,
    ClientReader,
    FederationReader,
    Media,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Generic, Self::Room, Self::Sync, Self::ClientReader, Self::FederationReader, Self::Media];

    /// The part of the variables' names.
    fn variable(self) -> &'static str {
        match self {
            Self::Generic => "generic_workers",
            Self::Room => "room_workers",
            Self::Sync => "sync_workers",
            Self::ClientReader => "client_reader_workers",
            Self::FederationReader => "federation_reader_workers",
            Self::Media => "media_repository_workers",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic workers",
            Self::Room => "room workers",
            Self::Sync => "sync workers",
            Self::ClientReader => "client readers",
            Self::FederationReader => "federation readers",
            Self::Media => "media repositories",
        }
    }

    /// The lists of paths: for clients, and for other servers.
    fn lists(self) -> (Option<&'static str>, Option<&'static str>) {
        match self {
            Self::Generic => (Some("generic_worker_client_server"), Some("generic_worker_federation")),
            Self::Room => (Some("room_worker_client_server"), Some("room_worker_federation")),
            Self::Sync => (Some("sync_worker_client_server"), None),
            Self::ClientReader => (Some("client_reader_client_server"), None),
            Self::FederationReader => (None, Some("federation_reader_federation")),
            // One list for both.
            Self::Media => (Some("media_repository"), Some("media_repository")),
        }
    }

    /// The playbook's rule: its key, in words.
    fn balances(self) -> (Option<Key>, &'static str) {
        match self {
            Self::Generic | Self::FederationReader => (Some(Key::Address), "by client address"),
            Self::Room => (Some(Key::Room), "by room"),
            Self::Sync => (Some(Key::User), "by user"),
            Self::ClientReader | Self::Media => (None, "by least connections"),
        }
    }

    /// The kind for a pool; `alone` if no other pool takes anything but media.
    fn of(rules: &[&Rule], key: Option<&Key>, alone: bool) -> Self {
        let of = |groups: &[&str]| rules.iter().filter(|rule| groups.contains(&rule.group.as_str())).count();
        let is_media = of(&["media", "media_admin"]) == rules.len();
        let is_federation = rules.iter().all(|rule| is_federation(rule));
        match (is_media, alone, is_federation) {
            (true, ..) => Self::Media,
            (_, true, _) => Self::Generic,
            (_, _, true) => Self::FederationReader,
            _ if of(&["sync", "initial_sync", "sliding_sync"]) > 0 => Self::Sync,
            _ if key == Some(&Key::Room) || of(&["event_sending", "pagination"]) * 2 > rules.len() => Self::Room,
            _ => Self::ClientReader,
        }
    }
}

fn is_federation(rule: &Rule) -> bool {
    rule.pattern.contains("/_matrix/federation") || rule.pattern.contains("/_matrix/key")
}

/// What becomes of the plan's pools.
struct Variables<'a> {
    context: &'a Context<'a>,
    /// For each pool with routes: its index, its kind.
    kinds: Vec<(usize, Kind)>,
}

pub(super) fn files(context: &Context<'_>, warnings: &mut Vec<String>) -> Vec<OutputFile> {
    let variables = Variables::new(context);
    variables.remark(warnings);
    vec![OutputFile::new("ansible/vars.yml", variables.text())]
}

impl<'a> Variables<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        let rules_of =
            |index: usize| -> Vec<&Rule> { context.routes.rules.iter().filter(|rule| rule.target == Target::Pool(index)).collect() };
        let served: Vec<usize> = (0..context.plan.pools.len()).filter(|index| !rules_of(*index).is_empty()).collect();
        let kind = |index: usize, alone: bool| Kind::of(&rules_of(index), context.plan.rule(index).key.as_ref(), alone);
        // Several pools over the same workers are generic workers, too.
        let mut others: Vec<_> =
            served.iter().filter(|index| kind(**index, false) != Kind::Media).map(|index| workers_of(context, *index)).collect();
        others.dedup();
        let alone = others.len() <= 1;
        Self { context, kinds: served.into_iter().map(|index| (index, kind(index, alone))).collect() }
    }

    fn pools(&self, kind: Kind) -> impl Iterator<Item = (usize, &'a Pool)> + '_ {
        self.kinds.iter().filter(move |(_, own)| *own == kind).map(|(index, _)| (*index, &self.context.plan.pools[*index]))
    }

    /// The number of workers of a kind: a worker of several pools is one.
    fn count(&self, kind: Kind) -> usize {
        self.pools(kind).flat_map(|(index, _)| workers_of(self.context, index)).collect::<BTreeSet<_>>().len()
    }

    /// Whether nginx can decide by a rule's pattern alone.
    fn is_possible(rule: &Rule) -> bool {
        rule.methods.is_empty() && rule.sync == Sync::Any && rule.clients.is_none()
    }

    /// The patterns of a kind's pools, in order.
    fn patterns(&self, kind: Kind, federation: bool) -> Vec<&'a str> {
        let (clients, servers) = kind.lists();
        let separate = clients != servers;
        let of_kind = |rule: &&Rule| matches!(rule.target, Target::Pool(index) if self.kinds.contains(&(index, kind)));
        let rules = self.context.routes.rules.iter().filter(of_kind).filter(|rule| Self::is_possible(rule));
        rules.filter(|rule| !separate || is_federation(rule) == federation).map(|rule| rule.pattern.as_str()).collect()
    }

    fn remark(&self, warnings: &mut Vec<String>) {
        let plan = self.context.plan;
        for kind in Kind::ALL {
            let names: Vec<&str> = self.pools(kind).map(|(_, pool)| pool.name.as_str()).collect();
            if names.len() > 1 {
                warnings.push(format!("the pools {} become one: {} of matrix-docker-ansible-deploy", list(&names), kind.name()));
            }
            let (key, words) = kind.balances();
            for (index, pool) in self.pools(kind).filter(|(_, pool)| pool.size() > 1) {
                let own = plan.rule(index).key.as_ref();
                let is_same = own == key.as_ref()
                    || (kind == Kind::Sync && own == Some(&Key::Token))
                    || matches!((own, &key), (Some(Key::Header(name)), Some(Key::Address)) if name == "x-forwarded-for");
                if !is_same {
                    let planned = own.map_or_else(|| "without a key".to_owned(), |key| format!("by {key}"));
                    warnings.push(format!(
                        "pool {:?} balances {planned}; {} of matrix-docker-ansible-deploy are balanced {words}",
                        pool.name,
                        kind.name()
                    ));
                }
                if plan.members(index).iter().any(|member| member.weight != 1) {
                    warnings.push(format!("pool {:?}: matrix-docker-ansible-deploy has no weights", pool.name));
                }
            }
            let (clients, servers) = kind.lists();
            let lost = |rule: &&Rule| if is_federation(rule) { servers.is_none() } else { clients.is_none() };
            for (index, pool) in self.pools(kind) {
                let count = self.context.routes.rules.iter().filter(|rule| rule.target == Target::Pool(index)).filter(lost).count();
                if count > 0 {
                    let what = if servers.is_none() { "of federation" } else { "of clients" };
                    warnings.push(format!(
                        "pool {:?}: {} {what} stay with the main process, because {} do not get them",
                        pool.name,
                        plural(count as u64, "row", "rows"),
                        kind.name()
                    ));
                }
            }
        }
        let impossible: Vec<&Rule> =
            self.context.routes.rules.iter().filter(|rule| rule.target != Target::Main && !Self::is_possible(rule)).collect();
        for (is_so, what) in [
            (
                impossible.iter().any(|rule| rule.clients.is_some()),
                "pools of some clients are not possible in matrix-docker-ansible-deploy: their requests go where others go",
            ),
            (
                impossible.iter().any(|rule| rule.sync == Sync::Initial),
                "initial syncs go with all other syncs, because matrix-docker-ansible-deploy does not tell them apart",
            ),
        ] {
            if is_so {
                warnings.push(what.to_owned());
            }
        }
        let by_method = impossible.iter().filter(|rule| !rule.methods.is_empty() && rule.clients.is_none()).count();
        if by_method > 0 {
            warnings.push(format!(
                "{} for some methods only ({}) stay with the main process, because matrix-docker-ansible-deploy routes by path alone",
                plural(by_method as u64, "row", "rows"),
                "GET of presence, tags, push rules or the like"
            ));
        }
        let several: Vec<&str> =
            self.context.cluster.workers.iter().filter(|worker| worker.streams.len() > 1).map(|worker| worker.name.as_str()).collect();
        if !several.is_empty() {
            warnings.push(format!(
                "{} several streams: matrix-docker-ansible-deploy starts a worker for each stream",
                if several.len() == 1 { format!("{} writes", several[0]) } else { format!("{} write", list(&several)) }
            ));
        }
        warnings.push(
            "matrix-docker-ansible-deploy sends registration, forgetting and reporting of rooms and single sign-on to the main process before it asks any worker, and matches decoded paths"
                .to_owned(),
        );
    }

    fn text(&self) -> String {
        let context = self.context;
        let mut out = heading(context, "Variables of matrix-docker-ansible-deploy");
        out.push_str("# For inventory/host_vars/matrix.example.org/vars.yml. Names and addresses of workers are the playbook's own.\n\n");
        if self.kinds.is_empty() && context.cluster.workers.is_empty() {
            out.push_str("matrix_synapse_workers_enabled: false\n");
            if context.config.extras.metrics {
                out.push_str(METRICS);
            }
            return out;
        }
        out.push_str("matrix_synapse_workers_enabled: true\n");
        for kind in Kind::ALL {
            self.write_kind(&mut out, kind);
        }
        self.write_writers(&mut out);
        self.write_roles(&mut out);
        self.write_main(&mut out);
        out
    }

    fn write_kind(&self, out: &mut String, kind: Kind) {
        let count = self.count(kind);
        let names: Vec<&str> = self.pools(kind).map(|(_, pool)| pool.name.as_str()).collect();
        out.push('\n');
        if count > 0 {
            let _ =
                writeln!(out, "# The pool{} {}, balanced {}.", if names.len() == 1 { "" } else { "s" }, list(&names), kind.balances().1);
        }
        let _ = writeln!(out, "matrix_synapse_workers_{}_count: {count}", kind.variable());
        if count == 0 {
            return;
        }
        let first = self
            .pools(kind)
            .next()
            .and_then(|(index, _)| self.context.cluster.names(self.context.plan, &Target::Pool(index)).into_iter().next());
        if let Some(arguments) = first.and_then(|name| limit_of(self.context, Some(&name))).map(arguments) {
            let _ = writeln!(out, "# The plan's limit.\nmatrix_synapse_workers_{}_container_arguments: [{arguments}]", kind.variable());
        }
        let (clients, servers) = kind.lists();
        let lists = [(clients, false), (servers.filter(|_| servers != clients), true)];
        for (name, federation) in lists.into_iter().filter_map(|(name, federation)| Some((name?, federation))) {
            write_list(out, &format!("matrix_synapse_reverse_proxy_companion_synapse_{name}_locations"), &self.patterns(kind, federation));
        }
    }

    fn write_writers(&self, out: &mut String) {
        let context = self.context;
        out.push_str("\n# Stream writers: a worker for each.\n");
        for (stream, _) in wsim_plan::known::STREAMS {
            let writers = context.plan.stream_writers.get(stream).map_or(0, |writers| writers.names().len());
            let _ = writeln!(out, "matrix_synapse_workers_stream_writer_{stream}_stream_workers_count: {writers}");
        }
        for (stream, writers) in &context.plan.stream_writers {
            if stream == "events" {
                continue;
            }
            let target = Target::Writers(writers.names().to_vec());
            let rules = context.routes.rules.iter().filter(|rule| rule.target == target && rule.stream.as_ref() == Some(stream));
            let mut patterns: Vec<&str> = rules.map(|rule| rule.pattern.as_str()).collect();
            patterns.dedup();
            if !patterns.is_empty() {
                write_list(
                    out,
                    &format!("matrix_synapse_reverse_proxy_companion_synapse_stream_writer_{stream}_stream_worker_client_server_locations"),
                    &patterns,
                );
            }
        }
        let limited =
            context.cluster.workers.iter().find_map(|worker| limit_of(context, Some(&worker.name)).filter(|_| !worker.streams.is_empty()));
        if let Some(arguments) = limited.map(arguments) {
            let _ = writeln!(out, "matrix_synapse_workers_stream_writers_container_arguments: [{arguments}]");
        }
    }

    fn write_roles(&self, out: &mut String) {
        let roles = &self.context.plan.background_roles;
        out.push_str("\n# Background roles.\n");
        for (setting, kind) in ROLES {
            let _ = writeln!(out, "matrix_synapse_workers_{kind}_workers_count: {}", roles.workers(setting).map_or(0, <[String]>::len));
        }
    }

    fn write_main(&self, out: &mut String) {
        if let Some(arguments) = limit_of(self.context, None).map(arguments) {
            let _ =
                writeln!(out, "\n# The plan's limit of the main process.\nmatrix_synapse_container_master_extra_arguments: [{arguments}]");
        }
        if self.context.config.extras.metrics {
            out.push_str(METRICS);
        }
        let Some(redis) = &self.context.config.redis else { return };
        out.push_str("\n# Redis, instead of the playbook's own.\nmatrix_synapse_redis_enabled: true\n");
        match &redis.address {
            Address::Tcp { host, port } => {
                let _ = write!(out, "matrix_synapse_redis_host: {}\nmatrix_synapse_redis_port: {port}\n", scalar(host));
            }
            Address::Unix(path) => {
                let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
                let _ = write!(
                    out,
                    "matrix_synapse_redis_path_enabled: true\nmatrix_synapse_redis_path_host: {}\nmatrix_synapse_redis_path_socket: {}\n",
                    scalar(folder),
                    scalar(&format!("/{file}"))
                );
            }
        }
        if let Some(file) = &redis.password_file {
            let _ = writeln!(
                out,
                "# Read on the machine where you run the playbook.\nmatrix_synapse_redis_password: \"{{{{ lookup('ansible.builtin.file', '{file}') }}}}\""
            );
        }
    }
}

/// The workers of a pool, by their indices.
fn workers_of(context: &Context<'_>, pool: usize) -> BTreeSet<usize> {
    context.plan.members(pool).iter().map(|member| member.worker).collect()
}

/// The arguments of `docker run` for a limit, as items of a list.
fn arguments(cpu: wsim_plan::Cpu) -> String {
    if (cpu.period_ms - 100.0).abs() < 0.01 {
        return format!("'--cpus={}'", short(cpu.cores));
    }
    let period = cpu.period_ms * 1000.0;
    format!("'--cpu-period={}', '--cpu-quota={}'", short(period), short((period * cpu.cores).round()))
}

fn write_list(out: &mut String, name: &str, patterns: &[&str]) {
    if patterns.is_empty() {
        let _ = writeln!(out, "{name}: []");
        return;
    }
    let _ = writeln!(out, "{name}:");
    for pattern in patterns {
        // nginx takes braces and semicolons in quotes only.
        let pattern = if pattern.contains(['{', '}', ';']) { format!("\"{pattern}\"") } else { (*pattern).to_owned() };
        let _ = writeln!(out, "  - {}", scalar(&pattern));
    }
}

/// The playbook writes a job for every process into its own Prometheus.
const METRICS: &str = "
# A listener for Prometheus in each process, and the playbook's own Prometheus, which scrapes them all.
# With a Prometheus of your own: matrix_metrics_exposure_enabled instead of prometheus_enabled.
matrix_synapse_metrics_enabled: true
prometheus_enabled: true
";

/// The background roles, and the kinds of workers that have them.
const ROLES: [(&str, &str); 5] = [
    ("federation_sender_instances", "federation_sender"),
    ("pusher_instances", "pusher"),
    ("notify_appservices_from_worker", "appservice"),
    ("update_user_directory_from_worker", "user_dir"),
    ("run_background_tasks_on", "background"),
];

pub(super) fn steps() -> Steps {
    let setup = "`just install-all` or `ansible-playbook -i inventory/hosts setup.yml --tags=install-all,start`";
    Steps {
        install: vec![
            "Add the contents of `ansible/vars.yml` to inventory/host_vars/NAME/vars.yml, where no `matrix_synapse_workers_preset` counts any more.".to_owned(),
        ],
        restart_main: format!("Run the playbook: {setup}. It restarts the main process and the workers together, and its nginx with them."),
        start_workers: vec!["Check that each worker runs: `systemctl list-units 'matrix-synapse*'`.".to_owned()],
        proxy: "the playbook did this, too.".to_owned(),
        after: vec!["Check where requests go: `wsim audit /matrix/synapse/reverse-proxy-companion/nginx/ /matrix/synapse/config/`.".to_owned()],
        stop: "`ansible-playbook -i inventory/hosts setup.yml --tags=stop`".to_owned(),
        restore: format!("the old variables; {setup}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_becomes_arguments_of_docker() {
        let cpu = |cores: f64, period_ms: f64| wsim_plan::Cpu { cores, period_ms };
        assert_eq!(arguments(cpu(0.25, 100.0)), "'--cpus=0.25'");
        assert_eq!(arguments(cpu(0.25, 20.0)), "'--cpu-period=20000', '--cpu-quota=5000'");
    }
}
