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
use crate::linalg::joined;
use crate::method::around::inflation::{INFLATION, Inflation, RTPP, RTPS};
use crate::method::build::MethodBuild;
use crate::method::ensemble::descent::Descent;
use crate::method::ensemble::etkf::{ROTATE, scaled};
use crate::method::memory;
use crate::method::shared::MEMBERS;
use crate::method::variational::window::{
    LAG, MembersMethod, SHIFT, Solved, Window, WindowCycle, WindowProblem, carried, needs_to_wait,
};
use crate::need::Need;

/// The anomalies of a bundle, in those of the prior.
const EPSILON: f64 = 1e-4;

const ITERATIONS: Param = Param::int("iterations", 10, 1, "Gauss-Newton steps at most");
const TOLERANCE: Param = Param::at_least(
    "tolerance",
    1e-3,
    0.0,
    "length of a step, in standard deviations of the prior, that ends the iteration",
);
const LINEARIZATION: Param = Param::choice(
    "linearization",
    "transform",
    &["transform", "bundle"],
    "derivative from members as wide as the posterior (transform) or very near each other (bundle)",
);
const MDA: Param =
    Param::flag("mda", "use each set `lag / shift` times with a part of its weight (multiple data assimilation)");
const FINITE_SIZE: Param = Param::unset(
    "finite_size",
    ParamKind::POSITIVE,
    "finite-size form, which needs no inflation: certainty of the spread, 1 is N members'; unset is off",
);

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: IEnKs::NAME,
    about: "iterative ensemble Kalman smoother: Gauss-Newton over the members of a window's start",
    reference: "Bocquet and Sakov 2014; Sakov et al. 2012",
    params: &[
        MEMBERS,
        INFLATION,
        RTPP,
        RTPS,
        ROTATE,
        LAG,
        SHIFT,
        ITERATIONS,
        TOLERANCE,
        LINEARIZATION,
        MDA,
        FINITE_SIZE,
    ],
    build: MethodBuild::new(&[], |settings: &Settings| {
        let method = IEnKs {
            inflation: Inflation::without_noise(settings),
            rotate: settings.flag(ROTATE.key),
            iterations: settings.count(ITERATIONS.key),
            tolerance: settings.number(TOLERANCE.key),
            bundle: settings.text(LINEARIZATION.key) == "bundle",
            finite_size: settings.optional_number(FINITE_SIZE.key),
        };
        let (members, window) = (settings.count(MEMBERS.key), Window::from_settings(settings)?);
        Ok(Box::new(WindowCycle::new(method, members, window, settings.flag(MDA.key))))
    })
    .needing(|settings| match settings.text(LINEARIZATION.key) {
        "bundle" => &[Need::Noiseless],
        _ => needs_to_wait(settings),
    })
    .holding(memory::of_transform),
};

/// The rules of the iterative smoother. Its [`MembersMethod::solve`] is called by [`WindowMembers`](crate::method::WindowMembers),
/// in `solve`, or in `smooth` where the forecaster has noise.
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
    /// Whether the derivative comes from members very near each other, not from members of the spread of the posterior.
    pub bundle: bool,
    /// Certainty of the spread in the finite-size form; none is the Gaussian form.
    pub finite_size: Option<f64>,
}

impl MembersMethod for IEnKs {
    const NAME: &'static str = "ienks";

    fn solve<'a>(&'a self, at: &'a WindowProblem, start: &Array2<f64>, at_sets: &[Array2<f64>]) -> Result<Solved<'a>> {
        if self.bundle && at.is_noisy {
            return Err(Error::Unsupported(
                "method `ienks` cannot take a bundle's derivative through a forecaster with noise; set linearization to \
                 \"transform\""
                    .to_owned(),
            ));
        }
        let Some((w, descent, steps)) = self.minimum(at, start, at_sets)? else { return Ok(Solved::default()) };
        let (diagnostics, transform) = (descent.diagnostics(steps), descent.transform());
        let update = move |x: &mut Array2<f64>, inflate: bool| {
            let (mean, a) = anomalies(x.view(), None);
            *x = transform.dot(&a);
            if !inflate {
                *x *= descent.g.sqrt();
            }
            let root = (w.len() as f64 - 1.0).sqrt();
            // these differ in rounding alone, in which each keeps what it has always given
            let centre = mean + if at.is_noisy { (&w / root).dot(&a) } else { w.dot(&a) / root };
            let inflation = if inflate { self.inflation } else { Inflation::default() };
            // the rotation is that of the newest set at every time
            inflation.finish_in_place(self.rotate, Some(a.view()), (&centre, x), &at.newest, at.run.key);
            Ok(())
        };
        Ok(Solved { update: Some(Box::new(update)), diagnostics })
    }
}

impl IEnKs {
    /// Where J is least: w, the last step to it and how many there were; none where the first iterate has diverged.
    fn minimum(
        &self,
        at: &WindowProblem,
        start: &Array2<f64>,
        at_sets: &[Array2<f64>],
    ) -> Result<Option<(Array1<f64>, Descent, usize)>> {
        let (mean, a) = anomalies(start.view(), None);
        let (mut w, mut last, mut taken) = (Array1::zeros(a.nrows()), None::<Descent>, 0);
        let most = if at.is_noisy { 1 } else { self.iterations };
        while taken < most && last.as_ref().is_none_or(|descent| descent.length() > self.tolerance) {
            let spread = match &last {
                _ if self.bundle => EPSILON * &a,
                Some(descent) => descent.transform().dot(&a),
                None => a.clone(),
            };
            // where the members are known at all that is observed, they need not be carried there again
            let known = taken == 0 && !self.bundle && !at.mda && at.sets.iter().all(|set| set.leg + 1 == at_sets.len());
            let predicted = if known {
                predict(at, at_sets)?
            } else {
                let x = spread + &(&mean + &(w.dot(&a) / (w.len() as f64 - 1.0).sqrt()));
                predict(at, &carried(x, at.window.legs(), at.run)?)?
            };
            let Some((mut z, d)) = predicted else { break };
            if self.bundle {
                z /= EPSILON;
            } else if let Some(descent) = &last {
                z = descent.inverse().dot(&z);
            }
            let descent = Descent::new(&z, &d, &w, self.finite_size)?;
            w += &descent.step;
            last = Some(descent);
            taken += 1;
        }
        Ok(last.map(|descent| (w, descent, taken)))
    }
}

/// R^-1/2 Y / sqrt(N - 1) (`[member, present]`) and R^-1/2 (y - mean h) (`[present]`) of all sets of the problem, each by its
/// weight, from the members at each set of the window; none where they are not finite.
fn predict(at: &WindowProblem, at_sets: &[Array2<f64>]) -> Result<Option<(Array2<f64>, Array1<f64>)>> {
    let (mut blocks, mut innovations) = (Vec::new(), Vec::new());
    for set in &at.sets {
        let (mut z, mut d) = scaled(set.observed.restrict(at_sets[set.leg].view())?.whiten());
        if set.weight != 1.0 {
            z *= set.weight.sqrt();
            d *= set.weight.sqrt();
        }
        blocks.push(z);
        innovations.push(d);
    }
    let (z, d) = (joined(Axis(1), blocks)?, joined(Axis(0), innovations)?);
    Ok((all_finite(z.view()) && d.iter().all(|value| value.is_finite())).then_some((z, d)))
}
