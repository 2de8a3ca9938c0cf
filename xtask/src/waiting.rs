//! A line on stderr while another program works in silence: what it is and for how long, once that
//! takes over a second, and if stderr is a terminal.

use std::{
    io::{self, IsTerminal as _},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// What is over sooner needs no line.
const LATEST: Duration = Duration::from_secs(1);

/// The time that is shown grows this often.
const EVERY: Duration = Duration::from_millis(250);

/// Such a line; it goes when this is dropped.
pub(crate) struct Waiting {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Waiting {
    /// Waits for `what`.
    pub(crate) fn begin(what: String) -> Self {
        if !io::stderr().is_terminal() {
            return Self { over: None, thread: None };
        }
        let (over, is_over) = mpsc::channel();
        let thread = thread::spawn(move || {
            if is_over.recv_timeout(LATEST) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::new_spinner().with_elapsed(LATEST).with_message(what);
            if let Ok(style) = ProgressStyle::with_template("xtask: {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            while is_over.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                bar.tick();
            }
            bar.finish_and_clear();
        });
        Self { over: Some(over), thread: Some(thread) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.over.take());
        // It has nothing to say but that it is over.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
