//! Lyapunov exponents l_1 >= l_2 >= ... from the tangent-linear model: m tangent vectors follow one trajectory and are
//! made orthonormal again every few lead steps; l_j is the mean of ln |r_jj| per model time, with r_jj the length of
//! vector j before it is normalised (Benettin, Galgani, Giorgilli and Strelcyn 1980; Shimada and Nagashima 1979). All m
//! vectors of a trajectory see the same noise, so that the exponents of a noisy system are those of its random flow.
//!
//! A vector that shrinks to the rounding error of a longer one within `every` lead steps has lost its direction:
//! exponents below l_1 - 36 / (every dt) are not resolved.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::estimate::{Estimate, jackknife, jackknife_one, means};
use super::kaplan_yorke::kaplan_yorke;
use super::orthonormal::orthonormalise;
use crate::error::{Error, Result};
use crate::key::{Key, Purpose};
use crate::law::{Differentiable, Forecaster};

/// How long tangent vectors are followed, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TangentRun {
    /// Leading exponents to find, at most the number of components.
    pub exponents: usize,
    /// Lead steps in which the vectors turn towards the leading directions, before anything is counted.
    pub forget: usize,
    /// Lead steps that count.
    pub steps: usize,
    /// Lead steps from one orthonormalisation to the next.
    pub every: usize,
}

/// Leading Lyapunov exponents of several trajectories.
#[derive(Clone, Debug)]
pub struct Lyapunov {
    /// The growth rates of each trajectory, per model time, `[trajectory, exponent]`; non-finite where it diverged.
    pub rates: Array2<f64>,
    /// Model time that counts, for each trajectory.
    pub time: f64,
    /// The number of components of the state.
    pub dim: usize,
}

/// An exponent is taken for positive above so many standard errors: that of the flow's own direction is 0.
const SURE: f64 = 3.0;

/// A direction that neither grows nor shrinks may still be longer by a factor at the end than at the beginning, here and
/// there on the attractor; ln of what is allowed for.
const SWAY: f64 = 2.0;

impl Lyapunov {
    /// The exponents, largest first, per model time.
    pub fn exponents(&self) -> Vec<Estimate> {
        let mut exponents = means(self.rates.view());
        exponents.sort_by(|a, b| b.value.total_cmp(&a.value));
        exponents
    }

    /// The sum of all exponents: the mean divergence of the flow. None unless all are known.
    pub fn sum(&self) -> Option<Estimate> {
        let all = self.rates.ncols() == self.dim;
        jackknife_one(self.rates.view(), |rates| all.then(|| rates.iter().sum()))
    }

    /// The Kaplan-Yorke dimension; none where too few exponents are known.
    pub fn kaplan_yorke(&self) -> Option<Estimate> {
        jackknife_one(self.rates.view(), |rates| kaplan_yorke(rates, self.dim))
    }

    /// The time in which small errors double, ln 2 / l_1, in model time; none unless the leading exponent is positive.
    pub fn doubling_time(&self) -> Option<Estimate> {
        let leading = self.leading()?;
        let surely = leading.se.is_some_and(|se| leading.value > SURE * se);
        let time = |rates: &[f64]| vec![std::f64::consts::LN_2 / rates.iter().copied().fold(f64::NAN, f64::max)];
        surely.then(|| jackknife(self.rates.view(), time)[0])
    }

    /// The largest exponent.
    pub fn leading(&self) -> Option<Estimate> {
        self.exponents().into_iter().next().filter(|leading| leading.value.is_finite())
    }

    /// How many exponents are above 0 by more than three standard errors, and by more than 2 / time, which a direction
    /// that neither grows nor shrinks may show. None where every known one is.
    pub fn positive(&self) -> Option<usize> {
        let exponents = self.exponents();
        let sure =
            |estimate: &&Estimate| estimate.se.is_some_and(|se| estimate.value > (SURE * se).max(SWAY / self.time));
        let count = exponents.iter().filter(sure).count();
        (count < exponents.len() || count == self.dim).then_some(count)
    }
}

/// The leading exponents along trajectories that go on from `start` (`[trajectory, component]`, on the attractor) at
/// lead step `first`. `dt` is the length of a lead step; noise is that of `key`, as in [`Forecaster::advance`]. After
/// each lead step `progress` is told how many are done, and of how many.
///
/// # Errors
/// When the forecaster's derivative is not known, or it cannot run.
pub fn lyapunov(
    forecaster: &dyn Forecaster,
    dt: f64,
    start: Array2<f64>,
    first: usize,
    run: &TangentRun,
    key: Key,
    mut progress: impl FnMut(usize, usize),
) -> Result<Lyapunov> {
    let Some(model) = forecaster.differentiable() else {
        return Err(Error::Unsupported("the derivative of the system's lead step is not known".into()));
    };
    let (dim, every) = (forecaster.dim(), run.every.max(1));
    let (forget, rounds) = (run.forget.div_ceil(every), run.steps.div_ceil(every).max(1));
    let mut vectors = Vectors::new(start.nrows(), dim, run.exponents.clamp(1, dim), key);
    let mut x = start;
    let mut sum = Array2::zeros((x.nrows(), vectors.0.len()));
    for round in 0..forget + rounds {
        for step in round * every..(round + 1) * every {
            x = vectors.advance(model, first + step, x, key)?;
            progress(step + 1, (forget + rounds) * every);
        }
        let growth = vectors.orthonormalise();
        if round >= forget {
            sum += &growth;
        }
    }
    let time = (rounds * every) as f64 * dt;
    Ok(Lyapunov { rates: sum / time, time, dim })
}

/// The tangent vectors, `[trajectory, component]` for each exponent: members of one call are different trajectories, so
/// that each draws the noise of its own.
struct Vectors(Vec<Array2<f64>>);

impl Vectors {
    /// Orthonormal vectors in random directions.
    fn new(trajectories: usize, dim: usize, count: usize, key: Key) -> Self {
        let key = key.purpose(Purpose::TangentVector);
        let mut vectors = Self((0..count).map(|j| key.case(j as u64).normals(trajectories, dim)).collect());
        vectors.orthonormalise();
        vectors
    }

    /// One lead step of all vectors along the trajectories from `x`; returns where those are then.
    fn advance(&mut self, model: &dyn Differentiable, k: usize, x: Array2<f64>, key: Key) -> Result<Array2<f64>> {
        let step = |vector: &mut Array2<f64>| {
            let (next, moved) = model.tangent(k, x.view(), vector.view(), key)?;
            *vector = moved;
            Ok(next)
        };
        let next: Result<Vec<Array2<f64>>> = self.0.par_iter_mut().map(step).collect();
        Ok(next?.swap_remove(0))
    }

    /// Makes the vectors of each trajectory orthonormal; ln of their lengths before, `[trajectory, exponent]`.
    fn orthonormalise(&mut self) -> Array2<f64> {
        let (trajectories, dim) = self.0.first().map_or((0, 0), Array2::dim);
        let one = |trajectory: usize| {
            let mut rows = Array2::zeros((self.0.len(), dim));
            rows.outer_iter_mut().zip(&self.0).for_each(|(mut row, all)| row.assign(&all.row(trajectory)));
            let lengths = orthonormalise(&mut rows);
            (rows, lengths)
        };
        let done: Vec<_> = (0..trajectories).into_par_iter().map(one).collect();
        let mut growth = Array2::zeros((trajectories, self.0.len()));
        for (trajectory, (rows, lengths)) in done.into_iter().enumerate() {
            for (j, row) in rows.axis_iter(Axis(0)).enumerate() {
                self.0[j].row_mut(trajectory).assign(&row);
                growth[[trajectory, j]] = lengths[j].ln();
            }
        }
        growth
    }
}
