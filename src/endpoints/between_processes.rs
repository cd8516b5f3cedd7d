//! Requests between Synapse's own processes (`/_synapse/replication/…`): which process serves them, and which requests cause them.
//!
//! Source: element-hq/synapse, `synapse/replication/http/*.py` and the callers of the servlets' clients, release 1.163. A request goes to
//! the writer of the stream that it changes (`config/workers.py`, `WriterLocations`), and to the main process if no writer is configured or
//! the request changes no stream. Knows nothing of plans.

use super::Endpoint;
use super::classes::Class;

/// Requests between processes that the writer of one stream serves.
pub(super) struct Kind {
    pub(super) class: Class,
    /// The stream whose writer serves them.
    pub(super) stream: &'static str,
    pub(super) pattern: &'static str,
    /// First segments of their paths, below `/_synapse/replication/`.
    commands: &'static [&'static str],
    /// Types of ephemeral events from other servers, handed on by `fed_send_edu/TYPE`.
    edu_types: &'static [&'static str],
    /// Groups of the requests that cause them.
    causes: &'static [&'static str],
}

pub(super) const KINDS: [Kind; 10] = [
    Kind {
        class: Class::Presence,
        stream: "presence",
        pattern: "^/_synapse/replication/(presence_set_state|bump_presence_active_time)/",
        commands: &["presence_set_state", "bump_presence_active_time"],
        edu_types: &["m.presence"],
        causes: &["sync", "initial_sync", "sliding_sync", "presence"],
    },
    Kind {
        class: Class::SendEvents,
        stream: EVENTS,
        pattern: "^/_synapse/replication/send_events?/",
        // Older releases sent each event by itself.
        commands: &["send_events", "send_event"],
        edu_types: &[],
        causes: &["event_sending"],
    },
    Kind {
        class: Class::FederationEvents,
        stream: EVENTS,
        pattern: "^/_synapse/replication/fed_send_events/",
        commands: &["fed_send_events"],
        edu_types: &[],
        causes: &["federation_send"],
    },
    Kind {
        class: Class::CurrentState,
        stream: EVENTS,
        pattern: "^/_synapse/replication/update_current_state/",
        commands: &["update_current_state"],
        edu_types: &[],
        causes: &["event_sending"],
    },
    Kind {
        class: Class::Typing,
        stream: "typing",
        pattern: "^/_synapse/replication/fed_send_edu/m.typing/",
        commands: &[],
        edu_types: &["m.typing"],
        causes: &["federation_send"],
    },
    Kind {
        class: Class::ToDevice,
        stream: "to_device",
        pattern: "^/_synapse/replication/fed_send_edu/m.direct_to_device/",
        commands: &[],
        edu_types: &["m.direct_to_device"],
        causes: &["federation_send"],
    },
    Kind {
        class: Class::Receipts,
        stream: "receipts",
        pattern: "^/_synapse/replication/fed_send_edu/m.receipt/",
        commands: &[],
        edu_types: &["m.receipt"],
        causes: &["federation_send"],
    },
    Kind {
        class: Class::AccountData,
        stream: "account_data",
        pattern: "^/_synapse/replication/(add|remove)_(user_account_data|room_account_data|tag)/",
        commands: &[
            "add_user_account_data",
            "remove_user_account_data",
            "add_room_account_data",
            "remove_room_account_data",
            "add_tag",
            "remove_tag",
        ],
        edu_types: &[],
        causes: &["account_data"],
    },
    Kind {
        class: Class::DeviceLists,
        stream: "device_lists",
        pattern: "^/_synapse/replication/(.*device.*|notify_user_signature_update|fed_send_edu/m.device_list_update)/",
        commands: &[
            "notify_device_update",
            "notify_user_signature_update",
            "multi_user_device_resync",
            "user_device_resync",
            "handle_new_device_update",
            "device_handle_room_un_partial_stated",
        ],
        edu_types: &["m.device_list_update", "m.signing_key_update", "org.matrix.signing_key_update"],
        causes: &["device_lists", "encryption", "federation_send"],
    },
    Kind {
        class: Class::PushRules,
        stream: "push_rules",
        pattern: "^/_synapse/replication/copy_push_rules/",
        commands: &["copy_push_rules"],
        edu_types: &[],
        causes: &["event_sending"],
    },
];

/// The class of a path, whose `rest` follows `/_synapse/replication`.
pub(super) fn class_of(rest: &[u8]) -> Class {
    let mut segments = rest.split(|&byte| byte == b'/').skip(1);
    let (command, argument) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let is_edu = command == b"fed_send_edu";
    let is_of = |kind: &&Kind| {
        let (names, name) = if is_edu { (kind.edu_types, argument) } else { (kind.commands, command) };
        names.iter().any(|known| known.as_bytes() == name)
    };
    KINDS.iter().find(is_of).map_or(Class::Replication, |kind| kind.class)
}

/// Groups of the requests of clients and servers that cause requests between processes of this pattern.
#[must_use]
pub fn causes(pattern: Option<&str>) -> &'static [&'static str] {
    // What the main process serves: joins and knocks of remote rooms, registrations, pushers.
    kind(pattern).map_or(&["event_sending", "registration_login"], |kind| kind.causes)
}

/// Whether requests between processes of this pattern hand events to their persister.
#[must_use]
pub fn hands_over_events(pattern: Option<&str>) -> bool {
    kind(pattern).is_some_and(|kind| matches!(kind.class, Class::SendEvents | Class::FederationEvents))
}

fn kind(pattern: Option<&str>) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| pattern == Some(kind.pattern))
}

impl Endpoint {
    /// Groups of the requests of clients and servers that cause these requests between processes; empty for all other requests.
    #[must_use]
    pub fn causes(&self) -> &'static [&'static str] {
        if self.internal { causes(self.pattern.as_deref()) } else { &[] }
    }

    /// Whether these requests hand events to their persister.
    #[must_use]
    pub fn hands_over_events(&self) -> bool {
        self.internal && hands_over_events(self.pattern.as_deref())
    }
}

/// The stream of events.
const EVENTS: &str = "events";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_of_a_stream_serves_what_changes_the_stream_and_the_main_process_the_rest() {
        let cases = [
            ("/presence_set_state/%40a%3Ab/x", Some("presence")),
            ("/bump_presence_active_time/%40a%3Ab/x", Some("presence")),
            ("/send_events/x", Some("events")),
            ("/send_event/x", Some("events")),
            ("/fed_send_events/x", Some("events")),
            ("/update_current_state/!a/x", Some("events")),
            ("/fed_send_edu/m.typing/x", Some("typing")),
            ("/fed_send_edu/m.receipt/x", Some("receipts")),
            ("/fed_send_edu/m.direct_to_device/x", Some("to_device")),
            ("/fed_send_edu/m.presence/x", Some("presence")),
            ("/fed_send_edu/m.device_list_update/x", Some("device_lists")),
            ("/add_tag/a/b/c/x", Some("account_data")),
            ("/copy_push_rules/a/b/c/x", Some("push_rules")),
            ("/remote_join/a/b/x", None),
            ("/store_room_on_outlier_membership/a/x", None),
            ("/fed_send_edu/org.example/x", None),
            ("/fed_query/profile/x", None),
            ("", None),
        ];
        for (path, stream) in cases {
            let endpoint = class_of(path.as_bytes()).endpoint();
            assert_eq!(endpoint.stream.as_deref(), stream, "{path}");
            assert!(endpoint.internal && !endpoint.causes().is_empty(), "{path}");
        }
        let of = |path: &str| class_of(path.as_bytes()).endpoint();
        assert!(of("/send_events/x").hands_over_events() && of("/fed_send_events/x").hands_over_events());
        assert!(!of("/update_current_state/!a/x").hands_over_events() && !of("/remote_join/x").hands_over_events());
    }
}
