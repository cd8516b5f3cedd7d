//! Looking at a target before anything is sent to it.

use std::collections::BTreeSet;

use anyhow::Context;
use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use wsim_replay::safety::{self, Allowed, Known};
use wsim_transport::{Client, Connector, Keep, Outgoing, Settings, Target};

/// A target that may be sent to.
pub(in super::super) struct Aimed {
    pub(in super::super) connector: Connector,
    /// What it calls itself, if it said so.
    pub(in super::super) server_name: Option<String>,
}

/// Connects, asks the target for its name, and holds it against the rules.
///
/// `in_log`: server names and hosts of the log, in lower case.
pub(in super::super) async fn aim(
    target: Target,
    settings: Settings,
    in_log: BTreeSet<String>,
    allowed: &Allowed,
) -> anyhow::Result<Aimed> {
    let host = target.host.clone();
    let shown = target.to_string();
    let connector = Connector::new(target, settings).await?;
    let known = Known { host: host.clone(), addresses: connector.addresses().to_vec(), names: Vec::new(), in_log };
    // Before the first byte: what the address and the host already tell.
    safety::check(&known, allowed)?;
    let mut client = Client::new(connector.clone());
    let answer = client.send(&get("/_matrix/client/versions")).await;
    let answer = answer.with_context(|| format!("{shown} does not answer"))?;
    if answer.status != 200 {
        anyhow::bail!("{shown} is no homeserver: GET /_matrix/client/versions is answered by {}", answer.status);
    }
    let server_name = field(&mut client, "/_matrix/key/v2/server", "server_name").await;
    let delegated = field(&mut client, "/.well-known/matrix/server", "m.server").await;
    let names = server_name.iter().chain(&delegated).cloned().collect();
    safety::check(&Known { names, ..known }, allowed)?;
    Ok(Aimed { connector, server_name })
}

/// A string in a JSON answer; `None` where the target does not have it.
async fn field(client: &mut Client, path: &str, name: &str) -> Option<String> {
    let answer = client.send(&get(path)).await.ok().filter(|answer| answer.status == 200)?;
    let value: Value = serde_json::from_slice(&answer.body).ok()?;
    value.get(name)?.as_str().map(str::to_owned)
}

fn get(path: &str) -> Outgoing {
    Outgoing { method: Method::GET, target: path.to_owned(), authorization: None, content_type: None, body: Bytes::new(), keep: Keep::Body }
}
