//! The ensemble transform Kalman filter with the symmetric square root (Bishop, Etherton and Majumdar 2001; Hunt,
//! Kostelich and Szunyogh 2007).
//!
//! With anomalies A (of x) and Z = Y R^-1/2 / sqrt(N - 1) (of h(x)), one row a member, and the scaled innovation
//! d = R^-1/2 (y - mean h(x)):
//! mean <- mean + A^T w / sqrt(N - 1), w = (I + Z Z^T)^-1 Z d, and A <- T A, T = (I + Z Z^T)^-1/2.
//! The symmetric T keeps the mean of the anomalies zero and is the root nearest to the identity. With Z^T Z = U L U^T it
//! is also T = I - Z U diag(1 / (s (1 + s))) U^T Z^T, s = sqrt(1 + L), so that the eigenproblem always has the smaller
//! of the orders N and p. R^-1/2 is L^-1 where errors are correlated, R = L L^T.
//!
//! Z^T Z of a forecast that is very much wider than the errors has no digits left for the 1 beside it. There both come from
//! the singular values of Z itself, Z = U diag(s) V^T: w = U diag(s / (1 + s^2)) V^T d, T = I - U diag(1 - 1 / r) U^T with
//! r = sqrt(1 + s^2).

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::{Entry, Key, Param, Settings};

use crate::ensemble::{anomalies, is_wide};
use crate::error::Result;
use crate::guard::GaussianAnalysis;
use crate::linalg::{Eigen, Singular};
use crate::method::around::ENSEMBLE;
use crate::method::around::inflation::Inflation;
use crate::method::build::MethodBuild;
use crate::method::ensemble::descent::Descent;
use crate::method::memory;
use crate::method::shared::join;
use crate::observations::{ObservationSet, Present};
use crate::outcome::Outcome;

/// The setting `rotate` of the filters that transform their anomalies.
pub(crate) const ROTATE: Param =
    Param::flag("rotate", "rotate the anomalies at random after each analysis, keeping mean and covariance");

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: EtKf::NAME,
    about: "ensemble transform Kalman filter with the symmetric square root",
    reference: "Bishop et al. 2001; Hunt et al. 2007",
    params: &join::<{ ENSEMBLE.len() + 1 }>(&[ENSEMBLE, &[ROTATE]]),
    build: MethodBuild::new(&[], |settings: &Settings| {
        crate::method::around::cycle(
            EtKf { inflation: Inflation::new(settings), rotate: settings.flag(ROTATE.key) },
            settings,
        )
    })
    .holding(memory::of_transform),
};

/// The deterministic filter.
#[derive(Clone, Debug)]
pub struct EtKf {
    /// What is done to the analysis ensemble.
    pub inflation: Inflation,
    /// Whether to rotate the anomalies at random after each analysis; costs 2 N^2 n operations.
    pub rotate: bool,
}

impl GaussianAnalysis for EtKf {
    const NAME: &'static str = "etkf";

    fn analyse(
        &mut self,
        forecast: Array2<f64>,
        present: Present,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Outcome> {
        self.transformed(symmetric_root, forecast, present, (observed, key))
    }
}

/// A^T w and T A for the anomalies A (`[member, component]`), Z (`[member, present]`) and d (`[present]`).
pub(crate) type Transform = fn(&Array2<f64>, &Array2<f64>, &Array1<f64>) -> Result<(Array1<f64>, Array2<f64>)>;

impl EtKf {
    /// The analysis whose transform is `transform`.
    pub(crate) fn transformed(
        &self,
        transform: Transform,
        forecast: Array2<f64>,
        present: Present,
        (observed, key): (&ObservationSet, Key),
    ) -> Result<Outcome> {
        let (mean, a) = anomalies(forecast.view(), None);
        let (z, d) = scaled(present.whiten());
        let (shift, analysis) = transform(&a, &z, &d)?;
        let mean = mean + shift / (a.nrows() as f64 - 1.0).sqrt();
        Ok(self.inflation.finish_anomalies(self.rotate, forecast, (mean, analysis), observed, key))
    }
}

/// The transform by the smaller of the two eigenproblems.
fn symmetric_root(a: &Array2<f64>, z: &Array2<f64>, d: &Array1<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    if is_wide(z) {
        by_singular_values(a, z, d)
    } else if z.nrows() > z.ncols() {
        by_observations(a, z, d)
    } else {
        by_members(a, z, d)
    }
}

/// Z = Y R^-1/2 / sqrt(N - 1), `[member, present]`, and d = R^-1/2 (y - mean h(x)), `[present]`.
pub(crate) fn scaled(present: Present) -> (Array2<f64>, Array1<f64>) {
    let (mean, mut z) = anomalies(present.predicted.view(), None);
    let per_sd = present.variance.mapv(|r| 1.0 / r.sqrt());
    z *= &(&per_sd / (z.nrows() as f64 - 1.0).sqrt());
    (z, (present.values - mean) * per_sd)
}

/// A^T w and T A from the singular values of Z.
pub(crate) fn by_singular_values(
    a: &Array2<f64>,
    z: &Array2<f64>,
    d: &Array1<f64>,
) -> Result<(Array1<f64>, Array2<f64>)> {
    let of = Singular::new(z.view())?.without_round_off();
    let mut along = of.right.dot(d);
    along.zip_mut_with(&of.values, |e, s| *e *= s / (1.0 + s * s));
    let mut shrunk = of.left.dot(a);
    let shift = along.dot(&shrunk);
    // 1 - 1 / r without its cancellation
    let share = of.values.mapv(|s| s * s / (1f64.hypot(s) * (1.0 + 1f64.hypot(s))));
    shrunk *= &share.insert_axis(Axis(1));
    Ok((shift, a - of.left.t().dot(&shrunk)))
}

/// A^T w and T A from the eigenproblem of Z Z^T, of order N: one Gauss-Newton step from w = 0.
pub(crate) fn by_members(a: &Array2<f64>, z: &Array2<f64>, d: &Array1<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    let step = Descent::new(z, d, &Array1::zeros(z.nrows()), None)?;
    Ok((step.step.dot(a), step.transform().dot(a)))
}

/// A^T w and T A from the eigenproblem of Z^T Z, of order p.
fn by_observations(a: &Array2<f64>, z: &Array2<f64>, d: &Array1<f64>) -> Result<(Array1<f64>, Array2<f64>)> {
    let eigen = Eigen::new(z.t().dot(z).view())?;
    let za = z.t().dot(a);
    let inverse = eigen.apply(|l| 1.0 / (1.0 + l.max(0.0)));
    let root = eigen.apply(|l| {
        let s = (1.0 + l.max(0.0)).sqrt();
        1.0 / (s * (1.0 + s))
    });
    Ok((inverse.dot(d).dot(&za), a - z.dot(&root.dot(&za))))
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::Domain;

    use super::*;
    use crate::ensemble::{all_finite, covariance};
    use crate::linalg::Cholesky;
    use crate::observe::{GaussianError, Linear, NoiseLaw};
    use crate::problem::Analysis;

    fn case(members: usize, count: usize) -> (Array2<f64>, Linear, Array1<f64>) {
        let x = Key::new(1, Domain::Score).normals(members, 6) + 1.0;
        let h = Key::new(2, Domain::Score).normals(count, 6);
        let sd: Vec<f64> = (0..count).map(|i| 0.3 + 0.2 * i as f64).collect();
        let error = move |dim| Ok(Box::new(GaussianError::new(&sd, dim)?) as Box<dyn NoiseLaw>);
        let y = Key::new(3, Domain::Score).normals(1, count).remove_axis(Axis(0));
        (x, Linear::new(h, &error).unwrap(), y)
    }

    #[test]
    fn both_orders_give_the_same_symmetric_root() {
        for (members, count) in [(30, 4), (4, 30), (9, 9)] {
            let (x, h, y) = case(members, count);
            let observed = ObservationSet { step: 0, time: 0.0, values: y.view(), operator: &h };
            let (z, d) = scaled(observed.restrict(x.view()).unwrap());
            let (_, a) = anomalies(x.view(), None);
            let (small, large) = (by_members(&a, &z, &d).unwrap(), by_observations(&a, &z, &d).unwrap());
            assert!((small.0 - large.0).iter().all(|e| e.abs() < 1e-10), "{members} {count}");
            assert!((small.1 - large.1).iter().all(|e| e.abs() < 1e-10), "{members} {count}");
        }
    }

    #[test]
    fn mean_and_covariance_are_the_kalman_update_of_the_ensembles_own() {
        for (members, count, rotate) in [(30, 4, false), (4, 30, false), (30, 4, true), (4, 30, true)] {
            let (x, operator, mut y) = case(members, count);
            y[1] = f64::NAN;
            let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
            let (h, r) = (observed.matrix().unwrap(), observed.restrict(x.view()).unwrap().variance);
            let p = covariance(x.view(), None);
            let s = Cholesky::new((h.dot(&p).dot(&h.t()) + Array2::from_diag(&r)).view()).unwrap();
            let mut gain = h.dot(&p);
            s.solve_in_place(&mut gain);
            let mean = x.mean_axis(Axis(0)).unwrap();
            let innovation = y.select(Axis(0), &observed.present()) - h.dot(&mean);
            let outcome = EtKf { inflation: Inflation::default(), rotate }
                .update(x, &observed, Key::new(4, Domain::Method))
                .unwrap();
            assert!((outcome.mean() - (mean + innovation.dot(&gain))).iter().all(|e| e.abs() < 1e-10));
            let posterior = &p - &gain.t().dot(&h.dot(&p));
            let difference = covariance(outcome.ensemble.view(), None) - posterior;
            assert!(difference.iter().all(|e| e.abs() < 1e-10), "{members} {count} {rotate}");
        }
    }

    #[test]
    fn inflation_multiplies_the_standard_deviation_and_leaves_the_mean() {
        let (x, operator, y) = case(10, 3);
        let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let update = |inflation| {
            EtKf { inflation: Inflation::factor(inflation), rotate: false }
                .update(x.clone(), &observed, Key::new(4, Domain::Method))
                .unwrap()
        };
        let (plain, inflated) = (update(1.0), update(1.1));
        assert!((plain.mean() - inflated.mean()).iter().all(|e| e.abs() < 1e-13));
        assert!((plain.variance() * 1.21 - inflated.variance()).iter().all(|e| e.abs() < 1e-13));
    }

    #[test]
    fn a_diverged_forecast_is_a_diverged_outcome() {
        let (mut x, operator, y) = case(10, 3);
        x[(3, 2)] = f64::INFINITY;
        let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
        let outcome = EtKf { inflation: Inflation::default(), rotate: true }
            .update(x, &observed, Key::new(4, Domain::Method))
            .unwrap();
        assert!(!all_finite(outcome.ensemble.view()));
        let one = EtKf { inflation: Inflation::default(), rotate: true }.update(
            array![[0.0; 6]],
            &observed,
            Key::new(4, Domain::Method),
        );
        assert!(one.unwrap_err().to_string().contains("1 members"));
    }
}
