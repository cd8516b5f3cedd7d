//! Arguments, progress, exit codes: one file per subcommand.
