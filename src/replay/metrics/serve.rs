//! The HTTP server for scrapes: one thread, a few connections, one page.
//!
//! Invariant: whoever connects is served, however many others stay silent: the oldest connection makes room for a new one, and a connection
//! lasts a few seconds at most.

use std::collections::VecDeque;
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
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};

/// What a scrape shows.
pub trait Page: Send + Sync {
    /// The text, as it is now.
    fn page(&self) -> String;
}

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
    pub fn serve<P: Page + 'static>(self, page: Arc<P>) -> Result<Server, MetricsError> {
        let page: Arc<dyn Page> = page;
        let Self { socket, address } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MetricsError::Start)?;
        let socket = {
            let _inside = runtime.enter();
            TcpListener::from_std(socket).map_err(MetricsError::Start)?
        };
        let (end, ended) = oneshot::channel();
        let work = move || runtime.block_on(serve_all(socket, page, ended));
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

async fn serve_all(socket: TcpListener, page: Arc<dyn Page>, mut ended: oneshot::Receiver<()>) {
    let mut connections = Connections::default();
    loop {
        tokio::select! {
            _ = &mut ended => return,
            Some(_) = connections.tasks.join_next() => {}
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => connections.add(serve_connection(stream, Arc::clone(&page))),
                // For example out of file descriptors: the run needs them first.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}

/// The open connections; dropping closes them.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// In the order of their opening.
    by_age: VecDeque<AbortHandle>,
}

impl Connections {
    /// Serves a connection, and closes the oldest if there are too many.
    fn add(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        self.by_age.retain(|task| !task.is_finished());
        while self.by_age.len() >= CONNECTIONS_MAX {
            if let Some(oldest) = self.by_age.pop_front() {
                oldest.abort();
            }
        }
        self.by_age.push_back(self.tasks.spawn(connection));
    }
}

async fn serve_connection(stream: TcpStream, page: Arc<dyn Page>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(request.method(), request.uri().path(), &*page);
        async move { Ok::<_, Infallible>(response) }
    });
    // A scraper that disconnects is not an error.
    let _ = tokio::time::timeout(
        CONNECTION_TIMEOUT,
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service),
    )
    .await;
}

fn respond(method: &Method, path: &str, page: &dyn Page) -> Response<Full<Bytes>> {
    let (status, body) = match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, page.page()),
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
/// Longest time from a connection to its complete request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// Longest head of a request; the least that hyper accepts.
const HEAD_BYTES_MAX: usize = 8192;
/// Longest time for a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait after a failure to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Instant;

    use super::super::MetricsRegistry;
    use super::*;

    fn server() -> Server {
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listener.serve(Arc::new(MetricsRegistry::default())).unwrap()
    }

    fn connect(server: &Server) -> TcpStream {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The response to a request, and how long it took from the connection on.
    fn scrape(server: &Server) -> (String, Duration) {
        let began = Instant::now();
        let mut stream = connect(server);
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        (response, began.elapsed())
    }

    #[test]
    fn a_thousand_silent_connections_do_not_lock_a_scraper_out() {
        let server = server();
        let mut silent: Vec<TcpStream> = (0..1000).map(|_| connect(&server)).collect();
        for (number, stream) in silent.iter_mut().enumerate() {
            // Some send a part of a request; they may be closed already.
            let _ = stream.write_all(&b"GET /metrics HTTP/1.1\r\nX: "[..number % 27]);
        }
        for _ in 0..3 {
            let (response, took) = scrape(&server);
            assert!(response.starts_with("HTTP/1.1 200") && response.contains("wsim_replay_running 0"), "{response}");
            assert!(took < Duration::from_secs(1), "{took:?}");
        }
        let open = silent.iter().filter(|stream| is_open(stream)).count();
        assert!(open < CONNECTIONS_MAX, "{open} silent connections are open");
    }

    fn is_open(mut stream: &TcpStream) -> bool {
        stream.set_nonblocking(true).unwrap();
        stream.read(&mut [0; 16]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    #[test]
    fn an_endless_head_is_cut_off() {
        let server = server();
        for endless in [&b"GET /metrics HTTP/1.1\r\nX: "[..], b"GET /"] {
            let mut stream = connect(&server);
            let mut sent = stream.write_all(endless);
            for _ in 0..1000 {
                sent = sent.and_then(|()| stream.write_all(&[b'x'; 4096]));
            }
            let mut response = Vec::new();
            let read = stream.read_to_end(&mut response);
            assert!(sent.is_err() || read.is_err() || response.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&response));
        }
        let mut stream = connect(&server);
        stream.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
        let headers = "x: y\r\n".repeat(HEADERS_MAX + 1);
        stream.write_all(format!("{headers}\r\n").as_bytes()).unwrap();
        let mut response = String::new();
        let _ = stream.read_to_string(&mut response);
        assert!(!response.starts_with("HTTP/1.1 200"), "{response}");
    }

    #[test]
    fn a_request_has_five_seconds() {
        let server = server();
        let mut stream = connect(&server);
        stream.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
        let began = Instant::now();
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
        assert!(began.elapsed() < REQUEST_TIMEOUT + Duration::from_secs(2) && !response.starts_with(b"HTTP/1.1 200"), "{response:?}");
    }
}
