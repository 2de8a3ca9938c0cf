//! Completions for shells: those of `clap_complete`, and by hand what it has no words for, the
//! values that only the machine knows, and lists with commas.
//!
//! `clap_complete`'s engine that asks the program itself is unstable, and would start ephtrace as
//! whoever presses Tab, often root.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use clap::CommandFactory as _;
use clap_complete::Shell;
use ephtrace::{cli::Cli, model::Origin};

/// How fish finds out whether a command was named. It fails while the last option lacks its value:
/// for that very value.
const FISH_LACKS: &str = "-- $cmd 2>/dev/null\n    or return\n";
const FISH_TAKES: &str = "-- $cmd 2>/dev/null\n    or argparse -s \
                          (__fish_ephtrace_global_optspecs) -- $cmd[1..-2] 2>/dev/null\n    or \
                          return\n";

const BASH: &str = include_str!("values.bash");
const ZSH: &str = include_str!("values.zsh");
const FISH: &str = include_str!("values.fish");

/// An option whose values only the machine knows.
struct Values {
    option: &'static str,
    short: &'static str,
    zsh: &'static str,
    fish: &'static str,
}

const fn values([option, short, zsh, fish]: [&'static str; 4]) -> Values {
    Values { option, short, zsh, fish }
}

const VALUES: [Values; 5] = [
    values(["pid", "-p", "_ephtrace_list_pids", "__fish_complete_pids"]),
    values(["uid", "-u", "_ephtrace_list_users", "__fish_complete_users"]),
    values(["comm", "-c", "_ephtrace_list_programs", "__fish_ephtrace_programs"]),
    values(["port", "-P", "_ephtrace_list_ports", "__fish_ephtrace_services"]),
    values(["netns", "--netns", "_ephtrace_list_namespaces", "__fish_ephtrace_namespaces"]),
];

/// Writes them to `folder`.
pub(crate) fn write(folder: &Path) -> Result<()> {
    for (shell, with_values) in
        [(Shell::Bash, bash as fn(&str) -> Result<String>), (Shell::Zsh, zsh), (Shell::Fish, fish)]
    {
        let path = clap_complete::generate_to(shell, &mut Cli::command(), "ephtrace", folder)
            .with_context(|| format!("can't write completions for {shell}"))?;
        let text = with_values(&fs::read_to_string(&path)?)?;
        fs::write(&path, with_origins(&text)).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn with_origins(text: &str) -> String {
    let names: Vec<&str> = Origin::ALL.iter().map(|origin| origin.name()).collect();
    text.replace("@ORIGINS@", &names.join(" "))
}

#[expect(clippy::unnecessary_wraps, reason = "as the others")]
fn bash(text: &str) -> Result<String> {
    Ok(format!("{text}{BASH}"))
}

/// In place of the default, the function for the option's values; the functions stand before the
/// file runs what it defines.
fn zsh(text: &str) -> Result<String> {
    let end = text.find("if [ \"$funcstack[1]\"").context("no end of completions for zsh")?;
    let (definitions, end) = text.split_at(end);
    let mut lines: Vec<String> = Vec::new();
    let mut is_origin = false;
    let mut changed = 0;
    for line in definitions.lines() {
        if is_origin {
            // The words of the definition, of which a list takes several.
            is_origin = !line.contains("))'");
            continue;
        }
        if let Some((option, _)) = line.split_once(":ORIGIN:((") {
            lines.push(format!("{option}:ORIGIN:_ephtrace_list_origins' \\"));
            is_origin = !line.contains("))'");
            changed += 1;
            continue;
        }
        let function = zsh_function(line);
        changed += usize::from(function.is_some());
        lines.push(function.map_or_else(
            || line.to_owned(),
            |function| line.replace(":_default'", &format!(":{function}'")),
        ));
    }
    ensure!(changed > 30, "completions for zsh are not as they were: {changed} options");
    Ok(format!("{}\n{ZSH}{end}", lines.join("\n")))
}

/// The function for a line of `_arguments`, if it is about an option with values of the machine.
fn zsh_function(line: &str) -> Option<&'static str> {
    if line.contains("--user=[") {
        return Some("_users");
    }
    let is_about = |one: &&Values| {
        let Values { option, short, .. } = one;
        line.contains(&format!("*--{option}=[")) || line.contains(&format!("*{short}+["))
    };
    VALUES.iter().find(is_about).map(|one| one.zsh)
}

fn fish(text: &str) -> Result<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut changed = 0;
    let mut is_origin = false;
    for line in text.lines() {
        if is_origin {
            is_origin = !line.ends_with('"');
            continue;
        }
        let is_about = |name: &str| line.contains(&format!(" -l {name} -d "));
        let function = VALUES.iter().find(|one| is_about(one.option));
        let function = function.map(|one| format!("__fish_complete_list , {}", one.fish));
        let function =
            function.or_else(|| is_about("user").then(|| "__fish_complete_users".to_owned()));
        if let Some((option, _)) = line.split_once(" -r -f -a \"").filter(|_| is_about("origin")) {
            is_origin = !line[option.len() + 11..].ends_with('"');
            lines
                .push(format!("{option} -x -a '(__fish_complete_list , __fish_ephtrace_origins)'"));
            changed += 1;
        } else if let Some((option, function)) = line.strip_suffix(" -r").zip(function) {
            lines.push(format!("{option} -x -a '({function})'"));
            changed += 1;
        } else {
            lines.push(line.to_owned());
        }
    }
    ensure!(text.contains(FISH_LACKS), "completions for fish find the command in another way");
    ensure!(changed > 20, "completions for fish are not as they were: {changed} options");
    Ok(format!("{}\n{FISH}", lines.join("\n").replace(FISH_LACKS, FISH_TAKES)))
}
