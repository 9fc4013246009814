//! DPM-Solver++(2M) (Lu et al. 2022): the probability-flow equation in lambda = ln(alpha / sigma), where
//! x' = k x + (alpha' - alpha k) D* with k = sigma' / sigma is exact for a constant D*; D* is extrapolated
//! from the last two evaluations, D* = D + h / (2 h_last) (D - D_last). One evaluation a step.

use ndarray::{Array2, ArrayView2};

use super::{Euler, Past, RegisteredSampler, Sampler, Step, multistep};
use crate::error::Result;
use crate::noising::{Denoiser, Karras};
use crate::registry::Entry;

pub(super) const ENTRY: Entry<RegisteredSampler> = Entry {
    name: "dpm_solver_2m",
    about: "second-order multistep for the probability flow, one evaluation a step",
    reference: "Lu et al. (2022), arXiv:2211.01095",
    params: &[],
    build: RegisteredSampler {
        sampler: &DpmSolver2M,
        grid: Karras { sigma_min: 0.034, sigma_max: 12.0, rho: 100.0, steps: 16 },
    },
};

/// DPM-Solver++(2M), deterministic.
#[derive(Clone, Copy, Debug)]
pub struct DpmSolver2M;

impl Sampler for DpmSolver2M {
    fn memory(&self) -> usize {
        1
    }

    fn target(&self, step: &Step, denoised: ArrayView2<f64>, past: &[Past]) -> Option<Array2<f64>> {
        multistep::extrapolate(step, denoised, past)
    }

    /// Euler's, towards the extrapolated value.
    fn step(&self, step: &Step, target: ArrayView2<f64>, denoiser: &dyn Denoiser) -> Result<Array2<f64>> {
        Euler.step(step, target, denoiser)
    }
}
