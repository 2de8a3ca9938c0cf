//! Compressed recordings and captures, decompressed while they are read.

use std::{
    cell::RefCell,
    io::{self, BufRead as _, BufReader, ErrorKind, Read},
    rc::Rc,
};

use flate2::read::MultiGzDecoder;
use xz4rust::{XzDecoder, XzNextBlockResult};
use zstd::stream::read::Decoder;

/// Maximum window of zstd, as a power of two: 32 MiB, which is held in memory. `zstd -19` uses 8
/// MiB; `--long` and `--ultra -21` use more.
const MAX_WINDOW_LOG: u32 = 25;

/// Maximum dictionary of xz, of the same size. `xz` uses 8 MiB by default, `xz -9` 64 MiB.
const MAX_DICTIONARY: usize = 1 << MAX_WINDOW_LOG;

/// Number of bytes that xz reads at once.
const XZ_BUFFER: usize = 64 << 10;

/// Compression format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    Xz,
}

impl Compression {
    /// Detects the format by the first bytes of a file.
    pub(super) fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X'] => Some(Self::Xz),
            _ => None,
        }
    }

    /// Returns a reader of the decompressed data, and its end state; concatenated streams are one.
    pub(super) fn unpack(self, input: Box<dyn Read>) -> io::Result<(Box<dyn Read>, SharedEnd)> {
        let from: Box<dyn Read> = match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(input)),
            Self::Zstd => {
                let mut decoder = Decoder::new(input)?;
                decoder.window_log_max(MAX_WINDOW_LOG)?;
                Box::new(decoder)
            }
            Self::Xz => Box::new(Xz::new(input)),
        };
        let end = Rc::new(RefCell::new(End::default()));
        Ok((Box::new(Unpacked { from, end: Rc::clone(&end) }), end))
    }
}

/// Concatenated streams of xz. (The crate's own reader, 0.2, forgets where the first one ended.)
struct Xz {
    input: BufReader<Box<dyn Read>>,
    decoder: Box<XzDecoder<'static>>,
    /// True if one stream has ended, and no other has begun.
    is_between: bool,
}

impl Xz {
    fn new(input: Box<dyn Read>) -> Self {
        let decoder = XzDecoder::in_heap_with_alloc_dict_size(0, MAX_DICTIONARY);
        Self { input: BufReader::with_capacity(XZ_BUFFER, input), decoder, is_between: false }
    }
}

impl Read for Xz {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() && self.is_between {
                return Ok(0);
            }
            if bytes.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let damaged = |cause| io::Error::new(ErrorKind::InvalidData, cause);
            let (used, written) = match self.decoder.decode(bytes, buffer).map_err(damaged)? {
                XzNextBlockResult::NeedMoreData(used, written) => {
                    self.is_between = false;
                    (used, written)
                }
                XzNextBlockResult::EndOfStream(used, written) => {
                    self.decoder.reset();
                    self.is_between = true;
                    (used, written)
                }
            };
            self.input.consume(used);
            if written > 0 {
                return Ok(written);
            }
            if used == 0 {
                return Err(ErrorKind::InvalidData.into());
            }
        }
    }
}

/// End state, shared between the reader and its owner.
pub(super) type SharedEnd = Rc<RefCell<End>>;

/// Progress of decompression.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Number of decompressed bytes.
    pub(super) bytes: u64,
    /// Reason for the end, other than the end of the data.
    pub(super) reason: Option<String>,
}

/// Reader that ends at damaged or truncated data, so that everything before it is used.
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
