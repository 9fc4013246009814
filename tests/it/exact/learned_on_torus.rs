//! Networks for fields on a law that is known: on a torus of 4 x 5 positions x_{k+1} = a T x_k + q xi, where T moves the
//! field by one row and one column and xi is white.
//!
//! The stationary field is white with variance s^2 = q^2 / (1 - a^2), and T x_k is independent of x_k at each position, so
//! that an increment has variance 2 s^2, and given x_k its scaled noise has sd c = q / (2 s^2)^(1/2). The least loss of
//! `likelihood` is (ln c^2 + 1) / 2, where nothing learned is 1/2. The least loss of `velocity` at a level is
//! c^2 / (alpha^2 c^2 + sigma^2), the variance of v given x_t and x_k, and its mean over the quarter circle is c.

#![allow(clippy::unwrap_used, clippy::panic)]

use ndarray::{Array2, Array3, Axis, s};
use scorecast::forecast::{Error, Fitted};
use scorecast::systems::{Domain, Geometry, Key, Purpose, Value};

const ROWS: usize = 4;
const COLUMNS: usize = 5;
const DIM: usize = ROWS * COLUMNS;
const A: f64 = 0.9;
const Q: f64 = 0.5;

/// a T x, `[case, component]`.
fn mean(x: &Array2<f64>) -> Array2<f64> {
    let from = |i: usize| (i / COLUMNS + ROWS - 1) % ROWS * COLUMNS + (i % COLUMNS + COLUMNS - 1) % COLUMNS;
    Array2::from_shape_fn(x.dim(), |(case, i)| A * x[[case, from(i)]])
}

/// c.
fn noise_share() -> f64 {
    ((1.0 - A * A) / 2.0).sqrt()
}

/// Stationary trajectories `[case, time, component]`.
fn trajectories(seed: u64, cases: usize, times: usize) -> Array3<f64> {
    let key = Key::new(seed, Domain::Data).purpose(Purpose::ProcessNoise);
    let mut x = key.case(1).normals(cases, DIM) * (Q / (1.0 - A * A).sqrt());
    let mut out = Array3::zeros((cases, times, DIM));
    for time in 0..times {
        out.slice_mut(s![.., time, ..]).assign(&x);
        x = mean(&x) + key.at(time as u64).normals(cases, DIM) * Q;
    }
    out
}

fn fit(kind: &str, steps: i64, given: &[(&str, &str)]) -> Fitted {
    let torus = Geometry::Torus { rows: ROWS, columns: COLUMNS };
    try_fit(kind, steps, given, torus, &trajectories(1, 32, 65)).unwrap()
}

fn try_fit(
    kind: &str,
    steps: i64,
    given: &[(&str, &str)],
    geometry: Geometry,
    train: &Array3<f64>,
) -> Result<Fitted, Error> {
    let numbers = [("steps", steps), ("width", 8), ("blocks", 1), ("kernel", 3), ("warm_up", 20)];
    let usual = [("network", Value::Text("conv2d".to_owned()))].into_iter();
    let numbers = numbers.into_iter().map(|(key, value)| (key, Value::Int(value)));
    let texts = given.iter().map(|(key, value)| (*key, Value::Text((*value).to_owned())));
    let all: Vec<(&str, Value)> = usual.chain(numbers).chain(texts).collect();
    super::try_fit(kind, &all, (geometry, 5), [train.view(), trajectories(2, 16, 65).view()])
}

#[test]
fn the_likelihood_falls_to_its_known_least_loss() {
    let found = fit("gaussian", 500, &[]).training().best_valid;
    let least = 0.5 * ((noise_share() * noise_share()).ln() + 1.0);
    println!("likelihood on a torus: {found:.4}, least {least:.4}");
    // 1024 validation pairs of 20 components: the standard error is (.5 / 20480)^(1/2) = .005; learning adds .01
    assert!((found - least).abs() < 0.03, "{found:.4} where the least loss is {least:.4}");
}

#[test]
fn the_velocity_falls_to_its_known_least_loss_and_draws_the_exact_law() {
    let fitted = fit("diffusion", 1200, &[("objective", "velocity")]);
    let (found, least) = (fitted.training().best_valid, noise_share());
    println!("velocity on a torus: {found:.4}, least {least:.4}");
    // c^2 / (alpha^2 c^2 + sigma^2) of 1024 levels has a standard error of (c (1 + c^2) / 2 - c^2)^(1/2) / 32 = .008
    assert!((found - least).abs() < 0.05, "{found:.4} where the least loss is {least:.4}");
    let draws = 4000;
    let point = trajectories(3, 1, 1).remove_axis(Axis(0));
    let mut x = Array2::from_shape_fn((draws, DIM), |(_, i)| point[[0, i]]);
    fitted.advance(0, 1, &mut x, Key::new(9, Domain::Method)).unwrap();
    let found = x.mean_axis(Axis(0)).unwrap();
    let shift = ((&found - &mean(&point).row(0)) / Q).mapv(|shift| shift * shift).mean().unwrap().sqrt();
    let sd = (&x - &found).mapv(|value| value * value).mean().unwrap().sqrt() / Q;
    println!("velocity on a torus: the means are {shift:.3} sd off, the sd is {sd:.3} of the exact one");
    assert!(shift < 0.15, "the means are {shift:.3} sd off");
    assert!((sd - 1.0).abs() < 0.1, "the sd is {sd:.3} of the exact one");
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    for (kind, given) in [("gaussian", [].as_slice()), ("diffusion", &[("objective", "velocity")])] {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let fitted = fit(kind, 12, given);
                let mut x = Key::new(2, Domain::Method).normals(40, DIM);
                fitted.advance(3, 2, &mut x, Key::new(3, Domain::Method)).unwrap();
                (fitted.model(), x)
            })
        };
        let one = run(1);
        assert_eq!(one, run(2), "{kind} on 2 threads");
        assert_eq!(one, run(3), "{kind} on 3 threads");
    }
}

#[test]
fn a_field_may_have_walls_where_nothing_ever_changes() {
    let mut train = trajectories(1, 4, 20);
    train.slice_mut(s![.., .., ..COLUMNS]).fill(0.0);
    let plane = Geometry::Plane { rows: ROWS, columns: COLUMNS };
    for kind in ["gaussian", "diffusion"] {
        let fitted = try_fit(kind, 4, &[], plane, &train).unwrap();
        let mut x = Key::new(2, Domain::Method).normals(3, DIM);
        fitted.advance(0, 1, &mut x, Key::new(3, Domain::Method)).unwrap();
        assert!(x.iter().all(|value| value.is_finite()), "{kind}");
        let message = try_fit(kind, 4, &[("network", "mlp")], plane, &train).err().unwrap().to_string();
        assert!(message.starts_with("component 0 has the same value in all 76 training pairs"), "{message}");
    }
}
