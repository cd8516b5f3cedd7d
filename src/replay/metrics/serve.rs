//! The HTTP server for scrapes: one thread, a few connections, one page.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::MetricsRegistry;

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The address is in use, or not of this machine.
    #[error("could not listen on {0} for --metrics: choose another address or port (port 0 takes a free one)")]
    Bind(SocketAddr, #[source] io::Error),
    /// The system provides no thread or no event queue.
    #[error("could not start the thread for --metrics")]
    Start(#[source] io::Error),
}

/// A bound address, not served yet.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
}

/// A running server; stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Binds the address.
    ///
    /// # Errors
    /// [`MetricsError::Bind`].
    pub fn bind(address: SocketAddr) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError::Bind(address, source);
        let socket = std::net::TcpListener::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// Serves from a thread of its own.
    ///
    /// # Errors
    /// [`MetricsError::Start`].
    pub fn serve(self, registry: Arc<MetricsRegistry>) -> Result<Server, MetricsError> {
        let Self { socket, address } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MetricsError::Start)?;
        let socket = {
            let _inside = runtime.enter();
            TcpListener::from_std(socket).map_err(MetricsError::Start)?
        };
        let (end, ended) = oneshot::channel();
        let work = move || runtime.block_on(serve_all(socket, registry, ended));
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(work).map_err(MetricsError::Start)?;
        Ok(Server { address, end: Some(end), thread: Some(thread) })
    }
}

impl Server {
    /// The address it listens on; never port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve_all(socket: TcpListener, registry: Arc<MetricsRegistry>, mut ended: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        let full = connections.len() >= CONNECTIONS_MAX;
        tokio::select! {
            _ = &mut ended => return,
            Some(_) = connections.join_next() => {}
            accepted = socket.accept(), if !full => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(tokio::time::timeout(CONNECTION_TIMEOUT, serve_connection(stream, Arc::clone(&registry))));
                }
                // For example out of file descriptors: the run needs them first.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

async fn serve_connection(stream: TcpStream, registry: Arc<MetricsRegistry>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), &registry);
        async move { Ok::<_, Infallible>(response) }
    });
    // A scraper that disconnects is not an error. The timeout for the whole connection covers its head, too.
    let _ = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn respond(method: &Method, path: &str, registry: &MetricsRegistry) -> Response<Full<Bytes>> {
    let (status, body) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, registry.page()),
        (&Method::GET | &Method::HEAD, _) => (StatusCode::NOT_FOUND, "the metrics are at /metrics\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// Connections at a time.
const CONNECTIONS_MAX: usize = 16;
/// Longest time for a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
