//! The pools of single requests, for plans with patterns of their own or pools of some clients.
//!
//! Decides from what a trace keeps: template, room, user, agent, address, method. Invariant: where that is not enough the plan is refused,
//! and what the log shows of a selection is said.

use std::collections::HashMap;

use crate::calibrate::prepare::{PreparedWorkload, Sender};
use crate::synapse::record::Record;
use wsim_endpoints::Endpoint;
use wsim_plan::{CheckedPlan, Client, Destination, RequestFacts, RequestPath, RequestRouter, Undecided};
use wsim_text::{count, plural};
use wsim_trace::{NameId, Names};

/// The destination of every record.
pub(super) struct Selection {
    pub(super) destinations: Vec<Destination>,
    /// What the log says about the plan's selections, one sentence each.
    pub(super) remarks: Vec<String>,
}

/// What decides: endpoint, method, template, room, user, peer, agent, and whether a bridge names the user.
type Facts = (u16, u8, NameId, NameId, NameId, NameId, NameId, bool);

/// The destinations; `None` if the endpoints alone say them.
pub(super) fn select(plan: &CheckedPlan, endpoints: &[Endpoint], prepared: &PreparedWorkload) -> Result<Option<Selection>, Undecided> {
    let router = RequestRouter::new(plan, |text| endpoints.iter().any(|endpoint| endpoint.pattern.as_deref() == Some(text)))?;
    if router.is_by_class() {
        return Ok(None);
    }
    let mut known: HashMap<Facts, Destination> = HashMap::new();
    let mut destinations = Vec::with_capacity(prepared.senders.len());
    let mut tally = vec![Tally::default(); plan.pools.len()];
    for (record, sender) in prepared.workload.records.iter().zip(&prepared.senders) {
        let method = sender.method as u8;
        let facts = (record.endpoint, method, record.template, record.room, record.user, record.peer, sender.agent, sender.appservice);
        let destination = match known.get(&facts) {
            Some(destination) => destination.clone(),
            None => {
                let Some(endpoint) = endpoints.get(usize::from(record.endpoint)) else {
                    destinations.push(Destination::Main);
                    continue;
                };
                // No proxy sees a request between processes.
                let by_request = || router.route(endpoint, &request_facts(record, sender, &prepared.names));
                let destination = if endpoint.internal { plan.route(endpoint) } else { by_request()? };
                known.insert(facts, destination.clone());
                destination
            }
        };
        if let Destination::Pool(pool) = destination {
            tally[pool].requests += 1;
            tally[pool].unseen += u64::from(!sender.appservice);
        }
        destinations.push(destination);
    }
    Ok(Some(Selection { destinations, remarks: remarks(plan, &tally) }))
}

fn request_facts<'n>(record: &Record, sender: &Sender, names: &'n Names) -> RequestFacts<'n> {
    RequestFacts {
        method: sender.method,
        path: RequestPath::Template { template: names.text(record.template), room: names.text(record.room) },
        client: Client {
            user: names.text(record.user),
            appservice: sender.appservice,
            agent: names.text(sender.agent),
            address: names.text(record.peer).parse().ok(),
            token: None,
        },
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    requests: u64,
    /// Requests without `user_id=`, whose user a proxy cannot match with `*`.
    unseen: u64,
}

fn remarks(plan: &CheckedPlan, tally: &[Tally]) -> Vec<String> {
    let mut remarks = Vec::new();
    for (pool, Tally { requests, unseen }) in plan.pools.iter().zip(tally) {
        let open = pool.users.iter().any(|user| user.contains('*'));
        if *requests == 0 && pool.selects_clients() {
            let lists: Vec<&str> = pool.client_lists().iter().filter(|(_, list)| !list.is_empty()).map(|(kind, _)| *kind).collect();
            remarks.push(format!("pool {:?} takes no request of this log: none has its endpoints and its {}", pool.name, lists.join(", ")));
        } else if open && *unseen > 0 {
            remarks.push(format!(
                "pool {:?}: {} of {} have no user_id=, so that a proxy does not see that their users match; the simulation counts them as taken",
                pool.name,
                count(*unseen),
                plural(*requests, "request", "requests")
            ));
        }
    }
    remarks
}
