//! The limits of processes whose work no further worker of the kind takes: stream writers, event persisters, federation senders. Each is told with
//! its own quantity: requests, events or sent events a second.

use super::{Limit, LimitInputs, LimitKind, MAIN, NOTHING};
use crate::load::endpoint_facts;
use crate::model::ProcessSummary;
use wsim_plan::{CheckedPlan, Destination};
use wsim_profile::Profile;
use wsim_stats::Interval;

/// The limit that a process's CPU is.
pub(super) fn of_process(plan: &CheckedPlan, process: &ProcessSummary, inputs: &LimitInputs<'_>) -> Option<Limit> {
    let LimitInputs { profile, law, objective, growth, .. } = *inputs;
    let events = profile.events_per_second.peak * growth;
    let is_one_of = |writers: Option<&wsim_plan::Writers>| writers.is_some_and(|writers| writers.names().contains(&process.name));
    let persisters = plan.stream_writers.get("events");
    let is_persister = is_one_of(persisters);
    let is_writer = is_persister || plan.stream_writers.values().any(|writers| is_one_of(Some(writers)));
    let is_sender = is_one_of(plan.background_roles.federation_sender_instances.as_ref()) || is_sender_name(&process.name);
    let kind = kind(is_sender, is_writer);
    // Sending grows with the events that are sent, unlike other background work.
    let idle = if kind == LimitKind::FederationSender { law.rest } else { process.idle };
    let limit = Limit::of_share(kind, &process.name, process.peak, idle, objective.busy)?;
    Some(match kind {
        LimitKind::FederationSender => limit.counting(events, "events a second, sent to other servers"),
        LimitKind::StreamWriter if is_persister => {
            limit.counting(events / persisters.map_or(1, |writers| writers.names().len()).max(1) as f64, "events a second")
        }
        LimitKind::StreamWriter => limit.counting(requests_per_second(plan, &process.name, profile) * growth, "requests a second"),
        _ => limit,
    })
}

/// The kind of limit that the CPU of a process is.
pub(super) fn kind(is_sender: bool, is_writer: bool) -> LimitKind {
    match (is_sender, is_writer) {
        (true, _) => LimitKind::FederationSender,
        (false, true) => LimitKind::StreamWriter,
        (false, false) => LimitKind::Cpu,
    }
}

/// Whether a process is called like a federation sender: in Synapse's documentation, its Docker image and the known playbooks.
pub(super) fn is_sender_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.contains("federation_sender") || lower.contains("federation-sender")
}

/// Persisting alone, which one process does for each room, at the observed load.
pub(super) fn persisting(plan: &CheckedPlan, inputs: &LimitInputs<'_>) -> Option<Limit> {
    let LimitInputs { profile, law, objective, .. } = *inputs;
    let names = plan.stream_writers.get("events").map(|writers| writers.names().to_vec()).unwrap_or_default();
    let place = names.first().map_or(MAIN, String::as_str);
    let persisters = names.len().max(1) as f64;
    // A persister writes one batch at a time, so it may be full while its CPU is not.
    let writing = law.costs.writing.scaled(profile.events_per_second.peak);
    let busier = |share: fn(Interval) -> f64| share(law.persisting).max(share(writing)) / persisters;
    let each = Interval { value: busier(|share| share.value), low: busier(|share| share.low), high: busier(|share| share.high) };
    let limit = (each.value > 0.0).then(|| Limit::of_share(LimitKind::StreamWriter, place, each, NOTHING, objective.busy)).flatten()?;
    Some(limit.counting(profile.events_per_second.peak / persisters, "events a second"))
}

/// Requests a second at the peak that only this process may serve, as the writer of its streams.
fn requests_per_second(plan: &CheckedPlan, name: &str, profile: &Profile) -> f64 {
    let seconds = profile.peaks.five_minutes.window.seconds();
    let endpoints = profile.endpoints.iter().chain(&profile.between_processes);
    let of_writer = |endpoint: &wsim_profile::EndpointProfile| {
        let Destination::Writer(stream) = plan.route(endpoint_facts(endpoint)) else { return 0.0 };
        let writers = plan.stream_writers.get(&stream).map(|writers| writers.names()).unwrap_or_default();
        let writes = writers.iter().any(|writer| writer == name);
        if writes { endpoint.peak_requests as f64 / seconds / writers.len() as f64 } else { 0.0 }
    };
    endpoints.map(of_writer).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ProfileFixture;
    use crate::{PlanSummary, ScreenConfig};
    use wsim_plan::Plan;

    fn limit(plan: &str, place: &str, kind: LimitKind, events: f64) -> String {
        let profile = ProfileFixture::new().class("sync", 0.1, 20).stream("typing", 0.1, 6).events(events).build();
        let plan = Plan::from_toml(&format!("name = \"p\"\nsynapse = \"1.157\"\n{plan}"), "plan").unwrap();
        let summary: PlanSummary = crate::screen::judge(&profile, plan, None, &ScreenConfig::default());
        let found = summary.limits.iter().find(|limit| limit.kind == kind);
        let found = found.unwrap_or_else(|| panic!("{kind:?}: {:?}", summary.limits));
        assert_eq!(found.place, place);
        found.to_string()
    }

    #[test]
    fn each_kind_of_single_process_is_told_with_its_own_quantity() {
        let typing = limit("[stream_writers]\ntyping = \"typing1\"\n", "typing1", LimitKind::StreamWriter, 0.1);
        assert!(
            typing.starts_with("typing1's work as a stream writer at")
                && typing.contains("; 6 of ")
                && typing.contains("requests a second"),
            "{typing}"
        );
        // 5 events/s of 28 ms fill a seventh of a persister; with two persisters each has half.
        let main = limit("", "main", LimitKind::StreamWriter, 5.0);
        assert!(main.contains("at 4.9 times") && main.contains("5 of 25 events a second"), "{main}");
        let two = limit("[stream_writers]\nevents = [\"persister1\", \"persister2\"]\n", "persister1", LimitKind::StreamWriter, 5.0);
        assert!(two.contains("2.5 of ") && two.contains("events a second"), "{two}");
        let sender = limit("[duties]\nfederation_sender_instances = \"sender1\"\n", "sender1", LimitKind::FederationSender, 5.0);
        assert!(sender.starts_with("sender1's work as a federation sender at") && sender.contains("5 of "), "{sender}");
    }
}
