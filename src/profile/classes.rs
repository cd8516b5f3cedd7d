//! What the profile needs to know of each endpoint class, computed once so that counting is a look-up by index.

use wsim_endpoints::Endpoint;

use super::prior::prior;

/// The classes of the endpoint table, followed by two more: `unknown` for indices beyond the table, and `internal` for internal
/// requests where the table has no class for them.
#[derive(Debug, Clone)]
pub(super) struct Classes {
    pub(super) traits: Vec<ClassTraits>,
    pub(super) groups: Vec<GroupTraits>,
    /// Number of classes in the table: the index of `unknown`; `internal` follows it.
    pub(super) table: usize,
    /// Index of the table's first class between processes; that of `internal` if it has none.
    pub(super) internal: usize,
}

/// One class; small, so that all classes stay in the first-level cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClassTraits {
    /// Index into [`Classes::groups`].
    pub(super) group: u16,
    /// Traffic between Synapse processes.
    pub(super) internal: bool,
    /// The peer is a remote server, not an address.
    pub(super) federation: bool,
    /// Only the main process serves it.
    pub(super) main_only: bool,
    /// `/sync` in any form.
    pub(super) sync: bool,
    /// Prior demand, µs.
    pub(super) nominal_us: u32,
    /// Thousandths of an event that a successful request persists, unless it is a GET.
    pub(super) milli_events: u16,
    /// The request hands an event to its persister.
    pub(super) hands_over_events: bool,
}

#[derive(Debug, Clone)]
pub(super) struct GroupTraits {
    pub(super) id: String,
    pub(super) internal: bool,
}

impl Classes {
    pub(super) fn new(endpoints: &[Endpoint]) -> Self {
        let table = endpoints.len();
        let internal = endpoints.iter().position(|endpoint| endpoint.internal).unwrap_or(table + 1);
        let mut classes = Self { traits: Vec::with_capacity(table + 2), groups: Vec::new(), table, internal };
        for endpoint in endpoints {
            let group = classes.group(&endpoint.group, endpoint.internal);
            classes.traits.push(ClassTraits {
                group,
                internal: endpoint.internal,
                federation: endpoint.traits().federation,
                main_only: is_main_only(endpoint),
                sync: endpoint.group.ends_with("sync"),
                nominal_us: prior(endpoint).cpu_us,
                milli_events: milli_events(endpoint),
                hands_over_events: endpoint.hands_over_events(),
            });
        }
        for (id, internal) in [("unknown", false), ("replication", true)] {
            let group = classes.group(id, internal);
            classes.traits.push(ClassTraits {
                group,
                internal,
                federation: false,
                main_only: false,
                sync: false,
                nominal_us: 0,
                milli_events: 0,
                hands_over_events: false,
            });
        }
        classes
    }

    /// Index of a request's class.
    pub(super) fn class(&self, endpoint: u16, flagged_internal: bool) -> usize {
        let class = usize::from(endpoint).min(self.table);
        if flagged_internal && !self.traits[class].internal { self.internal } else { class }
    }

    fn group(&mut self, id: &str, internal: bool) -> u16 {
        let known = self.groups.iter().position(|g| g.id == id && g.internal == internal);
        let index = known.unwrap_or_else(|| {
            self.groups.push(GroupTraits { id: id.to_owned(), internal });
            self.groups.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }
}

/// Where the table would let a class go: to its stream's writer if it has a stream, else to a generic worker if one may serve it,
/// else to the first worker type named, else to the main process. The writer comes first even where any worker may serve the class,
/// because the table prefers it and administrators with a writer send the class there.
pub(super) fn destination(endpoint: &Endpoint) -> String {
    if let Some(stream) = &endpoint.stream {
        return format!("stream:{stream}");
    }
    if endpoint.workers.iter().any(|w| w == "generic_worker") {
        return "generic_worker".to_owned();
    }
    endpoint.workers.first().map_or_else(|| "main".to_owned(), Clone::clone)
}

/// Whether the table lets no worker serve a class of Matrix requests. A worker may answer what is no Matrix request, and its own health.
fn is_main_only(endpoint: &Endpoint) -> bool {
    let other = matches!(endpoint.group.as_str(), "not_matrix" | "invalid" | "well_known" | "unknown" | "sliding_sync");
    endpoint.workers.is_empty() && endpoint.stream.is_none() && !endpoint.internal && !other
}

/// Thousandths of an event that a successful request of this class persists on average: one event for a message, join or redaction;
/// the first events of a created room; a share of federation transactions (see [`MILLI_PDUS_PER_TRANSACTION`]).
fn milli_events(endpoint: &Endpoint) -> u16 {
    let pattern = endpoint.pattern.as_deref().unwrap_or("");
    let has = |part: &str| pattern.contains(part);
    match endpoint.group.as_str() {
        "event_sending" if !has("/profile/") => 1000,
        "federation_send" => MILLI_PDUS_PER_TRANSACTION,
        "federation" if ["/send_join", "/send_leave", "/send_knock", "/invite"].iter().any(|part| has(part)) => 1000,
        "federation" | "federation_other" if has("/v1/send/") => MILLI_PDUS_PER_TRANSACTION,
        "client" if has("createRoom") => MILLI_EVENTS_PER_ROOM,
        _ => 0,
    }
}

/// Persisted PDUs per inbound federation transaction, an assumption: most transactions carry only typing, receipts, presence
/// or device messages. A cluster of two servers persisted 79 batches for 169 transactions.
const MILLI_PDUS_PER_TRANSACTION: u16 = 500;

/// Events of a new room: create, creator's membership, power levels, join rules, history visibility, guest access, and
/// often a name (createRoom in the Matrix client-server specification).
const MILLI_EVENTS_PER_ROOM: u16 = 7000;

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(group: &str, workers: &[&str], stream: Option<&str>) -> Endpoint {
        Endpoint {
            group: group.to_owned(),
            workers: workers.iter().map(|&w| w.to_owned()).collect(),
            stream: stream.map(str::to_owned),
            condition: None,
            any_worker: false,
            pattern: None,
            internal: false,
        }
    }

    #[test]
    fn destinations_are_what_an_administrator_would_name() {
        assert_eq!(destination(&endpoint("typing", &["generic_worker"], Some("typing"))), "stream:typing");
        assert_eq!(destination(&endpoint("sync", &["generic_worker"], None)), "generic_worker");
        assert_eq!(destination(&endpoint("user_directory", &["user_dir", "generic_worker"], None)), "generic_worker");
        assert_eq!(destination(&endpoint("media", &["media_repository"], None)), "media_repository");
        assert_eq!(destination(&endpoint("client_other", &[], None)), "main");
    }

    #[test]
    fn classes_of_one_group_share_it_and_unknown_endpoints_have_their_own_class() {
        let classes = Classes::new(&[endpoint("sync", &[], None), endpoint("sync", &[], None)]);
        assert_eq!(classes.traits[0].group, classes.traits[1].group);
        assert_eq!(classes.class(1, false), 1);
        assert_eq!(classes.class(999, false), 2);
        assert!(classes.traits[classes.class(1, true)].internal);
    }
}
