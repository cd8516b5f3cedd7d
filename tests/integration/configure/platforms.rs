//! What is written for each platform: every standard plan is possible, no address reaches nobody, nginx and HAProxy accept the files of
//! containers, and `wsim audit` reads the folder back as the plan it was written from.
//!
//! `tests/cluster/platforms` gives the files to the platforms' own programs and to Synapse's own loader.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wsim::configure::address::Address;
use wsim::configure::platform::Platform;
use wsim::configure::{Configuration, ConfigureConfig, ConfigureError, Redis, configure};
use wsim::endpoints::{Classifier, ClassifierConfig, table_for};
use wsim::plan::{CheckedPlan, Destination, Plan, ProxyKind};

use super::accepted::plans;
use super::plans::{SEPARATE_POOLS, file};
use super::proxy::find;
use crate::support::wsim;

const RELEASE: &str = "1.157";

fn on(platform: Platform, proxy: ProxyKind) -> ConfigureConfig {
    ConfigureConfig { proxy, ..ConfigureConfig::on(platform) }
}

fn written(plan: &CheckedPlan, config: &ConfigureConfig) -> Configuration {
    configure(plan, config).unwrap_or_else(|error| panic!("{}, {:?}: {error}", plan.name, config.platform))
}

#[test]
fn every_standard_plan_is_possible_on_every_platform() {
    for plan in plans(RELEASE) {
        for platform in Platform::ALL {
            for proxy in platform.proxies() {
                let configuration = written(&plan, &on(platform, *proxy));
                let secrets: Vec<&str> = configuration.files.iter().filter(|file| file.secret).map(|file| file.path.as_str()).collect();
                let expected: &[&str] = match platform {
                    _ if configuration.cluster.workers.is_empty() => &[],
                    Platform::EssHelm | Platform::Ansible => &[],
                    Platform::Kubernetes => &["kubernetes/secret.yaml", "synapse/replication-secret.yaml"],
                    _ => &["synapse/replication-secret.yaml"],
                };
                assert_eq!(secrets, expected, "{platform:?}");
            }
        }
    }
}

#[test]
fn no_file_of_a_container_names_an_address_that_reaches_nobody() {
    // Docker's DNS, the networks of the admin API, and a container's own health check are meant.
    let meant = ["127.0.0.0/8", "127.0.0.11", "curl", "wget", "127.0.0.1:8008:8008", "http://localhost/health"];
    for plan in plans(RELEASE) {
        for platform in [Platform::Compose, Platform::Kubernetes] {
            for proxy in platform.proxies() {
                for file in written(&plan, &on(platform, *proxy)).files.iter().filter(|file| !file.path.ends_with(".md")) {
                    let lines = file.text.lines().filter(|line| line.contains("127.0.0.") || line.contains("localhost"));
                    let wrong: Vec<&str> = lines.filter(|line| !meant.iter().any(|text| line.contains(text))).collect();
                    assert!(wrong.is_empty(), "{platform:?} {}: {wrong:#?}", file.path);
                }
            }
        }
    }
}

#[test]
fn nginx_and_haproxy_accept_the_files_of_containers() {
    for plan in plans(RELEASE) {
        for platform in [Platform::Compose, Platform::Kubernetes] {
            let folder = tempfile::tempdir().unwrap();
            let text = folder.path().display();
            // The names of containers are known only where the containers are: here each stands for this machine. Debian's nginx is older
            // than `resolve`.
            let here = |text: &str, configuration: &Configuration| {
                let hosts =
                    configuration.cluster.workers.iter().filter_map(|worker| worker.clients.as_ref()).chain([&configuration.cluster.main]);
                let addresses: Vec<String> = hosts.map(ToString::to_string).collect();
                addresses.iter().fold(text.to_owned(), |text, address| {
                    text.replace(&format!(" {address}"), &format!(" 127.0.0.1:{}", address.rsplit_once(':').unwrap().1))
                })
            };
            let configuration = written(&plan, &on(platform, ProxyKind::Nginx));
            for name in ["wsim-maps.conf", "wsim-locations.conf", "site.conf"] {
                let own = here(file(&configuration, &format!("proxy/nginx/{name}")), &configuration);
                let own = own.replace(" resolve;", ";").replace("listen 8008", "listen 127.0.0.1:28008");
                let own = own.replace("/etc/nginx/snippets", &text.to_string()).replace("/dev/stdout", &format!("{text}/access.log"));
                std::fs::write(folder.path().join(name), own).unwrap();
            }
            let main = format!(
                "pid {text}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log {text}/log;\ninclude {text}/wsim-maps.conf;\ninclude {text}/site.conf;\n}}\n"
            );
            std::fs::write(folder.path().join("nginx.conf"), main).unwrap();
            accepts(Command::new(find("nginx")).args(["-t", "-q", "-e", "stderr", "-c"]).arg(folder.path().join("nginx.conf")), &plan.name);
            // HAProxy starts without knowing the addresses yet.
            let configuration = written(&plan, &on(platform, ProxyKind::Haproxy));
            std::fs::write(folder.path().join("haproxy.cfg"), file(&configuration, "proxy/haproxy/haproxy.cfg")).unwrap();
            accepts(Command::new(find("haproxy")).args(["-c", "-q", "-f"]).arg(folder.path().join("haproxy.cfg")), &plan.name);
        }
    }
}

fn accepts(command: &mut Command, what: &str) {
    let output = command.output().unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && !printed.to_ascii_lowercase().contains("[warn"), "{what}: {printed}");
}

/// Runs `wsim configure` and audits the whole folder: every endpoint is routed as the plan says.
fn assert_read_back(platform: Platform, proxy: &str, plan: &Path, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let what = format!("{} {proxy} {} {words:?}", platform.keyword(), plan.display());
    let run = wsim()
        .arg("configure")
        .arg(plan)
        .args(["--for", platform.keyword(), "--proxy", proxy, "--quiet"])
        .args(words)
        .arg("--out")
        .arg(&out)
        .output();
    let run = run.unwrap();
    assert!(run.status.success(), "{what}: {}", String::from_utf8_lossy(&run.stderr));
    let audit = wsim().arg("audit").arg(&out).args(["--json", "--synapse-version", RELEASE]).output().unwrap();
    let json: Value =
        serde_json::from_slice(&audit.stdout).unwrap_or_else(|_| panic!("{what}: {}", String::from_utf8_lossy(&audit.stderr)));
    assert_eq!(audit.status.code(), Some(0), "{what}: {:#?}", json["findings"]);
    assert_eq!(json["not_evaluated"], 0, "{what}");
    let expected = Plan::from_toml(&std::fs::read_to_string(out.join("plan.toml")).unwrap(), "expected").unwrap();
    let derived = Plan::from_toml(json["plan"].as_str().unwrap(), "derived").unwrap();
    let classifier = Classifier::new(&table_for(Some(RELEASE)).unwrap().table, &ClassifierConfig::default()).unwrap();
    // The proxy rejects requests to the administration interface, so the audit cannot know which process would serve them.
    let open = |pattern: &str| !pattern.contains("/_synapse/admin");
    for endpoint in classifier.endpoints().iter().filter(|endpoint| !endpoint.internal && endpoint.pattern.as_deref().is_some_and(open)) {
        assert_eq!(
            destination(&derived, endpoint),
            destination(&expected, endpoint),
            "{what}: {endpoint:?}\n{}",
            json["plan"].as_str().unwrap()
        );
    }
    assert_eq!(derived.stream_writers, expected.stream_writers, "{what}");
    // The files name a worker that clears old media, whether the plan does or not.
    let mut roles = derived.background_roles.clone();
    if expected.background_roles.media_instance_running_background_jobs.is_none() {
        roles.media_instance_running_background_jobs = None;
    }
    assert_eq!(roles, expected.background_roles, "{what}");
}

/// The servers, rule and key of the pool that serves an endpoint, or the stream whose writer serves it.
fn destination(plan: &CheckedPlan, endpoint: &wsim::endpoints::Endpoint) -> String {
    match plan.route(endpoint) {
        Destination::Main => "main".to_owned(),
        Destination::Writer(stream) => format!("writer of {stream}"),
        Destination::Pool(index) => format!("{:?} {:?}", plan.pools[index].servers, plan.rule(index)),
    }
}

#[test]
fn audit_reads_back_the_plan_from_the_folder_of_a_platform() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    let roles = "\n[duties]\nrun_background_tasks_on = \"background1\"\npusher_instances = [\"pusher1\", \"pusher2\"]\n";
    std::fs::write(&plan, format!("{SEPARATE_POOLS}{roles}")).unwrap();
    for platform in [Platform::Compose, Platform::Kubernetes] {
        for proxy in ["nginx", "haproxy", "caddy"] {
            assert_read_back(platform, proxy, &plan, &[]);
        }
    }
    for platform in [Platform::Systemd, Platform::Compose] {
        for proxy in ["nginx", "haproxy", "caddy"] {
            assert_read_back(platform, proxy, &plan, &["--sockets", "/run/matrix-synapse"]);
        }
    }
}

#[test]
fn sockets_take_the_place_of_ports_and_their_modes_are_numbers() {
    let plan = Plan::from_toml(SEPARATE_POOLS, "plan.toml").unwrap();
    let folder = "/run/matrix-synapse";
    let config = ConfigureConfig {
        sockets: Some(folder.to_owned()),
        main_replication: Platform::Systemd.main_replication(Some(folder)),
        redis: Some(Redis {
            address: Address::parse("unix:/run/redis/redis.sock").unwrap(),
            password_file: Some("/etc/redis-password".to_owned()),
        }),
        ..ConfigureConfig::default()
    };
    let configuration = written(&plan, &config);
    let worker = file(&configuration, "synapse/workers/persister1.yaml");
    assert!(worker.contains("  path: /run/matrix-synapse/persister1-replication.sock\n"), "{worker}");
    // 438 is 0666, 384 is 0600: what Python's YAML and every other reads as the number that Twisted needs.
    assert!(file(&configuration, "synapse/workers/sync1.yaml").contains("  mode: 438\n"));
    assert!(worker.contains("  mode: 384\n") && !worker.contains("port:"), "{worker}");
    let shared = file(&configuration, "synapse/workers.yaml");
    assert!(shared.contains("  main:\n    path: /run/matrix-synapse/main-replication.sock\n"), "{shared}");
    let additions = file(&configuration, "synapse/homeserver-additions.yaml");
    assert!(additions.contains("  path: /run/redis/redis.sock\n  password_path: /etc/redis-password\n"), "{additions}");
    assert!(
        file(&configuration, "systemd/matrix-synapse.service").contains("RuntimeDirectory=matrix-synapse\nRuntimeDirectoryPreserve=yes\n")
    );
    assert!(file(&configuration, "proxy/nginx/wsim-maps.conf").contains("server unix:/run/matrix-synapse/sync1.sock max_fails"));
    let old = ConfigureConfig { synapse: Some("1.110".to_owned()), ..config };
    assert!(matches!(configure(&plan, &old), Err(ConfigureError::Redis { setting: "redis.password_path", .. })));
}

#[test]
fn what_a_platform_cannot_do_is_refused_with_the_way_out() {
    let plan = Plan::from_toml(SEPARATE_POOLS, "plan.toml").unwrap();
    let refused = |config: ConfigureConfig| configure(&plan, &config).unwrap_err().to_string();
    let config = on(Platform::Compose, ProxyKind::Traefik);
    assert_eq!(refused(config), "--for: nothing is written for docker compose with Traefik; choose --proxy nginx, haproxy, caddy");
    let config = ConfigureConfig { main: Address::tcp("127.0.0.1", 8008), ..ConfigureConfig::on(Platform::Compose) };
    assert!(refused(config).contains("reaches nobody from another container"));
    let config = ConfigureConfig { sockets: Some("/run/s".to_owned()), ..ConfigureConfig::on(Platform::Kubernetes) };
    assert!(refused(config).contains("pods share no unix sockets"));
    let clash = SEPARATE_POOLS.replace("\"persister1\"", "\"proxy\"");
    let error = configure(&Plan::from_toml(&clash, "plan.toml").unwrap(), &ConfigureConfig::on(Platform::Compose)).unwrap_err();
    assert!(matches!(error, ConfigureError::ServiceTwice { .. }), "{error}");
    let old = ConfigureConfig { synapse: Some("1.33".to_owned()), ..ConfigureConfig::on(Platform::Nixos) };
    let roles = "name = \"a\"\nsynapse = \"1.33\"\n[[pool]]\nname = \"a\"\nendpoints = [\"sync\"]\nworkers = 1\n[duties]\nnotify_appservices_from_worker = \"bridges1\"\n";
    let error = configure(&Plan::from_toml(roles, "plan.toml").unwrap(), &old).unwrap_err();
    assert!(matches!(error, ConfigureError::NixosApp { .. }), "{error}");
}

#[test]
fn what_ess_helm_and_the_playbook_cannot_express_is_said() {
    let plan = Plan::from_toml(SEPARATE_POOLS, "plan.toml").unwrap();
    let notes = |platform: Platform, proxy| written(&plan, &on(platform, proxy)).warnings.join("\n");
    let ess = notes(Platform::EssHelm, ProxyKind::Haproxy);
    assert!(ess.contains("pool \"sync\" balances by user; sliding-sync of ess-helm are balanced by token"), "{ess}");
    let playbook = notes(Platform::Ansible, ProxyKind::Nginx);
    for text in [
        "initial syncs go with all other syncs",
        "the pools initial and sync become one",
        "routes by path alone",
        "pool \"reader\" balances by uri",
    ] {
        assert!(playbook.contains(text), "{text}: {playbook}");
    }
}

#[test]
fn metrics_are_written_in_each_platforms_own_form() {
    let plan = Plan::from_toml(SEPARATE_POOLS, "plan.toml").unwrap();
    let with_metrics = |platform: Platform| {
        let defaults = ConfigureConfig::on(platform);
        written(&plan, &ConfigureConfig { extras: wsim::configure::extras::Extras { metrics: true, ..Default::default() }, ..defaults })
    };
    let compose = with_metrics(Platform::Compose);
    let text = file(&compose, "compose.yaml");
    assert!(text.contains("  prometheus:\n    image: prom/prometheus") && text.contains("profiles: [metrics]"), "{text}");
    let kubernetes = with_metrics(Platform::Kubernetes);
    assert!(file(&kubernetes, "kubernetes/service-monitor.yaml").contains("port: metrics\n"));
    let nixos = with_metrics(Platform::Nixos);
    for process in compose.cluster.workers.iter().map(|process| process.name.as_str()).chain(["main"]) {
        // No address that reaches nobody from another container.
        let scraped = file(&compose, "prometheus/prometheus.yml");
        assert!(
            scraped.contains(&format!("process: '{process}'")) && !scraped.contains("127.0.0.1") && !scraped.contains("localhost"),
            "{scraped}"
        );
        assert!(file(&kubernetes, "kubernetes/synapse.yaml").contains(&format!("    wsim/process: '{process}'\n")), "{process}");
        assert!(file(&nixos, "wsim.nix").contains(&format!("process = \"{process}\";")), "{process}");
    }
    assert!(file(&nixos, "wsim.nix").contains("services.prometheus.scrapeConfigs"));
    assert!(file(&with_metrics(Platform::EssHelm), "ess-helm/values.yaml").contains("  serviceMonitors:\n    enabled: true\n"));
    assert!(file(&with_metrics(Platform::Ansible), "ansible/vars.yml").contains("matrix_synapse_metrics_enabled: true\n"));
}

#[test]
fn a_container_removes_its_own_sockets_before_it_starts() {
    let plan = Plan::from_toml(SEPARATE_POOLS, "plan.toml").unwrap();
    let folder = "/run/matrix-synapse";
    let replication = Platform::Compose.main_replication(Some(folder));
    let config =
        ConfigureConfig { sockets: Some(folder.to_owned()), main_replication: replication, ..ConfigureConfig::on(Platform::Compose) };
    let configuration = written(&plan, &config);
    let text = file(&configuration, "compose.yaml");
    let line =
        "entrypoint: [sh, -c, 'rm -f /run/matrix-synapse/sync1.sock /run/matrix-synapse/sync1.sock.lock; exec /start.py \"$$@\"', sh]";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("      o: uid=991,gid=991,mode=755\n"), "{text}");
}
