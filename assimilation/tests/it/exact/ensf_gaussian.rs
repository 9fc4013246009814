//! The Gaussian score of `ensf` against Kalman's equations, its own formula for commuting covariances, its sampler, and whole
//! filters.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, inverse, method, word};
use ndarray::{Array1, Array2, Axis, array};
use scorecast_assimilation::ensemble::{covariance, weighted_mean};
use scorecast_assimilation::linalg::{Eigen, symmetric_sqrt};
use scorecast_assimilation::localize::{Layout, Localization, Taper};
use scorecast_assimilation::method::{EnsembleGaussian, GaussianScore, Latents, ModelNoise, Solver, Tapering};
use scorecast_assimilation::observe::{
    Absolute, Arctan, CorrelatedError, Identity, Interpolate, Linear, Norm, Pointwise, Stride,
};
use scorecast_assimilation::{Analysis, Cycle, ObservationOperator, ObservationSet, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::law::ConditionalDenoiser;
use scorecast_systems::{Domain, Forecaster, Key, LinearGaussian, Value};

const KEY: Key = Key::new(61, Domain::Method);

/// Without localization, in closed form.
const PLAIN: GaussianScore = GaussianScore {
    latents: Latents::Transported,
    solver: Solver::ClosedForm,
    relinearisations: 2,
    tapering: Tapering::None,
    window: None,
    inflation: 1.0,
};

fn local(radius: f64) -> Localization {
    Localization { layout: Layout::Ring, taper: Taper::GaspariCohn, radius }
}

fn largest(x: &Array2<f64>) -> f64 {
    x.iter().fold(0.0, |a, b| a.max(b.abs()))
}

/// A positive definite matrix.
fn definite(seed: u64, dim: usize, scale: f64) -> Array2<f64> {
    let root = Key::new(seed, Domain::Score).normals(dim + 4, dim);
    root.t().dot(&root) * (scale / dim as f64)
}

/// Members whose neighbours are correlated.
fn smooth(members: usize, dim: usize) -> Array2<f64> {
    let white = KEY.at(4).normals(members, dim);
    let kernel = |i: usize, j: usize| {
        let d = i.abs_diff(j).min(dim - i.abs_diff(j)) as f64;
        (-0.5 * d * d / 2.0).exp() / 1.9
    };
    white.dot(&Array2::from_shape_fn((dim, dim), |(i, j)| kernel(i, j))) * 0.5 + 1.0
}

fn analysed(
    score: &GaussianScore,
    law: &EnsembleGaussian,
    operator: &dyn ObservationOperator,
    y: &Array1<f64>,
) -> Array2<f64> {
    let observed = ObservationSet { step: 3, time: 0.0, values: y.view(), operator };
    let forecast = score.forecast(law, &observed).unwrap();
    score.analyse(law, forecast, &observed, KEY).unwrap().ensemble
}

/// Mean and covariance of N(m, C + Q) given y, by Kalman's equations.
fn kalman(
    (m, p): (&Array1<f64>, &Array2<f64>),
    (h, r): (&Array2<f64>, &Array2<f64>),
    y: &Array1<f64>,
) -> (Array1<f64>, Array2<f64>) {
    let gain = p.dot(&h.t()).dot(&inverse(&(h.dot(p).dot(&h.t()) + r)));
    (m + &gain.dot(&(y - &h.dot(m))), p - &gain.dot(h).dot(p))
}

#[test]
fn mean_and_covariance_are_kalmans_for_any_noise_operator_and_error() {
    for (dim, values) in [(1, 1), (2, 1), (2, 3), (7, 4), (40, 25)] {
        let x = KEY.normals(3 * dim + 20, dim).dot(&symmetric_sqrt(definite(2, dim, 2.0).view()).unwrap());
        let h = Key::new(5, Domain::Score).normals(values, dim);
        let y = Key::new(6, Domain::Score).normals(1, values).remove_axis(Axis(0)) * 2.0;
        let sd: Vec<f64> = (0..values).map(|i| 0.3 + 0.1 * i as f64).collect();
        let independent = Array2::from_diag(&sd.iter().map(|sd| sd * sd).collect::<Array1<f64>>());
        let correlated = definite(7, values, 0.5);
        let noises = [
            (ModelNoise::None, Array2::zeros((dim, dim))),
            (ModelNoise::Diagonal(Array1::from_elem(dim, 0.3)), Array2::from_diag_elem(dim, 0.3)),
            (
                ModelNoise::Diagonal(Array1::linspace(0.1, 0.9, dim)),
                Array2::from_diag(&Array1::linspace(0.1, 0.9, dim)),
            ),
            (ModelNoise::Full(definite(8, dim, 0.4)), definite(8, dim, 0.4)),
        ];
        for (noise, q) in noises {
            let law = EnsembleGaussian::new(x.clone(), noise);
            let (m, c) = (weighted_mean(x.view(), None), covariance(x.view(), None));
            let prior = &c + &q;
            let own = Linear::new(h.clone(), &errors(&sd)).unwrap();
            let common = Linear::new(h.clone(), &|_| Ok(Box::new(CorrelatedError::new(correlated.clone())?))).unwrap();
            for (operator, r) in [(&own, &independent), (&common, &correlated)] {
                let found = analysed(&PLAIN, &law, operator, &y);
                let (mean, posterior) = kalman((&m, &prior), (&h, r), &y);
                assert!((weighted_mean(found.view(), None) - mean).iter().all(|e| e.abs() < 1e-9), "{dim}");
                assert!(largest(&(covariance(found.view(), None) - posterior)) < 1e-8, "{dim}");
            }
            // and the forecast has the moments of the forecast
            let observed = ObservationSet { step: 3, time: 0.0, values: y.view(), operator: &own };
            let forecast = PLAIN.forecast(&law, &observed).unwrap();
            assert!((weighted_mean(forecast.view(), None) - &m).iter().all(|e| e.abs() < 1e-9));
            assert!(largest(&(covariance(forecast.view(), None) - &prior)) < 1e-8, "{dim}");
        }
    }
}

/// With Q = q I, R = r I and H = I the map is V [(Lam + q) r / ((Lam + q + r) Lam)]^1/2 V^T, member by member.
#[test]
fn each_member_is_where_the_formula_for_commuting_covariances_has_it() {
    let (dim, q, r) = (6, 0.2, 0.49f64);
    let x = smooth(30, dim);
    let (m, c) = (weighted_mean(x.view(), None), covariance(x.view(), None));
    let law = EnsembleGaussian::new(x.clone(), ModelNoise::Diagonal(Array1::from_elem(dim, q)));
    let y = Array1::linspace(-1.0, 2.0, dim);
    let found = analysed(&PLAIN, &law, &Identity::new(dim, &errors(&[r.sqrt()])).unwrap(), &y);
    let eigen = Eigen::new(c.view()).unwrap();
    let mean = &m + &eigen.apply(|l| (l + q) / (l + q + r)).dot(&(&y - &m));
    let map = eigen.apply(|l| ((l + q) * r / ((l + q + r) * l)).sqrt());
    let exact = (&x - &m).dot(&map) + &mean;
    assert!(largest(&(found - exact)) < 1e-10);
}

#[test]
fn the_sampler_comes_to_the_same_members_and_nearer_with_more_levels() {
    let (dim, members) = (8, 25);
    // no direction is narrower than the last level
    let x = smooth(members, dim) + KEY.at(5).normals(members, dim) * 0.3;
    let h = Key::new(5, Domain::Score).normals(3, dim);
    let y = array![0.4, f64::NAN, 1.9];
    let operator = Linear::new(h, &errors(&[0.4])).unwrap();
    for noise in [ModelNoise::Diagonal(Array1::linspace(0.02, 0.3, dim)), ModelNoise::Full(definite(8, dim, 0.2))] {
        let law = EnsembleGaussian::new(x.clone(), noise);
        for latents in [Latents::Transported, Latents::Fresh] {
            for tapering in [Tapering::None, Tapering::Set(local(1.0))] {
                let score = GaussianScore { latents, tapering, ..PLAIN };
                let exact = analysed(&score, &law, &operator, &y);
                let sd = covariance(exact.view(), None).diag().mapv(f64::sqrt);
                let error = |levels: usize| {
                    let sampler = GaussianScore { solver: Solver::Heun(levels), ..score };
                    let found = analysed(&sampler, &law, &operator, &y);
                    let off = (found - &exact) / &sd;
                    (off.mapv(|e| e * e).mean().unwrap().sqrt(), off.mean_axis(Axis(0)).unwrap())
                };
                let (few, many) = (error(20), error(160));
                println!("{latents:?} {tapering:?}: {:.4} of a sd with 20 levels, {:.5} with 160", few.0, many.0);
                assert!(few.0 < 0.05 && few.1.iter().all(|e| e.abs() < 0.01), "{few:?}");
                assert!(many.0 < 0.006 && many.0 < 0.5 * few.0, "{many:?}");
            }
        }
    }
}

#[test]
fn windows_leave_out_nothing_that_shows() {
    let (dim, members) = (120, 20);
    let law = EnsembleGaussian::new(smooth(members, dim), ModelNoise::Diagonal(Array1::from_elem(dim, 0.05)));
    let points: Vec<Vec<f64>> = (0..50).map(|i| vec![2.3 * f64::from(i)]).collect();
    let sd = errors(&[0.7]);
    let operators: [Box<dyn ObservationOperator>; 4] = [
        Box::new(Identity::new(dim, &sd).unwrap()),
        Box::new(Stride::new(dim, 3, 1, &sd).unwrap()),
        Box::new(Interpolate::new(dim, None, true, &points, &sd).unwrap()),
        Box::new(Pointwise::new(Arctan, Stride::new(dim, 1, 0, &errors(&[0.1])).unwrap())),
    ];
    for operator in operators {
        let mut y = operator.apply(0.0, (smooth(1, dim) + 0.3).view()).remove_axis(Axis(0));
        y[7] = f64::NAN;
        let analysed = |window: f64| {
            analysed(
                &GaussianScore { tapering: Tapering::Set(local(4.0)), window: Some(window), ..PLAIN },
                &law,
                &*operator,
                &y,
            )
        };
        let (whole, six, forty) = (analysed(1e3), analysed(6.0), analysed(40.0));
        let sd = covariance(whole.view(), None).diag().mapv(f64::sqrt);
        let off = |found: &Array2<f64>| ((found - &whole) / &sd).mapv(|e| e * e).mean().unwrap().sqrt();
        println!("{}: {:.4} of a sd with a window of 6, {:.6} with 40", operator.name(), off(&six), off(&forty));
        assert!(off(&six) < 0.06 && off(&forty) < 1e-4, "{}", operator.name());
    }
}

/// On a torus and on a plane with interpolated values.
#[test]
fn windows_of_two_dimensions_leave_out_nothing_that_shows() {
    let (rows, columns) = (9, 11);
    let dim = rows * columns;
    let law = EnsembleGaussian::new(smooth(25, dim), ModelNoise::Diagonal(Array1::linspace(0.02, 0.1, dim)));
    let points: Vec<Vec<f64>> = (0..40).map(|i| vec![0.19 * f64::from(i), 0.24 * f64::from(i)]).collect();
    for (layout, periodic) in [(Layout::Torus { columns }, true), (Layout::Plane { columns }, false)] {
        let operator = Interpolate::new(dim, Some(columns), periodic, &points, &errors(&[0.6])).unwrap();
        let y = operator.apply(0.0, (smooth(1, dim) + 0.3).view()).remove_axis(Axis(0));
        let tapering = Tapering::Set(Localization { layout, ..local(1.5) });
        let analysed =
            |window: f64| analysed(&GaussianScore { tapering, window: Some(window), ..PLAIN }, &law, &operator, &y);
        let (whole, three) = (analysed(1e3), analysed(3.0));
        let sd = covariance(whole.view(), None).diag().mapv(f64::sqrt);
        let off = ((three - &whole) / &sd).mapv(|e| e * e).mean().unwrap().sqrt();
        println!("{layout:?}: {off:.4} of a sd with a window of 3");
        assert!(off < 0.06, "{layout:?}: {off}");
    }
}

#[test]
fn a_value_that_reads_beyond_the_window_is_a_sentence() {
    let law = EnsembleGaussian::new(smooth(20, 96), ModelNoise::None);
    let operator = Norm::new(96, 24, &errors(&[0.5])).unwrap();
    let y = Array1::from_elem(4, 3.0);
    let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: &operator };
    let score = |window| GaussianScore { tapering: Tapering::Set(local(4.0)), window: Some(window), ..PLAIN };
    let message = score(6.0).clone().update(law.means.clone(), &observed, KEY).unwrap_err().to_string();
    assert!(message.contains("set `window`"), "{message}");
    assert!(score(13.0).clone().update(law.means.clone(), &observed, KEY).is_ok());
}

/// In one dimension: the secant of the members, then the tangent at the mean that this gives; with many of them the mean is
/// the posterior's mode.
#[test]
fn an_operator_that_is_not_linear_is_made_so_first_by_the_secant_and_then_at_the_mean() {
    let x = KEY.normals(50, 1) * 0.8 + 0.9;
    let (m, p, r, y) = (x.mean().unwrap(), covariance(x.view(), None)[(0, 0)], 0.01, 1.2);
    let operator = Pointwise::new(Arctan, Stride::new(1, 1, 0, &errors(&[0.1])).unwrap());
    let law = EnsembleGaussian::new(x.clone(), ModelNoise::None);
    let found = |relinearisations| {
        let members = analysed(&GaussianScore { relinearisations, ..PLAIN }, &law, &operator, &array![y]);
        (members.mean().unwrap(), covariance(members.view(), None)[(0, 0)])
    };
    let h = x.mapv(f64::atan);
    let of_h = h.mean().unwrap();
    let secant = ((&h - of_h) * (&x - m)).sum() / (&x - m).mapv(|e| e * e).sum();
    let first = m + p * secant / (secant * secant * p + r) * (y - of_h);
    let slope = 1.0 / (1.0 + first * first);
    let second = m + p * slope / (slope * slope * p + r) * (y - first.atan() - slope * (m - first));
    assert!((found(1).0 - first).abs() < 1e-12 && (found(2).0 - second).abs() < 1e-12);
    assert!((found(1).1 - p * r / (secant * secant * p + r)).abs() < 1e-12);
    assert!((found(2).1 - p * r / (slope * slope * p + r)).abs() < 1e-12);
    let mode = found(40).0;
    assert!(((mode - m) / p - (y - mode.atan()) / (1.0 + mode * mode) / r).abs() < 1e-9);
    // the regression on a function with a kink
    let kinked = Pointwise::new(Absolute, Stride::new(1, 1, 0, &errors(&[0.1])).unwrap());
    let found = analysed(&GaussianScore { relinearisations: 1, ..PLAIN }, &law, &kinked, &array![y]);
    let h = x.mapv(f64::abs);
    let secant = ((&h - h.mean().unwrap()) * (&x - m)).sum() / (&x - m).mapv(|e| e * e).sum();
    let first = m + p * secant / (secant * secant * p + r) * (y - h.mean().unwrap());
    assert!((found.mean().unwrap() - first).abs() < 1e-12);
}

#[test]
fn missing_values_are_as_if_they_were_not_observed() {
    let (dim, members) = (90, 15);
    let law = EnsembleGaussian::new(smooth(members, dim), ModelNoise::Diagonal(Array1::from_elem(dim, 0.1)));
    let r = Array2::from_shape_fn((dim, dim), |(i, j)| 0.5 * (-(i.abs_diff(j) as f64) / 1.5).exp());
    let correlated = |_| -> scorecast_assimilation::Result<Box<dyn scorecast_assimilation::NoiseLaw>> {
        Ok(Box::new(CorrelatedError::new(r.clone())?))
    };
    let all = Stride::new(dim, 1, 0, &correlated).unwrap();
    let kept: Vec<usize> = (0..dim).filter(|i| i % 7 != 3 && !(20..30).contains(i)).collect();
    let mut y = KEY.at(9).normals(1, dim).remove_axis(Axis(0));
    (0..dim).filter(|i| !kept.contains(i)).for_each(|i| y[i] = f64::NAN);
    let h = Array2::from_shape_fn((kept.len(), dim), |(j, i)| f64::from(u8::from(kept[j] == i)));
    let part = Array2::from_shape_fn((kept.len(), kept.len()), |(i, j)| r[(kept[i], kept[j])]);
    let some = Linear::new(h, &|_| Ok(Box::new(CorrelatedError::new(part.clone())?))).unwrap();
    let values: Array1<f64> = kept.iter().map(|&i| y[i]).collect();
    let score = GaussianScore { tapering: Tapering::Set(local(4.0)), window: Some(1e4), ..PLAIN };
    let (missing, absent) = (analysed(&score, &law, &all, &y), analysed(&score, &law, &some, &values));
    assert!(largest(&(&missing - &absent)) < 1e-10);
    let windows = analysed(&GaussianScore { window: Some(8.0), ..score }, &law, &all, &y);
    let off = (windows - missing).mapv(|e| e * e).mean().unwrap().sqrt();
    println!("windows of 8: off by {off:.5}");
    assert!(off < 0.02, "{off}");
}

#[test]
fn a_value_that_comes_twice_counts_twice() {
    let x = KEY.normals(40, 1);
    let x = (&x - x.mean().unwrap()) / covariance(x.view(), None)[(0, 0)].sqrt();
    let operator = Linear::new(array![[1.0], [1.0]], &errors(&[0.5])).unwrap();
    let found = analysed(&PLAIN, &EnsembleGaussian::new(x, ModelNoise::None), &operator, &array![1.0, 1.0]);
    // 1 / (1 + 2 / .25)
    assert!((covariance(found.view(), None)[(0, 0)] - 1.0 / 9.0).abs() < 1e-12);
    assert!((found.mean().unwrap() - 8.0 / 9.0).abs() < 1e-12);
}

fn gaussian(members: i64, more: &[(&'static str, Value)]) -> Box<dyn Cycle> {
    method("ensf", &[&[("members", Value::Int(members)), ("score", word("gaussian"))], more].concat())
}

/// The root of the mean square over components and sets, from the third on, of the error of the mean in exact sd, and the
/// ratio of sd.
fn against_kalman(problem: &LinearProblem, filter: &mut dyn Cycle) -> (f64, f64) {
    let (mut off, mut found, mut exact, mut count) = (0.0, 0.0, 0.0, 0.0);
    for (outcome, (mean, p, _)) in problem.run(filter, KEY).iter().zip(problem.exact()).skip(2) {
        for i in 0..mean.len() {
            off += (outcome.mean()[i] - mean[i]).powi(2) / p[(i, i)];
            found += outcome.variance()[i] / p[(i, i)];
            exact += 1.0;
            count += 1.0;
        }
    }
    ((off / count).sqrt(), f64::sqrt(found / exact))
}

#[test]
fn as_a_filter_it_is_kalmans_in_few_dimensions() {
    for problem in [LinearProblem::one(12), LinearProblem::two(12), LinearProblem::three(12)] {
        for (latents, most) in [("transported", 0.02), ("fresh", 0.02)] {
            let (off, ratio) = against_kalman(&problem, &mut *gaussian(20_000, &[("latents", word(latents))]));
            println!("{} components, {latents}: mean off by {off:.4} sd, sd ratio {ratio:.4}", problem.mean.len());
            assert!(off < most && (ratio - 1.0).abs() < 0.02, "{latents}: {off} {ratio}");
        }
    }
}

#[test]
fn as_a_filter_in_forty_dimensions_it_is_kalmans_with_many_members_and_near_with_few() {
    let problem = LinearProblem::forty(60);
    let (off, ratio) = against_kalman(&problem, &mut *gaussian(400, &[]));
    println!("400 members: mean off by {off:.4} sd, sd ratio {ratio:.4}");
    assert!(off < 0.15 && (ratio - 1.0).abs() < 0.05, "{off} {ratio}");
    let (off, ratio) = against_kalman(&problem, &mut *gaussian(40, &[]));
    println!("40 members, localized: mean off by {off:.4} sd, sd ratio {ratio:.4}");
    assert!(off < 0.35 && (ratio - 1.0).abs() < 0.1, "{off} {ratio}");
}

/// A walk of variance .01 a step seen with variance 1: the filter's variance is .0951, where a draw guided without
/// weights has .5025.
#[test]
fn the_gain_knows_the_spread_of_the_ensemble() {
    let walk = LinearGaussian { matrix: array![[1.0]], offset: array![0.0], covariance: array![[0.01]] };
    let problem = LinearProblem::new(walk, array![[0.5]], array![[1.0]], &[1.0], 1, 200);
    let outcomes = problem.run(&mut *gaussian(50, &[]), KEY);
    let (last, exact) = (outcomes.last().unwrap().variance()[0], problem.exact().last().unwrap().1[(0, 0)]);
    assert!((exact - 0.0951).abs() < 1e-4 && (last / exact - 1.0).abs() < 1e-3, "{last} for {exact}");
}

/// Adaptive inflation changes the spread of the whole law, noise and all: the analysis is Kalman's from the moments of the
/// forecast that it has made.
#[test]
fn adaptive_inflation_changes_the_noise_with_the_members() {
    let problem = LinearProblem::three(10);
    let outcomes =
        problem.run(&mut *gaussian(100, &[("adaptive", word("anderson")), ("inflation_sd", Value::Float(0.5))]), KEY);
    let mut most = 0.0f64;
    for (outcome, y) in outcomes.iter().zip(problem.observations.outer_iter()) {
        let present: Vec<usize> = (0..y.len()).filter(|&i| !y[i].is_nan()).collect();
        if present.is_empty() {
            continue;
        }
        most = most.max((outcome.diagnostics["adaptive_inflation"] - 1.0).abs());
        let h = problem.operator.matrix().unwrap().select(Axis(0), &present);
        let r = Array2::from_diag(&problem.operator.error().variance().select(Axis(0), &present));
        let (m, p) = (weighted_mean(outcome.forecast.view(), None), covariance(outcome.forecast.view(), None));
        let (mean, posterior) = kalman((&m, &p), (&h, &r), &y.select(Axis(0), &present));
        assert!((outcome.mean() - mean).iter().all(|e| e.abs() < 1e-9));
        assert!(largest(&(covariance(outcome.ensemble.view(), None) - posterior)) < 1e-9);
    }
    assert!(most > 0.03, "{most}");
}

/// A forecaster of which some facets are hidden.
struct Partly<'a> {
    of: &'a LinearForecaster,
    has_denoiser: bool,
}

impl Forecaster for Partly<'_> {
    fn dim(&self) -> usize {
        self.of.dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.of.step(k, x, key)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.of.denoiser().filter(|_| self.has_denoiser)
    }
}

#[test]
fn a_denoiser_gives_the_mean_and_its_draws_the_noise_and_without_either_noise_is_drawn() {
    let problem = LinearProblem::three(40);
    let run = |model: &dyn Forecaster| {
        let mut filter = gaussian(100, &[]);
        filter.start(&problem.prior(), 0, KEY).unwrap();
        let mut off = (0.0, 0.0, 0.0);
        for (cycle, (mean, p, _)) in problem.exact().iter().enumerate() {
            let values = problem.observations.row(cycle);
            let observed = ObservationSet { step: cycle + 1, time: 0.0, values, operator: &problem.operator };
            let outcome = filter.step(model, &observed, KEY).unwrap();
            if cycle >= 15 {
                let sd = p.diag().mapv(f64::sqrt);
                off.0 += ((outcome.mean() - mean) / &sd).mapv(|e| e * e).mean().unwrap() / 25.0;
                off.1 += (outcome.variance() / p.diag()).mean().unwrap() / 25.0;
            }
            off.2 += outcome.diagnostics.get("noise_drawn").copied().unwrap_or(0.0);
        }
        (off.0.sqrt(), off.1.sqrt(), off.2)
    };
    let known = run(&problem.model);
    let denoised = run(&Partly { of: &problem.model, has_denoiser: true });
    let drawn = run(&Partly { of: &problem.model, has_denoiser: false });
    println!("mean off, sd ratio, sets drawn: kernel {known:?}, denoiser {denoised:?}, steps {drawn:?}");
    assert!(known.0 < 0.02 && (known.1 - 1.0).abs() < 0.01 && known.2 == 0.0, "{known:?}");
    assert!(denoised.0 < 0.05 && (denoised.1 - 1.0).abs() < 0.05 && denoised.2 == 0.0, "{denoised:?}");
    assert!(drawn.0 < 0.3 && (drawn.1 - 1.0).abs() < 0.1 && drawn.2 == 40.0, "{drawn:?}");
}

/// The contract of a cycle with this score, in one piece and in windows, and with each of its settings.
#[test]
fn threads_and_interruptions_do_not_show() {
    let more: [Vec<(&'static str, Value)>; 10] = [
        vec![],
        vec![("latents", word("fresh"))],
        vec![("solver", word("heun")), ("levels", Value::Int(6))],
        vec![("relinearisations", Value::Int(3)), ("inflation", Value::Float(1.1))],
        vec![("window", Value::Float(5.0)), ("radius", Value::Float(3.0))],
        vec![("between", word("drawn"))],
        vec![("k_factor", Value::Float(2.0))],
        vec![("adaptive", word("anderson")), ("radius", Value::Float(2.0))],
        vec![("outlier_threshold", Value::Float(3.0))],
        vec![("taper", word("gaussian"))],
    ];
    let dim = 70;
    let law = LinearGaussian {
        matrix: Array2::from_diag_elem(dim, 0.9),
        offset: Array1::zeros(dim),
        covariance: Array2::from_diag_elem(dim, 0.2),
    };
    let model = LinearForecaster::new(law).unwrap();
    let prior = Prior::Independent { mean: Array1::zeros(dim), sd: Array1::ones(dim) };
    let operator = Pointwise::new(Arctan, Stride::new(dim, 3, 1, &errors(&[0.2])).unwrap());
    let values = KEY.at(3).normals(4, operator.dim()) * 0.5;
    for more in more {
        let run = |threads: usize, interrupted: bool| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut filter = gaussian(12, &more);
                filter.start(&prior, 0, KEY).unwrap();
                let mut found = Vec::new();
                for (cycle, values) in values.outer_iter().enumerate() {
                    if interrupted {
                        let bytes = filter.save();
                        filter = gaussian(12, &more);
                        filter.restore(&bytes).unwrap();
                    }
                    let observed = ObservationSet { step: 2 * (cycle + 1), time: 0.0, values, operator: &operator };
                    found.push(filter.step(&model, &observed, KEY).unwrap().ensemble);
                }
                found
            })
        };
        let one = run(1, false);
        assert!(one.iter().all(|x| x.iter().all(|value| value.is_finite())), "{more:?}");
        assert!(run(3, false) == one && run(2, true) == one, "{more:?}");
    }
}

#[test]
fn settings_of_another_score_are_refused_with_the_remedy() {
    let refused = |given: &[(&str, Value)]| {
        let entry = scorecast_assimilation::METHODS.iter().find(|entry| entry.name == "ensf").unwrap();
        let settings =
            scorecast_systems::Settings::check("ensf", entry.params, &common::derived::by_key(given)).unwrap();
        (entry.build.make)(&settings).err().unwrap().to_string()
    };
    let message = refused(&[("score", word("gaussian")), ("eps_beta", Value::Float(0.25))]);
    assert!(message.contains("`eps_beta` belongs to score \"single\""), "{message}");
    let message = refused(&[("latents", word("fresh"))]);
    assert!(message.contains("`latents` belongs to score \"gaussian\""), "{message}");
    let message = refused(&[("score", word("gaussian")), ("radius", Value::Float(3.0)), ("taper", word("step"))]);
    assert!(message.contains("taper `step`") || message.contains("\"gaspari_cohn\""), "{message}");
}

/// Nothing observed, no members that differ, a diverged forecast.
#[test]
fn what_cannot_be_analysed_is_left() {
    let operator = Identity::new(3, &errors(&[0.5])).unwrap();
    let nothing = Array1::from_elem(3, f64::NAN);
    let alike = EnsembleGaussian::new(Array2::ones((5, 3)), ModelNoise::None);
    assert_eq!(analysed(&PLAIN, &alike, &operator, &nothing), alike.means);
    assert_eq!(analysed(&PLAIN, &alike, &operator, &array![2.0, 0.0, f64::NAN]), alike.means);
    let mut broken = KEY.normals(5, 3);
    broken[(2, 1)] = f64::NAN;
    let broken = EnsembleGaussian::new(broken, ModelNoise::Diagonal(Array1::ones(3)));
    let left = analysed(&PLAIN, &broken, &operator, &array![2.0, 0.0, 1.0]);
    assert!(left.iter().zip(&broken.means).all(|(a, b)| a.to_bits() == b.to_bits()));
}
