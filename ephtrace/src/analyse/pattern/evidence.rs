//! The verdict in sentences.

use super::{classifier::Classifier, verdict::Verdict};

pub(super) fn sentences(c: &Classifier, verdict: &Verdict) -> Vec<String> {
    let _ = (c, verdict);
    Vec::new()
}
