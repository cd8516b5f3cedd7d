//! Infers a format from lines: combined with further fields, or any other order of values, of which labels and forms show the meaning.
//!
//! ```text
//! … "Element/1.11" rt=0.003 urt=0.003 ua=127.0.0.1:8081 user=3272   ->   … rt=$request_time urt=$upstream_response_time …
//! [02/Jan/…] 10.0.0.1 to: 10.0.0.2:8008: GET / HTTP/2.0 200 time 0.1 ->   [$time_local] $remote_addr to: $upstream_addr: $request …
//! ```
//!
//! The result is the text of a `log_format` or `LogFormat`, which the user can check and correct; [`super::nginx`] and
//! [`super::apache`] compile it. Fields of unknown meaning are ignored; nothing is inferred from numbers alone, except nginx's
//! `S.mmm`, of which the request's is at least the upstream's, and numbers that are as large as the `timeout` of long polls in some unit.

mod column;
mod servers;
mod token;
mod unlabelled;

use std::collections::HashMap;

use memchr::{memchr, memchr2};

use self::column::{Column, OTHER, missing};
use self::servers::{APACHE_KEYS, APACHE_OTHER, apache_field, combined_text};
use self::token::{Form, Value};
use self::unlabelled::Measured;
use super::json_units;
use super::prefix;
use super::variable::Unit;

/// The server that writes a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// nginx: stamps are ends.
    Nginx,
    /// Apache: stamps are starts.
    Apache,
}

/// An inferred format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inferred {
    pub family: Family,
    /// The `log_format` or `LogFormat`.
    pub text: String,
    /// The keys of the further fields, in order.
    pub keys: Vec<String>,
}

/// Infers the most common layout of the lines. `family` is set if escapes have shown it already.
pub fn infer(lines: &[&[u8]], family: Option<Family>) -> Option<Inferred> {
    infer_dressed(lines, family, false)
}

/// [`infer`] for lines of a collector, which may have told their time: then the format need not.
pub fn infer_dressed(lines: &[&[u8]], family: Option<Family>, stamped: bool) -> Option<Inferred> {
    let mut layouts: HashMap<Layout, Vec<Row<'_>>> = HashMap::new();
    // Error logs quote requests, and so does Synapse.
    let is_other = |line: &&&[u8]| prefix::is_no_access_line(line) || is_of_synapse_or_sent(line);
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| !is_other(line)) {
        let start = prefix::len(line).unwrap_or(0);
        let combined = Layout::combined(line).or_else(|| Layout::combined(&line[start..]));
        let mut found: Vec<_> = combined.into_iter().collect();
        if found.is_empty() {
            found.extend(DELIMITERS.iter().filter_map(|delimiter| Layout::delimited(line, *delimiter)));
            found.extend(Layout::free(line));
        }
        for (layout, values) in found {
            layouts.entry(layout).or_default().push(Row { number, poll: json_units::long_poll(line), values });
        }
    }
    let mut common: Vec<(Layout, Vec<Row<'_>>)> = layouts.into_iter().collect();
    common.sort_by(|(a, rows_a), (b, rows_b)| rows_b.len().cmp(&rows_a.len()).then_with(|| a.cmp(b)));
    // The first line, the lines, the fields with a meaning.
    let mut best: Option<(usize, usize, usize, Inferred)> = None;
    for (layout, rows) in common.into_iter().take(LAYOUTS_TRIED) {
        // A layout of fewer lines is only better than none.
        if best.as_ref().is_some_and(|(_, count, ..)| *count > rows.len()) {
            break;
        }
        let first = rows[0].number;
        // Of layouts of the same lines the one that says more; others differ by what clients wrote.
        if let Some((known, inferred)) = layout.describe(family, &rows, stamped)
            && best.as_ref().is_none_or(|(of, _, best, _)| *of == first && known > *best)
        {
            best = Some((first, rows.len(), known, inferred));
        }
    }
    best.map(|(.., inferred)| inferred)
}

/// The values of one line.
struct Row<'a> {
    /// The line's place among the lines.
    number: usize,
    values: Vec<&'a [u8]>,
    /// Whether the request waits for news, and how long at most, ms.
    poll: (bool, Option<u64>),
}

/// Whether a line is Synapse's or matrix-authentication-service's, or that of a program that logs what it sent itself: bridges and bots
/// write the whole URL behind a label.
fn is_of_synapse_or_sent(line: &[u8]) -> bool {
    let has = |text: &[u8]| memchr::memmem::find(line, text).is_some();
    has(b" Processed request: ")
        || has(b" http.server.response ")
        || (!has(b" HTTP/") && (has(b" url=http") || has(b" url=\"http") || has(b" uri=\"http")))
}

/// The layout of a line, equal for lines of one format.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Layout {
    head: Head,
    tail: Vec<Token>,
    /// The text after the last value.
    end: Vec<u8>,
}

/// What is known of a line's beginning.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Head {
    /// combined, up to the user agent.
    Combined { site: Site, iso: bool, headers: bool },
    /// Nothing: all values are in the tail.
    Free,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Site {
    None,
    /// A list of addresses in place of the client's: `X-Forwarded-For`.
    Forwarded,
    Host,
    HostPort,
}

/// A place for a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Token {
    /// The text before the value, with its label and opening quote.
    before: Vec<u8>,
    label: Option<String>,
    form: Form,
}

impl Layout {
    /// Reads one line as combined with a tail, and returns the tail's values in the order of its tokens.
    fn combined(line: &[u8]) -> Option<(Self, Vec<&[u8]>)> {
        let open = memchr::memmem::find(line, b" [")?;
        let words: Vec<&[u8]> = line[..open].split(|byte| *byte == b' ').collect();
        let site = match words[..] {
            [_, b"-", _] => Site::None,
            [site, _, b"-", _] if memchr(b':', site).is_some() => Site::HostPort,
            [first, .., b"-", _] if first.last() == Some(&b',') => Site::Forwarded,
            [_, _, b"-", _] => Site::Host,
            _ => return None,
        };
        let rest = &line[open + 2..];
        let close = memchr::memmem::find(rest, b"] \"")?;
        let iso = rest[..close].get(4) == Some(&b'-');
        let rest = skip_quoted(&rest[close + 2..])?;
        let (status, after) = word(rest.strip_prefix(b" ")?);
        let (bytes, after) = word(after.strip_prefix(b" ")?);
        let fits = status.len() == 3 && (bytes == b"-" || bytes.iter().all(u8::is_ascii_digit));
        fits.then_some(())?;
        let headers = after.strip_prefix(b" ").and_then(skip_quoted).and_then(|rest| skip_quoted(rest.strip_prefix(b" ")?));
        let rest = headers.unwrap_or(after);
        (rest.is_empty() || rest.starts_with(b" ")).then_some(())?;
        Self::of(Head::Combined { site, iso, headers: headers.is_some() }, rest)
    }

    /// Reads a line of any order.
    fn free(line: &[u8]) -> Option<(Self, Vec<&[u8]>)> {
        (line.len() <= LINE_MAX && !line.starts_with(b"{")).then_some(())?;
        Self::of(Head::Free, line)
    }

    /// Reads a line whose values are separated by this byte, so that they may have blanks.
    fn delimited(line: &[u8], delimiter: u8) -> Option<(Self, Vec<&[u8]>)> {
        (line.len() <= LINE_MAX && !line.starts_with(b"{")).then_some(())?;
        (memchr::memchr_iter(delimiter, line).count() >= DELIMITERS_MIN).then_some(())?;
        Self::of_values(Head::Free, token::delimited(line, delimiter)?)
    }

    fn of(head: Head, text: &[u8]) -> Option<(Self, Vec<&[u8]>)> {
        Self::of_values(head, token::values(text)?)
    }

    fn of_values<'a>(head: Head, (values, end): (Vec<Value<'a>>, Vec<u8>)) -> Option<(Self, Vec<&'a [u8]>)> {
        let texts = values.iter().map(|value| value.text).collect();
        let label = |value: &Value<'_>| value.label.map(|label| String::from_utf8_lossy(label).into_owned());
        let tail = values.iter().map(|value| Token { before: value.before.clone(), label: label(value), form: value.form }).collect();
        Some((Self { head, tail, end }, texts))
    }

    /// The format of the rows' values, and how many of them have a meaning; `None` for a layout that shows no request.
    fn describe(&self, family: Option<Family>, rows: &[Row<'_>], stamped: bool) -> Option<(usize, Inferred)> {
        let own_keys = self.tail.iter().any(|token| token.label.as_deref().is_some_and(|key| APACHE_KEYS.contains(&key)));
        let columns: Vec<Vec<&[u8]>> = (0..self.tail.len()).map(|index| rows.iter().map(|row| row.values[index]).collect()).collect();
        let polls: Vec<(bool, Option<u64>)> = rows.iter().map(|row| row.poll).collect();
        let measured = self.measured(&columns, &polls);
        // nginx has no microseconds, Apache's `%D` is what its users add.
        let in_micros = measured.iter().any(|(_, of)| *of == Measured { of_upstream: false, unit: Unit::Micros });
        let family = family.unwrap_or(if own_keys || in_micros { Family::Apache } else { Family::Nginx });
        let (family, mut text) = match &self.head {
            Head::Combined { site, iso, headers } => (family, combined_text(family, *site, *iso, *headers)),
            Head::Free => (Family::Nginx, Vec::new()),
        };
        let fields = match family {
            Family::Nginx => self.nginx_fields(&columns, &polls, &measured),
            Family::Apache => self
                .tail
                .iter()
                .enumerate()
                .map(|(index, token)| {
                    let shown = measured.iter().find(|(column, _)| *column == index).map_or(APACHE_OTHER, |(_, of)| of.apache_name());
                    Field::Variable(token.label.as_deref().map_or(shown, apache_field).to_owned())
                })
                .collect(),
        };
        if self.head == Head::Free && !shows_request(&fields, stamped) {
            return None;
        }
        let mut keys = Vec::new();
        for (index, (token, field)) in self.tail.iter().zip(&fields).enumerate() {
            text.extend_from_slice(&token.before);
            match field {
                Field::Text => text.extend_from_slice(columns[index].first()?),
                Field::Variable(name) => {
                    text.extend_from_slice(name.as_bytes());
                    keys.push(token.label.clone().unwrap_or_else(|| "?".to_owned()));
                }
            }
        }
        text.extend_from_slice(&self.end);
        // A dollar sign of the text could not be told from a variable.
        let literal = self.tail.iter().flat_map(|token| &token.before).chain(&self.end);
        let clean = family == Family::Apache || !literal.into_iter().any(|byte| *byte == b'$');
        let is_known = |field: &&Field| matches!(field, Field::Variable(name) if !matches!(name.as_str(), "$_" | APACHE_OTHER));
        let known = fields.iter().filter(is_known).count();
        Some((known, Inferred { family, text: String::from_utf8(text).ok().filter(|_| clean)?, keys }))
    }

    /// nginx's variables of the tail.
    fn nginx_fields(&self, columns: &[Vec<&[u8]>], polls: &[(bool, Option<u64>)], measured: &[(usize, Measured)]) -> Vec<Field> {
        let mut used: Vec<&'static str> = Vec::new();
        if let Head::Combined { headers, .. } = self.head {
            used.extend(["time_local", "remote_addr", "request", "status", "body_bytes_sent", "host"]);
            used.extend(["http_referer", "http_user_agent"].into_iter().filter(|_| headers));
        }
        let order = self.order_of_times(columns);
        let finest = self.finest_time(columns);
        let peer = self.peer(columns);
        let mut fields: Vec<Field> = Vec::new();
        for (index, token) in self.tail.iter().enumerate() {
            let labels = self.labels(index, columns);
            let column = Column { labels: &labels, form: token.form, values: &columns[index], polls };
            // Words that do not fit the value after them were not its label: `900 bytes 0.130 s`.
            let known = column.by_label().filter(|name| *name != OTHER || token.label.is_some());
            if self.is_text(index, columns) {
                fields.push(Field::Text);
                continue;
            }
            let shown = || match column.by_values() {
                Some("request_time") => Some(if order.get(1) == Some(&index) { "upstream_response_time" } else { "request_time" }),
                // Upstreams have a port: another address is that of a proxy in between.
                Some("remote_addr") if used.contains(&"remote_addr") => None,
                // Of several stamps without labels the finest counts.
                Some(name) if name.starts_with("time") && finest.is_some_and(|finest| finest != index) => None,
                shown => shown,
            };
            let written = || self.unit_behind(index, columns);
            let after_status = matches!(fields.last(), Some(Field::Variable(name)) if name == "$status");
            let bytes = || {
                (after_status && columns[index].iter().all(|value| missing(value) || value.iter().all(u8::is_ascii_digit)))
                    .then_some("body_bytes_sent")
            };
            let by_evidence = || measured.iter().find(|(column, _)| *column == index).map(|(_, of)| of.nginx_name());
            let name = match known {
                _ if peer == Some(index) => "remote_peer",
                Some(name) => name,
                None if !labels.is_empty() && token.label.is_some() => OTHER,
                None => by_evidence().or_else(written).or_else(bytes).or_else(shown).filter(|name| !used.contains(name)).unwrap_or(OTHER),
            };
            let name = if name != OTHER && used.contains(&name) && known.is_none() { OTHER } else { name };
            used.push(name);
            fields.push(Field::Variable(format!("${name}")));
        }
        fields
    }

    /// The request's time where the word behind a number is a unit other than seconds: `12.345 ms`, as Node's servers write.
    fn unit_behind(&self, index: usize, columns: &[Vec<&[u8]>]) -> Option<&'static str> {
        let (next, token) = (columns.get(index + 1)?, &self.tail[index]);
        let is_number = |value: &&[u8]| {
            value.first().is_some_and(u8::is_ascii_digit) && value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        };
        (token.form == Form::Bare && self.tail[index + 1].before == b" " && columns[index].iter().all(is_number)).then_some(())?;
        match same_word(next)? {
            b"ms" | b"msec" | b"milliseconds" => Some("request_time_ms"),
            b"us" | b"usec" | b"microseconds" => Some("request_time_us"),
            _ => None,
        }
    }

    /// What is written before a value as its name: its own label, or the words before it that are the same in all rows.
    fn labels(&self, index: usize, columns: &[Vec<&[u8]>]) -> Vec<String> {
        let token = &self.tail[index];
        let own: Vec<String> = token.label.clone().into_iter().collect();
        let words: Vec<&[u8]> = (index.saturating_sub(WORDS_MAX)..index)
            .rev()
            .map_while(|before| {
                same_word(&columns[before]).filter(|_| self.tail[before].form == Form::Bare && self.tail[before].label.is_none())
            })
            .collect();
        let joined = |count: usize| -> String {
            let words: Vec<String> =
                words.iter().take(count).rev().map(|word| String::from_utf8_lossy(word).into_owned()).chain(own.clone()).collect();
            words.join("_")
        };
        let known = (1..=words.len()).rev().map(joined).find(|name| column::is_name(name.as_bytes()));
        // A value that is a word itself has no label of such words.
        let labelled = own.is_empty() && same_word(&columns[index]).is_some_and(column::is_name);
        known.filter(|_| !labelled).into_iter().chain(own).collect()
    }

    /// Whether a value is the format's own text: punctuation, or a word that is the label of the next value.
    fn is_text(&self, index: usize, columns: &[Vec<&[u8]>]) -> bool {
        let Some(first) = columns[index].first() else { return false };
        let same = columns[index].iter().all(|value| value == first);
        let punctuation = !first.is_empty() && !missing(first) && !first.iter().any(u8::is_ascii_alphanumeric);
        let label = || {
            same_word(&columns[index]).is_some()
                && (index + 1..=index + WORDS_MAX).take_while(|next| *next < self.tail.len()).any(|next| {
                    let words: Vec<&[u8]> = (index..next).map_while(|at| same_word(&columns[at])).collect();
                    words.len() == next - index && !self.labels_of_words(&words, next).is_empty()
                })
        };
        self.tail[index].form == Form::Bare
            && self.tail[index].label.is_none()
            && !first.contains(&b'$')
            && same
            && (punctuation || label())
    }

    /// The name that words before a value make together with its own label, if it is known.
    fn labels_of_words(&self, words: &[&[u8]], next: usize) -> String {
        let own = self.tail[next].label.iter().cloned();
        let name = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).chain(own).collect::<Vec<_>>().join("_");
        if column::is_name(name.as_bytes()) { name } else { String::new() }
    }
}

/// What stands in one place of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    /// The text that all rows have.
    Text,
    Variable(String),
}

fn shows_request(fields: &[Field], stamped: bool) -> bool {
    let has = |name: &str| fields.iter().any(|field| matches!(field, Field::Variable(found) if found == name));
    let when = ["$time_local", "$time_iso8601", "$time", "$msec", "$time_s", "$time_ms"].into_iter().any(has);
    (when || stamped) && (has("$request") || (has("$request_method") && (has("$request_uri") || has("$request_host_uri"))))
}

/// A word that is the same in all rows.
fn same_word<'a>(values: &[&'a [u8]]) -> Option<&'a [u8]> {
    let first = values.first()?;
    let is_word =
        first.first().is_some_and(u8::is_ascii_alphabetic) && first.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (is_word && values.iter().all(|value| value == first)).then_some(first)
}

/// The text after a quoted field.
fn skip_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        let at = memchr2(b'"', b'\\', rest)?;
        if rest[at] == b'"' {
            return Some(&rest[at + 1..]);
        }
        rest = rest.get(at + 2..)?;
    }
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(memchr(b' ', text).unwrap_or(text.len()))
}

/// Words that may make a label together: `Upstream Response Time`.
const WORDS_MAX: usize = 3;
/// A longer line is of no format that is unknown.
const LINE_MAX: usize = 8192;
/// Layouts that are looked at, the most common first.
const LAYOUTS_TRIED: usize = 12;
/// What formats of columns have between them.
const DELIMITERS: [u8; 6] = [b'\t', b'|', b';', b',', b'^', b'#'];
/// Fewer of them do not separate the values of a line.
const DELIMITERS_MIN: usize = 4;

#[cfg(test)]
mod tests;
