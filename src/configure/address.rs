//! The address of a listener: a host and port, or a unix socket.
//!
//! Knows the notations of the programs, not the processes.

use std::fmt;
use std::net::IpAddr;

use wsim_plan::{Server, ServerError};

/// An address of one listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// Host (IPv6 without brackets) and port.
    Tcp {
        /// A name or an IP address.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// The absolute path of a unix socket.
    Unix(String),
}

impl Address {
    pub fn tcp(host: &str, port: u16) -> Self {
        Self::Tcp { host: host.to_owned(), port }
    }

    /// Reads `host:port`, `[v6]:port` or `unix:/path`.
    ///
    /// # Errors
    /// The text is not an address.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        let server = Server::parse(text)?;
        if server.name != text {
            return Err(ServerError::Address(text.to_owned()));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.to_owned()));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| ServerError::Address(text.to_owned()))?;
        let port = port.parse().map_err(|_| ServerError::Port(text.to_owned()))?;
        Ok(Self::Tcp { host: host.trim_start_matches('[').trim_end_matches(']').to_owned(), port })
    }

    /// `host:port`, or `None` for a socket. IPv6 in brackets.
    pub fn host_port(&self) -> Option<String> {
        match self {
            Self::Tcp { host, port } if host.contains(':') => Some(format!("[{host}]:{port}")),
            Self::Tcp { host, port } => Some(format!("{host}:{port}")),
            Self::Unix(_) => None,
        }
    }

    /// The folder of a socket; `None` for host and port.
    pub fn folder(&self) -> Option<&str> {
        match self {
            Self::Unix(path) => path.rsplit_once('/').map(|(folder, _)| if folder.is_empty() { "/" } else { folder }),
            Self::Tcp { .. } => None,
        }
    }

    /// Whether only processes of the same machine reach the address.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        }
    }

    /// The address with `localhost` as the number that it stands for: two names of one address clash.
    pub fn resolved(&self) -> Self {
        match self {
            Self::Tcp { host, port } if host == "localhost" => Self::tcp("127.0.0.1", *port),
            other => other.clone(),
        }
    }

    /// The address that a process binds to serve here: an IP address itself; for a name, all IPv4 addresses.
    pub fn bind(&self) -> Option<&str> {
        match self {
            Self::Tcp { host, .. } if host.parse::<IpAddr>().is_ok() => Some(host),
            Self::Tcp { host, .. } if host == "localhost" => Some("127.0.0.1"),
            Self::Tcp { .. } => Some("0.0.0.0"),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    /// The notation of plan files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.host_port()) {
            (Self::Unix(path), _) => write!(f, "unix:{path}"),
            (_, Some(text)) => f.write_str(&text),
            (Self::Tcp { host, port }, None) => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parsed_address_is_written_unchanged() {
        for text in ["127.0.0.1:8008", "worker-a:8081", "[::1]:9093", "unix:/run/synapse/sync1.sock"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        assert!(Address::parse("127.0.0.1").is_err());
        assert!(Address::parse("127.0.0.1:8008=2").is_err(), "a weight is no part of an address");
    }

    #[test]
    fn localhost_and_its_number_are_one_address() {
        let address = |text: &str| Address::parse(text).unwrap();
        assert_eq!(address("localhost:8081").resolved(), address("127.0.0.1:8081").resolved());
        assert_ne!(address("worker-a:8081").resolved(), address("worker-b:8081").resolved());
        assert!(["localhost:1", "127.0.0.2:1", "[::1]:1", "unix:/run/a"].iter().all(|text| address(text).is_local()));
        assert!(!address("worker-a:1").is_local() && !address("10.0.0.1:1").is_local());
    }

    #[test]
    fn a_worker_known_by_name_only_listens_on_every_address() {
        let bind = |text: &str| Address::parse(text).unwrap().bind().map(str::to_owned);
        assert_eq!(bind("10.0.0.5:8081").as_deref(), Some("10.0.0.5"));
        assert_eq!(bind("[::1]:8081").as_deref(), Some("::1"));
        assert_eq!(bind("localhost:8081").as_deref(), Some("127.0.0.1"));
        assert_eq!(bind("worker-a:8081").as_deref(), Some("0.0.0.0"));
        assert_eq!(bind("unix:/run/a.sock"), None);
    }
}
