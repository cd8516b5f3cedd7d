//! The three stations of a synthetic run: one common queue, a queue per server, shared servers.

use std::collections::VecDeque;

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::arrivals::Arrivals;
use super::observer::Observer;
use super::spec::{Balance, Synthetic};
use crate::engine::Model;
use crate::engine::queue::EventQueue;
use crate::engine::random::{Purpose, below, stream};
use crate::engine::time::{Span, Time};
use crate::station::{Cpu, MeasurementWindow, Processor, ProcessorSharing};

/// The arriving customers with their demands, the same for every station.
#[derive(Debug)]
pub(super) struct Customers {
    arrivals: Arrivals,
    synthetic: Synthetic,
    service: Xoshiro256PlusPlus,
    left: u64,
}

impl Customers {
    pub(super) fn new(synthetic: Synthetic, seed: u64) -> Self {
        let arrivals = Arrivals::new(synthetic.arrivals, stream(seed, Purpose::Arrival, 0));
        Self { arrivals, synthetic, service: stream(seed, Purpose::Service, 0), left: 0 }
    }

    /// Admits this number of further customers.
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

/// The parts that all stations have.
pub(super) trait Station: Model {
    fn customers(&mut self) -> &mut Customers;
    fn observer(&self) -> &Observer;
    /// Busy time of all servers together, s.
    fn busy_seconds(&self) -> f64;
}

/// Several servers with one common queue.
#[derive(Debug)]
pub(super) struct CommonQueue {
    customers: Customers,
    observer: Observer,
    /// Arrival and work of the customers that wait.
    waiting: VecDeque<(Time, Span)>,
    /// Arrival time of the customer at each server.
    serving: Vec<Time>,
    idle: Vec<u32>,
    busy: Span,
}

impl CommonQueue {
    pub(super) fn new(customers: Customers, observer: Observer) -> Self {
        let servers = customers.synthetic.servers;
        Self {
            customers,
            observer,
            waiting: VecDeque::new(),
            serving: vec![Time::ZERO; servers as usize],
            idle: (0..servers).rev().collect(),
            busy: Span::ZERO,
        }
    }

    #[inline]
    fn start(&mut self, now: Time, server: u32, (arrival, work): (Time, Span), queue: &mut EventQueue) {
        self.serving[server as usize] = arrival;
        self.busy += work;
        queue.schedule(now + work, server);
    }
}

impl Model for CommonQueue {
    fn next_arrival(&self) -> Time {
        self.customers.next()
    }

    fn on_arrival(&mut self, now: Time, queue: &mut EventQueue) {
        let work = self.customers.take();
        match self.idle.pop() {
            Some(server) => self.start(now, server, (now, work), queue),
            None => self.waiting.push_back((now, work)),
        }
    }

    fn on_event(&mut self, now: Time, server: u32, queue: &mut EventQueue) {
        self.observer.record(now - self.serving[server as usize]);
        match self.waiting.pop_front() {
            Some(customer) => self.start(now, server, customer, queue),
            None => self.idle.push(server),
        }
    }
}

impl Station for CommonQueue {
    fn customers(&mut self) -> &mut Customers {
        &mut self.customers
    }

    fn observer(&self) -> &Observer {
        &self.observer
    }

    fn busy_seconds(&self) -> f64 {
        self.busy.seconds()
    }
}

/// Servers with a queue each.
#[derive(Debug)]
pub(super) struct QueuePerServer {
    customers: Customers,
    observer: Observer,
    servers: Vec<Processor>,
    chooser: Chooser,
}

impl QueuePerServer {
    pub(super) fn new(customers: Customers, observer: Observer, seed: u64) -> Self {
        let count = customers.synthetic.servers;
        let chooser = Chooser::new(customers.synthetic.balance, count, seed);
        let servers = (0..count).map(|_| Processor::new(Cpu::CORE, unlimited())).collect();
        Self { customers, observer, servers, chooser }
    }
}

impl Model for QueuePerServer {
    fn next_arrival(&self) -> Time {
        self.customers.next()
    }

    fn on_arrival(&mut self, now: Time, queue: &mut EventQueue) {
        let work = self.customers.take();
        let server = self.chooser.choose();
        let finish = self.servers[server as usize].serve(now, work);
        self.observer.record(finish - now);
        queue.schedule(finish, server);
    }

    fn on_event(&mut self, _: Time, server: u32, _: &mut EventQueue) {
        self.chooser.on_departure(server);
    }
}

impl Station for QueuePerServer {
    fn customers(&mut self) -> &mut Customers {
        &mut self.customers
    }

    fn observer(&self) -> &Observer {
        &self.observer
    }

    fn busy_seconds(&self) -> f64 {
        self.servers.iter().map(|server| server.busy().seconds()).sum()
    }
}

/// Servers with processor sharing.
#[derive(Debug)]
pub(super) struct SharedServers {
    customers: Customers,
    observer: Observer,
    servers: Vec<ProcessorSharing>,
    chooser: Chooser,
    /// Arrival time of the customer with each id.
    arrived: Vec<Time>,
    free: Vec<u32>,
    busy: Span,
}

impl SharedServers {
    pub(super) fn new(customers: Customers, observer: Observer, seed: u64) -> Self {
        let count = customers.synthetic.servers;
        // With a single server the rule does not matter.
        let balance = if count == 1 { Balance::RoundRobin } else { customers.synthetic.balance };
        let chooser = Chooser::new(balance, count, seed);
        let servers = vec![ProcessorSharing::default(); count as usize];
        Self { customers, observer, servers, chooser, arrived: Vec::new(), free: Vec::new(), busy: Span::ZERO }
    }
}

impl Model for SharedServers {
    fn next_arrival(&self) -> Time {
        self.customers.next()
    }

    fn on_arrival(&mut self, now: Time, queue: &mut EventQueue) {
        let work = self.customers.take();
        self.busy += work;
        let server = self.chooser.choose();
        let id = self.free.pop().unwrap_or_else(|| {
            self.arrived.push(now);
            u32::try_from(self.arrived.len() - 1).unwrap_or(u32::MAX)
        });
        self.arrived[id as usize] = now;
        let due = self.servers[server as usize].enter(now, work, id);
        queue.schedule(due, server);
    }

    fn on_event(&mut self, now: Time, server: u32, queue: &mut EventQueue) {
        if let Some((id, next)) = self.servers[server as usize].leave(now) {
            self.observer.record(now - self.arrived[id as usize]);
            self.free.push(id);
            self.chooser.on_departure(server);
            if let Some(due) = next {
                queue.schedule(due, server);
            }
        }
    }
}

impl Station for SharedServers {
    fn customers(&mut self) -> &mut Customers {
        &mut self.customers
    }

    fn observer(&self) -> &Observer {
        &self.observer
    }

    fn busy_seconds(&self) -> f64 {
        self.busy.seconds()
    }
}

/// A balancing rule and its state.
#[derive(Debug)]
struct Chooser {
    rule: Balance,
    present: Vec<u32>,
    next: usize,
    random: Xoshiro256PlusPlus,
    drawn: Vec<u32>,
}

impl Chooser {
    fn new(rule: Balance, servers: u32, seed: u64) -> Self {
        let random = stream(seed, Purpose::Routing, 0);
        Self { rule, present: vec![0; servers as usize], next: 0, random, drawn: (0..servers).collect() }
    }

    #[inline]
    fn choose(&mut self) -> u32 {
        let count = self.present.len();
        let server = match self.rule {
            Balance::RoundRobin | Balance::Central => {
                let server = self.next;
                self.next = if server + 1 == count { 0 } else { server + 1 };
                server
            }
            Balance::Random => below(self.random.next_u64(), count),
            Balance::ShortestQueue => self.shortest_of(count),
            Balance::PowerOf(choices) => self.shortest_of(count.min(choices.max(1) as usize)),
        };
        self.present[server] += 1;
        u32::try_from(server).unwrap_or(0)
    }

    fn on_departure(&mut self, server: u32) {
        self.present[server as usize] -= 1;
    }

    /// The first server with the fewest customers among `choices` different servers in random order (the start of a Fisher–Yates shuffle).
    fn shortest_of(&mut self, choices: usize) -> usize {
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

/// A window without limits: the observer removes the warm-up.
fn unlimited() -> MeasurementWindow {
    MeasurementWindow { from: Time::ZERO, until: Time::NEVER, bin: Span::from_nanos(u64::MAX / 2) }
}
