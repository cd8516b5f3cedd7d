//! Servers that respond with their own address and can hold a request open.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// A running server. Its threads end with the test's process.
pub(super) struct Echo {
    address: SocketAddr,
    released: Arc<Released>,
}

/// Ids of held requests that may be completed; shared by all servers of a test.
#[derive(Default)]
struct Released {
    ids: Mutex<HashSet<String>>,
    changed: Condvar,
}

impl Echo {
    /// Starts `count` servers on free ports.
    pub(super) fn start_all(count: usize) -> Vec<Self> {
        let released = Arc::<Released>::default();
        (0..count).map(|_| Self::start(Arc::clone(&released))).collect()
    }

    fn start(released: Arc<Released>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&released);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let released = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &address.to_string(), &released));
            }
        });
        Self { address, released }
    }

    /// `host:port`, as proxies and plans write it.
    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Completes the response to a request that is held open.
    pub(super) fn release(&self, id: &str) {
        self.released.ids.lock().unwrap().insert(id.to_owned());
        self.released.changed.notify_all();
    }
}

/// Responds to the requests of one connection. A request with `X-Hold: ID` gets the last byte of its response only when ID is
/// released, so that the client learns the server's name at once while the request stays open.
fn serve(stream: &TcpStream, name: &str, released: &Released) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let mut hold = None;
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            if let Some((header, value)) = text.split_once(':')
                && header.eq_ignore_ascii_case("x-hold")
            {
                hold = Some(value.trim().to_owned());
            }
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{name}", name.len() + 1);
        writer.write_all(head.as_bytes()).ok()?;
        if let Some(id) = hold {
            let mut ids = released.ids.lock().ok()?;
            while !ids.remove(&id) {
                ids = released.changed.wait(ids).ok()?;
            }
        }
        writer.write_all(b"\n").ok()?;
    }
}
