//! Words for people who do not plan capacity for a living: what an endpoint group is, what a term means.

use wsim_profile::GroupProfile;

/// What the requests of a group are, in a few words; empty for a group of the reader's own table.
pub fn group(id: &str) -> &'static str {
    GROUPS.iter().find(|(name, _)| *name == id).map_or("", |(_, words)| words)
}

/// Who may serve a group: worker types, a stream writer, or only the main process.
pub fn served_by(group: &GroupProfile) -> String {
    if group.internal {
        return "between processes".to_owned();
    }
    let mut parts: Vec<String> = group.stream.iter().map(|stream| format!("writer of {stream}")).collect();
    parts.extend(group.workers.iter().cloned());
    if parts.is_empty() { "main process only".to_owned() } else { parts.join(", ") }
}

/// Terms that a report uses and a reader may not know.
pub const GLOSSARY: [(&str, &str); 14] = [
    (
        "Busy (utilisation)",
        "Share of one CPU core that a process uses. A Synapse process can hardly use more than one core, so near 100 % requests queue.",
    ),
    ("Busiest five minutes", "The five minutes with the largest CPU demand in the log. Plans are judged there, because there it hurts."),
    ("CPU seconds", "Processor time that work costs, as against the time a client waits. Only CPU makes a process busy."),
    (
        "Coverage",
        "CPU of a whole process divided by the CPU its request lines show. Background work, garbage collection and event persistence are in no request line.",
    ),
    ("Work latency", "Time from arrival to answer, less the time that a long poll merely waited for news."),
    (
        "Long poll",
        "A /sync request that waits until there is news or its timeout ends. While it is parked it costs memory and a connection, not CPU.",
    ),
    ("p50, p95, p99", "Half, 95 % and 99 % of requests took at most this long."),
    (
        "Range (a–b)",
        "What the value may be, given what was measured and what had to be assumed. A plan meets the objective only if it does so at the upper end.",
    ),
    ("Worker, pool", "A further Synapse process beside the main process; a pool is a set of workers that serve the same endpoints."),
    ("Stream writer", "The process that alone may write a stream, such as typing notifications or receipts."),
    ("Replication", "News that processes send each other. Every worker spends CPU on every event, so workers are not free."),
    ("Index of dispersion", "How bursty arrivals are at a time scale: 1 for independent arrivals, more if they come in bursts."),
    (
        "Concentration (HHI)",
        "Sum of the squared shares of users. 1 means one user makes all the load, and no balancing by user can spread it.",
    ),
    ("Balancing by key", "All requests with the same user (or room, address) go to the same worker, so that its caches stay warm."),
];

const GROUPS: [(&str, &str); 41] = [
    ("sync", "clients asking for news"),
    ("initial_sync", "first or full sync of a device: rare and dear"),
    ("sliding_sync", "the newer sync of Element X"),
    ("client", "reads by clients: profiles, messages, room lists, keys"),
    ("client_other", "client API that no worker may serve"),
    ("event_sending", "messages, joins, invitations, state by local users"),
    ("federation", "reads by other servers"),
    ("federation_send", "transactions pushed by other servers"),
    ("federation_other", "federation that no worker may serve"),
    ("federation_inbound", "transactions pushed by other servers"),
    ("media", "uploads, downloads, thumbnails"),
    ("media_admin", "administration of media"),
    ("admin", "Synapse's admin API"),
    ("encryption", "device keys for end-to-end encryption"),
    ("device_lists", "changes of devices and keys"),
    ("to_device", "messages to single devices, mostly key exchange"),
    ("typing", "typing notifications"),
    ("receipts", "read receipts"),
    ("presence", "online status"),
    ("account_data", "settings and tags of an account"),
    ("push_rules", "notification settings"),
    ("pagination", "scrolling back in a room"),
    ("user_directory", "search for users"),
    ("delayed_events", "events sent later"),
    ("registration_login", "registration and login"),
    ("login", "login"),
    ("register", "registration"),
    ("sso", "single sign-on"),
    ("sso_all", "single sign-on"),
    ("sso_cas", "single sign-on by CAS"),
    ("sso_oidc", "single sign-on by OpenID Connect"),
    ("sso_saml", "single sign-on by SAML"),
    ("groups", "communities, an API of old releases"),
    ("quarantined_media_changes", "changes of quarantined media"),
    ("key_server", "signing keys of servers"),
    ("well_known", "/.well-known lookups"),
    ("health", "health checks"),
    ("replication", "requests between Synapse processes, never client traffic"),
    ("not_matrix", "paths that are no Matrix API: web pages, scanners"),
    ("invalid", "requests that could not be read: an empty or binary request line"),
    ("other", "everything else"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_group_says_who_may_serve_it() {
        let report = fixture::report();
        let served = |id: &str| served_by(report.profile.groups.iter().find(|group| group.id == id).unwrap());
        assert_eq!(served("sync"), "generic_worker");
        assert_eq!(served("typing"), "writer of typing");
        assert_eq!(served("client_other"), "main process only");
        assert_eq!(served("replication"), "between processes");
        assert_eq!(group("sync"), "clients asking for news");
        assert_eq!(group("mine"), "");
    }
}
