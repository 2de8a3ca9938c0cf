//! Made-up recordings for tests, and a folder for each of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

/// A folder that is removed at the end of the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Creates an empty folder.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("ephtrace-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// Returns the path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // At worst, it is left over in the system's folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns assignment `n` of a series at intervals of `every_ns`, as a line of NDJSON.
pub(crate) fn line(n: u64, every_ns: u64) -> String {
    format!(
        "{{\"ts_ns\":{},\"saddr\":\"10.0.0.1\",\"sport\":{},\"daddr\":\"10.0.1.{}\",\"dport\":443,\
         \"protocol\":\"tcp\",\"origin\":\"connect\",\"range\":[32768,60999],\"pid\":{},\
         \"comm\":\"curl\",\"errno\":0,\"cookie\":{}}}\n",
        1_795_000_000_000_000_000 + n * every_ns,
        32_768 + n * 7919 % 28_232,
        n % 3,
        100 + n % 2,
        noise(n),
    )
}

/// Returns 40 bits of a hash of `n`, which do not compress.
fn noise(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z ^ (z >> 27)) >> 24
}
