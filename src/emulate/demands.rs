//! What requests cost: the logged ones by row, all others like logged ones of their kind.
//!
//! Owns the workload that the model plays. Knows nothing of sockets. Invariant: a row costs exactly what the simulation says it costs; a
//! request without a row borrows the costs of a logged one of the same endpoint (else of the same group), drawn with the seed.

use std::collections::HashMap;
use std::sync::Arc;

use super::EmulateError;
use wsim_endpoints::{Classifier, Endpoint, EndpointId, Method, ClassifierConfig, table_for};
use wsim_plan::Plan;
use wsim_profile::{Profile, Window};
use wsim_simulate::prepare::{PrepareSettings, Prepared};
use wsim_simulate::random::{Purpose, below, draw};
use wsim_simulate::record::{Record, mark};
use wsim_simulate::schedule::Visit;
use wsim_trace::{Request, Trace};

/// Logged costs, made ready.
#[derive(Debug, Clone)]
pub struct Demands {
    prepared: Prepared,
    endpoints: Vec<Endpoint>,
    /// Record of each row.
    rows: Vec<Option<u32>>,
}

impl Demands {
    /// Costs of the requests of a trace. `rows` are those that a replay numbers from 0: the window's in arrival order, without
    /// those between Synapse's processes. `endpoints` are those that the trace was classified with; `profile` is of the same trace.
    pub fn of(trace: &Trace, endpoints: &[Endpoint], profile: &Profile, rows: &[Request], settings: &PrepareSettings) -> Self {
        let start_us = rows.first().map_or(profile.window.start_us, |request| request.arrival_us);
        let end_us = rows.last().map_or(profile.window.end_us, |request| request.arrival_us + 1);
        let prepared = Prepared::new(trace, endpoints, profile, Window { start_us, end_us }, settings);
        let rows = prepared.records_of(rows, endpoints);
        Self { prepared, endpoints: endpoints.to_vec(), rows }
    }

    /// What a simulation of the same requests begins with.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// What was done and how far to trust it, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.prepared.notes
    }
}

/// Demands laid out for a plan: who asks what, and which record it is.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) prepared: Arc<Prepared>,
    /// The trace's endpoints, then the classifier's: what records' `endpoint` means.
    pub(super) endpoints: Vec<Endpoint>,
    classifier: Classifier,
    rows: Vec<Option<u32>>,
    logged: u32,
    /// First stand-in of each of the classifier's endpoints, reading and writing.
    first: u32,
    seed: u64,
}

/// What is asked of the model for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) visit: Visit,
    /// It is a logged row and not a stand-in.
    pub(super) is_row: bool,
}

impl Book {
    pub(super) fn new(demands: Demands, plan: &Plan, seed: u64) -> Result<Self, EmulateError> {
        let table = table_for(Some(plan.synapse.as_str())).map_err(|error| EmulateError::Release(error.to_string()))?.table;
        let classifier = Classifier::new(&table, &ClassifierConfig::default())?;
        let Demands { mut prepared, mut endpoints, rows } = demands;
        let base = endpoints.len();
        let logged = &prepared.workload.records;
        let kinds = Kinds::of(logged, &endpoints);
        let unknown = prepared.workload.classes.len().saturating_sub(2);
        let mut made: Vec<Record> = Vec::new();
        for (endpoint, number) in classifier.endpoints().iter().zip(base..) {
            for writes in [false, true] {
                let like = kinds.like(endpoint, writes);
                for place in 0..STAND_INS {
                    let random = draw(seed, Purpose::Service, u64::from(place) | (number as u64) << 8 | u64::from(writes) << 40);
                    let record = like.get(below(random, like.len())).map(|&index| logged[index as usize]);
                    made.push(stand_in(record, number, unknown, &endpoint.group));
                }
            }
        }
        let first = u32::try_from(logged.len()).map_err(|_| EmulateError::TooLong)?;
        prepared.workload.records.extend(made);
        endpoints.extend(classifier.endpoints().iter().cloned());
        Ok(Self { prepared: Arc::new(prepared), endpoints, classifier, rows, logged: first, first, seed })
    }

    /// The record of a request: that of its row, else a stand-in; `number` tells requests apart.
    pub(super) fn ask(&self, row: Option<u32>, method: &hyper::Method, target: &[u8], number: u64) -> Asked {
        let record = row.and_then(|row| self.rows.get(row as usize).copied().flatten());
        if let Some(record) = record.filter(|&record| record < self.logged) {
            return Asked { visit: Visit { record, copy: 0 }, is_row: true };
        }
        let method = Method::from_bytes(method.as_str().as_bytes());
        let EndpointId(endpoint) = self.classifier.classify(method, target);
        let writes = !matches!(method, Method::Get | Method::Head | Method::Options);
        let block = (2 * u32::from(endpoint) + u32::from(writes)) * STAND_INS;
        let random = draw(self.seed, Purpose::Users, number);
        let place = u32::try_from(below(random, STAND_INS as usize)).unwrap_or(0);
        // Few copies, so that the model's memory of who was served stays small.
        let copy = 1 + u32::try_from(number % COPIES).unwrap_or(0);
        Asked { visit: Visit { record: self.first + block + place, copy }, is_row: false }
    }

    /// Number of the endpoint of a record, into [`Self::endpoints`].
    pub(super) fn endpoint_of(&self, asked: Asked) -> usize {
        self.prepared.workload.records.get(asked.visit.record as usize).map_or(0, |record| usize::from(record.endpoint))
    }
}

/// Logged records by kind of request.
struct Kinds<'e> {
    exact: HashMap<(&'e str, Option<&'e str>, bool), Vec<u32>>,
    groups: HashMap<(&'e str, bool), Vec<u32>>,
}

impl<'e> Kinds<'e> {
    fn of(records: &[Record], endpoints: &'e [Endpoint]) -> Self {
        let mut kinds = Self { exact: HashMap::new(), groups: HashMap::new() };
        for (record, index) in records.iter().zip(0..) {
            let Some(endpoint) = endpoints.get(usize::from(record.endpoint)) else { continue };
            let writes = record.class % 2 == 1;
            kinds.exact.entry((endpoint.group.as_str(), endpoint.pattern.as_deref(), writes)).or_default().push(index);
            kinds.groups.entry((endpoint.group.as_str(), writes)).or_default().push(index);
        }
        kinds
    }

    fn like<'k>(&'k self, endpoint: &'k Endpoint, writes: bool) -> &'k [u32] {
        let exact = self.exact.get(&(endpoint.group.as_str(), endpoint.pattern.as_deref(), writes));
        exact.or_else(|| self.groups.get(&(endpoint.group.as_str(), writes))).map_or(&[], Vec::as_slice)
    }
}

/// A record that belongs to nobody, with a logged one's costs or, where nothing of its kind was logged, a millisecond of CPU.
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
    // It was logged with the caches that it found.
    record.set(mark::COLD);
    if matches!(group, "sync" | "sliding_sync") {
        record.set(mark::POLL);
    } else if !like.is(mark::POLL) {
        record.wait_us = like.wait_us;
    }
    record
}

/// Stand-ins for each endpoint, reading and writing.
const STAND_INS: u32 = 16;
/// Copies of each stand-in that the model tells apart.
const COPIES: u64 = 16;
const UNLOGGED_CPU_US: u32 = 1_000;
