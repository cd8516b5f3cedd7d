//! Synapse's side: shared settings, a file per worker, log settings, systemd units.
//!
//! Writes only settings that the release knows and has not deprecated. Knows nothing of proxies.

mod log;
mod shared;
mod units;
mod workers;

use super::{Context, OutputFile};

/// All files below `synapse/` and `systemd/`.
pub(super) fn files(context: &Context<'_>) -> Vec<OutputFile> {
    let mut files = shared::files(context);
    files.extend(workers::files(context));
    files.extend(log::files(context));
    files.extend(units::files(context));
    files
}

/// The beginning of every file.
fn heading(context: &Context<'_>, what: &str) -> String {
    format!(
        "# {what} for the plan {:?}, Synapse {}.\n# Written by `wsim configure`; change plan.toml and write it again rather than this file.\n",
        context.plan.name, context.plan.synapse
    )
}

/// A listener as an item of a YAML list, at so many blanks.
fn listener(address: &super::address::Address, resources: &[&str], x_forwarded: bool, indent: usize, request_id: bool) -> String {
    use super::address::Address;
    let blank = " ".repeat(indent);
    let mut out = format!("{blank}- type: http\n");
    match address {
        Address::Unix(path) => out += &format!("{blank}  path: {path}\n{blank}  mode: 0o666\n"),
        Address::Tcp { port, .. } => {
            let bind = address.bind().unwrap_or("127.0.0.1");
            out += &format!("{blank}  port: {port}\n{blank}  bind_addresses: ['{bind}']\n");
        }
    }
    if x_forwarded {
        out += &format!("{blank}  # Behind the proxy: the client's address is in X-Forwarded-For.\n{blank}  x_forwarded: true\n");
        if request_id {
            out += &format!(
                "{blank}  # The proxy's id of a request, so that both logs can be joined.\n{blank}  request_id_header: X-Request-ID\n"
            );
        }
    }
    out + &format!("{blank}  resources:\n{blank}    - names: [{}]\n", resources.join(", "))
}
