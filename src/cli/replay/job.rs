//! `--write-job`: writes a Kubernetes Job and sends nothing.

use std::path::Path;

use anyhow::Context;

use super::super::Exit;
use wsim_export::replay_job;
use wsim_folder::write_new_file;
use wsim_report::escape;

/// Writes the Job of this command line.
///
/// # Errors
/// The file exists already, or cannot be written.
pub(super) fn write(shards: u32, path: &Path, quiet: bool) -> anyhow::Result<Exit> {
    let arguments: Vec<String> = std::env::args().skip_while(|word| word != "replay").skip(1).collect();
    write_new_file(path, replay_job(&arguments, shards).as_bytes()).with_context(|| format!("could not write {}", path.display()))?;
    if !quiet {
        anstream::eprintln!("wrote {}: {shards} shards; what to fill in is at its top", escape::visible(&path.to_string_lossy()));
    }
    Ok(Exit::Done)
}
