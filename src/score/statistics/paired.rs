//! The paired test of two forecasters on the same cases (Diebold & Mariano 1995).
//!
//! The difference of losses f(a) - f(b) is linearised into a series d_t = grad f(a) . a_t - grad f(b) . b_t over the
//! cases that both have. Its mean's standard error comes from the long-run variance, which allows for autocorrelation
//! in time and adds clusters as independent; difference over standard error is compared with Student's t with the
//! degrees of freedom of that variance. (With a truncated-kernel variance one would apply the small-sample factor of
//! Harvey, Leybourne & Newbold 1997; the cosines' own t law takes its place.)

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::LongRun;
use super::summary::{gradient, influence};
use crate::score::about::Orientation;
use crate::score::metric::Metric;
use crate::score::terms::Terms;

/// The comparison of two rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Paired {
    /// Loss of the first minus loss of the second: positive where the second is better.
    pub difference: f64,
    /// Its standard error.
    pub se: f64,
    /// What Student's t is over; the standard error is no smaller.
    pub studentised: f64,
    /// Degrees of freedom of Student's t.
    pub dof: f64,
    /// Two-sided p-value.
    pub p: f64,
    /// The number of cases that both have.
    pub n: usize,
}

/// Compares the losses of two rows of a metric with this direction, on the cases (cluster and time) that both have.
///
/// None where it means nothing: a metric that does not judge, a row that diverged, or too few cases in common.
pub fn compare(a: &Terms, b: &Terms, metric: &dyn Metric, orientation: Orientation) -> Option<Paired> {
    if a.diverged() || b.diverged() {
        return None;
    }
    let pairs = a.matched(b);
    let loss = |means: &[f64]| orientation.loss(metric.value(means));
    let (ma, mb) = (mean(a.width(), pairs.iter().map(|pair| pair.1)), mean(b.width(), pairs.iter().map(|pair| pair.2)));
    let difference = loss(&ma) - loss(&mb);
    let (ga, gb) = (gradient(&ma, &loss), gradient(&mb, &loss));
    let series: Vec<(usize, [f64; 1])> =
        pairs.iter().map(|(c, x, y)| (*c, [influence(&ga, x, &ma) - influence(&gb, y, &mb)])).collect();
    let long_run = LongRun::new(1, series.iter().map(|(cluster, row)| (*cluster, &row[..])));
    let (se, studentised) = (long_run.standard_error()?, long_run.studentised()?);
    if !difference.is_finite() || !se.is_finite() {
        return None;
    }
    let p = two_sided(difference, studentised, long_run.dof)?;
    Some(Paired { difference, se, studentised, dof: long_run.dof, p, n: pairs.len() })
}

impl Paired {
    /// The ends of the two-sided confidence interval of the difference at this level (such as .95), by Student's t.
    pub fn interval(&self, level: f64) -> Option<[f64; 2]> {
        let law = StudentsT::new(0.0, 1.0, self.dof).ok()?;
        let half = self.studentised * law.inverse_cdf(0.5 + 0.5 * level);
        half.is_finite().then_some([self.difference - half, self.difference + half])
    }
}

/// The mean of each term.
fn mean<'a>(width: usize, rows: impl ExactSizeIterator<Item = &'a [f64]>) -> Vec<f64> {
    let count = rows.len() as f64;
    let mut mean = vec![0.0; width];
    rows.for_each(|row| mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / count));
    mean
}

/// P(|t| >= |difference| / se) for Student's t; 1 for two rows that are the same.
pub(super) fn two_sided(difference: f64, se: f64, dof: f64) -> Option<f64> {
    if difference == 0.0 {
        return Some(1.0);
    }
    if se == 0.0 {
        return Some(0.0);
    }
    let law = StudentsT::new(0.0, 1.0, dof).ok()?;
    Some(2.0 * law.cdf(-(difference / se).abs()))
}
