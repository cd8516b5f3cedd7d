//! The least that sending requests at absolute times over HTTP/1.1 costs: one thread, `epoll_pwait2`, constant bytes, no library, no record.
//!
//! One write and one read for each request, and as many waits as the times need. What `wsim replay` costs more is the price of what it does more.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
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
    let before = cpu_us();
    let begin = Instant::now() + Duration::from_millis(50);
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
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() });
        events.clear();
        epoll::wait(&floor.queue, rustix::buffer::spare_capacity(&mut events), timeout.as_ref())?;
        for event in &events {
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

/// CPU time of this process so far, µs.
pub(crate) fn cpu_us() -> f64 {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    cpu.tv_sec as f64 * 1e6 + cpu.tv_nsec as f64 / 1e3
}
