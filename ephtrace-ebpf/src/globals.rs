//! Read-only data that the loader fills in before load.

use ephtrace_common::Settings;

/// The loader's settings. Frozen before the verifier runs, which therefore knows each value and
/// removes the code of whatever is switched off.
#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Settings = zerocopy_zeroed();

const fn zerocopy_zeroed() -> Settings {
    // SAFETY: `Settings` is `FromBytes`: all-zero bytes are a value of it.
    unsafe { core::mem::zeroed() }
}

/// One field of [`SETTINGS`], as the loader set it.
///
/// Volatile, or the compiler would fold in the zeroes that stand in the source.
macro_rules! setting {
    ($($field:tt)+) => {
        // SAFETY: a field of a static is aligned and initialised for its type.
        unsafe { (&raw const $crate::globals::SETTINGS.$($field)+).read_volatile() }
    };
}
pub(crate) use setting;
