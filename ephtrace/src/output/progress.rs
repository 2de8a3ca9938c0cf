//! How far the reading of a recording has come, in a line on standard error: if that is a terminal,
//! and once it takes over a second.
//!
//! Drawn by the thread that takes the rows, so that no other one is there for it, and nothing is
//! drawn that the sandbox of readers would have to allow. The line goes before anything else is
//! written to standard error.

use std::{
    env,
    io::{self, IsTerminal as _},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is over sooner needs no line.
const LATEST: Duration = Duration::from_secs(1);

/// The line is drawn this often, and the rate is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Of a file: bytes tell how much is left.
const OF_A_FILE: &str =
    "{msg} [{wide_bar}] {percent:>3} %  {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";

/// Of standard input, whose size nobody knows.
const OF_A_STREAM: &str = "{msg} {human_pos} rows, {per_sec}";

/// Whether the user wants none (`-q`).
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Says whether to show none, from now on.
pub fn set_quiet(is_quiet: bool) {
    IS_QUIET.store(is_quiet, Ordering::Relaxed);
}

/// A line that tells how far it is.
#[derive(Debug, Default)]
pub(crate) struct Progress(Option<Line>);

#[derive(Debug)]
struct Line {
    bar: ProgressBar,
    is_of_a_file: bool,
    is_shown: bool,
    started: Instant,
    looked: Instant,
}

impl Progress {
    /// Nothing read yet of so many bytes, if that is known. There is none where nobody would see
    /// it.
    pub(crate) fn new(size: Option<u64>) -> Self {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        if IS_QUIET.load(Ordering::Relaxed) || is_dumb || !io::stderr().is_terminal() {
            return Self::default();
        }
        let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::hidden());
        let template = if size.is_some() { OF_A_FILE } else { OF_A_STREAM };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message("reading");
        let (is_of_a_file, is_shown, now) = (size.is_some(), false, Instant::now());
        Self(Some(Line { bar, is_of_a_file, is_shown, started: now, looked: now }))
    }

    /// So many bytes and rows were read; draws if it is time.
    pub(crate) fn tick(&mut self, bytes: u64, rows: u64) {
        let Some(line) = &mut self.0 else { return };
        if line.looked.elapsed() < EVERY {
            return;
        }
        line.looked = Instant::now();
        if !line.is_shown && line.started.elapsed() >= LATEST {
            line.bar.set_draw_target(ProgressDrawTarget::stderr());
            line.is_shown = true;
        }
        // What was looked at twice, such as the end of a file, is not read beyond its size.
        let most = line.bar.length().unwrap_or(u64::MAX);
        line.bar.set_position(if line.is_of_a_file { bytes.min(most) } else { rows });
    }

    /// Takes the line away, until the next one is drawn.
    pub(crate) fn clear(&mut self) {
        if let Some(line) = self.0.as_ref().filter(|line| line.is_shown) {
            line.bar.suspend(|| ());
        }
    }

    /// Takes the line away for good.
    pub(crate) fn finish(&mut self) {
        if let Some(line) = self.0.take() {
            line.bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
