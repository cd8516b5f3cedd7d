//! The `wsim` program: see `wsim --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    wsim::cli::main()
}
