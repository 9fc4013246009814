//! What every smoother of a whole run keeps: one posterior a time, in order, also after a save, a divergence or a mistake.

use ndarray::Array2;
use scorecast_assimilation::{ObservationSet, Prior, Smoothed};
use scorecast_systems::{Domain, Key};

use super::{CYCLES, run};
use crate::common::{LinearProblem, method};

const WHOLE_RUN: &[&str] = &["rts", "enrts", "ffbsi"];

#[test]
fn every_time_of_a_set_of_observations_appears_once_and_in_order() {
    for problem in [LinearProblem::three(CYCLES), LinearProblem::two(CYCLES)] {
        for name in WHOLE_RUN {
            let mut smoother = method(name, &[]);
            let (outcomes, smoothed) = run(&problem, &mut *smoother, &problem.prior(), Key::new(2, Domain::Method));
            let steps: Vec<usize> = smoothed.iter().map(|smoothed| smoothed.step).collect();
            assert_eq!(steps, (1..=CYCLES).map(|cycle| cycle * problem.every).collect::<Vec<_>>(), "{name}");
            assert!(smoother.finish(&problem.model, None, Key::new(2, Domain::Method)).unwrap().is_empty(), "{name}");
            // the last time has no later observations: its smoothed posterior is the filter's
            let (last, filtered) = (&smoothed[CYCLES - 1], &outcomes[CYCLES - 1]);
            if *name != "ffbsi" {
                assert!((last.mean() - filtered.mean()).iter().all(|e| e.abs() < 1e-13), "{name}");
            }
        }
    }
}

#[test]
fn sets_of_the_same_lead_step_are_one_time() {
    let problem = LinearProblem::three(2);
    for name in WHOLE_RUN {
        let mut smoother = method(name, &[]);
        let key = Key::new(10, Domain::Method);
        smoother.start(&problem.prior(), 0, key).unwrap();
        for (step, cycle) in [(1, 0), (3, 0), (3, 1)] {
            let values = problem.observations.row(cycle);
            let observed = ObservationSet { step, time: step as f64, values, operator: &problem.operator };
            smoother.step(&problem.model, &observed, key).unwrap();
        }
        let steps: Vec<_> = smoother.finish(&problem.model, None, key).unwrap().iter().map(|s| s.step).collect();
        assert_eq!(steps, [1, 3], "{name}");
    }
}

/// All the bits of what a smoother says of one time.
fn bits(smoothed: &Smoothed) -> Vec<u64> {
    let weights = smoothed.weights.iter().flatten();
    let gaussian = smoothed.gaussian.iter().flat_map(|(mean, p)| mean.iter().chain(p));
    smoothed.ensemble.iter().chain(weights).chain(gaussian).map(|value| value.to_bits()).collect()
}

#[test]
fn a_smoother_that_is_saved_and_restored_gives_the_same_bits() {
    let problem = LinearProblem::two(CYCLES);
    let key = Key::new(3, Domain::Method);
    for name in WHOLE_RUN {
        let through: Vec<_> =
            run(&problem, &mut *method(name, &[]), &problem.prior(), key).1.iter().map(bits).collect();
        for stop in 0..=CYCLES {
            let mut first = method(name, &[]);
            first.start(&problem.prior(), 0, key).unwrap();
            let mut smoothed = Vec::new();
            for cycle in 0..stop {
                smoothed.extend(problem.step(&mut *first, cycle, key).smoothed);
            }
            let mut second = method(name, &[]);
            second.restore(&first.save()).unwrap();
            for cycle in stop..CYCLES {
                smoothed.extend(problem.step(&mut *second, cycle, key).smoothed);
            }
            smoothed.extend(second.finish(&problem.model, None, key).unwrap());
            assert_eq!(smoothed.iter().map(bits).collect::<Vec<_>>(), through, "{name} from {stop}");
        }
    }
}

#[test]
fn a_run_that_diverges_gives_diverged_posteriors_and_no_error() {
    let problem = LinearProblem::three(3);
    for name in WHOLE_RUN {
        let mut draws = Array2::ones((40, 3));
        draws[(7, 1)] = f64::NAN;
        let (_, smoothed) =
            run(&problem, &mut *method(name, &[]), &Prior::Ensemble(draws), Key::new(4, Domain::Method));
        assert_eq!(smoothed.len(), 3, "{name}");
        assert!(smoothed.iter().all(|s| s.mean().iter().any(|value| !value.is_finite())), "{name}");
    }
}

#[test]
fn the_state_of_another_method_is_refused() {
    let problem = LinearProblem::three(3);
    let key = Key::new(5, Domain::Method);
    let mut other = method("bootstrap", &[]);
    other.start(&problem.prior(), 0, key).unwrap();
    problem.step(&mut *other, 0, key);
    for name in WHOLE_RUN {
        let message = method(name, &[]).restore(&other.save()).unwrap_err().to_string();
        assert!(message.contains(&format!("not the state of `{name}`")), "{message}");
    }
}
