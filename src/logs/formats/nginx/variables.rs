//! What nginx's variables mean.
//!
//! Source: nginx's alphabetical index of variables; `$upstream_*` in `ngx_http_upstream_module`. A variable that nginx does not define is
//! the administrator's own.

use super::{Clock, Unit, Variable};
use crate::StampMeaning;

/// The meaning of a variable; `before` is the text in front of it (`user=`).
///
/// A variable that nginx does not define is the administrator's own, and is a key of the user if its name says so.
pub fn meaning(name: &str, before: &str) -> Variable {
    if let Some(variable) = with_unit(name) {
        return variable;
    }
    match name {
        "time_local" => Variable::Time(Clock::Common, StampMeaning::End),
        "time_iso8601" => Variable::Time(Clock::Iso, StampMeaning::End),
        "msec" => Variable::Time(Clock::Epoch(Unit::SecondsMillis), StampMeaning::End),
        "request" => Variable::RequestLine,
        "request_method" => Variable::Method,
        "request_uri" => Variable::Target,
        "uri" | "document_uri" => Variable::Path,
        "args" | "query_string" => Variable::Query,
        "status" => Variable::Status,
        "body_bytes_sent" | "bytes_sent" => Variable::BytesSent,
        "request_length" => Variable::BytesReceived,
        "request_time" => Variable::Wall(Unit::SecondsMillis),
        "upstream_addr" => Variable::UpstreamAddress,
        "upstream_status" => Variable::UpstreamStatus,
        "upstream_response_time" => Variable::UpstreamTime(Unit::SecondsMillis),
        "remote_addr" | "realip_remote_addr" => Variable::Address,
        "http_x_forwarded_for" | "proxy_add_x_forwarded_for" | "http_x_real_ip" | "proxy_protocol_addr" => Variable::ForwardedFor,
        "remote_user" => Variable::User,
        "http_authorization" | "arg_access_token" => Variable::Authorization,
        "http_user_agent" => Variable::Agent,
        "http_referer" => Variable::Referrer,
        "host" | "server_name" | "http_host" => Variable::Site,
        "request_host_uri" => Variable::HostAndTarget,
        "remote_peer" => Variable::Peer,
        "server" => Variable::SentTo,
        "the_real_ip" => Variable::Address,
        "time" => Variable::Time(Clock::Any, StampMeaning::End),
        "request_id" => Variable::RequestId,
        "req_id" => Variable::RequestIdText,
        "http_x_request_id" | "upstream_http_x_request_id" => Variable::RequestIdText,
        _ if WORDS.contains(&name) => Variable::IgnoredWord,
        _ if LISTS.contains(&name) => Variable::IgnoredList,
        _ if is_known(name) => Variable::Ignored,
        _ if name.contains("accesstoken") || name.contains("access_token") => Variable::Authorization,
        _ if ["user", "mxid", "uhash"].iter().any(|part| name.contains(part)) => Variable::UserKey,
        _ if ["user=", "mxid=", "uid="].iter().any(|label| before.trim_end_matches('"').ends_with(label)) => Variable::UserKey,
        _ => Variable::Ignored,
    }
}

/// A time whose name ends with its unit, for programs that do not log nginx's seconds: `request_time_ms`, `upstream_response_time_us`,
/// `time_ns`; with `_unit` the unit is behind each number.
fn with_unit(name: &str) -> Option<Variable> {
    let (base, unit) = name.rsplit_once('_')?;
    let unit = match unit {
        "s" => Unit::Seconds,
        "ms" => Unit::Millis,
        "us" => Unit::Micros,
        "ns" => Unit::Nanos,
        "unit" => Unit::Written,
        _ => return None,
    };
    match base {
        "request_time" => Some(Variable::Wall(unit)),
        "upstream_response_time" => Some(Variable::UpstreamTime(unit)),
        "time" if unit != Unit::Written => Some(Variable::Time(Clock::Epoch(unit), StampMeaning::End)),
        _ => None,
    }
}

fn is_known(name: &str) -> bool {
    ["http_", "arg_", "cookie_", "sent_http_", "sent_trailer_", "upstream_", "ssl_", "proxy_", "realip_", "geoip_", "tcpinfo_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Variables whose values contain no space.
const WORDS: [&str; 24] = [
    "binary_remote_addr",
    "connection",
    "connection_requests",
    "connection_time",
    "content_length",
    "gzip_ratio",
    "hostname",
    "http2",
    "http3",
    "https",
    "is_args",
    "limit_rate",
    "nginx_version",
    "pid",
    "pipe",
    "realip_remote_port",
    "remote_port",
    "request_completion",
    "scheme",
    "server_addr",
    "server_port",
    "server_protocol",
    "ssl_protocol",
    "ssl_server_name",
];

/// Lists over several upstreams that say nothing about the request.
const LISTS: [&str; 6] = [
    "upstream_bytes_received",
    "upstream_bytes_sent",
    "upstream_connect_time",
    "upstream_first_byte_time",
    "upstream_header_time",
    "upstream_response_length",
];
