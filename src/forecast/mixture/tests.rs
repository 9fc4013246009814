//! The forecaster against laws that are known: two modes, correlation, and the units of the state.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, Array3, ArrayView3, Axis, s};

use crate::forecast::fitting::tests::try_fit;
use crate::forecast::{FORECASTERS, Fitted};
use crate::systems::registry::find;
use crate::systems::simulate::simulate;
use crate::systems::{Domain, Forecaster, Geometry, Key, Level, Stepping, Value, catalogue};

fn fit(kind: &str, given: &[(&str, Value)], geometry: Geometry, data: [ArrayView3<f64>; 2]) -> Fitted {
    try_fit(kind, given, (geometry, 5), data).unwrap()
}

/// The mean of log p(x_{k+1} | x_k) over the pairs of trajectories.
fn mean_log_density(model: &dyn Forecaster, data: ArrayView3<f64>) -> f64 {
    let (cases, times, dim) = data.dim();
    let rows = |from: usize| {
        let states = data.slice(s![.., from..from + times - 1, ..]).to_owned();
        states.into_shape_with_order((cases * (times - 1), dim)).unwrap()
    };
    model.density().unwrap().log_prob(0, rows(0).view(), rows(1).view()).unwrap().mean().unwrap()
}

/// p(x_{k+1} | x_k) of a particle in a double well over 100 steps of .02, on a grid: Chapman and Kolmogorov.
struct ExactWell {
    step: f64,
    density: Array2<f64>,
}

const REACH: f64 = 2.7;

impl ExactWell {
    fn new(noise: f64) -> Self {
        let (count, h) = (360, 0.02f64);
        let step = 2.0 * REACH / (count - 1) as f64;
        let at = |i: usize| -REACH + i as f64 * step;
        let sd = noise * h.sqrt();
        let one = Array2::from_shape_fn((count, count), |(i, j)| {
            // the mean of a second-order step of x' = x - x^3
            let (x, f) = (at(i), |x: f64| x - x * x * x);
            let mean = x + h * f(x + 0.5 * h * f(x));
            (-0.5 * ((at(j) - mean) / sd).powi(2)).exp() / (sd * std::f64::consts::TAU.sqrt()) * step
        });
        // 100 = 4 + 32 + 64
        let squared = |matrix: &Array2<f64>| matrix.dot(matrix);
        let four = squared(&squared(&one));
        let sixteen = squared(&squared(&four));
        let thirty_two = squared(&sixteen);
        let density = four.dot(&thirty_two).dot(&squared(&thirty_two)) / step;
        Self { step, density }
    }

    /// log p(next | x), by linear interpolation.
    fn log_density(&self, x: f64, next: f64) -> f64 {
        let place = |x: f64| {
            let at = (x.clamp(-REACH + 1e-9, REACH - 1e-9) + REACH) / self.step;
            (at as usize, at.fract())
        };
        let ((i, a), (j, b)) = (place(x), place(next));
        let row = |i: usize| (1.0 - b) * self.density[[i, j]] + b * self.density[[i, j + 1]];
        ((1.0 - a) * row(i) + a * row(i + 1)).ln()
    }
}

#[test]
fn the_two_wells_of_a_long_step_are_found_where_one_gaussian_lies_between_them() {
    let noise = 0.7;
    let system = catalogue::build("double_well", &BTreeMap::from([("noise".to_owned(), Value::Float(noise))])).unwrap();
    let stepping = Stepping { dt: 2.0, substeps: 100, integrator: "rk4".to_owned() };
    let key = Key::new(1, Domain::Data);
    let data = simulate(system, &stepping, 64, 256, 20, key, |_, _| {}).unwrap().states;
    let [train, valid, test] = [s![..32, .., ..], s![32..36, .., ..], s![36.., .., ..]].map(|part| data.slice(part));
    let exact = ExactWell::new(noise);
    let pairs = test.outer_iter().flat_map(|case| {
        let states = case.column(0).to_vec();
        states.windows(2).map(|pair| exact.log_density(pair[0], pair[1])).collect::<Vec<_>>()
    });
    let best = pairs.collect::<Array1<f64>>().mean().unwrap();
    let given = [("steps", Value::Int(1500)), ("width", Value::Int(32)), ("blocks", Value::Int(2))];
    let [gaussian, mixture] = ["gaussian", "mixture"].map(|kind| {
        let fitted = fit(kind, &given, Geometry::Unstructured, [train, valid]);
        (mean_log_density(fitted.as_forecaster(), test), fitted)
    });
    println!("log density {:.4} of the exact {best:.4}; gaussian {:.4}", mixture.0, gaussian.0);
    // some 1,700 weights of 8,000 pairs that are far from independent: 1,700 / 16,000 nats at most, and far less here
    assert!(best - mixture.0 < 0.02, "{} for {best}", mixture.0);
    assert!(best - gaussian.0 > 0.1, "{} for {best}", gaussian.0);
    // from the ridge between the wells either is reached, and nearly nothing lies between them
    let mut draws = Array2::zeros((20_000, 1));
    mixture.1.advance(0, 1, &mut draws, Key::new(2, Domain::Method)).unwrap();
    let share = |of: &dyn Fn(f64) -> bool| draws.iter().filter(|x| of(**x)).count() as f64 / 20_000.0;
    let expected = |from: f64, to: f64| {
        let cells = ((to - from) / exact.step) as usize;
        (0..cells).map(|i| exact.log_density(0.0, from + (i as f64 + 0.5) * exact.step).exp() * exact.step).sum::<f64>()
    };
    for (from, to) in [(-REACH, 0.0), (0.0, REACH), (-0.3, 0.3)] {
        let (found, exact) = (share(&|x| x > from && x < to), expected(from, to));
        assert!((found - exact).abs() < 0.04, "{found} of the draws lie between {from} and {to}, for {exact}");
    }
}

/// Trajectories of x_{k+1} = .8 x_k + xi with xi = .3 e + c (1, -1, 1, ...), e and c standard normal: `[case, time,
/// component]`.
fn alternating(cases: usize, times: usize, seed: u64) -> Array3<f64> {
    let dim = 8;
    let pattern = Array1::from_shape_fn(dim, |c| if c % 2 == 0 { 1.0 } else { -1.0 });
    let mut data = Array3::zeros((cases, times, dim));
    let mut x = Array2::zeros((cases, dim));
    for time in 0..times + 20 {
        let key = Key::new(seed, Domain::Data).at(time as u64);
        let common = key.case(1).normals(cases, 1) * &pattern;
        x = x * 0.8 + key.normals(cases, dim) * 0.3 + common;
        if time >= 20 {
            data.slice_mut(s![.., time - 20, ..]).assign(&x);
        }
    }
    data
}

#[test]
fn a_direction_of_noise_is_learned_by_low_rank_covariances() {
    let (train, valid, test) = (alternating(24, 129, 1), alternating(4, 129, 2), alternating(16, 129, 3));
    // xi ~ N(0, .09 I + p p^T), |p|^2 = 8, across from where W starts: log det = 7 ln .09 + ln 8.09
    let entropy = 0.5 * (7.0 * 0.09f64.ln() + 8.09f64.ln() + 8.0 * (std::f64::consts::TAU.ln() + 1.0));
    let given = |covariance: &str| {
        [
            ("steps", Value::Int(600)),
            ("width", Value::Int(16)),
            ("blocks", Value::Int(1)),
            ("components", Value::Int(2)),
            ("covariance", Value::Text(covariance.to_owned())),
            ("rank", Value::Int(1)),
        ]
    };
    let [diagonal, low_rank] = ["diagonal", "low_rank"].map(|covariance| {
        let data = [train.view(), valid.view()];
        let fitted = fit("mixture", &given(covariance), Geometry::Unstructured, data);
        mean_log_density(fitted.as_forecaster(), test.view())
    });
    println!("log density {low_rank:.3} of the exact {:.3}; diagonal {diagonal:.3}", -entropy);
    // 2,048 pairs: sd of log p is 2, so that its mean has a standard error of .045
    assert!(low_rank + entropy > -0.35, "{low_rank} for {}", -entropy);
    assert!(low_rank - diagonal > 3.0, "{low_rank} {diagonal}");
}

#[test]
fn the_density_is_one_in_the_units_of_the_state() {
    let data = alternating(4, 33, 4);
    let given = [
        ("steps", Value::Int(20)),
        ("width", Value::Int(8)),
        ("blocks", Value::Int(1)),
        ("covariance", Value::Text("low_rank".to_owned())),
    ];
    let [one, large] = [1.0, 1024.0].map(|unit| {
        let data = &data * unit;
        let fitted = fit("mixture", &given, Geometry::Ring, [data.view(), data.view()]);
        mean_log_density(fitted.as_forecaster(), data.view())
    });
    // a power of two changes no bit of the scaled data, and the log score by ln 1024 a component
    assert!((one - large - 8.0 * 6.931_471_805_6).abs() < 1e-9, "{one} {large}");
}

#[test]
fn draws_density_and_denoiser_are_of_one_law_and_survive_a_file() {
    let data = alternating(6, 33, 5);
    let given = [
        ("steps", Value::Int(200)),
        ("width", Value::Int(8)),
        ("components", Value::Int(3)),
        ("covariance", Value::Text("low_rank".to_owned())),
    ];
    let fitted = fit("mixture", &given, Geometry::Ring, [data.view(), data.view()]);
    let members = 100;
    let x = Array2::from_shape_fn((members, 8), |(i, c)| data[[i % 6, 3 + i / 6, c]]);
    let next = &x + &(Key::new(6, Domain::Method).normals(members, 8) * 0.3);
    let density = fitted.density().unwrap();
    let log_prob = density.log_prob(0, x.view(), next.view()).unwrap();
    // the denoiser's score at a small level, in z, is the gradient of the log-density
    let bound = fitted.denoiser().unwrap().bind(0, x.view()).unwrap();
    let z = (&next - &bound.to_state.offset) / &bound.to_state.scale;
    let sigma = 1e-4;
    let denoised = bound.denoiser.denoise(z.view(), Level::exploding(sigma)).unwrap();
    let score = (denoised - &z) / (sigma * sigma) / &bound.to_state.scale;
    let h = 1e-5;
    for c in 0..8 {
        let at = |h: f64| {
            let mut moved = next.clone();
            moved.column_mut(c).mapv_inplace(|x| x + h);
            density.log_prob(0, x.view(), moved.view()).unwrap()
        };
        let gradient = (at(h) - at(-h)) / (2.0 * h);
        for (found, expected) in score.column(c).iter().zip(&gradient) {
            // the level of 1e-4 moves it by 1e-8 of its third derivative
            assert!((found - expected).abs() < 1e-3 * (1.0 + expected.abs()), "{found} {expected}");
        }
    }
    // one by one, a member has the law that it has among all
    let alone = density.log_prob(0, x.slice(s![99.., ..]), next.slice(s![99.., ..])).unwrap();
    assert!((alone[0] - log_prob[99]).abs() < 1e-5 * log_prob[99].abs(), "{} {}", alone[0], log_prob[99]);
    let entry = find(FORECASTERS, "forecaster", "mixture").unwrap().build;
    let model = fitted.model();
    let loaded = entry.rebuild(&model).unwrap().unwrap();
    let step = |model: &Fitted| {
        let mut x = x.clone();
        model.advance(3, 2, &mut x, Key::new(7, Domain::Method)).unwrap();
        x
    };
    assert_eq!(step(&fitted), step(&loaded));
    assert_eq!(loaded.density().unwrap().log_prob(0, x.view(), next.view()).unwrap(), log_prob);
    for (key, value) in [("components", 0), ("rank", 1000), ("components", 2)] {
        let mut damaged = model.clone();
        damaged.config["forecaster"][key] = value.into();
        let message = entry.rebuild(&damaged).unwrap().err().unwrap().to_string();
        assert!(message.contains("is damaged"), "{message}");
    }
}

#[test]
fn draws_have_the_mean_and_the_variance_of_the_law() {
    let data = alternating(6, 33, 5);
    let given = [("steps", Value::Int(100)), ("width", Value::Int(8)), ("components", Value::Int(3))];
    let fitted = fit("mixture", &given, Geometry::Ring, [data.view(), data.view()]);
    let members = 40_000;
    let from = data.slice(s![2, 7..8, ..]).to_owned();
    let bound = fitted.denoiser().unwrap().bind(0, from.view()).unwrap();
    let mut draws = from.select(Axis(0), &vec![0; members]);
    fitted.advance(0, 1, &mut draws, Key::new(8, Domain::Method)).unwrap();
    let mean = draws.mean_axis(Axis(0)).unwrap();
    for c in 0..8 {
        let sd = bound.to_state.scale[[0, c]];
        assert!((mean[c] - bound.to_state.offset[[0, c]]).abs() < 5.0 * sd / (members as f64).sqrt());
        let squares = draws.column(c).mapv(|x| ((x - mean[c]) / sd).powi(2));
        let variance = squares.mean().unwrap();
        let se = (squares.mapv(|s| (s - variance).powi(2)).mean().unwrap() / members as f64).sqrt();
        assert!((variance - 1.0).abs() < 5.0 * se, "component {c}: {variance}");
    }
    assert_ne!(draws.row(0), draws.row(1));
}
