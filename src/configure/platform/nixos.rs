//! NixOS: a module with the options of `services.matrix-synapse`, the proxy and the limits of the units.
//!
//! Source: `nixos/modules/services/matrix/synapse.nix` of nixpkgs. The module writes `worker_name` and every file of Synapse by itself;
//! its listeners have no `request_id_header`. Secrets come from `extraConfigFiles`, which stay out of the store.

use std::fmt::Write as _;

use super::super::address::Address;
use super::super::cluster::Process;
use super::super::synapse::Mode;
use super::super::synapse::setting::{Setting, Value};
use super::super::synapse::shared;
use super::super::{ConfigureError, Context, OutputFile, metrics};
use super::{Steps, container, heading, limit_of, short};
use wsim_plan::ProxyKind;

/// # Errors
/// A worker runs an application that the module does not start.
pub(super) fn check(context: &Context<'_>) -> Result<(), ConfigureError> {
    match context.cluster.workers.iter().find(|process| process.app != "synapse.app.generic_worker") {
        Some(process) => Err(ConfigureError::NixosApp { worker: process.name.clone(), app: process.app }),
        None => Ok(()),
    }
}

pub(super) fn files(context: &Context<'_>, warnings: &mut Vec<String>) -> Vec<OutputFile> {
    if context.release.has_request_id_header() {
        warnings
            .push("the listeners of NixOS have no request_id_header: Synapse's log has request ids of its own, not the proxy's".to_owned());
    }
    let mut out = heading(context, "NixOS module");
    out.push_str("# Add it to `imports`. server_name, the database and secrets stay where you have them; options that you set yourself to other values are reported as conflicts.\n{ ... }:\n\n{\n");
    write_synapse(&mut out, context);
    write_limits(&mut out, context);
    write_proxy(&mut out, context);
    write_scraping(&mut out, context);
    out.push_str("}\n");
    vec![OutputFile::new("wsim.nix", out)]
}

fn write_synapse(out: &mut String, context: &Context<'_>) {
    let cluster = context.cluster;
    out.push_str("  services.matrix-synapse = {\n    enable = true;\n");
    if matches!(cluster.main, Address::Unix(_)) {
        out.push_str("    # The script cannot reach a socket.\n    enableRegistrationScript = false;\n");
    }
    if container::has_secret(context) {
        let _ = writeln!(
            out,
            "    # Put synapse/replication-secret.yaml there, readable by Synapse's user only; the store is readable by everybody.\n    extraConfigFiles = [ {} ];",
            text(&secret_path(context))
        );
    }
    if container::has_own_redis(context) {
        out.push_str("    # The processes communicate over Redis, here by its socket.\n    configureRedisLocally = true;\n");
    }
    write_log(out);
    out.push_str("\n    settings = {\n      # For the proxy, and for the workers.\n      listeners = [\n");
    write_listener(out, &cluster.main, &["client", "federation"], true, 8);
    if !cluster.workers.is_empty() {
        write_listener(out, &cluster.main_replication, &["replication"], false, 8);
    }
    if let Some(address) = &cluster.main_metrics {
        write_metrics(out, address, 8);
    }
    out.push_str("      ];\n");
    let redis = shared::redis(context).filter(|_| !container::has_own_redis(context) && !cluster.workers.is_empty());
    // Without workers nothing but the metrics is to be set.
    let is_needed = |setting: &Setting| !cluster.workers.is_empty() || setting.name == "enable_metrics";
    for setting in redis.into_iter().chain(shared::settings(context).into_iter().filter(is_needed)) {
        write_setting(out, &setting, 6);
    }
    out.push_str("    };\n");
    if !cluster.workers.is_empty() {
        out.push_str("\n    workers = {\n");
        for process in &cluster.workers {
            write_worker(out, process);
        }
        out.push_str("    };\n");
    }
    out.push_str("  };\n");
}

fn secret_path(context: &Context<'_>) -> String {
    format!("{}/synapse/replication-secret.yaml", context.config.installed)
}

fn write_log(out: &mut String) {
    // The module's own format lacks the time and the level, which wsim reads.
    let format = "%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s";
    let _ = writeln!(
        out,
        "    # The format of Synapse's own default, for `wsim analyse`: journalctl -o cat -u 'matrix-synapse*'.\n    log.formatters.journal_fmt.format = {};",
        text(format)
    );
}

fn write_worker(out: &mut String, process: &Process) {
    let _ = writeln!(out, "      {} = {{", text(&process.name));
    if process.has_media() {
        out.push_str("        # Disabled for all other processes.\n        enable_media_repo = true;\n");
    }
    out.push_str("        worker_listeners = [\n");
    if let Some(address) = &process.clients {
        let names: Vec<&str> = process.resources.iter().map(|resource| resource.word()).collect();
        write_listener(out, address, &names, true, 10);
    }
    if let Some(address) = &process.replication {
        write_listener(out, address, &["replication"], false, 10);
    }
    if let Some(address) = &process.metrics {
        write_metrics(out, address, 10);
    }
    out.push_str("        ];\n      };\n");
}

fn write_metrics(out: &mut String, address: &Address, indent: usize) {
    let blank = " ".repeat(indent);
    let Address::Tcp { port, .. } = address else { return };
    let bind = text(address.bind().unwrap_or("127.0.0.1"));
    let _ = writeln!(
        out,
        "{blank}{{\n{blank}  type = \"metrics\";\n{blank}  port = {port};\n{blank}  bind_addresses = [ {bind} ];\n{blank}  tls = false;\n{blank}}}"
    );
}

fn write_listener(out: &mut String, address: &Address, resources: &[&str], for_proxy: bool, indent: usize) {
    let blank = " ".repeat(indent);
    let _ = writeln!(out, "{blank}{{\n{blank}  type = \"http\";");
    match address {
        // The module takes the mode in octal, as a text.
        Address::Unix(path) => {
            let _ = writeln!(out, "{blank}  path = {};\n{blank}  mode = \"{:o}\";", text(path), Mode::of(for_proxy).bits());
        }
        Address::Tcp { port, .. } => {
            let bind = address.bind().unwrap_or("127.0.0.1");
            let _ = writeln!(
                out,
                "{blank}  port = {port};\n{blank}  bind_addresses = [ {} ];\n{blank}  tls = false;\n{blank}  x_forwarded = {for_proxy};",
                text(bind)
            );
        }
    }
    let names: Vec<String> = resources.iter().map(|name| text(name)).collect();
    let _ = writeln!(out, "{blank}  resources = [ {{ names = [ {} ]; compress = false; }} ];\n{blank}}}", names.join(" "));
}

fn write_setting(out: &mut String, setting: &Setting, indent: usize) {
    let blank = " ".repeat(indent);
    for line in &setting.why {
        let _ = writeln!(out, "{blank}# {line}");
    }
    write_value(out, &setting.name, &setting.value, indent);
}

fn write_value(out: &mut String, name: &str, value: &Value, indent: usize) {
    let (blank, name) = (" ".repeat(indent), attribute(name));
    match value {
        Value::Flag(flag) => drop(writeln!(out, "{blank}{name} = {flag};")),
        Value::Number(number) => drop(writeln!(out, "{blank}{name} = {number};")),
        Value::Text(value) => drop(writeln!(out, "{blank}{name} = {};", text(value))),
        Value::Names(names) => {
            let names: Vec<String> = names.iter().map(|name| text(name)).collect();
            let _ = writeln!(out, "{blank}{name} = [ {} ];", names.join(" "));
        }
        Value::Map(entries) => {
            let _ = writeln!(out, "{blank}{name} = {{");
            for (name, value) in entries {
                write_value(out, name, value, indent + 2);
            }
            let _ = writeln!(out, "{blank}}};");
        }
    }
}

fn write_limits(out: &mut String, context: &Context<'_>) {
    let main = std::iter::once((None, "matrix-synapse".to_owned()));
    let workers =
        context.cluster.workers.iter().map(|process| (Some(process.name.as_str()), format!("matrix-synapse-worker-{}", process.name)));
    for (worker, unit) in main.chain(workers) {
        if let Some(cpu) = limit_of(context, worker) {
            let _ = write!(
                out,
                "\n  # The plan's limit.\n  systemd.services.{}.serviceConfig = {{\n    CPUQuota = \"{}%\";\n    CPUQuotaPeriodSec = \"{}ms\";\n  }};\n",
                text(&unit),
                short(cpu.cores * 100.0),
                short(cpu.period_ms)
            );
        }
    }
}

fn write_proxy(out: &mut String, context: &Context<'_>) {
    out.push('\n');
    out.push_str(match context.config.proxy {
        ProxyKind::Haproxy => HAPROXY,
        ProxyKind::Caddy => CADDY,
        _ => NGINX,
    });
}

/// The job for Prometheus, which runs on this machine or not: the option alone starts none.
fn write_scraping(out: &mut String, context: &Context<'_>) {
    let scraped = metrics::scraped(context);
    if scraped.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "\n  # For Prometheus on this machine (`services.prometheus.enable = true`).\n  services.prometheus.scrapeConfigs = [\n    {{\n      job_name = \"synapse\";\n      \
         scrape_interval = \"15s\";\n      metrics_path = \"{}\";\n      static_configs = [\n",
        metrics::PATH
    );
    for target in scraped {
        let labels: String = target.labels().iter().map(|(label, value)| format!("{label} = {}; ", text(value))).collect();
        let _ = writeln!(out, "        {{ targets = [ {} ]; labels = {{ {labels}}}; }}", text(&target.address.to_string()));
    }
    out.push_str("      ];\n    }\n  ];\n");
}

/// A text in double quotes.
fn text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${"))
}

/// A name as an attribute.
fn attribute(name: &str) -> String {
    let plain =
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { name.to_owned() } else { text(name) }
}

const NGINX: &str = r#"  services.nginx = {
    enable = true;
    appendHttpConfig = builtins.readFile ./proxy/nginx/wsim-maps.conf;
    # Change the name; certificates are as in your other sites.
    virtualHosts."matrix.example.org" = {
      forceSSL = true;
      enableACME = true;
      extraConfig = builtins.readFile ./proxy/nginx/wsim-locations.conf + "access_log /var/log/nginx/matrix-access.log wsim;";
      locations."/".return = "404";
    };
  };
"#;

const HAPROXY: &str = "  services.haproxy = {
    enable = true;
    # Change its `bind` lines for your certificate first.
    config = builtins.readFile ./proxy/haproxy/haproxy.cfg;
  };
";

const CADDY: &str = "  services.caddy = {
    enable = true;
    # Change its site address first.
    configFile = ./proxy/caddy/Caddyfile;
  };
";

pub(super) fn steps(context: &Context<'_>) -> Steps {
    let mut install = vec!["Copy this folder beside configuration.nix and add `./FOLDER/wsim.nix` to `imports`. `nixos-rebuild build` reports options that you set to other values.".to_owned()];
    if container::has_secret(context) {
        install.push(format!(
            "Put `synapse/replication-secret.yaml` at {} (or with your secrets tool, changing `extraConfigFiles`), readable by `matrix-synapse` only, and out of the repository.",
            secret_path(context)
        ));
    }
    Steps {
        install,
        restart_main: "`nixos-rebuild switch` restarts the main process, starts the workers and reloads the proxy in one step; check `journalctl -u matrix-synapse`.".to_owned(),
        start_workers: if context.cluster.workers.is_empty() {
            Vec::new()
        } else {
            vec!["Check that the workers run: `systemctl list-units 'matrix-synapse*'`.".to_owned()]
        },
        proxy: "`nixos-rebuild switch` did this, too. To have the new rules later than the processes, leave the proxy's lines of wsim.nix out of the first switch.".to_owned(),
        after: Vec::new(),
        stop: "`systemctl stop matrix-synapse.target`".to_owned(),
        restore: "the former generation: `nixos-rebuild switch --rollback`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_names_are_those_of_nix() {
        assert_eq!(text(r#"a"b\c${d}"#), r#""a\"b\\c\${d}""#);
        assert_eq!(
            (attribute("host"), attribute("two-words"), attribute("1a")),
            ("host".to_owned(), "\"two-words\"".to_owned(), "\"1a\"".to_owned())
        );
        let mut out = String::new();
        write_value(&mut out, "m", &Value::Map(vec![("typing".to_owned(), Value::Names(vec!["w1".to_owned()]))]), 2);
        assert_eq!(out, "  m = {\n    typing = [ \"w1\" ];\n  };\n");
    }
}
