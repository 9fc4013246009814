//! A reverse diffusion by the exact denoiser of a kernel, guided by the likelihood, and Langevin steps after it.
//!
//! Under N(c, K) the state at noise level s has the denoised value D = c + K (K + s^2)^-1 (x - c) and its covariance is
//! C = s^2 K (K + s^2)^-1. Guided by quadrature, D + C g, g_l = sum_j d/dD_l log int p(y_j | u) N(u; D_l, C_ll) du, it leads
//! from one level to the next by x <- D + (s'/s)^2 (x - D) + noise of variance s'^2 (1 - s'^2 / s^2). Then
//! x' = x + tau M grad log p + sqrt(2 tau) M^1/2 xi, M = (K^-1 + F)^-1, with F the information of the values that read a component,
//! by the median slope of h over the members, is taken with the probability of Metropolis and Hastings (Roberts and Tweedie 1996):
//! where a density has a kink or a pole, heavy tails, or more than F tells, steps that are taken always run away, and elsewhere they
//! widen a Gaussian by 1 / (1 - tau / 2). A member's draw is its own: no step depends on the other draws.

use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use scorecast_systems::{Key, Stream};

use super::kernels::Kernels;
use super::marginal::Moments;
use super::posterior::Likelihood;
use crate::error::Result;
use crate::linalg::{Eigen, dot};
use crate::method::ensemble::qceff::Readings;

/// Levels of noise, the first and the last in standard deviations of a kernel.
const LEVELS: usize = 20;
const FIRST: f64 = 10.0;
const LAST: f64 = 0.02;

/// tau.
const STEP: f64 = 0.15;

/// Standard deviations of M that a Langevin step's drift goes at most: a density with a pole has no bound on its gradient.
const LONGEST: f64 = 3.0;

/// The information of a component at most, over the precision of a kernel.
const MOST: f64 = 1e12;

/// A level of noise.
struct Level {
    sd: f64,
    /// K (K + s^2)^-1 and C, `[component, component]`.
    denoise: Array2<f64>,
    covariance: Array2<f64>,
}

/// The sampler of kernels.
pub(super) struct Langevin<'a> {
    levels: Vec<Level>,
    /// K^-1.
    precision: &'a Array2<f64>,
    /// M, its root and its inverse.
    preconditioner: Array2<f64>,
    root: Array2<f64>,
    information: Array2<f64>,
    steps: usize,
}

/// The room of one thread.
struct Workspace {
    x: Vec<f64>,
    from_centre: Vec<f64>,
    denoised: Vec<f64>,
    gradient: Vec<f64>,
    noise: Vec<f64>,
    at: Point,
    next: Point,
}

impl Workspace {
    fn new(dim: usize) -> Self {
        let empty = || vec![0.0; dim];
        let point = || Point { x: empty(), drift: empty(), log_density: f64::NEG_INFINITY };
        let [x, from_centre, denoised, gradient, noise] = std::array::from_fn(|_| empty());
        Self { x, from_centre, denoised, gradient, noise, at: point(), next: point() }
    }
}

/// A state of the chain.
struct Point {
    x: Vec<f64>,
    /// tau M grad log p, cut at [`LONGEST`].
    drift: Vec<f64>,
    /// log p up to a constant.
    log_density: f64,
}

/// A matrix times a vector.
fn product(matrix: &Array2<f64>, x: &[f64], out: &mut [f64]) {
    let rows = matrix.outer_iter().filter_map(|row| row.to_slice().map(|row| dot(row, x)));
    out.iter_mut().zip(rows).for_each(|(out, value)| *out = value);
}

/// The matrix in rows.
fn in_rows(matrix: Array2<f64>) -> Array2<f64> {
    matrix.as_standard_layout().into_owned()
}

impl<'a> Langevin<'a> {
    /// # Errors
    /// When an eigenproblem fails.
    pub fn new(kernels: &'a Kernels, readings: &Readings, steps: usize) -> Result<Self> {
        let dim = kernels.precision.nrows();
        let unit = (kernels.eigen.values.sum() / dim as f64).sqrt();
        let level = |k: usize| {
            let sd = unit * FIRST * (LAST / FIRST).powf(k as f64 / (LEVELS - 1) as f64);
            let square = sd * sd;
            Level {
                sd,
                denoise: in_rows(kernels.eigen.apply(|l| l / (l + square))),
                covariance: in_rows(kernels.eigen.apply(|l| l * square / (l + square))),
            }
        };
        let mut information = kernels.precision.clone();
        information.diag_mut().zip_mut_with(&values_information(readings, kernels), |q, f| *q += f);
        let eigen = Eigen::new(information.view())?;
        Ok(Self {
            levels: (0..LEVELS).map(level).collect(),
            precision: &kernels.precision,
            preconditioner: in_rows(eigen.apply(f64::recip)),
            root: in_rows(eigen.apply(|l| l.recip().sqrt())),
            information: in_rows(information),
            steps,
        })
    }

    /// Puts draws of N(its centre, K) times the likelihood in place of the members `x`; both `[member, component]`. Member i draws
    /// from stream i.
    pub fn draw(&self, x: &mut Array2<f64>, centres: &Array2<f64>, likelihood: &Likelihood, key: Key) {
        let dim = x.ncols();
        let rows = x.axis_iter_mut(Axis(0)).into_par_iter().zip(centres.axis_iter(Axis(0))).enumerate();
        let room = || (Workspace::new(dim), vec![0.0; dim]);
        rows.for_each_init(room, |(room, centre), (i, (mut row, from))| {
            let mut stream = key.stream(i as u64);
            centre.iter_mut().zip(from).for_each(|(centre, from)| *centre = *from);
            room.x.iter_mut().zip(&row).for_each(|(x, from)| *x = *from);
            self.descend(room, centre, likelihood, &mut stream);
            room.at.x.copy_from_slice(&room.x);
            self.look(&mut room.at, centre, likelihood, (&mut room.from_centre, &mut room.gradient));
            (0..self.steps).for_each(|_| self.correct(room, centre, likelihood, &mut stream));
            row.iter_mut().zip(&room.at.x).for_each(|(to, x)| *to = *x);
        });
    }

    /// From the first level to no noise.
    fn descend(&self, room: &mut Workspace, centre: &[f64], likelihood: &Likelihood, stream: &mut Stream) {
        let Workspace { x, from_centre, denoised, gradient, noise, .. } = room;
        stream.fill_normal(noise);
        let first = self.levels.first().map_or(0.0, |level| level.sd);
        x.iter_mut().zip(&*noise).for_each(|(x, noise)| *x += first * noise);
        for (k, level) in self.levels.iter().enumerate() {
            from_centre.iter_mut().zip(&*x).zip(centre).for_each(|((from_centre, x), c)| *from_centre = x - c);
            product(&level.denoise, from_centre, denoised);
            denoised.iter_mut().zip(centre).for_each(|(denoised, c)| *denoised += c);
            for (l, gradient) in gradient.iter_mut().enumerate() {
                let variance = level.covariance[(l, l)];
                *gradient = if likelihood.reads(l) && variance > 0.0 {
                    let member = &*denoised;
                    Moments::of(member[l], variance, |u| likelihood.of_component(l, u)).shift / variance
                } else {
                    0.0
                };
            }
            product(&level.covariance, gradient, from_centre);
            denoised.iter_mut().zip(&*from_centre).for_each(|(denoised, pull)| *denoised += pull);
            let next = self.levels.get(k + 1).map_or(0.0, |next| next.sd);
            let share = (next / level.sd) * (next / level.sd);
            let sd = next * (1.0 - share).sqrt();
            stream.fill_normal(noise);
            for ((x, denoised), noise) in x.iter_mut().zip(&*denoised).zip(&*noise) {
                *x = denoised + share * (*x - denoised) + sd * noise;
            }
        }
    }

    /// The drift and the density where `point` is; the rest is room.
    fn look(
        &self,
        point: &mut Point,
        centre: &[f64],
        likelihood: &Likelihood,
        (from_centre, gradient): (&mut [f64], &mut [f64]),
    ) {
        let Point { x, drift, log_density } = point;
        from_centre.iter_mut().zip(&*x).zip(centre).for_each(|((from_centre, x), c)| *from_centre = x - c);
        product(self.precision, from_centre, gradient);
        *log_density = -0.5 * dot(gradient, from_centre);
        for (l, gradient) in gradient.iter_mut().enumerate() {
            *gradient = -*gradient;
            if likelihood.reads(l) {
                *gradient += slope(likelihood, x, l);
                *log_density += likelihood.of_component(l, x[l]);
            }
        }
        product(&self.preconditioner, gradient, drift);
        for (l, drift) in drift.iter_mut().enumerate() {
            let longest = LONGEST * self.preconditioner[(l, l)].sqrt();
            *drift = (STEP * *drift).clamp(-longest, longest);
        }
    }

    /// One Langevin step, taken or not.
    fn correct(&self, room: &mut Workspace, centre: &[f64], likelihood: &Likelihood, stream: &mut Stream) {
        let Workspace { from_centre, denoised, gradient, noise, at, next, .. } = room;
        stream.fill_normal(noise);
        product(&self.root, noise, denoised);
        for (((next, x), drift), moved) in next.x.iter_mut().zip(&at.x).zip(&at.drift).zip(&*denoised) {
            *next = x + drift + (2.0 * STEP).sqrt() * moved;
        }
        self.look(next, centre, likelihood, (&mut *from_centre, &mut *gradient));
        // the way back, of which the way here had the noise
        for (((back, x), next), drift) in from_centre.iter_mut().zip(&at.x).zip(&next.x).zip(&next.drift) {
            *back = x - next - drift;
        }
        product(&self.information, from_centre, gradient);
        let back = -dot(from_centre, gradient) / (4.0 * STEP);
        let log_ratio = next.log_density - at.log_density + back + 0.5 * dot(noise, noise);
        // a state without a likelihood is left for any that has one
        if (1.0 - stream.uniform()).ln() < log_ratio {
            std::mem::swap(at, next);
        }
    }
}

/// The derivative of the log likelihood by component l, a central difference.
fn slope(likelihood: &Likelihood, x: &mut [f64], l: usize) -> f64 {
    let (here, step) = (x[l], 1e-5 * (1.0 + x[l].abs()));
    x[l] = here + step;
    let above = likelihood.at(l, x);
    x[l] = here - step;
    let below = likelihood.at(l, x);
    x[l] = here;
    let slope = (above - below) / (2.0 * step);
    if slope.is_finite() { slope } else { 0.0 }
}

/// The information that values have of the component that they read, `[component]`: the median over kernels of h'^2 / r, where
/// the error has a variance r, up to what leaves M a number.
fn values_information(readings: &Readings, kernels: &Kernels) -> Array1<f64> {
    let mut out = Array1::zeros(kernels.precision.nrows());
    let mut each = Vec::with_capacity(kernels.centres.nrows());
    for (j, component) in readings.components().iter().enumerate() {
        let Some(component) = *component else { continue };
        each.clear();
        each.extend(kernels.centres.column(component).iter().map(|&x| readings.information(j, x)));
        each.sort_unstable_by(f64::total_cmp);
        out[component] += each[each.len() / 2].min(MOST * kernels.precision[(component, component)]);
    }
    out
}
