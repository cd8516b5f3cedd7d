//! Makes the requests of a synthesis: each kind with its path, its endpoint and costs around those of a draw.

use rand_xoshiro::Xoshiro256PlusPlus;

use super::chance;
use super::server::Server;
use crate::habits::{DrawnHabits, Habits};
use wsim_endpoints::{Classifier, EndpointId, Method};
use wsim_trace::{NameId, Request, Trace, flag};

/// Makes requests of each kind with their costs.
pub(super) struct Maker<'a> {
    pub(super) trace: Trace,
    pub(super) random: Xoshiro256PlusPlus,
    kinds: Vec<MadeKind<'a>>,
    process: NameId,
    agent: NameId,
    news: u32,
}

/// A kind of request, with what a draw says of it.
struct MadeKind<'a> {
    name: &'a str,
    method: Method,
    template: NameId,
    endpoint: EndpointId,
    names_a_room: bool,
    cpu_us: f64,
    transactions: f64,
    transaction_us: f64,
    bytes: u32,
}

impl<'a> Maker<'a> {
    pub(super) fn new(
        server: &Server,
        habits: &'a Habits,
        drawn: &DrawnHabits,
        classifier: &Classifier,
        random: Xoshiro256PlusPlus,
    ) -> Self {
        debug_assert!(server.users > 0, "somebody must be there");
        let mut trace = Trace::new();
        let kinds = habits.requests.iter().map(|(name, kind)| {
            let method = Method::from_bytes(kind.method.as_bytes());
            let target = kind.path.replace("{room}", "!room0:example.org").replace("{user}", "@user0:example.org");
            let template = trace.names.intern(kind.path.split('?').next().unwrap_or_default().as_bytes());
            MadeKind {
                name,
                method,
                template,
                endpoint: classifier.classify(method, target.as_bytes()),
                names_a_room: kind.path.contains("{room}"),
                cpu_us: drawn.cpu_ms(name) * 1000.0,
                transactions: f64::from(kind.transactions),
                transaction_us: kind.transaction_ms * drawn.value("database") * 1000.0,
                bytes: kind.bytes,
            }
        });
        let kinds = kinds.collect();
        let (process, agent) = (trace.names.intern(b"main"), trace.names.intern(b"client"));
        Self { trace, random, kinds, process, agent, news: 0 }
    }

    pub(super) fn name(&mut self, text: &str) -> NameId {
        self.trace.names.intern(text.as_bytes())
    }

    pub(super) fn names_a_room(&self, kind: &str) -> bool {
        self.kinds.iter().any(|made| made.name == kind && made.names_a_room)
    }

    /// Adds a request that makes news of a stream, if it does; returns the number of the news and when the request is done.
    pub(super) fn request(&mut self, at: i64, kind: &str, request: Request, stream: Option<u16>) -> (u32, i64) {
        let Some(priced) = self.priced(kind, request) else { return (0, at) };
        let news = if stream.is_some() {
            self.news += 1;
            self.news
        } else {
            0
        };
        let done = at + i64::from(priced.wall_us);
        self.trace.push(Request { arrival_us: ORIGIN_US + at, news, news_stream: stream.unwrap_or(0), ..priced });
        (news, done)
    }

    /// A request of a kind with its costs, without its times; `None` for a kind that there is not.
    pub(super) fn priced(&mut self, kind: &str, request: Request) -> Option<Request> {
        let made = self.kinds.iter().find(|made| made.name == kind)?;
        let factor = chance::cost(&mut self.random);
        // A request with more to do has more transactions, too.
        let transactions = chance::count(&mut self.random, made.transactions * factor.sqrt());
        let cpu_us = whole(made.cpu_us * factor);
        let db_us = whole(made.transaction_us * transactions as f64 * chance::cost(&mut self.random));
        let agent = if request.agent.is_some() { request.agent } else { self.agent };
        Some(Request {
            agent,
            method: made.method,
            template: made.template,
            endpoint: made.endpoint,
            process: self.process,
            cpu_us,
            db_txn_us: db_us,
            db_count: u32::try_from(transactions).unwrap_or(u32::MAX),
            bytes_sent: made.bytes,
            wall_us: cpu_us.saturating_add(db_us),
            status: 200,
            flags: request.flags | flag::WALL | flag::COST | flag::SYNAPSE,
            ..request
        })
    }
}

pub(super) fn micros(seconds: f64) -> i64 {
    i64::from(whole(seconds * 1e3)) * 1000
}

/// Rounded; saturates.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; the cast saturates")]
pub(super) fn whole(value: f64) -> u32 {
    value.max(0.0).round() as u32
}

/// A Monday, 10:00 UTC.
pub(super) const ORIGIN_US: i64 = 1_767_607_200_000_000;
