//! The denoiser of a window against finite differences, and against the law that it is without a network.

use ndarray::{Array2, Array3, Axis, s};

use super::*;
use crate::forecast::learned::tests::{DIM, untrained};
use crate::progress::Quiet;
use crate::systems::{Denoiser, Domain, Geometry, Level, Value};

const FRAMES_OF_TEST: usize = 3;

/// Members in two whole chunks of the larger size and part of a third.
const MEMBERS: usize = 2 * 64 + 3;

/// Frames of a sequence with x_{k+1} = .9 x_k + e and another, in turns.
fn covariance() -> FrameCovariance {
    let of = |(c, i, j): (usize, usize, usize)| [0.9f64, 0.4][c % 2].powi(i.abs_diff(j) as i32);
    FrameCovariance::from_values(Array3::from_shape_fn((DIM, FRAMES_OF_TEST, FRAMES_OF_TEST), of)).unwrap()
}

/// The denoiser of an untrained network in double precision, all of whose weights are moved by up to `shift`.
fn denoiser(kind: &str, shift: f32) -> WindowDenoiser {
    let learned = untrained(kind, window_fields(FRAMES_OF_TEST), shift).in_double_precision();
    WindowDenoiser { learned, covariance: covariance() }
}

const UNKNOWN: Level = Level { alpha: 0.0, sigma: 1.0 };
const GIVEN: Level = Level::exploding(0.0);

/// Levels of all kinds.
fn mixed() -> [Vec<Level>; 5] {
    [
        vec![Level::exploding(0.5)],
        vec![Level::exploding(0.05), Level { alpha: 0.8, sigma: 0.6 }, Level::exploding(9.0)],
        vec![GIVEN, Level::exploding(0.3), UNKNOWN],
        vec![GIVEN, GIVEN, Level { alpha: 0.5, sigma: 2.0 }],
        vec![Level::exploding(20.0), GIVEN, Level::exploding(0.1)],
    ]
}

#[test]
fn the_pullback_agrees_with_finite_differences_at_mixed_levels() {
    for kind in ["mlp", "conv", "transformer"] {
        let denoiser = denoiser(kind, if kind == "transformer" { 0.1 } else { 0.3 });
        let draw = |seed| Key::new(seed, Domain::Method).normals(MEMBERS, denoiser.dim());
        let (x_t, v, direction) = (draw(5), draw(6), draw(7));
        for levels in mixed() {
            let (denoised, pullback) = denoiser.evaluate_vjp(x_t.view(), &levels).unwrap();
            assert_eq!(denoised, denoiser.evaluate(x_t.view(), &levels).unwrap().guided, "{kind} {levels:?}");
            let pulled = [pullback.pull(v.view()).unwrap(), pullback.pull(v.view()).unwrap()];
            assert_eq!(pulled[0], pulled[1], "a second pull is like the first");
            let at = |h: f64| denoiser.evaluate((&x_t + &(&direction * h)).view(), &levels).unwrap().guided;
            // truncation h^2 f''' / 6 and rounding 1e-16 / h are both below 1e-9
            let h = 1e-5;
            let difference = ((at(h) - at(-h)) / (2.0 * h) * &v).sum_axis(Axis(1));
            let expected = (&pulled[0] * &direction).sum_axis(Axis(1));
            for (found, expected) in difference.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                    "{kind} {levels:?}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn the_pullback_of_a_next_frame_agrees_with_finite_differences() {
    let denoiser = denoiser("mlp", 0.3);
    let draw = |seed, dim| Key::new(seed, Domain::Method).normals(MEMBERS, dim);
    for count in [1, 2] {
        let states = draw(4, count * DIM);
        let next = NextFrame::new(&denoiser, states.view()).unwrap();
        let (z_t, v, direction) = (draw(5, DIM), draw(6, DIM), draw(7, DIM));
        for level in [Level::exploding(0.07), Level { alpha: 0.8, sigma: 0.6 }, Level::exploding(9.0)] {
            let (denoised, pullback) = next.denoise_vjp(z_t.view(), level).unwrap();
            assert_eq!(denoised, next.denoise(z_t.view(), level).unwrap());
            let pulled = pullback.pull(v.view()).unwrap();
            let at = |h: f64| next.denoise((&z_t + &(&direction * h)).view(), level).unwrap();
            let h = 1e-5;
            let difference = ((at(h) - at(-h)) / (2.0 * h) * &v).sum_axis(Axis(1));
            let expected = (&pulled * &direction).sum_axis(Axis(1));
            for (found, expected) in difference.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                    "{count} {level:?}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn without_a_network_it_is_the_gaussian_law_of_the_frames() {
    // a network starts from the zero function; x_{k+1} = a x_k + e given x_k alone is N(a x_k, 1 - a^2)
    let denoiser = denoiser("mlp", 0.0);
    let x = Key::new(3, Domain::Method).normals(MEMBERS, DIM);
    let next = NextFrame::new(&denoiser, x.view()).unwrap();
    assert!((next.width * next.width - (1.0 - 0.16)).abs() < 1e-12, "that of the wider component: {}", next.width);
    let z_t = Key::new(4, Domain::Method).normals(MEMBERS, DIM);
    let denoised = next.denoise(z_t.view(), Level { alpha: 0.6, sigma: 0.8 }).unwrap();
    for ((i, c), found) in denoised.indexed_iter() {
        let a = [0.9, 0.4][c % 2];
        assert!((next.mean[[i, c]] - a * x[[i, c]]).abs() < 1e-12);
        let v = (1.0 - a * a) / (next.width * next.width);
        let expected = 0.6 * v * z_t[[i, c]] / (0.36 * v + 0.64);
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
}

#[test]
fn a_trained_window_may_start_another_with_another_history() {
    let states = crate::forecast::learned::tests::states();
    let fit = |given: &[(&str, i64)], start: Option<&Model>| {
        let all = [("frames", 3), ("width", 4)].iter().chain(given);
        let given = all.map(|(key, count)| ((*key).to_owned(), Value::Int(*count))).collect();
        let context = FitContext {
            system: None,
            geometry: Geometry::Ring,
            train: states.view(),
            valid: states.view(),
            held_by: None,
            parameters: None,
            key: Key::new(1, Domain::Training),
            progress: &Quiet,
            checkpoints: None,
            start,
            processor: &crate::nn::ops::Processor::Cpu,
        };
        super::fit(&Settings::check("window", &PARAMS, &given).unwrap(), &context)
    };
    let first = fit(&[("steps", 30)], None).unwrap().model();
    let other = fit(&[("steps", 1), ("history", 2)], Some(&first)).unwrap();
    assert_eq!((other.dim(), other.history()), (2 * DIM, 2));
    let own = other.model();
    assert_eq!(own.tensors[COVARIANCE], first.tensors[COVARIANCE]);
    // the first step of a warm-up of 100 moves a weight by 3e-5 at most, of 1 + decay
    let name = "network.stem.weight";
    let values = |model: &Model| match &model.tensors[name].values {
        Values::F32(values) => values.clone(),
        other => panic!("{other:?}"),
    };
    let moved = values(&own).iter().zip(&values(&first)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(moved < 1e-4, "{moved}");
    let refused = fit(&[("steps", 1), ("frames", 4)], Some(&first)).err().unwrap().to_string();
    let says = "the network of these settings has 8 number(s) in and 4 out of each component, 4 noise levels";
    assert!(refused.contains(says) && !refused.contains("damaged"), "{refused}");
}

#[test]
fn what_is_given_stays_and_what_is_unknown_is_not_looked_at() {
    let denoiser = denoiser("mlp", 0.3);
    let x_t = Key::new(5, Domain::Method).normals(4, denoiser.dim());
    let levels = [GIVEN, Level::exploding(0.3), UNKNOWN];
    let denoised = denoiser.evaluate(x_t.view(), &levels).unwrap().guided;
    assert_eq!(denoised.slice(s![.., ..DIM]), x_t.slice(s![.., ..DIM]));
    let mut other = x_t.clone();
    other.slice_mut(s![.., 2 * DIM..]).fill(f64::NAN);
    assert_eq!(denoiser.evaluate(other.view(), &levels).unwrap().guided, denoised);
    let (_, pullback) = denoiser.evaluate_vjp(other.view(), &levels).unwrap();
    let pulled = pullback.pull(Array2::ones(x_t.dim()).view()).unwrap();
    assert!(pulled.slice(s![.., 2 * DIM..]).iter().all(|value| *value == 0.0));
    let refused = denoiser.evaluate(x_t.view(), &levels[..2]).unwrap_err().to_string();
    assert!(refused.contains("a window of 3 frames has 3 noise levels, or one for all, and was given 2"), "{refused}");
}
