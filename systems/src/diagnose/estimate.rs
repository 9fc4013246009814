//! Numbers with their standard errors. Every diagnostic is theta = f(m), with m the mean over n independent samples of a
//! vector of statistics; its standard error is the jackknife's (Quenouille 1956; Tukey 1958; Efron 1982):
//! se^2 = (n - 1) / n sum_i (theta_i - mean theta)^2, with theta_i = f(the mean without sample i). For a linear f that
//! is the usual sd / sqrt(n).

use ndarray::{ArrayView2, Axis};

/// A number that was estimated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error over the samples; none from a single sample.
    pub se: Option<f64>,
    /// How many independent samples (trajectories, or blocks of one) it comes from.
    pub n: usize,
}

impl Estimate {
    /// How many standard errors lie between it and `expected`; infinite where the error is not known.
    pub fn z(&self, expected: f64) -> f64 {
        self.se.map_or(f64::INFINITY, |se| (self.value - expected).abs() / se)
    }
}

/// The values f(m) and their standard errors, from `samples` `[sample, statistic]`.
pub(super) fn jackknife(samples: ArrayView2<f64>, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<Estimate> {
    let n = samples.nrows();
    let sum = samples.sum_axis(Axis(0)).to_vec();
    let whole = f(&sum.iter().map(|sum| sum / n as f64).collect::<Vec<_>>());
    let without = |row: ndarray::ArrayView1<f64>| {
        let mean: Vec<f64> = sum.iter().zip(row).map(|(sum, x)| (sum - x) / (n - 1) as f64).collect();
        f(&mean)
    };
    let left_out: Vec<Vec<f64>> = if n > 1 { samples.outer_iter().map(without).collect() } else { Vec::new() };
    let one = |(index, value): (usize, f64)| {
        let thetas = || left_out.iter().map(|thetas| thetas[index]);
        let mean = thetas().sum::<f64>() / n as f64;
        let squares: f64 = thetas().map(|theta| (theta - mean).powi(2)).sum();
        let se = (n > 1).then(|| (squares * (n - 1) as f64 / n as f64).sqrt()).filter(|se| se.is_finite());
        Estimate { value, se, n }
    };
    whole.into_iter().enumerate().map(one).collect()
}

/// One value f(m) and its standard error; none where f is not defined there.
pub(super) fn jackknife_one(samples: ArrayView2<f64>, f: impl Fn(&[f64]) -> Option<f64>) -> Option<Estimate> {
    let all = jackknife(samples, |mean| vec![f(mean).unwrap_or(f64::NAN)]);
    all.into_iter().next().filter(|estimate| estimate.value.is_finite())
}

/// The mean of each statistic.
pub(super) fn means(samples: ArrayView2<f64>) -> Vec<Estimate> {
    jackknife(samples, <[f64]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn of_a_mean_it_is_the_usual_standard_error() {
        let samples = array![[1.0], [2.0], [4.0], [9.0]];
        let variance = (9.0 + 4.0 + 0.0 + 25.0) / 3.0;
        let [mean] = means(samples.view())[..] else { panic!("one statistic") };
        assert!((mean.value - 4.0).abs() < 1e-15 && mean.n == 4);
        assert!((mean.se.unwrap() - f64::sqrt(variance / 4.0)).abs() < 1e-14);
        assert_eq!(means(array![[3.0]].view())[0], Estimate { value: 3.0, se: None, n: 1 });
    }

    #[test]
    fn of_a_product_it_is_the_delta_methods_to_first_order() {
        let draws = crate::Key::new(3, crate::Domain::Score).normals(4000, 2) + 10.0;
        let found = jackknife_one(draws.view(), |m| Some(m[0] * m[1])).unwrap();
        let expected = (200.0f64 / 4000.0).sqrt();
        assert!(found.z(100.0) < 4.0 && (found.se.unwrap() / expected - 1.0).abs() < 0.05, "{found:?}");
    }
}
