//! Background work that a plan may move to another process: measured at processes that do nothing else and are named after their role.
//!
//! Only process CPU shows such work, and only where it is separate from requests: at a process that serves clients it
//! cannot be distinguished from the requests' unlogged CPU (see `cpu_attribution`), and stays there. Names are those of
//! Synapse's docs/workers.md, its docker image and matrix-docker-ansible-deploy: `federation_sender1`, `pusher1`,
//! `background_worker`, `appservice_sender`, `user_dir`.

use std::collections::BTreeMap;

use wsim_balance::shard;
use wsim_plan::BackgroundRoles;
use wsim_profile::Profile;

/// Cores of each role that some process has, by Synapse's setting. Removes these processes from `own`.
pub(super) fn take(own: &mut BTreeMap<String, f64>) -> BTreeMap<&'static str, f64> {
    let mut roles = BTreeMap::new();
    own.retain(|process, cores| {
        let Some(setting) = role_of(process) else { return true };
        *roles.entry(setting).or_insert(0.0) += *cores;
        false
    });
    roles
}

/// Remote servers and their shares of the requests of all. What this server sends to each is taken to be as much as it gets from there.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Destinations(Vec<(String, f64)>);

impl Destinations {
    pub(super) fn from_profile(profile: &Profile) -> Self {
        let origins = &profile.heavy_hitters.origins;
        let all: u64 = origins.iter().map(|origin| origin.requests).sum();
        Self(origins.iter().map(|origin| (origin.name.clone(), origin.requests as f64 / all.max(1) as f64)).collect())
    }

    /// The part of all sending that one of several senders has: Synapse shards the servers by their names. Without names an equal part.
    fn part_of(&self, sender: usize, senders: usize) -> f64 {
        if self.0.is_empty() {
            return 1.0 / senders as f64;
        }
        self.0.iter().filter(|(name, _)| shard(name.as_bytes(), senders) == sender).map(|(_, share)| share).sum()
    }
}

/// Cores of background work of one of a plan's processes. Sending to other servers is sharded by server; the work of any other role is divided
/// evenly among the processes that have the role (of users, which Synapse shards too, there are many); roles that no process has belong to the
/// main process.
pub(super) fn cores_of(measured: &BTreeMap<&'static str, f64>, destinations: &Destinations, roles: &BackgroundRoles, process: &str) -> f64 {
    measured
        .iter()
        .map(|(setting, cores)| {
            let Some(workers) = roles.workers(setting) else { return if process == MAIN { *cores } else { 0.0 } };
            let Some(number) = workers.iter().position(|worker| worker == process) else { return 0.0 };
            cores * if *setting == SENDERS { destinations.part_of(number, workers.len()) } else { 1.0 / workers.len() as f64 }
        })
        .sum()
}

/// A sentence about the work that moves with roles; `None` if there is none.
pub(super) fn note(measured: &BTreeMap<&'static str, f64>) -> Option<String> {
    let parts: Vec<String> = measured.iter().map(|(setting, cores)| format!("{setting} {:.1} % of a core", cores * 100.0)).collect();
    (!parts.is_empty())
        .then(|| format!("background work goes to the workers that a plan's [duties] name, else to main: {}", parts.join(", ")))
}

/// The role that a process is named after.
fn role_of(process: &str) -> Option<&'static str> {
    let letters: String = process.to_ascii_lowercase().chars().filter(char::is_ascii_alphabetic).collect();
    WORDS.iter().find(|(word, _)| letters.contains(word)).map(|(_, setting)| *setting)
}

/// Letters in usual worker names, and the setting of the role.
const WORDS: [(&str, &str); 5] = [
    ("federationsender", SENDERS),
    ("pusher", "pusher_instances"),
    ("background", "run_background_tasks_on"),
    ("appservice", "notify_appservices_from_worker"),
    ("userdir", "update_user_directory_from_worker"),
];

const SENDERS: &str = "federation_sender_instances";
const MAIN: &str = "main";

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_plan::Writers;

    #[test]
    fn work_goes_to_the_workers_with_the_role_and_else_to_the_main_process() {
        let mut own: BTreeMap<String, f64> =
            [("federation_sender1", 0.06), ("federation-sender-2", 0.02), ("stream_writer1", 0.01), ("user_dir", 0.03)]
                .map(|(name, cores)| (name.to_owned(), cores))
                .into();
        let measured = take(&mut own);
        assert_eq!(own.keys().collect::<Vec<_>>(), ["stream_writer1"]);
        let senders = Writers::Several(vec!["a".to_owned(), "b".to_owned()]);
        let plan = BackgroundRoles { federation_sender_instances: Some(senders), ..BackgroundRoles::default() };
        let cores = |roles: &BackgroundRoles, process| cores_of(&measured, &Destinations::default(), roles, process);
        assert!((cores(&plan, "a") - 0.04).abs() < 1e-12 && (cores(&plan, "main") - 0.03).abs() < 1e-12);
        assert_eq!(cores(&plan, "generic1"), 0.0);
        assert!((cores(&BackgroundRoles::default(), "main") - 0.11).abs() < 1e-12, "nothing is lost");
    }

    #[test]
    fn senders_share_the_other_servers_as_synapse_does() {
        let measured = BTreeMap::from([(SENDERS, 0.1)]);
        let senders = Writers::Several(["a", "b", "c"].map(str::to_owned).to_vec());
        let plan = BackgroundRoles { federation_sender_instances: Some(senders), ..BackgroundRoles::default() };
        let one = Destinations(vec![("other.example".to_owned(), 1.0)]);
        let cores = |destinations: &Destinations| ["a", "b", "c"].map(|process| cores_of(&measured, destinations, &plan, process));
        let mut of_one = [0.0; 3];
        of_one[shard(b"other.example", 3)] = 0.1;
        assert_eq!(cores(&one), of_one, "further senders do not help with one server");
        let many = Destinations((0..30).map(|number| (format!("s{number}.example"), 1.0 / 30.0)).collect());
        assert!((cores(&many).iter().sum::<f64>() - 0.1).abs() < 1e-12 && cores(&many).iter().all(|cores| *cores > 0.0));
    }
}
