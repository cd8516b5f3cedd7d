//! Envoy's access logs as text: the defaults of Envoy and Istio, and any format string. JSON formats of Envoy, Istio and Envoy Gateway
//! are read by the names of their keys ([`super::nginx_json`]); a format string of JSON is read too.
//!
//! The stamp is the start, `DURATION` is in milliseconds. Nothing is escaped.
//!
//! Source: Envoy documentation 1.34, "Access logging" (command operators, default format string); Istio 1.24 documentation, "Envoy Access
//! Logs" (default format); Envoy Gateway documentation, "Proxy Access Logs".

use super::apache::header_meaning;
use super::date_parts;
use super::error::FormatError;
use super::expression::{from_pieces, unquoted};
use super::pattern::{Pattern, Piece, TextParser};
use super::variable::{Clock, Unit, Variable};
use crate::escape::Escape;
use crate::{Parser, StampMeaning, StampReader};

/// Envoy's default format string.
pub const DEFAULT: &str = r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%""#;
/// Istio's since 1.9.
pub const ISTIO: &str = r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%"#;
/// Istio's before 1.9, with the result of Mixer's check.
const ISTIO_MIXER: &str = r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% "%DYNAMIC_METADATA(istio.mixer:status)%" "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%"#;

/// The parsers of the default text formats.
pub fn text_parsers(stamps: &StampReader) -> Vec<Box<dyn Parser>> {
    // Emissary's default, formerly Ambassador's, is Envoy's behind a word.
    let emissary = format!("ACCESS {DEFAULT}");
    [("envoy", DEFAULT), ("istio", ISTIO), ("istio", ISTIO_MIXER), ("envoy", &emissary)]
        .into_iter()
        .map(|(name, format)| {
            #[expect(clippy::expect_used, reason = "the predefined formats are constants, each compiled by a test")]
            let pattern =
                Pattern::compile(&pieces(format).expect("a predefined format is read"), Escape::Raw).expect("its fields do not touch");
            Box::new(TextParser::new(name, pattern, stamps.clone())) as Box<dyn Parser>
        })
        .collect()
}

/// Whether an expression has a command operator such as `%START_TIME%` or `%REQ(:PATH)%`.
pub fn is_format(expression: &str) -> bool {
    expression.match_indices('%').any(|(at, _)| Command::read(&expression[at + 1..]).is_some_and(|command| command.name.len() > 1))
}

/// The parser of the lines that a format string describes.
///
/// # Errors
/// The expression cannot be read.
pub fn parser(expression: &str, stamps: StampReader) -> Result<Box<dyn Parser>, FormatError> {
    let text = unquoted(expression, "format:");
    from_pieces(&pieces(&text)?, &text, "envoy format", Escape::Raw, stamps)
}

fn pieces(text: &str) -> Result<Vec<Piece>, FormatError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut literal = String::new();
    let mut left = text;
    while let Some(character) = left.chars().next() {
        let at = text.len() - left.len();
        left = &left[character.len_utf8()..];
        if character != '%' {
            literal.push(character);
            continue;
        }
        if let Some(rest) = left.strip_prefix('%') {
            literal.push('%');
            left = rest;
            continue;
        }
        let command = Command::read(left).ok_or_else(|| FormatError::new("a `%` here needs a command such as %START_TIME%", text, at))?;
        left = command.rest;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal).into_bytes()));
        }
        pieces.extend(command.pieces(at).map_err(|problem| FormatError::new(problem, text, at))?);
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into_bytes()));
    }
    Ok(joined(pieces))
}

/// Method, path and protocol side by side are a request line, which ends where its quote does.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        joined.push(piece);
        if let [
            ..,
            Piece::Field(Variable::Method, at),
            Piece::Literal(one),
            Piece::Field(Variable::Target, _),
            Piece::Literal(two),
            Piece::Field(Variable::IgnoredWord, _),
        ] = joined.as_slice()
            && one == b" "
            && two == b" "
        {
            let line = Piece::Field(Variable::RequestLine, *at);
            joined.truncate(joined.len() - 5);
            joined.push(line);
        }
    }
    joined
}

/// `NAME%`, `NAME(argument)%` or `NAME(argument):length%`, without the first percent sign.
struct Command<'t> {
    name: &'t str,
    argument: Option<&'t str>,
    rest: &'t str,
}

impl<'t> Command<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let name = &text[..text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(text.len())];
        let mut rest = &text[name.len()..];
        let mut argument = None;
        if let Some(inner) = rest.strip_prefix('(') {
            let end = inner.match_indices(')').map(|(at, _)| at).find(|at| matches!(inner.as_bytes().get(at + 1), Some(b'%' | b':')))?;
            argument = Some(&inner[..end]);
            rest = &inner[end + 1..];
        }
        if let Some(inner) = rest.strip_prefix(':') {
            rest = inner.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        let rest = rest.strip_prefix('%')?;
        (!name.is_empty()).then_some(Self { name, argument, rest })
    }

    fn pieces(&self, at: usize) -> Result<Vec<Piece>, String> {
        let stamp = match self.name {
            "START_TIME" | "START_TIME_LOCAL" => Some(StampMeaning::Start),
            "EMIT_TIME" | "EMIT_TIME_LOCAL" => Some(StampMeaning::End),
            _ => None,
        };
        match (stamp, self.argument) {
            (Some(meaning), Some(form)) if !form.is_empty() => time(form, meaning, at),
            (Some(meaning), _) => Ok(vec![Piece::Field(Variable::Time(Clock::Iso, meaning), at)]),
            (None, argument) => Ok(vec![Piece::Field(meaning(self.name, argument.unwrap_or_default()), at)]),
        }
    }
}

/// The pieces of `%START_TIME(form)%`.
fn time(form: &str, meaning: StampMeaning, at: usize) -> Result<Vec<Piece>, String> {
    let number = match form {
        "%s" | "%s.%3f" | "%s.%6f" | "%s.%9f" => Some(Unit::Seconds),
        "%s%3f" => Some(Unit::Millis),
        "%s%6f" => Some(Unit::Micros),
        "%s%9f" => Some(Unit::Nanos),
        _ => None,
    };
    if let Some(unit) = number {
        return Ok(vec![Piece::Field(Variable::Time(Clock::Epoch(unit), meaning), at)]);
    }
    let pieces = date_parts::pieces(form, meaning, at).map_err(|problem| format!("{problem} cannot be read"))?;
    date_parts::check(&pieces).map(|()| pieces).map_err(|problem| format!("{problem} is no time stamp"))
}

fn meaning(name: &str, argument: &str) -> Variable {
    match name {
        "REQ" => request_header(argument),
        "RESP" if argument.eq_ignore_ascii_case("x-envoy-upstream-service-time") => Variable::UpstreamTime(Unit::Millis),
        "PATH" => Variable::Target,
        "PROTOCOL"
        | "RESPONSE_CODE_DETAILS"
        | "CONNECTION_TERMINATION_DETAILS"
        | "UPSTREAM_CLUSTER"
        | "UPSTREAM_LOCAL_ADDRESS"
        | "DOWNSTREAM_LOCAL_ADDRESS"
        | "REQUESTED_SERVER_NAME"
        | "REQUEST_DURATION"
        | "RESPONSE_DURATION"
        | "RESPONSE_TX_DURATION"
        | "CONNECTION_ID"
        | "STREAM_ID"
        | "HOSTNAME" => Variable::IgnoredWord,
        "RESPONSE_CODE" => Variable::Status,
        "RESPONSE_FLAGS" => Variable::ResponseFlags,
        "BYTES_RECEIVED" => Variable::BytesReceived,
        "BYTES_SENT" => Variable::BytesSent,
        "DURATION" => Variable::Wall(Unit::Millis),
        "UPSTREAM_HOST" | "UPSTREAM_REMOTE_ADDRESS" => Variable::UpstreamAddress,
        "DOWNSTREAM_REMOTE_ADDRESS" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Variable::Peer,
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => Variable::Address,
        _ => Variable::Ignored,
    }
}

/// `%REQ(X?Y):Z%`: the first header, or the second where it is absent.
fn request_header(argument: &str) -> Variable {
    let names = argument.split('?').map(str::to_ascii_lowercase);
    names
        .map(|name| match name.trim_start_matches(':') {
            "path" | "x-envoy-original-path" => Variable::Target,
            "method" => Variable::Method,
            "authority" => Variable::Site,
            other => header_meaning(other),
        })
        .find(|variable| !variable.is_ignored())
        .unwrap_or(Variable::Ignored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::{malformed, request, stamps, text};

    /// 2016-04-15T20:17:00.310Z, of Envoy's documentation.
    const AT: i64 = 1_460_751_420_310_000;
    const LINE: &str = r#"[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80""#;

    #[test]
    fn the_default_line_is_read() {
        let mut parser = text_parsers(&stamps()).remove(0);
        let record = request(parser.as_mut(), LINE);
        assert_eq!((record.arrival_us(), record.wall_us, record.upstream_us), (Some(AT), Some(226_000), Some(100_000)));
        assert_eq!((text(record.method), text(&record.target), record.status), ("POST".into(), "/api/v1/locations".into(), 204));
        assert_eq!((record.bytes_received, record.bytes_sent, record.address), (Some(154), Some(0), Some(&b"10.0.35.28"[..])));
        assert_eq!(
            (text(&record.agent.unwrap()), text(record.request_id.unwrap())),
            ("nsq2http".into(), "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2".into())
        );
        assert_eq!(text(&record.upstream.unwrap()), "10.0.2.1:80");
    }

    #[test]
    fn a_client_that_left_and_a_request_without_upstream() {
        let mut parser = text_parsers(&stamps()).remove(0);
        let line = LINE.replace("204 -", "0 DC").replace("226 100", "226 -").replace("tcp://10.0.2.1:80", "-");
        let record = request(parser.as_mut(), &line);
        assert_eq!((record.status, record.aborted, record.upstream_us, record.upstream), (0, true, None, None));
    }

    #[test]
    fn istios_line_is_read() {
        let line = r#"[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 3 1 "-" "curl/7.73.0-DEV" "84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" "127.0.0.1:80" inbound|8000|| 127.0.0.1:41854 10.44.1.27:80 203.0.113.7:37652 outbound_.8000_._.httpbin.foo.svc.cluster.local default"#;
        let mut parser = text_parsers(&stamps()).remove(1);
        let record = request(parser.as_mut(), line);
        assert_eq!((record.status, record.wall_us, record.upstream_us), (418, Some(3000), Some(1000)));
        assert_eq!((record.address, record.upstream.as_deref()), (Some(&b"203.0.113.7"[..]), Some(&b"127.0.0.1:80"[..])));
        for cut in 1..line.len() - 8 {
            assert!(malformed(parser.as_mut(), &line[..cut]).column <= cut);
        }
    }

    #[test]
    fn a_format_of_ones_own_may_have_dates_and_lengths() {
        let mut own = parser(
            r#""[%START_TIME(%Y/%m/%d %H:%M:%S.%3f)%] %REQ(:METHOD)% %PATH(NQ)% %RESPONSE_CODE% %DURATION%ms %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% \"%REQ(USER-AGENT):200%\"\n""#,
            stamps(),
        )
        .unwrap();
        let record = request(own.as_mut(), r#"[2016/04/15 20:17:00.310] GET /a b 200 30004ms 2001:db8::1 "Element "x" 1""#);
        assert_eq!((record.arrival_us(), record.wall_us, text(&record.target)), (Some(AT), Some(30_004_000), "/a b".into()));
        assert_eq!((record.address, text(&record.agent.unwrap())), (Some(&b"2001:db8::1"[..]), "Element \"x\" 1".into()));
        for (form, value) in [("%s.%3f", "1460751420.310"), ("%s%3f", "1460751420310"), ("%s%9f", "1460751420310000000")] {
            let mut own = parser(&format!("%START_TIME({form})% %REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE%"), stamps()).unwrap();
            assert_eq!(request(own.as_mut(), &format!("{value} GET /a 200")).arrival_us(), Some(AT), "{form}");
        }
    }

    #[test]
    fn a_bad_format_is_shown_with_a_caret() {
        let error = |expression: &str| parser(expression, stamps()).err().unwrap().to_string();
        assert!(error("%RESPONSE_CODE%").starts_with("the format logs no request"));
        assert!(error("%START_TIME(%Q)% %REQ(:PATH)%").starts_with("`%Q` in a date cannot be read"));
        assert!(error("%START_TIME% % %REQ(:PATH)%").contains("needs a command"));
        assert!(!is_format("%h %l %r") && !is_format("%ci %ST"));
    }
}
