//! The minimisation over the weights of the members at the window's start: predictions of the sets, iterates, and the
//! members where they end. The letters are those of the method.

use ndarray::{Array1, Array2, Axis, concatenate};
use scorecast_systems::{Forecaster, Key};

use super::descent::Descent;
use super::{IEnKs, Linearization};
use crate::ensemble::all_finite;
use crate::error::{Error, Result};
use crate::linalg::rotate_anomalies;
use crate::method::ensemble::etkf::scaled;
use crate::method::variational::window::Window;
use crate::observations::ObservationSet;
use crate::outcome::Diagnostics;

/// The anomalies of a bundle, in those of the prior.
const EPSILON: f64 = 1e-4;

/// A set of observations at the end of a leg of the window, and its weight.
pub(super) struct Term<'a> {
    pub leg: usize,
    pub observed: ObservationSet<'a>,
    pub weight: f64,
}

/// One minimisation.
pub(super) struct Problem<'a> {
    pub model: &'a dyn Forecaster,
    pub window: &'a Window,
    pub noise: Key,
    /// At the start, `[component]`.
    pub mean: Array1<f64>,
    /// At the start, `[member, component]`.
    pub anomalies: Array2<f64>,
    /// In the order of the legs; each has a value.
    pub terms: Vec<Term<'a>>,
}

impl Problem<'_> {
    /// Members around mean + A^T w / sqrt(N - 1), of anomalies T A.
    fn members(&self, w: &Array1<f64>, spread: Array2<f64>) -> Array2<f64> {
        spread + &(&self.mean + &(w.dot(&self.anomalies) / (w.len() as f64 - 1.0).sqrt()))
    }

    /// R^-1/2 Y / sqrt(N - 1) (`[member, present]`) and R^-1/2 (y - mean h) (`[present]`) of all terms, of members at the
    /// start, or those of the last leg at the present; none where they are not finite.
    fn predict(&self, mut x: Array2<f64>, from_present: bool) -> Result<Option<(Array2<f64>, Array1<f64>)>> {
        let (mut blocks, mut innovations) = (Vec::new(), Vec::new());
        let mut terms = self.terms.iter().peekable();
        for (leg, (from, to)) in self.window.legs().enumerate() {
            if !from_present {
                self.model.advance(from, to - from, &mut x, self.noise)?;
            }
            while let Some(term) = terms.next_if(|term| term.leg == leg) {
                let (mut z, mut d) = scaled(term.observed.restrict(x.view())?.whiten());
                if term.weight != 1.0 {
                    z *= term.weight.sqrt();
                    d *= term.weight.sqrt();
                }
                blocks.push(z);
                innovations.push(d);
            }
        }
        let (z, d) = match (blocks.len(), innovations.len()) {
            (1, 1) => (blocks.remove(0), innovations.remove(0)),
            _ => {
                let z: Vec<_> = blocks.iter().map(|z| z.view()).collect();
                let d: Vec<_> = innovations.iter().map(|d| d.view()).collect();
                let shapes = |_| Error::Shape("the sets of a window have different numbers of members".to_owned());
                (concatenate(Axis(1), &z).map_err(shapes)?, concatenate(Axis(0), &d).map_err(shapes)?)
            }
        };
        Ok((all_finite(z.view()) && d.iter().all(|value| value.is_finite())).then_some((z, d)))
    }
}

/// Where a minimisation ended.
pub(super) struct Solution {
    /// w, `[member]`.
    weights: Array1<f64>,
    /// T A, `[member, component]`.
    anomalies: Array2<f64>,
    pub diagnostics: Diagnostics,
}

impl IEnKs {
    /// The minimum; `forecast` is what the members at the start become at the present, where that is known. None where
    /// the first iterate has diverged.
    pub(super) fn minimise(&self, problem: &Problem, forecast: Option<&Array2<f64>>) -> Result<Option<Solution>> {
        let members = problem.anomalies.nrows();
        let bundle = self.linearization == Linearization::Bundle;
        let mut weights = Array1::zeros(members);
        let mut last: Option<Descent> = None;
        let (mut taken, mut length) = (0, f64::INFINITY);
        while taken < self.iterations && length > self.tolerance {
            let known = forecast.filter(|_| taken == 0 && !bundle);
            let x = match (known, &last) {
                (Some(present), _) => present.clone(),
                (None, Some(descent)) if !bundle => {
                    problem.members(&weights, descent.transform().dot(&problem.anomalies))
                }
                (None, _) if bundle => problem.members(&weights, EPSILON * &problem.anomalies),
                (None, _) => problem.members(&weights, problem.anomalies.clone()),
            };
            let Some((mut z, d)) = problem.predict(x, known.is_some())? else {
                break;
            };
            if bundle {
                z /= EPSILON;
            } else if let Some(descent) = &last {
                z = descent.inverse().dot(&z);
            }
            let descent = Descent::new(&z, &d, &weights, self.finite_size)?;
            weights += &descent.step;
            length = descent.step.dot(&descent.step).sqrt();
            last = Some(descent);
            taken += 1;
        }
        Ok(last.map(|descent| {
            let mut diagnostics = Diagnostics::from([("steps", taken as f64), ("last_step", length)]);
            if self.finite_size.is_some() {
                diagnostics.insert("inflation", 1.0 / descent.g.sqrt());
            }
            Solution { weights, anomalies: descent.transform().dot(&problem.anomalies), diagnostics }
        }))
    }

    /// Members at the start after the analysis.
    pub(super) fn finish(&self, problem: &Problem, mut solution: Solution, rotation: Option<Key>) -> Array2<f64> {
        if let Some(key) = rotation {
            rotate_anomalies(solution.anomalies.view_mut(), key);
        }
        self.inflation.spread(problem.anomalies.view(), solution.anomalies.view_mut());
        problem.members(&solution.weights, solution.anomalies)
    }
}
