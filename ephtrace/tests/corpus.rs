//! Runs each fuzz target on its corpus, without the fuzzer: no input may cause a panic.

#[path = "common/fuzz_targets.rs"]
mod targets;

use std::{fs, path::Path};

/// Maximum size of all inputs of one target together, so that a corpus stays small.
const MAX_BYTES: u64 = 256 << 10;

#[test]
fn inputs_that_were_found_break_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let (mut inputs, mut bytes) = (0, 0);
        for entry in fs::read_dir(corpus.join(name)).unwrap() {
            let input = fs::read(entry.unwrap().path()).unwrap();
            target(&input);
            inputs += 1;
            bytes += input.len() as u64;
        }
        assert!(inputs > 0, "{name} has no input");
        assert!(bytes <= MAX_BYTES, "{name}: {bytes} bytes; `cargo xtask fuzz` makes it smaller");
    }
}
