//! Work that no request asks for, and who does it: background updates, pushes, outbound federation, bridges' transactions.
//!
//! The keys are Synapse's own settings (`synapse/config/workers.py`, docs/workers.md, "Historical apps" and "Background tasks").
//! Knows nothing of what the work costs. Invariant: what no duty names is done by the main process.

use serde::{Deserialize, Serialize};

use super::model::Writers;

/// Who does what no request asks for; empty settings stay with the main process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duties {
    /// Database clean-up, statistics, retention: one worker (`run_background_tasks_on`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_background_tasks_on: Option<String>,
    /// Keeping the user directory: one worker (`update_user_directory_from_worker`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_user_directory_from_worker: Option<String>,
    /// Sending events to bridges and bots: one worker (`notify_appservices_from_worker`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_appservices_from_worker: Option<String>,
    /// Sending pushes; users are shared out among the workers (`pusher_instances`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pusher_instances: Option<Writers>,
    /// Sending to other servers; destinations are shared out among the workers (`federation_sender_instances`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federation_sender_instances: Option<Writers>,
    /// Clearing old media: one worker that has the media repository (`media_instance_running_background_jobs`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_instance_running_background_jobs: Option<String>,
}

impl Duties {
    /// Whether the main process does everything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each setting that names somebody, by Synapse's word for it, with its workers in configured order (the order Synapse's own
    /// sharding depends on).
    pub fn assigned(&self) -> Vec<(&'static str, &[String])> {
        SETTINGS.iter().filter_map(|setting| Some((*setting, self.workers(setting)?))).collect()
    }

    /// The workers of one setting; `None` if the main process does it, or there is no such setting.
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

/// Settings that name one worker or several, in the order of docs/workers.md.
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
        let duties: Duties = toml::from_str(text).unwrap();
        let assigned = duties.assigned();
        assert_eq!(assigned.len(), SETTINGS.len());
        assert_eq!(assigned[0], ("federation_sender_instances", &["f".to_owned()][..]));
        assert_eq!(assigned[1].1, ["d", "e"]);
        assert!(!duties.is_empty() && Duties::default().is_empty());
        assert_eq!(Duties::default().workers("pusher_instances"), None);
    }
}
