//! Calls of polars that may panic on a damaged file.
//!
//! Its decoders check most of what a file says, but not everything: some damaged pages index out of range. Nothing of polars outlives a call
//! that panicked, so no broken state is left.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use polars_error::{PolarsResult, polars_err};

thread_local! {
    /// Whether a panic of this thread is an error of a file, not of the program.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// The result of a call, or an error if it panics. The panic's message is not printed.
pub(super) fn caught<T>(call: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !CATCHING.get() {
                before(info);
            }
        }));
    });
    let before = CATCHING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    CATCHING.set(before);
    result.unwrap_or_else(|_| Err(polars_err!(ComputeError: "a column cannot be decoded, so the file is damaged")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_call_works() {
        let none: Vec<u8> = Vec::new();
        let index = none.len();
        let error = caught(|| Ok(none[index])).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
        assert_eq!(caught(|| Ok(7)).unwrap(), 7);
    }
}
