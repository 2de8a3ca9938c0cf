//! Manual pages, in section 8: from the definition of the command line, the table of columns and
//! the help of the live view. By hand is only what nothing else of ephtrace says: files,
//! environment, exit status.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _};
use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, italic, roman},
};
use ephtrace::{cli::Cli, model::columns::COLUMNS, tui::HELP};

/// Commands of the administrator.
const SECTION: &str = "8";

/// Apostrophe in roff.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// Codes and their meanings, where they are not those of all commands.
const CHECK: &[(&str, &str)] = &[
    ("0", "OK: no limit is passed."),
    ("1", "WARNING: a first limit is passed."),
    ("2", "CRITICAL: a second limit is passed."),
    ("3", "UNKNOWN: it could not be found out, or the command line can't be understood."),
];

const EXPLAIN: &[(&str, &str)] = &[
    ("0", "It is free."),
    ("1", "It is not free, or the command failed."),
    ("2", "The command line can't be understood."),
    ("3", "It is not known."),
];

const USUAL: &[(&str, &str)] = &[
    ("0", "Success; also if the reader of the output has seen enough."),
    ("1", "The command failed."),
    ("2", "The command line can't be understood."),
];

const TRACED: &[(&str, &str)] = &[
    ("/sys/kernel/btf/vmlinux", "Types of the running kernel, which fentry takes."),
    ("/sys/kernel/tracing", "Where tracefs is mounted: kprobes and tracepoints."),
    ("/sys/fs/cgroup", "The cgroup v2 hierarchy, for --cgroup, --container and the hook sock_ops."),
];

const NAMED: &[(&str, &str)] = &[
    ("/run/netns/NAME", "Network namespaces by name, for --netns, as ip-netns(8) makes them."),
    ("/etc/services", "Names of ports, for --port."),
];

const SETTINGS: &[(&str, &str)] = &[
    ("/proc/sys/net/ipv4/ip_local_port_range", "The range of ephemeral ports, of IPv6, too."),
    ("/proc/sys/net/ipv4/ip_local_reserved_ports", "Ports that are left out."),
];

const RECORDED: &[(&str, &str)] = &[(
    "FILE.journal",
    "The end of a Parquet recording that is being replaced; it is there for a moment, or after \
     ephtrace was killed (--repair).",
)];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("NO_COLOR", "If it is set and not empty, nothing is coloured, unless --color says otherwise."),
    ("TERM", "On a terminal that is called dumb there are no colours, no progress and no top."),
    (
        "LC_ALL, LC_CTYPE, LANG",
        "The first that is set tells whether the terminal shows UTF-8: plots need it, and top \
         draws with ASCII alone without.",
    ),
    ("TZ, TZDIR", "The time zone of wall-clock times."),
    ("TMPDIR", "Where a recording that is out of order is sorted; /tmp unless it is set."),
];

/// Writes all pages to `folder`.
pub(crate) fn write(folder: &Path) -> Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let subcommands = || command.get_subcommands().filter(|one| !one.is_hide_set());
    let names: Vec<String> =
        subcommands().map(|one| format!("ephtrace-{}", one.get_name())).collect();
    for one in subcommands().chain([&command]) {
        let man = Man::new(one.clone()).section(SECTION);
        let path = folder.join(man.get_filename());
        let page = page(&man, one, &names)?;
        fs::write(&path, page).with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(())
}

fn page(man: &Man, command: &Command, subcommands: &[String]) -> Result<String> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let is_root = name == "ephtrace";
    let mut page = Vec::new();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if is_root {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    by_hand(&mut roff, name);
    if let Some(help) = command.get_after_help() {
        after_help(&mut roff, &help.to_string());
    }
    let others: Vec<&str> = subcommands.iter().map(String::as_str).collect();
    see_also(&mut roff, if is_root { &others } else { &["ephtrace"] });
    roff.to_writer(&mut page)?;
    // Each section begins with it, and the title, which has no date, would lose its place for it.
    let body = String::from_utf8(page)?.replace(PREAMBLE, "");
    let version = env!("CARGO_PKG_VERSION");
    let title = format!(".TH {name} {SECTION} \"\" \"ephtrace {version}\" \"ephtrace manual\"");
    Ok(format!("{PREAMBLE}{title}\n{body}"))
}

/// Columns of the tables of `storm`.
const STORM: &[(&str, &str)] = &[
    ("RATE", "attempts a second, failed ones included; in the last table COUNT, their number"),
    ("FAILED", "failed attempts a second, or their number"),
    (
        "P50(us), P99(us)",
        "median and 99th percentile of the port search latency, in microseconds of wall time: \
         upper bounds, at most a quarter too high",
    ),
    ("TRIED", "99th percentile of the candidates of a search, where the hook sees them"),
    ("<CPU%", "processor time of all searches, at most: their wall time, in percent of one CPU"),
    ("USE%", "share of the usable ports that the destination can't have now"),
    ("ORIGIN", "call that asked for the port"),
    (
        "PROCESS and DESTINATION",
        "name of the processes, the one with the most attempts in parentheses; the container; \
         source address and destination",
    ),
];

/// Columns of the tables of `ports`.
const PORTS: &[(&str, &str)] = &[
    ("IN USE", "ports in use for the destination, in any state"),
    ("SHARE", "their share of the usable ports"),
    (
        "MARK",
        "half: all ports of the parity that connect tries first are in use; full: none is free",
    ),
    (
        "LEFT",
        "ports that connect can still choose; a range where sockets may have been bound first, \
         which the kernel does not tell",
    ),
    ("EVEN, ODD", "ports in use by parity"),
    ("ESTAB, TIMEWAIT, CLOSEWAIT, OTHER", "ports in use by state of their sockets"),
    ("HELD BY", "program with the most of them, and the process with the most in parentheses"),
    ("DESTINATION", "source address, destination address and port"),
];

/// The sections that the definition of the command line has no words for.
fn by_hand(roff: &mut Roff, name: &str) {
    let command = name.strip_prefix("ephtrace-").unwrap_or("trace");
    match command {
        "trace" | "record" => columns(roff, command == "record"),
        "top" => keys(roff),
        "storm" => headings(roff, STORM),
        "ports" => headings(roff, PORTS),
        _ => {}
    }
    let status = match command {
        "check" => CHECK,
        "explain" => EXPLAIN,
        _ => USUAL,
    };
    entries(roff, "EXIT STATUS", status.iter().map(|(code, means)| (bold(*code), *means)));
    let files: &[&[_]] = match command {
        "trace" | "top" | "storm" | "serve" | "check" => &[TRACED, NAMED, SETTINGS],
        "record" => &[TRACED, NAMED, SETTINGS, RECORDED],
        "ports" | "explain" | "whatif" => &[NAMED, SETTINGS],
        "doctor" => &[TRACED, SETTINGS],
        "report" => &[RECORDED, NAMED],
        _ => &[],
    };
    if !files.is_empty() {
        let files = files.iter().copied().flatten();
        entries(roff, "FILES", files.map(|(path, means)| (italic(*path), *means)));
    }
    let environment = ENVIRONMENT.iter().map(|(name, means)| (bold(*name), *means));
    entries(roff, "ENVIRONMENT", environment);
}

fn headings(roff: &mut Roff, all: &'static [(&'static str, &'static str)]) {
    entries(roff, "COLUMNS", all.iter().map(|(name, means)| (bold(*name), *means)));
}

fn entries(roff: &mut Roff, title: &str, all: impl Iterator<Item = (Inline, &'static str)>) {
    roff.control("SH", [title]);
    for (name, means) in all {
        roff.control("TP", []).text([name]).text([roman(means)]);
    }
}

/// The columns of text, and the keys of data.
fn columns(roff: &mut Roff, is_data: bool) {
    roff.control("SH", ["COLUMNS"]);
    roff.text([roman(if is_data {
        "A row has these columns. One that may be unknown is null then."
    } else {
        "JSON and CSV have all of them, by the name in bold; what is not known is null or empty. \
         The table has some of them, under the heading that follows, and more with -w, -T and -U."
    })]);
    for column in COLUMNS {
        let mut name = vec![bold(column.name)];
        if !is_data {
            name.push(roman(format!(" {}", column.header)));
        }
        let unit = column.unit.name().map_or_else(String::new, |unit| format!(" ({unit})"));
        let null = if column.is_optional { "; may be null" } else { "" };
        let text = format!("{}{unit}{null}", column.meaning);
        roff.control("TP", []).text(name).text([roman(text)]);
    }
}

/// The keys of the live view and the columns of its lists, as its own help has them.
fn keys(roff: &mut Roff) {
    for (key, means) in HELP {
        if key.is_empty() {
            roff.control("SH", [&*means.to_uppercase()]);
        } else {
            roff.control("TP", []).text([bold(*key)]).text([roman(*means)]);
        }
    }
}

/// Examples line by line, as they are set; other paragraphs as text.
fn after_help(roff: &mut Roff, help: &str) {
    let mut has_notes = false;
    for paragraph in help.split("\n\n") {
        if let Some(examples) = paragraph.strip_prefix("Examples:\n") {
            roff.control("SH", ["EXAMPLES"]).control("nf", []);
            for line in examples.lines() {
                roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
            }
            roff.control("fi", []);
            continue;
        }
        let heading = if has_notes { "PP" } else { "SH" };
        roff.control(heading, if has_notes { &[][..] } else { &["NOTES"] }.iter().copied());
        has_notes = true;
        roff.text([roman(paragraph.replace('\n', " "))]);
    }
}

fn see_also(roff: &mut Roff, pages: &[&str]) {
    roff.control("SH", ["SEE ALSO"]);
    let last = pages.len().saturating_sub(1);
    let inlines = pages.iter().enumerate().flat_map(|(n, name)| {
        [bold(*name), roman(format!("({SECTION}){}", if n == last { "" } else { ", " }))]
    });
    roff.text(inlines.collect::<Vec<_>>());
}
