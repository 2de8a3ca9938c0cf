//! Why a recording can't be read.

use std::io;

use thiserror::Error;

/// Why a recording can't be read at all. The text names the cause and what to do.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The file can't be opened.
    #[error("can't open {file}: {cause}; {advice}")]
    Open {
        /// Its path.
        file: String,
        /// What the system said.
        cause: io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// Reading failed.
    #[error("can't read {file}: {cause}")]
    Read {
        /// Its path.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// Not one of the formats.
    #[error("{file} is {what}; {advice}")]
    Format {
        /// Its path.
        file: String,
        /// What it is instead.
        what: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A Parquet file with more in its footer than may be held.
    #[error("{file} is a Parquet file whose footer {what}")]
    Footer {
        /// Its path.
        file: String,
        /// What is too much of it, and what to do.
        what: String,
    },
    /// A Parquet file of something else.
    #[error(
        "{file} is a Parquet file {what}: a recording has at least the columns ts_ns, saddr, \
         sport, daddr, dport; rename or convert yours"
    )]
    Columns {
        /// Its path.
        file: String,
        /// What is missing, or has another type.
        what: String,
    },
}
