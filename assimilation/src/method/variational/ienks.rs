//! The iterative ensemble Kalman smoother (Bocquet and Sakov 2012, 2013, 2014; Bocquet 2016); of lag 1 it is the iterative
//! ensemble Kalman filter (Sakov, Oliver and Bertino 2012).
//!
//! The state at the start of a window of `lag` sets is x_0 = mean + A^T w / sqrt(N - 1), w ~ N(0, I), with the anomalies A of
//! the members there. The newest set y is that of x_k = M(x_0): J(w) = |y - h(M(x_0))|^2_{R^-1} / 2 + |w|^2 / 2 is minimised by
//! Gauss-Newton's steps ([`Descent`]); members at the start become mean + (w / sqrt(N - 1) + T) A with
//! T = (I + Z Z^T)^-1/2, inflated, and are carried to the present by the forecaster. Z, the derivative of the scaled
//! predictions in w, comes from members around the present iterate:
//! - `transform`: of anomalies T A, with the T of the step before; Z = T^-1 R^-1/2 Y / sqrt(N - 1) (a secant over the spread
//!   of the posterior);
//! - `bundle`: of anomalies e A, e = 1e-4; Z = R^-1/2 Y / (e sqrt(N - 1)) (a tangent).
//!
//! One step of `transform` in a window of one set is the smoother of `etkf`. A set has the innovation y - mean h over these
//! members. With a `shift` S above 1 J has a misfit for each of S sets ([`window`](crate::method::variational::window)): one
//! minimisation for S sets, of a cost that is less quadratic the longer they reach. The smoothed states alone know all of the
//! window.
//!
//! Multiple assimilation (`mda`) uses each set in every window that holds it, with weights that sum to 1, which makes each
//! step smaller: `lag` / S windows, and where S does not divide `lag` n = 1 + (lag - 1 - j) / S of them, rounded down, for
//! the set that came with j newer ones of its S; each with weight 1 / n (its R times n). What is given as the ensemble, and
//! as the smoothed states, comes from a second minimisation, of the whole weight that each set has left, so that nothing is
//! counted less than once (Bocquet and Sakov 2014, their balancing step). Where all is linear it changes nothing.
//!
//! All this takes the forecaster as perfect. Where it has noise a member's image does not tell its start from its noise:
//! whatever `iterations` and `mda` say, one step of the ensemble Kalman smoother is taken (Evensen and van Leeuwen 2000). One
//! transform of the members at the newest set, w = (g I + Z Z^T)^-1 Z d and T = (g I + Z Z^T)^-1/2, serves at every time of the
//! window, x <- mean + A^T w / sqrt(N - 1) + T A, so that the noise of each lead step is conditioned too. Inflation, and that
//! of the finite-size form, g^-1/2, act on the newest members alone: earlier ones would get it again and again.

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::{Entry, Param, ParamKind, Settings};

use crate::ensemble::{all_finite, anomalies};
use crate::error::{Error, Result};
use crate::linalg::{joined, rotate_anomalies};
use crate::method::around::inflation::{INFLATION, Inflation, RTPP, RTPS, rotation};
use crate::method::build::MethodBuild;
use crate::method::ensemble::descent::Descent;
use crate::method::ensemble::etkf::{ROTATE, scaled};
use crate::method::shared::MEMBERS;
use crate::method::variational::window::{
    LAG, MembersMethod, SHIFT, Solved, WindowCycle, WindowProblem, lag_and_shift,
};
use crate::outcome::Diagnostics;

/// The anomalies of a bundle, in those of the prior.
const EPSILON: f64 = 1e-4;

const ITERATIONS: Param = Param::int("iterations", 10, 1, "Gauss-Newton steps at most");
const TOLERANCE: Param = Param::at_least(
    "tolerance",
    1e-3,
    0.0,
    "length of a step, in standard deviations of the prior, that ends the iteration",
);
const DERIVATIVE: Param = Param::choice(
    "linearization",
    "transform",
    &["transform", "bundle"],
    "derivative from members as wide as the posterior (transform) or very near each other (bundle)",
);
const MDA: Param =
    Param::flag("mda", "use each set `lag / shift` times with a part of its weight (multiple data assimilation)");
const CERTAINTY: Param = Param::unset(
    "finite_size",
    ParamKind::POSITIVE,
    "finite-size form, which needs no inflation: certainty of the spread, 1 is N members'; unset is off",
);

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: IEnKs::NAME,
    about: "iterative ensemble Kalman smoother: Gauss-Newton over the members of a window's start",
    reference: "Bocquet and Sakov 2014; Sakov et al. 2012",
    params: &[MEMBERS, INFLATION, RTPP, RTPS, ROTATE, LAG, SHIFT, ITERATIONS, TOLERANCE, DERIVATIVE, MDA, CERTAINTY],
    build: MethodBuild::new(&[], |settings: &Settings| {
        let bundle = settings.text(DERIVATIVE.key) == "bundle";
        let method = IEnKs {
            inflation: Inflation::without_noise(settings),
            rotate: settings.flag(ROTATE.key),
            iterations: settings.count(ITERATIONS.key),
            tolerance: settings.number(TOLERANCE.key),
            linearization: if bundle { Linearization::Bundle } else { Linearization::Transform },
            multiple: settings.flag(MDA.key),
            finite_size: settings.optional_number(CERTAINTY.key),
        };
        let (lag, shift) = lag_and_shift(settings)?;
        Ok(Box::new(WindowCycle::new(method, settings.count(MEMBERS.key), lag, shift)))
    }),
};

/// Where the derivative of the predictions comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linearization {
    /// Members of the spread of the posterior.
    Transform,
    /// Members very near each other.
    Bundle,
}

/// The rules of the iterative smoother.
#[derive(Clone, Debug)]
pub struct IEnKs {
    /// What is done to the anomalies at the window's start after the last step.
    pub inflation: Inflation,
    /// Whether to rotate those anomalies at random.
    pub rotate: bool,
    /// Gauss-Newton steps at most, at least 1.
    pub iterations: usize,
    /// Length of a step, in standard deviations of the prior, that ends the iteration.
    pub tolerance: f64,
    /// Where the derivative comes from.
    pub linearization: Linearization,
    /// Whether each set is used in every window that holds it, with a part of its weight.
    pub multiple: bool,
    /// Certainty of the spread in the finite-size form; none is the Gaussian form.
    pub finite_size: Option<f64>,
}

impl MembersMethod for IEnKs {
    const NAME: &'static str = "ienks";

    fn uses_again(&self) -> bool {
        self.multiple
    }

    fn solve(&self, at: &WindowProblem, start: &Array2<f64>, at_sets: &[Array2<f64>]) -> Result<Solved> {
        let (mean, a) = anomalies(start.view(), None);
        let minimisation = Minimisation { method: self, at, mean, a };
        if !at.uses_again {
            // where the members are known at all that is observed, they need not be carried there again
            let known = at_sets.last().filter(|_| at.sets.iter().all(|set| set.leg + 1 == at_sets.len()));
            let (fully_weighted, diagnostics) = minimisation.minimum(known, |_| 1.0)?;
            return Ok(Solved { fully_weighted, partly_weighted: None, diagnostics });
        }
        let (partly_weighted, diagnostics) = minimisation.minimum(None, |(_, all)| 1.0 / all as f64)?;
        if at.sets.iter().all(|set| set.leg < at.window.first_waiting()) {
            return Ok(Solved { fully_weighted: None, partly_weighted, diagnostics });
        }
        let left = |(used, all)| 1.0 - 1.0 / all as f64 * used as f64;
        let (fully_weighted, diagnostics) = minimisation.minimum(None, left)?;
        Ok(Solved { fully_weighted, partly_weighted, diagnostics })
    }

    fn smooth(
        &self,
        earlier: Vec<&mut Array2<f64>>,
        newest: &mut Array2<f64>,
        at: &WindowProblem,
    ) -> Result<Diagnostics> {
        if self.linearization == Linearization::Bundle {
            return Err(Error::Unsupported(
                "method `ienks` cannot take a bundle's derivative through a forecaster with noise; set linearization to \
                 \"transform\""
                    .to_owned(),
            ));
        }
        let present = at.newest.restrict(newest.view())?;
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
                rotate_anomalies(x.view_mut(), rotation(&at.newest, at.run.key));
            }
            if inflate {
                self.inflation.spread(a.view(), x.view_mut());
            }
            *x += &(mean + shift.dot(&a));
        };
        earlier.into_iter().for_each(|x| update(x, false));
        update(newest, true);
        Ok(descent.diagnostics(1))
    }
}

/// The minimisations of one analysis.
struct Minimisation<'a, 'p> {
    method: &'a IEnKs,
    at: &'a WindowProblem<'p>,
    /// At the start, `[component]`.
    mean: Array1<f64>,
    /// A, `[member, component]`.
    a: Array2<f64>,
}

impl Minimisation<'_, '_> {
    /// Members around mean + A^T w / sqrt(N - 1), of anomalies T A.
    fn members(&self, w: &Array1<f64>, spread: Array2<f64>) -> Array2<f64> {
        spread + &(&self.mean + &(w.dot(&self.a) / (w.len() as f64 - 1.0).sqrt()))
    }

    /// R^-1/2 Y / sqrt(N - 1) (`[member, present]`) and R^-1/2 (y - mean h) (`[present]`) of all sets, each by its weight, from
    /// members at the start, or of the last set from those at the present; none where they are not finite.
    fn predict(
        &self,
        mut x: Array2<f64>,
        from_present: bool,
        weigh: impl Fn((usize, usize)) -> f64,
    ) -> Result<Option<(Array2<f64>, Array1<f64>)>> {
        let (run, mut blocks, mut innovations) = (self.at.run, Vec::new(), Vec::new());
        let mut sets = self.at.sets.iter().peekable();
        for (leg, (from, to)) in self.at.window.legs().enumerate() {
            if !from_present {
                run.model.advance(from, to - from, &mut x, run.noise())?;
            }
            while let Some(set) = sets.next_if(|set| set.leg == leg) {
                let (mut z, mut d) = scaled(set.observed.restrict(x.view())?.whiten());
                let weight = weigh(set.uses);
                if weight != 1.0 {
                    z *= weight.sqrt();
                    d *= weight.sqrt();
                }
                blocks.push(z);
                innovations.push(d);
            }
        }
        let (z, d) = (joined(Axis(1), blocks)?, joined(Axis(0), innovations)?);
        Ok((all_finite(z.view()) && d.iter().all(|value| value.is_finite())).then_some((z, d)))
    }

    /// Members at the start where J is least, each set weighed by the windows that have used it and those that do in all;
    /// `forecast` is what the members at the start become at the present, where that is known. None where the first iterate
    /// has diverged.
    fn minimum(
        &self,
        forecast: Option<&Array2<f64>>,
        weigh: impl Fn((usize, usize)) -> f64,
    ) -> Result<(Option<Array2<f64>>, Diagnostics)> {
        let (method, bundle) = (self.method, self.method.linearization == Linearization::Bundle);
        let mut w = Array1::zeros(self.a.nrows());
        let mut last: Option<Descent> = None;
        let (mut taken, mut length) = (0, f64::INFINITY);
        while taken < method.iterations && length > method.tolerance {
            let known = forecast.filter(|_| taken == 0 && !bundle);
            let x = match (known, &last) {
                (Some(present), _) => present.clone(),
                (None, _) if bundle => self.members(&w, EPSILON * &self.a),
                (None, Some(descent)) => self.members(&w, descent.transform().dot(&self.a)),
                (None, None) => self.members(&w, self.a.clone()),
            };
            let Some((mut z, d)) = self.predict(x, known.is_some(), &weigh)? else { break };
            if bundle {
                z /= EPSILON;
            } else if let Some(descent) = &last {
                z = descent.inverse().dot(&z);
            }
            let descent = Descent::new(&z, &d, &w, method.finite_size)?;
            w += &descent.step;
            length = descent.length();
            last = Some(descent);
            taken += 1;
        }
        let Some(descent) = last else { return Ok((None, Diagnostics::new())) };
        let mut spread = descent.transform().dot(&self.a);
        if method.rotate {
            rotate_anomalies(spread.view_mut(), rotation(&self.at.newest, self.at.run.key));
        }
        method.inflation.spread(self.a.view(), spread.view_mut());
        Ok((Some(self.members(&w, spread)), descent.diagnostics(taken)))
    }
}
