//! What the kernel half does not tell: wall-clock time, container, a missing name.

pub mod clock;
pub mod container;
