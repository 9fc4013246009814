//! The guidance of FlowDAS where its answers are known: its gradient, and in the setting in which it was published by how much its
//! pull is too strong. The corrected form draws the posterior there.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::errors;
use ndarray::{Array1, Array2, array};
use scorecast_assimilation::method::{FlowDas, FlowDasForm, Guidance, Unguided};
use scorecast_assimilation::observe::{Absolute, Arctan, Linear, Pointwise, Stride};
use scorecast_assimilation::{ObservationOperator, ObservationSet};
use scorecast_systems::gaussian::GaussianDenoiser;
use scorecast_systems::noising::sampler::{Foellmer, ReverseSde};
use scorecast_systems::noising::schedule::Interpolant;
use scorecast_systems::noising::{Levels, Schedule, TimeGrid, Uniform, sample};
use scorecast_systems::{Affine, Denoiser, Domain, Karras, Key, Level, Sampler};

use super::dps::adds_minus_the_gradient;

const PUBLISHED: FlowDas = FlowDas { form: FlowDasForm::Published { rate: 0.12 }, draws: 21 };
const CORRECTED: FlowDas = FlowDas { form: FlowDasForm::Corrected, draws: 21 };

/// What is added to D is (sigma^2 / alpha) times -rate / (t (1 + t)) grad |r|, r the residuals of all estimates, by differences.
#[test]
fn what_guides_is_minus_the_gradient_of_the_norm_of_all_residuals() {
    let denoiser = GaussianDenoiser::new(array![0.2, -0.4], array![[1.0, 0.5], [0.5, 0.7]].view()).unwrap();
    let h = Linear::new(array![[1.0, 0.0], [0.3, -1.0]], &errors(&[0.3])).unwrap();
    let to_state = Affine { offset: array![[0.1, -0.3]], scale: array![[1.7, 0.6]] };
    let y = array![0.9, -0.6];
    // the estimates of three quantiles: 0 and +-(3/2)^1/2
    let rule = FlowDas { form: FlowDasForm::Published { rate: 0.7 }, draws: 3 };
    let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: &h };
    let guided = rule.guide(Unguided { denoiser: &denoiser, to_state: &to_state, observed });
    for level in [Level::exploding(0.4), Level::exploding(2.0), Level { alpha: 0.6, sigma: 0.8 }] {
        let t = Interpolant.time(level.relative());
        let s: f64 = 1.0 - t;
        let c = 2.0 / 3.0 - s.sqrt() + s.powf(1.5) / 3.0;
        let norm = |z: &Array2<f64>| {
            let d = denoiser.denoise(z.view(), level).unwrap();
            let squares = [0.0, 1.5f64.sqrt(), -1.5f64.sqrt()].map(|q| {
                let r = &y - &h.apply(0.0, to_state.apply(&(&d * (1.0 - t * t) + c * q)).view());
                r.iter().map(|r| r * r).sum::<f64>()
            });
            squares.iter().sum::<f64>().sqrt()
        };
        adds_minus_the_gradient(&*guided, level, 0.7 / (t * (1.0 + t)), norm);
    }
}

/// Draws of N(m, v) observed by `h` as y.
fn draws(
    rule: &dyn Guidance,
    (m, v): (f64, f64),
    h: &dyn ObservationOperator,
    y: f64,
    sampler: &dyn Sampler,
    levels: &Levels,
    members: usize,
) -> Array1<f64> {
    let denoiser = GaussianDenoiser::new(array![m], array![[v]].view()).unwrap();
    let to_state = Affine { offset: Array2::zeros((members, 1)), scale: Array2::ones((members, 1)) };
    let y = array![y];
    let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: h };
    let guided = rule.guide(Unguided { denoiser: &denoiser, to_state: &to_state, observed });
    sample(sampler, &*guided, levels, members, Key::new(2, Domain::Method)).unwrap().column(0).to_owned()
}

/// Mean and sd of N(m, v) given y = f(x) + e with an error of variance r, on a grid.
fn exact((m, v): (f64, f64), f: impl Fn(f64) -> f64, y: f64, r: f64) -> (f64, f64) {
    let grid = Array1::linspace(m - 8.0 * v.sqrt(), m + 8.0 * v.sqrt(), 16_001);
    let p = grid.mapv(|x: f64| (-0.5 * (x - m) * (x - m) / v - 0.5 * (y - f(x)).powi(2) / r).exp());
    let mean = (&p * &grid).sum() / p.sum();
    (mean, ((&p * &grid.mapv(|x| (x - mean) * (x - mean))).sum() / p.sum()).sqrt())
}

/// The published setting: states over 8, so that a lead step has a noise of variance .025 / 64, observed as arctan with an error of
/// sd .25; 600 steps of the interpolant's equation. What it moves the mean by is the same for a small innovation as for a large one.
#[test]
fn the_published_pull_does_not_know_the_innovation_and_the_corrected_one_does() {
    let law = (0.4, 0.025 / 64.0);
    let h = Pointwise::new(Arctan, Stride::new(1, 1, 0, &errors(&[0.25])).unwrap());
    let times = Uniform { from: 1.0, to: 0.0, steps: 600 }.times(&Interpolant).unwrap();
    // at t = 1 there is neither data nor noise
    let rows = times.slice(ndarray::s![1.., ..]).mapv(|t| Interpolant.level(t));
    let levels = Levels::from_rows(rows);
    let members = 4000;
    let mean = |rule: &dyn Guidance, y: f64| {
        let x = draws(rule, law, &h, y, &Foellmer { noise: 1.0 }, &levels, members);
        (x.mean().unwrap(), x.std(1.0))
    };
    let error = (law.1 / members as f64).sqrt();
    let mut moved = Vec::new();
    for innovation in [0.025, 0.0645, 0.25, 0.75] {
        let y = 0.4f64.atan() + innovation;
        let (right, sd) = exact(law, f64::atan, y, 0.0625);
        let (published, _) = mean(&PUBLISHED, y);
        let (corrected, spread) = mean(&CORRECTED, y);
        let ratio = (published - 0.4) / (right - 0.4);
        println!(
            "innovation {innovation}: exact moves the mean by {:.5}, published {:.5} ({ratio:.1} times), corrected {:.5}; sd {:.3}",
            right - 0.4,
            published - 0.4,
            corrected - 0.4,
            spread / sd
        );
        assert!(
            (corrected - right).abs() < 5.0 * error + 0.02 * (right - 0.4),
            "{innovation}: {corrected} for {right}"
        );
        assert!((spread / sd - 1.0).abs() < 0.06, "{innovation}: {spread} for {sd}");
        moved.push((published - 0.4, ratio));
    }
    // as strong for the smallest as for the largest, and so too strong by any number
    assert!((moved[0].0 / moved[3].0 - 1.0).abs() < 0.3, "{moved:?}");
    assert!((6.0..9.0).contains(&moved[2].1) && moved[1].1 > 20.0 && moved[0].1 > 45.0, "{moved:?}");
}

/// A unit normal by the corrected form: one value, so that nothing is left out.
#[test]
fn the_corrected_form_draws_the_posterior_of_one_value() {
    let levels = Karras { sigma_min: 0.002, sigma_max: 40.0, rho: 7.0, steps: 200 }.exploding().unwrap();
    for r in [0.05, 0.25, 1.0] {
        let h = Stride::new(1, 1, 0, &errors(&[f64::sqrt(r)])).unwrap();
        let (mean, sd) = exact((0.0, 1.0), |x| x, 1.2, r);
        let x = draws(&CORRECTED, (0.0, 1.0), &h, 1.2, &ReverseSde, &levels, 20_000);
        let (bias, ratio) = ((x.mean().unwrap() - mean) / sd, x.std(1.0) / sd);
        let far = draws(&PUBLISHED, (0.0, 1.0), &h, 1.2, &ReverseSde, &levels, 20_000);
        let (far, wide) = ((far.mean().unwrap() - mean) / sd, far.std(1.0) / sd);
        println!("r {r}: corrected bias {bias:.3}, sd {ratio:.3}; published {far:.3}, {wide:.3}");
        assert!(bias.abs() < 0.05 && (0.95..1.05).contains(&ratio), "{r}: {bias} {ratio}");
        assert!(far.abs() > 0.15, "{r}: {far} {wide}");
    }
    // |x| of an open sign: neither is preferred
    let h = Pointwise::new(Absolute, Stride::new(1, 1, 0, &errors(&[0.5])).unwrap());
    let x = draws(&CORRECTED, (0.0, 1.0), &h, 1.3, &ReverseSde, &levels, 10_000);
    let share = x.iter().filter(|x| **x > 0.0).count() as f64 / 10_000.0;
    let size = x.mapv(f64::abs);
    let (mean, sd) = exact((0.0, 1.0), |x| if x > 0.0 { x } else { 1e9 }, 1.3, 0.25);
    println!("|x|: {share:.3} above 0, |x| {:.3} {:.3} for {mean:.3} {sd:.3}", size.mean().unwrap(), size.std(1.0));
    assert!((share - 0.5).abs() < 0.03, "{share}");
}
