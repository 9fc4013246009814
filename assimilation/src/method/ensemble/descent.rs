//! Gauss-Newton steps in the space of the members' weights (Bocquet and Sakov 2012, 2013); the first is the transform of
//! [`etkf`](super::EtKf).
//!
//! x_0 = mean + A^T w / sqrt(N - 1) with the anomalies A of the window's start, and Z the derivative of the scaled
//! predictions R^-1/2 h(M(x_0)) in w, one row a member, d = R^-1/2 (y - h(M(x_0))):
//! J(w) = |d(w)|^2 / 2 + |w|^2 / 2, w <- w + (g I + Z Z^T)^-1 (Z d - g w), and the covariance of w is (g I + Z Z^T)^-1,
//! whose symmetric root T transforms the anomalies. g = 1; in the finite-size form (Bocquet 2011; Bocquet, Raanes and
//! Hannart 2015; Raanes, Bocquet and Carrassi 2019) the prior of w is Student's and g its curvature,
//! g = c / (e + |w|^2 / (N - 1)), e = s (1 + 1 / N) / m, c = s m N / (N - 1), with the certainty s of the spread in
//! numbers of members and the correction m = ((N^2 - 1) / N^2)^(q / 2) that leaves the anomalies alone where nothing is
//! observed: q = mean of 1 / (1 + l) over the eigenvalues l of Z Z^T.

use ndarray::{Array1, Array2, s};

use crate::ensemble::is_wide;
use crate::error::Result;
use crate::linalg::{Eigen, Singular};
use crate::outcome::Diagnostics;

/// One Gauss-Newton step.
pub(crate) struct Descent {
    /// The change of w, `[member]`.
    pub step: Array1<f64>,
    /// The curvature of the prior.
    pub g: f64,
    /// Whether that is of the finite-size form.
    finite_size: bool,
    /// Of Z Z^T.
    eigen: Eigen,
}

impl Descent {
    /// The step at `w` (`[member]`) for Z (`[member, present]`) and d (`[present]`); `certainty` is s of the finite-size
    /// form.
    ///
    /// # Errors
    /// When Z is not finite.
    pub fn new(z: &Array2<f64>, d: &Array1<f64>, w: &Array1<f64>, certainty: Option<f64>) -> Result<Self> {
        let (eigen, along) = match is_wide(z) {
            true => by_singular_values(z, d).map(|(eigen, along)| (eigen, Some(along)))?,
            false => (Eigen::new(z.dot(&z.t()).view())?, None),
        };
        let g = certainty.map_or(1.0, |s| curvature(&eigen.values, w.dot(w), s));
        let mut step = match along {
            Some(along) => along - g * eigen.vectors.dot(w),
            None => eigen.vectors.dot(&(z.dot(d) - g * w)),
        };
        step.zip_mut_with(&eigen.values, |value, l| *value /= g + l.max(0.0));
        let step = step.dot(&eigen.vectors);
        Ok(Self { step, g, finite_size: certainty.is_some(), eigen })
    }

    /// The length of the step, in standard deviations of the prior.
    pub fn length(&self) -> f64 {
        self.step.dot(&self.step).sqrt()
    }

    /// What there is to say of it, the last of so many `steps`.
    pub fn diagnostics(&self, steps: usize) -> Diagnostics {
        let mut diagnostics = Diagnostics::from([("steps", steps as f64), ("last_step", self.length())]);
        if self.finite_size {
            diagnostics.insert("inflation", 1.0 / self.g.sqrt());
        }
        diagnostics
    }

    /// T = (g I + Z Z^T)^-1/2, `[member, member]`.
    pub fn transform(&self) -> Array2<f64> {
        self.eigen.apply(|l| 1.0 / (self.g + l.max(0.0)).sqrt())
    }

    /// T^-1, `[member, member]`.
    pub fn inverse(&self) -> Array2<f64> {
        self.eigen.apply(|l| (self.g + l.max(0.0)).sqrt())
    }
}

/// The eigenvalues and eigenvectors of Z Z^T, and Z d in their coordinates, where products of Z lose the digits of R: from the
/// singular values of Z, with columns of 0 up to its order.
pub(crate) fn by_singular_values(z: &Array2<f64>, d: &Array1<f64>) -> Result<(Eigen, Array1<f64>)> {
    let (members, count) = z.dim();
    let mut wide = Array2::zeros((members, count.max(members)));
    wide.slice_mut(s![.., ..count]).assign(z);
    let of = Singular::new(wide.view())?.without_round_off();
    let along = of.right.slice(s![.., ..count]).dot(d) * &of.values;
    Ok((Eigen { values: of.values.mapv(|s| s * s), vectors: of.left }, along))
}

/// g of the finite-size form, given |w|^2.
fn curvature(eigenvalues: &Array1<f64>, square: f64, certainty: f64) -> f64 {
    let members = eigenvalues.len() as f64;
    let unobserved = eigenvalues.iter().map(|l| 1.0 / (1.0 + l.max(0.0))).sum::<f64>() / members;
    let (e, c) = corrected_prior(members, unobserved, certainty);
    c / (members - 1.0) / (e + square / (members - 1.0))
}

/// e and c of the prior of `members` whose certainty is `certainty` and whose mode is corrected, where the prior has the
/// weight `prior_weight` (k) in the analysis.
pub(crate) fn corrected_prior(members: f64, prior_weight: f64, certainty: f64) -> (f64, f64) {
    // the mode e (N - 1) / c of e = 1 + 1/N and c = N
    let mode = 1.0 - 1.0 / (members * members);
    let correction = mode.powf(0.5 * prior_weight);
    (certainty * (1.0 + 1.0 / members) / correction, certainty * correction * members)
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;
    use scorecast_systems::{Domain, Key};

    use super::*;

    fn case() -> (Array2<f64>, Array1<f64>) {
        let z = Key::new(1, Domain::Score).normals(6, 9);
        let z = &z - &z.mean_axis(Axis(0)).unwrap();
        (z, Key::new(2, Domain::Score).normals(1, 9).remove_axis(Axis(0)))
    }

    #[test]
    fn one_step_solves_a_linear_problem_from_anywhere() {
        let (z, d) = case();
        let w: Array1<f64> = Key::new(3, Domain::Score).normals(1, 6).remove_axis(Axis(0));
        let at_zero = Descent::new(&z, &d, &Array1::zeros(6), None).unwrap();
        let elsewhere = Descent::new(&z, &(&d - &w.dot(&z)), &w, None).unwrap();
        assert!((&at_zero.step - &(w + &elsewhere.step)).iter().all(|e| e.abs() < 1e-12));
        // J' = w - Z (d - Z^T w)
        let slope = &at_zero.step - &z.dot(&(&d - &at_zero.step.dot(&z)));
        assert!(slope.iter().all(|e| e.abs() < 1e-12));
        let product = at_zero.transform().dot(&at_zero.inverse()) - Array2::<f64>::eye(6);
        assert!(product.iter().all(|e| e.abs() < 1e-12));
    }

    #[test]
    fn the_finite_size_form_leaves_what_is_not_observed_and_minimises_its_cost() {
        let (z, d) = case();
        // without observations the spread stays: g = 1 at w = 0
        let blind = Descent::new(&(&z * 0.0), &d, &Array1::zeros(6), Some(1.0)).unwrap();
        assert!((blind.g - 1.0).abs() < 1e-12, "{}", blind.g);
        // repeated steps come to the minimum of |d - Z^T w|^2 / 2 + c (N - 1) log(e + |w|^2 / (N - 1)) / 2, where e and c
        // are constants, as Z is
        let mut w = Array1::zeros(6);
        for _ in 0..200 {
            w += &Descent::new(&z, &(&d - &w.dot(&z)), &w, Some(2.0)).unwrap().step;
        }
        let eigenvalues = Eigen::new(z.dot(&z.t()).view()).unwrap().values;
        let q = eigenvalues.iter().map(|l| 1.0 / (1.0 + l)).sum::<f64>() / 6.0;
        let m = (35.0f64 / 36.0).powf(q / 2.0);
        let (e, c) = (2.0 * 7.0 / 6.0 / m, 2.0 * m * 6.0 / 5.0);
        let cost = |w: &Array1<f64>| {
            let residual = &d - &w.dot(&z);
            0.5 * residual.dot(&residual) + 2.5 * c * (e + w.dot(w) / 5.0).ln()
        };
        for i in 0..6 {
            let mut step = Array1::zeros(6);
            step[i] = 1e-5;
            let slope = (cost(&(&w + &step)) - cost(&(&w - &step))) / 2e-5;
            assert!(slope.abs() < 1e-8, "{slope}");
        }
        // certainty without end takes all from the weights: what is left is the mode of the spread's prior
        let sure = Descent::new(&z, &d, &w, Some(1e12)).unwrap();
        assert!((sure.g - (36.0f64 / 35.0).powf(1.0 - q)).abs() < 1e-9);
    }
}
