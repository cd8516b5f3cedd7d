//! Detects the program that a configuration file belongs to, by the file's name and text.

use std::path::Path;
use std::sync::Arc;

use super::model::ReadError;
use super::tree::{self, Node};
use super::{caddy, envoy, kubernetes, traefik};

/// Kinds of configuration files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Haproxy,
    Caddyfile,
    /// Compose files with labels of caddy-docker-proxy.
    CaddyLabels,
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
    if text.contains('\0') {
        return Detected::Other;
    }
    if text.starts_with("#!") {
        return Detected::NotRead(SCRIPT.to_owned());
    }
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
        return Detected::Configuration(Kind::CaddyLabels);
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
    caddy::labels::are_in(&root)
}

fn of_yaml(file: &Arc<str>, text: &str) -> Detected {
    match tree::yaml(file, text) {
        Ok(root) => of_tree(&root, text, false),
        Err(_) if text.lines().any(|line| line.trim_start().starts_with("${")) => Detected::NotRead(ENVSUBST.to_owned()),
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
    if is_empty || SYNAPSE.iter().any(|key| root.get(key).is_some()) || has_synapses_shape(root) {
        return Detected::Configuration(Kind::Synapse);
    }
    Detected::Other
}

/// Whether keys that other programs (LiveKit, bridges, matrix-authentication-service) have, too, have what Synapse expects in them.
fn has_synapses_shape(root: &Node) -> bool {
    let database = root.get("database").is_some_and(|database| {
        let name = database.get("name").and_then(Node::text);
        database.get("args").is_some() || name.is_some_and(|name| ["psycopg2", "sqlite3"].contains(&name.as_str()))
    });
    let is_known = |(key, _): &(String, Node)| REDIS.contains(&key.as_str());
    let redis = root.get("redis").is_some_and(|redis| !redis.entries().is_empty() && redis.entries().iter().all(is_known));
    let is_listener = |node: &Node| node.get("type").is_some() || node.get("resources").is_some();
    database || redis || root.get("listeners").is_some_and(|listeners| listeners.items().iter().any(is_listener))
}

/// The language of a template, from which a program makes the configuration.
fn template(name: &str, extension: &str, text: &str) -> Option<&'static str> {
    match extension {
        "j2" | "jinja" | "jinja2" => return Some(JINJA),
        "nix" => return Some("a Nix expression, not a configuration; build the system first, and name the files that it makes"),
        "tpl" | "gotmpl" => return Some(HELM),
        "tmpl" | "template" | "ctmpl" | "erb" | "mustache" => return Some("a template; render it first, and name the result"),
        _ => {}
    }
    let may_be = ["yaml", "yml", "conf", "cfg", "caddyfile"].contains(&extension) || name.contains("caddyfile") || of_text(text).is_some();
    if !may_be || text.contains("_by_lua") {
        return None;
    }
    // envsubst has no other way to write a dollar sign.
    if ["${DOLLAR}", "${dollar}", "${D}"].iter().any(|dollar| text.contains(dollar)) {
        return Some(ENVSUBST);
    }
    // Synapse itself has Jinja in the texts that it makes of a user's attributes at an identity provider.
    let is_synapses = |line: &str| line.contains("_template:") || line.contains("{{ user") || line.contains("{{user");
    let lines = || {
        let trimmed = text.lines().map(str::trim_start);
        trimmed.filter(|line| !line.starts_with('#') && !line.starts_with("//") && !is_synapses(line)).take(LINES_MAX)
    };
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
    // `[section]` is of an ini file: fail2ban, systemd, coturn.
    if text.lines().map(str::trim).take(LINES_MAX).any(|line| line.starts_with('[') && line.ends_with(']')) {
        return None;
    }
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
const ENVSUBST: &str = "a template for envsubst, not a configuration; render it first, and name the result";
const SCRIPT: &str = "a script, not a configuration; run it, and name the files that it writes";
const HELM_WORDS: [&str; 7] = [".Values", ".Release", ".Chart", "include \"", "toYaml", "$root", "nindent"];
const MANIFEST: &str = "a Kubernetes manifest without routes, Services or ConfigMaps, which says nothing of where requests go";
const TRAEFIK_STATIC: [&str; 4] = ["entryPoints", "entrypoints", "accessLog", "certificatesResolvers"];
const LINES_MAX: usize = 5000;
/// Settings of `redis` in Synapse.
const REDIS: [&str; 12] = [
    "enabled",
    "host",
    "port",
    "path",
    "password",
    "password_path",
    "dbid",
    "use_tls",
    "certificate_file",
    "private_key_file",
    "ca_file",
    "ca_path",
];
const SYNAPSE: [&str; 17] = [
    "worker_listeners",
    "worker_replication_secret",
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
        let provider =
            "server_name: a\noidc_providers:\n - user_mapping_provider:\n     config:\n       localpart_template: '{{ user.name }}'\n";
        assert_eq!(kind("homeserver.yaml", provider), Some(Kind::Synapse));
        for (text, own) in [
            ("redis:\n  enabled: true\n", true),
            ("database:\n  name: psycopg2\n", true),
            ("listeners:\n - port: 8008\n   type: http\n", true),
            ("port: 7880\nredis:\n  address: redis:6379\n", false),
            ("homeserver: {address: 'http://a'}\ndatabase:\n  type: postgres\n  uri: b\n", false),
        ] {
            assert_eq!(kind("x.yaml", text), own.then_some(Kind::Synapse), "{text}");
        }
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
            ("setup.sh", "#!/bin/sh\ncat > nginx.conf <<EOF\nserver { location /_matrix { proxy_pass http://$a:8008; } }\nEOF\n", "script"),
            ("site.conf", "server { location ~ ^/a${DOLLAR} { proxy_pass http://b; } }", "envsubst"),
            ("default.conf.template", "server { listen 80; }", "template"),
            ("homeserver.yaml", "${HEADER}\nserver_name: a\n", "envsubst"),
        ];
        for (name, text, expected) in cases {
            assert!(why(name, text).contains(expected), "{name}: {}", why(name, text));
        }
        let labels =
            "services:\n  s:\n    image: a\n    labels:\n      caddy: m.example\n      caddy.reverse_proxy: '{{upstreams 8008}}'\n";
        assert_eq!(detect(Path::new("compose.yaml"), labels).kind(), Some(Kind::CaddyLabels));
        let listed = "services:\n  s:\n    image: a\n    labels: ['caddy_0.handle=/x']\n";
        assert_eq!(detect(Path::new("compose.yaml"), listed).kind(), Some(Kind::CaddyLabels));
        // Another program's sections, and what is no text.
        for text in ["[Definition]\nbackend = systemd\nfailregex = a\n", "server {\n\0 proxy_pass http://a; }"] {
            assert!(matches!(detect(Path::new("a.conf"), text), Detected::Other), "{text}");
        }
        // Lua's tables and Caddy's placeholders are no templates.
        assert_eq!(detect(Path::new("n.conf"), "server { content_by_lua_block { t = {{ a }} } }\nset $a b;").kind(), Some(Kind::Nginx));
        assert_eq!(detect(Path::new("Caddyfile"), "a.example {\n reverse_proxy {$UP}\n}\n").kind(), Some(Kind::Caddyfile));
        assert!(matches!(detect(Path::new("w.yaml"), "a: [1"), Detected::Broken(_)));
        assert!(matches!(detect(Path::new("l.json"), "{\"a\": 1}\n{\"a\": 2}\n"), Detected::Other));
    }
}
