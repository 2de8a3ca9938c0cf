//! How far a recording is put in order: within a window while it is read, or all of it.

use std::io;

use super::{
    order::{Order, WINDOW},
    whole_order::WholeOrder,
};
use crate::model::Assignment;

/// A recording of which rows are further from their place than this, in the first window, is taken
/// for one that is written at the end of connections, and put in order as a whole.
const FAR: usize = WINDOW / 16;

/// How far to sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Within a window: assignments are handed on while the recording is read.
    Window,
    /// Within a window, unless the first one shows that it does not reach.
    Automatic,
    /// All of the recording, before the first one is handed on.
    Whole,
}

/// Puts a recording in order.
pub struct Sorting {
    reach: Reach,
    sorter: Sorter,
}

enum Sorter {
    Window(Order),
    Whole(WholeOrder),
}

impl Sorting {
    /// Nothing read yet.
    pub fn new(reach: Reach) -> Self {
        let sorter = match reach {
            Reach::Window | Reach::Automatic => Sorter::Window(Order::default()),
            Reach::Whole => Sorter::Whole(WholeOrder::default()),
        };
        Self { reach, sorter }
    }

    /// Takes the next assignment of the recording in. All that [`Sorting::next_with`] offers has to
    /// be taken before.
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

    /// Once the first window is full: whether it reaches.
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

    /// Lets all that wait go, in order: nothing earlier is expected any more.
    pub fn release(&mut self) -> io::Result<()> {
        match &mut self.sorter {
            Sorter::Window(order) => {
                order.release();
                Ok(())
            }
            Sorter::Whole(whole) => whole.release(),
        }
    }

    /// Time of the assignment that [`Sorting::next_with`] would show, in nanoseconds since the Unix
    /// epoch.
    pub fn next_ns(&self) -> Option<u64> {
        match &self.sorter {
            Sorter::Window(order) => order.next_ns(),
            Sorter::Whole(whole) => whole.next_ns(),
        }
    }

    /// Shows the next assignment in order to `take`, once enough others were read to know it, and
    /// lets it go.
    pub fn next_with<R>(
        &mut self,
        take: impl FnOnce(&mut Assignment) -> R,
    ) -> io::Result<Option<R>> {
        match &mut self.sorter {
            Sorter::Window(order) => Ok(order.next_with(take)),
            Sorter::Whole(whole) => Ok(whole.pop()?.map(|mut next| take(&mut next))),
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        match &self.sorter {
            Sorter::Window(order) => order.is_empty(),
            Sorter::Whole(whole) => whole.is_empty(),
        }
    }

    /// Number of assignments that were handed on after a later one.
    pub fn disordered(&self) -> u64 {
        match &self.sorter {
            Sorter::Window(order) => order.disordered(),
            Sorter::Whole(whole) => whole.disordered(),
        }
    }
}
