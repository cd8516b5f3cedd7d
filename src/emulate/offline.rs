//! The emulated homeserver without sockets, costs and waiting: a request in, a response out. For tests of what reads requests.

use bytes::Bytes;
use hyper::{HeaderMap, Method, Uri};

use super::api::{self, ApiRequest};
use super::homeserver::Homeserver;
use super::key;

/// A homeserver that is called instead of connected to.
#[derive(Debug)]
pub struct OfflineHomeserver {
    homeserver: Homeserver,
}

impl OfflineHomeserver {
    /// A homeserver without users, on which nobody can register.
    pub fn new(server_name: &str) -> Self {
        Self { homeserver: Homeserver::new(server_name, 1) }
    }

    /// Creates an account; the access token, or `None` if the name is taken.
    pub fn add_user(&mut self, name: &str) -> Option<String> {
        let user = self.homeserver.register(name, "password", true)?;
        let account = self.homeserver.log_in(user, None);
        account.get("access_token")?.as_str().map(str::to_owned)
    }

    /// Status and body of the response to a request.
    pub fn respond(&mut self, method: Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> (u16, Bytes) {
        let request = ApiRequest::read(method, uri, key::token(headers, uri), body);
        let _ = api::long_poll_wait(&self.homeserver, &request);
        let response = api::respond(&mut self.homeserver, &request, "", 1);
        self.homeserver.take_woken();
        (response.status, response.body)
    }
}
