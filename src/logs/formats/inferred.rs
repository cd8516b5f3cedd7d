//! Infers a format from lines: combined with further fields, or any other order of values, of which labels and forms show the meaning.
//!
//! ```text
//! … "Element/1.11" rt=0.003 urt=0.003 ua=127.0.0.1:8081 user=3272   ->   … rt=$request_time urt=$upstream_response_time …
//! [02/Jan/…] 10.0.0.1 to: 10.0.0.2:8008: GET / HTTP/2.0 200 time 0.1 ->   [$time_local] $remote_addr to: $upstream_addr: $request …
//! ```
//!
//! The result is the text of a `log_format` or `LogFormat`, which the user can check and correct; [`super::nginx`] and
//! [`super::apache`] compile it. Fields of unknown meaning are ignored; nothing is inferred from numbers alone, except nginx's
//! `S.mmm`, of which the request's is at least the upstream's.

mod column;
mod token;

use std::collections::HashMap;

use memchr::{memchr, memchr2};

use self::column::{Column, OTHER, is_seconds, missing};
use self::token::{Form, Value};
use super::prefix;
use super::value::entries;
use crate::time::duration_us;

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
    let mut layouts: HashMap<Layout, Vec<Vec<&[u8]>>> = HashMap::new();
    // Error logs quote requests, and so does Synapse.
    let is_other = |line: &&&[u8]| prefix::is_no_access_line(line) || memchr::memmem::find(line, b" Processed request: ").is_some();
    for line in lines.iter().filter(|line| !is_other(line)) {
        let start = prefix::len(line).unwrap_or(0);
        let combined = Layout::combined(line).or_else(|| Layout::combined(&line[start..]));
        if let Some((layout, values)) = combined.or_else(|| Layout::free(line)) {
            layouts.entry(layout).or_default().push(values);
        }
    }
    let mut common: Vec<(Layout, Vec<Vec<&[u8]>>)> = layouts.into_iter().collect();
    common.sort_by(|(a, rows_a), (b, rows_b)| rows_b.len().cmp(&rows_a.len()).then_with(|| a.cmp(b)));
    common.into_iter().take(LAYOUTS_TRIED).find_map(|(layout, rows)| layout.describe(family, &rows))
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

    fn of(head: Head, text: &[u8]) -> Option<(Self, Vec<&[u8]>)> {
        let (values, end) = token::values(text)?;
        let texts = values.iter().map(|value| value.text).collect();
        let label = |value: &Value<'_>| value.label.map(|label| String::from_utf8_lossy(label).into_owned());
        let tail = values.iter().map(|value| Token { before: value.before.clone(), label: label(value), form: value.form }).collect();
        Some((Self { head, tail, end }, texts))
    }

    /// The format of the rows' values; `None` for a layout that shows no request.
    fn describe(&self, family: Option<Family>, rows: &[Vec<&[u8]>]) -> Option<Inferred> {
        let own_keys = self.tail.iter().any(|token| token.label.as_deref().is_some_and(|key| APACHE_KEYS.contains(&key)));
        let family = family.unwrap_or(if own_keys { Family::Apache } else { Family::Nginx });
        let (family, mut text) = match &self.head {
            Head::Combined { site, iso, headers } => (family, combined_text(family, *site, *iso, *headers)),
            Head::Free => (Family::Nginx, Vec::new()),
        };
        let columns: Vec<Vec<&[u8]>> = (0..self.tail.len()).map(|index| rows.iter().map(|row| row[index]).collect()).collect();
        let fields = match family {
            Family::Nginx => self.nginx_fields(&columns),
            Family::Apache => self
                .tail
                .iter()
                .map(|token| Field::Variable(token.label.as_deref().map_or(APACHE_OTHER, apache_field).to_owned()))
                .collect(),
        };
        if self.head == Head::Free && !shows_request(&fields) {
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
        Some(Inferred { family, text: String::from_utf8(text).ok().filter(|_| clean)?, keys })
    }

    /// nginx's variables of the tail.
    fn nginx_fields(&self, columns: &[Vec<&[u8]>]) -> Vec<Field> {
        let mut used: Vec<&'static str> = Vec::new();
        if let Head::Combined { headers, .. } = self.head {
            used.extend(["time_local", "remote_addr", "request", "status", "body_bytes_sent", "host"]);
            used.extend(["http_referer", "http_user_agent"].into_iter().filter(|_| headers));
        }
        let order = self.order_of_times(columns);
        let mut fields: Vec<Field> = Vec::new();
        for (index, token) in self.tail.iter().enumerate() {
            let labels = self.labels(index, columns);
            let column = Column { labels: &labels, form: token.form, values: &columns[index] };
            // Words that do not fit the value after them were not its label: `900 bytes 0.130 s`.
            let known = column.by_label().filter(|name| *name != OTHER || token.label.is_some());
            if self.is_text(index, columns) {
                fields.push(Field::Text);
                continue;
            }
            let shown = || match column.by_values() {
                Some("request_time") => Some(if order.get(1) == Some(&index) { "upstream_response_time" } else { "request_time" }),
                Some("remote_addr") if token.form == Form::Bare && used.contains(&"remote_addr") => Some("upstream_addr"),
                shown => shown,
            };
            let after_status = matches!(fields.last(), Some(Field::Variable(name)) if name == "$status");
            let bytes = || {
                (after_status && columns[index].iter().all(|value| missing(value) || value.iter().all(u8::is_ascii_digit)))
                    .then_some("body_bytes_sent")
            };
            let name = match known {
                Some(name) => name,
                None if !labels.is_empty() && token.label.is_some() => OTHER,
                None => bytes().or_else(shown).filter(|name| !used.contains(name)).unwrap_or(OTHER),
            };
            let name = if name != OTHER && used.contains(&name) && known.is_none() { OTHER } else { name };
            used.push(name);
            fields.push(Field::Variable(format!("${name}")));
        }
        fields
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

    /// The columns of nginx's times without a label, the longer first: the request's own, then the upstream's.
    fn order_of_times(&self, columns: &[Vec<&[u8]>]) -> Vec<usize> {
        let mut times: Vec<usize> = (0..self.tail.len())
            .filter(|index| {
                let labels = self.labels(*index, columns);
                let column = Column { labels: &labels, form: self.tail[*index].form, values: &columns[*index] };
                let unnamed = self.tail[*index].label.is_none() && column.by_label().is_none_or(|name| name == OTHER);
                unnamed && column.by_values() == Some("request_time")
            })
            .collect();
        if let [first, second, ..] = times[..] {
            let longer = |a: usize, b: usize| columns[a].iter().zip(&columns[b]).filter(|(a, b)| longest(a) > longest(b)).count();
            let lists = columns[first].iter().any(|value| !is_seconds(value)) && columns[second].iter().all(|value| is_seconds(value));
            if longer(second, first) > longer(first, second) || lists {
                times.swap(0, 1);
            }
        }
        times
    }
}

/// What stands in one place of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    /// The text that all rows have.
    Text,
    Variable(String),
}

fn shows_request(fields: &[Field]) -> bool {
    let has = |name: &str| fields.iter().any(|field| matches!(field, Field::Variable(found) if found == name));
    let when = ["$time_local", "$time_iso8601", "$time", "$msec", "$time_s", "$time_ms"].into_iter().any(has);
    when && (has("$request") || (has("$request_method") && has("$request_uri")))
}

/// A word that is the same in all rows.
fn same_word<'a>(values: &[&'a [u8]]) -> Option<&'a [u8]> {
    let first = values.first()?;
    let is_word =
        first.first().is_some_and(u8::is_ascii_alphabetic) && first.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (is_word && values.iter().all(|value| value == first)).then_some(first)
}

/// The sum of a list of times, µs.
fn longest(value: &[u8]) -> u64 {
    entries(value).filter_map(duration_us).sum()
}

fn combined_text(family: Family, site: Site, iso: bool, headers: bool) -> Vec<u8> {
    let nginx = family == Family::Nginx;
    let mut text = String::new();
    text.push_str(match (site, nginx) {
        (Site::None, _) => "",
        (Site::Host, true) => "$host ",
        (Site::Host, false) => "%v ",
        (Site::HostPort, true) => "$host:$server_port ",
        (Site::HostPort, false) => "%v:%p ",
    });
    text.push_str(match (nginx, iso) {
        (true, false) => r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent"#,
        (true, true) => r#"$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent"#,
        (false, false) => r#"%h %l %u %t "%r" %>s %b"#,
        (false, true) => r#"%h %l %u [%{%Y-%m-%dT%H:%M:%S%z}t] "%r" %>s %b"#,
    });
    if headers {
        text.push_str(if nginx { r#" "$http_referer" "$http_user_agent""# } else { r#" "%{Referer}i" "%{User-Agent}i""# });
    }
    text.into_bytes()
}

fn apache_field(key: &str) -> &'static str {
    match key {
        "D" => "%D",
        "T" => "%T",
        "X" => "%X",
        "worker" | "balancer" => "%{BALANCER_WORKER_NAME}e",
        "host" | "vhost" => "%V",
        "xff" => "%{X-Forwarded-For}i",
        "rid" | "request_id" => "%{X-Request-Id}i",
        _ => APACHE_OTHER,
    }
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

/// A field that the parser of Apache's formats ignores.
const APACHE_OTHER: &str = "%{other}n";
const APACHE_KEYS: [&str; 4] = ["D", "T", "X", "worker"];
/// Words that may make a label together: `Upstream Response Time`.
const WORDS_MAX: usize = 3;
/// A longer line is of no format that is unknown.
const LINE_MAX: usize = 8192;
/// Layouts that are looked at, the most common first.
const LAYOUTS_TRIED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_show_the_meaning_of_nginxs_further_fields() {
        let line = br#"127.0.0.1 - - [2026-11-20T16:57:44+00:00] "GET / HTTP/2.0" 200 657 "-" "curl" rt=5.602 uct=0.000, 0.000 urt=5.281, 0.321 ua=127.0.0.1:8081, 127.0.0.1:8082 us=502, 200 user= grp=sync conn=1/2"#;
        let inferred = infer(&[line], None).unwrap();
        assert_eq!(
            inferred.text,
            r#"$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time uct=$_ urt=$upstream_response_time ua=$upstream_addr us=$upstream_status user=$user_key grp=$_ conn=$_"#
        );
        assert_eq!(inferred.family, Family::Nginx);
    }

    #[test]
    fn apaches_letters_show_apache() {
        let line = br#"test.local:80 ::1 - - [20/Nov/2026:16:53:36 +0000] "GET / HTTP/1.1" 200 523 "-" "a" D=1562 T=0 worker=http://127.0.0.1:8081 X=+"#;
        let inferred = infer(&[line], None).unwrap();
        assert_eq!(
            inferred.text,
            r#"%v:%p %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" D=%D T=%T worker=%{BALANCER_WORKER_NAME}e X=%X"#
        );
        assert_eq!(inferred.family, Family::Apache);
    }

    #[test]
    fn a_number_without_a_name_is_ignored_unless_it_is_nginxs_seconds() {
        let head = r#"h 1.1.1.1 - - [20/Nov/2026:16:53:36 +0000] "GET / HTTP/1.1" 200 5 "-" "a""#;
        for (tail, text) in [
            (" 2310", " $_"),
            (" \"-\" 0.003 0.002", " \"$http_x_forwarded_for\" $request_time $upstream_response_time"),
            (" ua=\"10.0.0.1:80\"", " ua=\"$upstream_addr\""),
        ] {
            let line = format!("{head}{tail}");
            assert!(infer(&[line.as_bytes()], None).unwrap().text.ends_with(text), "{tail}");
        }
    }

    fn text_of(lines: &[&str]) -> String {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        infer(&lines, None).map(|inferred| inferred.text).unwrap_or_default()
    }

    #[test]
    fn a_word_before_a_value_is_its_label() {
        let head = r#"192.0.2.7 - - [14/May/2024:09:12:01 +0000] "GET /a HTTP/2.0" 200 900 "-" "Element/1.11""#;
        let format = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
        for (tail, text) in [
            (
                "upstream_response_time 0.120 msec 1715677921.123 request_time 0.130",
                "upstream_response_time $upstream_response_time msec $msec request_time $request_time",
            ),
            (r#"rt=0.123 uct="0.001" uht="0.1" urt="0.120""#, r#"rt=$request_time uct="$_" uht="$_" urt="$upstream_response_time""#),
            ("request_time:0.12 upstream: 10.0.0.2:8008", "request_time:$request_time_s upstream: $upstream_addr"),
            (
                "Upstream Response Time: 0.120 Request time: 0.130",
                "Upstream Response Time: $upstream_response_time Request time: $request_time",
            ),
            ("1715677921.123 0.120 0.130", "$msec $upstream_response_time $request_time"),
            ("0.130 0.100, 0.020", "$request_time $upstream_response_time"),
            ("duration=130ms took 12", "duration=$request_time_unit took $request_time_ms"),
            (r#""203.0.113.9" | 10.0.0.2:8008 | 0.130"#, r#""$http_x_forwarded_for" | $upstream_addr | $request_time"#),
        ] {
            assert_eq!(text_of(&[&format!("{head} {tail}")]), format!("{format} {text}"), "{tail}");
        }
    }

    #[test]
    fn a_line_of_any_order_is_read_by_its_values() {
        for (line, text) in [
            (
                r#"[14/May/2024:09:12:01 +0000] 192.0.2.7: "GET /a HTTP/2.0" (200) 900 bytes 0.130 s 0.120 s"#,
                r#"[$time_local] $remote_addr: "$request" ($status) $body_bytes_sent bytes $request_time $_ $upstream_response_time $_"#,
            ),
            (
                "example.org to: 10.0.0.2:8008 [HEAD /health HTTP/1.1] 200 upstream_response_time 0.004 msec 1566629591.249 request_time 0.003",
                "$host to: $upstream_addr [$request] $status upstream_response_time $upstream_response_time msec $msec request_time $request_time",
            ),
            (
                r#"192.0.2.7 - - [08/Oct/2026:10:12:01 +0900] [request "GET / HTTP/1.1"] [status 200] [body_bytes_sent 512] "-" "curl/8.0""#,
                r#"$remote_addr $_ $_ [$time_local] [request "$request"] [status $status] [body_bytes_sent $body_bytes_sent] "$http_x_forwarded_for" "$http_user_agent""#,
            ),
            (
                "[14/May/2024:09:12:01 +0000] 192.0.2.7 passed to: 10.0.0.2:8008: GET /a HTTP/2.0 Upstream Response Time: 0.120 Request time: 0.130",
                "[$time_local] $remote_addr $_ to: $upstream_addr: $request Upstream Response Time: $upstream_response_time Request time: $request_time",
            ),
            (
                r#"2024-05-14 09:12:01.123 | 200 | 130ms | 192.0.2.7 | GET | "/a?b""#,
                r#"$time | $status | $request_time_unit | $remote_addr | $request_method | "$request_uri""#,
            ),
            (
                r#"192.0.2.7 - [14/May/2024:09:12:01 +0000] "GET /a HTTP/1.1" upstream: 10.0.0.2:8008 status: 200 upstream_response_time: 0.120"#,
                r#"$remote_addr $_ [$time_local] "$request" upstream: $upstream_addr status: $status upstream_response_time: $upstream_response_time"#,
            ),
        ] {
            assert_eq!(text_of(&[line]), text, "{line}");
        }
    }

    #[test]
    fn an_inferred_format_reads_the_lines_that_it_came_from() {
        use crate::formats::nginx::LogFormat;
        use crate::formats::testing::{request, stamps};
        for line in [
            "[14/May/2024:09:12:01 +0000] 192.0.2.7 passed to: 10.0.0.2:8008: GET /a HTTP/2.0 Upstream Response Time: 0.120 Request time: 0.130",
            r#"192.0.2.7 - - [14/May/2024:09:12:01 +0000] "GET /a HTTP/2.0" 200 900 "-" "x" rt=0.130 urt="0.120""#,
            r#"2024-05-14 09:12:01.123 | 200 | 130ms | 192.0.2.7 | GET | "/a""#,
        ] {
            let mut parser = LogFormat::parse(&text_of(&[line])).unwrap().parser("x", stamps()).unwrap();
            let record = request(&mut parser, line);
            assert_eq!((&*record.target, record.wall_us), (&b"/a"[..], Some(130_000)), "{line}");
            assert_eq!(record.stamp.map(|stamp| stamp.micros / 1_000_000), Some(1_715_677_921), "{line}");
        }
    }

    #[test]
    fn lines_of_another_layout_give_nothing() {
        assert_eq!(infer(&[b"", b"a b c", b"x - - [ ] \"", b"{}", b"2026/11/20 16:53:31 [error] 1#1: GET /a HTTP/1.1"], None), None);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_inferred_compiles_or_is_refused(lines in proptest::collection::vec("[ -~]{0,90}", 1..4), at in 0usize..120, noise in "[ -~]{0,8}") {
            use crate::Parser;
            use crate::formats::nginx::LogFormat;
            use crate::formats::testing::stamps;
            let mut known = r#"[14/May/2024:09:12:01 +0000] 192.0.2.7 to: 10.0.0.2:8008: GET /a HTTP/2.0 200 [x "y"] time 0.120 | rt="0.1" (a)"#.to_owned();
            known.insert_str(at.min(known.len()), &noise);
            let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).chain([known.as_bytes()]).collect();
            if let Some(inferred) = infer(&lines, None)
                && let Ok(format) = LogFormat::parse(&inferred.text)
                && let Ok(mut parser) = format.parser("x", stamps())
            {
                for line in &lines {
                    let _ = parser.parse(line);
                }
            }
        }
    }
}
