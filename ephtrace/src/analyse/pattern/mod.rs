//! Classification of a sequence of assignments: its pattern, and the rule behind it.
//!
//! Bayesian comparison of policies. Each policy is a *reference* (nothing, the last port of
//! anybody, the last port of the destination, a hash plus a counter) and a *law* of increment from
//! there; its evidence is the sum of the log densities of each port given the earlier ones.
//!
//! ```text
//! Assignment ─ observation ─ judge (by origin) ─ classifier ─┬─ ensemble ─┬─ frame (ranges)
//!                                                            │            ├─ models, mixture
//!                                                            │            └─ counts, kernel
//!                                                            ├─ attention (what rests)
//!                                                            └─ conclusion ─┬─ posterior
//!                                                                           └─ evidence, entropy
//! models: counter (laws, counter_heads, secret_epoch), random_increment, simple_hash, learned
//! ```
//!
//! Each model takes constant time per event, and memory is bounded: [`MAX_DESTINATIONS`],
//! [`MAX_NAMESPACES`], [`MAX_HISTORY`]. No clock, no I/O, no randomness. The accuracy is measured
//! by `benches/patterns` and documented in `docs/patterns.md`.

mod attention;
mod checks;
mod classifier;
mod conclusion;
mod counter;
mod counter_heads;
mod counts;
mod either;
mod ensemble;
mod entropy;
mod evidence;
mod expectation;
mod frame;
mod history;
mod judge;
mod kernel;
mod kernel_rules;
mod laws;
mod learned;
mod mixture;
mod models;
mod names;
mod observation;
mod posterior;
mod random_increment;
mod sampling;
mod score;
mod secret_epoch;
mod simple_hash;
mod stream;
mod verdict;

#[cfg(test)]
mod tests;

pub use classifier::Classifier;
pub use ensemble::{MAX_DESTINATIONS, MAX_NAMESPACES};
pub use evidence::percent;
pub use expectation::expectation;
pub use history::{History, MAX_HISTORY};
pub use judge::{Judge, StreamVerdict, WHOLE};
pub use kernel_rules::{KernelFacts, KernelRules};
pub use names::{Algorithm, Pattern, Predictable};
pub use observation::{Clock, Observation, Search};
pub use stream::Stream;
pub use verdict::{CONFIDENT, FEWEST_PAIRS, Named, Verdict};
