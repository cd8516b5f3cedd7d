//! What a request says of the client that it stands for: its address and the compression that it accepts.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use wsim_trace::{NameId, Names, Request};
use wsim_transport::ClientHeaders;
use xxhash_rust::xxh3::xxh3_64;

/// The logged clients, by address and agent.
#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Vec<ClientHeaders>,
    known: HashMap<(NameId, NameId), u32>,
}

impl Clients {
    /// The number of a request's client.
    pub(super) fn number(&mut self, request: &Request, names: &Names) -> u32 {
        *self.known.entry((request.peer, request.agent)).or_insert_with(|| {
            let agent = if request.agent.is_some() { names.text(request.agent) } else { "" };
            let forwarded_for = if request.peer.is_some() { address(names.text(request.peer)) } else { None };
            self.all.push(ClientHeaders { forwarded_for, accept_encoding: accept_encoding(agent) });
            u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// The headers of a client's copy: clones have addresses of their own, as they are other people.
    pub(super) fn headers(&self, number: u32, copy: u16) -> ClientHeaders {
        let Some(&headers) = self.all.get(number as usize) else { return ClientHeaders::default() };
        if copy == 0 {
            return headers;
        }
        let forwarded_for = headers.forwarded_for.map(|address| made_up(&format!("{address}#{copy}")));
        ClientHeaders { forwarded_for, ..headers }
    }
}

/// The address of a client; one made up from its pseudonym in a trace that was anonymised.
fn address(peer: &str) -> Option<IpAddr> {
    let is_pseudonym = peer.strip_prefix("s-").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    peer.parse().ok().or_else(|| is_pseudonym.then(|| made_up(peer)))
}

/// An address in 10.0.0.0/8.
fn made_up(text: &str) -> IpAddr {
    let [_, _, _, _, _, a, b, c] = xxh3_64(text.as_bytes()).to_be_bytes();
    Ipv4Addr::new(10, a, b, c).into()
}

/// What a client's HTTP library asks for, as far as wsim can decompress it. A log says who asked, but not what for: browsers accept both codings
/// (and more that few homeservers offer), Python's aiohttp too; Go's, Android's, Apple's and Rust's libraries ask for gzip; curl for nothing.
fn accept_encoding(agent: &str) -> Option<&'static str> {
    let has = |word: &str| agent.to_ascii_lowercase().contains(word);
    if ["curl", "wget", "prometheus"].iter().any(|word| has(word)) {
        None
    } else if ["mozilla", "browser", "python", "aiohttp"].iter().any(|word| has(word)) {
        Some("gzip, deflate")
    } else {
        Some("gzip")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_have_their_logged_addresses_and_clones_their_own() {
        let mut names = Names::new();
        let mut request = |peer: &str, agent: &str| Request {
            peer: names.intern(peer.as_bytes()),
            agent: names.intern(agent.as_bytes()),
            ..Request::default()
        };
        let requests = [
            request("2001:db8::7", "Element"),
            request("192.0.2.1", "Mozilla"),
            request("s-3f9a", "curl"),
            request("matrix.example", "Synapse"),
        ];
        let mut clients = Clients::default();
        let numbers: Vec<u32> = requests.iter().chain(&requests).map(|request| clients.number(request, &names)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 0, 1, 2, 3]);
        let headers = |number| clients.headers(number, 0);
        assert_eq!(headers(0).forwarded_for, Some("2001:db8::7".parse().unwrap()));
        assert_eq!((headers(0).accept_encoding, headers(1).accept_encoding), (Some("gzip"), Some("gzip, deflate")));
        assert!(headers(2).forwarded_for.is_some() && headers(2).accept_encoding.is_none());
        assert_eq!(headers(3).forwarded_for, None);
        let copies: std::collections::HashSet<_> = (0..50).map(|copy| clients.headers(1, copy).forwarded_for).collect();
        assert_eq!(copies.len(), 50);
        assert_eq!(clients.headers(99, 0), ClientHeaders::default());
    }
}
