//! The guard in front of every target, with a server on loopback that counts what reaches it: nothing, for every target that is refused.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use wsim::matrix::{Admin, Manifest, PopulationCopy};

use crate::support::run_in;

/// What a server on loopback got.
#[derive(Default)]
struct Received {
    bytes: u64,
    /// Method and path of each request.
    requests: Vec<String>,
}

/// A homeserver that says of itself what it is told to.
struct Homeserver {
    port: u16,
    received: Arc<Mutex<Received>>,
}

impl Homeserver {
    fn start(server_name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Received::default()));
        let (shared, name) = (Arc::clone(&received), server_name.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, name) = (Arc::clone(&shared), name.clone());
                std::thread::spawn(move || serve(stream, &shared, &name));
            }
        });
        Self { port, received }
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    fn received(&self) -> (u64, Vec<String>) {
        let received = self.received.lock().unwrap();
        (received.bytes, received.requests.clone())
    }
}

fn serve(mut stream: TcpStream, received: &Mutex<Received>, name: &str) {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while let Ok(1) = stream.read(&mut byte) {
        received.lock().unwrap().bytes += 1;
        head.push(byte[0]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let line: Vec<&str> = text.lines().next().unwrap_or_default().split(' ').take(2).collect();
        received.lock().unwrap().requests.push(line.join(" "));
        let (status, extra, body) = match line.get(1).copied().unwrap_or_default() {
            "/_matrix/client/versions" => ("200 OK", String::new(), "{\"versions\":[\"v1.1\"]}".to_owned()),
            "/_matrix/key/v2/server" if name.starts_with("http://") => ("302 Found", format!("Location: {name}\r\n"), String::new()),
            "/_matrix/key/v2/server" => ("200 OK", String::new(), format!("{{\"server_name\":\"{name}\"}}")),
            _ => ("404 Not Found", String::new(), "{}".to_owned()),
        };
        let _ = write!(stream, "HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\n\r\n{body}", body.len());
        head.clear();
    }
}

const LOG_FORMAT: &str =
    r#"$host $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;

/// A log of a few requests with these parts: virtual host, user, path, referrer.
fn write_log(folder: &Path, [host, user, path, referrer]: [&str; 4]) {
    let line = |second: u32| {
        format!(
            "{host} 203.0.113.7 - {user} [20/Nov/2026:16:53:{second:02} +0000] \"GET {path} HTTP/1.1\" 200 89 \"{referrer}\" \"Element\"\n"
        )
    };
    std::fs::write(folder.join("access.log"), (10..20).map(line).collect::<String>()).unwrap();
}

/// The world of a target on a server of this name.
fn write_world(folder: &Path, url: &str, server_name: &str) {
    let mut world = Manifest::new(url, [7; 16]);
    world.server_name = server_name.to_owned();
    world.admin = Some(Admin { user_id: format!("@admin:{server_name}"), token: "token".to_owned() });
    world.copies.push(PopulationCopy::default());
    world.save(&folder.join("world.json")).unwrap();
}

/// A command that sends.
#[derive(Debug, Clone, Copy)]
enum Command {
    Replay,
    FindLimit,
    Provision,
    Purge,
}

const BOTH: [Command; 2] = [Command::Replay, Command::Provision];

/// Runs a command against a target with a world, and accounts there. Returns its exit status and error.
fn run(command: Command, folder: &Path, url: &str, server_name: &str, options: &[&str]) -> (i32, String) {
    write_world(folder, url, server_name);
    std::fs::write(folder.join("tokens"), format!("@someone:{server_name}\ttoken\n")).unwrap();
    let _ = std::fs::remove_file(folder.join("new.json"));
    let log = ["access.log", "--log-format", LOG_FORMAT];
    let (word, log, own): (_, &[&str], &[&str]) = match command {
        Command::Replay => ("replay", &log, &["--world", "world.json", "--quiet"]),
        Command::FindLimit => ("replay", &log, &["--world", "world.json", "--quiet", "--find-limit", "p95 work < 500ms"]),
        Command::Provision => ("provision", &log, &["--world", "new.json", "--tokens", "tokens", "--quiet"]),
        Command::Purge => ("provision", &[], &["--world", "world.json", "--purge", "--quiet"]),
    };
    let (status, _, stderr) = run_in(folder, &[&[word, "--target", url], log, own, options].concat());
    (status, stderr)
}

/// The places of a log, each with a name of the server: virtual host, user, path, referrer.
const PLACES: [[&str; 4]; 12] = [
    ["NAME", "-", "/_matrix/client/versions", "-"],
    ["NAME:8448", "-", "/_matrix/client/versions", "-"],
    ["-", "@alice:NAME", "/_matrix/client/v3/sync", "-"],
    ["-", "-", "/_matrix/client/v3/sync", "https://NAME/app/"],
    ["-", "-", "https://NAME/_matrix/client/v3/sync", "-"],
    ["-", "-", "/_matrix/client/v3/profile/%40alice%3ANAME", "-"],
    ["-", "-", "/_matrix/client/v3/rooms/!room:NAME/members", "-"],
    ["-", "-", "/_matrix/client/v3/directory/room/%23alias:NAME", "-"],
    ["-", "-", "/_matrix/media/v3/download/NAME/abc", "-"],
    ["-", "-", "/_synapse/admin/v1/federation/destinations/NAME", "-"],
    ["-", "-", "/_matrix/client/v3/join/!room?via=NAME", "-"],
    ["-", "-", "/_matrix/federation/v1/query/profile?user_id=%40alice%3ANAME", "-"],
];

/// Nothing reaches a server that stands in any place of the log, in another spelling than that of its world or its accounts.
fn refuses_every_place(command: Command) {
    let homeserver = Homeserver::start("prod.example");
    let folder = tempfile::tempdir().unwrap();
    for place in PLACES {
        write_log(folder.path(), place.map(|part| part.replace("NAME", "Prod.example")).each_ref().map(String::as_str));
        let (status, stderr) = run(command, folder.path(), &homeserver.url("127.0.0.1"), "PROD.example.:8448", &[]);
        assert_eq!(status, 1, "{place:?}: {stderr}");
        assert!(stderr.contains("prod.example is in the log") && stderr.contains("--allow-server prod.example"), "{place:?}: {stderr}");
    }
    assert_eq!(homeserver.received(), (0, Vec::new()));
}

#[test]
fn no_replay_reaches_a_server_that_stands_anywhere_in_the_log() {
    refuses_every_place(Command::Replay);
}

#[test]
fn no_provisioning_reaches_a_server_that_stands_anywhere_in_the_log() {
    refuses_every_place(Command::Provision);
}

/// Nothing reaches a target in any spelling of its name and address in the log.
fn refuses_every_spelling(command: Command) {
    let homeserver = Homeserver::start("test.invalid");
    let folder = tempfile::tempdir().unwrap();
    let spellings = [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.9.9.9",
        "[::ffff:127.0.0.1]",
    ];
    for (host, logged) in spellings.iter().zip(["localhost:8008", "127.0.0.1", "[::1]"].iter().cycle()) {
        write_log(folder.path(), ["-", &format!("@alice:{logged}"), "/_matrix/client/v3/sync", "-"]);
        let options = ["--allow-unknown-origin", "--allow-public-target"];
        let (status, stderr) = run(command, folder.path(), &homeserver.url(host), "test.invalid", &options);
        assert!(status == 1 && stderr.contains("is in the log"), "{host}, log of {logged}: {stderr}");
    }
    assert_eq!(homeserver.received(), (0, Vec::new()));
}

#[test]
fn no_replay_reaches_a_name_of_the_log_in_another_spelling() {
    refuses_every_spelling(Command::Replay);
}

#[test]
fn no_provisioning_reaches_a_name_of_the_log_in_another_spelling() {
    refuses_every_spelling(Command::Provision);
}

/// Hosts that no test server has, and how the error ends.
const FORBIDDEN: [(&str, &str); 11] = [
    ("192.0.2.1", "--allow-public-target"),
    ("3221225985", "--allow-public-target"),
    ("[2001:db8::1]", "--allow-public-target"),
    ("[::ffff:192.0.2.1]", "--allow-public-target"),
    ("169.254.169.254", "whatever the options"),
    ("0xa9fea9fe", "whatever the options"),
    ("0.0.0.0", "whatever the options"),
    ("0", "whatever the options"),
    ("[::]", "whatever the options"),
    ("[::ffff:0.0.0.0]", "whatever the options"),
    ("224.0.0.1", "whatever the options"),
];

fn refuses_every_address(command: Command) {
    let homeserver = Homeserver::start("test.invalid");
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), ["prod.example", "-", "/_matrix/client/v3/sync", "-"]);
    for (host, reason) in FORBIDDEN {
        let options: &[&str] = if reason == "whatever the options" { &["--allow-public-target"] } else { &[] };
        let (status, stderr) = run(command, folder.path(), &homeserver.url(host), "test.invalid", options);
        assert!(status == 1 && stderr.contains(reason), "{host}: {stderr}");
    }
    assert_eq!(homeserver.received(), (0, Vec::new()));
}

#[test]
fn no_replay_reaches_an_address_that_no_test_server_has() {
    refuses_every_address(Command::Replay);
}

#[test]
fn no_provisioning_reaches_an_address_that_no_test_server_has() {
    refuses_every_address(Command::Provision);
}

#[test]
fn no_purge_reaches_an_address_that_no_test_server_has() {
    refuses_every_address(Command::Purge);
}

#[test]
fn each_option_lifts_one_rule() {
    let homeserver = Homeserver::start("prod.example");
    let folder = tempfile::tempdir().unwrap();
    let url = homeserver.url("127.0.0.1");
    write_log(folder.path(), ["prod.example", "@alice:localhost", "/_matrix/client/v3/rooms/!r:other.example/members", "-"]);
    for options in [
        &["--allow-server", "prod.example"][..],
        &["--allow-server", "localhost", "--allow-server", "other.example"],
        &["--allow-public-target", "--allow-unknown-origin"],
    ] {
        for command in [Command::Replay, Command::FindLimit, Command::Provision] {
            let (status, stderr) = run(command, folder.path(), &url, "prod.example", options);
            assert!(status == 1 && stderr.contains("is in the log"), "{command:?} {options:?}: {stderr}");
        }
    }
    assert_eq!(homeserver.received(), (0, Vec::new()));
    for command in BOTH {
        let options = ["--allow-server", "PROD.example.", "--allow-server", "127.1"];
        let (_, stderr) = run(command, folder.path(), &url, "prod.example", &options);
        assert!(!stderr.contains("is in the log"), "{command:?}: {stderr}");
    }
    assert!(homeserver.received().1.contains(&"GET /_matrix/client/versions".to_owned()));
}

#[test]
fn what_the_target_says_of_itself_is_checked_before_anything_else_is_sent() {
    let homeserver = Homeserver::start("Prod.Example.:8448");
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), ["prod.example", "-", "/_matrix/client/v3/sync", "-"]);
    for command in BOTH {
        let (status, stderr) = run(command, folder.path(), &homeserver.url("127.0.0.1"), "test.invalid", &[]);
        assert!(status == 1 && stderr.contains("prod.example is in the log"), "{command:?}: {stderr}");
        assert!(!folder.path().join("new.json").exists(), "no world of a target that was refused");
    }
    let questions =
        ["GET /_matrix/client/versions", "GET /_matrix/key/v2/server", "GET /.well-known/matrix/server", "GET /.well-known/matrix/client"];
    assert!(homeserver.received().1.iter().all(|request| questions.contains(&request.as_str())), "{:?}", homeserver.received().1);
}

#[test]
fn a_world_of_another_server_is_neither_replayed_to_nor_purged() {
    let homeserver = Homeserver::start("prod.example");
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), ["logged.example", "-", "/_matrix/client/v3/sync", "-"]);
    let url = homeserver.url("127.0.0.1");
    for command in [Command::Replay, Command::Purge] {
        let (status, stderr) = run(command, folder.path(), &url, "test.invalid", &[]);
        assert!(status == 1 && stderr.contains("the target calls itself prod.example"), "{command:?}: {stderr}");
    }
    assert!(homeserver.received().1.iter().all(|request| request.starts_with("GET ")));
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Homeserver::start("prod.example");
    let homeserver = Homeserver::start(&elsewhere.url("127.0.0.1"));
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), ["prod.example", "-", "/_matrix/client/v3/sync", "-"]);
    for command in BOTH {
        run(command, folder.path(), &homeserver.url("127.0.0.1"), "test.invalid", &[]);
    }
    assert!(homeserver.received().0 > 0);
    assert_eq!(elsewhere.received(), (0, Vec::new()));
}

#[test]
fn a_log_without_any_name_says_so_and_needs_an_option() {
    let homeserver = Homeserver::start("test.invalid");
    let folder = tempfile::tempdir().unwrap();
    let url = homeserver.url("127.0.0.1");
    for log in [
        ["-", "-", "/_matrix/client/v3/sync", "-"],
        ["-", "3272262f9b", "/_matrix/client/v3/rooms/!hash/send/m.room.message/1", "http://localhost:8080/"],
    ] {
        write_log(folder.path(), log);
        for options in [&[][..], &["--allow-public-target", "--allow-server", "test.invalid"]] {
            for command in BOTH {
                let (status, stderr) = run(command, folder.path(), &url, "test.invalid", options);
                assert!(status == 1 && stderr.contains("no name of a server is in the log"), "{command:?} {options:?}: {stderr}");
                assert!(stderr.contains("--allow-unknown-origin"), "{command:?}: {stderr}");
            }
        }
    }
    assert_eq!(homeserver.received(), (0, Vec::new()));
    for command in BOTH {
        let (_, stderr) = run(command, folder.path(), &url, "test.invalid", &["--allow-unknown-origin"]);
        assert!(!stderr.contains("no name of a server"), "{command:?}: {stderr}");
    }
    assert!(homeserver.received().0 > 0);
}

#[test]
fn anonymising_hides_no_name_from_the_guard() {
    let homeserver = Homeserver::start("prod.example");
    let folder = tempfile::tempdir().unwrap();
    for place in PLACES {
        write_log(folder.path(), place.map(|part| part.replace("NAME", "prod.example")).each_ref().map(String::as_str));
        let (status, stderr) =
            run(Command::Replay, folder.path(), &homeserver.url("127.0.0.1"), "prod.example", &["--anonymise-key", "key"]);
        assert!(status == 1 && stderr.contains("prod.example is in the log"), "{place:?}: {stderr}");
    }
    assert_eq!(homeserver.received(), (0, Vec::new()));
}

#[test]
fn a_trace_keeps_the_names_for_the_guard_unless_it_is_anonymised() {
    let homeserver = Homeserver::start("prod.example");
    let folder = tempfile::tempdir().unwrap();
    let url = homeserver.url("127.0.0.1");
    write_world(folder.path(), &url, "prod.example");
    let mut number = 0;
    for place in PLACES.iter().step_by(4) {
        write_log(folder.path(), place.map(|part| part.replace("NAME", "prod.example")).each_ref().map(String::as_str));
        for (options, expected) in [(&[][..], "prod.example is in the log"), (&["--anonymise"], "the trace was anonymised")] {
            number += 1;
            let name = format!("run{number}");
            let analyse = ["analyse", "access.log", "--log-format", LOG_FORMAT, "--out", "reports", "--name", &name, "--quiet"];
            let (_, _, stderr) = run_in(folder.path(), &[&analyse[..], options].concat());
            let trace = format!("reports/{name}/trace.parquet");
            let (status, _, refused) = run_in(folder.path(), &["replay", &trace, "--target", &url, "--world", "world.json", "--quiet"]);
            assert!(status == 1 && refused.contains(expected), "{place:?} {options:?}: {stderr}{refused}");
        }
    }
    assert_eq!(homeserver.received(), (0, Vec::new()));
}

#[test]
fn a_dry_run_sends_nothing() {
    let homeserver = Homeserver::start("test.invalid");
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), ["prod.example", "-", "/_matrix/client/versions", "-"]);
    for command in BOTH {
        let (status, stderr) = run(command, folder.path(), &homeserver.url("127.0.0.1"), "test.invalid", &["--dry-run"]);
        assert_eq!(status, 0, "{command:?}: {stderr}");
    }
    assert_eq!(homeserver.received(), (0, Vec::new()));
}

/// A trace file whose header lacks an endpoint of its requests, as damage or a hand makes it.
#[test]
fn a_dry_run_of_a_trace_that_lacks_an_endpoint_does_not_panic() {
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), ["prod.example", "-", "/_matrix/client/versions", "-"]);
    run_in(folder.path(), &["analyse", "access.log", "--log-format", LOG_FORMAT, "--out", "reports", "--name", "run", "--quiet"]);
    let path = folder.path().join("reports/run/trace.parquet");
    let (trace, mut header) = wsim::parquet::read(&path).unwrap();
    header.endpoints.truncate(1);
    wsim::parquet::write(&trace, &header, &folder.path().join("damaged.parquet")).unwrap();
    let (status, stdout, stderr) = run_in(folder.path(), &["replay", "damaged.parquet", "--target", "http://127.0.0.1:1", "--dry-run"]);
    let is_said = (status == 0 && stdout.contains("unknown")) || (status == 1 && stderr.starts_with("error: "));
    assert!(is_said && !stderr.contains("panicked"), "{status} {stdout} {stderr}");
}

/// Only the guard makes connectors that a command uses, and what reads metrics of a Prometheus, which gets no traffic of a log.
#[test]
fn no_command_connects_past_the_guard() {
    fn visit(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.to_string_lossy().into_owned();
            if entry.is_dir() {
                visit(&entry, found);
            } else if name.ends_with(".rs") && !name.contains("/transport/") && !name.contains("tests") {
                let text = std::fs::read_to_string(&entry).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                if ["Connector::new", "Connector::to_addresses", "TcpStream::connect"].iter().any(|call| code.contains(call)) {
                    found.push(name);
                }
            }
        }
    }
    let mut found = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found.retain(|name| !["src/replay/guard/mod.rs", "src/prometheus/server.rs"].iter().any(|file| name.ends_with(file)));
    assert_eq!(found, Vec::<String>::new());
}
