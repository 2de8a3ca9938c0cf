//! Findings: problem, cause and remedy. Each finding has a rule, a sentence, evidence and the exact
//! remedy. Pure: facts go in, findings come out, worst first.
//!
//! A rule speaks only of its facts. An unknown fact makes a rule silent, never wrong.

mod asked;
mod completeness;
mod explicit;
mod facts;
mod finding;
mod load;
mod remedies;
mod rules;
mod settings;
mod states;
mod tracker;

pub(super) use self::facts::is_bind;
pub use self::{
    facts::{
        AskedFacts, Completeness, DestinationFacts, Facts, Listener, NetnsFacts, StateFacts, Storm,
        TakenBy, TrackedFacts, Tracker,
    },
    finding::{Finding, Rule, Severity},
    rules::findings,
};

#[cfg(test)]
mod tests;
