//! The format strings of `--log-format`: nginx's `$name`, Apache's and lighttpd's `%h`, HAProxy's `%ci`, Envoy's `%REQ(:METHOD)%`.
//!
//! Owns which server an expression is of, and what all formats made of [`Piece`]s share.

use super::error::FormatError;
use super::nginx_json::NginxJson;
use super::pattern::{Pattern, Piece, TextParser};
use super::variable::Variable;
use super::{apache, envoy, haproxy_format, json_template, nginx};
use crate::escape::Escape;
use crate::{Parser, StampReader};

/// The parser of the lines that a format string describes.
///
/// # Errors
/// The expression cannot be read, with a caret under the position.
pub fn parser(expression: &str, stamps: StampReader) -> Result<Box<dyn Parser>, FormatError> {
    if nginx::is_format(expression) {
        nginx_parser(&nginx::LogFormat::parse(expression)?, "nginx log_format", stamps)
    } else if envoy::is_format(expression) {
        envoy::parser(expression, stamps)
    } else if haproxy_format::is_format(expression) {
        haproxy_format::parser(expression, stamps)
    } else {
        apache::LogFormat::parse(expression)?.any_parser("apache LogFormat", stamps)
    }
}

/// The parser of an nginx `log_format`.
///
/// # Errors
/// The format logs no request, or its fields cannot be distinguished.
pub fn nginx_parser(format: &nginx::LogFormat, name: &str, stamps: StampReader) -> Result<Box<dyn Parser>, FormatError> {
    if format.is_json() {
        Ok(Box::new(NginxJson::from_fields(format.json_fields()?, stamps)))
    } else {
        Ok(Box::new(format.parser(name, stamps)?))
    }
}

/// The parser of a format of `pieces`, which came from `text`.
///
/// # Errors
/// The format logs no request, or its fields cannot be distinguished.
pub(super) fn from_pieces(
    pieces: &[Piece],
    text: &str,
    name: &str,
    escape: Escape,
    stamps: StampReader,
) -> Result<Box<dyn Parser>, FormatError> {
    let json = json_template::is_json(pieces);
    let fields = if json { json_template::fields(pieces).map_err(|problem| FormatError::new(problem, text, 0))? } else { Vec::new() };
    let logged: Vec<Variable> = if json {
        fields.iter().map(|(_, variable)| *variable).collect()
    } else {
        pieces.iter().filter_map(|piece| if let Piece::Field(variable, _) = piece { Some(*variable) } else { None }).collect()
    };
    if !logged.iter().any(|variable| matches!(variable, Variable::RequestLine | Variable::Target | Variable::Path)) {
        return Err(FormatError::new("the format logs no request: it needs the request line, or the method and the path", text, 0));
    }
    if json {
        return Ok(Box::new(NginxJson::from_fields(fields, stamps).named(&format!("{name} (JSON)"))));
    }
    let pattern = Pattern::compile(pieces, escape).map_err(|touching| touching.error(text))?;
    Ok(Box::new(TextParser::new(name, pattern, stamps)))
}

/// A format string as it is written in a configuration file, without keyword, quotes around it, their backslashes, and an end of line.
pub(super) fn unquoted(text: &str, keyword: &str) -> String {
    let text = text.trim();
    let text = text.strip_prefix(keyword).map_or(text, str::trim_start);
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.is_empty());
    // `"%r" %ST "%s"` begins and ends with quotes that belong to its fields.
    let whole = |inner: &&str| !inner.replace("\\\"", "").contains('"');
    let (body, quoted) = match (inner('\''), inner('"').filter(whole)) {
        (Some(body), _) => (body, false),
        (None, Some(body)) => (body, true),
        _ => (text, true),
    };
    let body = if quoted { body.replace("\\\"", "\"").replace("\\ ", " ") } else { body.to_owned() };
    body.strip_suffix("\\n").unwrap_or(&body).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::{request, stamps};

    #[test]
    fn an_expression_shows_its_server() {
        for (expression, name) in [
            (r#"$remote_addr [$time_local] "$request" $status"#, "nginx log_format"),
            (r#"%h %l %u %t \"%r\" %>s %b %D"#, "apache LogFormat"),
            (
                "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r",
                "haproxy log-format",
            ),
            (r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %RESPONSE_CODE% %DURATION%"#, "envoy format"),
            (r#"{"a":"%h","r":"%r","s":%>s}"#, "apache LogFormat (JSON)"),
            (r#"{"client":"%ci","r":"%HM %HU","s":%ST,"t":%Ta}"#, "haproxy log-format (JSON)"),
            (r#"{"p":"%REQ(:PATH)%","m":"%REQ(:METHOD)%","d":"%DURATION%"}"#, "envoy format (JSON)"),
        ] {
            assert_eq!(parser(expression, stamps()).unwrap().name(), name, "{expression}");
        }
    }

    #[test]
    fn quotes_of_the_configuration_are_removed() {
        assert_eq!(unquoted("log-format \"%ci \\\"%r\\\"\"", "log-format"), "%ci \"%r\"");
        assert_eq!(unquoted("log-format %ci\\ %r", "log-format"), "%ci %r");
        assert_eq!(unquoted("'{\"a\":\"%ci\"}'", "log-format"), "{\"a\":\"%ci\"}");
        assert_eq!(unquoted("\"%r\" x \"%s\"", "log-format"), "\"%r\" x \"%s\"");
    }

    #[test]
    fn an_apache_json_format_is_read() {
        let mut parser = parser(r#"{"time":"%{%Y-%m-%dT%T}t","m":"%m","u":"%U%q","st":%>s,"us":%D}"#, stamps()).unwrap();
        let line = r#"{"time":"2026-01-02T15:04:05","m":"GET","u":"/_matrix/client/versions?x=1","st":200,"us":2310}"#;
        let record = request(parser.as_mut(), line);
        assert_eq!((record.status, record.wall_us, &*record.target), (200, Some(2310), &b"/_matrix/client/versions?x=1"[..]));
        assert_eq!(record.stamp.map(|stamp| stamp.micros), Some(1_767_366_245_000_000));
    }

    proptest::proptest! {
        #[test]
        fn any_expression_is_compiled_or_refused(text in "[ -~é]{0,50}", pieces in proptest::collection::vec(0usize..PARTS.len(), 0..8), line in "[ -~]{0,60}") {
            let known: String = pieces.into_iter().map(|index| PARTS[index]).collect();
            for expression in [text.as_str(), known.as_str(), &format!("{known}{text}")] {
                let parsers = [parser(expression, stamps()), envoy::parser(expression, stamps()), haproxy_format::parser(expression, stamps())];
                for mut parser in parsers.into_iter().flatten() {
                    let _ = parser.parse(line.as_bytes());
                    let _ = parser.parse(b"::1 [02/Jan/2026:15:04:05.123] b/s 0/0/1/2/3 200 {a|b} \"GET / HTTP/1.1\" 2026-01-02 15:04:05");
                }
            }
        }
    }

    const PARTS: [&str; 14] = [
        "%ci ",
        "[%tr]",
        " %b/%s ",
        "%TR/%Ta",
        " %hr",
        " %{+Q}r",
        "%[date,utime(\"%Y %m\")]",
        "%START_TIME(%Y-%m-%d %H:%M)%",
        " %REQ(:PATH)% ",
        "%h ",
        "%{%T}t",
        "{\"a\":\"",
        "\"}",
        "$request ",
    ];
}
