//! Detects the program that a configuration file belongs to, by the file's name and text.

use std::path::Path;
use std::sync::Arc;

use super::tree;

/// Kinds of configuration files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Haproxy,
    Caddyfile,
    /// Caddy's JSON.
    CaddyJson,
    /// Traefik's dynamic configuration.
    Traefik,
    /// Traefik's static configuration, which routes nothing.
    TraefikStatic,
    /// homeserver.yaml, shared configuration, worker files.
    Synapse,
}

impl Kind {
    /// The kind of a keyword on the command line.
    pub fn from_keyword(word: &str) -> Option<Self> {
        Some(match word {
            "nginx" => Self::Nginx,
            "haproxy" => Self::Haproxy,
            "caddy" | "caddyfile" => Self::Caddyfile,
            "caddy-json" => Self::CaddyJson,
            "traefik" => Self::Traefik,
            "synapse" => Self::Synapse,
            _ => return None,
        })
    }
}

/// The kind of a file; `None` if it is not a known configuration.
pub fn detect(path: &Path, text: &str) -> Option<Kind> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let file: Arc<str> = name.as_str().into();
    match extension.as_str() {
        "yaml" | "yml" | "json" => {
            let root = tree::yaml(&file, text).ok()?;
            if root.at(&["apps", "http", "servers"]).is_some() {
                return Some(Kind::CaddyJson);
            }
            if root.get("http").is_some_and(|http| http.get("routers").is_some() || http.get("services").is_some()) {
                return Some(Kind::Traefik);
            }
            if TRAEFIK_STATIC.iter().any(|key| root.get(key).is_some()) {
                return Some(Kind::TraefikStatic);
            }
            // A file with settings for no workers is empty, and still belongs to Synapse.
            let says: String = text.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
            let is_empty = extension != "json" && matches!(says.as_str(), "" | "{}");
            (is_empty || SYNAPSE.iter().any(|key| root.get(key).is_some())).then_some(Kind::Synapse)
        }
        "toml" => tree::toml(&file, text).ok()?.get("http").map(|_| Kind::Traefik),
        _ if name.contains("caddyfile") || extension == "caddyfile" => Some(Kind::Caddyfile),
        _ => of_text(text),
    }
}

fn of_text(text: &str) -> Option<Kind> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).take(LINES_MAX);
    let first_word = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let sections = lines().filter(|line| {
        ["frontend", "backend", "listen", "defaults", "global"].contains(&first_word(line).as_str()) && !line.ends_with(['{', ';'])
    });
    if sections.count() > 0 && !lines().any(|line| line.ends_with([';', '{'])) {
        return Some(Kind::Haproxy);
    }
    let nginx = ["server", "http", "location", "upstream", "map", "proxy_pass", "events", "include", "set"];
    if lines().any(|line| line.contains([';', '{']) && nginx.contains(&first_word(line).as_str())) && lines().any(|line| line.contains(';'))
    {
        return Some(Kind::Nginx);
    }
    let caddy = ["reverse_proxy", "handle", "handle_path", "respond"];
    (lines().any(|line| line.ends_with('{')) && lines().any(|line| caddy.contains(&first_word(line).as_str()))).then_some(Kind::Caddyfile)
}

const TRAEFIK_STATIC: [&str; 4] = ["entryPoints", "entrypoints", "accessLog", "certificatesResolvers"];
const LINES_MAX: usize = 5000;
const SYNAPSE: [&str; 11] = [
    "worker_app",
    "worker_name",
    "server_name",
    "stream_writers",
    "instance_map",
    "listeners",
    "redis",
    "federation_sender_instances",
    "pusher_instances",
    "run_background_tasks_on",
    "enable_media_repo",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognised_by_name_and_text() {
        let kind = |name: &str, text: &str| detect(Path::new(name), text);
        assert_eq!(kind("a.conf", "# x\nlocation / {\n  proxy_pass http://a;\n}\n"), Some(Kind::Nginx));
        assert_eq!(kind("haproxy.cfg", "global\n  maxconn 1\nfrontend a\n  bind :80\n"), Some(Kind::Haproxy));
        assert_eq!(kind("Caddyfile", "a.example {\n reverse_proxy a:1\n}\n"), Some(Kind::Caddyfile));
        assert_eq!(kind("x.json", "{\"apps\":{\"http\":{\"servers\":{}}}}"), Some(Kind::CaddyJson));
        assert_eq!(kind("d.yml", "http:\n  routers: {}\n"), Some(Kind::Traefik));
        assert_eq!(kind("traefik.yml", "entryPoints:\n  web:\n    address: ':80'\n"), Some(Kind::TraefikStatic));
        assert_eq!(kind("w.yaml", "worker_app: synapse.app.generic_worker\n"), Some(Kind::Synapse));
        assert_eq!(kind("access.log", "203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"a\"\n"), None);
        assert_eq!(kind("x.yaml", "a: 1\n"), None);
    }
}
