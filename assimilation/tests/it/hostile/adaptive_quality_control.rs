//! Adaptive quality control: the error variances that it gives, and a ring whose observations saturate.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{errors, method, word};
use ndarray::{Array1, Array2, Axis, array};
use scorecast_assimilation::localize::{Layout, Localization, Taper};
use scorecast_assimilation::method::{AdaptiveQualityControl, EtKf, Inflation, LetKf, error_variance};
use scorecast_assimilation::observe::{Arctan, CorrelatedError, Pointwise, Stride};
use scorecast_assimilation::{Analysis, NoiseLaw, ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Key, Purpose, Stepping, Value};

const KEY: Key = Key::new(71, Domain::Method);

fn etkf() -> Box<dyn Analysis> {
    Box::new(EtKf { inflation: Inflation::default(), rotate: false })
}

#[test]
fn the_analysis_is_that_of_the_enlarged_errors() {
    let (x, y) = (KEY.normals(20, 4), array![0.3, f64::NAN, 6.0, -1.0]);
    let operator = Stride::new(4, 1, 0, &errors(&[0.5, 0.4, 0.3, 0.2])).unwrap();
    let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: &operator };
    let (mean, s) = (x.mean_axis(Axis(0)).unwrap(), x.var_axis(Axis(0), 1.0));
    let enlarged: Vec<f64> =
        (0..4).map(|i| error_variance([s[i], y[i] - mean[i], operator.error().variance()[i]], 2.0)).collect();
    // the missing value keeps its own
    assert!(enlarged[1] == 0.4 * 0.4 && enlarged[2] > 20.0 * 0.09, "{enlarged:?}");
    let sd: Vec<f64> = enlarged.iter().map(|r| r.sqrt()).collect();
    let found = AdaptiveQualityControl::new(etkf(), 2.0).update(x.clone(), &observed, KEY).unwrap().ensemble;
    let independent = Stride::new(4, 1, 0, &errors(&sd)).unwrap();
    let exact = etkf().update(x.clone(), &ObservationSet { operator: &independent, ..observed }, KEY).unwrap().ensemble;
    assert!((found - exact).iter().all(|e| e.abs() < 1e-12));
    // errors that are correlated keep their correlations
    let law = |sd: Vec<f64>| {
        move |dim| Ok(Box::new(CorrelatedError::exponential(&sd, 1.5, false, dim)?) as Box<dyn NoiseLaw>)
    };
    let correlated = Stride::new(4, 1, 0, &law(vec![0.5, 0.4, 0.3, 0.2])).unwrap();
    let found = AdaptiveQualityControl::new(etkf(), 2.0)
        .update(x.clone(), &ObservationSet { operator: &correlated, ..observed }, KEY)
        .unwrap()
        .ensemble;
    let scaled = Stride::new(4, 1, 0, &law(sd)).unwrap();
    let exact = etkf().update(x, &ObservationSet { operator: &scaled, ..observed }, KEY).unwrap().ensemble;
    assert!((found - exact).iter().all(|e| e.abs() < 1e-12));
}

#[test]
fn no_value_moves_its_own_prediction_further_than_the_factor_says() {
    let operator = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&[0.05])).unwrap());
    // on the wrong side of a saturated observation, in steps of forecast sd
    let x = KEY.normals(20, 3) * 0.4 + 8.0;
    let y = array![-1.4, f64::NAN, f64::NAN];
    let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: &operator };
    let step = |filter: &mut dyn Analysis| {
        let moved = filter.update(x.clone(), &observed, KEY).unwrap().mean()[0] - x.column(0).mean().unwrap();
        moved.abs() / x.column(0).std(1.0)
    };
    let (free, bounded) = (step(&mut *etkf()), step(&mut AdaptiveQualityControl::new(etkf(), 2.0)));
    println!("a step of {free:.1} sd without a bound, {bounded:.2} with it");
    assert!(free > 6.0 && bounded < 2.0, "{free} {bounded}");
}

#[test]
fn in_place_are_the_same_bytes() {
    let operator = Pointwise::new(Arctan, Stride::new(30, 1, 0, &errors(&[0.05])).unwrap());
    let (x, y) = (KEY.normals(9, 30), Key::new(72, Domain::Score).normals(1, 30).remove_axis(Axis(0)));
    let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: &operator };
    let localization = Some(Localization { layout: Layout::Ring, taper: Taper::GaspariCohn, radius: 2.0 });
    let letkf = LetKf { inflation: Inflation::factor(1.1), rotate: false, localization };
    let mut filter = AdaptiveQualityControl::new(Box::new(letkf), 1.5);
    let mut found = x.clone();
    filter.update_in_place(&mut found, &observed, KEY).unwrap();
    assert_eq!(found, filter.update(x, &observed, KEY).unwrap().ensemble);
}

/// The analysis rmse of each cycle of `letkf` with adaptive inflation: Lorenz-96 of 2000 components, the arctangent of each
/// observed with an error of sd .05 each ten steps of .01, on a truth that jumps by half its rms after cycle 40.
fn saturated(seed: u64, factor: Option<f64>) -> Vec<f64> {
    let (dim, jump, cycles) = (2000, 40, 80);
    let stepping = Stepping { dt: 0.01, substeps: 1, integrator: "rk4".to_owned() };
    let ring = [("dim".to_owned(), Value::Int(dim as i64))].into();
    let model = build("lorenz96", &ring).unwrap().forecaster(&stepping).unwrap();
    let operator = Pointwise::new(Arctan, Stride::new(dim, 1, 0, &errors(&[0.05])).unwrap());
    let key = Key::new(seed, Domain::Truth);
    let mut truth = key.normals(1, dim) * 3.6 + 2.3;
    model.advance(0, 1000, &mut truth, key).unwrap();
    let mut given = vec![
        ("members", Value::Int(20)),
        ("inflation", Value::Float(1.06)),
        ("radius", Value::Float(2.1213)),
        ("taper", word("gaussian")),
        ("adaptive", word("anderson")),
        ("inflation_sd", Value::Float(0.3)),
        ("inflation_damping", Value::Float(0.9)),
        ("inflation_max", Value::Float(4.0)),
    ];
    given.extend(factor.map(|factor| ("k_factor", Value::Float(factor))));
    let mut filter = method("letkf", &given);
    filter.start(&Prior::Ensemble(KEY.normals(20, dim)), 0, KEY).unwrap();
    let mut errors = Vec::new();
    for cycle in 1..=cycles {
        let step = 10 * cycle;
        model.advance(step - 10, 10, &mut truth, key).unwrap();
        let h = operator.apply(0.0, truth.view());
        let noise = key.purpose(Purpose::ObservationNoise).at(cycle as u64);
        let y: Array1<f64> = operator.error().observe(h.view(), noise).remove_axis(Axis(0));
        let observed = ObservationSet { step, time: 0.0, values: y.view(), operator: &operator };
        let error: Array1<f64> = filter.step(&*model, &observed, KEY).unwrap().mean() - truth.row(0);
        errors.push((error.dot(&error) / dim as f64).sqrt());
        if cycle == jump {
            let rms = (truth.mapv(|x| x * x).sum() / dim as f64).sqrt();
            truth += &(Array2::from(key.purpose(Purpose::Perturbation).normals(1, dim)) * (0.5 * rms));
        }
    }
    errors
}

#[test]
fn a_filter_of_saturated_observations_that_blows_up_without_it_finds_the_truth_again_with_it() {
    for seed in [1, 2, 3] {
        let (free, controlled) = (saturated(seed, None), saturated(seed, Some(2.0)));
        let after: Vec<String> = controlled[40..].iter().step_by(8).map(|error| format!("{error:.3}")).collect();
        let lost = free.iter().position(|error| !error.is_finite());
        println!(
            "seed {seed}: {:.3} before the jump, then {}; without, lost {lost:?}",
            controlled[39],
            after.join(" ")
        );
        assert!(lost.is_some(), "{free:?}");
        assert!(controlled[39] < 0.1 && controlled[40] > 1.0 && controlled[79] < 0.2, "{controlled:?}");
    }
}
