//! Memory that a footer would take, computed before the library reads it.

use std::{io::Read as _, mem::size_of};

use parquet::{
    file::{
        metadata::{ColumnChunkMetaData, KeyValue, RowGroupMetaData},
        reader::{ChunkReader as _, Length as _},
    },
    schema::types::{ColumnDescriptor, Type},
};

use super::{
    source::Source,
    thrift::{Input, Kind, Value},
};

/// Maximum depth of nested groups. The library follows them by recursion, and gives each column the
/// names of all groups that it is in.
const MAX_DEPTH: usize = 64;

/// Overhead of the allocator for each piece, and of growth by doubling, in bytes.
const PIECE_BYTES: u64 = 64;

/// Bytes behind the footer: its length, and the magic bytes.
const END_BYTES: u64 = 8;

/// Reason why a footer can't be read, in words.
#[derive(Debug)]
pub(super) enum Unusable {
    Damaged(String),
    /// The footer exceeds the memory limit.
    TooLarge(String),
}

/// Returns the bytes that the footer takes once the library has read it, or why it must not. Data
/// that is no footer costs nothing: the library reports it.
pub(super) fn cost(source: &Source) -> Result<u64, Unusable> {
    let Some((start, len)) = place(source) else { return Ok(0) };
    let read = source.get_read(start).map_err(|error| Unusable::Damaged(error.to_string()))?;
    let mut cost = Cost { bytes: len, ..Cost::default() };
    let mut input = Input::new(read.take(len));
    match input.structure(Kind::File, &mut |kind, field, value| cost.see(kind, field, value)) {
        Ok(()) => Ok(cost.bytes),
        Err(reason) if cost.is_too_deep => Err(Unusable::TooLarge(reason)),
        Err(reason) => Err(Unusable::Damaged(reason)),
    }
}

/// Returns the position and the length of the footer.
fn place(source: &Source) -> Option<(u64, u64)> {
    let end = source.len().checked_sub(END_BYTES)?;
    let mut len = [0; 4];
    source.get_read(end).ok()?.read_exact(&mut len).ok()?;
    let len = u32::from_le_bytes(len).into();
    Some((end.checked_sub(len)?, len))
}

/// Cost of a footer so far.
#[derive(Default)]
struct Cost {
    bytes: u64,
    /// Number of elements of the schema that are still to come.
    elements: u64,
    /// Length of the current element's name, and the number of its children.
    name_bytes: u64,
    children: i64,
    /// Groups around the next element: number of their elements still to come, and length of their
    /// name.
    groups: Vec<(u64, u64)>,
    is_too_deep: bool,
}

impl Cost {
    /// Adds `count` items of that size, each in an allocation of its own.
    fn add(&mut self, count: u64, size: usize) {
        let each = (size as u64).saturating_mul(2).saturating_add(PIECE_BYTES);
        self.bytes = self.bytes.saturating_add(count.saturating_mul(each));
    }

    /// Ends an element of the schema.
    fn element(&mut self) -> Result<(), String> {
        self.elements = self.elements.saturating_sub(1);
        self.add(1, size_of::<Type>());
        while self.groups.pop_if(|(left, _)| *left == 0).is_some() {}
        if let Some((left, _)) = self.groups.last_mut() {
            *left -= 1;
        }
        let children = u64::try_from(self.children).map_err(|_| "it is damaged")?;
        if children > self.elements {
            return Err("its schema claims more columns than it has".to_owned());
        }
        if children > 0 {
            if self.groups.len() >= MAX_DEPTH {
                self.is_too_deep = true;
                return Err(format!("nests groups more than {MAX_DEPTH} deep"));
            }
            self.groups.push((children, self.name_bytes));
        } else {
            let names: u64 = self.groups.iter().map(|(_, bytes)| bytes).sum();
            self.add(1, size_of::<ColumnDescriptor>());
            self.add(self.groups.len() as u64 + 1, size_of::<String>());
            self.bytes = self.bytes.saturating_add(names + self.name_bytes);
        }
        (self.name_bytes, self.children) = (0, 0);
        Ok(())
    }

    fn see(&mut self, kind: Kind, field: i16, value: Value) -> Result<(), String> {
        match (kind, field, value) {
            (Kind::File, 2, Value::List(count)) => {
                self.elements = count;
                self.groups.clear();
            }
            (Kind::SchemaElement, 4, Value::Bytes(len)) => self.name_bytes = len,
            (Kind::SchemaElement, 5, Value::Int(children)) => self.children = children,
            (Kind::SchemaElement, _, Value::End) => self.element()?,
            (Kind::File, 4, Value::List(count)) => self.add(count, size_of::<RowGroupMetaData>()),
            // One allocation, without statistics.
            (Kind::RowGroup, 1, Value::List(count)) => {
                self.bytes = self
                    .bytes
                    .saturating_add(count.saturating_mul(size_of::<ColumnChunkMetaData>() as u64));
            }
            (Kind::File, 5, Value::List(count)) => self.add(count, size_of::<KeyValue>()),
            // Some numbers each. For encodings, the library keeps one bit for each possible one.
            (_, _, Value::List(count)) if (kind, field) != (Kind::ColumnMetaData, 2) => {
                self.add(count, size_of::<u64>());
            }
            (_, _, Value::Bytes(len)) => self.bytes = self.bytes.saturating_add(len),
            _ => {}
        }
        Ok(())
    }
}
