//! Unknown parameters in filters that localize observations: a parameter has no place and is moved by all observations in full,
//! and the state is moved as if it were not there.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::{errors, method, word};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use scorecast_assimilation::augment::OfState;
use scorecast_assimilation::observe::Stride;
use scorecast_assimilation::{ObservationOperator, ObservationSet, Prior};
use scorecast_systems::gaussian::LinearForecaster;
use scorecast_systems::{Domain, Key, LinearGaussian, Value};

const KEY: Key = Key::new(41, Domain::Method);

/// Members of 40 components and 2 parameters, and one set of observations of the components.
struct Case {
    x: Array2<f64>,
    of_state: Stride,
    values: Array1<f64>,
}

impl Case {
    fn new() -> Self {
        Self {
            x: Key::new(43, Domain::Score).normals(12, 42),
            of_state: Stride::new(40, 1, 0, &errors(&[1.0])).unwrap(),
            values: Key::new(44, Domain::Score).normals(1, 40).remove_axis(Axis(0)),
        }
    }

    fn state(&self) -> Array2<f64> {
        self.x.slice(s![.., ..40]).to_owned()
    }
}

/// x' = x.
fn still(dim: usize) -> LinearForecaster {
    let covariance = Array2::zeros((dim, dim));
    LinearForecaster::new(LinearGaussian { matrix: Array2::eye(dim), offset: Array1::zeros(dim), covariance }).unwrap()
}

fn close(a: ArrayView2<f64>, b: ArrayView2<f64>) -> bool {
    (&a - &b).iter().all(|e| e.abs() < 1e-10)
}

#[test]
fn a_parameter_is_moved_by_all_observations_and_the_state_as_without_it() {
    let case = Case::new();
    let run = |name: &str, given: &[(&str, Value)], x: &Array2<f64>, operator: &dyn ObservationOperator| {
        let mut filter = method(name, &[&[("members", Value::Int(12))], given].concat());
        filter.start(&Prior::Ensemble(x.clone()), 1, KEY).unwrap();
        let observed = ObservationSet { step: 1, time: 0.0, values: case.values.view(), operator };
        filter.step(&still(x.ncols()), &observed, KEY).unwrap().ensemble
    };
    let both = OfState::new(&case.of_state, 2);
    let radius = [("radius", Value::Float(2.0))];
    let everywhere = [("radius", Value::Float(1e9)), ("taper", word("step"))];
    let parameters = s![.., 40..];
    let global = run("etkf", &[], &case.x, &both);
    for name in ["letkf", "lestkf", "eakf", "ensrf", "local_particle_filter"] {
        let found = run(name, &radius, &case.x, &both);
        let alone = run(name, &radius, &case.state(), &case.of_state);
        assert!(close(found.slice(s![.., ..40]), alone.view()), "{name}");
        assert!(!close(found.slice(parameters), case.x.slice(parameters)), "{name}");
        if name.starts_with("le") {
            assert!(close(found.slice(parameters), global.slice(parameters)), "{name}");
        }
        if name != "local_particle_filter" {
            let [found, exact] = [&everywhere[..], &[]].map(|given| run(name, given, &case.x, &both));
            assert!(close(found.view(), exact.view()), "{name}");
        }
    }
    // adaptive inflation learns a factor of a parameter from all of them
    let adaptive = [&radius[..], &[("adaptive", word("anderson"))]].concat();
    for name in ["letkf", "eakf"] {
        let found = run(name, &adaptive, &case.x, &both);
        let alone = run(name, &adaptive, &case.state(), &case.of_state);
        assert!(close(found.slice(s![.., ..40]), alone.view()), "{name}");
    }
}

/// A smoother's earlier states have their own parameters behind them.
#[test]
fn a_smoother_moves_earlier_states_as_if_parameters_were_not_there() {
    let case = Case::new();
    let given = [("radius", Value::Float(2.0)), ("members", Value::Int(12)), ("lag", Value::Int(2))];
    let run = |x: &Array2<f64>, operator: &dyn ObservationOperator| {
        let (mut filter, model) = (method("letkf", &given), still(x.ncols()));
        filter.start(&Prior::Ensemble(x.clone()), 0, KEY).unwrap();
        let step = |step| {
            let observed = ObservationSet { step, time: 0.0, values: case.values.view(), operator };
            filter.step(&model, &observed, KEY).unwrap().smoothed
        };
        (1..=4).flat_map(step).map(|smoothed| smoothed.ensemble).collect::<Vec<_>>()
    };
    let (found, alone) = (run(&case.x, &OfState::new(&case.of_state, 2)), run(&case.state(), &case.of_state));
    assert_eq!(found.len(), 2);
    for (found, alone) in found.iter().zip(&alone) {
        assert!(close(found.slice(s![.., ..40]), alone.view()));
    }
}
