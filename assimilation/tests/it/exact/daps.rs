//! Draws that are noised anew against posteriors that are known: Gaussian laws of 1, 2 and 40 components, two modes, |x|, a length,
//! errors that are not Gaussian. What is not exact comes to it in the inverse of the number of steps.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::errors;
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::method::{Correctors, Daps, Drawing, Guidance, Point, Unguided};
use scorecast_assimilation::observe::{Absolute, Function, Norm, Pointwise, Stride};
use scorecast_assimilation::{ObservationOperator, ObservationSet};
use scorecast_systems::gaussian::GaussianDenoiser;
use scorecast_systems::noising::sampler::ReverseSde;
use scorecast_systems::{Affine, Domain, Key, Level, Stream};

use super::static_posteriors::{
    Gaussian, Way, largest, moments_on_a_grid, of_draws, off_under_other_laws, on_a_grid, two_modes,
};

const RULE: Daps = Daps { sweeps: 8 };

fn way(members: usize, steps: usize) -> Way {
    Way { members, steps, ends: (0.01, 20.0), sampler: &ReverseSde, correctors: Correctors::NONE }
}

/// Independent unit normals are what it takes any law for.
#[test]
fn of_a_unit_normal_it_draws_the_posterior() {
    for r in [0.05, 0.25, 1.0] {
        let (bias, ratio) = Gaussian::one(r).off(&RULE, &way(20_000, 20));
        println!("r {r}: bias {bias:.3}, sd {ratio:.3}");
        assert!(largest(&bias) < 0.03 && (ratio[0] - 1.0).abs() < 0.02, "{r}");
    }
}

/// The error variance, and for 64 and 400 steps, by a program of its own that follows mean and covariance through the levels, the
/// largest bias in exact sd and the largest ratio of sd.
const TWO: [(f64, [f64; 4]); 3] = [
    (0.05, [0.2653, 1.0696, 0.0475, 1.0124]),
    (0.25, [0.2249, 1.0522, 0.0430, 1.0099]),
    (1.0, [0.1391, 1.0210, 0.0296, 1.0043]),
];

#[test]
fn of_correlated_normals_it_comes_to_the_posterior_in_the_inverse_of_the_steps() {
    for (r, pinned) in TWO {
        // the slow way is asked once, for the time that it takes
        let ways = [64, 400].into_iter().zip(pinned.chunks_exact(2)).take(if r < 0.1 { 2 } else { 1 });
        for (steps, pinned) in ways {
            let members = 8000;
            let (bias, ratio) = Gaussian::two(r).off(&RULE, &way(members, steps));
            let wide = ratio.fold(0.0f64, |most, ratio| most.max(*ratio));
            println!("two, r {r}, {steps} steps: bias {:.3}, sd to {wide:.3}", largest(&bias));
            let error = 4.0 / (members as f64).sqrt();
            assert!((largest(&bias) - pinned[0]).abs() < error && (wide - pinned[1]).abs() < error, "{r} {steps}");
        }
    }
}

/// The same of forty components on a ring.
const FORTY: [(f64, usize, [f64; 2]); 4] = [
    (0.05, 64, [0.2669, 1.0479]),
    (0.25, 64, [0.2247, 1.0413]),
    (1.0, 64, [0.1491, 1.0237]),
    (0.25, 400, [0.0438, 1.0077]),
];

#[test]
fn forty_components_cost_it_no_more_than_two() {
    for (r, steps, [bias, wide]) in FORTY {
        let members = 2500;
        let (found, ratio) = Gaussian::forty(r).off(&RULE, &way(members, steps));
        let (least, most) = (ratio.fold(2.0f64, |a, b| a.min(*b)), ratio.fold(0.0f64, |a, b| a.max(*b)));
        println!("forty, r {r}, {steps} steps: bias {:.3}, sd {least:.3} to {most:.3}", largest(&found));
        // the largest of forty errors of 1 / sqrt(members), of the sd over sqrt(2)
        let error = 3.5 / (members as f64).sqrt();
        assert!((largest(&found) - bias).abs() < error, "{r} {steps}: {found} for {bias}");
        assert!(least > 1.0 - error && most < wide + error, "{r} {steps}: {ratio} for {wide}");
    }
}

/// Two modes observed by a linear operator: the law of z given z_t has two modes where it is taken for a normal.
#[test]
fn of_two_modes_it_is_off_by_what_is_said() {
    let h = Stride::new(1, 1, 0, &errors(&[0.8])).unwrap();
    let exact = on_a_grid(|x| (-0.5 * ((0.1 - x) / 0.8f64).powi(2)).exp());
    println!("exact {exact:.3?}");
    for (steps, bound) in [(64, 0.1), (400, 0.1)] {
        let found = of_draws(&way(10_000, steps).draw(&two_modes(), &h, array![0.1], &RULE));
        println!("{steps} steps: {found:.3?}");
        assert!((found[0] - exact[0]).abs() < bound, "{steps}");
    }
}

/// An h whose sign is open: the slices go from mode to mode.
#[test]
fn of_an_absolute_value_it_keeps_both_signs() {
    let h = Pointwise::new(Absolute, Stride::new(1, 1, 0, &errors(&[0.5])).unwrap());
    let exact = on_a_grid(|x| (-2.0 * (1.3 - x.abs()).powi(2)).exp());
    println!("exact {exact:.3?}");
    for steps in [64, 400] {
        let found = of_draws(&way(10_000, steps).draw(&two_modes(), &h, array![1.3], &RULE));
        println!("{steps} steps: {found:.3?}");
        assert!((found[0] - exact[0]).abs() < 0.06 && (found[1] - exact[1]).abs() < 0.05, "{steps}");
    }
    // of a unit normal, whose law given z_t is known, both are right
    let unit = GaussianDenoiser::new(array![0.0], array![[1.0]].view()).unwrap();
    let found = of_draws(&way(20_000, 40).draw(&unit, &h, array![1.3], &RULE));
    let (mean, sd) = moments_on_a_grid(|x| if x > 0.0 { (-2.0 * (1.3 - x).powi(2)).exp() } else { 0.0 });
    println!("unit normal: {found:.3?} for .5 {mean:.3} {sd:.3}");
    assert!((found[0] - 0.5).abs() < 0.02 && (found[1] - mean).abs() < 0.02 && (found[2] / sd - 1.0).abs() < 0.03);
}

#[test]
fn it_serves_any_law_of_errors() {
    for [bias, ratio] in off_under_other_laws(&RULE, &way(20_000, 20)) {
        assert!(bias.abs() < 0.04 && (ratio - 1.0).abs() < 0.04, "{bias} {ratio}");
    }
}

/// A value that reads several components: slices of the whole member. Two unit normals of which the length is observed as 2.
#[test]
fn it_serves_values_that_read_several_components() {
    let denoiser = GaussianDenoiser::new(array![0.6, 0.0], Array2::eye(2).view()).unwrap();
    let h = Norm::new(2, 2, &errors(&[0.3])).unwrap();
    let x = way(20_000, 40).draw(&denoiser, &h, array![2.0], &RULE);
    let grid = Array1::linspace(-6.0, 6.0, 601);
    let (mut weight, mut first, mut second) = (0.0, [0.0; 2], [0.0; 2]);
    for a in &grid {
        for b in &grid {
            let p =
                (-0.5 * ((a - 0.6) * (a - 0.6) + b * b) - 0.5 * ((2.0 - f64::hypot(*a, *b)) / 0.3f64).powi(2)).exp();
            weight += p;
            for (component, x) in [a, b].into_iter().enumerate() {
                first[component] += p * x;
                second[component] += p * x * x;
            }
        }
    }
    for component in 0..2 {
        let mean = first[component] / weight;
        let sd = (second[component] / weight - mean * mean).sqrt();
        let (found, spread) = (x.column(component).mean().unwrap(), x.column(component).std(1.0));
        println!("component {component}: {found:.3} {spread:.3} for {mean:.3} {sd:.3}");
        assert!((found - mean).abs() < 0.04 * sd && (spread / sd - 1.0).abs() < 0.03, "{component}");
    }
}

/// x itself, of which it is not said that it is linear.
struct Itself;

impl Function for Itself {
    fn name(&self) -> String {
        "itself".to_owned()
    }

    fn value(&self, x: f64) -> f64 {
        x
    }

    fn slope(&self, _x: f64) -> f64 {
        1.0
    }
}

/// N(3, 1) observed as 0 with an error of sd 1 is N(1.5, .5), whether it is drawn at once or by slices: slices about 0, or a prior
/// that counts twice, would show.
#[test]
fn a_draw_given_a_level_is_that_of_its_normal_law_under_the_values() {
    let members = 40_000;
    let denoiser = GaussianDenoiser::new(array![3.0], array![[1.0]].view()).unwrap();
    let to_state = Affine { offset: Array2::zeros((members, 1)), scale: Array2::ones((members, 1)) };
    let selected = || Stride::new(1, 1, 0, &errors(&[1.0])).unwrap();
    let operators: [Box<dyn ObservationOperator>; 2] =
        [Box::new(selected()), Box::new(Pointwise::new(Itself, selected()))];
    for h in operators {
        let y = array![0.0];
        let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: &*h };
        let unguided = Unguided { denoiser: &denoiser, to_state: &to_state, observed };
        let z = Array2::zeros((members, 1));
        // where z_t says nothing
        let point = Point::new(unguided, z.view(), &[Level::exploding(1e4)], RULE.jacobian()).unwrap();
        let key = Key::new(6, Domain::Method);
        let mut streams: Vec<Stream> = (0..members as u64).map(|member| key.stream(member)).collect();
        let mut x = RULE.draw(&point, None, &mut streams).unwrap();
        // slices forget where they began
        for _ in 0..4 {
            x = RULE.draw(&point, Some(&x), &mut streams).unwrap();
        }
        println!("{}: {:.4} {:.4}", h.is_linear(), x.mean().unwrap(), x.var(1.0));
        let error = 4.0 / (members as f64).sqrt();
        assert!((x.mean().unwrap() - 1.5).abs() < error && (x.var(1.0) - 0.5).abs() < error, "{}", h.is_linear());
    }
}
