//! Requests between Synapse's processes, as load of the processes that serve them under a plan.
//!
//! A logged request goes to the writer of its stream, else to the main process, with its logged CPU. Where the process that serves the cause
//! is the writer itself, Synapse calls the same code without HTTP: the work stays, the hop does not. Events handed to a persister are left
//! out, because the model makes these requests itself (`persist_costs`).

use crate::synapse::record::{Record, mark};
use wsim_endpoints::Endpoint;
use wsim_stats::Interval;
use wsim_text::{count, duration, prose};

/// CPU that HTTP costs the process that receives a request from another process, s. The upper end is all that a persister needed to receive
/// an event, measured on one cluster; the part that is HTTP, not work, is assumed.
pub const HOP_CPU: Interval = Interval { value: 0.001, low: 0.0, high: 0.001_6 };

/// The share of each endpoint's requests that the process of their cause serves itself; 0 for requests of clients and servers, empty if no
/// request goes from process to process. `routes` has the pool of each endpoint, `pools` the processes of each.
pub(crate) fn local_shares(endpoints: &[Endpoint], records: &[Record], routes: &[u16], pools: &[Vec<u16>]) -> Vec<f64> {
    if !records.iter().any(|record| record.has(mark::INTERNAL)) {
        return Vec::new();
    }
    let mut requests = vec![0_u64; endpoints.len()];
    for record in records {
        if let Some(number) = requests.get_mut(usize::from(record.endpoint)) {
            *number += 1;
        }
    }
    let members = |endpoint: usize| routes.get(endpoint).and_then(|pool| pools.get(usize::from(*pool))).map_or(&[][..], Vec::as_slice);
    let share = |(number, endpoint): (usize, &Endpoint)| {
        let (mut all, mut local) = (0.0, 0.0);
        for cause in (0..endpoints.len()).filter(|cause| endpoint.causes().contains(&endpoints[*cause].group.as_str())) {
            all += requests[cause] as f64;
            local += requests[cause] as f64 * chance_of_same(members(cause), members(number));
        }
        if all > 0.0 { local / all } else { 0.0 }
    };
    endpoints.iter().enumerate().map(share).collect()
}

/// The chance that a random one of `first` is the same as a random one of `second`.
fn chance_of_same(first: &[u16], second: &[u16]) -> f64 {
    let same = first.iter().filter(|process| second.contains(process)).count();
    same as f64 / (first.len() * second.len()).max(1) as f64
}

/// A sentence about these requests; `None` if there are none.
pub(super) fn note(records: &[Record]) -> Option<String> {
    let (requests, cpu_us) = records
        .iter()
        .filter(|record| record.has(mark::INTERNAL))
        .fold((0_u64, 0_u64), |(requests, cpu_us), record| (requests + 1, cpu_us + u64::from(record.cpu_us)));
    (requests > 0).then(|| {
        format!(
            "{} requests between processes ({} of CPU in all) go to the writer of their stream, else to main; where no HTTP request is needed, each is assumed to cost {} less.",
            count(requests),
            duration(cpu_us as f64 / 1e6),
            prose::milliseconds_range(HOP_CPU.scaled(1e3))
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(group: &str, internal: Option<(&str, &str)>) -> Endpoint {
        Endpoint {
            group: group.to_owned(),
            workers: Vec::new(),
            stream: internal.map(|(stream, _)| stream.to_owned()),
            condition: None,
            any_worker: false,
            pattern: internal.map(|(_, pattern)| pattern.to_owned()),
            internal: internal.is_some(),
        }
    }

    #[test]
    fn the_share_without_a_hop_is_that_of_causes_at_the_writer_itself() {
        let presence = "^/_synapse/replication/(presence_set_state|bump_presence_active_time)/";
        let endpoints = [endpoint("sync", None), endpoint("replication", Some(("presence", presence)))];
        let mut internal = Record::at(1);
        internal.endpoint = 1;
        internal.set(mark::INTERNAL);
        let records = [Record::at(0), internal];
        let share = |sync: &[u16], writer: &[u16]| local_shares(&endpoints, &records, &[0, 1], &[sync.to_vec(), writer.to_vec()])[1];
        assert_eq!((share(&[0], &[0]), share(&[1], &[0]), share(&[0, 1], &[1])), (1.0, 0.0, 0.5));
        assert!(local_shares(&endpoints, &records[..1], &[0, 1], &[vec![0], vec![0]]).is_empty());
        assert!(note(&records[..1]).is_none());
    }
}
