//! Availability of a port: for a connect, a bind, a UDP socket. Pure: `host::explain` lists the
//! sockets; this module derives the kernel's answer, or the reason why it can't be known.
//!
//! A wrong "free" sends people away from the cause, and a wrong "not free" to the wrong one.
//! Therefore each rule here answers only what follows from the lists; state that the kernel hides
//! makes the answer unknown, and the answer names it.

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
