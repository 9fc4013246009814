//! Sweeps over the components of a member: each is drawn from its posterior given the others, by an elliptical slice (Murray,
//! Adams and MacKay 2010).
//!
//! Under N(c, K), Q = K^-1, component l given the others is normal, of mean mu = x_l - (Q (x - c))_l / Q_ll and variance 1 / Q_ll.
//! With f = x_l - mu and nu of that variance, points of the ellipse mu + f cos a + nu sin a are tried from a bracket of a that
//! shrinks towards f, until one is above the slice. A component without a likelihood is drawn at once.

use ndarray::{Array2, Axis};
use rayon::prelude::*;
use scorecast_systems::{Key, Stream};

use super::kernels::Kernels;
use super::posterior::Likelihood;
use crate::linalg::{add_scaled, dot};
use crate::method::diffusion::bracket::{Bracket, SHRINKS};

/// The sampler of kernels.
pub(super) struct Gibbs<'a> {
    /// Q, `[component, component]`.
    precision: &'a Array2<f64>,
    sweeps: usize,
}

impl<'a> Gibbs<'a> {
    pub fn new(kernels: &'a Kernels, sweeps: usize) -> Self {
        Self { precision: &kernels.precision, sweeps }
    }

    /// Moves the members `x`, each drawn from N(its centre, K) times the likelihood; both `[member, component]`. Member i draws from
    /// stream i.
    pub fn draw(&self, x: &mut Array2<f64>, centres: &Array2<f64>, likelihood: &Likelihood, key: Key) {
        let dim = x.ncols();
        let rows = x.axis_iter_mut(Axis(0)).into_par_iter().zip(centres.axis_iter(Axis(0))).enumerate();
        let room = || [vec![0.0; dim], vec![0.0; dim], vec![0.0; dim]];
        rows.for_each_init(room, |[member, apart, pull], (i, (mut row, centre))| {
            member.iter_mut().zip(&row).for_each(|(member, x)| *member = *x);
            apart.iter_mut().zip(&*member).zip(centre).for_each(|((apart, x), c)| *apart = x - c);
            self.sweep(member, apart, pull, likelihood, &mut key.stream(i as u64));
            row.iter_mut().zip(&*member).for_each(|(x, member)| *x = *member);
        });
    }

    /// All sweeps over one member, whose difference from its centre is `apart`; `pull` is room for Q times that.
    fn sweep(&self, member: &mut [f64], apart: &[f64], pull: &mut [f64], likelihood: &Likelihood, stream: &mut Stream) {
        let rows = || self.precision.outer_iter().enumerate().filter_map(|(l, row)| Some((l, row.to_slice()?)));
        for (l, row) in rows() {
            pull[l] = dot(row, apart);
        }
        for _ in 0..self.sweeps {
            for (l, row) in rows() {
                let before = member[l];
                let (mean, sd) = (before - pull[l] / row[l], row[l].recip().sqrt());
                slice(member, l, (mean, sd), likelihood, stream);
                add_scaled(pull, member[l] - before, row);
            }
        }
    }
}

/// Draws component l of a member, N(mean, sd^2) given the others, under the likelihood.
fn slice(member: &mut [f64], l: usize, (mean, sd): (f64, f64), likelihood: &Likelihood, stream: &mut Stream) {
    let nu = sd * stream.normal();
    if !likelihood.reads(l) {
        member[l] = mean + nu;
        return;
    }
    let before = member[l];
    let f = before - mean;
    let least = likelihood.at(l, member) + (1.0 - stream.uniform()).ln();
    let mut bracket = Bracket::new(stream);
    for _ in 0..SHRINKS {
        let (sine, cosine) = bracket.angle.sin_cos();
        member[l] = mean + f * cosine + nu * sine;
        if likelihood.at(l, member) > least {
            return;
        }
        bracket.shrink(stream);
    }
    member[l] = before;
}
