//! ess-helm: values for the chart `matrix-stack`. The chart writes the files of Synapse and of its HAProxy.
//!
//! Source: `charts/matrix-stack/source/synapse.json`, `templates/synapse/_synapse_details.tpl` and `configs/synapse/partial-haproxy.cfg.tpl`. Its
//! workers are of fixed types with fixed paths and fixed rules of balancing; the values say which types there are, how many replicas, and what
//! each may use.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::address::Address;
use super::super::routes::{OWN, Rule, Target};
use super::super::synapse::setting::scalar;
use super::super::{Context, OutputFile};
use super::{Steps, heading, limit_of, short};
use wsim_plan::Key;
use wsim_text::list;

/// A type of worker.
struct Type {
    name: &'static str,
    /// What makes the type necessary.
    takes: Takes,
    /// Whether there may be several.
    scales: bool,
    /// The chart's rule, as the plan's key, and in words.
    balances: (Option<Key>, &'static str),
}

enum Takes {
    /// Requests of these groups.
    Groups(&'static [&'static str]),
    /// The writers of a stream.
    Stream(&'static str),
    /// The workers of a background role.
    Role(&'static str),
}

/// The workers of a type in a plan.
struct Choice {
    replicas: usize,
    /// The first worker of the plan that the type stands for.
    example: String,
    /// The pool, for types that serve requests.
    pool: Option<usize>,
}

pub(super) fn files(context: &Context<'_>, warnings: &mut Vec<String>) -> Vec<OutputFile> {
    let types = types();
    let choices: Vec<Option<Choice>> = types.iter().map(|kind| choice(context, kind, &types)).collect();
    remark(context, &types, &choices, warnings);
    let mut out = heading(context, "Values for ess-helm");
    out.push_str("# helm upgrade --install ess oci://ghcr.io/element-hq/ess-helm/matrix-stack --namespace ess --values values.yaml --values …your other values…\n\nsynapse:\n");
    if let Some(cpu) = limit_of(context, None) {
        let _ = write!(
            out,
            "  # The plan's limit of the main process; workers without resources of their own have it, too.\n{}",
            resources(cpu, 2)
        );
    }
    write_redis(&mut out, context);
    if context.config.extras.metrics {
        out.push_str("  # Every process of the chart has a listener for Prometheus, at port 9001. The Prometheus operator reads these, by the label `job`.\n  serviceMonitors:\n    enabled: true\n");
        warnings.push("ess-helm: the metrics are scraped by ServiceMonitors, which need the Prometheus operator in the cluster".to_owned());
    }
    out.push_str("  workers:\n");
    for (kind, choice) in types.iter().zip(&choices) {
        let _ = writeln!(out, "    {}:", kind.name);
        let Some(choice) = choice else {
            out.push_str("      enabled: false\n");
            continue;
        };
        let replicas = if kind.scales { choice.replicas } else { 1 };
        let _ = write!(out, "      enabled: true\n      replicas: {replicas}\n");
        if let Some(cpu) = limit_of(context, Some(&choice.example)) {
            out += &resources(cpu, 6);
        }
    }
    vec![OutputFile::new("ess-helm/values.yaml", out)]
}

/// The replicas of a type in a plan; `None` if the plan has none.
fn choice(context: &Context<'_>, kind: &Type, types: &[Type]) -> Option<Choice> {
    let plan = context.plan;
    match &kind.takes {
        Takes::Groups(_) => {
            let pool = pool_of(context, kind)?;
            // The workers of a pool, which other pools may name too, are divided among all types that they stand for, at least one for each.
            let workers = workers_of(context, pool);
            let shares = |other: &&Type| pool_of(context, other).is_some_and(|pool| workers_of(context, pool) == workers);
            let sharing: Vec<&str> = types.iter().filter(shares).map(|other| other.name).collect();
            let place = sharing.iter().position(|name| *name == kind.name)?;
            let size = workers.len();
            let replicas = (size / sharing.len() + usize::from(place < size % sharing.len())).max(1);
            let example = context.cluster.names(plan, &Target::Pool(pool)).into_iter().next()?;
            Some(Choice { replicas, example, pool: Some(pool) })
        }
        Takes::Stream(stream) => {
            let names = plan.stream_writers.get(*stream)?.names();
            Some(Choice { replicas: names.len(), example: names.first()?.clone(), pool: None })
        }
        Takes::Role(setting) => {
            let names = plan.background_roles.workers(setting)?;
            Some(Choice { replicas: names.len(), example: names.first()?.clone(), pool: None })
        }
    }
}

/// The workers of a pool, by their indices.
fn workers_of(context: &Context<'_>, pool: usize) -> BTreeSet<usize> {
    context.plan.members(pool).iter().map(|member| member.worker).collect()
}

/// The pool that a type stands for: the one that gets most rows of its groups.
fn pool_of(context: &Context<'_>, kind: &Type) -> Option<usize> {
    let Takes::Groups(groups) = &kind.takes else { return None };
    let pool = pool_with(context, groups)?;
    // Without workers of their own, the chart sends initial syncs where it sends all syncs.
    let is_apart = *groups != INITIAL || pool_with(context, SYNC) != Some(pool);
    is_apart.then_some(pool)
}

fn pool_with(context: &Context<'_>, groups: &[&str]) -> Option<usize> {
    let rules: Vec<&Rule> =
        context.routes.rules.iter().filter(|rule| rule.clients.is_none() && groups.contains(&rule.group.as_str())).collect();
    let count = |pool: usize| rules.iter().filter(|rule| rule.target == Target::Pool(pool)).count();
    (0..context.plan.pools.len()).filter(|pool| count(*pool) > 0).max_by_key(|pool| (count(*pool), std::cmp::Reverse(*pool)))
}

const SYNC: &[&str] = &["sync"];
const INITIAL: &[&str] = &["initial_sync"];

fn remark(context: &Context<'_>, types: &[Type], choices: &[Option<Choice>], warnings: &mut Vec<String>) {
    let plan = context.plan;
    for (index, pool) in plan.pools.iter().enumerate() {
        let own = |(kind, choice): &(&Type, &Option<Choice>)| {
            choice.as_ref().is_some_and(|choice| choice.pool == Some(index)).then_some(kind.name)
        };
        let names: Vec<&str> = types.iter().zip(choices).filter_map(|both| own(&both)).collect();
        if names.is_empty() {
            warnings.push(format!(
                "pool {:?} has no type of worker in ess-helm and is left out: its requests go where the chart sends them",
                pool.name
            ));
        } else if names.len() > 1 {
            warnings.push(format!("ess-helm has no workers for everything: pool {:?} becomes the types {}", pool.name, list(&names)));
        }
        if pool.selects_clients() {
            warnings.push(format!("pool {:?}: ess-helm has no workers for some clients only", pool.name));
        }
        if plan.members(index).iter().any(|member| member.weight != 1) {
            warnings.push(format!("pool {:?}: ess-helm has no weights", pool.name));
        }
    }
    for (kind, choice) in types.iter().zip(choices) {
        let Some(choice) = choice else { continue };
        if choice.replicas > 1 && !kind.scales {
            warnings.push(format!("ess-helm runs one {} only, the plan has {}", kind.name, choice.replicas));
        }
        let Some(pool) = choice.pool.filter(|_| choice.replicas > 1 && kind.scales) else { continue };
        let own = plan.rule(pool).key.as_ref();
        let (key, words) = &kind.balances;
        let by_token =
            |key: Option<&Key>| matches!(key, Some(Key::Token)) || matches!(key, Some(Key::Header(name)) if name == "x-access-token");
        let by_room =
            |key: Option<&Key>| matches!(key, Some(Key::Room)) || matches!(key, Some(Key::Header(name)) if name == "x-matrix-room");
        let is_same = own == key.as_ref() || (by_token(own) && by_token(key.as_ref())) || (by_room(own) && by_room(key.as_ref()));
        if !is_same {
            let planned = own.map_or_else(|| "without a key".to_owned(), |key| format!("by {key}"));
            warnings.push(format!("pool {:?} balances {planned}; {} of ess-helm are balanced {words}", plan.pools[pool].name, kind.name));
        }
    }
    let replicas_of =
        |(kind, choice): (&Type, &Option<Choice>)| choice.as_ref().map(|choice| if kind.scales { choice.replicas } else { 1 });
    let replicas: usize = types.iter().zip(choices).filter_map(replicas_of).sum();
    if replicas != context.cluster.workers.len() {
        let planned = wsim_text::plural(context.cluster.workers.len() as u64, "worker", "workers");
        warnings.push(format!(
            "the plan has {planned}, ess-helm starts {replicas}: one for each type at least, and a single one of some types"
        ));
    }
    if context.routes.rules.iter().any(|rule| rule.group == OWN) {
        warnings.push("patterns of the plan's own are not possible in ess-helm: its paths are fixed".to_owned());
    }
    if matches!(context.config.redis.as_ref().map(|redis| &redis.address), Some(Address::Unix(_))) {
        warnings.push("ess-helm reaches Redis by host and port only: the socket is left out".to_owned());
    }
    warnings
        .push("the paths of each type are the chart's own, and a type whose workers are down falls back to the main process, except media-repository and sso-login".to_owned());
}

fn write_redis(out: &mut String, context: &Context<'_>) {
    let Some(redis) = &context.config.redis else { return };
    let Address::Tcp { host, port } = &redis.address else { return };
    let _ = write!(out, "  redis:\n    host: {}\n    port: {port}\n", scalar(host));
    if let Some(file) = &redis.password_file {
        let key = file.rsplit('/').next().unwrap_or(file);
        let _ = write!(
            out,
            "    # kubectl create secret generic synapse-redis --from-file={file}\n    password:\n      secret: synapse-redis\n      secretKey: {}\n",
            scalar(key)
        );
    }
}

fn resources(cpu: wsim_plan::Cpu, indent: usize) -> String {
    let blank = " ".repeat(indent);
    let milli = short((cpu.cores * 1000.0).round());
    format!("{blank}resources:\n{blank}  requests:\n{blank}    cpu: {milli}m\n{blank}  limits:\n{blank}    cpu: {milli}m\n")
}

/// The types, in the order of the chart's values.
fn types() -> Vec<Type> {
    let serves = |name, groups, scales, balances| Type { name, takes: Takes::Groups(groups), scales, balances };
    let writes = |name, stream, scales| Type { name, takes: Takes::Stream(stream), scales, balances: (None, "in turn") };
    let role = |name, setting, scales| Type { name, takes: Takes::Role(setting), scales, balances: (None, "in turn") };
    let in_turn = || (None, "in turn");
    let by_token = || (Some(Key::Token), "by token");
    vec![
        writes("account-data", "account_data", false),
        role("appservice", "notify_appservices_from_worker", false),
        role("background", "run_background_tasks_on", false),
        serves("client-reader", &["client", "encryption", "registration_login"], true, in_turn()),
        writes("device-lists", "device_lists", true),
        writes("encryption", "to_device", false),
        serves("event-creator", &["event_sending"], true, (Some(Key::Room), "by room")),
        writes("event-persister", "events", true),
        serves("federation-inbound", &["federation_send"], true, (Some(Key::Address), "by client address")),
        serves("federation-reader", &["federation"], true, (Some(Key::Uri), "by path and query")),
        role("federation-sender", "federation_sender_instances", true),
        serves("initial-synchrotron", INITIAL, true, by_token()),
        serves("media-repository", &["media", "media_admin"], false, in_turn()),
        writes("presence-writer", "presence", false),
        writes("push-rules", "push_rules", false),
        role("pusher", "pusher_instances", true),
        writes("receipts", "receipts", true),
        serves("sliding-sync", &["sliding_sync"], true, by_token()),
        serves("sso-login", &["sso_all", "sso_oidc", "sso_saml", "sso_cas"], false, in_turn()),
        serves("synchrotron", SYNC, true, by_token()),
        writes("typing-persister", "typing", false),
        role("user-dir", "update_user_directory_from_worker", false),
    ]
}

pub(super) fn steps() -> Steps {
    let upgrade = "`helm upgrade` with these values";
    Steps {
        install: vec!["Check the values: `helm template oci://ghcr.io/element-hq/ess-helm/matrix-stack --values ess-helm/values.yaml --values YOURS`; the chart validates them against its schema.".to_owned()],
        restart_main: format!("{upgrade} restarts every process whose configuration changed, HAProxy too, in the order of the chart."),
        start_workers: vec!["Check that each worker is ready: `kubectl get pods -l app.kubernetes.io/part-of=matrix-stack`.".to_owned()],
        proxy: "the chart did this, too.".to_owned(),
        after: vec!["Check where requests go: `kubectl get configmap NAME-haproxy -o jsonpath=…` into a file, then `wsim audit`.".to_owned()],
        stop: "`helm rollback` replaces them without a stop; else scale the StatefulSets to zero".to_owned(),
        restore: "the former release: `helm rollback RELEASE`".to_owned(),
    }
}
