//! A homeserver on loopback that has a world and misbehaves as it is told, once the replay has begun: checks of the target are answered as they
//! should be.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use wsim::matrix::{Manifest, Marker, PopulationCopy};

use crate::support::run_in;

/// What the server does with the requests of a replay.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Responds with this status and these further header lines, each with its end.
    Answer(u16, &'static str),
    /// Responds with 503 to the first requests of every ten, as many as this, and with 200 to the others.
    Bursts(usize),
    /// Sends these bytes, which are not a proper response, and keeps the connection open.
    Raw(Vec<u8>),
    /// Sends these bytes and closes the connection.
    RawAndClose(Vec<u8>),
    /// Sends these bytes and resets the connection.
    RawAndReset(Vec<u8>),
    /// Reads the request and says nothing.
    Silent,
    /// A proper response, each byte 2 ms after the one before.
    ByteByByte,
    /// A body without an end.
    Endless,
    /// A proper response; then closes the connection although nothing said so, after this time.
    CloseAfterResponse(Duration),
    /// Reads every second request of a connection, and closes the connection instead of responding to it.
    CloseOnSecond,
}

/// The server. It stops when it is dropped.
pub(crate) struct Misbehaving {
    port: u16,
    shared: Arc<Server>,
}

struct Server {
    behaviour: Behaviour,
    world: String,
    /// Requests of the replay that were read.
    requests: AtomicUsize,
    heads: Mutex<Vec<String>>,
    /// Neither reads nor responds.
    frozen: AtomicBool,
    /// Neither listens nor keeps connections.
    down: AtomicBool,
    ended: AtomicBool,
    connections: Mutex<Vec<Arc<TcpStream>>>,
}

impl Misbehaving {
    /// Starts a server for the world in `world.json` of a folder, which [`write_world`] writes.
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        Self::start_at(0, behaviour)
    }

    /// [`Self::start`] at a port; 0 for a free one.
    pub(crate) fn start_at(port: u16, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Server {
            behaviour,
            world: world_name(),
            requests: AtomicUsize::new(0),
            heads: Mutex::default(),
            frozen: AtomicBool::new(false),
            down: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || listen(listener, port, &server));
        Self { port, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Requests of the replay that the server has read.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// The heads of these requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap().clone()
    }

    /// Waits for the first request of a replay.
    pub(crate) fn await_request(&self) {
        let began = std::time::Instant::now();
        while self.requests() == 0 {
            assert!(began.elapsed() < Duration::from_secs(60), "no request came");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Refuses all connections, and ends those that are open, for a time.
    pub(crate) fn be_down_for(&self, time: Duration) {
        self.shared.down.store(true, Ordering::SeqCst);
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        thread::sleep(time);
        self.shared.down.store(false, Ordering::SeqCst);
    }

    /// Keeps all connections and answers nothing, for a time.
    pub(crate) fn be_frozen_for(&self, time: Duration) {
        self.shared.frozen.store(true, Ordering::SeqCst);
        thread::sleep(time);
        self.shared.frozen.store(false, Ordering::SeqCst);
    }
}

impl Drop for Misbehaving {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for connection in self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn listen(listener: TcpListener, port: u16, server: &Arc<Server>) {
    listener.set_nonblocking(true).unwrap();
    let mut listener = Some(listener);
    while !server.ended.load(Ordering::SeqCst) {
        if server.down.load(Ordering::SeqCst) {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(("127.0.0.1", port)).ok().inspect(|listener| listener.set_nonblocking(true).unwrap());
        }
        match listener.as_ref().map(TcpListener::accept) {
            Some(Ok((stream, _))) => {
                stream.set_nonblocking(false).unwrap();
                let _ = stream.set_nodelay(true);
                let stream = Arc::new(stream);
                server.connections.lock().unwrap().push(Arc::clone(&stream));
                let server = Arc::clone(server);
                thread::spawn(move || {
                    serve(&stream, &server);
                    // The last owner closes the connection.
                    server.connections.lock().unwrap().retain(|other| !Arc::ptr_eq(other, &stream));
                });
            }
            _ => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn serve(mut stream: &TcpStream, server: &Server) {
    let mut of_replay = 0;
    while let Some(head) = read_head(stream) {
        while server.frozen.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        let served = if head.contains("user-agent: wsim-replay/") {
            of_replay += 1;
            let number = server.requests.fetch_add(1, Ordering::SeqCst);
            server.heads.lock().unwrap().push(head);
            misbehave(stream, &server.behaviour, number, of_replay)
        } else {
            let (status, body) = answer(head.split(' ').nth(1).unwrap_or_default(), &server.world);
            stream.write_all(response(status, "", &body.to_string()).as_bytes()).is_ok()
        };
        if !served {
            return;
        }
    }
}

/// The head of a request; `None` at the end of the connection.
fn read_head(mut stream: &TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// The name of the world that [`write_world`] writes.
pub(crate) fn world_name() -> String {
    Manifest::new("", RANDOM).name
}

/// What a homeserver with the world says to those who check it.
pub(crate) fn answer(path: &str, world: &str) -> (u16, Value) {
    match path {
        "/_matrix/client/versions" => (200, json!({ "versions": ["v1.1"] })),
        "/_matrix/key/v2/server" => (200, json!({ "server_name": SERVER })),
        path if path.contains(&format!("/state/{}", Manifest::MARKER_TYPE)) => (200, json!({ "world": world })),
        _ => (404, json!({})),
    }
}

fn response(status: u16, extra: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Status\r\n{extra}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// `number` counts the requests of the replay from 0, `of_connection` those of the connection from 1. `false` if the connection ends.
fn misbehave(mut stream: &TcpStream, behaviour: &Behaviour, number: usize, of_connection: usize) -> bool {
    let ok = response(200, "", "{}");
    match behaviour {
        Behaviour::Answer(status, extra) => stream.write_all(response(*status, extra, "{}").as_bytes()).is_ok(),
        Behaviour::Bursts(count) => {
            let status = if number % 10 < *count { 503 } else { 200 };
            stream.write_all(response(status, "", "{}").as_bytes()).is_ok()
        }
        Behaviour::Raw(bytes) => stream.write_all(bytes).is_ok(),
        Behaviour::RawAndClose(bytes) => {
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(Shutdown::Both);
            false
        }
        Behaviour::RawAndReset(bytes) => {
            let _ = stream.write_all(bytes);
            // So that the bytes arrive before the reset, which discards what has not been read.
            thread::sleep(Duration::from_millis(20));
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            false
        }
        Behaviour::Silent => true,
        Behaviour::ByteByByte => ok.bytes().all(|byte| {
            thread::sleep(Duration::from_millis(2));
            stream.write_all(&[byte]).is_ok()
        }),
        Behaviour::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 1 << 16]).is_ok() {}
            false
        }
        Behaviour::CloseAfterResponse(after) => {
            let _ = stream.write_all(ok.as_bytes());
            thread::sleep(*after);
            let _ = stream.shutdown(Shutdown::Both);
            false
        }
        Behaviour::CloseOnSecond if of_connection.is_multiple_of(2) => {
            let _ = stream.shutdown(Shutdown::Both);
            false
        }
        Behaviour::CloseOnSecond => stream.write_all(ok.as_bytes()).is_ok(),
    }
}

/// Writes the world of a server, and a log of `seconds` seconds with `per_second` requests each that need no account.
pub(crate) fn write_world(folder: &Path, url: &str, seconds: u32, per_second: u32) {
    let mut world = Manifest::new(url, RANDOM);
    world.server_name = SERVER.to_owned();
    world.marker = Some(Marker {
        user_id: format!("@admin:{SERVER}"),
        token: "token".to_owned(),
        room_id: Some(format!("!marker:{SERVER}")),
        alias: None,
    });
    world.copies.push(PopulationCopy::default());
    world.save(&folder.join("world.json")).unwrap();
    let line = |number: u32| {
        let (minute, second) = (number / per_second / 60, number / per_second % 60);
        format!(
            "prod.example 203.0.113.{} - - [20/Nov/2026:16:{minute:02}:{second:02} +0000] \"GET /_matrix/client/versions HTTP/1.1\" 200 89 \"-\" \"Element\"\n",
            number % 200
        )
    };
    std::fs::write(folder.join("access.log"), (0..seconds * per_second).map(line).collect::<String>()).unwrap();
}

/// The arguments of a replay of this log against a server.
pub(crate) fn replay_arguments<'a>(url: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let own = ["replay", "access.log", "--log-format", LOG_FORMAT, "--world", "world.json", "--name", "run", "--target", url];
    own.iter().chain(options).copied().collect()
}

/// Replays 30 requests in a second against a server. Returns the exit status, what was printed and `report.json`.
pub(crate) fn replay_against(server: &Misbehaving, options: &[&str]) -> (i32, String, Value) {
    replay_at(&server.url(), options)
}

/// [`replay_against`] a server of this URL.
pub(crate) fn replay_at(url: &str, options: &[&str]) -> (i32, String, Value) {
    let folder = tempfile::tempdir().unwrap();
    write_world(folder.path(), url, 3, 10);
    let (status, stdout, stderr) = run_in(folder.path(), &replay_arguments(url, &[&["--speed", "3"], options].concat()));
    let report = std::fs::read_to_string(folder.path().join("reports/run/report.json")).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    (status, stdout + &stderr, serde_json::from_str(&report).unwrap())
}

/// Asserts what a run says of its target: the exit status, whether the target missed what is expected, and whether the generator spoilt the run.
#[track_caller]
pub(crate) fn assert_verdict((status, report): (i32, &Value), missed: bool, void: bool) {
    let verdict = report["verdict"].as_str().unwrap();
    let said = (status, &report["missed"], &report["void"]);
    assert_eq!(said, (if missed || void { 3 } else { 0 }, &Value::Bool(missed), &Value::Bool(void)), "{verdict}");
    assert_eq!(verdict.contains("missed: "), missed, "{verdict}");
}

/// Asserts that every scheduled request is accounted for, and returns how many were sent.
#[track_caller]
pub(crate) fn assert_account(report: &Value) -> u64 {
    let count = |name: &str| report[name].as_u64().unwrap();
    let sum = |name: &str| report[name].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
    assert_eq!(count("scheduled"), count("sent") + sum("skipped"), "{report}");
    assert_eq!(count("sent"), count("completed") + sum("failed"), "{report}");
    count("sent")
}

/// The server's own name; the log is of another.
const SERVER: &str = "test.example";
const RANDOM: [u8; 16] = [7; 16];
const LOG_FORMAT: &str =
    r#"$host $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
