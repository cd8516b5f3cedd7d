//! An HTTP/2 server that is told frame by frame what to say (RFC 9113), for tests of what a well-behaved library never does.

// Tests of several crates use it, each a part.
#![allow(dead_code, reason = "used in part by each crate's tests")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A connection, seen by the server.
pub(crate) struct Frames {
    stream: TcpStream,
    /// Frames that wait for [`Self::flush`], so that several arrive together.
    out: Vec<u8>,
}

/// Starts a server that calls `serve` with each connection and its number, on a thread of its own.
pub(crate) fn listen(serve: impl Fn(usize, Frames) -> io::Result<()> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let serve = Arc::clone(&serve);
            // A client that has gone is the end of a connection, and no fault.
            thread::spawn(move || drop(Frames::accept(stream).and_then(|frames| serve(number, frames))));
        }
    });
    address
}

impl Frames {
    fn accept(mut stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.read_exact(&mut [0; PREFACE_BYTES])?;
        let mut frames = Self { stream, out: Vec::new() };
        frames.push(SETTINGS, 0, 0, &[]);
        frames.flush()?;
        Ok(frames)
    }

    /// The stream of the next request, whose head is read and whose body is not waited for; `None` at the end of the connection.
    pub(crate) fn next_request(&mut self) -> io::Result<Option<u32>> {
        loop {
            let mut head = [0; 9];
            match self.stream.read_exact(&mut head) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                read => read?,
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload)?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match (head[3], head[4] & ACK) {
                (HEADERS, _) => return Ok(Some(stream)),
                (SETTINGS, 0) => self.push(SETTINGS, ACK, 0, &[]).flush()?,
                (PING, 0) => self.push(PING, ACK, 0, &payload).flush()?,
                _ => {}
            }
        }
    }

    /// Reads no longer than this.
    pub(crate) fn patience(&self, time: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(time))
    }

    /// The streams of the next requests.
    pub(crate) fn requests(&mut self, count: usize) -> io::Result<Vec<u32>> {
        (0..count).map(|_| self.next_request()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())).collect()
    }

    /// 200, `ok`.
    pub(crate) fn respond(&mut self, stream: u32) -> &mut Self {
        // The status is entry 8 of HPACK's static table.
        self.push(HEADERS, END_HEADERS, stream, &[0x88]);
        self.push(DATA, END_STREAM, stream, b"ok")
    }

    /// GOAWAY: the streams up to this one may have been processed.
    pub(crate) fn go_away(&mut self, last_stream: u32, error: u32) -> &mut Self {
        self.push(GOAWAY, 0, 0, &[last_stream.to_be_bytes(), error.to_be_bytes()].concat())
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&std::mem::take(&mut self.out))
    }

    fn push(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> &mut Self {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.out.extend_from_slice(&length[1..]);
        self.out.extend_from_slice(&[kind, flags]);
        self.out.extend_from_slice(&stream.to_be_bytes());
        self.out.extend_from_slice(payload);
        self
    }
}

/// The highest stream: a server that will say later which streams it takes.
pub(crate) const LAST_STREAM: u32 = (1 << 31) - 1;
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
const PREFACE_BYTES: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
