//! Why no format fits a sample, in words that lead on: where the first line differs, the keys of its objects, a `--log-format` to begin
//! with.
//!
//! Text of the log is shown in pieces of a few characters, without secrets and control characters.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::sample::View;
use super::trial::{Trial, looks_like_request};
use crate::formats::nginx;
use crate::formats::nginx_json::NginxJson;
use crate::formats::request_line;
use crate::json::Walker;
use crate::{Line, Parser, StampReader, redact};

/// The sentence fragments, each beginning with `; `.
pub(super) fn explain(views: &[View<'_>], trials: &[Trial], stamps: &StampReader) -> String {
    let mut text = String::new();
    let deepest = views.iter().rev().find(|view| view.lines().any(|line| !line.is_empty()));
    let Some(view) = deepest else { return text };
    let keys = keys(view);
    let suggested = if keys.is_none() { suggestion(view, stamps) } else { None };
    let stamped = view.texts.iter().any(|text| text.stamp.is_some());
    if let Some((format, ..)) = &suggested
        && !format.contains("$time")
        && !stamped
        && !view.lines().any(has_time_of_day)
    {
        text.push_str("; its lines do not say the time, without which nothing can be told of load: log it, or collect the lines with their times (docker logs -t, kubectl logs --timestamps, journalctl -o short-iso)");
    }
    if keys.is_none() {
        let is_request = |view: &View<'_>| view.lines().any(looks_like_request);
        if !views.iter().any(is_request) {
            text.push_str(
                "; no line has the text of a request (METHOD /path HTTP/…), as the proxy's access log and Synapse's own log have",
            );
        } else if let Some(difference) = first_difference(views, trials) {
            text.push_str(&format!("; {difference}"));
        }
    }
    if let Some(keys) = keys {
        text.push_str(&what_an_object_lacks(view, stamps));
        text.push_str(&format!("; its objects have the keys {keys}: docs/logs.md lists those that are known, and --log-format takes a JSON template such as {{\"uri\":\"$request_uri\",\"status\":\"$status\"}}"));
    } else if let Some((format, read, all)) = suggested {
        text.push_str(&format!("; to begin with: --log-format '{format}' (it reads {read} of {all} lines; name its other fields)"));
    }
    text
}

/// Where the format that came closest differs from the first line that it could not read.
fn first_difference(views: &[View<'_>], trials: &[Trial]) -> Option<String> {
    let (trial, line, why) = trials
        .iter()
        .filter_map(|trial| trial.first_failure(views.get(trial.view)?).map(|(line, why)| (trial, line, why)))
        .filter(|(_, _, why)| why.column > 0)
        .max_by_key(|(trial, _, why)| (trial.total(), why.column))?;
    let text = views.get(trial.view)?.texts.get(line)?;
    let mut found = piece(text.text.get(why.column..).unwrap_or_default());
    // A piece of a secret does not look like one.
    if matches!(redact::scrub(&String::from_utf8_lossy(&text.text)), Cow::Owned(_)) {
        found = shape(&found);
    }
    let found = if found.is_empty() { "the end of the line".to_owned() } else { format!("`{found}`") };
    Some(format!(
        "{} came closest: in line {} of the sample it expects {} at column {}, and finds {found}",
        trial.name(),
        line + 1,
        why.expected,
        why.column + 1
    ))
}

/// The first word of a text, in at most 24 characters.
fn piece(text: &[u8]) -> String {
    let end = text.iter().skip(1).position(u8::is_ascii_whitespace).map_or(text.len(), |at| at + 1);
    let text = String::from_utf8_lossy(&text[..end]);
    let scrubbed = redact::scrub(&text);
    let mut shown: String = scrubbed.chars().take(PIECE_MAX).flat_map(char::escape_debug).collect();
    if scrubbed.chars().count() > PIECE_MAX {
        shown.push('…');
    }
    shown.replace("\\\"", "\"")
}

/// A text with `0` for every digit and `x` for every letter.
fn shape(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_numeric() {
                '0'
            } else if c.is_alphabetic() {
                'x'
            } else {
                c
            }
        })
        .collect()
}

/// Why the first object gives no request.
fn what_an_object_lacks(view: &View<'_>, stamps: &StampReader) -> String {
    let Some((number, object)) = view.lines().enumerate().find(|(_, line)| line.trim_ascii_start().starts_with(b"{")) else {
        return String::new();
    };
    match NginxJson::guessed(stamps.clone()).parse(object) {
        Line::Request(record) if record.target.is_empty() => {
            "; none of its keys is known to hold the path of a request (such as uri, path or request)".to_owned()
        }
        Line::Malformed(why) if why.column > 0 => {
            format!("; line {} of the sample is no whole object: it expects {} at column {}", number + 1, why.expected, why.column + 1)
        }
        _ => String::new(),
    }
}

/// The keys of the first object, in order.
fn keys(view: &View<'_>) -> Option<String> {
    let object = view.lines().find(|line| line.trim_ascii_start().starts_with(b"{"))?;
    let mut walker = Walker::new(object.trim_ascii_start(), 0).ok()?;
    let mut keys = Vec::new();
    while let Ok(Some((key, _))) = walker.member() {
        if keys.len() == KEYS_MAX {
            keys.push("…".to_owned());
            break;
        }
        keys.push(piece(key));
    }
    (!keys.is_empty()).then(|| keys.join(", "))
}

/// A log_format made of the shapes of the words of the first line that looks like a request, with how many lines it reads.
fn suggestion(view: &View<'_>, stamps: &StampReader) -> Option<(String, usize, usize)> {
    let lines: Vec<&[u8]> = view.lines().filter(|line| looks_like_request(line) || has_method_and_path(line)).collect();
    let format = format_of(lines.first()?)?;
    let mut parser = nginx::LogFormat::parse(&format).ok()?.parser("suggestion", stamps.clone()).ok()?;
    let read = lines.iter().filter(|line| matches!(parser.parse(line), Line::Request(_))).count();
    (read > 0).then_some((format, read, lines.len()))
}

/// Whether a line has a method and a path as words of their own, as logs without the protocol have.
fn has_method_and_path(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).collect();
    words.iter().any(|word| is_method(word)) && words.iter().any(|word| word.first() == Some(&b'/') && word.len() > 1)
}

/// `15:04:05`
fn has_time_of_day(line: &[u8]) -> bool {
    line.windows(8).any(|text| {
        let is_pair = |at: usize| text[at].is_ascii_digit() && text[at + 1].is_ascii_digit();
        text[2] == b':' && text[5] == b':' && is_pair(0) && is_pair(3) && is_pair(6)
    })
}

fn is_method(word: &[u8]) -> bool {
    !request_line::known_method(word).is_empty()
}

/// Replaces the words of a line by variables.
fn format_of(line: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(line).ok().filter(|text| text.len() < 2000)?;
    let mut format = String::new();
    let mut counts = BTreeMap::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (open, close) = match first {
            '"' => ("\"", "\""),
            '[' => ("[", "]"),
            ' ' | '\t' => {
                format.push(first);
                rest = &rest[1..];
                continue;
            }
            _ => ("", ""),
        };
        let inner = &rest[open.len()..];
        let len = if close.is_empty() { inner.find([' ', '\t']) } else { inner.find(close) }.unwrap_or(inner.len());
        let behind = &inner[len..];
        format.push_str(open);
        format.push_str(&variable(&inner[..len], &mut counts));
        rest = behind.strip_prefix(close).unwrap_or(behind);
        if !close.is_empty() && behind.starts_with(close) {
            format.push_str(close);
        }
    }
    (counts.contains_key("$request") || (counts.contains_key("$request_method") && counts.contains_key("$request_uri"))).then_some(format)
}

/// The variable that a word is by its shape, each but once; any other is ignored.
fn variable(word: &str, counts: &mut BTreeMap<&'static str, usize>) -> String {
    let bytes = word.as_bytes();
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let seconds = word
        .split_once('.')
        .is_some_and(|(whole, part)| part.len() == 3 && [whole, part].concat().bytes().all(|byte| byte.is_ascii_digit()));
    let name = match bytes {
        [_, _, b'/', _, _, _, b'/', ..] if bytes.len() == 26 => "$time_local",
        [_, _, _, _, b'-', _, _, b'-', _, _, b'T', ..] if bytes.len() >= 20 => "$time_iso8601",
        _ if word.contains(" HTTP/") => "$request",
        _ if is_method(bytes) => "$request_method",
        [b'/', _, ..] => "$request_uri",
        _ if word.parse::<IpAddr>().is_ok() => "$remote_addr",
        _ if digits && counts.contains_key("$status") => "$body_bytes_sent",
        _ if digits && bytes.len() == 3 && matches!(bytes[0], b'1'..=b'5') => "$status",
        _ if seconds && bytes.len() < 9 => "$request_time",
        b"-" => return "-".to_owned(),
        _ => return "$_".to_owned(),
    };
    let count = counts.entry(name).or_insert(0);
    *count += 1;
    if *count == 1 { name.to_owned() } else { "$_".to_owned() }
}

const PIECE_MAX: usize = 24;
const KEYS_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shapes_of_words_make_a_format() {
        let line = br#"web1 203.0.113.7 [02/Jan/2026:15:04:05 +0000] <x> "GET /a HTTP/1.1" 200 412 0.003 "curl""#;
        assert_eq!(format_of(line).unwrap(), r#"$_ $remote_addr [$time_local] $_ "$request" $status $body_bytes_sent $request_time "$_""#);
        assert_eq!(format_of(b"no request"), None);
    }

    #[test]
    fn a_piece_of_the_log_is_short_and_without_secrets() {
        assert_eq!(piece(b"syt_YWxpY2U_abcdefghijklmnopqrst_0123AB x"), "<redacted>");
        assert_eq!(piece(b"\x1b[31mabc"), "\\u{1b}[31mabc");
        assert_eq!(piece(b"content-type-of-the-whole-page x"), "content-type-of-the-whol…");
        assert_eq!(piece(b"\"GET /x"), "\"GET");
    }
}
