//! Network namespaces that the remedies of a summary name.
//!
//! A live trace has no right to enter other namespaces any more when it ends. Of those it tells the
//! name; of its own, also the range, the reserved ports and the listeners.

use std::collections::BTreeSet;

use crate::{
    analyse::findings::{DestinationFacts, NetnsFacts},
    host::{
        netns,
        snapshot::{self, Which},
    },
    inventory::{PastOwners, facts},
};

/// Maximum number of namespaces: a summary names fewer in its remedies.
const MAX_NAMESPACES: usize = 16;

/// Returns the namespaces of the destinations that ran short of ports, as far as they are known
/// here.
pub(super) fn of(destinations: &[DestinationFacts]) -> Vec<NetnsFacts> {
    let short = destinations.iter().filter(|d| d.no_port > 0 || d.second_pass > 0);
    let short: BTreeSet<u32> = short.filter_map(|d| d.flow.netns).take(MAX_NAMESPACES).collect();
    let own_netns = netns::own().ok();
    let facts = |netns| {
        if Some(netns) == own_netns {
            return own();
        }
        netns::name_of(netns).map(|name| facts::of_name(netns, &name))
    };
    short.into_iter().filter_map(facts).collect()
}

fn own() -> Option<NetnsFacts> {
    let looked = snapshot::snapshot_without_holders(&Which::Own, 0, &PastOwners::default());
    let inventory =
        looked.inspect_err(|error| log::info!("this namespace is unknown: {error}")).ok()?;
    facts::of_inventory(&inventory).namespaces.pop()
}
