//! Opens connections to one target. Addresses are looked up once and TLS is prepared once.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connection::Connection;
use super::{Failure, Target};

/// What all connections to a target share.
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// Speak HTTP/2: negotiated by ALPN over TLS (else HTTP/1.1), with prior knowledge over plain TCP.
    pub http2: bool,
    /// A file of PEM certificates to trust in addition to the system's.
    pub ca: Option<PathBuf>,
    /// Value of `User-Agent`, so that the target's administrator can recognise the requests.
    pub user_agent: String,
    /// Response header in which the proxy names the upstream.
    pub upstream_header: HeaderName,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest wait from a request's first byte to its response's last.
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
    #[error("could not look up {host}: {source}")]
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
    addresses: Arc<[SocketAddr]>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(super) host: HeaderValue,
    pub(super) user_agent: HeaderValue,
    /// Scheme and authority, which HTTP/2 puts into every request.
    pub(super) origin: String,
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
        let tls = if target.tls { Some((tls(&config)?, server_name(&target)?)) } else { None };
        let header = |text: &str| HeaderValue::from_str(text).map_err(|_| ConnectorError::Header(text.to_owned()));
        let authority = target.authority();
        Ok(Self {
            addresses: addresses.into(),
            tls,
            host: header(&authority)?,
            user_agent: header(&config.user_agent)?,
            origin: format!("{}://{authority}", if target.tls { "https" } else { "http" }),
            target: Arc::new(target),
            config: Arc::new(config),
        })
    }

    /// The same connector with another `User-Agent`.
    ///
    /// # Errors
    /// [`ConnectorError::Header`].
    pub fn with_user_agent(&self, text: &str) -> Result<Self, ConnectorError> {
        let user_agent = HeaderValue::from_str(text).map_err(|_| ConnectorError::Header(text.to_owned()))?;
        Ok(Self { user_agent, ..self.clone() })
    }

    /// The target's addresses, in order of preference.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Opens a connection, within a tokio runtime.
    ///
    /// # Errors
    /// [`Failure::Connect`], [`Failure::Tls`], or [`Failure::Protocol`] where HTTP/2 cannot be agreed on.
    pub async fn open(&self) -> Result<Connection, Failure> {
        timeout(self.config.connect_timeout, self.open_unlimited()).await.unwrap_or(Err(Failure::Connect))
    }

    async fn open_unlimited(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(&self.addresses[..]).await.map_err(|_| Failure::Connect)?;
        stream.set_nodelay(true).map_err(|_| Failure::Connect)?;
        match &self.tls {
            None => Connection::start(self, stream, self.config.http2).await,
            Some((config, name)) => {
                let stream = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await.map_err(|_| Failure::Tls)?;
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Connection::start(self, stream, http2).await
            }
        }
    }

    /// The request's URI: the path for HTTP/1.1, the whole URL for HTTP/2.
    pub(super) fn uri(&self, path_and_query: &str, http2: bool) -> Option<Uri> {
        let origin = if http2 { self.origin.as_str() } else { "" };
        if origin.is_empty() && self.target.base.is_empty() {
            return path_and_query.parse().ok();
        }
        format!("{origin}{}{path_and_query}", self.target.base).parse().ok()
    }
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

fn tls(config: &TransportConfig) -> Result<Arc<ClientConfig>, ConnectorError> {
    let mut roots = RootCertStore::empty();
    // A system without certificates is fine if `--ca` names the target's own; otherwise the handshake fails.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = &config.ca {
        let wrong = |why: String| ConnectorError::Certificates { path: path.clone(), why };
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let mut count = 0;
        for certificate in CertificateDer::pem_reader_iter(BufReader::new(file.take(CERTIFICATES_BYTES_MAX))) {
            roots.add(certificate.map_err(|error| wrong(error.to_string()))?).map_err(|error| wrong(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(wrong("no PEM certificate found".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut client = versions.map_err(|error| ConnectorError::Tls(error.to_string()))?.with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = if config.http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(Arc::new(client))
}

fn server_name(target: &Target) -> Result<ServerName<'static>, ConnectorError> {
    ServerName::try_from(target.host.clone()).map_err(|error| ConnectorError::Tls(format!("{}: {error}", target.host)))
}

/// More than all certificates of a system. Such a file may be a device by mistake.
const CERTIFICATES_BYTES_MAX: u64 = 4_000_000;
