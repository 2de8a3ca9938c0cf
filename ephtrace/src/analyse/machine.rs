//! The network namespaces of a machine judged as one: they share a kernel, and thus its rule.
//!
//! A container often makes a handful of connects, too few for a verdict of its own; a dozen such
//! containers together are enough. The judge knows the namespace of each port, since a counter may
//! belong to one namespace or to the whole machine.

use super::{
    pattern::{KernelRules, Observation, WHOLE},
    ranges::{MAX_WAITING, Ranges, Said},
};

/// The assignments in all namespaces of one machine, in order.
#[derive(Default)]
pub(super) struct Machine {
    /// Namespace that was seen first.
    first: Option<u32>,
    /// Assignments of the first namespace while it is the only one; its own judge has them, too. A
    /// busy namespace is judged well by itself, so that its earlier assignments are left out here.
    alone: Vec<Observation>,
    /// All assignments from the second namespace on.
    together: Option<Ranges<WHOLE>>,
}

impl Machine {
    /// Adds an assignment in namespace `netns`.
    pub(super) fn observe(&mut self, event: &Observation, netns: u32) {
        if let Some(together) = &mut self.together {
            together.observe(event, true);
        } else if *self.first.get_or_insert(netns) != netns {
            let mut together = Ranges::default();
            for event in std::mem::take(&mut self.alone).iter().chain([event]) {
                together.observe(event, true);
            }
            self.together = Some(together);
        } else if self.alone.len() < MAX_WAITING {
            self.alone.push(*event);
        } else {
            self.alone.clear();
        }
    }

    /// Returns the verdict on all namespaces, for a kernel that is known to have these `rules`;
    /// `None` for a single namespace.
    pub(super) fn said(&self, rules: KernelRules) -> Option<Said> {
        self.together.as_ref().map(|together| together.said(rules))
    }
}
