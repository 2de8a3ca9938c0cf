//! Extent of sorting a recording: within a window while it is read, or all of it.

use std::io;

use super::{
    order::{Order, WINDOW},
    whole_order::WholeOrder,
};
use crate::model::Assignment;

/// Distance of rows from their place, in the first window, beyond which a recording counts as
/// written at the end of connections, and is sorted as a whole.
const FAR: usize = WINDOW / 16;

/// Extent of sorting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Within a window: assignments are passed on while the recording is read.
    Window,
    /// Within a window, unless the first one proves too small.
    Automatic,
    /// All of the recording, before the first assignment is passed on.
    Whole,
}

/// Sorts a recording.
pub struct Sorting {
    reach: Reach,
    sorter: Sorter,
}

enum Sorter {
    Window(Order),
    Whole(WholeOrder),
}

impl Sorting {
    /// Creates an empty sorter.
    pub fn new(reach: Reach) -> Self {
        let sorter = match reach {
            Reach::Window | Reach::Automatic => Sorter::Window(Order::default()),
            Reach::Whole => Sorter::Whole(WholeOrder::default()),
        };
        Self { reach, sorter }
    }

    /// Adds the next assignment of the recording. Everything that [`Sorting::next_with`] offers has
    /// to be taken before.
    pub fn push(&mut self, assignment: Assignment) -> io::Result<()> {
        match &mut self.sorter {
            Sorter::Window(order) => {
                if self.reach == Reach::Automatic && order.is_about_to_release() {
                    return self.decide(assignment);
                }
                order.push(assignment);
                Ok(())
            }
            Sorter::Whole(whole) => whole.push(assignment),
        }
    }

    /// Decides, once the first window is full, whether it is large enough.
    fn decide(&mut self, assignment: Assignment) -> io::Result<()> {
        self.reach = Reach::Window;
        if let Sorter::Window(order) = &mut self.sorter
            && order.farthest() > FAR
        {
            let mut whole = WholeOrder::default();
            order.take_all().into_iter().try_for_each(|one| whole.push(one))?;
            self.sorter = Sorter::Whole(whole);
        }
        self.push(assignment)
    }

    /// Releases all waiting assignments, in order: nothing earlier is expected any more.
    pub fn release(&mut self) -> io::Result<()> {
        match &mut self.sorter {
            Sorter::Window(order) => {
                order.release();
                Ok(())
            }
            Sorter::Whole(whole) => whole.release(),
        }
    }

    /// Returns the time of the assignment that [`Sorting::next_with`] would pass, in nanoseconds
    /// since the Unix epoch.
    pub fn next_ns(&self) -> Option<u64> {
        match &self.sorter {
            Sorter::Window(order) => order.next_ns(),
            Sorter::Whole(whole) => whole.next_ns(),
        }
    }

    /// Passes the next assignment in order to `take`, once enough others were read to know it, and
    /// removes it.
    pub fn next_with<R>(
        &mut self,
        take: impl FnOnce(&mut Assignment) -> R,
    ) -> io::Result<Option<R>> {
        match &mut self.sorter {
            Sorter::Window(order) => Ok(order.next_with(take)),
            Sorter::Whole(whole) => Ok(whole.pop()?.map(|mut next| take(&mut next))),
        }
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        match &self.sorter {
            Sorter::Window(order) => order.is_empty(),
            Sorter::Whole(whole) => whole.is_empty(),
        }
    }

    /// Number of assignments passed on after a later one.
    pub fn disordered(&self) -> u64 {
        match &self.sorter {
            Sorter::Window(order) => order.disordered(),
            Sorter::Whole(whole) => whole.disordered(),
        }
    }
}
