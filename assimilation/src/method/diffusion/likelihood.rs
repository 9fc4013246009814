//! Gaussian observations as a likelihood of states, log p(y | x) = -1/2 r^T R^-1 r + const with r = y - h(x): what a score and
//! a guidance rule take of it. A missing value has a 0 in its place throughout, whatever h is there.

use ndarray::{Array1, Array2, ArrayView2};
use scorecast_systems::Stream;

use super::by_component::ScoreByComponent;
use crate::error::Result;
use crate::observations::ObservationSet;
use crate::observe::operator::vjp;

/// y - h(x) for each row of `x` (`[member, component]`), `[member, value]`.
pub(super) fn residual(observed: &ObservationSet, x: ArrayView2<f64>) -> Array2<f64> {
    observed.clear_missing(&observed.values - &observed.operator.apply(observed.time, x))
}

/// R times each row of `v` (`[member, value]`, 0 where a value is missing).
pub(super) fn error_times(observed: &ObservationSet, v: &Array2<f64>) -> Array2<f64> {
    let error = observed.operator.error();
    match error.correlated() {
        Some((r, _)) => observed.clear_missing(v.dot(&r)),
        None => v * &error.variance(),
    }
}

/// A draw of the Gaussian errors for each member, `[member, value]`; member i draws from `streams[i]`.
pub(super) fn error_draws(observed: &ObservationSet, streams: &mut [Stream]) -> Array2<f64> {
    let error = observed.operator.error();
    let mut draws = Array2::zeros((streams.len(), observed.values.len()));
    for (mut row, stream) in draws.outer_iter_mut().zip(streams) {
        row.mapv_inplace(|_| stream.normal());
    }
    match error.correlated() {
        Some((_, factor)) => draws.dot(&factor.lower().t()),
        None => draws * &error.variance().mapv(f64::sqrt),
    }
}

/// The score of the likelihood, at whole states.
pub(super) struct LikelihoodScore<'a> {
    observed: ObservationSet<'a>,
    precision: Precision,
}

impl<'a> LikelihoodScore<'a> {
    /// Of these observations.
    ///
    /// # Errors
    /// When R of the values that are present is not positive definite.
    pub(super) fn new(observed: ObservationSet<'a>) -> Result<Self> {
        Ok(Self { observed, precision: Precision::of(&observed)? })
    }

    /// J_h(x)^T R^-1 (y - h(x)) for each row of `x`, `[member, component]`.
    pub(super) fn at(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let residual = residual(&self.observed, x);
        let weighted = match &self.precision {
            Precision::Independent(precision) => residual * precision,
            Precision::Correlated(precision) => residual.dot(precision),
        };
        vjp(self.observed.operator, self.observed.time, x, weighted.view())
    }

    /// The score by components; none unless each value reads one component, in order and with an error of its own.
    pub(super) fn by_component(&self) -> Option<ScoreByComponent<'a>> {
        let Precision::Independent(precision) = &self.precision else { return None };
        let operator = self.observed.operator;
        let (of, reads) = (operator.one_component()?, operator.reads()?);
        let in_order = reads.windows(2).all(|pair| pair[0] < pair[1]);
        let usable = in_order && of.linearize(self.observed.time, 0, &mut [], &mut []);
        let values = self.observed.values.mapv(|value| if value.is_nan() { 0.0 } else { value }).to_vec();
        usable.then(|| ScoreByComponent { of, time: self.observed.time, reads, values, precision: precision.to_vec() })
    }
}

/// R^-1 of the values that are present, 0 where one is missing.
enum Precision {
    /// Its diagonal, `[value]`.
    Independent(Array1<f64>),
    /// All of it, `[value, value]`.
    Correlated(Array2<f64>),
}

impl Precision {
    fn of(observed: &ObservationSet) -> Result<Self> {
        let (index, count) = (observed.present(), observed.values.len());
        let Some((_, factor)) = observed.correlated(&index)? else {
            let variance = observed.operator.error().variance();
            let mut precision = Array1::zeros(count);
            index.iter().for_each(|&i| precision[i] = 1.0 / variance[i]);
            return Ok(Self::Independent(precision));
        };
        let mut inverse = Array2::eye(index.len());
        factor.solve_in_place(&mut inverse);
        let mut precision = Array2::zeros((count, count));
        for ((i, j), value) in inverse.indexed_iter() {
            precision[(index[i], index[j])] = *value;
        }
        Ok(Self::Correlated(precision))
    }
}
