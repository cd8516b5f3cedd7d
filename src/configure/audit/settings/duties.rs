//! Background roles: who pushes, sends to other servers, notifies bridges, updates the user directory, cleans up.

use super::super::super::read::SourceLocation;
use super::super::super::read::synapse::{Names, SynapseFiles, SynapseProcess};
use super::super::super::read::tree::Value;
use super::super::finding::Severity;
use super::report::Report;
use super::{Process, Since, is_truthy, workers};

/// A role of several workers: the old setting of the main process, the old application, the list.
const SHARED_ROLES: [(&str, &str, &str, &str); 2] = [
    ("send_federation", "synapse.app.federation_sender", "federation_sender_instances", "1.29"),
    ("start_pushers", "synapse.app.pusher", "pusher_instances", "1.29"),
];
/// A role of one worker.
const SINGLE_ROLES: [(&str, &str, &str); 2] = [
    ("notify_appservices", "synapse.app.appservice", "notify_appservices_from_worker"),
    ("update_user_directory", "synapse.app.user_dir", "update_user_directory_from_worker"),
];

/// What the loader refuses.
pub(super) fn refused(process: &Process<'_>, release: &Since<'_>, report: &mut Report) {
    for (old, app, list, since) in SHARED_ROLES {
        let is_listed = process.get(list).is_some_and(|(node, _)| node.value != Value::Null);
        if process.app() == app && !is_listed && is_on(process, old) && release.is_at_least(since) && process.files.shared {
            let what = format!("{} runs {app}, but {old} is not false and there is no {list}", process.name().escape_debug());
            let fix = format!("worker_app: synapse.app.generic_worker, and {list}: [{}]", process.name().escape_debug());
            report.refuse(process.name(), "old-app-refused", &process.at(), [what, fix]);
        }
    }
    if !release.is_at_least("1.59") {
        return;
    }
    for (old, app, new) in SINGLE_ROLES {
        if process.app() == app && is_on(process, old) && process.files.shared {
            let what = format!("{} runs {app}, but {old} is not false", process.name().escape_debug());
            let fix = format!("worker_app: synapse.app.generic_worker, and {new}: {}", process.name().escape_debug());
            report.refuse(process.name(), "old-app-refused", &process.at(), [what, fix]);
            continue;
        }
        if let (Some((old_value, _)), Some((new_value, at))) = (process.get(old), process.get(new)) {
            let runs_here = (process.is_main() && is_truthy(old_value)) || (process.app() == app && !is_truthy(old_value));
            let named = if is_truthy(new_value) { new_value.text().unwrap_or_default() } else { "master".to_owned() };
            let should_run_here = if process.is_main() { named == "master" } else { named == process.name() };
            if runs_here != should_run_here {
                let what = format!("{old} and {new} contradict each other");
                report.refuse(process.name(), "roles-contradict", &at, [what, format!("remove {old}")]);
            }
        }
    }
}

/// Whether an old setting leaves the role to the main process, which is the default.
fn is_on(process: &Process<'_>, old: &str) -> bool {
    process.get(old).is_none_or(|(node, _)| is_truthy(node))
}

/// What starts and leaves a role to nobody, or to too many.
pub(super) fn check(files: &SynapseFiles, release: &Since<'_>, report: &mut Report) {
    for (setting, names) in &files.background_roles {
        for name in &names.names {
            named(files, setting, name, &names.at, report);
        }
        let is_single = !setting.ends_with("_instances");
        let is_list = names.names.len() > 1 || is_list(files, setting);
        if is_single && is_list {
            report.add(
                "duty-of-nobody",
                Severity::Error,
                &names.at,
                [
                    format!("{setting} is a list, and Synapse compares it with one name"),
                    "no process does this work".to_owned(),
                    "name one worker".to_owned(),
                ],
            );
        }
    }
    for (old, app, _) in SINGLE_ROLES {
        let old_workers: Vec<&SynapseProcess> = workers(files).into_iter().filter(|process| process.app == app).collect();
        let is_off = files.setting(None, old).is_some_and(|(node, _)| !is_truthy(node));
        if let (true, [_, second, ..]) = (is_off, old_workers.as_slice()) {
            report.add(
                "several-workers-of-duty",
                Severity::Error,
                &second.at,
                [
                    format!("{} workers run {app}, whose work one process does", old_workers.len()),
                    "they all do it: bridges get every event several times, or the directory is written twice".to_owned(),
                    "keep one of them".to_owned(),
                ],
            );
        }
        off_without_worker(files, old, &old_workers, is_off, report);
    }
    unlisted(files, release, report);
}

fn is_list(files: &SynapseFiles, setting: &str) -> bool {
    files.setting(None, setting).is_some_and(|(node, _)| matches!(node.value, Value::List(_)))
}

fn named(files: &SynapseFiles, setting: &str, name: &str, at: &SourceLocation, report: &mut Report) {
    if name == "master" {
        return;
    }
    let words = if name == "main" {
        [
            format!("{setting} names main, which Synapse calls master here"),
            "no process does this work, because none has that name".to_owned(),
            "write master, or remove the setting".to_owned(),
        ]
    } else if !workers(files).is_empty() && files.process(name).is_none() {
        [
            format!("{setting} names {}, but no worker file has that name", name.escape_debug()),
            "no process does this work, because the main process leaves it to the named worker".to_owned(),
            "correct the name, or add that worker's file to the audit".to_owned(),
        ]
    } else {
        return;
    };
    report.add(if name == "main" { "main-is-master" } else { "duty-of-nobody" }, Severity::Error, at, words);
}

/// The main process leaves a role, and no worker has it.
fn off_without_worker(files: &SynapseFiles, old: &str, old_workers: &[&SynapseProcess], is_off: bool, report: &mut Report) {
    let has_new = SINGLE_ROLES.iter().any(|(own, _, new)| *own == old && files.setting(None, new).is_some());
    if !is_off || has_new || !old_workers.is_empty() || workers(files).is_empty() {
        return;
    }
    if let Some((_, at)) = files.setting(None, old) {
        report.add(
            "duty-of-nobody",
            Severity::Error,
            &at,
            [
                format!("{old} is false, and no worker does this work instead"),
                "no process does it".to_owned(),
                format!("name the worker that does, or remove {old}"),
            ],
        );
    }
}

/// Workers that were made for a role and are not in its list, and workers without any work.
fn unlisted(files: &SynapseFiles, release: &Since<'_>, report: &mut Report) {
    let names = |setting: &str| files.background_roles.iter().find(|(own, _)| own == setting).map(|(_, names)| names);
    let is_in = |names: Option<&Names>, process: &SynapseProcess| names.is_some_and(|names| names.names.contains(&process.name));
    for process in workers(files) {
        for (_, app, list, since) in SHARED_ROLES {
            if process.app == app && names(list).is_some() && !is_in(names(list), process) && release.is_at_least(since) {
                report.add(
                    "unlisted-worker",
                    Severity::Warning,
                    &process.at,
                    [
                        format!("{} runs {app} but is not in {list}", process.name.escape_debug()),
                        "where the list is there, only it counts: this worker does nothing".to_owned(),
                        format!("add it to {list}"),
                    ],
                );
            }
        }
        let serves = process.listeners.iter().any(|listener| !listener.has("metrics") || listener.resources.len() > 1);
        let has_role = files.background_roles.iter().any(|(_, names)| names.names.contains(&process.name));
        let writes = files.writers.iter().any(|(_, names)| names.names.contains(&process.name));
        let has_old_app = process.app != "synapse.app.generic_worker";
        if files.shared && !serves && !has_role && !writes && !has_old_app {
            report.add(
                "idle-worker",
                Severity::Warning,
                &process.at,
                [
                    format!("{} has no listener, no background role and no stream", process.name.escape_debug()),
                    "it uses memory and follows all changes, and does nothing".to_owned(),
                    "name it where it should work (pusher_instances, federation_sender_instances, …), or remove it".to_owned(),
                ],
            );
        }
    }
}
