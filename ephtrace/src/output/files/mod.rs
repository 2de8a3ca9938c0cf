//! The one way to write a file, for all outputs.
//!
//! Root may be told to write into a directory of somebody else, who may change what is in it at any
//! time. So a file is
//!
//! - reached by its directory, which is looked up once and held open (`Place`);
//! - new (`O_EXCL`, mode 0600 unless asked), or there already and regular, with one name, not in
//!   the place of a new one in a directory for everybody; no link is followed to it, and nothing is
//!   waited for ([`PendingFile`]);
//! - locked while it is written (`lock`);
//! - looked at with each write: removed, replaced, cut short or written to by others is an error
//!   (`OpenFile`);
//! - no larger than its disk has room for, less what is left for others (`reserve`);
//! - there only once something is written to it, and gone again if nothing came of it.

mod created;
mod existing;
mod lock;
mod open_file;
mod pending;
mod place;
mod reserve;

pub use self::pending::PendingFile;
pub(crate) use self::{open_file::OpenFile, place::Place};
