//! Arguments that lift rules of the guard in front of a target.

use clap::Args;

use wsim_http::Host;
use wsim_replay::guard::GuardOverrides;

/// What is allowed in spite of the guard. Each option lifts one rule.
#[derive(Debug, Clone, Args)]
pub(super) struct GuardArgs {
    /// Allow a target with a public address
    #[arg(long, help_heading = "Target")]
    allow_public_target: bool,
    /// Allow this server although it is in the log (an isolated copy); repeatable
    #[arg(long, value_name = "NAME", value_parser = host, help_heading = "Target")]
    allow_server: Vec<Host>,
    /// Allow a log that does not say which servers it is of
    #[arg(long, help_heading = "Target")]
    allow_unknown_origin: bool,
}

impl GuardArgs {
    pub(super) fn overrides(&self) -> GuardOverrides {
        let Self { allow_public_target, allow_server, allow_unknown_origin } = self;
        GuardOverrides { public_target: *allow_public_target, servers: allow_server.clone(), unknown_origin: *allow_unknown_origin }
    }
}

fn host(text: &str) -> Result<Host, String> {
    Host::read(text.as_bytes()).ok_or_else(|| "write a server's name or address, like example.org".to_owned())
}
