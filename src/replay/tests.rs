//! Runs against servers on loopback that answer, stall, reset, and never end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;

use super::*;
use wsim_endpoints::EndpointId;
use wsim_matrix::Skip;
use wsim_transport::{Answer, Connector, Keep, Outgoing, Settings as TransportSettings};

/// Asks for `/row/copy`; every tenth row cannot be made if `gaps`.
struct Plain {
    gaps: bool,
}

impl Script for Plain {
    fn request(&mut self, at: Position) -> Result<Outgoing, Skip> {
        if self.gaps && at.row.is_multiple_of(10) {
            return Err(Skip::NotProvisioned);
        }
        Ok(Outgoing {
            method: Method::GET,
            target: format!("/{}/{}", at.row, at.copy),
            authorization: None,
            content_type: None,
            body: Bytes::new(),
            keep: Keep::Nothing,
        })
    }

    fn learn(&mut self, _: Position, _: &Answer) {}
}

/// Keeps everything; fails after so many if asked to.
#[derive(Default)]
struct Kept {
    outcomes: Vec<Outcome>,
    upstreams: Vec<String>,
    fails_after: Option<usize>,
}

impl Sink for Kept {
    fn upstream(&mut self, number: u8, name: &str) {
        assert_eq!(usize::from(number), self.upstreams.len() + 1);
        self.upstreams.push(name.to_owned());
    }

    fn outcomes(&mut self, batch: &[Outcome]) -> Result<(), String> {
        self.outcomes.extend_from_slice(batch);
        match self.fails_after {
            Some(most) if self.outcomes.len() > most => Err("no space left on device".to_owned()),
            _ => Ok(()),
        }
    }
}

fn row(arrival_us: u64, lane: u32) -> Row {
    Row {
        arrival_us,
        original_us: 1000,
        actor: lane.min(1000),
        lane,
        endpoint: EndpointId(0),
        original_status: 200,
        alongside: 0,
        sync: false,
        long_poll: false,
        skip: None,
    }
}

/// `count` rows, `gap_us` apart, each waiting for nobody.
fn open_rows(count: u64, gap_us: u64) -> Vec<Row> {
    (0..count).map(|number| row(number * gap_us, Row::NO_LANE)).collect()
}

/// A server: each connection is given to `serve` on a thread of its own.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Reads one request's head; `false` at the end of the stream.
fn head(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    let mut buffer = [0; 1024];
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
    }
    true
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nX-Upstream: worker1\r\nContent-Length: 2\r\n\r\nok";

fn answering(stream: TcpStream) {
    let mut stream = stream;
    while head(&mut stream) && stream.write_all(OK).is_ok() {}
}

fn run_against(
    address: std::net::SocketAddr,
    rows: Vec<Row>,
    gaps: bool,
    settings: Settings,
    sink: Kept,
    stop: &Arc<Stop>,
) -> (Finished, Kept) {
    let window_us = rows.last().map_or(0, |row| row.arrival_us);
    let shape = Shape::default();
    let transport = TransportSettings {
        answer_timeout: Duration::from_millis(400),
        connect_timeout: Duration::from_millis(400),
        body_bytes_max: 1 << 20,
        ..TransportSettings::default()
    };
    let target = format!("http://{address}").parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connector = runtime.block_on(Connector::new(target, transport)).unwrap();
    run(Run {
        schedule: Arc::new(Schedule::lay_out(rows, window_us, &shape)),
        shape,
        script: Box::new(Plain { gaps }),
        connector,
        sink,
        settings,
        begin: Instant::now() + Duration::from_millis(20),
        stop: Arc::clone(stop),
        live: Arc::new(Live::default()),
    })
    .unwrap()
}

/// Every slot once, in order of its row, and the account says the same.
fn check(finished: &Finished, kept: &Kept, scheduled: usize) {
    let mut rows: Vec<u32> = kept.outcomes.iter().map(|outcome| outcome.row).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..u32::try_from(scheduled).unwrap()).collect::<Vec<_>>(), "every row once");
    let mut account = Account::default();
    kept.outcomes.iter().for_each(|outcome| account.book(outcome.end));
    assert_eq!(account, finished.account);
    assert_eq!(account.scheduled(), scheduled as u64);
    for outcome in kept.outcomes.iter().filter(|outcome| outcome.end == End::Completed) {
        let times = [outcome.intended_ns, outcome.due_ns, outcome.sent_ns, outcome.first_byte_ns, outcome.last_byte_ns];
        assert!(times.is_sorted(), "{outcome:?}");
    }
}

#[test]
fn everything_scheduled_is_sent_in_time_and_accounted_for() {
    let stop = Arc::new(Stop::default());
    let (finished, kept) = run_against(server(answering), open_rows(1000, 300), true, Settings::default(), Kept::default(), &stop);
    check(&finished, &kept, 1000);
    assert_eq!((finished.account.completed, finished.account.skipped["not_provisioned"]), (900, 100));
    assert_eq!((kept.upstreams, finished.stopped), (vec!["worker1".to_owned()], None));
    assert!(kept.outcomes.iter().all(|outcome| outcome.end != End::Completed || (outcome.upstream, outcome.status) == (1, 200)));
}

#[test]
fn a_user_s_requests_wait_for_one_another() {
    let under_way = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (counter, top) = (Arc::clone(&under_way), Arc::clone(&most));
    let address = server(move |mut stream| {
        while head(&mut stream) {
            top.fetch_max(counter.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(5));
            counter.fetch_sub(1, Ordering::SeqCst);
            if stream.write_all(OK).is_err() {
                return;
            }
        }
    });
    let rows = (0..40).map(|number| row(number * 1000, 0)).collect();
    let (finished, kept) = run_against(address, rows, false, Settings::default(), Kept::default(), &Arc::new(Stop::default()));
    check(&finished, &kept, 40);
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let held = kept.outcomes.iter().filter(|outcome| outcome.due_ns > outcome.intended_ns).count();
    assert!(held >= 30, "{held} were held back");
    let last = kept.outcomes.last().unwrap();
    assert!(last.response_ns() > last.service_ns(), "the wait in the chain is in the response time");
}

#[test]
fn of_syncs_that_come_too_soon_the_last_is_sent() {
    let address = server(|mut stream| {
        while head(&mut stream) {
            thread::sleep(Duration::from_millis(60));
            if stream.write_all(OK).is_err() {
                return;
            }
        }
    });
    let rows = (0..10).map(|number| Row { sync: true, long_poll: true, ..row(number * 5000, 0) }).collect();
    let (finished, kept) = run_against(address, rows, false, Settings::default(), Kept::default(), &Arc::new(Stop::default()));
    check(&finished, &kept, 10);
    assert!(finished.account.skipped["overtaken_sync"] >= 7, "{:?}", finished.account);
    assert!(kept.outcomes.iter().any(|outcome| outcome.row == 9 && outcome.end == End::Completed));
}

#[test]
fn a_target_that_stalls_costs_no_memory_and_nothing_is_lost() {
    let settings = Settings {
        connections_max: 10,
        waiting_max: 20,
        breaker: BreakerLimits { errors_max: 1.1, ..BreakerLimits::default() },
        ..Settings::default()
    };
    let address = server(|mut stream| {
        head(&mut stream);
        thread::sleep(Duration::from_secs(5));
    });
    let (finished, kept) = run_against(address, open_rows(300, 1000), false, settings, Kept::default(), &Arc::new(Stop::default()));
    check(&finished, &kept, 300);
    assert!(finished.account.skipped["queue_full"] >= 200, "{:?}", finished.account);
    assert_eq!(finished.account.failed["timeout"], 300 - finished.account.skipped["queue_full"]);
}

#[test]
fn resets_half_closed_connections_and_endless_bodies_have_their_reasons() {
    let number = AtomicUsize::new(0);
    let address = server(move |mut stream| {
        if !head(&mut stream) {
            return;
        }
        match number.fetch_add(1, Ordering::SeqCst) % 4 {
            0 => {}
            1 => drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")),
            2 => {
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
                while stream.write_all(&[b'x'; 65536]).is_ok() {}
            }
            _ => drop(stream.write_all(b"\x16\x03\x01 not http\r\n\r\n")),
        }
    });
    let settings = Settings { breaker: BreakerLimits { errors_max: 1.1, ..BreakerLimits::default() }, ..Settings::default() };
    let (finished, kept) = run_against(address, open_rows(80, 2000), false, settings, Kept::default(), &Arc::new(Stop::default()));
    check(&finished, &kept, 80);
    for reason in ["broken", "too_long", "protocol"] {
        assert!(finished.account.failed.contains_key(reason), "{reason}: {:?}", finished.account);
    }
    assert_eq!(finished.account.completed, 0);
}

#[test]
fn a_target_that_only_fails_is_left_alone() {
    let address =
        server(|mut stream| while head(&mut stream) && stream.write_all(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").is_ok() {});
    let (finished, kept) =
        run_against(address, open_rows(2000, 1000), false, Settings::default(), Kept::default(), &Arc::new(Stop::default()));
    check(&finished, &kept, 2000);
    assert!(matches!(finished.stopped, Some(StopReason::Errors { .. })), "{:?}", finished.stopped);
    assert!(finished.account.skipped["stopped"] > 1500, "{:?}", finished.account);
}

#[test]
fn a_sink_that_fails_ends_the_run_and_not_the_account() {
    let sink = Kept { fails_after: Some(100), ..Kept::default() };
    let (finished, kept) =
        run_against(server(answering), open_rows(3000, 500), false, Settings::default(), sink, &Arc::new(Stop::default()));
    check(&finished, &kept, 3000);
    assert_eq!(finished.stopped, Some(StopReason::Recording("no space left on device".to_owned())));
}

#[test]
fn an_interrupted_run_drains_and_is_whole() {
    let stop = Arc::new(Stop::default());
    let other = Arc::clone(&stop);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(150));
        other.set(StopReason::Interrupted);
    });
    let (finished, kept) = run_against(server(answering), open_rows(3000, 500), false, Settings::default(), Kept::default(), &stop);
    check(&finished, &kept, 3000);
    assert_eq!(finished.stopped, Some(StopReason::Interrupted));
    assert!(finished.account.failed.is_empty(), "what was under way is answered: {:?}", finished.account);
}

#[test]
fn parked_syncs_are_given_up_at_the_end() {
    let address = server(|mut stream| {
        head(&mut stream);
        thread::sleep(Duration::from_secs(3));
    });
    let rows = vec![Row { sync: true, long_poll: true, ..row(0, 0) }, Row { sync: true, long_poll: true, ..row(1000, 0) }];
    let settings = Settings { drain: Duration::from_millis(100), ..Settings::default() };
    let (finished, kept) = run_against(address, rows, false, settings, Kept::default(), &Arc::new(Stop::default()));
    check(&finished, &kept, 2);
    assert_eq!((finished.account.failed["abandoned"], finished.account.skipped["stopped"]), (1, 1));
}

#[test]
fn a_target_that_is_restarted_is_found_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Killed: nobody listens, and every connection is closed at once. Then somebody listens on the same port again.
    thread::spawn(move || {
        let mut open: Vec<TcpStream> = Vec::new();
        let take = |listener: &TcpListener, open: &mut Vec<TcpStream>, until: Instant| {
            listener.set_nonblocking(true).unwrap();
            while Instant::now() < until {
                match listener.accept() {
                    Ok((stream, _)) => {
                        stream.set_nonblocking(false).unwrap();
                        open.push(stream.try_clone().unwrap());
                        thread::spawn(move || answering(stream));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(1)),
                }
            }
        };
        take(&listener, &mut open, Instant::now() + Duration::from_millis(300));
        drop(listener);
        open.drain(..).for_each(|stream| drop(stream.shutdown(std::net::Shutdown::Both)));
        thread::sleep(Duration::from_millis(300));
        let again = loop {
            match TcpListener::bind(address) {
                Ok(listener) => break listener,
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        };
        take(&again, &mut open, Instant::now() + Duration::from_secs(60));
    });
    let settings = Settings { breaker: BreakerLimits { errors_max: 1.1, ..BreakerLimits::default() }, ..Settings::default() };
    let (finished, kept) = run_against(address, open_rows(1000, 1500), false, settings, Kept::default(), &Arc::new(Stop::default()));
    check(&finished, &kept, 1000);
    assert_eq!(finished.stopped, None);
    let completed = |rows: std::ops::Range<u32>| {
        kept.outcomes.iter().filter(|outcome| rows.contains(&outcome.row) && outcome.end == End::Completed).count()
    };
    let failed: u64 = finished.account.failed.values().sum();
    assert_eq!(finished.account.completed + failed, 1000, "{:?}", finished.account);
    assert!(failed >= 50, "while nobody listened requests failed: {:?}", finished.account);
    assert!(completed(0..100) >= 95 && completed(800..1000) >= 190, "{:?}", finished.account);
}
