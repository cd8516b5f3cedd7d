//! What a replay needs of the Matrix API: what to create on a test homeserver, and what each logged request becomes there.
//!
//! Owns identifiers, bodies, chains of tokens, the manifest of what was created. Knows nothing of pacing: it is asked for a request when one
//! is due, and told what came back. Invariant: nothing from a log reaches a target but shapes and sizes; identifiers, tokens
//! and texts are the target's own or made up here.

mod skip;

pub use skip::Skip;
