//! TLS with an authority of one's own, HTTP/2 by ALPN and with prior knowledge, against hyper's server.

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

use super::{get, quick};
use crate::{Client, Connector, Failure, Settings};

/// Says the version and the authority that it was asked by.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let authority = request.uri().authority().map(ToString::to_string);
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).map(str::to_owned);
    let asked = authority.or(host).unwrap_or_default().starts_with("localhost");
    Ok(Response::new(Full::new(Bytes::from(format!("{:?}{}", request.version(), if asked { "+" } else { "-" })))))
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, http2: bool) {
    let io = TokioIo::new(stream);
    let _ = if http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service_fn(echo)).await
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(io, service_fn(echo)).await
    };
}

/// A server for `localhost`, and its authority's certificate.
async fn server(http2: bool) -> (SocketAddr, tempfile::NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(made.cert.pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    config.alpn_protocols = if http2 { vec![b"h2".to_vec()] } else { vec![] };
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, http2).await;
                }
            });
        }
    });
    (address, file)
}

async fn ask(address: SocketAddr, scheme: &str, settings: Settings) -> Result<String, Failure> {
    let target = format!("{scheme}://localhost:{}", address.port()).parse().unwrap();
    let mut client = Client::new(Connector::new(target, Settings { keep_bytes_max: 100, ..settings }).await.unwrap());
    // Twice, so that a kept connection is used too.
    client.send(&get("/_matrix/client/versions?x=1")).await?;
    client.send(&get("/_matrix/client/versions?x=1")).await.map(|answer| String::from_utf8_lossy(&answer.body).into_owned())
}

#[tokio::test]
async fn an_authority_of_one_s_own_is_trusted_and_no_other() {
    let (address, ca) = server(false).await;
    let trusting = Settings { ca: Some(ca.path().to_owned()), ..quick() };
    assert_eq!(ask(address, "https", trusting).await.as_deref(), Ok(&*format!("{:?}+", Version::HTTP_11)));
    assert_eq!(ask(address, "https", quick()).await, Err(Failure::Tls));
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_offered() {
    let (address, ca) = server(true).await;
    let settings = Settings { ca: Some(ca.path().to_owned()), http2: true, ..quick() };
    assert_eq!(ask(address, "https", settings).await.as_deref(), Ok(&*format!("{:?}+", Version::HTTP_2)));
    let (plain, ca) = server(false).await;
    let settings = Settings { ca: Some(ca.path().to_owned()), http2: true, ..quick() };
    assert_eq!(ask(plain, "https", settings).await.as_deref(), Ok(&*format!("{:?}+", Version::HTTP_11)), "not offered");
}

#[tokio::test]
async fn http_2_without_tls_is_taken_for_granted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, true));
        }
    });
    let settings = Settings { http2: true, ..quick() };
    assert_eq!(ask(address, "http", settings).await.as_deref(), Ok(&*format!("{:?}+", Version::HTTP_2)));
}

#[tokio::test]
async fn a_file_without_certificates_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let settings = Settings { ca: Some(file.path().to_owned()), ..quick() };
    let error = Connector::new("https://localhost:1".parse().unwrap(), settings).await.unwrap_err().to_string();
    assert!(error.contains("no PEM certificate"), "{error}");
}
