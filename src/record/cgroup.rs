//! The CPU that a process may use, from its control group, version 2 or 1: what `docker --cpus`, Kubernetes' `limits.cpu` and systemd's `CPUQuota=` set.
//!
//! Sources: the kernel's `admin-guide/cgroup-v2` (`cpu.max`, `cpu.stat`) and `scheduler/sched-bwc` (`cpu.cfs_quota_us`, `cpu.stat`).

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of a process's control group and of those around it, the innermost first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Groups {
    /// Path of the group, as `/proc/PID/cgroup` has it.
    pub(crate) path: Option<String>,
    folders: Vec<PathBuf>,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Version {
    #[default]
    Two,
    One,
}

impl Groups {
    /// The groups that `/proc/PID/cgroup` names, below the folder where control groups are mounted.
    pub(crate) fn of(cgroup_file: &str, mounted: &Path) -> Self {
        let lines = || cgroup_file.lines().filter_map(|line| line.splitn(3, ':').collect::<Vec<_>>().try_into().ok());
        let unified = lines().find(|[_, controllers, _]: &[&str; 3]| controllers.is_empty()).map(|[_, _, path]| path);
        let cpu = lines().find(|[_, controllers, _]: &[&str; 3]| controllers.split(',').any(|name| name == "cpu"));
        // Where both are mounted, the controller is in one of them only.
        match cpu {
            Some([_, controllers, path]) => {
                let root = [controllers, "cpu"].into_iter().map(|name| mounted.join(name)).find(|folder| folder.is_dir());
                Self { path: Some(unified.unwrap_or(path).to_owned()), folders: folders(root.as_deref(), path), version: Version::One }
            }
            None => Self {
                path: unified.map(str::to_owned),
                folders: unified.map_or_else(Vec::new, |path| folders(Some(mounted), path)),
                version: Version::Two,
            },
        }
    }

    /// Cores that the process may use: the tightest limit of its group and of all around it. `None` without a limit.
    pub(crate) fn limit_cores(&self) -> Option<f64> {
        let limit = |folder: &PathBuf| match self.version {
            Version::Two => {
                let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
                let (quota, period) = text.split_once(' ')?;
                ratio(quota, period)
            }
            Version::One => ratio(&read(folder, "cpu.cfs_quota_us")?, &read(folder, "cpu.cfs_period_us")?),
        };
        self.folders.iter().filter_map(limit).min_by(f64::total_cmp)
    }

    /// Seconds for which the tightest group was kept from running, summed over its threads. `None` where the kernel does not say.
    pub(crate) fn throttled_seconds(&self) -> Option<f64> {
        let (key, per_second) = match self.version {
            Version::Two => ("throttled_usec", 1e6),
            Version::One => ("throttled_time", 1e9),
        };
        let of_group = |folder: &PathBuf| {
            let text = fs::read_to_string(folder.join("cpu.stat")).ok()?;
            let value = text.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<f64>().ok())?;
            Some(value / per_second)
        };
        self.folders.iter().filter_map(of_group).max_by(f64::total_cmp)
    }
}

/// The folders of a group and of those around it. Names are used only where they stay below `root`.
fn folders(root: Option<&Path>, path: &str) -> Vec<PathBuf> {
    let Some(root) = root else { return Vec::new() };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.contains(&"..") {
        return Vec::new();
    }
    (0..=parts.len()).rev().map(|end| parts[..end].iter().fold(root.to_owned(), |folder, part| folder.join(part))).collect()
}

fn read(folder: &Path, name: &str) -> Option<String> {
    fs::read_to_string(folder.join(name)).ok()
}

/// `max`, -1 and everything else that is no positive number is no limit.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (quota > 0.0 && period > 0.0 && quota.is_finite()).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }

    #[test]
    fn the_tightest_limit_around_a_process_counts() {
        let mounted = tempfile::tempdir().unwrap();
        let slice = mounted.path().join("system.slice");
        write(&slice, "cpu.max", "150000 100000\n");
        write(&slice.join("docker-1.scope"), "cpu.max", "max 100000\n");
        write(&slice.join("docker-2.scope"), "cpu.max", "5000 20000\n");
        write(&slice.join("docker-2.scope"), "cpu.stat", "usage_usec 9\nnr_throttled 3\nthrottled_usec 2500000\n");
        let groups = |name: &str| Groups::of(&format!("0::/system.slice/{name}\n"), mounted.path());
        assert_eq!(groups("docker-1.scope").limit_cores(), Some(1.5));
        assert_eq!(groups("docker-2.scope").limit_cores(), Some(0.25));
        assert_eq!(groups("docker-2.scope").throttled_seconds(), Some(2.5));
        assert_eq!(groups("docker-1.scope").throttled_seconds(), None);
        assert_eq!(Groups::of("0::/user.slice\n", mounted.path()).limit_cores(), None);
    }

    #[test]
    fn version_one_has_files_of_its_own() {
        let mounted = tempfile::tempdir().unwrap();
        let group = mounted.path().join("cpu,cpuacct/docker/7");
        write(&group, "cpu.cfs_quota_us", "50000\n");
        write(&group, "cpu.cfs_period_us", "100000\n");
        write(&group, "cpu.stat", "nr_periods 1\nthrottled_time 1500000000\n");
        write(&mounted.path().join("cpu,cpuacct"), "cpu.cfs_quota_us", "-1\n");
        write(&mounted.path().join("cpu,cpuacct"), "cpu.cfs_period_us", "100000\n");
        let groups = Groups::of("5:memory:/docker/7\n3:cpu,cpuacct:/docker/7\n1:name=systemd:/docker/7\n", mounted.path());
        assert_eq!((groups.limit_cores(), groups.throttled_seconds()), (Some(0.5), Some(1.5)));
    }

    #[test]
    fn strange_files_have_no_limit() {
        let mounted = tempfile::tempdir().unwrap();
        write(mounted.path(), "cpu.max", "nonsense");
        for text in ["", "0::", "x", "0::/../../etc\n", "0::/a/../b\n", "::::\n"] {
            let groups = Groups::of(text, mounted.path());
            assert_eq!((groups.limit_cores(), groups.throttled_seconds()), (None, None), "{text:?}");
        }
    }
}
