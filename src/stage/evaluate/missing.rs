//! What is missing in a scored file: members, truths, whole cases.
//!
//! A single member that is left of an ensemble has no spread, and no fair score: it counts where neither is needed. Where no
//! ensemble of a file has more, its members are the forecasts, and are scored as such.

use std::path::Path;

use ndarray::{ArrayView1, ArrayView2, Axis, CowArray, Ix1, Ix2};

use crate::failure::{Failure, FailureKind, Result};
use crate::score::Ensemble;

/// What was missing in a file.
#[derive(Default)]
pub struct Missing {
    /// Members left out of their ensembles.
    members: usize,
    /// Components without a truth.
    truths: usize,
    /// Cases of which nothing is known that happened.
    cases: usize,
    /// Ensembles of which one member is left, beside others of more.
    pub single: usize,
}

/// One ensemble and its truth, of what is there.
pub struct There<'a> {
    /// `[component]`.
    pub truth: CowArray<'a, f64, Ix1>,
    /// `[member, component]`.
    pub members: CowArray<'a, f64, Ix2>,
    /// `[member]`, summing to 1.
    pub weights: Option<CowArray<'a, f64, Ix1>>,
    /// Whether it is the one member that is left of several.
    pub single: bool,
}

impl There<'_> {
    /// The ensemble that they are.
    pub fn ensemble(&self) -> Ensemble<'_> {
        Ensemble::new(self.truth.view(), self.members.view(), self.weights.as_ref().map(|weights| weights.view()))
    }
}

impl Missing {
    /// What there is of `members` (`[member, component]`) and `truth` (`[component]`): components of which it is known what
    /// happened, and members that are not missing, whose weights sum to 1 again. A member of weight 0 does not count. Where
    /// no member is left all stay: such an ensemble has diverged. None where nothing is known of what happened.
    pub fn take_out<'a>(
        &mut self,
        truth: ArrayView1<'a, f64>,
        members: ArrayView2<'a, f64>,
        weights: Option<ArrayView1<'a, f64>>,
    ) -> Option<There<'a>> {
        let indices = |keep: &dyn Fn(usize) -> bool, count: usize| (0..count).filter(|i| keep(*i)).collect::<Vec<_>>();
        let known = indices(&|component| !truth[component].is_nan(), truth.len());
        self.truths += truth.len() - known.len();
        if known.is_empty() {
            self.cases += 1;
            return None;
        }
        let counts = |member: usize| weights.is_none_or(|weights| weights[member] > 0.0);
        let is_there = |member: usize| known.iter().all(|&component| !members[(member, component)].is_nan());
        let counted = indices(&counts, members.nrows());
        let mut there = indices(&|member| counts(member) && is_there(member), members.nrows());
        if there.is_empty() {
            there.clone_from(&counted);
        }
        self.members += counted.len() - there.len();
        let single = there.len() == 1 && counted.len() > 1;
        if known.len() == truth.len() && there.len() == members.nrows() {
            let weights = weights.map(CowArray::from);
            return Some(There { truth: truth.into(), members: members.into(), weights, single: false });
        }
        let weights = weights.map(|weights| {
            let kept = weights.select(Axis(0), &there);
            let sum = kept.sum();
            CowArray::from(if there.len() < counted.len() { kept / sum } else { kept })
        });
        let members = members.select(Axis(0), &there).select(Axis(1), &known).into();
        Some(There { truth: truth.select(Axis(0), &known).into(), members, weights, single })
    }

    /// Refuses a file of which, in none of so many cases, it is known what happened.
    pub fn is_not_all(&self, path: &Path, (cases, starts, leads, _): (usize, usize, usize, usize)) -> Result<()> {
        if self.cases < cases * starts * leads {
            return Ok(());
        }
        let message = "nothing is known of what happened: every value of `truth` is missing, or there is none";
        Err(Failure::new(FailureKind::Data, message)
            .at(path.display().to_string())
            .hint("give a file whose `truth` has values"))
    }

    /// What is to be told of it.
    pub fn sentence(&self, path: &Path) -> Option<String> {
        let counts = [
            (self.members, "members that are missing were left out of their ensembles"),
            (self.truths, "components were left out where it is not known what happened"),
            (self.cases, "cases were left out of which nothing is known that happened"),
            (self.single, "ensembles of which one member is left were left out of spread and fair scores"),
        ];
        let said = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let said = said.collect::<Vec<_>>().join("; ");
        (!said.is_empty()).then(|| format!("`{}`: {said}.", path.display()))
    }
}
