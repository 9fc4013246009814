//! A value with its standard error: the delta method on the long-run variance.
//!
//! For a value f(mean terms), the linearised series u_t = grad f . terms_t has the same first-order variance of its
//! mean as f has; the gradient is a central difference.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::LongRun;
use crate::score::terms::Terms;

/// The value of a metric over a table of terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The value; none if any case or cluster diverged, or there is no case.
    pub value: Option<f64>,
    /// Its standard error, where it can be estimated.
    pub se: Option<f64>,
    /// What Student's t is over, for intervals; the standard error is no smaller.
    pub studentised: Option<f64>,
    /// Degrees of freedom of Student's t.
    pub dof: f64,
    /// The number of cases.
    pub n: usize,
    /// How many independent cases would have this standard error; none where there is none.
    pub effective: Option<f64>,
    /// g^2 / n of the skewness g of its errors, without what persists: from about .015 on they come in bursts, and the standard
    /// error of a run without one is too small.
    pub skew: Option<f64>,
    /// The number of clusters.
    pub clusters: usize,
    /// Cases that diverged.
    pub diverged_cases: usize,
    /// Clusters that diverged.
    pub diverged_clusters: usize,
}

impl Summary {
    /// The counts of a table, without a value.
    pub fn empty(terms: &Terms) -> Self {
        Self {
            value: None,
            se: None,
            studentised: None,
            dof: 0.0,
            n: terms.len(),
            effective: None,
            skew: None,
            clusters: terms.clusters(),
            diverged_cases: terms.diverged_cases(),
            diverged_clusters: terms.diverged_clusters(),
        }
    }

    /// The half width of the two-sided confidence interval at this level (such as .95), by Student's t.
    pub fn half_width(&self, level: f64) -> Option<f64> {
        let law = StudentsT::new(0.0, 1.0, self.dof).ok()?;
        Some(self.studentised? * law.inverse_cdf(0.5 + 0.5 * level))
    }
}

/// The value of `function` at the means of the terms, with its standard error.
pub fn summarise(terms: &Terms, function: &dyn Fn(&[f64]) -> f64) -> Summary {
    let mut summary = Summary::empty(terms);
    if terms.is_empty() || terms.diverged() {
        return summary;
    }
    let means = terms.means();
    summary.value = Some(function(&means)).filter(|value| value.is_finite());
    let gradient = gradient(&means, function);
    let linear: Vec<(usize, [f64; 1])> =
        terms.rows().map(|(cluster, _, row)| (cluster, [influence(&gradient, row, &means)])).collect();
    let long_run = LongRun::new(1, linear.iter().map(|(cluster, row)| (*cluster, &row[..])));
    summary.se = long_run.standard_error().filter(|se| se.is_finite() && summary.value.is_some());
    summary.studentised = summary.se.and(long_run.studentised());
    summary.dof = long_run.dof;
    summary.effective = summary.se.and(long_run.effective());
    summary.skew = summary.se.and(long_run.skew());
    summary
}

/// grad f . (row - means).
pub(super) fn influence(gradient: &[f64], row: &[f64], means: &[f64]) -> f64 {
    gradient.iter().zip(row).zip(means).map(|((g, x), m)| g * (x - m)).sum()
}

/// The gradient of `function` at `means` by central differences.
pub(super) fn gradient(means: &[f64], function: &dyn Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut at = means.to_vec();
    let mut gradient = Vec::with_capacity(means.len());
    for (i, mean) in means.iter().enumerate() {
        // the cube root of the machine's epsilon balances truncation and rounding
        let h = f64::EPSILON.cbrt() * mean.abs().max(f64::MIN_POSITIVE.sqrt());
        at[i] = mean + h;
        let above = function(&at);
        at[i] = mean - h;
        let below = function(&at);
        at[i] = *mean;
        gradient.push((above - below) / (2.0 * h));
    }
    gradient
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delta_method_is_exact_to_first_order() {
        // f = sqrt(a / b): df = f/2 (da/a - db/b)
        let mut terms = Terms::new(2);
        let rows: Vec<[f64; 2]> =
            (0..50).map(|i| [2.0 + (f64::from(i)).sin(), 3.0 + (2.1 * f64::from(i)).cos()]).collect();
        rows.iter().enumerate().for_each(|(i, row)| terms.push(i, 0, row));
        let summary = summarise(&terms, &|m| (m[0] / m[1]).sqrt());
        let m = terms.means();
        let f = (m[0] / m[1]).sqrt();
        let u: Vec<f64> = rows.iter().map(|r| 0.5 * f * ((r[0] - m[0]) / m[0] - (r[1] - m[1]) / m[1])).collect();
        let expected = (u.iter().map(|u| u * u).sum::<f64>() / 49.0 / 50.0).sqrt();
        assert!((summary.se.unwrap() / expected - 1.0).abs() < 1e-8);
        assert_eq!((summary.value, summary.n, summary.dof), (Some(f), 50, 49.0));
    }

    #[test]
    fn a_row_with_a_diverged_case_has_no_value() {
        let mut terms = Terms::new(1);
        (0..10).for_each(|t| terms.push(0, t, &[if t == 4 { f64::NAN } else { 1.0 }]));
        let summary = summarise(&terms, &|m| m[0]);
        assert_eq!((summary.value, summary.se, summary.diverged_cases, summary.diverged_clusters), (None, None, 1, 1));
    }
}
