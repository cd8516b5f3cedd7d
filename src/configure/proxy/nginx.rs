//! nginx: maps for the `http` block, locations for a `server`, and an example site.
//!
//! All routing is one `map` over method and raw path: its regular expressions are tried in order and the first match decides, as in
//! the table. It matches `$request_uri` and not `$uri`, because Synapse matches the path as sent, still encoded.

use std::fmt::Write as _;

use super::super::address::Address;
use super::super::clients::ClientTests;
use super::super::extras::{LIMIT_BURST, LIMIT_PER_MINUTE, LIMITED, LIMITED_RESPONSE};
use super::super::platform::Platform;
use super::super::routes::{Rule, Sync, Target};
use super::super::{ConfigureError, Context, OutputFile};
use super::{ADMIN, PUBLIC, Upstream, WAIT_SECONDS, heading, keys, name, size};
use wsim_balance::{Algorithm, Nginx};
use wsim_endpoints::Method;
use wsim_plan::Key;

pub(super) fn files(context: &Context<'_>, upstreams: &[Upstream<'_>]) -> Result<Vec<OutputFile>, ConfigureError> {
    let mut maps = heading(context, "#", "Maps and upstreams");
    maps.push_str("# Include this in the `http` block, for example as /etc/nginx/conf.d/wsim-maps.conf.\n");
    if looks_names_up(context) {
        maps.push_str(RESOLVER);
    }
    maps.push_str(LOG_FORMAT);
    maps.push_str(RAW_PATH);
    write_keys(&mut maps, upstreams);
    write_clients(&mut maps, context);
    write_table(&mut maps, context);
    if context.config.extras.rate_limits {
        write_limits(&mut maps);
    }
    for upstream in upstreams {
        write_upstream(&mut maps, context, upstream)?;
    }
    let path = |file: &str| format!("proxy/nginx/{file}");
    let site = if in_container(context) {
        OutputFile::new(path("site.conf"), heading(context, "#", "The site") + CONTAINER_SITE)
    } else {
        OutputFile::new(path("example-site.conf"), heading(context, "#", "A site to copy from") + &site(context))
    };
    Ok(vec![OutputFile::new(path("wsim-maps.conf"), maps), OutputFile::new(path("wsim-locations.conf"), locations(context)), site])
}

/// Whether nginx runs in a container, behind what ends TLS.
fn in_container(context: &Context<'_>) -> bool {
    context.config.platform.has_containers()
}

/// Whether the addresses behind the names change while nginx runs.
fn looks_names_up(context: &Context<'_>) -> bool {
    context.config.platform == Platform::Compose
}

/// The maps that extract keys from requests, only for the keys that some rule uses.
fn write_keys(out: &mut String, upstreams: &[Upstream<'_>]) {
    out.push_str(LOG_USER);
    let words: String = upstreams.iter().filter_map(|upstream| Some(upstream.pool.as_ref()?.0.balance.as_str())).collect();
    let keys = keys(upstreams);
    let needs = |key: &Key, variable: &str| keys.contains(&key.to_string()) || words.contains(variable);
    if needs(&Key::User, "$mxid_localpart") {
        out.push_str(USER);
    }
    if needs(&Key::Room, "$room_name") {
        out.push_str(ROOM);
    }
    if keys.contains("token") {
        out.push_str(TOKEN);
    }
    if keys.contains("origin") {
        out.push_str(ORIGIN);
    }
}

/// For each pool of some clients a variable that is 1 for their requests, from one variable for each of the pool's lists.
fn write_clients(out: &mut String, context: &Context<'_>) {
    for index in context.routes.selecting_pools() {
        let pool = &context.plan.pools[index];
        let tests = ClientTests::new(pool, "[^ ]");
        let _ = write!(out, "\n# The clients of the pool {}.\n", pool.name);
        let mut lists: Vec<String> = Vec::new();
        let mut list = |out: &mut String, kind: &str, source: &str, patterns: Vec<String>| {
            if patterns.is_empty() {
                return;
            }
            let _ = writeln!(out, "map \"{source}\" $wsim_{kind}{index} {{\n    default 0;");
            for pattern in patterns {
                let _ = writeln!(out, "    \"~{}\" 1;", quoted(&pattern));
            }
            out.push_str("}\n");
            lists.push(format!("$wsim_{kind}{index}"));
        };
        if let Some(users) = &tests.users {
            out.push_str("# A bridge names its user in user_id=; Synapse's own tokens contain the localpart in base64.\n");
            list(out, "users", "$arg_user_id $http_authorization|$arg_access_token", users.over_all());
        }
        list(out, "appservices", "$arg_user_id", tests.appservices.clone());
        list(out, "agents", "$http_user_agent", tests.agents.clone());
        let tokens = tests.tokens_over_both();
        list(out, "tokens", "$http_authorization|$arg_access_token", tokens);
        if !tests.addresses.is_empty() {
            let _ = writeln!(out, "geo $wsim_addresses{index} {{\n    default 0;");
            for network in tests.addresses {
                let _ = writeln!(out, "    {network} 1;");
            }
            out.push_str("}\n");
            lists.push(format!("$wsim_addresses{index}"));
        }
        let all = "1".repeat(lists.len());
        let _ = writeln!(out, "map \"{}\" $wsim_takes{index} {{\n    default 0;\n    {all} 1;\n}}", lists.concat());
    }
}

fn write_table(out: &mut String, context: &Context<'_>) {
    let (plan, routes) = (context.plan, context.routes);
    let selecting = routes.selecting_pools();
    let initial = !selecting.is_empty() && routes.splits_syncs();
    if initial {
        let _ = writeln!(
            out,
            "\n{INITIAL}map \"$arg_full_state:$arg_since\" $wsim_initial {{\n    default 0;\n    \"~^true:\" 1;\n    \"~^[^:]*:$\" 1;\n}}"
        );
    }
    let mut splits: Vec<(String, String)> = Vec::new();
    let mut lines = String::new();
    let mut group = "";
    for (index, rule) in routes.rules.iter().enumerate() {
        let mut target = name(plan, &rule.target);
        if rule.sync == Sync::Initial && selecting.is_empty() {
            // The next rule has the same pattern and matches the other syncs: both become one line with a variable.
            let other = routes.rules[index + 1..].iter().find(|other| other.pattern == rule.pattern && other.sync == Sync::Any);
            let split = (target, other.map_or_else(|| name(plan, &Target::Main), |other| name(plan, &other.target)));
            let number = splits.iter().position(|known| *known == split).unwrap_or_else(|| {
                splits.push(split);
                splits.len() - 1
            });
            target = format!("$wsim_sync{number}");
        }
        if rule.group != group {
            group = &rule.group;
            let _ = writeln!(lines, "    # {group}");
        }
        let _ = writeln!(lines, "    \"~{}\" {target};", quoted(&expression(rule, &digits(rule, &selecting, initial))));
    }
    for (number, (initial, other)) in splits.iter().enumerate() {
        let _ = write!(
            out,
            "\n{INITIAL}\
             map \"$arg_full_state:$arg_since\" $wsim_sync{number} {{\n    default {other};\n    \"~^true:\" {initial};\n    \"~^[^:]*:$\" {initial};\n}}\n"
        );
    }
    let _ = write!(
        out,
        "\n# Which requests go where: method, then path, the first line that matches. These are the rows of Synapse {}'s table of what\n\
         # workers may serve; rows of stream writers come first. Everything else goes to the main process.\n\
         map \"{}$request_method $wsim_path\" $wsim_upstream {{\n    default {};\n{lines}}}\n",
        plan.synapse,
        variables(&selecting, initial),
        name(plan, &Target::Main)
    );
}

/// What stands before method and path where pools select clients: a digit for each of these pools, after one for initial syncs.
fn variables(selecting: &[usize], initial: bool) -> String {
    let clients: String = selecting.iter().map(|index| format!("${{wsim_takes{index}}}")).collect();
    match (selecting, initial) {
        ([], _) => clients,
        (_, true) => format!("${{wsim_initial}}{clients} "),
        (_, false) => clients + " ",
    }
}

/// The digits of [`variables`] that a rule asks for.
fn digits(rule: &Rule, selecting: &[usize], initial: bool) -> String {
    let digit = |asked: bool| if asked { '1' } else { '.' };
    let sync = initial.then(|| digit(rule.sync == Sync::Initial));
    let mut digits: String = sync.into_iter().chain(selecting.iter().map(|index| digit(rule.clients == Some(*index)))).collect();
    if !selecting.is_empty() {
        digits.push(' ');
    }
    digits
}

/// Method and path as one expression, after the digits.
fn expression(rule: &Rule, digits: &str) -> String {
    let methods: Vec<&str> = rule.methods.iter().map(|method: &Method| method.name()).collect();
    let method = match methods.as_slice() {
        [] => "[^ ]+".to_owned(),
        [one] => (*one).to_owned(),
        several => format!("(?:{})", several.join("|")),
    };
    let parts: Vec<String> =
        rule.alternatives().into_iter().map(|(anchored, rest)| if anchored { rest } else { format!(".*{rest}") }).collect();
    match parts.as_slice() {
        [one] => format!("^{digits}{method} {one}"),
        several => format!("^{digits}{method} (?:{})", several.join("|")),
    }
}

/// The text in double quotes.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn write_upstream(out: &mut String, context: &Context<'_>, upstream: &Upstream<'_>) -> Result<(), ConfigureError> {
    let _ = write!(out, "\n# {}\n", upstream.purpose(context));
    let _ = writeln!(out, "upstream {} {{", upstream.name);
    let many = upstream.servers.len() > 1;
    if many {
        out.push_str("    # All nginx processes share rotation and connection counts; without a zone each process has its own.\n");
    }
    let _ = writeln!(out, "    zone {} 64k;", upstream.name);
    if let Some(rule) = balance(context, upstream)? {
        let _ = writeln!(out, "    {rule};");
    }
    for server in &upstream.servers {
        let weight = if server.weight == 1 { String::new() } else { format!(" weight={}", server.weight) };
        // Without this, one failed connection would move a worker's users to other workers for ten seconds.
        let fails = if many { " max_fails=3 fail_timeout=5s" } else { "" };
        let resolve = if looks_names_up(context) && matches!(server.address, Address::Tcp { .. }) { " resolve" } else { "" };
        let _ = writeln!(out, "    server {}{weight}{fails}{resolve}; # {}", server.address, server.name);
    }
    out.push_str("    # Kept connections save a TCP handshake for each request.\n    keepalive 64;\n    keepalive_timeout 60s;\n}\n");
    Ok(())
}

/// The rule as a directive of nginx; `None` for round robin.
fn balance(context: &Context<'_>, upstream: &Upstream<'_>) -> Result<Option<String>, ConfigureError> {
    let Some((pool, rule)) = &upstream.pool else { return Ok(None) };
    let subject = || {
        let own: Vec<&str> = pool.balance.split_whitespace().filter(|word| word.contains('$')).collect();
        if own.is_empty() { rule.key.as_ref().map_or_else(String::new, variable) } else { own.join(" ").trim_end_matches(';').to_owned() }
    };
    Ok(match context.plan.balancer_config(pool)?.algorithm {
        Algorithm::Nginx(Nginx::RoundRobin) => None,
        Algorithm::Nginx(Nginx::LeastConnections) => Some("least_conn".to_owned()),
        Algorithm::Nginx(Nginx::IpHash) => Some("ip_hash".to_owned()),
        Algorithm::Nginx(Nginx::Random) => Some("random".to_owned()),
        Algorithm::Nginx(Nginx::RandomTwo) => Some("random two least_conn".to_owned()),
        Algorithm::Nginx(Nginx::Hash) => Some(format!("hash {}", subject())),
        Algorithm::Nginx(Nginx::Consistent) => Some(format!("hash {} consistent", subject())),
        _ => return Err(ConfigureError::NoSuchRule { pool: pool.name.clone(), balance: pool.balance.clone() }),
    })
}

/// The variable that contains a key.
fn variable(key: &Key) -> String {
    match key {
        Key::User => "$mxid_localpart".to_owned(),
        Key::Token => "$wsim_token".to_owned(),
        Key::Address => "$remote_addr".to_owned(),
        Key::Origin => "$wsim_origin".to_owned(),
        Key::Room => "$room_name".to_owned(),
        Key::Uri => "$request_uri".to_owned(),
        Key::Header(name) => format!("$http_{}", name.to_ascii_lowercase().replace('-', "_")),
    }
}

fn locations(context: &Context<'_>) -> String {
    let mut out = heading(context, "#", "Locations");
    out.push_str("# Include this inside the `server` blocks for 443 and 8448. $wsim_upstream comes from wsim-maps.conf.\n");
    let mut pass = String::new();
    let (host, scheme) = if in_container(context) { ("$http_host", "$wsim_scheme") } else { ("$host:$server_port", "$scheme") };
    let _ = write!(
        pass,
        "    # No path after the name: the request must reach Synapse exactly as sent, or federation signatures fail.\n    \
         proxy_pass http://$wsim_upstream;\n    \
         proxy_http_version 1.1;\n    \
         proxy_set_header Connection \"\";\n    \
         proxy_set_header Host {host};\n    \
         # The one address that Synapse is to believe; what the client sent is replaced.\n    \
         proxy_set_header X-Forwarded-For $remote_addr;\n    \
         proxy_set_header X-Forwarded-Proto {scheme};\n    \
         # With `request_id_header: X-Request-ID` Synapse logs the same id as nginx.\n    \
         proxy_set_header X-Request-ID $request_id;\n    \
         # Long polls wait half a minute or more, initial syncs take minutes.\n    \
         proxy_read_timeout {WAIT_SECONDS}s;\n    \
         proxy_send_timeout {WAIT_SECONDS}s;\n    \
         # Not smaller than max_upload_size in homeserver.yaml.\n    \
         client_max_body_size {};\n",
        size(context.config.upload_bytes(), "M")
    );
    pass.push_str(
        "    # A worker that refuses connections is passed over; a request that waited for a response is not sent twice.\n    \
         proxy_connect_timeout 5s;\n    proxy_next_upstream error timeout;\n    proxy_next_upstream_timeout 15s;\n",
    );
    if context.config.extras.rate_limits {
        let _ = write!(
            pass,
            "    # --rate-limits: beyond these an address waits.\n    limit_req zone=wsim_logins burst={LIMIT_BURST} nodelay;\n    \
             limit_req_status 429;\n    error_page 429 = @wsim_limited;\n"
        );
    }
    if context.config.extras.http3 {
        pass.push_str("    # Tells clients of HTTP/3.\n    add_header Alt-Svc 'h3=\":443\"; ma=86400' always;\n");
    }
    if context.config.expose_upstream {
        pass.push_str("    # The server that responded, because of --expose-upstream.\n    add_header X-Upstream $upstream_addr always;\n");
    }
    let public: Vec<&str> = PUBLIC.iter().map(|path| path.trim_start_matches('/')).collect();
    let _ = write!(
        out,
        "\n# The admin API, from this machine only: Synapse's documentation excludes it from the proxy on purpose.\n\
         location ^~ {ADMIN} {{\n    allow 127.0.0.0/8;\n    allow ::1;\n    deny all;\n{pass}}}\n\
         \n# Clients, federation, media, login pages. Not /_synapse/metrics and /_synapse/replication, which must not be public.\n\
         location ~ ^/(?:{})(?:/|$) {{\n{pass}}}\n",
        public.join("|")
    );
    if context.config.extras.rate_limits {
        let _ = write!(
            out,
            "\n# The error that clients expect.\nlocation @wsim_limited {{\n    default_type application/json;\n    \
             add_header Access-Control-Allow-Origin * always;\n    return 429 '{LIMITED_RESPONSE}';\n}}\n"
        );
    }
    out
}

/// The counter of logins and registrations.
fn write_limits(out: &mut String) {
    let _ = write!(
        out,
        "\n# Logins and registrations, counted for each address: each costs a password's hash. Synapse's own limits are rc_login and\n\
         # rc_registration. Requests without a value are not counted.\n\
         map \"$request_method $wsim_path\" $wsim_limited {{\n    default \"\";\n    \"~{}\" $binary_remote_addr;\n}}\n\
         limit_req_zone $wsim_limited zone=wsim_logins:10m rate={LIMIT_PER_MINUTE}r/m;\n",
        quoted(&LIMITED.replacen('^', "^POST ", 1))
    );
}

fn site(context: &Context<'_>) -> String {
    if !context.config.extras.http3 {
        return SITE.to_owned();
    }
    SITE.replace(SITE_TLS, SITE_HTTP3)
}

const SITE_TLS: &str = "\
    # From nginx 1.25.1 on, remove `http2` here and add the line `http2 on;`.
    listen 443 ssl http2;
    listen [::]:443 ssl http2;
    # Federation; not needed if /.well-known/matrix/server names port 443.
    listen 8448 ssl http2 default_server;
    listen [::]:8448 ssl http2 default_server;
";

const SITE_HTTP3: &str = "\
    # HTTP/3 needs nginx 1.25 or later with http_v3_module. Of all sites only one may have `reuseport` for an address.
    listen 443 quic reuseport;
    listen [::]:443 quic reuseport;
    listen 443 ssl;
    listen [::]:443 ssl;
    http2 on;
    # Federation; not needed if /.well-known/matrix/server names port 443. Servers do not use HTTP/3.
    listen 8448 ssl default_server;
    listen [::]:8448 ssl default_server;
";

const LOG_FORMAT: &str = r#"
# The log format that wsim reads best, with times, upstream and user. Access tokens in a URL are removed.
map $request $wsim_request {
    default $request;
    "~^(?<wsim_before>.*[?&]access_token=)[^& ]*(?<wsim_after>.*)$" "$wsim_before<redacted>$wsim_after";
}
log_format wsim '$remote_addr - $remote_user [$time_iso8601] "$wsim_request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    'rt=$request_time uct=$upstream_connect_time uht=$upstream_header_time urt=$upstream_response_time ua=$upstream_addr us=$upstream_status '
    'user=$wsim_log_user grp=$proxy_host rl=$request_length conn=$connection/$connection_requests tls=$ssl_protocol rid=$request_id msec=$msec';
"#;

const RESOLVER: &str = "
# Names are looked up again, because a container that is made anew has another address (nginx 1.27.3 or later). This is Docker's own DNS.
resolver 127.0.0.11 valid=10s ipv6=off;
";

const CONTAINER_SITE: &str = r#"# The site. What ends TLS stands in front of it, and sends X-Forwarded-For and X-Forwarded-Proto.

map $http_x_forwarded_proto $wsim_scheme {
    default $scheme;
    https https;
}

server {
    listen 8008 default_server;
    server_name _;

    # Only what connects from a private address is believed to know the client's address.
    set_real_ip_from 10.0.0.0/8;
    set_real_ip_from 172.16.0.0/12;
    set_real_ip_from 192.168.0.0/16;
    real_ip_header X-Forwarded-For;

    access_log /dev/stdout wsim;

    include /etc/nginx/snippets/wsim-locations.conf;

    location / {
        return 404;
    }
}
"#;

const INITIAL: &str =
    "# A sync without `since`, or with `full_state=true`, computes everything: it can take minutes and would hold up the others.\n";

const RAW_PATH: &str = r#"
# The path as sent, without the query. $uri is decoded: an encoded slash in a room alias would become a real one.
map $request_uri $wsim_path {
    default "";
    "~^(?<wsim_raw>[^?#]*)" $wsim_raw;
}
"#;

const LOG_USER: &str = r#"
# For the log only: the user's localpart in base64, as in Synapse's own tokens. Empty for other tokens, which are secrets.
map $http_authorization $wsim_log_user {
    default "";
    "~^Bearer syt_(?<wsim_logged>[^_]*)_" $wsim_logged;
}
"#;

const USER: &str = r#"
# The user. Synapse's own tokens are syt_<localpart in base64>_<random>_<checksum>, so all devices of a user have one key. Other
# tokens (bridges, an identity provider) are keys as a whole: one key per device. The token may also be in the URL.
map $arg_access_token $wsim_user_in_url {
    default $arg_access_token;
    "~^syt_(?<wsim_url_user>[^_]*)_" $wsim_url_user;
}
map $http_authorization $mxid_localpart {
    default $http_authorization;
    "" $wsim_user_in_url;
    "~^Bearer syt_(?<wsim_user>[^_]*)_" $wsim_user;
}
"#;

const ROOM: &str = r#"
# The room in the path, still encoded. Requests without a room have no key: nginx then uses the servers in turn.
map $request_uri $room_name {
    default "";
    "~^[^?]*?/(?:rooms|join|knock)/(?<wsim_room>[^/?]+)" $wsim_room;
}
"#;

const TOKEN: &str = r#"
# The access token, from the header or the URL: one key per device.
map $http_authorization $wsim_token {
    default $http_authorization;
    "" $arg_access_token;
}
"#;

const ORIGIN: &str = r#"
# The server that a federation request comes from.
map $http_authorization $wsim_origin {
    default "";
    "~*^X-Matrix.*\borigin=\"?(?<wsim_origin_name>[^\",]+)" $wsim_origin_name;
}
"#;

const SITE: &str = r#"# Needs wsim-maps.conf in the http block. Change server_name, the certificate's files and the path of the include.

server {
    # From nginx 1.25.1 on, remove `http2` here and add the line `http2 on;`.
    listen 443 ssl http2;
    listen [::]:443 ssl http2;
    # Federation; not needed if /.well-known/matrix/server names port 443.
    listen 8448 ssl http2 default_server;
    listen [::]:8448 ssl http2 default_server;
    server_name matrix.example.org;

    ssl_certificate /etc/ssl/certs/matrix.example.org.pem;
    ssl_certificate_key /etc/ssl/private/matrix.example.org.key;

    access_log /var/log/nginx/matrix-access.log wsim;

    include /etc/nginx/snippets/wsim-locations.conf;

    location / {
        return 404;
    }
}
"#;
