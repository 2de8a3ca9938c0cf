//! How the ports are handed out: the pattern of a sequence of assignments, and the rule behind it.
mod attention;
mod bits;
mod classifier;
mod counter;
mod evidence;
mod facts;
mod frame;
mod frontier;
mod judge;
mod kernel;
mod laws;
mod learned;
mod mixture;
mod models;
mod names;
mod observation;
mod posterior;
mod salt;
mod score;
mod simple_hash;
mod verdict;
mod wide;

#[cfg(test)]
mod tests;

pub use classifier::{Classifier, MAX_DESTINATIONS, MAX_NAMESPACES};
pub use judge::{Judge, Stream};
pub use names::{Algorithm, Pattern};
pub use observation::{Clock, Observation, Search};
pub use verdict::{CONFIDENT, FEWEST_PAIRS, Named, Verdict};
