//! The properties of each class of requests that the simulation needs: group, lock, whether a request makes an event.

use super::served_by::ServedBy;
use crate::engine::time::Span;
use crate::synapse::caches::CacheEffect;
use crate::synapse::workload::{Class, Lock};
use wsim_endpoints::{Endpoint, Method};
use wsim_trace::{Request, flag};

/// Two classes per endpoint, for reading and for writing, and two more for requests to unknown endpoints.
#[derive(Debug, Clone)]
pub(super) struct ClassTable {
    pub classes: Vec<Class>,
    pub groups: Vec<String>,
}

impl ClassTable {
    /// `initial_sync`: costs of an initial sync with cold caches divided by those with warm ones, where the log does not show them.
    pub(super) fn from_endpoints(endpoints: &[Endpoint], initial_sync: f64) -> Self {
        let mut table = Self { classes: Vec::with_capacity(2 * endpoints.len() + 2), groups: Vec::new() };
        for endpoint in endpoints {
            let group = table.group(&endpoint.group);
            let caches = if endpoint.group == "initial_sync" { CacheEffect::Ratio(initial_sync) } else { CacheEffect::None };
            let is_sync = ["sync", "initial_sync", "sliding_sync"].contains(&endpoint.group.as_str());
            let read = Class { caches, is_sync, delay_share: 1.0, ..Class::plain(group) };
            let lock = lock(endpoint);
            table.classes.push(read.clone());
            table.classes.push(Class { lock, persists: persists(endpoint), ..read });
        }
        let unknown = table.group("unknown");
        table.classes.extend(vec![Class { delay_share: 1.0, ..Class::plain(unknown) }; 2]);
        table
    }

    /// Sets the time from the hand-over of an event to the answer, which the model simulates.
    pub(super) fn set_hop(&mut self, hop: Span) {
        self.classes.iter_mut().filter(|class| class.persists).for_each(|class| class.hop_us = hop.micros_u32());
    }

    fn group(&mut self, id: &str) -> u16 {
        let index = self.groups.iter().position(|group| group == id).unwrap_or_else(|| {
            self.groups.push(id.to_owned());
            self.groups.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }
}

/// The class of a request; `None` for requests that no process served, and for events handed to a persister, which the model makes itself.
pub(super) fn class_of(request: &Request, endpoints: &[Endpoint], served_by: &ServedBy) -> Option<u16> {
    let index = usize::from(request.endpoint.0).min(endpoints.len());
    let is_internal = request.has(flag::INTERNAL) || endpoints.get(index).is_some_and(|endpoint| endpoint.internal);
    // A request between processes is in Synapse's own log; a proxy sees only attempts from outside.
    let is_load = |endpoint: &Endpoint| endpoint.internal && !endpoint.hands_over_events() && request.has(flag::COST);
    if served_by.is_proxy_only(request) || (is_internal && !endpoints.get(index).is_some_and(is_load)) {
        return None;
    }
    let writes = !matches!(request.method, Method::Get | Method::Head | Method::Options) && request.status < 400;
    u16::try_from(2 * index + usize::from(writes)).ok()
}

/// The lock that a successful write holds (Synapse: `room_event_creation_limit`, `member_linearizer`, one transaction per origin).
fn lock(endpoint: &Endpoint) -> Lock {
    let contains = |part: &str| endpoint.pattern.as_deref().is_some_and(|pattern| pattern.contains(part));
    match endpoint.group.as_str() {
        "event_sending" if contains("/profile/") => Lock::None,
        "event_sending" if contains("join") || contains("invite") => Lock::Member,
        "event_sending" => Lock::Room,
        "federation_send" => Lock::Origin,
        _ if contains("/v1/send/") => Lock::Origin,
        _ => Lock::None,
    }
}

/// Whether a successful write makes an event. Federation transactions make some too, but no log line says how many; they are left out.
fn persists(endpoint: &Endpoint) -> bool {
    let contains = |part: &str| endpoint.pattern.as_deref().is_some_and(|pattern| pattern.contains(part));
    match endpoint.group.as_str() {
        "event_sending" => !contains("/profile/"),
        "federation" => ["/send_join", "/send_leave", "/send_knock", "/invite"].iter().any(|part| contains(part)),
        "client" => contains("createRoom"),
        _ => false,
    }
}
