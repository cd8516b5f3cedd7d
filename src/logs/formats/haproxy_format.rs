//! HAProxy's `log-format` strings, in text and JSON.
//!
//! Owns the variables, flags and sample expressions; the meaning of `%[…]` is guessed from the names in it. A captured header's meaning is
//! shown by its form only.
//!
//! Source: HAProxy configuration manual 3.2, section 8.2.6 (custom log format) and 7.3 (sample fetches).

use super::apache::header_meaning;
use super::date_parts;
use super::error::FormatError;
use super::expression::{from_pieces, unquoted};
use super::pattern::Piece;
use super::variable::{Clock, Timer, Unit, Variable};
use crate::escape::Escape;
use crate::{Parser, StampMeaning, StampReader};

/// Whether an expression has what only HAProxy's formats have: a sample expression, flags, or a variable of several letters.
pub fn is_format(expression: &str) -> bool {
    expression.trim_start().starts_with("log-format")
        || expression.match_indices('%').any(|(at, _)| {
            let rest = &expression[at + 1..];
            rest.starts_with('[') || rest.starts_with("{+") || rest.starts_with("{-") || {
                let name = name_of(rest);
                name.len() > 1 && meaning(name).is_some()
            }
        })
}

/// The parser of the lines that a `log-format` describes.
///
/// # Errors
/// The expression cannot be read.
pub fn parser(expression: &str, stamps: StampReader) -> Result<Box<dyn Parser>, FormatError> {
    let text = unquoted(expression, "log-format");
    let pieces = pieces(&text)?;
    from_pieces(&pieces, &text, "haproxy log-format", Escape::Haproxy, stamps)
}

fn pieces(text: &str) -> Result<Vec<Piece>, FormatError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut literal = String::new();
    let mut always_quoted = false;
    let mut left = text;
    while let Some(character) = left.chars().next() {
        let at = text.len() - left.len();
        if character != '%' {
            literal.push(character);
            left = &left[character.len_utf8()..];
            continue;
        }
        if let Some(rest) = left.strip_prefix("%%") {
            literal.push('%');
            left = rest;
            continue;
        }
        let item =
            Item::read(&left[1..]).ok_or_else(|| FormatError::new("a `%` here needs a variable, such as %ci or %[src]", text, at))?;
        left = item.rest;
        if item.name == "o" {
            always_quoted = item.quoted.unwrap_or(always_quoted);
            continue;
        }
        let variables = item.variables(at).map_err(|problem| FormatError::new(problem, text, at))?;
        let textual = !matches!(
            variables.as_slice(),
            [Piece::Field(Variable::Status | Variable::BytesSent | Variable::Timer(_) | Variable::Captures | Variable::Time(..), _)]
        );
        let quote = if item.quoted.unwrap_or(always_quoted && textual) { "\"" } else { "" };
        literal.push_str(quote);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal).into_bytes()));
        }
        pieces.extend(variables);
        literal.push_str(quote);
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into_bytes()));
    }
    Ok(joined(pieces))
}

/// `%Ts%ms` is one number, and so are a path and the query after it. HAProxy writes no blank at the start of a line.
fn joined(mut pieces: Vec<Piece>) -> Vec<Piece> {
    if let Some(Piece::Literal(text)) = pieces.first_mut() {
        *text = text.trim_ascii_start().to_vec();
    }
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (&piece, joined.last_mut()) {
            (Piece::Field(Variable::Fraction(Unit::Millis), _), Some(Piece::Field(Variable::Time(Clock::Epoch(unit), _), _))) => {
                *unit = Unit::Millis;
            }
            (Piece::Field(Variable::Query, _), Some(Piece::Field(Variable::Target, _))) => {}
            _ => joined.push(piece),
        }
    }
    joined
}

/// One `%…` of a format, without its percent sign.
struct Item<'t> {
    /// A variable's name, or a sample expression.
    name: &'t str,
    is_sample: bool,
    /// `%{+Q}` or `%{-Q}`.
    quoted: Option<bool>,
    rest: &'t str,
}

impl<'t> Item<'t> {
    fn read(text: &'t str) -> Option<Self> {
        let mut rest = text;
        let mut quoted = None;
        // `%(name:type)` names an item for the JSON and CBOR encodings.
        if let Some(inner) = rest.strip_prefix('(') {
            rest = &inner[inner.find(')')? + 1..];
        }
        if let Some(inner) = rest.strip_prefix('{') {
            let end = inner.find('}')?;
            let flags = &inner[..end];
            quoted = if flags.contains("+Q") { Some(true) } else { flags.contains("-Q").then_some(false) };
            rest = &inner[end + 1..];
        }
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner)?;
            return Some(Self { name: &inner[..end], is_sample: true, quoted, rest: &inner[end + 1..] });
        }
        let name = name_of(rest);
        (!name.is_empty()).then(|| Self { name, is_sample: false, quoted, rest: &rest[name.len()..] })
    }

    fn variables(&self, at: usize) -> Result<Vec<Piece>, String> {
        if let (true, Some(pattern)) = (self.is_sample, date_pattern(self.name)) {
            let pieces = date_parts::pieces(pattern, StampMeaning::End, at).map_err(|problem| format!("{problem} cannot be read"))?;
            return date_parts::check(&pieces).map(|()| pieces).map_err(|problem| format!("{problem} is no time stamp"));
        }
        let variable = if self.is_sample { Some(sample_meaning(self.name)) } else { meaning(self.name) }
            .ok_or_else(|| format!("`%{}` is no variable of HAProxy", self.name))?;
        Ok(vec![Piece::Field(variable, at)])
    }
}

/// The index of the bracket that closes a sample expression, outside its quotes.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None, ']') => return Some(index),
            _ => {}
        }
    }
    None
}

fn name_of(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len())]
}

fn meaning(name: &str) -> Option<Variable> {
    let start = StampMeaning::Start;
    Some(match name {
        "B" => Variable::BytesSent,
        "U" => Variable::BytesReceived,
        "ST" => Variable::Status,
        "HM" => Variable::Method,
        "HU" | "HP" | "HPO" => Variable::Target,
        "HQ" => Variable::Query,
        "r" => Variable::RequestLine,
        "b" => Variable::Backend,
        "s" => Variable::Server,
        "si" => Variable::UpstreamAddress,
        "ci" => Variable::Address,
        "ID" => Variable::RequestIdText,
        "ts" | "tsc" => Variable::TerminationState,
        "hr" | "hs" => Variable::Captures,
        "t" | "tr" => Variable::Time(Clock::CommonLocal, start),
        "T" | "Tl" | "trg" | "trl" => Variable::Time(Clock::Common, start),
        "Ts" => Variable::Time(Clock::Epoch(Unit::Seconds), start),
        "ms" => Variable::Fraction(Unit::Millis),
        "Th" => Variable::Timer(Timer::Handshake),
        "Ti" => Variable::Timer(Timer::Idle),
        "TR" => Variable::Timer(Timer::Receive),
        "Tq" => Variable::Timer(Timer::Request),
        "Tw" => Variable::Timer(Timer::Queue),
        "Tc" => Variable::Timer(Timer::Connect),
        "Tr" => Variable::Timer(Timer::Response),
        "Ta" => Variable::Timer(Timer::Active),
        "Tt" => Variable::Timer(Timer::Total),
        "CC" | "CS" | "H" | "HV" | "OG" | "Td" | "Tu" | "ac" | "bc" | "bi" | "bp" | "bq" | "cp" | "f" | "fc" | "fi" | "fp" | "ft"
        | "lc" | "pid" | "rc" | "rt" | "sc" | "sp" | "sq" | "sslc" | "sslv" => Variable::IgnoredWord,
        "hrl" | "hsl" => Variable::Ignored,
        "o" => Variable::IgnoredWord,
        _ => return None,
    })
}

/// The meaning of `%[…]`, by the fetch method or the name of the variable that the administrator filled.
fn sample_meaning(sample: &str) -> Variable {
    let (fetch, arguments) = sample.split_once('(').unwrap_or((sample.split(',').next().unwrap_or(sample), ""));
    let argument = arguments.split([')', ',']).next().unwrap_or_default().trim();
    let date = |meaning| match argument {
        "ms" => Variable::Time(Clock::Epoch(Unit::Millis), meaning),
        "us" => Variable::Time(Clock::Epoch(Unit::Micros), meaning),
        _ => Variable::Time(Clock::Epoch(Unit::Seconds), meaning),
    };
    match fetch {
        "src" => Variable::Address,
        "method" | "capture.req.method" => Variable::Method,
        "path" | "pathq" | "url" | "base" | "capture.req.uri" => Variable::Target,
        "query" => Variable::Query,
        "status" => Variable::Status,
        "be_name" => Variable::Backend,
        "srv_name" => Variable::Server,
        "unique-id" => Variable::RequestIdText,
        "capture.req.hdr" | "capture.res.hdr" => Variable::Captures,
        "hdr" | "req.hdr" | "req.fhdr" => header_meaning(argument),
        "accept_date" | "request_date" => date(StampMeaning::Start),
        "date" => date(StampMeaning::End),
        "var" => variable_meaning(argument.rsplit('.').next().unwrap_or(argument)),
        _ => Variable::Ignored,
    }
}

/// The meaning of a variable of the administrator's own, by its name.
fn variable_meaning(name: &str) -> Variable {
    let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if is(&["agent", "_ua"]) || name == "ua" {
        Variable::Agent
    } else if is(&["method"]) {
        Variable::Method
    } else if is(&["path", "uri", "url", "base"]) {
        Variable::Target
    } else if is(&["host", "authority"]) {
        Variable::Site
    } else if is(&["forwarded", "xff", "real_ip", "client_ip"]) {
        Variable::ForwardedFor
    } else if is(&["referer", "referrer"]) {
        Variable::Referrer
    } else if is(&["token", "auth"]) {
        Variable::Authorization
    } else if is(&["mxid", "user"]) {
        Variable::UserKey
    } else {
        Variable::Ignored
    }
}

/// The pattern in `date,ltime("%Y-%m-%d %H:%M:%S")`.
fn date_pattern(sample: &str) -> Option<&str> {
    let call = sample.find("ltime(").or_else(|| sample.find("utime("))?;
    let argument = sample[call + 6..].trim_start_matches('\\');
    let quote = argument.chars().next().filter(|quote| matches!(quote, '"' | '\''));
    match quote {
        Some(quote) => argument[1..].split([quote, '\\']).next(),
        None => argument.split([',', ')']).next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::{malformed, request, stamps, text};

    const HTTP: &str = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r";
    const LINE: &str = r#"203.0.113.7:51034 [02/Jan/2026:15:04:05.123] https~ matrix_sync/w2 0/0/1/29998/30000 200 812 - - ---- 41/40/12/3/0 0/0 {matrix.example.org|Element/1.11} "GET /_matrix/client/v3/sync?since=s1_2 HTTP/1.1""#;

    fn parser(expression: &str) -> Box<dyn Parser> {
        super::parser(expression, stamps()).unwrap()
    }

    #[test]
    fn the_format_of_option_httplog_reads_what_the_built_in_parser_reads() {
        let mut own = parser(HTTP);
        let mut built_in = crate::formats::haproxy::Haproxy::new(stamps());
        for line in [
            LINE.to_owned(),
            LINE.replace("{matrix.example.org|Element/1.11} ", ""),
            LINE.replace("matrix_sync/w2 0/0/1/29998/30000 200", "matrix/<NOSRV> 0/-1/-1/-1/0 503"),
            LINE.replace("0/0/1/29998/30000 200 812 - - ----", "0/0/1/-1/29000 -1 0 - - CH--"),
        ] {
            assert_eq!(request(own.as_mut(), &line), request(&mut built_in, &line), "{line}");
        }
        malformed(own.as_mut(), &LINE[..100]);
    }

    #[test]
    fn json_formats_are_read() {
        let mut json = parser(
            r#"log-format '{"timestamp":%Ts,"http_status":%ST,"http_request":"%r","remote_addr":"%ci","bytes_read":%B,"upstream_addr":"%b/%s","upstream_response_time":"%Tr","session_duration":"%Tt","termination_state":"%ts"}'"#,
        );
        let line = r#"{"timestamp":1767366245,"http_status":200,"http_request":"GET /_matrix/client/versions HTTP/1.1","remote_addr":"203.0.113.7","bytes_read":1042,"upstream_addr":"matrix/main","upstream_response_time":"12","session_duration":"15","termination_state":"--"}"#;
        let record = request(json.as_mut(), line);
        assert_eq!((record.status, record.wall_us, record.upstream_us), (200, Some(15_000), Some(12_000)));
        assert_eq!((text(&record.target), text(&record.upstream.unwrap())), ("/_matrix/client/versions".into(), "matrix/main".into()));
        let stamp = record.stamp.unwrap();
        assert_eq!((stamp.micros, stamp.meaning), (1_767_366_245_000_000, StampMeaning::Start));
    }

    #[test]
    fn samples_dates_and_numbers_of_several_parts_are_read() {
        let mut own = parser(r#"%[date,utime("%Y-%m-%d %H:%M:%S")] %[src] host=%[var(txn.host)] "%HM %[capture.req.uri] %HV" %ST %Ta"#);
        let record = request(own.as_mut(), r#"2026-01-02 15:04:05 203.0.113.7 host=matrix.example.org "GET /a?b HTTP/2.0" 200 30004"#);
        assert_eq!((record.arrival_us(), record.wall_us), (Some(1_767_366_214_996_000), Some(30_004_000)));
        assert_eq!((text(record.site.unwrap()), text(&record.target)), ("matrix.example.org".into(), "/a?b".into()));
        let mut own = parser("%ci|%Ts%ms|%HM|%HP%HQ|%ST|%Tq/%Tt");
        let record = request(own.as_mut(), "203.0.113.7|1767366245123|GET|/a?b=c|200|5/35");
        assert_eq!((record.arrival_us(), record.wall_us), (Some(1_767_366_245_123_000), Some(30_000)));
        assert_eq!(text(&record.target), "/a?b=c");
        let mut quoted = parser(r"%{+Q}o\ %ci\ %ST\ %r");
        assert_eq!(request(quoted.as_mut(), r#""203.0.113.7" 200 "GET /a HTTP/1.1""#).address, Some(&b"203.0.113.7"[..]));
    }

    #[test]
    fn a_bad_format_is_shown_with_a_caret() {
        let error = |expression: &str| super::parser(expression, stamps()).err().unwrap().to_string();
        assert!(error("%ci %Qx %r").starts_with("`%Qx` is no variable of HAProxy\n  %ci %Qx %r\n      ^"));
        assert!(error("%ci % ").starts_with("a `%` here needs a variable"));
        assert!(error("%ci %ST").starts_with("the format logs no request"));
        assert!(error("%ci %[src").starts_with("a `%` here needs a variable"));
    }
}
