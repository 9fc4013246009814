//! A saved run goes on bit for bit, and settings that do not fit are refused.

use scorecast_assimilation::observe::Stride;
use scorecast_assimilation::{ObservationSet, Prior};
use scorecast_systems::Value;

use super::KEY;
use super::linear::linear;
use super::nonlinear::Nonlinear;
use crate::common::{LinearProblem, errors, method, word};

#[test]
fn without_noise_too_a_saved_run_goes_on_bit_for_bit_and_a_bundle_is_refused_where_there_is_noise() {
    let problem = Nonlinear::new(0.5);
    let bundle = [("members", Value::Int(6)), ("lag", Value::Int(2)), ("linearization", word("bundle"))];
    let multiple = [("members", Value::Int(6)), ("lag", Value::Int(3)), ("mda", Value::Bool(true))];
    let finite_size = [("members", Value::Int(6)), ("lag", Value::Int(4)), ("finite_size", Value::Float(1.5))];
    for given in [bundle.clone(), multiple, finite_size] {
        let run = |stop: usize| {
            let mut filter = method("ienks", &given);
            filter.start(&Prior::Ensemble(problem.draws.clone()), 0, KEY).unwrap();
            let mut out = Vec::new();
            for cycle in 0..7 {
                if cycle == stop {
                    let bytes = filter.save();
                    filter = method("ienks", &given);
                    filter.restore(&bytes).unwrap();
                    assert!(filter.save() == bytes);
                }
                // the fourth set has no values
                let y = if cycle == 3 { &problem.y * f64::NAN } else { problem.y.clone() };
                let observed =
                    ObservationSet { step: 3 * cycle + 3, time: 0.0, values: y.view(), operator: &problem.operator };
                let outcome = filter.step(&*problem.model, &observed, KEY).unwrap();
                assert!(cycle != 3 || outcome.ensemble == outcome.forecast);
                let smoothed = outcome.smoothed.iter().flat_map(|earlier| &earlier.ensemble);
                let numbers = outcome.ensemble.iter().chain(&outcome.forecast).chain(smoothed);
                out.extend(numbers.map(|value| value.to_bits()));
            }
            let rest = filter.finish(&*problem.model, None, KEY).unwrap();
            out.extend(rest.iter().flat_map(|earlier| &earlier.ensemble).map(|value| value.to_bits()));
            out
        };
        assert!((0..7).all(|stop| run(stop) == run(9)), "{given:?}");
    }
    let given = bundle;

    let noisy = LinearProblem::three(2);
    let mut filter = method("ienks", &given);
    filter.start(&noisy.prior(), 0, KEY).unwrap();
    let values = noisy.observations.row(0);
    let observed = ObservationSet { step: 1, time: 1.0, values, operator: &noisy.operator };
    let message = filter.step(&noisy.model, &observed, KEY).unwrap_err().to_string();
    assert!(message.contains("set linearization to \"transform\""), "{message}");
}

#[test]
fn multiple_assimilation_refuses_an_operator_that_changes_and_a_state_of_other_settings() {
    let problem = linear();
    let given = [("members", Value::Int(12)), ("lag", Value::Int(3)), ("mda", Value::Bool(true))];
    let mut filter = method("ienks", &given);
    filter.start(&problem.prior(), 0, KEY).unwrap();
    problem.step(&mut *filter, 0, KEY);
    let bytes = filter.save();
    let other = Stride::new(3, 2, 0, &errors(&[0.5, 0.9])).unwrap();
    let observed = ObservationSet { step: 4, time: 0.0, values: problem.observations.row(1), operator: &other };
    let message = filter.step(&problem.model, &observed, KEY).unwrap_err().to_string();
    assert!(message.contains("set mda to false"), "{message}");
    let refused = |given: &[(&str, Value)]| method("ienks", given).restore(&bytes).unwrap_err().to_string();
    assert!(refused(&[given[0].clone(), given[1].clone()]).contains("`mda`"));
    assert!(refused(&[given[0].clone(), given[2].clone()]).contains("set `lag` to 3"));
    assert!(refused(&given[1..]).contains("set `members` to 12"));
}
