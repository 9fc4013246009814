//! The autocorrelation rho(tau) = c(tau) / c(0), with c(tau) = mean_i E[(x_i(t) - m_i) (x_i(t + tau) - m_i)] / s_i^2 over
//! components i, and the decorrelation time: the first lag at which rho is below 1 / e, between lags by a straight line.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::climate::component_means;
use super::estimate::{Estimate, jackknife, jackknife_one};
use super::samples::some_components;

/// An autocorrelation function.
#[derive(Clone, Debug)]
pub struct Autocorrelation {
    /// Lags in model time, from 0 on; every lead step at first, then ever sparser.
    pub lags: Vec<f64>,
    /// rho at each lag.
    pub values: Vec<Estimate>,
    /// The decorrelation time in model time; none where rho stays above 1 / e at all lags.
    pub decorrelation_time: Option<Estimate>,
}

/// From samples `[time, component]`, up to half of their length; of at most 64 components, evenly spread.
pub(super) fn autocorrelation(samples: &[ArrayView2<f64>], dt: f64) -> Autocorrelation {
    let lags = lags(samples.first().map_or(0, ArrayView2::nrows) / 2);
    let (centre, dim) = (component_means(samples), samples.first().map_or(0, ArrayView2::ncols));
    let chosen = some_components(dim);
    let variance: Vec<f64> = chosen.iter().map(|&i| variance(samples, i, centre[i])).collect();
    let row = |sample: &ArrayView2<f64>| {
        let mut row = vec![0.0; lags.len()];
        for (&i, variance) in chosen.iter().zip(&variance).filter(|(_, variance)| **variance > 0.0) {
            let series: Vec<f64> = sample.column(i).iter().map(|x| x - centre[i]).collect();
            row.iter_mut().zip(&lags).for_each(|(cell, &lag)| *cell += lagged(&series, lag) / variance);
        }
        row
    };
    let rows: Vec<Vec<f64>> = samples.par_iter().map(row).collect();
    let statistics = Array2::from_shape_fn((samples.len(), lags.len()), |(sample, lag)| rows[sample][lag]);
    let values = jackknife(statistics.view(), |c| c.iter().map(|value| value / c[0]).collect());
    let lags: Vec<f64> = lags.iter().map(|&lag| lag as f64 * dt).collect();
    let decorrelation_time = jackknife_one(statistics.view(), |c| first_below(&lags, c, c[0] / std::f64::consts::E));
    Autocorrelation { lags, values, decorrelation_time }
}

/// All lags up to 32, then steps of a sixteenth, up to `longest`.
fn lags(longest: usize) -> Vec<usize> {
    std::iter::successors(Some(0), |lag| Some(lag + 1 + lag / 32)).take_while(|lag| *lag <= longest).collect()
}

fn variance(samples: &[ArrayView2<f64>], component: usize, centre: f64) -> f64 {
    let squares = |sample: &ArrayView2<f64>| {
        let sum: f64 = sample.column(component).iter().map(|x| (x - centre).powi(2)).sum();
        sum / sample.nrows() as f64
    };
    samples.iter().map(squares).sum::<f64>() / samples.len() as f64
}

/// The mean product of a series with itself `lag` later.
fn lagged(series: &[f64], lag: usize) -> f64 {
    let products: f64 = series.iter().zip(&series[lag..]).map(|(a, b)| a * b).sum();
    products / (series.len() - lag) as f64
}

/// Where values given at `lags` first fall below `level`.
fn first_below(lags: &[f64], values: &[f64], level: f64) -> Option<f64> {
    let after = values.iter().position(|value| *value < level)?;
    let before = after.checked_sub(1)?;
    let share = (values[before] - level) / (values[before] - values[after]);
    Some(lags[before] + share * (lags[after] - lags[before]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_start_dense_and_reach_the_end() {
        let lags = lags(1000);
        assert_eq!(lags[..40].to_vec(), [(0..=32).collect::<Vec<_>>(), vec![34, 36, 38, 40, 42, 44, 46]].concat());
        assert!(lags.len() < 160 && *lags.last().unwrap() > 960);
    }

    #[test]
    fn a_crossing_is_found_between_lags() {
        assert_eq!(first_below(&[0.0, 1.0, 3.0], &[1.0, 0.5, 0.1], 0.3), Some(2.0));
        assert_eq!(first_below(&[0.0, 1.0], &[1.0, 0.5], 0.3), None);
    }
}
