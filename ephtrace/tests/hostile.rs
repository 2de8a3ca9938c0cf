//! Recordings made by an attacker: each is refused, or read, within `--max-memory`.
//!
//! The kernel enforces the limit: a program that asks for more private memory than `ulimit -d` gets
//! none, and ends by a signal.

#[path = "common/counted.rs"]
mod counted;
#[path = "common/crafted.rs"]
mod crafted;

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::{self, Command},
};

use ephtrace::replay::{MaxMemory, Recording};
use proptest::prelude::*;

use crafted::{Column, Page, codec, encoding, file, footer, needed, schema, zstd};

/// The default of `--max-memory`, in KiB.
const DEFAULT_KIB: u32 = 256 << 10;

/// A file that is removed at the end of the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("ephtrace-hostile-{name}-{}", process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // At worst, it is left over in the system's folder for temporary files.
        let _ = fs::remove_file(&self.0);
    }
}

/// Returns the messages of `ephtrace report` about the file. It runs within the memory that it
/// promises, and must not end by a signal.
fn report(scratch: &Scratch, kib: u32) -> io::Result<String> {
    let limited = format!("ulimit -d {kib}; exec \"$0\" report --json \"$1\"");
    let mut shell = Command::new("sh");
    let ephtrace = env!("CARGO_BIN_EXE_ephtrace");
    let output = shell.args(["-c", &limited, ephtrace]).arg(&scratch.0).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}: {said}", output.status);
    Ok(said)
}

fn said(name: &str, bytes: &[u8]) -> io::Result<String> {
    let scratch = Scratch::new(name);
    fs::write(&scratch.0, bytes)?;
    report(&scratch, DEFAULT_KIB)
}

/// Returns the columns of `needed` with one more column of text.
fn with(rows: u16, column: Column) -> Vec<Column> {
    let mut columns = needed(rows);
    columns.push(column);
    columns
}

fn contains(said: &io::Result<String>, words: &[&str]) {
    let said = said.as_ref().map_or("", String::as_str);
    for word in words {
        assert!(said.contains(word), "no '{word}' in: {said}");
    }
}

/// Returns a page of one value of 1 GiB, which takes 34 KB.
fn huge(is_dictionary: bool) -> Page {
    let zeros = (1 << 30) - 4;
    let content = zstd(&u32::to_le_bytes(zeros), zeros);
    let encoding = encoding::PLAIN;
    Page { values: 1, encoding, is_dictionary, uncompressed: 1 << 30, content }
}

#[test]
fn one_value_of_a_gib_is_refused_with_its_place() {
    let column = Column::text("comm", codec::ZSTD, vec![huge(false)]);
    let said = said("value", &file(&with(1, column), 1));
    contains(&said, &["row group 1", "column comm", "1024.1 MiB", "--max-memory 1089M"]);
}

#[test]
fn eight_columns_of_a_gib_are_refused() {
    let mut columns = needed(1);
    for name in ["comm", "container", "protocol", "origin", "error", "pass", "hook", "range"] {
        columns.push(Column::text(name, codec::ZSTD, vec![huge(false)]));
    }
    contains(&said("eight", &file(&columns, 1)), &["row group 1", "column comm"]);
}

#[test]
fn a_dictionary_with_a_value_of_a_gib_is_refused() {
    let one = Page { encoding: encoding::DICTIONARY, ..Page::plain(1, vec![0, 2]) };
    let column = Column::text("comm", codec::ZSTD, vec![huge(true), one]);
    contains(&said("dictionary", &file(&with(1, column), 1)), &["column comm", "1024.1 MiB"]);
}

#[test]
fn a_dictionary_that_claims_billions_of_values_is_refused() {
    let dictionary = Page { is_dictionary: true, ..Page::plain(i64::from(i32::MAX), vec![0; 64]) };
    let one = Page { encoding: encoding::DICTIONARY, ..Page::plain(1, vec![0, 2]) };
    let column = Column::text("comm", codec::NONE, vec![dictionary, one]);
    contains(&said("claims", &file(&with(1, column), 1)), &["column comm", "--max-memory"]);
}

#[test]
fn a_claimed_size_is_not_reserved() {
    for codec in [codec::SNAPPY, codec::ZSTD, codec::GZIP] {
        let page = Page { uncompressed: i64::from(i32::MAX), ..Page::plain(1, vec![0; 64]) };
        let said = said("claimed", &file(&with(1, Column::text("comm", codec, vec![page])), 1));
        contains(&said, &["row group 1", "column comm", "2048.1 MiB"]);
    }
}

#[test]
fn gzip_that_unpacks_to_more_than_it_claims_is_refused() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    (0..512).for_each(|_| gzip.write_all(&zeros).unwrap());
    let page = Page { uncompressed: 100, ..Page::plain(1, gzip.finish().unwrap()) };
    let said = said("gzip", &file(&with(1, Column::text("comm", codec::GZIP, vec![page])), 1));
    contains(&said, &["row group 1", "column comm", "a page is longer than its header says"]);
}

#[test]
fn pages_that_a_batch_holds_together_are_counted_together() {
    let zeros = (32 << 20) - 4;
    let content = zstd(&u32::to_le_bytes(zeros), zeros);
    let page = Page { uncompressed: 32 << 20, ..Page::plain(1, content) };
    let column = Column::text("comm", codec::ZSTD, vec![page; 64]);
    contains(&said("together", &file(&with(64, column), 64)), &["column comm", "--max-memory"]);
}

/// Returns equal numbers in `DELTA_BINARY_PACKED`, which claims `claimed` of them.
fn delta(claimed: u64, first: i64) -> Vec<u8> {
    let mut thrift = crafted::Thrift::default();
    for n in [128, 4, claimed] {
        thrift.varint(n);
    }
    thrift.varint(((first << 1) ^ (first >> 63)).cast_unsigned());
    for _ in 0..claimed.min(1 << 16).div_ceil(128) {
        thrift.bytes.extend([0; 5]);
    }
    thrift.bytes
}

#[test]
fn lengths_that_are_only_claimed_are_not_reserved() {
    for encoding in [encoding::DELTA_LENGTH, encoding::DELTA] {
        let page = Page { encoding, ..Page::plain(1, delta(1 << 40, 0)) };
        let said =
            said("lengths", &file(&with(1, Column::text("comm", codec::NONE, vec![page])), 1));
        contains(&said, &["row group 1", "column comm"]);
    }
}

#[test]
fn values_that_repeat_the_one_before_are_counted_as_what_they_become() {
    let rows = 4096;
    let mut thrift = crafted::Thrift::default();
    // The first value has a MiB of its own; each later value repeats all of it.
    for n in [128, 4, rows, 0] {
        thrift.varint(n);
    }
    let block = |thrift: &mut crafted::Thrift, first: u64| {
        // The least difference in zigzag, and the bit widths of four parts.
        thrift.varint(first);
        thrift.bytes.extend([0; 4]);
    };
    let mib = 1_i64 << 20;
    // Prefix lengths: 0, then 1 MiB each; the first difference takes 21 bits.
    thrift.varint(0);
    thrift.bytes.extend([21, 0, 0, 0]);
    let mut packed = [0_u8; 84];
    packed[..3].copy_from_slice(&mib.to_le_bytes()[..3]);
    thrift.bytes.extend(packed);
    (1..32).for_each(|_| block(&mut thrift, 0));
    // Suffix lengths: 1 MiB, then 0.
    for n in [128, 4, rows, 2 * mib.cast_unsigned()] {
        thrift.varint(n);
    }
    thrift.varint(2 * mib.cast_unsigned() - 1);
    thrift.bytes.extend([21; 4]);
    // Differences above the least one, which is −1 MiB: 0 at first, then 1 MiB.
    let mut bits = vec![0_u8; 4 * 84];
    for nth in 1..128 {
        let at = nth * 21 + 20;
        bits[at / 8] |= 1 << (at % 8);
    }
    thrift.bytes.extend(bits);
    (1..32).for_each(|_| block(&mut thrift, 0));
    let mut page = thrift.bytes;
    page.extend(vec![b'a'; 1 << 20]);
    let page = Page { encoding: encoding::DELTA, ..Page::plain(4096, page) };
    let column = Column::text("comm", codec::NONE, vec![page]);
    contains(&said("repeated", &file(&with(4096, column), 4096)), &["row group 1", "column comm"]);
}

#[test]
fn levels_and_rows_that_are_only_claimed_end_at_what_is_there() {
    // Null two billion times, as one run of six bytes.
    let run = [6_u32.to_le_bytes().to_vec(), vec![0xfe, 0xff, 0xff, 0xff, 0x0f, 0]].concat();
    let page = Page::plain(i64::from(i32::MAX), run);
    let column = Column { can_be_null: true, ..Column::text("comm", codec::NONE, vec![page]) };
    let said_of_run = said("run", &file(&with(10, column), 10));
    contains(&said_of_run, &["row group 1", "column comm", "2147483647"]);
    let said_of_rows = said("rows", &file(&needed(10), 1 << 40));
    contains(&said_of_rows, &["row group 1", "rows too early"]);
}

#[test]
fn a_column_of_long_names_is_refused_row_by_row() {
    let name = |letter| [&60_000_u32.to_le_bytes()[..], &vec![letter; 60_000]].concat();
    let dictionary =
        Page { is_dictionary: true, ..Page::plain(2, [name(b'a'), name(b'b')].concat()) };
    // One bit a row, 0 and 1 in turn: a thousand times eight rows.
    let turns = [&[1, 0xd1, 0x0f][..], &[0xaa; 1000]].concat();
    let rows = Page { encoding: encoding::DICTIONARY, ..Page::plain(8000, turns) };
    let column = Column::text("container", codec::NONE, vec![dictionary, rows]);
    let said = said("names", &file(&with(8000, column), 8000));
    contains(&said, &["row 1: ", "container", "60000 bytes"]);
}

#[test]
fn footers_of_more_than_they_are_worth_are_refused() {
    let deep = footer(|thrift| {
        thrift.list(2, 12, 50_001);
        for _ in 0..50_000 {
            thrift.element(|group| {
                group.int(3, 0);
                group.text(4, "g");
                group.int(5, 1);
            });
        }
        thrift.element(|leaf| {
            leaf.int(1, 2);
            leaf.int(3, 0);
            leaf.text(4, "l");
        });
    });
    let wide = footer(|thrift| {
        let names = vec![needed(0).remove(0); 400_000];
        schema(thrift, &names);
    });
    let children = footer(|thrift| {
        thrift.list(2, 12, 1);
        thrift.element(|root| {
            root.text(4, "s");
            root.int(5, i64::from(i32::MAX));
        });
    });
    let groups = footer(|thrift| {
        schema(thrift, &[]);
        thrift.int(3, 0);
        let count = 1_500_000;
        thrift.list(4, 12, count);
        for _ in 0..count {
            thrift.element(|group| {
                group.list(1, 12, 0);
                group.int(2, 0);
                group.int(3, 0);
            });
        }
    });
    for (name, end) in [("deep", deep), ("wide", wide), ("children", children), ("groups", groups)]
    {
        let said = said(name, &[b"PAR1".to_vec(), end].concat());
        contains(&said, &["Parquet file", "footer"]);
        let said = said.unwrap();
        assert!(!said.contains("copy it again") || name == "children", "{name}: {said}");
    }
    // The claimed length exceeds that of the file.
    contains(&said("long", b"PAR1\xff\xff\xff\x7fPAR1"), &["damaged footer"]);
}

#[test]
fn a_line_of_a_gigabyte_is_skipped() {
    let scratch = Scratch::new("line");
    let mut file = fs::File::create(&scratch.0).unwrap();
    file.write_all(b"{\"comm\":\"").unwrap();
    // A hole reads as zeros and takes no disk space.
    file.set_len(1 << 30).unwrap();
    contains(&report(&scratch, 64 << 10), &["line 1: longer than 65536 bytes"]);
}

#[test]
fn a_block_of_claimed_gigabytes_is_refused() {
    let header: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1];
    let packet: [u32; 4] = [0, 0, 0x7fff_ffff, 0x7fff_ffff];
    let bytes = header.into_iter().chain(packet).flat_map(u32::to_le_bytes);
    let bytes: Vec<u8> = bytes.chain(std::iter::repeat_n(0, 40 << 20)).collect();
    contains(&said("block", &bytes), &["packet 1: "]);
}

/// Returns claims of a header: small, as large as the data, and far too large.
fn claims() -> impl Strategy<Value = i64> {
    prop_oneof![
        -2_i64..70,
        prop::sample::select(vec![1 << 16, 1 << 24, 1 << 28, i64::from(i32::MAX), 1 << 40]),
    ]
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    let zeros = prop::sample::select(vec![100, 1 << 20, 64 << 20]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        prop::collection::vec(0_u8..4, 0..80),
        zeros.prop_map(|zeros| zstd(&u32::to_le_bytes(zeros), zeros)),
        (claims(), claims()).prop_map(|(count, first)| delta(count.cast_unsigned(), first)),
    ]
}

fn pages() -> impl Strategy<Value = Page> {
    (claims(), 0_i64..10, any::<bool>(), claims(), contents()).prop_map(
        |(values, encoding, is_dictionary, uncompressed, content)| {
            // The reader decodes a page only if its header fits.
            let fits = Page::plain(values.clamp(0, 64), content);
            let uncompressed = if uncompressed < 0 { fits.uncompressed } else { uncompressed };
            Page { values, encoding, is_dictionary, uncompressed, ..fits }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever page headers claim, and whatever single bytes contain, the reader holds no more
    /// than the limit.
    #[test]
    fn claims_of_any_kind_are_bounded(
        codec in prop::sample::select(vec![codec::NONE, codec::SNAPPY, codec::GZIP, codec::ZSTD]),
        can_be_null: bool,
        pages in prop::collection::vec(pages(), 1..4),
        rows in prop_oneof![Just(64), claims()],
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let column = Column { can_be_null, ..Column::text("container", codec, pages) };
        let mut bytes = file(&with(64, column), rows);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let scratch = Scratch::new("claims");
        fs::write(&scratch.0, bytes).unwrap();
        let max = MaxMemory::new(MaxMemory::LEAST_BYTES).unwrap();
        let peak = counted::peak(|| {
            let recording = Recording::open_within(&scratch.0, max);
            recording.map_or(0, |recording| recording.take(10_000).count())
        });
        // Besides pages, the library holds a few batches of 4096 values.
        prop_assert!(peak <= 36 << 20, "{} bytes", peak);
    }
}
