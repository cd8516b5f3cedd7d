//! The proxies accept the written files, for every standard plan and for releases from the oldest supported one to the newest.
//!
//! `tests/cluster/load` gives Synapse's files to Synapse's own loader; it needs a Python environment.

use std::path::Path;
use std::process::Command;

use wsim::configure::release::{several_writers_since, stream_since};
use wsim::configure::{Configuration, ConfigureConfig, configure};
use wsim::endpoints::Release;
use wsim::plan::{BackgroundRoles, CheckedPlan, Plan, Preset, PresetConfig, ProxyKind, Writers};

use super::plans::{SEPARATE_POOLS, file};
use super::proxies::apache_frame;
use super::proxy::find;

/// Releases on both sides of changes: v3 paths since 1.48, presence on a worker since 1.33, push rules since 1.107, device lists since 1.135.
pub(super) const RELEASES: [&str; 8] = ["1.18", "1.33", "1.48", "1.70", "1.90", "1.107", "1.135", "1.157"];

#[test]
fn nginx_accepts_every_standard_plan() {
    check_all(ProxyKind::Nginx);
}

#[test]
fn haproxy_accepts_every_standard_plan() {
    check_all(ProxyKind::Haproxy);
}

#[test]
fn caddy_accepts_every_standard_plan() {
    check_all(ProxyKind::Caddy);
}

#[test]
fn apache_accepts_every_standard_plan() {
    check_all(ProxyKind::Apache);
}

/// The proxy's own check of written files, which are changed only where this machine differs.
fn checker(proxy: ProxyKind, configuration: &Configuration, folder: &Path) -> Command {
    match proxy {
        ProxyKind::Nginx => nginx(configuration, folder),
        ProxyKind::Haproxy => {
            std::fs::write(folder.join("haproxy.cfg"), file(configuration, "proxy/haproxy/haproxy.cfg")).unwrap();
            let mut command = Command::new(find("haproxy"));
            command.args(["-c", "-q", "-f"]).arg(folder.join("haproxy.cfg"));
            command
        }
        ProxyKind::Caddy => {
            let text = file(configuration, "proxy/caddy/Caddyfile").replace("/var/log/caddy", &folder.display().to_string());
            std::fs::write(folder.join("Caddyfile"), text).unwrap();
            let mut command = Command::new(find("caddy"));
            command.args(["validate", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
            command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
            command
        }
        ProxyKind::Apache => {
            let text = apache_frame(20080, folder, file(configuration, "proxy/apache/wsim.conf"));
            std::fs::write(folder.join("apache.conf"), text).unwrap();
            let mut command = Command::new(find("apache2"));
            command.arg("-t").arg("-f").arg(folder.join("apache.conf"));
            command
        }
        other => panic!("no check for {other:?}"),
    }
}

fn nginx(configuration: &Configuration, folder: &Path) -> Command {
    let site = file(configuration, "proxy/nginx/example-site.conf");
    // The example's certificates, ports and folders do not exist on this machine.
    let site = site.replace(" ssl http2", "").replace(":443", ":20443").replace(" 443", " 20443").replace("8448", "28448");
    let site: String = site.lines().filter(|line| !line.contains("ssl_certificate")).map(|line| format!("{line}\n")).collect();
    let site = site.replace("/etc/nginx/snippets", &folder.display().to_string()).replace("/var/log/nginx", &folder.display().to_string());
    for name in ["wsim-maps.conf", "wsim-locations.conf"] {
        std::fs::write(folder.join(name), file(configuration, &format!("proxy/nginx/{name}"))).unwrap();
    }
    let folder_text = folder.display();
    let text = format!(
        "pid {folder_text}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log {folder_text}/log;\ninclude {folder_text}/wsim-maps.conf;\n{site}}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), text).unwrap();
    let mut command = Command::new(find("nginx"));
    command.args(["-t", "-q", "-e", "stderr", "-c"]).arg(folder.join("nginx.conf"));
    command
}

/// Runs the proxy's own check of its configuration for every plan and release.
fn check_all(proxy: ProxyKind) {
    let mut checked = 0;
    for release in RELEASES {
        for plan in plans(release) {
            check_files(proxy, &configure_plan(&plan, proxy, release));
            checked += 1;
        }
    }
    assert!(checked > RELEASES.len() * 10, "only {checked} configurations");
}

/// The proxy accepts a configuration without an error or a warning.
pub(super) fn check_files(proxy: ProxyKind, configuration: &Configuration) {
    let folder = tempfile::tempdir().unwrap();
    let output = checker(proxy, configuration, folder.path()).output().unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let what = format!("{proxy:?}, {}, {}", configuration.plan.name, configuration.release);
    assert!(output.status.success(), "{what}: {printed}");
    let warning = printed.lines().find(|line| line.to_ascii_lowercase().contains("[warn") && !line.contains("WSIM_UPSTREAM"));
    assert_eq!(warning, None, "{what}");
}

pub(super) fn configure_plan(plan: &CheckedPlan, proxy: ProxyKind, release: &str) -> Configuration {
    let config = ConfigureConfig { proxy, synapse: Some(release.to_owned()), expose_upstream: true, ..ConfigureConfig::default() };
    configure(plan, &config).unwrap_or_else(|error| panic!("{}, {release}: {error}", plan.name))
}

/// A plan of every preset, one with a pool for every kind of endpoint, and one with background roles. Stream writers that the release does
/// not support are left out.
pub(super) fn plans(release: &str) -> Vec<CheckedPlan> {
    let config = PresetConfig { sliding_sync: true, ..PresetConfig::default() };
    let standard = Preset::all().iter().map(|preset| preset.plan((*preset.workers.end()).min(7), &config).unwrap().into_plan());
    let mut plans: Vec<Plan> = standard.collect();
    let separate_pools = Plan::from_toml(SEPARATE_POOLS, "plan.toml").unwrap().into_plan();
    let mut with_roles = separate_pools.clone();
    plans.push(separate_pools);
    let name = |name: &str| Some(name.to_owned());
    with_roles.background_roles = BackgroundRoles {
        run_background_tasks_on: name("background1").filter(|_| is_at_least(release, "1.22")),
        update_user_directory_from_worker: name("directory1"),
        notify_appservices_from_worker: name("bridges1"),
        pusher_instances: Some(Writers::Several(vec!["pusher1".to_owned(), "pusher2".to_owned()])),
        federation_sender_instances: Some(Writers::One("sender1".to_owned())),
        media_instance_running_background_jobs: name("media1"),
    };
    "background roles".clone_into(&mut with_roles.name);
    plans.push(with_roles);
    for plan in &mut plans {
        plan.stream_writers.retain(|stream, writers| {
            let several = writers.names().len() > 1;
            is_at_least(release, stream_since(stream).unwrap())
                && (!several || several_writers_since(stream).is_some_and(|since| is_at_least(release, since)))
        });
    }
    plans.into_iter().map(|plan| plan.check().unwrap()).collect()
}

fn is_at_least(release: &str, since: &str) -> bool {
    release.parse::<Release>().unwrap() >= since.parse().unwrap()
}
