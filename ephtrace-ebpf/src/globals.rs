//! Read-only data that the loader fills in before load.

use ephtrace_common::Settings;

/// The loader's settings. Frozen before the verifier runs, which therefore knows each value and
/// removes code that is switched off.
#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Settings = zerocopy_zeroed();

const fn zerocopy_zeroed() -> Settings {
    // SAFETY: `Settings` is `FromBytes`: all-zero bytes are a value of it.
    unsafe { core::mem::zeroed() }
}

/// Reads one field of [`SETTINGS`], as the loader set it.
///
/// The read is volatile, or the compiler would fold in the zeroes of the source.
macro_rules! setting {
    ($($field:tt)+) => {
        // SAFETY: a field of a static is aligned and initialised for its type.
        unsafe { (&raw const $crate::globals::SETTINGS.$($field)+).read_volatile() }
    };
}
pub(crate) use setting;
