//! Decoding of delta-encoded texts. The library reserves whatever their lengths claim, and a value
//! may repeat all of the previous one, so that a page of a MiB becomes gigabytes.

use bytes::Bytes;
use parquet::{basic::Encoding, column::page::Page};

use crate::replay::{
    budget::{Account, Charge},
    packed::take_number,
};

/// Bytes of the length before a plain text.
const LENGTH_BYTES: usize = 4;

/// Maximum number of values in a block: writers make 128, a few thousand at most.
const MAX_BLOCK: usize = 1 << 20;

/// Returns whether texts of this encoding have to be decoded here.
pub(super) fn is_one(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY)
}

/// Returns the page with its texts plain, and the charge for it.
pub(super) fn plain(
    mut page: Page,
    can_be_null: bool,
    account: &Account,
) -> Result<(Page, Charge), String> {
    let from = values_begin(&page, can_be_null)?;
    let most = page.num_values();
    match &mut page {
        Page::DataPage { buf, encoding, .. } | Page::DataPageV2 { buf, encoding, .. } => {
            let (levels, values) = buf.split_at_checked(from).ok_or("its levels are truncated")?;
            let texts = Texts::read(values, *encoding, most, account)?;
            let (bytes, charge) = texts.plain(levels, account)?;
            (*buf, *encoding) = (Bytes::from(bytes), Encoding::PLAIN);
            Ok((page, charge))
        }
        Page::DictionaryPage { .. } => Err("a dictionary is delta-encoded".to_owned()),
    }
}

/// Returns the position of a page's values: behind the levels, which mark nulls.
fn values_begin(page: &Page, can_be_null: bool) -> Result<usize, String> {
    match page {
        #[expect(deprecated, reason = "it is refused")]
        Page::DataPage { def_level_encoding: Encoding::BIT_PACKED, .. } if can_be_null => {
            Err("levels of an old encoding precede delta-encoded values".to_owned())
        }
        Page::DataPage { buf, .. } if can_be_null => {
            let (len, _) = buf.split_first_chunk::<4>().ok_or("its levels are truncated")?;
            Ok(LENGTH_BYTES.saturating_add(u32::from_le_bytes(*len) as usize))
        }
        Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
            Ok((*def_levels_byte_len as usize).saturating_add(*rep_levels_byte_len as usize))
        }
        Page::DataPage { .. } | Page::DictionaryPage { .. } => Ok(0),
    }
}

/// Texts, with the number of bytes that each shares with the previous one.
struct Texts<'a> {
    /// Shared lengths; empty if there are none.
    prefixes: Vec<u32>,
    lengths: Vec<u32>,
    bytes: &'a [u8],
    /// Charge for the numbers.
    _charge: Charge,
}

impl<'a> Texts<'a> {
    fn read(
        mut bytes: &'a [u8],
        encoding: Encoding,
        most: u32,
        account: &Account,
    ) -> Result<Self, String> {
        let has_prefixes = encoding == Encoding::DELTA_BYTE_ARRAY;
        let numbers = u64::from(most) * if has_prefixes { 2 } else { 1 };
        let over = |over| format!("a page {over}");
        let charge = account.take(numbers * size_of::<u32>() as u64).map_err(over)?;
        let mut take =
            || if bytes.is_empty() { Ok(Vec::new()) } else { numbers_of(&mut bytes, most) };
        let prefixes = if has_prefixes { take()? } else { Vec::new() };
        let lengths = take()?;
        if has_prefixes && prefixes.len() != lengths.len() {
            return Err("its delta-encoded values are inconsistent".to_owned());
        }
        Ok(Self { prefixes, lengths, bytes, _charge: charge })
    }

    /// Returns all of them, each behind its length, behind `levels`.
    fn plain(&self, levels: &[u8], account: &Account) -> Result<(Vec<u8>, Charge), String> {
        let sum = |lengths: &[u32]| lengths.iter().map(|&len| u64::from(len)).sum::<u64>();
        let total = levels.len() as u64
            + (LENGTH_BYTES * self.lengths.len()) as u64
            + sum(&self.prefixes)
            + sum(&self.lengths);
        let charge =
            account.take(total).map_err(|over| format!("a decoded page of text {over}"))?;
        let mut out = Vec::with_capacity(usize::try_from(total).unwrap_or(usize::MAX));
        out.extend_from_slice(levels);
        let (mut rest, mut before) = (self.bytes, 0..0);
        for (at, &len) in self.lengths.iter().enumerate() {
            let prefix = self.prefixes.get(at).copied().unwrap_or(0);
            let own = rest.split_off(..len as usize).ok_or("its text is truncated")?;
            if prefix as usize > before.len() {
                return Err("a text repeats a longer prefix than its predecessor has".to_owned());
            }
            let whole = u32::try_from(u64::from(prefix) + u64::from(len));
            let whole = whole.map_err(|_| "a text is too long")?;
            out.extend_from_slice(&whole.to_le_bytes());
            let start = out.len();
            out.extend_from_within(before.start..before.start + prefix as usize);
            out.extend_from_slice(own);
            before = start..out.len();
        }
        Ok((out, charge))
    }
}

/// Decodes `DELTA_BINARY_PACKED` numbers, `most` of them at most.
fn numbers_of(bytes: &mut &[u8], most: u32) -> Result<Vec<u32>, String> {
    let damaged = || "its delta-encoded values are damaged".to_owned();
    let mut size = || take_number(bytes).and_then(|n| usize::try_from(n).ok()).ok_or_else(damaged);
    let (block, parts, count) = (size()?, size()?, size()?);
    if block > MAX_BLOCK || parts == 0 || !block.is_multiple_of(parts) {
        return Err(damaged());
    }
    if count > most as usize {
        return Err(format!("it claims {count} texts in a page of {most}"));
    }
    let mut last = signed(bytes).ok_or_else(damaged)?;
    let mut numbers = Vec::with_capacity(count);
    let push = |n: i32, numbers: &mut Vec<u32>| {
        let n = u32::try_from(n).map_err(|_| "a length is negative")?;
        numbers.push(n);
        Ok::<_, String>(())
    };
    if count > 0 {
        push(last, &mut numbers)?;
    }
    while numbers.len() < count {
        let least = signed(bytes).ok_or_else(damaged)?;
        let widths = bytes.split_off(..parts).ok_or_else(damaged)?;
        for &width in widths {
            if numbers.len() == count {
                break;
            }
            let packed = packed(bytes, width, block / parts).ok_or_else(damaged)?;
            for at in 0..(block / parts).min(count - numbers.len()) {
                let above = bits(packed, at, width).cast_signed();
                last = last.wrapping_add(least).wrapping_add(above);
                push(last, &mut numbers)?;
            }
        }
    }
    Ok(numbers)
}

/// Takes the bytes of `count` numbers of that width.
fn packed<'a>(bytes: &mut &'a [u8], width: u8, count: usize) -> Option<&'a [u8]> {
    if width > 32 || !count.is_multiple_of(8) {
        return None;
    }
    bytes.split_off(..count / 8 * usize::from(width))
}

/// Returns the number at index `at`, of `width` bits, the lowest first.
fn bits(packed: &[u8], at: usize, width: u8) -> u32 {
    let from = at * usize::from(width);
    let bytes = packed.get(from / 8..).unwrap_or_default().iter().take(5).enumerate();
    let word: u64 = bytes.map(|(nth, &byte)| u64::from(byte) << (8 * nth)).sum();
    let mask = (1_u64 << width) - 1;
    #[expect(clippy::cast_possible_truncation, reason = "32 bits at most")]
    let bits = ((word >> (from % 8)) & mask) as u32;
    bits
}

/// Decodes a number with the sign in the lowest bit.
fn signed(bytes: &mut &[u8]) -> Option<i32> {
    let n = take_number(bytes)?;
    i32::try_from((n >> 1).cast_signed() ^ -((n & 1).cast_signed())).ok()
}
