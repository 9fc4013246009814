//! The marginal likelihood of each value under each kernel, int p(y | u) N(u; c, v) du with u the component that the value reads,
//! or its prediction: in closed form for linear values with Gaussian errors, and by sums over evenly spaced nodes otherwise.
//!
//! Predictions have kernels of their own, centres mean + sqrt(1 - b) (h(x_i) - mean) and b times their variance.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::kernels::Kernels;
use crate::ensemble::{weighted_mean, weighted_variance};
use crate::method::ensemble::qceff::Readings;

/// Nodes on either side of a centre.
const NODES: i32 = 40;

/// How many standard deviations away the last of them is.
const REACH: f64 = 4.5;

/// log int p(y_j | u) N(u; c_i, v) du, `[present, member]`, up to a constant of each value.
pub(super) fn of_kernels(readings: &Readings, kernels: &Kernels) -> Array2<f64> {
    let members = kernels.centres.nrows();
    let mut out = Array2::zeros((readings.index().len(), members));
    out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(j, mut row)| {
        let (centres, variance) = match readings.components()[j] {
            Some(component) => {
                (kernels.centres.column(component).to_owned(), kernels.covariance[(component, component)])
            }
            None => {
                let predicted = readings.predicted().slice_move(ndarray::s![.., j..=j]);
                let mean = weighted_mean(predicted, None)[0];
                let shrink = (1.0 - kernels.bandwidth).sqrt();
                let centres = predicted.column(0).mapv(|h| mean + shrink * (h - mean));
                (centres, kernels.bandwidth * weighted_variance(predicted, None)[0])
            }
        };
        row.iter_mut().zip(&centres).for_each(|(log, &centre)| *log = of_value(readings, j, centre, variance));
    });
    out
}

fn of_value(readings: &Readings, j: usize, centre: f64, variance: f64) -> f64 {
    if let Some(linear) = readings.linear(j) {
        let s = linear.slope * linear.slope * variance + linear.variance;
        let residual = linear.value - linear.slope * centre;
        return -0.5 * (residual * residual / s + s.ln());
    }
    Moments::of(centre, variance, |u| readings.log_likelihood(j, u)).log_total
}

/// The product of a likelihood with N(centre, variance).
pub(super) struct Moments {
    /// log of its integral; -inf where the likelihood is 0 at all nodes.
    pub log_total: f64,
    /// The mean of it less the centre; 0 where there is none.
    pub shift: f64,
}

impl Moments {
    /// By evenly spaced nodes.
    pub fn of(centre: f64, variance: f64, log_likelihood: impl Fn(f64) -> f64) -> Self {
        let sd = variance.sqrt();
        let per = REACH / f64::from(NODES);
        // sums relative to the largest term so far
        let (mut top, mut total, mut first) = (f64::NEG_INFINITY, 0.0, 0.0);
        for k in -NODES..=NODES {
            let z = per * f64::from(k);
            let log = log_likelihood(centre + sd * z) - 0.5 * z * z;
            if log > top {
                let scale = (top - log).exp();
                (total, first, top) = (total * scale + 1.0, first * scale + z, log);
            } else if log > f64::NEG_INFINITY {
                let p = (log - top).exp();
                (total, first) = (total + p, first + p * z);
            }
        }
        if total == 0.0 {
            return Self { log_total: f64::NEG_INFINITY, shift: 0.0 };
        }
        let log_normal = per.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
        Self { log_total: top + total.ln() + log_normal, shift: sd * first / total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_nodes_are_the_gaussian_integral_and_its_mean() {
        let (centre, variance, y, r) = (0.7, 1.3, 2.0, 0.3);
        let normal = |x: f64| -0.5 * ((y - x) * (y - x) / r + (2.0 * std::f64::consts::PI * r).ln());
        let found = Moments::of(centre, variance, normal);
        let s: f64 = variance + r;
        let exact = -0.5 * ((y - centre) * (y - centre) / s + (2.0 * std::f64::consts::PI * s).ln());
        assert!((found.log_total - exact).abs() < 1e-4, "{} {exact}", found.log_total);
        assert!((found.shift - variance / s * (y - centre)).abs() < 1e-3);
        let nothing = Moments::of(centre, variance, |_| f64::NEG_INFINITY);
        assert!(nothing.log_total == f64::NEG_INFINITY && nothing.shift == 0.0);
    }
}
