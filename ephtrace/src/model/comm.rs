//! The name of a process.

use std::fmt;

/// Name of a process, at most 15 bytes (`TASK_COMM_LEN` less the NUL).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Comm {
    bytes: [u8; 16],
    len: u8,
}

impl Comm {
    /// Converts the kernel's NUL-terminated form; bytes that are not UTF-8 become `?`.
    pub fn from_kernel(mut bytes: [u8; 16]) -> Self {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(16);
        bytes[end..].fill(0);
        if std::str::from_utf8(&bytes[..end]).is_err() {
            bytes[..end].iter_mut().filter(|b| !b.is_ascii()).for_each(|b| *b = b'?');
        }
        // At most 16, so the cast keeps it whole.
        Self { bytes, len: u8::try_from(end).unwrap_or(16) }
    }

    /// Creates a name from the longest prefix of `name` that fits.
    pub fn new(name: &str) -> Self {
        let mut bytes = [0; 16];
        let mut end = name.len().min(15);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        bytes[..end].copy_from_slice(&name.as_bytes()[..end]);
        Self::from_kernel(bytes)
    }

    /// Returns the kernel's form, padded with NULs.
    pub fn to_kernel(self) -> [u8; 16] {
        self.bytes
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("?")
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
