//! Traefik 3: routers, services and middlewares for the file provider, and additions to the static configuration.
//!
//! One router for each rule, whose priority follows the order of the rules. Traefik matches the decoded path, and hashes client
//! addresses only.

use std::fmt::Write as _;

use super::super::address::Address;
use super::super::extras::{LIMIT_BURST, LIMIT_PER_MINUTE};
use super::super::read::pattern::Pattern;
use super::super::routes::{Rule, Sync, Target};
use super::super::{ConfigureError, Context, OutputFile};
use super::{ADMIN, PUBLIC, Upstream, WAIT_SECONDS, heading, name};
use wsim_balance::{Algorithm, Traefik};
use wsim_endpoints::Method;

pub(super) fn files(
    context: &Context<'_>,
    upstreams: &[Upstream<'_>],
    warnings: &mut Vec<String>,
) -> Result<Vec<OutputFile>, ConfigureError> {
    warnings.push("Traefik matches the decoded path: an escaped slash in an alias or a user id counts as a slash".to_owned());
    warnings.push("the files for Traefik were checked against its documented keys, not by Traefik itself".to_owned());
    if context.config.expose_upstream {
        warnings.push(
            "Traefik cannot name the answering server in a header: --expose-upstream has no effect; its log has ServiceURL".to_owned(),
        );
    }
    let mut out = heading(context, "#", "Traefik 3, file provider");
    out.push_str(HEAD);
    write_routers(&mut out, context);
    out.push_str("\n  services:\n");
    for upstream in upstreams {
        write_service(&mut out, context, upstream)?;
    }
    let _ = write!(
        out,
        "\n  middlewares:\n    # The admin API, from this machine only: Synapse's own document leaves it out of the proxy on purpose.\n    \
         wsim-from-here:\n      ipAllowList:\n        sourceRange: ['127.0.0.0/8', '::1/128']\n    \
         # Not smaller than max_upload_size in homeserver.yaml. Traefik keeps a body it measures: above 2 MiB on disk.\n    \
         wsim-upload:\n      buffering:\n        maxRequestBodyBytes: {}\n        memRequestBodyBytes: 2097152\n\
         \n  serversTransports:\n    wsim:\n      # Long polls wait half a minute and more, initial syncs compute for minutes.\n      \
         forwardingTimeouts:\n        dialTimeout: 5s\n        responseHeaderTimeout: {WAIT_SECONDS}s\n        idleConnTimeout: 60s\n",
        context.config.upload_bytes()
    );
    if context.config.extras.rate_limits {
        out = out.replace(
            "\n  serversTransports:",
            &format!(
                "    # --rate-limits: logins and registrations of one address.\n    wsim-logins:\n      rateLimit:\n        \
                 average: {LIMIT_PER_MINUTE}\n        period: 1m\n        burst: {LIMIT_BURST}\n\n  serversTransports:"
            ),
        );
    }
    let mut statics = heading(context, "#", "Traefik's static configuration") + STATIC;
    if context.config.extras.http3 {
        statics.push_str("    http3: {}\n");
    }
    Ok(vec![OutputFile::new("proxy/traefik/dynamic.yaml", out), OutputFile::new("proxy/traefik/static-additions.yaml", statics)])
}

fn write_routers(out: &mut String, context: &Context<'_>) {
    let (plan, rules) = (context.plan, &context.routes.rules);
    out.push_str("  routers:\n");
    if context.config.extras.rate_limits {
        write_limited(out, context);
    }
    let mut group = "";
    for (place, rule) in rules.iter().enumerate() {
        if rule.group != group {
            group = &rule.group;
            let _ = writeln!(out, "    # {group}");
        }
        // The higher priority wins. The default priority, the length of the rule, would not follow the order of the rules.
        let priority = BASE_PRIORITY + rules.len() - place;
        write_router(out, &format!("wsim-{:03}", place + 1), &condition(rule), &name(plan, &rule.target), priority, admin(&rule.pattern));
    }
    let main = name(plan, &Target::Main);
    out.push_str("    # Everything else of Synapse's public paths: not /_synapse/metrics, not /_synapse/replication.\n");
    let public: Vec<String> = PUBLIC.iter().map(|path| format!("PathPrefix(`{path}/`)")).collect();
    write_router(out, "wsim-main", &format!("({})", public.join(" || ")), &main, BASE_PRIORITY, false);
    write_router(out, "wsim-admin", &format!("PathPrefix(`{ADMIN}/`)"), &main, BASE_PRIORITY, true);
}

/// A router for the requests that `--rate-limits` counts, before all others, for each destination that they have.
fn write_limited(out: &mut String, context: &Context<'_>) {
    let rules = &context.routes.rules;
    let limited = |path: &str| format!("/_matrix/client/v3/{path}");
    for path in ["login", "register"] {
        let takes = |rule: &&Rule| {
            let of_all = rule.clients.is_none() && (rule.methods.is_empty() || rule.methods.contains(&Method::Post));
            of_all && Pattern::new(&rule.pattern, false).is_ok_and(|pattern| pattern.matches(&limited(path)))
        };
        let target = rules.iter().find(takes).map_or(&Target::Main, |rule| &rule.target);
        let condition = format!("Method(`POST`) && PathRegexp(`^/_matrix/client/(api/v1|r0|v3|unstable)/{path}$`)");
        let rule = format!("Host(`matrix.example.org`) && {condition}");
        let _ = write!(
            out,
            "    wsim-limited-{path}:\n      rule: '{rule}'\n      service: {}\n      priority: {}\n      middlewares: [wsim-logins, wsim-upload]\n",
            name(context.plan, target).replace('.', "-of-"),
            BASE_PRIORITY + rules.len() + 1
        );
    }
}

fn admin(pattern: &str) -> bool {
    pattern.contains(ADMIN)
}

fn write_router(out: &mut String, id: &str, condition: &str, service: &str, priority: usize, admin: bool) {
    let rule = format!("Host(`matrix.example.org`) && {condition}");
    let middlewares = if admin { "[wsim-from-here, wsim-upload]" } else { "[wsim-upload]" };
    let _ = write!(
        out,
        "    {id}:\n      rule: '{}'\n      service: {}\n      priority: {priority}\n      middlewares: {middlewares}\n",
        rule.replace('\'', "''"),
        service.replace('.', "-of-")
    );
}

fn condition(rule: &Rule) -> String {
    let path = format!("PathRegexp({})", quoted(&rule.pattern));
    let methods: Vec<String> = rule.methods.iter().map(|method| format!("Method(`{}`)", method.name())).collect();
    let mut parts = match methods.as_slice() {
        [] => Vec::new(),
        [one] => vec![one.clone()],
        several => vec![format!("({})", several.join(" || "))],
    };
    parts.push(path);
    if rule.sync == Sync::Initial {
        // A sync without `since` computes the whole state and would delay other requests.
        parts.push("(!QueryRegexp(`since`, `.+`) || Query(`full_state`, `true`))".to_owned());
    }
    parts.join(" && ")
}

fn quoted(pattern: &str) -> String {
    if pattern.contains('`') { format!("\"{}\"", pattern.replace('\\', "\\\\").replace('"', "\\\"")) } else { format!("`{pattern}`") }
}

fn write_service(out: &mut String, context: &Context<'_>, upstream: &Upstream<'_>) -> Result<(), ConfigureError> {
    let strategy = match &upstream.pool {
        None => "wrr",
        Some((pool, _)) => match context.plan.balancer_config(pool)?.algorithm {
            Algorithm::Traefik(Traefik::WeightedRoundRobin) => "wrr",
            Algorithm::Traefik(Traefik::TwoChoices) => "p2c",
            Algorithm::Traefik(Traefik::HighestRandomWeight) => "hrw",
            Algorithm::Traefik(Traefik::LeastTime) => "leasttime",
            _ => return Err(ConfigureError::NoSuchRule { pool: pool.name.clone(), balance: pool.balance.clone() }),
        },
    };
    let _ = write!(
        out,
        "    # {}\n    {}:\n      loadBalancer:\n        serversTransport: wsim\n",
        upstream.purpose(context),
        upstream.name.replace('.', "-of-")
    );
    if strategy != "wrr" {
        let _ = writeln!(out, "        strategy: {strategy}");
    }
    if upstream.servers.len() > 1 {
        out.push_str(
            "        # A worker that restarts is left alone until it responds again.\n        \
             healthCheck:\n          path: /health\n          interval: 5s\n          timeout: 3s\n",
        );
    }
    out.push_str("        servers:\n");
    for server in &upstream.servers {
        let Address::Tcp { .. } = &server.address else {
            let problem = "Traefik reaches servers by host:port only".to_owned();
            return Err(ConfigureError::Address { worker: server.name.clone(), address: server.address.to_string(), problem });
        };
        let _ = writeln!(out, "          # {}\n          - url: 'http://{}'", server.name, server.address);
        if server.weight != 1 {
            let _ = writeln!(out, "            weight: {}", server.weight);
        }
    }
    Ok(())
}

/// Lower than the priority of every router from a rule.
const BASE_PRIORITY: usize = 100;

const HEAD: &str = "\
# Replace matrix.example.org with your own name, and add entryPoints and tls to the routers if your installation has no defaults.

http:
";

const STATIC: &str = "\
# Merge by hand into traefik.yaml.

# The log format that wsim reads best. It contains tokens from URLs: keep it private.
accessLog:
  filePath: /var/log/traefik/access.log
  format: json
  fields:
    defaultMode: keep
    headers:
      names:
        User-Agent: keep

# Uploads may take longer than Traefik's default timeout of 60 s for a request.
entryPoints:
  websecure:
    transport:
      respondingTimeouts:
        readTimeout: 600s
";
