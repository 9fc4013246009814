//! The step of the smoother where the forecaster has noise: the ensemble Kalman smoother (Evensen and van Leeuwen 2000).
//!
//! A member's image does not tell its start from its noise, so nothing can be iterated: one transform of the members at the
//! newest set, w = (g I + Z Z^T)^-1 Z d and T = (g I + Z Z^T)^-1/2 with Z of their predictions, serves at every time of the
//! window, x <- mean + A^T w / sqrt(N - 1) + T A. So the noise of each lead step is conditioned too, and the members at the
//! present are those of `etkf`. Inflation acts on these alone, when they come: earlier anomalies would get it again and
//! again. So does that of the finite-size form, g^-1/2, without which T is (I + Z Z^T / g)^-1/2.

use ndarray::{Array1, Array2};
use scorecast_systems::{Forecaster, Key, Purpose};

use super::descent::Descent;
use super::{IEnKs, IEnKsCycle, Linearization};
use crate::ensemble::{all_finite, anomalies};
use crate::error::{Error, Result};
use crate::linalg::rotate_anomalies;
use crate::method::around::inflation::rotation;
use crate::method::ensemble::etkf::scaled;
use crate::method::shared::unchanged;
use crate::method::variational::stored_set::StoredSet;
use crate::observations::ObservationSet;
use crate::outcome::{Diagnostics, Outcome};

impl IEnKs {
    /// Updates members of one window (`[member, component]` each): those `earlier`, and those at the newest set.
    pub(super) fn smooth<'a>(
        &self,
        earlier: impl Iterator<Item = &'a mut Array2<f64>>,
        newest: &mut Array2<f64>,
        observed: &ObservationSet,
        key: Key,
    ) -> Result<Diagnostics> {
        if self.linearization == Linearization::Bundle {
            return Err(Error::Unsupported(
                "method `ienks` cannot take a bundle's derivative through a forecaster with noise; set linearization to \
                 \"transform\""
                    .to_owned(),
            ));
        }
        let present = observed.restrict(newest.view())?;
        if !all_finite(present.predicted.view()) {
            return Ok(Diagnostics::new());
        }
        let (z, d) = scaled(present.whiten());
        let descent = Descent::new(&z, &d, &Array1::zeros(z.nrows()), self.finite_size)?;
        let transform = descent.transform();
        let shift = &descent.step / (z.nrows() as f64 - 1.0).sqrt();
        let update = |x: &mut Array2<f64>, inflate: bool| {
            let (mean, a) = anomalies(x.view(), None);
            *x = transform.dot(&a);
            if !inflate {
                *x *= descent.g.sqrt();
            }
            if self.rotate {
                // the same rotation at every time
                rotate_anomalies(x.view_mut(), rotation(observed, key));
            }
            if inflate {
                self.inflation.spread(a.view(), x.view_mut());
            }
            *x += &(mean + shift.dot(&a));
        };
        earlier.for_each(|x| update(x, false));
        update(newest, true);
        let mut diagnostics =
            Diagnostics::from([("steps", 1.0), ("last_step", descent.step.dot(&descent.step).sqrt())]);
        if self.finite_size.is_some() {
            diagnostics.insert("inflation", 1.0 / descent.g.sqrt());
        }
        Ok(diagnostics)
    }
}

impl IEnKsCycle {
    /// The rest of a step where the forecaster has noise.
    pub(super) fn step_with_noise(
        &mut self,
        model: &dyn Forecaster,
        observed: &ObservationSet,
        key: Key,
        forecast: Array2<f64>,
    ) -> Result<Outcome> {
        let noise = key.purpose(Purpose::ProcessNoise);
        // sets at the prior's own lead step come without noise: here each counts as a whole, once
        if let Some(whole) = self.whole.take() {
            self.start = whole;
        }
        if self.trail.len() + 1 == self.window.len() {
            self.trail.push(forecast.clone());
        } else {
            self.trail = self.window.trail(model, &self.start, noise)?;
        }
        if self.method.multiple {
            self.pending.push(StoredSet::of(observed));
        }
        let mut outcome = unchanged(forecast);
        if observed.is_observed() {
            let earlier = self.trail.iter_mut().rev().skip(1).chain([&mut self.start]);
            outcome.diagnostics = self.method.smooth(earlier, &mut outcome.ensemble, observed, key)?;
        }
        if let Some(present) = self.trail.last_mut() {
            present.clone_from(&outcome.ensemble);
        }
        self.front.clone_from(&outcome.ensemble);
        let leaving = self.window.leaving();
        if self.method.multiple {
            self.pending.drain(..leaving);
        }
        outcome.smoothed = self.window.leave(model, &mut self.start, self.trail.drain(..leaving), noise)?;
        Ok(outcome)
    }
}
