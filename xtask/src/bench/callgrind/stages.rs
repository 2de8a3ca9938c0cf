//! Instructions by stage: the folder of the code that spent them, or had a library spend them.
//!
//! A library's instructions count for its callers, in proportion to the instructions that each has
//! it spend: a copy or an allocation is part of the stage that needs it.

use std::collections::{BTreeMap, HashMap};

use super::profile::{Place, Profile};

/// Sources whose folders are stages.
const SOURCES: &str = "ephtrace/src/";

/// A folder that is divided by its own folders and files.
const JUDGES: &str = "analyse";

/// Name for instructions of no stage: starting, and the runtime.
const OUTSIDE: &str = "outside of ephtrace";

/// Number of nested library calls that a share is followed through.
const DEPTH: usize = 60;

/// Shares of stages, which add up to 1.
type Shares = HashMap<usize, f64>;

/// Returns the instructions of each stage.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(super) fn by_stage(profile: &Profile) -> BTreeMap<String, f64> {
    let stages = Stages::new(profile);
    let shares = stages.of_libraries(profile);
    let outside = Shares::from([(stages.outside, 1.0)]);
    let mut sums = vec![0.0; stages.names.len()];
    for (place, &cost) in &profile.own {
        if let Some(stage) = stages.of(*place) {
            sums[stage] += cost as f64;
            continue;
        }
        let known = shares.get(&place.function).filter(|shares| !shares.is_empty());
        for (&stage, share) in known.unwrap_or(&outside) {
            sums[stage] += cost as f64 * share;
        }
    }
    stages.names.into_iter().zip(sums).filter(|(_, sum)| *sum > 0.0).collect()
}

/// The stages, and the stage of each file.
struct Stages {
    names: Vec<String>,
    files: HashMap<u64, usize>,
    /// Stages of functions that are not in a library.
    functions: HashMap<u64, usize>,
    outside: usize,
}

impl Stages {
    fn new(profile: &Profile) -> Self {
        let (names, files, functions) = (vec![OUTSIDE.into()], HashMap::new(), HashMap::new());
        let mut stages = Self { names, files, functions, outside: 0 };
        for (&file, path) in &profile.files {
            let Some(name) = stage_of(path) else { continue };
            let known = stages.names.iter().position(|known| *known == name);
            let stage = known.unwrap_or(stages.names.len());
            if known.is_none() {
                stages.names.push(name);
            }
            stages.files.insert(file, stage);
        }
        let homes = profile.homes.iter();
        let known = homes.filter_map(|(&f, home)| Some((f, *stages.files.get(home)?)));
        stages.functions = known.collect();
        stages
    }

    /// Returns the stage of the line's file, or else of the function into which it was inlined.
    fn of(&self, place: Place) -> Option<usize> {
        self.files.get(&place.file).or_else(|| self.functions.get(&place.function)).copied()
    }

    /// Returns the stages that each library function works for.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn of_libraries(&self, profile: &Profile) -> HashMap<u64, Shares> {
        let mut callers: HashMap<u64, Vec<(Place, f64)>> = HashMap::new();
        for ((place, callee), &cost) in &profile.calls {
            let is_library = !self.functions.contains_key(callee);
            if is_library && place.function != *callee && cost > 0 {
                callers.entry(*callee).or_default().push((*place, cost as f64));
            }
        }
        let mut shares: HashMap<u64, Shares> = HashMap::new();
        for _ in 0..DEPTH {
            shares = callers
                .iter()
                .map(|(function, callers)| (*function, self.mixed(callers, &shares)))
                .collect();
        }
        shares
    }

    /// Mixes the shares of the callers, by weight. Unknown ones contribute nothing.
    fn mixed(&self, callers: &[(Place, f64)], known: &HashMap<u64, Shares>) -> Shares {
        let mut mixed = Shares::new();
        for (place, weight) in callers {
            if let Some(stage) = self.of(*place) {
                *mixed.entry(stage).or_default() += weight;
            } else if let Some(shares) = known.get(&place.function) {
                for (&stage, share) in shares {
                    *mixed.entry(stage).or_default() += weight * share;
                }
            }
        }
        let sum: f64 = mixed.values().sum();
        if sum > 0.0 {
            for share in mixed.values_mut() {
                *share /= sum;
            }
        }
        mixed
    }
}

/// Returns `output` for `…/ephtrace/src/output/json.rs`, `analyse/pattern` for a file in that
/// folder.
fn stage_of(path: &str) -> Option<String> {
    let (_, below) = path.rsplit_once(SOURCES)?;
    let mut parts = below.trim_end_matches(".rs").split('/');
    let first = parts.next()?;
    let second = parts.next().filter(|_| first == JUDGES);
    Some(second.map_or_else(|| first.to_owned(), |second| format!("{first}/{second}")))
}

#[cfg(test)]
mod tests {
    use super::{super::profile::EXAMPLE, *};

    #[test]
    fn libraries_count_for_their_callers() {
        let sums = by_stage(&Profile::parse(EXAMPLE).unwrap());
        let sum = |name: &str| format!("{:.3}", sums[name]);
        // `memcpy` took 100: a tenth for `main`, the rest for `observe`.
        assert_eq!(sum("main"), format!("{:.3}", 8.0 + 10.0));
        assert_eq!(sum("analyse/tally"), format!("{:.3}", 110.0 + 50.0 + 90.0));
        assert_eq!(sum("model"), "50.000");
        assert_eq!(format!("{:.3}", sums.values().sum::<f64>()), "318.000");
    }

    #[test]
    fn folders_are_stages() {
        let stage = |path| stage_of(path);
        assert_eq!(stage("/a/ephtrace/src/output/stream/json.rs").as_deref(), Some("output"));
        assert_eq!(
            stage("ephtrace/src/analyse/pattern/mod.rs").as_deref(),
            Some("analyse/pattern")
        );
        assert_eq!(stage("ephtrace/src/columns.rs").as_deref(), Some("columns"));
        assert_eq!(stage("/rustc/x/library/core/src/ptr/mod.rs"), None);
    }
}
