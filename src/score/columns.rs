//! Eight components of all members side by side, so that what is done to each component runs on vectors.

use ndarray::{ArrayView1, CowArray, Ix2};

use super::ensemble::Ensemble;

/// Components side by side.
pub(super) const WIDTH: usize = 8;

/// A value of each of those.
pub(super) type Lanes = [f64; WIDTH];

/// An ensemble cut into columns of [`WIDTH`] components.
pub(super) struct Columns<'a> {
    members: CowArray<'a, f64, Ix2>,
    truth: ArrayView1<'a, f64>,
}

impl<'a> Columns<'a> {
    /// Of all components.
    pub(super) fn new(ensemble: &'a Ensemble) -> Self {
        Self { members: ensemble.members.as_standard_layout(), truth: ensemble.truth.view() }
    }

    /// The first component of each column.
    pub(super) fn firsts(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.truth.len()).step_by(WIDTH)
    }

    /// How many components the column from `first` on has.
    pub(super) fn width(&self, first: usize) -> usize {
        WIDTH.min(self.truth.len() - first)
    }

    /// The members less the truth in the column from `first` on, `[member]`; 0 behind the last component.
    pub(super) fn errors(&self, first: usize, out: &mut Vec<Lanes>) {
        let truth = self.truth(first);
        out.clear();
        out.extend(self.column(first).map(|x| std::array::from_fn(|lane| x[lane] - truth[lane])));
    }

    /// The members in the column from `first` on; 0 behind the last component.
    pub(super) fn column(&self, first: usize) -> impl Iterator<Item = Lanes> {
        let width = self.width(first);
        let dim = self.truth.len();
        let rows = self.members.as_slice().unwrap_or_default().chunks_exact(dim.max(1));
        rows.map(move |row| {
            let part = &row[first..first + width];
            part.try_into().unwrap_or_else(|_| std::array::from_fn(|lane| part.get(lane).copied().unwrap_or(0.0)))
        })
    }

    /// The truth in the column from `first` on; 0 behind the last component.
    pub(super) fn truth(&self, first: usize) -> Lanes {
        std::array::from_fn(|lane| self.truth.get(first + lane).copied().unwrap_or(0.0))
    }
}
