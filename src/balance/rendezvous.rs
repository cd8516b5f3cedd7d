//! Rendezvous hashing (highest random weight): every server bids with a hash of itself and the key; the highest bid wins.
//!
//! When a server goes, only its own keys move.

use super::load::Load;

/// The free server with the highest bid, the first of equal ones.
pub(super) fn highest<B: PartialOrd>(load: &Load, nothing: B, bid: impl Fn(usize) -> B) -> Option<usize> {
    let mut best = None;
    let mut most = nothing;
    for (server, _) in load.free() {
        let bid = bid(server);
        if bid > most {
            (best, most) = (Some(server), bid);
        }
    }
    best
}
