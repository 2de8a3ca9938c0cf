//! Compact numbers and names.

use crate::output::width::width;

/// Sign for an unknown value.
pub(super) const UNKNOWN: &str = "–";

/// Returns a count, exact up to six digits.
pub(super) fn count(n: u64) -> String {
    match n {
        0..1_000_000 => n.to_string(),
        1_000_000..1_000_000_000 => tenths(n / 100_000, "M"),
        _ => tenths(n / 100_000_000, "G"),
    }
}

fn tenths(n: u64, unit: &str) -> String {
    if n < 1000 { format!("{}.{}{unit}", n / 10, n % 10) } else { format!("{}{unit}", n / 10) }
}

/// Returns a rate or a mean: with a tenth below ten, in at most five characters up to 999 million.
pub(super) fn mean(value: f64) -> String {
    match value {
        value if value <= 0.0 => "0".to_owned(),
        value if value < 9.95 => format!("{value:.1}"),
        value if value < 99_999.5 => format!("{value:.0}"),
        value if value < 999_500.0 => format!("{:.0}k", value / 1e3),
        value => format!("{:.0}M", value / 1e6),
    }
}

/// Returns nanoseconds in microseconds, in at most seven characters up to a quarter of an hour.
pub(super) fn micros(ns: f64) -> String {
    match ns / 1000.0 {
        us if us < 999.95 => format!("{us:.1}"),
        us if us < 9_999_999.5 => format!("{us:.0}"),
        us => format!("{:.0}k", us / 1000.0),
    }
}

/// Returns `value` as `show` writes it, or the sign for unknown.
pub(super) fn known<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), show)
}

/// Returns a duration in seconds, as `1:02:03`.
pub(super) fn clock(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Returns at most `columns` columns of a text; `…` replaces a missing end.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = head(text, columns.saturating_sub(1)).to_owned();
    cut.extend((columns > 0).then_some('…'));
    cut
}

/// Returns at most `columns` columns of a text, with the end kept, where the port is.
pub(super) fn cut_middle(text: &str, columns: usize) -> String {
    let tail = text.rfind(':').map_or("", |at| &text[at..]);
    if width(text) <= columns || width(tail) + 2 > columns {
        return cut(text, columns);
    }
    format!("{}…{tail}", head(text, columns - width(tail) - 1))
}

/// Returns the longest beginning of `text` that fits into `columns`.
fn head(text: &str, columns: usize) -> &str {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|&end| width(&text[..end]) <= columns).last();
    &text[..end.unwrap_or(0)]
}

/// Returns lines of at most `columns`, broken at blanks, each with `indent` blanks before it, and
/// two more in the lines that continue a sentence.
pub(super) fn wrap(text: &str, indent: usize, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    let mut is_fresh = true;
    for word in text.split_whitespace() {
        if !is_fresh && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent + 2)));
            is_fresh = true;
        }
        if !is_fresh {
            line.push(' ');
        }
        line.push_str(word);
        is_fresh = false;
    }
    lines.push(line);
    lines
}

/// Returns the last values as bars, one character each.
pub(super) fn bars(values: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let bar = |value: u64| match value {
        0 => ' ',
        // Rounded up, so that the highest bar is full; the product fits, because no rate has 61
        // bits.
        value => usize::try_from(value.saturating_mul(8).div_ceil(most))
            .ok()
            .and_then(|eighths| BARS.get(eighths.saturating_sub(1)))
            .copied()
            .unwrap_or('█'),
    };
    values.iter().map(|&value| bar(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_their_columns() {
        let counts = [0, 999_999, 1_000_000, 123_456_789, u64::MAX / 1_000_000].map(count);
        assert_eq!(counts, ["0", "999999", "1.0M", "123M", "18446G"]);
        let means = [0.0, 9.94, 9.96, 99_999.4, 123_456.0, 9e8].map(mean);
        assert_eq!(means, ["0", "9.9", "10", "99999", "123k", "900M"]);
        assert_eq!([840.0, 9_247_900.0, 6e10].map(micros), ["0.8", "9248", "60000k"]);
        assert_eq!(clock(3723), "1:02:03");
    }

    #[test]
    fn names_are_cut_where_they_say_least() {
        assert_eq!(cut_middle("[2001:db8:aaaa::1234]:443", 16), "[2001:db8:a…:443");
        assert_eq!(cut_middle("10.0.0.1:443", 12), "10.0.0.1:443");
        assert_eq!((cut("abcdef", 4), cut("abc", 0)), ("abc…".to_owned(), String::new()));
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut_middle("日本語日本語:443", 11), "日本語…:443");
        assert_eq!(wrap("日本 日本", 0, 8), ["日本", "  日本"]);
    }

    #[test]
    fn long_sentences_are_broken_at_blanks() {
        assert_eq!(wrap("one two three four", 0, 9), ["one two", "  three", "  four"]);
        assert_eq!(wrap("unbreakable", 2, 4), ["  unbreakable"]);
    }

    #[test]
    fn bars_show_what_there_was() {
        assert_eq!(bars(&[0, 1, 50, 100]), " ▁▄█");
    }
}
