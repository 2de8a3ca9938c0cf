//! Untrusted files: damaged, truncated, of something else, with other types.

mod encodings;

use std::sync::Arc;

use parquet::{
    basic::{LogicalType, Repetition, TimeUnit, Type as Physical},
    data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type},
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::types::Type,
};
use proptest::prelude::*;

use super::*;
use crate::{
    model::{Assignment, Comm, FlowKey},
    output::{
        Notices, Sink as _,
        stream::parquet::{Options, ParquetSink, journal_path},
    },
    replay::Recording,
};

/// Creates a recording of `rows` rows.
fn recorded(rows: u64) -> Vec<u8> {
    let path = scratch("recorded");
    let options = Options { path: path.clone(), rotate: None, mode: None };
    let mut sink = ParquetSink::create(options, Notices::new(io::sink(), true)).unwrap();
    (0..rows).for_each(|n| sink.event(&assignment(n)).unwrap());
    sink.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    bytes
}

/// Returns the path of a file that no other test uses.
fn scratch(name: &str) -> std::path::PathBuf {
    let thread = std::thread::current().id();
    std::env::temp_dir()
        .join(format!("ephtrace-foreign-{}-{thread:?}-{name}.parquet", std::process::id()))
}

fn assignment(n: u64) -> Assignment {
    let lane = u8::try_from(n % 8).unwrap();
    Assignment {
        ts_ns: 1_795_000_000_000_000_000 + n * 1000,
        comm: Some(Comm::new("curl")),
        sport: u16::try_from(32_768 + n % 20_000).ok(),
        flow: FlowKey {
            netns: Some(7),
            saddr: [10, 0, 0, 1].into(),
            daddr: Some([10, 0, 1, lane].into()),
            dport: Some(443),
        },
        ..Assignment::default()
    }
}

fn refused(bytes: Vec<u8>) -> String {
    Recording::from_parquet("f", bytes).err().map(|error| error.to_string()).unwrap_or_default()
}

/// Returns all assignments, and the messages about broken ones.
fn read(bytes: Vec<u8>) -> (Vec<Assignment>, Vec<String>, Losses) {
    let mut recording = Recording::from_parquet("test", bytes).unwrap();
    let (mut assignments, mut broken) = (Vec::new(), Vec::new());
    for item in recording.by_ref() {
        match item.unwrap() {
            Item::Assignment(assignment) => assignments.push(assignment),
            Item::Broken(what) => broken.push(what.to_string()),
        }
    }
    (assignments, broken, recording.losses())
}

/// Values of a column in a foreign file.
enum Values<'a> {
    Text(&'a [&'a str]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    /// `None` is null.
    Double(&'a [Option<f64>]),
    Micros(&'a [i64]),
}

/// Creates a file as another program might write it.
fn foreign(columns: &[(&str, Values<'_>)]) -> Vec<u8> {
    let leaf = |(name, values): &(&str, Values<'_>)| {
        let (physical, logical) = match values {
            Values::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Values::Int32(_) => (Physical::INT32, Some(LogicalType::integer(16, false))),
            Values::Int64(_) => (Physical::INT64, None),
            Values::Double(_) => (Physical::DOUBLE, None),
            Values::Micros(_) => {
                (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS)))
            }
        };
        let can_be_null = matches!(values, Values::Double(_));
        let repetition = if can_be_null { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let builder = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        Arc::new(builder.with_logical_type(logical).build().unwrap())
    };
    let fields = columns.iter().map(leaf).collect();
    let schema = Arc::new(Type::group_type_builder("s").with_fields(fields).build().unwrap());
    let properties = Arc::new(WriterProperties::default());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = file.next_row_group().unwrap();
    for (_, values) in columns {
        let mut column = group.next_column().unwrap().unwrap();
        match values {
            Values::Text(texts) => {
                let texts: Vec<ByteArray> = texts.iter().map(|&text| text.into()).collect();
                column.typed::<ByteArrayType>().write_batch(&texts, None, None)
            }
            Values::Int32(n) => column.typed::<Int32Type>().write_batch(n, None, None),
            Values::Int64(n) | Values::Micros(n) => {
                column.typed::<Int64Type>().write_batch(n, None, None)
            }
            Values::Double(n) => {
                let defined: Vec<i16> = n.iter().map(|n| n.is_some().into()).collect();
                let n: Vec<f64> = n.iter().flatten().copied().collect();
                column.typed::<DoubleType>().write_batch(&n, Some(&defined), None)
            }
        }
        .unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    file.into_inner().unwrap()
}

#[test]
fn other_programs_types_are_understood() {
    let (read, broken, _) = read(foreign(&[
        ("note", Values::Text(&["a", "b"])),
        ("daddr", Values::Text(&["::ffff:10.0.0.2", "fe80::1%eth0"])),
        ("dport", Values::Double(&[Some(443.0), Some(80.0)])),
        ("saddr", Values::Text(&["10.0.0.1", "fe80::2"])),
        ("sport", Values::Double(&[None, Some(40_000.0)])),
        ("errno", Values::Int64(&[99, 0])),
        ("pid", Values::Int32(&[42, 43])),
        ("ts_ns", Values::Micros(&[7, 8])),
    ]));
    assert!(broken.is_empty(), "{broken:?}");
    assert_eq!((read[0].ts_ns, read[0].sport, read[0].errno), (7000, None, Some(99)));
    assert_eq!((read[1].ts_ns, read[1].sport, read[1].pid), (8000, Some(40_000), Some(43)));
    assert_eq!(read[0].flow.daddr, "10.0.0.2".parse().ok());
    assert_eq!(read[1].flow.daddr, "fe80::1".parse().ok());
    assert_eq!((read[0].flow.dport, read[1].flow.dport), (Some(443), Some(80)));
}

#[test]
fn rows_that_mean_nothing_are_named_and_the_rest_is_used() {
    let (read, broken, losses) = read(foreign(&[
        ("ts_ns", Values::Int64(&[1, 2, 3, i64::MIN, 5])),
        ("saddr", Values::Text(&["ten", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"])),
        ("sport", Values::Int64(&[40_000, 70_000, 0, 40_000, 40_000])),
        ("daddr", Values::Text(&["10.0.0.2"; 5])),
        ("dport", Values::Int64(&[80; 5])),
        ("errno", Values::Int64(&[0; 5])),
    ]));
    assert_eq!((read.len(), losses.unreadable), (1, 4));
    insta::assert_snapshot!(broken.join("\n"), @"
    row 1: `saddr` 'ten' is not an IP address
    row 2: `sport` is not from 0 to 65535
    row 3: neither a port (`sport`) nor an error (`errno`)
    row 4: `ts_ns` is before 1970
    ");
}

#[test]
fn what_is_no_recording_is_refused_with_advice() {
    let other = foreign(&[("ts_ns", Values::Int64(&[1])), ("dport", Values::Int64(&[1]))]);
    insta::assert_snapshot!(refused(other), @"f is a Parquet file without the columns saddr, sport, daddr: a recording has at least the columns ts_ns, saddr, sport, daddr, dport; rename or convert yours");
    let typed = foreign(&[
        ("ts_ns", Values::Int64(&[1])),
        ("saddr", Values::Int64(&[1])),
        ("sport", Values::Int64(&[1])),
        ("daddr", Values::Int64(&[1])),
        ("dport", Values::Int64(&[1])),
    ]);
    insta::assert_snapshot!(refused(typed), @"f is a Parquet file in which the column saddr is INT64, not text: a recording has at least the columns ts_ns, saddr, sport, daddr, dport; rename or convert yours");
    let whole = recorded(10);
    insta::assert_snapshot!(refused(whole[..whole.len() - 5].to_vec()), @"f is a Parquet file without a footer; it is truncated, or was copied while it was written: copy it again, with FILE.journal if there is one");
    let mut damaged = whole;
    let middle_of_footer = damaged.len() - 700;
    damaged[middle_of_footer..][..300].fill(0xff);
    insta::assert_snapshot!(refused(damaged), @"f is a Parquet file with a damaged footer; copy it again");
}

#[test]
fn no_cut_is_taken_for_a_recording() {
    let whole = recorded(3);
    for len in 0..whole.len() {
        assert!(!refused(whole[..len].to_vec()).is_empty(), "{len} bytes of {}", whole.len());
    }
}

#[test]
fn a_damaged_row_group_is_counted_row_by_row() {
    let mut bytes = recorded(100);
    // The first column's page.
    bytes[4..40].fill(0xff);
    let (read, broken, losses) = read(bytes);
    assert_eq!((read.len(), broken.len(), losses.unreadable), (0, 1, 100), "{broken:?}");
    assert!(broken[0].starts_with("row group 1: "), "{broken:?}");
}

#[test]
fn the_journal_gives_the_end_that_is_missing() {
    let path = scratch("killed");
    let whole = recorded(20);
    // Killed after some bytes of a new end were written over the old one.
    let at = 4;
    let mut torn = whole.clone();
    torn[at..at + 100].fill(7);
    torn.extend_from_slice(&[7; 1000]);
    std::fs::write(&path, &torn).unwrap();
    assert!(Recording::open(&path).is_err());
    let sum = {
        let mut sum = flate2::Crc::new();
        sum.update(&(at as u64).to_le_bytes());
        sum.update(&whole[at..]);
        sum.sum()
    };
    let journal =
        [b"EPHJRNL1".as_slice(), &(at as u64).to_le_bytes(), &sum.to_le_bytes(), &whole[at..]];
    std::fs::write(journal_path(&path), journal.concat()).unwrap();
    let rows = |path: &Path| Recording::open(path).unwrap().count();
    assert_eq!(rows(&path), 20);
    assert!(!is_whole(&path, MaxMemory::default()).unwrap());
    Journal::beside(&path).unwrap().restore(&path).unwrap();
    assert!(is_whole(&path, MaxMemory::default()).unwrap() && !journal_path(&path).exists());
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    std::fs::remove_file(path).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damage_does_not_panic_and_is_bounded(
        at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = recorded(40);
        for (at, byte) in at {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(recording) = Recording::from_parquet("test", bytes) {
            // A damaged footer may describe other row groups, but not more rows than pages hold.
            prop_assert!(recording.take(100_000).count() < 100_000);
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        bytes.extend_from_slice(&MAGIC);
        prop_assert!(Recording::from_parquet("test", bytes).is_err());
    }
}
