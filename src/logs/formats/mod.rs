//! The log formats: one module each, and what they share.
//!
//! A format's parser turns one line into one [`crate::logs::Line`]. It knows nothing of files, order or endpoints.

mod address;
pub mod apache;
pub mod caddy;
pub mod error;
pub mod haproxy;
pub mod inferred;
pub mod nginx;
pub mod nginx_config;
pub mod nginx_json;
pub mod no_requests;
pub mod pattern;
pub mod prefix;
pub mod request_line;
pub mod restamped;
mod stamp_text;
pub mod synapse;
pub mod synapse_json;
mod synapse_message;
pub mod traefik;
pub mod traefik_json;
pub mod variable;

/// The vocabulary of the parsers' tests.
#[cfg(test)]
pub(crate) mod testing {
    use crate::logs::{Line, Malformed, Parser, Record, StampReader, Zone};

    pub(crate) fn stamps() -> StampReader {
        StampReader::new(Zone::utc())
    }

    /// The request that a line must be.
    #[track_caller]
    pub(crate) fn request<'a>(parser: &'a mut dyn Parser, line: &'a (impl AsRef<[u8]> + ?Sized)) -> Record<'a> {
        match parser.parse(line.as_ref()) {
            Line::Request(record) => record,
            other => panic!("no request: {other:?}"),
        }
    }

    /// Why a line must be malformed.
    #[track_caller]
    pub(crate) fn malformed(parser: &mut dyn Parser, line: &(impl AsRef<[u8]> + ?Sized)) -> Malformed {
        match parser.parse(line.as_ref()) {
            Line::Malformed(malformed) => malformed,
            other => panic!("not malformed: {other:?}"),
        }
    }

    /// Text for assertions.
    pub(crate) fn text(bytes: &(impl AsRef<[u8]> + ?Sized)) -> String {
        String::from_utf8_lossy(bytes.as_ref()).into_owned()
    }
}
