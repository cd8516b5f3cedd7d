//! Servers that answer with their own address at the places a configuration names, and a client that sends any method.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::requests::Request;

/// Starts a server at every address; `false` if one is taken. Its threads end with the test's process.
pub(super) fn serve(addresses: &[String]) -> bool {
    let listeners: Result<Vec<TcpListener>, _> = addresses.iter().map(TcpListener::bind).collect();
    let Ok(listeners) = listeners else { return false };
    for listener in listeners {
        std::thread::spawn(move || {
            let name = listener.local_addr().unwrap().to_string();
            for stream in listener.incoming().flatten() {
                let name = name.clone();
                std::thread::spawn(move || answer(&stream, &name));
            }
        });
    }
    true
}

fn answer(stream: &TcpStream, name: &str) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    let mut line = String::new();
    let mut first = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if first.is_empty() {
            first = line.trim_end().to_owned();
        } else if line.trim_end().is_empty() {
            // The request line comes back too: the proxy must not have touched the path.
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Server: {name}\r\nX-Request-Line: {first}\r\n\r\n");
            writer.write_all(head.as_bytes()).ok()?;
            first.clear();
        }
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The server's address.
    pub(super) server: Option<String>,
    /// The target that the server saw.
    pub(super) target: Option<String>,
}

/// A client with a kept connection from each of its addresses.
pub(super) struct Client {
    port: u16,
    connections: HashMap<u8, BufReader<TcpStream>>,
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        Self { port, connections: HashMap::new() }
    }

    pub(super) fn send(&mut self, request: &Request) -> Answer {
        let mut connection = self.connections.remove(&request.source).unwrap_or_else(|| connect(self.port, request.source));
        let authorization = match request.authorization.as_str() {
            "" => String::new(),
            value => format!("Authorization: {value}\r\n"),
        };
        let text = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.{}\r\n{authorization}Content-Length: 0\r\n\r\n",
            request.method.name(),
            request.target,
            request.source
        );
        connection.get_mut().write_all(text.as_bytes()).unwrap();
        let (answer, length, closes) = read_head(&mut connection, request);
        if request.method != wsim::endpoints::Method::Head {
            let mut body = vec![0; length];
            connection.read_exact(&mut body).unwrap();
        }
        if !closes {
            self.connections.insert(request.source, connection);
        }
        answer
    }
}

fn connect(port: u16, source: u8) -> BufReader<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, source], 0)).into()).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    BufReader::new(stream)
}

/// The head of an answer, the length of its body, and whether the connection ends with it.
fn read_head(connection: &mut BufReader<TcpStream>, request: &Request) -> (Answer, usize, bool) {
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{request:?}: {line:?}"));
    let mut answer = Answer { status, server: None, target: None };
    let (mut length, mut closes) = (0, false);
    loop {
        line.clear();
        connection.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { return (answer, length, closes) };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "connection" => closes = value.eq_ignore_ascii_case("close"),
            "x-server" => answer.server = Some(value.to_owned()),
            "x-request-line" => answer.target = value.split(' ').nth(1).map(str::to_owned),
            _ => {}
        }
    }
}
