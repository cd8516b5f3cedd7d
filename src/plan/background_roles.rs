//! Background roles: work that no request asks for, such as background updates, pushes, outbound federation, transactions to
//! bridges, and the workers that do it.
//!
//! The keys are Synapse's own settings (`synapse/config/workers.py`, docs/workers.md, "Historical apps" and "Background tasks").
//! Knows nothing of what the work costs. Invariant: work without a named worker is done by the main process.

use serde::{Deserialize, Serialize};

use super::writers::Writers;

/// The workers of each background role. A role without a worker stays with the main process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackgroundRoles {
    /// Database clean-up, statistics, retention: one worker (`run_background_tasks_on`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_background_tasks_on: Option<String>,
    /// Updating the user directory: one worker (`update_user_directory_from_worker`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_user_directory_from_worker: Option<String>,
    /// Sending events to bridges and bots: one worker (`notify_appservices_from_worker`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_appservices_from_worker: Option<String>,
    /// Sending pushes; Synapse shards users among the workers (`pusher_instances`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pusher_instances: Option<Writers>,
    /// Sending to other servers; Synapse shards destinations among the workers (`federation_sender_instances`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federation_sender_instances: Option<Writers>,
    /// Deleting old media: one worker with the media repository (`media_instance_running_background_jobs`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_instance_running_background_jobs: Option<String>,
}

impl BackgroundRoles {
    /// Whether the main process does everything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The roles that have workers: Synapse's setting, and the workers in configured order, on which Synapse's sharding depends.
    pub fn assigned(&self) -> Vec<(&'static str, &[String])> {
        SETTINGS.iter().filter_map(|setting| Some((*setting, self.workers(setting)?))).collect()
    }

    /// The workers of one setting; `None` if the main process has the role, or there is no such setting.
    pub fn workers(&self, setting: &str) -> Option<&[String]> {
        let one = |name| Option::map(name, std::slice::from_ref::<String>);
        match setting {
            "run_background_tasks_on" => one(self.run_background_tasks_on.as_ref()),
            "update_user_directory_from_worker" => one(self.update_user_directory_from_worker.as_ref()),
            "notify_appservices_from_worker" => one(self.notify_appservices_from_worker.as_ref()),
            "media_instance_running_background_jobs" => one(self.media_instance_running_background_jobs.as_ref()),
            "pusher_instances" => self.pusher_instances.as_ref().map(Writers::names),
            "federation_sender_instances" => self.federation_sender_instances.as_ref().map(Writers::names),
            _ => None,
        }
    }
}

/// Synapse's settings for background roles, in the order of docs/workers.md.
pub const SETTINGS: [&str; 6] = [
    "federation_sender_instances",
    "pusher_instances",
    "run_background_tasks_on",
    "update_user_directory_from_worker",
    "notify_appservices_from_worker",
    "media_instance_running_background_jobs",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_found_by_its_name() {
        let text = "run_background_tasks_on = \"a\"\nupdate_user_directory_from_worker = \"b\"\nnotify_appservices_from_worker = \"c\"\n\
                    pusher_instances = [\"d\", \"e\"]\nfederation_sender_instances = \"f\"\nmedia_instance_running_background_jobs = \"g\"\n";
        let roles: BackgroundRoles = toml::from_str(text).unwrap();
        let assigned = roles.assigned();
        assert_eq!(assigned.len(), SETTINGS.len());
        assert_eq!(assigned[0], ("federation_sender_instances", &["f".to_owned()][..]));
        assert_eq!(assigned[1].1, ["d", "e"]);
        assert!(!roles.is_empty() && BackgroundRoles::default().is_empty());
        assert_eq!(BackgroundRoles::default().workers("pusher_instances"), None);
    }
}
