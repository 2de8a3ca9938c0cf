//! The default ranges of systems, and the range here: `explain ranges`, and `docs/ranges.md`.

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    analyse::fitted_range::{SYSTEMS, System},
    model::{PortRange, port_range::serialize_known_ends},
    output::kind::{Kind, write_object},
};

/// The table, and the range that is set here.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ranges {
    /// The range that is set in this network namespace.
    #[serde(flatten, serialize_with = "serialize_known_ends")]
    #[cfg_attr(test, schemars(with = "crate::model::port_range::Ends<Option<u16>>"))]
    pub own: Option<PortRange>,
    /// Systems that have it by default; empty if none has, or if it is unknown.
    pub systems: Vec<&'static str>,
    /// Default ranges of systems.
    pub defaults: &'static [System],
}

impl Ranges {
    /// Returns the table beside the range that is set here, if that can be read.
    pub fn beside(own: Option<PortRange>) -> Self {
        let is_own = |system: &&System| own == Some(system.range);
        let systems = SYSTEMS.iter().filter(is_own).map(|system| system.system).collect();
        Self { own, systems, defaults: &SYSTEMS }
    }

    /// Writes one JSON object.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        write_object(out, Kind::Ranges, self)
    }

    /// Writes text for people: the range here, then a paragraph for each system.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        match (self.own, self.systems.as_slice()) {
            (None, _) => writeln!(out, "here: unknown, because /proc/sys/net can't be read")?,
            (Some(own), []) => {
                writeln!(out, "here: {own}, which is not the default of any known system")?;
            }
            (Some(own), several) => {
                writeln!(out, "here: {own}, the default of {}", several.join("; of "))?;
            }
        }
        for System { system, range, rule, shown_by, set_by, source, .. } in self.defaults {
            writeln!(out, "\n{range}  {system}")?;
            for (name, value) in
                [("rule", rule), ("shown by", shown_by), ("set by", set_by), ("source", source)]
            {
                writeln!(out, "  {name:9} {value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, fs};

    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ranges.md");
    const MARKS: (&str, &str) = ("<!-- written by the test of the table -->\n", "<!-- end -->");

    /// Environment variable that makes the test write the file.
    const WRITE: &str = "EPHTRACE_WRITE_SCHEMA";

    fn table() -> String {
        let mut text =
            "| system | default range | rule | shown by | set by | source |\n".to_owned();
        text += "|---|---|---|---|---|---|\n";
        for System { system, range, rule, shown_by, set_by, source, .. } in &SYSTEMS {
            let row =
                format!("| {system} | {range} | {rule} | `{shown_by}` | `{set_by}` | {source} |");
            writeln!(text, "{row}").unwrap();
        }
        text
    }

    #[test]
    fn the_page_has_the_table() {
        let page = fs::read_to_string(PAGE).unwrap();
        let (before, rest) = page.split_once(MARKS.0).unwrap();
        let (old, after) = rest.split_once(MARKS.1).unwrap();
        if std::env::var_os(WRITE).is_some() {
            fs::write(PAGE, [before, MARKS.0, &table(), MARKS.1, after].concat()).unwrap();
            return;
        }
        assert!(old == table(), "docs/ranges.md is not current; {WRITE}=1 writes it");
    }

    #[test]
    fn what_is_set_here_is_told() {
        let text = |own| {
            let mut text = Vec::new();
            Ranges::beside(own).write_text(&mut text).unwrap();
            String::from_utf8(text).unwrap().lines().next().unwrap().to_owned()
        };
        let default = text(Some(PortRange::new(32768, 60999)));
        assert!(default.contains("the default of Linux 5.18 or later; of"), "{default}");
        let set = text(Some(PortRange::new(40_000, 50_000)));
        assert_eq!(set, "here: 40000-50000, which is not the default of any known system");
        assert!(text(None).starts_with("here: unknown"));
    }
}
