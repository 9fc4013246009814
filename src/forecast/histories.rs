//! Forecasters that are given several states: what they learn and carry.

use ndarray::{Array2, Array3, ArrayView3, Axis, s};

use super::fitting::tests::try_fit;
use super::{FORECASTERS, Fitted};
use crate::systems::{Domain, Entry, Geometry, Key, Value};

/// x_{k+1} = 1.5 x_k - .9 x_{k-1} + e, e ~ N(0, 1): what follows x_k is told by the state before it.
const LAGS: [f64; 2] = [1.5, -0.9];

/// Stationary trajectories, `[case, time, component]`, the components independent.
fn trajectories(shape: (usize, usize, usize), seed: u64) -> Array3<f64> {
    let (cases, times, dim) = shape;
    let spin_up = 100;
    let mut states = Array3::zeros((cases, times + spin_up, dim));
    for case in 0..cases {
        let noise = Key::new(seed, Domain::Data).case(case as u64).normals(times + spin_up, dim);
        for time in 2..times + spin_up {
            for c in 0..dim {
                let of = |back: usize| LAGS[back - 1] * states[[case, time - back, c]];
                states[[case, time, c]] = of(1) + of(2) + noise[[time, c]];
            }
        }
    }
    states.slice_move(s![.., spin_up.., ..])
}

fn fit(kind: &str, given: &[(&str, Value)], train: ArrayView3<f64>, valid: ArrayView3<f64>) -> Fitted {
    try_fit(kind, given, (Geometry::Unstructured, 3), [train, valid]).unwrap()
}

/// States with `history` - 1 before each, and what follows, `[state, component]` each.
fn stacked(of: &Array3<f64>, history: usize) -> (Array2<f64>, Array2<f64>) {
    let (cases, times, dim) = of.dim();
    let rows = cases * (times - history);
    let (mut states, mut next) = (Array2::zeros((rows, history * dim)), Array2::zeros((rows, dim)));
    for (row, (case, time)) in (0..cases).flat_map(|case| (history - 1..times - 1).map(move |t| (case, t))).enumerate()
    {
        for back in 0..history {
            states.slice_mut(s![row, back * dim..(back + 1) * dim]).assign(&of.slice(s![case, time - back, ..]));
        }
        next.row_mut(row).assign(&of.slice(s![case, time + 1, ..]));
    }
    (states, next)
}

/// Forecasters that can be given several states.
fn of_several() -> impl Iterator<Item = &'static Entry<super::ForecasterBuild>> {
    FORECASTERS.iter().filter(|entry| entry.params.iter().any(|param| param.key == "history"))
}

#[test]
fn a_lead_step_puts_the_next_state_before_the_others_and_a_stored_one_does_the_same() {
    let data = trajectories((4, 20, 3), 1);
    let mut count = 0;
    for entry in of_several() {
        let given = [("steps", 4), ("width", 4), ("history", 3)].map(|(key, count)| (key, Value::Int(count)));
        let known = |key: &str| entry.params.iter().any(|param| param.key == key);
        let given: Vec<_> = given.into_iter().filter(|(key, _)| known(key)).collect();
        let fitted = fit(entry.name, &given, data.view(), data.view());
        assert_eq!((fitted.dim(), fitted.history()), (9, 3), "{}", entry.name);
        let (before, _) = stacked(&data, 3);
        let mut x = before.clone();
        let key = Key::new(5, Domain::Method);
        fitted.step(0, &mut x, key).unwrap();
        assert_eq!(x.slice(s![.., 3..]), before.slice(s![.., ..6]), "{}", entry.name);
        assert!(x.iter().all(|x| x.is_finite()) && x.slice(s![.., ..3]) != before.slice(s![.., ..3]), "{}", entry.name);
        let again = entry.build.rebuild(&fitted.model()).unwrap().unwrap();
        let mut same = before.clone();
        again.step(0, &mut same, key).unwrap();
        assert_eq!(same, x, "{}", entry.name);
        count += 1;
    }
    assert!(count > 10, "{count}");
}

#[test]
fn what_came_before_tells_what_follows() {
    let (train, test) = (trajectories((40, 50, 1), 2), trajectories((40, 50, 1), 3));
    let mut excess = Vec::new();
    for history in [1, 2] {
        let given = [("steps", 1500), ("history", history), ("width", 16), ("blocks", 1)];
        let given = given.map(|(key, count)| (key, Value::Int(count)));
        let fitted = fit("gaussian", &given, train.view(), test.slice(s![..10, .., ..]));
        let (states, next) = stacked(&test, 2);
        let known = states.slice(s![.., ..history as usize]);
        let found = fitted.density().unwrap().log_prob(0, known, next.view()).unwrap();
        let exact = |row: usize| {
            let mean = LAGS[0] * states[[row, 0]] + LAGS[1] * states[[row, 1]];
            -0.5 * (next[[row, 0]] - mean).powi(2) - 0.5 * std::f64::consts::TAU.ln()
        };
        let gap: f64 = found.iter().enumerate().map(|(row, found)| exact(row) - found).sum();
        excess.push(gap / next.len_of(Axis(0)) as f64);
    }
    // x_k alone leaves the variance 1 / (1 - .9^2) of what follows: half its logarithm, .830, is lost
    assert!((excess[0] - 0.83).abs() < 0.08, "{excess:?}");
    // a small network of 2,000 pairs
    assert!((-0.01..0.05).contains(&excess[1]), "{excess:?}");
}
