//! Notices for people beside the events: losses, and the summary.

use std::io::{self, Write};

use super::{
    paper::Paper,
    screen::{Plot, Screen},
    summary::{again::repeat_worst, words},
};
use crate::{analyse::summary::Summary, model::losses::Losses};

/// Lines for people, on standard error. An error there has no effect.
pub struct Notices {
    out: Box<dyn Write>,
    quiet: bool,
    plot: Plot,
    is_wide: bool,
    told: Losses,
}

/// One stage that lost events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Name of the stage.
    pub(crate) stage: &'static str,
    /// Lost since the last notice.
    pub(crate) lost: u64,
    /// Lost since the start.
    pub(crate) total: u64,
}

impl Notices {
    /// Creates notices on `out`, without a summary if `quiet`.
    pub fn new(out: impl Write + 'static, quiet: bool) -> Self {
        Self {
            out: Box::new(out),
            quiet,
            plot: Plot::Never,
            is_wide: false,
            told: Losses::default(),
        }
    }

    /// Adds plots of the size of standard error.
    #[must_use]
    pub fn with_plots(self, plot: Plot) -> Self {
        Self { plot, ..self }
    }

    /// Keeps lines whole, however narrow the terminal is.
    #[must_use]
    pub fn wide(self, is_wide: bool) -> Self {
        Self { is_wide, ..self }
    }

    /// Returns true if the summary is left out.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Reports the losses since the last call, and returns them.
    pub(crate) fn losses(&mut self, losses: &Losses) -> Vec<Loss> {
        let before = self.told.stages();
        self.told = *losses;
        let grown: Vec<Loss> = losses
            .stages()
            .into_iter()
            .zip(before)
            .map(|((stage, total), (_, told))| {
                let lost = total.saturating_sub(told);
                Loss { stage, lost, total }
            })
            .filter(|loss| loss.lost > 0)
            .collect();
        for Loss { stage, lost, total } in &grown {
            let more = match *stage {
                "ring_full" => "; they are only counted in the summary, by process and destination",
                _ => "",
            };
            let _ =
                writeln!(self.out, "ephtrace: lost {lost} events ({stage}, {total} so far){more}");
        }
        grown
    }

    /// Writes a line about the output itself, unless `quiet`.
    pub(crate) fn tell(&mut self, line: &str) {
        if !self.quiet {
            let _ = writeln!(self.out, "ephtrace: {line}");
        }
    }

    /// Writes the summary in words.
    pub(crate) fn summary(&mut self, summary: &Summary) {
        if !self.quiet {
            let mut text = Vec::new();
            if let Some(screen) = Screen::of(&io::stderr(), self.plot) {
                let _ = words::plots(&mut text, summary, screen);
            }
            let paper = Paper::of(&io::stderr(), self.is_wide);
            let _ = words::write(&mut text, summary, paper);
            let _ = repeat_worst(&mut text, &summary.findings, paper);
            let _ = self.out.write_all(&paper.fit(&text));
            let _ = self.out.flush();
        }
    }
}
