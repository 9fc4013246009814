//! The map of members by the sampler itself: each member to noise along the probability flow of N(m, C), and back along that of
//! N(m, C + Q) guided by the observations with moment matching, both by Heun's rule on Karras's levels.
//!
//! States are scaled by the root of the mean prior variance, so that the levels suit any unit. At the first level of the way
//! back the law to be drawn is not N(m, sigma^2) but is centred at its own mean: members are moved there by the guided
//! denoiser's value at m, without which means fall short by their shift over sigma. It needs the covariance of all components at
//! once, and makes an operator linear at each level anew.

use ndarray::{Array1, Array2, Axis};
use scorecast_systems::gaussian::GaussianDenoiser;
use scorecast_systems::noising::sampler::Heun;
use scorecast_systems::noising::{Karras, Levels, Run, Start, drive};
use scorecast_systems::{Affine, Denoiser, Domain, Key, Level};

use super::law::EnsembleGaussian;
use super::taper::Tapered;
use crate::error::Result;
use crate::linalg::{Eigen, Gmres};
use crate::method::diffusion::guidance::{Guidance, MomentMatched, Unguided};
use crate::observations::ObservationSet;

/// The levels of the way, in standard deviations of the prior (Karras et al. 2022).
const SIGMA_MIN: f64 = 0.01;
const SIGMA_MAX: f64 = 20.0;
const RHO: f64 = 7.0;

/// Heun's rule draws nothing.
const NO_NOISE: Key = Key::new(0, Domain::Method);

/// Members of the posterior, `[member, component]`: from the members of the prior, or from the noise `latents`, by `levels`
/// levels each way.
///
/// # Errors
/// When an eigenproblem does not converge.
pub(super) fn members(
    prior: &Tapered,
    latents: Option<&Array2<f64>>,
    observed: &ObservationSet,
    levels: usize,
) -> Result<Array2<f64>> {
    let law = prior.law;
    let (c, mut p) = covariances(prior)?;
    let scale = (p.diag().sum() / law.dim() as f64).sqrt();
    let scale = if scale > 0.0 { scale } else { 1.0 };
    p /= scale * scale;
    let back = Karras { sigma_min: SIGMA_MIN, sigma_max: SIGMA_MAX, rho: RHO, steps: levels }.exploding()?;
    let mut z = match latents {
        Some(noise) => noise * SIGMA_MAX,
        None => to_noise(law, c / (scale * scale), scale, &back)?,
    };
    let denoiser = GaussianDenoiser::new(Array1::zeros(law.dim()), p.view())?;
    let to_state = Affine { offset: repeated(law), scale: Array2::from_elem(z.raw_dim(), scale) };
    let values = observed.present().len();
    let rule = MomentMatched {
        solver: Gmres { tolerance: 1e-8, iterations: 2 * values.max(1), restart: values.clamp(1, 40) },
    };
    let guided = rule.guide(Unguided { denoiser: &denoiser, to_state: &to_state, observed: observed.view() });
    z += &guided.denoise(Array2::zeros(z.raw_dim()).view(), Level::exploding(SIGMA_MAX))?;
    let run = Run { denoiser: &*guided, sampler: &Heun, levels: &back, key: NO_NOISE };
    Ok(to_state.apply(&drive(&run, Start::At(z), &mut ())?.x))
}

/// C, without the rounding that would make it indefinite, and C + Q.
fn covariances(prior: &Tapered) -> Result<(Array2<f64>, Array2<f64>)> {
    let (law, dim) = (prior.law, prior.law.dim());
    let all: Vec<usize> = (0..dim).collect();
    let mut c = vec![0.0; dim * dim];
    prior.fill(&all, &mut c);
    let c = Array2::from_shape_vec((dim, dim), c).unwrap_or_default();
    let c = Eigen::new(c.view())?.apply(|l| l.max(0.0));
    let mut p: Vec<f64> = c.iter().copied().collect();
    law.noise.add_to(&all, &mut p);
    Ok((c, Array2::from_shape_vec((dim, dim), p).unwrap_or_default()))
}

/// The anomalies of the members, scaled, at the first of the levels `back`.
fn to_noise(law: &EnsembleGaussian, c: Array2<f64>, scale: f64, back: &Levels) -> Result<Array2<f64>> {
    let denoiser = GaussianDenoiser::new(Array1::zeros(law.dim()), c.view())?;
    let start = (&law.means - &law.mean) / scale;
    let run = Run { denoiser: &denoiser, sampler: &Heun, levels: &back.reversed(), key: NO_NOISE };
    Ok(drive(&run, Start::At(start), &mut ())?.x)
}

/// m for each member.
fn repeated(law: &EnsembleGaussian) -> Array2<f64> {
    let mut means = Array2::zeros(law.means.raw_dim());
    means.axis_iter_mut(Axis(0)).for_each(|mut row| row.assign(&law.mean));
    means
}
