//! From the deployment that the audit has read to a configuration: rewritten files, a diff for each, and the steps in order with the way
//! back.
//!
//! ```text
//! Synapse's files ─▶ present (names, addresses) ─▶ configure ─▶ Configuration
//!       │                                                            │
//!       ├──▶ difference (processes, streams, roles) ◀────────────────┤
//!       │          └─▶ steps ─▶ MIGRATION.md                         │
//!       └──▶ rewrite (by lines, comments stay) ◀─────────────────────┘
//!                  └─▶ migration/FILE, migration/FILE.diff
//! ```
//!
//! Knows nothing of how the files were found. Invariant: what a file says and the plan does not decide is in the rewritten file, too; a file
//! that cannot be rewritten so is named, with what to change in it.

mod difference;
mod edit;
mod proxy;
mod rewrite;
mod steps;

use std::fmt::Write as _;
use std::path::{Component, Path};

use self::difference::{Difference, Moved};
use self::rewrite::{Rewriter, Rewritten};
use self::steps::{Order, Scene, Step, first_upper};
use super::present::Present;
use super::read::synapse::{SynapseFile, SynapseFiles};
use super::{Configuration, ConfigureConfig, ConfigureError, OutputFile, release};
use wsim_plan::ProxyKind;
use wsim_text::plural;

pub use self::proxy::PresentProxy;

/// A file of the deployment and what becomes of it, for the table in MIGRATION.md.
struct Change {
    name: String,
    what: Vec<String>,
    /// Where the new version is in the output.
    new: Option<String>,
    diff: Option<String>,
}

/// Adds the migration from the deployment's files to a configuration: MIGRATION.md, rewritten files, diffs.
///
/// # Errors
/// The configuration's release is none.
pub fn migrate(
    configuration: &mut Configuration,
    config: &ConfigureConfig,
    files: &SynapseFiles,
    proxy: &PresentProxy,
) -> Result<(), ConfigureError> {
    let present = config.present.clone().unwrap_or_else(|| Present::of(files, None));
    let known = release::Known::new(&wsim_endpoints::table_for(Some(&configuration.release))?.release)?;
    let difference = Difference::new(files, &present, configuration);
    let mut changes = Vec::new();
    let mut written = Vec::new();
    let mut replaced = Vec::new();
    let mut by_hand = Vec::new();
    {
        let rewriter = Rewriter { files, configuration, config, release: &known };
        for (index, file) in files.files.iter().enumerate().filter(|(_, file)| !file.is_worker) {
            if let Some(own) = own_file(file, configuration) {
                let before: String = file.lines.iter().map(|line| format!("{line}\n")).collect();
                if own.text == before {
                    changes.push(Change { new: Some(own.path.clone()), ..unchanged(&file.name) });
                } else {
                    replaced.push((file.name.to_string(), own.path.clone()));
                    changes.push(change(&file.name, &own.path, &own.text, &before, vec!["written anew".to_owned()], &mut written));
                }
                continue;
            }
            let rewritten = rewriter.shared(index);
            let new = format!("migration/{}", mirrored(&file.name));
            match &rewritten.after {
                _ if !rewritten.is_changed() => changes.push(unchanged(&file.name)),
                Ok(after) => {
                    replaced.push((file.name.to_string(), new.clone()));
                    written.push(OutputFile { path: new.clone(), text: after.clone(), secret: true });
                    changes.push(change(&file.name, &new, after, rewritten.before.as_str(), rewritten.changes.clone(), &mut written));
                }
                Err(problem) => {
                    by_hand.push(format!("{} ({problem}): {}", file.name, rewritten.changes.join(", ")));
                    changes.push(Change { name: file.name.to_string(), what: rewritten.changes, new: None, diff: None });
                }
            }
        }
        for process in &files.processes {
            let Some(index) = process.file else { continue };
            let name = &files.files[index].name;
            let Some(new_process) = configuration.cluster.worker(&process.name) else {
                let what = vec!["not read any more; its worker goes".to_owned()];
                changes.push(Change { name: name.to_string(), what, new: None, diff: None });
                continue;
            };
            let path = format!("synapse/workers/{}.yaml", process.name);
            let generated = configuration.files.iter().find(|file| file.path == path).map(|file| file.text.clone()).unwrap_or_default();
            let Rewritten { before, after, changes: what } = rewriter.worker(index, new_process, &generated);
            match after {
                Ok(after) => {
                    let secret = has_secret(&after);
                    // An earlier configuration of wsim's, over which the new one is copied.
                    if after != before && **name == *format!("{}/{path}", config.installed) {
                        replaced.push((name.to_string(), path.clone()));
                    }
                    changes.push(if after == before {
                        Change { new: Some(path.clone()), ..unchanged(name) }
                    } else {
                        change(name, &path, &after, &before, what, &mut written)
                    });
                    written.push(OutputFile { path, text: after, secret });
                }
                Err(problem) => {
                    let what = vec![format!("written anew, because of the old file {problem}: compare them")];
                    changes.push(change(name, &path, &generated, &before, what, &mut written));
                }
            }
        }
    }
    let changes_files = changes.iter().any(|change| !change.what.is_empty());
    let of_proxy = proxy_files(configuration, config, proxy, &mut changes, &mut written);
    let scene = Scene {
        difference: &difference,
        configuration,
        config,
        replaced,
        by_hand,
        present: changes.iter().map(|change| change.name.clone()).collect(),
        proxy_replaced: of_proxy.0,
        rules: of_proxy.1,
        had_workers: !present.workers.is_empty(),
        changes_files,
    };
    let document = document(&scene, &changes);
    configuration.files.retain(|file| !written.iter().any(|new| new.path == file.path));
    // Its contents are in the rewritten homeserver.yaml.
    if scene_is_complete(files, &changes) {
        configuration.files.retain(|file| file.path != "synapse/homeserver-additions.yaml");
    }
    configuration.files.extend(written);
    configuration.files.push(OutputFile::new("MIGRATION.md", document));
    configuration.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// The new version of a shared file that an earlier `wsim configure` wrote.
fn own_file<'c>(file: &SynapseFile, configuration: &'c Configuration) -> Option<&'c OutputFile> {
    let is_own = file.lines.first().is_some_and(|line| line.starts_with("# Settings shared by all processes for the plan "));
    configuration.files.iter().find(|new| is_own && new.path == SHARED)
}

/// Whether homeserver.yaml was among the files and could be rewritten.
fn scene_is_complete(files: &SynapseFiles, changes: &[Change]) -> bool {
    let shared: Vec<&str> = files.files.iter().filter(|file| !file.is_worker).map(|file| &*file.name).collect();
    let by_hand = |change: &Change| shared.contains(&change.name.as_str()) && change.new.is_none() && !change.what.is_empty();
    !shared.is_empty() && !changes.iter().any(by_hand)
}

type ProxyChanges = (Vec<(String, String)>, String);

/// The proxy's files: those that are replaced by a new version, and the places of the present rules in words.
fn proxy_files(
    configuration: &Configuration,
    config: &ConfigureConfig,
    present: &PresentProxy,
    changes: &mut Vec<Change>,
    out: &mut Vec<OutputFile>,
) -> ProxyChanges {
    let written: Vec<(&str, &str)> = configuration
        .files
        .iter()
        .filter(|file| file.path.starts_with("proxy/"))
        .map(|file| (file.path.as_str(), file.text.as_str()))
        .collect();
    let (mut replaced, mut places) = (Vec::new(), Vec::new());
    for file in proxy::files(present, config.proxy, &written) {
        let lines = listed(&file.lines);
        if !file.lines.is_empty() {
            places.push(format!("{} {lines}", file.name));
        }
        let text_of = |path: &String| written.iter().find(|(own, _)| own == path).map_or("", |(_, text)| *text);
        match (&file.after, &file.replaced_by) {
            (Some(after), _) => {
                let new = format!("migration/{}", mirrored(&file.name));
                replaced.push((file.name.clone(), new.clone()));
                let what = vec![format!("an include replaces the rules in {lines}")];
                changes.push(change(&file.name, &new, after, &file.before, what, out));
                let secret = has_secret(after);
                out.push(OutputFile { path: new, text: after.clone(), secret });
            }
            (None, Some(new)) => {
                if config.proxy == ProxyKind::Nginx {
                    replaced.push((file.name.clone(), new.clone()));
                }
                let what = vec![format!("{new} replaces its rules in {lines}: keep your own listeners and certificates")];
                let what = if config.proxy == ProxyKind::Nginx { vec![format!("{new} replaces it")] } else { what };
                changes.push(change(&file.name, new, text_of(new), &file.before, what, out));
            }
            (None, None) => {
                let what = vec![format!("by hand: the rules in {lines} give way to the new ones")];
                changes.push(Change { name: file.name.clone(), what, new: None, diff: None });
            }
        }
    }
    if config.proxy == ProxyKind::Nginx {
        for (path, folder) in
            [("proxy/nginx/wsim-maps.conf", "/etc/nginx/conf.d"), ("proxy/nginx/wsim-locations.conf", "/etc/nginx/snippets")]
        {
            if !replaced.iter().any(|(_, new)| new == path) {
                let name = path.rsplit('/').next().unwrap_or_default();
                replaced.insert(0, (format!("{folder}/{name}"), path.to_owned()));
            }
        }
    }
    (replaced, places.join("; "))
}

/// `line 3`, `lines 3, 5`, with at most a dozen numbers.
fn listed(lines: &[usize]) -> String {
    let shown: Vec<String> = lines.iter().take(LINES_SHOWN).map(ToString::to_string).collect();
    let more = lines.len().saturating_sub(LINES_SHOWN);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} {}{rest}", if lines.len() == 1 { "line" } else { "lines" }, shown.join(", "))
}

fn unchanged(name: &str) -> Change {
    Change { name: name.to_owned(), what: Vec::new(), new: None, diff: None }
}

/// A changed file with its diff.
fn change(name: &str, new: &str, after: &str, before: &str, what: Vec<String>, out: &mut Vec<OutputFile>) -> Change {
    let text = diff(name, new, before, after);
    let path = format!("migration/{}.diff", mirrored(name));
    let secret = has_secret(&text) || new.starts_with("migration/");
    out.push(OutputFile { path: path.clone(), text, secret });
    Change { name: name.to_owned(), what, new: Some(new.to_owned()), diff: Some(path) }
}

/// A unified diff. Comparing takes a time that grows with the square of the changes, so very long files are replaced as a whole.
fn diff(name: &str, new: &str, before: &str, after: &str) -> String {
    let (old_lines, new_lines) = (before.lines().count(), after.lines().count());
    if old_lines.max(new_lines) <= COMPARED_LINES_MAX {
        return similar::udiff::unified_diff(similar::Algorithm::Myers, before, after, 3, Some((name, new)));
    }
    let mut out = format!("--- {name}\n+++ {new}\n@@ -1,{old_lines} +1,{new_lines} @@\n");
    before.lines().for_each(|line| out += &format!("-{line}\n"));
    after.lines().for_each(|line| out += &format!("+{line}\n"));
    out
}

/// A path of the deployment as one below the output folder.
fn mirrored(name: &str) -> String {
    let parts = Path::new(name).components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
        Component::ParentDir => Some("up".to_owned()),
        _ => None,
    });
    let plain = |part: String| part.chars().map(|c| if c.is_control() { '_' } else { c }).collect::<String>();
    parts.map(plain).collect::<Vec<_>>().join("/")
}

/// Whether a text looks as if only Synapse may read it.
fn has_secret(text: &str) -> bool {
    ["secret", "password", "token"].iter().any(|word| text.to_ascii_lowercase().contains(word))
}

fn document(scene: &Scene<'_>, changes: &[Change]) -> String {
    let difference = scene.difference;
    let mut out = format!("# Migration: to the plan {}\n\n", visible(&scene.configuration.plan.name));
    let processes = |names: &[String], what: &str| (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")));
    let parts: Vec<String> = [
        processes(&difference.kept, "workers that stay"),
        processes(&difference.added, "new workers"),
        processes(&difference.removed, "workers that go"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let _ = writeln!(
        out,
        "For Synapse {} behind {}. {}. Nothing here has been installed, stopped or started. The commands are for root, in this folder, and for \
         systemd units of the names in Synapse's documentation; where the processes run in containers, stop, start and restart those. CHECKLIST.md has the processes and \
         the resources that they need.\n",
        scene.configuration.release,
        scene.config.proxy.name(),
        first_upper(&if parts.is_empty() { "No worker changes".to_owned() } else { parts.join("; ") }),
    );
    let reasons = difference.reasons_to_stop();
    let summary = match scene.order() {
        Order::Stop => format!("**All processes have to stop for a moment**, because {}.", reasons.join("; ")),
        Order::Shrink => "Fewer workers: the proxy lets go of them first, then they stop, and what they did goes back last.".to_owned(),
        Order::Grow if !scene.had_workers => {
            "The main process restarts once, then the workers start, then the proxy sends them requests.".to_owned()
        }
        Order::Grow => {
            "No process has to stop while another needs it: the main process restarts once, workers start before the proxy knows them."
                .to_owned()
        }
        Order::ProxyOnly => "Only the proxy's rules change.".to_owned(),
    };
    let _ = writeln!(out, "{summary}\n");
    write_moves(&mut out, "stream", &difference.streams);
    write_moves(&mut out, "background role", &difference.roles);
    out.push_str("## Files\n\n| file | what changes | new version | diff |\n|---|---|---|---|\n");
    for change in changes {
        let cell = |text: &Option<String>| text.as_ref().map_or_else(|| "–".to_owned(), |path| format!("`{path}`"));
        let what = if change.what.is_empty() { "nothing".to_owned() } else { change.what.join("; ") };
        let _ = writeln!(out, "| {} | {} | {} | {} |", visible(&change.name), visible(&what), cell(&change.new), cell(&change.diff));
    }
    // A second migration finds the shared file of the first.
    let is_new = |path: &&str| {
        scene.configuration.files.iter().any(|file| file.path == **path)
            && !changes.iter().any(|change| change.new.as_deref() == Some(*path))
    };
    let shared = Some(SHARED).filter(|path| is_new(path)).map(str::to_owned);
    let own = difference.added.iter().map(|name| format!("synapse/workers/{name}.yaml"));
    let added: Vec<String> = shared.into_iter().chain(own).map(|path| format!("`{path}`")).collect();
    if !added.is_empty() {
        let _ = writeln!(out, "\nNew: {}.", added.join(", "));
    }
    out.push_str("\nEvery process reads homeserver.yaml and the other shared files first, then `workers.yaml`, then its own file: the units say so. A shared file that is neither homeserver.yaml nor in conf.d has to be added to them as `--config-path`.\n");
    write_steps(&mut out, "Steps", &scene.forward());
    write_steps(&mut out, "The way back", &scene.back());
    out.push_str("Nothing in the database is converted, so the way back stays open as long as the release of Synapse is the same.\n");
    out
}

fn write_moves(out: &mut String, what: &str, moves: &[Moved]) {
    if moves.is_empty() {
        return;
    }
    let _ = write!(out, "| {what} | from | to |\n|---|---|---|\n");
    for moved in moves {
        let _ = writeln!(out, "| {} | {} | {} |", moved.what, moved.from.join(", "), moved.to.join(", "));
    }
    out.push('\n');
}

fn write_steps(out: &mut String, title: &str, steps: &[Step]) {
    let _ = write!(out, "\n## {title}\n\n{}.\n\n", plural(steps.len() as u64, "step", "steps"));
    for (number, Step { text, commands }) in (1..).zip(steps) {
        let _ = writeln!(out, "{number}. {}", visible(text));
        if !commands.is_empty() {
            let commands: String = commands.iter().map(|command| format!("       {}\n", command.replace(char::is_control, " "))).collect();
            let _ = write!(out, "\n{commands}");
        }
        out.push('\n');
    }
}

/// A text of the deployment's for a table: on one line, without signs of its own meaning.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().replace('|', "\\|").replace('<', "&lt;")
}

/// The settings that all processes share.
const SHARED: &str = "synapse/workers.yaml";
const LINES_SHOWN: usize = 12;
const COMPARED_LINES_MAX: usize = 5000;
