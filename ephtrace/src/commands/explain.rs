//! `ephtrace explain`: one question, one answer.
//!
//! ```text
//! question ─→ host::explain (sockets, route, probe) ─→ inventory::explain ─→ text, JSON, exit code
//! ```

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::Result;

use super::{
    ports::read_openers,
    settings::{self, Asked, UsageError},
};
use crate::{
    analyse::findings::{Finding, Rule, findings},
    cli::ExplainArgs,
    host::{
        explain,
        holders::{self, Wanted},
        rights::Rights,
        snapshot::{self, InventoryError, Named, Which},
        sysctl::{self, PROC_SYS_NET},
    },
    inventory::{
        DestinationUse, Inventory, PastOwners,
        explain::{Answer, Question, Shortage, Verdict, answer, shortage},
        facts,
        owners::Owners,
    },
    output::{
        Paper,
        tables::{
            explain::{Explained, write, write_json},
            ranges::Ranges,
        },
    },
    pipeline::{announce::tell_not_looked_at, rights},
};

/// Mount point of procfs.
const PROC: &str = "/proc";

/// Number of destinations that are examined for an error: problems affect the fullest ones.
const LOOKED_AT: usize = 16;

/// Another cause of an error, unless all namespaces were looked at.
const OTHER_NAMESPACES: &str = "a shortage in another network namespace, such as a container's: \
                                the same command with `--netns all` looks there";

/// Answers on standard output.
pub fn run(args: &ExplainArgs) -> Result<ExitCode> {
    let more = if args.probe { Rights::NET_BIND_SERVICE } else { Rights::empty() };
    rights::look_only(more);
    let netns: Vec<String> = args.netns.iter().cloned().collect();
    let which = settings::which(&netns)?;
    let asked = settings::question(&args.what)?;
    let history = match &args.from {
        Some(path) => read_openers(path, settings::parse::max_memory(&args.read)?)?,
        None => PastOwners::default(),
    };
    let (answer, in_use, found) = match asked {
        Asked::About(question) => of_question(&question, one(&which)?, args.probe, &history)?,
        Asked::Why(error) => of_error(error, &which, &history)?,
        Asked::Ranges => return ranges(args.json),
    };
    let verdict = answer.verdict;
    let explained = Explained { answer: &answer, in_use: in_use.as_ref(), findings: &found };
    let mut text = Vec::new();
    if args.json {
        write_json(&mut text, &explained)?;
    } else {
        let paper = Paper::of(&io::stdout(), false);
        write(&mut text, &explained, paper)?;
        text = paper.fit(&text);
    }
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()?;
    if which == Which::Own {
        tell_not_looked_at();
    }
    Ok(ExitCode::from(exit_code(verdict)))
}

/// Prints the default ranges of systems, and the range of this network namespace.
fn ranges(json: bool) -> Result<ExitCode> {
    let own = sysctl::read(Path::new(PROC_SYS_NET)).ok().map(|sysctls| sysctls.range);
    let ranges = Ranges::beside(own);
    let mut text = Vec::new();
    if json {
        ranges.write_json(&mut text)?;
    } else {
        ranges.write_text(&mut text)?;
        text = Paper::of(&io::stdout(), false).fit(&text);
    }
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// An answer, the use of the destination that it is about, and the problems found.
type Explanation = (Answer, Option<DestinationUse>, Vec<Finding>);

/// Returns the exit code of a verdict. 2 is reserved for a mistake on the command line.
fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Free => 0,
        Verdict::NotFree => 1,
        Verdict::Unknown => 3,
    }
}

/// Returns the only namespace that a question is about; `None` for that of ephtrace.
fn one(which: &Which) -> Result<Option<&Named>, UsageError> {
    match which {
        Which::Own => Ok(None),
        Which::These(these) => Ok(these.first()),
        Which::All => Err(UsageError::Value {
            flag: "--netns",
            value: "all".to_owned(),
            reason: "a port can be free in one network namespace and in use in another: name one"
                .to_owned(),
        }),
    }
}

fn of_question(
    question: &Question,
    named: Option<&Named>,
    probe: bool,
    history: &PastOwners,
) -> Result<Explanation, InventoryError> {
    let looked = explain::look(named, question, probe)?;
    let wanted: Wanted = looked.inodes(question).collect();
    let holders = holders::find(Path::new(PROC), wanted).map_err(InventoryError::Proc)?;
    let owners = Owners::new(&holders.open, history);
    let (mut namespace, seen) = looked.describe(owners);
    let answer = answer(question, &seen, owners).at(&namespace.place);
    let Question::Destination(to) = question else { return Ok((answer, None, Vec::new())) };
    // Keeps this destination alone.
    let is_meant = |one: &DestinationUse| {
        one.flow.remote() == Some(*to) && answer.saddr.is_none_or(|saddr| saddr == one.flow.saddr)
    };
    namespace.destinations.retain(is_meant);
    let in_use = namespace.destinations.first().cloned();
    let inventory = Inventory::of(namespace, holders.hidden_processes);
    Ok((answer, in_use, findings(&facts::of_inventory(&inventory))))
}

fn of_error(
    error: Shortage,
    which: &Which,
    history: &PastOwners,
) -> Result<Explanation, InventoryError> {
    let inventory = snapshot::snapshot(which, LOOKED_AT, history)?;
    let mut found = findings(&facts::of_inventory(&inventory));
    found.retain(|finding| is_about(error, finding.rule));
    let mut answer = shortage(error, &inventory);
    answer.elsewhere.splice(0..0, unreadable(&inventory));
    if *which != Which::All {
        answer.elsewhere.insert(0, OTHER_NAMESPACES.to_owned());
    }
    Ok((answer, None, found))
}

/// Returns the causes that may hide where nothing could be read.
fn unreadable(inventory: &Inventory) -> Vec<String> {
    let names: Vec<String> = inventory
        .unreadable
        .iter()
        .map(|one| one.name.clone().unwrap_or_else(|| one.netns.to_string()))
        .collect();
    let mut causes = Vec::new();
    if !names.is_empty() {
        let names = names.join(", ");
        causes.push(format!("a shortage in a namespace that can't be read ({names}): run as root"));
    }
    if let Some(count) = inventory.hidden_processes.filter(|&count| count > 0) {
        causes.push(format!(
            "a shortage in a namespace of one of {count} processes that can't be read: run as root"
        ));
    }
    causes
}

/// Returns true if a finding concerns an error: shortages that cause other errors do not.
fn is_about(error: Shortage, rule: Rule) -> bool {
    error_of(rule).is_none_or(|of| of == error)
}

/// Returns the error that programs get in the shortage that a rule finds; `None` if it finds none.
fn error_of(rule: Rule) -> Option<Shortage> {
    match rule {
        Rule::Exhausted | Rule::Full | Rule::HalfMark => Some(Shortage::NotAvailable),
        Rule::BindFull => Some(Shortage::InUse),
        Rule::UdpFull => Some(Shortage::Again),
        _ => None,
    }
}

/// Writes the answer about the error that programs get where these rules hold, in any namespace;
/// without such a rule, about that of a connect. The caller has the findings.
pub(super) fn about_findings(
    out: &mut impl io::Write,
    rules: &[Rule],
    history: &PastOwners,
    paper: Paper,
) -> Result<()> {
    let error = rules.iter().copied().find_map(error_of).unwrap_or(Shortage::NotAvailable);
    let (answer, in_use, _) = of_error(error, &Which::All, history)?;
    let explained = Explained { answer: &answer, in_use: in_use.as_ref(), findings: &[] };
    Ok(write(out, &explained, paper)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_about_one_namespace() {
        assert!(matches!(one(&Which::Own), Ok(None)));
        assert!(one(&Which::All).is_err());
    }
}
