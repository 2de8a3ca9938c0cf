//! The commands, one file each: what was typed becomes settings, and the settings a run.

pub mod check;
pub mod doctor;
pub mod ports;
pub mod record;
pub mod report;
pub mod settings;
pub mod storm;
pub mod top;
pub mod trace;
pub mod whatif;
