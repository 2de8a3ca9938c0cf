//! The footer: the places of the row groups, and the metadata.

use parquet::{
    errors::Result,
    file::metadata::{
        FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData,
    },
};
use serde_json::{Map, Value};

use super::schema::{self, Plan};
use crate::model::{SCHEMA_VERSION, losses::Losses};

/// The first and the last bytes of a Parquet file.
pub(super) const MAGIC: &[u8; 4] = b"PAR1";

/// Version of the format: the first one, as long as pages have its headers.
const FORMAT_VERSION: i32 = 1;

/// Key of the losses: an object with a number for each stage.
pub const KEY_LOSSES: &str = "ephtrace.losses";

/// Key of the regular end of the recording: `true` or `false`.
pub const KEY_COMPLETE: &str = "ephtrace.complete";

/// Key of the hook.
pub const KEY_HOOK: &str = "ephtrace.hook";

/// Key of the name of the host that was traced.
pub const KEY_HOST: &str = "ephtrace.hostname";

/// Key of the release of the traced kernel, as `uname -r` gives it.
pub const KEY_KERNEL: &str = "ephtrace.kernel";

/// Key of the network namespaces that had a name: an object by inode number; null is the one that
/// ephtrace ran in.
pub const KEY_NETNS: &str = "ephtrace.netns";

/// A key of the metadata and its value: text, or JSON.
pub type Fact = (&'static str, String);

/// Content of the footer beside the row groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Footer {
    /// Metadata of the host and the way of recording.
    pub(super) facts: Vec<Fact>,
    /// Losses while this file was written.
    pub(super) losses: Losses,
    /// The summary as JSON, once there is one.
    pub(super) summary: Option<String>,
    /// True if the recording ended regularly.
    pub(super) is_complete: bool,
}

impl Footer {
    /// Appends the footer of a file with these row groups.
    pub(super) fn write(
        &self,
        plan: &Plan,
        groups: &[RowGroupMetaData],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let rows = groups.iter().map(RowGroupMetaData::num_rows).sum();
        let created_by = concat!("ephtrace version ", env!("CARGO_PKG_VERSION")).to_owned();
        let file = FileMetaData::new(
            FORMAT_VERSION,
            rows,
            Some(created_by),
            Some(self.pairs()),
            plan.schema.clone(),
            None,
        );
        ParquetMetaDataWriter::new(out, &ParquetMetaData::new(file, groups.to_vec())).finish()
    }

    fn pairs(&self) -> Vec<KeyValue> {
        let own = [
            ("ephtrace.schema_version", SCHEMA_VERSION.to_string()),
            ("ephtrace.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("ephtrace.columns", schema::described()),
            (KEY_LOSSES, losses(&self.losses)),
            (KEY_COMPLETE, self.is_complete.to_string()),
        ];
        let summary = self.summary.iter().map(|text| ("ephtrace.summary", text.clone()));
        let all = own.into_iter().chain(self.facts.iter().cloned()).chain(summary);
        all.map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect()
    }
}

fn losses(losses: &Losses) -> String {
    let stages = losses.stages().into_iter();
    let stages: Map<String, Value> = stages.map(|(name, n)| (name.to_owned(), n.into())).collect();
    Value::Object(stages).to_string()
}
