//! `ffbsi` draws paths of the exact smoother, by the density of a lead step or by its moments.

use ndarray::{Array2, array};
use scorecast_assimilation::ObservationSet;
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Density, Domain, Forecaster, Key, Value};

use super::CYCLES;
use super::joint::agrees;
use crate::common::{LinearProblem, method};

#[test]
fn ffbsi_draws_paths_of_the_exact_smoother() {
    let members = 1500;
    // correlated noise and observations each second lead step in the second; twice as wide as the weighted filters of
    // `against_exact` may be, because members are weighed forward and backward
    for problem in [LinearProblem::one(CYCLES), LinearProblem::two(CYCLES), LinearProblem::three(CYCLES)] {
        let given = [("members", Value::Int(members)), ("draws", Value::Int(members))];
        agrees(&problem, "ffbsi", &given, 10, 12.0, members as f64);
    }
}

/// The kernel's moments are a short way to the density: a forecaster that hides them gives the same paths.
#[test]
fn ffbsi_by_the_moments_of_a_lead_step_is_ffbsi_by_its_density() {
    struct Plain(LinearForecaster);
    impl Forecaster for Plain {
        fn dim(&self) -> usize {
            self.0.dim()
        }

        fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
            self.advance(k, 1, x, key)
        }

        fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
            self.0.advance(k, steps, x, key)
        }

        fn density(&self) -> Option<&dyn Density> {
            self.0.density()
        }
    }
    let problem = LinearProblem::two(4);
    let plain = Plain(LinearForecaster::new(problem.law.clone()).unwrap());
    let key = Key::new(12, Domain::Method);
    let paths = |model: &dyn Forecaster| {
        let mut smoother = method("ffbsi", &[("members", Value::Int(200)), ("draws", Value::Int(50))]);
        smoother.start(&problem.prior(), 0, key).unwrap();
        for (cycle, values) in problem.observations.outer_iter().enumerate() {
            let observed = ObservationSet { step: 2 * (cycle + 1), time: 0.0, values, operator: &problem.operator };
            smoother.step(model, &observed, key).unwrap();
        }
        smoother.finish(model, None, key).unwrap()
    };
    for (a, b) in paths(&problem.model).iter().zip(paths(&plain)) {
        assert_eq!(a.ensemble.dim(), (50, 2));
        assert_eq!(a.ensemble, b.ensemble);
    }
}

#[test]
fn ffbsi_without_a_density_names_another_method() {
    let mut law = LinearProblem::two(1).law;
    law.covariance = array![[0.3, 0.0], [0.0, 0.0]];
    let problem = LinearProblem::new(law, Array2::eye(2), array![[1.0, 0.0]], &[0.6], 1, 1);
    let mut smoother = method("ffbsi", &[]);
    smoother.start(&problem.prior(), 0, Key::new(13, Domain::Method)).unwrap();
    let values = problem.observations.row(0);
    let observed = ObservationSet { step: 1, time: 0.0, values, operator: &problem.operator };
    let message = smoother.step(&problem.model, &observed, Key::new(13, Domain::Method)).unwrap_err().to_string();
    assert!(message.contains("density") && message.contains("`enrts`"), "{message}");
}
