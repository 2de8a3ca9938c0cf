//! Number of steps of each size, as bars.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
    widgets::{Bar, BarChart, Widget as _},
};

use crate::{
    analyse::{
        number::as_f64,
        picture::{BINS, NEAR, StepHistogram},
    },
    model::human_share::HumanShare,
};

/// Divisor of all steps: if more than this part is small, small steps are shown. Chance makes one
/// of 64 small, or fewer.
pub(super) const MANY: u64 = 4;

/// Maximum number of sizes at once: twice as many as Linux draws steps from.
const SIZES: usize = 16;

/// Number of bars over the width of the range.
const WIDE: usize = 8;

/// Bars from top to bottom.
pub(crate) struct Bars {
    bars: Vec<(String, u64)>,
    total: u64,
}

impl Bars {
    /// Returns bars for each size if many steps are small, else for bins; and a remark about them.
    pub(crate) fn of(steps: &StepHistogram) -> (Self, String) {
        if steps.near_total() * MANY > steps.total() { near(steps) } else { coarse(steps) }
    }

    /// Returns the number of lines that it takes.
    pub(crate) fn height(&self) -> u16 {
        u16::try_from(self.bars.len()).unwrap_or(u16::MAX)
    }

    pub(crate) fn render(&self, area: Rect, buffer: &mut Buffer) {
        let widest = self.bars.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let digits = self.total.to_string().len();
        let bars = self.bars.iter().map(|(label, count)| {
            let share = percent(*count, self.total);
            let label = format!("{label:>widest$} {count:>digits$} {share:>7}");
            Bar::new(*count).label(label).text_value("")
        });
        BarChart::horizontal(bars.collect::<Vec<_>>())
            .bar_width(1)
            .bar_gap(0)
            .bar_style(Style::new().fg(Color::Cyan))
            .render(area, buffer);
    }
}

/// Returns the most frequent sizes, smallest first; sizes too rare to be visible are only counted.
fn near(steps: &StepHistogram) -> (Bars, String) {
    /// Least share of the longest bar that is visible, as a divisor.
    const SEEN: u64 = 100;
    let total = steps.total();
    let mut sizes: Vec<_> = steps.near().filter(|&(_, count)| count > 0).collect();
    sizes.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let longest = sizes.first().map_or(0, |&(_, count)| count);
    sizes.retain(|&(_, count)| count * SEEN >= longest);
    sizes.truncate(SIZES);
    sizes.sort_by_key(|&(step, _)| step);
    let shown: u64 = sizes.iter().map(|&(_, count)| count).sum();
    let far = total - steps.near_total();
    let mut hint = format!("farther than {NEAR} ports: {far} ({})", percent(far, total));
    let other = steps.near_total() - shown;
    if other > 0 {
        hint += "; other sizes: ";
        hint += &percent(other, total);
    }
    let bars = sizes.into_iter().map(|(step, count)| (signed(step), count)).collect();
    (Bars { bars, total }, hint)
}

/// Returns all steps in [`WIDE`] bars over the width of the range.
fn coarse(steps: &StepHistogram) -> (Bars, String) {
    let total = steps.total();
    let bins: Vec<_> = steps.bins().collect();
    let (first, _) = bins[0];
    let ends = bins.iter().skip(BINS / WIDE).step_by(BINS / WIDE).map(|(lowest, _)| lowest - 1);
    let bars = bins.chunks(BINS / WIDE).zip(ends.chain([-first])).map(|(bins, highest)| {
        let count = bins.iter().map(|(_, count)| count).sum();
        (format!("{} to {}", signed(bins[0].0), signed(highest)), count)
    });
    let near = percent(steps.near_total(), total);
    let hint = format!("even bars: random; within {NEAR} ports: {near}");
    (Bars { bars: bars.collect(), total }, hint)
}

fn signed(step: i32) -> String {
    if step == 0 { "0".to_owned() } else { format!("{step:+}") }
}

/// Returns a share in percent.
fn percent(part: u64, whole: u64) -> String {
    HumanShare::of(as_f64(part), as_f64(whole)).to_string()
}
