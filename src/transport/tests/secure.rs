//! TLS with a private certificate authority, HTTP/2 by ALPN and with prior knowledge, against hyper's server.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{get, short_timeouts};
use crate::{Client, Connector, Failure, TransportConfig};

/// Responds with the HTTP version, and `+` if the request was for `localhost`.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let authority = request.uri().authority().map(ToString::to_string);
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).map(str::to_owned);
    let is_localhost = authority.or(host).unwrap_or_default().starts_with("localhost");
    Ok(Response::new(Full::new(Bytes::from(format!("{:?}{}", request.version(), if is_localhost { "+" } else { "-" })))))
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http2: bool) {
    let io = TokioIo::new(stream);
    let _ = if http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service_fn(echo)).await
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(io, service_fn(echo)).await
    };
}

/// A TLS server for `localhost`, and its certificate.
async fn server(http2: bool) -> (SocketAddr, tempfile::NamedTempFile) {
    server_of(rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap(), http2).await
}

/// A TLS server with a certificate that it signed itself.
async fn server_of(parameters: rcgen::CertificateParams, http2: bool) -> (SocketAddr, tempfile::NamedTempFile) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certificate.pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = if http2 { vec![b"h2".to_vec()] } else { vec![] };
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, http2).await;
                }
            });
        }
    });
    (address, file)
}

async fn fetch_twice(address: SocketAddr, scheme: &str, config: TransportConfig) -> Result<String, Failure> {
    let target = format!("{scheme}://localhost:{}", address.port()).parse().unwrap();
    let mut client = Client::new(Connector::new(target, TransportConfig { keep_bytes_max: 100, ..config }).await.unwrap());
    // The second request uses the kept connection.
    client.send(&get("/_matrix/client/versions?x=1")).await?;
    client.send(&get("/_matrix/client/versions?x=1")).await.map(|response| String::from_utf8_lossy(&response.body).into_owned())
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_if_given() {
    let (address, ca) = server(false).await;
    let trusting = TransportConfig { ca: Some(ca.path().to_owned()), ..short_timeouts() };
    assert_eq!(fetch_twice(address, "https", trusting).await.as_deref(), Ok(&*format!("{:?}+", Version::HTTP_11)));
    assert_eq!(fetch_twice(address, "https", short_timeouts()).await, Err(Failure::TlsAuthority));
    let insecure = TransportConfig { insecure: true, ..short_timeouts() };
    assert_eq!(fetch_twice(address, "https", insecure).await.as_deref(), Ok(&*format!("{:?}+", Version::HTTP_11)));
}

/// As `openssl req -x509` makes certificates: the server's own, and an authority's at the same time.
fn self_signed(name: &str) -> rcgen::CertificateParams {
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_trusted_if_given() {
    let (address, ca) = server_of(self_signed("localhost"), false).await;
    let trusting = TransportConfig { ca: Some(ca.path().to_owned()), ..short_timeouts() };
    assert_eq!(fetch_twice(address, "https", trusting.clone()).await.as_deref(), Ok(&*format!("{:?}+", Version::HTTP_11)));
    assert_eq!(fetch_twice(address, "https", short_timeouts()).await, Err(Failure::TlsAuthority));
    let (other, _) = server_of(self_signed("localhost"), false).await;
    assert_eq!(fetch_twice(other, "https", trusting).await, Err(Failure::TlsAuthority), "another certificate of the same name");
}

#[tokio::test]
async fn a_failed_handshake_says_what_is_wrong() {
    let mut expired = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let mut early = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    early.not_before = rcgen::date_time_ymd(2100, 1, 1);
    let mut own_and_expired = self_signed("localhost");
    own_and_expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let other_name = rcgen::CertificateParams::new(vec!["elsewhere.example".to_owned()]).unwrap();
    let cases = [
        (expired, Failure::TlsExpired),
        (early, Failure::TlsNotYetValid),
        (own_and_expired, Failure::TlsExpired),
        (other_name, Failure::TlsHostName),
        (self_signed("elsewhere.example"), Failure::TlsHostName),
    ];
    for (parameters, failure) in cases {
        let (address, ca) = server_of(parameters, false).await;
        let trusting = TransportConfig { ca: Some(ca.path().to_owned()), ..short_timeouts() };
        assert_eq!(fetch_twice(address, "https", trusting).await, Err(failure));
        let insecure = TransportConfig { insecure: true, ..short_timeouts() };
        assert!(fetch_twice(address, "https", insecure).await.is_ok(), "{failure}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, false));
        }
    });
    assert_eq!(fetch_twice(address, "https", short_timeouts()).await, Err(Failure::Tls));
}

#[tokio::test]
async fn http_2_is_used_where_the_server_offers_it() {
    let (address, ca) = server(true).await;
    let config = TransportConfig { ca: Some(ca.path().to_owned()), http2: true, ..short_timeouts() };
    assert_eq!(fetch_twice(address, "https", config).await.as_deref(), Ok(&*format!("{:?}+", Version::HTTP_2)));
    let (plain, ca) = server(false).await;
    let config = TransportConfig { ca: Some(ca.path().to_owned()), http2: true, ..short_timeouts() };
    assert_eq!(fetch_twice(plain, "https", config).await.as_deref(), Ok(&*format!("{:?}+", Version::HTTP_11)), "not offered");
}

#[tokio::test]
async fn http_2_without_tls_needs_no_negotiation() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, true));
        }
    });
    let config = TransportConfig { http2: true, ..short_timeouts() };
    assert_eq!(fetch_twice(address, "http", config).await.as_deref(), Ok(&*format!("{:?}+", Version::HTTP_2)));
}

#[tokio::test]
async fn a_file_without_certificates_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = TransportConfig { ca: Some(file.path().to_owned()), ..short_timeouts() };
    let error = Connector::new("https://localhost:1".parse().unwrap(), config).await.unwrap_err().to_string();
    assert!(error.contains("no PEM certificate"), "{error}");
}
