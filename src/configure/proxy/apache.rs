//! Apache httpd: one file to include in a `VirtualHost`.
//!
//! mod_rewrite only puts the name of the group of servers into an environment variable; one plain `ProxyPass` with `nocanon` then
//! passes the request on unchanged. (`ProxyPassMatch` and `RewriteRule … [P]` encode the path again, which breaks federation signatures.)

use std::fmt::Write as _;

use super::super::address::Address;
use super::super::routes::{Sync, Target};
use super::super::{ConfigureError, Context, OutputFile};
use super::{ADMIN, PUBLIC, Upstream, WAIT_SECONDS, heading, name, over_target};
use wsim_balance::{Algorithm, Apache};

pub(super) fn files(context: &Context<'_>, upstreams: &[Upstream<'_>]) -> Result<Vec<OutputFile>, ConfigureError> {
    let mut out = heading(context, "#", "Apache httpd");
    out.push_str(HEAD);
    for upstream in upstreams {
        write_upstream(&mut out, context, upstream)?;
    }
    write_table(&mut out, context);
    write_pass(&mut out, context);
    Ok(vec![OutputFile::new("proxy/apache/wsim.conf", out)])
}

fn write_upstream(out: &mut String, context: &Context<'_>, upstream: &Upstream<'_>) -> Result<(), ConfigureError> {
    let _ = write!(out, "\n# {}\n<Proxy \"balancer://{}\">\n", upstream.purpose(context), upstream.name);
    let method = match &upstream.pool {
        None => "byrequests",
        Some((pool, _)) => match context.plan.balancer_config(pool)?.algorithm {
            Algorithm::Apache(Apache::ByRequests) => "byrequests",
            Algorithm::Apache(Apache::ByTraffic) => "bytraffic",
            Algorithm::Apache(Apache::ByBusyness) => "bybusyness",
            _ => return Err(ConfigureError::NoSuchRule { pool: pool.name.clone(), balance: pool.balance.clone() }),
        },
    };
    // A single server is retried at once, because there is no other.
    let retry = if upstream.servers.len() > 1 { 5 } else { 0 };
    // A single server has no health check: there is no other server, and a check would only delay its return.
    let health = if upstream.servers.len() > 1 { " hcmethod=GET hcuri=/health hcinterval=5 hcpasses=1 hcfails=3" } else { "" };
    for server in &upstream.servers {
        if server.weight > WEIGHT_MAX {
            let pool = upstream.pool.as_ref().map_or_else(String::new, |(pool, _)| pool.name.clone());
            return Err(ConfigureError::Weight { pool, proxy: "Apache httpd", most: WEIGHT_MAX, weight: server.weight });
        }
        let weight = if server.weight == 1 { String::new() } else { format!(" loadfactor={}", server.weight) };
        let address = match &server.address {
            Address::Unix(path) => format!("unix:{path}|http://{}", server.name),
            tcp => format!("http://{tcp}"),
        };
        let _ = write!(
            out,
            "    # {}\n    BalancerMember \"{address}\"{weight} connectiontimeout=5 timeout={WAIT_SECONDS} retry={retry} keepalive=On{health}\n",
            server.name
        );
    }
    let _ = write!(out, "    ProxySet lbmethod={method}\n</Proxy>\n");
    Ok(())
}

fn write_table(out: &mut String, context: &Context<'_>) {
    let _ = write!(
        out,
        "\n# Which requests go where: method, then path as sent, the first line that matches. These are the rows of Synapse {}'s table of\n\
         # what workers may serve; rows of stream writers come first. Everything else goes to the main process.\nRewriteEngine On\n",
        context.plan.synapse
    );
    let mut group = "";
    for rule in &context.routes.rules {
        if rule.group != group {
            group = &rule.group;
            let _ = writeln!(out, "# {group}");
        }
        if rule.sync == Sync::Initial {
            out.push_str(INITIAL);
        }
        let _ = write!(
            out,
            "RewriteCond \"%{{THE_REQUEST}}\" \"{}\"\nRewriteRule \"^\" \"-\" [E=WSIM_UPSTREAM:{},L]\n",
            // mod_rewrite parses its own arguments: backslashes stay, and a quote inside quotes is not possible.
            over_target(rule, "(?:[a-z]+://[^/ ]+)?").replace('"', "\\x22"),
            name(context.plan, &rule.target)
        );
    }
    let _ = writeln!(out, "RewriteRule \"^\" \"-\" [E=WSIM_UPSTREAM:{}]", name(context.plan, &Target::Main));
}

fn write_pass(out: &mut String, context: &Context<'_>) {
    out.push_str(PASS);
    for path in PUBLIC.iter().chain(&[ADMIN]) {
        // With the slash, because /_matrixx does not belong to Synapse.
        let _ = writeln!(out, "ProxyPass \"{path}/\" \"balancer://${{WSIM_UPSTREAM}}{path}/\" interpolate nocanon");
    }
    let _ = write!(
        out,
        "\n# The admin API, from this machine only: Synapse's own document leaves it out of the proxy on purpose.\n\
         <Location \"{ADMIN}\">\n    Require local\n</Location>\n\
         \n# Not smaller than max_upload_size in homeserver.yaml.\nLimitRequestBody {}\n",
        context.config.upload_bytes()
    );
    if context.config.expose_upstream {
        out.push_str(
            "\n# The server that responded, because of --expose-upstream.\nHeader always set X-Upstream \"%{BALANCER_WORKER_NAME}e\"\n",
        );
    }
}

/// The largest weight that mod_proxy_balancer accepts.
const WEIGHT_MAX: u32 = 100;

const HEAD: &str = r#"# Include this in the VirtualHost for 443 and 8448, instead of its own ProxyPass lines for Matrix. It needs:
#   a2enmod proxy proxy_http proxy_balancer lbmethod_byrequests lbmethod_bytraffic lbmethod_bybusyness proxy_hcheck slotmem_shm rewrite headers
# `apachectl -t` warns that WSIM_UPSTREAM is not defined: it is set for each request, further down.

# The log format that wsim reads best, with microseconds and server. It contains tokens from URLs: keep it private.
# Use it with: CustomLog ${APACHE_LOG_DIR}/matrix-access.log wsim
LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %D %{BALANCER_WORKER_NAME}e" wsim
"#;

const INITIAL: &str = r#"# A sync without `since`, or with `full_state=true`, computes the whole state: it can take minutes and would delay other requests.
RewriteCond "%{QUERY_STRING}" "!(?:^|&)since=[^&]" [OR]
RewriteCond "%{QUERY_STRING}" "(?:^|&)full_state=true(?:&|$)"
"#;

const PASS: &str = r#"
# Encoded slashes in room aliases and user ids must stay encoded, and so must all other encoded characters (nocanon): Synapse reads
# the path as sent, and signatures of federation requests cover it.
AllowEncodedSlashes NoDecode
ProxyPreserveHost On
# The only address that Synapse trusts: a header from the client is removed, and mod_proxy adds the client's address.
RequestHeader unset X-Forwarded-For
RequestHeader set X-Forwarded-Proto "expr=%{REQUEST_SCHEME}"
ProxyPassInterpolateEnv On
"#;
