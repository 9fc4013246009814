//! `crps` on a law whose components are strongly correlated: x_{k+1} = x_k / 2 + xi, xi ~ N(0, Q), Q of unit variances and
//! correlation .9.

#![allow(clippy::unwrap_used, clippy::panic)]

use ndarray::{Array2, Array3, Axis, array, s};
use scorecast::forecast::Fitted;
use scorecast::systems::{Domain, Geometry, Key, Purpose, Value};

const CORRELATION: f64 = 0.9;

fn trajectories(seed: u64, cases: usize, times: usize) -> Array3<f64> {
    let key = Key::new(seed, Domain::Data).purpose(Purpose::ProcessNoise);
    let root = array![[1.0, 0.0], [CORRELATION, (1.0 - CORRELATION * CORRELATION).sqrt()]];
    let (spin_up, mut x) = (20, Array2::zeros((cases, 2)));
    let mut out = Array3::zeros((cases, times, 2));
    for time in 0..spin_up + times {
        x = x * 0.5 + key.at(time as u64).normals(cases, 2).dot(&root.t());
        if time >= spin_up {
            out.slice_mut(s![.., time - spin_up, ..]).assign(&x);
        }
    }
    out
}

fn fit(rule: &str, pretrain: &str, seed: u64) -> Fitted {
    let given = [
        ("steps", Value::Int(1500)),
        ("width", Value::Int(32)),
        ("blocks", Value::Int(2)),
        ("rule", Value::Text(rule.to_owned())),
        ("pretrain", Value::Text(pretrain.to_owned())),
    ];
    let (train, valid) = (trajectories(1, 64, 257), trajectories(2, 8, 257));
    super::try_fit("crps", &given, (Geometry::Unstructured, seed), [train.view(), valid.view()]).unwrap()
}

/// Mean, sd and correlation of draws given a state, less those of the law: of the mean in sd, of the sd in percent.
fn errors(fitted: &Fitted, point: [f64; 2]) -> [f64; 5] {
    let draws = 20_000;
    let mut x = Array2::from_shape_fn((draws, 2), |(_, c)| point[c]);
    fitted.as_forecaster().step(0, &mut x, Key::new(7, Domain::Method)).unwrap();
    let mean = x.mean_axis(Axis(0)).unwrap();
    let centred = &x - &mean;
    let covariance = centred.t().dot(&centred) / draws as f64;
    let sd = covariance.diag().mapv(f64::sqrt);
    let correlation = covariance[[0, 1]] / (sd[0] * sd[1]);
    [mean[0] - 0.5 * point[0], mean[1] - 0.5 * point[1], sd[0] - 1.0, sd[1] - 1.0, correlation - CORRELATION]
}

const POINTS: [[f64; 2]; 3] = [[0.0, 0.0], [1.0, 0.8], [-1.2, -0.6]];

// Three times the largest errors of these four trainings: .047 in a mean, .045 in an sd, .009 in a correlation.
const MEAN: f64 = 0.14;
const SD: f64 = 0.14;
const DEPENDENCE: f64 = 0.03;

#[test]
fn draws_have_the_moments_of_the_law_and_by_the_energy_score_its_dependence_too() {
    for (rule, pretrain) in [("energy", "none"), ("both", "none"), ("energy", "mse"), ("crps", "none")] {
        let fitted = fit(rule, pretrain, 5);
        for point in POINTS {
            let [first, second, sd_first, sd_second, correlation] = errors(&fitted, point).map(f64::abs);
            println!(
                "{rule}, {pretrain} first, at {point:?}: {first:.3} {second:.3} {sd_first:.3} {sd_second:.3} {correlation:.3}"
            );
            assert!(
                first < MEAN && second < MEAN,
                "{rule} at {point:?}: means are off by {first:.3} and {second:.3} sd"
            );
            assert!(
                sd_first < SD && sd_second < SD,
                "{rule} at {point:?}: sd are off by {sd_first:.3}, {sd_second:.3}"
            );
            // the crps of components is right at any correlation, and where it ends is chance
            assert!(
                correlation < DEPENDENCE || rule == "crps",
                "{rule} at {point:?}: the correlation is off by {correlation:.3}"
            );
        }
    }
}
