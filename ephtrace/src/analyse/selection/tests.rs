//! The kernel's search, replayed and reconstructed.

use ephtrace_common::totals::{Walked, tried};
use proptest::prelude::*;

use super::*;
use crate::model::Hook;

const RULES: Rules = Rules { own_range_steps_by_one: true };

fn range(low: u16, high: u16, by_socket: bool) -> RangeInForce {
    if by_socket { RangeInForce::of_socket(low, high) } else { RangeInForce::of_netns(low, high) }
}

/// Returns an assignment before its outcome is known, and the kernel's state of its search.
fn assignment(range: RangeInForce, hash: u64, word: u32) -> (Assignment, SearchSecrets) {
    let assignment = Assignment {
        range: Some(range),
        hook: Some(Hook::Fentry),
        errno: Some(0),
        ..Assignment::default()
    };
    (assignment, SearchSecrets::new(Some(hash), (Some(word), None), 0, false))
}

/// The kernel's loop, transcribed, over the ports for which `is_free` holds; `random` is 0..=7.
/// Returns the port, the number tried, and the amount added to the word.
fn kernel(
    range: RangeInForce,
    hash: u64,
    word: u32,
    random: u32,
    is_free: impl Fn(u32) -> bool,
) -> (Option<u32>, u32, u32) {
    let step = if range.is_by_socket() { 1 } else { 2 };
    let (low, high) = (u32::from(range.ports.low), u32::from(range.ports.high) + 1);
    let mut remaining = high - low;
    if step == 2 && remaining > 1 {
        remaining &= !1;
    }
    let mut offset = (word.wrapping_add((hash >> 32) as u32)) % remaining;
    if step == 2 {
        offset &= !1;
    }
    let mut tried = 0;
    loop {
        let mut port = low + offset;
        let mut i = 0;
        while i < remaining {
            if port >= high {
                port -= remaining;
            }
            tried += 1;
            if is_free(port) {
                return (Some(port), tried, i.max(random * step) + step);
            }
            i += step;
            port += step;
        }
        offset += 1;
        if step == 1 || offset & 1 == 0 || remaining <= 1 {
            return (None, tried, 0);
        }
    }
}

proptest! {
    /// The reconstruction equals the loop's result, whatever is free.
    #[test]
    fn agrees_with_the_kernel_s_loop(
        low in 1024_u16..60_000,
        len in 1_u16..300,
        by_socket: bool,
        hash: u64,
        word in 1_u32..,
        random in 0_u32..8,
        taken in prop::collection::vec(0_u16..300, 0..400),
    ) {
        let range = range(low, low + len - 1, by_socket);
        let is_free = |port: u32| !taken.iter().any(|&t| u32::from(low + t) == port);
        let (port, tried, added) = kernel(range, hash, word, random, is_free);
        let (mut a, mut secrets) = assignment(range, hash, word);
        a.sport = port.map(|p| u16::try_from(p).unwrap());
        secrets.word_after = Some(word.wrapping_add(added));
        let selection = select(&a, &secrets, RULES).unwrap();
        prop_assert_eq!(selection.tried, Some(tried));
        prop_assert_eq!(selection.pass.is_none(), port.is_none());
    }

    /// The kernel half's own rule, for its totals, agrees on any input.
    #[test]
    fn agrees_with_the_kernel_half(
        low in 1024_u16..60_000,
        len in 1_u16..300,
        by_socket: bool,
        hash: u64,
        word: u32,
        moved in prop_oneof![0_u32..700, any::<u32>()],
        sport in prop::option::of(0_u16..310),
    ) {
        let range = range(low, low + len - 1, by_socket);
        let (mut a, mut secrets) = assignment(range, hash, word);
        a.sport = sport.map(|nth| low + nth);
        secrets.word_after = Some(word.wrapping_add(moved));
        let told = tried(&Walked {
            low: u32::from(range.ports.low),
            high: u32::from(range.ports.high),
            by_one: by_socket,
            hash_high: (hash >> 32) as u32,
            before: word,
            after: word.wrapping_add(moved),
            sport: a.sport.map_or(0, u32::from),
        });
        let selection = select(&a, &secrets, RULES).ok();
        prop_assert_eq!(told.map(|(tried, _)| tried), selection.and_then(|s| s.tried));
        if let Some((_, is_second)) = told && a.sport.is_some() {
            prop_assert_eq!(is_second, selection.unwrap().pass == Some(Pass::Second));
        }
    }

    /// A word that moved by more than the search can have added never yields a number.
    #[test]
    fn a_second_search_in_between_is_noticed(
        hash: u64, word in 1_u32.., more in 8_u32..10_000,
    ) {
        let range = RangeInForce::of_netns(32_768, 60_999);
        let (port, _, added) = kernel(range, hash, word, 0, |_| true);
        let (mut a, mut secrets) = assignment(range, hash, word);
        a.sport = port.map(|p| u16::try_from(p).unwrap());
        secrets.word_after = Some(word.wrapping_add(added + 2 * more));
        prop_assert_eq!(select(&a, &secrets, RULES), Err(Unknown::Raced));
    }
}

#[test]
fn says_why_nothing_is_known() {
    let range = RangeInForce::of_netns(32_768, 60_999);
    let (a, mut secrets) = assignment(range, 5, 0);
    assert_eq!(select(&a, &secrets, RULES), Err(Unknown::Table));
    secrets.word_after = Some(8);
    assert_eq!(select(&a, &secrets, RULES), Err(Unknown::TableEmpty));
    secrets.word_before = Some(2);
    secrets.raced = true;
    assert_eq!(select(&a, &secrets, RULES), Err(Unknown::Raced));
    secrets.hash_offset = None;
    assert_eq!(select(&a, &secrets, RULES), Err(Unknown::Hash));
}

#[test]
fn secrets_are_never_formatted() {
    let secrets = SearchSecrets::new(Some(77), (Some(77), Some(77)), 77, true);
    assert_eq!(format!("{secrets:?}"), "SearchSecrets { .. }");
}

#[test]
fn random_steps_tell_what_they_can() {
    let range = RangeInForce::of_netns(32_768, 60_999);
    let (mut a, mut secrets) = assignment(range, 0, 2);
    secrets.step_width = 64;
    let mut tried = |port, added: u32| {
        a.sport = Some(port);
        secrets.word_after = Some(2 + 2 * (added + 1));
        select(&a, &secrets, RULES).map(|selection| selection.tried)
    };
    assert_eq!(tried(32_770, 3), Ok(Some(1)));
    assert_eq!(tried(40_000, 3), Ok(None));
    assert_eq!(tried(40_000, 90), Ok(Some(91)));
    assert_eq!(tried(40_001, 90), Ok(Some(14_116 + 91)));
    assert_eq!(tried(32_770, 90), Err(Unknown::Raced));
}
