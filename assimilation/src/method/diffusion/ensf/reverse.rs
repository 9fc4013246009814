//! The reverse equation of [`super::published`], integrated fast: z <- z - dt (f z - g^2 s) + g sqrt(dt) xi.
//!
//! Where values read one component each, components do not know of each other, and a part of [`PART`] of them goes through
//! all steps before the next: it stays in the nearest cache, and an update holds the forecast, the analysis and three numbers a
//! component. Otherwise, and for the mixture, whose weights ask for whole states, a member goes through the steps as a whole.
//! The noise is [`BulkNormals`], a stream for each part of a member, so that both ways draw the same; an edition before
//! this one drew by [`scorecast_systems::Stream`], one stream a member, and its analyses differ from these by the draws.
//!
//! One core of a Zen 5 with AVX-512, a component, member and step, N = 20, every component observed: 1.5 ns for any number of
//! components from a thousand to a million, where NumPy takes 15 to 18; `cargo bench -p scorecast-assimilation --bench sampler`
//! prints both.

use ndarray::{Array1, Array2, ArrayView1, Axis, CowArray, Ix2};
use rayon::prelude::*;
use scorecast_systems::noising::schedule::EnsembleScore;
use scorecast_systems::{BulkNormals, Key, widest};

use crate::method::diffusion::by_component::{Terms, pulled};
use crate::method::diffusion::likelihood::LikelihoodScore;
use crate::method::particle::weights::normalise;

/// Components that go through the steps together, and share a stream of noise.
pub(super) const PART: usize = 512;

/// The coefficients at one pseudo-time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coefficients {
    pub(super) t: f64,
    pub(super) alpha: f64,
    pub(super) beta_square: f64,
    pub(super) drift: f64,
    pub(super) diffusion_square: f64,
}

impl Coefficients {
    pub(super) fn new(schedule: EnsembleScore, t: f64) -> Self {
        let ((alpha, beta_square), (drift, diffusion_square)) = (schedule.coefficients(t), schedule.rates(t));
        Self { t, alpha, beta_square, drift, diffusion_square }
    }
}

/// The equation of an ensemble.
pub(super) struct Reverse<'a> {
    /// From t = 1 on.
    pub(super) steps: Vec<Coefficients>,
    /// Largest score in each component.
    pub(super) clip: f64,
    /// `[member, component]`, in one piece.
    pub(super) forecast: CowArray<'a, f64, Ix2>,
    /// Whether the prior is the mixture of all members.
    pub(super) mixture: bool,
    /// Part c of member j draws from the bulk normals (j, c).
    pub(super) key: Key,
}

impl Reverse<'_> {
    /// z at t = 0 from noise of these sd (`[component]`) at t = 1, `[member, component]`.
    pub(super) fn sample(&self, sd: &[f64], likelihood: &LikelihoodScore) -> Array2<f64> {
        let mut ensemble = Array2::zeros(self.forecast.raw_dim());
        let by_component = if self.mixture { None } else { likelihood.by_component() };
        let rows = ensemble.outer_iter_mut().into_par_iter().zip(self.forecast.outer_iter()).enumerate();
        rows.for_each(|(member, (z, x))| {
            let (Some(z), Some(x)) = (z.into_slice(), x.to_slice()) else { return };
            let Some(score) = &by_component else { return self.states(member, sd, z, likelihood) };
            z.par_chunks_mut(PART).zip(x.par_chunks(PART)).zip(sd.par_chunks(PART)).enumerate().for_each(
                |(part, ((z, x), sd))| {
                    let mut noise = self.key.bulk_normals(member as u64, part as u64);
                    let mut score = score.part(part * PART, z.len());
                    let (mut pull, mut xi) = ([0.0; PART], [0.0; PART]);
                    let (pull, xi) = (&mut pull[..z.len()], &mut xi[..z.len()]);
                    start(&mut noise, sd, z);
                    for c in &self.steps {
                        noise.fill(xi);
                        match score.at(z, pull) {
                            Some(terms) => step_observed(z, x, &terms, xi, &self.rates(c)),
                            None => step(z, x, pull, xi, &self.rates(c)),
                        }
                    }
                },
            );
        });
        ensemble
    }

    /// One member through all steps as a whole.
    fn states(&self, member: usize, sd: &[f64], z: &mut [f64], likelihood: &LikelihoodScore) {
        let parts = z.len().div_ceil(PART) as u64;
        let mut noise: Vec<BulkNormals> = (0..parts).map(|part| self.key.bulk_normals(member as u64, part)).collect();
        for ((noise, z), sd) in noise.iter_mut().zip(z.chunks_mut(PART)).zip(sd.chunks(PART)) {
            start(noise, sd, z);
        }
        let mut xi = [0.0; PART];
        for c in &self.steps {
            let at = ArrayView1::from(&*z);
            let pull = likelihood.at(at.insert_axis(Axis(0)));
            let centre = if self.mixture { self.mean(c, at) } else { self.forecast.row(member).to_owned() };
            let (Some(pull), Some(centre)) = (pull.as_slice(), centre.as_slice()) else { return };
            let parts = z.chunks_mut(PART).zip(centre.chunks(PART)).zip(pull.chunks(PART));
            for (noise, ((z, x), pull)) in noise.iter_mut().zip(parts) {
                let xi = &mut xi[..z.len()];
                noise.fill(xi);
                step(z, x, pull, xi, &self.rates(c));
            }
        }
    }

    /// sum_j w_j x_j, `[component]`.
    pub(super) fn mean(&self, c: &Coefficients, z: ArrayView1<f64>) -> Array1<f64> {
        let square =
            |x: ArrayView1<f64>| -> f64 { z.iter().zip(x).map(|(z, x)| (z - c.alpha * x) * (z - c.alpha * x)).sum() };
        let mut log_weights: Array1<f64> =
            self.forecast.outer_iter().map(|x| -0.5 * square(x) / c.beta_square).collect();
        normalise(&mut log_weights);
        let mut mean = Array1::zeros(z.len());
        for (log_weight, x) in log_weights.iter().zip(self.forecast.outer_iter()) {
            // members so far away that they do not count cost nothing
            if *log_weight > -40.0 {
                mean.scaled_add(log_weight.exp(), &x);
            }
        }
        mean
    }

    fn rates(&self, c: &Coefficients) -> Rates {
        let dt = 1.0 / self.steps.len() as f64;
        Rates {
            alpha: c.alpha,
            per_beta_square: 1.0 / c.beta_square,
            damping: 1.0 - c.t,
            clip: self.clip,
            keep: 1.0 - dt * c.drift,
            gain: dt * c.diffusion_square,
            noise: (c.diffusion_square * dt).sqrt(),
        }
    }
}

/// z at t = 1.
fn start(noise: &mut BulkNormals, sd: &[f64], z: &mut [f64]) {
    noise.fill(z);
    z.iter_mut().zip(sd).for_each(|(z, sd)| *z *= sd);
}

/// One step, as the loop over components has it.
struct Rates {
    alpha: f64,
    per_beta_square: f64,
    damping: f64,
    clip: f64,
    keep: f64,
    gain: f64,
    noise: f64,
}

impl Rates {
    /// The next z.
    #[inline(always)]
    fn step(&self, z: f64, x: f64, pull: f64, xi: f64) -> f64 {
        let score = (self.alpha * x - z) * self.per_beta_square + self.damping * pull;
        // what is not a number stays so
        let score = if score > self.clip { self.clip } else { score };
        let score = if score < -self.clip { -self.clip } else { score };
        self.keep * z + self.gain * score + self.noise * xi
    }
}

widest! {
    /// From z to the next, all `[component]`.
    fn step(z: &mut [f64], x: &[f64], pull: &[f64], xi: &[f64], rates: &Rates) {
        for (((z, x), pull), xi) in z.iter_mut().zip(x).zip(pull).zip(xi) {
            *z = rates.step(*z, *x, *pull, *xi);
        }
    }
}

widest! {
    /// A step where every component is observed.
    fn step_observed(z: &mut [f64], x: &[f64], terms: &Terms<'_>, xi: &[f64], rates: &Rates) {
        let terms = terms.values.iter().zip(terms.precision).zip(terms.h).zip(terms.slope);
        for (((z, x), xi), (((y, precision), h), slope)) in z.iter_mut().zip(x).zip(xi).zip(terms) {
            *z = rates.step(*z, *x, pulled(*y, *precision, *h, *slope), *xi);
        }
    }
}
