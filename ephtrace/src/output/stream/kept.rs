//! Columns that mostly repeat the values of the previous line: process, destination, range. Their
//! text is kept, and copied as a whole.
//!
//! They are 26 of the 37 columns. A line that repeats all of them takes a third of the
//! instructions.

use std::{ops::RangeInclusive, sync::Arc};

use crate::model::{
    Assignment,
    columns::{self, COLUMNS},
};

/// Adjacent columns, with their text in the previous line.
pub(super) struct Kept {
    columns: RangeInclusive<&'static str>,
    /// Returns true if two assignments have the same values in these columns.
    is_same: fn(&Assignment, &Assignment) -> bool,
    last: Assignment,
    text: Vec<u8>,
}

impl Kept {
    /// Returns the runs of columns, in their order; nothing is kept yet.
    pub(super) fn all() -> [Self; 4] {
        [
            Self::new(columns::PID.name..=columns::SADDR.name, is_same_asker),
            Self::new(columns::DADDR.name..=columns::ERROR.name, is_same_destination),
            Self::new(columns::RANGE_LOW.name..=columns::SALT_EPOCH.name, is_same_range),
            Self::new(columns::HOOK.name..=columns::HOST_PID.name, is_same_hook),
        ]
    }

    fn new(
        columns: RangeInclusive<&'static str>,
        is_same: fn(&Assignment, &Assignment) -> bool,
    ) -> Self {
        Self { columns, is_same, last: Assignment::default(), text: Vec::new() }
    }

    /// Returns the indices of its columns among all.
    pub(super) fn indices(&self) -> RangeInclusive<usize> {
        // A name that is no column makes an empty run, which the test would notice.
        let index = |name: &str| COLUMNS.iter().position(|column| column.name == name).unwrap_or(0);
        index(self.columns.start())..=index(self.columns.end())
    }

    /// Returns the text for `assignment`; `write` appends it if it differs from that of the
    /// previous line.
    pub(super) fn text(
        &mut self,
        assignment: &Assignment,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> &[u8] {
        if self.text.is_empty() || !(self.is_same)(assignment, &self.last) {
            self.text.clear();
            write(&mut self.text);
            self.last.clone_from(assignment);
        }
        &self.text
    }
}

fn is_same_asker(a: &Assignment, b: &Assignment) -> bool {
    (a.tid, a.pid, a.comm, a.uid) == (b.tid, b.pid, b.comm, b.uid)
        && (a.flow.netns, a.cgroup_id) == (b.flow.netns, b.cgroup_id)
        && is_same_text(a.container.as_ref(), b.container.as_ref())
        && is_same_text(a.names.as_ref(), b.names.as_ref())
        && a.flow.family() == b.flow.family()
        && (a.protocol, a.origin) == (b.protocol, b.origin)
        && a.flow.saddr == b.flow.saddr
}

/// Compares by place first: neighbours share what they have in common.
fn is_same_text<T: PartialEq + ?Sized>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
        (None, None) => true,
        _ => false,
    }
}

fn is_same_destination(a: &Assignment, b: &Assignment) -> bool {
    (a.flow.daddr, a.flow.dport, a.errno) == (b.flow.daddr, b.flow.dport, b.errno)
}

fn is_same_range(a: &Assignment, b: &Assignment) -> bool {
    (a.range, a.salt_epoch) == (b.range, b.salt_epoch)
}

fn is_same_hook(a: &Assignment, b: &Assignment) -> bool {
    (a.hook, a.host_pid) == (b.hook, b.host_pid)
}
