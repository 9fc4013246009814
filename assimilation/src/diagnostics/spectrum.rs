//! How many directions an ensemble spreads in.
//!
//! With anomalies A (one row a member) the singular values s_1 >= s_2 >= ... of A / sqrt(N - 1) are the standard
//! deviations along the principal axes. The effective dimension is (sum s)^2 / sum s^2 (Patil, Hunt, Kalnay, Yorke and
//! Ott 2001): k for k equal ones, and 1 where one of them is all. The participation ratio (sum s^2)^2 / sum s^4 is the
//! same of variances, and smaller.

use ndarray::{Array1, ArrayView2};

use crate::ensemble::{all_finite, anomalies};
use crate::error::Result;
use crate::linalg::Eigen;

/// The singular values of the anomalies of an ensemble.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// s, largest first, `[min(member, component)]`. Values below about 1e-7 of the largest are noise of rounding.
    pub values: Array1<f64>,
    /// The largest rank that this number of members and components allows: min(N - 1, n).
    pub full_rank: usize,
}

impl Spectrum {
    /// Of `ensemble`, `[member, component]`, around its (weighted) mean; with weights w the rows are sqrt(w) times
    /// the anomalies, else the anomalies over sqrt(N - 1). None where a member is not finite or there are fewer than 2.
    ///
    /// # Errors
    /// When an eigenproblem does not converge.
    pub fn new(ensemble: ArrayView2<f64>, weights: Option<&Array1<f64>>) -> Result<Option<Self>> {
        let (members, dim) = ensemble.dim();
        if members < 2 || dim == 0 || !all_finite(ensemble) {
            return Ok(None);
        }
        let (_, mut a) = anomalies(ensemble, weights);
        match weights {
            Some(weights) => a.outer_iter_mut().zip(weights).for_each(|(mut row, w)| row *= w.sqrt()),
            None => a /= (members as f64 - 1.0).sqrt(),
        }
        let gram = if members < dim { a.dot(&a.t()) } else { a.t().dot(&a) };
        // squares may be beyond all numbers where members are not
        if !all_finite(gram.view()) {
            return Ok(None);
        }
        let mut values = Eigen::new(gram.view())?.values.mapv(|l| l.max(0.0).sqrt()).to_vec();
        values.sort_by(|a, b| b.total_cmp(a));
        Ok(Some(Self { values: values.into(), full_rank: dim.min(members - 1) }))
    }

    /// (sum s)^2 / sum s^2, over the values that count for the rank; 0 where there is no spread.
    pub fn effective_dimension(&self) -> f64 {
        let s = self.values.slice(ndarray::s![..self.rank()]);
        ratio(s.sum().powi(2), s.dot(&s))
    }

    /// (sum s^2)^2 / sum s^4; 0 where there is no spread.
    pub fn participation_ratio(&self) -> f64 {
        let squares = self.values.mapv(|s| s * s);
        ratio(squares.sum().powi(2), squares.dot(&squares))
    }

    /// The number of values above rounding: s^2 > 10 N eps s_1^2, with N their number.
    pub fn rank(&self) -> usize {
        let largest = self.values.first().copied().unwrap_or(0.0);
        let least = (10.0 * self.values.len() as f64 * f64::EPSILON).sqrt() * largest;
        self.values.iter().filter(|s| **s > least).count()
    }
}

fn ratio(above: f64, below: f64) -> f64 {
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis};
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::ensemble::covariance;

    /// `members` members whose covariance has exactly the roots `s` of its eigenvalues, in rotated coordinates.
    fn with_spectrum(members: usize, dim: usize, s: &[f64]) -> Array2<f64> {
        let orthonormal = |rows: usize, count: usize, centred: bool| {
            let mut basis: Vec<Array1<f64>> =
                if centred { vec![Array1::from_elem(rows, 1.0 / (rows as f64).sqrt())] } else { vec![] };
            let draws = Key::new(3, Domain::Score).normals(count, rows);
            for draw in draws.outer_iter() {
                let mut v = draw.to_owned();
                for _ in 0..2 {
                    for b in &basis {
                        let along = b.dot(&v);
                        v.scaled_add(-along, b);
                    }
                }
                v /= v.dot(&v).sqrt();
                basis.push(v);
            }
            basis.split_off(usize::from(centred))
        };
        let (u, v) = (orthonormal(members, s.len(), true), orthonormal(dim, s.len(), false));
        let mut x = Array2::from_elem((members, dim), 5.0);
        for ((u, v), s) in u.iter().zip(&v).zip(s) {
            let scale = s * (members as f64 - 1.0).sqrt();
            x += &(u.view().insert_axis(Axis(1)).to_owned() * v.view().insert_axis(Axis(0)) * scale);
        }
        x
    }

    #[test]
    fn a_known_spectrum_comes_back_with_its_dimension_and_rank() {
        for (members, dim) in [(12, 30), (30, 12), (13, 13)] {
            let s = [4.0, 2.0, 2.0, 1.0, 0.5];
            let found = Spectrum::new(with_spectrum(members, dim, &s).view(), None).unwrap().unwrap();
            assert!(found.values.iter().zip(&s).all(|(a, b)| (a - b).abs() < 1e-10), "{:?}", found.values);
            assert_eq!((found.rank(), found.full_rank), (5, dim.min(members - 1)));
            // 9.5^2 / 25.25 and 25.25^2 / (256 + 16 + 16 + 1 + .0625)
            assert!((found.effective_dimension() - 90.25 / 25.25).abs() < 1e-10);
            assert!((found.participation_ratio() - 25.25f64.powi(2) / 289.0625).abs() < 1e-10);
            let equal = Spectrum::new(with_spectrum(members, dim, &[3.0; 7]).view(), None).unwrap().unwrap();
            assert!((equal.effective_dimension() - 7.0).abs() < 1e-10);
        }
    }

    #[test]
    fn squares_of_the_values_are_the_eigenvalues_of_the_covariance_and_weights_count() {
        let x = Key::new(4, Domain::Score).normals(9, 4);
        let found = Spectrum::new(x.view(), None).unwrap().unwrap();
        assert!((found.values.mapv(|s| s * s).sum() - covariance(x.view(), None).diag().sum()).abs() < 1e-12);
        let mut weights = Array1::zeros(9);
        weights[2] = 0.5;
        weights[7] = 0.5;
        let two = Spectrum::new(x.view(), Some(&weights)).unwrap().unwrap();
        assert!(two.rank() == 1 && (two.effective_dimension() - 1.0).abs() < 1e-10);
    }

    #[test]
    fn an_ensemble_without_spread_has_no_dimension_and_a_diverged_one_no_spectrum() {
        let mut x = Array2::from_elem((5, 3), 2.0);
        let still = Spectrum::new(x.view(), None).unwrap().unwrap();
        assert_eq!((still.rank(), still.effective_dimension(), still.participation_ratio()), (0, 0.0, 0.0));
        x[(1, 1)] = f64::NAN;
        assert_eq!(Spectrum::new(x.view(), None).unwrap(), None);
    }
}
