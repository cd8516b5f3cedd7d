//! The host names that a configuration distinguishes: what its conditions and maps compare the `Host` header with.

use super::sample::SampleReader;
use super::words::Line;

/// The names in conditions and in maps of the `Host` header, in order and once each.
pub(super) fn of(lines: &[Line], reader: &SampleReader<'_>) -> Vec<String> {
    let mut hosts = Vec::new();
    for line in lines {
        for (index, word) in line.words.iter().enumerate() {
            let Some(how) = comparison(word) else { continue };
            if let Some(map) = word.split_once("map").and_then(|(_, rest)| rest.split_once('(')) {
                // `use_backend %[req.hdr(host),lower,map(hosts.map,default)]`
                let file = map.1.split([',', ')']).next().unwrap_or_default();
                add_keys(&mut hosts, &reader.text(file).unwrap_or_default());
                continue;
            }
            add_values(&mut hosts, line.words.get(index + 1..).unwrap_or_default(), how, reader);
        }
    }
    hosts
}

/// How a word compares the `Host` header or the name of the TLS handshake; `None` for any other word.
fn comparison(word: &str) -> Option<How> {
    let lower = word.to_ascii_lowercase();
    let is_host = lower.contains("(host)") || lower.contains("(host,") || lower.starts_with("ssl_fc_sni");
    let name = lower.split('(').next().unwrap_or_default();
    is_host.then_some(match name.rsplit('_').next() {
        Some("beg") => How::Beginning,
        Some("end" | "dom") => How::End,
        Some("reg") => How::Pattern,
        _ => How::Whole,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Whole,
    /// `hdr_beg(host) -i matrix.`
    Beginning,
    /// `hdr_end(host) .example.org`
    End,
    /// An expression, for which no name is made up.
    Pattern,
}

fn add_values(hosts: &mut Vec<String>, words: &[String], mut how: How, reader: &SampleReader<'_>) {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "}" | "if" | "unless" | "or" | "||" => return,
            "-m" => {
                how = match words.next().map(String::as_str) {
                    Some("beg") => How::Beginning,
                    Some("end" | "dom") => How::End,
                    Some("str") => How::Whole,
                    _ => How::Pattern,
                }
            }
            "-f" => add_keys(hosts, &words.next().and_then(|file| reader.text(file).ok()).unwrap_or_default()),
            flag if flag.starts_with('-') => {}
            value => {
                let name = match how {
                    How::Whole => value.to_owned(),
                    How::Beginning if value.ends_with('.') => format!("{value}example.org"),
                    How::Beginning => value.to_owned(),
                    How::End => format!("matrix.{}", value.trim_start_matches('.')),
                    How::Pattern => continue,
                };
                add(hosts, &name);
            }
        }
    }
}

/// The keys of a map, or the lines of a list.
fn add_keys(hosts: &mut Vec<String>, text: &str) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        add(hosts, line.split_whitespace().next().unwrap_or_default());
    }
}

fn add(hosts: &mut Vec<String>, name: &str) {
    if hosts.len() < HOSTS_MAX && name.contains('.') && !name.contains(['\\', '^', '/', '*']) && !hosts.iter().any(|own| own == name) {
        hosts.push(name.to_owned());
    }
}

const HOSTS_MAX: usize = 2000;
