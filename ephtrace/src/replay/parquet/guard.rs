//! Calls into the parquet crate on untrusted files: a panic there is an error here.
//!
//! The crate checks most of what it reads, but not all of it; a recording must not end the program.

use std::{
    cell::Cell,
    fmt::Display,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    /// True while a panic on this thread is expected and needs no message.
    static IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Returns the result of `call`, or the reason of its failure.
pub(super) fn guarded<T, E: Display>(call: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_EXPECTED.get() {
                usual(info);
            }
        }));
    });
    IS_EXPECTED.set(true);
    // Borrowed state is not used again after a failure: the row group is given up.
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    IS_EXPECTED.set(false);
    match result {
        Ok(result) => result.map_err(|error| in_words(&error.to_string())),
        Err(_) => Err("it is damaged in a way that the Parquet library does not handle".to_owned()),
    }
}

/// Shortens the library's message to one line, without its name for the kind of error.
fn in_words(text: &str) -> String {
    let reason = match text.split_once(": ") {
        Some(("Parquet error" | "EOF" | "External" | "NYI", reason)) => reason,
        _ => text,
    };
    reason.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_call_works() {
        let failed = guarded(|| -> Result<(), String> { panic!("as expected") });
        assert!(failed.unwrap_err().contains("damaged"));
        assert_eq!(guarded(|| Ok::<_, String>(7)), Ok(7));
        assert_eq!(guarded(|| Err::<(), _>("EOF: too short")), Err("too short".to_owned()));
    }
}
