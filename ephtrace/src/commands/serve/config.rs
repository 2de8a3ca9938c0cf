//! Options in a TOML file, under their long names: the file becomes arguments in front of those
//! that were typed, so that both are checked, and refused, in the same words.

use std::{ffi::OsString, fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result, bail};
use clap::{ArgMatches, CommandFactory as _, parser::ValueSource};
use toml::{Table, Value};

use crate::{cli::Cli, model::escape::shown};

/// Name of the command.
const SERVE: &str = "serve";

/// Options that make no sense in a file.
const NOT_IN_FILES: [&str; 4] = ["config", "print-config", "help", "version"];

/// Returns the arguments that the file at `path` stands for, ahead of those in `typed`.
///
/// # Errors
///
/// The file can't be read, is no TOML, or has a key that is no option.
pub(super) fn with_file(path: &Path, typed: &[OsString]) -> Result<Vec<OsString>> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("can't read the configuration {}", shown(path)))?;
    let arguments = arguments(&text).with_context(|| shown(path).to_string())?;
    let (program, rest) = typed.split_first().context("no command line")?;
    // The command's own name comes first among the rest.
    let at = rest.iter().position(|arg| arg == SERVE).map_or(0, |at| at + 1);
    let (before, after) = rest.split_at(at);
    let all = [std::slice::from_ref(program), before, &arguments, after];
    Ok(all.concat())
}

/// Returns the arguments that a text stands for.
fn arguments(text: &str) -> Result<Vec<OsString>> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        anyhow::anyhow!("{}", error.to_string().trim_end().to_owned())
    })?;
    let mut arguments = Vec::new();
    add(&mut arguments, "", table)?;
    Ok(arguments)
}

/// Adds the options of a table; those of `[web]` begin with `web.`.
fn add(arguments: &mut Vec<OsString>, before: &str, table: Table) -> Result<()> {
    for (key, value) in table {
        let name = format!("{before}{key}");
        match value {
            Value::Table(inner) => add(arguments, &format!("{name}."), inner)?,
            _ if !is_option(&name) => bail!(
                "'{name}' is no option of serve; `ephtrace serve --print-config` prints all of them"
            ),
            Value::Boolean(true) => arguments.push(format!("--{name}").into()),
            Value::Boolean(false) => {}
            Value::Array(values) => {
                for value in values {
                    arguments.push(format!("--{name}={}", in_words(&name, &value)?).into());
                }
            }
            value => arguments.push(format!("--{name}={}", in_words(&name, &value)?).into()),
        }
    }
    Ok(())
}

fn in_words(name: &str, value: &Value) -> Result<String> {
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        _ => bail!("'{name}' takes text, a number, or a list of them"),
    })
}

fn is_option(name: &str) -> bool {
    let command = Cli::command();
    let serve = command.find_subcommand(SERVE);
    let mut names = serve.into_iter().flat_map(clap::Command::get_arguments);
    !NOT_IN_FILES.contains(&name) && names.any(|arg| arg.get_long() == Some(name))
}

/// Returns the command line's complaint about a value of the file, in one line.
pub(super) fn complaint(error: &clap::Error) -> anyhow::Error {
    let text = error.render().to_string();
    let first = text.lines().next().unwrap_or_default();
    anyhow::anyhow!("{}", first.trim_start_matches("error: "))
}

/// Returns the options in force as TOML, each with its meaning; options that are not set are
/// comments.
///
/// # Errors
///
/// The arguments are wrong, in clap's words.
pub(super) fn in_force(arguments: &[OsString]) -> Result<String> {
    let matches =
        Cli::command().try_get_matches_from(arguments).map_err(|error| complaint(&error))?;
    let matches = matches.subcommand_matches(SERVE).context("not `serve`")?;
    let command = Cli::command();
    let serve = command.find_subcommand(SERVE).context("no command `serve`")?;
    let mut text = String::from("# Options of `ephtrace serve`, under their long names.\n");
    for arg in serve.get_arguments() {
        let Some(name) = arg.get_long().filter(|name| !NOT_IN_FILES.contains(name)) else {
            continue;
        };
        if let Some(help) = arg.get_help().filter(|_| !arg.is_hide_set()) {
            write!(text, "\n# {help}\n{}\n", line(matches, arg, name))?;
        }
    }
    Ok(text)
}

/// Returns a value as TOML: a number, or text.
fn typed(text: &str) -> Value {
    text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Integer)
}

/// Returns the line of an option.
fn line(matches: &ArgMatches, arg: &clap::Arg, name: &str) -> String {
    let key = if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() };
    let id = arg.get_id().as_str();
    let takes_values = arg.get_action().takes_values();
    let is_set = matches!(
        matches.value_source(id),
        Some(ValueSource::CommandLine | ValueSource::DefaultValue)
    );
    if !takes_values {
        let is_on = matches.value_source(id) == Some(ValueSource::CommandLine);
        return if is_on { format!("{key} = true") } else { format!("# {key} = true") };
    }
    let raw = matches.get_raw(id).into_iter().flatten();
    let values: Vec<Value> = raw.map(|value| typed(&value.to_string_lossy())).collect();
    let is_list = matches!(arg.get_action(), clap::ArgAction::Append);
    match values.first() {
        Some(_) if is_set && is_list => format!("{key} = {}", Value::Array(values)),
        Some(value) if is_set => format!("{key} = {value}"),
        _ if is_list => format!("# {key} = []"),
        _ => format!("# {key} = \"\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_file_is_arguments() {
        let text = "interval = '10s'\ntop-destinations = 5\nipv4 = true\nfailed = false\n\
                    dst = ['10.0.0.0/8', '::/0']\n[web]\nlisten-address = ['[::1]:19435']\n";
        assert_eq!(
            arguments(text).unwrap(),
            line_of(&[
                "--dst=10.0.0.0/8",
                "--dst=::/0",
                "--interval=10s",
                "--ipv4",
                "--top-destinations=5",
                "--web.listen-address=[::1]:19435",
            ])
        );
    }

    #[test]
    fn what_is_no_option_is_named() {
        for (text, why) in [
            ("no-such-option = '10s'", "'no-such-option' is no option of serve"),
            ("config = 'x'", "'config' is no option of serve"),
            ("[web]\nport = 1", "'web.port' is no option of serve"),
            ("interval = [['x']]", "'interval' takes text"),
            ("interval = ", "TOML parse error"),
        ] {
            let error = format!("{:#}", arguments(text).unwrap_err());
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read() {
        let first = ["ephtrace", "serve", "--interval", "7s", "--dst", "10.0.0.0/8", "-4"];
        let printed = in_force(&line_of(&first)).unwrap();
        let read = arguments(&printed).unwrap();
        let again: Vec<OsString> =
            line_of(&["ephtrace", "serve"]).into_iter().chain(read).collect();
        assert_eq!(in_force(&again).unwrap(), printed);
        assert!(printed.contains("\ninterval = \"7s\"\n"), "{printed}");
    }
}
