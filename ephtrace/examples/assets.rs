//! Writes the files that are shipped beside the binary to a folder: man pages and completions, from
//! the definition of the command line alone. `cargo xtask assets` runs it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use ephtrace::cli::Cli;

/// Definition that roff needs to write an apostrophe.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("name a folder to write to")?;
    let folder = PathBuf::from(folder);
    let completions = made(folder.join("completions"))?;
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut Cli::command(), "ephtrace", &completions)
            .with_context(|| format!("can't write completions for {shell}"))?;
    }
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    pages(&command, true, &made(folder.join("man"))?)
}

fn made(folder: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    Ok(folder)
}

/// Writes the page of `command`, and those of its subcommands.
fn pages(command: &Command, is_root: bool, folder: &Path) -> Result<()> {
    for subcommand in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        pages(subcommand, false, folder)?;
    }
    let man = Man::new(command.clone());
    let path = folder.join(man.get_filename());
    let page = page(&man, command, is_root)?;
    fs::write(&path, page).with_context(|| format!("can't write {}", path.display()))
}

fn page(man: &Man, command: &Command, is_root: bool) -> Result<String> {
    let mut page = Vec::new();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|one| !one.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    if let Some(help) = command.get_after_help() {
        after_help(&mut roff, &help.to_string());
    }
    if is_root {
        exit_status(&mut roff);
    } else {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("ephtrace"), roman("(1)")]);
    }
    roff.to_writer(&mut page)?;
    // Each section begins with the preamble, which would cost the undated title its place.
    let body = String::from_utf8(page)?.replace(PREAMBLE, "");
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let version = env!("CARGO_PKG_VERSION");
    Ok(format!("{PREAMBLE}.TH {name} 1 \"\" \"ephtrace {version}\" \"ephtrace manual\"\n{body}"))
}

/// Appends examples line by line, as they are set; other paragraphs as text.
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

fn exit_status(roff: &mut Roff) {
    let all = [("0", "Success."), ("1", "It failed."), ("2", "It was called in a wrong way.")];
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in all {
        roff.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    roff.control("PP", []);
    roff.text([roman("Where a command has other codes, its own page says so.")]);
}
