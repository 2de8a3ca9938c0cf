//! The beginning of an input, which tells its format.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::array::Objects;

/// Bytes that are read from a file at once.
pub(super) const READ_BYTES: usize = 256 << 10;

/// Enough of the beginning to tell the formats apart: each has as much.
const MAGIC_BYTES: u64 = 4;

/// The objects of a JSON list one a line; anything else as it is.
pub(super) fn one_a_line(mut input: Box<dyn BufRead>) -> io::Result<Box<dyn BufRead>> {
    if input.fill_buf()?.trim_ascii_start().first() != Some(&b'[') {
        return Ok(input);
    }
    // Conntrack has times in brackets.
    if input.fill_buf()?.trim_ascii_start().get(1).is_some_and(u8::is_ascii_digit) {
        return Ok(input);
    }
    Ok(Box::new(BufReader::with_capacity(READ_BYTES, Objects::new(input))))
}

/// True for a line before the contents: a comment, but those of Zeek that tell its columns, and the
/// greeting of a tool of bcc.
pub(super) fn is_preface(line: &[u8]) -> bool {
    let tells_columns = [b"#separator".as_slice(), b"#fields"];
    line.starts_with(b"Tracing ")
        || (line.starts_with(b"#") && !tells_columns.iter().any(|tag| line.starts_with(tag)))
}

/// The first bytes of an input, and all of it.
pub(super) fn with_magic(mut input: Box<dyn Read>) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut magic = Vec::new();
    input.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic)?;
    let all = Cursor::new(magic.clone()).chain(input);
    Ok((magic, Box::new(all)))
}
