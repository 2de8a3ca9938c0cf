//! Choice of the kernels that guests boot: Debian's, or one from a file.

use std::path::Path;

use anyhow::{Result, bail};

use super::{
    kernel::{Kernel, version_of},
    registry::{self, SUITES},
};
use crate::say::say;

/// Returns the requested kernels, all of Debian's by default; fetches missing ones.
pub(super) fn choose(names: &[String], update: bool) -> Result<Vec<Kernel>> {
    if names.is_empty() {
        return SUITES.iter().map(|suite| registry::kernel(suite, update)).collect();
    }
    names.iter().map(|name| one(name, update)).collect()
}

fn one(name: &str, update: bool) -> Result<Kernel> {
    if let Some(suite) = SUITES.iter().find(|suite| [suite.series, suite.name].contains(&name)) {
        return registry::kernel(suite, update);
    }
    let image = Path::new(name);
    if !image.is_file() {
        let series: Vec<_> = SUITES.iter().map(|suite| suite.series).collect();
        bail!("no kernel {name}: name one of {}, or the path of a bzImage", series.join(", "));
    }
    let version = version_of(image)?;
    say(format_args!("kernel {version} from {name}"));
    Ok(Kernel { version, image: image.to_owned(), modules: None })
}
