//! The values of a line of a table.

use csv_core::{ReadRecordResult, ReaderBuilder};

/// Separator of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    Tab,
    /// A comma or another character of ASCII; a value with it is in quotes.
    Character(u8),
    /// Any character, as Zeek has it: a value with it is escaped.
    Plain(char),
    /// Any number of spaces; the name of a process may contain some.
    Spaces,
}

impl Separator {
    /// Returns the separator of a line of names.
    pub(super) fn of(line: &str) -> Self {
        if line.contains('\t') {
            return Self::Tab;
        }
        let known = [b',', b';', b'|'];
        known
            .into_iter()
            .find(|one| line.as_bytes().contains(one))
            .map_or(Self::Spaces, Self::Character)
    }
}

/// Splits a line into its values. If spaces separate them, surplus words beyond `columns` belong to
/// the value at `name`.
pub(super) fn values(
    line: &str,
    separator: Separator,
    columns: usize,
    name: Option<usize>,
) -> Vec<String> {
    match separator {
        Separator::Tab => line.split('\t').map(str::to_owned).collect(),
        Separator::Character(byte) => separated(line, byte),
        Separator::Plain(character) => line.split(character).map(str::to_owned).collect(),
        Separator::Spaces => {
            let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let more = words.len().saturating_sub(columns);
            if let Some(at) = name.filter(|at| more > 0 && columns > 0 && *at < columns) {
                let joined = words[at..=at + more].join(" ");
                words.splice(at..=at + more, [joined]);
            }
            words
        }
    }
}

/// Splits one line of CSV into its values, without their quotes.
fn separated(line: &str, separator: u8) -> Vec<String> {
    let (mut output, mut ends) = (vec![0; line.len()], vec![0; line.len() + 1]);
    let mut reader = ReaderBuilder::new().delimiter(separator).build();
    let (_, _, written, mut count) = reader.read_record(line.as_bytes(), &mut output, &mut ends);
    let (mut written, mut result) = (written, ReadRecordResult::InputEmpty);
    // The end of the input ends the line.
    while result == ReadRecordResult::InputEmpty {
        let (next, _, more, ended) =
            reader.read_record(&[], &mut output[written..], &mut ends[count..]);
        (result, written, count) = (next, written + more, count + ended);
    }
    let mut begin = 0;
    let text = |end: &usize| {
        let value = String::from_utf8_lossy(output.get(begin..*end).unwrap_or_default());
        begin = *end;
        value.into_owned()
    };
    ends[..count].iter().map(text).collect()
}
