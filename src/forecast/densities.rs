//! Learned densities against laws that are known: two modes, correlation, the units of the state, one in all, and draws.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, Array3, ArrayView3, Axis, s};

use crate::forecast::fitting::tests::try_fit;
use crate::forecast::{FORECASTERS, Fitted};
use crate::systems::registry::find;
use crate::systems::simulate::simulate;
use crate::systems::{Domain, Forecaster, Geometry, Key, Level, Stepping, Value, catalogue};

/// A kind of forecaster and settings of its own.
type Learner = (&'static str, &'static [(&'static str, i64)], &'static [(&'static str, &'static str)]);

/// Every learned forecaster with a density that may have any shape.
const FREE: [Learner; 3] = [
    ("mixture", &[("components", 2), ("rank", 1)], &[("covariance", "low_rank")]),
    ("autoregressive", &[("hidden", 16)], &[]),
    ("normalizing_flow", &[], &[]),
];

/// Every learned forecaster with a density.
const ALL: [Learner; 6] = [
    FREE[0],
    FREE[1],
    FREE[2],
    ("mse", &[], &[]),
    ("gaussian", &[], &[]),
    ("gaussian", &[], &[("covariance", "full")]),
];

/// Laws of one shape, and closed forms.
const SHAPED: [Learner; 5] = [
    ("gaussian", &[("rank", 1)], &[("covariance", "low_rank")]),
    ("mse", &[], &[("noise", "full")]),
    ("linear", &[], &[]),
    ("pca_linear", &[("rank", 1)], &[]),
    ("molrg", &[("components", 2)], &[]),
];

fn fit(kind: Learner, steps: i64, [width, blocks]: [i64; 2], geometry: Geometry, data: [ArrayView3<f64>; 2]) -> Fitted {
    let (name, counts, words) = kind;
    let common = [("steps", steps), ("width", width), ("blocks", blocks)];
    let learns = find(FORECASTERS, "forecaster", name).unwrap().build.is_learned();
    let counts = common.iter().filter(|_| learns).chain(counts).map(|(key, count)| (*key, Value::Int(*count)));
    let words = words.iter().map(|(key, word)| (*key, Value::Text((*word).to_owned())));
    try_fit(name, &counts.chain(words).collect::<Vec<_>>(), (geometry, 5), data).unwrap()
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
    let log_density = |kind: Learner| {
        let fitted = fit(kind, 1500, [32, 2], Geometry::Unstructured, [train, valid]);
        (mean_log_density(fitted.as_forecaster(), test), fitted)
    };
    let gaussian = log_density(("gaussian", &[], &[])).0;
    assert!(best - gaussian > 0.1, "{gaussian} for {best}");
    let expected = |from: f64, to: f64| {
        let cells = ((to - from) / exact.step) as usize;
        (0..cells).map(|i| exact.log_density(0.0, from + (i as f64 + 0.5) * exact.step).exp() * exact.step).sum::<f64>()
    };
    for kind in [("mixture", &[][..], &[][..]), FREE[1], FREE[2]] {
        let (found, fitted) = log_density(kind);
        println!("{}: log density {found:.4} of the exact {best:.4}; gaussian {gaussian:.4}", kind.0);
        // some 1,700 weights of 8,000 pairs that are far from independent: 1,700 / 16,000 nats at most, and far less here
        assert!(best - found < 0.02, "{}: {found} for {best}", kind.0);
        // from the ridge between the wells either is reached, and nearly nothing lies between them
        let mut draws = Array2::zeros((20_000, 1));
        fitted.advance(0, 1, &mut draws, Key::new(2, Domain::Method)).unwrap();
        let share = |of: &dyn Fn(f64) -> bool| draws.iter().filter(|x| of(**x)).count() as f64 / 20_000.0;
        for (from, to) in [(-REACH, 0.0), (0.0, REACH), (-0.3, 0.3)] {
            let (found, exact) = (share(&|x| x > from && x < to), expected(from, to));
            let named = kind.0;
            assert!((found - exact).abs() < 0.04, "{named}: {found} of the draws from {from} to {to}, for {exact}");
        }
    }
}

/// Trajectories of x_{k+1} = .8 x_k + xi with xi = .3 e + c (1, -1, 1, ...), e and c standard normal: `[case, time,
/// component]`.
pub(super) fn alternating(cases: usize, times: usize, seed: u64) -> Array3<f64> {
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
fn a_direction_of_noise_is_learned_by_laws_that_know_dependence() {
    let (train, valid, test) = (alternating(24, 129, 1), alternating(4, 129, 2), alternating(16, 129, 3));
    // xi ~ N(0, .09 I + p p^T), |p|^2 = 8, across from where W starts: log det = 7 ln .09 + ln 8.09
    let entropy = 0.5 * (7.0 * 0.09f64.ln() + 8.09f64.ln() + 8.0 * (std::f64::consts::TAU.ln() + 1.0));
    let log_density = |kind: Learner| {
        let fitted = fit(kind, 600, [16, 1], Geometry::Unstructured, [train.view(), valid.view()]);
        mean_log_density(fitted.as_forecaster(), test.view())
    };
    let diagonal = log_density(("mixture", &[("components", 2)], &[]));
    for kind in FREE {
        let found = log_density(kind);
        println!("{}: log density {found:.3} of the exact {:.3}; diagonal {diagonal:.3}", kind.0, -entropy);
        // 2,048 pairs: sd of log p is 2, so that its mean has a standard error of .045
        assert!(found + entropy > -0.35, "{}: {found} for {}", kind.0, -entropy);
        assert!(found - diagonal > 3.0, "{}: {found} {diagonal}", kind.0);
    }
}

#[test]
fn the_density_is_one_in_the_units_of_the_state() {
    let data = alternating(4, 33, 4);
    for kind in ALL {
        let [one, large] = [1.0, 1024.0].map(|unit| {
            let data = &data * unit;
            let fitted = fit(kind, 20, [8, 1], Geometry::Ring, [data.view(), data.view()]);
            mean_log_density(fitted.as_forecaster(), data.view())
        });
        // a power of two changes no bit of the scaled data, and the log score by ln 1024 a component
        assert!((one - large - 8.0 * 6.931_471_805_6).abs() < 1e-9, "{}: {one} {large}", kind.0);
    }
}

/// Trajectories of two components whose noise is bent: `[case, time, component]`.
fn bent(cases: usize, times: usize) -> Array3<f64> {
    let mut data = Array3::zeros((cases, times, 2));
    let mut x: Array2<f64> = Array2::zeros((cases, 2));
    for time in 0..times {
        let noise = Key::new(3, Domain::Data).at(time as u64).normals(cases, 2);
        let first = &x.column(0) * 0.7 + noise.column(0);
        let second = &x.column(1) * 0.5 + first.mapv(|x| 0.4 * (x * x - 1.0)) + noise.column(1).mapv(|e| 0.3 * e);
        x.column_mut(0).assign(&first);
        x.column_mut(1).assign(&second);
        data.slice_mut(s![.., time, ..]).assign(&x);
    }
    data
}

#[test]
fn every_density_is_one_in_all_and_that_of_the_draws() {
    let data = bent(16, 65);
    let from = data.slice(s![2, 40..41, ..]).to_owned();
    // a lattice over 14 sd or more of what follows
    let (count, width) = (240, 14.0);
    let step = 2.0 * width / count as f64;
    let lattice = Array2::from_shape_fn((count * count, 2), |(i, c)| {
        let place = if c == 0 { i / count } else { i % count };
        from[[0, c]] - width + (place as f64 + 0.5) * step
    });
    for kind in ALL.into_iter().chain(SHAPED) {
        let fitted = fit(kind, 300, [16, 1], Geometry::Unstructured, [data.view(), data.view()]);
        let density = fitted.density().unwrap();
        let x = from.select(Axis(0), &vec![0; count * count]);
        let weights = density.log_prob(0, x.view(), lattice.view()).unwrap().mapv(|log| log.exp() * step * step);
        // the midpoint rule on a smooth law with sd of three cells or more, and the knots of a spline
        assert!((weights.sum() - 1.0).abs() < 2e-3, "{kind:?}: {}", weights.sum());
        let moment = |f: &dyn Fn(f64, f64) -> f64| {
            weights.iter().zip(lattice.rows()).map(|(w, z)| w * f(z[0], z[1])).sum::<f64>() / weights.sum()
        };
        let members = 40_000;
        let mut draws = from.select(Axis(0), &vec![0; members]);
        fitted.advance(0, 1, &mut draws, Key::new(8, Domain::Method)).unwrap();
        let center = [moment(&|a, _| a), moment(&|_, b| b)];
        let terms: [&dyn Fn(f64, f64) -> f64; 6] = [
            &|a, _| a,
            &|_, b| b,
            &|a, _| (a - center[0]).powi(2),
            &|_, b| (b - center[1]).powi(2),
            &|a, b| (a - center[0]) * (b - center[1]),
            &|a, b| (a - center[0]).powi(2) * (b - center[1]),
        ];
        for (index, term) in terms.into_iter().enumerate() {
            let values: Array1<f64> = draws.rows().into_iter().map(|z| term(z[0], z[1])).collect();
            let (mean, se) = (values.mean().unwrap(), values.std(1.0) / (members as f64).sqrt());
            let exact = moment(term);
            assert!((mean - exact).abs() < 5.0 * se + 2e-3, "{kind:?}, moment {index}: {mean} {exact} +- {se}");
        }
        // stored and loaded, it is the same law to the bit
        let entry = find(FORECASTERS, "forecaster", kind.0).unwrap().build;
        let loaded = entry.rebuild(&fitted.model()).unwrap().unwrap();
        let [own, other] = [&fitted, &loaded].map(|model| {
            let mut x = data.slice(s![.., 3, ..]).to_owned();
            model.advance(3, 2, &mut x, Key::new(7, Domain::Method)).unwrap();
            (model.density().unwrap().log_prob(0, lattice.view(), lattice.view()).unwrap(), x)
        });
        assert_eq!(own, other, "{kind:?}");
    }
}

/// As the noise goes to 0, (D(z_t) - z_t) / sigma^2 becomes the gradient of log p, in the space of the denoiser.
#[test]
fn the_denoiser_of_a_law_with_a_density_is_its_score() {
    let data = bent(16, 65);
    let (x, next) = (data.slice(s![.., 40, ..]).to_owned(), data.slice(s![.., 41, ..]).to_owned());
    let mut compared = Vec::new();
    for kind in ALL.into_iter().chain(SHAPED) {
        let fitted = fit(kind, 40, [16, 1], Geometry::Unstructured, [data.view(), data.view()]);
        let (Some(density), Some(denoiser)) = (fitted.density(), fitted.denoiser()) else { continue };
        let bound = denoiser.bind(0, x.view()).unwrap();
        let z = (&next - &bound.to_state.offset) / &bound.to_state.scale;
        // D is off by terms of sigma^4, and by rounding
        let sigma = 1e-4;
        let denoised = bound.denoiser.denoise(z.view(), Level::exploding(sigma)).unwrap();
        let score = (denoised - &z) / (sigma * sigma);
        for c in 0..2 {
            let h = 1e-5;
            let at = |h: f64| {
                let mut moved = z.clone();
                moved.column_mut(c).mapv_inplace(|z| z + h);
                density.log_prob(0, x.view(), bound.to_state.apply(&moved).view()).unwrap()
            };
            for (found, expected) in score.column(c).iter().zip((at(h) - at(-h)) / (2.0 * h)) {
                assert!((found - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{kind:?}: {found} {expected}");
            }
        }
        compared.push(kind.0);
    }
    println!("compared: {compared:?}");
    assert!(["mixture", "molrg", "gaussian", "linear"].iter().all(|kind| compared.contains(kind)), "{compared:?}");
}

#[test]
fn shapes_that_are_never_trained_are_refused() {
    let data = bent(4, 33);
    for (kind, key, values) in [
        (FREE[1], "hidden", [0, 5000]),
        (FREE[1], "reach", [65, 1_000_000]),
        (FREE[2], "couplings", [1, 65]),
        (FREE[2], "bins", [0, 65]),
    ] {
        let fitted = fit(kind, 2, [4, 1], Geometry::Unstructured, [data.view(), data.view()]);
        let entry = find(FORECASTERS, "forecaster", kind.0).unwrap().build;
        for value in values {
            let mut damaged = fitted.model();
            damaged.config["forecaster"][key] = value.into();
            let message = entry.rebuild(&damaged).unwrap().err().unwrap().to_string();
            assert!(message.contains("is damaged"), "{message}");
        }
        let mut damaged = fitted.model();
        damaged.config["network"]["copies"] = 1_000_000.into();
        assert!(entry.rebuild(&damaged).unwrap().is_err());
    }
}
