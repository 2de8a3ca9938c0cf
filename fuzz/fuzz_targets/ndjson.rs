//! Lines of anybody, read and reported on.
#![no_main]

use std::io::{Cursor, sink};

use ephtrace::{replay::Recording, commands::report, output::Screen};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: Vec<u8>| {
    if let Ok(recording) = Recording::from_reader("fuzz", Cursor::new(bytes))
        && let Ok(report) = report::read(recording, &mut sink())
    {
        let screen = Screen { width: 80, colour: true };
        let _ = report.write_text(&mut sink(), Some(screen));
        let _ = report.write_json(&mut sink());
    }
});
