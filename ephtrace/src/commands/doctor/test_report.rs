//! Results of a test search for a hook.

use serde::Serialize;

use crate::kernel::{
    self_test::Sight,
    sites::{self, Site},
};

/// Result of one test search.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TestReport {
    /// Function that searches.
    pub function: &'static str,
    /// `proven`, `blind`, or `inconclusive`, for example if no port was free.
    pub outcome: &'static str,
    /// Reason why it is not proven.
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
