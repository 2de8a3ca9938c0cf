//! Thrift's compact protocol, as far as needed to check the claims of a footer or a page header
//! before the library trusts them.
//!
//! The library takes a field by its number and ignores its type. Here both must match the format,
//! so that no file means one thing here and another there.

use std::io::{self, Read};

/// Structures of a Parquet file; unlisted ones are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    SchemaElement,
    LogicalType,
    Decimal,
    TimeUnit,
    Time,
    Integer,
    Variant,
    Geometry,
    RowGroup,
    ColumnChunk,
    ColumnMetaData,
    EncodingStats,
    Geospatial,
    BoundingBox,
    SortingColumn,
    KeyValue,
    ColumnOrder,
    Empty,
    Page,
    DataPage,
    DataPageV2,
    DictionaryPage,
}

/// Type of a field.
#[derive(Clone, Copy)]
enum Shape {
    /// A number of 16, 32 or 64 bits: they look alike.
    Int,
    Byte,
    Bool,
    Double,
    Bytes,
    Ints,
    One(Kind),
    Many(Kind),
}

/// Value of a field, as passed to [`See`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Int(i64),
    Bool(bool),
    /// Text or bytes of this length.
    Bytes(u64),
    /// A list of this length.
    List(u64),
    /// The end of the structure.
    End,
}

/// Function that receives the fields of structures, with their numbers; 0 at the end of one.
pub(super) type See<'a> = dyn FnMut(Kind, i16, Value) -> Result<(), String> + 'a;

/// Maximum depth of nested structures; the format has seven.
const MAX_DEPTH: u32 = 32;

const INT: u8 = 6;
const LIST: u8 = 9;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

impl Kind {
    /// Returns the type of a field that is read, by its number.
    fn field(self, id: i16) -> Option<Shape> {
        use Shape::{Bool, Byte, Bytes, Double, Int, Ints, Many, One};
        Some(match (self, id) {
            (Self::File, 2) => Many(Self::SchemaElement),
            (Self::File, 4) => Many(Self::RowGroup),
            (Self::File, 5) => Many(Self::KeyValue),
            (Self::File, 7) => Many(Self::ColumnOrder),
            (Self::SchemaElement, 10) => One(Self::LogicalType),
            (Self::LogicalType, 5) => One(Self::Decimal),
            (Self::LogicalType, 7 | 8) => One(Self::Time),
            (Self::LogicalType, 10) => One(Self::Integer),
            (Self::LogicalType, 16) => One(Self::Variant),
            (Self::LogicalType, 17 | 18) => One(Self::Geometry),
            (Self::Time, 2) => One(Self::TimeUnit),
            (Self::LogicalType, 1..=18)
            | (Self::TimeUnit | Self::ColumnOrder, 1..=3)
            | (Self::Page, 6) => One(Self::Empty),
            (Self::RowGroup, 1) => Many(Self::ColumnChunk),
            (Self::RowGroup, 4) => Many(Self::SortingColumn),
            (Self::ColumnChunk, 3) => One(Self::ColumnMetaData),
            (Self::ColumnMetaData | Self::Geospatial, 2) => Ints,
            (Self::ColumnMetaData, 13) => Many(Self::EncodingStats),
            (Self::ColumnMetaData, 17) => One(Self::Geospatial),
            (Self::Geospatial, 1) => One(Self::BoundingBox),
            (Self::BoundingBox, 1..=8) => Double,
            (Self::Page, 5) => One(Self::DataPage),
            (Self::Page, 7) => One(Self::DictionaryPage),
            (Self::Page, 8) => One(Self::DataPageV2),
            (Self::Integer | Self::Variant, 1) => Byte,
            (Self::Time, 1)
            | (Self::Integer, 2)
            | (Self::SortingColumn, 2 | 3)
            | (Self::DictionaryPage, 3)
            | (Self::DataPageV2, 7) => Bool,
            (Self::File, 6)
            | (Self::SchemaElement, 4)
            | (Self::Geometry | Self::ColumnChunk, 1)
            | (Self::KeyValue, 1 | 2) => Bytes,
            (Self::File, 1 | 3)
            | (Self::SchemaElement, 1..=9)
            | (Self::Decimal | Self::DictionaryPage, 1 | 2)
            | (Self::Geometry, 2)
            | (Self::RowGroup, 2 | 3 | 5 | 7)
            | (Self::SortingColumn | Self::EncodingStats, 1..=3)
            | (Self::ColumnChunk, 2 | 4..=7)
            | (Self::ColumnMetaData, 1 | 4..=7 | 9..=11 | 14 | 15)
            | (Self::Page | Self::DataPage, 1..=4)
            | (Self::DataPageV2, 1..=6) => Int,
            // Fields that the library skips, too: statistics, paths, encryption, future ones.
            _ => return None,
        })
    }
}

/// Input whose bytes are read once, and counted.
pub(super) struct Input<R> {
    read: R,
    len: u64,
}

impl<R: Read> Input<R> {
    pub(super) fn new(read: R) -> Self {
        Self { read, len: 0 }
    }

    /// Number of bytes read.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Passes a structure and its contents to `see`.
    pub(super) fn structure(&mut self, kind: Kind, see: &mut See<'_>) -> Result<(), String> {
        self.fields(kind, 0, see)
    }

    fn fields(&mut self, kind: Kind, depth: u32, see: &mut See<'_>) -> Result<(), String> {
        let mut last = 0;
        while let Some((id, wire)) = self.field(last)? {
            last = id;
            match kind.field(id) {
                Some(shape) => self.known(kind, id, (shape, wire), depth, see)?,
                None => self.skip(wire, depth + 1)?,
            }
        }
        see(kind, 0, Value::End)
    }

    /// Parses the number and the type of the next field; `None` at the end.
    fn field(&mut self, last: i16) -> Result<Option<(i16, u8)>, String> {
        let byte = self.byte()?;
        let (delta, wire) = (i16::from(byte >> 4), byte & 0xf);
        if wire == 0 {
            return Ok(None);
        }
        let id = match delta {
            0 => i16::try_from(self.number()?).ok(),
            _ => last.checked_add(delta),
        };
        Ok(Some((id.ok_or_else(damaged)?, wire)))
    }

    fn known(
        &mut self,
        kind: Kind,
        id: i16,
        (shape, wire): (Shape, u8),
        depth: u32,
        see: &mut See<'_>,
    ) -> Result<(), String> {
        if depth >= MAX_DEPTH {
            return Err(damaged());
        }
        let value = match (shape, wire) {
            (Shape::Int, 4..=INT) => Value::Int(self.number()?),
            (Shape::Byte, 3) => Value::Int(self.byte()?.into()),
            (Shape::Bool, 1 | 2) => Value::Bool(wire == 1),
            (Shape::Double, 7) => return self.discard(8),
            (Shape::Bytes, 8) => {
                let len = self.varint()?;
                self.discard(len)?;
                Value::Bytes(len)
            }
            (Shape::Ints, LIST) => {
                let count = self.list(5..=INT)?;
                see(kind, id, Value::List(count))?;
                return (0..count).try_for_each(|_| self.number().map(drop));
            }
            (Shape::One(inner), STRUCT) => return self.fields(inner, depth + 1, see),
            (Shape::Many(inner), LIST) => {
                let count = self.list(STRUCT..=STRUCT)?;
                see(kind, id, Value::List(count))?;
                return (0..count).try_for_each(|_| self.fields(inner, depth + 1, see));
            }
            _ => return Err(damaged()),
        };
        see(kind, id, value)
    }

    /// Parses the length of a list of such elements; an empty one may have another type.
    fn list(&mut self, wires: std::ops::RangeInclusive<u8>) -> Result<u64, String> {
        let byte = self.byte()?;
        let count = match byte >> 4 {
            15 => self.varint()?,
            count => count.into(),
        };
        let is_empty = byte == 0;
        (is_empty || wires.contains(&(byte & 0xf))).then_some(count).ok_or_else(damaged)
    }

    /// Skips data that the library skips, too.
    fn skip(&mut self, wire: u8, depth: u32) -> Result<(), String> {
        if depth >= MAX_DEPTH {
            return Err(damaged());
        }
        match wire {
            1 | 2 => Ok(()),
            3 => self.discard(1),
            4..=INT => self.varint().map(drop),
            7 => self.discard(8),
            8 => self.varint().and_then(|len| self.discard(len)),
            LIST | 10 => {
                let byte = self.byte()?;
                let count = match byte >> 4 {
                    15 => self.varint()?,
                    count => count.into(),
                };
                match byte & 0xf {
                    // The library skips such lists as if they had no bytes; the format has none.
                    1 | 2 if count > 0 => Err(damaged()),
                    wire => (0..count).try_for_each(|_| self.skip(wire, depth + 1)),
                }
            }
            STRUCT => {
                while let Some((_, wire)) = self.field(0)? {
                    self.skip(wire, depth + 1)?;
                }
                Ok(())
            }
            // No version of the format has maps.
            MAP.. | 0 => Err(damaged()),
        }
    }

    fn byte(&mut self) -> Result<u8, String> {
        let mut byte = [0];
        self.read.read_exact(&mut byte).map_err(|error| in_words(&error))?;
        self.len += 1;
        Ok(byte[0])
    }

    fn discard(&mut self, len: u64) -> Result<(), String> {
        let read = io::copy(&mut self.read.by_ref().take(len), &mut io::sink());
        self.len += len;
        match read {
            Ok(read) if read == len => Ok(()),
            Ok(_) => Err(damaged()),
            Err(error) => Err(in_words(&error)),
        }
    }

    /// Decodes seven bits a byte, the lowest first; the top bit marks that more follow.
    fn varint(&mut self) -> Result<u64, String> {
        let mut n = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(damaged())
    }

    /// Decodes a number with the sign in the lowest bit.
    fn number(&mut self) -> Result<i64, String> {
        let n = self.varint()?;
        Ok((n >> 1).cast_signed() ^ -((n & 1).cast_signed()))
    }
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(),
        _ => error.to_string(),
    }
}

fn damaged() -> String {
    "it is damaged".to_owned()
}
