//! The filter as the kernel half takes it: bounded lists of plain numbers.
//!
//! The only place where a user's filter becomes the wire's: the bounds are the verifier's, and
//! nothing outside of `kernel` has to respect them.

use ephtrace_common::Origin;

/// The bit of an origin in `Filter::origins`.
pub fn origin_bit(origin: Origin) -> u32 {
    1 << origin.to_wire()
}
