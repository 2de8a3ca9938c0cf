//! Parquet files of anybody, read and reported on.
#![no_main]

use std::io::sink;

use ephtrace::{replay::Recording, commands::report};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: Vec<u8>| {
    if let Ok(recording) = Recording::from_parquet("fuzz", bytes)
        && let Ok(report) = report::read(recording, &mut sink())
    {
        let _ = report.write_json(&mut sink());
    }
});
