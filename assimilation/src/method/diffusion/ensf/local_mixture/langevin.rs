//! A reverse diffusion by the exact denoiser of a kernel, guided by the likelihood, and Langevin steps after it.
//!
//! Under N(c, K) the state at noise level s has the denoised value D = c + K (K + s^2)^-1 (x - c) and its covariance is
//! C = s^2 K (K + s^2)^-1. Guided by quadrature, D + C g, g_l = sum_j d/dD_l log int p(y_j | u) N(u; D_l, C_ll) du, it leads
//! from one level to the next by x <- D + (s'/s)^2 (x - D) + noise of variance s'^2 (1 - s'^2 / s^2). Then
//! x <- x + tau M grad log p + sqrt(2 tau) M^1/2 xi, M = (K^-1 + F)^-1, with F the information of the values that read a component,
//! by the median slope of h over the members. A member's draw is its own: no step depends on the other draws.

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
    /// M and its root.
    preconditioner: Array2<f64>,
    root: Array2<f64>,
    steps: usize,
}

/// The room of one thread.
struct Workspace {
    x: Vec<f64>,
    from_centre: Vec<f64>,
    denoised: Vec<f64>,
    gradient: Vec<f64>,
    noise: Vec<f64>,
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
            steps,
        })
    }

    /// Puts draws of N(its centre, K) times the likelihood in place of the members `x`; both `[member, component]`. Member i draws
    /// from stream i.
    pub fn draw(&self, x: &mut Array2<f64>, centres: &Array2<f64>, likelihood: &Likelihood, key: Key) {
        let dim = x.ncols();
        let rows = x.axis_iter_mut(Axis(0)).into_par_iter().zip(centres.axis_iter(Axis(0))).enumerate();
        let empty = || vec![0.0; dim];
        let room = || {
            let workspace =
                Workspace { x: empty(), from_centre: empty(), denoised: empty(), gradient: empty(), noise: empty() };
            (workspace, empty())
        };
        rows.for_each_init(room, |(room, centre), (i, (mut row, from))| {
            let mut stream = key.stream(i as u64);
            centre.iter_mut().zip(from).for_each(|(centre, from)| *centre = *from);
            room.x.iter_mut().zip(&row).for_each(|(x, from)| *x = *from);
            self.descend(room, centre, likelihood, &mut stream);
            (0..self.steps).for_each(|_| self.correct(room, centre, likelihood, &mut stream));
            row.iter_mut().zip(&room.x).for_each(|(to, x)| *to = *x);
        });
    }

    /// From the first level to no noise.
    fn descend(&self, room: &mut Workspace, centre: &[f64], likelihood: &Likelihood, stream: &mut Stream) {
        let Workspace { x, from_centre, denoised, gradient, noise } = room;
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

    /// One Langevin step.
    fn correct(&self, room: &mut Workspace, centre: &[f64], likelihood: &Likelihood, stream: &mut Stream) {
        let Workspace { x, from_centre, denoised, gradient, noise } = room;
        from_centre.iter_mut().zip(&*x).zip(centre).for_each(|((from_centre, x), c)| *from_centre = x - c);
        product(self.precision, from_centre, gradient);
        for (l, gradient) in gradient.iter_mut().enumerate() {
            *gradient = if likelihood.reads(l) { slope(likelihood, x, l) } else { 0.0 } - *gradient;
        }
        product(&self.preconditioner, gradient, from_centre);
        stream.fill_normal(noise);
        product(&self.root, noise, denoised);
        for (l, x) in x.iter_mut().enumerate() {
            let longest = LONGEST * self.preconditioner[(l, l)].sqrt();
            *x += (STEP * from_centre[l]).clamp(-longest, longest) + (2.0 * STEP).sqrt() * denoised[l];
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
/// the error has a variance r.
fn values_information(readings: &Readings, kernels: &Kernels) -> Array1<f64> {
    let mut out = Array1::zeros(kernels.precision.nrows());
    let mut each = Vec::with_capacity(kernels.centres.nrows());
    for (j, component) in readings.components().iter().enumerate() {
        let Some(component) = *component else { continue };
        each.clear();
        each.extend(kernels.centres.column(component).iter().map(|&x| readings.information(j, x)));
        each.sort_unstable_by(f64::total_cmp);
        out[component] += each[each.len() / 2];
    }
    out
}
