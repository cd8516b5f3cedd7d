//! Arguments, progress, exit codes: one file per subcommand.

pub mod endpoints;
