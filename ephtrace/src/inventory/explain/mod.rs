//! Whether a port can be had now: by a connect, a bind, a UDP socket. Pure: `host::explain` lists
//! the sockets, this says what the kernel will answer, or why that can't be known.
//!
//! A wrong "free" sends people away from the cause, and a wrong "not free" to the wrong one. So
//! each rule here answers only what follows from what is listed; what the kernel hides makes the
//! answer unknown, and says what was hidden.

mod answer;
mod attempt;
mod connect;
mod meets;
mod port;
mod probe;
mod question;
mod search;
mod seen;
mod shortage;
mod words;

pub use self::{
    answer::{Answer, Holding, answer},
    attempt::{Attempt, PortCount, Verdict, Way},
    question::{Question, Transport},
    seen::{Hidden, HiddenWhy, Probed, Seen},
    shortage::{Shortage, shortage},
};

#[cfg(test)]
mod tests;
