//! Synapse's own settings, checked as Synapse checks them when it starts, and beyond.
//!
//! ```text
//! files ─▶ processes (main, every worker) ─▶ what the loader of the release refuses (refused_by)
//!                                         └▶ what starts and does not work: redis, ports, duties of nobody
//! ```
//!
//! Sources: `synapse/config/workers.py`, `server.py`, `redis.py`, `repository.py`, `database.py` of every release since 1.18;
//! docs/workers.md and docs/upgrade.md. Invariant: `refused_by` names exactly the processes for which Synapse's loader fails
//! (`tests/cluster/refusals` compares both).

mod applications;
mod cluster;
mod duties;
mod instances;
mod listeners;
mod report;
mod storage;
mod writers;

use super::super::read::SourceLocation;
use super::super::read::synapse::{SynapseFiles, SynapseProcess};
use super::super::read::tree::{Node, Value};
use super::finding::{Finding, Severity};
use super::observe::Observed;
use report::Report;
use wsim_endpoints::Release;

/// Checks Synapse's files.
pub(super) fn check(observed: &Observed<'_>, release: &Release, findings: &mut Vec<Finding>) {
    let files = observed.cluster();
    if files.processes.is_empty() && !files.shared {
        return;
    }
    let mut report = Report::default();
    let release = Since(release);
    doubled_keys(files, &mut report);
    for process in processes(files) {
        listeners::refused(&process, &release, &mut report);
        instances::refused(&process, &release, &mut report);
        writers::refused(&process, &release, &mut report);
        duties::refused(&process, &release, &mut report);
        storage::refused(&process, &release, &mut report);
    }
    listeners::check(files, &release, &mut report);
    instances::check(files, &release, &mut report);
    writers::check(files, &release, &mut report);
    duties::check(files, &release, &mut report);
    storage::check(files, &release, &mut report);
    cluster::check(observed, &release, &mut report);
    applications::check(files, &release, &mut report);
    findings.append(&mut report.findings);
}

/// The release of Synapse.
struct Since<'r>(&'r Release);

impl Since<'_> {
    /// Whether this is the given release or a later one.
    fn is_at_least(&self, release: &str) -> bool {
        release.parse::<Release>().is_ok_and(|release| *self.0 >= release)
    }
}

/// A process with its settings as it reads them.
struct Process<'c> {
    files: &'c SynapseFiles,
    /// `None` for a main process whose file has no listeners.
    process: Option<&'c SynapseProcess>,
}

/// A setting with its place.
type Setting<'c> = (&'c Node, SourceLocation);

impl<'c> Process<'c> {
    fn name(&self) -> &'c str {
        self.process.map_or("main", |process| process.name.as_str())
    }

    /// `worker_app`; empty for the main process.
    fn app(&self) -> &'c str {
        self.process.map_or("", |process| process.app.as_str())
    }

    fn is_main(&self) -> bool {
        self.process.is_none_or(|process| process.file.is_none())
    }

    fn get(&self, key: &str) -> Option<Setting<'c>> {
        self.files.setting(self.process.and_then(|process| process.file), key)
    }

    /// A setting that Python counts as true.
    fn truthy(&self, key: &str) -> Option<Setting<'c>> {
        self.get(key).filter(|(node, _)| is_truthy(node))
    }

    /// The place of the process's own file.
    fn at(&self) -> SourceLocation {
        match self.process {
            Some(process) => process.at.clone(),
            None => shared_place(self.files),
        }
    }
}

/// The first line of the shared configuration.
fn shared_place(files: &SynapseFiles) -> SourceLocation {
    let file = files.files.iter().find(|file| !file.is_worker);
    file.map_or_else(|| SourceLocation::new(&"".into(), 0), |file| SourceLocation::new(&file.name, 0))
}

/// The main process, if its files are there, and every worker.
fn processes(files: &SynapseFiles) -> Vec<Process<'_>> {
    let main = files.shared.then(|| Process { files, process: files.processes.iter().find(|process| process.file.is_none()) });
    let workers = files.processes.iter().filter(|process| process.file.is_some());
    main.into_iter().chain(workers.map(|process| Process { files, process: Some(process) })).collect()
}

/// The workers among the processes.
fn workers(files: &SynapseFiles) -> Vec<&SynapseProcess> {
    files.processes.iter().filter(|process| process.file.is_some()).collect()
}

fn is_truthy(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Int(number) => *number != 0,
        Value::Float(number) => *number != 0.0,
        // YAML 1.1, which Synapse's parser reads, has more words for true and false.
        Value::Text(text) => !text.is_empty() && node.truth() != Some(false),
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
    }
}

/// A key that is there twice: PyYAML takes the last one without a word.
fn doubled_keys(files: &SynapseFiles, report: &mut Report) {
    for file in &files.files {
        for (key, lost, counts) in file.root.doubled_keys() {
            let at = SourceLocation::new(&file.name, counts);
            report.add(
                "doubled-key",
                Severity::Warning,
                &at,
                [
                    format!("{} is there twice", key.escape_debug()),
                    format!("Synapse takes the last one, of line {counts}, and ignores that of line {lost} without a word"),
                    "remove one of them".to_owned(),
                ],
            );
        }
    }
}
