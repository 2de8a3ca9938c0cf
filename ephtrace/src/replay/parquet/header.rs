//! Claims in the header of a page.

use std::io::Read;

use super::thrift::{Input, Kind, Value};

/// Kinds of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PageKind {
    #[default]
    Data,
    Dictionary,
    /// An index, which no reader uses.
    Index,
}

/// Claims of a header. Missing fields are zero here, and an error in the library.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) kind: PageKind,
    pub(super) uncompressed: u64,
    pub(super) compressed: u64,
    pub(super) values: u64,
    /// Bytes at the beginning that are never compressed.
    pub(super) levels: u64,
    pub(super) is_packed: bool,
    definition_levels: u64,
    repetition_levels: u64,
}

impl Header {
    /// Parses the header at the beginning of `read`, and its length.
    pub(super) fn read(read: impl Read) -> Result<(Self, u64), String> {
        let mut header = Self {
            kind: PageKind::Data,
            uncompressed: 0,
            compressed: 0,
            values: 0,
            levels: 0,
            is_packed: true,
            definition_levels: 0,
            repetition_levels: 0,
        };
        let mut input = Input::new(read);
        input.structure(Kind::Page, &mut |kind, field, value| header.see(kind, field, value))?;
        header.levels = header.definition_levels + header.repetition_levels;
        Ok((header, input.len()))
    }

    fn see(&mut self, kind: Kind, field: i16, value: Value) -> Result<(), String> {
        match (kind, field, value) {
            (Kind::Page, 1, Value::Int(number)) => {
                self.kind = match number {
                    1 => PageKind::Index,
                    2 => PageKind::Dictionary,
                    _ => PageKind::Data,
                };
            }
            (Kind::Page, 2, Value::Int(n)) => self.uncompressed = size(n)?,
            (Kind::Page, 3, Value::Int(n)) => self.compressed = size(n)?,
            // A page may have headers of several kinds: the claims of any of them count.
            (Kind::DataPage | Kind::DataPageV2 | Kind::DictionaryPage, 1, Value::Int(n)) => {
                self.values = self.values.max(size(n)?);
            }
            (Kind::DataPageV2, 5, Value::Int(n)) => self.definition_levels = size(n)?,
            (Kind::DataPageV2, 6, Value::Int(n)) => self.repetition_levels = size(n)?,
            (Kind::DataPageV2, 7, Value::Bool(is_packed)) => self.is_packed = is_packed,
            _ => {}
        }
        Ok(())
    }
}

/// Converts a size. It has 31 bits; the library would truncate others.
fn size(n: i64) -> Result<u64, String> {
    i32::try_from(n).ok().and_then(|n| u64::try_from(n).ok()).ok_or_else(|| "it is damaged".into())
}
