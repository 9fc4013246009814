//! Four-dimensional variational assimilation with a perfect forecaster (Le Dimet and Talagrand 1986), in its incremental
//! form (Courtier, Thepaut and Hollingsworth 1994): Gauss-Newton's outer loops, conjugate gradients inside.
//!
//! One state at the start of a window of `lag` sets, whose background covariance B is `scale` times the covariance of the
//! prior (of its draws, such as a climatology, or of its Gaussian) and never changes. When a set y comes, k lead steps
//! after the start, the state becomes the minimum of
//! J(x_0) = |x_0 - x_b|^2_{B^-1} / 2 + |y - h(M(x_0))|^2_{R^-1} / 2, M of k lead steps, over x_0 = x_b + L v with L = B^1/2 (so
//! that B may be singular and the Hessian is I and a matrix of low rank). Gradients come from the forecaster's tangents
//! and adjoints. The posterior is given as Gaussian, at the start with the inverse of J's Gauss-Newton Hessian as its
//! covariance, at the present with what the tangents make of it; these take a tangent run for each component.
//!
//! x_b already knows the older sets of the window, as in the cycle of `ienks`; but its covariance is B all the same. Of a
//! forecaster with a Gaussian kernel M is the mean, and its noise has no part in the cost; noise without a kernel is
//! refused.
//!
//! With a `shift` S above 1 a set waits, and the analysis of a set that waits is its forecast (with the covariance of what
//! is known, not B), until S have come; then J has a misfit for each of them, and the window moves on by S sets
//! ([`window`](crate::method::variational::window)). The smoothed states alone know all of the window. S = `lag` is strong-constraint 4D-Var as
//! weather services run it, in windows without overlap: x_b then knows none of the window's sets, which makes the static B
//! honest, and one minimisation serves S sets.

mod analysis;
mod cost;
mod trajectory;

pub use analysis::FourDVarState;
use scorecast_systems::{Entry, Param, Settings};

use crate::method::build::MethodBuild;
use crate::method::memory;
use crate::method::shared::DRAWS;
use crate::method::variational::three_d_var::SCALE;
use crate::method::variational::window::{LAG, SHIFT, Window, WindowCycle, WindowMethod};
use crate::need::Need;

const ITERATIONS: Param = Param::int("iterations", 10, 1, "outer loops at most");
const TOLERANCE: Param = Param::at_least(
    "tolerance",
    1e-4,
    0.0,
    "length of a step, in standard deviations of the background, that ends the outer loops",
);

pub(crate) const ENTRY: Entry<MethodBuild> = Entry {
    name: FourDVar::NAME,
    about: "4D-Var: the state at a window's start by tangents and adjoints of the forecaster, static background",
    reference: "Le Dimet and Talagrand 1986; Courtier et al. 1994",
    params: &[DRAWS, SCALE, LAG, SHIFT, ITERATIONS, TOLERANCE],
    build: MethodBuild::new(&[Need::MeanAdjoint], |settings: &Settings| {
        let method = FourDVar {
            scale: settings.number(SCALE.key),
            iterations: settings.count(ITERATIONS.key),
            tolerance: settings.number(TOLERANCE.key),
        };
        let window = Window::from_settings(settings)?;
        Ok(Box::new(WindowCycle::new(method, settings.count(DRAWS.key), window, false)))
    })
    .holding(memory::of_window_covariance),
};

/// The rules of 4D-Var.
#[derive(Clone, Debug)]
pub struct FourDVar {
    /// Factor of the covariance of the prior.
    pub scale: f64,
    /// Outer loops at most.
    pub iterations: usize,
    /// Length of a step, in standard deviations of the background, that ends the outer loops; grows with the whole way.
    pub tolerance: f64,
}
