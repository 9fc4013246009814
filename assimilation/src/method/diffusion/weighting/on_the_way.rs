//! Guided paths with their importance weights, resampled on the way where that is asked for: what `path`, `twisted` and
//! `girsanov` share.
//!
//! One step from level sigma to sigma' < sigma has the kernel p(z' | z) = N(z + (1 - k)(D - z), c) with
//! k = (sigma' / sigma)^2 and c = (sigma^2 - sigma'^2)(1 + sigma'^2) / (1 + sigma^2): the law of z' given z where data
//! are unit normals, which is about what the space of a denoiser is made for. For data of variance .1, .25, 1, 4 in that
//! space 64 steps (sigma .01 to 20, rho 7) leave a variance 1.089, 1.055, 1, .956 times as large, of first order in the
//! step. The guided path follows q, the same with the guided D. Weighted by
//! log w = log p(y | z_0) + sum log p(z' | z) / q(z' | z)
//! the paths are a proper sample of (the law that p samples) x p(y | z_0), however good or bad the guidance is, and the
//! mean of w is an unbiased estimate of p(y | x_k) under that law.
//!
//! On the way a potential psi(z) may stand for p(y | z): members are then resampled by psi(z) prod p / q, and what they have used
//! is divided out of what follows, so that the weights at the end are proper whatever psi is.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use scorecast_systems::noising::{Evaluation, Kernel, Observer, Run, Start, Step, drive};
use scorecast_systems::{Affine, Denoiser, Level, Purpose, Sampler};

use super::rule::{GuidedRun, Sampling, WeighedDraw};
use crate::error::Result;
use crate::method::particle::resample::Resampling;
use crate::method::particle::weights::{Weighed, equal};

/// What stands for p(y | z) on the way.
pub(super) trait Potential {
    /// log psi at the `at.step`th step, `[member]`; none where members are not resampled there.
    fn log(&self, at: &Waypoint) -> Option<Array1<f64>>;
}

/// Nowhere.
impl Potential for () {
    fn log(&self, _: &Waypoint) -> Option<Array1<f64>> {
        None
    }
}

/// A point of the way.
pub(super) struct Waypoint<'a, 'r> {
    pub run: &'a GuidedRun<'r>,
    /// The index of the step that begins here, and how many there are.
    pub step: usize,
    pub steps: usize,
    /// D without guidance, `[member, component]`.
    pub free: ArrayView2<'a, f64>,
    /// From z to states, of the members as they now are.
    pub to_state: &'a Affine,
}

/// Why path weights do not go with how draws are made.
pub(super) fn refusal(sampling: &Sampling) -> Option<&'static str> {
    const STOCHASTIC: &str = "needs path weights here, which exist for the stochastic sampler only; set sampler to \
                              \"sde\", or weights to \"none\" and accept that this is not a filter";
    const UNCORRECTED: &str = "needs path weights here, which correctors would break; set correctors to 0, or weights to \
                               \"adapted\" or \"none\"";
    if !sampling.sampler.draws() {
        return Some(STOCHASTIC);
    }
    (sampling.correctors.count > 0).then_some(UNCORRECTED)
}

/// Draws along the path of the sampler of unit normal data, whatever the sampler of the run is.
pub(super) fn draw(run: &GuidedRun, potential: &dyn Potential) -> Result<WeighedDraw> {
    let members = run.members();
    let mut way = Way {
        run,
        potential,
        sampler: &UnitNormal,
        log_ratio: Array1::zeros(members),
        used: Array1::zeros(members),
        log_weights: run.log_weights.clone(),
        log_evidence: 0.0,
        resampled: None,
    };
    let path = Run { denoiser: run.guided, sampler: way.sampler, levels: run.levels, key: run.key };
    let drawn = drive(&path, Start::Noise(members), &mut way)?;
    let (to_state, ancestors) = match &way.resampled {
        Some((to_state, rows)) => (to_state, Some(rows.clone())),
        None => (run.to_state, None),
    };
    let ensemble = to_state.apply(&drawn.x);
    let mut log_factors = run.observed.log_likelihood(ensemble.view()) + way.log_ratio;
    if ancestors.is_some() {
        log_factors += &(way.log_evidence - way.used);
    }
    Ok(WeighedDraw { ensemble, log_factors: Some(log_factors), ancestors })
}

/// The weights of guided paths of a sampler whose steps have a law; a step that has none, or no noise, adds nothing.
struct Way<'a, 'r> {
    run: &'a GuidedRun<'r>,
    potential: &'a dyn Potential,
    sampler: &'a dyn Sampler,
    /// sum log p(z' | z) / q(z' | z) since members were resampled, `[member]`.
    log_ratio: Array1<f64>,
    /// log psi by which they were, `[member]`.
    used: Array1<f64>,
    /// Normalised, since then, `[member]`.
    log_weights: Array1<f64>,
    /// The logarithm of the mean weights that were used up.
    log_evidence: f64,
    /// The map to states of the members that are left, and the rows of the start that they descend from.
    resampled: Option<(Affine, Vec<usize>)>,
}

impl Way<'_, '_> {
    /// The ancestors of members where log psi asks for it; what they have used is noted.
    fn select(&mut self, step: usize, log_psi: Array1<f64>) -> Option<Vec<usize>> {
        let factors = &self.log_ratio + &log_psi - &self.used;
        let weighed = Weighed::new(self.log_weights.clone(), &factors, self.run.ess_threshold);
        if !weighed.resample || !weighed.log_evidence.is_finite() {
            return None;
        }
        // behind stream 0, by which members are resampled after the draw of the lead step before
        let key = self.run.key.purpose(Purpose::Resampling).members_from(1 + step as u64);
        let ancestors = Resampling::Systematic.draw(&weighed.log_weights, key);
        self.log_evidence += weighed.log_evidence;
        self.log_weights = equal(ancestors.len());
        self.log_ratio.fill(0.0);
        self.used = log_psi;
        Some(ancestors)
    }

    /// Members give way to their ancestors.
    fn descend(&mut self, ancestors: &[usize]) {
        self.log_ratio = self.log_ratio.select(Axis(0), ancestors);
        self.used = self.used.select(Axis(0), ancestors);
        let rows: Vec<usize> = match &self.resampled {
            Some((_, rows)) => ancestors.iter().map(|row| rows[*row]).collect(),
            None => ancestors.to_vec(),
        };
        let Affine { offset, scale } = self.run.to_state;
        let to_state = Affine { offset: offset.select(Axis(0), &rows), scale: scale.select(Axis(0), &rows) };
        self.resampled = Some((to_state, rows));
    }

    /// Adds log p / q of a step.
    fn add(&mut self, step: &Step, evaluation: &Evaluation) {
        let kernels: Option<Vec<Kernel>> =
            step.from.iter().zip(step.to).map(|(from, to)| self.sampler.kernel(*from, *to)).collect();
        let (Some(kernels), Some(noise)) = (kernels, step.noise) else { return };
        let (guided, free) = (&evaluation.target().guided, evaluation.target().without_guidance());
        let width = guided.ncols() / kernels.len();
        for (member, sum) in self.log_ratio.iter_mut().enumerate() {
            let mut log_p_over_q = 0.0;
            for (frame, kernel) in kernels.iter().enumerate().filter(|(_, kernel)| kernel.sd > 0.0) {
                let part = s![member, frame * width..(frame + 1) * width];
                add_log_ratio(&mut log_p_over_q, kernel, guided.slice(part), free.slice(part), noise.slice(part));
            }
            *sum += log_p_over_q;
        }
    }
}

impl Observer for Way<'_, '_> {
    fn observe(
        &mut self,
        step: &Step,
        evaluation: Option<&Evaluation>,
        _next: &mut Array2<f64>,
    ) -> scorecast_systems::Result<Option<Vec<usize>>> {
        let Some(evaluation) = evaluation else { return Ok(None) };
        let steps = self.run.levels.steps();
        let log_psi = self.potential.log(&Waypoint {
            run: self.run,
            step: step.index,
            steps,
            free: evaluation.target().without_guidance(),
            to_state: self.resampled.as_ref().map_or(self.run.to_state, |(to_state, _)| to_state),
        });
        // after the last step members would be copies of each other
        let log_psi = log_psi.filter(|_| step.index + 1 < steps);
        let ancestors = log_psi.and_then(|log_psi| self.select(step.index, log_psi));
        self.add(step, evaluation);
        if let Some(ancestors) = &ancestors {
            self.descend(ancestors);
        }
        Ok(ancestors)
    }
}
/// Adds log p/q of one step of one frame: with z' = mu_q + sd noise it is -(|z' - mu_p|^2 - |z' - mu_q|^2) / 2c.
fn add_log_ratio(
    log_p_over_q: &mut f64,
    kernel: &Kernel,
    guided: ArrayView1<f64>,
    free: ArrayView1<f64>,
    noise: ArrayView1<f64>,
) {
    for ((guided, free), noise) in guided.iter().zip(free).zip(noise) {
        let shift = kernel.gain * (guided - free) / kernel.sd;
        *log_p_over_q -= shift * (noise + 0.5 * shift);
    }
}

/// The sampler whose kernel is that of unit normal data.
#[derive(Clone, Copy, Debug)]
struct UnitNormal;

/// 1 - k and c of one step.
fn kernel(sigma: f64, next: f64) -> (f64, f64) {
    let (square, next_square) = (sigma * sigma, next * next);
    (1.0 - next_square / square, (square - next_square) * (1.0 + next_square) / (1.0 + square))
}

impl Sampler for UnitNormal {
    fn draws(&self) -> bool {
        true
    }

    fn ends_with_noise(&self) -> bool {
        true
    }

    fn start_sd(&self, level: Level) -> f64 {
        level.alpha.hypot(level.sigma)
    }

    fn kernel(&self, from: Level, to: Level) -> Option<Kernel> {
        let (gain, variance) = kernel(from.sigma, to.sigma);
        Some(Kernel { keep: 1.0 - gain, gain, sd: variance.sqrt() })
    }

    fn step(&self, step: &Step, target: ArrayView2<f64>, _: &dyn Denoiser) -> scorecast_systems::Result<Array2<f64>> {
        let moved = step.each(step.x, target, |from, to| {
            let (gain, _) = kernel(from.sigma, to.sigma);
            move |z, d| gain * (d - z)
        });
        let Some(noise) = step.noise else { return Ok(&step.x + &moved) };
        let moved = step.each(moved.view(), noise, |from, to| {
            let sd = kernel(from.sigma, to.sigma).1.sqrt();
            move |moved, noise| moved + sd * noise
        });
        Ok(&step.x + &moved)
    }
}

#[cfg(test)]
mod tests {
    use scorecast_systems::Karras;

    use super::*;

    /// The variance that the free path makes of normal data of variance v: D = z v / (v + sigma^2) is linear.
    fn ratio(v: f64, steps: usize) -> f64 {
        let levels = Karras { sigma_min: 0.01, sigma_max: 20.0, rho: 7.0, steps }.sigmas().unwrap();
        let end = levels.windows(2).fold(1.0 + levels[0] * levels[0], |variance, pair| {
            let (step, c) = kernel(pair[0], pair[1]);
            let factor = 1.0 - step + step * v / (v + pair[0] * pair[0]);
            variance * factor * factor + c
        });
        end / v
    }

    #[test]
    fn unit_normal_data_keep_their_law_exactly_whatever_the_steps() {
        for steps in [2, 3, 20] {
            assert!((ratio(1.0, steps) - 1.0).abs() < 1e-12, "{steps} steps");
        }
    }

    #[test]
    fn other_data_are_off_as_the_module_says_and_by_half_with_twice_the_steps() {
        for (v, expected) in [(0.1, 1.089), (0.25, 1.055), (4.0, 0.956)] {
            assert!((ratio(v, 64) - expected).abs() < 6e-4, "{v}: {}", ratio(v, 64));
            let order = ((ratio(v, 128) - 1.0) / (ratio(v, 256) - 1.0)).log2();
            assert!((order - 1.0).abs() < 0.15, "{v}: {order}");
        }
    }
}
