//! Remarks of a test, for whoever reads why it failed; with `--nocapture` for everybody.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// What was said since a test began.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

static AT_ONCE: AtomicBool = AtomicBool::new(false);

/// From now on, shows remarks as they come.
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

/// A line on standard output, whatever becomes of the test.
#[expect(clippy::print_stdout, reason = "the output of a test run")]
pub(crate) fn print(text: &str) {
    println!("{text}");
}

/// Takes what was said so far.
pub(crate) fn take() -> Vec<String> {
    std::mem::take(&mut NOTES.lock().unwrap_or_else(PoisonError::into_inner))
}
