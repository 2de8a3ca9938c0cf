//! An assignment while it is read from a recording, column by column.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use super::{
    assignment::Assignment,
    flow::FlowKey,
    port_range::{PortRange, RangeInForce, RangeSource},
    task_names::{MAX_IMAGE_BYTES, Names},
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
    /// Names of this row.
    names: Names,
    /// Last names, likewise.
    last_names: Arc<Names>,
    /// Column and length of each name that is too long.
    too_long: Vec<(&'static str, usize)>,
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
        let name = self.short("container", name, MAX_CONTAINER_BYTES);
        let shared = |name: &str| match &self.container {
            Some(known) if **known == *name => Arc::clone(known),
            _ => Arc::clone(self.container.insert(Arc::from(name))),
        };
        self.row.container = name.map(shared);
    }

    /// Sets one of the names of `column`, which lies in `place`.
    pub(super) fn set_name(
        &mut self,
        column: &'static str,
        name: Option<&str>,
        place: fn(&mut Names) -> &mut Option<Arc<str>>,
    ) {
        let name = self.short(column, name, max_bytes(column));
        let known = place(&mut self.names);
        if known.as_deref() != name {
            *known = name.map(Arc::from);
        }
    }

    /// Returns the value of a column unless it is too long, which makes the row a broken one.
    fn short<'n>(
        &mut self,
        column: &'static str,
        name: Option<&'n str>,
        max: usize,
    ) -> Option<&'n str> {
        self.too_long.retain(|(other, _)| *other != column);
        self.too_long.extend(name.filter(|name| name.len() > max).map(|name| (column, name.len())));
        name.filter(|name| name.len() <= max)
    }

    /// Returns the names of this row, shared with the row before where they are the same.
    fn names(&mut self) -> Option<Arc<Names>> {
        if self.names.is_empty() {
            return None;
        }
        if *self.last_names != self.names {
            self.last_names = Arc::new(self.names.clone());
        }
        Some(Arc::clone(&self.last_names))
    }

    /// Returns the assignment of this row, or the error in it.
    pub fn assignment(&mut self) -> Result<Assignment, String> {
        if self.row.sport.is_none() && self.row.errno == Some(0) {
            return Err("neither a port (`sport`) nor an error (`errno`)".to_owned());
        }
        if let Some((column, len)) = self.too_long.first() {
            let most = max_bytes(column);
            return Err(format!("`{column}` has {len} bytes, but at most {most} are allowed"));
        }
        let ts_ns = self.ts_ns.ok_or("no time (`ts_ns`)")?;
        let ports = self.low.zip(self.high).map(|(low, high)| PortRange::new(low, high));
        // The namespace set it unless the recording says otherwise.
        let source = self.range_source.unwrap_or(RangeSource::Netns);
        let range = ports.filter(|ports| !ports.is_empty());
        Ok(Assignment {
            ts_ns,
            names: self.names(),
            flow: known(self.row.flow),
            range: range.map(|ports| RangeInForce { ports, source }),
            ..self.row.clone()
        })
    }
}

/// Maximum length of a name of `column`, in bytes: that of a container also holds for the others.
fn max_bytes(column: &str) -> usize {
    if column == "image" { MAX_IMAGE_BYTES } else { MAX_CONTAINER_BYTES }
}

/// Replaces an unspecified address with port 0, or without a port, by no destination.
fn known(flow: FlowKey) -> FlowKey {
    let is_known = flow.dport.unwrap_or(0) != 0 || flow.daddr.is_some_and(|a| !a.is_unspecified());
    if is_known { flow } else { FlowKey { daddr: None, dport: None, ..flow } }
}
