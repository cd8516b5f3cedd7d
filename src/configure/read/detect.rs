//! Detects the program that a configuration file belongs to, by the file's name and text.

use std::path::Path;
use std::sync::Arc;

use super::model::ReadError;
use super::tree::{self, Node};
use super::{envoy, kubernetes, traefik};

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
    Apache,
    /// Envoy's static configuration.
    Envoy,
    /// Manifests: routes, and files in ConfigMaps and Secrets.
    Kubernetes,
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
            "apache" => Self::Apache,
            "envoy" => Self::Envoy,
            "kubernetes" => Self::Kubernetes,
            "synapse" => Self::Synapse,
            _ => return None,
        })
    }
}

/// What a file is.
#[derive(Debug)]
pub enum Detected {
    Configuration(Kind),
    /// A configuration that is not read: what it is and what to do, as a phrase.
    NotRead(String),
    /// A file that is a configuration by its name, and cannot be parsed.
    Broken(ReadError),
    /// Anything else, such as a log.
    Other,
}

impl Detected {
    /// The kind of a configuration that is read.
    pub fn kind(&self) -> Option<Kind> {
        if let Self::Configuration(kind) = self { Some(*kind) } else { None }
    }
}

/// Detects what a file is.
pub fn detect(path: &Path, text: &str) -> Detected {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let file: Arc<str> = path.to_string_lossy().into();
    // A manifest that can be parsed is no template, though files within it may have some.
    if ["yaml", "yml", "json"].contains(&extension.as_str())
        && kubernetes::is_manifest(text)
        && let Ok(is_of_use) = kubernetes::is_of_use(&file, text)
    {
        return if is_of_use { Detected::Configuration(Kind::Kubernetes) } else { Detected::NotRead(MANIFEST.to_owned()) };
    }
    // The words in double braces are those of the labels.
    if ["yaml", "yml"].contains(&extension.as_str()) && has_caddy_labels(&file, text) {
        return Detected::NotRead(CADDY_LABELS.to_owned());
    }
    if let Some(what) = template(&name, &extension, text) {
        return Detected::NotRead(what.to_owned());
    }
    match extension.as_str() {
        "yaml" | "yml" => of_yaml(&file, text),
        "json" => match tree::yaml(&file, text) {
            Ok(root) => of_tree(&root, text, true),
            // JSON lines are a log.
            Err(_) => Detected::Other,
        },
        "toml" => match tree::toml(&file, text) {
            Ok(root) if root.get("http").is_some() => Detected::Configuration(Kind::Traefik),
            Ok(root) if TRAEFIK_STATIC.iter().any(|key| root.get(key).is_some()) => Detected::Configuration(Kind::TraefikStatic),
            Ok(_) => Detected::Other,
            Err(error) => Detected::Broken(error),
        },
        _ if name.contains("caddyfile") || extension == "caddyfile" => Detected::Configuration(Kind::Caddyfile),
        _ if is_apache(text) => Detected::Configuration(Kind::Apache),
        _ => of_text(text).map_or(Detected::Other, Detected::Configuration),
    }
}

/// Whether a compose file has labels for caddy-docker-proxy.
fn has_caddy_labels(file: &Arc<str>, text: &str) -> bool {
    if !text.contains("caddy") || !text.contains("services") {
        return false;
    }
    let Ok(root) = tree::yaml(file, text) else { return false };
    let services = root.get("services").map(Node::entries).unwrap_or_default();
    let is_label = |name: &str| name.split(['.', '=', '_']).next() == Some("caddy");
    services.iter().any(|(_, service)| {
        let labels = service.get("labels").or_else(|| service.at(&["deploy", "labels"]));
        labels.is_some_and(|labels| {
            labels.entries().iter().any(|(name, _)| is_label(name)) || labels.texts().iter().any(|label| is_label(label))
        })
    })
}

fn of_yaml(file: &Arc<str>, text: &str) -> Detected {
    match tree::yaml(file, text) {
        Ok(root) => of_tree(&root, text, false),
        Err(error) => Detected::Broken(error),
    }
}

fn of_tree(root: &Node, text: &str, json: bool) -> Detected {
    if root.at(&["apps", "http", "servers"]).is_some() {
        return Detected::Configuration(Kind::CaddyJson);
    }
    if envoy::is_in(root, text) {
        return Detected::Configuration(Kind::Envoy);
    }
    if root.get("http").is_some_and(|http| http.get("routers").is_some() || http.get("services").is_some()) {
        return Detected::Configuration(Kind::Traefik);
    }
    if traefik::labels::are_in(root) {
        return Detected::Configuration(Kind::Traefik);
    }
    let is_compose = root.get("services").is_some_and(|services| {
        services.entries().iter().any(|(_, service)| service.get("image").is_some() || service.get("build").is_some())
    });
    if is_compose {
        return Detected::NotRead(
            "a compose file without labels for Traefik, which routes nothing; name the proxy's configuration".to_owned(),
        );
    }
    if TRAEFIK_STATIC.iter().any(|key| root.get(key).is_some()) {
        return Detected::Configuration(Kind::TraefikStatic);
    }
    // A file with settings for no workers is empty, and still belongs to Synapse.
    let says: String = text.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
    let is_empty = !json && matches!(says.as_str(), "" | "{}");
    if is_empty || SYNAPSE.iter().any(|key| root.get(key).is_some()) {
        return Detected::Configuration(Kind::Synapse);
    }
    Detected::Other
}

/// The language of a template, from which a program makes the configuration.
fn template(name: &str, extension: &str, text: &str) -> Option<&'static str> {
    match extension {
        "j2" | "jinja" | "jinja2" => return Some(JINJA),
        "nix" => return Some("a Nix expression, not a configuration; build the system first, and name the files that it makes"),
        "tpl" | "gotmpl" => return Some(HELM),
        "tmpl" | "ctmpl" | "erb" | "mustache" => return Some("a template; render it first, and name the result"),
        _ => {}
    }
    let may_be = ["yaml", "yml", "conf", "cfg", "caddyfile"].contains(&extension) || name.contains("caddyfile") || of_text(text).is_some();
    if !may_be || text.contains("_by_lua") {
        return None;
    }
    let lines = || text.lines().map(str::trim_start).filter(|line| !line.starts_with('#') && !line.starts_with("//")).take(LINES_MAX);
    if lines().any(|line| line.contains("{{") && line.contains("}}") && HELM_WORDS.iter().any(|word| line.contains(word))) {
        return Some(HELM);
    }
    let is_expression = |line: &str| {
        line.split("{{").skip(1).any(|after| {
            let after = after.trim_start_matches(['-', ' ']);
            after.contains("}}") && after.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        })
    };
    let is_statement = |line: &str| (line.contains("{% ") || line.contains("{%-")) && line.contains("%}");
    lines().any(|line| is_statement(line) || is_expression(line)).then_some(JINJA)
}

/// Whether a text is Apache's configuration.
fn is_apache(text: &str) -> bool {
    let words = [
        "<virtualhost",
        "<location",
        "<ifmodule",
        "<proxy",
        "proxypass",
        "proxypassmatch",
        "rewriterule",
        "rewritecond",
        "allowencodedslashes",
        "<directory",
        "<filesmatch",
        "<locationmatch",
        "includeoptional",
        "loadmodule",
        "serverroot",
        "balancermember",
    ];
    let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).take(LINES_MAX);
    lines.any(|line| words.iter().any(|word| first(line).trim_end_matches('>') == *word) && !line.ends_with([';', '{']))
}

fn of_text(text: &str) -> Option<Kind> {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).take(LINES_MAX);
    let first_word = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let sections = lines().filter(|line| {
        ["frontend", "backend", "listen", "defaults", "global"].contains(&first_word(line).as_str()) && !line.ends_with(['{', ';'])
    });
    if sections.count() > 0 && !lines().any(|line| line.ends_with([';', '{']) && !line.starts_with("http-")) {
        return Some(Kind::Haproxy);
    }
    let nginx = ["server", "http", "location", "upstream", "map", "proxy_pass", "events", "include", "set", "user", "worker_processes"];
    if lines().any(|line| line.contains([';', '{']) && nginx.contains(&first_word(line).as_str())) && lines().any(|line| line.contains(';'))
    {
        return Some(Kind::Nginx);
    }
    let caddy = ["reverse_proxy", "handle", "handle_path", "respond"];
    (lines().any(|line| line.ends_with('{')) && lines().any(|line| caddy.contains(&first_word(line).as_str()))).then_some(Kind::Caddyfile)
}

const JINJA: &str = "a Jinja template, not a configuration; render it first, and name the result";
const HELM: &str = "a Helm template, not a configuration; render it first (`helm template`), and name the result";
const HELM_WORDS: [&str; 7] = [".Values", ".Release", ".Chart", "include \"", "toYaml", "$root", "nindent"];
const MANIFEST: &str = "a Kubernetes manifest without routes, Services or ConfigMaps, which says nothing of where requests go";
const CADDY_LABELS: &str = "labels of caddy-docker-proxy are not read; name the Caddyfile that it makes of them (/config/caddy/Caddyfile.autosave in its container)";
const TRAEFIK_STATIC: [&str; 4] = ["entryPoints", "entrypoints", "accessLog", "certificatesResolvers"];
const LINES_MAX: usize = 5000;
const SYNAPSE: [&str; 20] = [
    "worker_listeners",
    "worker_replication_secret",
    "database",
    "update_user_directory_from_worker",
    "notify_appservices_from_worker",
    "outbound_federation_restricted_to",
    "matrix_authentication_service",
    "max_upload_size",
    "report_stats",
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
        let kind = |name: &str, text: &str| detect(Path::new(name), text).kind();
        assert_eq!(kind("a.conf", "# x\nlocation / {\n  proxy_pass http://a;\n}\n"), Some(Kind::Nginx));
        assert_eq!(kind("haproxy.cfg", "global\n  maxconn 1\nfrontend a\n  bind :80\n"), Some(Kind::Haproxy));
        assert_eq!(kind("Caddyfile", "a.example {\n reverse_proxy a:1\n}\n"), Some(Kind::Caddyfile));
        assert_eq!(kind("x.json", "{\"apps\":{\"http\":{\"servers\":{}}}}"), Some(Kind::CaddyJson));
        assert_eq!(kind("d.yml", "http:\n  routers: {}\n"), Some(Kind::Traefik));
        assert_eq!(kind("traefik.yml", "entryPoints:\n  web:\n    address: ':80'\n"), Some(Kind::TraefikStatic));
        let apache = "<VirtualHost *:443>\n ProxyPass /_matrix http://127.0.0.1:8008/_matrix nocanon\n</VirtualHost>\n";
        assert_eq!(kind("site.conf", apache), Some(Kind::Apache));
        assert_eq!(kind("envoy.yaml", "static_resources:\n  listeners: []\n"), Some(Kind::Envoy));
        assert_eq!(kind("w.yaml", "worker_app: synapse.app.generic_worker\n"), Some(Kind::Synapse));
        assert_eq!(kind("access.log", "203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"a\"\n"), None);
        assert_eq!(kind("x.yaml", "a: 1\n"), None);
        let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\n---\napiVersion: v1\nkind: Service\n";
        assert_eq!(kind("i.yaml", ingress), Some(Kind::Kubernetes));
        assert_eq!(kind("c.yaml", "apiVersion: v1\nkind: ConfigMap\ndata: {x: '{{ y }}'}\n"), Some(Kind::Kubernetes));
        assert_eq!(kind("l.json", r#"{"apiVersion": "v1", "kind": "List", "items": [{"kind": "Ingress"}]}"#), Some(Kind::Kubernetes));
        assert_eq!(kind("h.yaml", "apiVersion: v1\nkind: ConfigMap\ndata:\n{{- toYaml .Values.x }}\n"), None);
    }

    #[test]
    fn what_is_not_read_is_named() {
        let why = |name: &str, text: &str| match detect(Path::new(name), text) {
            Detected::NotRead(what) => what,
            other => format!("{other:?}"),
        };
        let cases = [
            ("d.yaml", "apiVersion: apps/v1\nkind: Deployment\n", "Kubernetes manifest"),
            ("nginx.conf.j2", "server {}", "Jinja template"),
            ("nginx.conf", "server { {% if tls %}\n listen 443; {% endif %} }", "Jinja template"),
            ("homeserver.yaml", "server_name: {{ matrix_domain }}\n", "Jinja template"),
            ("haproxy.cfg", "frontend a\n  bind {{ .Values.port }}\n", "Helm template"),
            ("matrix.nix", "{ services.matrix-synapse.enable = true; }", "Nix expression"),
            ("docker-compose.yml", "services:\n  synapse:\n    image: matrixdotorg/synapse\n", "compose file without labels"),
            (
                "compose.yaml",
                "services:\n  s:\n    image: a\n    labels:\n      caddy: m.example\n      caddy.reverse_proxy: '{{upstreams 8008}}'\n",
                "caddy-docker-proxy",
            ),
            ("compose.yaml", "services:\n  s:\n    image: a\n    labels: ['caddy_0.handle=/x']\n", "caddy-docker-proxy"),
        ];
        for (name, text, expected) in cases {
            assert!(why(name, text).contains(expected), "{name}: {}", why(name, text));
        }
        // Lua's tables and Caddy's placeholders are no templates.
        assert_eq!(detect(Path::new("n.conf"), "server { content_by_lua_block { t = {{ a }} } }\nset $a b;").kind(), Some(Kind::Nginx));
        assert_eq!(detect(Path::new("Caddyfile"), "a.example {\n reverse_proxy {$UP}\n}\n").kind(), Some(Kind::Caddyfile));
        assert!(matches!(detect(Path::new("w.yaml"), "a: [1"), Detected::Broken(_)));
        assert!(matches!(detect(Path::new("l.json"), "{\"a\": 1}\n{\"a\": 2}\n"), Detected::Other));
    }
}
