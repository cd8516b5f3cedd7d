//! HAProxy's captured headers, which have no names in the log: the meaning of an item is guessed from its form (a credential, an
//! address, a host, a user agent).

use std::borrow::Cow;
use std::net::IpAddr;

use super::draft::Draft;
use super::value::{ip, is_credential, looks_like_agent, looks_like_host};
use super::variable::Variable;
use crate::escape::Escape;
use crate::{Record, StampReader};

/// Assigns the items of one group, `a|b`, given without its braces.
pub(super) fn assign<'a>(group: &'a [u8], draft: &mut Draft<'_, 'a>, stamps: &mut StampReader) -> Result<(), &'static str> {
    let group = group.strip_prefix(b"{").and_then(|inner| inner.strip_suffix(b"}")).unwrap_or(group);
    for item in group.split(|byte| *byte == b'|').filter(|item| !item.is_empty()) {
        if let Some(variable) = meaning(item, draft.record) {
            let text = if variable == Variable::Agent { Escape::Haproxy.undo(item) } else { Cow::Borrowed(item) };
            draft.assign(variable, text, stamps)?;
        }
    }
    Ok(())
}

fn meaning(item: &[u8], known: &Record<'_>) -> Option<Variable> {
    if is_credential(item) {
        Some(Variable::Authorization)
    } else if is_public_address(item) {
        Some(Variable::ForwardedFor)
    } else if known.site.is_none() && looks_like_host(item) {
        Some(Variable::Site)
    } else if known.referrer.is_none() && (item.starts_with(b"http://") || item.starts_with(b"https://")) {
        Some(Variable::Referrer)
    } else if known.agent.is_none() && looks_like_agent(item) {
        Some(Variable::Agent)
    } else {
        None
    }
}

fn is_public_address(item: &[u8]) -> bool {
    let first = item.split(|byte| *byte == b',').next().unwrap_or_default();
    match ip(first) {
        Some(IpAddr::V4(v4)) => !v4.is_loopback() && !v4.is_private(),
        Some(IpAddr::V6(v6)) => !v6.is_loopback() && !v6.is_unique_local(),
        None => false,
    }
}
