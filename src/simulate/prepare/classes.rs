//! What the simulation needs to know of each endpoint class: its group, its lock, whether it writes events.

use super::super::observed::Servers;
use super::super::workload::{Class, Lock};
use wsim_endpoints::{Endpoint, Method};
use wsim_trace::{Request, flag};

/// Two classes per endpoint, reading and writing, and two more for requests of no known endpoint.
#[derive(Debug, Clone)]
pub(super) struct ClassTable {
    pub classes: Vec<Class>,
    pub groups: Vec<String>,
}

impl ClassTable {
    pub(super) fn new(endpoints: &[Endpoint]) -> Self {
        let mut table = Self { classes: Vec::with_capacity(2 * endpoints.len() + 2), groups: Vec::new() };
        for endpoint in endpoints {
            let group = table.group(&endpoint.group);
            let read = Class { cold_ratio: cold_ratio(&endpoint.group), delay_share: 1.0, ..Class::plain(group) };
            let lock = lock(endpoint);
            table.classes.push(read.clone());
            table.classes.push(Class { lock, persists: persists(endpoint), ..read });
        }
        let unknown = table.group("unknown");
        table.classes.extend(vec![Class { delay_share: 1.0, ..Class::plain(unknown) }; 2]);
        table
    }

    fn group(&mut self, id: &str) -> u16 {
        let index = self.groups.iter().position(|group| group == id).unwrap_or_else(|| {
            self.groups.push(id.to_owned());
            self.groups.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }
}

/// The class of a request; `None` for traffic between Synapse processes and for what the proxy answered alone.
pub(super) fn class(request: &Request, endpoints: &[Endpoint], servers: &Servers) -> Option<u16> {
    let number = usize::from(request.endpoint.0).min(endpoints.len());
    if servers.is_nobodys(request) || request.has(flag::INTERNAL) || endpoints.get(number).is_some_and(|endpoint| endpoint.internal) {
        return None;
    }
    let writes = !matches!(request.method, Method::Get | Method::Head | Method::Options) && request.status < 400;
    u16::try_from(2 * number + usize::from(writes)).ok()
}

/// What a successful write holds while it works (Synapse: `room_event_creation_limit`, `member_linearizer`, one transaction per
/// origin).
fn lock(endpoint: &Endpoint) -> Lock {
    let is = |part: &str| endpoint.pattern.as_deref().is_some_and(|pattern| pattern.contains(part));
    match endpoint.group.as_str() {
        "event_sending" if is("/profile/") => Lock::None,
        "event_sending" if is("join") || is("invite") => Lock::Member,
        "event_sending" => Lock::Room,
        "federation_send" => Lock::Origin,
        _ if is("/v1/send/") => Lock::Origin,
        _ => Lock::None,
    }
}

/// Whether a successful write makes an event. Federation transactions make some, which no line says; they are left out here.
fn persists(endpoint: &Endpoint) -> bool {
    let is = |part: &str| endpoint.pattern.as_deref().is_some_and(|pattern| pattern.contains(part));
    match endpoint.group.as_str() {
        "event_sending" => !is("/profile/"),
        "federation" => ["/send_join", "/send_leave", "/send_knock", "/invite"].iter().any(|part| is(part)),
        "client" => is("createRoom"),
        _ => false,
    }
}

/// Cost with cold caches over cost with warm ones. Measured with three workers (Synapse 1.163): initial sync 43 ms in turn against
/// 18 to 39 ms by user; the other classes hardly changed.
fn cold_ratio(group: &str) -> f64 {
    if group == "initial_sync" { 1.5 } else { 1.0 }
}
