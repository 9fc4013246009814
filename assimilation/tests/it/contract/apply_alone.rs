//! An operator needs `apply` alone: methods of members run on it, those of a derivative refuse it by name.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2, Axis, array};
use scorecast_assimilation::observe::{Arctan, GaussianError, Pointwise, Stride};
use scorecast_assimilation::{METHODS, NoiseLaw, ObservationOperator, ObservationSet, Prior};
use scorecast_systems::{Domain, Key, Settings};

use crate::common::LinearProblem;

/// arctan of each of three components, told by its values alone.
struct ApplyAlone(GaussianError);

impl ObservationOperator for ApplyAlone {
    fn dim(&self) -> usize {
        3
    }

    fn state_dim(&self) -> usize {
        3
    }

    fn apply(&self, _: f64, x: ArrayView2<f64>) -> Array2<f64> {
        x.mapv(f64::atan)
    }

    fn error(&self) -> &dyn NoiseLaw {
        &self.0
    }
}

fn ensemble(name: &str, operator: &dyn ObservationOperator) -> Result<Array2<f64>, String> {
    let entry = METHODS.iter().find(|entry| entry.name == name).unwrap();
    let settings = Settings::check(name, entry.params, &BTreeMap::new()).unwrap();
    let mut filter = (entry.build.make)(&settings).unwrap();
    let (problem, key) = (LinearProblem::three(1), Key::new(3, Domain::Method));
    let prior = Prior::Ensemble(key.normals(60, 3));
    filter.start(&prior, 0, key).map_err(|error| error.to_string())?;
    let values = array![0.3, -0.2, f64::NAN];
    let observed = ObservationSet { step: 1, time: 1.0, values: values.view(), operator };
    filter.step(&problem.model, &observed, key).map(|outcome| outcome.ensemble).map_err(|error| error.to_string())
}

#[test]
fn methods_of_members_need_no_derivative_and_others_say_that_they_do() {
    let alone = ApplyAlone(GaussianError::new(&[0.1], 3).unwrap());
    let error = |count| Ok(Box::new(GaussianError::new(&[0.1], count)?) as Box<dyn NoiseLaw>);
    let whole = Pointwise::new(Arctan, Stride::new(3, 1, 0, &error).unwrap());
    for name in ["enkf", "etkf", "eakf", "bootstrap", "ienks"] {
        let (told, known) = (ensemble(name, &alone).unwrap(), ensemble(name, &whole).unwrap());
        assert_eq!(told, known, "{name}");
        assert!(told.axis_iter(Axis(0)).all(|row| row.iter().all(|value| value.is_finite())));
    }
    for name in ["extended", "three_d_var", "four_d_var", "hybrid", "four_d_envar", "ensf"] {
        let message = ensemble(name, &alone).unwrap_err();
        assert!(message.contains(&format!("method `{name}` needs the derivative of operator `operator`")), "{message}");
    }
}
