//! A table for people, as wide as its text, that drops columns if it does not fit.

use std::io::{self, Write};

use super::{
    paper::Paper,
    width::{Left, Right, width},
};

/// Head of a column.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    title: &'static str,
    width: usize,
    is_right: bool,
    /// Number of spaces in front of it, unless it is the first.
    gap: usize,
    /// Order in which it is dropped: 1 goes first; `None` stays.
    drop: Option<u8>,
}

impl Head {
    /// Returns a column of numbers, at least this wide.
    pub(crate) const fn right(title: &'static str, width: usize) -> Self {
        Self { title, width, is_right: true, gap: 1, drop: None }
    }

    /// Returns a column of words, at least this wide.
    pub(crate) const fn left(title: &'static str, width: usize) -> Self {
        Self { title, width, is_right: false, gap: 1, drop: None }
    }

    /// Sets the column apart from the one before it.
    pub(crate) const fn apart(self) -> Self {
        Self { gap: 2, ..self }
    }

    /// Makes the column the `n`th that is dropped if there is no room; 1 is the first.
    pub(crate) const fn drop(self, n: u8) -> Self {
        Self { drop: Some(n), ..self }
    }
}

/// Rows under their heads; the last column is not padded.
pub(crate) struct Table<const N: usize> {
    heads: [Head; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// Creates a table without rows.
    pub(crate) fn new(heads: [Head; N]) -> Self {
        Self { heads, rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, row: [String; N]) {
        self.rows.push(row);
    }

    /// Writes heads and rows, without the columns for which `paper` has no room. [`Paper::fit`]
    /// breaks lines that are still too long.
    pub(crate) fn write(&self, out: &mut impl Write, paper: Paper) -> io::Result<()> {
        let mut kept: Vec<(usize, Head)> = self.heads.into_iter().enumerate().collect();
        for (n, head) in &mut kept {
            let texts = self.rows.iter().map(|row| width(&row[*n]));
            head.width = texts.chain([width(head.title)]).fold(head.width, usize::max);
        }
        let mut drops: Vec<u8> = kept.iter().filter_map(|(_, head)| head.drop).collect();
        drops.sort_unstable();
        for drop in drops {
            let all: usize = kept.iter().map(|(_, head)| head.gap + head.width).sum();
            if paper.holds(all.saturating_sub(1)) {
                break;
            }
            kept.retain(|(_, head)| head.drop != Some(drop));
        }
        line(out, &kept, |n| self.heads[n].title)?;
        self.rows.iter().try_for_each(|row| line(out, &kept, |n| &row[n]))
    }
}

fn line<'a>(
    out: &mut impl Write,
    kept: &[(usize, Head)],
    text: impl Fn(usize) -> &'a str,
) -> io::Result<()> {
    let mut line = String::new();
    for (n, head) in kept {
        if !line.is_empty() || *n > 0 {
            line.extend(std::iter::repeat_n(' ', head.gap));
        }
        let text = text(*n);
        line += &if head.is_right {
            Right(text, head.width).to_string()
        } else {
            Left(text, head.width).to_string()
        };
    }
    writeln!(out, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_go_in_their_order_until_it_fits() {
        let mut table = Table::new([
            Head::right("COUNT", 7),
            Head::left("EVEN", 6).drop(2),
            Head::left("ODD", 6).drop(1),
            Head::left("DESTINATION", 0).apart(),
        ]);
        table.row(["12", "7", "5", "10.0.0.1 -> 10.0.0.2:443"].map(str::to_owned));
        let text = |columns| {
            let mut out = Vec::new();
            table.write(&mut out, Paper { columns, colour: false }).unwrap();
            String::from_utf8(out).unwrap()
        };
        insta::assert_snapshot!(text(None), @"
        COUNT EVEN   ODD     DESTINATION
           12 7      5       10.0.0.1 -> 10.0.0.2:443
        ");
        assert_eq!(text(Some(47)), text(None));
        insta::assert_snapshot!(text(Some(46)), @"
        COUNT EVEN    DESTINATION
           12 7       10.0.0.1 -> 10.0.0.2:443
        ");
        insta::assert_snapshot!(text(Some(39)), @"
        COUNT  DESTINATION
           12  10.0.0.1 -> 10.0.0.2:443
        ");
        assert_eq!(text(Some(20)), text(Some(39)));
    }
}
