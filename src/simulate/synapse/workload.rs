//! The requests of a simulation, with their costs, long-poll waits, chains of long polls, and cache state.

use std::collections::HashMap;

use super::caches::{CacheEffect, LIFE_SECONDS};
use super::record::{Record, mark};
use crate::engine::time::{Span, Time};
use wsim_stats::ObservedTime;
use wsim_stats::hashing::NumberMap;
use wsim_stats::random::mix;
use wsim_trace::{NameId, Request, flag};

/// Properties of all requests of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// Group in which latencies are counted: index into the caller's list of groups.
    pub group: u16,
    /// Lock that a request holds from its start to its completion.
    pub lock: Lock,
    /// The request makes an event, which a persister must write.
    pub persists: bool,
    /// How costs depend on what the process has in its caches.
    pub caches: CacheEffect,
    /// Share of the unexplained wall time (neither CPU, transactions nor long-poll wait) that does not depend on load
    /// (remote calls). 0 to 1.
    pub delay_share: f64,
    /// Time from an event's hand-over to its persister to the answer, µs: a part of the wall time of its sender that the model simulates.
    pub hop_us: u32,
    /// The request is a sync, which handles its rooms concurrently.
    pub is_sync: bool,
}

impl Class {
    /// A class without lock, event or cache effects.
    pub fn plain(group: u16) -> Self {
        Self { group, lock: Lock::None, persists: false, caches: CacheEffect::None, delay_share: 0.0, hop_us: 0, is_sync: false }
    }
}

/// Locks of a process that admit one request at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    None,
    /// Per room, while an event is being made (`room_event_creation_limit`, one since Synapse 1.78).
    Room,
    /// Per room, during a membership change (`member_linearizer`).
    Member,
    /// Per origin server, during a federation transaction.
    Origin,
}

impl Lock {
    /// The lock that a request needs in its process, of which there are fewer than 2^28; `None` if it needs no lock or names nothing to
    /// lock.
    pub(super) fn key(self, process: u64, room: NameId, peer: NameId) -> Option<u64> {
        let (kind, name) = match self {
            Self::None => return None,
            Self::Room => (0, room),
            Self::Member => (1, room),
            Self::Origin => (2, peer),
        };
        name.is_some().then(|| kind << 60 | process << 32 | u64::from(name.0))
    }
}

/// Requests in order of arrival, and their classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    pub records: Vec<Record>,
    /// Classes by the records' `class`.
    pub classes: Vec<Class>,
    /// Start of the workload, µs since the epoch.
    pub origin_us: i64,
    /// Length of the observed time.
    pub span: Span,
    /// Where the records' clock skips time that no log covers: its reading there, and the time skipped so far, both µs.
    pub skips: Vec<(u64, u64)>,
}

impl Workload {
    /// From requests in order of arrival. `classify` returns a request's class, or `None` to leave it out (events
    /// handed to a persister, which the model produces itself). Requests outside of the observed time are left out, and arrivals are
    /// on its clock.
    pub fn from_requests(
        requests: impl Iterator<Item = Request>,
        observed: &ObservedTime,
        classes: Vec<Class>,
        mut classify: impl FnMut(&Request) -> Option<u16>,
    ) -> Self {
        let origin_us = observed.ends().map_or(0, |(start, _)| start);
        let (mut chains, mut locks) = (PollChains::default(), LockWaits::default());
        let mut records: Vec<Record> = Vec::new();
        let mut news = NewsLinks::default();
        for request in requests.filter(|request| observed.contains(request.arrival_us)) {
            let Some((number, class)) = classify(&request).and_then(|number| Some((number, classes.get(usize::from(number))?))) else {
                continue;
            };
            let simulated_us = locks.wait_us(&request, class.lock).saturating_add(class.hop_us);
            let mut record = record_of(&request, observed.offset_us(request.arrival_us), class, simulated_us);
            record.class = number;
            chains.link(&request, &mut record, &mut records);
            news.observe(&request, &mut record, records.len());
            records.push(record);
        }
        news.link(&mut records);
        records.shrink_to_fit();
        Self { records, classes, origin_us, span: Span::from_micros(observed.length_us()), skips: observed.skips().collect() }
    }

    /// Keeps the first `count` requests. Chains of long polls end at the cut.
    pub fn keep_first(&mut self, count: usize) {
        self.records.truncate(count);
        let kept = self.records.len();
        for record in &mut self.records {
            if record.next as usize >= kept {
                record.next = 0;
            }
            if record.cause as usize > kept {
                record.cause = 0;
            }
        }
    }

    /// Keeps the requests for which `kept` is true. A long poll whose predecessor is left out starts a chain of its own; one whose cause is left out
    /// wakes at the instant in the log.
    pub fn keep(&mut self, kept: &[bool]) {
        let is_kept = |index: usize| kept.get(index).copied().unwrap_or(false);
        let mut number = 0;
        let numbers: Vec<u32> = (0..self.records.len())
            .map(|index| {
                let this = number;
                number += u32::from(is_kept(index));
                this
            })
            .collect();
        for index in 0..self.records.len() {
            let next = self.records[index].next as usize;
            if next != 0 && !is_kept(index) && next < self.records.len() {
                self.records[next].clear(mark::FOLLOWS_POLL);
            }
        }
        let renumbered = |index: usize| numbers.get(index).copied().filter(|_| is_kept(index));
        for record in &mut self.records {
            record.next = if record.next == 0 { 0 } else { renumbered(record.next as usize).unwrap_or(0) };
            record.cause = record.cause_index().and_then(|cause| renumbered(cause as usize)).map_or(0, |cause| cause + 1);
        }
        let mut index = 0;
        self.records.retain(|_| {
            index += 1;
            is_kept(index - 1)
        });
    }

    /// Time skipped before an instant of the records' clock.
    pub(super) fn skipped_before(&self, at: Time) -> Span {
        let number = self.skips.partition_point(|(reading, _)| Time::from_micros(*reading) <= at);
        Span::from_micros(number.checked_sub(1).map_or(0, |number| self.skips[number].1))
    }

    /// Bytes allocated for the requests.
    pub fn heap_bytes(&self) -> usize {
        self.records.capacity() * size_of::<Record>()
    }
}

/// `simulated_us`: the part of the unexplained time of which the model knows the cause, and simulates it.
fn record_of(request: &Request, arrival_us: u64, class: &Class, simulated_us: u32) -> Record {
    let mut record = Record::at(arrival_us);
    record.cpu_us = request.cpu_us;
    record.db_us = request.db_txn_us;
    record.bytes = request.bytes_sent;
    (record.user, record.room, record.peer, record.template) = (request.user, request.room, request.peer, request.template);
    record.transactions = u16::try_from(request.db_count).unwrap_or(u16::MAX);
    record.events = u16::try_from(request.events).unwrap_or(u16::MAX);
    record.endpoint = request.endpoint.0;
    record.set_parallel(parallelism(request, class.is_sync));
    let wait_us = request.long_poll_wait_us();
    if request.has(flag::LONG_POLL) {
        record.set(mark::LONG_POLL);
        record.wait_us = wait_us;
        if request.timed_out() {
            record.set(mark::TIMED_OUT);
        }
    } else {
        record.wait_us = Span::from_micros(u64::from(unexplained_us(request, record.parallel()).saturating_sub(simulated_us)))
            .scaled(class.delay_share)
            .micros_u32();
    }
    if request.has(flag::DRAWN) {
        record.set(mark::DRAWN_ARRIVAL);
    }
    if request.has(flag::INTERNAL) {
        record.set(mark::INTERNAL);
        // The peer is the process that sent the request, and no actor of whom there could be more.
        record.peer = NameId::NONE;
    }
    record
}

/// Wall time that neither CPU nor database explains, µs; Synapse sums the times of parallel transactions.
fn unexplained_us(request: &Request, parallel: u16) -> u32 {
    let database = (u64::from(request.db_txn_us) + u64::from(request.db_sched_us)) / u64::from(parallel.max(1));
    let busy = u64::from(request.cpu_us) + database;
    u32::try_from(u64::from(request.wall_us).saturating_sub(busy)).unwrap_or(0)
}

/// Parallel transactions: 1 unless the sum of transaction times exceeds the wall time. A sync handles its rooms in parallel, which its wall
/// time does not show if it waited; all transactions beyond those of every sync are taken for transactions of rooms.
fn parallelism(request: &Request, is_sync: bool) -> u8 {
    let most = if request.has(flag::LONG_POLL) {
        SYNC_ROOMS
    } else if is_sync {
        INITIAL_ROOMS
    } else {
        1
    };
    let rooms = request.db_count.saturating_sub(SYNC_SERIAL).clamp(1, most);
    let rooms = u8::try_from(rooms).unwrap_or(PARALLEL_MAX);
    let db = u64::from(request.db_txn_us) + u64::from(request.db_sched_us);
    if db <= u64::from(request.wall_us) {
        return rooms;
    }
    let room = u64::from(request.wall_us.saturating_sub(request.cpu_us)).max(1000);
    u8::try_from(db.div_ceil(room)).unwrap_or(PARALLEL_MAX).clamp(rooms, PARALLEL_MAX)
}

/// When each lock of the observed processes is free, as far as the requests so far say.
///
/// A lock is granted in the order of request, so a request waits for it until the request before has its answer. That wait is simulated.
#[derive(Debug, Default)]
struct LockWaits(NumberMap<u64, i64>);

impl LockWaits {
    /// How long a request waited for its lock, µs, at most all of its time.
    fn wait_us(&mut self, request: &Request, lock: Lock) -> u32 {
        let process = if request.process.is_some() { request.process } else { request.upstream };
        let Some(key) = lock.key(u64::from(process.0), request.room, request.peer).filter(|_| request.has(flag::WALL)) else { return 0 };
        let ends = request.arrival_us.saturating_add(i64::from(request.wall_us));
        let free_at = self.0.entry(key).or_insert(i64::MIN);
        let wait = free_at.saturating_sub(request.arrival_us).clamp(0, i64::from(request.wall_us));
        *free_at = ends.max(*free_at);
        u32::try_from(wait).unwrap_or(0)
    }
}

/// State of devices and caches while the workload is built.
#[derive(Debug, Default)]
struct PollChains {
    /// (user or peer, agent) -> index of the last long poll and its end, µs since the epoch.
    polls: HashMap<(NameId, NameId, NameId), (usize, i64)>,
    /// (actor, process, class) -> arrival of the last request, µs since the epoch.
    served: NumberMap<u64, i64>,
}

impl PollChains {
    fn link(&mut self, request: &Request, record: &mut Record, records: &mut [Record]) {
        let index = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let key = mix(mix(record.actor(index)) ^ u64::from(record.class) << 32 ^ u64::from(request.process.0));
        let last = self.served.insert(key, request.arrival_us);
        if last.is_none_or(|last| request.arrival_us - last > i64::from(LIFE_SECONDS) * 1_000_000) {
            record.set(mark::COLD);
        }
        let actor = if request.user.is_some() { (request.user, NameId::NONE) } else { (NameId::NONE, request.peer) };
        if !record.has(mark::LONG_POLL) || actor == (NameId::NONE, NameId::NONE) {
            return;
        }
        let ended = request.arrival_us.saturating_add(i64::from(request.wall_us));
        if let Some((before, last_end)) = self.polls.insert((actor.0, actor.1, request.agent), (records.len(), ended)) {
            let think = request.arrival_us - last_end;
            if (0..=THINK_TIME_MAX_US).contains(&think) {
                record.set(mark::FOLLOWS_POLL);
                record.think_us = u32::try_from(think).unwrap_or(u32::MAX);
                records[before].next = index;
            }
        }
    }
}

/// Which request made the news that woke which polls.
#[derive(Debug, Default)]
struct NewsLinks {
    /// Number of the news -> index of the request that made it.
    writers: HashMap<u32, u32>,
    /// (index, number of the news) of long polls.
    polls: Vec<(u32, u32)>,
}

impl NewsLinks {
    /// Notes the news of the request whose record will have this index. A poll's wake-up is then the instant of its news.
    fn observe(&mut self, request: &Request, record: &mut Record, index: usize) {
        let Ok(index) = u32::try_from(index) else { return };
        if request.news == 0 {
            return;
        }
        if !record.has(mark::LONG_POLL) {
            self.writers.insert(request.news, index);
        } else if !record.has(mark::TIMED_OUT) {
            record.set(mark::NEWS);
            record.wait_us = request.woken_us;
            self.polls.push((index, request.news));
        }
    }

    fn link(self, records: &mut [Record]) {
        for (poll, news) in self.polls {
            let Some(&writer) = self.writers.get(&news) else { continue };
            records[poll as usize].cause = writer + 1;
            records[writer as usize].set(mark::NEWS);
        }
    }
}

/// A poll after a longer pause starts a new chain.
const THINK_TIME_MAX_US: i64 = 300_000_000;
const PARALLEL_MAX: u8 = 16;
/// Rooms that a sync handles in parallel (Synapse 1.163, `handlers/sync.py`: `concurrently_execute(handle_room_entries,
/// room_entries, 10)`).
const SYNC_ROOMS: u32 = 10;
/// The same of an initial sync, whose rooms are long chains of transactions of which few are in the database at once. Measured on one cluster: 2 to
/// 7, by the sum of transactions and waits over the wall time without CPU.
const INITIAL_ROOMS: u32 = 2;
/// Transactions of a sync before its rooms, one after another. Measured: most syncs with events of one room have four in all.
const SYNC_SERIAL: u32 = 4;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    use wsim_endpoints::{EndpointId, Method};

    pub(in super::super) fn request(arrival_us: i64) -> Request {
        Request {
            arrival_us,
            wall_us: 10_000,
            send_us: 0,
            proxy_us: 0,
            cpu_us: 4_000,
            db_sched_us: 0,
            db_txn_us: 2_000,
            db_count: 3,
            events: 5,
            bytes_sent: 100,
            bytes_received: 0,
            timeout_ms: 0,
            user: NameId(1),
            room: NameId(2),
            peer: NameId(3),
            template: NameId(4),
            agent: NameId(5),
            process: NameId(6),
            upstream: NameId::NONE,
            request_id: 0,
            match_hash: 0,
            since: 0,
            news: 0,
            news_stream: 0,
            woken_us: 0,
            endpoint: EndpointId(7),
            status: 200,
            method: Method::Get,
            flags: flag::COST | flag::WALL,
        }
    }

    fn poll(arrival_us: i64, wall_us: u32) -> Request {
        Request { wall_us, timeout_ms: 30_000, flags: flag::COST | flag::WALL | flag::LONG_POLL, ..request(arrival_us) }
    }

    fn workload(requests: Vec<Request>) -> Workload {
        Workload::from_requests(
            requests.into_iter(),
            &ObservedTime::single(0, 10_000_000_000),
            vec![Class { delay_share: 0.5, ..Class::plain(0) }],
            |_| Some(0),
        )
    }

    #[test]
    fn polls_of_one_device_form_a_chain_and_other_requests_do_not() {
        let w = workload(vec![poll(0, 5_000_000), request(1_000_000), poll(5_100_000, 30_006_000), poll(900_000_000, 1000)]);
        assert_eq!((w.records[0].next, w.records[2].think_us), (2, 100_000));
        assert!(w.records[2].has(mark::FOLLOWS_POLL) && w.records[2].has(mark::TIMED_OUT));
        assert!(!w.records[3].has(mark::FOLLOWS_POLL), "the pause was too long");
        assert_eq!(w.records[0].wait_us, 5_000_000 - 6_000);
        assert!(!w.records[1].has(mark::LONG_POLL) && w.records[1].next == 0);
    }

    #[test]
    fn a_chain_ends_at_the_cut() {
        let mut w = workload(vec![poll(0, 5_000_000), request(1_000_000), poll(5_100_000, 30_006_000)]);
        w.keep_first(2);
        assert_eq!((w.records.len(), w.records[0].next), (2, 0));
    }

    #[test]
    fn polls_of_one_news_wait_for_the_request_that_made_it() {
        let news = |number, woken_us, request: Request| Request { news: number, woken_us, ..request };
        let mut w = workload(vec![
            news(7, 4_900_000, poll(0, 5_000_000)),
            news(7, 4_890_000, poll(10_000, 5_030_000)),
            news(8, 4_000_000, poll(20_000, 5_000_000)),
            news(7, 0, request(4_800_000)),
            poll(4_850_000, 2_000),
        ]);
        assert_eq!(w.records.iter().map(|r| r.cause).collect::<Vec<_>>(), [4, 4, 0, 0, 0]);
        assert_eq!(w.records[..3].iter().map(|r| r.wait_us).collect::<Vec<_>>(), [4_900_000, 4_890_000, 4_000_000]);
        assert_eq!(w.records.iter().map(|r| r.has(mark::NEWS)).collect::<Vec<_>>(), [true, true, true, true, false]);
        w.keep_first(3);
        assert_eq!(w.records[0].cause, 0, "its cause was cut off");
    }

    #[test]
    fn chains_and_causes_survive_what_is_left_out() {
        let news = |number: u32, woken_us, request: Request| Request { news: number, woken_us, ..request };
        let all = workload(vec![
            request(0),
            news(7, 4_900_000, poll(1, 5_000_000)),
            news(7, 0, request(4_800_000)),
            poll(5_100_000, 30_006_000),
            poll(35_200_000, 30_006_000),
        ]);
        assert_eq!(all.records.iter().map(|r| (r.next, r.cause)).collect::<Vec<_>>(), [(0, 0), (3, 3), (0, 0), (4, 0), (0, 0)]);
        let kept = |kept: [bool; 5]| {
            let mut some = all.clone();
            some.keep(&kept);
            some.records.iter().map(|r| (r.next, r.cause, r.has(mark::FOLLOWS_POLL))).collect::<Vec<_>>()
        };
        assert_eq!(kept([true; 5]).len(), 5);
        assert_eq!(kept([false, true, true, true, true]), [(2, 2, false), (0, 0, false), (3, 0, true), (0, 0, true)]);
        assert_eq!(kept([true, true, false, true, false]), [(0, 0, false), (2, 0, false), (0, 0, true)]);
        assert_eq!(kept([true, true, true, false, true]), [(0, 0, false), (0, 3, false), (0, 0, false), (0, 0, false)]);
        assert_eq!(kept([false; 5]), []);
    }

    #[test]
    fn only_the_share_that_does_not_depend_on_load_is_a_delay() {
        assert_eq!(workload(vec![request(0)]).records[0].wait_us, 2_000);
    }

    #[test]
    fn transactions_longer_than_the_wall_time_ran_in_parallel() {
        let parallel = Request { db_txn_us: 18_000, ..request(0) };
        assert_eq!(workload(vec![parallel]).records[0].parallel(), 3);
        assert_eq!(workload(vec![request(0)]).records[0].parallel(), 1);
    }

    #[test]
    fn caches_are_cold_at_first_and_after_half_an_hour() {
        let w = workload(vec![request(0), request(1_000_000), request(1_802_000_000)]);
        let cold: Vec<bool> = w.records.iter().map(|r| r.has(mark::COLD)).collect();
        assert_eq!(cold, [true, false, true]);
    }

    #[test]
    fn requests_outside_the_window_or_without_a_class_are_left_out() {
        let requests = vec![request(-5), request(5), request(20_000_000_000)];
        assert_eq!(workload(requests.clone()).records.len(), 1);
        let none = Workload::from_requests(requests.into_iter(), &ObservedTime::single(0, 10), vec![], |_| Some(3));
        assert!(none.records.is_empty());
    }

    #[test]
    fn time_that_no_log_covers_is_skipped_and_known_to_be() {
        const YEAR_US: i64 = 365 * 86_400_000_000;
        let observed = [(0, 60_000_000), (YEAR_US, YEAR_US + 60_000_000)].into_iter().collect();
        let requests = [request(1_000_000), request(30_000_000_000), request(YEAR_US + 1_000_000)];
        let w = Workload::from_requests(requests.into_iter(), &observed, vec![Class::plain(0)], |_| Some(0));
        assert_eq!(w.records.iter().map(Record::arrival_us).collect::<Vec<_>>(), [1_000_000, 71_000_000]);
        assert!(w.records[1].has(mark::COLD), "a year later");
        assert_eq!(w.skipped_before(Time::from_micros(71_000_000)), Span::from_micros(YEAR_US.unsigned_abs() - 70_000_000));
        assert_eq!((w.skipped_before(Time::from_micros(60_000_000)), w.span), (Span::ZERO, Span::from_micros(130_000_000)));
    }

    proptest! {
        #[test]
        fn parallel_transactions_fit_into_the_wall_time_and_are_no_more_than_needed(
            (wall_us, cpu_us, db_txn_us, db_sched_us) in (0u32..5_000_000, 0u32..5_000_000, 0u32..5_000_000, 0u32..5_000_000),
            db_count in 0u32..200,
            poll in any::<bool>(),
        ) {
            let flags = if poll { flag::LONG_POLL } else { 0 };
            let one = Request { wall_us, cpu_us, db_txn_us, db_sched_us, db_count, flags, ..request(0) };
            let parallel = u32::from(parallelism(&one, false));
            prop_assert!((1..=u32::from(PARALLEL_MAX)).contains(&parallel));
            let db = db_txn_us + db_sched_us;
            if db <= wall_us {
                let rooms = if poll { db_count.saturating_sub(SYNC_SERIAL).clamp(1, SYNC_ROOMS) } else { 1 };
                prop_assert_eq!(parallel, rooms);
            } else if parallel < u32::from(PARALLEL_MAX) {
                prop_assert!(db <= parallel * wall_us.saturating_sub(cpu_us).max(1000), "{} in parallel", parallel);
            }
        }
    }
}
