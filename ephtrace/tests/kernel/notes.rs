//! Remarks of a test for the reader of its failure; with `--nocapture`, they are always shown.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Remarks since the test began.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

static AT_ONCE: AtomicBool = AtomicBool::new(false);

/// Shows remarks at once from now on.
pub(crate) fn show_at_once() {
    AT_ONCE.store(true, Ordering::Relaxed);
}

/// Notes a line.
pub(crate) fn say(text: &str) {
    if AT_ONCE.load(Ordering::Relaxed) {
        print(text);
    }
    NOTES.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
}

/// Prints a line on standard output, whether the test fails or not.
#[expect(clippy::print_stdout, reason = "the output of a test run")]
pub(crate) fn print(text: &str) {
    println!("{text}");
}

/// Takes the remarks made so far.
pub(crate) fn take() -> Vec<String> {
    std::mem::take(&mut NOTES.lock().unwrap_or_else(PoisonError::into_inner))
}
