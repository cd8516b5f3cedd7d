//! How connections to one target are opened: addresses looked up once, TLS prepared once.

use std::fs::File;
use std::io::{self, BufReader};
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

/// What holds for every connection to a target.
#[derive(Debug, Clone)]
pub struct Settings {
    /// HTTP/2: by ALPN with TLS (HTTP/1.1 where the server does not offer it), with prior knowledge without.
    pub http2: bool,
    /// A file of PEM certificates to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// Value of `User-Agent`, by which the target's administrator knows these requests.
    pub user_agent: String,
    /// In which header of an answer the proxy names the upstream.
    pub upstream_header: HeaderName,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest wait from a request's first byte to its answer's last.
    pub answer_timeout: Duration,
    /// Longest body that is read, bytes.
    pub body_bytes_max: u64,
    /// Most of a body that is kept, bytes.
    pub keep_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http2: false,
            ca: None,
            user_agent: concat!("wsim/", env!("CARGO_PKG_VERSION")).to_owned(),
            upstream_header: HeaderName::from_static("x-upstream"),
            connect_timeout: Duration::from_secs(10),
            // A sync may be parked for as long as its client asked, most ask for 30 s; Synapse's initial syncs take minutes.
            answer_timeout: Duration::from_secs(120),
            body_bytes_max: 256 << 20,
            keep_bytes_max: 8 << 20,
        }
    }
}

/// Why no connection can ever be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// The name has no address.
    #[error("could not look up {host}: {source}")]
    Lookup {
        /// Host of the target.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The file of certificates cannot be used.
    #[error("could not read certificates from {}: {why}", .path.display())]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("could not set up TLS: {0}")]
    Tls(String),
    /// A setting cannot stand in a header.
    #[error("{0:?} cannot stand in a header")]
    Header(String),
}

/// Opens connections to a target. The addresses are those of the first look-up: what was checked is what is used.
#[derive(Debug, Clone)]
pub struct Connector {
    pub(super) target: Arc<Target>,
    pub(super) settings: Arc<Settings>,
    addresses: Arc<[SocketAddr]>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(super) host: HeaderValue,
    pub(super) user_agent: HeaderValue,
    /// Scheme and authority, which HTTP/2 puts into every request.
    pub(super) origin: String,
}

impl Connector {
    /// Looks up the target and reads certificates.
    ///
    /// # Errors
    /// See [`ConnectorError`].
    pub async fn new(target: Target, settings: Settings) -> Result<Self, ConnectorError> {
        let host = target.host.clone();
        let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(|source| ConnectorError::Lookup { host: host.clone(), source })?.collect();
        if addresses.is_empty() {
            return Err(ConnectorError::Lookup { host, source: io::Error::new(io::ErrorKind::NotFound, "it has no address") });
        }
        let tls = if target.tls { Some((tls(&settings)?, server_name(&target)?)) } else { None };
        let header = |text: &str| HeaderValue::from_str(text).map_err(|_| ConnectorError::Header(text.to_owned()));
        let authority = target.authority();
        Ok(Self {
            addresses: addresses.into(),
            tls,
            host: header(&authority)?,
            user_agent: header(&settings.user_agent)?,
            origin: format!("{}://{authority}", if target.tls { "https" } else { "http" }),
            target: Arc::new(target),
            settings: Arc::new(settings),
        })
    }

    /// The same, but for the `User-Agent`.
    ///
    /// # Errors
    /// [`ConnectorError::Header`].
    pub fn with_user_agent(&self, text: &str) -> Result<Self, ConnectorError> {
        let user_agent = HeaderValue::from_str(text).map_err(|_| ConnectorError::Header(text.to_owned()))?;
        Ok(Self { user_agent, ..self.clone() })
    }

    /// The addresses that connections go to, in order of preference.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Opens a connection. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Failure::Connect`], [`Failure::Tls`], or [`Failure::Protocol`] where HTTP/2 cannot be agreed on.
    pub async fn open(&self) -> Result<Connection, Failure> {
        timeout(self.settings.connect_timeout, self.open_unlimited()).await.unwrap_or(Err(Failure::Connect))
    }

    async fn open_unlimited(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(&self.addresses[..]).await.map_err(|_| Failure::Connect)?;
        stream.set_nodelay(true).map_err(|_| Failure::Connect)?;
        match &self.tls {
            None => Connection::start(self, stream, self.settings.http2).await,
            Some((config, name)) => {
                let stream = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await.map_err(|_| Failure::Tls)?;
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Connection::start(self, stream, http2).await
            }
        }
    }

    /// The request's URI: a path for HTTP/1.1, everything for HTTP/2.
    pub(super) fn uri(&self, path_and_query: &str, http2: bool) -> Option<Uri> {
        let origin = if http2 { self.origin.as_str() } else { "" };
        if origin.is_empty() && self.target.base.is_empty() {
            return path_and_query.parse().ok();
        }
        format!("{origin}{}{path_and_query}", self.target.base).parse().ok()
    }
}

fn tls(settings: &Settings) -> Result<Arc<ClientConfig>, ConnectorError> {
    let mut roots = RootCertStore::empty();
    // A system without certificates is no fault as long as the target's own are given; a handshake will tell.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = &settings.ca {
        let wrong = |why: String| ConnectorError::Certificates { path: path.clone(), why };
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let mut count = 0;
        for certificate in CertificateDer::pem_reader_iter(BufReader::new(file)) {
            roots.add(certificate.map_err(|error| wrong(error.to_string()))?).map_err(|error| wrong(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(wrong("there is no PEM certificate in it".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions.map_err(|error| ConnectorError::Tls(error.to_string()))?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = if settings.http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(Arc::new(config))
}

fn server_name(target: &Target) -> Result<ServerName<'static>, ConnectorError> {
    ServerName::try_from(target.host.clone()).map_err(|error| ConnectorError::Tls(format!("{}: {error}", target.host)))
}
