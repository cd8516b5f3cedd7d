//! The least that sending requests at absolute times over HTTP/1.1 costs: one thread, one event queue, constant bytes, no library, no record.
//!
//! One write and one read for each request, as many waits as the times need, and the setting of a timer before a wait that ends by itself.
//! (`epoll_pwait2` would save that call, and be 50 µs late; `epoll_wait` counts in milliseconds, sends many requests at once, and so costs less
//! than sending each at its time.) What `wsim replay` costs more is the price of what it does more.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create, timerfd_settime,
};
use serde_json::{Value, json};

use super::Failed;

/// Connections, and the instants at which requests are due.
struct Floor {
    address: SocketAddr,
    request: Vec<u8>,
    queue: std::os::fd::OwnedFd,
    connections: Vec<TcpStream>,
    idle: Vec<usize>,
    connections_max: usize,
}

/// Sends a request at each of these times, µs.
pub(crate) fn run(url: &str, arrivals_us: &[u64], connections_max: usize) -> Result<Value, Failed> {
    let authority = url.trim_start_matches("http://").trim_end_matches('/');
    let address = authority.to_socket_addrs()?.next().ok_or("the URL has no address")?;
    let request = format!(
        "GET /_matrix/client/v3/joined_rooms HTTP/1.1\r\nhost: {authority}\r\nuser-agent: floor\r\nauthorization: Bearer 0123456789abcdef\r\n\r\n"
    );
    let mut floor = Floor {
        address,
        request: request.into_bytes(),
        queue: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        connections: Vec::new(),
        idle: Vec::new(),
        connections_max,
    };
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    epoll::add(&floor.queue, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN | epoll::EventFlags::ET)?;
    let before = cpu_us();
    let begin = Instant::now() + Duration::from_millis(50);
    let mut set = None;
    let mut late_us = Vec::with_capacity(arrivals_us.len());
    let mut events = Vec::with_capacity(256);
    let (mut completed, mut next) = (0, 0);
    let mut buffer = vec![0; 65_536];
    while completed < arrivals_us.len() {
        let now = Instant::now();
        while let Some(at_us) = arrivals_us.get(next) {
            let due = begin + Duration::from_micros(*at_us);
            if due > now || !floor.send()? {
                break;
            }
            late_us.push((Instant::now() - due).as_secs_f64() * 1e6);
            next += 1;
        }
        let can_send = !floor.idle.is_empty() || floor.connections.len() < connections_max;
        let due = arrivals_us.get(next).filter(|_| can_send).map(|at_us| begin + Duration::from_micros(*at_us));
        if let Some(due) = due.filter(|_| due != set) {
            set_timer(&timer, due)?;
            set = Some(due);
        }
        events.clear();
        epoll::wait(&floor.queue, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in events.iter().filter(|event| event.data.u64() != TIMER) {
            let index = usize::try_from(event.data.u64())?;
            match floor.connections[index].read(&mut buffer) {
                Ok(0) => return Err("the server closed a connection".into()),
                // A small response is one read.
                Ok(_) => {
                    completed += 1;
                    floor.idle.push(index);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let took = begin.elapsed().as_secs_f64();
    late_us.sort_by(f64::total_cmp);
    let quantile = |share: usize| late_us[(late_us.len() * share / 100).min(late_us.len() - 1)];
    Ok(json!({
        "scheduled": arrivals_us.len(),
        "completed": completed,
        "achieved": completed as f64 / took,
        "lateness_us": { "p50": quantile(50), "p99": quantile(99) },
        "cpu_us_per_request": (cpu_us() - before) / completed as f64,
    }))
}

impl Floor {
    /// Sends a request on a free connection; `false` if there is none.
    fn send(&mut self) -> Result<bool, Failed> {
        let index = match self.idle.pop() {
            Some(index) => index,
            None if self.connections.len() < self.connections_max => self.open()?,
            None => return Ok(false),
        };
        self.connections[index].write_all(&self.request)?;
        Ok(true)
    }

    fn open(&mut self) -> Result<usize, Failed> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let index = self.connections.len();
        epoll::add(&self.queue, &stream, epoll::EventData::new_u64(index as u64), epoll::EventFlags::IN | epoll::EventFlags::ET)?;
        self.connections.push(stream);
        Ok(index)
    }
}

/// Lets a timer end at an instant; at once for one that has passed.
fn set_timer(timer: &std::os::fd::OwnedFd, due: Instant) -> Result<(), Failed> {
    let left = due.saturating_duration_since(Instant::now());
    let now = clock_gettime(ClockId::Monotonic);
    let nanoseconds = now.tv_nsec + i64::from(left.subsec_nanos());
    let tv_sec = now.tv_sec + left.as_secs().cast_signed() + nanoseconds / 1_000_000_000;
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let value = Itimerspec { it_interval: zero, it_value: Timespec { tv_sec, tv_nsec: nanoseconds % 1_000_000_000 } };
    timerfd_settime(timer, TimerfdTimerFlags::ABSTIME, &value)?;
    Ok(())
}

/// In place of the index of a connection.
const TIMER: u64 = u64::MAX;

/// CPU time of this process so far, µs.
pub(crate) fn cpu_us() -> f64 {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    cpu.tv_sec as f64 * 1e6 + cpu.tv_nsec as f64 / 1e3
}
