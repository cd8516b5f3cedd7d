//! One request on a kept or a new connection, with the one retry that HTTP allows.

use std::time::Instant;

use hyper::Method;

use super::{Connection, Connector, Failure, OutgoingRequest, Response};

/// What became of a request, and of its connection.
#[derive(Debug)]
pub struct Exchange {
    /// The response, or why there is none.
    pub result: Result<Response, Failure>,
    /// For a failed request: when its first byte was written, if any was.
    pub written: Option<Instant>,
    /// The connection, if it can carry another request.
    pub connection: Option<Connection>,
}

/// Sends `request` on the `kept` connection, or on a new one. A server may close a kept connection just when the request is sent: a request
/// that got no part of a response is then sent once more on a new connection, unless it is a POST, which must not happen twice
/// (RFC 9110, section 9.2.2).
///
/// `row` goes into the header [`ROW_HEADER`](super::ROW_HEADER), for emulated clusters only.
pub async fn exchange(connector: &Connector, request: &OutgoingRequest, row: Option<u32>, kept: Option<Connection>) -> Exchange {
    if let Some(connection) = kept {
        let first = send_on(connection, request, row).await;
        let may_retry = matches!(first.result, Err(Failure::Closed)) && request.method != Method::POST;
        if !may_retry {
            return first;
        }
    }
    match connector.open().await {
        Ok(connection) => send_on(connection, request, row).await,
        Err(failure) => Exchange { result: Err(failure), written: None, connection: None },
    }
}

async fn send_on(mut connection: Connection, request: &OutgoingRequest, row: Option<u32>) -> Exchange {
    match connection.send_row(request, row).await {
        Ok(response) => Exchange { result: Ok(response), written: None, connection: Some(connection) },
        Err(failure) => Exchange { result: Err(failure), written: connection.written(), connection: None },
    }
}
