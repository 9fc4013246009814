//! A saved run goes on bit for bit, no set is lost without a word, and settings that do not fit are refused.

use ndarray::Array1;
use scorecast_assimilation::observe::Stride;
use scorecast_assimilation::{METHODS, ObservationOperator, ObservationSet, Prior};
use scorecast_systems::{Settings, Value};

use super::nonlinear::nonlinear;
use super::{CYCLES, KEY, WINDOWS, problems, window};
use crate::common::{LinearProblem, errors, method};

#[test]
fn a_run_that_is_saved_at_any_set_goes_on_bit_for_bit_and_is_the_same_for_any_number_of_threads() {
    let (model, operator, draws) = nonlinear();
    let mut x = draws.slice(ndarray::s![..1, ..]).to_owned();
    let sets: Vec<Array1<f64>> = (0..CYCLES)
        .map(|cycle| {
            model.advance(2 * cycle, 2, &mut x, KEY).unwrap();
            let mut y = operator.apply(0.0, x.view()).row(0).to_owned()
                + KEY.at(cycle as u64).normals(1, 3).row(0).to_owned() * 0.1;
            match cycle {
                3 | 8 | 9 => y.fill(f64::NAN),
                5 => y[1] = f64::NAN,
                _ => {}
            }
            y
        })
        .collect();
    let members = ("members", Value::Int(8));
    let mut settings = Vec::new();
    for (lag, shift) in [(4, 2), (3, 3), (5, 2), (2, 2)] {
        for name in ["ienks", "four_d_var", "four_d_envar"] {
            settings.push((name, window(lag, shift, std::slice::from_ref(&members))));
        }
        settings.push(("ienks", window(lag, shift, &[members.clone(), ("mda", Value::Bool(true))])));
        settings.push((
            "ienks",
            window(lag, shift, &[members.clone(), ("finite_size", Value::Float(1.0)), ("rotate", Value::Bool(true))]),
        ));
    }
    for (name, given) in &settings {
        let run = |stop: usize| {
            let mut filter = method(name, given);
            filter.start(&Prior::Ensemble(draws.clone()), 0, KEY).unwrap();
            let mut out = Vec::new();
            for (cycle, y) in sets.iter().enumerate() {
                let observed = ObservationSet {
                    step: 2 * cycle + 2,
                    time: 0.1 * cycle as f64,
                    values: y.view(),
                    operator: &operator,
                };
                let outcome = filter.step(&*model, &observed, KEY).unwrap();
                let smoothed = outcome.smoothed.iter().flat_map(|earlier| &earlier.ensemble);
                let numbers = outcome.ensemble.iter().chain(&outcome.forecast).chain(smoothed);
                out.extend(numbers.chain(outcome.diagnostics.values()).map(|value| value.to_bits()));
                if cycle == stop {
                    let bytes = filter.save();
                    filter = method(name, given);
                    filter.restore(&bytes).unwrap();
                    assert!(filter.save() == bytes);
                    assert!(filter.restore(&bytes[..bytes.len() - 8]).is_err() && filter.restore(&bytes[1..]).is_err());
                }
            }
            let rest = filter.finish(&*model, Some(&operator), KEY).unwrap();
            out.extend(rest.iter().flat_map(|earlier| &earlier.ensemble).map(|value| value.to_bits()));
            out
        };
        let through = run(CYCLES);
        assert!(through.iter().all(|bits| f64::from_bits(*bits).is_finite()), "{name} {given:?}");
        assert!((0..CYCLES).all(|stop| run(stop) == through), "{name} {given:?}");
        for threads in [1, 2, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(|| run(CYCLES)) == through, "{name} {given:?} on {threads} threads");
        }
    }
    // settings that do not fit are refused by name
    let of = |name: &str, lag, shift| method(name, &window(lag, shift, std::slice::from_ref(&members)));
    for name in ["ienks", "four_d_var", "four_d_envar"] {
        let mut filter = of(name, 4, 2);
        filter.start(&Prior::Ensemble(draws.clone()), 0, KEY).unwrap();
        let bytes = filter.save();
        let refused = |lag, shift| of(name, lag, shift).restore(&bytes).unwrap_err().to_string();
        assert!(refused(4, 1).contains("set `shift` to 2") && refused(4, 4).contains("set `shift` to 2"), "{name}");
        assert!(refused(5, 2).contains("set `lag` to 4"), "{name}");
    }
}

/// What waits is not lost without a word, and needs one operator; a refused set leaves the method as it was.
#[test]
fn sets_that_wait_refuse_another_operator_noise_and_an_end_without_them() {
    let problem = &problems()[1];
    let noisy = LinearProblem::three(CYCLES);
    let other = Stride::new(3, 2, 0, &errors(&[0.5, 0.8])).unwrap();
    for name in ["ienks", "four_d_var", "four_d_envar"] {
        let given = window(4, 2, &[("members", Value::Int(9))]);
        let mut filter = method(name, &given);
        filter.start(&problem.prior(), 0, KEY).unwrap();
        problem.step(&mut *filter, 0, KEY);
        let before = filter.save();
        let observed = ObservationSet { step: 2, time: 2.0, values: problem.observations.row(1), operator: &other };
        let message = filter.step(&problem.model, &observed, KEY).err().unwrap().to_string();
        assert!(message.contains("needs the same operator") && message.ends_with("set shift to 1"), "{message}");
        let message = filter.finish(&problem.model, None, KEY).unwrap_err().to_string();
        assert!(message.contains("still has 1 sets") && message.contains("`Cycle::finish`"), "{message}");
        let message = filter.finish(&problem.model, Some(&other), KEY).unwrap_err().to_string();
        assert!(message.ends_with("set shift to 1"), "{message}");
        assert!(filter.save() == before, "{name}");
        assert_eq!(filter.finish(&problem.model, Some(&problem.operator), KEY).unwrap().len(), 1);
        if name == "four_d_var" {
            continue;
        }
        let mut filter = method(name, &given);
        filter.start(&noisy.prior(), 0, KEY).unwrap();
        let before = filter.save();
        let observed =
            ObservationSet { step: 1, time: 1.0, values: noisy.observations.row(0), operator: &noisy.operator };
        let message = filter.step(&noisy.model, &observed, KEY).err().unwrap().to_string();
        assert!(message.contains("set shift to 1, or the noise of the forecaster to 0"), "{message}");
        assert!(filter.save() == before, "{name}");
    }
}

/// Two sets of one lead step, which may fall into two analyses, are one time, which is given once and given both.
#[test]
fn sets_of_the_same_lead_step_are_one_time() {
    let problem = &problems()[1];
    for (lag, shift) in WINDOWS {
        for name in ["ienks", "four_d_var", "four_d_envar"] {
            let mut filter = method(name, &window(lag, shift, &[("members", Value::Int(9))]));
            filter.start(&problem.prior(), 0, KEY).unwrap();
            let mut steps = Vec::new();
            for (set, step) in [1, 2, 2, 3, 4, 4, 5, 6, 6].into_iter().enumerate() {
                let observed = ObservationSet {
                    step,
                    time: 0.0,
                    values: problem.observations.row(set),
                    operator: &problem.operator,
                };
                let outcome = filter.step(&problem.model, &observed, KEY).unwrap();
                steps.extend(outcome.smoothed.iter().map(|earlier| earlier.step));
            }
            let rest = filter.finish(&problem.model, Some(&problem.operator), KEY).unwrap();
            steps.extend(rest.iter().map(|earlier| earlier.step));
            assert_eq!(steps, [1, 2, 3, 4, 5, 6], "{name}, lag {lag}, shift {shift}");
        }
    }
}

#[test]
fn a_shift_above_the_lag_is_refused_with_both_keys() {
    for name in ["ienks", "four_d_var", "four_d_envar"] {
        let entry = METHODS.iter().find(|entry| entry.name == name).unwrap();
        let build = |lag, shift| {
            let given = window(lag, shift, &[]).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            (entry.build.make)(&Settings::check(&format!("method `{name}`"), entry.params, &given).unwrap())
        };
        assert!(build(3, 3).is_ok());
        let message = build(2, 3).err().unwrap().to_string();
        let expected =
            format!("method `{name}`: `shift` is 3, but must be at most `lag`, which is 2; lower it or raise `lag`");
        assert_eq!(message, expected);
        let zero = [("shift".to_owned(), Value::Int(0))].into_iter().collect();
        let message = Settings::check("method", entry.params, &zero).unwrap_err()[0].to_string();
        assert!(message.contains("`shift` is 0"), "{message}");
    }
}
