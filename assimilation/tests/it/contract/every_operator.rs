//! Every operator of the registry keeps the contract of `ObservationOperator`.

#![allow(clippy::unwrap_used)]

use crate::common;

use common::derived::{Given, assert_wrong_settings_are_refused, by_key, default_value, is_required, others, variants};
use ndarray::{Array2, Axis, array};
use scorecast_assimilation::observe::{GaussianError, NoiseLaw};
use scorecast_assimilation::{OPERATORS, ObservationOperator, ObservationSet, Result};
use scorecast_systems::{Domain, Key, Param, ParamKind, Settings, Value};

const DIM: usize = 7;

fn error(dim: usize) -> Result<Box<dyn NoiseLaw>> {
    Ok(Box::new(GaussianError::new(&[0.5], dim)?))
}

fn build(name: &str, given: &[(&str, Value)]) -> Result<Box<dyn ObservationOperator>> {
    build_for(DIM, name, given)
}

fn build_for(dim: usize, name: &str, given: &[(&str, Value)]) -> Result<Box<dyn ObservationOperator>> {
    let entry = OPERATORS.iter().find(|entry| entry.name == name).unwrap();
    let settings = Settings::check(&format!("operator `{name}`"), entry.params, &by_key(given)).unwrap();
    (entry.build)(&settings, dim, &error)
}

fn rows(rows: &[&[f64]]) -> Value {
    Value::Rows(rows.iter().map(|row| row.to_vec()).collect())
}

/// Matrices that an operator may ask for: H, and points on a ring, on a line and on a grid.
fn matrices(dim: usize) -> Vec<Value> {
    let matrix = Key::new(1, Domain::Score).normals(3, dim);
    vec![
        Value::Rows(matrix.outer_iter().map(|row| row.to_vec()).collect()),
        rows(&[&[0.0], &[2.25], &[6.7], &[3.5], &[2.5]]),
        rows(&[&[0.0], &[2.25], &[5.7], &[3.5], &[2.5]]),
        rows(&[&[0.5, 1.25], &[2.75, 3.5], &[1.0, 0.5], &[2.0, 3.0]]),
        rows(&[&[0.5, 1.25], &[2.0, 3.0]]),
    ]
}

/// What an operator must be given, each choice of it; and where a number that is nearly 0 smooths a kink, a large one, so
/// that finite differences see the curve.
fn needed(params: &[Param], dim: usize) -> Vec<Given> {
    params.iter().fold(vec![vec![]], |so_far, param| {
        let choices = match (param.kind, default_value(param)) {
            (ParamKind::Rows, None) if is_required(param) => matrices(dim),
            (ParamKind::Float { .. }, Some(Value::Float(small))) if small > 0.0 && small < 1e-3 => {
                vec![Value::Float(1.0)]
            }
            _ if is_required(param) => others(param),
            _ => return so_far,
        };
        let with = |given: &Given| {
            choices.iter().map(|choice| [given.clone(), vec![(param.key, choice.clone())]].concat()).collect::<Vec<_>>()
        };
        so_far.iter().flat_map(with).collect()
    })
}

/// Each operator of the registry, with the settings that it must have and with those that it may have, for states of 7
/// components and of a grid of 3 x 4.
fn every_operator() -> Vec<Box<dyn ObservationOperator>> {
    let mut operators = Vec::new();
    for entry in OPERATORS {
        let mut tried = Vec::new();
        for (dim, base) in
            [DIM, 12].iter().flat_map(|&dim| needed(entry.params, dim).into_iter().map(move |b| (dim, b)))
        {
            let made = |given: &Given| build_for(dim, entry.name, given).map_err(|error| error.to_string());
            let more = variants(entry.params, &base, |given| made(given).map(drop));
            for given in made(&base).is_ok().then_some(base).into_iter().chain(more.accepted) {
                operators.push(made(&given).unwrap());
                tried.extend(given.iter().map(|(key, _)| *key));
            }
        }
        let untried = entry.params.iter().find(|param| !tried.contains(&param.key));
        assert!(untried.is_none(), "{}: {untried:?}", entry.name);
    }
    assert!(operators.len() >= OPERATORS.len());
    operators
}

#[test]
fn wrong_settings_are_refused_by_name() {
    assert_wrong_settings_are_refused(OPERATORS);
}

#[test]
fn the_jacobian_is_that_of_finite_differences_and_its_transpose_is_its_transpose() {
    for h in every_operator() {
        let [x, u] = [2, 3].map(|seed| Key::new(seed, Domain::Score).normals(4, h.state_dim()));
        let v = Key::new(4, Domain::Score).normals(4, h.dim());
        let step = 1e-5;
        let difference =
            (h.apply(0.0, (&x + &(step * &u)).view()) - h.apply(0.0, (&x - &(step * &u)).view())) / (2.0 * step);
        let tangent = h.linearized().unwrap().jvp(0.0, x.view(), u.view());
        // central differences: third derivative * step^2 / 6 and round-off / step are both below 1e-9 of the tangent
        let close = |(d, t): (&f64, &f64)| (d - t).abs() < 1e-9 * (1.0 + t.abs());
        assert!(difference.iter().zip(&tangent).all(close), "{}", h.name());
        let left = (&v * &tangent).sum_axis(Axis(1));
        let right = (&u * &h.linearized().unwrap().vjp(0.0, x.view(), v.view())).sum_axis(Axis(1));
        let size = (&v * &tangent).mapv(f64::abs).sum_axis(Axis(1));
        assert!(((left - right) / (size + 1.0)).iter().all(|e| e.abs() < 1e-12), "{}", h.name());
    }
}

/// A value that reads one component is that function of it, and of no other.
#[test]
fn values_of_one_component_are_what_apply_makes_of_it_alone() {
    let mut single = 0;
    for h in every_operator() {
        let Some(reads) = h.one_component() else { continue };
        let x = Key::new(6, Domain::Score).normals(4, h.state_dim());
        let y = h.apply(0.3, x.view());
        for value in 0..h.dim() {
            let Some(component) = reads.component(value) else {
                assert!(reads.value_at(0.3, value, 1.0).is_nan(), "{}", h.name());
                continue;
            };
            let mut others = x.mapv(|x| x + 0.7);
            others.column_mut(component).assign(&x.column(component));
            let again = h.apply(0.3, others.view());
            for member in 0..4 {
                let alone = reads.value_at(0.3, value, x[(member, component)]);
                assert!(alone == y[(member, value)] && alone == again[(member, value)], "{}", h.name());
            }
            single += 1;
        }
    }
    assert!(single > 30, "{single}");
}

#[test]
fn sizes_matrix_and_location_agree_with_what_apply_does() {
    for h in every_operator() {
        let dim = h.state_dim();
        let x = Key::new(5, Domain::Score).normals(4, dim);
        let y = h.apply(0.0, x.view());
        assert_eq!((y.dim(), h.error().variance().len()), ((4, h.dim()), h.dim()), "{}", h.name());
        // row j of `columns` is column j of the Jacobian at a state where no slope is 0
        let columns = h.linearized().unwrap().jvp(0.0, Array2::ones((dim, dim)).view(), Array2::eye(dim).view());
        if let Some(matrix) = h.matrix() {
            assert!((x.dot(&matrix.t()) - &y).iter().all(|e| e.abs() < 1e-13), "{}", h.name());
            assert_eq!(matrix.t(), columns, "{}", h.name());
        }
        let location = h.location();
        assert!(location.as_ref().is_none_or(|location| location.len() == h.dim()), "{}", h.name());
        for (value, place) in location.into_iter().flatten().enumerate() {
            // a value sits where it depends on the state most
            let most = columns.column(value).iter().fold(0.0, |most: f64, slope| most.max(slope.abs()));
            assert!(place.component < dim && most > 0.0, "{}", h.name());
            assert!(columns[(place.component, value)].abs() > most - 1e-12, "{}", h.name());
            assert!(place.beside.iter().all(|beside| beside.abs() <= 0.5), "{}", h.name());
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
}

#[test]
fn each_function_of_components_is_the_one_that_it_says() {
    let x = array![[-2.0, 0.0, 0.5, 1.0, 2.0, 3.0, -6.0]];
    let floor = 0.25;
    let functions: [(&str, &dyn Fn(f64) -> f64); 6] = [
        ("arctan", &f64::atan),
        ("absolute", &f64::abs),
        ("square", &|x| x * x),
        ("exp", &f64::exp),
        ("log", &|x| 0.5 * (x * x + floor * floor).ln()),
        ("threshold", &|x| if x > floor { x } else { floor }),
    ];
    for (name, f) in functions {
        let key = if name == "log" { "floor" } else { "level" };
        let given = if ["log", "threshold"].contains(&name) { vec![(key, Value::Float(floor))] } else { vec![] };
        let y = build(name, &[given, vec![("stride", Value::Int(2))]].concat()).unwrap().apply(0.0, x.view());
        for (i, y) in y.iter().enumerate() {
            assert!((y - f(x[(0, 2 * i)])).abs() < 1e-13, "{name}");
        }
    }
    // kinks have the slope 0, and the logarithm has a value at 0
    for name in ["absolute", "threshold", "norm"] {
        let slopes = build(name, &[]).unwrap().linearized().unwrap().jvp(
            0.0,
            Array2::zeros((1, DIM)).view(),
            Array2::ones((1, DIM)).view(),
        );
        assert!(slopes.iter().all(|slope| *slope == 0.0), "{name}");
    }
    let log = build("log", &[]).unwrap().apply(0.0, array![[0.0, 5.0, -5.0, 1.0, 1.0, 1.0, 1.0]].view());
    assert!((log[(0, 0)] - 1e-6f64.ln()).abs() < 1e-12 && (log[(0, 1)] - 5.0f64.ln()).abs() < 1e-12);
    assert_eq!(log[(0, 1)], log[(0, 2)]);
}

#[test]
fn the_norm_is_that_of_each_group_and_does_not_overflow() {
    let x = array![[3.0, 4.0, 1e200, 1e200, 0.0, 0.0]];
    let y = build_for(6, "norm", &[("size", Value::Int(2))]).unwrap().apply(0.0, x.view());
    assert!((y[(0, 0)] - 5.0).abs() < 1e-14 && (y[(0, 1)] / 2.0f64.sqrt() / 1e200 - 1.0).abs() < 1e-14);
    assert_eq!(y[(0, 2)], 0.0);
    assert_eq!(build("norm", &[]).unwrap().dim(), 1);
}

#[test]
fn interpolation_is_exact_for_linear_fields_and_goes_round_a_ring() {
    let points = [[0.25], [2.5], [6.0], [4.875]].map(|p| p.to_vec()).to_vec();
    let line = [("points", Value::Rows(points.clone())), ("periodic", Value::Bool(false))];
    let x = Array2::from_shape_fn((1, DIM), |(_, j)| 3.0 - 0.7 * j as f64);
    for (y, p) in build("interpolate", &line).unwrap().apply(0.0, x.view()).iter().zip(&points) {
        assert!((y - (3.0 - 0.7 * p[0])).abs() < 1e-14);
    }
    let across = build("interpolate", &[("points", rows(&[&[6.75]]))]).unwrap().apply(0.0, x.view());
    assert!((across[(0, 0)] - (0.25 * x[(0, 6)] + 0.75 * x[(0, 0)])).abs() < 1e-14);
    // turning the field by a place is turning the points by a place
    let field = Key::new(8, Domain::Score).normals(1, DIM);
    let turned = Array2::from_shape_fn((1, DIM), |(_, j)| field[(0, (j + 1) % DIM)]);
    let at = |p: f64, x: &Array2<f64>| {
        build("interpolate", &[("points", rows(&[&[p]]))]).unwrap().apply(0.0, x.view())[(0, 0)]
    };
    for p in [0.0, 1.3, 5.5, 6.0, 6.9] {
        assert!((at((p + 1.0) % 7.0, &field) - at(p, &turned)).abs() < 1e-12, "{p}");
    }
}

#[test]
fn interpolation_on_a_grid_is_exact_for_bilinear_fields_and_goes_round_a_torus() {
    let f = |row: f64, column: f64| 1.0 + 2.0 * row - 0.5 * column + 0.3 * row * column;
    let x = Array2::from_shape_fn((1, 12), |(_, j)| f((j / 4) as f64, (j % 4) as f64));
    let points = [[0.5, 1.25], [2.0, 3.0], [1.0, 0.75], [1.9, 2.9]];
    let given = Value::Rows(points.iter().map(|p| p.to_vec()).collect());
    let plane = [("points", given), ("columns", Value::Int(4)), ("periodic", Value::Bool(false))];
    let y = build_for(12, "interpolate", &plane).unwrap().apply(0.0, x.view());
    for (y, [row, column]) in y.iter().zip(points) {
        assert!((y - f(row, column)).abs() < 1e-14);
    }
    let torus = [("points", rows(&[&[2.5, 3.5]])), ("columns", Value::Int(4))];
    let corner = build_for(12, "interpolate", &torus).unwrap().apply(0.0, x.view());
    assert!((corner[(0, 0)] - 0.25 * (x[(0, 11)] + x[(0, 8)] + x[(0, 3)] + x[(0, 0)])).abs() < 1e-14);
}

#[test]
fn random_subsets_are_reproducible_without_repetition_and_uniform() {
    let (dim, count, draws) = (12, 5, 4000);
    let place = |seed| -> Vec<usize> {
        let given = [("count", Value::Int(count)), ("seed", Value::Int(seed))];
        let location = build_for(dim, "random_subset", &given).unwrap().location().unwrap();
        location.into_iter().map(|place| place.component).collect()
    };
    assert_eq!(place(3), place(3));
    let mut taken = vec![0.0; dim];
    for seed in 0..draws {
        let place = place(seed);
        assert!(place.windows(2).all(|pair| pair[0] < pair[1]) && place.len() == 5, "sorted, none twice");
        place.iter().for_each(|&j| taken[j] += 1.0);
    }
    // each component in a share 5/12 of the subsets, a Bernoulli variable: 4.5 standard errors
    let share = 5.0 / 12.0;
    for count in taken {
        assert!((count / draws as f64 - share).abs() < 4.5 * (share * (1.0 - share) / draws as f64).sqrt());
    }
    let share = |share| build("random_subset", &[("share", Value::Float(share))]).unwrap().dim();
    assert_eq!((share(0.01), share(0.5), share(1.0)), (1, 4, 7));
}

#[test]
fn settings_that_do_not_fit_the_state_are_refused_with_both_numbers() {
    let refused = |name, given: &[(&str, Value)]| build(name, given).err().unwrap().to_string();
    let offset = refused("stride", &[("stride", Value::Int(2)), ("offset", Value::Int(7))]);
    assert_eq!(offset, "operator `stride`: `offset` is 7, but the state has 7 components; take one below 7");
    let matrix = refused("linear", &[("matrix", Value::Rows(vec![vec![1.0; 5]; 2]))]);
    assert_eq!(matrix, "operator `linear`: `matrix` has 5 columns, but the state has 7 components; give it 7 columns");
    for (name, given, said) in [
        ("random_subset", vec![("count", Value::Int(8))], ["8", "7 components"]),
        ("random_subset", vec![], ["`share` must be set", "`count`"]),
        ("random_subset", vec![("share", Value::Float(0.5)), ("count", Value::Int(3))], ["beside", "one of the two"]),
        ("norm", vec![("size", Value::Int(2))], ["is 2", "divisor of 7"]),
        ("interpolate", vec![("points", rows(&[&[7.0]]))], ["coordinate 7", "below 7"]),
        ("interpolate", vec![("points", rows(&[&[6.5]])), ("periodic", Value::Bool(false))], ["6.5", "at most 6"]),
        ("interpolate", vec![("points", rows(&[&[1.0, 1.0]]))], ["2 coordinates", "give each 1"]),
        ("interpolate", vec![("points", rows(&[&[1.0]])), ("columns", Value::Int(3))], ["is 3", "divisor of 7"]),
    ] {
        let message = refused(name, &given);
        assert!(said.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn missing_values_are_left_out_and_wrong_sizes_are_sentences() {
    let h = build("stride", &[("stride", Value::Int(3))]).unwrap();
    let x = Key::new(6, Domain::Score).normals(2, DIM);
    let values = array![1.0, f64::NAN, 3.0];
    let observed = ObservationSet { step: 4, time: 0.0, values: values.view(), operator: &*h };
    let present = observed.restrict(x.view()).unwrap();
    assert_eq!((present.index, present.values), (vec![0, 2], array![1.0, 3.0]));
    assert_eq!(present.predicted, x.select(Axis(1), &[0, 6]));
    assert_eq!(present.variance, array![0.25, 0.25]);
    assert_eq!(observed.matrix().unwrap(), Array2::eye(DIM).select(Axis(0), &[0, 6]));

    let long = array![1.0, 2.0, 3.0, 4.0];
    let message = ObservationSet { values: long.view(), ..observed }.restrict(x.view()).unwrap_err().to_string();
    assert_eq!(
        message,
        "lead step 4 has 4 observed values but operator `stride 3` gives 3; set the operator in [observe] to the one \
         that observed them, or observe again"
    );
    let message = observed.restrict(Array2::zeros((2, 5)).view()).unwrap_err().to_string();
    assert!(message.contains("5 components") && message.contains("takes 7"), "{message}");
}
