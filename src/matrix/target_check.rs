//! Checks a target before anything else is sent to it: that it is a homeserver, the right one, and none that the log comes from.

use std::collections::BTreeSet;

use serde_json::Value;

use super::manifest::Manifest;
use super::provision::{AccountSource, ApiCall, ProvisionError};
use wsim_replay::guard::{Guard, GuardError, Refusal, same_server};
use wsim_transport::{Client, Connector, Failure, Target, TransportConfig};

/// A target that requests may be sent to.
#[derive(Debug, Clone)]
pub struct CheckedTarget {
    pub connector: Connector,
    /// The homeserver's own name, if it tells it.
    pub server_name: Option<String>,
    /// For names that only become known later.
    pub guard: Guard,
}

/// What is known of a target before it is asked: from the world file and the accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownServers {
    /// Where the world was created; empty if it has no account yet.
    server_name: String,
    /// The servers of all accounts and rooms.
    all: BTreeSet<String>,
}

impl KnownServers {
    /// What a world file says.
    pub fn of_world(world: &Manifest) -> Self {
        let accounts = world.marker.iter().map(|marker| &marker.user_id).chain(world.admin.iter().map(|admin| &admin.user_id));
        let copies = world.copies.iter();
        let users = copies.clone().flat_map(|copy| copy.users.iter().filter_map(|user| user.user_id.as_ref()).chain(&copy.guest));
        let rooms = copies.flat_map(|copy| copy.rooms.iter().filter_map(|room| room.room_id.as_ref()));
        let markers = world.marker.iter().flat_map(|marker| marker.room_id.iter().chain(&marker.alias));
        let ids = accounts.chain(users).chain(rooms).chain(markers);
        let named = (!world.server_name.is_empty()).then(|| world.server_name.clone());
        Self { server_name: world.server_name.clone(), all: ids.filter_map(|id| server_of(id)).chain(named).collect() }
    }

    /// And what the accounts say that are to be used.
    #[must_use]
    pub fn with_accounts(mut self, accounts: &AccountSource) -> Self {
        if let AccountSource::Tokens(tokens) = accounts {
            self.all.extend(tokens.iter().filter_map(|(user, _)| server_of(user)));
        }
        self
    }
}

/// `@user:server` -> `server`; rooms of recent versions have no server in their ids.
fn server_of(id: &str) -> Option<String> {
    id.split_once(':').map(|(_, server)| server.to_owned())
}

/// Why nothing is sent to a target.
#[derive(Debug, thiserror::Error)]
pub enum TargetCheckError {
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{target} does not respond")]
    NoResponse { target: String, source: Failure },
    #[error("{target} is not a homeserver: GET /_matrix/client/versions returned {status}{}", if *.status == 200 { " without versions" } else { "" })]
    NotHomeserver { target: String, status: u16 },
    #[error(transparent)]
    Api(ProvisionError),
}

/// Checks everything that is known of a target, connects to it, asks for its name, and checks that.
///
/// # Errors
/// See [`TargetCheckError`]. A [`Refusal`] for what is known beforehand comes before the first byte is sent.
pub async fn check_target(
    target: Target,
    config: TransportConfig,
    guard: Guard,
    known: &KnownServers,
) -> Result<CheckedTarget, TargetCheckError> {
    for name in &known.all {
        guard.check_name(name)?;
    }
    let shown = target.to_string();
    let connector = guard.connector(target, config).await?;
    let mut client = Client::new(connector.clone());
    check_homeserver(&mut client, &shown).await?;
    let server_name = field(&mut client, "/_matrix/key/v2/server", "/server_name").await;
    let delegated = field(&mut client, "/.well-known/matrix/server", "/m.server").await;
    let base_url = field(&mut client, "/.well-known/matrix/client", "/m.homeserver/base_url").await;
    for name in [&server_name, &delegated, &base_url].into_iter().flatten() {
        guard.check_name(name)?;
    }
    if let Some(name) = &server_name {
        same_server(&known.server_name, name)?;
    }
    Ok(CheckedTarget { connector, server_name, guard })
}

async fn check_homeserver(client: &mut Client, shown: &str) -> Result<(), TargetCheckError> {
    let call = ApiCall::get("checking the target", None, "/_matrix/client/versions");
    let response = call.send_any_status(client).await.map_err(|error| match error {
        ProvisionError::Failure(source) => TargetCheckError::NoResponse { target: shown.to_owned(), source },
        other => TargetCheckError::Api(other),
    })?;
    if response.status == 200 && response.json.get("versions").is_some_and(Value::is_array) {
        return Ok(());
    }
    Err(TargetCheckError::NotHomeserver { target: shown.to_owned(), status: response.status })
}

/// A text in a JSON response; `None` if the target does not have it.
async fn field(client: &mut Client, path: &str, pointer: &str) -> Option<String> {
    let response = ApiCall::get("asking for the server's name", None, path).send_any_status(client).await.ok()?;
    response.json.pointer(pointer).filter(|_| response.status == 200)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Admin, Marker, PopulationCopy, User};

    #[test]
    fn every_server_of_a_world_and_of_its_accounts_is_known() {
        let mut world = Manifest::new("http://localhost", [1; 16]);
        assert_eq!(KnownServers::of_world(&world), KnownServers::default());
        world.server_name = "one.example".to_owned();
        world.admin = Some(Admin { user_id: "@a:two.example".to_owned(), token: String::new() });
        let marker = Marker {
            user_id: "@a:three.example".to_owned(),
            token: String::new(),
            room_id: Some("!r:four.example".to_owned()),
            alias: Some("#r:five.example".to_owned()),
        };
        world.marker = Some(marker);
        let user = User { user_id: Some("@b:six.example".to_owned()), ..User::default() };
        world.copies.push(PopulationCopy { users: vec![user], ..PopulationCopy::default() });
        let tokens = AccountSource::Tokens(vec![("@c:seven.example:8448".to_owned(), "t".to_owned())]);
        let known = KnownServers::of_world(&world).with_accounts(&tokens);
        let all: Vec<&str> = known.all.iter().map(String::as_str).collect();
        let expected = ["five.example", "four.example", "one.example", "seven.example:8448", "six.example", "three.example", "two.example"];
        assert_eq!((all, known.server_name.as_str()), (expected.to_vec(), "one.example"));
    }
}
