//! Innovation statistics: how well a forecast ensemble predicted the observations that then came. They need no truth.
//!
//! d = y - mean h(x_f), S = Cov h(x_f) + R over the values that are present. For an honest Gaussian forecast d ~ N(0, S):
//! d^T S^-1 d has mean p, and log N(d; 0, S) is the innovation log score.
//!
//! Let Z = Y R^-1/2 be the anomalies of h(x) times the root of their share of the covariance, one row a member, and
//! e = R^-1/2 d, so that R^-1/2 S R^-1/2 = I + Z^T Z. With fewer members than values and independent errors both come from
//! the order N: d^T S^-1 d = |e - Z^T w|^2 + |w|^2, w = (I + Z Z^T)^-1 Z e, and det S = det R det(I + Z Z^T) (Woodbury 1950;
//! Sylvester). The first is the least of a sum of squares over w, so that nothing cancels and errors of w count by their
//! square.
//!
//! A forecast that is very much wider than the errors (s > 1e3 of them) loses R in any such product. There both come from
//! the singular values s and right vectors V of Z itself: log det S = log det R + sum log(1 + s^2), and
//! d^T S^-1 d = |e - V V^T e|^2 + sum (v^T e)^2 / (1 + s^2). Where even these have no digits left (the forecast is wider than
//! about 1e12 errors), the numbers are NaN: they cannot be had.
//!
//! Where the error law does not simply add errors (`log_normal`, `poisson`), h(x) is replaced by the mean of y given x, and
//! R by the diagonal of the mean variances of y given x. Where errors are not Gaussian the score is that of the Gaussian of
//! these two moments; it is NaN where they are infinite (`student_t` with up to 2 degrees of freedom).

use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::ensemble::{all_finite, anomalies, covariance_of, is_wider, unbiased_share, variance_about, weighted_mean};
use crate::error::Result;
use crate::linalg::{Cholesky, Eigen, Singular};
use crate::observations::{ObservationSet, Present};
use crate::outcome::Outcome;

/// The innovations of one analysis.
#[derive(Clone, Debug)]
pub struct Innovation {
    /// d, `[present]`.
    pub residual: Array1<f64>,
    /// The diagonal of S, `[present]`.
    pub variance: Array1<f64>,
    /// d^T S^-1 d / p: 1 on average where the forecast is honest.
    pub chi_square: f64,
    /// log N(d; 0, S), summed over the present values; larger is better.
    pub log_score: f64,
}

/// The innovations of `outcome` against the observations that made it; none when nothing was observed. They are NaN
/// when the forecast has diverged.
///
/// # Errors
/// When shapes do not fit or S is not positive definite.
pub fn innovation(outcome: &Outcome, observed: &ObservationSet) -> Result<Option<Innovation>> {
    let mut present = observed.restrict(outcome.forecast.view())?;
    if present.index.is_empty() {
        return Ok(None);
    }
    let replaced = use_moments(&mut present, outcome, observed);
    let weights = outcome.forecast_weights.as_ref();
    let exact = match &outcome.forecast_gaussian {
        Some((mean, p)) if !replaced => observed.matrix().map(|h| (h.dot(mean), h.dot(p).dot(&h.t()))),
        _ => None,
    };
    match exact {
        Some((mean, hph)) if is_narrow(&present, hph.diag()) => from_covariance(&present, mean, hph),
        Some((mean, hph)) => Ok(from_eigen(&present, mean, &hph)),
        None => {
            let (mean, a) = anomalies(present.predicted.view(), weights);
            let variance = variance_about(present.predicted.view(), weights, &mean);
            match is_narrow(&present, variance.view()) {
                true if a.nrows() < a.ncols() && present.correlated.is_none() => {
                    Ok(from_members(&present, mean, a, weights))
                }
                true => from_covariance(&present, mean, covariance_of(&a, weights)),
                false => Ok(from_singular_values(&present, mean, a, weights)),
            }
        }
    }
    .map(Some)
}

/// Anomalies, `[member, present]`, times the root of each member's share of the covariance.
fn scale_by_share(a: &mut Array2<f64>, weights: Option<&Array1<f64>>) {
    match weights.map(|weights| (weights, unbiased_share(weights))) {
        None => *a /= (a.nrows() as f64 - 1.0).sqrt(),
        Some((_, 0.0)) => *a *= 0.0,
        Some((weights, rest)) => *a *= &weights.mapv(|w| (w / rest).sqrt()).insert_axis(Axis(1)),
    }
}

/// Whether the variances of h(x) leave R its digits in S.
fn is_narrow(present: &Present, predicted: ArrayView1<f64>) -> bool {
    predicted.iter().zip(&present.variance).all(|(variance, r)| !is_wider(*variance, *r))
}

/// By S, of the order of the values.
fn from_covariance(present: &Present, mean: Array1<f64>, mut s: Array2<f64>) -> Result<Innovation> {
    present.add_covariance(&mut s);
    let residual = &present.values - mean;
    let variance = s.diag().to_owned();
    if !all_finite(s.view()) || !all_finite(residual.view().insert_axis(Axis(0))) {
        return Ok(by(residual, variance, None));
    }
    let (log_score, square) = Cholesky::new(s.view())?.log_normal(&residual);
    Ok(Innovation { chi_square: square / residual.len() as f64, residual, variance, log_score })
}

/// By the singular values of Z.
fn from_singular_values(
    present: &Present,
    mean: Array1<f64>,
    mut a: Array2<f64>,
    weights: Option<&Array1<f64>>,
) -> Innovation {
    let residual = &present.values - mean;
    scale_by_share(&mut a, weights);
    let variance = &present.variance + &a.map_axis(Axis(0), |column| column.dot(&column));
    present.standardise_rows(&mut a);
    let found = Singular::new(a.view()).ok().and_then(|of| scores(present, &residual, &of.values, &of.right));
    by(residual, variance, found)
}

/// By the eigenvalues s^2 of R^-1/2 H P H^T R^-1/2.
fn from_eigen(present: &Present, mean: Array1<f64>, hph: &Array2<f64>) -> Innovation {
    let residual = &present.values - mean;
    let variance = &present.variance + &hph.diag();
    let mut rows = hph.clone();
    present.standardise_rows(&mut rows);
    let mut whitened = rows.reversed_axes().as_standard_layout().into_owned();
    present.standardise_rows(&mut whitened);
    let found = Eigen::new(whitened.view()).ok().and_then(|eigen| {
        let largest = eigen.values.iter().fold(0.0f64, |largest, value| largest.max(*value));
        // P is known to its last digit: what of it is below that says nothing of s^2 near 1
        let known = largest * f64::EPSILON < LOST;
        let s = eigen.values.mapv(|value| value.max(0.0).sqrt());
        known.then(|| scores(present, &residual, &s, &eigen.vectors)).flatten()
    });
    by(residual, variance, found)
}

/// A share of a unit of the errors that round-off may take at most.
const LOST: f64 = 1e-3;

/// d^T S^-1 d / p and the log score, from s, `[k]`, and V^T, `[k, present]`; none where they have no digits left.
fn scores(present: &Present, residual: &Array1<f64>, s: &Array1<f64>, v: &Array2<f64>) -> Option<(f64, f64)> {
    let mut e = residual.view().insert_axis(Axis(0)).to_owned();
    present.standardise_rows(&mut e);
    let e = e.remove_axis(Axis(0));
    let along = v.dot(&e);
    let outside = &e - &along.dot(v);
    let square = outside.dot(&outside) + along.iter().zip(s).map(|(e, s)| (e / 1f64.hypot(*s)).powi(2)).sum::<f64>();
    // e is known to its last digit, and so is what is left of it
    let lost = 8.0 * f64::EPSILON * e.dot(&e).sqrt();
    let log_det = present.log_det() + s.iter().map(|s| 2.0 * 1f64.hypot(*s).ln()).sum::<f64>();
    let count = residual.len() as f64;
    let log_score = -0.5 * (square + log_det + count * (2.0 * std::f64::consts::PI).ln());
    (log_score.is_finite() && lost < LOST * (1.0 + square.sqrt())).then_some((square / count, log_score))
}

fn by(residual: Array1<f64>, variance: Array1<f64>, found: Option<(f64, f64)>) -> Innovation {
    let (chi_square, log_score) = found.unwrap_or((f64::NAN, f64::NAN));
    Innovation { residual, variance, chi_square, log_score }
}

/// By I + Z Z^T, of the order of the members, for independent errors, given the mean and the anomalies of h(x),
/// `[member, present]`.
fn from_members(present: &Present, mean: Array1<f64>, mut z: Array2<f64>, weights: Option<&Array1<f64>>) -> Innovation {
    let residual = &present.values - mean;
    scale_by_share(&mut z, weights);
    let mut variance = present.variance.clone();
    z.outer_iter().for_each(|row| variance.zip_mut_with(&row, |s, a| *s += a * a));
    let sd = present.variance.mapv(f64::sqrt);
    z /= &sd;
    let e = &residual / &sd;
    let mut g = z.dot(&z.t());
    g.diag_mut().mapv_inplace(|square| 1.0 + square);
    let log_det_r = present.log_det();
    // of a forecast that has diverged, or of errors without a variance
    let finite = log_det_r.is_finite() && e.dot(&e).is_finite() && all_finite(g.view());
    let Some(factor) = finite.then(|| Cholesky::new(g.view()).ok()).flatten() else {
        return by(residual, variance, None);
    };
    let w = factor.solve(&z.dot(&e));
    let rest = e - w.dot(&z);
    let square = rest.dot(&rest) + w.dot(&w);
    let constant = residual.len() as f64 * (2.0 * std::f64::consts::PI).ln();
    let log_score = -0.5 * (square + factor.log_det() + log_det_r + constant);
    Innovation { chi_square: square / residual.len() as f64, residual, variance, log_score }
}

/// Replaces h(x) and the diagonal of R by what a law that depends on h(x) says of y; whether it did.
fn use_moments(present: &mut Present, outcome: &Outcome, observed: &ObservationSet) -> bool {
    // NaN says that a variance depends on h(x); otherwise all is as it should be
    if !observed.operator.error().variance().iter().any(|r| r.is_nan()) {
        return false;
    }
    let predicted = observed.operator.apply(observed.time, outcome.forecast.view());
    let Some((mean, variance)) = observed.operator.error().moments(predicted.view()) else { return false };
    present.predicted = mean.select(Axis(1), &present.index);
    present.variance =
        weighted_mean(variance.select(Axis(1), &present.index).view(), outcome.forecast_weights.as_ref());
    true
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::observe::{CorrelatedError, GaussianError, Identity, Linear, NoiseLaw, Stride};

    /// Both orders, for equal weights and for others, with errors of several sizes and a value that is missing.
    #[test]
    fn the_order_of_the_members_gives_the_same() {
        let sd: Vec<f64> = (0..40).map(|i| 0.05 + 0.1 * f64::from(i)).collect();
        let error = |dim| Ok(Box::new(GaussianError::new(&sd, dim)?) as Box<dyn NoiseLaw>);
        let operator = Identity::new(40, &error).unwrap();
        for (members, spread) in [(2, 1.0), (3, 0.1), (7, 3.0), (24, 1.0), (24, 0.0), (38, 2.0)] {
            let key = Key::new(members as u64, Domain::Score);
            let forecast = spread * key.normals(members, 40) + 1.0;
            let mut values = 2.0 * key.at(1).normals(1, 40).remove_axis(Axis(0));
            values[3] = f64::NAN;
            let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
            let present = observed.restrict(forecast.view()).unwrap();
            let uneven: Array1<f64> = (0..members).map(|j| 1.0 + j as f64).collect();
            let uneven = &uneven / uneven.sum();
            for weights in [None, Some(&uneven)] {
                let (mean, a) = anomalies(forecast.select(Axis(1), &present.index).view(), weights);
                let whole = from_covariance(&present, mean, covariance_of(&a, weights)).unwrap();
                let (mean, a) = anomalies(present.predicted.view(), weights);
                let by_members = from_members(&present, mean, a, weights);
                let near = |a: f64, b: f64| (a - b).abs() < 1e-10 * b.abs();
                assert!(near(by_members.chi_square, whole.chi_square), "{members} {spread}");
                assert!(near(by_members.log_score, whole.log_score), "{members} {spread}");
                assert_eq!(by_members.residual, whole.residual);
                assert!(by_members.variance.iter().zip(&whole.variance).all(|(a, b)| near(*a, *b)));
            }
        }
    }

    /// Members up to a million standard deviations of the errors apart, against the formula of two.
    #[test]
    fn members_far_apart_lose_few_digits() {
        let error = |dim| Ok(Box::new(GaussianError::new(&[1.0], dim)?) as Box<dyn NoiseLaw>);
        let operator = Identity::new(9, &error).unwrap();
        let values = Key::new(2, Domain::Score).normals(1, 9).remove_axis(Axis(0));
        let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
        // two members: S = I + a a^T / 2 with their difference a, d^T S^-1 d = d^T d - (a^T d)^2 / (2 + a^T a)
        for far in [1.0, 1e3, 1e6] {
            let mut forecast = far * Key::new(1, Domain::Score).normals(2, 9);
            // their mean is 0, and a^T d too, so that nothing is explained
            let second = -&forecast.row(0);
            forecast.row_mut(1).assign(&second);
            let a = 2.0 * &forecast.row(0);
            let d = &values - &(&a * (a.dot(&values) / a.dot(&a)));
            let observed = ObservationSet { values: d.view(), ..observed };
            let outcome = Outcome::new(forecast.clone(), forecast);
            let found = innovation(&outcome, &observed).unwrap().unwrap();
            assert!((9.0 * found.chi_square - d.dot(&d)).abs() < 1e-12 * d.dot(&d), "{far}: {found:?}");
            let log_det = (1.0 + 0.5 * a.dot(&a)).ln();
            let exact = -0.5 * (d.dot(&d) + log_det + 9.0 * (2.0 * std::f64::consts::PI).ln());
            // the determinant has an eigenvalue of 1 beside one of far^2, with the round-off of that
            let round_off = 1e-14 + 20.0 * f64::EPSILON * far * far;
            assert!((found.log_score - exact).abs() < 10.0 * round_off, "{far}: {} {exact}", found.log_score);
        }
    }

    /// Two sensors at one place, and a forecast up to 1e11 errors wide: S = I + P 1 1^T has the eigenvalues 1 + 2 P and 1.
    #[test]
    fn a_forecast_of_any_width_keeps_the_errors_of_two_sensors_at_one_place() {
        let error = |dim| Ok(Box::new(GaussianError::new(&[1.0], dim)?) as Box<dyn NoiseLaw>);
        let operator = Linear::new(array![[1.0], [1.0]], &error).unwrap();
        for (sd, members) in [(1e2, 2), (1e4, 3), (1e9, 400), (1e9, 2), (1e11, 40)] {
            let forecast = sd * Key::new(5, Domain::Score).normals(members, 1);
            let (mean, p) = (forecast.mean().unwrap(), forecast.var(1.0));
            // whole numbers, so that the difference of the two is exact
            let values = array![(0.5 * sd).round() + 3.0, (0.5 * sd).round() + 1.0];
            let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
            let square = 2.0 + (values[0] + values[1] - 2.0 * mean).powi(2) / 2.0 / (1.0 + 2.0 * p);
            let exact = -0.5 * (square + (1.0 + 2.0 * p).ln() + 2.0 * (2.0 * std::f64::consts::PI).ln());
            let uneven: Array1<f64> = (0..members).map(|_| 1.0 / members as f64).collect();
            for weights in [None, Some(uneven)] {
                let outcome = Outcome { forecast_weights: weights, ..Outcome::new(forecast.clone(), forecast.clone()) };
                let found = innovation(&outcome, &observed).unwrap().unwrap();
                // narrow forecasts lose digits by their square
                let round_off = 1e-12 + 40.0 * f64::EPSILON * if sd > 1e3 { sd } else { sd * sd };
                assert!((2.0 * found.chi_square - square).abs() < round_off, "{sd}: {found:?} {square}");
                assert!((found.log_score - exact).abs() < round_off, "{sd}: {found:?} {exact}");
            }
            // the moments alone know P to its last digit only: an answer with digits, or none
            let mut outcome = Outcome::new(forecast.clone(), forecast.clone());
            outcome.forecast_gaussian = Some((array![mean], array![[p]]));
            let found = innovation(&outcome, &observed).unwrap().unwrap();
            assert!(sd > 1e6 || (found.log_score - exact).abs() < 1e-6, "{sd}: {found:?} {exact}");
            assert!(sd < 1e8 || found.log_score.is_nan() && found.chi_square.is_nan(), "{sd}: {found:?}");
        }
        // wider than numbers have digits: none, and no error
        let forecast = 1e14 * Key::new(5, Domain::Score).normals(40, 1);
        let values = array![1.0, 2.0];
        let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
        let found = innovation(&Outcome::new(forecast.clone(), forecast), &observed).unwrap().unwrap();
        assert!(found.log_score.is_nan());
    }

    /// Wide and narrow forecasts meet where the ways to compute them change.
    #[test]
    fn both_ways_agree_where_they_meet() {
        let r = Array2::from_shape_fn((9, 9), |(i, j)| 0.5f64.powi((i as i32 - j as i32).abs()));
        let correlated = |_| Ok(Box::new(CorrelatedError::new(r.clone()).unwrap()) as Box<dyn NoiseLaw>);
        let operator = Identity::new(9, &correlated).unwrap();
        let values = Key::new(2, Domain::Score).normals(1, 9).remove_axis(Axis(0));
        for members in [4, 30] {
            let forecast = 900.0 * Key::new(3, Domain::Score).normals(members, 9);
            let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
            let present = observed.restrict(forecast.view()).unwrap();
            let (mean, a) = anomalies(present.predicted.view(), None);
            let p = covariance_of(&a, None);
            let narrow = from_covariance(&present, mean.clone(), p.clone()).unwrap();
            for wide in [from_singular_values(&present, mean.clone(), a, None), from_eigen(&present, mean, &p)] {
                assert!((wide.chi_square / narrow.chi_square - 1.0).abs() < 1e-8, "{wide:?} {narrow:?}");
                assert!((wide.log_score / narrow.log_score - 1.0).abs() < 1e-8, "{wide:?} {narrow:?}");
                let near = |(a, b): (&f64, &f64)| (a / b - 1.0).abs() < 1e-10;
                assert!(wide.variance.iter().zip(&narrow.variance).all(near));
            }
        }
    }

    #[test]
    fn what_has_diverged_and_errors_without_a_variance_have_no_score() {
        let error = |dim| Ok(Box::new(GaussianError::new(&[1.0], dim)?) as Box<dyn NoiseLaw>);
        let operator = Identity::new(9, &error).unwrap();
        let values = Array1::zeros(9);
        let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
        let forecast = Key::new(1, Domain::Score).normals(4, 9);
        let of = |forecast: &Array2<f64>, variance: f64| {
            let mut present = observed.restrict(forecast.view()).unwrap();
            present.variance[2] = variance;
            let (mean, a) = anomalies(present.predicted.view(), None);
            from_members(&present, mean, a, None)
        };
        assert!(of(&forecast, 1.0).log_score.is_finite());
        assert!(of(&forecast, f64::INFINITY).log_score.is_nan() && of(&forecast, 0.0).chi_square.is_nan());
        let mut gone = forecast.clone();
        gone[(2, 5)] = f64::INFINITY;
        assert!(of(&gone, 1.0).chi_square.is_nan());
        // finite, but so far apart that I is lost in Z Z^T
        assert!(!of(&(forecast * 1e200), 1.0).chi_square.is_finite());
    }

    #[test]
    fn moments_and_density_of_a_case_worked_by_hand() {
        let error = |dim| Ok(Box::new(GaussianError::new(&[2.0], dim)?) as Box<dyn NoiseLaw>);
        let operator = Stride::new(3, 2, 0, &error).unwrap();
        let forecast = array![[0.0, 9.0, 1.0], [2.0, 9.0, 3.0], [4.0, 9.0, 2.0]];
        let values = array![3.0, f64::NAN];
        let observed = ObservationSet { step: 0, time: 0.0, values: values.view(), operator: &operator };
        let mut outcome = Outcome::new(forecast.clone(), forecast);
        let found = innovation(&outcome, &observed).unwrap().unwrap();
        // mean 2, variance 4 + 4
        assert_eq!((found.residual[0], found.variance[0]), (1.0, 8.0));
        assert!((found.chi_square - 1.0 / 8.0).abs() < 1e-14);
        let exact = -0.5 * (1.0 / 8.0 + (2.0 * std::f64::consts::PI * 8.0).ln());
        assert!((found.log_score - exact).abs() < 1e-14);
        // weights 1/2, 1/2, 0: mean 1, variance (1/2 + 1/2) / (1 - 1/2) = 2
        outcome.forecast_weights = Some(array![0.5, 0.5, 0.0]);
        let found = innovation(&outcome, &observed).unwrap().unwrap();
        assert_eq!((found.residual[0], found.variance[0]), (2.0, 6.0));
        outcome.forecast[(0, 0)] = f64::NAN;
        assert!(innovation(&outcome, &observed).unwrap().unwrap().log_score.is_nan());
    }
}
