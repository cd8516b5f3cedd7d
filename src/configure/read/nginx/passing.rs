//! What a block hands down to the blocks within it: error pages, and how requests are passed on.
//!
//! Sources: nginx's `ngx_http_core_module.c` and `ngx_http_proxy_module.c` (defaults, merging of levels).

use std::sync::Arc;

use super::super::model::{Delivery, Doubts, SourceLocation};
use super::location_of;
use super::scope::ErrorPage;
use wsim_nginx::Directive;

/// The settings of the surrounding blocks.
#[derive(Debug, Clone)]
pub(super) struct Around {
    pub(super) error_pages: Arc<[ErrorPage]>,
    /// `client_max_body_size`, bytes; 0 for no limit.
    body_max: u64,
    /// `proxy_read_timeout`, milliseconds.
    read_timeout: u64,
    /// `proxy_set_header`: names in lower case, and values. A block with any of its own hands down only these.
    headers: Arc<[(String, String)]>,
    request_buffering: bool,
    buffering: bool,
    doubts: Doubts,
    /// An included file that is not there, and may set headers besides those that are known.
    other_headers: Option<SourceLocation>,
    /// The same, where the file's headers would replace those that are known.
    instead_of_headers: Option<SourceLocation>,
}

impl Default for Around {
    /// nginx's own defaults.
    fn default() -> Self {
        Self {
            error_pages: Arc::from([]),
            body_max: 1 << 20,
            read_timeout: 60_000,
            headers: Arc::from([]),
            request_buffering: true,
            buffering: true,
            doubts: Doubts::default(),
            other_headers: None,
            instead_of_headers: None,
        }
    }
}

impl Around {
    /// The settings within a block.
    pub(super) fn within(&self, directives: &[Directive], error_pages: Arc<[ErrorPage]>) -> Self {
        let mut own = Self { error_pages, ..self.clone() };
        if let Some(at) = directives.iter().find(|directive| may_say_how(directive)).map(location_of) {
            let at = || Some(at.clone());
            own.doubts = Doubts { body_max: at(), patience: at(), buffers: at(), ..Doubts::default() };
            (own.other_headers, own.instead_of_headers) = (at(), at());
        }
        let mut headers = Vec::new();
        for directive in directives {
            let value = directive.argument(0);
            // A directive twice in one block is an error of nginx, so the missing file does not have it.
            match directive.name.as_str() {
                "client_max_body_size" => (own.body_max, own.doubts.body_max) = (size(value).unwrap_or(own.body_max), None),
                "proxy_read_timeout" => (own.read_timeout, own.doubts.patience) = (milliseconds(value).unwrap_or(own.read_timeout), None),
                "proxy_request_buffering" => own.request_buffering = value != "off",
                "proxy_buffering" => (own.buffering, own.doubts.buffers) = (value != "off", None),
                "proxy_set_header" => headers.push((value.to_ascii_lowercase(), directive.argument(1).to_owned())),
                _ => {}
            }
        }
        if !headers.is_empty() {
            own.headers = headers.into();
            own.instead_of_headers = None;
            if !directives.iter().any(may_say_how) {
                own.other_headers = None;
            }
        }
        own
    }

    /// How a request is passed on.
    pub(super) fn delivery(&self) -> Delivery {
        let header = |name: &str| self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        let doubt = |name: &str| if header(name).is_some() { &self.instead_of_headers } else { &self.other_headers }.clone();
        Delivery {
            body_max: Some(self.body_max).filter(|size| *size > 0),
            patience_ms: Some(self.read_timeout),
            forwarded_for: header("x-forwarded-for").filter(|value| !value.is_empty()),
            forwarded_proto: header("x-forwarded-proto").is_some_and(|value| !value.is_empty()),
            buffers_requests: self.request_buffering,
            buffers_responses: self.buffering,
            doubts: Doubts { forwarded_for: doubt("x-forwarded-for"), forwarded_proto: doubt("x-forwarded-proto"), ..self.doubts.clone() },
        }
    }
}

/// Whether a directive includes a file that is not there (others have been replaced by what they include) and that may say how requests
/// are passed on.
fn may_say_how(directive: &Directive) -> bool {
    const OTHERS: [&str; 15] = [
        "mime.types",
        "ssl",
        "tls",
        "certbot",
        "dhparam",
        "gzip",
        "brotli",
        "log",
        "robots",
        "favicon",
        "geoip",
        "fastcgi",
        "uwsgi",
        "scgi",
        "hsts",
    ];
    let pattern = directive.argument(0).to_ascii_lowercase();
    let name = pattern.rsplit('/').next().unwrap_or_default();
    let is_for_others =
        OTHERS.iter().any(|word| name.contains(word)) || pattern.contains("letsencrypt") || super::known::routes_nothing(&pattern);
    // An include with a wildcard may match nothing.
    directive.name == "include" && !pattern.contains(['*', '?', '[']) && !is_for_others
}

/// `50m`, `1G`, `1024`
fn size(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (text.get(..text.len() - 1)?, 1u64 << 10),
        b'm' | b'M' => (text.get(..text.len() - 1)?, 1 << 20),
        b'g' | b'G' => (text.get(..text.len() - 1)?, 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// `90`, `90s`, `1m30s`, `500ms`
fn milliseconds(text: &str) -> Option<u64> {
    let mut sum = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest.get(..end)?.parse().ok()?;
        let after = rest.get(end..)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let factor = match after.get(..unit_end)?.trim() {
            "ms" => 1,
            "" | "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(factor)?)?;
        rest = after.get(unit_end..)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn sizes_and_times_are_read_as_nginx_reads_them() {
        assert_eq!([size("1m"), size("50M"), size("0"), size("1x")], [Some(1 << 20), Some(50 << 20), Some(0), None]);
        assert_eq!(
            [milliseconds("90"), milliseconds("1m30s"), milliseconds("500ms"), milliseconds("x")],
            [Some(90_000), Some(90_000), Some(500), None]
        );
        assert_eq!(size("\u{e9}"), None);
    }

    #[test]
    fn a_block_with_headers_of_its_own_hands_down_only_these() {
        let within = |around: &Around, text: &str| around.within(&wsim_nginx::parse(Path::new("x"), text).unwrap(), Arc::from([]));
        let server =
            within(&Around::default(), "proxy_set_header X-Forwarded-For $remote_addr; client_max_body_size 50M; proxy_read_timeout 5s;");
        let same = within(&server, "proxy_buffering off;").delivery();
        assert_eq!((same.body_max, same.patience_ms, same.forwarded_for.as_deref()), (Some(50 << 20), Some(5000), Some("$remote_addr")));
        assert!(!same.buffers_responses && same.buffers_requests && !same.forwarded_proto);
        let other = within(&server, "proxy_set_header Host $host; client_max_body_size 0;").delivery();
        assert_eq!((other.body_max, other.forwarded_for), (None, None));
        assert_eq!(Around::default().delivery().body_max, Some(1 << 20));
    }

    #[test]
    fn what_a_missing_file_may_say_is_doubtful() {
        let within = |around: &Around, text: &str| around.within(&wsim_nginx::parse(Path::new("x"), text).unwrap(), Arc::from([]));
        let doubts = |around: &Around| {
            let found = around.delivery().doubts;
            [found.body_max, found.patience, found.forwarded_for, found.forwarded_proto, found.buffers].map(|at| at.is_some())
        };
        let server = within(&Around::default(), "proxy_set_header X-Forwarded-For $remote_addr; client_max_body_size 50M;");
        assert_eq!(doubts(&server), [false; 5]);
        let location = within(&server, "include proxy.conf;");
        assert_eq!(doubts(&location), [true; 5]);
        assert_eq!(
            doubts(&within(&server, "include proxy.conf; proxy_set_header X-Forwarded-For $remote_addr;")),
            [true, true, false, true, true]
        );
        // Inner headers replace all outer ones, those of the missing file, too.
        let inner = within(&location, "proxy_set_header Host $host; client_max_body_size 1M;");
        assert_eq!(doubts(&inner), [false, true, false, false, true]);
        assert_eq!(doubts(&within(&server, "include ssl.conf; include /etc/nginx/custom/*.conf;")), [false; 5]);
    }
}
