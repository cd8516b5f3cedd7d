//! Synapse's own sharding: event persisters by room, federation senders by destination, pushers by user.
//!
//! `synapse/config/_base.py`, `ShardedWorkerHandlingConfig`. Proxies have no influence on it.

use sha2::{Digest, Sha256};

use super::choice::PickContext;
use super::load::Load;
use super::rule::{Choose, Decision};

/// The instance of a key: SHA-256 of its bytes as a little-endian number, modulo the number of instances; 0 where that is 0 or 1.
pub fn shard(key: &[u8], instances: usize) -> usize {
    if instances < 2 {
        return 0;
    }
    let digest = Sha256::digest(key);
    let modulo = instances as u128;
    let remainder = digest.iter().rev().fold(0, |remainder: u128, byte| (remainder * 256 + u128::from(*byte)) % modulo);
    usize::try_from(remainder).unwrap_or(0)
}

/// The rule has no state. Requests without a key count as the empty text.
#[derive(Debug, Clone)]
pub(super) struct State;

impl Choose for State {
    fn choose(&mut self, load: &Load, context: &mut PickContext<'_>) -> Decision {
        let server = shard(context.key.unwrap_or_default(), load.len());
        if server < load.len() { Decision::Server(server) } else { Decision::Unavailable }
    }

    fn server_of_key(&self, load: &Load, key: &[u8]) -> Option<usize> {
        (load.len() > 0).then(|| shard(key, load.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_a_little_endian_number() {
        // SHA-256 of "abc" begins ba 78 16 bf and ends f2 00 15 ad: modulo 256 it is its first byte, modulo 65536 its first two.
        assert_eq!(shard(b"abc", 256), 0xBA);
        assert_eq!(shard(b"abc", 65_536), 0x78BA);
        assert_eq!(shard(b"abc", 2), 0);
        assert_eq!(shard(b"abc", 1), 0);
        assert_eq!(shard(b"abc", 0), 0);
    }
}
