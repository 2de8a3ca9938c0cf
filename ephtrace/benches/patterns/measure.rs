//! Outcome of the judge on one trace, and figures over many outcomes.

use ephtrace::analyse::pattern::{
    Algorithm, Judge, KernelFacts, KernelRules, Pattern, Predictable, Verdict, WHOLE,
};

use crate::{
    kinds::{Case, Kind, cases},
    rules::Class,
    trace::{PORTS_ONLY, Row, Shown, generate},
    truth::Right,
};

/// Outcome of one trace.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) class: Class,
    pub(crate) what: String,
    pub(crate) seed: u64,
    pub(crate) n: usize,
    pub(crate) right: Right,
    pub(crate) verdict: Verdict,
}

/// Shows the rows to the judge, and returns its verdict.
pub(crate) fn judge(rows: &[Row], shown: Shown) -> Verdict {
    let mut judge = Judge::new(WHOLE);
    for event in rows.iter().filter_map(|row| row.observation(shown)) {
        judge.observe(&event);
    }
    judge.verdict()
}

/// Judges the rows as a live trace does, on a kernel whose release and types don't reveal its
/// rules.
pub(crate) fn judge_live(rows: &[Row]) -> Verdict {
    let mut judge = Judge::new(WHOLE);
    let shown = Shown { origin: true, ..PORTS_ONLY };
    for event in rows.iter().filter_map(|row| row.observation(shown)) {
        judge.observe(&event);
    }
    Judge::whole(&judge.by_origin_knowing(KernelRules::new(&KernelFacts::default())))
}

/// Judges traces of each class, from `seeds` seeds starting at `base`.
pub(crate) fn run(base: u64, seeds: u64, n: usize, shown: Shown, level: f64) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (i, class) in (0_u64..).zip(Class::KNOWN.into_iter().chain([Class::Open])) {
        for seed in 0..seeds {
            let seed = base + seed + i * 10_000;
            let trace = generate(class, n, seed, level);
            let right = Right::of(&trace);
            let verdict = judge(&trace.rows, shown);
            let what = format!("{:?}", trace.rules);
            outcomes.push(Outcome { class, what, seed, n, right, verdict });
        }
    }
    outcomes
}

/// Judges the cases of one kind of recording.
pub(crate) fn run_kind(kind: Kind, base: u64, seeds: u64, n: usize) -> Vec<Outcome> {
    let of_seed = |seed: u64| {
        cases(kind, n, seed).into_iter().map(move |case| {
            let Case { rows, right, live } = case;
            let verdict = if live { judge_live(&rows) } else { judge(&rows, PORTS_ONLY) };
            let (class, what) = (Class::Open, kind.as_str().to_owned());
            Outcome { class, what, seed, n: rows.len(), right, verdict }
        })
    };
    (base..base + seeds).flat_map(of_seed).collect()
}

impl Outcome {
    pub(crate) fn guessed_pattern(&self) -> (Pattern, f64) {
        let best = &self.verdict.patterns[0];
        (best.name, best.probability)
    }

    pub(crate) fn guessed_algorithm(&self) -> (Algorithm, f64) {
        let best = &self.verdict.algorithms[0];
        (best.name, best.probability)
    }

    pub(crate) fn pattern_right(&self) -> bool {
        self.right.patterns.contains(&self.guessed_pattern().0)
    }

    pub(crate) fn algorithm_right(&self) -> bool {
        self.right.algorithms.contains(&self.guessed_algorithm().0)
    }

    pub(crate) fn pattern_answered(&self) -> bool {
        self.verdict.pattern != Pattern::Undetermined
    }

    pub(crate) fn algorithm_answered(&self) -> bool {
        self.verdict.algorithm != Algorithm::Undetermined
    }

    /// Returns true if a pattern is given and wrong.
    pub(crate) fn pattern_wrong(&self) -> bool {
        self.pattern_answered() && !self.right.patterns.contains(&self.verdict.pattern)
    }

    pub(crate) fn algorithm_wrong(&self) -> bool {
        self.algorithm_answered() && !self.right.algorithms.contains(&self.verdict.algorithm)
    }

    fn probability(&self, patterns: &[Pattern]) -> f64 {
        let named = self.verdict.patterns.iter();
        named.filter(|p| patterns.contains(&p.name)).map(|p| p.probability).sum()
    }

    /// Returns true if the forced choice between random and predictable is right; `None` if the
    /// data can't answer the question.
    pub(crate) fn binary_right(&self) -> Option<bool> {
        let counters = [Pattern::Sequential, Pattern::PerDestination, Pattern::Fixed];
        let predictable = self.probability(&counters) > self.probability(&[Pattern::Random]);
        self.right.predictable.map(|truth| truth == predictable)
    }

    /// Returns true if "predictable: yes" or "no" is wrong.
    pub(crate) fn predictable_wrong(&self) -> bool {
        match self.verdict.predictable {
            Predictable::Unknown => false,
            Predictable::Yes => self.right.predictable == Some(false),
            Predictable::No => self.right.predictable == Some(true),
        }
    }

    pub(crate) fn predictable_answered(&self) -> Option<bool> {
        self.right.predictable.map(|_| self.verdict.predictable != Predictable::Unknown)
    }
}

/// Returns the share of the outcomes for which `test` returns true, among those with an answer,
/// class by class, averaged over the classes.
pub(crate) fn macro_share(outcomes: &[Outcome], test: impl Fn(&Outcome) -> Option<bool>) -> f64 {
    let mut shares = Vec::new();
    for class in Class::KNOWN {
        let of_class = outcomes.iter().filter(|outcome| outcome.class == class);
        let (mut yes, mut all) = (0_u32, 0_u32);
        for answer in of_class.filter_map(&test) {
            yes += u32::from(answer);
            all += 1;
        }
        if all > 0 {
            shares.push(f64::from(yes) / f64::from(all));
        }
    }
    shares.iter().sum::<f64>() / (shares.len().max(1) as f64)
}

/// Returns the expected calibration error over the bins of confidence; each guess is `(confidence,
/// right)`.
pub(crate) fn calibration_error(guesses: &[(f64, bool)]) -> f64 {
    bins(guesses).iter().map(|bin| bin.weight * (bin.confidence - bin.right).abs()).sum()
}

/// One bin of the calibration table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bin {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) weight: f64,
    pub(crate) confidence: f64,
    pub(crate) right: f64,
    pub(crate) count: usize,
}

pub(crate) fn bins(guesses: &[(f64, bool)]) -> Vec<Bin> {
    let edges = [0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0001];
    let mut bins = Vec::new();
    for edge in edges.windows(2) {
        let (from, to) = (edge[0], edge[1]);
        let inside: Vec<_> =
            guesses.iter().filter(|(c, _)| (from..to).contains(c)).copied().collect();
        if inside.is_empty() {
            continue;
        }
        let count = inside.len() as f64;
        bins.push(Bin {
            from,
            to: to.min(1.0),
            weight: count / guesses.len() as f64,
            confidence: inside.iter().map(|(c, _)| c).sum::<f64>() / count,
            right: inside.iter().filter(|(_, right)| *right).count() as f64 / count,
            count: inside.len(),
        });
    }
    bins
}
