//! Rendezvous hashing (highest random weight): every server bids with a hash of itself and the key; the highest bid wins.
//!
//! Without a server, only that server's keys move to others.

use super::load::Load;

/// The free server with the highest bid above `lowest`; of equal bids the first.
pub(super) fn highest<B: PartialOrd>(load: &Load, lowest: B, bid: impl Fn(usize) -> B) -> Option<usize> {
    let mut best = None;
    let mut most = lowest;
    for (server, _) in load.free() {
        let bid = bid(server);
        if bid > most {
            (best, most) = (Some(server), bid);
        }
    }
    best
}
