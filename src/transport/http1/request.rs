//! Writes the head of a request.

use std::io::Write;

use http::Method;

use super::super::OutgoingRequest;
use super::super::connection::ROW_HEADER;
use super::super::connector::Connector;

/// Appends the head; `None` if a text of the request would break out of its line.
pub(super) fn write_head(out: &mut Vec<u8>, connector: &Connector, request: &OutgoingRequest, row: Option<u32>) -> Option<()> {
    if !is_target(&request.target) {
        return None;
    }
    for part in [request.method.as_str(), " ", &connector.target.base, &request.target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(&connector.fixed_headers);
    if let Some(authorization) = &request.authorization {
        push(out, "authorization", authorization)?;
    }
    if let Some(content_type) = request.content_type {
        push(out, "content-type", content_type)?;
    }
    if let Some(encoding) = request.client.accept_encoding {
        push(out, "accept-encoding", encoding)?;
    }
    if let Some(address) = request.client.forwarded_for {
        write!(out, "x-forwarded-for: {address}\r\n").ok()?;
    }
    // A method whose content means something says that there is none.
    if !request.body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&request.method) {
        write!(out, "content-length: {}\r\n", request.body.len()).ok()?;
    }
    if let Some(row) = row {
        write!(out, "{ROW_HEADER}: {row}\r\n").ok()?;
    }
    out.extend_from_slice(b"\r\n");
    Some(())
}

fn push(out: &mut Vec<u8>, name: &str, value: &str) -> Option<()> {
    if !is_value(value) {
        return None;
    }
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    Some(())
}

/// Whether a text may be the value of a header.
pub(super) fn is_value(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..0x7f).contains(&byte) || byte == b'\t')
}

fn is_target(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| (b'!'..0x7f).contains(&byte))
}
