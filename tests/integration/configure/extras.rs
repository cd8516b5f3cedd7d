//! What `wsim configure` writes on request: accepted by the proxies and by Prometheus' own check, and in force in a real proxy.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use wsim::configure::address::Address;
use wsim::configure::extras::Extras;
use wsim::configure::{Configuration, ConfigureConfig, configure};
use wsim::plan::{CheckedPlan, Preset, PresetConfig, ProxyKind};

use super::accepted::{RELEASES, check_files, plans};
use super::plans::file;
use super::proxy::find;

fn all() -> Extras {
    Extras {
        metrics: true,
        http3: false,
        rate_limits: false,
        max_upload: Some(123 << 20),
        authentication_service: Some(Address::tcp("127.0.0.1", 8090)),
    }
}

fn configured(plan: &CheckedPlan, proxy: ProxyKind, release: &str, extras: Extras) -> Configuration {
    let config = ConfigureConfig { proxy, synapse: Some(release.to_owned()), extras, ..ConfigureConfig::default() };
    configure(plan, &config).unwrap_or_else(|error| panic!("{}, {release}: {error}", plan.name))
}

#[test]
fn the_proxies_accept_what_is_written_on_request() {
    for proxy in [ProxyKind::Nginx, ProxyKind::Haproxy, ProxyKind::Caddy, ProxyKind::Apache] {
        let can_limit = matches!(proxy, ProxyKind::Nginx | ProxyKind::Haproxy);
        // The nginx of Debian 12 has no HTTP/3, and its HAProxy none either, where the lines are comments.
        let can_http3 = matches!(proxy, ProxyKind::Haproxy | ProxyKind::Caddy);
        for release in ["1.59", "1.157"] {
            for plan in plans(release) {
                let extras = Extras { http3: can_http3, rate_limits: can_limit, ..all() };
                check_files(proxy, &configured(&plan, proxy, release, extras));
            }
        }
    }
}

#[test]
fn prometheus_accepts_its_file_and_every_process_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    for release in RELEASES {
        for plan in plans(release) {
            let configuration = configured(&plan, ProxyKind::Nginx, release, all());
            let text = file(&configuration, "prometheus/prometheus.yml");
            let path = folder.path().join("prometheus.yml");
            std::fs::write(&path, text).unwrap();
            let checked = Command::new(find("promtool")).args(["check", "config"]).arg(&path).output().unwrap();
            assert!(checked.status.success(), "{}: {}", plan.name, String::from_utf8_lossy(&checked.stderr));
            let of_files: BTreeSet<String> =
                configuration.cluster.workers.iter().map(|process| process.name.clone()).chain(["main".to_owned()]).collect();
            let of_text: BTreeSet<String> =
                text.lines().filter_map(|line| Some(line.trim().strip_prefix("process: '")?.strip_suffix('\'')?.to_owned())).collect();
            assert_eq!(of_text, of_files, "{}", plan.name);
            assert_eq!(text.matches("targets:").count(), of_files.len());
            for process in &configuration.cluster.workers {
                let own = file(&configuration, &format!("synapse/workers/{}.yaml", process.name));
                assert!(own.contains("- type: metrics\n"), "{own}");
            }
        }
    }
}

#[test]
fn uploads_are_as_large_for_synapse_as_for_the_proxy() {
    let plan = Preset::find("generic").unwrap().plan(2, &PresetConfig::default()).unwrap();
    let bytes = (123_u64 << 20).to_string();
    for (proxy, path, words) in [
        (ProxyKind::Nginx, "proxy/nginx/wsim-locations.conf", "client_max_body_size 123M;"),
        (ProxyKind::Caddy, "proxy/caddy/Caddyfile", "max_size 123MiB"),
        (ProxyKind::Haproxy, "proxy/haproxy/haproxy.cfg", bytes.as_str()),
        (ProxyKind::Traefik, "proxy/traefik/dynamic.yaml", bytes.as_str()),
        (ProxyKind::Apache, "proxy/apache/wsim.conf", bytes.as_str()),
    ] {
        let configuration = configured(&plan, proxy, "1.157", all());
        assert!(file(&configuration, path).contains(words), "{proxy:?}");
        assert!(file(&configuration, "synapse/workers.yaml").contains("\nmax_upload_size: '123M'\n"));
    }
}

/// Files for `wsim audit`, as it reads its own.
fn audited(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    let (code, out, error) = crate::support::run_in(folder, &[&["audit"][..], arguments].concat());
    assert!(code == 0 || code == 3, "{error}");
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"))
}

#[test]
fn logins_go_to_the_authentication_service_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    for (proxy, main) in [
        ("nginx", "proxy/nginx"),
        ("haproxy", "proxy/haproxy/haproxy.cfg"),
        ("caddy", "proxy/caddy/Caddyfile"),
        ("traefik", "proxy/traefik/dynamic.yaml"),
    ] {
        let out = format!("out-{proxy}");
        let words = ["configure", "generic:2", "--proxy", proxy, "--out", &out, "--auth-service", "127.0.0.1:8090", "--quiet"];
        let (code, _, error) = crate::support::run_in(folder.path(), &words);
        assert_eq!((code, error.as_str()), (0, ""));
        let mut files = format!("{out}/{main}");
        if proxy == "nginx" {
            let site = format!(
                "events {{}}\nhttp {{ include {out}/proxy/nginx/wsim-maps.conf; server {{ listen 80; include {out}/proxy/nginx/wsim-locations.conf; }} }}\n"
            );
            files = "nginx.conf".to_owned();
            std::fs::write(folder.path().join("nginx.conf"), site).unwrap();
        }
        for (request, service) in [
            ("POST /_matrix/client/v3/login", true),
            ("GET /_matrix/client/r0/login", true),
            ("GET /_matrix/client/v3/login/sso/redirect", true),
            ("POST /_matrix/client/v3/logout/all", true),
            ("POST /_matrix/client/v3/refresh", true),
            ("POST /_matrix/client/v3/register", false),
            ("GET /_matrix/client/v3/sync", false),
            ("GET /_matrix/client/v3/loginx", false),
        ] {
            let report = audited(folder.path(), &[&files, "--json", "--route", request]);
            let text = report.to_string();
            assert_eq!(text.contains("127.0.0.1:8090"), service, "{proxy}: {request}: {text}");
        }
    }
}
