//! Findings as a list. The commands of remedies stand in a code font, each with a button that
//! copies it where there is a script.

use maud::{Markup, html};

use super::text::escape_for_terminal;
use crate::analyse::findings::Finding;

/// The first words of what can be typed or pasted as it stands.
const BEGINNINGS: [&str; 7] = [
    "sysctl -w ",
    "nsenter --",
    "ip netns exec ",
    "ip address show ",
    "docker run ",
    "securityContext: ",
    "modprobe ",
];

/// What ends a command that words follow.
const ENDS: [&str; 2] = ["; ", " ("];

/// A part of a remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Words(&'a str),
    /// To be copied.
    Command(&'a str),
}

/// All of them, worst first.
pub(super) fn list(findings: &[Finding]) -> Markup {
    html! {
        @if findings.is_empty() { p { "Nothing stands out." } }
        @else {
            ul.findings {
                @for (n, finding) in findings.iter().enumerate() {
                    @let Finding { severity, sentence, evidence, remedies, .. } = finding;
                    // As it is: it may begin with the name of a process.
                    li class=(severity) {
                        strong { (severity) } " " (escape_for_terminal(sentence))
                        @if !evidence.is_empty() { p { (escape_for_terminal(evidence)) } }
                        @if findings[..n].iter().any(|before| before.remedies == *remedies)
                            && !remedies.is_empty() {
                            p { "What to do: the same as above." }
                        } @else if !remedies.is_empty() {
                            ul.remedies aria-label="What to do" {
                                @for one in remedies { li { (remedy(one)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn remedy(text: &str) -> Markup {
    html! {
        @for piece in pieces(text) {
            @match piece {
                Piece::Words(words) => { (escape_for_terminal(words)) }
                Piece::Command(command) => {
                    code.command { (escape_for_terminal(command)) }
                }
            }
        }
    }
}

/// Words and commands in their order; nothing is left out but the quotes of a command in words.
fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some((start, end, rest)) = command(text) {
        let before = text[..start].strip_suffix('`').unwrap_or(&text[..start]);
        pieces.push(Piece::Words(before));
        pieces.push(Piece::Command(&text[start..end]));
        text = &text[rest..];
    }
    pieces.push(Piece::Words(text));
    pieces.retain(|piece| *piece != Piece::Words(""));
    pieces
}

/// Start and end of the first command in `text`, and where words go on.
fn command(text: &str) -> Option<(usize, usize, usize)> {
    let begins = |word: &str| {
        let mut found = text.match_indices(word).map(|(at, _)| at);
        found.find(|&at| text[..at].chars().next_back().is_none_or(char::is_whitespace))
    };
    let plain = BEGINNINGS.into_iter().filter_map(begins).min();
    let quoted = text.find('`').and_then(|at| Some((at + 1, at + 1 + text[at + 1..].find('`')?)));
    match (plain, quoted) {
        (Some(start), quoted) if quoted.is_none_or(|(quote, _)| start < quote) => {
            let ends = ENDS.into_iter().filter_map(|end| text[start..].find(end));
            let end = ends.min().map_or(text.len(), |length| start + length);
            Some((start, end, end))
        }
        (_, quoted) => quoted.map(|(start, end)| (start, end, end + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(text: &str) -> Vec<&str> {
        let is_command = |piece| match piece {
            Piece::Command(command) => Some(command),
            Piece::Words(_) => None,
        };
        pieces(text).into_iter().filter_map(is_command).collect()
    }

    #[test]
    fn commands_are_found_in_remedies() {
        for (text, expected) in [
            ("sysctl -w a.b=\"1 2\"", &["sysctl -w a.b=\"1 2\""][..]),
            ("inside netns 7: sysctl -w a.b=1", &["sysctl -w a.b=1"]),
            (
                "nsenter --net=/proc/7/ns/net sysctl -w a=1",
                &["nsenter --net=/proc/7/ns/net sysctl -w a=1"],
            ),
            ("ip netns exec web sysctl -w a=1 (holds later)", &["ip netns exec web sysctl -w a=1"]),
            (
                "so that it stays: docker run --sysctl a=1; in a pod, securityContext: {b: [c]}",
                &["docker run --sysctl a=1", "securityContext: {b: [c]}"],
            ),
            ("`ss -tanp` tells who; `ss -s` more", &["ss -tanp", "ss -s"]),
            ("an unpaired ` is text", &[]),
            ("keep connections and use them again: a pool, HTTP keep-alive", &[]),
            ("xsysctl -w is none", &[]),
        ] {
            assert_eq!(commands(text), expected, "{text}");
        }
    }

    /// What is read is what stood there.
    #[test]
    fn words_stay_in_their_order() {
        let text = "first: sysctl -w a=1 (then wait); `ss -s` tells";
        assert_eq!(
            pieces(text),
            [
                Piece::Words("first: "),
                Piece::Command("sysctl -w a=1"),
                Piece::Words(" (then wait); "),
                Piece::Command("ss -s"),
                Piece::Words(" tells"),
            ]
        );
    }
}
