//! Checks a target before anything is sent to it: that it is a homeserver, and none that the log comes from.

use std::collections::BTreeSet;

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use wsim_replay::safety::{self, SafetyOverrides, TargetFacts, UnsafeTarget};
use wsim_transport::{Client, Connector, ConnectorError, Failure, Keep, OutgoingRequest, Target, TransportConfig};

/// A target that requests may be sent to.
#[derive(Debug, Clone)]
pub struct CheckedTarget {
    pub connector: Connector,
    /// The homeserver's own name, if it tells it.
    pub server_name: Option<String>,
}

/// Why nothing is sent to a target.
#[derive(Debug, thiserror::Error)]
pub enum TargetCheckError {
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    #[error(transparent)]
    Unsafe(#[from] UnsafeTarget),
    #[error("{target} does not respond")]
    NoResponse { target: String, source: Failure },
    #[error("{target} is not a homeserver: GET /_matrix/client/versions returned {status}")]
    NotHomeserver { target: String, status: u16 },
}

/// Connects to a target, asks for its name, and checks it against the rules of [`safety`].
///
/// `in_log`: server names of the log, lower case, see [`server_names`](super::server_names).
///
/// # Errors
/// See [`TargetCheckError`].
pub async fn check_target(
    target: Target,
    config: TransportConfig,
    in_log: BTreeSet<String>,
    overrides: &SafetyOverrides,
) -> Result<CheckedTarget, TargetCheckError> {
    let host = target.host.clone();
    let shown = target.to_string();
    let connector = Connector::new(target, config).await?;
    let facts = TargetFacts { host, addresses: connector.addresses().to_vec(), names: Vec::new(), in_log };
    // Address and host are checked before the first byte is sent.
    safety::check(&facts, overrides)?;
    let mut client = Client::new(connector.clone());
    let response = client.send(&get("/_matrix/client/versions")).await;
    let response = response.map_err(|source| TargetCheckError::NoResponse { target: shown.clone(), source })?;
    if response.status != 200 {
        return Err(TargetCheckError::NotHomeserver { target: shown, status: response.status });
    }
    let server_name = field(&mut client, "/_matrix/key/v2/server", "server_name").await;
    let delegated = field(&mut client, "/.well-known/matrix/server", "m.server").await;
    let names = server_name.iter().chain(&delegated).cloned().collect();
    safety::check(&TargetFacts { names, ..facts }, overrides)?;
    Ok(CheckedTarget { connector, server_name })
}

/// A text field of a JSON response; `None` if the target does not have it.
async fn field(client: &mut Client, path: &str, name: &str) -> Option<String> {
    let response = client.send(&get(path)).await.ok().filter(|response| response.status == 200)?;
    let value: Value = serde_json::from_slice(&response.body).ok()?;
    value.get(name)?.as_str().map(str::to_owned)
}

fn get(path: &str) -> OutgoingRequest {
    OutgoingRequest {
        method: Method::GET,
        target: path.to_owned(),
        authorization: None,
        content_type: None,
        body: Bytes::new(),
        keep: Keep::Body,
    }
}
