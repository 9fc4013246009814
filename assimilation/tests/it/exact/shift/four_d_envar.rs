//! 4D-EnVar: explicit matrices of all sets of a window, and the other two methods where they must agree.

use ndarray::{Array1, Array2, Axis, concatenate};
use scorecast_assimilation::ensemble::{anomalies, covariance};
use scorecast_assimilation::linalg::Cholesky;
use scorecast_assimilation::localize::Taper;
use scorecast_assimilation::problem::draw_prior;
use scorecast_assimilation::{ObservationOperator, Prior};
use scorecast_systems::{Forecaster, Value};

use super::{CYCLES, KEY, WINDOWS, given, largest, problems, run, window};
use crate::common::method;

/// 4D-EnVar with explicit matrices: the gain of all sets that are used together, from the members' covariances with their
/// images at these sets, applied whole to the mean and by half to the anomalies. The means of the first window are those
/// of the normal equations with the ensemble's covariance.
#[test]
fn four_d_envar_is_its_explicit_matrices_of_all_sets_of_a_window() {
    let mut worst: f64 = 0.0;
    for problem in problems() {
        let dim = problem.mean.len();
        let members = 7;
        for radius in [None, Some(2.5)].into_iter().take(if dim == 40 { 2 } else { 1 }) {
            let draws = draw_prior(&problem.prior(), members, KEY).unwrap();
            let taper = Array2::from_shape_fn((dim, dim), |(i, j)| {
                let distance = i.abs_diff(j).min(dim - i.abs_diff(j)) as f64;
                radius.map_or(1.0, |r| Taper::GaspariCohn.weight(distance, r))
            });
            let carry = |x: &Array2<f64>| {
                let mut x = x.clone();
                problem.model.advance(0, problem.every, &mut x, KEY).unwrap();
                x
            };
            let cross = |a: &Array2<f64>, b: &Array2<f64>| {
                &taper * &(anomalies(a.view(), None).1.t().dot(&anomalies(b.view(), None).1) / (members as f64 - 1.0))
            };
            for (lag, shift) in WINDOWS {
                let mut settings = window(lag, shift, &[("members", Value::Int(members as i64))]);
                settings.extend(radius.map(|radius| ("radius", Value::Float(radius))));
                let what = format!("dimension {dim}, radius {radius:?}, lag {lag}, shift {shift}");
                let (outcomes, smoothed) =
                    run(&mut *method("four_d_envar", &settings), &problem, &Prior::Ensemble(draws.clone()));
                let (mut x, mut from, mut used, mut exact) = (draws.clone(), 0, 0, Vec::new());
                for (cycle, outcome) in outcomes.iter().enumerate() {
                    let set = cycle + 1;
                    let image = |x: &Array2<f64>, to: usize| (from..to).fold(x.clone(), |x, _| carry(&x));
                    let error = largest(&(&outcome.forecast - &image(&x, set)));
                    assert!(error < 1e-10, "{what}, forecast {set}: {error:.1e}");
                    if set % shift == 0 || set == CYCLES {
                        let h = problem.operator.matrix().unwrap();
                        // H of each present value at the image of its time
                        let mut values = Vec::new();
                        for set in used + 1..=set {
                            let image = image(&x, set);
                            for (i, y) in
                                problem.observations.row(set - 1).iter().enumerate().filter(|(_, y)| !y.is_nan())
                            {
                                values.push((
                                    image.clone(),
                                    h.row(i).to_owned(),
                                    *y,
                                    problem.operator.error().variance()[i],
                                ));
                            }
                        }
                        used = set;
                        if !values.is_empty() {
                            let n = values.len();
                            let s = Array2::from_shape_fn((n, n), |(i, j)| {
                                let (a, g, _, r) = &values[i];
                                let (b, f, ..) = &values[j];
                                g.dot(&cross(a, b).dot(f)) + if i == j { *r } else { 0.0 }
                            });
                            let rows: Vec<_> =
                                values.iter().map(|(b, f, ..)| cross(&x, b).dot(f).insert_axis(Axis(0))).collect();
                            let mut gain =
                                concatenate(Axis(0), &rows.iter().map(|row| row.view()).collect::<Vec<_>>()).unwrap();
                            Cholesky::new(s.view()).unwrap().solve_in_place(&mut gain);
                            let d: Array1<f64> =
                                values.iter().map(|(b, f, y, _)| y - b.mean_axis(Axis(0)).unwrap().dot(f)).collect();
                            let y = Array2::from_shape_fn((members, n), |(k, i)| {
                                anomalies(values[i].0.view(), None).1.row(k).dot(&values[i].1)
                            });
                            if radius.is_none() && used == set && from == 0 && set == shift {
                                let p = covariance(x.view(), None);
                                let which: Vec<usize> = (1..=set).collect();
                                let dense = given(&problem, &x.mean_axis(Axis(0)).unwrap(), &p, &which, 0).0;
                                let mean = x.mean_axis(Axis(0)).unwrap() + d.dot(&gain);
                                assert!(largest(&(mean - dense)) < 1e-9);
                            }
                            x = &x + &d.dot(&gain) - 0.5 * y.dot(&gain);
                        }
                    }
                    if set % shift == 0 {
                        let error = largest(&(&outcome.ensemble - &image(&x, set)));
                        assert!(error < 1e-10, "{what}, set {set}: {error:.1e}");
                        worst = worst.max(error);
                        for _ in 0..(set - from + shift).saturating_sub(lag) {
                            exact.extend((from > 0).then(|| x.clone()));
                            x = carry(&x);
                            from += 1;
                        }
                    } else {
                        assert!(outcome.ensemble == outcome.forecast, "{what}, waiting {set}");
                    }
                }
                while exact.len() < CYCLES {
                    exact.extend((from > 0).then(|| x.clone()));
                    x = carry(&x);
                    from += 1;
                }
                for (found, exact) in smoothed.iter().zip(&exact) {
                    let error = largest(&(&found.ensemble - exact));
                    assert!(error < 1e-10, "{what}, smoothed step {}: {error:.1e}", found.step);
                    worst = worst.max(error);
                }
            }
        }
    }
    println!("largest error {worst:.1e}");
}

/// With one member for each direction and a linear problem, 4D-EnVar, 4D-Var and `ienks` agree on the mean of the first window
/// without overlap, where the covariance of all three is that of the prior.
#[test]
fn the_three_methods_agree_on_the_first_window_where_all_is_linear() {
    let problem = &problems()[1];
    let draws = draw_prior(&problem.prior(), 9, KEY).unwrap();
    let mean = |name: &str, more: &[(&'static str, Value)]| {
        let mut filter = method(name, &window(3, 3, &[&[("members", Value::Int(9))], more].concat()));
        filter.start(&Prior::Ensemble(draws.clone()), 0, KEY).unwrap();
        (0..3).map(|cycle| problem.step(&mut *filter, cycle, KEY)).last().unwrap().mean()
    };
    let tight = [("tolerance", Value::Float(1e-12))];
    let [a, b, c] = [mean("ienks", &tight), mean("four_d_envar", &[]), mean("four_d_var", &tight)];
    assert!(largest(&(&a - &b)) < 1e-9 && largest(&(&a - &c)) < 1e-9, "{a} {b} {c}");
}
