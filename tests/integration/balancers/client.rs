//! A client of the proxies: requests one after another on a persistent connection, or single requests that are held open.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::echo::Echo;
use crate::support::{READ_TIMEOUT, connect_from};

/// Sends requests to the proxy at one port, with one connection at a time.
pub(super) struct Client {
    port: u16,
    source: IpAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        Self { port, source: Ipv4Addr::LOCALHOST.into(), connection: None }
    }

    /// The same client with another loopback address as its own.
    pub(super) fn from(&mut self, source: IpAddr) -> &mut Self {
        if source != self.source {
            self.source = source;
            self.connection = None;
        }
        self
    }

    /// Sends a GET request and returns the name of the server that responded.
    pub(super) fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> String {
        self.exchange(path, headers).0
    }

    /// Like [`Self::get`], with one header of the response.
    pub(super) fn get_with_header(&mut self, path: &str, header: &str) -> (String, String) {
        let (body, mut head) = self.exchange(path, &[]);
        (body, head.headers.remove(header).unwrap_or_default())
    }

    fn exchange(&mut self, path: &str, headers: &[(&str, &str)]) -> (String, Head) {
        let mut connection = self.connection.take().unwrap_or_else(|| connect_from(self.source, self.port));
        connection.get_mut().write_all(request(path, headers).as_bytes()).unwrap();
        let head = read_head(&mut connection, path);
        let mut body = vec![0; head.content_length];
        connection.read_exact(&mut body).unwrap();
        if !head.closes {
            self.connection = Some(connection);
        }
        (String::from_utf8(body).unwrap().trim_end().to_owned(), head)
    }
}

/// A request whose response is complete except for its last byte.
pub(super) struct HeldRequest {
    /// The server that holds the request open.
    pub(super) server: String,
    id: String,
    connection: BufReader<TcpStream>,
}

impl HeldRequest {
    /// Sends a request and reads the response except for its last byte.
    pub(super) fn open(port: u16, path: &str, headers: &[(&str, &str)]) -> Self {
        SentRequest::send(port, path, headers).wait_for_server()
    }

    /// Lets the server complete the response, and waits until the proxy closes the connection.
    pub(super) fn finish(mut self, echoes: &[Echo]) {
        echoes[0].release(&self.id);
        let mut rest = Vec::new();
        self.connection.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"\n");
    }
}

/// A request that has been sent and may still be waiting for a server.
pub(super) struct SentRequest {
    path: String,
    id: String,
    connection: BufReader<TcpStream>,
}

impl SentRequest {
    /// Sends a request that the server will hold open.
    pub(super) fn send(port: u16, path: &str, headers: &[(&str, &str)]) -> Self {
        let id = format!("{}-{}", std::process::id(), IDS.fetch_add(1, Ordering::Relaxed));
        let mut headers = headers.to_vec();
        headers.extend([("X-Hold", id.as_str()), ("Connection", "close")]);
        let mut connection = connect_from(Ipv4Addr::LOCALHOST.into(), port);
        connection.get_mut().write_all(request(path, &headers).as_bytes()).unwrap();
        Self { path: path.to_owned(), id, connection }
    }

    /// Whether the request is still without a response after `timeout`.
    pub(super) fn is_waiting(&mut self, timeout: Duration) -> bool {
        self.connection.get_ref().set_read_timeout(Some(timeout)).unwrap();
        let is_waiting = match self.connection.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        };
        self.connection.get_ref().set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        is_waiting
    }

    /// Waits until a server responds, and reads the response except for its last byte.
    pub(super) fn wait_for_server(mut self) -> HeldRequest {
        let head = read_head(&mut self.connection, &self.path);
        let mut body = vec![0; head.content_length - 1];
        self.connection.read_exact(&mut body).unwrap();
        HeldRequest { server: String::from_utf8(body).unwrap(), id: self.id, connection: self.connection }
    }
}

/// Status line and headers of a response.
struct Head {
    content_length: usize,
    closes: bool,
    /// The key is the name in lower case.
    headers: HashMap<String, String>,
}

fn request(path: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

fn read_head(connection: &mut BufReader<TcpStream>, path: &str) -> Head {
    let mut head = Head { content_length: 0, closes: false, headers: HashMap::new() };
    let mut first = String::new();
    connection.read_line(&mut first).unwrap();
    assert!(first.starts_with("HTTP/1.1 200"), "{path}: {first:?}");
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { return head };
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "content-length" => head.content_length = value.trim().parse().unwrap(),
            "connection" => head.closes = value.trim().eq_ignore_ascii_case("close"),
            _ => {}
        }
        head.headers.insert(name, value.trim().to_owned());
    }
}

/// Makes the ids of held requests unique within this process.
static IDS: AtomicU64 = AtomicU64::new(0);
