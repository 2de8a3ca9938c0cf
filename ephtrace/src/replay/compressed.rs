//! Recordings and captures that were compressed: taken apart while they are read.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, Read},
    rc::Rc,
};

use flate2::read::MultiGzDecoder;
use zstd::stream::read::Decoder;

/// Bytes that zstd may look back, as a power of two: 32 MiB, which is held in memory. `zstd -19`
/// takes 8 MiB; `--long` and `--ultra -21` take more.
const MAX_WINDOW_LOG: u32 = 25;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// By the first bytes of a file.
    pub(super) fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What is in it, piece by piece, and how it ends; several that were put behind each other are
    /// one.
    pub(super) fn unpack(self, input: Box<dyn Read>) -> io::Result<(Box<dyn Read>, SharedEnd)> {
        let from: Box<dyn Read> = match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(input)),
            Self::Zstd => {
                let mut decoder = Decoder::new(input)?;
                decoder.window_log_max(MAX_WINDOW_LOG)?;
                Box::new(decoder)
            }
        };
        let end = Rc::new(RefCell::new(End::default()));
        Ok((Box::new(Unpacked { from, end: Rc::clone(&end) }), end))
    }
}

/// For who reads, and for who asks afterwards.
pub(super) type SharedEnd = Rc<RefCell<End>>;

/// How far what is compressed could be read.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Bytes that came out of it.
    pub(super) bytes: u64,
    /// Why no more do, if it is not its end.
    pub(super) reason: Option<String>,
}

/// Ends where it is damaged or cut off, so that whoever reads it uses all that came before.
struct Unpacked {
    from: Box<dyn Read>,
    end: SharedEnd,
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut end = self.end.borrow_mut();
        if end.reason.is_some() {
            return Ok(0);
        }
        match self.from.read(buffer) {
            Ok(n) => {
                end.bytes += n as u64;
                Ok(n)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(error) => {
                end.reason = Some(error.to_string());
                Ok(0)
            }
        }
    }
}
