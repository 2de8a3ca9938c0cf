//! Presentation of events: the columns, with plots or without.

use super::screen::Plot;

/// Presentation of events.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Text: column TIME(s), seconds since the start.
    pub since_start: bool,
    /// Text: column TIME, wall clock.
    pub wall_clock: bool,
    /// Text: column UID.
    pub uid: bool,
    /// Text: room for long addresses from the start.
    pub wide: bool,
    /// Text: each line followed by a sentence that explains it.
    pub explain: bool,
    /// CSV: unchanged text.
    pub raw: bool,
    /// Condition for plots with the summary.
    pub plot: Plot,
    /// True for no summary on the notices.
    pub quiet: bool,
}

impl Default for View {
    fn default() -> Self {
        Self {
            since_start: true,
            wall_clock: false,
            uid: false,
            wide: false,
            explain: false,
            raw: false,
            plot: Plot::Auto,
            quiet: false,
        }
    }
}
