//! One worker name or a list of them, as plan files write it.

use serde::{Deserialize, Serialize};

/// One worker name or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a worker's name in quotes or a list of names")]
pub enum Writers {
    One(String),
    /// Synapse shards the work among them.
    Several(Vec<String>),
}

impl Writers {
    /// The workers in configured order, on which Synapse's sharding depends.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}
