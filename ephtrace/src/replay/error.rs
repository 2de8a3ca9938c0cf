//! Errors of reading a recording.

use std::io;

use thiserror::Error;

/// Reason why a recording can't be read at all. The text names the cause and the remedy.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The file can't be opened.
    #[error("can't open {file}: {cause}; {advice}")]
    Open {
        /// Path of the file.
        file: String,
        /// Error of the system.
        cause: io::Error,
        /// Advice to the user.
        advice: &'static str,
    },
    /// Reading failed.
    #[error("can't read {file}: {cause}")]
    Read {
        /// Path of the file.
        file: String,
        /// Error of the system.
        cause: io::Error,
    },
    /// The file has none of the formats.
    #[error("{file} is {what}; {advice}")]
    Format {
        /// Path of the file.
        file: String,
        /// Contents of the file.
        what: &'static str,
        /// Advice to the user.
        advice: &'static str,
    },
    /// A Parquet file whose footer exceeds the memory limit.
    #[error("{file} is a Parquet file whose footer {what}")]
    Footer {
        /// Path of the file.
        file: String,
        /// Excess, and remedy.
        what: String,
    },
    /// A Parquet file of something else.
    #[error(
        "{file} is a Parquet file {what}: a recording has at least the columns ts_ns, saddr, \
         sport, daddr, dport; rename or convert yours"
    )]
    Columns {
        /// Path of the file.
        file: String,
        /// Column that is missing, or has another type.
        what: String,
    },
}
