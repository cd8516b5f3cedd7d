//! One server of a pool as written in a plan file: `host:port`, `host:port=weight`, `unix:/path`.

use thiserror::Error;

/// A server with its weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Address as written, without the weight; the worker's name where the plan only counts workers.
    pub name: String,
    /// Share relative to the other servers of the pool, at least 1.
    pub weight: u32,
}

/// Why a text is not a server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ServerError {
    /// No port, or nothing before it.
    #[error("server {0:?} is not host:port, [address]:port or unix:/path")]
    Address(String),
    /// The port is not 1 to 65535.
    #[error("server {0:?} needs a port from 1 to 65535")]
    Port(String),
    /// The weight is not 1 to 1000.
    #[error("server {0:?} needs a whole weight from 1 to {WEIGHT_MAX} after the =")]
    Weight(String),
}

impl Server {
    /// Parses one entry of `servers`.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        let (name, weight) = match text.rsplit_once('=') {
            Some((name, weight)) => (name, weight.parse().map_err(|_| ServerError::Weight(text.to_owned()))?),
            None => (text, 1),
        };
        if !(1..=WEIGHT_MAX).contains(&weight) {
            return Err(ServerError::Weight(text.to_owned()));
        }
        if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ServerError::Address(text.to_owned()));
        }
        if let Some(path) = name.strip_prefix("unix:") {
            return if path.len() > 1 && path.starts_with('/') {
                Ok(Self { name: name.to_owned(), weight })
            } else {
                Err(ServerError::Address(text.to_owned()))
            };
        }
        let (host, port) = name.rsplit_once(':').ok_or_else(|| ServerError::Address(text.to_owned()))?;
        let bracketed = host.len() > 2 && host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || host.contains('/') || (host.contains(':') && !bracketed) {
            return Err(ServerError::Address(text.to_owned()));
        }
        match port.parse::<u16>() {
            Ok(1..) => Ok(Self { name: name.to_owned(), weight }),
            _ => Err(ServerError::Port(text.to_owned())),
        }
    }
}

/// Larger than any weight in use; nginx sets no limit, HAProxy 256.
pub const WEIGHT_MAX: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, u32) {
        let server = Server::parse(text).unwrap();
        (server.name, server.weight)
    }

    #[test]
    fn addresses_and_weights_are_read() {
        assert_eq!(parsed("127.0.0.1:8013"), ("127.0.0.1:8013".to_owned(), 1));
        assert_eq!(parsed("worker-a:8037=2"), ("worker-a:8037".to_owned(), 2));
        assert_eq!(parsed("[::1]:8081=3"), ("[::1]:8081".to_owned(), 3));
        assert_eq!(parsed("unix:/run/matrix-synapse/media.sock=5"), ("unix:/run/matrix-synapse/media.sock".to_owned(), 5));
    }

    #[test]
    fn text_that_is_no_server_is_rejected_with_the_reason() {
        for text in ["", "localhost", ":80", "::1:80", "a b:80", "unix:", "unix:relative", "http://a:80", "a\u{7}:80"] {
            assert_eq!(Server::parse(text), Err(ServerError::Address(text.to_owned())), "{text:?}");
        }
        for text in ["a:0", "a:65536", "a:x", "a:"] {
            assert_eq!(Server::parse(text), Err(ServerError::Port(text.to_owned())), "{text:?}");
        }
        for text in ["a:80=0", "a:80=", "a:80=-1", "a:80=1.5", "a:80=1001"] {
            assert_eq!(Server::parse(text), Err(ServerError::Weight(text.to_owned())), "{text:?}");
        }
    }
}
