//! What `record` means: the settings of `trace`, and where the rows go.

use super::{Settings, UsageError, parse};
use crate::{
    cli::{RecordArgs, TraceArgs},
    sink::parquet::{Options, Rotate},
};

/// Smallest file to rotate at: a row group of a storm is about as long.
const MIN_ROTATE_BYTES: u64 = 1 << 20;

impl TryFrom<RecordArgs> for Settings {
    type Error = UsageError;

    fn try_from(args: RecordArgs) -> Result<Self, UsageError> {
        let RecordArgs { file, rotate, from, repair: _, filter, stop, kernel, verbosity } = args;
        let trace = TraceArgs { from, filter, stop, kernel, verbosity, ..TraceArgs::default() };
        let rotate = rotate.map(|text| rotation(&text)).transpose()?;
        let record = Some(Options { path: file, rotate });
        Ok(Self { record, ..Self::try_from(trace)? })
    }
}

/// A size has a large letter (256M), a time a small one (10m).
fn rotation(text: &str) -> Result<Rotate, UsageError> {
    let flag = "--rotate";
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let Ok(number) = digits.parse::<u64>() else {
        return match parse::duration(flag, text) {
            Ok(time) => Ok(Rotate::Time(time)),
            Err(_) => {
                Err(bad(text, "it takes a size such as 256M or 2G, or a time such as 10m or 1h"))
            }
        };
    };
    match number.checked_mul(unit) {
        Some(bytes) if bytes >= MIN_ROTATE_BYTES => Ok(Rotate::Bytes(bytes)),
        _ => Err(bad(text, "a file has at least 1M")),
    }
}

fn bad(text: &str, reason: &str) -> UsageError {
    UsageError::Value { flag: "--rotate", value: text.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sizes_and_times() {
        let is = |text| rotation(text).map_err(|error| error.to_string());
        assert_eq!(is("256M"), Ok(Rotate::Bytes(256 << 20)));
        assert_eq!(is("2G"), Ok(Rotate::Bytes(2 << 30)));
        assert_eq!(is("1048576"), Ok(Rotate::Bytes(1 << 20)));
        assert_eq!(is("10m"), Ok(Rotate::Time(Duration::from_mins(10))));
        assert_eq!(is("1h"), Ok(Rotate::Time(Duration::from_hours(1))));
        for text in ["", "M", "10", "1K", "x", "-1M", "99999999999999999999M", "20000000000G", "0s"]
        {
            assert!(is(text).unwrap_err().starts_with(&format!("'{text}'")), "{text}");
        }
        insta::assert_snapshot!(is("often").unwrap_err(), @"'often' is no value for --rotate: it takes a size such as 256M or 2G, or a time such as 10m or 1h");
    }
}
