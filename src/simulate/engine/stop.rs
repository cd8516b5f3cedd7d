//! A flag that ends a simulation early, set by another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The flag; by default one that is never set.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Option<Arc<AtomicBool>>);

/// For simulations that always run to their end.
pub static NEVER_STOPPED: StopFlag = StopFlag(None);

impl StopFlag {
    pub fn is_set(&self) -> bool {
        self.0.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

impl From<Arc<AtomicBool>> for StopFlag {
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(Some(flag))
    }
}

impl PartialEq for StopFlag {
    /// Whether both are the same flag.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }
}
