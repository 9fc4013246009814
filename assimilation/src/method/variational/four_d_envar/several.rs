//! Sets of observations of several times as one set: what is observed of the states of these times side by side, with
//! errors that are independent from set to set.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};

use crate::error::{Error, Result};
use crate::observations::ObservationSet;
use crate::observe::operator::{jvp, vjp};
use crate::observe::{CorrelatedError, GaussianError, LinearizedOperator, NoiseLaw, ObservationOperator};

/// One operator at several times.
pub(super) struct Several<'a> {
    of: &'a dyn ObservationOperator,
    times: Vec<f64>,
    error: Box<dyn NoiseLaw>,
}

impl<'a> Several<'a> {
    /// Of at least one set, all of the same operator; also the values of all.
    ///
    /// # Errors
    /// When there is no set, or R is not positive definite.
    pub fn new(sets: &[ObservationSet<'a>]) -> Result<(Self, Array1<f64>)> {
        let (Some(first), count) = (sets.first(), sets.len()) else {
            return Err(Error::Shape("no set of observations to use".to_owned()));
        };
        let (of, p) = (first.operator, first.operator.dim());
        let error: Box<dyn NoiseLaw> = match of.error().correlated() {
            Some((r, _)) => {
                let mut all = Array2::zeros((count * p, count * p));
                for set in 0..count {
                    all.slice_mut(s![set * p..(set + 1) * p, set * p..(set + 1) * p]).assign(&r);
                }
                Box::new(CorrelatedError::new(all)?)
            }
            None => {
                Box::new(GaussianError::new(&of.error().variance().mapv(f64::sqrt).to_vec().repeat(count), count * p)?)
            }
        };
        let values: Vec<_> = sets.iter().map(|set| set.values).collect();
        let values = concatenate(Axis(0), &values).map_err(|problem| Error::Shape(problem.to_string()))?;
        Ok((Self { of, times: sets.iter().map(|set| set.time).collect(), error }, values))
    }

    /// What `of` makes of the states and values of each time, given where these stand, side by side: `out` columns each.
    fn side_by_side(
        &self,
        rows: usize,
        out: usize,
        of: impl Fn(f64, Range<usize>, Range<usize>) -> Array2<f64>,
    ) -> Array2<f64> {
        let mut all = Array2::zeros((rows, self.times.len() * out));
        let (n, p) = (self.of.state_dim(), self.of.dim());
        for (set, &time) in self.times.iter().enumerate() {
            let found = of(time, set * n..(set + 1) * n, set * p..(set + 1) * p);
            all.slice_mut(s![.., set * out..(set + 1) * out]).assign(&found);
        }
        all
    }
}

impl ObservationOperator for Several<'_> {
    fn name(&self) -> String {
        format!("{} at {} times", self.of.name(), self.times.len())
    }

    fn dim(&self) -> usize {
        self.times.len() * self.of.dim()
    }

    fn state_dim(&self) -> usize {
        self.times.len() * self.of.state_dim()
    }

    fn apply(&self, _: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.side_by_side(x.nrows(), self.of.dim(), |t, at, _| self.of.apply(t, x.slice(s![.., at])))
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        self.of.linearized().map(|_| self as &dyn LinearizedOperator)
    }

    fn error(&self) -> &dyn NoiseLaw {
        &*self.error
    }
}

impl LinearizedOperator for Several<'_> {
    fn jvp(&self, _: f64, x: ArrayView2<f64>, u: ArrayView2<f64>) -> Array2<f64> {
        self.side_by_side(x.nrows(), self.of.dim(), |t, at, _| {
            jvp(self.of, t, x.slice(s![.., at.clone()]), u.slice(s![.., at]))
        })
    }

    fn vjp(&self, _: f64, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        self.side_by_side(x.nrows(), self.of.state_dim(), |t, at, values| {
            vjp(self.of, t, x.slice(s![.., at]), v.slice(s![.., values]))
        })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::observe::{Arctan, Pointwise, Stride};

    #[test]
    fn it_is_the_operator_at_each_time_and_its_transpose_is_one() {
        let r = array![[0.5, 0.2], [0.2, 0.4]];
        for correlated in [false, true] {
            let law = |dim: usize| -> Result<Box<dyn NoiseLaw>> {
                match correlated {
                    true => Ok(Box::new(CorrelatedError::new(r.clone())?)),
                    false => Ok(Box::new(GaussianError::new(&[0.5, 0.7], dim)?)),
                }
            };
            let operator = Pointwise::new(Arctan, Stride::new(3, 2, 0, &law).unwrap());
            let (one, two) = (array![0.3, f64::NAN], array![-0.4, 0.8]);
            let set = |step, values| ObservationSet { step, time: step as f64, values, operator: &operator };
            let (several, values) = Several::new(&[set(1, one.view()), set(2, two.view())]).unwrap();
            assert_eq!((several.dim(), several.state_dim(), values.len()), (4, 6, 4));
            let normals = |seed, columns| Key::new(seed, Domain::Score).normals(5, columns);
            let (x, u, v) = (normals(1, 6), normals(2, 6), normals(3, 4));
            let half = |from| x.slice(s![.., from..from + 3]);
            let apart = [operator.apply(1.0, half(0)), operator.apply(2.0, half(3))];
            assert_eq!(several.apply(0.0, x.view()), concatenate![Axis(1), apart[0], apart[1]]);
            // v . H u = H^T v . u
            let (image, back) = (several.jvp(0.0, x.view(), u.view()), several.vjp(0.0, x.view(), v.view()));
            assert!(
                (&image * &v)
                    .sum_axis(Axis(1))
                    .iter()
                    .zip((back * u).sum_axis(Axis(1)))
                    .all(|(a, b)| (a - b).abs() < 1e-14)
            );
            let observed = ObservationSet { step: 2, time: 2.0, values: values.view(), operator: &several };
            let present = observed.restrict(x.view()).unwrap();
            assert_eq!(present.index, [0, 2, 3]);
            let r = present.covariance();
            assert!((r[(1, 2)] - if correlated { 0.2 } else { 0.0 }).abs() < 1e-15 && r[(0, 1)] == 0.0);
            assert!((r[(1, 1)] - if correlated { 0.5 } else { 0.25 }).abs() < 1e-15);
        }
        assert!(Several::new(&[]).is_err());
    }
}
