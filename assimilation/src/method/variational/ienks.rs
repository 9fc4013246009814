//! The iterative ensemble Kalman smoother (Bocquet and Sakov 2012, 2013, 2014; Bocquet 2016); of lag 1 it is the iterative
//! ensemble Kalman filter (Sakov, Oliver and Bertino 2012).
//!
//! The state at the start of a window of `lag` sets is x_0 = mean + A^T w / sqrt(N - 1), w ~ N(0, I), with the anomalies A of
//! the members there. The newest set y is that of x_k = M(x_0): J(w) = |y - h(M(x_0))|^2_{R^-1} / 2 + |w|^2 / 2 is minimised by
//! Gauss-Newton's steps ([`descent`]); members at the start become mean + (w / sqrt(N - 1) + T) A with
//! T = (I + Z Z^T)^-1/2, inflated, and are carried to the present by the forecaster. Z, the derivative of the scaled
//! predictions in w, comes from members around the present iterate:
//! - `transform`: of anomalies T A, with the T of the step before; Z = T^-1 R^-1/2 Y / sqrt(N - 1) (a secant over the spread
//!   of the posterior);
//! - `bundle`: of anomalies e A, e = 1e-4; Z = R^-1/2 Y / (e sqrt(N - 1)) (a tangent).
//!
//! One step of `transform` in a window of one set is the smoother of `etkf`. A set has the innovation y - mean h over these
//! members.
//!
//! With a `shift` S above 1 a set waits, and the analysis of a set that waits is its forecast, until S have come; then J
//! has a misfit for each of them, the start is analysed once, and the window moves on by S sets
//! ([`window`](crate::method::variational::window)): one minimisation for S sets, of a cost that is less quadratic the longer they reach. The
//! smoothed states alone know all of the window.
//!
//! Multiple assimilation (`mda`) uses each set in every window that holds it, with weights that sum to 1, which makes each
//! step smaller: `lag` / S windows, and where S does not divide `lag` n = 1 + (lag - 1 - j) / S of them, rounded down, for
//! the set that came with j newer ones of its S; each with weight 1 / n (its R times n). What is given as the ensemble, and
//! as the smoothed states, comes from a second minimisation, of the whole weight that each set has left, so that nothing is
//! counted less than once (Bocquet and Sakov 2014, their balancing step). Where all is linear it changes nothing.
//!
//! All this takes the forecaster as perfect. Where it has noise, one step of the ensemble Kalman smoother is taken instead
//! ([`with_noise`]), whatever `iterations` and `mda` say; it uses each set as it comes, so a `shift` above 1 is refused.

mod cycle;
mod descent;
mod minimise;
mod saved;
mod with_noise;

pub use cycle::IEnKsCycle;
use scorecast_systems::{Entry, Param, ParamKind, Settings};

use crate::method::around::inflation::INFLATION;
use crate::method::around::inflation::{Inflation, RTPP, RTPS};
use crate::method::build::MethodBuild;
use crate::method::ensemble::etkf::ROTATE;
use crate::method::shared::MEMBERS;
use crate::method::variational::window::{LAG, SHIFT, lag_and_shift};

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: "ienks",
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
        Param::int("iterations", 10, 1, "Gauss-Newton steps at most"),
        Param::at_least(
            "tolerance",
            1e-3,
            0.0,
            "length of a step, in standard deviations of the prior, that ends the iteration",
        ),
        Param::choice(
            "linearization",
            "transform",
            &["transform", "bundle"],
            "derivative from members as wide as the posterior (transform) or very near each other (bundle)",
        ),
        Param::flag("mda", "use each set `lag / shift` times with a part of its weight (multiple data assimilation)"),
        Param::unset(
            "finite_size",
            ParamKind::POSITIVE,
            "finite-size form, which needs no inflation: certainty of the spread, 1 is N members'; unset is off",
        ),
    ],
    build: MethodBuild::new(&[], |settings: &Settings| {
        let [multiplicative, rtpp, rtps] = ["inflation", "rtpp", "rtps"].map(|key| settings.number(key));
        let bundle = settings.text("linearization") == "bundle";
        let method = IEnKs {
            inflation: Inflation { multiplicative, rtpp, rtps, ..Inflation::default() },
            rotate: settings.flag("rotate"),
            iterations: settings.count("iterations"),
            tolerance: settings.number("tolerance"),
            linearization: if bundle { Linearization::Bundle } else { Linearization::Transform },
            multiple: settings.flag("mda"),
            finite_size: settings.optional_number("finite_size"),
        };
        let (lag, shift) = lag_and_shift(settings)?;
        Ok(Box::new(IEnKsCycle::new(method, settings.count("members"), lag).with_shift(shift)))
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
