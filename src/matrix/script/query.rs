//! The query of a request: the target's own tokens, and the parameters that affect how much work it is.

use std::time::{SystemTime, UNIX_EPOCH};

use super::request_builder::RequestBuilder;
use crate::operation::Op;
use wsim_endpoints::Method;
use wsim_http::percent::push_encoded;

impl<'a> RequestBuilder<'a> {
    /// Appends the query.
    pub(super) fn query(&mut self, out: &mut String) {
        use std::fmt::Write;
        let (kind, mut mark) = (self.context.kind, '?');
        let query = &kind.query;
        let mut add = |name: &str, value: &str| {
            out.push(mark);
            mark = '&';
            out.push_str(name);
            out.push('=');
            push_encoded(out, value);
        };
        let number = |number: u32| number.to_string();
        let wait_ms = query.timeout_ms.unwrap_or(0).min(self.context.decision.wait_ms);
        match kind.entry.op {
            Op::Sync => {
                if let Some(filter) = self.user.and_then(|user| user.filter.as_deref()).filter(|_| query.filter) {
                    add("filter", filter);
                }
                let since = self.device.map_or("", |device| device.since.as_str());
                let chained = query.since && !since.is_empty();
                if chained {
                    add("since", since);
                }
                // An initial sync gets a response at once, whatever its timeout.
                add("timeout", &number(if query.since { wait_ms } else { 0 }));
                if query.full_state {
                    add("full_state", "true");
                }
            }
            Op::SlidingSync => {
                add("timeout", &number(wait_ms));
                let position = self.device.map_or("", |device| device.position.as_str());
                if query.pos && !position.is_empty() {
                    add("pos", position);
                }
            }
            Op::Messages => {
                add("dir", if query.forwards { "f" } else { "b" });
                add("limit", &number(query.limit.unwrap_or(10)));
                if query.filter {
                    add("filter", "{\"lazy_load_members\":true}");
                }
                if let Some(from) = self.page().filter(|_| query.from) {
                    add("from", from);
                }
            }
            Op::Page | Op::PublicRooms => {
                if let Some(limit) = query.limit.filter(|_| kind.method != Method::Post) {
                    add("limit", &number(limit));
                }
            }
            Op::KeysChanges => {
                let (from, to) = self.device.map_or(("", ""), |device| (device.since_before.as_str(), device.since.as_str()));
                add("from", from);
                add("to", to);
            }
            Op::TimestampToEvent => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
                add("ts", &now.to_string());
                add("dir", "b");
            }
            Op::UsernameAvailable => {
                let name = format!("wsim{}", self.random.hex(6));
                add("username", &name);
            }
            Op::Thumbnail => {
                add("width", &number(query.width.unwrap_or(32)));
                add("height", &number(query.height.unwrap_or(32)));
                add("method", "scale");
            }
            Op::BackupRead | Op::BackupWrite if kind.entry.pattern.starts_with("room_keys/keys") => {
                add("version", self.user.and_then(|user| user.backup.as_deref()).unwrap_or(""));
            }
            Op::Upload => {
                let _ = write!(out, "?filename=wsim.bin");
            }
            _ => {}
        }
    }

    /// `from` of the room's next `/messages`.
    fn page(&self) -> Option<&'a str> {
        let (device, room) = (self.device?, self.room?);
        let known = device.pages.get(&self.context.decision.room).map(String::as_str);
        known
            .or(Some(room.prev_batch.as_str()).filter(|token| !token.is_empty()))
            .or(Some(device.since.as_str()))
            .filter(|token| !token.is_empty())
    }
}
