//! A client of the proxies: one request after another on a kept connection, or one held open on its own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::echo::Echo;

/// A client of the proxy at one port.
pub(super) struct Client {
    port: u16,
    source: IpAddr,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        Self { port, source: IpAddr::from([127, 0, 0, 1]), connection: None }
    }

    /// The same client at another loopback address.
    pub(super) fn from(&mut self, source: IpAddr) -> &mut Self {
        if source != self.source {
            self.source = source;
            self.connection = None;
        }
        self
    }

    /// The name of the server that answered.
    pub(super) fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> String {
        self.exchange(path, headers).0
    }

    /// The name of the server that answered, and one header of the answer.
    pub(super) fn get_with_header(&mut self, path: &str, header: &str) -> (String, String) {
        let (body, mut head) = self.exchange(path, &[]);
        (body, head.headers.remove(header).unwrap_or_default())
    }

    fn exchange(&mut self, path: &str, headers: &[(&str, &str)]) -> (String, Head) {
        let mut connection = self.connection.take().unwrap_or_else(|| connect(self.port, self.source));
        connection.get_mut().write_all(request(path, headers).as_bytes()).unwrap();
        let head = read_head(&mut connection, path);
        let mut body = vec![0; head.length];
        connection.read_exact(&mut body).unwrap();
        if !head.closes {
            self.connection = Some(connection);
        }
        (String::from_utf8(body).unwrap().trim_end().to_owned(), head)
    }
}

/// A request that is held open.
pub(super) struct Held {
    /// The server that holds it.
    pub(super) server: String,
    id: String,
    connection: BufReader<TcpStream>,
}

impl Held {
    /// Sends a request and reads the answer but for its last byte.
    pub(super) fn open(port: u16, path: &str, headers: &[(&str, &str)]) -> Self {
        Asked::ask(port, path, headers).answered()
    }

    /// Lets the request end, and waits until the proxy closes the connection.
    pub(super) fn finish(mut self, echoes: &[Echo]) {
        echoes[0].release(&self.id);
        let mut rest = Vec::new();
        self.connection.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"\n");
    }
}

/// A request that was sent and may wait for a server.
pub(super) struct Asked {
    path: String,
    id: String,
    connection: BufReader<TcpStream>,
}

impl Asked {
    /// Sends a request that will be held open.
    pub(super) fn ask(port: u16, path: &str, headers: &[(&str, &str)]) -> Self {
        let id = format!("{}-{}", std::process::id(), IDS.fetch_add(1, Ordering::Relaxed));
        let mut headers = headers.to_vec();
        headers.extend([("X-Hold", id.as_str()), ("Connection", "close")]);
        let mut connection = connect(port, IpAddr::from([127, 0, 0, 1]));
        connection.get_mut().write_all(request(path, &headers).as_bytes()).unwrap();
        Self { path: path.to_owned(), id, connection }
    }

    /// Whether no server has answered within so long.
    pub(super) fn waits(&mut self, at_most: Duration) -> bool {
        self.connection.get_ref().set_read_timeout(Some(at_most)).unwrap();
        let waits = match self.connection.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        };
        self.connection.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        waits
    }

    /// Reads the answer but for its last byte.
    pub(super) fn answered(mut self) -> Held {
        let head = read_head(&mut self.connection, &self.path);
        let mut body = vec![0; head.length - 1];
        self.connection.read_exact(&mut body).unwrap();
        Held { server: String::from_utf8(body).unwrap(), id: self.id, connection: self.connection }
    }
}

struct Head {
    length: usize,
    closes: bool,
    /// By name in lower case.
    headers: HashMap<String, String>,
}

fn connect(port: u16, source: IpAddr) -> BufReader<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

fn request(path: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

fn read_head(connection: &mut BufReader<TcpStream>, path: &str) -> Head {
    let mut head = Head { length: 0, closes: false, headers: HashMap::new() };
    let mut first = String::new();
    connection.read_line(&mut first).unwrap();
    assert!(first.starts_with("HTTP/1.1 200"), "{path}: {first:?}");
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { return head };
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "content-length" => head.length = value.trim().parse().unwrap(),
            "connection" => head.closes = value.trim().eq_ignore_ascii_case("close"),
            _ => {}
        }
        head.headers.insert(name, value.trim().to_owned());
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
static IDS: AtomicU64 = AtomicU64::new(0);
