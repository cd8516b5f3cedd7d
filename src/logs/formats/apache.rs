//! Apache httpd access logs: the nicknames of its configuration and any `LogFormat` string.
//!
//! A format is given as in the configuration file, whole or in part; quotes may be escaped as there or plain:
//!
//! ```text
//! %h %l %u %t "%r" %>s %b %D
//! "%h %l %u %t \"%r\" %>s %b"
//! LogFormat "%v:%p %h %l %u %t \"%r\" %>s %O" vhost_common
//! combined
//! ```
//!
//! lighttpd's `accesslog.format` has the same directives and escapes; its `%t` is the end of the request.
//!
//! Source: Apache httpd 2.4 manual, `mod_log_config` and `mod_logio`; escapes: `ap_escape_logitem` in `server/util.c`; lighttpd 1.4
//! documentation, `mod_accesslog`.
//! `%t` is the start of the request, also where the line is written at its end.

use nom::IResult;
use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while1};
use nom::character::complete::{anychar, char, multispace0, multispace1, one_of, satisfy};
use nom::combinator::{map, opt, recognize, rest, value};
use nom::multi::{many0, many0_count};
use nom::sequence::{delimited, preceded};

use super::date_parts;
use super::error::FormatError;
use super::expression::from_pieces;
use super::pattern::{Pattern, Piece, TextParser};
use super::variable::{Clock, Unit, Variable};
use crate::escape::Escape;
use crate::{Parser, StampMeaning, StampReader};

pub const COMMON: &str = r#"%h %l %u %t "%r" %>s %b"#;
pub const COMBINED: &str = r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#;
/// Debian's `vhost_combined`.
pub const VHOST_COMBINED: &str = r#"%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i""#;
/// The manual's `combinedio`.
pub const COMBINED_IO: &str = r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %I %O"#;

/// lighttpd's default, whose `%t` is the end of the request.
pub const LIGHTTPD: &str = r#"%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#;

/// A parsed `LogFormat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFormat {
    text: String,
    pieces: Vec<Piece>,
}

impl LogFormat {
    /// Parses a format given in any of the ways above.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let text = argument(text.trim());
        let text = NICKNAMES.iter().find(|(name, _)| *name == text).map_or(text, |(_, format)| (*format).to_owned());
        let mut pieces = Vec::new();
        let mut left = text.as_str();
        while !left.is_empty() {
            let at = text.len() - left.len();
            let (after, item) =
                item(left).map_err(|_| FormatError::new("a `%` here needs a directive, such as %h or %{User-Agent}i", &text, at))?;
            item.into_pieces(at, &mut pieces).map_err(|problem| FormatError::new(format!("{problem} cannot be read"), &text, at))?;
            left = after;
        }
        date_parts::check(&pieces).map_err(|problem| FormatError::new(format!("{problem} is no time stamp"), &text, 0))?;
        let format = Self { pieces: tidy(pieces), text };
        if format.variables().any(|variable| matches!(variable, Variable::RequestLine | Variable::Target | Variable::Path)) {
            Ok(format)
        } else {
            Err(FormatError::new("the format logs no request: it needs %r, or %m with %U%q", &format.text, 0))
        }
    }

    /// The text of the format without the configuration's quotes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A parser for lines of this format.
    pub fn parser(&self, name: &str, stamps: StampReader) -> Result<TextParser, FormatError> {
        let pattern = Pattern::compile(&self.pieces, Escape::Apache).map_err(|touching| touching.error(&self.text))?;
        Ok(TextParser::new(name, pattern, stamps))
    }

    /// A parser for lines of this format, which may be JSON.
    ///
    /// # Errors
    /// The fields cannot be distinguished.
    pub fn any_parser(&self, name: &str, stamps: StampReader) -> Result<Box<dyn Parser>, FormatError> {
        from_pieces(&self.pieces, &self.text, name, Escape::Apache, stamps)
    }

    fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        self.pieces.iter().filter_map(|piece| if let Piece::Field(variable, _) = piece { Some(*variable) } else { None })
    }
}

pub fn common(stamps: StampReader) -> TextParser {
    predefined("apache common", COMMON, stamps)
}

pub fn combined(stamps: StampReader) -> TextParser {
    predefined("apache combined", COMBINED, stamps)
}

/// Debian's `vhost_combined`.
pub fn vhost_combined(stamps: StampReader) -> TextParser {
    predefined("apache vhost combined", VHOST_COMBINED, stamps)
}

/// lighttpd's default format.
pub fn lighttpd(stamps: StampReader) -> TextParser {
    predefined("lighttpd", LIGHTTPD, stamps).with_meaning(StampMeaning::End)
}

fn predefined(name: &str, format: &str, stamps: StampReader) -> TextParser {
    #[expect(clippy::expect_used, reason = "the predefined formats are constants, each compiled by a test")]
    LogFormat::parse(format).and_then(|format| format.parser(name, stamps)).expect("a predefined format compiles")
}

/// One item of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(String),
    Directive { argument: Option<String>, letter: String },
}

impl Item {
    /// # Errors
    /// The part of a time that cannot be read.
    fn into_pieces(self, at: usize, pieces: &mut Vec<Piece>) -> Result<(), String> {
        let (argument, letter) = match self {
            Self::Text(text) => {
                pieces.push(Piece::Literal(text.into_bytes()));
                return Ok(());
            }
            Self::Directive { argument, letter } => (argument, letter),
        };
        match (letter.as_str(), argument.as_deref()) {
            ("t", None) => pieces.extend([
                Piece::Literal(b"[".to_vec()),
                Piece::Field(Variable::Time(Clock::Common, StampMeaning::Start), at),
                Piece::Literal(b"]".to_vec()),
            ]),
            ("t", Some(argument)) => time_pieces(argument, at, pieces)?,
            (letter, argument) => pieces.push(Piece::Field(meaning(letter, argument), at)),
        }
        Ok(())
    }
}

/// The meaning of a directive other than `%t`.
fn meaning(letter: &str, argument: Option<&str>) -> Variable {
    match (letter, argument) {
        ("h" | "a", None) => Variable::Address,
        ("u", _) => Variable::User,
        ("r", _) => Variable::RequestLine,
        ("m", _) => Variable::Method,
        ("U", _) => Variable::Path,
        ("q", _) => Variable::Query,
        ("s", _) => Variable::Status,
        ("b" | "B" | "O", _) => Variable::BytesSent,
        ("I", _) => Variable::BytesReceived,
        ("D", _) | ("T", Some("us")) => Variable::Wall(Unit::Micros),
        ("T", Some("ms")) => Variable::Wall(Unit::Millis),
        ("T", _) => Variable::Wall(Unit::Seconds),
        ("v" | "V", _) => Variable::Site,
        ("X", _) => Variable::ConnectionState,
        ("i", Some(header)) => header_meaning(header),
        ("e", Some("BALANCER_WORKER_NAME")) => Variable::UpstreamAddress,
        ("e", Some("UNIQUE_ID")) => Variable::RequestIdText,
        ("a" | "h" | "A" | "H" | "k" | "l" | "L" | "p" | "P" | "S" | "^FB", _) => Variable::IgnoredWord,
        _ => Variable::Ignored,
    }
}

pub(super) fn header_meaning(name: &str) -> Variable {
    match name.to_ascii_lowercase().as_str() {
        "user-agent" => Variable::Agent,
        "referer" => Variable::Referrer,
        "authorization" => Variable::Authorization,
        "x-forwarded-for" | "x-real-ip" => Variable::ForwardedFor,
        "host" => Variable::Site,
        "x-request-id" => Variable::RequestIdText,
        _ => Variable::Ignored,
    }
}

/// `%{…}t`: a number, a fraction, or strftime conversions with text around them.
fn time_pieces(argument: &str, at: usize, pieces: &mut Vec<Piece>) -> Result<(), String> {
    let (meaning, form) = match (argument.strip_prefix("end:"), argument.strip_prefix("begin:")) {
        (Some(form), _) => (StampMeaning::End, form),
        (_, Some(form)) => (StampMeaning::Start, form),
        _ => (StampMeaning::Start, argument),
    };
    let number = match form {
        "sec" | "%s" => Some(Variable::Time(Clock::Epoch(Unit::Seconds), meaning)),
        "msec" => Some(Variable::Time(Clock::Epoch(Unit::Millis), meaning)),
        "usec" => Some(Variable::Time(Clock::Epoch(Unit::Micros), meaning)),
        "msec_frac" => Some(Variable::Fraction(Unit::Millis)),
        "usec_frac" => Some(Variable::Fraction(Unit::Micros)),
        "%z" => Some(Variable::ZoneOffset),
        _ => None,
    };
    if let Some(variable) = number {
        pieces.push(Piece::Field(variable, at));
        return Ok(());
    }
    let known = form.replace("%T", "%H:%M:%S").replace("%F", "%Y-%m-%d");
    let found = STRFTIME.iter().find_map(|(form, clock)| Some((known.split_once(form)?, *clock)));
    match found {
        Some(((before, after), clock)) if !before.contains('%') && !after.contains('%') => pieces.extend([
            Piece::Literal(before.as_bytes().to_vec()),
            Piece::Field(Variable::Time(clock, meaning), at),
            Piece::Literal(after.as_bytes().to_vec()),
        ]),
        _ => pieces.extend(date_parts::pieces(form, meaning, at)?),
    }
    Ok(())
}

/// Removes empty literals, makes `%U%q` a single value, and keeps only the last of `%s` and `%>s`, which by custom is the final status.
fn tidy(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut tidied: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (&piece, tidied.last_mut()) {
            (Piece::Literal(text), _) if text.is_empty() => {}
            (Piece::Field(Variable::Query, _), Some(Piece::Field(path @ Variable::Path, _))) => *path = Variable::Target,
            _ => tidied.push(piece),
        }
    }
    tidied
}

/// The argument of a `LogFormat` directive, without keyword, quotes, nickname and the quotes' backslashes.
fn argument(text: &str) -> String {
    let keyword: IResult<&str, &str> = preceded((tag_no_case("LogFormat"), multispace1), rest).parse(text);
    let is_directive = keyword.is_ok();
    let body = keyword.map_or(text, |(_, body)| body);
    let nickname = (multispace0, take_while(|c: char| !c.is_whitespace() && c != '"' && c != '%'), multispace0, nom::combinator::eof);
    let whole: IResult<&str, (&str, _)> = (quoted, nickname).parse(body);
    match whole {
        Ok((_, (inner, _))) if is_directive || inner.contains("\\\"") || inner.contains(' ') => unquoted(inner),
        _ => unquoted(body),
    }
}

fn quoted(text: &str) -> IResult<&str, &str> {
    let escape = || value((), (char('\\'), anychar));
    let inside = recognize(many0_count(alt((escape(), value((), satisfy(|c| c != '"' && c != '\\'))))));
    delimited(char('"'), inside, char('"')).parse(text)
}

/// `mod_log_config`'s escapes in a format string: `\"`, `\\`, `\n`, `\t`, `\r`.
fn unquoted(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some(quote @ ('"' | '\\')) => plain.push(quote),
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

/// `%%`, text, or `%400,501>{argument}i`: modifiers and the argument in any order, as `parse_log_item` accepts them.
fn item(text: &str) -> IResult<&str, Item> {
    enum Modifier<'t> {
        Argument(&'t str),
        Other,
    }
    let argument = delimited(char('{'), take_while(|c| c != '}'), char('}'));
    let statuses = recognize((opt(char('!')), take_while1(|c: char| c.is_ascii_digit() || c == ',')));
    let modifier =
        alt((map(argument, Modifier::Argument), value((), statuses).map(|()| Modifier::Other), one_of("<>!").map(|_| Modifier::Other)));
    let letter = alt((recognize((char('^'), anychar, anychar)), recognize(satisfy(|c| c.is_ascii_alphabetic()))));
    let directive = map((char('%'), many0(modifier), letter), |(_, modifiers, letter): (_, Vec<Modifier<'_>>, &str)| Item::Directive {
        argument: modifiers.into_iter().find_map(|modifier| match modifier {
            Modifier::Argument(argument) => Some(argument.to_owned()),
            Modifier::Other => None,
        }),
        letter: letter.to_owned(),
    });
    alt((
        map(tag("%%"), |_| Item::Text("%".to_owned())),
        directive,
        map(take_while1(|c| c != '%'), |text: &str| Item::Text(text.to_owned())),
    ))
    .parse(text)
}

const NICKNAMES: [(&str, &str); 5] =
    [("common", COMMON), ("combined", COMBINED), ("vhost_combined", VHOST_COMBINED), ("combinedio", COMBINED_IO), ("lighttpd", LIGHTTPD)];

/// The strftime formats that administrators use, longer ones first.
const STRFTIME: [(&str, Clock); 6] = [
    ("%d/%b/%Y:%H:%M:%S %z", Clock::Common),
    ("%d/%b/%Y:%H:%M:%S", Clock::CommonLocal),
    ("%Y-%m-%dT%H:%M:%S%z", Clock::Iso),
    ("%Y-%m-%dT%H:%M:%SZ", Clock::Iso),
    ("%Y-%m-%dT%H:%M:%S", Clock::Iso),
    ("%Y-%m-%d %H:%M:%S", Clock::IsoSpaced),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::{malformed, request, stamps, text};

    const ROOT: i64 = 1_767_366_215_000_000; // 02/Jan/2026:15:03:35 +0000

    fn parser(format: &str) -> TextParser {
        LogFormat::parse(format).unwrap().parser("test", stamps()).unwrap()
    }

    #[test]
    fn the_stamp_is_the_start_and_escaped_quotes_are_undone() {
        let mut parser = combined(stamps());
        let record = request(
            &mut parser,
            r#"203.0.113.7 - - [02/Jan/2026:15:03:35 +0000] "GET /_matrix/client/v3/sync?timeout=30000 HTTP/1.1" 200 640 "-" "Element \"q\"""#,
        );
        assert_eq!(record.stamp.unwrap().meaning, StampMeaning::Start);
        assert_eq!(record.arrival_us(), Some(ROOT));
        assert_eq!(text(&record.target), "/_matrix/client/v3/sync?timeout=30000");
        assert_eq!(text(&record.agent.unwrap()), "Element \"q\"");
        assert_eq!(record.bytes_sent, Some(640));
    }

    #[test]
    fn a_timed_vhost_line_has_its_duration_in_microseconds() {
        let mut parser = parser(r#"%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i" %D"#);
        let record = request(
            &mut parser,
            r#"matrix.example.org:443 203.0.113.7 - - [02/Jan/2026:15:03:35 +0000] "GET /_matrix/client/versions HTTP/2.0" 200 1042 "-" "curl/8.5.0" 2310"#,
        );
        assert_eq!((record.wall_us, record.site), (Some(2310), Some(&b"matrix.example.org"[..])));
    }

    #[test]
    fn a_connection_without_a_request_line_is_a_request() {
        let mut parser = common(stamps());
        let record = request(&mut parser, r#"203.0.113.7 - - [02/Jan/2026:15:03:35 +0000] "-" 408 -"#);
        assert_eq!((record.status, record.method, &*record.target, record.bytes_sent), (408, &b""[..], &b""[..], None));
    }

    #[test]
    fn a_format_may_be_written_as_in_the_configuration_file() {
        let plain = LogFormat::parse(COMBINED).unwrap();
        for written in [
            r#""%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"""#,
            r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#,
            r#"LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined"#,
            "combined",
        ] {
            assert_eq!(LogFormat::parse(written).unwrap(), plain, "{written}");
        }
    }

    #[test]
    fn every_notation_of_the_duration_is_read() {
        for (directive, value, wall) in
            [("%D", "2310", 2310), ("%T", "3", 3_000_000), ("%{s}T", "3", 3_000_000), ("%{ms}T", "30001", 30_001_000), ("%{us}T", "17", 17)]
        {
            let mut parser = parser(&format!("%r %>s {directive}"));
            let line = format!("GET / HTTP/1.1 200 {value}");
            assert_eq!(request(&mut parser, &line).wall_us, Some(wall), "{directive}");
        }
        let mut both = parser("%r %>s D=%D T=%T");
        assert_eq!(request(&mut both, "GET / HTTP/1.1 200 D=3141592 T=3").wall_us, Some(3_141_592));
        let mut both = parser("%r %>s T=%T D=%D");
        assert_eq!(request(&mut both, "GET / HTTP/1.1 200 T=3 D=3141592").wall_us, Some(3_141_592));
    }

    #[test]
    fn every_notation_of_the_time_is_read() {
        for (directive, value, micros, resolution_us, meaning) in [
            ("%t", "[02/Jan/2026:15:03:35 +0000]", 0, 1_000_000, StampMeaning::Start),
            ("%{begin:sec}t", "1767366215", 0, 1_000_000, StampMeaning::Start),
            ("%{end:msec}t", "1767366215123", 123_000, 1000, StampMeaning::End),
            ("%{usec}t", "1767366215123456", 123_456, 1, StampMeaning::Start),
            ("%{sec}t.%{usec_frac}t", "1767366215.123456", 123_456, 1, StampMeaning::Start),
            ("%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t", "02/Jan/2026:16:03:35.123 +0100", 123_000, 1000, StampMeaning::Start),
            ("%{[%d/%b/%Y:%H:%M:%S %z]}t", "[02/Jan/2026:16:03:35 +0100]", 0, 1_000_000, StampMeaning::Start),
            ("%{end:%Y-%m-%dT%H:%M:%S%z}t", "2026-01-02T16:03:35+0100", 0, 1_000_000, StampMeaning::End),
            ("%{%F %T}t", "2026-01-02 15:03:35", 0, 1_000_000, StampMeaning::Start),
            ("%{%F %T %z}t", "2026-01-02 16:03:35 +0100", 0, 1_000_000, StampMeaning::Start),
            ("%{%d/%b/%Y}t %{%T}t.%{msec_frac}t %{%z}t", "02/Jan/2026 16:03:35.123 +0100", 123_000, 1000, StampMeaning::Start),
            ("%{end:%a %b %e %H:%M:%S %Y}t", "Fri Jan  2 15:03:35 2026", 0, 1_000_000, StampMeaning::End),
        ] {
            let mut parser = parser(&format!("{directive} \"%r\" %>s"));
            let line = format!("{value} \"GET / HTTP/1.1\" 200");
            let stamp = request(&mut parser, &line).stamp.unwrap();
            assert_eq!((stamp.micros, stamp.resolution_us, stamp.meaning), (ROOT + micros, resolution_us, meaning), "{directive}");
        }
    }

    #[test]
    fn lighttpds_stamp_is_the_end() {
        let mut parser = lighttpd(stamps());
        let line =
            r#"192.0.2.7 matrix.example.org - [02/Jan/2026:15:03:35 +0000] "GET /_matrix/client/versions HTTP/1.1" 200 900 "-" "curl/8""#;
        let record = request(&mut parser, line);
        assert_eq!((record.stamp.unwrap().meaning, record.site), (StampMeaning::End, Some(&b"matrix.example.org"[..])));
    }

    #[test]
    fn the_parts_of_a_request_make_a_target() {
        let mut parser = parser(r#"%m %U%q %H %>s "%{c}a" %{X-Forwarded-For}i"#);
        let record = request(&mut parser, r#"GET /_matrix/client/v3/sync?since=a HTTP/1.1 200 "-" 198.51.100.1, 10.0.0.1"#);
        assert_eq!((text(record.method), text(&record.target)), ("GET".into(), "/_matrix/client/v3/sync?since=a".into()));
        assert_eq!(record.address, Some(&b"198.51.100.1"[..]));
    }

    #[test]
    fn modifiers_balancers_and_connection_states_are_understood() {
        let mut parser = parser(r#"%h "%r" %>s "%400,501{User-agent}i" %!200,304{Referer}i worker=%{BALANCER_WORKER_NAME}e X=%X 100%%"#);
        let record = request(&mut parser, r#"::1 "GET / HTTP/1.1" 200 "curl" - worker=http://127.0.0.1:8082 X=X 100%"#);
        assert_eq!(record.upstream.as_deref(), Some(&b"127.0.0.1:8082"[..]));
        assert!(record.aborted);
        let record = request(&mut parser, r#"::1 "GET / HTTP/1.1" 200 "-" - worker=- X=+ 100%"#);
        assert_eq!((record.upstream, record.upstream_tries, record.aborted), (None, 0, false));
    }

    #[test]
    fn a_bad_format_is_shown_with_a_caret() {
        assert_eq!(
            LogFormat::parse("%h %").unwrap_err().to_string(),
            "a `%` here needs a directive, such as %h or %{User-Agent}i\n  %h %\n     ^"
        );
        assert!(LogFormat::parse("%{%H:%M}t %r").unwrap_err().to_string().starts_with("a date without year is no time stamp"));
        assert!(LogFormat::parse("%{%Q}t %r").unwrap_err().to_string().starts_with("`%Q` in a date cannot be read"));
        assert!(LogFormat::parse("%h %t").unwrap_err().to_string().contains("logs no request"));
        let touching = LogFormat::parse("%h%r").unwrap().parser("x", stamps()).unwrap_err().to_string();
        assert!(touching.ends_with("\n  %h%r\n    ^"), "{touching}");
    }

    #[test]
    fn a_line_without_one_of_its_quotes_is_malformed() {
        let line = r#"203.0.113.7 - - [02/Jan/2026:15:03:35 +0000] "GET / HTTP/1.1" 200 640 "-" "Element \"q\"""#;
        let mut parser = combined(stamps());
        request(&mut parser, line);
        for (at, _) in line.match_indices('"').filter(|(at, _)| line.as_bytes()[at - 1] != b'\\') {
            let mut broken = line.to_owned();
            broken.remove(at);
            malformed(&mut parser, &broken);
        }
    }
}
