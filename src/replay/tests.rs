//! Runs against servers on loopback that respond, stall, reset connections, or never end a response.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Method;

#[path = "../transport/tests/frames.rs"]
mod frames;

use super::*;
use frames::Frames;
use wsim_endpoints::EndpointId;
use wsim_transport::{ClientHeaders, Connector, Keep, OutgoingRequest, Response, TransportConfig};

/// Requests `/row/copy`; with `gaps` every tenth row cannot be made.
struct Plain {
    gaps: bool,
}

impl Script for Plain {
    fn request(&mut self, at: Position) -> Result<OutgoingRequest, Unsendable> {
        if self.gaps && at.row.is_multiple_of(10) {
            return Err(Unsendable::NotProvisioned);
        }
        Ok(OutgoingRequest {
            method: Method::GET,
            target: format!("/{}/{}", at.row, at.copy),
            authorization: None,
            content_type: None,
            body: Bytes::new(),
            keep: Keep::Nothing,
            client: ClientHeaders::default(),
        })
    }

    fn learn(&mut self, _: Position, _: &Response) {}
}

/// Keeps all outcomes.
#[derive(Default)]
struct Kept {
    outcomes: Vec<Outcome>,
    upstreams: Vec<String>,
}

impl Sink for Kept {
    fn upstream(&mut self, number: u8, name: &str) {
        assert_eq!(usize::from(number), self.upstreams.len() + 1);
        self.upstreams.push(name.to_owned());
    }

    fn outcomes(&mut self, batch: &[Outcome]) {
        self.outcomes.extend_from_slice(batch);
    }
}

fn row(arrival_us: u64, lane: u32) -> Row {
    Row {
        arrival_us,
        original_us: 1000,
        actor: u64::from(lane),
        lane,
        endpoint: EndpointId(0),
        original_status: 200,
        overlap_max: 0,
        sync: false,
        long_poll: false,
        poll_ms: 0,
        skip: None,
    }
}

/// `count` rows, `gap_us` apart, without lanes.
fn open_rows(count: u64, gap_us: u64) -> Vec<Row> {
    (0..count).map(|number| row(number * gap_us, Row::NO_LANE)).collect()
}

/// A server that calls `serve` for each connection, on a thread of its own.
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

/// Reads the head of one request; `false` at the end of the stream.
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
    config: EngineConfig,
    sink: Kept,
    stop: &Arc<StopSignal>,
) -> (FinishedRun, Kept) {
    run_with(address, rows, gaps, config, sink, stop, false)
}

fn run_with(
    address: std::net::SocketAddr,
    rows: Vec<Row>,
    gaps: bool,
    config: EngineConfig,
    sink: Kept,
    stop: &Arc<StopSignal>,
    http2: bool,
) -> (FinishedRun, Kept) {
    let window_us = rows.last().map_or(0, |row| row.arrival_us);
    let traffic = TrafficConfig::default();
    let connect_timeout = Duration::from_millis(400);
    let transport = TransportConfig { http2, connect_timeout, body_bytes_max: 1 << 20, ..TransportConfig::default() };
    let target = format!("http://{address}").parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connector = runtime.block_on(Connector::new(target, transport)).unwrap();
    run(Run {
        schedule: Arc::new(Schedule::from_rows(rows, window_us, &traffic)),
        traffic,
        script: Box::new(Plain { gaps }),
        connector,
        sink,
        config: EngineConfig { timeout: Duration::from_millis(400), ..config },
        begin: Instant::now() + Duration::from_millis(20),
        stop: Arc::clone(stop),
        live: Arc::new(LiveCounters::default()),
    })
    .unwrap()
}

/// Checks that every row has one outcome and that the totals agree.
fn check(finished: &FinishedRun, kept: &Kept, scheduled: usize) {
    let mut rows: Vec<u32> = kept.outcomes.iter().map(|outcome| outcome.row).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..u32::try_from(scheduled).unwrap()).collect::<Vec<_>>(), "every row once");
    let mut totals = OutcomeTotals::default();
    kept.outcomes.iter().for_each(|outcome| totals.record(outcome.end));
    assert_eq!(totals, finished.totals);
    assert_eq!(totals.scheduled(), scheduled as u64);
    for outcome in kept.outcomes.iter().filter(|outcome| outcome.end == End::Completed) {
        let before = [outcome.intended_ns, outcome.due_ns, outcome.dispatched_ns, outcome.granted_ns, outcome.sent_ns];
        let times = [before.as_slice(), &[outcome.first_byte_ns, outcome.last_byte_ns]].concat();
        assert!(times.is_sorted(), "{outcome:?}");
    }
}

#[test]
fn everything_scheduled_is_sent_in_order_and_counted() {
    let stop = Arc::new(StopSignal::default());
    let (finished, kept) = run_against(server(answering), open_rows(1000, 300), true, EngineConfig::default(), Kept::default(), &stop);
    check(&finished, &kept, 1000);
    assert_eq!((finished.totals.completed, finished.totals.skipped["not_provisioned"]), (900, 100));
    assert_eq!((kept.upstreams, finished.stopped), (vec!["worker1".to_owned()], None));
    assert!(kept.outcomes.iter().all(|outcome| outcome.end != End::Completed || (outcome.upstream, outcome.status) == (1, 200)));
}

#[test]
fn a_user_s_requests_wait_for_one_another() {
    let in_flight = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (counter, top) = (Arc::clone(&in_flight), Arc::clone(&most));
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
    let (finished, kept) = run_against(address, rows, false, EngineConfig::default(), Kept::default(), &Arc::new(StopSignal::default()));
    check(&finished, &kept, 40);
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let held = kept.outcomes.iter().filter(|outcome| outcome.due_ns > outcome.intended_ns).count();
    assert!(held >= 30, "{held} waited in their lane");
    let last = kept.outcomes.last().unwrap();
    assert!(last.response_ns() > last.service_ns(), "the wait in the lane is in the response time");
}

#[test]
fn of_waiting_syncs_only_the_latest_is_sent() {
    let address = server(|mut stream| {
        while head(&mut stream) {
            thread::sleep(Duration::from_millis(60));
            if stream.write_all(OK).is_err() {
                return;
            }
        }
    });
    let rows = (0..10).map(|number| Row { sync: true, long_poll: true, ..row(number * 5000, 0) }).collect();
    let (finished, kept) = run_against(address, rows, false, EngineConfig::default(), Kept::default(), &Arc::new(StopSignal::default()));
    check(&finished, &kept, 10);
    assert!(finished.totals.skipped["overtaken_sync"] >= 7, "{:?}", finished.totals);
    assert!(kept.outcomes.iter().any(|outcome| outcome.row == 9 && outcome.end == End::Completed), "{:?}", kept.outcomes);
}

#[test]
fn a_stalled_target_fills_the_queue_but_no_more() {
    let config = EngineConfig {
        connections_max: 10,
        waiting_max: 20,
        breaker: BreakerLimits { errors_max: 1.1, ..BreakerLimits::default() },
        ..EngineConfig::default()
    };
    let address = server(|mut stream| {
        head(&mut stream);
        thread::sleep(Duration::from_secs(5));
    });
    let (finished, kept) = run_against(address, open_rows(300, 1000), false, config, Kept::default(), &Arc::new(StopSignal::default()));
    check(&finished, &kept, 300);
    assert!(finished.totals.skipped["queue_full"] >= 200, "{:?}", finished.totals);
    assert_eq!(finished.totals.failed["timeout"], 300 - finished.totals.skipped["queue_full"]);
}

#[test]
fn resets_and_endless_bodies_are_failures_with_reasons() {
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
    let config = EngineConfig { breaker: BreakerLimits { errors_max: 1.1, ..BreakerLimits::default() }, ..EngineConfig::default() };
    let (finished, kept) = run_against(address, open_rows(80, 2000), false, config, Kept::default(), &Arc::new(StopSignal::default()));
    check(&finished, &kept, 80);
    for reason in ["closed", "wrong_length", "too_long", "protocol"] {
        assert!(finished.totals.failed.contains_key(reason), "{reason}: {:?}", finished.totals);
    }
    assert_eq!(finished.totals.completed, 0);
}

#[test]
fn a_run_against_a_failing_target_is_stopped() {
    let address =
        server(|mut stream| while head(&mut stream) && stream.write_all(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").is_ok() {});
    let (finished, kept) =
        run_against(address, open_rows(2000, 1000), false, EngineConfig::default(), Kept::default(), &Arc::new(StopSignal::default()));
    check(&finished, &kept, 2000);
    assert!(matches!(finished.stopped, Some(StopReason::Errors { .. })), "{:?}", finished.stopped);
    assert!(finished.totals.skipped["stopped"] > 1500, "{:?}", finished.totals);
}

#[test]
fn an_interrupted_run_drains_and_has_complete_totals() {
    let stop = Arc::new(StopSignal::default());
    let other = Arc::clone(&stop);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(150));
        other.set(StopReason::Interrupted);
    });
    let (finished, kept) = run_against(server(answering), open_rows(3000, 500), false, EngineConfig::default(), Kept::default(), &stop);
    check(&finished, &kept, 3000);
    assert_eq!(finished.stopped, Some(StopReason::Interrupted));
    assert!(finished.totals.failed.is_empty(), "requests in flight are completed: {:?}", finished.totals);
}

#[test]
fn waiting_syncs_are_abandoned_after_the_drain() {
    let address = server(|mut stream| {
        head(&mut stream);
        thread::sleep(Duration::from_secs(3));
    });
    let rows = vec![Row { sync: true, long_poll: true, ..row(0, 0) }, Row { sync: true, long_poll: true, ..row(1000, 0) }];
    let config = EngineConfig { drain: Duration::from_millis(100), ..EngineConfig::default() };
    let (finished, kept) = run_against(address, rows, false, config, Kept::default(), &Arc::new(StopSignal::default()));
    check(&finished, &kept, 2);
    assert_eq!((finished.totals.failed["abandoned"], finished.totals.skipped["stopped"]), (1, 1));
}

#[test]
fn a_restarted_target_is_reconnected() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The server is killed: its port and all connections are closed. Then another server listens on the same port.
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
    let config = EngineConfig { breaker: BreakerLimits { errors_max: 1.1, ..BreakerLimits::default() }, ..EngineConfig::default() };
    let (finished, kept) = run_against(address, open_rows(1000, 1500), false, config, Kept::default(), &Arc::new(StopSignal::default()));
    check(&finished, &kept, 1000);
    assert_eq!(finished.stopped, None);
    let completed = |rows: std::ops::Range<u32>| {
        kept.outcomes.iter().filter(|outcome| rows.contains(&outcome.row) && outcome.end == End::Completed).count()
    };
    let failed: u64 = finished.totals.failed.values().sum();
    assert_eq!(finished.totals.completed + failed, 1000, "{:?}", finished.totals);
    assert!(failed >= 50, "requests failed while no server listened: {:?}", finished.totals);
    assert!(completed(0..100) >= 95 && completed(800..1000) >= 190, "{:?}", finished.totals);
}

/// A server that takes only so many requests of a connection, as proxies do: it responds to all but the last two of them, reads a few more, says
/// GOAWAY, responds to the two, and closes.
fn leaving(taken: usize, further: usize, processed: &Arc<AtomicUsize>) -> std::net::SocketAddr {
    let counter = Arc::clone(processed);
    frames::listen(move |_, mut connection: Frames| {
        let mut last = 0;
        for _ in 0..taken - 2 {
            let Some(stream) = connection.next_request()? else { return Ok(()) };
            counter.fetch_add(1, Ordering::SeqCst);
            connection.respond(stream).flush()?;
            last = stream;
        }
        // Fewer may come.
        connection.patience(Duration::from_millis(50))?;
        let streams: Vec<u32> = (0..2 + further).map_while(|_| connection.next_request().ok().flatten()).collect();
        let held = &streams[..streams.len().min(2)];
        connection.go_away(held.last().copied().unwrap_or(last), frames::NO_ERROR).flush()?;
        thread::sleep(Duration::from_millis(20));
        for stream in held {
            counter.fetch_add(1, Ordering::SeqCst);
            connection.respond(*stream);
        }
        connection.flush()?;
        // Closing before all that comes is read would reset the connection, and the last responses with it.
        connection.patience(Duration::from_secs(5))?;
        while connection.next_request()?.is_some() {}
        Ok(())
    })
}

#[test]
fn no_request_is_lost_when_connections_go_away() {
    for (connections_max, gap_us) in [(100, 300), (1, 300), (2, 0)] {
        let processed = Arc::new(AtomicUsize::new(0));
        let address = leaving(40, 4, &processed);
        let config = EngineConfig { connections_max, ..EngineConfig::default() };
        let stop = Arc::new(StopSignal::default());
        let (finished, kept) = run_with(address, open_rows(480, gap_us), false, config, Kept::default(), &stop, true);
        check(&finished, &kept, 480);
        // Nothing is processed twice, and all that may be sent again is.
        assert_eq!((finished.totals.completed, processed.load(Ordering::SeqCst)), (480, 480), "{:?}", finished.totals);
        assert!(kept.outcomes.iter().any(|outcome| outcome.repeats > 0), "{connections_max} connections, {gap_us} µs");
    }
}
