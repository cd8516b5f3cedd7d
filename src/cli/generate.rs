//! `wsim generate`: shell completions and manual pages, made from the command line's own definition.
//!
//! Packagers and people who install by hand call it; nothing else does.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use clap_complete::Shell;

/// Shell completions and manual pages.
#[derive(Debug, Args)]
pub struct Generate {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Completions for a shell, on standard output
    Completions {
        /// Shell that completes
        shell: Shell,
    },
    /// Manual page of wsim on standard output, or one page for each command in a folder
    Man {
        /// Folder for wsim.1, wsim-analyse.1, …
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// Writes what was asked for about `program` to `out` or into a folder.
///
/// # Errors
/// If it cannot be written.
pub fn run(arguments: &Generate, mut program: clap::Command, out: &mut dyn Write) -> anyhow::Result<()> {
    match &arguments.what {
        What::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut program, "wsim", &mut script);
            out.write_all(&script)?;
        }
        What::Man { out: None } => {
            let mut page = Vec::new();
            clap_mangen::Man::new(program).render(&mut page)?;
            out.write_all(&page)?;
        }
        What::Man { out: Some(folder) } => {
            pages(program, folder).with_context(|| format!("could not write manual pages to {}", folder.display()))?;
        }
    }
    Ok(())
}

/// One page for the program and one for each command that its help lists.
fn pages(program: clap::Command, folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(program, folder)
}
