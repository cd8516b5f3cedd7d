//! Opens a TCP connection to one of a target's addresses (Happy Eyeballs version 2, RFC 8305).
//!
//! Addresses of the two families take turns. Each attempt has a head start of 250 ms before the next one begins beside it; the first connection
//! that opens wins. The address that won is tried first from then on, so that a family that does not work costs one run 250 ms, and not every
//! connection.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A target's addresses in the order in which they are tried.
#[derive(Debug)]
pub(super) struct Addresses {
    addresses: Vec<SocketAddr>,
    /// Index of the address that connected last.
    first: AtomicUsize,
}

impl Addresses {
    /// Keeps the resolver's order within each family, and its first address first.
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Self {
        let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
        let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
        let (mut first, mut second) = (first.into_iter(), second.into_iter());
        let mut ordered = Vec::new();
        loop {
            match (first.next(), second.next()) {
                (None, None) => break,
                (one, other) => ordered.extend(one.into_iter().chain(other)),
            }
        }
        Self { addresses: ordered, first: AtomicUsize::new(0) }
    }

    pub(super) fn all(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Connects to the first address that lets it.
    ///
    /// # Errors
    /// That of the last attempt, if all failed.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        if let [only] = self.addresses[..] {
            return TcpStream::connect(only).await;
        }
        let start = self.first.load(Ordering::Relaxed);
        let mut left = (0..self.addresses.len()).map(|step| (start + step) % self.addresses.len());
        let mut attempts = JoinSet::new();
        let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        loop {
            match left.next() {
                Some(index) => {
                    let address = self.addresses[index];
                    attempts.spawn(async move { (index, TcpStream::connect(address).await) });
                }
                None if attempts.is_empty() => return Err(last_error),
                None => {}
            }
            let joined = tokio::select! {
                joined = attempts.join_next() => joined,
                () = sleep(HEAD_START), if left.len() > 0 => continue,
            };
            match joined {
                Some(Ok((index, Ok(stream)))) => {
                    self.first.store(index, Ordering::Relaxed);
                    return Ok(stream);
                }
                Some(Ok((_, Err(error)))) => last_error = error,
                // A panic in an attempt is a defect; the other attempts go on.
                Some(Err(_)) | None => {}
            }
        }
    }
}

/// "Connection Attempt Delay" of RFC 8305, section 8.
const HEAD_START: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns() {
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"].map(address);
        let ordered = Addresses::new(given.to_vec());
        assert_eq!(ordered.all(), ["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"].map(address));
        assert!(Addresses::new(Vec::new()).all().is_empty());
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_passed_over_at_once_and_not_tried_first_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let addresses = Addresses::new(vec![closed, listener.local_addr().unwrap()]);
        let began = std::time::Instant::now();
        assert_eq!(addresses.connect().await.unwrap().peer_addr().unwrap(), listener.local_addr().unwrap());
        assert!(began.elapsed() < HEAD_START, "{:?}", began.elapsed());
        assert_eq!(addresses.first.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn an_address_that_never_answers_costs_its_head_start() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // A backlog that is full answers no further connection.
        let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        full.bind(&address("127.0.0.1:0").into()).unwrap();
        full.listen(0).unwrap();
        let silent = full.local_addr().unwrap().as_socket().unwrap();
        let mut held = Vec::new();
        while let Ok(stream) = std::net::TcpStream::connect_timeout(&silent, Duration::from_millis(100)) {
            held.push(stream);
        }
        let addresses = Addresses::new(vec![silent, listener.local_addr().unwrap()]);
        let stream = tokio::time::timeout(Duration::from_secs(5), addresses.connect()).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
    }

    #[tokio::test]
    async fn without_an_address_that_connects_the_reason_is_told() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = Addresses::new(vec![closed, closed]).connect().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
