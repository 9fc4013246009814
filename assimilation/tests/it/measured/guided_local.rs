//! Local weights of `guided` on the default preset: Lorenz-96 of 40 components with noise, all observed at every lead step with
//! variance 1, by the true system. Every update is nearly Gaussian there, and nothing is to be won from weights.
//!
//! Four truths of 400 analyses: `letkf` with square-root noise, N = 40, radius 4: .4448 +- .0031. Transported, N = 100: .4556 at
//! radius 2, .4570 at 3 (resampled .4605); N = 200: .4511; with a share of .2, N = 100 and radius 3: .4489 +- .0031.

#![allow(clippy::unwrap_used)]

use crate::common;

use std::collections::BTreeMap;

use common::{errors, method, word};
use ndarray::Array2;
use scorecast_assimilation::observe::Identity;
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::catalogue::build;
use scorecast_systems::{Domain, Key, Purpose, Stepping, Value};

const DIM: usize = 40;

/// Analysis rmse, spread and effective size of one truth.
fn run(name: &str, truth_case: u64, given: &[(&str, Value)], sets: usize, burn_in: usize) -> (f64, f64, f64) {
    let stepping = Stepping { dt: 0.05, substeps: 1, integrator: "rk4".to_owned() };
    let keys: BTreeMap<String, Value> =
        [("dim".to_owned(), Value::Int(DIM as i64)), ("noise".to_owned(), Value::Float(1.0))].into();
    let model = build("lorenz96", &keys).unwrap().forecaster(&stepping).unwrap();
    let operator = Identity::new(DIM, &errors(&[1.0])).unwrap();
    let key = Key::new(77, Domain::Truth).case(truth_case);
    let mut truth = key.normals(1, DIM) + 2.0;
    model.advance(0, 1000, &mut truth, key.purpose(Purpose::InitialState)).unwrap();
    let method_key = Key::new(78, Domain::Method).case(truth_case);
    let members = 1000;
    let start = truth.broadcast((members, DIM)).unwrap().to_owned() + method_key.normals(members, DIM);
    let mut filter = method(name, given);
    filter.start(&Prior::Ensemble(start), 0, method_key).unwrap();
    let (mut rmse, mut spread, mut ess, mut count) = (0.0, 0.0, 0.0, 0.0);
    for set in 0..sets {
        model.advance(set, 1, &mut truth, key.purpose(Purpose::ProcessNoise)).unwrap();
        let errors: Array2<f64> = operator.error().sample(1, key.purpose(Purpose::ObservationNoise).at(set as u64));
        let values = (&truth + &errors).row(0).to_owned();
        let observed = ObservationSet { step: set + 1, time: 0.0, values: values.view(), operator: &operator };
        let outcome = filter.step(&*model, &observed, method_key).unwrap();
        if set >= burn_in {
            let gap = outcome.mean() - truth.row(0);
            rmse += (gap.dot(&gap) / DIM as f64).sqrt();
            spread += outcome.variance().mean().unwrap().sqrt();
            ess += outcome.diagnostics.get("ess").copied().unwrap_or(f64::NAN);
            count += 1.0;
        }
    }
    (rmse / count, spread / count, ess / count)
}

/// Prints the mean over truths.
fn print(name: &str, what: &str, given: &[(&str, Value)]) {
    let found: Vec<_> = (0..4).map(|case| run(name, case, given, 500, 100)).collect();
    let mean = |of: fn(&(f64, f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
    let (rmse, spread, ess) = (mean(|row| row.0), mean(|row| row.1), mean(|row| row.2));
    let se = (found.iter().map(|row| (row.0 - rmse).powi(2)).sum::<f64>() / 12.0).sqrt();
    println!("{what}: rmse {rmse:.4} +- {se:.4}, spread {spread:.4}, ess {ess:.1}");
}

#[test]
#[ignore = "measured: minutes"]
fn local_weights_on_the_default_preset() {
    for (members, radius) in [(20, 4.0), (40, 4.0)] {
        let given = [
            ("members", Value::Int(members)),
            ("radius", Value::Float(radius)),
            ("noise_treatment", word("square_root")),
        ];
        print("letkf", &format!("letkf, square-root noise, N {members} radius {radius}"), &given);
    }
    let rows = [
        (100, "transport", 2.0, 1.0),
        (100, "transport", 3.0, 1.0),
        (100, "resample", 2.0, 1.0),
        (200, "transport", 2.0, 1.0),
        (100, "transport", 3.0, 0.2),
        (100, "transport", 4.0, 0.2),
        (100, "transport", 4.0, 0.0),
        (40, "transport", 2.0, 1.0),
        (40, "transport", 3.0, 0.2),
        (20, "transport", 1.5, 1.0),
        (20, "transport", 2.0, 0.2),
        (20, "transport", 3.0, 0.2),
        (20, "transport", 4.0, 0.2),
        (20, "transport", 3.0, 0.0),
    ];
    for (members, update, radius, share) in rows {
        let given = [
            ("weights", word("exact")),
            ("members", Value::Int(members)),
            ("radius", Value::Float(radius)),
            ("local_update", word(update)),
            ("weights_share", Value::Float(share)),
            ("steps", Value::Int(32)),
        ];
        print("guided", &format!("guided, {update}, N {members} radius {radius} share {share}"), &given);
    }
}
