//! Our metrics against the values of other libraries in `tests/data/golden_metrics.json`.

use ndarray::{Array1, Array2, Array3, s};
use serde_json::Value;

use super::{Case, Context, Ensemble, Pool, Terms, build, effective_size};

const TOLERANCE: f64 = 1e-10;

/// The value of a golden case, flattened.
fn golden(name: &str) -> Vec<f64> {
    let file: Value = serde_json::from_str(include_str!("../../tests/data/golden_metrics.json")).unwrap();
    let case = file["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
    match &case["value"] {
        Value::Array(values) => values.iter().map(|value| value.as_f64().unwrap()).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

fn close(got: f64, expected: f64) {
    assert!((got - expected).abs() <= TOLERANCE * expected.abs() + 1e-12, "{got} instead of {expected}");
}

/// Input U1: 6 cases of 10 members, one component.
fn u1() -> (Array2<f64>, Array3<f64>) {
    let x = |(i, j, _): (usize, usize, usize)| (1.3 * i as f64 + 0.7 * j as f64 + 0.2).sin();
    (Array2::from_shape_fn((6, 1), |(i, _)| (0.9 * i as f64).cos()), Array3::from_shape_fn((6, 10, 1), x))
}

/// Input M1: 6 cases of 10 members, four components.
fn m1() -> (Array2<f64>, Array3<f64>) {
    let x = |(i, j, d): (usize, usize, usize)| {
        (1.3 * i as f64 + 0.7 * j as f64 + 0.31 * d as f64).sin() * (1.0 + 0.1 * d as f64)
    };
    let y = |(i, d): (usize, usize)| (0.9 * i as f64 + 0.5 * d as f64).cos();
    (Array2::from_shape_fn((6, 4), y), Array3::from_shape_fn((6, 10, 4), x))
}

/// Input L1: 200 cases of 10 members, one component.
fn l1() -> (Array2<f64>, Array3<f64>) {
    let x = |(i, j, _): (usize, usize, usize)| {
        let (i, j) = (i as f64, j as f64);
        0.8 * (1.3 * i).sin() + 0.6 * (2.9 * i - 1.1 * j * j + 0.5 * j).sin()
    };
    let y = |(i, _): (usize, usize)| 0.8 * (1.3 * i as f64).sin() + 0.6 * (0.37 * (i * i) as f64).cos();
    (Array2::from_shape_fn((200, 1), y), Array3::from_shape_fn((200, 10, 1), x))
}

/// The terms of a metric over cases, each its own cluster.
fn terms(metric: &str, (truth, members): &(Array2<f64>, Array3<f64>), weights: Option<&Array1<f64>>) -> Terms {
    let metric = build(metric, &Context::plain(Pool::All)).unwrap();
    let mut terms = Terms::new(metric.terms());
    for (i, y) in truth.outer_iter().enumerate() {
        let ensemble = Ensemble::new(y, members.slice(s![i, .., ..]), weights.map(|w| w.view()));
        terms.measure(&*metric, i, 0, &Case::Ensemble(&ensemble));
    }
    terms
}

fn value(metric: &str, terms: &Terms) -> f64 {
    build(metric, &Context::plain(Pool::All)).unwrap().summarise(terms).value.unwrap()
}

fn check_cases(terms: &Terms, name: &str) {
    let expected = golden(name);
    assert_eq!(expected.len(), terms.len());
    terms.rows().zip(expected).for_each(|((_, _, row), expected)| close(row[0], expected));
}

fn ramp() -> Array1<f64> {
    Array1::from_iter((1..=10).map(|j| f64::from(j) / 55.0))
}

#[test]
fn crps_fair() {
    check_cases(&terms("crps_fair", &u1(), None), "crps_ensemble_fair");
    check_cases(&terms("crps_fair", &u1(), Some(&ramp())), "crps_ensemble_weighted_fair");
    let uniform = Array1::from_elem(10, 0.1);
    check_cases(&terms("crps_fair", &u1(), Some(&uniform)), "crps_ensemble_fair");
    close(value("crps_fair", &terms("crps_fair", &l1(), None)), golden("crps_aggregate_L1")[1]);
}

#[test]
fn energy_score_fair() {
    check_cases(&terms("energy_score_fair", &m1(), None), "energy_score_fair");
    // in one dimension the energy score is the CRPS, weighted or not
    check_cases(&terms("energy_score_fair", &u1(), None), "crps_ensemble_fair");
    check_cases(&terms("energy_score_fair", &u1(), Some(&ramp())), "crps_ensemble_weighted_fair");
}

/// Input M1 has no places: a mean over the 12 ordered pairs of four components, of which the golden values are sums.
#[test]
fn variogram_score_fair() {
    let entry = crate::systems::registry::find(super::METRICS, "metric", "variogram_score_fair").unwrap();
    for (order, name) in [(0.5, "variogram_score_p0.5_fair"), (1.0, "variogram_score_p1.0_fair")] {
        let given = std::iter::once(("p".to_owned(), crate::systems::Value::Float(order))).collect();
        let settings = crate::systems::Settings::check("metric", entry.params, &given).unwrap();
        let metric = (entry.build.make)(&settings, &Context::plain(Pool::All)).unwrap();
        let (truth, members) = m1();
        for ((y, x), expected) in truth.outer_iter().zip(members.outer_iter()).zip(golden(name)) {
            let mut out = [0.0];
            metric.measure(&Case::Ensemble(&Ensemble::new(y, x, None)), &mut out);
            close(12.0 * out[0], expected);
        }
    }
}

#[test]
fn rank_histogram_counts() {
    let context = Context::plain(Pool::All);
    let entry = crate::systems::registry::find(super::METRICS, "metric", "rank_histogram").unwrap();
    let given = std::iter::once(("bins".to_owned(), crate::systems::Value::Int(11))).collect();
    let settings = crate::systems::Settings::check("metric", entry.params, &given).unwrap();
    let metric = (entry.build.make)(&settings, &context).unwrap();
    let (truth, members) = l1();
    let mut terms = Terms::new(metric.terms());
    for (i, y) in truth.outer_iter().enumerate() {
        let ensemble = Ensemble::new(y, members.slice(s![i, .., ..]), None);
        terms.measure(&*metric, i, 0, &Case::Ensemble(&ensemble));
    }
    let counts = metric.histogram(&terms).unwrap();
    counts.iter().zip(golden("rank_histogram")).for_each(|(got, expected)| close(*got, expected));
    // the plain chi-square statistic of the same counts, as SciPy gives it
    let plain = super::statistics::flatness(&terms, 11).unwrap().chi_square;
    assert!((plain - 35.29).abs() < 1e-9, "{plain}");
}

#[test]
fn spread_skill_spread_rmse_and_bias() {
    let expected = golden("spread_skill");
    close(value("spread_skill", &terms("spread_skill", &l1(), None)), expected[5]);
    close(value("spread", &terms("spread", &l1(), None)), expected[0].sqrt());
    let deterministic = golden("deterministic");
    close(value("rmse", &terms("rmse", &l1(), None)), deterministic[0]);
    close(value("bias", &terms("bias", &l1(), None)), deterministic[2]);
}

#[test]
fn effective_sample_size() {
    close(effective_size(ramp().view()), golden("particle_ess")[0]);
}
