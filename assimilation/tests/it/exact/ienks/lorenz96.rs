//! Scores on Lorenz-96 beside those of another program.

use ndarray::{Array1, Array2};
use scorecast_assimilation::observe::Stride;
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Key, Stepping, Value};

use super::KEY;
use crate::common::{errors, method};

/// Mean rmse of filter and smoother on Lorenz-96 (40 components, all observed each fourth step of .05, R = I) after 80 of
/// `cycles` cycles.
fn lorenz96(given: &[(&'static str, Value)], cycles: usize) -> [f64; 2] {
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let noise = [("noise".to_owned(), Value::Float(0.0))].into_iter().collect();
    let model = build("lorenz96", &noise).unwrap().forecaster(&stepping).unwrap();
    let operator = Stride::new(40, 1, 0, &errors(&[1.0])).unwrap();
    let hidden = Key::new(3, Domain::Truth);
    let mut truth = hidden.normals(1, 40) + 2.0;
    model.advance(0, 400, &mut truth, hidden).unwrap();
    let mut filter = method("ienks", given);
    let prior = Prior::Gaussian { mean: truth.row(0).to_owned(), covariance: Array2::from_diag_elem(40, 0.1) };
    filter.start(&prior, 0, KEY).unwrap();
    let rms = |error: Array1<f64>| (error.dot(&error) / 40.0).sqrt();
    let (mut truths, mut sums, mut smoothed) = (Vec::new(), [0.0; 2], Vec::new());
    for cycle in 1..=cycles {
        model.advance(4 * cycle - 4, 4, &mut truth, hidden).unwrap();
        let y = (&truth + &operator.error().sample(1, hidden.at(cycle as u64))).row(0).to_owned();
        truths.push(truth.row(0).to_owned());
        let observed =
            ObservationSet { step: 4 * cycle, time: 0.2 * cycle as f64, values: y.view(), operator: &operator };
        let outcome = filter.step(&*model, &observed, KEY).unwrap();
        sums[0] += if cycle > 80 { rms(outcome.mean() - truth.row(0)) } else { 0.0 };
        smoothed.extend(outcome.smoothed);
    }
    smoothed.extend(filter.finish(&*model, None, KEY).unwrap());
    sums[1] = (80..cycles).map(|cycle| rms(smoothed[cycle].mean() - &truths[cycle])).sum();
    sums.map(|sum| sum / (cycles - 80) as f64)
}

#[test]
fn on_lorenz_96_the_finite_size_form_has_the_scores_of_another_program() {
    // DAPPER's run of this setting, 600 cycles of one seed: filter .2975 +- .0074, smoother .1602
    let given = |mda| {
        vec![
            ("members", Value::Int(20)),
            ("lag", Value::Int(4)),
            ("finite_size", Value::Float(2.0)),
            ("mda", Value::Bool(mda)),
        ]
    };
    for mda in [false, true] {
        let [filter, smoother] = lorenz96(&given(mda), 680);
        println!("mda {mda}: filter {filter:.4}, smoother {smoother:.4}");
        // three of its standard errors, which are those of this run too
        assert!((filter - 0.2975).abs() < 3.0 * 0.0074 * 2.0f64.sqrt(), "mda {mda}: {filter}");
        assert!((smoother - 0.1602).abs() < 3.0 * 0.0074 * 2.0f64.sqrt(), "mda {mda}: {smoother}");
    }
}
