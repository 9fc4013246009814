//! Guidance and score filters in the settings where their right and wrong answers are known numbers.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{errors, random_walk};
use ndarray::{Array1, Array2, Axis, array, concatenate};
use scorecast_assimilation::ensemble::covariance;
use scorecast_assimilation::linalg::Gmres;
use scorecast_assimilation::method::{EnSf, Guidance, GuidedDenoiser, MomentMatched, PriorScore, Unguided};
use scorecast_assimilation::observe::{Identity, Linear};
use scorecast_assimilation::{Analysis, ObservationSet};
use scorecast_systems::gaussian::GaussianDenoiser;
use scorecast_systems::noising::sample;
use scorecast_systems::noising::sampler::{Heun, ReverseSde};
use scorecast_systems::{Affine, Denoiser, Domain, Karras, Key, Level, Levels, Purpose};

const SOLVER: Gmres = Gmres { tolerance: 1e-10, iterations: 4, restart: 4 };

/// Unit variances with correlation .8; the first component is observed as 2 with an error of sd .3. The exact posterior
/// is mean (1.8349, 1.4679), variances (.08257, .41284), correlation .3577.
fn guided_normal<T>(members: usize, run: impl FnOnce(&dyn GuidedDenoiser) -> T) -> T {
    let denoiser = GaussianDenoiser::new(array![0.0, 0.0], array![[1.0, 0.8], [0.8, 1.0]].view()).unwrap();
    let operator = Linear::new(array![[1.0, 0.0]], &errors(&[0.3])).unwrap();
    let to_state = Affine { offset: Array2::zeros((members, 2)), scale: Array2::ones((members, 2)) };
    let values = array![2.0];
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let rule = MomentMatched { solver: SOLVER };
    run(&*rule.guide(Unguided { denoiser: &denoiser, to_state: &to_state, observed }))
}

const EXACT: [f64; 5] = [1.834_862, 1.467_890, 0.082_569, 0.412_844, 0.357_771];

fn summary(mean: &Array1<f64>, p: &Array2<f64>) -> [f64; 5] {
    [mean[0], mean[1], p[(0, 0)], p[(1, 1)], p[(0, 1)] / (p[(0, 0)] * p[(1, 1)]).sqrt()]
}

fn levels(steps: usize) -> Levels {
    Karras { sigma_min: 0.002, sigma_max: 40.0, rho: 7.0, steps }.exploding().unwrap()
}

#[test]
fn the_moment_matched_denoiser_is_that_of_the_posterior() {
    let gain = 1.0 / 1.09;
    let posterior_covariance = array![[1.0 - gain, 0.8 - 0.8 * gain], [0.8 - 0.8 * gain, 1.0 - 0.64 * gain]];
    let posterior = GaussianDenoiser::new(array![2.0 * gain, 1.6 * gain], posterior_covariance.view()).unwrap();
    let x = Key::new(1, Domain::Score).normals(6, 2) * 3.0;
    for level in
        [Level::exploding(0.01), Level::exploding(1.0), Level::exploding(30.0), Level { alpha: 0.6, sigma: 0.8 }]
    {
        let exact = posterior.denoise(x.view(), level).unwrap();
        let guided = guided_normal(6, |guidance| guidance.denoise(x.view(), level).unwrap());
        assert!((exact - guided).iter().all(|e| e.abs() < 1e-8), "{level:?}");
    }
}

#[test]
fn the_stochastic_sampler_draws_the_posterior_within_one_percent() {
    // 500,000 samples: a standard error of .2 % in a variance
    let members = 20_000;
    let draw = |case| {
        let key = Key::new(2, Domain::Method).case(case);
        guided_normal(members, |g| sample(&ReverseSde, g, &levels(200), members, key).unwrap())
    };
    let draws: Vec<Array2<f64>> = (0..25).map(draw).collect();
    let views: Vec<_> = draws.iter().map(|draw| draw.view()).collect();
    let all = concatenate(Axis(0), &views).unwrap();
    let found = summary(&all.mean_axis(Axis(0)).unwrap(), &covariance(all.view(), None));
    println!("reverse SDE {found:.4?}");
    for (found, exact) in found.iter().zip(EXACT) {
        assert!((found / exact - 1.0).abs() < 0.01, "{found} for {exact}");
    }
}

#[test]
fn heuns_rule_gives_the_posterior_within_two_and_a_half_percent() {
    // the flow maps the noise of the start affinely: three members and their known noise give map and shift exactly
    let members = 3;
    let key = Key::new(3, Domain::Method);
    let x = guided_normal(members, |g| sample(&Heun, g, &levels(200), members, key).unwrap());
    let noise = key.purpose(Purpose::Sampler).normals(members, 2);
    let start = concatenate(Axis(1), &[Array2::ones((members, 1)).view(), noise.view()]).unwrap();
    let map = solve(&start, &x);
    let linear = map.slice(ndarray::s![1.., ..]);
    let found = summary(&map.row(0).to_owned(), &linear.t().dot(&linear));
    println!("Heun {found:.4?}");
    for (found, exact) in found.iter().zip(EXACT) {
        assert!((found / exact - 1.0).abs() < 0.025, "{found} for {exact}");
    }
}

/// A^-1 B by Cramer's rule, for A of order 3.
fn solve(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let det = |m: &Array2<f64>| -> f64 {
        (0..3)
            .map(|j| {
                let (k, l) = ((j + 1) % 3, (j + 2) % 3);
                m[(0, j)] * (m[(1, k)] * m[(2, l)] - m[(1, l)] * m[(2, k)])
            })
            .sum()
    };
    Array2::from_shape_fn((3, b.ncols()), |(i, c)| {
        let mut replaced = a.clone();
        replaced.column_mut(i).assign(&b.column(c));
        det(&replaced) / det(a)
    })
}

#[test]
fn guided_without_weights_is_not_the_filter_and_with_weights_it_is() {
    let after = |cycles| (0..cycles).fold(0.5025, |p: f64, _| (p + 0.01) / (p + 1.01));
    let kalman = after(20);
    // gain g = q^2 / (q^2 + r^2), so V = (1 - g)^2 V + q^2 r^2 / (q^2 + r^2): .5025, at which it starts and stays
    let g: f64 = 0.01 / 1.01;
    let unweighted = g / (1.0 - (1.0 - g).powi(2));
    assert!((unweighted - 0.5025).abs() < 1e-4 && (after(500) - 0.0951).abs() < 1e-4, "{unweighted} {kalman}");
    let (none, exact, path) = (random_walk("none", 4000), random_walk("exact", 20_000), random_walk("path", 20_000));
    println!("random walk: Kalman {kalman:.4}, exact {exact:.4}, path {path:.4}, none {none:.4}");
    // five standard errors sqrt(2 / N) of a variance; with weights N is an effective size of a quarter at worst (the
    // spread measured against the exact posterior), and 32 steps leave 3 % in the one-step variance, a tenth of the whole
    assert!((none / unweighted - 1.0).abs() < 5.0 * (2.0f64 / 4000.0).sqrt());
    assert!((exact / kalman - 1.0).abs() < 5.0 * (2.0f64 / 5000.0).sqrt() + 0.003);
    assert!((path / kalman - 1.0).abs() < 5.0 * (2.0f64 / 5000.0).sqrt());
}

/// d(analysis mean) / d(innovation) of `ensf` for a prior of this standard deviation: the two runs share all noise.
fn gain(prior: PriorScore, members: usize, sd: f64) -> f64 {
    let operator = Identity::new(1, &errors(&[0.05])).unwrap();
    let forecast = Key::new(6, Domain::Method).normals(members, 1) * sd;
    let centre = forecast.mean().unwrap();
    let analysis = |innovation: f64| {
        let values = array![centre + innovation];
        let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
        let mut filter = EnSf { prior, inflation: 1.0, steps: 500, eps_alpha: 0.5, eps_beta: 0.025, clip: 1000.0 };
        filter.update(forecast.clone(), &observed, Key::new(7, Domain::Method)).unwrap().mean()[0]
    };
    (analysis(0.05) - analysis(-0.05)) / 0.1
}

#[test]
fn ensf_as_published_has_one_gain_whatever_the_spread() {
    for (sd, exact) in [(0.1f64, 0.800), (0.3, 0.973), (1.0, 0.998), (3.0, 1.000)] {
        let kalman = sd * sd / (sd * sd + 0.0025);
        assert!((kalman - exact).abs() < 5e-4);
        let (single, mixture) = (gain(PriorScore::Single, 20, sd), gain(PriorScore::Mixture, 400, sd));
        // the mixture is a kernel estimate with variance eps_beta: its gain is that of a prior wider by that
        let smoothed = (sd * sd + 0.025) / (sd * sd + 0.0275);
        assert!((mixture - smoothed).abs() < 0.01, "prior sd {sd}: {mixture} for {smoothed}");
        println!("prior sd {sd}: exact {kalman:.3}, single {single:.3}, mixture {mixture:.3}");
        assert!((single - 0.917).abs() < 0.002, "prior sd {sd}: {single}");
    }
}
