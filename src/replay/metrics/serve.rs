//! The listener: one thread, a few connections, one page.

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

use super::Board;

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The address is taken, or not of this machine.
    #[error("could not listen on {0} for --metrics: give another address or port (port 0 takes a free one)")]
    Bind(SocketAddr, #[source] io::Error),
    /// The system gives no thread or no event queue.
    #[error("could not start the thread for --metrics")]
    Start(#[source] io::Error),
}

/// An address that is ours, before anybody is answered.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
}

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Takes the address.
    ///
    /// # Errors
    /// [`MetricsError::Bind`] if it cannot be had.
    pub fn bind(address: SocketAddr) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError::Bind(address, source);
        let socket = std::net::TcpListener::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// Answers from a thread of its own.
    ///
    /// # Errors
    /// [`MetricsError::Start`].
    pub fn serve(self, board: Arc<Board>) -> Result<Server, MetricsError> {
        let Self { socket, address } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MetricsError::Start)?;
        let socket = {
            let _inside = runtime.enter();
            TcpListener::from_std(socket).map_err(MetricsError::Start)?
        };
        let (end, ended) = oneshot::channel();
        let work = move || runtime.block_on(answer_all(socket, board, ended));
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(work).map_err(MetricsError::Start)?;
        Ok(Server { address, end: Some(end), thread: Some(thread) })
    }
}

impl Server {
    /// Where it listens, its port known.
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

async fn answer_all(socket: TcpListener, board: Arc<Board>, mut ended: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        let full = connections.len() >= CONNECTIONS_MAX;
        tokio::select! {
            _ = &mut ended => return,
            Some(_) = connections.join_next() => {}
            accepted = socket.accept(), if !full => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(tokio::time::timeout(LONGEST, answer(stream, Arc::clone(&board))));
                }
                // Out of file descriptors, say: the run has need of them first.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
}

async fn answer(stream: TcpStream, board: Arc<Board>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), &board);
        async move { Ok::<_, Infallible>(response) }
    });
    // A scraper that breaks off is nobody's fault. The whole connection ends after `LONGEST`, its head included.
    let _ = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn respond(method: &Method, path: &str, board: &Board) -> Response<Full<Bytes>> {
    let (status, body) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, board.page()),
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

/// Scrapers at a time.
const CONNECTIONS_MAX: usize = 16;
/// Longest time for a connection.
const LONGEST: Duration = Duration::from_secs(10);
/// After a failure to accept.
const PAUSE: Duration = Duration::from_millis(100);
