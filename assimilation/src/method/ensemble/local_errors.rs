//! Correlated observation errors near one component.
//!
//! The observations near a component have the covariance R' of their errors, rows and columns of R, and weights w of the
//! taper. Each gets an independent error more, of variance r (1/w - 1): where errors are independent that divides the
//! variance by the weight, as in R-localization; as a weight goes to 0 its observation counts for nothing, and what it tells
//! of the errors of others goes too (W^1/2 R'^-1 W^1/2 would take that as known); and with weights of 1 nothing is localized.
//! So what they say is made independent by L^-1, R' + diag(r (1/w - 1)) = L L^T.

use ndarray::ArrayView2;

use crate::linalg::{add_scaled, dot};
use crate::observations::ObservationSet;

/// R of the present values of a set whose errors are correlated.
pub(crate) struct LocalErrors<'a> {
    /// Of all values, `[observed, observed]`.
    covariance: ArrayView2<'a, f64>,
    /// Which of them are present.
    index: Vec<usize>,
}

/// The share of a variance below which the other values determine a value to round-off: it then says nothing new.
const DETERMINED: f64 = 1e-13;

impl<'a> LocalErrors<'a> {
    /// The errors of the values of `observed` that are listed in `index`; none where errors are independent.
    pub fn of(observed: &ObservationSet<'a>, index: &[usize]) -> Option<Self> {
        let (covariance, _) = observed.operator.error().correlated()?;
        Some(Self { covariance, index: index.to_vec() })
    }

    /// Fills `factor` with the rows of L for the observations `near`, one after the other, each up to its diagonal, where the
    /// inverse stands.
    pub fn factorize(&self, near: &[(usize, f64)], factor: &mut Vec<f64>) {
        factor.clear();
        for (i, &(a, weight)) in near.iter().enumerate() {
            let start = factor.len();
            for (j, &(b, _)) in near[..i].iter().enumerate() {
                let other = row(factor, j);
                let l = (self.at(a, b) - dot(&factor[start..], &other[..j])) * other[j];
                factor.push(l);
            }
            let own = &factor[start..];
            let variance = self.at(a, a) / weight;
            let rest = variance - dot(own, own);
            factor.push(if rest > DETERMINED * variance { 1.0 / rest.sqrt() } else { 0.0 });
        }
    }

    fn at(&self, a: usize, b: usize) -> f64 {
        self.covariance[(self.index[a], self.index[b])]
    }
}

/// Row i of what [`LocalErrors::factorize`] filled in.
fn row(factor: &[f64], i: usize) -> &[f64] {
    let start = i * (i + 1) / 2;
    &factor[start..=start + i]
}

/// L^-1 times the matrix whose rows, each of `width`, are the numbers of `x` for one observation, in place.
pub(crate) fn half_solve(factor: &[f64], x: &mut [f64], width: usize) {
    for i in 0..x.len() / width {
        let (done, rest) = x.split_at_mut(i * width);
        let (own, l) = (&mut rest[..width], row(factor, i));
        done.chunks_exact(width).zip(l).for_each(|(other, l)| add_scaled(own, -l, other));
        own.iter_mut().for_each(|value| *value *= l[i]);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::linalg::Cholesky;
    use crate::observe::{CorrelatedError, NoiseLaw, Stride};

    #[test]
    fn the_local_factor_is_that_of_the_rows_and_columns_of_r_with_their_variances_over_the_weights() {
        let r = {
            let root = Key::new(1, Domain::Score).normals(9, 9);
            root.dot(&root.t()) + Array2::<f64>::eye(9)
        };
        let law = |_| Ok(Box::new(CorrelatedError::new(r.clone())?) as Box<dyn NoiseLaw>);
        let operator = Stride::new(9, 1, 0, &law).unwrap();
        let mut y = Array1::<f64>::zeros(9);
        y[4] = f64::NAN;
        let observed = ObservationSet { step: 0, time: 0.0, values: y.view(), operator: &operator };
        let present = observed.present();
        let errors = LocalErrors::of(&observed, &present).unwrap();
        // in no order
        let near = [(6, 0.3), (1, 1.0), (4, 0.7), (0, 0.9), (7, 0.2)];
        let mut factor = vec![1.0; 3];
        errors.factorize(&near, &mut factor);
        let chosen: Vec<usize> = near.iter().map(|(observation, _)| present[*observation]).collect();
        let mut own = Array2::from_shape_fn((5, 5), |(i, j)| r[(chosen[i], chosen[j])]);
        own.diag_mut().iter_mut().zip(near).for_each(|(r, (_, weight))| *r /= weight);
        let mut exact = Key::new(2, Domain::Score).normals(5, 3);
        let mut found = exact.clone().into_raw_vec_and_offset().0;
        half_solve(&factor, &mut found, 3);
        Cholesky::new(own.view()).unwrap().half_solve_in_place(&mut exact);
        assert!(exact.iter().zip(&found).all(|(exact, found)| (exact - found).abs() < 1e-12));
    }

    /// x ~ N(0, I) of two components, errors that correlate by .9: as the second value goes out of reach the posterior of the
    /// first component becomes that of its own value, from the side of the exact one.
    #[test]
    fn a_value_that_goes_out_of_reach_takes_its_errors_with_it() {
        let covariance = ndarray::array![[1.0, 0.9], [0.9, 1.0]];
        let errors = LocalErrors { covariance: covariance.view(), index: vec![0, 1] };
        let posterior = |weight: f64| {
            let (mut factor, mut h) = (Vec::new(), [1.0, 0.0, 0.0, 1.0]);
            errors.factorize(&[(0, 1.0), (1, weight)], &mut factor);
            half_solve(&factor, &mut h, 2);
            let h = Array2::from_shape_vec((2, 2), h.to_vec()).unwrap();
            let precision = h.t().dot(&h) + Array2::<f64>::eye(2);
            precision[(1, 1)] / (precision[(0, 0)] * precision[(1, 1)] - precision[(0, 1)] * precision[(1, 0)])
        };
        let found = [1.0, 0.5, 0.1, 1e-2, 1e-6].map(posterior);
        // (2^2 - .9^2 - 2) / (2^2 - .9^2)
        assert!((found[0] - 1.19 / 3.19).abs() < 1e-12 && (found[4] - 0.5).abs() < 1e-5, "{found:?}");
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
    }

    #[test]
    fn a_value_that_others_determine_says_nothing_new() {
        // positive definite, by less than what the two values differ in to round-off
        let covariance = ndarray::array![[1.0, 1.0 - 1e-14], [1.0 - 1e-14, 1.0]];
        let errors = LocalErrors { covariance: covariance.view(), index: vec![0, 1] };
        let (mut factor, mut x) = (Vec::new(), [3.0, 5.0]);
        errors.factorize(&[(0, 1.0), (1, 1.0)], &mut factor);
        half_solve(&factor, &mut x, 1);
        assert_eq!(x, [3.0, 0.0]);
    }
}
