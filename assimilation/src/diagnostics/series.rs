//! Means over time, with standard errors that allow for autocorrelation.
//!
//! Of a stationary series x_1 ... x_n with autocovariances c_k the mean has variance v / n, v = c_0 + 2 sum_k c_k. The
//! sum is cut by the initial positive sequence: v = -c_0 + 2 sum_m (c_2m + c_2m+1) over the first m whose pairs are
//! positive (Geyer 1992). n c_0 / v is the number of independent values.

use ndarray::Array1;
use scorecast_systems::Estimate;

/// The mean of a series in time, with its standard error; values that are not finite are left out.
pub fn time_mean(series: &[f64]) -> Estimate {
    let series: Vec<f64> = series.iter().copied().filter(|value| value.is_finite()).collect();
    let n = series.len();
    let value = series.iter().sum::<f64>() / n as f64;
    if n < 2 {
        return Estimate { value, se: None, n };
    }
    let centred: Vec<f64> = series.iter().map(|x| x - value).collect();
    let c = |lag: usize| centred.iter().zip(&centred[lag..]).map(|(a, b)| a * b).sum::<f64>() / n as f64;
    let variance = c(0);
    let pairs = (0..n / 2).map(|m| c(2 * m) + c(2 * m + 1)).take_while(|pair| *pair > 0.0).sum::<f64>();
    let v = 2.0 * pairs - variance;
    // a series that alternates may leave nothing; then it counts as independent
    let v = if v > 0.0 { v } else { variance };
    let independent = if v > 0.0 { (n as f64 * variance / v).round().max(1.0) as usize } else { n };
    Estimate { value, se: Some((v / n as f64).sqrt()), n: independent }
}

/// One number for each observed value and each time; NaN where a value was missing.
#[derive(Clone, Debug, std::default::Default)]
pub struct Series {
    rows: Vec<Array1<f64>>,
}

impl Series {
    pub(super) fn push(&mut self, row: Array1<f64>) {
        self.rows.push(row);
    }

    /// The number of times.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no time yet.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of observed values at each time; 0 before the first.
    pub fn observed(&self) -> usize {
        self.rows.first().map_or(0, Array1::len)
    }

    /// The mean over time for each observed value, `[observed]`.
    pub fn each(&self) -> Vec<Estimate> {
        let one = |i: usize| time_mean(&self.rows.iter().map(|row| row[i]).collect::<Vec<_>>());
        (0..self.observed()).map(one).collect()
    }

    /// The mean over time of the mean over the values that are present.
    pub fn all(&self) -> Estimate {
        let mean = |row: &Array1<f64>| {
            let (sum, count) = row.iter().filter(|x| x.is_finite()).fold((0.0, 0), |(sum, n), x| (sum + x, n + 1));
            sum / f64::from(count)
        };
        time_mean(&self.rows.iter().map(mean).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::{Domain, Key};

    use super::*;

    #[test]
    fn the_standard_error_of_an_ar1_series_is_that_of_its_autocorrelation() {
        for rho in [0.0, 0.8, -0.5] {
            let n = 40_000;
            let mut stream = Key::new(1, Domain::Score).stream(0);
            let mut x = 0.0;
            let series: Vec<f64> = (0..n)
                .map(|_| {
                    x = rho * x + stream.normal();
                    x + 3.0
                })
                .collect();
            let found = time_mean(&series);
            // v = 1 / (1 - rho)^2; the estimate of v over this length is good to some percent
            let exact = 1.0 / ((1.0 - rho) * (n as f64).sqrt());
            assert!((found.se.unwrap() / exact - 1.0).abs() < 0.15, "{rho}: {found:?} for {exact}");
            assert!(found.z(3.0) < 4.0, "{rho}: {found:?}");
            let independent = n as f64 * (1.0 - rho) / (1.0 + rho);
            assert!((found.n as f64 / independent - 1.0).abs() < 0.3, "{rho}: {found:?} for {independent}");
        }
    }

    #[test]
    fn missing_values_are_left_out() {
        let mut series = Series::default();
        [array![1.0, f64::NAN], array![3.0, 7.0], array![f64::NAN, f64::NAN]]
            .into_iter()
            .for_each(|row| series.push(row));
        let each = series.each();
        assert_eq!((each[0].value, each[1].value, each[1].se), (2.0, 7.0, None));
        assert_eq!(series.all().value, 3.0);
        assert_eq!((time_mean(&[]).se, time_mean(&[2.0; 5]).se), (None, Some(0.0)));
    }
}
