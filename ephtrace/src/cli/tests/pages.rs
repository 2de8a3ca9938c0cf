//! Every command line of the README and of `docs/` can be typed.

use std::fs;

use clap::{CommandFactory as _, Parser as _};

use crate::cli::Cli;

/// Command lines in a page: behind a prompt in a block, in a script, or in backticks.
fn typed(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = None;
    for line in page.lines() {
        if let Some(language) = line.strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language) };
            continue;
        }
        let behind_prompt = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "));
        let one = match block {
            None => {
                found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
                None
            }
            Some("sh") => behind_prompt.or(Some(line)),
            Some("text" | "console") => behind_prompt,
            Some(_) => None,
        };
        // Behind two blanks stands what it does.
        found.extend(one.and_then(|one| one.split("  ").next()).map(str::to_owned));
    }
    found
}

/// The programs of a command line: what pipes and the like part it into outside of quotes.
fn programs(line: &str) -> Vec<String> {
    let mut programs = vec![String::new()];
    let mut quote = None;
    for character in line.chars() {
        match (character, quote) {
            ('|' | '&' | ';' | '>' | '…', None) => programs.push(String::new()),
            ('\'' | '"', None) => quote = Some(character),
            (character, Some(open)) if character == open => quote = None,
            _ => programs.last_mut().unwrap().push(character),
        }
    }
    programs.iter().map(|program| program.trim().to_owned()).collect()
}

/// Words before `ephtrace` in a command line: user, host, or a program that starts it.
const BEFORE: [&str; 3] = ["sudo ", "ssh HOST ", "ssh host "];
const XTASK: &str = "cargo xtask run -- ";

/// Command lines of ephtrace in a page.
fn commands(page: &str) -> Vec<String> {
    let all = typed(page).into_iter().flat_map(|line| programs(&line));
    let of_ephtrace = all.filter_map(|program| {
        let mut rest = program.as_str();
        while let Some(inner) = BEFORE.iter().find_map(|before| rest.strip_prefix(before)) {
            rest = inner;
        }
        if let Some(args) = rest.strip_prefix(XTASK) {
            return Some(format!("ephtrace {args}"));
        }
        (rest == "ephtrace" || rest.starts_with("ephtrace ")).then(|| rest.to_owned())
    });
    of_ephtrace.collect()
}

/// Placeholders of the pages, and a value for each.
const PLACEHOLDERS: [(&str, &str); 4] =
    [("[--", "--"), ("]", ""), ("KIND", "stream"), ("ARGS", "doctor")];

/// Why a command line of a page can't be typed.
fn error(line: &str) -> Option<String> {
    let plain =
        PLACEHOLDERS.iter().fold(line.to_owned(), |line, (from, to)| line.replace(from, to));
    let words: Vec<&str> = plain.split_whitespace().collect();
    // A command that is only named.
    let is_named = words.len() == 2
        && Cli::command().get_subcommands().any(|command| command.get_name() == words[1]);
    match Cli::try_parse_from(words) {
        Err(error) if error.use_stderr() && !is_named => Some(error.to_string()),
        _ => None,
    }
}

#[test]
fn every_command_of_the_pages_can_be_typed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let docs = fs::read_dir(format!("{folder}/docs")).unwrap();
    let mut pages: Vec<_> = docs.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|kind| kind == "md"));
    pages.push(format!("{folder}/README.md").into());
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages {
        for line in commands(&fs::read_to_string(&page).unwrap()) {
            count += 1;
            wrong.extend(error(&line).map(|error| format!("{}: {line}: {error}", page.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 100, "only {count} commands");
}

#[test]
fn commands_are_found_wherever_they_are_typed() {
    let page = "`ephtrace top` and `sudo ephtrace --nowhere`, `$ ephtrace ports`\n\
                ```console\n\
                $ cargo xtask run -- top   what it does\n\
                # ssh host sudo ephtrace -o json | ephtrace record --from - f\n\
                # ephtrace -o json | jq -r '.a | .b > 1; ephtrace'\n\
                ephtrace says this\n\
                ```\n\
                ```sh\nephtrace ports && ephtrace doctor > file &\n```\n";
    let expected = [
        "ephtrace top",
        "ephtrace --nowhere",
        "ephtrace top",
        "ephtrace -o json",
        "ephtrace record --from - f",
        "ephtrace -o json",
        "ephtrace ports",
        "ephtrace doctor",
    ];
    assert_eq!(commands(page), expected);
    assert!(error("ephtrace --nowhere").is_some() && error("ephtrace record").is_none());
    assert!(error("ephtrace schema KIND").is_none() && error("ephtrace nowhere").is_some());
}

#[test]
fn every_question_has_a_command_and_what_it_said() {
    let page = include_str!("../../../../docs/questions.md");
    let questions: Vec<&str> = page.split("\n## ").skip(1).collect();
    assert_eq!(questions.len(), 14);
    for text in questions {
        let said = text.split_once("```text\n$ ").map_or("", |(_, rest)| rest);
        let (typed, said) = said.split_once('\n').unwrap_or_default();
        assert!(typed.contains("ephtrace ") && said.find("```") > Some(40), "{text}");
    }
}
