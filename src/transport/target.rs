//! A target's URL, parsed once.

use std::fmt;

/// Scheme, host, port and base path of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `https` instead of `http`.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port; 80 or 443 where the URL has none.
    pub port: u16,
    /// Prefix of every request's path, without a slash at its end; usually empty.
    pub base: String,
}

/// A text that is not a valid target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a target: {why}")]
pub struct TargetError {
    pub text: String,
    pub why: &'static str,
}

impl std::str::FromStr for Target {
    type Err = TargetError;

    /// Parses `http://host[:port][/base]` or `https://…`. A host without a scheme is an error: a wrong guess would send secrets in clear.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let wrong = |why| TargetError { text: text.to_owned(), why };
        if !text.is_ascii() {
            return Err(wrong("write a name outside ASCII in its ASCII form, xn--…"));
        }
        let uri: http::Uri = text.parse().map_err(|_| wrong("write it as http://host:port or https://host"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("it must begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a target's URL has no user or password; give tokens to wsim provision"));
        }
        if uri.query().is_some() {
            return Err(wrong("it must not have a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { tls, host, port, base: uri.path().trim_end_matches('/').to_owned() })
    }
}

impl Target {
    /// Value of the `Host` header.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed() {
        let read = |text: &str| text.parse::<Target>().map(|target| (target.tls, target.host.clone(), target.port, target.to_string()));
        assert_eq!(read("http://localhost:8008/"), Ok((false, "localhost".to_owned(), 8008, "http://localhost:8008".to_owned())));
        assert_eq!(read("https://matrix.test/base/"), Ok((true, "matrix.test".to_owned(), 443, "https://matrix.test/base".to_owned())));
        assert_eq!(read("http://[::1]:80"), Ok((false, "::1".to_owned(), 80, "http://[::1]".to_owned())));
    }

    #[test]
    fn an_invalid_url_is_an_error() {
        for text in [
            "",
            "localhost:8008",
            "matrix.test",
            "ftp://x",
            "http://",
            "http://u:p@host",
            "http://host/?x=1",
            "/path",
            "http://bücher.example",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
