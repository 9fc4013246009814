//! A method's entry says what it needs: with a forecaster that offers nothing but steps, the methods without a need run
//! and those with one refuse; with an operator that is not linear, those for linear ones alone refuse.

#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use common::{LinearProblem, errors, method, word};
use ndarray::{Array2, array};
use scorecast_assimilation::observe::{Arctan, Pointwise, Stride};
use scorecast_assimilation::{Error, METHODS, ObservationOperator, ObservationSet};
use scorecast_assimilation::{Need, NoiseTreatment};
use scorecast_systems::{Domain, Forecaster, Key, Settings, Value};

/// A forecaster that can be stepped and nothing else.
struct Steps<'a>(&'a dyn Forecaster);

impl Forecaster for Steps<'_> {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.0.advance(k, steps, x, key)
    }
}

/// Whether a method refuses a forecaster and an operator in one cycle.
fn refuses(name: &str, given: &[(&str, Value)], model: &dyn Forecaster, operator: &dyn ObservationOperator) -> bool {
    let key = Key::new(1, Domain::Method);
    let mut filter = method(name, given);
    filter.start(&LinearProblem::three(1).prior(), 0, key).unwrap();
    let values = array![0.1, 0.2, 0.3];
    let observed = ObservationSet { step: 1, time: 1.0, values: values.slice(ndarray::s![..operator.dim()]), operator };
    match filter.step(model, &observed, key).and_then(|_| filter.finish(model, None, key)) {
        Ok(_) => false,
        Err(Error::Unsupported(_) | Error::System(_)) => true,
        Err(other) => panic!("{name}: {other}"),
    }
}

#[test]
fn a_method_refuses_a_forecaster_if_and_only_if_its_entry_has_a_need() {
    let problem = LinearProblem::three(1);
    let steps = Steps(&problem.model);
    assert!(Need::Derivative.offered_by(&problem.model) && Need::Kernel.offered_by(&problem.model));
    for entry in METHODS {
        assert!(entry.build.needs.iter().all(|need| !need.offered_by(&steps)), "{}", entry.name);
        let given: &[_] = if entry.name == "guided" { &[("weights", word("none"))] } else { &[] };
        let found = refuses(entry.name, given, &steps, &problem.operator);
        assert_eq!(found, !entry.build.needs.is_empty(), "{}: {:?}", entry.name, entry.build.needs);
        assert!(!refuses(entry.name, given, &problem.model, &problem.operator), "{}", entry.name);
    }
}

#[test]
fn a_method_refuses_an_operator_if_and_only_if_it_is_for_linear_ones() {
    let problem = LinearProblem::three(1);
    let arctan = Pointwise::new(Arctan, Stride::new(3, 1, 0, &errors(&[0.5])).unwrap());
    for entry in METHODS {
        let given: &[_] = if entry.name == "guided" { &[("weights", word("path"))] } else { &[] };
        assert_eq!(refuses(entry.name, given, &problem.model, &arctan), entry.build.linear_operator, "{}", entry.name);
    }
}

#[test]
fn a_noise_treatment_adds_a_need() {
    for entry in METHODS.iter().filter(|entry| entry.params.iter().any(|param| param.key == "noise_treatment")) {
        let settings = |word: &str| {
            let given = [("noise_treatment".to_owned(), Value::Text(word.to_owned()))];
            Settings::check(entry.name, entry.params, &given.into()).unwrap()
        };
        assert_eq!(entry.build.needs_with(&settings("stochastic")), entry.build.needs);
        assert!(entry.build.needs_with(&settings("square_root")).contains(&Need::Noise), "{}", entry.name);
    }
}

/// A lead step without noise, which has no Gaussian law.
struct Halved;

impl Forecaster for Halved {
    fn dim(&self) -> usize {
        3
    }

    fn step(&self, _k: usize, x: &mut Array2<f64>, _key: Key) -> scorecast_systems::Result<()> {
        *x *= 0.5;
        Ok(())
    }
}

#[test]
fn without_noise_there_is_nothing_to_treat() {
    let problem = LinearProblem::three(1);
    let steps = Steps(&problem.model);
    assert!(Need::Noise.offered_by(&Halved) && !Need::Kernel.offered_by(&Halved) && !Need::Noise.offered_by(&steps));
    let advanced = |treatment: NoiseTreatment| {
        let mut x = Key::new(2, Domain::Score).normals(5, 3);
        treatment.advance(&Halved, 0, 2, &mut x, Key::new(1, Domain::Method)).unwrap();
        x
    };
    assert_eq!(advanced(NoiseTreatment::SquareRoot), advanced(NoiseTreatment::Stochastic));
    let given = [("noise_treatment", word("square_root"))];
    assert!(!refuses("etkf", &given, &Halved, &problem.operator));
    assert!(refuses("etkf", &given, &steps, &problem.operator));
}
