//! Leaks between parts: states of a test or validation trajectory that the trajectories for training hold too.
//!
//! A pair of successive states that is, bit for bit, in two parts says that a trajectory is there twice or that windows of one
//! run overlap: no two trajectories of a system with real numbers share one by chance. A state that stays where it is (a
//! fixed point) says nothing. Pairs are compared by a digest of 64 bits, so that no copy of the states is held.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

use ndarray::{Array3, ArrayView1, Axis};

use super::split::SplitTrajectories;
use crate::store::netcdf::SplitPart;

/// How many trajectories of one part share pairs of successive states with another, of how many.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leak {
    part: &'static str,
    from: &'static str,
    shared: usize,
    trajectories: usize,
}

impl Leak {
    fn sentence(&self) -> String {
        let Self { part, from, shared, trajectories } = self;
        format!(
            "{shared} of {trajectories} {part} trajectories share states with those for {from}: copies, or overlapping windows of \
             one run; scores on them flatter what has learned them. Give trajectories that do not overlap, or a `split` that keeps \
             those of one run together."
        )
    }
}

/// Trajectories, `[case, time, component]`, and which of them are of a part.
type Cases<'a> = (&'a Array3<f64>, Vec<usize>);

/// What leaks from one part of the trajectories into another, in sentences.
pub fn leaks(data: &SplitTrajectories) -> Vec<String> {
    between([&data.train, &data.valid, &data.test].map(|states| (states, (0..states.dim().0).collect())))
}

/// [`leaks`] of trajectories that are not cut yet, `[case, time, component]`, given the part of each.
pub fn leaks_of(states: &Array3<f64>, split: &[SplitPart]) -> Vec<String> {
    between(SplitPart::ALL.map(|part| (states, part.cases(split))))
}

/// How many trajectories, `[case, time, component]`, share pairs of successive states with one before them.
pub fn shared_states(states: &Array3<f64>) -> usize {
    let mut before = HashSet::new();
    let mut shared = 0;
    for case in 0..states.dim().0 {
        let own: HashSet<u64> = pairs(states, case).collect();
        shared += usize::from(!own.is_disjoint(&before));
        before.extend(own);
    }
    shared
}

/// The leaks between training, validation and test trajectories.
fn between([train, valid, test]: [Cases; 3]) -> Vec<String> {
    let (in_train, in_valid) = (digests(&train), digests(&valid));
    let found = [
        leak("test", &test, "training", &in_train),
        leak("test", &test, "validation", &in_valid),
        leak("validation", &valid, "training", &in_train),
    ];
    found.iter().flatten().map(Leak::sentence).collect()
}

fn leak(part: &'static str, (states, cases): &Cases, from: &'static str, others: &HashSet<u64>) -> Option<Leak> {
    let shares = |case: &&usize| pairs(states, **case).any(|digest| others.contains(&digest));
    let (shared, trajectories) = (cases.iter().filter(shares).count(), cases.len());
    (shared > 0).then_some(Leak { part, from, shared, trajectories })
}

fn digests((states, cases): &Cases) -> HashSet<u64> {
    cases.iter().flat_map(|&case| pairs(states, case)).collect()
}

/// Digests of the pairs of successive states of one trajectory that are finite and move.
fn pairs(states: &Array3<f64>, case: usize) -> impl Iterator<Item = u64> {
    let trajectory = states.index_axis(Axis(0), case);
    (1..trajectory.nrows()).filter_map(move |time| {
        let (now, next) = (trajectory.row(time - 1), trajectory.row(time));
        (now.iter().chain(next).all(|value| value.is_finite()) && now != next).then(|| digest(now, next))
    })
}

fn digest(now: ArrayView1<f64>, next: ArrayView1<f64>) -> u64 {
    let mut hasher = DefaultHasher::new();
    now.iter().chain(next).for_each(|value| hasher.write_u64(value.to_bits()));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;
    use crate::systems::{Domain, Key};

    #[test]
    fn copies_and_overlapping_windows_are_found_and_nothing_else_is() {
        let run = Key::new(1, Domain::Data).normals(40, 2);
        let window = |from: usize| run.slice(s![from..from + 10, ..]).to_owned();
        let sentences = |starts: [usize; 4]| {
            let states = ndarray::stack(Axis(0), &starts.map(window).each_ref().map(|w| w.view())).unwrap();
            leaks_of(&states, &[SplitPart::Train, SplitPart::Train, SplitPart::Valid, SplitPart::Test])
        };
        // windows that meet in one state share no pair
        assert!(sentences([0, 9, 18, 27]).is_empty());
        let copied = sentences([0, 9, 18, 9]);
        assert!(
            copied.len() == 1 && copied[0].starts_with("1 of 1 test trajectories share states with those for training")
        );
        assert_eq!(sentences([0, 10, 18, 27]).len(), 1, "the last two states of the second are the first of the third");
        let mut still = ndarray::Array3::zeros((4, 10, 2));
        still.fill(3.5);
        assert!(leaks_of(&still, &[SplitPart::Train, SplitPart::Train, SplitPart::Valid, SplitPart::Test]).is_empty());
    }
}
