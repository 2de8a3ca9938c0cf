//! Check that a tracer traced every connect, and lost none: the figures of one that did not are
//! invalid.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::wire::Measured;

/// Fails if ephtrace's own account of a run lacks a connect. Other tracers have no account.
pub(super) fn check(run: &Measured) -> Result<()> {
    let Some(connects) = run.made.filter(|_| run.is_ephtrace) else { return Ok(()) };
    let accounted = match serde_json::from_str::<Value>(&run.last_line) {
        Ok(summary) if summary.is_object() => account(&summary),
        _ => account_in_words(&run.said),
    };
    let Account { seen, lost } = accounted
        .with_context(|| format!("{} ends without an account: {}", run.tracer, run.said))?;
    if seen != connects || lost != 0 {
        let name = format_args!("{} ({})", run.tracer, run.load);
        bail!("{name} has seen {seen} of {connects} connects and lost {lost}");
    }
    Ok(())
}

/// ephtrace's account of what it has seen.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    seen: u64,
    lost: u64,
}

/// Returns the account in the last object that `trace` or `storm` writes.
fn account(summary: &Value) -> Option<Account> {
    let seen = [&["kernel_counts", "seen"], &["all", "assignments"]]
        .iter()
        .find_map(|[outer, inner]| summary.get(outer)?.get(inner)?.as_u64())?;
    let losses = summary.get("losses")?.as_object()?.values();
    Some(Account { seen, lost: losses.map(Value::as_u64).sum::<Option<u64>>()? })
}

/// Returns the account in the messages of `trace` and `record`: `36000 searches`, `lost 0 events`.
fn account_in_words(said: &str) -> Option<Account> {
    let words: Vec<_> = said.split_whitespace().map(|word| word.replace(',', "")).collect();
    let number = |word: Option<&String>| word?.parse().ok();
    let searches = words.iter().position(|word| word.starts_with("searches"))?;
    let lost = words.iter().position(|word| word == "lost")?;
    Some(Account {
        seen: number(words.get(searches.checked_sub(1)?))?,
        lost: number(words.get(lost + 1))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::instructions::wire::Cost;

    const SUMMARY: &str = r#"{"kernel_counts":{"seen":36,"filtered":36},"losses":{"ring_full":0}}"#;

    fn run(last_line: &str, said: &str) -> Measured {
        Measured {
            load: "a".into(),
            tracer: "x".into(),
            is_ephtrace: true,
            made: Some(36),
            cost: Cost { connects: 30, p10_ns: 1, p50_ns: 1, p90_ns: 1, total_ns: 30 },
            last_line: last_line.into(),
            said: said.into(),
            bytes: 0,
        }
    }

    #[test]
    fn every_connect_must_be_accounted_for() {
        assert!(check(&run(SUMMARY, "")).is_ok());
        assert!(check(&run(&SUMMARY.replace("36,", "35,"), "")).is_err());
        assert!(check(&run(&SUMMARY.replace(":0", ":1"), "")).is_err());
        assert!(check(&run(r#"{"all":{"assignments":36},"losses":{}}"#, "")).is_ok());
        assert!(check(&run(r#"{"type":"assignment"}"#, "")).is_err());
    }

    #[test]
    fn words_are_an_account_too() {
        let said = "hook fentry: 36 searches, 0 filtered\nlost 0 events";
        assert!(check(&run("1.344 assign connect", said)).is_ok());
        assert!(check(&run("", &said.replace("36", "1,036"))).is_err());
        assert!(check(&run("", &said.replace("lost 0", "lost 2"))).is_err());
        assert!(check(&run("", "")).is_err());
    }
}
