//! The commands that a finished run suggests.

use super::output::shell_words;
use wsim_profile::{DemandMethod, Profile};
use wsim_report::NextStep;

/// The input that would improve the result of `wsim COMMAND LOGS` most; `None` if CPU is logged and background CPU is measured.
pub(super) fn better_input(command: &str, logs: &[String], profile: &Profile) -> Option<NextStep> {
    let logs = shell_words(logs);
    if profile.demand.method != DemandMethod::Logged {
        return Some(NextStep {
            why: "measure CPU instead of inferring it: add Synapse's own logs".to_owned(),
            command: format!("wsim {command} {logs} /var/log/matrix-synapse/homeserver.log"),
        });
    }
    (!profile.coverage.measured).then(|| NextStep {
        why: "measure background CPU: record each process's CPU for an hour (docs/method.md says how)".to_owned(),
        command: format!("wsim {command} {logs} --process-cpu cpu.csv"),
    })
}
