//! Requests in a proxy's log that never reached Synapse: a blog, a web client or a PHP socket behind the same proxy, and what the
//! proxy answered itself. They cost Synapse nothing.
//!
//! Reading marks the lines that tell by themselves ([`flag::FOREIGN`]): the path is no Matrix path, or the log names upstreams and the
//! line has none. [`mark`] adds what only all lines together tell. A request that Synapse logged is never foreign.

use std::collections::{BTreeMap, HashMap};

use super::names::Names;
use super::request::{NameId, Request, flag};
use super::served_by::ServedBy;
use super::store::Trace;
use wsim_endpoints::Endpoint;

/// How many requests never reached Synapse, by how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForeignTraffic {
    /// The path is no Matrix path.
    pub not_matrix: u64,
    /// The proxy answered: its log names upstreams, and none for these.
    pub by_proxy: u64,
    /// Another program answered, by its upstream.
    pub upstreams: BTreeMap<String, u64>,
    /// Synapse's logs of the same time hold no request of the class.
    pub unknown_to_synapse: u64,
    /// The line names a virtual host that is not Synapse's, as the user says.
    pub other_hosts: u64,
}

impl ForeignTraffic {
    pub fn requests(&self) -> u64 {
        self.not_matrix + self.by_proxy + self.unknown_to_synapse + self.other_hosts + self.upstreams.values().sum::<u64>()
    }
}

/// Whether Synapse has no part in a class of requests.
pub fn is_foreign_class(endpoint: &Endpoint) -> bool {
    matches!(endpoint.group.as_str(), "not_matrix" | "invalid")
}

/// Marks all foreign requests of a sealed trace that was classified with `endpoints`, and counts them.
#[must_use]
pub fn mark(trace: Trace, endpoints: &[Endpoint]) -> (Trace, ForeignTraffic) {
    if !trace.any_has(flag::PROXY) {
        return (trace, ForeignTraffic::default());
    }
    let rules = Rules::new(&trace, endpoints);
    let mut foreign = ForeignTraffic::default();
    let mut unmarked = false;
    for request in trace.requests() {
        let Some(why) = rules.why(&request) else { continue };
        unmarked |= !request.has(flag::FOREIGN);
        rules.count(&request, why, &mut foreign, &trace.names);
    }
    if unmarked {
        let trace = trace.filter_map(|request| {
            let bit = if rules.why(&request).is_some() { flag::FOREIGN } else { 0 };
            Some(Request { flags: request.flags | bit, ..request })
        });
        return (trace, foreign);
    }
    (trace, foreign)
}

/// Why a request is foreign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    NotMatrix,
    ByProxy,
    OtherHost,
    Upstream,
    UnknownToSynapse,
}

/// What all lines together tell.
struct Rules {
    served_by: ServedBy,
    /// By class.
    foreign_class: Vec<bool>,
    /// By class: in a proxy's log, and in no Synapse log of the same time.
    never_at_synapse: Vec<bool>,
    foreign_upstreams: HashMap<NameId, bool>,
}

/// The requests of a class that only a proxy or that Synapse logged.
#[derive(Debug, Clone, Copy, Default)]
struct ClassCounts {
    proxy_only: u64,
    synapse: u64,
}

impl Rules {
    fn new(trace: &Trace, endpoints: &[Endpoint]) -> Self {
        let served_by = ServedBy::from_trace(trace);
        let foreign_class: Vec<bool> = endpoints.iter().map(is_foreign_class).collect();
        let span = synapse_span(trace);
        let mut classes = vec![ClassCounts::default(); endpoints.len()];
        // Requests of each upstream: all, and those of Matrix paths that were answered.
        let mut upstreams: HashMap<NameId, (u64, u64)> = HashMap::new();
        // The log of one proxy that names no upstream has nothing to compare.
        let compared = trace.any_has(flag::SYNAPSE) || trace.has_upstreams();
        for request in trace.requests().filter(|request| !request.has(flag::INTERNAL)).take_while(|_| compared) {
            let class = usize::from(request.endpoint.0);
            let in_span = span.is_some_and(|(first, last)| (first..=last).contains(&request.arrival_us));
            if let Some(counts) = classes.get_mut(class) {
                counts.synapse += u64::from(request.has(flag::SYNAPSE));
                counts.proxy_only += u64::from(in_span && is_candidate(&request) && !request.has(flag::FOREIGN));
            }
            if request.upstream.is_some() && !request.has(flag::SYNAPSE) {
                let matrix = !foreign_class.get(class).copied().unwrap_or(false);
                let sums = upstreams.entry(request.upstream).or_default();
                sums.0 += 1;
                sums.1 += u64::from(matrix && (200..400).contains(&request.status));
            }
        }
        let is_foreign = |upstream: NameId, (all, matrix): (u64, u64)| !served_by.knows(upstream) && matrix * 2 < all;
        let foreign_upstreams = upstreams.into_iter().map(|(upstream, sums)| (upstream, is_foreign(upstream, sums))).collect();
        Self { served_by, foreign_class, never_at_synapse: never_at_synapse(&classes), foreign_upstreams }
    }

    fn why(&self, request: &Request) -> Option<Why> {
        if !is_candidate(request) {
            return None;
        }
        let class = usize::from(request.endpoint.0);
        if self.foreign_upstreams.get(&request.upstream) == Some(&true) {
            return Some(Why::Upstream);
        }
        if self.foreign_class.get(class) == Some(&true) {
            return Some(Why::NotMatrix);
        }
        // Marked while reading, although the proxy passed it on, or no line says whether it did.
        if request.has(flag::FOREIGN) && (request.upstream.is_some() || self.foreign_upstreams.is_empty()) {
            return Some(Why::OtherHost);
        }
        if self.served_by.is_proxy_only(request) {
            return Some(Why::ByProxy);
        }
        // An upstream that is no known process is a worker without a log.
        let may_be_unlogged = request.upstream.is_some() && !self.served_by.knows(request.upstream);
        (self.never_at_synapse.get(class) == Some(&true) && !may_be_unlogged).then_some(Why::UnknownToSynapse)
    }

    fn count(&self, request: &Request, why: Why, foreign: &mut ForeignTraffic, names: &Names) {
        match why {
            Why::NotMatrix => foreign.not_matrix += 1,
            Why::ByProxy => foreign.by_proxy += 1,
            Why::OtherHost => foreign.other_hosts += 1,
            Why::UnknownToSynapse => foreign.unknown_to_synapse += 1,
            Why::Upstream => *foreign.upstreams.entry(names.text(request.upstream).to_owned()).or_default() += 1,
        }
    }
}

/// Whether a request may be foreign at all: a proxy's line that Synapse's logs do not have.
fn is_candidate(request: &Request) -> bool {
    request.has(flag::PROXY) && !request.has(flag::SYNAPSE)
}

/// First and last arrival in Synapse's logs.
fn synapse_span(trace: &Trace) -> Option<(i64, i64)> {
    if !trace.any_has(flag::SYNAPSE) {
        return None;
    }
    let mut arrivals = trace.requests().filter(|request| request.has(flag::SYNAPSE)).map(|request| request.arrival_us);
    let first = arrivals.next()?;
    Some((first, arrivals.last().unwrap_or(first)))
}

/// The classes that never come to Synapse. They are known only if Synapse's logs hold nearly all requests of the other classes:
/// otherwise the log of the process that serves the class may be missing.
fn never_at_synapse(classes: &[ClassCounts]) -> Vec<bool> {
    let served = || classes.iter().filter(|class| class.synapse > 0);
    let (logged, missing) = served().fold((0, 0), |(logged, missing), class| (logged + class.synapse, missing + class.proxy_only));
    let complete = logged >= LOGGED_MIN && missing * MISSING_ODDS <= logged;
    classes.iter().map(|class| complete && class.synapse == 0 && class.proxy_only >= CLASS_MIN).collect()
}

/// Requests in Synapse's logs from which on they say what Synapse does not get.
const LOGGED_MIN: u64 = 100;
/// Requests in Synapse's logs for each that should be there and is not.
const MISSING_ODDS: u64 = 10;
/// Fewer requests of a class may be missing by chance.
const CLASS_MIN: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_endpoints::EndpointId;

    fn endpoints() -> Vec<Endpoint> {
        let endpoint = |group: &str| Endpoint {
            group: group.to_owned(),
            workers: Vec::new(),
            stream: None,
            condition: None,
            any_worker: false,
            pattern: None,
            internal: false,
        };
        ["sync", "media", "not_matrix"].map(endpoint).into()
    }

    fn row(at: i64, class: u16, flags: u16, upstream: NameId, process: NameId) -> Request {
        Request { arrival_us: at, endpoint: EndpointId(class), flags, status: 200, upstream, process, ..Request::default() }
    }

    fn marked(rows: impl IntoIterator<Item = Request>, names: Names) -> (Vec<bool>, ForeignTraffic) {
        let mut trace = Trace::new();
        trace.names = names;
        rows.into_iter().for_each(|row| trace.push(row));
        trace.seal();
        let (trace, foreign) = mark(trace, &endpoints());
        (trace.requests().map(|request| request.has(flag::FOREIGN)).collect(), foreign)
    }

    #[test]
    fn paths_and_upstreams_that_are_not_synapses_are_foreign() {
        let mut names = Names::new();
        let [php, main, address] = [&b"unix:/php.sock"[..], b"main", b"127.0.0.1:8008"].map(|name| names.intern(name));
        let none = NameId::NONE;
        let rows = [
            row(0, 0, flag::PROXY | flag::SYNAPSE, address, main),
            row(1, 0, flag::PROXY, address, none),
            row(2, 2, flag::PROXY, php, none),
            row(3, 2, flag::PROXY, php, none),
            row(4, 0, flag::PROXY, php, none),
            row(5, 2, flag::PROXY, address, none),
            row(6, 0, flag::PROXY, none, none),
        ];
        let (flags, foreign) = marked(rows, names);
        assert_eq!(flags, [false, false, true, true, true, true, true]);
        assert_eq!((foreign.not_matrix, foreign.by_proxy, foreign.requests()), (1, 1, 5));
        assert_eq!(foreign.upstreams, BTreeMap::from([("unix:/php.sock".to_owned(), 3)]));
    }

    #[test]
    fn a_class_that_a_complete_synapse_log_does_not_have_never_reached_it() {
        let mut names = Names::new();
        let main = names.intern(b"main");
        let logged = |joined: u16| (0..200).map(move |at| row(at, 0, flag::SYNAPSE | joined, NameId::NONE, main));
        let media = || (50..60).map(|at| row(at, 1, flag::PROXY, NameId::NONE, NameId::NONE));
        let (_, foreign) = marked(logged(flag::PROXY).chain(media()), names.clone());
        assert_eq!(foreign.unknown_to_synapse, 10);
        // Half of the syncs are missing from Synapse's logs: so may the media worker's log be.
        let missing = (0..100).map(|at| row(at, 0, flag::PROXY, NameId::NONE, NameId::NONE));
        let (_, foreign) = marked(logged(flag::PROXY).chain(media()).chain(missing), names.clone());
        assert_eq!(foreign.unknown_to_synapse, 0);
        // A worker without a log.
        let worker = names.intern(b"127.0.0.1:8085");
        let of_worker = (50..60).map(|at| row(at, 1, flag::PROXY, worker, NameId::NONE));
        let upstream = names.intern(b"127.0.0.1:8008");
        let with_upstreams = (0..200).map(|at| row(at, 0, flag::SYNAPSE | flag::PROXY, upstream, main));
        assert_eq!(marked(with_upstreams.chain(of_worker), names).1, ForeignTraffic::default());
    }
}
