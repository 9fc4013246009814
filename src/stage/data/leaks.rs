//! Leaks between parts: states of a test or validation trajectory that the trajectories for training hold too.
//!
//! A pair of successive states that is, bit for bit, in two parts says that a trajectory is there twice or that windows of one
//! run overlap: no two trajectories of a system with real numbers share one by chance. A state that stays where it is (a
//! fixed point) says nothing. Pairs are compared by a digest of 64 bits, so that no copy of the states is held, and of many pairs
//! only those whose digest is a multiple of a number, so that memory has a bound.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

use ndarray::{Array3, ArrayView1, ArrayView3, Axis};

use super::split::SplitTrajectories;
use crate::store::States;
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
type Cases<'a> = (ArrayView3<'a, f64>, Vec<usize>);

/// What leaks from one part of the trajectories into another, in sentences.
pub fn leaks(data: &SplitTrajectories) -> Vec<String> {
    let all = |states: &'_ States| -> Vec<usize> { (0..states.dim().0).collect() };
    between([&data.train, &data.valid, &data.test].map(|states| (states.view(), all(states))))
}

/// [`leaks`] of trajectories that are not cut yet, `[case, time, component]`, given the part of each.
pub fn leaks_of(states: &Array3<f64>, split: &[SplitPart]) -> Vec<String> {
    between(SplitPart::ALL.map(|part| (states.view(), part.cases(split))))
}

/// How many trajectories, `[case, time, component]`, share pairs of successive states with one before them.
pub fn shared_states(states: &Array3<f64>) -> usize {
    let mut before = HashSet::new();
    let mut shared = 0;
    for case in 0..states.dim().0 {
        let own: HashSet<u64> = pairs(states.view(), case).collect();
        shared += usize::from(!own.is_disjoint(&before));
        before.extend(own);
    }
    shared
}

/// Pairs of validation and test trajectories that are held at once, at most: of more, each so many-th digest is looked at, which
/// is the same pair in every part.
const HELD: usize = 1 << 22;

/// The leaks between training, validation and test trajectories.
fn between([train, valid, test]: [Cases; 3]) -> Vec<String> {
    let count = |(states, cases): &Cases| cases.len() * states.dim().1.saturating_sub(1);
    let every = (count(&valid) + count(&test)).div_ceil(HELD).max(1) as u64;
    let [in_valid, in_test] = [&valid, &test].map(|part| Held::of(part, every));
    let mut marks = [vec![false; test.1.len()], vec![false; test.1.len()], vec![false; valid.1.len()]];
    let [by_train, by_valid, of_valid] = &mut marks;
    for digest in digests(&train, every) {
        in_test.mark(digest, by_train);
        in_valid.mark(digest, of_valid);
    }
    digests(&valid, every).for_each(|digest| in_test.mark(digest, by_valid));
    let parts = [("test", "training"), ("test", "validation"), ("validation", "training")];
    let found = parts.iter().zip(&marks).filter_map(|((part, from), marks)| {
        let shared = marks.iter().filter(|mark| **mark).count();
        (shared > 0).then(|| Leak { part, from, shared, trajectories: marks.len() }.sentence())
    });
    found.collect()
}

/// The digests of a part, each with the trajectory that it is of.
struct Held(Vec<(u64, usize)>);

impl Held {
    fn of((states, cases): &Cases, every: u64) -> Self {
        let own = |(index, case): (usize, &usize)| {
            let looked_at = pairs(*states, *case).filter(move |digest| digest.is_multiple_of(every));
            looked_at.map(move |digest| (digest, index))
        };
        let mut held: Vec<(u64, usize)> = cases.iter().enumerate().flat_map(own).collect();
        held.sort_unstable();
        held.dedup();
        Self(held)
    }

    /// Marks the trajectories that have a digest.
    fn mark(&self, digest: u64, marks: &mut [bool]) {
        let first = self.0.partition_point(|(own, _)| *own < digest);
        self.0[first..].iter().take_while(|(own, _)| *own == digest).for_each(|(_, index)| marks[*index] = true);
    }
}

fn digests<'a>((states, cases): &'a Cases, every: u64) -> impl Iterator<Item = u64> + 'a {
    cases.iter().flat_map(|&case| pairs(*states, case)).filter(move |digest| digest.is_multiple_of(every))
}

/// Digests of the pairs of successive states of one trajectory that are finite and move.
fn pairs(states: ArrayView3<f64>, case: usize) -> impl Iterator<Item = u64> {
    let trajectory = states.index_axis_move(Axis(0), case);
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
