//! Which of the given files are configuration, and which are logs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::super::UsageError;
use wsim_configure::audit;
use wsim_configure::read::{Detected, Kind, NoFiles, Note, SourceLocation, detect, kubernetes};

/// The given files, sorted.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) configurations: Vec<(Kind, PathBuf, String)>,
    pub(crate) logs: Vec<String>,
    /// Configurations that are not read, and why.
    pub(crate) not_read: Vec<Note>,
    /// Files of folders that cannot be parsed: the place, and the error with it.
    pub(crate) broken: Vec<(SourceLocation, String)>,
    /// Every file, for includes that are written for another machine.
    pub(crate) given: Vec<PathBuf>,
    /// The files in ConfigMaps and Secrets, under paths below their manifest's.
    pub(crate) held: Vec<(PathBuf, String)>,
}

/// Separates configuration files from logs. In a folder, what is no configuration is left out.
pub(crate) fn sort(files: &[String], kind: Option<&str>) -> anyhow::Result<Sorted> {
    let kind = kind.and_then(Kind::from_keyword);
    let mut sorted = Sorted::default();
    for argument in files {
        let path = Path::new(argument);
        if path.is_dir() {
            let before = (sorted.configurations.len(), sorted.not_read.len(), sorted.broken.len());
            add_folder(path, &mut sorted)?;
            if before == (sorted.configurations.len(), sorted.not_read.len(), sorted.broken.len()) {
                sorted.logs.push(argument.clone());
            }
        } else if argument != "-" && path.is_file() {
            add_file(path, argument, kind, &mut sorted)?;
        } else {
            let is_pattern = argument == "-" || argument.contains(['*', '?', '[']);
            if !is_pattern && !path.exists() {
                return Err(UsageError(format!("{argument}: no such file or folder")).into());
            }
            sorted.logs.push(argument.clone());
        }
    }
    Ok(sorted)
}

fn add_file(path: &Path, argument: &str, kind: Option<Kind>, sorted: &mut Sorted) -> anyhow::Result<()> {
    let Some((detected, text)) = detected(path, kind.is_some())? else {
        sorted.logs.push(argument.to_owned());
        return Ok(());
    };
    sorted.given.push(path.to_owned());
    // A proxy in `--kind` does not apply to Synapse's files.
    let kind = kind.filter(|kind| *kind == Kind::Synapse || detected.kind() != Some(Kind::Synapse));
    match (kind.map_or(detected, Detected::Configuration), is_never_log(path)) {
        (Detected::Configuration(kind), _) => {
            if kind == Kind::Kubernetes {
                add_held(path, &text, sorted)?;
            }
            sorted.configurations.push((kind, path.to_owned(), text));
        }
        (Detected::NotRead(why), _) => sorted.not_read.push(note(path, why)),
        (Detected::Broken(error), _) => return Err(error.into()),
        (Detected::Other, true) => sorted.not_read.push(note(path, UNKNOWN.to_owned())),
        (Detected::Other, false) => sorted.logs.push(argument.to_owned()),
    }
    Ok(())
}

/// The configurations of a folder. An `nginx.conf` in it means what it includes, and not what lies beside it.
fn add_folder(path: &Path, sorted: &mut Sorted) -> anyhow::Result<()> {
    let files = folder(path, 0)?;
    sorted.given.extend(files.iter().cloned());
    let (mut found, mut not_read) = (Vec::new(), Vec::new());
    for file in files {
        let Some((detected, text)) = detected(&file, false)? else { continue };
        match detected {
            Detected::Configuration(kind) => {
                if kind == Kind::Kubernetes {
                    add_held(&file, &text, sorted)?;
                }
                found.push((kind, file, text));
            }
            Detected::NotRead(why) => not_read.push((file, why, is_about_matrix(&text))),
            Detected::Broken(error) => sorted.broken.push((place(&file), error.to_string())),
            Detected::Other => {}
        }
    }
    let read: Vec<Configuration> = as_read(found).collect();
    add_readable(read, sorted)?;
    // A folder has scripts and templates of many programs: those that are not about Matrix say nothing here.
    let has_some = not_read.iter().any(|(_, _, is_about_matrix)| *is_about_matrix) || !sorted.configurations.is_empty();
    sorted.not_read.extend(as_notes(not_read.into_iter().filter(|(_, _, is_about_matrix)| *is_about_matrix || !has_some)));
    Ok(())
}

/// Adds the configurations of a folder. A proxy's file that cannot be parsed, such as an old copy, leaves the others: it is named. Without
/// another file of its program it is an error.
fn add_readable(read: Vec<Configuration>, sorted: &mut Sorted) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for (kind, file, text) in read {
        let checked = if kind == Kind::Synapse { Ok(()) } else { audit::read(&[(kind, &file, &text)], &NoFiles).map(|_| ()) };
        match checked {
            Ok(()) => sorted.configurations.push((kind, file, text)),
            Err(error) => failed.push((kind, file, text, error)),
        }
    }
    for (kind, file, text, error) in failed {
        if is_about_matrix(&text) && !sorted.configurations.iter().any(|(own, ..)| *own == kind) {
            return Err(error.into());
        }
        sorted.broken.push((place(&file), error.to_string()));
    }
    Ok(())
}

/// One note for all files that are not read for the same reason.
fn as_notes(files: impl Iterator<Item = (PathBuf, String, bool)>) -> Vec<Note> {
    let mut reasons: Vec<(String, Vec<PathBuf>)> = Vec::new();
    for (file, why, _) in files {
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, files)) => files.push(file),
            None => reasons.push((why, vec![file])),
        }
    }
    let note_of = |(why, files): (String, Vec<PathBuf>)| {
        let (first, others) = files.split_first()?;
        let shown: Vec<String> = others.iter().take(OTHERS_SHOWN).map(|file| file.display().to_string()).collect();
        let text = match others.len() {
            0 => why,
            count if count <= OTHERS_SHOWN => format!("{why}; so are {}", shown.join(", ")),
            count => format!("{why}; so are {} and {} more", shown.join(", "), count - OTHERS_SHOWN),
        };
        Some(note(first, text))
    };
    reasons.into_iter().filter_map(note_of).collect()
}

/// A configuration with its path and text.
type Configuration = (Kind, PathBuf, String);

/// The files of a folder as programs read them: `nginx.conf` and `apache2.conf` include the others, and Synapse reads homeserver.yaml
/// before the files of conf.d.
fn as_read(mut found: Vec<Configuration>) -> impl Iterator<Item = Configuration> {
    let main_of = |kind: Kind, names: &[&str]| {
        let is_main =
            |(own, file, _): &&Configuration| *own == kind && file.file_name().is_some_and(|name| names.iter().any(|main| name == *main));
        found.iter().filter(is_main).map(|(_, file, _)| file.clone()).min_by_key(|file| file.components().count())
    };
    let mains =
        [(Kind::Nginx, main_of(Kind::Nginx, &["nginx.conf"])), (Kind::Apache, main_of(Kind::Apache, &["apache2.conf", "httpd.conf"]))];
    found.sort_by_key(|(_, file, _)| file.file_name().is_none_or(|name| name != "homeserver.yaml"));
    found.into_iter().filter(move |(kind, file, _)| {
        let main = mains.iter().find(|(own, _)| own == kind).and_then(|(_, main)| main.as_ref());
        main.is_none_or(|main| main == file)
    })
}

/// The files in ConfigMaps and Secrets. What is no configuration there is left out.
fn add_held(manifest: &Path, text: &str, sorted: &mut Sorted) -> anyhow::Result<()> {
    let files = kubernetes::files(manifest, text)?;
    let mut found: Vec<(PathBuf, Vec<Configuration>)> = Vec::new();
    for (path, text) in &files {
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        match detect(path, text) {
            Detected::Configuration(Kind::Kubernetes) | Detected::Other => {}
            Detected::Configuration(kind) => {
                let entry = (kind, path.clone(), text.clone());
                match found.iter_mut().find(|(known, _)| *known == folder) {
                    Some((_, entries)) => entries.push(entry),
                    None => found.push((folder, vec![entry])),
                }
            }
            // ConfigMaps of other programs are full of templates.
            Detected::NotRead(why) if is_about_matrix(text) => sorted.not_read.push(note(path, why)),
            Detected::Broken(error) if is_about_matrix(text) => sorted.broken.push((place(path), error.to_string())),
            Detected::NotRead(_) | Detected::Broken(_) => {}
        }
    }
    sorted.configurations.extend(found.into_iter().flat_map(|(_, entries)| as_read(entries)));
    sorted.held.extend(files);
    Ok(())
}

/// Whether a text is a proxy's rules for Matrix or one of Synapse's files.
fn is_about_matrix(text: &str) -> bool {
    ["/_matrix", "worker_app", "server_name", "synapse"].iter().any(|word| text.contains(word))
}

/// What a file is, and its text; `None` for a log by its name or size.
fn detected(path: &Path, is_named: bool) -> anyhow::Result<Option<(Detected, String)>> {
    let size = std::fs::metadata(path).with_context(|| path.display().to_string())?.len();
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let is_log = name.contains(".log") && !is_never_log(path);
    if is_log || name.ends_with(".parquet") || [".md", ".rst", ".html"].iter().any(|end| name.ends_with(end)) {
        return Ok(None);
    }
    // A large file without the name of a configuration is a log.
    if size > SIZE_MAX && !is_named && !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return Ok(None);
    }
    if size > SIZE_MAX {
        let most = wsim_text::size_limit(SIZE_MAX);
        anyhow::bail!("{} is larger than {most}, and no configuration is: name the file with the site for Matrix", path.display());
    }
    let text = String::from_utf8_lossy(&std::fs::read(path).with_context(|| path.display().to_string())?).into_owned();
    Ok(Some((detect(path, &text), text)))
}

/// Whether a file, by its name, is a configuration and no log.
fn is_never_log(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    ["yaml", "yml", "toml", "conf", "cfg", "j2", "nix", "tpl", "template", "sh"].contains(&extension.as_str())
}

fn folder(path: &Path, depth: usize) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path).with_context(|| path.display().to_string())?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries.into_iter().take(FILES_MAX) {
        if entry.is_dir() && depth < DEPTH_MAX {
            files.append(&mut folder(&entry, depth + 1)?);
        } else if entry.is_file() {
            files.push(entry);
        }
    }
    Ok(files)
}

fn note(path: &Path, text: String) -> Note {
    Note { at: place(path), text }
}

fn place(path: &Path) -> SourceLocation {
    let file: Arc<str> = path.to_string_lossy().into();
    SourceLocation::new(&file, 0)
}

const UNKNOWN: &str = "no configuration of Synapse or of a known proxy; name the program with --kind if it is one";
const SIZE_MAX: u64 = wsim_configure::read::BYTES_MAX as u64;
const ENDINGS: [&str; 8] = [".conf", ".cfg", ".yaml", ".yml", ".toml", ".json", ".map", "caddyfile"];
const OTHERS_SHOWN: usize = 3;
const FILES_MAX: usize = 2000;
const DEPTH_MAX: usize = 4;
