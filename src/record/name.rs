//! The name of a Synapse process: what its own configuration calls it, because its logs and a plan use that name.
//!
//! The configuration is looked for where the process sees it (`/proc/PID/root`, `/proc/PID/cwd`), which needs its user's or root's rights. Without them
//! the name is that of the last configuration file, or of the systemd unit.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The only setting that is read; all others are ignored.
#[derive(Debug, Deserialize)]
struct Worker {
    worker_name: Option<String>,
}

/// The name of a worker whose process folder is `process`. `units` is its control group's path.
pub(crate) fn of_worker(process: &Path, configuration: &[String], group: Option<&str>) -> String {
    let from_file = || configuration.iter().rev().find_map(|path| in_configuration(&seen_by(process, path)));
    let from_path = || configuration.iter().rev().find_map(|path| of_path(path));
    let from_unit = || group.and_then(of_unit);
    let name = from_file().or_else(from_path).or_else(from_unit);
    name.as_deref().map(cleaned).filter(|name| !name.is_empty()).unwrap_or_else(|| UNNAMED.to_owned())
}

/// A name without anything that would break a line of CSV or act on a terminal, and of limited length.
pub(crate) fn cleaned(name: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | ':' | '/') { c } else { '_' };
    name.trim().chars().take(NAME_CHARS_MAX).map(kept).collect()
}

/// Where a path of a process is for others.
fn seen_by(process: &Path, path: &str) -> PathBuf {
    match path.strip_prefix('/') {
        Some(path) => process.join("root").join(path.trim_start_matches('/')),
        None => process.join("cwd").join(path),
    }
}

/// The worker's name in a configuration file, or in the files of a folder, of which the last counts.
fn in_configuration(path: &Path) -> Option<String> {
    if !path.is_dir() {
        return in_file(path);
    }
    let mut files: Vec<PathBuf> = path.read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml" || ending == "yml"));
    files.sort();
    files.iter().rev().take(FILES_MAX).find_map(|file| in_file(file))
}

fn in_file(path: &Path) -> Option<String> {
    let bytes = wsim_text::read_regular_file(path, FILE_BYTES_MAX).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    // Most files are the shared configuration, which is long and has no such setting.
    text.contains("worker_name").then(|| serde_saphyr::from_str::<Worker>(&text).ok()?.worker_name)?
}

/// `generic_worker1` of `/etc/matrix-synapse/workers/generic_worker1.yaml`; `None` for folders and for the configuration that all processes share.
fn of_path(path: &str) -> Option<String> {
    let file = Path::new(path).file_name()?.to_str()?;
    let stem = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml"))?;
    (!matches!(stem, "homeserver" | "shared" | "worker" | "workers")).then(|| stem.to_owned())
}

/// `generic_worker1` of the control group of `matrix-synapse-worker@generic_worker1.service`.
fn of_unit(group: &str) -> Option<String> {
    let unit = group.rsplit('/').find(|part| part.ends_with(".service"))?.strip_suffix(".service")?;
    let instance = unit.split_once('@').map_or(unit, |(_, instance)| instance);
    (!instance.is_empty()).then(|| instance.to_owned())
}

const UNNAMED: &str = "unnamed_worker";
const NAME_CHARS_MAX: usize = 100;
/// Larger files are no configuration of a worker.
const FILE_BYTES_MAX: usize = 1_000_000;
const FILES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn words(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn the_configuration_that_the_process_sees_has_the_name() {
        let process = tempfile::tempdir().unwrap();
        let configuration = process.path().join("root/conf/workers");
        std::fs::create_dir_all(&configuration).unwrap();
        std::fs::create_dir_all(process.path().join("cwd")).unwrap();
        std::fs::write(process.path().join("root/conf/homeserver.yaml"), "server_name: a\n").unwrap();
        std::fs::write(configuration.join("a.yaml"), "worker_app: x\nworker_name: 'sync 1,2'\n").unwrap();
        std::fs::write(configuration.join("b.json"), "{}").unwrap();
        std::fs::write(process.path().join("cwd/own.yaml"), r#"{"worker_name": "pusher1"}"#).unwrap();
        let name = |paths: &[&str]| of_worker(process.path(), &words(paths), None);
        assert_eq!(name(&["/conf/homeserver.yaml", "/conf/workers/a.yaml"]), "sync_1_2");
        assert_eq!(name(&["/conf/homeserver.yaml", "/conf/workers/"]), "sync_1_2");
        assert_eq!(name(&["/conf/homeserver.yaml", "own.yaml"]), "pusher1");
    }

    #[test]
    fn without_rights_the_file_or_the_unit_has_the_name() {
        let nowhere = Path::new("/nonexistent");
        assert_eq!(of_worker(nowhere, &words(&["/etc/homeserver.yaml", "/etc/workers/generic_worker1.yaml"]), None), "generic_worker1");
        let unit = Some("/system.slice/system-matrix\\x2dsynapse\\x2dworker.slice/matrix-synapse-worker@sender-1.service");
        assert_eq!(of_worker(nowhere, &words(&["/etc/homeserver.yaml", "/etc/conf.d/"]), unit), "sender-1");
        assert_eq!(of_worker(nowhere, &[], Some("/system.slice/docker-0123.scope")), UNNAMED);
        assert_eq!(of_worker(nowhere, &[], None), UNNAMED);
    }

    #[test]
    fn a_hostile_name_is_harmless() {
        assert_eq!(cleaned("a\u{1b}[31m,\"\n1"), "a__31m___1");
        assert_eq!(cleaned(&"x".repeat(1000)).len(), NAME_CHARS_MAX);
    }
}
