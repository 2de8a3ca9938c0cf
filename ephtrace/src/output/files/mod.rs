//! The one way to write a file, for all outputs.
//!
//! Root may be told to write into a directory of another user, who may change its content at any
//! time. Therefore a file is
//!
//! - reached by its directory, which is looked up once and held open (`Place`);
//! - new (`O_EXCL`, mode 0600 unless asked), or an existing regular file with one name that does
//!   not take the place of a new one in a directory for everybody; no link is followed to it, and
//!   no open blocks ([`PendingFile`]);
//! - locked while it is written (`lock`);
//! - checked with each write: it is an error if another process removes, replaces, truncates or
//!   writes to it (`OpenFile`);
//! - no larger than the free space of its disk, less the part left for others (`reserve`);
//! - created only when something is written to it, and removed again if it remains unused.

mod created;
mod existing;
mod lock;
mod open_file;
mod pending;
mod place;
mod reserve;

pub use self::pending::PendingFile;
pub(crate) use self::{open_file::OpenFile, place::Place};
