//! nginx access logs: the predefined formats and any `log_format`.
//!
//! A format is given as the text of a `log_format` directive, whole or in part:
//!
//! ```text
//! $remote_addr - $remote_user [$time_local] "$request" $status …
//! escape=json {"ts":"$msec","uri":"$request_uri"}
//! '$remote_addr [$time_local] ' '"$request" $status'
//! log_format main escape=default '$remote_addr …' '…';
//! ```
//!
//! Source: nginx's `ngx_http_log_module` and `ngx_http_upstream_module` documentation, release 1.29; escapes and the list
//! form of `$upstream_*` checked in `src/http/modules/ngx_http_log_module.c` and `src/http/ngx_http_upstream.c`.

use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{multispace0, multispace1};
use nom::combinator::{opt, value};
use nom::sequence::preceded;
use wsim_nginx::quoted_strings;
use wsim_nginx::variables::{self, Digits, is_name_byte};

pub use super::draft::Draft;
pub use super::error::FormatError;
use super::pattern::{Pattern, Piece, TextParser};
pub use super::variable::{Clock, Unit, Variable};
use crate::escape::Escape;
use crate::{StampMeaning, StampReader};

/// `combined`, which nginx uses if no format is named.
pub const COMBINED: &str =
    r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
/// `main` of nginx's own configuration file.
pub const MAIN: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for""#;
/// Often called vcombined: combined after the virtual host and its port.
pub const VHOST_PORT: &str = r#"$host:$server_port $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
/// combined after the virtual host.
pub const VHOST: &str =
    r#"$host $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;

/// A parsed `log_format`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormat {
    text: String,
    escape: Escaping,
    parts: Vec<Part>,
}

/// The `escape=` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escaping {
    /// `escape=default`, or no parameter.
    #[default]
    Default,
    /// `escape=json`.
    Json,
    /// `escape=none`.
    None,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable { name: String, at: usize },
}

impl LogFormat {
    /// Parses a format given in any of the ways above.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let (escape, body) = directive(text.trim());
        let format = Self::from_body(&body, escape)?;
        if !format.parts.iter().any(|part| matches!(part, Part::Variable { .. })) {
            return Err(FormatError::new("the format names no variable, such as $request", &body, 0));
        }
        Ok(format)
    }

    /// A format from its text without quotes, and its escaping.
    pub fn from_body(body: &str, escape: Escaping) -> Result<Self, FormatError> {
        let parts = parts(body)?;
        Ok(Self { text: body.to_owned(), escape, parts })
    }

    /// The text of the format, without quotes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether lines of this format are JSON objects.
    pub fn is_json(&self) -> bool {
        self.text.trim_start().starts_with('{')
    }

    /// The fields of a JSON format: key (nested keys joined by a dot) and meaning. Keys whose value is not a single variable are
    /// left out, except for request lines and targets made of several.
    pub fn json_fields(&self) -> Result<Vec<(String, Variable)>, FormatError> {
        let json: serde_json::Value = serde_json::from_str(&self.as_json_template())
            .map_err(|error| FormatError::new(format!("the format begins like JSON, but is none: {error}"), &self.text, 0))?;
        let mut fields = Vec::new();
        collect_fields(&json, String::new(), &mut fields);
        self.check_request(fields.iter().map(|(_, variable)| *variable))?;
        Ok(fields)
    }

    /// A parser for lines of this format, which must not be JSON.
    pub fn parser(&self, name: &str, stamps: StampReader) -> Result<TextParser, FormatError> {
        let pieces = self.pieces();
        self.check_request(pieces.iter().filter_map(|piece| if let Piece::Field(variable, _) = piece { Some(*variable) } else { None }))?;
        let escape = if self.escape == Escaping::Default { Escape::Nginx } else { Escape::Raw };
        let pattern = Pattern::compile(&pieces, escape).map_err(|touching| touching.error(&self.text))?;
        Ok(TextParser::new(name, pattern, stamps))
    }

    fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut parts = &self.parts[..];
        while let Some((part, later)) = parts.split_first() {
            parts = later;
            pieces.push(match part {
                Part::Text(text) => Piece::Literal(text.clone().into_bytes()),
                Part::Variable { name, at } => {
                    if let Some(skip) = starts_target(name, later) {
                        parts = &later[skip..];
                        Piece::Field(Variable::Target, *at)
                    } else {
                        let before = pieces.last().map_or("", |piece: &Piece| match piece {
                            Piece::Literal(text) => std::str::from_utf8(text).unwrap_or_default(),
                            Piece::Field(..) => "",
                        });
                        Piece::Field(meaning(name, before), *at)
                    }
                }
            });
        }
        pieces
    }

    /// The format as valid JSON: variables outside strings are put into quotes.
    fn as_json_template(&self) -> String {
        let mut template = String::new();
        let mut inside = false;
        for part in &self.parts {
            match part {
                Part::Text(text) => {
                    let mut escaped = false;
                    for character in text.chars() {
                        inside ^= character == '"' && !escaped;
                        escaped = character == '\\' && !escaped;
                    }
                    template.push_str(text);
                }
                Part::Variable { name, .. } if inside => template.extend(["$", name.as_str()]),
                Part::Variable { name, .. } => template.extend(["\"$", name.as_str(), "\""]),
            }
        }
        template
    }

    fn check_request(&self, variables: impl Iterator<Item = Variable>) -> Result<(), FormatError> {
        let mut found = variables.filter(|variable| matches!(variable, Variable::RequestLine | Variable::Target | Variable::Path));
        match found.next() {
            Some(_) => Ok(()),
            None => {
                Err(FormatError::new("the format logs no request: it needs $request, or $request_method with $request_uri", &self.text, 0))
            }
        }
    }
}

/// Whether an expression is an nginx `log_format`: it names a variable such as `$request`.
pub fn is_format(expression: &str) -> bool {
    expression.trim_start().starts_with("log_format")
        || expression
            .match_indices('$')
            .any(|(at, _)| expression[at + 1..].trim_start_matches('{').starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
}

/// The fields of a JSON `log_format`, for [`LogFormat::json_fields`] in one call.
pub fn json_fields(format: &str) -> Result<Vec<(String, Variable)>, FormatError> {
    LogFormat::parse(format)?.json_fields()
}

pub fn combined(stamps: StampReader) -> TextParser {
    predefined("nginx combined", COMBINED, stamps)
}

/// nginx `main`: combined with `X-Forwarded-For`.
pub fn main(stamps: StampReader) -> TextParser {
    predefined("nginx main", MAIN, stamps)
}

/// combined after `host:port`.
pub fn vhost_port(stamps: StampReader) -> TextParser {
    predefined("nginx vhost combined", VHOST_PORT, stamps)
}

/// combined after the host's name.
pub fn vhost(stamps: StampReader) -> TextParser {
    predefined("nginx vhost combined", VHOST, stamps)
}

fn predefined(name: &str, format: &str, stamps: StampReader) -> TextParser {
    #[expect(clippy::expect_used, reason = "the predefined formats are constants, each compiled by a test")]
    LogFormat::parse(format).and_then(|format| format.parser(name, stamps)).expect("a predefined format compiles")
}

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

/// `$uri$is_args$args` is a single value: the number of parts to skip after the first.
fn starts_target(name: &str, later: &[Part]) -> Option<usize> {
    let is = |index: usize, names: &[&str]| matches!(later.get(index), Some(Part::Variable { name, .. }) if names.contains(&name.as_str()));
    (matches!(name, "uri" | "document_uri") && is(0, &["is_args"]) && is(1, &["args", "query_string"])).then_some(2)
}

fn collect_fields(json: &serde_json::Value, key: String, fields: &mut Vec<(String, Variable)>) {
    match json {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                collect_fields(member, key, fields);
            }
        }
        serde_json::Value::String(text) => {
            let label = format!("{}=", key.to_ascii_lowercase());
            let variable = match text.strip_prefix('$') {
                Some("request_method $request_uri $server_protocol" | "request_method $request_uri") => Some(Variable::RequestLine),
                Some("uri$is_args$args" | "document_uri$is_args$args") => Some(Variable::Target),
                Some(name) if !name.is_empty() && name.bytes().all(is_name_byte) => Some(meaning(name, &label)),
                _ => None,
            };
            fields.extend(variable.filter(|variable| !variable.is_ignored()).map(|variable| (key, variable)));
        }
        _ => {}
    }
}

/// Parses `log_format NAME`, `escape=…`, quoted strings, `;`, each of which may be missing, and joins the strings.
fn directive(text: &str) -> (Escaping, String) {
    let whole_directive = text.starts_with("log_format");
    let (after, escape) = head(text).unwrap_or((text, Escaping::Default));
    let quoted = if whole_directive || after.starts_with('\'') { quoted_strings(after) } else { None };
    match quoted {
        Some((strings, rest)) if matches!(rest.trim(), "" | ";") => (escape, strings.concat()),
        _ => (escape, after.to_owned()),
    }
}

fn head(text: &str) -> Result<(&str, Escaping), nom::Err<nom::error::Error<&str>>> {
    let name = (tag("log_format"), multispace1, take_while1(|c: char| !c.is_whitespace()), multispace1);
    let escape = preceded(
        tag("escape="),
        alt((value(Escaping::Json, tag("json")), value(Escaping::None, tag("none")), value(Escaping::Default, tag("default")))),
    );
    let mut grammar = (opt(name), opt((escape, multispace0)));
    let (left, (_, escape)) = grammar.parse(text)?;
    Ok((left, escape.map_or(Escaping::Default, |(escape, _)| escape)))
}

/// Splits the text of a format at its variables.
fn parts(body: &str) -> Result<Vec<Part>, FormatError> {
    let part = |piece| match piece {
        variables::Piece::Literal(text) => Ok(Part::Text(text.to_owned())),
        variables::Piece::Variable { name, at } => Ok(Part::Variable { name: name.to_owned(), at }),
        variables::Piece::Dollar { at } => Err(FormatError::new("a `$` here needs a variable's name, $name or ${name}", body, at)),
    };
    variables::pieces(body, Digits::Name).into_iter().map(part).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::{malformed, request, stamps, text};
    use crate::{Line, Parser};
    use proptest::prelude::*;

    const AT: i64 = 1_767_366_245_000_000; // 02/Jan/2026:15:04:05 +0000
    const SYNC: &str =
        r#"203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "GET /_matrix/client/v3/sync?since=s1_2 HTTP/2.0" 200 412 "-" "Element/1.11""#;

    fn parser(format: &str) -> TextParser {
        LogFormat::parse(format).unwrap().parser("test", stamps()).unwrap()
    }

    #[test]
    fn the_predefined_formats_compile() {
        for parser in [combined(stamps()), main(stamps()), vhost(stamps()), vhost_port(stamps())] {
            assert_eq!(parser.meaning(), Some(StampMeaning::End));
        }
    }

    #[test]
    fn a_combined_line_is_read_completely() {
        let mut parser = combined(stamps());
        let record = request(&mut parser, SYNC);
        assert_eq!((record.address, record.user), (Some(&b"203.0.113.7"[..]), None));
        assert_eq!(record.stamp.unwrap().micros, AT);
        assert_eq!((text(record.method), text(&record.target)), ("GET".into(), "/_matrix/client/v3/sync?since=s1_2".into()));
        assert_eq!((record.status, record.bytes_sent, record.aborted), (200, Some(412), false));
        assert_eq!(text(&record.agent.unwrap()), "Element/1.11");
    }

    #[test]
    fn a_line_that_fits_the_format_is_a_request_whatever_the_client_sent() {
        for (sent, status, method, target) in [
            (r"\x16\x03\x01\x02\x00\x01", 400, "", ""),
            ("", 400, "", ""),
            ("-", 400, "", ""),
            ("PRI * HTTP/2.0", 400, "PRI", "*"),
            ("HELP", 400, "HELP", ""),
            ("CONNECT example.org:443 HTTP/1.1", 400, "CONNECT", "example.org:443"),
            ("GET /_matrix/client/v3/sync?aaaa", 414, "GET", "/_matrix/client/v3/sync?aaaa"),
            (r"GET /rooms/!a%22b\x22c?x=\x22y\x22  HTTP/1.1", 401, "GET", "/rooms/!a%22b\"c?x=\"y\""),
        ] {
            let line = format!(r#"198.51.100.9 - - [02/Jan/2026:15:04:06 +0000] "{sent}" {status} 157 "-" "-""#);
            let mut parser = combined(stamps());
            let record = request(&mut parser, &line);
            assert_eq!((record.status, text(record.method), text(&record.target)), (status, method.into(), target.into()), "{sent}");
        }
    }

    #[test]
    fn only_text_with_an_escape_is_copied() {
        use std::borrow::Cow::Borrowed;
        let mut parser = vhost_port(stamps());
        let record = request(
            &mut parser,
            r#"matrix.example.org:443 203.0.113.7 - - [02/Jan/2026:15:04:05 +0000] "PUT /a%3Ab HTTP/1.1" 200 59 "https://app.example.org/" "Mozilla/5.0 (X11) \x22q\x22""#,
        );
        assert!(matches!(record.target, Borrowed(b"/a%3Ab")));
        assert!(matches!(record.agent, Some(Borrowed(agent)) if agent == br"Mozilla/5.0 (X11) \x22q\x22"));
        assert_eq!(record.site, Some(&b"matrix.example.org"[..]));
    }

    #[test]
    fn a_rich_line_has_durations_upstreams_and_users() {
        let mut parser = parser(
            r#"'$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
               'rt=$request_time uct=$upstream_connect_time urt=$upstream_response_time ua=$upstream_addr us=$upstream_status '
               'user=$uhash grp=$grp rl=$request_length conn=$connection/$connection_requests tls=$ssl_protocol rid=$request_id';"#,
        );
        let head = r#"::1 - a b [2026-01-02T15:04:05+00:00] "GET / HTTP/2.0" 499 657 "-" "-""#;
        let line = format!(
            "{head} rt=5.602 uct=0.000, 0.000 urt=5.281, 0.321 : - ua=127.0.0.1:8081, 127.0.0.1:8082 : unix:/run/w.sock us=502, 200 : - user=bf0b grp=sync rl=147 conn=109/198 tls=TLSv1.2 rid=0b6d0e7e8bb2e53071890367de78e425"
        );
        let record = request(&mut parser, &line);
        assert_eq!((record.wall_us, record.upstream_us, record.upstream_tries), (Some(5_602_000), Some(5_602_000), 3));
        assert_eq!(text(&record.upstream.unwrap()), "unix:/run/w.sock");
        assert_eq!((text(&record.user.unwrap()), record.bytes_received, record.aborted), ("bf0b".into(), Some(147), true));
        assert_eq!(text(record.request_id.unwrap()), "0b6d0e7e8bb2e53071890367de78e425");

        let line = format!("{head} rt=0.000 uct=- urt=- ua=- us=- user= grp= rl=0 conn=86/1 tls=- rid=0b6d0e7e8bb2e53071890367de78e425");
        let record = request(&mut parser, &line);
        assert_eq!((record.upstream, record.upstream_us, record.upstream_tries), (None, None, 0));
        assert_eq!(text(&record.user.unwrap()), "a b");

        let cut = &line[..line.len() - 1];
        assert_eq!(malformed(&mut parser, cut).expected, "a request ID of 32 hexadecimal digits");
    }

    #[test]
    fn a_time_may_be_in_other_units_than_seconds() {
        for (name, value) in [
            ("request_time_ms", "30004"),
            ("request_time_us", "30004000"),
            ("request_time_ns", "30004000000"),
            ("request_time_s", "30.004"),
            ("request_time_unit", "30.004s"),
        ] {
            let mut parser =
                parser(&format!("$request_method $request_uri $status ${name} ${{upstream_{}}}", &name.replace("request", "response")));
            let line = format!("GET /a 200 {value} {value}");
            let record = request(&mut parser, &line);
            assert_eq!((record.wall_us, record.upstream_us), (Some(30_004_000), Some(30_004_000)), "{name}");
        }
        let mut parser = parser("$time_ms $request_method $request_uri $status");
        assert_eq!(request(&mut parser, "1767366245123 GET /a 200").stamp.unwrap().micros, AT + 123_000);
    }

    #[test]
    fn something_else_read_as_a_duration_is_malformed() {
        let mut parser = parser("\"$request\" $status $upstream_response_time");
        assert_eq!(malformed(&mut parser, r#""GET / HTTP/1.1" 200 1715677921.123"#).expected, "a duration that a request can have");
    }

    #[test]
    fn a_user_key_that_is_a_whole_header_is_a_secret() {
        let mut parser = parser(r#""$request" $status user="$mxid_localpart""#);
        for header in ["Bearer mct_x", r"X-Matrix origin=\x22a\x22", "syt_YWxpY2U_x_y"] {
            let line = format!(r#""GET / HTTP/1.1" 200 user="{header}""#);
            let record = request(&mut parser, &line);
            assert_eq!(record.user, None);
            assert!(record.authorization.is_some());
        }
        let record = request(&mut parser, r#""GET / HTTP/1.1" 200 user="YWxpY2U""#);
        assert_eq!(text(&record.user.unwrap()), "YWxpY2U");
    }

    #[test]
    fn parts_of_a_request_make_a_target_and_the_raw_one_wins() {
        let mut parts = parser("$msec $request_method $uri?$args $status");
        let record = request(&mut parts, "1767366245.123 GET /rooms/a b%?since=%20 200");
        assert_eq!(text(&record.target), "/rooms/a%20b%25?since=%20");
        assert_eq!(record.stamp.unwrap().resolution_us, 1000);
        let mut raw = parser(r#"$uri "$request" $status"#);
        assert_eq!(text(&request(&mut raw, r#"/decoded "GET /ra%77 HTTP/1.1" 200"#).target), "/ra%77");
        let mut joined = parser("$request_method $uri$is_args$args $status");
        assert_eq!(text(&request(&mut joined, "GET /a?b 200").target), "/a?b");
    }

    #[test]
    fn unquoted_text_with_spaces_ends_where_the_rest_fits() {
        let mut parser = parser("$remote_addr $request $status $http_user_agent $request_time $upstream_addr $upstream_response_time");
        let record =
            request(&mut parser, "::1 GET /a 200 b HTTP/1.1 404 curl 200 (x) 0.003 1.1.1.1:1, 2.2.2.2:2 : 3.3.3.3:3 0.001, - : 0.002");
        assert_eq!((text(&record.target), record.status), ("/a 200 b".into(), 404));
        assert_eq!((text(&record.agent.unwrap()), record.wall_us), ("curl 200 (x)".into(), Some(3000)));
        assert_eq!((text(&record.upstream.unwrap()), record.upstream_us), ("3.3.3.3:3".into(), Some(3000)));
    }

    #[test]
    fn the_forwarded_address_counts_only_behind_a_proxy_of_the_same_installation() {
        let mut parser = main(stamps());
        for (peer, forwarded, address) in [
            ("10.0.0.1", "203.0.113.7, 10.0.0.9", "203.0.113.7"),
            ("127.0.0.1", "-", "127.0.0.1"),
            ("unix:", "2001:db8::1", "2001:db8::1"),
            ("198.51.100.9", "203.0.113.7", "198.51.100.9"),
        ] {
            let line = format!(r#"{} "{forwarded}""#, SYNC.replace("203.0.113.7", peer));
            assert_eq!(text(request(&mut parser, &line).address.unwrap()), address);
        }
    }

    #[test]
    fn an_ipv6_host_keeps_its_colons() {
        let mut parser = vhost_port(stamps());
        let line = format!("[::1]:443 {SYNC}");
        assert_eq!(text(request(&mut parser, &line).site.unwrap()), "[::1]");
    }

    #[test]
    fn a_format_may_be_written_in_every_way() {
        let plain = LogFormat::parse("$host [$time_local] \"$request\" $status").unwrap();
        for written in [
            "'$host [$time_local] ' '\"$request\" $status'",
            "'$host [$time_local] '\n    \"\\\"$request\\\" $status\";",
            "log_format main '$host [$time_local] ' '\"$request\" $status';",
            "log_format main escape=default '$host [$time_local] \"$request\" $status'",
            "escape=default $host [$time_local] \"$request\" $status",
        ] {
            let format = LogFormat::parse(written).unwrap();
            assert_eq!((format.text(), format.escape), (plain.text(), Escaping::Default), "{written}");
        }
        let mut braces = parser("${host} [${time_local}]\"${request}\"${status}x");
        assert_eq!(request(&mut braces, "h [02/Jan/2026:15:04:05 +0000]\"GET / HTTP/1.1\"200x").status, 200);
        assert_eq!(LogFormat::parse("escape=none '$request'").unwrap().escape, Escaping::None);
    }

    #[test]
    fn without_escapes_a_quote_in_a_field_is_part_of_it() {
        let mut parser = parser(r#"escape=none "$request" $status "$http_user_agent" $request_time"#);
        let record = request(&mut parser, r#""GET /a"b HTTP/1.1" 200 "say "x" \x22" 0.001"#);
        assert_eq!((text(&record.target), text(&record.agent.unwrap())), ("/a\"b".into(), r#"say "x" \x22"#.into()));
    }

    #[test]
    fn a_json_format_gives_its_fields() {
        let fields = json_fields(
            r#"escape=json '{"t":"$time_iso8601","c":{"ip":"$remote_addr"},"s":$status,"r":"$request_method $request_uri $server_protocol","rt":$request_time,"x":"$http_x","user":"$map"}'"#,
        )
        .unwrap();
        let mut keys: Vec<(&str, Variable)> = fields.iter().map(|(key, variable)| (key.as_str(), *variable)).collect();
        keys.sort_by_key(|(key, _)| *key);
        assert_eq!(
            keys,
            [
                ("c.ip", Variable::Address),
                ("r", Variable::RequestLine),
                ("rt", Variable::Wall(Unit::SecondsMillis)),
                ("s", Variable::Status),
                ("t", Variable::Time(Clock::Iso, StampMeaning::End)),
                ("user", Variable::UserKey),
            ]
        );
        assert!(json_fields(r#"{"s":$status}"#).unwrap_err().to_string().contains("logs no request"));
        assert!(json_fields(r#"{"s":"$request" "#).unwrap_err().to_string().contains("begins like JSON"));
    }

    #[test]
    fn a_bad_format_is_shown_with_a_caret() {
        let error = LogFormat::parse("$remote_addr - $ [$time_local]").unwrap_err().to_string();
        assert_eq!(error, "a `$` here needs a variable's name, $name or ${name}\n  $remote_addr - $ [$time_local]\n                 ^");
        let touching = LogFormat::parse("$status$request").unwrap().parser("x", stamps()).unwrap_err().to_string();
        assert!(touching.ends_with("\n  $status$request\n         ^"), "{touching}");
        assert!(LogFormat::parse("no variables").is_err());
        assert!(LogFormat::parse("$status").unwrap().parser("x", stamps()).is_err());
    }

    #[test]
    fn collectors_prefixes_are_skipped_and_other_lines_are_no_requests() {
        let mut parser = combined(stamps());
        for prefix in ["nginx: ", "<190>Jan  2 15:04:05 host nginx: ", "2026-01-02T15:04:05.123456789Z ", "web_1  | "] {
            let line = format!("{prefix}{SYNC}");
            assert_eq!(text(request(&mut parser, &line).address.unwrap()), "203.0.113.7");
            assert_eq!(malformed(&mut parser, &line[..line.len() - 1]).column, line.len() - 1);
        }
        for line in [
            "",
            "  ",
            "2026/11/20 16:53:31 [notice] 20797#20797: nginx/1.22.1",
            "web_1  | 2026/11/20 16:53:31 [warn] 1#1: x",
            "/docker-entrypoint.sh: Configuration complete",
        ] {
            assert_eq!(parser.parse(line.as_bytes()), Line::NotRequest, "{line}");
        }
    }

    #[test]
    fn a_line_truncated_anywhere_is_malformed_with_its_column() {
        let mut parser = combined(stamps());
        for cut in 1..SYNC.len() {
            let error = malformed(&mut parser, &SYNC[..cut]);
            assert!(error.column <= cut);
        }
        assert_eq!(malformed(&mut parser, &SYNC[..80]).expected, "a closing quote after the request line");
        assert_eq!(malformed(&mut parser, &SYNC[..SYNC.len() - 1]).expected, "a closing quote after the user agent");
    }

    #[test]
    fn a_line_without_one_of_its_quotes_is_malformed() {
        let mut parser = combined(stamps());
        for (at, _) in SYNC.match_indices('"') {
            let mut broken = SYNC.to_owned();
            broken.remove(at);
            malformed(&mut parser, &broken);
        }
    }

    #[test]
    fn two_lines_written_into_each_other_are_malformed() {
        let mut parser = combined(stamps());
        let after_user = SYNC.find('[').unwrap() + 1;
        for cut in after_user..SYNC.len() {
            malformed(&mut parser, &format!("{}{SYNC}", &SYNC[..cut]));
            malformed(&mut parser, &format!("{SYNC}{}", &SYNC[..cut]));
        }
    }

    #[test]
    fn very_long_lines_are_read_or_rejected() {
        let mut parser = combined(stamps());
        let long = SYNC.replace("s1_2", &"a".repeat(70_000));
        assert!(request(&mut parser, &long).target.len() > 70_000);
        malformed(&mut parser, &"a".repeat(70_000));
        malformed(&mut parser, &" - ".repeat(30_000));
        malformed(&mut parser, &"[\" ".repeat(30_000));
        let mut bytes = SYNC.as_bytes().to_vec();
        bytes[60] = 0;
        bytes[61] = 0xff;
        let at = bytes.len() - 5;
        bytes[at] = 0xc3;
        assert!(request(&mut parser, &bytes).target.contains(&0xff));
        malformed(&mut parser, &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_line(bytes: Vec<u8>) {
            for mut parser in [combined(stamps()), vhost_port(stamps()), parser("$request $status $http_user_agent $request_time")] {
                if let Line::Malformed(error) = parser.parse(&bytes) {
                    prop_assert!(error.column <= bytes.len());
                }
            }
        }

        #[test]
        fn any_expression_is_compiled_or_rejected(text in r#"[ -~]{0,40}"#) {
            if let Ok(format) = LogFormat::parse(&text) {
                let _ = format.json_fields();
                if let Ok(mut parser) = format.parser("x", stamps()) {
                    let _ = parser.parse(SYNC.as_bytes());
                }
            }
        }

        #[test]
        fn a_changed_byte_never_moves_another_field(at in 0usize..SYNC.len(), byte: u8) {
            let mut bytes = SYNC.as_bytes().to_vec();
            bytes[at] = byte;
            let mut parser = combined(stamps());
            if let Line::Request(record) = parser.parse(&bytes) {
                prop_assert_eq!(record.stamp.is_some(), true);
                prop_assert!(record.target.len() <= "/_matrix/client/v3/sync?since=s1_2 HTTP/2.0".len());
            }
        }
    }
}
