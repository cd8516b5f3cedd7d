//! Starts nginx, HAProxy, Caddy and Apache with the files of a configuration, changed only where this machine differs: ports, folders, logs.

use std::path::Path;

use wsim::configure::Configuration;
use wsim::plan::ProxyKind;

use super::plans::file;
use super::proxy::Proxy;

/// Starts the proxy and waits until it listens.
pub(super) fn start(proxy: ProxyKind, configuration: &Configuration) -> Proxy {
    match proxy {
        ProxyKind::Nginx => nginx(configuration),
        ProxyKind::Haproxy => haproxy(configuration),
        ProxyKind::Caddy => caddy(configuration),
        ProxyKind::Apache => apache(configuration),
        other => panic!("no test for {other:?}"),
    }
}

fn nginx(configuration: &Configuration) -> Proxy {
    let framed = |port: u16, folder: &Path| {
        for name in ["wsim-maps.conf", "wsim-locations.conf"] {
            std::fs::write(folder.join(name), file(configuration, &format!("proxy/nginx/{name}"))).unwrap();
        }
        let folder = folder.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
            .collect();
        format!(
            "daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr warn;\nevents {{ worker_connections 512; }}\nhttp {{\n{temporary}\
             include {folder}/wsim-maps.conf;\naccess_log {folder}/access.log wsim;\nserver {{\nlisten 127.0.0.1:{port};\n\
             include {folder}/wsim-locations.conf;\nlocation / {{ return 404; }}\n}}\n}}\n"
        )
    };
    Proxy::start("nginx", framed, |command, folder| {
        command.args(["-e", "stderr", "-c"]).arg(folder.join("config"));
    })
}

fn haproxy(configuration: &Configuration) -> Proxy {
    let adapted = |port: u16, _: &Path| {
        let text = file(configuration, "proxy/haproxy/haproxy.cfg");
        text.replace("\n    bind :80\n", &format!("\n    bind 127.0.0.1:{port}\n"))
            .replace("log /dev/log local0", "log stdout format raw local0\n    nbthread 1\n    maxconn 2000")
    };
    Proxy::start("haproxy", adapted, |command, folder| {
        command.arg("-db").arg("-f").arg(folder.join("config"));
    })
}

fn caddy(configuration: &Configuration) -> Proxy {
    let adapted = |port: u16, folder: &Path| {
        let site = format!("{{\n\tadmin off\n\tauto_https off\n}}\nhttp://:{port} {{\n\tbind 127.0.0.1\n");
        file(configuration, "proxy/caddy/Caddyfile")
            .replace("matrix.example.org, matrix.example.org:8448 {\n", &site)
            .replace("/var/log/caddy", &folder.display().to_string())
    };
    Proxy::start("caddy", adapted, |command, folder| {
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("config"));
    })
}

fn apache(configuration: &Configuration) -> Proxy {
    let framed = |port: u16, folder: &Path| apache_frame(port, folder, file(configuration, "proxy/apache/wsim.conf"));
    Proxy::start("apache2", framed, |command, folder| {
        command.arg("-DFOREGROUND").arg("-f").arg(folder.join("config"));
    })
}

/// A complete Apache configuration around the written file.
pub(crate) fn apache_frame(port: u16, folder: &Path, text: &str) -> String {
    std::fs::create_dir_all(folder.join("none")).unwrap();
    let folder = folder.display();
    let modules = [
        "mpm_event",
        "authn_core:authz_core:authz_host",
        "proxy:proxy_http:proxy_balancer:proxy_hcheck:slotmem_shm",
        "rewrite:headers",
        "lbmethod_byrequests:lbmethod_bytraffic:lbmethod_bybusyness",
    ];
    let modules: String = modules
        .iter()
        .flat_map(|names| names.split(':'))
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    format!(
        "ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\nServerName localhost\nErrorLog /dev/stderr\nLogLevel error\n{modules}\
         User nobody\nGroup nogroup\nDocumentRoot {folder}/none\nMaxKeepAliveRequests 0\nListen 127.0.0.1:{port}\n\
         <VirtualHost *:{port}>\n{text}\nCustomLog {folder}/access.log wsim\n</VirtualHost>\n"
    )
}
