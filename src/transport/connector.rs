//! Opens connections to one target. Addresses are looked up once and TLS is prepared once.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;
use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connection::Connection;
use super::dial::Addresses;
use super::exchange::Timeline;
use super::http1::Stream;
use super::{Failure, Target, tls};

/// What all connections to a target share.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// Speak HTTP/2: negotiated by ALPN over TLS (else HTTP/1.1), with prior knowledge over plain TCP.
    pub http2: bool,
    /// A file of PEM certificates to trust in addition to the system's.
    pub ca: Option<PathBuf>,
    /// Accept every certificate. For test targets.
    pub insecure: bool,
    /// Value of `User-Agent`, so that the target's administrator can recognise the requests.
    pub user_agent: String,
    /// Response header in which the proxy names the upstream.
    pub upstream_header: HeaderName,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest wait from the beginning of a request to its response's last byte.
    pub response_timeout: Duration,
    /// Longest response body that is accepted, bytes.
    pub body_bytes_max: u64,
    /// Most of a body that is kept, bytes.
    pub keep_bytes_max: usize,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            http2: false,
            ca: None,
            insecure: false,
            user_agent: concat!("wsim/", env!("CARGO_PKG_VERSION")).to_owned(),
            upstream_header: HeaderName::from_static("x-upstream"),
            connect_timeout: Duration::from_secs(10),
            // Most clients ask a long poll to wait up to 30 s; Synapse's initial syncs take minutes.
            response_timeout: Duration::from_secs(120),
            body_bytes_max: 256 << 20,
            keep_bytes_max: 8 << 20,
        }
    }
}

/// Why no connection can ever be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    #[error("could not look up {host} (name resolution of this machine, not the target, failed): {source}")]
    Lookup { host: String, source: io::Error },
    #[error("could not read certificates from {}: {why}", .path.display())]
    Certificates { path: PathBuf, why: String },
    #[error("could not set up TLS: {0}")]
    Tls(String),
    /// A configured text has characters that HTTP headers must not have.
    #[error("{0:?} cannot be sent in a header")]
    Header(String),
}

/// Opens connections to the addresses that it was made with, and never looks a name up again: the addresses that were checked are those used.
#[derive(Debug, Clone)]
pub struct Connector {
    pub(super) target: Arc<Target>,
    pub(super) config: Arc<TransportConfig>,
    addresses: Arc<Addresses>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(super) user_agent: HeaderValue,
    /// The lines of an HTTP/1.1 head that are the same for all requests.
    pub(super) fixed_headers: Arc<[u8]>,
    /// What HTTP/2 puts into every request.
    authority: Authority,
}

impl Connector {
    /// Looks up a target of which nothing has to be checked: a server of the caller's own. Commands connect through the guard of the crate
    /// `replay`.
    ///
    /// # Errors
    /// See [`ConnectorError`].
    pub async fn new(target: Target, config: TransportConfig) -> Result<Self, ConnectorError> {
        let addresses = target.look_up().await?;
        Self::to_addresses(target, addresses, config)
    }

    /// Connects to these addresses, in this order of preference; reads certificates.
    ///
    /// # Errors
    /// See [`ConnectorError`].
    pub fn to_addresses(target: Target, addresses: Vec<SocketAddr>, config: TransportConfig) -> Result<Self, ConnectorError> {
        let tls = if target.tls { Some((tls::client_config(&config)?, tls::server_name(&target)?)) } else { None };
        let authority = target.authority();
        let user_agent = header(&config.user_agent)?;
        Ok(Self {
            addresses: Arc::new(Addresses::new(addresses)),
            tls,
            fixed_headers: fixed_headers(&header(&authority)?, &user_agent),
            user_agent,
            authority: authority.parse().map_err(|_| ConnectorError::Header(authority))?,
            target: Arc::new(target),
            config: Arc::new(config),
        })
    }

    /// The same connector with another `User-Agent`.
    ///
    /// # Errors
    /// [`ConnectorError::Header`].
    pub fn with_user_agent(&self, text: &str) -> Result<Self, ConnectorError> {
        let user_agent = header(text)?;
        let fixed_headers = fixed_headers(&header(&self.target.authority())?, &user_agent);
        Ok(Self { user_agent, fixed_headers, ..self.clone() })
    }

    /// The target's addresses, in order of preference.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.addresses.all()
    }

    /// Longest wait from the beginning of a request to its response's last byte.
    pub fn response_timeout(&self) -> Duration {
        self.config.response_timeout
    }

    /// Whether connections are to speak HTTP/2; over TLS the server may not offer it.
    pub fn wants_http2(&self) -> bool {
        self.config.http2
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Opens a connection, within a tokio runtime, and notes when.
    ///
    /// # Errors
    /// See [`Failure`]; [`Failure::Protocol`] where HTTP/2 cannot be agreed on.
    pub async fn open(&self, timeline: &mut Timeline) -> Result<Connection, Failure> {
        timeout(self.config.connect_timeout, self.open_unlimited(timeline)).await.unwrap_or(Err(Failure::ConnectTimeout))
    }

    async fn open_unlimited(&self, timeline: &mut Timeline) -> Result<Connection, Failure> {
        let stream = self.addresses.connect().await.map_err(|error| Failure::of_connecting(&error))?;
        stream.set_nodelay(true).map_err(|error| Failure::of_connecting(&error))?;
        timeline.connected = Some(Instant::now());
        match &self.tls {
            None => Connection::start(Stream::Plain(stream), self.config.http2).await,
            Some((config, name)) => {
                let connected = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await;
                let stream = connected.map_err(|error| tls::failure(&error))?;
                timeline.secured = Some(Instant::now());
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Connection::start(Stream::Tls(Box::new(stream)), http2).await
            }
        }
    }

    /// The whole URL of a request, for HTTP/2.
    pub(super) fn uri(&self, path_and_query: &str) -> Option<Uri> {
        let mut parts = Parts::default();
        parts.scheme = Some(if self.target.tls { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::try_from(format!("{}{path_and_query}", self.target.base)).ok()?);
        Uri::from_parts(parts).ok()
    }
}

fn header(text: &str) -> Result<HeaderValue, ConnectorError> {
    HeaderValue::from_str(text).map_err(|_| ConnectorError::Header(text.to_owned()))
}

fn fixed_headers(host: &HeaderValue, user_agent: &HeaderValue) -> Arc<[u8]> {
    [b"host: ", host.as_bytes(), b"\r\nuser-agent: ", user_agent.as_bytes(), b"\r\n"].concat().into()
}

impl Target {
    /// Looks up the addresses of the host.
    ///
    /// # Errors
    /// [`ConnectorError::Lookup`], also for a name without an address.
    pub async fn look_up(&self) -> Result<Vec<SocketAddr>, ConnectorError> {
        let failed = |source| ConnectorError::Lookup { host: self.host.clone(), source };
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((self.host.as_str(), self.port)).await.map_err(failed)?.collect();
        if addresses.is_empty() {
            return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
        }
        Ok(addresses)
    }
}
