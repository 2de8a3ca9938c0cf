//! An assignment while it is read from a recording, column by column.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use super::{
    assignment::Assignment,
    flow::FlowKey,
    port_range::{PortRange, RangeInForce, RangeSource},
};

/// Maximum length of a container's name, in bytes: Kubernetes allows 253, and Docker's ids have 64.
/// Tens of thousands of rows wait to be sorted, at worst each with a name of its own.
const MAX_CONTAINER_BYTES: usize = 256;

/// The columns of a row, set in any order.
///
/// A column that is not set keeps its value from the previous row: a reader need not set again what
/// neighbours share, and sets missing columns to `None`.
#[derive(Debug, Default)]
pub struct Draft {
    /// Fields that need only their own column.
    pub(super) row: Assignment,
    pub(super) ts_ns: Option<u64>,
    pub(super) low: Option<u16>,
    pub(super) high: Option<u16>,
    pub(super) range_source: Option<RangeSource>,
    /// Last container, which neighbours often share.
    container: Option<Arc<str>>,
    /// Length of a container's name that is too long.
    too_long: Option<usize>,
}

impl Draft {
    /// Sets both ends of the range in force, for a recording that has them in one value.
    pub fn set_range(&mut self, low: Option<u16>, high: Option<u16>) {
        (self.low, self.high) = (low, high);
    }

    pub(super) fn set_source(&mut self, saddr: Option<IpAddr>) {
        self.row.flow.saddr = saddr.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    }

    pub(super) fn set_container(&mut self, name: Option<&str>) {
        self.too_long = name.map(str::len).filter(|&len| len > MAX_CONTAINER_BYTES);
        let name = name.filter(|_| self.too_long.is_none());
        let shared = |name: &str| match &self.container {
            Some(known) if **known == *name => Arc::clone(known),
            _ => Arc::clone(self.container.insert(Arc::from(name))),
        };
        self.row.container = name.map(shared);
    }

    /// Returns the assignment of this row, or the error in it.
    pub fn assignment(&self) -> Result<Assignment, String> {
        if self.row.sport.is_none() && self.row.errno == Some(0) {
            return Err("neither a port (`sport`) nor an error (`errno`)".to_owned());
        }
        if let Some(len) = self.too_long {
            let most = MAX_CONTAINER_BYTES;
            return Err(format!("`container` has {len} bytes, but at most {most} are allowed"));
        }
        let ts_ns = self.ts_ns.ok_or("no time (`ts_ns`)")?;
        let ports = self.low.zip(self.high).map(|(low, high)| PortRange::new(low, high));
        // The namespace set it unless the recording says otherwise.
        let source = self.range_source.unwrap_or(RangeSource::Netns);
        let range = ports.filter(|ports| !ports.is_empty());
        Ok(Assignment {
            ts_ns,
            flow: known(self.row.flow),
            range: range.map(|ports| RangeInForce { ports, source }),
            ..self.row.clone()
        })
    }
}

/// Replaces an unspecified address with port 0, or without a port, by no destination.
fn known(flow: FlowKey) -> FlowKey {
    let is_known = flow.dport.unwrap_or(0) != 0 || flow.daddr.is_some_and(|a| !a.is_unspecified());
    if is_known { flow } else { FlowKey { daddr: None, dport: None, ..flow } }
}
