//! Infers a format from lines: combined with further fields, whose names show their meaning.
//!
//! ```text
//! … "Element/1.11" rt=0.003 urt=0.003 ua=127.0.0.1:8081 user=3272   ->   … rt=$request_time urt=$upstream_response_time …
//! ```
//!
//! The result is the text of a `log_format` or `LogFormat`, which the user can check and correct; [`super::nginx`] and
//! [`super::apache`] compile it. Fields of unknown meaning are ignored; nothing is inferred from numbers alone, except nginx's
//! `S.mmm`.

use std::collections::HashMap;

use memchr::{memchr, memchr2};

use super::prefix;

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
    let mut shapes: HashMap<Layout, Vec<Vec<&[u8]>>> = HashMap::new();
    for line in lines {
        let start = prefix::len(line).unwrap_or(0);
        if let Some((shape, values)) = read(line).or_else(|| read(&line[start..])) {
            shapes.entry(shape).or_default().push(values);
        }
    }
    let (shape, rows) = shapes.into_iter().max_by(|(a, rows_a), (b, rows_b)| rows_a.len().cmp(&rows_b.len()).then_with(|| b.cmp(a)))?;
    let own_keys = shape.tail.iter().any(|token| token.key.as_deref().is_some_and(|key| APACHE_KEYS.contains(&key)));
    let family = family.unwrap_or(if own_keys { Family::Apache } else { Family::Nginx });
    Some(shape.describe(family, &rows))
}

/// The layout of a line, equal for lines of one format.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Layout {
    site: Site,
    iso: bool,
    headers: bool,
    tail: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Site {
    None,
    Host,
    HostPort,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Token {
    key: Option<String>,
    quoted: bool,
}

impl Layout {
    fn describe(&self, family: Family, rows: &[Vec<&[u8]>]) -> Inferred {
        let mut text = String::new();
        let nginx = family == Family::Nginx;
        text.push_str(match (self.site, nginx) {
            (Site::None, _) => "",
            (Site::Host, true) => "$host ",
            (Site::Host, false) => "%v ",
            (Site::HostPort, true) => "$host:$server_port ",
            (Site::HostPort, false) => "%v:%p ",
        });
        text.push_str(match (nginx, self.iso) {
            (true, false) => r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent"#,
            (true, true) => r#"$remote_addr - $remote_user [$time_iso8601] "$request" $status $body_bytes_sent"#,
            (false, false) => r#"%h %l %u %t "%r" %>s %b"#,
            (false, true) => r#"%h %l %u [%{%Y-%m-%dT%H:%M:%S%z}t] "%r" %>s %b"#,
        });
        if self.headers {
            text.push_str(if nginx { r#" "$http_referer" "$http_user_agent""# } else { r#" "%{Referer}i" "%{User-Agent}i""# });
        }
        let mut times = 0;
        for (index, token) in self.tail.iter().enumerate() {
            let values: Vec<&[u8]> = rows.iter().map(|row| row[index]).collect();
            let field = match (&token.key, nginx) {
                (Some(key), true) => nginx_field(key, &values),
                (Some(key), false) => apache_field(key),
                (None, true) => nginx_position(token.quoted, &values, &mut times),
                (None, false) => APACHE_OTHER,
            };
            let quote = if token.quoted { "\"" } else { "" };
            let label = token.key.as_ref().map(|key| format!("{key}=")).unwrap_or_default();
            text.push_str(&format!(" {label}{quote}{field}{quote}"));
        }
        Inferred { family, text, keys: self.tail.iter().map(|token| token.key.clone().unwrap_or_else(|| "?".to_owned())).collect() }
    }
}

fn nginx_field(key: &str, values: &[&[u8]]) -> &'static str {
    let key = key.to_ascii_lowercase();
    match key.as_str() {
        "rt" | "request_time" | "reqtime" | "req_time" | "duration" | "time" if all(values, is_seconds) => "$request_time",
        "urt" | "upstream_response_time" | "upstream_time" | "uptime" | "up_time" if all(values, is_times) => "$upstream_response_time",
        "ua" | "upstream" | "upstream_addr" | "uaddr" | "backend" if all(values, is_address) => "$upstream_addr",
        "ua" | "user_agent" | "agent" => "$http_user_agent",
        "us" | "upstream_status" => "$upstream_status",
        "user" | "uid" | "mxid" | "uhash" | "user_hash" => "$user_key",
        "rl" | "request_length" | "reqlen" => "$request_length",
        "rid" | "request_id" | "reqid" | "req_id" => "$http_x_request_id",
        "xff" | "x_forwarded_for" | "forwarded" => "$http_x_forwarded_for",
        "auth" | "authorization" => "$http_authorization",
        "host" | "vhost" | "server" => "$host",
        "msec" | "ts" => "$msec",
        _ => NGINX_OTHER,
    }
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

/// A field without a name: `"$http_x_forwarded_for"` by custom, or nginx's times in the order of all published examples.
fn nginx_position(quoted: bool, values: &[&[u8]], times: &mut usize) -> &'static str {
    if quoted && all(values, is_addresses) {
        return "$http_x_forwarded_for";
    }
    if !all(values, is_times) || values.iter().all(|value| *value == b"-") {
        return NGINX_OTHER;
    }
    *times += 1;
    match *times {
        1 if all(values, is_seconds) => "$request_time",
        2 => "$upstream_response_time",
        _ => NGINX_OTHER,
    }
}

/// Reads one line as combined with a tail, and returns the tail's values in the order of its tokens.
fn read(line: &[u8]) -> Option<(Layout, Vec<&[u8]>)> {
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
    let mut rest = skip_quoted(&rest[close + 2..])?;
    let (status, after) = word(rest.strip_prefix(b" ")?);
    let (bytes, after) = word(after.strip_prefix(b" ")?);
    let fits = status.len() == 3 && (bytes == b"-" || bytes.iter().all(u8::is_ascii_digit));
    fits.then_some(())?;
    rest = after;
    let headers = rest.strip_prefix(b" ").and_then(skip_quoted).and_then(|rest| skip_quoted(rest.strip_prefix(b" ")?));
    rest = headers.unwrap_or(rest);
    let (mut tail, mut values) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let (token, value, after) = token(rest.strip_prefix(b" ")?)?;
        tail.push(token);
        values.push(value);
        rest = after;
        (tail.len() <= TOKENS_MAX).then_some(())?;
    }
    Some((Layout { site, iso, headers: headers.is_some(), tail }, values))
}

fn token(text: &[u8]) -> Option<(Token, &[u8], &[u8])> {
    let key_len = key_len(text);
    let (key, value) = match key_len {
        Some(len) => (Some(String::from_utf8_lossy(&text[..len]).into_owned()), &text[len + 1..]),
        None => (None, text),
    };
    if value.starts_with(b"\"") {
        let after = skip_quoted(value)?;
        return Some((Token { key, quoted: true }, &value[1..value.len() - after.len() - 1], after));
    }
    let len = if key.is_some() { before_next_key(value) } else { memchr(b' ', value).unwrap_or(value.len()) };
    (key.is_some() || len > 0).then_some((Token { key, quoted: false }, &value[..len], &value[len..]))
}

/// `name=` at the start of a token.
fn key_len(text: &[u8]) -> Option<usize> {
    let len = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')).count();
    (len > 0 && len <= KEY_MAX && text[0].is_ascii_alphabetic() && text.get(len) == Some(&b'=')).then_some(len)
}

fn before_next_key(value: &[u8]) -> usize {
    memchr::memchr_iter(b' ', value)
        .find(|at| {
            let next = &value[at + 1..];
            key_len(next).is_some() || next.starts_with(b"\"")
        })
        .unwrap_or(value.len())
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

fn all(values: &[&[u8]], is: impl Fn(&[u8]) -> bool) -> bool {
    values.iter().all(|value| is(value))
}

fn is_seconds(value: &[u8]) -> bool {
    value.len() >= 5 && value[value.len() - 4] == b'.' && value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

fn is_times(value: &[u8]) -> bool {
    super::variable::entries(value).all(|item| matches!(item, [] | [b'-']) || is_seconds(item))
}

fn is_address(value: &[u8]) -> bool {
    super::variable::entries(value).all(|item| matches!(item, [] | [b'-']) || item.starts_with(b"unix:") || ends_with_port(item))
}

fn ends_with_port(item: &[u8]) -> bool {
    memchr::memrchr(b':', item).is_some_and(|colon| colon + 1 < item.len() && item[colon + 1..].iter().all(u8::is_ascii_digit))
}

fn is_addresses(value: &[u8]) -> bool {
    let is_one = |item: &str| item.trim().parse::<std::net::IpAddr>().is_ok();
    value == b"-" || std::str::from_utf8(value).is_ok_and(|text| text.split(',').all(is_one))
}

/// Fields that the parsers of nginx and Apache ignore.
const NGINX_OTHER: &str = "$_";
const APACHE_OTHER: &str = "%{other}n";
const APACHE_KEYS: [&str; 4] = ["D", "T", "X", "worker"];
const TOKENS_MAX: usize = 40;
const KEY_MAX: usize = 32;

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

    #[test]
    fn lines_of_another_layout_give_nothing() {
        assert_eq!(infer(&[b"", b"a b c", b"x - - [ ] \"", b"{}"], None), None);
    }
}
