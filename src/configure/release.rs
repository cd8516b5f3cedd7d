//! The settings that a Synapse release has, and their names.
//!
//! Source: `synapse/config/workers.py`, `synapse/app/generic_worker.py` and the upgrade notes of the releases named. Where the release
//! that added a setting lies between two that were examined, the later one is used here, so a setting is written only where it exists.

use super::ConfigureError;
use wsim_endpoints::Release;

/// A release for which configuration can be written.
#[derive(Debug, Clone)]
pub struct Known {
    release: Release,
}

impl Known {
    /// # Errors
    /// The release is older than [`OLDEST`].
    pub fn new(release: &Release) -> Result<Self, ConfigureError> {
        let known = Self { release: release.clone() };
        if known.is_at_least(OLDEST) { Ok(known) } else { Err(ConfigureError::TooOld(release.to_string())) }
    }

    /// Whether this is the given release or a later one.
    pub fn is_at_least(&self, other: &str) -> bool {
        other.parse::<Release>().is_ok_and(|other| self.release >= other)
    }

    /// Whether `instance_map` contains the main process (1.84); before, every worker file has `worker_replication_host` and
    /// `worker_replication_http_port`.
    pub fn main_in_instance_map(&self) -> bool {
        self.is_at_least("1.84")
    }

    /// Whether workers need `worker_main_http_uri` to pass on key uploads; since 1.73 they find the main process without it.
    pub fn needs_main_http_uri(&self) -> bool {
        !self.is_at_least("1.73")
    }

    /// Whether a setting moves the user directory and application services to a worker (1.59); before, separate programs did.
    pub fn background_roles_by_name(&self) -> bool {
        self.is_at_least("1.59")
    }

    /// Whether generic workers can send pushes and federation (seen in 1.33); before, only separate programs could.
    pub fn senders_are_generic(&self) -> bool {
        self.is_at_least("1.33")
    }

    /// Whether `worker_replication_secret` exists (seen in 1.26).
    pub fn has_replication_secret(&self) -> bool {
        self.is_at_least("1.26")
    }

    /// Whether listeners have `request_id_header` (seen in 1.73).
    pub fn has_request_id_header(&self) -> bool {
        self.is_at_least("1.73")
    }

    /// Whether `outbound_federation_restricted_to` exists (1.89).
    pub fn has_outbound_federation_restricted_to(&self) -> bool {
        self.is_at_least("1.89")
    }

    /// Whether listeners can be unix sockets (1.90, also for replication).
    pub fn has_unix_sockets(&self) -> bool {
        self.is_at_least("1.90")
    }
}

impl std::fmt::Display for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.release.fmt(f)
    }
}

/// The first release whose workers can write a stream; `None` if there is no such stream.
pub fn stream_since(stream: &str) -> Option<&'static str> {
    Some(match stream {
        "events" | "typing" => OLDEST,
        "to_device" | "account_data" | "receipts" => "1.26",
        "presence" => "1.33",
        "push_rules" => "1.107",
        "device_lists" | "thread_subscriptions" => "1.135",
        "quarantined_media_changes" => "1.152",
        _ => return None,
    })
}

/// The first release that allows several writers of a stream; `None` if no release does.
pub fn several_writers_since(stream: &str) -> Option<&'static str> {
    Some(match stream {
        "events" => OLDEST,
        "receipts" | "device_lists" | "thread_subscriptions" => "1.135",
        "quarantined_media_changes" => "1.152",
        _ => return None,
    })
}

/// The first release that can move a background role to a worker; `None` if there is no such role.
pub fn background_role_since(setting: &str) -> Option<&'static str> {
    Some(match setting {
        "run_background_tasks_on" => "1.22",
        "update_user_directory_from_worker"
        | "notify_appservices_from_worker"
        | "pusher_instances"
        | "federation_sender_instances"
        | "media_instance_running_background_jobs" => OLDEST,
        _ => return None,
    })
}

/// The first supported release: the first whose documentation recommends generic workers and Redis.
pub const OLDEST: &str = "1.18";

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_plan::known::STREAMS;

    #[test]
    fn every_stream_and_background_role_has_a_first_release() {
        for (stream, _) in STREAMS {
            assert!(stream_since(stream).is_some(), "{stream}");
        }
        for setting in wsim_plan::background_roles::SETTINGS {
            assert!(background_role_since(setting).is_some(), "{setting}");
        }
    }

    #[test]
    fn releases_before_generic_workers_are_rejected() {
        assert!(matches!(Known::new(&"1.17".parse().unwrap()), Err(ConfigureError::TooOld(_))));
        let newest = Known::new(&"1.157".parse().unwrap()).unwrap();
        assert!(newest.main_in_instance_map() && !newest.needs_main_http_uri());
    }
}
