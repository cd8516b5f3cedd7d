//! `wsim generate`: shell completions and manual pages, made from the definition of the command line.
//!
//! For packagers, and for people who install by hand.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub struct Generate {
    #[command(subcommand)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Output {
    /// Print the completion script of a shell
    Completions {
        /// Shell to complete for
        shell: Shell,
    },
    /// Print the manual page of wsim, or write a page for each command to a folder
    Man {
        /// Folder for wsim.1, wsim-analyse.1, …
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// Writes completions or manual pages of `program` to `out` or into a folder.
pub fn run(arguments: &Generate, mut program: clap::Command, out: &mut dyn Write) -> anyhow::Result<()> {
    match &arguments.output {
        Output::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut program, "wsim", &mut script);
            out.write_all(&script)?;
        }
        Output::Man { out: None } => {
            let mut page = Vec::new();
            clap_mangen::Man::new(program).render(&mut page)?;
            out.write_all(&page)?;
        }
        Output::Man { out: Some(folder) } => {
            write_pages(program, folder).with_context(|| format!("could not write manual pages to {}", folder.display()))?;
        }
    }
    Ok(())
}

/// Writes one page for the program and one for each command that its help lists.
fn write_pages(program: clap::Command, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // Written elsewhere first, so that no page is ever half a page. The folder is usually shared with other programs.
    let pages = tempfile::tempdir()?;
    clap_mangen::generate_to(program, pages.path())?;
    for page in fs::read_dir(pages.path())? {
        let page = page?;
        let path = folder.join(page.file_name());
        if !is_free(&path)? {
            let why = format!("{} is there and is not a manual page of wsim: move it away", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        wsim_folder::replace_file(&path, &fs::read(page.path())?)?;
    }
    Ok(())
}

/// Whether there is nothing at a path, or a manual page of wsim.
fn is_free(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(found.is_file() && String::from_utf8_lossy(&fs::read(path)?).contains(".TH wsim")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
