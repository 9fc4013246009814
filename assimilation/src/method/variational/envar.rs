//! The analysis of the ensemble-variational methods, of any covariance P in state space ([`schur`](crate::method::variational::schur)).
//!
//! It minimises
//! J(x) = |x - m|^2_{P^-1} / 2 + |y - h(x)|^2_{R^-1} / 2 in its dual form, x = m + P g, so that P may be singular and is
//! never inverted: g <- H^T u, u = (H P H^T + R)^-1 (y - h(x) + H P g), with H the Jacobian at x, of which a half, a
//! quarter, ... of the way is gone where J would hardly fall (for linear h the first step is the last). Anomalies are
//! updated with half the gain that the last step leaves, A <- A - A H^T K^T / 2 (Sakov and Oke 2008, as in
//! [`denkf`](super::DEnKf)): the transform filters need a P that is that of members alone, this form takes any.

use ndarray::{Array1, Array2, Axis};

use crate::error::Result;
use crate::linalg::Cholesky;
use crate::method::variational::line_search::{Point, search};
use crate::observations::ObservationSet;
use crate::observations::Present;

/// Steps shorter than this share of the way from m end the iteration.
const TOLERANCE: f64 = 1e-9;

/// The analysis of one set of observations.
pub(crate) struct Dual {
    /// x - m = P g, `[component]`.
    pub increment: Array1<f64>,
    /// g, `[component]`.
    pub g: Array1<f64>,
    /// Gauss-Newton steps.
    pub steps: usize,
    /// Where the Jacobian was taken last, `[component]`.
    linearized_at: Array1<f64>,
    /// P H^T, `[component, present]`.
    cross: Array2<f64>,
    /// Of H P H^T + R.
    innovation: Cholesky,
}

impl Dual {
    /// The minimum for a set with at least one value, given m (`[component]`) and P (`[component, component]`, symmetric),
    /// in at most `iterations` steps.
    ///
    /// # Errors
    /// When shapes do not fit, or H P H^T + R is not positive definite.
    pub fn minimise(observed: &ObservationSet, mean: &Array1<f64>, p: &Array2<f64>, iterations: usize) -> Result<Self> {
        let mut here = At::new(observed, mean, Array1::zeros(mean.len()), Array1::zeros(mean.len()))?;
        let mut steps = 0;
        loop {
            let x = mean + &here.increment;
            let cross = observed.jvp(x.view(), p.view());
            let mut s = observed.jvp(x.view(), cross.t());
            here.present.add_covariance(&mut s);
            let innovation = Cholesky::new(s.view())?;
            let known = observed.jvp(x.view(), here.increment.view().insert_axis(Axis(0))).remove_axis(Axis(0));
            let u = innovation.solve(&(&here.residual + &known));
            let (dual, mut step) = (observed.vjp(x.view(), &u) - &here.g, cross.dot(&u) - &here.increment);
            // -J' . step = |step|^2_{P^-1} + |H step|^2_{R^-1}, because the step is Gauss-Newton's
            let image = observed.jvp(x.view(), step.view().insert_axis(Axis(0)));
            let fall = dual.dot(&step) + here.present.misfit(&image.remove_axis(Axis(0)));
            let (next, share) = search(here.value, fall, |share| {
                At::new(observed, mean, &here.g + &(share * &dual), &here.increment + &(share * &step))
            })?;
            step *= share;
            here = next;
            steps += 1;
            if steps >= iterations || step.dot(&step) <= TOLERANCE * TOLERANCE * here.increment.dot(&here.increment) {
                let At { g, increment, .. } = here;
                return Ok(Self { increment, g, steps, linearized_at: x, cross, innovation });
            }
        }
    }

    /// -H A^T of the anomalies `a` (`[member, component]`) times half of the inverse of H P H^T + R, `[member, present]`.
    fn half(&self, observed: &ObservationSet, a: &Array2<f64>) -> Array2<f64> {
        let mut y = observed.jvp(self.linearized_at.view(), a.view()).reversed_axes().as_standard_layout().into_owned();
        self.innovation.solve_in_place(&mut y);
        -0.5 * &y.reversed_axes()
    }

    /// The anomalies `a` (`[member, component]`) after the analysis.
    pub fn anomalies(&self, observed: &ObservationSet, a: &Array2<f64>) -> Array2<f64> {
        a + &self.half(observed, a).dot(&self.cross.t())
    }

    /// Anomalies `start` of an earlier time after the analysis of their images `a` (both `[member, component]`), given
    /// their cross-covariance `p` (`[earlier component, component]`).
    pub fn earlier_anomalies(
        &self,
        observed: &ObservationSet,
        start: &Array2<f64>,
        a: &Array2<f64>,
        p: &Array2<f64>,
    ) -> Array2<f64> {
        let cross = observed.jvp(self.linearized_at.view(), p.view());
        start + &self.half(observed, a).dot(&cross.t())
    }
}

/// J at one x.
struct At {
    g: Array1<f64>,
    increment: Array1<f64>,
    present: Present,
    /// y - h(x), `[present]`.
    residual: Array1<f64>,
    value: f64,
}

impl At {
    fn new(observed: &ObservationSet, mean: &Array1<f64>, g: Array1<f64>, increment: Array1<f64>) -> Result<Self> {
        let present = observed.restrict((mean + &increment).view().insert_axis(Axis(0)))?;
        let residual = &present.values - &present.predicted.row(0);
        let value = 0.5 * (g.dot(&increment) + present.misfit(&residual));
        Ok(Self { g, increment, present, residual, value })
    }
}

impl Point for At {
    fn cost(&self) -> f64 {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::observe::{Arctan, CorrelatedError, GaussianError, Linear, NoiseLaw, Pointwise, Stride};

    #[test]
    fn for_a_linear_operator_it_is_the_textbook_gain_also_with_correlated_errors() {
        let x = Key::new(3, Domain::Score).normals(9, 5);
        let p = x.t().dot(&x) / 9.0;
        let h = Key::new(4, Domain::Score).normals(3, 5);
        let r = array![[0.5, 0.2, 0.0], [0.2, 0.4, -0.1], [0.0, -0.1, 0.3]];
        let law = |_| Ok(Box::new(CorrelatedError::new(r.clone())?) as Box<dyn NoiseLaw>);
        let operator = Linear::new(h.clone(), &law).unwrap();
        let (mean, y) = (array![0.1, 0.2, -0.4, 1.0, 0.0], array![1.0, -0.5, 0.3]);
        let observed = ObservationSet { step: 0, time: 0.0, values: y.view(), operator: &operator };
        let found = Dual::minimise(&observed, &mean, &p, 10).unwrap();
        let mut gain = h.dot(&p);
        Cholesky::new((h.dot(&p).dot(&h.t()) + &r).view()).unwrap().solve_in_place(&mut gain);
        let expected = (&y - &h.dot(&mean)).dot(&gain);
        assert!((&found.increment - &expected).iter().all(|e| e.abs() < 1e-12));
        assert!((p.dot(&found.g) - &expected).iter().all(|e| e.abs() < 1e-12));
        let half = &x - &(0.5 * x.dot(&h.t()).dot(&gain));
        assert!((found.anomalies(&observed, &x) - &half).iter().all(|e| e.abs() < 1e-12));
        assert!((found.earlier_anomalies(&observed, &x, &x, &p) - &half).iter().all(|e| e.abs() < 1e-12));
    }

    #[test]
    fn for_a_nonlinear_operator_the_gradient_is_zero_by_central_differences() {
        let error = |dim| Ok(Box::new(GaussianError::new(&[0.1], dim)?) as Box<dyn NoiseLaw>);
        let operator = Pointwise::new(Arctan, Stride::new(3, 1, 0, &error).unwrap());
        let p = array![[1.0, 0.3, 0.1], [0.3, 0.5, -0.2], [0.1, -0.2, 0.7]];
        let (mean, y) = (array![0.4, -0.8, 1.2], array![0.9, f64::NAN, 0.2]);
        let observed = ObservationSet { step: 0, time: 0.0, values: y.view(), operator: &operator };
        let found = Dual::minimise(&observed, &mean, &p, 200).unwrap();
        let mut inverse = Array2::eye(3);
        Cholesky::new(p.view()).unwrap().solve_in_place(&mut inverse);
        let cost = |x: &Array1<f64>| {
            let (d, e) = (x - &mean, [0, 2].map(|i| (y[i] - x[i].atan()) / 0.1));
            0.5 * (d.dot(&inverse.dot(&d)) + e[0] * e[0] + e[1] * e[1])
        };
        let x = &mean + &found.increment;
        for i in 0..3 {
            let mut step = Array1::zeros(3);
            step[i] = 1e-5;
            assert!(((cost(&(&x + &step)) - cost(&(&x - &step))) / 2e-5).abs() < 1e-6);
        }
    }
}
