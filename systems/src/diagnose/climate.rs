//! The climate of a system: time mean m_i and standard deviation s_i of each component; and pooled, the mean of the m_i
//! and the root of the mean of the s_i^2, which is the rmse of the constant forecast m.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::estimate::{Estimate, jackknife};

/// Means and standard deviations.
#[derive(Clone, Debug)]
pub struct ClimateEstimate {
    /// The mean over time and components.
    pub mean: Estimate,
    /// The root of the mean over components of the variance in time.
    pub sd: Estimate,
    /// The mean of each component.
    pub component_means: Vec<Estimate>,
    /// The standard deviation of each component.
    pub component_sds: Vec<Estimate>,
}

/// The mean of each component over all samples (`[time, component]` each, of equal length).
pub(super) fn component_means(samples: &[ArrayView2<f64>]) -> Array1<f64> {
    let dim = samples.first().map_or(0, ArrayView2::ncols);
    let sum = samples.iter().filter_map(|sample| sample.mean_axis(Axis(0)));
    sum.fold(Array1::zeros(dim), |sum, mean| sum + mean) / samples.len() as f64
}

/// From samples `[time, component]`.
pub(super) fn climate(samples: &[ArrayView2<f64>]) -> ClimateEstimate {
    let centre = component_means(samples);
    let dim = centre.len();
    // of the deviations from the overall mean, so that squares do not cancel
    let mut statistics = Array2::zeros((samples.len(), 2 * dim));
    for (sample, mut row) in samples.iter().zip(statistics.outer_iter_mut()) {
        let share = 1.0 / sample.nrows() as f64;
        for state in sample.outer_iter() {
            for (i, (x, centre)) in state.iter().zip(&centre).enumerate() {
                let deviation = x - centre;
                row[i] += share * deviation;
                row[dim + i] += share * deviation * deviation;
            }
        }
    }
    let sd =
        |m: &[f64]| (0..dim).map(|i| (m[dim + i] - m[i] * m[i]).max(0.0)).chain([0.0]).take(dim).collect::<Vec<_>>();
    let middle = centre.sum() / dim as f64;
    let pooled = |m: &[f64]| {
        let mean = middle + m[..dim].iter().sum::<f64>() / dim as f64;
        vec![mean, (sd(m).iter().sum::<f64>() / dim as f64).sqrt()]
    };
    let mut component_means = jackknife(statistics.view(), |m| m[..dim].to_vec());
    component_means.iter_mut().zip(&centre).for_each(|(mean, centre)| mean.value += centre);
    let component_sds = jackknife(statistics.view(), |m| sd(m).iter().map(|variance| variance.sqrt()).collect());
    let pooled = jackknife(statistics.view(), pooled);
    ClimateEstimate { mean: pooled[0], sd: pooled[1], component_means, component_sds }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Domain, Key};

    #[test]
    fn of_independent_normals_it_is_known() {
        let draws = Key::new(5, Domain::Score).normals(64, 1000) * 3.0 + 1e4;
        let samples: Vec<_> = draws.outer_iter().map(|row| row.into_shape_with_order((500, 2)).unwrap()).collect();
        let ClimateEstimate { mean, sd, component_means, component_sds } = climate(&samples);
        let n = draws.len() as f64;
        for (found, value, se) in [(mean, 1e4, 3.0 / n.sqrt()), (sd, 3.0, 3.0 / (2.0 * n).sqrt())] {
            assert!((found.value - value).abs() < 4.0 * se && (found.se.unwrap() / se - 1.0).abs() < 0.4, "{found:?}");
        }
        assert!(component_means[1].z(1e4) < 4.0 && component_sds[1].z(3.0) < 4.0);
    }
}
