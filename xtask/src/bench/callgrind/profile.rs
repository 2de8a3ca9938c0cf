//! Output of `callgrind`: instructions by function and source file, and calls.
//!
//! Format: <https://valgrind.org/docs/manual/cl-format.html>

use std::collections::HashMap;

use anyhow::{Context as _, Result};

/// Code of a function, in the file of its line: another file if it was inlined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Number of the function.
    pub(super) function: u64,
    /// Number of the file.
    pub(super) file: u64,
}

/// Instructions of a run.
#[derive(Debug, Default)]
pub(super) struct Profile {
    /// Paths of source files, by number.
    pub(super) files: HashMap<u64, String>,
    /// File in which each function is defined.
    pub(super) homes: HashMap<u64, u64>,
    /// Instructions of the code itself.
    pub(super) own: HashMap<Place, u64>,
    /// Instructions of calls from a place to a function, its own calls included.
    pub(super) calls: HashMap<(Place, u64), u64>,
}

/// State of the reader of a file.
#[derive(Default)]
struct Cursor {
    function: Option<u64>,
    /// File of the function.
    home: u64,
    /// File of the lines that follow.
    file: u64,
    callee: Option<u64>,
    /// True if the next line has the cost of a call.
    is_call: bool,
}

impl Profile {
    /// Parses a file.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut profile = Self::default();
        let mut cursor = Cursor::default();
        for line in text.lines() {
            profile.line(line, &mut cursor).with_context(|| format!("line {line:?}"))?;
        }
        Ok(profile)
    }

    fn line(&mut self, line: &str, at: &mut Cursor) -> Result<()> {
        let starts_as_cost =
            line.starts_with(['+', '-', '*']) || line.starts_with(char::is_numeric);
        if starts_as_cost {
            return self.cost(line, at);
        }
        let Some((key, value)) = line.split_once('=') else { return Ok(()) };
        match key {
            "fl" => {
                at.home = self.file(value)?;
                at.file = at.home;
            }
            "fi" | "fe" => at.file = self.file(value)?,
            "cfi" | "cfl" => drop(self.file(value)?),
            "fn" => {
                let function = number(value)?;
                self.homes.insert(function, at.home);
                at.function = Some(function);
                at.file = at.home;
            }
            "cfn" => at.callee = Some(number(value)?),
            "calls" => at.is_call = true,
            _ => {}
        }
        Ok(())
    }

    /// Parses a position and a number of instructions, which is missing if it is 0.
    fn cost(&mut self, line: &str, at: &mut Cursor) -> Result<()> {
        let cost = line.split_whitespace().nth(1).map_or(Ok(0), str::parse::<u64>)?;
        let function = at.function.context("a cost of no function")?;
        let place = Place { function, file: at.file };
        if std::mem::take(&mut at.is_call) {
            let callee = at.callee.take().context("a call of no function")?;
            *self.calls.entry((place, callee)).or_default() += cost;
        } else {
            *self.own.entry(place).or_default() += cost;
        }
        Ok(())
    }

    /// Returns the number of a file, whose name is given only the first time.
    fn file(&mut self, value: &str) -> Result<u64> {
        let number = number(value)?;
        if let Some((_, name)) = value.split_once(") ") {
            self.files.insert(number, name.to_owned());
        }
        Ok(number)
    }
}

/// Parses `(7)` or `(7) name`.
fn number(value: &str) -> Result<u64> {
    let inner = value.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let (number, _) = inner.context("no number")?;
    Ok(number.parse()?)
}

#[cfg(test)]
pub(super) const EXAMPLE: &str = "\
version: 1
events: Ir

ob=(1) /bin/x
fl=(1) ephtrace/src/main.rs
fn=(1) main
10 5
+1 3
cfi=(2) ephtrace/src/analyse/tally.rs
cfn=(2) observe
calls=2 20
+2 300
cfi=(3) core/memcpy.rs
cfn=(3) memcpy
calls=1 0
* 10

fl=(2)
fn=(2)
20 100
fi=(4) ephtrace/src/model.rs
5 50
fe=(2)
21 10
cfi=(3)
cfn=(3)
calls=4 0
+1 90
cfn=(4) own_file
calls=4 0
+1 50

fn=(4)
40 50

fl=(3)
fn=(3)
0 100
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_and_calls_are_read() {
        let profile = Profile::parse(EXAMPLE).unwrap();
        let total: u64 = profile.own.values().sum();
        assert_eq!(total, 8 + 160 + 50 + 100);
        assert_eq!(profile.calls.values().sum::<u64>(), 300 + 10 + 90 + 50);
        assert_eq!(profile.own[&Place { function: 2, file: 4 }], 50);
        assert_eq!(profile.calls[&(Place { function: 2, file: 2 }, 3)], 90);
        assert_eq!(profile.homes[&3], 3);
        assert!(Profile::parse("fn=(1) x\ncalls=1 0\n1 2\n").is_err());
    }
}
