//! Reads the totals that the kernel half keeps, without losing an addition.
//!
//! There are two pairs of maps. [`TotalsReader::switch`] directs programs to the other one;
//! [`GRACE`] later no program can be in the middle of an addition to the first one, and
//! [`TotalsReader::take`] reads and empties it.

use std::{io, time::Duration};

use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData, MapError, PerCpuArray, PerCpuValues},
};
use ephtrace_common::totals::{Totals, TotalsKey};
use zerocopy::{FromBytes as _, FromZeros as _};

use super::options;

/// Names of both maps of rows.
pub(super) const MAPS: [&str; 2] = ["TOTALS_A", "TOTALS_B"];

/// Maximum duration of an addition: programs don't sleep, but a preemptible kernel may suspend one.
pub const GRACE: Duration = Duration::from_millis(10);

/// Maximum number of rows of one map: 10 MiB of kernel memory for both.
const MAX_ROWS: usize = 8192;

/// Number of rows of each map while the trace only falls back to them: 2 MiB for both.
const FALLBACK_ROWS: usize = 1024;

const KEY: usize = size_of::<TotalsKey>();
const VALUE: usize = size_of::<Totals>();

type Rows = HashMap<MapData, [u8; KEY], [u8; VALUE]>;

/// Number of rows of each map.
pub(super) fn rows(totals: options::TotalsMode) -> u32 {
    let rows = match totals {
        options::TotalsMode::Off => 1,
        options::TotalsMode::Fallback => FALLBACK_ROWS,
        options::TotalsMode::Only(rows) => {
            rows.map_or(MAX_ROWS, |rows| (rows as usize).clamp(1, MAX_ROWS))
        }
        options::TotalsMode::Both => MAX_ROWS,
    };
    u32::try_from(rows).unwrap_or(1)
}

/// Totals since the previous call.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Totals by key.
    pub rows: Vec<(TotalsKey, Totals)>,
    /// Totals of assignments that found no room; `None` if all did.
    pub other: Option<Totals>,
}

/// The reading end of the totals.
pub struct TotalsReader {
    rows: [Rows; 2],
    other: PerCpuArray<MapData, [u8; VALUE]>,
    switch: Array<MapData, u32>,
    in_use: usize,
}

impl TotalsReader {
    /// Takes the maps out of a loaded object; `None` if they were taken before.
    pub(super) fn new(ebpf: &mut Ebpf) -> Option<Self> {
        let mut rows = |name| Rows::try_from(ebpf.take_map(name)?).ok();
        Some(Self {
            rows: [rows(MAPS[0])?, rows(MAPS[1])?],
            other: PerCpuArray::try_from(ebpf.take_map("TOTALS_OTHER")?).ok()?,
            switch: Array::try_from(ebpf.take_map("TOTALS_SWITCH")?).ok()?,
            in_use: 0,
        })
    }

    /// Directs programs to the other maps from now on. The previous ones can be taken after
    /// [`GRACE`].
    pub fn switch(&mut self) -> io::Result<()> {
        self.in_use = 1 - self.in_use;
        let index = u32::try_from(self.in_use).unwrap_or(0);
        self.switch.set(0, index, 0).map_err(io::Error::other)
    }

    /// Reads and empties the maps that are not in use.
    pub fn take(&mut self) -> io::Result<Taken> {
        let left = 1 - self.in_use;
        let Self { rows: [a, b], other, .. } = self;
        let map = if left == 0 { a } else { b };
        let rows = take_rows(map).map_err(io::Error::other)?;
        let index = u32::try_from(left).unwrap_or(0);
        let found_no_room = other.get(&index, 0).map_err(io::Error::other)?;
        let cpus = found_no_room.len();
        let zeroes = PerCpuValues::try_from(vec![[0; VALUE]; cpus])?;
        let other_row = sum(&found_no_room);
        if other_row.assignments > 0 {
            other.set(index, zeroes, 0).map_err(io::Error::other)?;
        }
        Ok(Taken { rows, other: (other_row.assignments > 0).then_some(other_row) })
    }
}

fn take_rows(map: &mut Rows) -> Result<Vec<(TotalsKey, Totals)>, MapError> {
    // No program writes to this map, so that keys can be collected before they are removed.
    let keys = map.keys().collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        let value = map.get(&key, 0)?;
        let totals = Totals::read_from_bytes(&value);
        map.remove(&key)?;
        if let (Ok(key), Ok(totals)) = (TotalsKey::read_from_bytes(&key), totals) {
            rows.push((key, totals));
        }
    }
    Ok(rows)
}

/// Sums the values of all CPUs.
fn sum(values: &PerCpuValues<[u8; VALUE]>) -> Totals {
    let mut total = Totals::new_zeroed();
    for value in values.iter().filter_map(|bytes| Totals::read_from_bytes(bytes).ok()) {
        total.merge(&value);
    }
    total
}
