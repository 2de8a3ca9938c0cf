//! The worst finding once more, below a summary whose beginning has left the screen.

use std::io::{self, Write as _};

use crate::{
    analyse::findings::{Finding, Severity},
    output::{escape::escape_for_terminal, paper::Paper, tables::storm::styled},
};

/// Number of lines that are surely still on the screen.
const ON_SCREEN: usize = 20;

/// Appends the sentence of the worst problem among `findings`, which are sorted, to a `text` that
/// is too long for a screen of 24 lines. Pipes and files get none: nothing leaves their screen.
pub(crate) fn repeat_worst(
    text: &mut Vec<u8>,
    findings: &[Finding],
    paper: Paper,
) -> io::Result<()> {
    let Some(worst) = findings.first().filter(|worst| worst.severity != Severity::Note) else {
        return Ok(());
    };
    let lines = String::from_utf8_lossy(&paper.fit(text)).lines().count();
    if paper.columns.is_none() || lines <= ON_SCREEN {
        return Ok(());
    }
    let (severity, sentence) =
        (styled(worst.severity, paper), escape_for_terminal(&worst.sentence));
    writeln!(text, "{severity}: {sentence} (see above)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyse::findings::Rule;

    fn last(lines: usize, severity: Severity, paper: Paper) -> Option<String> {
        let finding = |severity, sentence: &str| Finding {
            rule: Rule::Exhausted,
            severity,
            sentence: sentence.to_owned(),
            evidence: String::new(),
            remedies: Vec::new(),
        };
        let mut text = "line\n".repeat(lines).into_bytes();
        let before = text.len();
        let found = [finding(severity, "curl\u{1b} finds no port"), finding(severity, "other")];
        repeat_worst(&mut text, &found, paper).unwrap();
        let more = String::from_utf8(text.split_off(before)).unwrap();
        Some(more).filter(|more| !more.is_empty())
    }

    #[test]
    fn a_long_summary_ends_with_its_worst_problem() {
        let screen = Paper { columns: Some(80), colour: false };
        let told = last(21, Severity::Critical, screen);
        assert_eq!(told.as_deref(), Some("critical: curl\\u{1b} finds no port (see above)\n"));
        assert!(last(21, Severity::Warning, screen).is_some());
        for (lines, severity, paper) in [
            (20, Severity::Critical, screen),
            (21, Severity::Note, screen),
            (21, Severity::Critical, Paper::default()),
        ] {
            assert_eq!(last(lines, severity, paper), None, "{lines} {severity} {paper:?}");
        }
    }
}
