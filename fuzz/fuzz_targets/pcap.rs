//! Captures of anybody: the first byte says which kind, so that no time is lost on magic numbers.
#![no_main]

use std::io::Cursor;

use ephtrace::replay::Recording;
use libfuzzer_sys::fuzz_target;

const PCAP: &[u8] = &[0xd4, 0xc3, 0xb2, 0xa1];
const PCAPNG: &[u8] = &[0x0a, 0x0d, 0x0d, 0x0a];

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let magic = if kind % 2 == 0 { PCAP } else { PCAPNG };
    if let Ok(recording) = Recording::from_reader("fuzz", Cursor::new([magic, rest].concat())) {
        assert!(recording.count() <= bytes.len());
    }
});
