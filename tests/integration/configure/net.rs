//! Servers that respond with their own address at the addresses that a configuration names, and a client that sends any method.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use super::requests::Request;
use crate::support::connect_from;

/// Starts a server at every address; `false` if an address is in use. The threads end with the test's process.
pub(super) fn serve(addresses: &[String]) -> bool {
    let listeners: Result<Vec<TcpListener>, _> = addresses.iter().map(TcpListener::bind).collect();
    let Ok(listeners) = listeners else { return false };
    for listener in listeners {
        std::thread::spawn(move || {
            let name = listener.local_addr().unwrap().to_string();
            for stream in listener.incoming().flatten() {
                let name = name.clone();
                std::thread::spawn(move || respond(&stream, &name));
            }
        });
    }
    true
}

fn respond(stream: &TcpStream, name: &str) -> Option<()> {
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
            // The request line is sent back so that the test can check that the proxy did not change the path.
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Server: {name}\r\nX-Request-Line: {first}\r\n\r\n");
            writer.write_all(head.as_bytes()).ok()?;
            first.clear();
        }
    }
}

/// The response to a request.
pub(super) struct Response {
    pub(super) status: u16,
    /// The address of the server that responded, if it was not the proxy itself.
    pub(super) server: Option<String>,
    /// The target that the server saw.
    pub(super) target: Option<String>,
}

/// A client with a persistent connection from each of its addresses.
pub(super) struct Client {
    port: u16,
    connections: HashMap<u8, BufReader<TcpStream>>,
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        Self { port, connections: HashMap::new() }
    }

    pub(super) fn send(&mut self, request: &Request) -> Response {
        let mut connection = self
            .connections
            .remove(&request.source)
            .unwrap_or_else(|| connect_from(Ipv4Addr::new(127, 0, 0, request.source).into(), self.port));
        let authorization = match request.authorization.as_str() {
            "" => String::new(),
            value => format!("Authorization: {value}\r\n"),
        };
        let agent = if request.agent.is_empty() { String::new() } else { format!("User-Agent: {}\r\n", request.agent) };
        let text = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.{}\r\n{authorization}{agent}Content-Length: 0\r\n\r\n",
            request.method.name(),
            request.target,
            request.source
        );
        connection.get_mut().write_all(text.as_bytes()).unwrap();
        let (response, length, closes) = read_head(&mut connection, request);
        if request.method != wsim::endpoints::Method::Head {
            let mut body = vec![0; length];
            connection.read_exact(&mut body).unwrap();
        }
        if !closes {
            self.connections.insert(request.source, connection);
        }
        response
    }
}

/// Reads the head of a response; also the length of its body, and whether the connection closes after it.
fn read_head(connection: &mut BufReader<TcpStream>, request: &Request) -> (Response, usize, bool) {
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{request:?}: {line:?}"));
    let mut response = Response { status, server: None, target: None };
    let (mut length, mut closes) = (0, false);
    loop {
        line.clear();
        connection.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { return (response, length, closes) };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "connection" => closes = value.eq_ignore_ascii_case("close"),
            "x-server" => response.server = Some(value.to_owned()),
            "x-request-line" => response.target = value.split(' ').nth(1).map(str::to_owned),
            _ => {}
        }
    }
}
