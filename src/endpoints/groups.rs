//! The endpoint groups: the one list of what each is called and what its requests are.
//!
//! Source of the table groups: `docs/workers.md` of element-hq/synapse, releases 0.26.0 to 1.157.1. A user's own table may name
//! further groups; nothing is known of those.

/// A group of endpoints with something in common for planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Its name in tables, plans and reports.
    pub id: &'static str,
    /// Its name in a sentence.
    pub title: &'static str,
    /// What its requests are, for readers who do not plan capacity for a living.
    pub description: &'static str,
    /// Where the group comes from, and with it who may serve it.
    pub origin: Origin,
}

/// Where a group comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An endpoint table of some release.
    Table,
    /// wsim's own: a part of a table's group, or requests that a worker can serve although no table lists them.
    Own,
    /// wsim's own, for paths in no row of a table: only the main process serves them, whatever a plan says.
    MainOnly,
    /// wsim's own: traffic between Synapse's processes, which no plan routes.
    Internal,
}

use Origin::{Internal, MainOnly, Own, Table};

const fn group(origin: Origin, id: &'static str, title: &'static str, description: &'static str) -> Group {
    Group { id, title, description, origin }
}

/// All groups: those of the tables first.
pub const GROUPS: [Group; 40] = [
    group(Table, "sync", "/sync", "clients asking for news"),
    group(Table, "federation", "federation reads", "reads by other servers"),
    group(Table, "federation_send", "inbound federation", "transactions pushed by other servers"),
    group(Table, "client", "client reads", "reads by clients: profiles, messages, room lists, keys"),
    group(Table, "encryption", "key queries", "device keys for end-to-end encryption"),
    group(Table, "registration_login", "logins", "registration and login"),
    group(Table, "event_sending", "event sending", "messages, joins, invitations, state by local users"),
    group(Table, "user_directory", "user search", "search for users"),
    group(Table, "delayed_events", "delayed_events", "events sent later"),
    group(Table, "push_rules", "push rules", "notification settings"),
    group(Table, "account_data", "account data", "settings and tags of an account"),
    group(Table, "presence", "presence", "online status"),
    group(Table, "admin", "admin", "Synapse's admin API"),
    group(Table, "pagination", "/messages", "scrolling back in a room"),
    group(Table, "sso_all", "sso_all", "single sign-on"),
    group(Table, "sso_oidc", "sso_oidc", "single sign-on by OpenID Connect"),
    group(Table, "sso_saml", "sso_saml", "single sign-on by SAML"),
    group(Table, "sso_cas", "sso_cas", "single sign-on by CAS"),
    group(Table, "typing", "typing", "typing notifications"),
    group(Table, "to_device", "to-device messages", "messages to single devices, mostly key exchange"),
    group(Table, "receipts", "receipts", "read receipts"),
    group(Table, "device_lists", "device and key uploads", "changes of devices and keys"),
    group(Table, "quarantined_media_changes", "quarantined_media_changes", "changes of quarantined media"),
    group(Table, "media", "media", "uploads, downloads, thumbnails"),
    group(Table, "media_admin", "media administration", "administration of media"),
    group(Table, "groups", "groups", "communities, an API of old releases"),
    group(
        Own,
        INITIAL_SYNC,
        "initial sync",
        "first or full sync of a device, rare and expensive: no since, full_state=true, or initialSync",
    ),
    group(Own, SLIDING_SYNC, "sliding sync", "the newer sync of Element X; no endpoint table lists it"),
    group(MainOnly, "sso", "sso", "pages of a single sign-on login"),
    group(MainOnly, "well_known", "well_known", "/.well-known lookups"),
    group(MainOnly, "health", "health", "health checks"),
    group(MainOnly, "metrics", "metrics", "Prometheus metrics read by a monitoring system"),
    group(MainOnly, "client_other", "client requests in no table", "client API that no worker may serve"),
    group(MainOnly, "federation_other", "federation requests in no table", "federation API that no worker may serve"),
    group(MainOnly, "matrix_other", "matrix_other", "other paths below /_matrix, which no worker may serve"),
    group(MainOnly, "synapse_other", "synapse_other", "other paths below /_synapse, which no worker may serve"),
    group(MainOnly, KEY_SERVER, "key_server", "signing keys of servers"),
    group(MainOnly, "not_matrix", "not_matrix", "paths that are no Matrix API: web pages, scanners"),
    group(MainOnly, "invalid", "invalid", "requests that could not be read: an empty or binary request line"),
    group(Internal, "replication", "replication", "requests between Synapse processes, never client traffic"),
];

/// The group with this id; `None` for a group of a user's own table.
#[must_use]
pub fn find(id: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.id == id)
}

/// What a group's requests are; empty for a group of a user's own table.
#[must_use]
pub fn description(id: &str) -> &'static str {
    find(id).map_or("", |group| group.description)
}

/// The groups that a plan's pool may name: all but the internal one.
pub fn of_plans() -> impl Iterator<Item = &'static Group> {
    GROUPS.iter().filter(|group| group.origin != Internal)
}

/// What every request of an endpoint has in common, beyond who may serve it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndpointTraits {
    /// The client is another server, not a user.
    pub federation: bool,
    /// A long poll: the response may wait for an event.
    pub polls: bool,
    /// Traffic between Synapse processes.
    pub internal: bool,
    /// An initial sync.
    pub initial: bool,
}

impl EndpointTraits {
    /// The traits of a group's requests.
    #[must_use]
    pub fn of_group(id: &str) -> Self {
        Self {
            federation: is_federation(id),
            polls: matches!(id, SYNC | SLIDING_SYNC),
            internal: find(id).is_some_and(|group| group.origin == Internal),
            initial: id == INITIAL_SYNC,
        }
    }
}

/// Whether the requests of a group come from other servers. A user's own table may have further groups of federation.
#[must_use]
pub fn is_federation(id: &str) -> bool {
    id.starts_with("federation") || id == KEY_SERVER
}

/// The tables' group of sync requests.
pub(crate) const SYNC: &str = "sync";
/// The part of [`SYNC`] that asks for the whole state.
pub(crate) const INITIAL_SYNC: &str = "initial_sync";
const SLIDING_SYNC: &str = "sliding_sync";
const KEY_SERVER: &str = "key_server";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Classifier, ClassifierConfig, table_for};

    #[test]
    fn every_group_of_an_endpoint_is_in_the_list_once() {
        for (index, group) in GROUPS.iter().enumerate() {
            assert!(GROUPS[..index].iter().all(|other| other.id != group.id), "{}", group.id);
        }
        for release in ["1.10", "1.50", "1.157"] {
            let classifier = Classifier::new(&table_for(Some(release)).unwrap().table, &ClassifierConfig::default()).unwrap();
            for endpoint in classifier.endpoints() {
                let group = find(&endpoint.group).unwrap_or_else(|| panic!("{release}: {}", endpoint.group));
                assert_eq!(group.origin == Internal, endpoint.internal, "{release}: {endpoint:?}");
                assert!(group.origin != MainOnly || endpoint.workers.is_empty(), "{release}: {endpoint:?}");
            }
        }
    }

    #[test]
    fn every_group_is_described() {
        assert!(GROUPS.iter().all(|group| !group.title.is_empty() && !group.description.is_empty()));
        assert_eq!((description("typing"), description("of_my_own_table")), ("typing notifications", ""));
    }

    #[test]
    fn federation_is_whatever_another_server_sends() {
        let federation: Vec<&str> = GROUPS.iter().map(|group| group.id).filter(|id| is_federation(id)).collect();
        assert_eq!(federation, ["federation", "federation_send", "federation_other", "key_server"]);
        let polls: Vec<&str> = GROUPS.iter().map(|group| group.id).filter(|id| EndpointTraits::of_group(id).polls).collect();
        assert_eq!(polls, ["sync", "sliding_sync"]);
    }
}
