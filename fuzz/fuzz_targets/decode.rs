//! Records as the ring may hold them.
#![no_main]

use ephtrace::kernel::decode::{Machine, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = decode(bytes, &Machine { unix_offset_ns: 0 });
});
