//! Score-based filters and their rivals on a grid of two dimensions, and with a forecaster whose states hold the one before: Kalman's
//! posterior in both.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{LinearProblem, errors, method, word};
use ndarray::{Array1, Array2, s};
use scorecast_assimilation::ObservationSet;
use scorecast_assimilation::observe::{Carrying, Stride};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Forecaster, Key, LinearGaussian, Value};

/// A method, its settings, and how far its mean may be off in exact sd.
type Tried = (&'static str, Vec<(&'static str, Value)>, f64);

fn members(count: i64) -> (&'static str, Value) {
    ("members", Value::Int(count))
}

/// The root of the mean square error of the mean of the first `dim` components in exact sd and the mean ratio of sd, over the sets
/// from the fourth on.
fn against_kalman(
    (name, given, _): &Tried,
    problem: &LinearProblem,
    model: &dyn Forecaster,
    operator: &dyn scorecast_assimilation::ObservationOperator,
    dim: usize,
) -> (f64, f64) {
    let (mut filter, key) = (method(name, given), Key::new(3, Domain::Method));
    filter.start(&problem.prior(), 0, key).unwrap();
    let (mut square, mut ratio, mut count) = (0.0, 0.0, 0.0);
    for (set, (mean, p, _)) in problem.exact().iter().enumerate() {
        let values = problem.observations.row(set);
        let step = (set + 1) * problem.every;
        let outcome = filter.step(model, &ObservationSet { step, time: 0.0, values, operator }, key).unwrap();
        if set > 2 {
            let sd = p.diag().mapv(f64::sqrt);
            let gaps = (outcome.mean() - mean) / &sd;
            square += gaps.slice(s![..dim]).mapv(|gap| gap * gap).mean().unwrap();
            ratio += (outcome.variance().mapv(f64::sqrt) / &sd).slice(s![..dim]).mean().unwrap();
            count += 1.0;
        }
    }
    (f64::sqrt(square / count), ratio / count)
}

/// A torus of 8 by 8 points, each pulled by its right and lower neighbours, every second one observed.
#[test]
fn on_a_torus_local_filters_are_near_kalmans() {
    let (columns, dim) = (8, 64);
    let pull = |i: usize, j: usize| {
        let (down, right) = ((j / columns + 8 - i / columns) % 8, (j % columns + 8 - i % columns) % 8);
        match (down, right) {
            (0, 0) => 0.5,
            (0, 1) | (1, 0) => 0.2,
            _ => 0.0,
        }
    };
    let law = LinearGaussian {
        matrix: Array2::from_shape_fn((dim, dim), |(i, j)| pull(i, j)),
        offset: Array1::from_elem(dim, 0.1),
        covariance: Array2::from_diag_elem(dim, 0.3),
    };
    let h = Array2::from_shape_fn((dim / 2, dim), |(i, j)| f64::from(u8::from(j == 2 * i)));
    let problem = LinearProblem::new(law, Array2::eye(dim), h, &[0.7], 1, 16);
    let stride = Stride::new(dim, 2, 0, &errors(&[0.7])).unwrap();
    let torus = [("geometry", word("torus")), ("columns", Value::Int(columns as i64)), members(100)];
    let ensf = |score: &str| vec![("score", word(score))];
    let rows: Vec<Tried> = vec![
        ("letkf", vec![("radius", Value::Float(1.5))], 0.3),
        ("qceff", vec![("radius", Value::Float(1.5))], 0.35),
        ("ensf", ensf("gaussian"), 0.3),
        ("ensf", [ensf("gaussian"), vec![("radius", Value::Float(1.5)), ("window", Value::Float(3.0))]].concat(), 0.3),
        ("ensf", ensf("local_mixture"), 0.5),
        ("guided", vec![("weights", word("exact")), ("radius", Value::Float(1.0)), ("steps", Value::Int(32))], 0.3),
        (
            "guided",
            vec![
                ("weights", word("exact")),
                ("radius", Value::Float(1.5)),
                ("weights_share", Value::Float(0.2)),
                ("steps", Value::Int(32)),
            ],
            0.3,
        ),
    ];
    for (name, given, most) in rows {
        let row = (name, [&torus[..], &given].concat(), most);
        let (bias, ratio) = against_kalman(&row, &problem, &problem.model, &stride, dim);
        println!("{name} {given:?}: off by {bias:.3}, sd ratio {ratio:.3}");
        assert!(bias < most && (0.85..1.15).contains(&ratio), "{name} {given:?}: {bias} {ratio}");
    }
}

/// What a forecaster of states with the one before behind it tells: its steps alone.
struct Stacked(LinearForecaster);

impl Forecaster for Stacked {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn history(&self) -> usize {
        2
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.0.step(k, x, key)
    }
}

/// x_{k+1} = A x_k + B x_{k-1} + noise on a ring of 12, every second component of x_k observed; states hold both.
#[test]
fn with_the_state_before_behind_it_filters_are_kalmans_of_both() {
    let n = 12;
    let ring = |i: usize, j: usize| (j + n - i) % n;
    let block = |i: usize, j: usize| match (i / n, j / n, ring(i % n, j % n)) {
        (0, 0, 0) => 0.9,
        (0, 0, 1) => 0.3,
        (0, 1, 0) => -0.4,
        (1, 0, 0) => 1.0,
        _ => 0.0,
    };
    let law = LinearGaussian {
        matrix: Array2::from_shape_fn((2 * n, 2 * n), |(i, j)| block(i, j)),
        offset: Array1::zeros(2 * n),
        covariance: Array2::from_shape_fn((2 * n, 2 * n), |(i, j)| if i == j && i < n { 0.3 } else { 0.0 }),
    };
    let h = Array2::from_shape_fn((n / 2, 2 * n), |(i, j)| f64::from(u8::from(j == 2 * i)));
    let problem = LinearProblem::new(law.clone(), Array2::eye(2 * n), h, &[0.5], 1, 16);
    let stride = Stride::new(n, 2, 0, &errors(&[0.5])).unwrap();
    let operator = Carrying::new(&stride, 2 * n);
    let model = Stacked(LinearForecaster::new(law).unwrap());
    let ensf = |score: &str| vec![("score", word(score))];
    let rows: Vec<Tried> = vec![
        ("letkf", vec![members(400), ("radius", Value::Float(3.0))], 0.25),
        ("qceff", vec![members(400), ("radius", Value::Float(3.0))], 0.35),
        ("ensf", [ensf("gaussian"), vec![members(400)]].concat(), 0.25),
        ("ensf", [ensf("local_mixture"), vec![members(400)]].concat(), 0.35),
        ("ensf", [ensf("local_mixture"), vec![members(400), ("sampler", word("langevin"))]].concat(), 0.35),
    ];
    for row in rows {
        let (bias, ratio) = against_kalman(&row, &problem, &model, &operator, 2 * n);
        println!("{} {:?}: off by {bias:.3}, sd ratio {ratio:.3}", row.0, row.1);
        assert!(bias < row.2 && (0.85..1.15).contains(&ratio), "{} {:?}: {bias} {ratio}", row.0, row.1);
    }
    // a draw of the next state alone is none of both, and a covariance of both has no windows
    for (name, given, remedy) in [
        ("guided", vec![], "needs a forecaster with a denoiser"),
        ("ensf", [ensf("gaussian"), vec![("radius", Value::Float(3.0))]].concat(), "leave `radius` out"),
    ] {
        let mut filter = method(name, &given);
        filter.start(&problem.prior(), 0, Key::new(3, Domain::Method)).unwrap();
        let values = problem.observations.row(0);
        let observed = ObservationSet { step: 1, time: 0.0, values, operator: &operator };
        let message = filter.step(&model, &observed, Key::new(3, Domain::Method)).unwrap_err().to_string();
        assert!(message.contains(remedy), "{name}: {message}");
    }
}
