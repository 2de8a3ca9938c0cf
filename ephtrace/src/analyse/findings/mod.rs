//! What is wrong, why, and what to do: each finding is a rule, its sentence, its evidence and the
//! exact remedy. Pure: facts go in, findings come out, worst first.
//!
//! A rule speaks only of what its facts say. A fact that is not known makes a rule silent, never
//! wrong.

mod completeness;
mod facts;
mod finding;
mod load;
mod remedies;
mod rules;
mod settings;

pub use self::{
    facts::{Completeness, DestinationFacts, Facts, Listener, NetnsFacts, Storm, Tracker},
    finding::{Finding, Rule, Severity},
    rules::findings,
};

#[cfg(test)]
mod tests;
