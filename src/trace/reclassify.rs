//! A trace with the endpoints of another table, for options about the table on requests that were classified before.
//!
//! Works on templates, which are classified like the paths that they were made from. Knows nothing of traces' files.

use std::collections::HashMap;

use super::request::{NameId, Request, flag};
use super::store::Trace;
use wsim_endpoints::{Classifier, Endpoint, EndpointId, EndpointTraits, Method};

/// The same requests with the endpoints of `classifier`; `endpoints` are those of their present ids.
pub fn reclassify(trace: Trace, endpoints: &[Endpoint], classifier: &Classifier) -> Trace {
    let names = trace.names.clone();
    let mut known: HashMap<(NameId, Method, EndpointId), Reclassified> = HashMap::new();
    trace.filter_map(|request| {
        let change = known.entry((request.template, request.method, request.endpoint)).or_insert_with(|| {
            let old = endpoints.get(usize::from(request.endpoint.0));
            Reclassified::new(names.text(request.template), request.method, request.endpoint, old, classifier)
        });
        Some(change.apply(request))
    })
}

/// What changes for all requests of one template, method and endpoint.
struct Reclassified {
    endpoint: EndpointId,
    old: EndpointTraits,
    new: EndpointTraits,
    /// `timeout` of the template.
    timeout_ms: u32,
}

impl Reclassified {
    fn new(template: &str, method: Method, id: EndpointId, old: Option<&Endpoint>, classifier: &Classifier) -> Self {
        let traits = |id: EndpointId| classifier.endpoint(id).traits();
        let (old_traits, in_table) = old.map_or_else(Default::default, |old| (old.traits(), old.pattern.is_some()));
        let endpoint = if template.starts_with('/') {
            let found = classifier.classify(method, template.as_bytes());
            // A log without queries says nothing of a sync's kind; whoever read the log has decided.
            let undecided = traits(found).initial && !old_traits.initial && !template.contains('?');
            if undecided { classifier.classify(method, format!("{template}?since=s").as_bytes()) } else { found }
        } else if in_table {
            // A path outside Matrix that was in the user's own table.
            classifier.classify(method, b"/")
        } else {
            // wsim's own classes have the same ids with every table.
            id
        };
        let timeout = template.split(['?', '&']).find_map(|part| part.strip_prefix("timeout="));
        let timeout_ms = timeout.and_then(|ms| ms.parse().ok()).unwrap_or(0);
        Self { endpoint, old: old_traits, new: traits(endpoint), timeout_ms }
    }

    fn apply(&self, request: Request) -> Request {
        let mut request = Request { endpoint: self.endpoint, ..request };
        if self.old.polls != self.new.polls {
            request.timeout_ms = if self.new.polls { self.timeout_ms } else { 0 };
            set(&mut request.flags, flag::LONG_POLL, request.timeout_ms > 0);
        }
        set(&mut request.flags, flag::INTERNAL, self.new.internal);
        request
    }
}

fn set(flags: &mut u16, bit: u16, value: bool) {
    *flags = if value { *flags | bit } else { *flags & !bit };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::request_at;
    use wsim_endpoints::{ClassifierConfig, table_for};

    fn classifier(release: &str, config: ClassifierConfig) -> Classifier {
        Classifier::new(&table_for(Some(release)).unwrap().table, &config).unwrap()
    }

    #[test]
    fn a_request_gets_the_endpoint_that_its_path_has_in_the_other_table() {
        let (old, new) = (classifier("1.20", ClassifierConfig::default()), classifier("1.157", ClassifierConfig::default()));
        let mut trace = Trace::new();
        let targets = [
            "/_matrix/client/v3/sync?since={since}&timeout=30000",
            "/_matrix/client/v3/sync",
            "/_matrix/client/v3/rooms/{room}/send/m.room.message/{txn}",
            "/_matrix/client/v3/keys/claim",
            "/_matrix/federation/v1/send/{txn}",
            "/_synapse/replication/send_events/{id}",
            "(other)",
        ];
        for (arrival_us, target) in (0..).zip(targets) {
            let endpoint = old.classify(Method::Get, if target.starts_with('/') { target.as_bytes() } else { b"/index.html" });
            let template = trace.names.intern(target.as_bytes());
            trace.push(Request { template, endpoint, method: Method::Get, ..request_at(arrival_us) });
        }
        trace.seal();
        let reclassified = reclassify(trace, old.endpoints(), &new);
        assert_eq!(reclassified.len(), targets.len());
        let group = |id| new.endpoint(id).group.as_str();
        let groups: Vec<&str> = reclassified.requests().map(|request| group(request.endpoint)).collect();
        assert_eq!(groups, ["sync", "sync", "event_sending", "encryption", "federation_send", "replication", "not_matrix"]);
        let rows: Vec<Request> = reclassified.requests().collect();
        assert!(rows[0].has(flag::LONG_POLL) && rows[0].timeout_ms == 30_000, "release 1.20 has no /v3/sync");
        assert!(rows[5].has(flag::INTERNAL) && !rows[4].has(flag::INTERNAL));
    }

    #[test]
    fn sliding_sync_moves_to_the_sync_workers() {
        let (old, new) = (
            classifier("1.157", ClassifierConfig::default()),
            classifier("1.157", ClassifierConfig { sliding_sync_to_sync: true, ..ClassifierConfig::default() }),
        );
        let mut trace = Trace::new();
        let template = trace.names.intern(b"/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=30000");
        let endpoint = old.classify(Method::Post, trace.names.text(template).as_bytes());
        trace.push(Request { template, endpoint, method: Method::Post, ..request_at(0) });
        trace.seal();
        let request = reclassify(trace, old.endpoints(), &new).requests().next().unwrap();
        assert!(old.endpoint(endpoint).workers.is_empty() && !new.endpoint(request.endpoint).workers.is_empty());
    }
}
