//! Every operator of the registry keeps the contract of `Observation`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use ndarray::{Array2, Axis, array};
use scorecast_assimilation::observe::{GaussianError, NoiseLaw};
use scorecast_assimilation::{OPERATORS, Observation, Result, Seen};
use scorecast_systems::{Domain, Key, Settings, Value};

const DIM: usize = 7;

fn error(dim: usize) -> Result<Box<dyn NoiseLaw>> {
    Ok(Box::new(GaussianError::new(&[0.5], dim)?))
}

fn build(name: &str, given: &[(&str, Value)]) -> Result<Box<dyn Observation>> {
    let entry = OPERATORS.iter().find(|entry| entry.name == name).unwrap();
    let given: BTreeMap<String, Value> = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let settings = Settings::check(&format!("operator `{name}`"), entry.params, &given).unwrap();
    (entry.build)(&settings, DIM, &error)
}

/// Each operator of the registry, with the settings that it must have and with those that it may have.
fn every_operator() -> Vec<Box<dyn Observation>> {
    let rows = Key::new(1, Domain::Score).normals(3, DIM);
    let matrix = Value::Rows(rows.outer_iter().map(|row| row.to_vec()).collect());
    let mut operators = Vec::new();
    for entry in OPERATORS {
        let mut given = Vec::new();
        if entry.params.iter().any(|param| param.key == "matrix") {
            given.push(("matrix", matrix.clone()));
        }
        if entry.params.iter().any(|param| param.key == "stride") {
            given.push(("stride", Value::Int(3)));
            operators.push(build(entry.name, &[given.clone(), vec![("offset", Value::Int(2))]].concat()).unwrap());
        }
        operators.push(build(entry.name, &given).unwrap());
    }
    operators
}

#[test]
fn the_jacobian_is_that_of_finite_differences_and_its_transpose_is_its_transpose() {
    for h in every_operator() {
        let [x, u] = [2, 3].map(|seed| Key::new(seed, Domain::Score).normals(4, DIM));
        let v = Key::new(4, Domain::Score).normals(4, h.dim());
        let step = 1e-5;
        let difference =
            (h.apply(0.0, (&x + &(step * &u)).view()) - h.apply(0.0, (&x - &(step * &u)).view())) / (2.0 * step);
        let tangent = h.jvp(0.0, x.view(), u.view());
        // central differences: third derivative * step^2 / 6 and round-off / step are both below 1e-9
        assert!((&difference - &tangent).iter().all(|e| e.abs() < 1e-9), "{}", h.name());
        let left = (&v * &tangent).sum_axis(Axis(1));
        let right = (&u * &h.vjp(0.0, x.view(), v.view())).sum_axis(Axis(1));
        assert!((left - right).iter().all(|e| e.abs() < 1e-13), "{}", h.name());
    }
}

#[test]
fn sizes_matrix_and_location_agree_with_what_apply_does() {
    let x = Key::new(5, Domain::Score).normals(4, DIM);
    for h in every_operator() {
        let y = h.apply(0.0, x.view());
        assert_eq!((y.dim(), h.state_dim(), h.error().variance().len()), ((4, h.dim()), DIM, h.dim()), "{}", h.name());
        if let Some(matrix) = h.matrix() {
            assert!((x.dot(&matrix.t()) - &y).iter().all(|e| e.abs() < 1e-13), "{}", h.name());
        }
        for (value, place) in h.location().into_iter().flatten().enumerate() {
            let mut only = Array2::zeros((1, DIM));
            only[(0, place)] = 1.0;
            let column = h.jvp(0.0, Array2::zeros((1, DIM)).view(), only.view());
            let nonzero: Vec<usize> = (0..h.dim()).filter(|&i| column[(0, i)] != 0.0).collect();
            assert_eq!(nonzero, [value], "{}", h.name());
        }
    }
}

#[test]
fn strides_select_the_components_that_they_say() {
    let x = array![[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]];
    let all = build("stride", &[("stride", Value::Int(3))]).unwrap();
    assert_eq!((all.apply(0.0, x.view()), all.name().as_str()), (array![[0.0, 3.0, 6.0]], "stride 3"));
    let from = build("stride", &[("stride", Value::Int(3)), ("offset", Value::Int(2))]).unwrap();
    assert_eq!(from.apply(0.0, x.view()), array![[2.0, 5.0]]);
    let arctan = build("arctan", &[("stride", Value::Int(6))]).unwrap();
    assert_eq!(arctan.apply(0.0, x.view()), array![[0.0, 6.0f64.atan()]]);
}

#[test]
fn settings_that_do_not_fit_the_state_are_refused_with_both_numbers() {
    let refused = |name, given: &[(&str, Value)]| build(name, given).err().unwrap().to_string();
    let offset = refused("stride", &[("stride", Value::Int(2)), ("offset", Value::Int(7))]);
    assert_eq!(offset, "operator `stride`: `offset` is 7, but the state has 7 components; take one below 7");
    let matrix = refused("linear", &[("matrix", Value::Rows(vec![vec![1.0; 5]; 2]))]);
    assert_eq!(matrix, "operator `linear`: `matrix` has 5 columns, but the state has 7 components; give it 7 columns");
}

#[test]
fn missing_values_are_left_out_and_wrong_sizes_are_sentences() {
    let h = build("stride", &[("stride", Value::Int(3))]).unwrap();
    let x = Key::new(6, Domain::Score).normals(2, DIM);
    let values = array![1.0, f64::NAN, 3.0];
    let seen = Seen { step: 4, time: 0.0, values: values.view(), operator: &*h };
    let present = seen.restrict(x.view()).unwrap();
    assert_eq!((present.index, present.values), (vec![0, 2], array![1.0, 3.0]));
    assert_eq!(present.predicted, x.select(Axis(1), &[0, 6]));
    assert_eq!(present.variance, array![0.25, 0.25]);
    assert_eq!(seen.matrix().unwrap(), Array2::eye(DIM).select(Axis(0), &[0, 6]));

    let long = array![1.0, 2.0, 3.0, 4.0];
    let message = Seen { values: long.view(), ..seen }.restrict(x.view()).unwrap_err().to_string();
    assert_eq!(
        message,
        "lead step 4 has 4 observed values but operator `stride 3` gives 3; set the operator in [observe] to the one \
         that observed them, or observe again"
    );
    let message = seen.restrict(Array2::zeros((2, 5)).view()).unwrap_err().to_string();
    assert!(message.contains("5 components") && message.contains("takes 7"), "{message}");
}
