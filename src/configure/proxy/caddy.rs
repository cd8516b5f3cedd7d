//! Caddy: one Caddyfile. All routing is one `map` over method and target, whose expressions are tried in order.
//!
//! `{http.request.uri}` is the path as sent, still encoded, with its query; the expressions stop at the query.

use std::fmt::Write as _;

use super::super::address::Address;
use super::super::clients::ClientTests;
use super::super::routes::{Sync, Target};
use super::super::{ConfigureError, Context, OutputFile};
use super::{ADMIN, PUBLIC, Upstream, WAIT_SECONDS, heading, keys, name, over_target, size};
use wsim_balance::{Algorithm, Caddy};
use wsim_plan::Key;

pub(super) fn files(
    context: &Context<'_>,
    upstreams: &[Upstream<'_>],
    warnings: &mut Vec<String>,
) -> Result<Vec<OutputFile>, ConfigureError> {
    let mut out = heading(context, "#", "Caddyfile");
    let (site, output) =
        if context.config.platform.has_containers() { (CONTAINER_SITE, "stdout") } else { (SITE, "file /var/log/caddy/matrix-access.log") };
    let site = format!("{site}{}", LOG.replace("OUTPUT", output));
    let site = match (context.config.extras.http3, context.config.platform.has_containers()) {
        (true, false) => format!("\n{{\n\tservers {{\n\t\tprotocols h1 h2 h3\n\t}}\n}}\n\n{site}"),
        _ => site,
    };
    let _ = write!(out, "{site}\n\troute {{\n{}", access_rules(context.config.upload_bytes()));
    write_keys(&mut out, upstreams);
    write_clients(&mut out, context);
    write_table(&mut out, context);
    for upstream in upstreams {
        write_upstream(&mut out, context, upstream, warnings)?;
    }
    out.push_str("\t}\n}\n");
    Ok(vec![OutputFile::new("proxy/caddy/Caddyfile", out)])
}

/// The access rules: public paths, and the admin API.
fn access_rules(upload: u64) -> String {
    let public = PUBLIC.map(|path| format!("{path}/*")).join(" ");
    format!(
        "\t\t# The admin API, from this machine only: Synapse's own document leaves it out of the proxy on purpose.\n\
         \t\t@admin_from_outside {{\n\t\t\tpath {ADMIN}/*\n\t\t\tnot remote_ip 127.0.0.0/8 ::1\n\t\t}}\n\t\trespond @admin_from_outside 403\n\
         \t\t# Nothing but Synapse's public paths: not /_synapse/metrics, not /_synapse/replication.\n\
         \t\t@not_synapse not path {public} {ADMIN}/*\n\t\trespond @not_synapse 404\n\
         \t\t# Not smaller than max_upload_size in homeserver.yaml.\n\t\trequest_body {{\n\t\t\tmax_size {}\n\t\t}}\n\n",
        size(upload, "MiB")
    )
}

fn write_keys(out: &mut String, upstreams: &[Upstream<'_>]) {
    let keys = keys(upstreams);
    for (key, text) in [("user", USER), ("token", TOKEN), ("room", ROOM), ("origin", ORIGIN)] {
        if keys.contains(key) {
            out.push_str(text);
        }
    }
}

/// For each pool of some clients a variable that is 1 for their requests, from one variable for each of the pool's lists.
fn write_clients(out: &mut String, context: &Context<'_>) {
    for index in context.routes.selecting_pools() {
        let pool = &context.plan.pools[index];
        let tests = ClientTests::new(pool, "[^ ]");
        let _ = writeln!(out, "\t\t# The clients of the pool {}.", pool.name);
        let mut lists: Vec<String> = Vec::new();
        let mut list = |out: &mut String, kind: &str, source: &str, patterns: Vec<String>| {
            if patterns.is_empty() {
                return;
            }
            let _ = writeln!(out, "\t\tmap \"{source}\" {{wsim_{kind}{index}}} {{");
            for pattern in patterns {
                let _ = writeln!(out, "\t\t\t{} 1", quoted(&format!("~{pattern}")));
            }
            out.push_str("\t\t\tdefault 0\n\t\t}\n");
            lists.push(format!("{{wsim_{kind}{index}}}"));
        };
        let (user_id, header) = ("{http.request.uri.query.user_id}", "{http.request.header.Authorization}");
        let url_token = "{http.request.uri.query.access_token}";
        if let Some(users) = &tests.users {
            out.push_str("\t\t# A bridge names its user in user_id=; Synapse's own tokens contain the localpart in base64.\n");
            list(out, "users", &format!("{user_id} {header}|{url_token}"), users.over_all());
        }
        list(out, "appservices", user_id, tests.appservices.clone());
        list(out, "agents", "{http.request.header.User-Agent}", tests.agents.clone());
        let tokens = tests.tokens_over_both();
        list(out, "tokens", &format!("{header}|{url_token}"), tokens);
        if !tests.addresses.is_empty() {
            let networks = tests.addresses.join(" ");
            let _ = write!(
                out,
                "\t\tvars wsim_addresses{index} 0\n\t\t@wsim_addresses{index} remote_ip {networks}\n\t\tvars @wsim_addresses{index} wsim_addresses{index} 1\n"
            );
            lists.push(format!("{{http.vars.wsim_addresses{index}}}"));
        }
        let all = "1".repeat(lists.len());
        let _ = writeln!(out, "\t\tmap \"{}\" {{wsim_takes{index}}} {{\n\t\t\t{all} 1\n\t\t\tdefault 0\n\t\t}}", lists.concat());
    }
}

fn write_table(out: &mut String, context: &Context<'_>) {
    let splits = context.routes.splits_syncs();
    let selecting = context.routes.selecting_pools();
    if splits {
        out.push_str(INITIAL);
    }
    let _ = write!(
        out,
        "\t\t# Which requests go where: method, then path, the first line that matches. These are the rows of Synapse {}'s table of what\n\
         \t\t# workers may serve; rows of stream writers come first. Everything else goes to the main process.\n\
         \t\tmap \"{{http.request.method}} {}{clients}{{http.request.uri}}\" {{wsim_upstream}} {{\n",
        context.plan.synapse,
        if splits { "{wsim_sync} " } else { "" },
        clients = selecting.iter().map(|index| format!("{{wsim_takes{index}}}")).collect::<String>()
            + if selecting.is_empty() { "" } else { " " },
    );
    let mut group = "";
    for rule in &context.routes.rules {
        if rule.group != group {
            group = &rule.group;
            let _ = writeln!(out, "\t\t\t# {group}");
        }
        let kind = match (splits, rule.sync) {
            (false, _) => "",
            (true, Sync::Initial) => "initial ",
            (true, Sync::Any) => "[^ ]+ ",
        };
        let clients: String = selecting.iter().map(|index| if rule.clients == Some(*index) { '1' } else { '.' }).collect();
        let kind = &if selecting.is_empty() { kind.to_owned() } else { format!("{kind}{clients} ") };
        let _ = writeln!(out, "\t\t\t{} {}", quoted(&format!("~{}", over_target(rule, kind))), name(context.plan, &rule.target));
    }
    let _ = writeln!(out, "\t\t\tdefault {}\n\t\t}}", name(context.plan, &Target::Main));
}

/// The text in backticks, where no character needs an escape.
fn quoted(text: &str) -> String {
    if text.contains('`') { format!("\"{}\"", text.replace('"', "\\\"")) } else { format!("`{text}`") }
}

fn write_upstream(
    out: &mut String,
    context: &Context<'_>,
    upstream: &Upstream<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigureError> {
    let id = upstream.name.replace('.', "_of_");
    let _ = write!(out, "\n\t\t# {}\n\t\t@{id} vars {{wsim_upstream}} {}\n\t\thandle @{id} {{\n", upstream.purpose(context), upstream.name);
    let policy = policy(context, upstream, warnings)?;
    if let Some(key) = policy.as_ref().and_then(|policy| policy.header) {
        let _ = write!(
            out,
            "\t\t\t# What the policy hashes, whatever the client sent under that name. Without a key Caddy draws at random.\n\
             \t\t\trequest_header X-Wsim-{key} \"{{wsim_{key}}}\"\n"
        );
    }
    let servers: Vec<String> = upstream.servers.iter().map(|server| address(&server.address)).collect();
    let _ = writeln!(out, "\t\t\treverse_proxy {} {{", servers.join(" "));
    let names: Vec<&str> = upstream.servers.iter().map(|server| server.name.as_str()).collect();
    let _ = writeln!(out, "\t\t\t\t# {}", names.join(", "));
    if let Some(policy) = policy {
        let _ = writeln!(out, "\t\t\t\tlb_policy {}", policy.words);
    }
    if upstream.servers.len() > 1 {
        out.push_str(
            "\t\t\t\t# A worker that refuses connections is left alone for five seconds; a request that got none tries another.\n\
             \t\t\t\tfail_duration 5s\n\t\t\t\tmax_fails 3\n\t\t\t\tlb_try_duration 2s\n\
             \t\t\t\t# A worker that accepts connections and does not respond is found by asking.\n\
             \t\t\t\thealth_uri /health\n\t\t\t\thealth_interval 5s\n\t\t\t\thealth_timeout 3s\n",
        );
    }
    out.push_str(
        "\t\t\t\t# With `request_id_header: X-Request-ID` Synapse logs this id.\n\t\t\t\theader_up X-Request-ID {http.request.uuid}\n",
    );
    if context.config.expose_upstream {
        out.push_str("\t\t\t\t# The server that responded, because of --expose-upstream.\n\t\t\t\theader_down X-Upstream {http.reverse_proxy.upstream.hostport}\n");
    }
    let _ = write!(
        out,
        "\t\t\t\ttransport http {{\n\t\t\t\t\tdial_timeout 5s\n\
         \t\t\t\t\t# Long polls wait half a minute and more, initial syncs compute for minutes.\n\
         \t\t\t\t\tresponse_header_timeout {WAIT_SECONDS}s\n\t\t\t\t\tkeepalive 60s\n\t\t\t\t}}\n\t\t\t}}\n\t\t}}\n"
    );
    Ok(())
}

fn address(address: &Address) -> String {
    match address {
        Address::Unix(path) => format!("unix/{path}"),
        tcp => tcp.to_string(),
    }
}

/// A balancing policy.
struct Policy {
    words: String,
    /// The key that a header must contain for the policy.
    header: Option<&'static str>,
}

fn policy(context: &Context<'_>, upstream: &Upstream<'_>, warnings: &mut Vec<String>) -> Result<Option<Policy>, ConfigureError> {
    let Some((pool, rule)) = &upstream.pool else {
        // Caddy's default is random.
        return Ok((upstream.servers.len() > 1).then(|| Policy { words: "round_robin".to_owned(), header: None }));
    };
    let plain = |words: &str| Some(Policy { words: words.to_owned(), header: None });
    Ok(match context.plan.balancer_config(pool)?.algorithm {
        Algorithm::Caddy(Caddy::Random) => plain("random"),
        Algorithm::Caddy(Caddy::RoundRobin) => plain("round_robin"),
        Algorithm::Caddy(Caddy::LeastConnections) => plain("least_conn"),
        Algorithm::Caddy(Caddy::First) => plain("first"),
        Algorithm::Caddy(Caddy::RandomChoose { sample }) => plain(&format!("random_choose {sample}")),
        Algorithm::Caddy(Caddy::WeightedRoundRobin) => {
            warnings.push(format!("pool {:?}: weighted_round_robin needs Caddy 2.7 or later", pool.name));
            let weights: Vec<String> = upstream.servers.iter().map(|server| server.weight.to_string()).collect();
            plain(&format!("weighted_round_robin {}", weights.join(" ")))
        }
        Algorithm::Caddy(Caddy::Hash(_)) => {
            if upstream.servers.iter().any(|server| server.weight != 1) {
                warnings.push(format!("pool {:?}: Caddy's hashing policies have no weights; all servers get the same share", pool.name));
            }
            let policy = hash(&pool.balance, rule.key.as_ref());
            // Behind what ends TLS, the address that connects is always the same one.
            let is_behind = context.config.platform.has_containers() && policy.words == "ip_hash";
            Some(if is_behind { Policy { words: "client_ip_hash".to_owned(), header: None } } else { policy })
        }
        _ => return Err(ConfigureError::NoSuchRule { pool: pool.name.clone(), balance: pool.balance.clone() }),
    })
}

/// The policy for a key, unless the plan's own words are already a complete policy.
fn hash(balance: &str, key: Option<&Key>) -> Policy {
    let by_header = |key: &'static str| Policy { words: format!("header X-Wsim-{key}"), header: Some(key) };
    let plain = |words: String| Policy { words, header: None };
    let own = balance.trim().trim_start_matches("lb_policy ").to_owned();
    match key {
        Some(Key::User) => by_header("user"),
        Some(Key::Room) => by_header("room"),
        Some(Key::Origin) => by_header("origin"),
        Some(Key::Token) if own.eq_ignore_ascii_case("header authorization") => plain(own),
        Some(Key::Token) => by_header("token"),
        Some(Key::Uri) => plain("uri_hash".to_owned()),
        Some(Key::Address) if own.starts_with("client_ip_hash") => plain(own),
        Some(Key::Address) => plain("ip_hash".to_owned()),
        Some(Key::Header(name)) => plain(format!("header {name}")),
        None => plain(own),
    }
}

const SITE: &str = r#"# Replace matrix.example.org by your own name; Caddy gets certificates by itself. Port 8448 is for federation, and not needed where
# /.well-known/matrix/server names port 443.

matrix.example.org, matrix.example.org:8448 {
"#;

const CONTAINER_SITE: &str = r#"# The site. What ends TLS stands in front of it, and sends X-Forwarded-For and X-Forwarded-Proto; only private addresses are believed.

{
	servers {
		trusted_proxies static private_ranges
	}
}

:8008 {
"#;

/// The log of a site; `OUTPUT` stands for where it goes.
const LOG: &str = r#"	# The log that wsim reads best; access tokens in a URL are cut. Authorization is left out by Caddy itself.
	log {
		output OUTPUT
		format filter {
			wrap json
			fields {
				request>uri query {
					replace access_token REDACTED
				}
			}
		}
	}
"#;

const USER: &str = r#"		# The user. Synapse's own tokens are syt_<localpart in base64>_<random>_<checksum>, so all devices of a user have one key. Other
		# tokens (bridges, an identity provider) are keys as a whole: one key per device. The token may also be in the URL.
		map "{http.request.header.Authorization}|{http.request.uri.query.access_token}" {wsim_user} {
			`~^Bearer syt_([^_|]*)_` "${1}"
			`~^([^|]+)\|` "${1}"
			`~^\|syt_([^_]*)_` "${1}"
			`~^\|(.+)$` "${1}"
			default ""
		}

"#;

const TOKEN: &str = r#"		# The access token, from the header or the URL: one key per device.
		map "{http.request.header.Authorization}|{http.request.uri.query.access_token}" {wsim_token} {
			`~^([^|]+)\|` "${1}"
			`~^\|(.+)$` "${1}"
			default ""
		}

"#;

const ROOM: &str = r#"		# The room in the path, escapes and all.
		map "{http.request.uri}" {wsim_room} {
			`~^[^?]*?/(?:rooms|join|knock)/([^/?]+)` "${1}"
			default ""
		}

"#;

const ORIGIN: &str = r#"		# The server that a federation request comes from.
		map "{http.request.header.Authorization}" {wsim_origin} {
			`~(?i)^X-Matrix.*\borigin="?([^",]+)` "${1}"
			default ""
		}

"#;

const INITIAL: &str = r#"		# A sync without `since`, or with `full_state=true`, computes everything: it can take minutes and would hold up the others.
		map "{http.request.uri.query.full_state}:{http.request.uri.query.since}" {wsim_sync} {
			`~^true:` initial
			`~^[^:]*:$` initial
			default other
		}
"#;
