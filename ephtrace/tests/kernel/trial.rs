//! Tests in the harness: run once or for each hook, and skipped if something is missing.

use anyhow::{Context as _, Result, anyhow};
use libtest_mimic::Trial;

use crate::{
    notes, setup,
    skip::{Skip, completion, skip},
};

/// A test and its name.
#[derive(Clone, Copy)]
pub(crate) struct Test {
    name: &'static str,
    run: Run,
}

/// Manner in which a test is run.
#[derive(Clone, Copy)]
enum Run {
    Anywhere(fn() -> Result<()>),
    Once(fn() -> Result<()>),
    FirstHook(fn(&str) -> Result<()>),
    EachHook(fn(&str) -> Result<()>),
    EachFunctionHook(fn(&str) -> Result<()>),
}

/// Names the tests of a module for the harness, by their manner: the functions of [`Test`]. A
/// function that is not named is dead code, and causes a warning.
macro_rules! tests {
    ($($run:ident: $($test:ident),+ $(,)?;)+) => {
        /// The tests of this module.
        pub(crate) const TESTS: &[$crate::trial::Test] = &[
            $($($crate::trial::Test::$run(
                concat!(module_path!(), "::", stringify!($test)),
                $test,
            )),+),+
        ];
    };
}

impl Test {
    /// Runs everywhere, even without root and without a kernel to trace.
    pub(crate) const fn anywhere(name: &'static str, test: fn() -> Result<()>) -> Self {
        Self { name, run: Run::Anywhere(test) }
    }

    /// Runs once: it does not depend on the hook.
    pub(crate) const fn once(name: &'static str, test: fn() -> Result<()>) -> Self {
        Self { name, run: Run::Once(test) }
    }

    /// Runs with the first hook only: the tested part comes after the kernel half, and emulated
    /// guests are slow.
    pub(crate) const fn first_hook(name: &'static str, test: fn(&str) -> Result<()>) -> Self {
        Self { name, run: Run::FirstHook(test) }
    }

    /// Runs with each hook.
    pub(crate) const fn each_hook(name: &'static str, test: fn(&str) -> Result<()>) -> Self {
        Self { name, run: Run::EachHook(test) }
    }

    /// Runs with each hook that sees functions of the kernel: not with `sock_ops`.
    pub(crate) const fn each_function_hook(
        name: &'static str,
        test: fn(&str) -> Result<()>,
    ) -> Self {
        Self { name, run: Run::EachFunctionHook(test) }
    }

    /// Returns the trials that the harness runs for the test.
    fn trials(self, hooks: &[String]) -> Vec<Trial> {
        // Drops the name of the test binary.
        let name = self.name.split_once("::").map_or(self.name, |(_, name)| name);
        match self.run {
            Run::Anywhere(test) => {
                vec![Trial::ignorable_test(name, move || completion(noted(test)))]
            }
            Run::Once(test) => vec![rooted(name.to_owned(), test)],
            Run::FirstHook(test) => {
                hooks.iter().take(1).map(|hook| with_hook(name, hook, test)).collect()
            }
            Run::EachHook(test) => hooks.iter().map(|hook| with_hook(name, hook, test)).collect(),
            Run::EachFunctionHook(test) => of_functions(name, hooks, test),
        }
    }
}

/// Returns all trials of the tests, for all hooks of [`setup::hooks`].
pub(crate) fn trials(tests: &[&[Test]]) -> Vec<Trial> {
    let hooks = setup::hooks();
    tests.iter().copied().flatten().flat_map(|test| test.trials(&hooks)).collect()
}

/// Kind of the tests that `cargo test` leaves to `cargo xtask test`, which counts them by this
/// word.
const KIND: &str = "root";

/// Returns a trial that needs root and a kernel to trace; it is run with `--ignored` only.
fn rooted(name: String, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    let trial = Trial::ignorable_test(name, move || completion(noted(test)));
    trial.with_kind(KIND).with_ignored_flag(true)
}

fn with_hook(name: &str, hook: &str, test: fn(&str) -> Result<()>) -> Trial {
    let hook = hook.to_owned();
    rooted(format!("{name}::{hook}"), move || test(&hook).with_context(|| format!("hook {hook}")))
}

/// Returns a trial for each hook that sees functions; if there is none, the test is skipped.
fn of_functions(name: &str, hooks: &[String], test: fn(&str) -> Result<()>) -> Vec<Trial> {
    let mut trials: Vec<_> = hooks.iter().filter(|hook| *hook != SOCK_OPS).collect();
    if trials.is_empty() {
        trials = hooks.iter().take(1).collect();
    }
    let trial = |hook: &String| {
        let hook = hook.clone();
        rooted(format!("{name}::{hook}"), move || {
            if setup::used_hook(&hook)? == SOCK_OPS {
                return skip(format!("hook {hook}: sock_ops sees no functions of the kernel"));
            }
            test(&hook).with_context(|| format!("hook {hook}"))
        })
    };
    trials.into_iter().map(trial).collect()
}

const SOCK_OPS: &str = "sock_ops";

/// Runs a test, and adds its remarks to its error.
fn noted(test: impl FnOnce() -> Result<()>) -> Result<()> {
    // Drops the remarks of an earlier test that panicked.
    notes::take();
    let done = test();
    let notes = notes::take();
    match done {
        Err(error) if !notes.is_empty() && !error.is::<Skip>() => {
            Err(anyhow!("{error:#}\nnoted before:\n  {}", notes.join("\n  ")))
        }
        done => done,
    }
}
