//! The key that the emulated proxy hashes, as `wsim configure` configures it for real proxies.
//!
//! Knows nothing of pools. Keys are made from the request only.

use std::net::IpAddr;

use hyper::header::HeaderName;
use hyper::{HeaderMap, Uri};

use wsim_http::identity;
use wsim_plan::Key;

/// The key, byte for byte; empty if the request has none.
pub(super) fn hash_key(key: &Key, headers: &HeaderMap, uri: &Uri, peer: IpAddr) -> Vec<u8> {
    match key {
        // All devices of a user share the localpart in Synapse's tokens; other tokens are used as they are.
        Key::User => {
            let credentials = credentials(headers, uri);
            let token = credentials.strip_prefix("Bearer ").unwrap_or(credentials);
            identity::token_user(token.as_bytes()).unwrap_or(credentials.as_bytes()).to_vec()
        }
        Key::Token => credentials(headers, uri).as_bytes().to_vec(),
        Key::Address => peer.to_string().into_bytes(),
        Key::Origin => origin(headers).unwrap_or_else(|| peer.to_string()).into_bytes(),
        Key::Room => room(uri.path()).unwrap_or_default().as_bytes().to_vec(),
        Key::Uri => uri.path_and_query().map(|both| both.as_str().as_bytes().to_vec()).unwrap_or_default(),
        Key::Header(name) => {
            let name: Option<HeaderName> = name.parse().ok();
            name.and_then(|name| headers.get(name)).map(|value| value.as_bytes().to_vec()).unwrap_or_default()
        }
    }
}

/// The access token, from the header or the query.
pub(super) fn token<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Option<&'r str> {
    let credentials = credentials(headers, uri);
    Some(credentials.strip_prefix("Bearer ").unwrap_or(credentials)).filter(|token| !token.is_empty())
}

/// The whole `Authorization` header, else the token in the query, else an empty text.
fn credentials<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> &'r str {
    let header = headers.get(hyper::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let in_query = || uri.query()?.split('&').find_map(|parameter| parameter.strip_prefix("access_token="));
    header.or_else(in_query).unwrap_or_default()
}

fn origin(headers: &HeaderMap) -> Option<String> {
    let origin = identity::matrix_origin(headers.get(hyper::header::AUTHORIZATION)?.as_bytes())?;
    String::from_utf8(origin.to_vec()).ok()
}

fn room(path: &str) -> Option<&str> {
    let mut segments = path.split('/');
    segments.by_ref().find(|segment| identity::is_room_keyword(segment.as_bytes()))?;
    segments.next().filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str, authorization: Option<&str>, target: &str) -> String {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert("authorization", value.parse().unwrap());
        }
        let peer = "10.1.2.3".parse().unwrap();
        String::from_utf8(hash_key(&Key::parse(key).unwrap(), &headers, &target.parse().unwrap(), peer)).unwrap()
    }

    #[test]
    fn keys_are_those_that_real_proxies_hash() {
        let token = Some("Bearer syt_YWxpY2U_abc_def");
        assert_eq!(key("user", token, "/x"), "YWxpY2U");
        assert_eq!(key("user", None, "/x?a=b&access_token=syt_Ym9i_a_b"), "Ym9i");
        assert_eq!(key("user", Some("Bearer as_bridge"), "/x"), "Bearer as_bridge");
        assert_eq!(key("user", None, "/x"), "");
        assert_eq!(key("token", token, "/x"), "Bearer syt_YWxpY2U_abc_def");
        assert_eq!(key("address", token, "/x"), "10.1.2.3");
        assert_eq!(key("room", token, "/_matrix/client/v3/rooms/%21a%3Ab/state"), "%21a%3Ab");
        assert_eq!(key("uri", token, "/a?b=c"), "/a?b=c");
        assert_eq!(key("origin", Some("X-Matrix origin=\"far.example\",key=\"k\""), "/x"), "far.example");
        assert_eq!(key("header:authorization", token, "/x"), "Bearer syt_YWxpY2U_abc_def");
    }
}
