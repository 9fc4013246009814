//! The score of a likelihood of values that each read one component, for a few components at a time: whoever integrates a
//! long state piece by piece stays in the nearest cache.

use crate::observe::OneComponent;

/// J_h^T R^-1 (y - h) by components; R is diagonal.
pub(super) struct ScoreByComponent<'a> {
    pub(super) of: &'a dyn OneComponent,
    pub(super) time: f64,
    /// The component that each value reads, increasing, `[observed]`.
    pub(super) reads: Vec<usize>,
    /// y, `[observed]`; 0 where it is missing.
    pub(super) values: Vec<f64>,
    /// R^-1, `[observed]`; 0 where a value is missing.
    pub(super) precision: Vec<f64>,
}

impl ScoreByComponent<'_> {
    /// The part that `count` components from `first` on have in it.
    pub(super) fn part(&self, first: usize, count: usize) -> PartOfScore<'_> {
        let from = self.reads.partition_point(|component| *component < first);
        let to = self.reads.partition_point(|component| *component < first + count);
        PartOfScore {
            of_all: self,
            first,
            from,
            reads: &self.reads[from..to],
            values: &self.values[from..to],
            precision: &self.precision[from..to],
            h: vec![0.0; to - from],
            slope: vec![0.0; to - from],
        }
    }
}

/// The score of some components that follow each other.
pub(super) struct PartOfScore<'a> {
    of_all: &'a ScoreByComponent<'a>,
    /// The first component.
    first: usize,
    /// The first value.
    from: usize,
    reads: &'a [usize],
    values: &'a [f64],
    precision: &'a [f64],
    h: Vec<f64>,
    slope: Vec<f64>,
}

/// The terms of the score where every component is read, `[component]`.
pub(super) struct Terms<'a> {
    pub(super) values: &'a [f64],
    pub(super) precision: &'a [f64],
    pub(super) h: &'a [f64],
    pub(super) slope: &'a [f64],
}

impl PartOfScore<'_> {
    /// The score where these components are `x`, both `[component]`: into `out`, or its terms where every component is read.
    pub(super) fn at(&mut self, x: &[f64], out: &mut [f64]) -> Option<Terms<'_>> {
        let all = self.reads.len() == x.len();
        if all {
            self.h.copy_from_slice(x);
        } else {
            self.h.iter_mut().zip(self.reads).for_each(|(h, component)| *h = x[component - self.first]);
        }
        self.of_all.of.linearize(self.of_all.time, self.from, &mut self.h, &mut self.slope);
        if all {
            let Self { values, precision, h, slope, .. } = self;
            return Some(Terms { values, precision, h, slope });
        }
        out.fill(0.0);
        for (i, component) in self.reads.iter().enumerate() {
            out[component - self.first] = pulled(self.values[i], self.precision[i], self.h[i], self.slope[i]);
        }
        None
    }
}

/// (y - h) h' / r; 0 for a value that is missing, whatever h and its slope are there.
#[inline(always)]
pub(super) fn pulled(y: f64, precision: f64, h: f64, slope: f64) -> f64 {
    let covector = (y - h) * precision;
    if precision == 0.0 || covector == 0.0 { 0.0 } else { slope * covector }
}
