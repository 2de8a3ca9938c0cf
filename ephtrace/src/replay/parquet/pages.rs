//! Pages of a column, each checked before the library decompresses it.
//!
//! ```text
//! header ─→ what it claims ─→ is there room? ─→ the library unpacks ─→ counted until it is dropped
//! ```

use std::{
    io::{self, Read as _},
    mem::size_of,
};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use parquet::{
    basic::{Compression, Type},
    column::page::{Page, PageMetadata, PageReader},
    data_type::ByteArray,
    errors::{ParquetError, Result},
    file::{metadata::ColumnChunkMetaData, reader::ChunkReader as _},
};

use super::{
    delta,
    header::{Header, PageKind},
    source::Source,
};
use crate::replay::budget::{Account, Charge};

/// Maximum number of bytes that one byte of DEFLATE can stand for.
const MOST_PER_GZIP_BYTE: u64 = 1032;

/// The pages of one column in one row group.
pub(super) struct Pages {
    inner: Box<dyn PageReader>,
    source: Source,
    name: &'static str,
    is_text: bool,
    can_be_null: bool,
    is_gzip: bool,
    /// Position of the next header, and the end of the column.
    at: u64,
    end: u64,
    /// Number of values that the row group still has, according to its footer.
    values_left: u64,
    account: Account,
    /// Charges that the library holds to the end of the column: the values of its dictionary.
    kept: Vec<Charge>,
}

impl Pages {
    /// Creates the pages of the column called `name`, as read by `inner`.
    pub(super) fn new(
        inner: Box<dyn PageReader>,
        source: &Source,
        (name, chunk): (&'static str, &ColumnChunkMetaData),
        rows: u64,
        account: &Account,
    ) -> Self {
        let (at, len) = chunk.byte_range();
        Self {
            inner,
            source: source.clone(),
            name,
            is_text: chunk.column_type() == Type::BYTE_ARRAY,
            can_be_null: chunk.column_descr().max_def_level() > 0,
            is_gzip: matches!(chunk.compression(), Compression::GZIP(_)),
            at,
            end: at.saturating_add(len),
            values_left: rows,
            account: account.clone(),
            kept: Vec::new(),
        }
    }

    /// Returns the claims of the next page, and its position; `None` at the end of the column.
    fn next_header(&mut self) -> Result<Option<(Header, u64)>, String> {
        while self.at < self.end {
            let read = self.source.get_read(self.at).map_err(|error| error.to_string())?;
            let (header, len) = Header::read(read)?;
            let begin = self.at + len;
            self.at = begin + header.compressed;
            if self.at > self.end {
                return Err("a page is longer than its column".to_owned());
            }
            // The library skips index pages.
            if header.kind != PageKind::Index {
                return Ok(Some((header, begin)));
            }
        }
        Ok(None)
    }

    /// Charges the memory that the library is about to reserve.
    fn room(&mut self, header: &Header, begin: u64) -> Result<Charge, String> {
        let Header { kind, uncompressed, compressed, values, .. } = *header;
        let over = |over| format!("a page {over}");
        if kind == PageKind::Dictionary {
            let each = if self.is_text { size_of::<ByteArray>() } else { size_of::<u64>() };
            let decoded = values.saturating_mul(each as u64);
            self.kept.push(self.account.take(decoded).map_err(over)?);
        } else {
            self.values_left = self.values_left.checked_sub(values).ok_or_else(|| {
                let left = self.values_left;
                format!("a page claims {values} rows, but its row group has only {left} more")
            })?;
        }
        let charge = self.account.take(compressed + uncompressed).map_err(over)?;
        if self.is_gzip && header.is_packed {
            // The library decompresses everything, whatever the header says, into a buffer that
            // grows by doubling. Reserving the possible maximum is cheaper than decompressing
            // twice.
            let most = compressed.saturating_mul(2 * MOST_PER_GZIP_BYTE);
            if let Ok(charge) = self.account.take(most) {
                return Ok(charge);
            }
            self.check_gzip(header, begin)?;
        }
        Ok(charge)
    }

    /// Decompresses a page without storing it, up to the size that its header claims.
    fn check_gzip(&self, header: &Header, begin: u64) -> Result<(), String> {
        let packed = header.compressed.saturating_sub(header.levels);
        let claimed = header.uncompressed.saturating_sub(header.levels);
        let read = self.source.get_read(begin + header.levels.min(header.compressed));
        let read = read.map_err(|error| error.to_string())?.take(packed);
        let mut unpacked = MultiGzDecoder::new(io::BufReader::new(read)).take(claimed + 1);
        match io::copy(&mut unpacked, &mut io::sink()) {
            Ok(len) if len <= claimed => Ok(()),
            Ok(_) => Err("a page is longer than its header says".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Returns the page, charged as long as a value of it is held, with its texts plain.
    fn held(&mut self, page: Page, mut charge: Charge) -> Result<Page, String> {
        let page = match page {
            Page::DataPage { encoding, .. } | Page::DataPageV2 { encoding, .. }
                if self.is_text && delta::is_one(encoding) =>
            {
                let (page, plain) = delta::plain(page, self.can_be_null, &self.account)?;
                charge = plain;
                page
            }
            page => page,
        };
        charge.shrink(page.buffer().len() as u64);
        Ok(with_buffer(page, |buffer| Bytes::from_owner(Counted { buffer, _charge: charge })))
    }

    fn next_page(&mut self) -> Result<Option<Page>> {
        let told = |name, reason| ParquetError::General(format!("column {name}: {reason}"));
        let name = self.name;
        let Some((header, begin)) = self.next_header().map_err(|why| told(name, why))? else {
            return self.inner.get_next_page();
        };
        let charge = self.room(&header, begin).map_err(|why| told(name, why))?;
        let page = self.inner.get_next_page()?;
        page.map(|page| self.held(page, charge).map_err(|why| told(name, why))).transpose()
    }
}

/// Bytes of a page with their charge.
struct Counted {
    buffer: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

/// Returns the page with its bytes replaced by the result of `replace`.
fn with_buffer(mut page: Page, replace: impl FnOnce(Bytes) -> Bytes) -> Page {
    match &mut page {
        Page::DataPage { buf, .. }
        | Page::DataPageV2 { buf, .. }
        | Page::DictionaryPage { buf, .. } => *buf = replace(std::mem::take(buf)),
    }
    page
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.next_page()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        Err(ParquetError::General("pages are read, and none is skipped".to_owned()))
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
