//! What a search of ephtrace's own showed of a hook.

use serde::Serialize;

use crate::kernel::{
    self_test::Sight,
    sites::{self, Site},
};

/// What one search of ephtrace's own showed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TestReport {
    /// The function that searches.
    pub function: &'static str,
    /// `proven`, `blind`, or `inconclusive`, as where no port was free.
    pub outcome: &'static str,
    /// Why it is not proven.
    pub reason: Option<String>,
}

impl TestReport {
    pub(super) fn new((site, sight): (Site, Sight)) -> Self {
        let (outcome, reason) = match sight {
            Sight::Proven => ("proven", None),
            Sight::Inconclusive(why) => ("inconclusive", Some(why)),
            Sight::Blind(why) => ("blind", Some(why)),
        };
        Self { function: sites::row(site).function, outcome, reason }
    }
}
