//! The log formats, one module each, and the parts they share.
//!
//! A format's parser turns one line into one [`crate::Line`]. It knows nothing of files, their order, and endpoints.

mod address;
pub mod apache;
pub mod aws;
pub mod caddy;
mod captures;
mod combined;
pub mod date_parts;
pub mod draft;
pub mod envoy;
pub mod error;
pub mod expression;
pub mod haproxy;
pub mod haproxy_format;
pub mod inferred;
pub mod json_names;
mod json_template;
mod json_units;
mod literal;
pub mod nginx;
pub mod nginx_config;
pub mod nginx_json;
pub mod no_requests;
pub mod pattern;
pub mod prefix;
pub mod products;
pub mod request_line;
pub mod restamped;
pub mod squid;
pub(crate) mod stamp_text;
pub mod synapse;
mod synapse_clock;
#[cfg(test)]
mod synapse_eras;
pub mod synapse_json;
mod synapse_message;
mod synapse_prefix;
mod synapse_status;
mod synapse_update;
mod text_parser;
pub mod traefik;
pub mod traefik_json;
mod value;
pub mod variable;
pub mod w3c;

/// Helpers for the parsers' tests.
#[cfg(test)]
pub(crate) mod testing {
    use crate::{Line, Malformed, Parser, Record, StampReader, Zone};

    pub(crate) fn stamps() -> StampReader {
        StampReader::new(Zone::utc())
    }

    /// Asserts that a line is a request, and returns it.
    #[track_caller]
    pub(crate) fn request<'a>(parser: &'a mut dyn Parser, line: &'a (impl AsRef<[u8]> + ?Sized)) -> Record<'a> {
        match parser.parse(line.as_ref()) {
            Line::Request(record) => record,
            other => panic!("no request: {other:?}"),
        }
    }

    /// Asserts that a line is malformed, and returns the reason.
    #[track_caller]
    pub(crate) fn malformed(parser: &mut dyn Parser, line: &(impl AsRef<[u8]> + ?Sized)) -> Malformed {
        match parser.parse(line.as_ref()) {
            Line::Malformed(malformed) => malformed,
            other => panic!("not malformed: {other:?}"),
        }
    }

    /// Bytes as text, for assertions.
    pub(crate) fn text(bytes: &(impl AsRef<[u8]> + ?Sized)) -> String {
        String::from_utf8_lossy(bytes.as_ref()).into_owned()
    }

    /// Asserts that a line whose bytes from `at` on, `cut` of them, became `noise`, its end, and the noise alone are read without a panic, and that
    /// what is malformed is so within the line.
    pub(crate) fn survives<P: Parser>(parser: impl Fn() -> P, line: &str, noise: &[u8], at: usize, cut: usize) {
        let mut line = line.as_bytes().to_vec();
        let at = at.min(line.len());
        let cut = at..(at + cut).min(line.len());
        line.splice(cut, noise.iter().copied());
        for line in [&line[..], noise, &line[at..]] {
            if let Line::Malformed(malformed) = parser().parse(line) {
                assert!(malformed.column <= line.len(), "column {} of {}", malformed.column, line.len());
            }
        }
    }

    /// Numbers of requests, lines without a request, and malformed lines of a sample.
    pub(crate) fn tally(parser: &mut dyn Parser, sample: &[u8]) -> (usize, usize, usize) {
        let mut tally = (0, 0, 0);
        for line in sample.strip_suffix(b"\n").unwrap_or(sample).split(|byte| *byte == b'\n') {
            match parser.parse(line) {
                Line::Request(_) => tally.0 += 1,
                Line::NotRequest => tally.1 += 1,
                Line::Malformed(_) => tally.2 += 1,
            }
        }
        tally
    }
}
