//! `--write-job`: writes a Kubernetes Job and sends nothing.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

use super::super::Exit;
use wsim_export::replay_job;

/// Writes the Job of this command line.
///
/// # Errors
/// The file exists already, or cannot be written.
pub(super) fn write(shards: u32, path: &Path, quiet: bool) -> anyhow::Result<Exit> {
    let arguments: Vec<String> = std::env::args().skip_while(|word| word != "replay").skip(1).collect();
    let written = OpenOptions::new().write(true).create_new(true).open(path);
    written
        .and_then(|mut file| file.write_all(replay_job(&arguments, shards).as_bytes()))
        .with_context(|| format!("could not write {}", path.display()))?;
    if !quiet {
        anstream::eprintln!("wrote {}: {shards} shards; what to fill in is at its top", path.display());
    }
    Ok(Exit::Done)
}
