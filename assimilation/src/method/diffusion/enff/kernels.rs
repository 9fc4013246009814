//! The flow of [`super`]: kernels on straight paths, and where a point of them ends given the observations.

use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::error::Result;
use crate::linalg::Cholesky;
use crate::method::diffusion::by_component::ScoreByComponent;
use crate::method::particle::weights::normalise;
use crate::observations::ObservationSet;

/// Kernels between two ensembles, in units of the forecast's sd about its mean.
pub(super) struct Kernels<'a> {
    /// c_n, `[member, component]`.
    pub(super) to: Array2<f64>,
    /// r_n, `[member, component]`; 0 where paths come from N(0, I).
    pub(super) from: Option<Array2<f64>>,
    /// b^2.
    pub(super) width: f64,
    /// q^2.
    pub(super) source: f64,
    pub(super) values: Values<'a>,
    /// Whether the weights of kernels are those given y.
    pub(super) posterior: bool,
}

impl Kernels<'_> {
    /// The point of time 1 of a path that is at `z` (`[component]`) at time 0.
    pub(super) fn flow(&self, mut z: Array1<f64>, steps: usize) -> Result<Array1<f64>> {
        let dt = 1.0 / steps as f64;
        for step in 0..steps {
            // the midpoint rule, which never asks for the velocity of time 1
            let (t, middle) = (step as f64 * dt, (step as f64 + 0.5) * dt);
            let end = self.end(z.view(), t)?;
            let ahead = &z + &((end - &z) * (0.5 * dt / (1.0 - t)));
            let end = self.end(ahead.view(), middle)?;
            z += &((end - ahead) * (dt / (1.0 - middle)));
        }
        Ok(z)
    }

    /// `E[x_1 | z, y]`, `[component]`.
    fn end(&self, z: ArrayView1<f64>, t: f64) -> Result<Array1<f64>> {
        let s = (1.0 - t) * (1.0 - t) * self.source + t * t * self.width;
        let (gain, variance) = (t * self.width / s, self.width * self.source * (1.0 - t) * (1.0 - t) / s);
        let away = |n: usize| {
            let mut away = &z - &(&self.to.row(n) * t);
            if let Some(from) = &self.from {
                away.scaled_add(t - 1.0, &from.row(n));
            }
            away
        };
        let mut log_weights: Array1<f64> = (0..self.to.nrows())
            .map(|n| {
                let away = away(n);
                -0.5 * away.dot(&away) / s
            })
            .collect();
        let linear = self.values.linear(variance)?;
        let ends = |n: usize| {
            let mut end = away(n) * gain + self.to.row(n);
            self.values.update(&mut end, variance, linear.as_ref()).map(|tilt| (end, tilt))
        };
        let mut mean = Array1::zeros(z.len());
        if self.posterior {
            let (mut all, mut tilts) = (Vec::new(), Vec::new());
            for n in 0..self.to.nrows() {
                let (end, tilt) = ends(n)?;
                all.push(end);
                tilts.push(tilt);
            }
            log_weights += &Array1::from(tilts);
            normalise(&mut log_weights);
            all.iter().zip(&log_weights).for_each(|(end, log_weight)| mean.scaled_add(log_weight.exp(), end));
            return Ok(mean);
        }
        normalise(&mut log_weights);
        for (n, log_weight) in log_weights.iter().enumerate() {
            // kernels so far away that they do not count cost nothing
            if *log_weight > -40.0 {
                mean.scaled_add(log_weight.exp(), &ends(n)?.0);
            }
        }
        Ok(mean)
    }

    /// log p(y | n) of each kernel at time 1, normalised, `[member]`.
    pub(super) fn log_weights(&self) -> Result<Array1<f64>> {
        let linear = self.values.linear(self.width)?;
        let tilt = |centre: ArrayView1<f64>| self.values.update(&mut centre.to_owned(), self.width, linear.as_ref());
        let tilts: Result<Vec<f64>> = self.to.outer_iter().map(tilt).collect();
        let mut log_weights = Array1::from(tilts?);
        normalise(&mut log_weights);
        Ok(log_weights)
    }
}

/// What was observed, of states in units of `sd` about `mean`, `[component]`.
pub(super) struct Values<'a> {
    pub(super) observed: ObservationSet<'a>,
    /// Value by value, where each reads one component and has an error of its own.
    pub(super) single: Option<ScoreByComponent<'a>>,
    pub(super) mean: Array1<f64>,
    pub(super) sd: Array1<f64>,
}

/// A linear h in these units, and the factor of the covariance of y about it: one for all states of one variance.
struct LinearValues {
    /// `[present, component]`.
    matrix: Array2<f64>,
    total: Cholesky,
    /// y - h(mean), `[present]`.
    innovation: Array1<f64>,
}

impl Values<'_> {
    /// What all states of this variance share; none where values go one by one, or h is not linear.
    fn linear(&self, variance: f64) -> Result<Option<LinearValues>> {
        if self.single.is_some() || !self.observed.operator.is_linear() {
            return Ok(None);
        }
        self.tangent(&Array1::zeros(self.mean.len()), variance).map(Some)
    }

    /// h's tangent at `x`.
    fn tangent(&self, x: &Array1<f64>, variance: f64) -> Result<LinearValues> {
        let state = &self.mean + &(x * &self.sd);
        let present = self.observed.restrict(state.view().insert_axis(Axis(0)))?;
        let matrix = self.observed.jacobian(state.view()) * &self.sd;
        let mut total = matrix.dot(&matrix.t()) * variance;
        present.add_covariance(&mut total);
        let innovation = &present.values - &present.predicted.row(0);
        Ok(LinearValues { total: Cholesky::new(total.view())?, matrix, innovation })
    }

    /// The mean of N(`x`, `variance` I) given y, in place of `x`, with h replaced by its tangent at `x`; returns log p(y) up to
    /// a constant. `linear` is what [`Values::linear`] says of this variance.
    fn update(&self, x: &mut Array1<f64>, variance: f64, linear: Option<&LinearValues>) -> Result<f64> {
        if let Some(single) = &self.single {
            return Ok(self.update_by_value(single, x, variance));
        }
        if let Some(linear) = linear {
            let innovation = &linear.innovation - &linear.matrix.dot(x);
            return Ok(linear.update(&innovation, x, variance));
        }
        let tangent = self.tangent(x, variance)?;
        Ok(tangent.update(&tangent.innovation, x, variance))
    }

    fn update_by_value(&self, single: &ScoreByComponent, x: &mut Array1<f64>, variance: f64) -> f64 {
        let mut h: Vec<f64> = single.reads.iter().map(|&i| self.mean[i] + self.sd[i] * x[i]).collect();
        let mut slope = vec![0.0; h.len()];
        single.of.linearize(single.time, 0, &mut h, &mut slope);
        let mut log = 0.0;
        for (j, &i) in single.reads.iter().enumerate().filter(|(j, _)| single.precision[*j] > 0.0) {
            // where the slope is not finite nothing is learned but how likely it is
            let slope = if slope[j].is_finite() { slope[j] * self.sd[i] } else { 0.0 };
            let (innovation, total) = (single.values[j] - h[j], 1.0 / single.precision[j] + slope * slope * variance);
            x[i] += variance * slope * innovation / total;
            log -= 0.5 * (innovation * innovation / total + total.ln());
        }
        log
    }
}

impl LinearValues {
    /// [`Values::update`] by y - h(x).
    fn update(&self, innovation: &Array1<f64>, x: &mut Array1<f64>, variance: f64) -> f64 {
        let weighted = self.total.solve(innovation);
        x.scaled_add(variance, &self.matrix.t().dot(&weighted));
        -0.5 * (innovation.dot(&weighted) + self.total.log_det())
    }
}
