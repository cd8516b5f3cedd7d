//! The costs of requests: those of the request's row in the log, else those of a similar logged request.
//!
//! Owns the workload that the model plays. Knows nothing of sockets. Invariant: a row has exactly the costs that it has in a simulation. A
//! request without a row has the costs of a logged request of the same endpoint (else of the same group), drawn with the seed.

use std::collections::HashMap;
use std::sync::Arc;

use super::EmulateError;
use wsim_endpoints::{Classifier, ClassifierConfig, Endpoint, EndpointId, Method, table_for};
use wsim_plan::Plan;
use wsim_profile::{Profile, Window};
use wsim_simulate::prepare::{PrepareConfig, PreparedWorkload};
use wsim_simulate::random::{Purpose, below, draw};
use wsim_simulate::record::{Record, mark};
use wsim_simulate::schedule::Occurrence;
use wsim_trace::{Request, Trace};

/// The costs of logged requests, prepared for the model.
#[derive(Debug, Clone)]
pub struct LoggedCosts {
    prepared: PreparedWorkload,
    endpoints: Vec<Endpoint>,
    /// The record of each row.
    rows: Vec<Option<u32>>,
}

impl LoggedCosts {
    /// The costs of a trace's requests. `rows` are the requests that a replay numbers from 0: those of the window in
    /// arrival order, without those between Synapse's processes. `endpoints` are those that the trace was classified
    /// with; `profile` is of the same trace.
    pub fn from_trace(trace: &Trace, endpoints: &[Endpoint], profile: &Profile, rows: &[Request], config: &PrepareConfig) -> Self {
        let start_us = rows.first().map_or(profile.window.start_us, |request| request.arrival_us);
        let end_us = rows.last().map_or(profile.window.end_us, |request| request.arrival_us + 1);
        let prepared = PreparedWorkload::new(trace, endpoints, profile, Window { start_us, end_us }, config);
        let rows = prepared.records_of(rows, endpoints);
        Self { prepared, endpoints: endpoints.to_vec(), rows }
    }

    /// The input of a simulation of the same requests.
    pub fn prepared(&self) -> &PreparedWorkload {
        &self.prepared
    }

    /// The input of a simulation of those rows for which `is_sent` holds. The costs are those of all requests.
    pub fn prepared_of(&self, is_sent: impl Fn(usize) -> bool) -> PreparedWorkload {
        let mut kept = vec![false; self.prepared.workload.records.len()];
        for (row, record) in self.rows.iter().enumerate() {
            if let Some(kept) = record.and_then(|record| kept.get_mut(record as usize)) {
                *kept = is_sent(row);
            }
        }
        self.prepared.only(&kept)
    }

    /// How the costs were prepared and how far to trust them, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.prepared.notes
    }
}

/// Finds the record that gives a request's costs.
#[derive(Debug)]
pub(super) struct CostTable {
    pub(super) prepared: Arc<PreparedWorkload>,
    /// The endpoints by the records' `endpoint`: the trace's, then the classifier's.
    pub(super) endpoints: Vec<Endpoint>,
    classifier: Classifier,
    rows: Vec<Option<u32>>,
    /// Index of the first stand-in, after the logged records. Each of the classifier's endpoints has some for reading and some for writing.
    first_stand_in: u32,
    seed: u64,
}

/// The record of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CostLookup {
    pub(super) occurrence: Occurrence,
    /// Whether the record is a logged row rather than a stand-in.
    pub(super) is_row: bool,
}

impl CostTable {
    pub(super) fn new(costs: LoggedCosts, plan: &Plan, seed: u64) -> Result<Self, EmulateError> {
        let table = table_for(Some(plan.synapse.as_str())).map_err(|error| EmulateError::Release(error.to_string()))?.table;
        let classifier = Classifier::new(&table, &ClassifierConfig::default())?;
        let LoggedCosts { mut prepared, mut endpoints, rows } = costs;
        let base = endpoints.len();
        let logged = &prepared.workload.records;
        let similar = SimilarRecords::from_records(logged, &endpoints);
        let unknown = prepared.workload.classes.len().saturating_sub(2);
        let mut stand_ins: Vec<Record> = Vec::new();
        for (endpoint, number) in classifier.endpoints().iter().zip(base..) {
            for writes in [false, true] {
                let candidates = similar.to(endpoint, writes);
                for index in 0..STAND_INS {
                    let random = draw(seed, Purpose::Service, u64::from(index) | (number as u64) << 8 | u64::from(writes) << 40);
                    let record = candidates.get(below(random, candidates.len())).map(|&record| logged[record as usize]);
                    stand_ins.push(stand_in(record, number, unknown, &endpoint.group));
                }
            }
        }
        let first_stand_in = u32::try_from(logged.len()).map_err(|_| EmulateError::TooLong)?;
        prepared.workload.records.extend(stand_ins);
        endpoints.extend(classifier.endpoints().iter().cloned());
        Ok(Self { prepared: Arc::new(prepared), endpoints, classifier, rows, first_stand_in, seed })
    }

    /// The record of a request: that of its row, else a stand-in. Rows beyond the log's are those of clones: a second number for each row, a
    /// third, and so on. `number` is different for every request.
    pub(super) fn look_up(&self, row: Option<u32>, method: &hyper::Method, target: &[u8], number: u64) -> CostLookup {
        let place = row.and_then(|row| {
            let rows = u32::try_from(self.rows.len()).ok().filter(|rows| *rows > 0)?;
            let record = self.rows.get((row % rows) as usize).copied().flatten()?;
            Some((record, u16::try_from(row / rows).ok()?))
        });
        if let Some((record, copy)) = place.filter(|(record, _)| *record < self.first_stand_in) {
            return CostLookup { occurrence: Occurrence { copy, ..Occurrence::observed(record) }, is_row: true };
        }
        let method = Method::from_bytes(method.as_str().as_bytes());
        let EndpointId(endpoint) = self.classifier.classify(method, target);
        let writes = !matches!(method, Method::Get | Method::Head | Method::Options);
        let block = (2 * u32::from(endpoint) + u32::from(writes)) * STAND_INS;
        let random = draw(self.seed, Purpose::Users, number);
        let index = u32::try_from(below(random, STAND_INS as usize)).unwrap_or(0);
        // Few copies, so that the model's table of recently served users stays small.
        let copy = 1 + u16::try_from(number % COPIES).unwrap_or(0);
        CostLookup { occurrence: Occurrence { copy, ..Occurrence::observed(self.first_stand_in + block + index) }, is_row: false }
    }

    /// The record of a look-up.
    pub(super) fn record_of(&self, lookup: CostLookup) -> &Record {
        // A look-up is an index into these records.
        &self.prepared.workload.records[lookup.occurrence.record as usize]
    }
}

/// Logged records by endpoint and by group.
struct SimilarRecords<'e> {
    by_endpoint: HashMap<(&'e str, Option<&'e str>, bool), Vec<u32>>,
    by_group: HashMap<(&'e str, bool), Vec<u32>>,
}

impl<'e> SimilarRecords<'e> {
    fn from_records(records: &[Record], endpoints: &'e [Endpoint]) -> Self {
        let mut similar = Self { by_endpoint: HashMap::new(), by_group: HashMap::new() };
        for (record, index) in records.iter().zip(0..) {
            let Some(endpoint) = endpoints.get(usize::from(record.endpoint)) else { continue };
            let writes = record.class % 2 == 1;
            similar.by_endpoint.entry((endpoint.group.as_str(), endpoint.pattern.as_deref(), writes)).or_default().push(index);
            similar.by_group.entry((endpoint.group.as_str(), writes)).or_default().push(index);
        }
        similar
    }

    fn to<'k>(&'k self, endpoint: &'k Endpoint, writes: bool) -> &'k [u32] {
        let by_endpoint = self.by_endpoint.get(&(endpoint.group.as_str(), endpoint.pattern.as_deref(), writes));
        by_endpoint.or_else(|| self.by_group.get(&(endpoint.group.as_str(), writes))).map_or(&[], Vec::as_slice)
    }
}

/// A record without a user, with the costs of a logged one or, where no similar request was logged, a millisecond of CPU.
fn stand_in(like: Option<Record>, endpoint: usize, unknown: usize, group: &str) -> Record {
    let mut unlogged = Record::at(0);
    unlogged.cpu_us = UNLOGGED_CPU_US;
    unlogged.class = u16::try_from(unknown).unwrap_or(u16::MAX);
    let like = like.unwrap_or(unlogged);
    let mut record = Record::at(0);
    (record.cpu_us, record.db_us, record.bytes) = (like.cpu_us, like.db_us, like.bytes);
    (record.transactions, record.events, record.class) = (like.transactions, like.events, like.class);
    record.endpoint = u16::try_from(endpoint).unwrap_or(u16::MAX);
    record.set_parallel(u8::try_from(like.parallel()).unwrap_or(u8::MAX));
    // The logged costs include the state of the caches at that time.
    record.set(mark::COLD);
    if matches!(group, "sync" | "sliding_sync") {
        record.set(mark::LONG_POLL);
    } else if !like.has(mark::LONG_POLL) {
        record.wait_us = like.wait_us;
    }
    record
}

/// Stand-ins for reading, and as many for writing, of each endpoint.
const STAND_INS: u32 = 16;
/// Copies of each stand-in that the model distinguishes.
const COPIES: u64 = 16;
const UNLOGGED_CPU_US: u32 = 1_000;
