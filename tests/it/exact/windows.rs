//! The joint law of several states against the exact one: x_{k+1} = A x_k + xi as elsewhere, and a rotation of which one
//! component is seen.

#![allow(clippy::unwrap_used, clippy::panic)]

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, s};
use scorecast::assimilation::linalg::Cholesky;
use scorecast::forecast::{FORECASTERS, Fitted};
use scorecast::systems::noising::sample;
use scorecast::systems::noising::sampler::named;
use scorecast::systems::{Domain, Geometry, Key, Level, Value, WindowLaw, registry};

use super::learned_on_linear::{Q, trajectories, transition};

fn fit(given: &[(&str, i64)], [train, valid]: [&Array3<f64>; 2]) -> Fitted {
    let given: Vec<_> = given.iter().map(|(key, count)| (*key, Value::Int(*count))).collect();
    super::try_fit("window", &given, (Geometry::Unstructured, 5), [train.view(), valid.view()]).unwrap()
}

/// The stationary covariance of `frames` states that follow each other, of which `lagged(j)` is that of x_{k+j} with x_k.
fn covariance(frames: usize, lagged: impl Fn(usize) -> Array2<f64>) -> Array2<f64> {
    let n = lagged(0).nrows();
    let mut all = Array2::zeros((frames * n, frames * n));
    for (i, j) in (0..frames).flat_map(|i| (0..=i).map(move |j| (i, j))) {
        let block = lagged(i - j);
        all.slice_mut(s![i * n..(i + 1) * n, j * n..(j + 1) * n]).assign(&block);
        all.slice_mut(s![j * n..(j + 1) * n, i * n..(i + 1) * n]).assign(&block.t());
    }
    all
}

/// A^j S, with S = A S A^T + Q.
fn linear(lag: usize) -> Array2<f64> {
    let (a, q) = (transition(), Array2::from(Q.to_vec()));
    let mut stationary = q.clone();
    (0..500).for_each(|_| stationary = a.dot(&stationary).dot(&a.t()) + &q);
    (0..lag).fold(stationary, |s, _| a.dot(&s))
}

/// A^-1 B of a covariance A.
fn solved(a: ArrayView2<f64>, b: ArrayView2<f64>) -> Array2<f64> {
    let factor = Cholesky::new(a).unwrap();
    let mut out = b.to_owned();
    out.columns_mut().into_iter().for_each(|mut column| {
        let found = factor.solve(&column.to_owned());
        column.assign(&found);
    });
    out
}

/// The mean and the covariance of Gaussian windows of covariance `c` given y = x + r eps of each frame (`[member, frame x
/// component]`), about 0: (C (C + S)^-1 y, C - C (C + S)^-1 C), over the frames of which anything is known.
fn posterior(c: &Array2<f64>, y: &Array2<f64>, levels: &[f64]) -> (Array2<f64>, Array2<f64>) {
    let n = c.nrows() / levels.len();
    let visible: Vec<usize> = (0..c.nrows()).filter(|at| levels[at / n].is_finite()).collect();
    let gain = c.select(Axis(0), &visible);
    let mut noisy = gain.select(Axis(1), &visible);
    for (i, at) in visible.iter().enumerate() {
        noisy[[i, i]] += levels[at / n].powi(2);
    }
    let gain = solved(noisy.view(), gain.view());
    (y.select(Axis(1), &visible).dot(&gain), c - &c.select(Axis(1), &visible).dot(&gain))
}

/// Stationary windows of `c`, and noise, `[member, frame x component]` each.
fn drawn(c: &Array2<f64>, members: usize, seed: u64) -> [Array2<f64>; 2] {
    let root = Cholesky::new(c.view()).unwrap().lower().to_owned();
    let normals = [seed, seed + 1].map(|seed| Key::new(seed, Domain::Method).normals(members, c.nrows()));
    [normals[0].dot(&root.t()), normals[1].clone()]
}

/// The rms over members of the error of D in units of what is left open, of each frame at a level.
fn errors(law: &dyn WindowLaw, c: &Array2<f64>, levels: &[f64]) -> Vec<(usize, f64)> {
    let (n, to_states) = (c.nrows() / levels.len(), law.to_states());
    let scale = to_states.scale.row(0);
    let c = c / &scale.to_owned().insert_axis(Axis(1)) / &scale.to_owned().insert_axis(Axis(0));
    let [x, noise] = drawn(&c, 2048, 11);
    let level = |at: usize| if levels[at / n].is_finite() { levels[at / n] } else { 0.0 };
    let y = &x + &(noise * &Array1::from_shape_fn(c.nrows(), level));
    let (mean, covariance) = posterior(&c, &y, levels);
    // in the space of the denoiser the states are about the sample's mean
    let shift = &to_states.offset / &to_states.scale;
    let of = |level: &f64| match level.is_finite() {
        true => Level::exploding(*level),
        false => Level { alpha: 0.0, sigma: 1.0 },
    };
    let each: Vec<Level> = levels.iter().map(of).collect();
    let found = law.denoiser().evaluate((&y - &shift).view(), &each).unwrap().guided + &shift;
    let squares = (found - &mean).mapv(|gap| gap * gap).mean_axis(Axis(0)).unwrap();
    let frame = |frame: usize| {
        let own = frame * n..(frame + 1) * n;
        own.map(|at| squares[at] / covariance[[at, at]]).sum::<f64>() / n as f64
    };
    (0..levels.len())
        .filter(|at| levels[*at] > 0.0 && levels[*at].is_finite())
        .map(|at| (at, frame(at).sqrt()))
        .collect()
}

const INFINITE: f64 = f64::INFINITY;

#[test]
fn the_joint_denoiser_is_the_exact_one_at_mixed_levels() {
    let (train, valid) = (trajectories(1, 64, 257), trajectories(2, 8, 257));
    for (frames, levels) in [
        (2, vec![vec![0.0, 0.1], vec![0.0, 2.0], vec![0.3, 0.3], vec![2.0, 0.2], vec![0.1, 5.0], vec![10.0, 10.0]]),
        (
            4,
            vec![
                vec![0.0, 0.3, INFINITE, INFINITE],
                vec![0.0, 0.0, 0.0, 0.3],
                vec![0.05, 0.2, 0.8, 3.0],
                vec![0.5, 0.5, 0.5, 0.5],
                vec![3.0, 0.1, 1.0, 0.3],
                vec![10.0, 10.0, 10.0, 10.0],
            ],
        ),
    ] {
        let fitted = fit(&[("steps", 1000), ("width", 64), ("frames", frames)], [&train, &valid]);
        let law = fitted.as_forecaster().window().unwrap();
        assert_eq!(law.frames(), frames as usize);
        let exact = covariance(frames as usize, linear);
        for levels in levels {
            let bound = if levels[0] == 3.0 { FALLING } else { DENOISER };
            for (frame, error) in errors(law, &exact, &levels) {
                println!("{frames} frames, {levels:?}: frame {frame} is {error:.3} posterior sd off");
                assert!(error < bound, "{frames} frames, {levels:?}: frame {frame} is {error:.3} posterior sd off");
            }
        }
    }
}

/// One and a half times the largest error of three trainings that differ in their key: .13, and .19 where a frame is told by
/// the one after it alone. Half of the rows are forecasts, and one in four has levels in any order.
const DENOISER: f64 = 0.2;
const FALLING: f64 = 0.3;

#[test]
fn windows_drawn_from_noise_have_the_stationary_covariance() {
    let (train, valid) = (trajectories(1, 64, 257), trajectories(2, 8, 257));
    let fitted = fit(&[("steps", 1000), ("width", 64)], [&train, &valid]);
    let law = fitted.as_forecaster().window().unwrap();
    let members = 20_000;
    let sampler = named("dpm_solver_2m").unwrap();
    // finer than usual: what is new in a frame is narrower than the frame
    let grid = scorecast::systems::Karras { sigma_min: 0.01, steps: 40, ..sampler.grid };
    let denoiser = law.denoiser();
    let key = Key::new(9, Domain::Method);
    let z = sample(sampler.sampler, denoiser.as_ref(), &grid.exploding().unwrap(), members, key).unwrap();
    let x = law.to_states().apply(&z);
    let centred = &x - &x.mean_axis(Axis(0)).unwrap();
    let found = centred.t().dot(&centred) / members as f64;
    let exact = covariance(2, linear);
    let learned_from = of_pairs(&train);
    for ((i, j), found) in found.indexed_iter().filter(|((i, j), _)| i <= j) {
        let scale = (exact[[i, i]] * exact[[j, j]]).sqrt();
        let gap = (found - exact[[i, j]]) / scale;
        let from_data = (found - learned_from[[i, j]]) / scale;
        println!("covariance {i} {j}: {gap:.4} of the sds off, {from_data:.4} off that of the training data");
        assert!(from_data.abs() < STATIONARY, "covariance {i} {j}: {from_data:.4} off that of the training data");
        assert!(gap.abs() < STATIONARY + DATA, "covariance {i} {j}: {gap:.4} of the sds off");
    }
    // what is new: x_{k+1} - A x_k
    let new = x.slice(s![.., 2..]).to_owned() - x.slice(s![.., ..2]).dot(&transition().t());
    for (c, own) in Q.iter().enumerate() {
        let ratio = new.column(c).std(0.0) / own[c].sqrt();
        println!("what is new in component {c}: {ratio:.3} of its sd");
        assert!((ratio - 1.0).abs() < NEW, "what is new in component {c}: {ratio:.3} of its sd");
    }
}

/// One and a half times the largest error of three trainings that differ in their key, .06, of which 20,000 draws make .01.
const STATIONARY: f64 = 0.09;
/// Two standard errors of a variance over the training data: of its 16,384 states about one in five is independent.
const DATA: f64 = 0.05;
/// Twice the largest error of three trainings, .027.
const NEW: f64 = 0.055;

/// x_{k+1} = a x_k + e of unit variance in two components, with a lead step in which a state hardly changes: `[case, time, 2]`.
fn slow(a: f64, seed: u64, cases: usize) -> Array3<f64> {
    let mut out = Array3::zeros((cases, 129, 2));
    for case in 0..cases {
        let normals = Key::new(seed, Domain::Data).case(case as u64).normals(129, 2);
        let mut x = normals.row(0).to_owned();
        for (time, noise) in normals.outer_iter().enumerate() {
            if time > 0 {
                x = x * a + &noise * (1.0 - a * a).sqrt();
            }
            out.slice_mut(s![case, time, ..]).assign(&x);
        }
    }
    out
}

#[test]
fn a_short_lead_step_is_drawn_as_well_as_a_long_one() {
    for a in [0.9, 0.999, 0.99999] {
        let (train, valid) = (slow(a, 1, 128), slow(a, 2, 16));
        let fitted = fit(&[("steps", 1000), ("width", 64), ("frames", 3)], [&train, &valid]);
        let sd = (1.0 - a * a).sqrt();
        for point in [0.0, 1.0, -1.5] {
            let mut x = Array2::from_elem((20_000, 2), point);
            fitted.as_forecaster().step(0, &mut x, Key::new(9, Domain::Method)).unwrap();
            for column in x.columns() {
                let (shift, ratio) = ((column.mean().unwrap() - a * point) / sd, column.std(0.0) / sd);
                println!("{a} at {point}: mean {shift:.3} sd off, sd {ratio:.3}");
                assert!(shift.abs() < SHORT && (ratio - 1.0).abs() < RATIO, "{a} at {point}: {shift:.3} {ratio:.3}");
            }
        }
    }
}

/// Three times the largest error, .03, of which 20,000 draws make .007: what holds for a lead step of any length is one number.
const SHORT: f64 = 0.09;

/// The covariance of successive states of trajectories.
fn of_pairs(of: &Array3<f64>) -> Array2<f64> {
    let (cases, times, n) = of.dim();
    let mut pairs = Array2::zeros((cases * (times - 1), 2 * n));
    for (mut row, (case, time)) in
        pairs.outer_iter_mut().zip((0..cases).flat_map(|case| (1..times).map(move |time| (case, time))))
    {
        row.slice_mut(s![..n]).assign(&of.slice(s![case, time - 1, ..]));
        row.slice_mut(s![n..]).assign(&of.slice(s![case, time, ..]));
    }
    let centred = &pairs - &pairs.mean_axis(Axis(0)).unwrap();
    centred.t().dot(&centred) / pairs.nrows() as f64
}

/// A rotation by .6 that is damped by .97 a step, with noise of unit variance in each of two components.
const ROTATION: (f64, f64) = (0.97, 0.6);

/// Trajectories of the first component, `[case, time, 1]`.
fn seen_in_part(seed: u64, cases: usize, times: usize) -> Array3<f64> {
    let ((damping, angle), spin_up) = (ROTATION, 200);
    let mut out = Array3::zeros((cases, times, 1));
    for case in 0..cases {
        let noise = Key::new(seed, Domain::Data).case(case as u64).normals(spin_up + times, 2);
        let (mut x, mut y) = (0.0, 0.0);
        for (time, noise) in noise.outer_iter().enumerate() {
            let (sin, cos) = angle.sin_cos();
            (x, y) = (damping * (cos * x - sin * y) + noise[0], damping * (sin * x + cos * y) + noise[1]);
            if time >= spin_up {
                out[[case, time - spin_up, 0]] = x;
            }
        }
    }
    out
}

/// The covariance of the first component with itself so many steps later.
fn of_rotation(lag: usize) -> Array2<f64> {
    let (damping, angle) = ROTATION;
    let value = damping.powi(lag as i32) * (angle * lag as f64).cos() / (1.0 - damping * damping);
    Array2::from_elem((1, 1), value)
}

#[test]
fn one_network_forecasts_with_any_history() {
    let (train, valid) = (seen_in_part(1, 64, 257), seen_in_part(2, 8, 257));
    let fitted = fit(&[("steps", 1500), ("width", 64), ("frames", 4)], [&train, &valid]);
    let entry = registry::find(FORECASTERS, "forecaster", "window").unwrap();
    let exact = covariance(4, of_rotation);
    let [windows, _] = drawn(&exact, 512, 21);
    let mut sds = Vec::new();
    for history in 1..=3 {
        // the history is no matter of the training
        let mut model = fitted.model();
        if history > 1 {
            model.config["history"] = history.into();
        }
        let other = entry.build.rebuild(&model).unwrap().unwrap();
        assert_eq!((other.history(), other.dim()), (history, history));
        let own = exact.slice(s![..=history, ..=history]).to_owned();
        let levels: Vec<f64> = (0..=history).map(|frame| if frame < history { 0.0 } else { INFINITE }).collect();
        let given = windows.slice(s![.., ..=history]).to_owned();
        let (mean, rest) = posterior(&own, &given, &levels);
        let sd = rest[[history, history]].sqrt();
        // newest first, and many draws of each
        let draws = 200;
        let x = Array2::from_shape_fn((512 * draws, history), |(i, back)| given[[i / draws, history - 1 - back]]);
        let mut next = x.clone();
        other.step(0, &mut next, Key::new(3, Domain::Method)).unwrap();
        assert_eq!(next.slice(s![.., 1..]), x.slice(s![.., ..history - 1]));
        let each: Vec<Array1<f64>> =
            next.column(0).to_vec().chunks(draws).map(|own| Array1::from(own.to_vec())).collect();
        let shift = each.iter().zip(mean.column(history)).map(|(own, m)| ((own.mean().unwrap() - m) / sd).powi(2));
        let ratio = (each.iter().map(|own| own.var(1.0)).sum::<f64>() / 512.0).sqrt() / sd;
        // less what the means of so many draws are off by themselves
        let shift = (shift.sum::<f64>() / 512.0 - ratio * ratio / draws as f64).max(0.0).sqrt();
        println!("history {history}: exact sd {sd:.3}, mean {shift:.3} sd off, sd {ratio:.3} of it");
        assert!(shift < SHIFT, "history {history}: the mean is {shift:.3} sd off");
        assert!((ratio - 1.0).abs() < RATIO, "history {history}: the sd is {ratio:.3} of the exact one");
        sds.push(ratio * sd);
    }
    // x_k alone leaves open what the state before it says
    assert!(sds[0] > 1.5 * sds[1] && sds[1] > sds[2], "{sds:?}");
}

/// Three times the largest error of two trainings, .02.
const SHIFT: f64 = 0.06;
/// Three times the largest error of two trainings, 1.9 %.
const RATIO: f64 = 0.06;
