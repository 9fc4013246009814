//! Moments of an ensemble: weighted mean and variance, anomalies, covariance.

use ndarray::{Array1, Array2, ArrayView2, Zip};
use scorecast_systems::wide;

pub use crate::linalg::all_finite;

/// Variance of h(x), in variances of its error, above which products of anomalies lose the digits of R: the singular values
/// of the anomalies themselves keep them.
const WIDEST: f64 = 1e6;

/// Whether a variance of h(x) takes the digits of an error variance r. What is not finite is not wide either: it is found
/// out as such.
pub(crate) fn is_wider(variance: f64, r: f64) -> bool {
    variance > WIDEST * r && variance.is_finite()
}

/// Whether some column of Z = Y R^-1/2 / sqrt(N - 1) (`[member, present]`) [`is_wider`] than its error.
pub(crate) fn is_wide(z: &Array2<f64>) -> bool {
    let mut squares = Array1::<f64>::zeros(z.ncols());
    z.outer_iter().for_each(|row| squares.zip_mut_with(&row, |sum, z| *sum += z * z));
    squares.iter().any(|variance| is_wider(*variance, 1.0))
}

/// The weighted mean of the rows of `x`; equal weights if none are given.
pub fn weighted_mean(x: ArrayView2<f64>, weights: Option<&Array1<f64>>) -> Array1<f64> {
    if let Some(weights) = weights {
        return weights.dot(&x);
    }
    let mut sum = Array1::zeros(x.ncols());
    match (x.as_slice(), sum.as_slice_mut()) {
        (Some(rows), Some(sum)) => add_rows(rows, sum),
        _ => x.outer_iter().for_each(|row| sum += &row),
    }
    // NaN without a row
    let count = x.nrows() as f64;
    sum.mapv_inplace(|total| total / count);
    sum
}

/// The unbiased weighted variance of each column: sum w (x - m)^2 / (1 - sum w^2); 0 where one member has all the weight.
pub fn weighted_variance(x: ArrayView2<f64>, weights: Option<&Array1<f64>>) -> Array1<f64> {
    variance_about(x, weights, &weighted_mean(x, weights))
}

/// The unbiased weighted variance of each column about a mean that is known already.
pub(crate) fn variance_about(x: ArrayView2<f64>, weights: Option<&Array1<f64>>, mean: &Array1<f64>) -> Array1<f64> {
    let equal = 1.0 / x.nrows() as f64;
    let weight = |member: usize| weights.map_or(equal, |w| w[member]);
    let mut sum = Array1::zeros(x.ncols());
    match (x.as_slice(), mean.as_slice(), sum.as_slice_mut()) {
        (Some(rows), Some(mean), Some(sum)) if !mean.is_empty() => {
            let rows = rows.chunks_exact(mean.len()).enumerate();
            rows.for_each(|(member, row)| add_squares(weight(member), row, mean, sum));
        }
        _ => x.outer_iter().enumerate().for_each(|(member, row)| {
            let weight = weight(member);
            Zip::from(&mut sum).and(row).and(mean).for_each(|total, value, centre| {
                *total += weight * (value - centre) * (value - centre);
            });
        }),
    }
    let squares: f64 = (0..x.nrows()).map(|member| weight(member) * weight(member)).sum();
    match weights {
        Some(weights) if unbiased_share(weights) == 0.0 => sum * 0.0,
        _ => sum / (1.0 - squares),
    }
}

/// 1 - sum w^2 of normalised weights, by which a weighted variance is unbiased; 0 where one member has all the weight.
pub fn unbiased_share(weights: &Array1<f64>) -> f64 {
    let rest = 1.0 - weights.dot(weights);
    if rest <= 1e-12 { 0.0 } else { rest }
}

/// The mean of the rows `[component]` and the rows minus it `[member, component]`.
pub fn anomalies(x: ArrayView2<f64>, weights: Option<&Array1<f64>>) -> (Array1<f64>, Array2<f64>) {
    let mean = weighted_mean(x, weights);
    let mut centred = x.to_owned();
    match (centred.as_slice_mut(), mean.as_slice()) {
        (Some(rows), Some(mean)) if !mean.is_empty() => rows
            .chunks_exact_mut(mean.len())
            .for_each(|row| row.iter_mut().zip(mean).for_each(|(value, centre)| *value -= centre)),
        _ => centred -= &mean,
    }
    (mean, centred)
}

/// Takes the mean off some numbers and returns it.
pub(crate) fn centre(x: &mut [f64]) -> f64 {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    x.iter_mut().for_each(|value| *value -= mean);
    mean
}

/// The unbiased weighted covariance of rows: sum w (x - m)(x - m)^T / (1 - sum w^2), `[component, component]`.
pub fn covariance(x: ArrayView2<f64>, weights: Option<&Array1<f64>>) -> Array2<f64> {
    covariance_of(&anomalies(x, weights).1, weights)
}

/// The unbiased weighted covariance of anomalies, `[member, component]`.
pub(crate) fn covariance_of(centred: &Array2<f64>, weights: Option<&Array1<f64>>) -> Array2<f64> {
    match weights {
        None => centred.t().dot(centred) / (centred.nrows() as f64 - 1.0),
        Some(weights) => {
            let weighted = centred * &weights.view().insert_axis(ndarray::Axis(1));
            let covariance = weighted.t().dot(centred);
            match unbiased_share(weights) {
                0.0 => covariance * 0.0,
                rest => covariance / rest,
            }
        }
    }
}

wide! {
    /// sum += each of the rows.
    fn add_rows(rows: &[f64], sum: &mut [f64]) {
        for row in rows.chunks_exact(sum.len().max(1)) {
            sum.iter_mut().zip(row).for_each(|(total, value)| *total += value);
        }
    }
}

wide! {
    /// sum += weight (row - mean)^2.
    fn add_squares(weight: f64, row: &[f64], mean: &[f64], sum: &mut [f64]) {
        for ((total, value), centre) in sum.iter_mut().zip(row).zip(mean) {
            *total += weight * (value - centre) * (value - centre);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn one_member_with_all_the_weight_has_no_spread_and_others_the_unbiased_one() {
        let x = array![[1.0, 5.0], [3.0, -1.0], [4.0, 2.0]];
        for alone in [array![0.0, 1.0, 0.0], array![1e-17, 1.0, 1e-300]] {
            assert_eq!(weighted_variance(x.view(), Some(&alone)), array![0.0, 0.0]);
            let (_, a) = anomalies(x.view(), Some(&alone));
            assert_eq!(covariance_of(&a, Some(&alone)), Array2::zeros((2, 2)));
            assert_eq!(unbiased_share(&alone), 0.0);
        }
        // mean 2.25; (0.5 * 1.25^2 + 0.25 * .75^2 + 0.25 * 1.75^2) / (1 - 0.375)
        let found = weighted_variance(x.view(), Some(&array![0.5, 0.25, 0.25]));
        assert!((found[0] - 1.6875 / 0.625).abs() < 1e-14, "{found}");
    }
}
