//! The kernel's types as a file that was named with `--btf` may hold them.
#![no_main]

use ephtrace::kernel::btf::Btf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: Vec<u8>| {
    if let Ok(btf) = Btf::parse(bytes) {
        let _ = btf.member("sock", "__sk_common.skc_num");
        let _ = btf.function("__inet_hash_connect");
    }
});
