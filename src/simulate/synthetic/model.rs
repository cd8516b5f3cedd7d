//! The three stations of a synthetic run: one common line, lines of their own, shared servers.

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::super::engine::Model;
use super::super::queue::EventQueue;
use super::super::random::{Purpose, below, stream};
use super::super::station::{Cpu, Measuring, Pool, Processor, Sharing};
use super::super::time::{Span, Time};
use super::arrivals::Arrivals;
use super::observer::Observer;
use super::spec::{Balance, Synthetic};

/// Customers as they come, each with its demand: the same for every station.
#[derive(Debug)]
pub(super) struct Source {
    arrivals: Arrivals,
    synthetic: Synthetic,
    service: Xoshiro256PlusPlus,
    left: u64,
}

impl Source {
    pub(super) fn new(synthetic: Synthetic, seed: u64) -> Self {
        let arrivals = Arrivals::new(synthetic.arrivals, stream(seed, Purpose::Arrival, 0));
        Self { arrivals, synthetic, service: stream(seed, Purpose::Service, 0), left: 0 }
    }

    /// Lets so many more come.
    pub(super) fn allow(&mut self, customers: u64) {
        self.left += customers;
    }

    #[inline]
    fn next(&self) -> Time {
        if self.left == 0 { Time::NEVER } else { self.arrivals.next() }
    }

    #[inline]
    fn take(&mut self) -> Span {
        self.left -= 1;
        self.arrivals.advance();
        self.synthetic.service.draw(&mut self.service)
    }
}

/// What every station has.
pub(super) trait Station: Model {
    fn source(&mut self) -> &mut Source;
    fn observer(&self) -> &Observer;
    /// Service given, all servers together.
    fn busy_seconds(&self) -> f64;
}

/// One line before several servers.
#[derive(Debug)]
pub(super) struct Central {
    source: Source,
    observer: Observer,
    pool: Pool<(Time, Span)>,
    /// When whom each server serves arrived.
    serving: Vec<Time>,
    idle: Vec<u32>,
    worked: Span,
}

impl Central {
    pub(super) fn new(source: Source, observer: Observer) -> Self {
        let servers = source.synthetic.servers;
        let pool = Pool::new(servers, always());
        Self { source, observer, pool, serving: vec![Time::ZERO; servers as usize], idle: (0..servers).rev().collect(), worked: Span::ZERO }
    }

    #[inline]
    fn start(&mut self, now: Time, server: u32, (arrival, work): (Time, Span), queue: &mut EventQueue) {
        self.serving[server as usize] = arrival;
        self.worked += work;
        queue.schedule(now + work, server);
    }
}

impl Model for Central {
    fn next_arrival(&self) -> Time {
        self.source.next()
    }

    fn arrive(&mut self, now: Time, queue: &mut EventQueue) {
        let work = self.source.take();
        if let Some(ticket) = self.pool.enter(now, (now, work))
            && let Some(server) = self.idle.pop()
        {
            self.start(now, server, ticket, queue);
        }
    }

    fn happen(&mut self, now: Time, server: u32, queue: &mut EventQueue) {
        self.observer.record(now - self.serving[server as usize]);
        match self.pool.leave(now) {
            Some(ticket) => self.start(now, server, ticket, queue),
            None => self.idle.push(server),
        }
    }
}

impl Station for Central {
    fn source(&mut self) -> &mut Source {
        &mut self.source
    }

    fn observer(&self) -> &Observer {
        &self.observer
    }

    fn busy_seconds(&self) -> f64 {
        self.worked.seconds()
    }
}

/// Servers with a line each.
#[derive(Debug)]
pub(super) struct Separate {
    source: Source,
    observer: Observer,
    servers: Vec<Processor>,
    chooser: Chooser,
}

impl Separate {
    pub(super) fn new(source: Source, observer: Observer, seed: u64) -> Self {
        let count = source.synthetic.servers;
        let chooser = Chooser::new(source.synthetic.balance, count, seed);
        let servers = (0..count).map(|_| Processor::new(Cpu::CORE, always())).collect();
        Self { source, observer, servers, chooser }
    }
}

impl Model for Separate {
    fn next_arrival(&self) -> Time {
        self.source.next()
    }

    fn arrive(&mut self, now: Time, queue: &mut EventQueue) {
        let work = self.source.take();
        let server = self.chooser.choose();
        let finish = self.servers[server as usize].serve(now, work);
        self.observer.record(finish - now);
        queue.schedule(finish, server);
    }

    fn happen(&mut self, _: Time, server: u32, _: &mut EventQueue) {
        self.chooser.left(server);
    }
}

impl Station for Separate {
    fn source(&mut self) -> &mut Source {
        &mut self.source
    }

    fn observer(&self) -> &Observer {
        &self.observer
    }

    fn busy_seconds(&self) -> f64 {
        self.servers.iter().map(|server| server.busy().seconds()).sum()
    }
}

/// Servers that share themselves among those present.
#[derive(Debug)]
pub(super) struct Shared {
    source: Source,
    observer: Observer,
    servers: Vec<Sharing>,
    chooser: Chooser,
    /// When the customer with each ticket arrived.
    arrived: Vec<Time>,
    free: Vec<u32>,
    worked: Span,
}

impl Shared {
    pub(super) fn new(source: Source, observer: Observer, seed: u64) -> Self {
        let count = source.synthetic.servers;
        // A single server needs no choice.
        let balance = if count == 1 { Balance::RoundRobin } else { source.synthetic.balance };
        let chooser = Chooser::new(balance, count, seed);
        let servers = vec![Sharing::default(); count as usize];
        Self { source, observer, servers, chooser, arrived: Vec::new(), free: Vec::new(), worked: Span::ZERO }
    }
}

impl Model for Shared {
    fn next_arrival(&self) -> Time {
        self.source.next()
    }

    fn arrive(&mut self, now: Time, queue: &mut EventQueue) {
        let work = self.source.take();
        self.worked += work;
        let server = self.chooser.choose();
        let ticket = self.free.pop().unwrap_or_else(|| {
            self.arrived.push(now);
            u32::try_from(self.arrived.len() - 1).unwrap_or(u32::MAX)
        });
        self.arrived[ticket as usize] = now;
        let due = self.servers[server as usize].enter(now, work, ticket);
        queue.schedule(due, server);
    }

    fn happen(&mut self, now: Time, server: u32, queue: &mut EventQueue) {
        if let Some((ticket, next)) = self.servers[server as usize].leave(now) {
            self.observer.record(now - self.arrived[ticket as usize]);
            self.free.push(ticket);
            self.chooser.left(server);
            if let Some(due) = next {
                queue.schedule(due, server);
            }
        }
    }
}

impl Station for Shared {
    fn source(&mut self) -> &mut Source {
        &mut self.source
    }

    fn observer(&self) -> &Observer {
        &self.observer
    }

    fn busy_seconds(&self) -> f64 {
        self.worked.seconds()
    }
}

/// A rule and what it has to know.
#[derive(Debug)]
struct Chooser {
    rule: Balance,
    present: Vec<u32>,
    turn: usize,
    random: Xoshiro256PlusPlus,
    drawn: Vec<u32>,
}

impl Chooser {
    fn new(rule: Balance, servers: u32, seed: u64) -> Self {
        let random = stream(seed, Purpose::Routing, 0);
        Self { rule, present: vec![0; servers as usize], turn: 0, random, drawn: (0..servers).collect() }
    }

    #[inline]
    fn choose(&mut self) -> u32 {
        let count = self.present.len();
        let server = match self.rule {
            Balance::RoundRobin | Balance::Central => {
                let server = self.turn;
                self.turn = if server + 1 == count { 0 } else { server + 1 };
                server
            }
            Balance::Random => below(self.random.next_u64(), count),
            Balance::ShortestQueue => self.least(count),
            Balance::PowerOf(choices) => self.least(count.min(choices.max(1) as usize)),
        };
        self.present[server] += 1;
        u32::try_from(server).unwrap_or(0)
    }

    fn left(&mut self, server: u32) {
        self.present[server as usize] -= 1;
    }

    /// Of `choices` different servers in random order (the beginning of a Fisher–Yates shuffle) the first with the fewest.
    fn least(&mut self, choices: usize) -> usize {
        let mut best = usize::MAX;
        for i in 0..choices {
            let other = i + below(self.random.next_u64(), self.drawn.len() - i);
            self.drawn.swap(i, other);
            let server = self.drawn[i] as usize;
            if best == usize::MAX || self.present[server] < self.present[best] {
                best = server;
            }
        }
        best
    }
}

/// Stationary runs are measured by the observer; stations measure from the beginning.
fn always() -> Measuring {
    Measuring { from: Time::ZERO, until: Time::NEVER, bin: Span::from_nanos(u64::MAX / 2) }
}
