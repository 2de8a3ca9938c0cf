//! Runs libFuzzer on the target that `EPHTRACE_FUZZ_TARGET` names: one program for all targets.
#![no_main]

#[path = "../../ephtrace/tests/common/fuzz_targets.rs"]
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("EPHTRACE_FUZZ_TARGET").unwrap_or_default();
        let (_, target) = targets::TARGETS
            .iter()
            .find(|(one, _)| *one == name)
            .unwrap_or_else(|| panic!("EPHTRACE_FUZZ_TARGET names no target: {name:?}"));
        TARGET.get_or_init(|| *target);
    },
    |bytes: &[u8]| {
        if let Some(target) = TARGET.get() {
            target(bytes);
        }
    }
);
