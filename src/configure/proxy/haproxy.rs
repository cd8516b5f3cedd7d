//! HAProxy: one file with a frontend, the routes as `use_backend` lines, and a backend for each group of servers.
//!
//! `path_reg` matches the raw path without the query, as Synapse does. The backend itself sets the key of its balance rule; the key is
//! never taken from a header that a client could choose.

use std::fmt::Write as _;

use super::super::address::Address;
use super::super::clients::ClientTests;
use super::super::extras::{LIMIT_PER_MINUTE, LIMITED, LIMITED_RESPONSE};
use super::super::routes::{Rule, Sync, Target};
use super::super::{ConfigureError, Context, OutputFile};
use super::{ADMIN, PUBLIC, Upstream, WAIT_SECONDS, heading, keys, name};
use wsim_balance::Algorithm;
use wsim_plan::{Key, Plan, Pool, Rule as BalanceRule};

pub(super) fn files(context: &Context<'_>, upstreams: &[Upstream<'_>]) -> Result<Vec<OutputFile>, ConfigureError> {
    let mut out = heading(context, "#", "HAProxy");
    let global = if in_container(context) { GLOBAL.replace("/dev/log local0", "stdout format raw local0") } else { GLOBAL.to_owned() };
    let _ = write!(out, "{global}{}", defaults(context));
    write_frontend(&mut out, context, upstreams);
    if context.config.extras.rate_limits {
        let _ = write!(
            out,
            "\n# Only a table: logins and registrations of each address in the last minute, for --rate-limits.\nbackend wsim_logins\n    \
             stick-table type ipv6 size 100k expire 2m store http_req_rate(60s)\n"
        );
    }
    for upstream in upstreams {
        write_backend(&mut out, context, upstream)?;
    }
    Ok(vec![OutputFile::new("proxy/haproxy/haproxy.cfg", out)])
}

/// Whether HAProxy runs in a container, behind what ends TLS.
fn in_container(context: &Context<'_>) -> bool {
    context.config.platform.has_containers()
}

fn defaults(context: &Context<'_>) -> String {
    // In a container names are looked up while HAProxy runs, and it starts before they are known.
    let (resolvers, server) =
        if in_container(context) { (RESOLVERS, "    default-server resolvers names init-addr last,libc,none\n") } else { ("", "") };
    format!(
        "{resolvers}\ndefaults\n    mode http\n    log global\n    option httplog\n    option dontlognull\n    timeout connect 5s\n    \
         # Slow uploads; a client that waits for an answer is not idle.\n    timeout client 300s\n    \
         timeout http-request 15s\n    timeout http-keep-alive 60s\n    timeout queue 30s\n    \
         # Long polls wait half a minute and more, initial syncs compute for minutes.\n    timeout server {WAIT_SECONDS}s\n    \
         # Kept connections to the workers, also between clients.\n    http-reuse safe\n{server}"
    )
}

fn write_frontend(out: &mut String, context: &Context<'_>, upstreams: &[Upstream<'_>]) {
    out.push_str(if in_container(context) { CONTAINER_FRONTEND } else { FRONTEND });
    if context.config.extras.http3 && !in_container(context) {
        out.push_str(HTTP3);
    }
    out.push_str(REQUEST_ID);
    let _ = write!(
        out,
        "    # Not smaller than max_upload_size in homeserver.yaml.\n    \
         http-request deny deny_status 413 if {{ req.hdr(content-length) -m int gt {} }}\n\n",
        context.config.upload_bytes()
    );
    let _ = write!(
        out,
        "    # The admin API, from this machine only: Synapse's own document leaves it out of the proxy on purpose.\n    \
         acl wsim_admin path_beg {ADMIN}/\n    http-request deny deny_status 403 if wsim_admin !{{ src 127.0.0.0/8 ::1 }}\n    \
         # Nothing but Synapse's public paths: not /_synapse/metrics, not /_synapse/replication.\n    acl wsim_public path_beg {}\n    \
         http-request deny deny_status 404 if !wsim_admin !wsim_public\n\n",
        PUBLIC.map(|path| format!("{path}/")).join(" ")
    );
    if context.config.extras.rate_limits {
        let _ = write!(
            out,
            "    # --rate-limits: logins and registrations of one address, each of which costs a password's hash.\n    \
             acl wsim_limited path_reg -- {}\n    \
             http-request track-sc0 src table wsim_logins if {{ method POST }} wsim_limited\n    \
             http-request deny deny_status 429 content-type application/json string '{LIMITED_RESPONSE}' if {{ method POST }} wsim_limited \
             {{ sc_http_req_rate(0,wsim_logins) gt {LIMIT_PER_MINUTE} }}\n\n",
            quoted(LIMITED)
        );
    }
    write_keys(out, upstreams);
    if context.routes.splits_syncs() {
        out.push_str(INITIAL);
    }
    write_clients(out, context);
    write_table(out, context);
}

/// For each pool of some clients an acl for each of its lists.
fn write_clients(out: &mut String, context: &Context<'_>) {
    for index in context.routes.selecting_pools() {
        let pool = &context.plan.pools[index];
        let tests = ClientTests::new(pool, ".");
        let _ = writeln!(out, "    # The clients of the pool {}.", pool.name);
        let mut list = |kind: &str, sample: &str, values: &[String]| {
            for value in values {
                let _ = writeln!(out, "    acl wsim_{kind}{index} {sample} {}", quoted(value));
            }
        };
        let bearer = |tokens: &[String]| tokens.iter().map(|token| format!("Bearer {token}")).collect::<Vec<_>>();
        if let Some(users) = &tests.users {
            list("users", "url_param(user_id) -m reg --", &users.user_id);
            list("users", "req.fhdr(authorization) -m beg", &bearer(&users.tokens));
            list("users", "url_param(access_token) -m beg", &users.tokens);
        }
        list("appservices", "url_param(user_id) -m reg --", &tests.appservices);
        list("agents", "req.fhdr(user-agent) -m reg --", &tests.agents);
        list("addresses", "src", &tests.addresses);
        list("tokens", "req.fhdr(authorization) -m beg", &bearer(&tests.tokens));
        list("tokens", "url_param(access_token) -m beg", &tests.tokens);
        out.push('\n');
    }
}

fn write_keys(out: &mut String, upstreams: &[Upstream<'_>]) {
    let words: String = upstreams.iter().filter_map(|upstream| Some(upstream.pool.as_ref()?.0.balance.as_str())).collect();
    let keys = keys(upstreams);
    let needs = |key: &str| keys.contains(key) || words.contains(&format!("txn.wsim_{key}"));
    // The log contains user names too.
    out.push_str(USER);
    if needs("token") {
        out.push_str(TOKEN);
    }
    if needs("room") {
        out.push_str(ROOM);
    }
    if needs("origin") {
        out.push_str(ORIGIN);
    }
}

fn write_table(out: &mut String, context: &Context<'_>) {
    let _ = write!(
        out,
        "    # Which requests go where, the first line that matches. These are the rows of Synapse {}'s table of what workers may serve;\n    \
         # rows of stream writers come first.\n",
        context.plan.synapse
    );
    let mut group = "";
    for rule in &context.routes.rules {
        if rule.group != group {
            group = &rule.group;
            let _ = writeln!(out, "    # {group}");
        }
        let _ = writeln!(out, "    use_backend {} if {}", name(context.plan, &rule.target), condition(rule, context.plan));
    }
    let _ = writeln!(out, "    default_backend {}", name(context.plan, &Target::Main));
}

fn condition(rule: &Rule, plan: &Plan) -> String {
    let mut words = Vec::new();
    if let Some(index) = rule.clients {
        let lists = plan.pools[index].client_lists();
        words.extend(lists.iter().filter(|(_, list)| !list.is_empty()).map(|(kind, _)| format!("wsim_{kind}{index}")));
    }
    if !rule.methods.is_empty() {
        let methods: Vec<&str> = rule.methods.iter().map(|method| method.name()).collect();
        words.push(format!("{{ method {} }}", methods.join(" ")));
    }
    if rule.sync == Sync::Initial {
        words.push("{ var(txn.wsim_initial) -m bool }".to_owned());
    }
    words.push(format!("{{ path_reg -- {} }}", quoted(&rule.pattern)));
    words.join(" ")
}

/// The text in single quotes, because `$` begins an environment variable in double quotes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn write_backend(out: &mut String, context: &Context<'_>, upstream: &Upstream<'_>) -> Result<(), ConfigureError> {
    let _ = write!(out, "\n# {}\nbackend {}\n", upstream.purpose(context), upstream.name);
    if let Some((pool, rule)) = &upstream.pool {
        write_balance(out, context, pool, rule)?;
    } else if upstream.servers.len() > 1 {
        out.push_str("    balance roundrobin\n");
    }
    if context.config.expose_upstream {
        out.push_str(
            "    # The server that responded, because of --expose-upstream.\n    http-response set-header X-Upstream %[srv_name]\n",
        );
    }
    if upstream.servers.len() > 1 {
        // A single server has no health check: there is no other server, and a check would only delay its return.
        out.push_str(
            "    # A worker that restarts is left alone for as long as it takes, and is back a second after it answers.\n    \
             option httpchk GET /health\n    default-server check inter 2s fastinter 1s downinter 1s fall 3 rise 1\n",
        );
    }
    for server in &upstream.servers {
        let weight = if server.weight == 1 { String::new() } else { format!(" weight {}", server.weight) };
        let address = match &server.address {
            Address::Unix(path) => format!("unix@{path}"),
            address => address.to_string(),
        };
        if server.weight > WEIGHT_MAX {
            let pool = upstream.pool.as_ref().map_or_else(String::new, |(pool, _)| pool.name.clone());
            return Err(ConfigureError::Weight { pool, proxy: "HAProxy", most: WEIGHT_MAX, weight: server.weight });
        }
        let _ = writeln!(out, "    server {} {address}{weight}", server.name);
    }
    Ok(())
}

fn write_balance(out: &mut String, context: &Context<'_>, pool: &Pool, rule: &BalanceRule) -> Result<(), ConfigureError> {
    if !matches!(context.plan.balancer_config(pool)?.algorithm, Algorithm::Haproxy(_)) {
        return Err(ConfigureError::NoSuchRule { pool: pool.name.clone(), balance: pool.balance.clone() });
    }
    let words: Vec<&str> =
        pool.balance.split_whitespace().map(|word| word.trim_matches(';')).skip_while(|word| *word == "balance").collect();
    let (mut lines, mut line): (Vec<String>, Vec<&str>) = (Vec::new(), Vec::new());
    for (place, &word) in words.iter().enumerate() {
        let after_type = place > 0 && words[place - 1] == "hash-type";
        let begins = ["hash-type", "hash-balance-factor"].contains(&word) || (["consistent", "map-based"].contains(&word) && !after_type);
        if begins && !line.is_empty() {
            lines.push(std::mem::take(&mut line).join(" "));
        }
        if ["consistent", "map-based"].contains(&word) && !after_type {
            line.push("hash-type");
        }
        line.push(word);
    }
    lines.push(line.join(" "));
    let first = lines.first().cloned().unwrap_or_default();
    let lower = first.to_ascii_lowercase();
    if lower.starts_with("hash-type") {
        // The words do not contain the key, but the plan does.
        lines.insert(0, rule.key.as_ref().map_or_else(String::new, |key| format!("balance {}", by(key))));
    } else {
        lines[0] = if ["round robin", "round_robin", "round-robin"].contains(&lower.as_str()) {
            "balance roundrobin".to_owned()
        } else if lower == "least_conn" || lower == "least conn" {
            "balance leastconn".to_owned()
        } else if lower == "hash" {
            rule.key.as_ref().map_or_else(String::new, |key| format!("balance {}", by(key)))
        } else {
            format!("balance {first}")
        };
    }
    if let Some(header) = first.strip_prefix("hdr(").and_then(|rest| rest.strip_suffix(')')) {
        write_key_header(out, header, rule);
    }
    for line in lines {
        let _ = writeln!(out, "    {line}");
    }
    Ok(())
}

/// For `balance hdr(NAME)` with a key in the plan: the header is set to the key and replaces a header from the client.
fn write_key_header(out: &mut String, header: &str, rule: &BalanceRule) {
    let Some(key @ (Key::User | Key::Token | Key::Room | Key::Origin)) = &rule.key else { return };
    if header.eq_ignore_ascii_case("authorization") {
        return;
    }
    let _ = write!(
        out,
        "    # The header that the rule hashes. A request without a key has none, and is taken in turn.\n    \
         http-request del-header {header}\n    \
         http-request set-header {header} %[var(txn.wsim_{key})] if {{ var(txn.wsim_{key}) -m len gt 0 }}\n"
    );
}

fn by(key: &Key) -> String {
    match key {
        Key::Address => "source".to_owned(),
        Key::Uri => "uri whole".to_owned(),
        Key::Header(name) => format!("hdr({name})"),
        own => format!("hash var(txn.wsim_{own})"),
    }
}

/// The largest weight that HAProxy accepts.
const WEIGHT_MAX: u32 = 256;

const GLOBAL: &str = "
global
    log /dev/log local0
    # No maxconn: HAProxy takes as many connections as it may open files. Every waiting sync holds two.
    # Query strings are long, and wsim wants to see their end.
    tune.http.logurilen 4096
";

const FRONTEND: &str = "
frontend matrix
    bind :80
    # With TLS, instead of the line above:
    # bind :443 ssl crt /etc/haproxy/certs/matrix.example.org.pem alpn h2,http/1.1
    # bind :8448 ssl crt /etc/haproxy/certs/matrix.example.org.pem alpn h2,http/1.1
    # The only address that Synapse trusts; it replaces a header from the client.
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https if { ssl_fc }
    http-request set-header X-Forwarded-Proto http if !{ ssl_fc }
";

const CONTAINER_FRONTEND: &str = "
frontend matrix
    # What ends TLS stands in front, and sends X-Forwarded-For and X-Forwarded-Proto; only private addresses are believed.
    bind :8008
    http-request set-src req.hdr_ip(x-forwarded-for,-1) if { src 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 } { req.hdr(x-forwarded-for) -m found }
    # The only address that Synapse trusts; it replaces a header from the client.
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto http if !{ req.hdr(x-forwarded-proto) -m str https }
";

const RESOLVERS: &str = "
resolvers names
    parse-resolv-conf
    hold valid 10s
";

const REQUEST_ID: &str =
    "    # With `request_id_header: X-Request-ID` Synapse logs this id; HAProxy's own log shows it as the second captured field.
    unique-id-format %[uuid()]
    http-request set-header X-Request-ID %[unique-id]
";

const HTTP3: &str = "    # HTTP/3, with TLS only, and with an HAProxy built with QUIC:
    # bind quic4@:443 ssl crt /etc/haproxy/certs/matrix.example.org.pem alpn h3
    # bind quic6@:443 ssl crt /etc/haproxy/certs/matrix.example.org.pem alpn h3
    # http-response set-header alt-svc 'h3=\":443\"; ma=86400'
";

const USER: &str = "    # The user. Synapse's own tokens are syt_<localpart in base64>_<random>_<checksum>, so all devices of a user have one key.
    # Other tokens (bridges, an identity provider) are keys as a whole: one key per device. The token may also be in the URL, which
    # HAProxy logs unchanged: keep that log private.
    acl wsim_has_header req.hdr(authorization) -m found
    http-request set-var(txn.wsim_log) req.fhdr(authorization),field(2,_) if { req.fhdr(authorization) -m beg 'Bearer syt_' }
    http-request set-var(txn.wsim_user) var(txn.wsim_log)
    http-request set-var(txn.wsim_user) req.fhdr(authorization) if wsim_has_header !{ var(txn.wsim_user) -m found }
    http-request set-var(txn.wsim_user) url_param(access_token),field(2,_) if !wsim_has_header { url_param(access_token) -m beg syt_ }
    http-request set-var(txn.wsim_user) url_param(access_token) if !wsim_has_header { url_param(access_token) -m found } !{ var(txn.wsim_user) -m found }
    # For the log: the user's localpart if the token contains it, never the token.
    http-request capture var(txn.wsim_log) len 128
    http-request capture req.fhdr(user-agent) len 128

";

const TOKEN: &str = "    # The access token, from the header or the URL: one key per device.
    http-request set-var(txn.wsim_token) req.fhdr(authorization) if wsim_has_header
    http-request set-var(txn.wsim_token) url_param(access_token) if !wsim_has_header

";

const ROOM: &str = "    # The room in the path, still encoded. Requests without a room have no key: HAProxy then uses the servers in turn.
    http-request set-var(txn.wsim_room) path,field(6,/) if { path_reg -- '^/_matrix/client/[^/]+/(rooms|join|knock)/[^/]' }
    http-request set-var(txn.wsim_room) path,field(7,/) if { path_reg -- '^/_matrix/client/[^/]+/[^/]+/(rooms|join|knock)/[^/]' }

";

const ORIGIN: &str = r#"    # The server that a federation request comes from.
    http-request set-var(txn.wsim_origin) 'req.fhdr(authorization),regsub("^X-Matrix.*origin=[^a-zA-Z0-9]*([a-zA-Z0-9.:-]+).*$","\1",i)' if { req.fhdr(authorization) -m beg X-Matrix }

"#;

const INITIAL: &str =
    "    # A sync without `since`, or with `full_state=true`, computes everything: it can take minutes and would hold up the others.
    http-request set-var(txn.wsim_initial) bool(true)
    http-request set-var(txn.wsim_initial) bool(false) if { url_param(since) -m len gt 0 } !{ url_param(full_state) -m str true }

";
