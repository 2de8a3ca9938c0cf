//! Splits a list of JSON objects, as written by `tshark -T json`, into one object a line.

use std::io::{self, BufRead, Read};

/// The objects of a list, each on a line of its own.
pub(super) struct Objects<R> {
    input: R,
    depth: u32,
    is_text: bool,
    is_escaped: bool,
}

impl<R: BufRead> Objects<R> {
    /// Creates a reader that begins at the bracket.
    pub(super) fn new(input: R) -> Self {
        Self { input, depth: 0, is_text: false, is_escaped: false }
    }

    /// Returns the byte to pass on; `None` between objects.
    fn take(&mut self, byte: u8) -> Option<u8> {
        if self.is_text {
            self.is_text = self.is_escaped || byte != b'"';
            self.is_escaped = !self.is_escaped && byte == b'\\';
            return Some(byte);
        }
        match byte {
            b'"' => self.is_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            // A line ends behind an object.
            b',' if self.depth <= 1 => return Some(b'\n'),
            b'\n' | b'\r' | b'\t' | b' ' => return None,
            _ => {}
        }
        let is_list = (byte == b'[' && self.depth == 1) || (byte == b']' && self.depth == 0);
        (!is_list).then_some(byte)
    }
}

impl<R: BufRead> Read for Objects<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.input.fill_buf()?;
            let bytes = input.get(..buffer.len()).unwrap_or(input).to_vec();
            if bytes.is_empty() {
                return Ok(0);
            }
            self.input.consume(bytes.len());
            let mut written = 0;
            for byte in bytes.iter().filter_map(|byte| self.take(*byte)) {
                buffer[written] = byte;
                written += 1;
            }
            if written > 0 {
                return Ok(written);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str) -> String {
        let mut out = String::new();
        Objects::new(Cursor::new(text)).read_to_string(&mut out).unwrap();
        out
    }

    #[test]
    fn objects_of_a_list_become_lines() {
        let list =
            "[\n  {\n \"a\": \"x, y\\\" ]\",\n \"b\": [1, 2]\n },\n {\"c\": {\"d\": 1}}\n]\n";
        assert_eq!(lines(list), "{\"a\":\"x, y\\\" ]\",\"b\":[1,2]}\n{\"c\":{\"d\":1}}");
        assert_eq!(lines("[]"), "");
    }

    proptest! {
        #[test]
        fn a_list_has_as_many_lines_as_objects(
            texts in prop::collection::vec("[a-z\\[\\]{},\"\\\\\n]{0,8}", 1..6),
        ) {
            let objects: Vec<_> =
                texts.iter().map(|text| serde_json::json!({ "a": text, "b": [text] })).collect();
            let list = serde_json::to_string_pretty(&objects).unwrap();
            let read: Vec<serde_json::Value> =
                lines(&list).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            prop_assert_eq!(read, objects);
        }
    }
}
