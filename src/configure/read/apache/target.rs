//! Addresses behind the proxy: `http://host:port/path`, `balancer://name/path`, `unix:/path|http://name/`.

/// An address that a request is passed on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `host:port`, `unix:/path`, or the name of a balancer.
    pub(super) address: String,
    pub(super) is_balancer: bool,
    /// The path behind it; may be empty.
    pub(super) path: String,
}

impl Target {
    /// Reads an address; `None` if it has no scheme.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("unix:")) {
            let (socket, url) = text[5..].split_once('|')?;
            return Some(Self { address: format!("unix:{socket}"), ..Self::read(url)? });
        }
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return None;
        }
        let path = path.split(['?', '#']).next().unwrap_or_default().to_owned();
        if scheme == "balancer" {
            return Some(Self { address: authority.to_ascii_lowercase(), is_balancer: true, path });
        }
        let port = match scheme.as_str() {
            "https" | "wss" => "443",
            "fcgi" => "8000",
            _ => "80",
        };
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(host, port)| (!host.contains(':') || host.ends_with(']')) && port.parse::<u16>().is_ok());
        let address = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
        Some(Self { address, is_balancer: false, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_paths() {
        let read = |text: &str| Target::read(text).map(|target| (target.address, target.is_balancer, target.path));
        assert_eq!(read("http://127.0.0.1:8008/_matrix"), Some(("127.0.0.1:8008".to_owned(), false, "/_matrix".to_owned())));
        assert_eq!(read("https://[::1]/"), Some(("[::1]:443".to_owned(), false, "/".to_owned())));
        assert_eq!(read("Balancer://Sync/_matrix?x"), Some(("sync".to_owned(), true, "/_matrix".to_owned())));
        assert_eq!(read("unix:/run/a.sock|http://a/b"), Some(("unix:/run/a.sock".to_owned(), false, "/b".to_owned())));
        assert_eq!([read("!"), read("http://"), read("unix:/a"), read("/x")], [None, None, None, None]);
    }
}
