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

mod variables;

use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{multispace0, multispace1};
use nom::combinator::{opt, value};
use nom::sequence::preceded;
use wsim_nginx::quoted_strings;
use wsim_nginx::variables::{Digits, Piece as Word, is_name_byte, pieces};

pub use super::draft::Draft;
pub use super::error::FormatError;
use super::pattern::{Pattern, Piece, TextParser};
pub use super::variable::{Clock, Unit, Variable};
use crate::StampReader;
use crate::escape::Escape;
pub use variables::meaning;

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
        let shows =
            |variable: &Variable| matches!(variable, Variable::RequestLine | Variable::Target | Variable::HostAndTarget | Variable::Path);
        let mut found = variables.filter(shows);
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
        Word::Literal(text) => Ok(Part::Text(text.to_owned())),
        Word::Variable { name, at } => Ok(Part::Variable { name: name.to_owned(), at }),
        Word::Dollar { at } => Err(FormatError::new("a `$` here needs a variable's name, $name or ${name}", body, at)),
    };
    pieces(body, Digits::Name).into_iter().map(part).collect()
}

#[cfg(test)]
mod tests;
