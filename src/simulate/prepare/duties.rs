//! Background work that a plan may move: measured at a process that has nothing else to do, named after what it does.
//!
//! Only process CPU shows such work, and only apart from requests: at a process that serves clients it cannot be told from what
//! follows their requests (see `account`), and stays where it is. Names are those of Synapse's docs/workers.md, its docker image and
//! matrix-docker-ansible-deploy: `federation_sender1`, `pusher1`, `background_worker`, `appservice_sender`, `user_dir`.

use std::collections::BTreeMap;

use wsim_plan::Duties;

/// Cores of each duty that some process was seen to have, by Synapse's setting; takes them out of `own`.
pub(super) fn take(own: &mut BTreeMap<String, f64>) -> BTreeMap<&'static str, f64> {
    let mut duties = BTreeMap::new();
    own.retain(|process, cores| {
        let Some(setting) = duty_of(process) else { return true };
        *duties.entry(setting).or_insert(0.0) += *cores;
        false
    });
    duties
}

/// Cores of background work of each of a plan's processes: duties are shared out evenly among those that have them (Synapse shards
/// users and destinations), and what nobody has is the main process's.
pub(super) fn share(measured: &BTreeMap<&'static str, f64>, duties: &Duties, process: &str) -> f64 {
    measured
        .iter()
        .map(|(setting, cores)| match duties.workers(setting) {
            Some(workers) if workers.iter().any(|worker| worker == process) => cores / workers.len() as f64,
            None if process == MAIN => *cores,
            _ => 0.0,
        })
        .sum()
}

/// What moves with whom, a sentence; `None` if nothing does.
pub(super) fn note(measured: &BTreeMap<&'static str, f64>) -> Option<String> {
    let parts: Vec<String> = measured.iter().map(|(setting, cores)| format!("{setting} {:.1} % of a core", cores * 100.0)).collect();
    (!parts.is_empty())
        .then(|| format!("work that no request asks for goes to whoever a plan's [duties] name, else to main: {}", parts.join(", ")))
}

/// The duty a process is named after.
fn duty_of(process: &str) -> Option<&'static str> {
    let plain: String = process.to_ascii_lowercase().chars().filter(char::is_ascii_alphabetic).collect();
    WORDS.iter().find(|(word, _)| plain.contains(word)).map(|(_, setting)| *setting)
}

/// Letters of usual worker names, and the setting.
const WORDS: [(&str, &str); 5] = [
    ("federationsender", "federation_sender_instances"),
    ("pusher", "pusher_instances"),
    ("background", "run_background_tasks_on"),
    ("appservice", "notify_appservices_from_worker"),
    ("userdir", "update_user_directory_from_worker"),
];

const MAIN: &str = "main";

#[cfg(test)]
mod tests {
    use super::*;
    use wsim_plan::Writers;

    #[test]
    fn work_goes_to_those_who_have_the_duty_and_else_to_the_main_process() {
        let mut own: BTreeMap<String, f64> =
            [("federation_sender1", 0.06), ("federation-sender-2", 0.02), ("stream_writer1", 0.01), ("user_dir", 0.03)]
                .map(|(name, cores)| (name.to_owned(), cores))
                .into();
        let measured = take(&mut own);
        assert_eq!(own.keys().collect::<Vec<_>>(), ["stream_writer1"]);
        let senders = Writers::Several(vec!["a".to_owned(), "b".to_owned()]);
        let plan = Duties { federation_sender_instances: Some(senders), ..Duties::default() };
        let cores = |duties: &Duties, process| share(&measured, duties, process);
        assert!((cores(&plan, "a") - 0.04).abs() < 1e-12 && (cores(&plan, "main") - 0.03).abs() < 1e-12);
        assert_eq!(cores(&plan, "generic1"), 0.0);
        assert!((cores(&Duties::default(), "main") - 0.11).abs() < 1e-12, "nothing is lost");
    }
}
