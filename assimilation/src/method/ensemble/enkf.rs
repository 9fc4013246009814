//! The ensemble Kalman filter with perturbed observations (Evensen 1994; Burgers, van Leeuwen and Evensen 1998).
//!
//! With anomalies A (of x) and Y (of h(x)), one row a member, and perturbed innovations D = y + E - h(X), E ~ N(0, R)
//! centred over the members: X <- X + D S^-1 Y^T A / (N - 1), S = Y^T Y / (N - 1) + R. When there are fewer members
//! than observed values the same increment is D R^-1 Y^T G^-1 A / (N - 1) with G = I + Y R^-1 Y^T / (N - 1), so that
//! the factorization is always of the smaller order. Correlated errors, R = L L^T, are whitened first: Y L^-T, D L^-T and
//! R = I. A forecast that is very much wider than the errors goes by the singular values of Y R^-1/2, as in
//! [`etkf`](super::EtKf).

use ndarray::{Array2, Axis};
use scorecast_systems::{Entry, Key, Purpose, Settings};

use crate::ensemble::{anomalies, is_wide};
use crate::error::Result;
use crate::guard::GaussianAnalysis;
use crate::linalg::{Cholesky, Singular};
use crate::method::around::ENSEMBLE;
use crate::method::around::inflation::Inflation;
use crate::method::build::MethodBuild;
use crate::observations::{ObservationSet, Present};
use crate::outcome::Outcome;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: EnKf::NAME,
    about: "ensemble Kalman filter with perturbed observations",
    reference: "Burgers, van Leeuwen and Evensen 1998",
    params: ENSEMBLE,
    build: MethodBuild::new(&[], |settings: &Settings| {
        crate::method::around::cycle(EnKf { inflation: Inflation::new(settings) }, settings)
    }),
};

/// The stochastic filter.
#[derive(Clone, Debug)]
pub struct EnKf {
    /// What is done to the analysis ensemble.
    pub inflation: Inflation,
}

impl GaussianAnalysis for EnKf {
    const NAME: &'static str = "enkf";

    fn analyse(
        &mut self,
        forecast: Array2<f64>,
        present: Present,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Outcome> {
        let errors = key.purpose(Purpose::Perturbation).at(observed.step as u64);
        let errors = observed.operator.error().sample(forecast.nrows(), errors);
        let mut perturbed = anomalies(errors.select(Axis(1), &present.index).view(), None).1;
        perturbed += &present.values;
        perturbed -= &present.predicted;

        present.whiten_rows(&mut perturbed);
        let mut ensemble = increments(&forecast, &present.whiten(), perturbed)?;
        ensemble += &forecast;
        Ok(self.inflation.finish(forecast, ensemble, observed, key))
    }
}

/// D S^-1 Y^T A / (N - 1), `[member, component]`, for D `[member, present]`.
pub(crate) fn increments(forecast: &Array2<f64>, present: &Present, mut d: Array2<f64>) -> Result<Array2<f64>> {
    let (_, a) = anomalies(forecast.view(), None);
    let (_, y) = anomalies(present.predicted.view(), None);
    let scale = 1.0 / (y.nrows() as f64 - 1.0);
    let z = &y * &present.variance.mapv(|r| (scale / r).sqrt());
    if is_wide(&z) {
        d /= &present.variance.mapv(f64::sqrt);
        return by_singular_values(&a, &z, &d);
    }
    if y.ncols() <= y.nrows() {
        let mut s = scale * y.t().dot(&y);
        s.diag_mut().zip_mut_with(&present.variance, |value, r| *value += r);
        let mut cross = scale * y.t().dot(&a);
        Cholesky::new(s.view())?.solve_in_place(&mut cross);
        Ok(d.dot(&cross))
    } else {
        let mut g = scale * y.dot(&(&y / &present.variance).t());
        g.diag_mut().mapv_inplace(|value| value + 1.0);
        let mut solved = scale * &a;
        Cholesky::new(g.view())?.solve_in_place(&mut solved);
        d /= &present.variance;
        Ok(d.dot(&y.t()).dot(&solved))
    }
}

/// D R^-1/2 V diag(s / (1 + s^2)) U^T A / sqrt(N - 1) with Z = Y R^-1/2 / sqrt(N - 1) = U diag(s) V^T, for D R^-1/2 in `d`.
fn by_singular_values(a: &Array2<f64>, z: &Array2<f64>, d: &Array2<f64>) -> Result<Array2<f64>> {
    let of = Singular::new(z.view())?.without_round_off();
    let per = of.values.mapv(|s| s / (1.0 + s * s)) / (a.nrows() as f64 - 1.0).sqrt();
    Ok((d.dot(&of.right.t()) * &per).dot(&of.left.dot(a)))
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;
    use scorecast_systems::Domain;

    use super::*;

    #[test]
    fn both_factorizations_give_the_increments_of_the_textbook_gain() {
        for (members, count) in [(12, 5), (5, 12), (6, 6)] {
            let x = Key::new(1, Domain::Score).normals(members, 7);
            let h = Key::new(2, Domain::Score).normals(7, count);
            let d = Key::new(3, Domain::Score).normals(members, count);
            let variance: Array1<f64> = (0..count).map(|i| 0.2 + 0.1 * i as f64).collect();
            let index = (0..count).collect();
            let present = Present {
                predicted: x.dot(&h),
                values: Array1::zeros(count),
                variance: variance.clone(),
                index,
                correlated: None,
            };
            let p = crate::ensemble::covariance(x.view(), None);
            let s = h.t().dot(&p).dot(&h) + Array2::from_diag(&variance);
            let mut gain = h.t().dot(&p);
            Cholesky::new(s.view()).unwrap().solve_in_place(&mut gain);
            let difference = increments(&x, &present, d.clone()).unwrap() - d.dot(&gain);
            assert!(difference.iter().all(|e| e.abs() < 1e-12), "{members} members, {count} values");
        }
    }
}
