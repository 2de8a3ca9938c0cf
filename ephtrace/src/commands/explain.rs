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
    settings::{self, Asked},
};
use crate::{
    analyse::findings::{Finding, findings},
    cli::ExplainArgs,
    host::{
        explain,
        holders::{self, Wanted},
        snapshot::{self, InventoryError, Which},
    },
    inventory::{
        Inventory, PastOwners,
        explain::{Answer, Question, Shortage, Verdict, answer, shortage},
        facts,
        owners::Owners,
    },
    output::tables::explain::{Explained, write, write_json},
};

/// Where processes are shown.
const PROC: &str = "/proc";

/// Destinations that are looked at for an error: what is wrong is so with the fullest.
const LOOKED_AT: usize = 16;

/// Answers to standard output.
pub fn run(args: &ExplainArgs) -> Result<ExitCode> {
    let netns: Vec<String> = args.netns.iter().cloned().collect();
    let which = settings::which(&netns)?;
    let asked = settings::question(&args.what)?;
    let history = match &args.from {
        Some(path) => read_openers(path)?,
        None => PastOwners::default(),
    };
    let (answer, found) = match asked {
        Asked::About(question) => of_question(&question, &which, args.probe, &history)?,
        Asked::Why(error) => of_error(error, &which, &history)?,
    };
    let verdict = answer.verdict;
    let explained = Explained { answer: &answer, findings: &found };
    let mut text = Vec::new();
    if args.json {
        write_json(&mut text, &explained)?
    } else {
        write(&mut text, &explained)?
    }
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()?;
    Ok(ExitCode::from(exit_code(verdict)))
}

/// 2 is a mistake on the command line.
fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Free => 0,
        Verdict::NotFree => 1,
        Verdict::Unknown => 3,
    }
}

fn of_question(
    question: &Question,
    which: &Which,
    probe: bool,
    history: &PastOwners,
) -> Result<(Answer, Vec<Finding>), InventoryError> {
    let named = match which {
        Which::These(these) => these.first(),
        Which::Own | Which::All => None,
    };
    let looked = explain::look(named, question, probe)?;
    let wanted: Wanted = looked.inodes().collect();
    let holders = holders::find(Path::new(PROC), wanted).map_err(InventoryError::Proc)?;
    let owners = Owners { open: &holders.open, past_owners: history };
    let (mut namespace, seen) = looked.describe(owners);
    let answer = answer(question, &seen, owners);
    // What is wrong with this destination; a port is no destination.
    namespace.destinations.retain(|one| match question {
        Question::Destination(to) => one.flow.remote() == Some(*to),
        Question::Tuple { .. } | Question::Port { .. } => false,
    });
    namespace.asked.retain(|_| matches!(question, Question::Destination(_)));
    let inventory = Inventory::of(namespace, holders.hidden_processes);
    let found = match question {
        Question::Destination(_) => findings(&facts::of_inventory(&inventory)),
        Question::Tuple { .. } | Question::Port { .. } => Vec::new(),
    };
    Ok((answer, found))
}

fn of_error(
    error: Shortage,
    which: &Which,
    history: &PastOwners,
) -> Result<(Answer, Vec<Finding>), InventoryError> {
    let inventory = snapshot::snapshot(which, LOOKED_AT, history)?;
    let found = findings(&facts::of_inventory(&inventory));
    Ok((shortage(error, &inventory), found))
}
