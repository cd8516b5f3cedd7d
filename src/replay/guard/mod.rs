//! The guard in front of every target: refuses a production server before a single byte is sent to it.
//!
//! ```text
//! names in the log ─┐
//! options ──────────┴▶ Guard ─▶ connector(target): name, look-up, addresses ─▶ Connector to exactly these addresses
//!                        └────▶ check_name: what the target and the world file say of themselves
//! ```
//!
//! Owns the rules and the only way to a [`Connector`] for commands. The caller asks a target for its name and hands it over. The rules come
//! from accidents with other tools (buger/goreplay#66 and #420, ebay/teeproxy#45), see docs/replay.md. Invariant: a name or an address that is
//! refused in one spelling is refused in all of them, and an option lifts the rule that it names and no other.

mod address;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use address::{AddressClass, class_of};
use wsim_http::Host;
use wsim_trace::ServerNames;
use wsim_transport::{Connector, ConnectorError, Target, TransportConfig};

/// Rules that the administrator has lifted.
#[derive(Debug, Clone, Default)]
pub struct GuardOverrides {
    /// `--allow-public-target`: allow addresses outside loopback and private ranges.
    pub public_target: bool,
    /// `--allow-server`: allow these servers although they are in the log.
    pub servers: Vec<Host>,
    /// `--allow-unknown-origin`: allow a log that does not say which servers it is of.
    pub unknown_origin: bool,
}

/// Where the requests come from: the servers that they must not be sent to.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A log or a trace.
    Log(ServerNames),
    /// A trace that was anonymised before, so that it has no names.
    Anonymised,
    /// A world file: what is sent removes what was created, and only on the server where it was created.
    World,
    /// A server that this process runs itself: only loopback addresses, any name.
    OwnServer,
}

/// Why nothing is sent to a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An address that no option allows.
    #[error("{host} has the address {address}, which is {kind}: nothing is sent there, whatever the options")]
    Never { host: String, address: IpAddr, kind: &'static str },
    #[error(
        "{host} has the public address {address}: requests are sent only to a test server in your own network; --allow-public-target lifts this"
    )]
    Public { host: String, address: IpAddr },
    /// The target looks like the server that the log comes from.
    #[error(
        "{name} is in the log{}: the target looks like the server the log comes from. If it is an isolated copy, allow it with --allow-server {name}",
        told(.spelled, .name)
    )]
    InLog {
        /// As the log has it.
        name: String,
        /// As the target has it.
        spelled: String,
    },
    /// Nothing tells whether the target is the server that the log comes from.
    #[error(
        "{why}, so nothing tells whether the target is the server that the requests come from; if it is not, --allow-unknown-origin lifts this"
    )]
    UnknownOrigin { why: &'static str },
    /// The target is not the server of the world file.
    #[error("the target calls itself {found}, but the world was created on {expected}: give another --target or --world")]
    OtherServer { found: String, expected: String },
    #[error("{host} cannot be a host: write a name or an address")]
    NoHost { host: String },
}

/// Why there is no connection to a target.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The rules for one command.
#[derive(Debug, Clone)]
pub struct Guard {
    origin: Origin,
    overrides: GuardOverrides,
    /// Names in the log.
    in_log: Vec<Host>,
}

impl Guard {
    pub fn new(origin: Origin, overrides: GuardOverrides) -> Self {
        let in_log = if let Origin::Log(names) = &origin { names.hosts().collect() } else { Vec::new() };
        Self { origin, overrides, in_log }
    }

    /// Looks a target up once, checks its name and all its addresses, and only then makes a connector, which opens connections to these
    /// addresses and no others.
    ///
    /// # Errors
    /// See [`GuardError`].
    pub async fn connector(&self, target: Target, config: TransportConfig) -> Result<Connector, GuardError> {
        self.check_origin()?;
        self.check_name(&target.host)?;
        let addresses = target.look_up().await?;
        for address in &addresses {
            self.check_address(&target.host, address.ip())?;
        }
        Ok(Connector::to_addresses(target, addresses, config)?)
    }

    /// Checks that the log says which servers it is of.
    ///
    /// # Errors
    /// [`Refusal::UnknownOrigin`].
    pub fn check_origin(&self) -> Result<(), Refusal> {
        let why = match &self.origin {
            Origin::Log(names) if names.is_empty() => "no name of a server is in the log",
            Origin::Log(names) if names.is_incomplete() => "the log names more servers than can be kept",
            Origin::Anonymised => "the trace was anonymised and has no names of servers",
            Origin::Log(_) | Origin::World | Origin::OwnServer => return Ok(()),
        };
        if self.overrides.unknown_origin { Ok(()) } else { Err(Refusal::UnknownOrigin { why }) }
    }

    /// Checks a name of the target: in its URL, in what it says of itself, in the world file.
    ///
    /// # Errors
    /// [`Refusal::InLog`], [`Refusal::NoHost`].
    pub fn check_name(&self, name: &str) -> Result<(), Refusal> {
        let host = Host::read(name.as_bytes()).ok_or_else(|| Refusal::NoHost { host: printable(name) })?;
        if let Host::Address(address) = host {
            self.check_never(name, address)?;
        }
        self.check_host(&host)
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refusal> {
        self.check_never(host, address)?;
        let is_public = match self.origin {
            Origin::OwnServer => !address.is_loopback(),
            _ => class_of(address) == AddressClass::Public && !self.overrides.public_target,
        };
        if is_public {
            return Err(Refusal::Public { host: printable(host), address });
        }
        self.check_host(&Host::of_address(address))
    }

    fn check_never(&self, host: &str, address: IpAddr) -> Result<(), Refusal> {
        match class_of(address) {
            AddressClass::Never(kind) => Err(Refusal::Never { host: printable(host), address, kind }),
            _ => Ok(()),
        }
    }

    /// Checks that a name or an address is not in the log, unless this very server is allowed.
    fn check_host(&self, host: &Host) -> Result<(), Refusal> {
        let is_allowed = |logged: &Host| {
            self.overrides.servers.iter().any(|allowed| allowed == logged || (allowed.is_this_machine() && logged.is_this_machine()))
        };
        let in_log = if host.is_this_machine() {
            let is_logged = matches!(&self.origin, Origin::Log(names) if names.is_of_this_machine());
            is_logged.then_some(host).filter(|host| !is_allowed(host))
        } else {
            self.in_log.iter().find(|logged| is_same(logged, host) && !is_allowed(logged))
        };
        in_log.map_or(Ok(()), |logged| Err(Refusal::InLog { name: logged.to_string(), spelled: host.to_string() }))
    }
}

/// Whether a host of the target is one of the log. A name of one part may be completed by the resolver (`search` in resolv.conf), so it is the
/// same as any longer name that begins with it.
fn is_same(logged: &Host, host: &Host) -> bool {
    match (logged, host) {
        (Host::Name(logged), Host::Name(name)) if !name.contains('.') => {
            logged.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        }
        _ => logged == host,
    }
}

/// Checks that the name that a target gives itself is that of a world; a world without accounts has none.
///
/// # Errors
/// [`Refusal::OtherServer`].
pub fn same_server(expected: &str, found: &str) -> Result<(), Refusal> {
    if expected.is_empty() || Host::read(expected.as_bytes()) == Host::read(found.as_bytes()) {
        return Ok(());
    }
    Err(Refusal::OtherServer { found: printable(found), expected: printable(expected) })
}

/// `, where the target is …`, if the target spells the name differently.
fn told(spelled: &str, name: &str) -> String {
    if spelled == name { String::new() } else { format!(" (the target is {spelled})") }
}

/// Text of the target or of a file, for a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
