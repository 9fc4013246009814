//! Every noise law of the registry: its density sums to 1, its draws follow it, its moments are theirs.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::derived::{Given, assert_wrong_settings_are_refused, by_key, variants};
use ndarray::{Array1, Array2, ArrayView1, Axis, array};
use scorecast_assimilation::observe::{CorrelatedError, GaussianError, NoiseLaw};
use scorecast_assimilation::{NOISE_LAWS, Result};
use scorecast_systems::{Domain, Key, Settings, Value};
use statrs::distribution::{Continuous, ContinuousCDF, Discrete};

const DRAWS: usize = 100_000;

fn build(name: &str, given: &[(&str, Value)], dim: usize) -> Result<Box<dyn NoiseLaw>> {
    let entry = NOISE_LAWS.iter().find(|entry| entry.name == name).unwrap();
    (entry.build)(&Settings::check(&format!("noise law `{name}`"), entry.params, &by_key(given)).unwrap(), dim)
}

fn float(value: f64) -> Value {
    Value::Float(value)
}

/// A law of one value with its settings, and a prediction.
struct Case {
    name: &'static str,
    law: Box<dyn NoiseLaw>,
    settings: Settings,
    h: f64,
}

/// Each law, with its defaults where it may have them, and with each of its settings at another value.
fn every_law() -> Vec<Case> {
    let mut out = Vec::new();
    for entry in NOISE_LAWS {
        let case = |given: &Given| {
            let settings = Settings::check(entry.name, entry.params, &by_key(given)).unwrap();
            let law = build(entry.name, given, 1).map_err(|error| error.to_string())?;
            Ok(Case { name: entry.name, law, settings, h: 2.3 })
        };
        let more = variants(entry.params, &[], |given| case(given).map(drop));
        let before = out.len();
        out.extend(case(&vec![]));
        out.extend(more.accepted.iter().flat_map(case));
        assert!(out.len() > before, "{}: {:?}", entry.name, more.refused);
    }
    out
}

#[test]
fn wrong_settings_are_refused_by_name() {
    assert_wrong_settings_are_refused(NOISE_LAWS);
}

fn density(law: &dyn NoiseLaw, y: f64, h: f64) -> f64 {
    law.log_likelihood(array![y].view(), array![[h]].view(), &[0])[0].exp()
}

/// Whether a law draws whole numbers.
fn counts(law: &dyn NoiseLaw, h: f64) -> bool {
    law.observe(Array2::from_elem((9, 1), h).view(), Key::new(3, Domain::Truth)).iter().all(|y| y.fract() == 0.0)
}

/// The integral of p(y | h) g(y): a sum over counts, or Simpson's rule on both sides of h in u, y = h +- sinh u.
fn integral(law: &dyn NoiseLaw, h: f64, g: impl Fn(f64) -> f64) -> f64 {
    if counts(law, h) {
        return (0..200).map(|y| density(law, f64::from(y), h) * g(f64::from(y))).sum();
    }
    let (intervals, last) = (20_000, 40.0);
    let step = last / f64::from(intervals);
    let mut sum = 0.0;
    for i in 0..=intervals {
        let u = f64::from(i) * step;
        let weight = if i == 0 || i == intervals {
            1.0
        } else if i % 2 == 1 {
            4.0
        } else {
            2.0
        };
        for y in [h + u.sinh(), h - u.sinh()] {
            let p = density(law, y, h);
            sum += if p > 0.0 { weight * u.cosh() * p * g(y) } else { 0.0 };
        }
    }
    sum * step / 3.0
}

/// Mean and variance of y given h.
fn moments(law: &dyn NoiseLaw, h: f64) -> (f64, f64) {
    let given = law.moments(array![[h]].view());
    given.map_or((h, law.variance()[0]), |(mean, variance)| (mean[(0, 0)], variance[(0, 0)]))
}

#[test]
fn densities_sum_to_one_and_have_the_moments_that_they_say() {
    for Case { name, law, h, .. } in every_law() {
        let (mean, variance) = moments(&*law, h);
        let total = integral(&*law, h, |_| 1.0);
        assert!((total - 1.0).abs() < 1e-8, "{name}: {total}");
        assert!((integral(&*law, h, |y| y) - mean).abs() < 1e-8, "{name}");
        assert!((integral(&*law, h, |y| (y - mean).powi(2)) - variance).abs() < 1e-8, "{name}");
    }
}

#[test]
fn the_density_of_one_value_is_that_of_several_where_one_is_present() {
    for Case { name, law, h, .. } in every_law() {
        for y in [0.0, 1.0, 2.2, 3.0, -1.5] {
            for h in [h, 0.4] {
                let [alone, several] =
                    [law.log_likelihood_of(0, y, h), law.log_likelihood(array![y].view(), array![[h]].view(), &[0])[0]];
                let same = alone == several || (alone - several).abs() < 1e-13 * alone.abs().max(1.0);
                assert!(same, "{name} at {y} given {h}: {alone}, not {several}");
            }
        }
    }
}

#[test]
fn draws_have_the_moments_of_the_density_and_its_distribution_function() {
    for case @ Case { name, law, h, .. } in &every_law() {
        let h = *h;
        let exact = in_statrs(case);
        let y = law.observe(Array2::from_elem((DRAWS, 1), h).view(), Key::new(3, Domain::Truth)).column(0).to_vec();
        let n = DRAWS as f64;
        let (mean, variance) = moments(&**law, h);
        let found = y.iter().sum::<f64>() / n;
        assert!((found - mean).abs() < 4.5 * (variance / n).sqrt(), "{name}: mean {found}, not {mean}");
        // each value of the distribution function at 20 points is a share of draws: 4.5 standard errors
        for i in 0..20 {
            let edge = h + (f64::from(i) - 9.7) * 0.25 * variance.sqrt();
            let below = |y: f64| f64::from(u8::from(y <= edge));
            let by_sum = || counts(&**law, h).then(|| integral(&**law, h, below));
            let Some(share) = exact.as_ref().map(|exact| (exact.cdf)(edge)).or_else(by_sum) else { continue };
            let found = y.iter().map(|y| below(*y)).sum::<f64>() / n;
            let error = (share * (1.0 - share) / n).sqrt();
            assert!((found - share).abs() < 4.5 * error + 1e-12, "{name} at {edge}: {found}, not {share}");
        }
        if let Some(exact) = exact {
            let distance = kolmogorov(y, exact.cdf);
            // exceeded by chance in 1 of 8,000 (2 exp(-2 * 2.2^2))
            assert!(distance * n.sqrt() < 2.2, "{name}: Kolmogorov distance {distance}");
        }
    }
}

/// The largest distance of the empirical distribution function.
fn kolmogorov(mut y: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    y.sort_by(f64::total_cmp);
    let n = y.len() as f64;
    y.iter().enumerate().fold(0.0, |most: f64, (i, y)| {
        let p = cdf(*y);
        most.max(p - i as f64 / n).max((i + 1) as f64 / n - p)
    })
}

/// The distribution function and the logarithm of the density of a law, by statrs.
struct Exact {
    cdf: Box<dyn Fn(f64) -> f64>,
    ln_pdf: Box<dyn Fn(f64) -> f64>,
}

fn exact<L: Continuous<f64, f64> + ContinuousCDF<f64, f64> + Clone + 'static>(law: L) -> Option<Exact> {
    let same = law.clone();
    Some(Exact { cdf: Box::new(move |y| law.cdf(y)), ln_pdf: Box::new(move |y| same.ln_pdf(y)) })
}

/// The law of statrs with the settings of a case, if it has one of its continuous laws.
fn in_statrs(case: &Case) -> Option<Exact> {
    use statrs::distribution::{Laplace, LogNormal, Normal, StudentsT};
    let first = |key: &str| case.settings.floats(key).first().copied().unwrap_or(1.0);
    match case.name {
        "gaussian" | "correlated" => exact(Normal::new(case.h, first("sd")).unwrap()),
        "student_t" => exact(StudentsT::new(case.h, first("scale"), case.settings.number("dof")).unwrap()),
        "laplace" => exact(Laplace::new(case.h, first("scale")).unwrap()),
        "log_normal" => exact(LogNormal::new(case.h.ln(), first("sd")).unwrap()),
        _ => None,
    }
}

#[test]
fn densities_are_those_of_statrs() {
    let mut compared = Vec::new();
    for case @ Case { name, law, h, .. } in &every_law() {
        for y in [0.0, 0.2, 1.0, 2.0, 3.0, 7.0, 40.0] {
            let exact = match (in_statrs(case), *name) {
                (Some(exact), _) => (exact.ln_pdf)(y),
                (None, "poisson") if y == 0.2 => f64::NEG_INFINITY,
                (None, "poisson") => statrs::distribution::Poisson::new(*h).unwrap().ln_pmf(y as u64),
                _ => continue,
            };
            let found = law.log_likelihood(array![y].view(), array![[*h]].view(), &[0])[0];
            let agrees = found == exact || (found - exact).abs() < 1e-10 * (1.0 + exact.abs());
            assert!(agrees, "{name} at {y}: {found}, not {exact}");
            compared.push(*name);
        }
    }
    for name in ["gaussian", "correlated", "student_t", "laplace", "log_normal", "poisson"] {
        assert!(compared.contains(&name), "{name} is not among {compared:?}");
    }
}

#[test]
fn gaussian_errors_are_bit_for_bit_the_plain_formulas() {
    let law = GaussianError::new(&[0.5, 2.0, 1.3], 3).unwrap();
    let key = Key::new(9, Domain::Truth);
    let sd = law.variance().mapv(f64::sqrt);
    let errors = key.normals(5, 3) * &sd;
    assert_eq!(law.sample(5, key), errors);
    let h = Key::new(10, Domain::Truth).normals(5, 3);
    assert_eq!(law.observe(h.view(), key), &h + &errors);
    let y = array![0.3, f64::NAN, -2.0];
    let log_2_pi = (2.0 * std::f64::consts::PI).ln();
    for (row, found) in h.outer_iter().zip(law.log_likelihood(y.view(), h.view(), &[0, 2])) {
        let twice: f64 = [0, 2]
            .iter()
            .map(|&i| (y[i] - row[i]) * (y[i] - row[i]) / law.variance()[i] + law.variance()[i].ln() + log_2_pi)
            .sum();
        assert_eq!(found, -0.5 * twice);
        assert_eq!(law.log_density((&y - &row).view(), &[0, 2]), found);
    }
}

#[test]
fn independent_laws_add_up_over_the_present_values_and_have_scales_of_their_own() {
    for (name, key) in [("student_t", "scale"), ("laplace", "scale"), ("log_normal", "sd")] {
        let law = build(name, &[(key, Value::Floats(vec![0.3, 1.0, 2.0]))], 3).unwrap();
        let (y, h) = (array![1.0, f64::NAN, 2.5], array![[1.5, 1.0, 3.0], [0.5, 2.0, 2.0]]);
        let found = law.log_likelihood(y.view(), h.view(), &[0, 2]);
        for (member, found) in found.iter().enumerate() {
            let one = |i: usize, scale: f64| {
                let law = build(name, &[(key, float(scale))], 1).unwrap();
                law.log_likelihood(array![y[i]].view(), array![[h[(member, i)]]].view(), &[0])[0]
            };
            assert!((one(0, 0.3) + one(2, 2.0) - found).abs() < 1e-12, "{name}");
        }
        let message = build(name, &[(key, Value::Floats(vec![1.0, 2.0]))], 3).err().unwrap().to_string();
        assert!(message.contains(" 2 ") && message.contains("3 values"), "{message}");
        assert!(build(name, &[(key, float(0.0))], 3).is_err());
    }
}

#[test]
fn observations_that_a_law_cannot_make_have_no_density_and_wrong_predictions_no_draws() {
    let none = |name: &str, y: f64, h: f64| {
        let law = build(name, &[], 1).unwrap();
        assert_eq!(
            law.log_likelihood(array![y].view(), array![[h]].view(), &[0])[0],
            f64::NEG_INFINITY,
            "{name} {y} {h}"
        );
    };
    for (y, h) in [(-1.0, 2.0), (1.0, -2.0), (0.0, 1.0), (1.0, 0.0), (f64::INFINITY, 1.0)] {
        none("log_normal", y, h);
    }
    for (y, h) in [(-1.0, 2.0), (1.5, 2.0), (1.0, -0.1), (1.0, 0.0), (1.0, f64::INFINITY), (f64::INFINITY, 1.0)] {
        none("poisson", y, h);
    }
    let counts = build("poisson", &[], 3).unwrap();
    let drawn = counts.observe(array![[0.0, -1.0, 5.0]].view(), Key::new(1, Domain::Truth));
    assert!(drawn[(0, 0)] == 0.0 && drawn[(0, 1)].is_nan() && drawn[(0, 2)].fract() == 0.0);
    let sign = build("log_normal", &[], 1).unwrap().observe(array![[-3.0]].view(), Key::new(1, Domain::Truth));
    assert!(sign[(0, 0)] < 0.0, "a negative quantity stays negative");
}

/// log N(residual; 0, R) by the inverse and the determinant.
fn log_normal(residual: ArrayView1<f64>, r: &Array2<f64>) -> f64 {
    let n = residual.len();
    let r = nalgebra::DMatrix::from_fn(n, n, |i, j| r[(i, j)]);
    let d = nalgebra::DVector::from_iterator(n, residual.iter().copied());
    let square = (d.transpose() * r.clone().try_inverse().unwrap() * &d)[(0, 0)];
    -0.5 * (square + r.determinant().ln() + n as f64 * (2.0 * std::f64::consts::PI).ln())
}

#[test]
fn correlated_errors_have_their_covariance_and_their_density() {
    let sd = [0.5, 1.0, 2.0, 0.8];
    for ring in [false, true] {
        let given = [("sd", Value::Floats(sd.to_vec())), ("length", float(1.5)), ("ring", Value::Bool(ring))];
        let law = build("correlated", &given, 4).unwrap();
        let r = Array2::from_shape_fn((4, 4), |(i, j): (usize, usize)| {
            let apart = if ring && i.abs_diff(j) == 3 { 1 } else { i.abs_diff(j) };
            sd[i] * sd[j] * (-(apart as f64) / 1.5).exp()
        });
        assert!((law.variance().to_owned() - Array1::from(sd.map(|s| s * s).to_vec())).iter().all(|e| e.abs() < 1e-14));
        assert!((&law.correlated().unwrap().0 - &r).iter().all(|e| e.abs() < 1e-14));
        let y = array![0.3, -1.0, 2.0, 0.1];
        let h = Key::new(4, Domain::Score).normals(3, 4);
        for present in [vec![0, 1, 2, 3], vec![0, 2, 3], vec![1], vec![]] {
            let part = Array2::from_shape_fn((present.len(), present.len()), |(i, j)| r[(present[i], present[j])]);
            for (row, found) in h.outer_iter().zip(law.log_likelihood(y.view(), h.view(), &present)) {
                let residual = (&y - &row).select(Axis(0), &present);
                assert!((found - log_normal(residual.view(), &part)).abs() < 1e-11, "{present:?}");
            }
        }
        let draws = law.sample(DRAWS, Key::new(5, Domain::Truth));
        let found = draws.t().dot(&draws) / DRAWS as f64;
        for ((i, j), found) in found.indexed_iter() {
            // the variance of a product of two normals
            let error = ((r[(i, i)] * r[(j, j)] + r[(i, j)] * r[(i, j)]) / DRAWS as f64).sqrt();
            assert!((found - r[(i, j)]).abs() < 4.5 * error, "{i} {j}");
        }
        let again = CorrelatedError::new(r).unwrap().sample(3, Key::new(5, Domain::Truth));
        assert!((again - law.sample(3, Key::new(5, Domain::Truth))).iter().all(|e| e.abs() < 1e-13));
    }
}

#[test]
fn covariances_that_are_none_are_refused_with_the_remedy() {
    let rows = |rows: &[[f64; 2]]| Value::Rows(rows.iter().map(|row| row.to_vec()).collect());
    for (given, said) in [
        (vec![], "`length` must be set"),
        (vec![("covariance", rows(&[[1.0, 0.5], [0.4, 1.0]]))], "make it symmetric"),
        (vec![("covariance", rows(&[[1.0, 2.0], [2.0, 1.0]]))], "not positive definite"),
        (vec![("covariance", rows(&[[1.0, 0.0]]))], "is 1 x 2, but the operator gives 2 values"),
        (vec![("covariance", rows(&[[1.0, 0.0], [0.0, 1.0]])), ("length", float(1.0))], "one of the two"),
        (vec![("covariance", rows(&[[1.0, 0.0], [0.0, 1.0]])), ("sd", float(1.0))], "beside `sd`"),
        (vec![("length", float(1.0)), ("sd", float(-1.0))], "numbers above 0"),
    ] {
        let message = build("correlated", &given, 2).err().unwrap().to_string();
        assert!(message.contains(said), "{message}");
    }
}
