//! One call of the Matrix API: waits out rate limits, and retries where that is safe.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

use super::ProvisionError;
use crate::body;
use wsim_http::percent::encoded;
use wsim_transport::{Client, ClientHeaders, Keep, OutgoingRequest, Response};

#[derive(Debug, Clone)]
pub(crate) struct ApiCall {
    /// What is being created, for errors.
    pub(super) what: &'static str,
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) token: Option<String>,
    pub(super) content_type: Option<&'static str>,
    pub(super) body: Bytes,
    /// Sending it twice does no harm.
    pub(super) repeatable: bool,
}

/// The response to a call.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(super) what: &'static str,
    pub(crate) status: u16,
    pub(crate) json: Value,
}

impl ApiCall {
    pub(crate) fn get(what: &'static str, token: Option<&str>, target: impl Into<String>) -> Self {
        let token = token.map(str::to_owned);
        Self { what, method: Method::GET, target: target.into(), token, content_type: None, body: Bytes::new(), repeatable: true }
    }

    pub(super) fn put(what: &'static str, token: &str, target: impl Into<String>, json: &Value) -> Self {
        Self { method: Method::PUT, ..Self::post(what, Some(token), target, json) }.repeatable()
    }

    pub(super) fn post(what: &'static str, token: Option<&str>, target: impl Into<String>, json: &Value) -> Self {
        let (content_type, body) = (Some("application/json"), body::bytes(json));
        Self { method: Method::POST, content_type, body, repeatable: false, ..Self::get(what, token, target) }
    }

    pub(super) fn delete(what: &'static str, token: &str, target: impl Into<String>, json: &Value) -> Self {
        Self { method: Method::DELETE, ..Self::post(what, Some(token), target, json) }.repeatable()
    }

    /// Allows retries if there is no response.
    pub(super) fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    /// Sends the call; waits out rate limits.
    ///
    /// # Errors
    /// [`ProvisionError::Failure`], [`ProvisionError::RateLimited`].
    pub(crate) async fn send_any_status(self, client: &mut Client) -> Result<ApiResponse, ProvisionError> {
        let request = OutgoingRequest {
            method: self.method.clone(),
            target: self.target.clone(),
            authorization: self.token.as_ref().map(|token| format!("Bearer {token}").into()),
            content_type: self.content_type,
            body: self.body.clone(),
            keep: Keep::Body,
            client: ClientHeaders::default(),
        };
        let (mut waited, mut tries) = (Duration::ZERO, 0);
        loop {
            tries += 1;
            match client.send(&request).await {
                Ok(response) if response.status == 429 => {
                    let pause = retry_after(&response);
                    waited += pause;
                    if waited > WAIT_MAX {
                        return Err(ProvisionError::RateLimited { what: self.what, limit: limit_of(self.what) });
                    }
                    tokio::time::sleep(pause).await;
                }
                // A proxy's response while a worker starts.
                Ok(response) if matches!(response.status, 502..=504) && self.repeatable && tries < TRIES_MAX => pause(tries).await,
                Ok(response) => {
                    let json = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
                    return Ok(ApiResponse { what: self.what, status: response.status, json });
                }
                Err(failure) if failure.is_lost_connection() && self.repeatable && tries < TRIES_MAX => pause(tries).await,
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// Sends the call; an error status is an error.
    ///
    /// # Errors
    /// As [`Self::send_any_status`], and [`ProvisionError::ErrorResponse`].
    pub(super) async fn send(self, client: &mut Client) -> Result<ApiResponse, ProvisionError> {
        let response = self.send_any_status(client).await?;
        if (200..300).contains(&response.status) { Ok(response) } else { Err(response.to_error()) }
    }
}

impl ApiResponse {
    /// A text field of the response.
    ///
    /// # Errors
    /// [`ProvisionError::MissingField`].
    pub(super) fn text(&self, field: &'static str) -> Result<String, ProvisionError> {
        self.json.get(field).and_then(Value::as_str).map(str::to_owned).ok_or(ProvisionError::MissingField { what: self.what, field })
    }

    /// `errcode`.
    pub(super) fn code(&self) -> &str {
        self.json.get("errcode").and_then(Value::as_str).unwrap_or("")
    }

    /// `error`.
    pub(super) fn message(&self) -> &str {
        self.json.get("error").and_then(Value::as_str).unwrap_or("")
    }

    pub(super) fn to_error(&self) -> ProvisionError {
        // The target's text goes to a terminal.
        let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect();
        ProvisionError::ErrorResponse { what: self.what, status: self.status, code: plain(self.code()), message: plain(self.message()) }
    }
}

/// A path under `/_matrix/client/v3/`; segments are percent-encoded.
pub(super) fn client_path(segments: &[&str]) -> String {
    joined("/_matrix/client/v3", segments)
}

/// A path under `/_synapse/admin/`; segments are percent-encoded.
pub(super) fn admin_path(segments: &[&str]) -> String {
    joined("/_synapse/admin", segments)
}

fn joined(start: &str, segments: &[&str]) -> String {
    segments.iter().fold(start.to_owned(), |path, segment| path + "/" + &encoded(segment))
}

/// How long to wait after a 429: as it says, else a second.
fn retry_after(response: &Response) -> Duration {
    let json: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    let asked = json.get("retry_after_ms").and_then(Value::as_u64).unwrap_or(1_000);
    Duration::from_millis(asked.clamp(50, 600_000))
}

async fn pause(tries: u32) {
    tokio::time::sleep(Duration::from_millis(100 << tries)).await;
}

/// The Synapse settings that limit a kind of call.
fn limit_of(what: &str) -> &'static str {
    match what {
        "creating a device" => "rc_login",
        "creating an account" => "rc_registration",
        "joining a room" => "rc_joins and rc_joins_per_room",
        "creating a room" => "rc_room_creation",
        "sending history" => "rc_message",
        _ => "the rc_… settings",
    }
}

/// Longest total wait for rate limits in one call.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Most attempts of a repeatable call.
const TRIES_MAX: u32 = 5;
