//! The deterministic ensemble Kalman filter (Sakov and Oke 2008).
//!
//! The mean is updated with the gain K of the ensemble, each anomaly with half of it and without perturbed
//! observations: mean <- mean + K (y - mean h(x)), A <- A - Y K^T / 2, one row a member. The covariance that follows is
//! (I - K H) P + K H P H^T K^T / 4: above the Kalman filter's by a term of second order in K H.

use ndarray::Array2;
use scorecast_systems::{Entry, Key, Settings};

use crate::ensemble::anomalies;
use crate::error::Result;
use crate::guard::GaussianAnalysis;
use crate::method::around::ENSEMBLE;
use crate::method::around::inflation::Inflation;
use crate::method::build::MethodBuild;
use crate::method::ensemble::enkf::increments;
use crate::observations::{ObservationSet, Present};
use crate::outcome::Outcome;

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: DEnKf::NAME,
    about: "deterministic ensemble Kalman filter: anomalies updated with half the gain",
    reference: "Sakov and Oke 2008",
    params: ENSEMBLE,
    build: MethodBuild::new(&[], |settings: &Settings| {
        crate::method::around::cycle(DEnKf { inflation: Inflation::new(settings) }, settings)
    }),
};

/// The filter of half the gain.
#[derive(Clone, Debug)]
pub struct DEnKf {
    /// What is done to the analysis ensemble.
    pub inflation: Inflation,
}

impl GaussianAnalysis for DEnKf {
    const NAME: &'static str = "denkf";

    fn analyse(
        &mut self,
        forecast: Array2<f64>,
        present: Present,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Outcome> {
        let (mean, mut d) = anomalies(present.predicted.view(), None);
        d *= -0.5;
        d += &(&present.values - &mean);
        present.whiten_rows(&mut d);
        let mut ensemble = increments(&forecast, &present.whiten(), d)?;
        ensemble += &forecast;
        Ok(self.inflation.finish(forecast, ensemble, observed, key))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Axis};
    use scorecast_systems::Domain;

    use super::*;
    use crate::ensemble::covariance;
    use crate::linalg::Cholesky;
    use crate::observe::{GaussianError, Linear, NoiseLaw};
    use crate::problem::Analysis;

    #[test]
    fn the_mean_is_kalmans_and_the_covariance_has_a_quarter_of_the_second_order_term() {
        for (members, count) in [(30, 4), (5, 12)] {
            let x = Key::new(1, Domain::Score).normals(members, 6) + 1.0;
            let error = |dim| Ok(Box::new(GaussianError::new(&[0.6], dim)?) as Box<dyn NoiseLaw>);
            let operator = Linear::new(Key::new(2, Domain::Score).normals(count, 6), &error).unwrap();
            let mut y: Array1<f64> = Key::new(3, Domain::Score).normals(1, count).remove_axis(Axis(0));
            y[1] = f64::NAN;
            let observed = ObservationSet { step: 2, time: 0.0, values: y.view(), operator: &operator };
            let h = observed.matrix().unwrap();
            let p = covariance(x.view(), None);
            let hp = h.dot(&p);
            let mut gain = hp.clone();
            let r = Array2::from_diag_elem(h.nrows(), 0.36);
            Cholesky::new((hp.dot(&h.t()) + r).view()).unwrap().solve_in_place(&mut gain);
            let gain = gain.reversed_axes();
            let mean = x.mean_axis(Axis(0)).unwrap();
            let kalman_mean = &mean + &gain.dot(&(y.select(Axis(0), &observed.present()) - h.dot(&mean)));
            let kalman = &p - &gain.dot(&hp);
            let extra = gain.dot(&hp.dot(&h.t())).dot(&gain.t()) * 0.25;

            let mut filter = DEnKf { inflation: Inflation::default() };
            let outcome = filter.update(x, &observed, Key::new(4, Domain::Method)).unwrap();
            assert!((outcome.mean() - kalman_mean).iter().all(|e| e.abs() < 1e-10));
            let found = covariance(outcome.ensemble.view(), None);
            assert!((found - kalman - extra).iter().all(|e| e.abs() < 1e-10), "{members} members");
        }
    }
}
