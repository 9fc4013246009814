//! Each chaotic system against a plain scalar formula, and what its tendency conserves.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{random_states, stepping, system, tendency};
use ndarray::{Array2, Axis, array};
use scorecast_systems::catalogue::{DoublePendulum, Ikeda, SYSTEMS};
use scorecast_systems::registry::find;
use scorecast_systems::{Domain, Key, LANES, Map, Settings, Value};

/// Asserts that the drift is `formula` at random states, to rounding of the largest value; hands back the pairs.
fn assert_drift(
    name: &str,
    settings: &[(&str, Value)],
    sd: f64,
    formula: impl Fn(&[f64]) -> Vec<f64>,
) -> Vec<(Vec<f64>, Vec<f64>)> {
    let sde = system(name, settings).as_sde().unwrap();
    let states = random_states(sde.dim(), sd);
    let found = tendency(&*sde, &states);
    for (x, found) in states.iter().zip(&found) {
        let expected = formula(x);
        let size = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() < 1e-12 * size, "{name} {settings:?}: {i}: {found} for {expected}");
        }
    }
    states.into_iter().zip(found).collect()
}

/// Asserts that sum of the terms vanishes to 1e-12 of the sum of their sizes.
fn assert_conserved(what: &str, terms: impl Iterator<Item = f64>) {
    let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
    assert!(sum.abs() < 1e-12 * size, "{what}: {sum} of {size}");
}

/// x at any whole place of the ring.
fn at(x: &[f64], i: i64) -> f64 {
    x[i.rem_euclid(x.len() as i64) as usize]
}

fn energy_change(what: &str, x: &[f64], core: &[f64]) {
    assert_conserved(what, x.iter().zip(core).map(|(x, f)| x * f));
}

#[test]
fn lorenz84() {
    let formula = |a: f64, f: f64, g: f64| {
        move |s: &[f64]| {
            let (x, y, z, b) = (s[0], s[1], s[2], 4.0);
            vec![-y * y - z * z - a * x + a * f, x * y - b * x * z - y + g, b * x * y + x * z - z]
        }
    };
    for (s, found) in assert_drift("lorenz84", &[], 2.0, formula(0.25, 8.0, 1.0)) {
        let core = [found[0] - 0.25 * (8.0 - s[0]), found[1] + s[1] - 1.0, found[2] + s[2]];
        energy_change("lorenz84", &s, &core);
    }
}

#[test]
fn lorenz96_two_scale() {
    for (slow, fast) in [(8usize, 32usize), (4, 1), (5, 3)] {
        let (h, c, b, f) = (0.7, 9.0, 11.0, 18.0);
        let numbers = [("h", h), ("c", c), ("b", b), ("forcing", f)].map(|(key, v)| (key, Value::Float(v)));
        let counts = [("K", Value::Int(slow as i64)), ("J", Value::Int(fast as i64))];
        let settings: Vec<_> = numbers.into_iter().chain(counts).collect();
        let formula = |s: &[f64]| {
            let (x, y) = s.split_at(slow);
            let slow_part = (0..slow as i64).map(|k| {
                let sum: f64 = (0..fast as i64).map(|j| at(y, k * fast as i64 + j)).sum();
                -at(x, k - 1) * (at(x, k - 2) - at(x, k + 1)) - at(x, k) + f - h * c / b * sum
            });
            let fast_part = (0..(slow * fast) as i64).map(|j| {
                let driver = x[j as usize / fast];
                -c * b * at(y, j + 1) * (at(y, j + 2) - at(y, j - 1)) - c * at(y, j) + h * c / b * driver
            });
            slow_part.chain(fast_part).collect()
        };
        for (s, found) in assert_drift("lorenz96_two_scale", &settings, 2.0, formula) {
            let undamped = |i: usize| if i < slow { found[i] + s[i] - f } else { found[i] + c * s[i] };
            energy_change("lorenz96_two_scale", &s, &(0..s.len()).map(undamped).collect::<Vec<_>>());
        }
    }
}

#[test]
fn lorenz96_truncated() {
    let tau = -0.005 / 0.984f64.ln();
    let formula = |s: &[f64]| {
        let (x, e) = s.split_at(8);
        let slow = (0..8i64).map(|k| {
            let here = at(x, k);
            let u = 0.262 + 1.45 * here - 0.0121 * here.powi(2) - 0.00713 * here.powi(3) + 0.000296 * here.powi(4);
            -at(x, k - 1) * (at(x, k - 2) - at(x, k + 1)) - here + 20.0 - u - e[k as usize]
        });
        slow.chain(e.iter().map(|e| -e / tau)).collect()
    };
    assert_drift("lorenz96_truncated", &[], 4.0, formula);
}

/// [u, v]_{K,n} by the double sum of Lorenz (2005), equation 9, with the ends of the sums halved for even K.
fn bracket(k: i64, u: &[f64], v: &[f64], n: i64) -> f64 {
    let j_most = k / 2;
    let weight = |i: i64| if k % 2 == 0 && i.abs() == j_most { 0.5 } else { 1.0 };
    let mut sum = 0.0;
    for j in -j_most..=j_most {
        for i in -j_most..=j_most {
            let terms = -at(u, n - 2 * k - i) * at(v, n - k - j) + at(u, n - k + j - i) * at(v, n + k + j);
            sum += weight(i) * weight(j) * terms;
        }
    }
    sum / (k * k) as f64
}

#[test]
fn lorenz2005_model_ii() {
    for (dim, k) in [(240, 8), (7, 1), (31, 5), (24, 6), (13, 3)] {
        let settings = [("dim", Value::Int(dim)), ("K", Value::Int(k))];
        let formula = |x: &[f64]| (0..dim).map(|n| bracket(k, x, x, n) - at(x, n) + 15.0).collect();
        for (x, found) in assert_drift("lorenz2005_ii", &settings, 5.0, formula) {
            let core: Vec<f64> = x.iter().zip(found).map(|(x, f)| f + x - 15.0).collect();
            energy_change("lorenz2005_ii", &x, &core);
        }
    }
}

#[test]
fn lorenz2005_model_ii_with_k_1_is_lorenz96() {
    let same = [("dim", Value::Int(40)), ("forcing", Value::Float(8.0))];
    let with_k = [same[0].clone(), same[1].clone(), ("K", Value::Int(1))];
    let states = random_states(40, 5.0);
    let run = |name: &str, settings: &[_]| tendency(&*system(name, settings).as_sde().unwrap(), &states);
    let pairs = run("lorenz2005_ii", &with_k).into_iter().flatten().zip(run("lorenz96", &same).into_iter().flatten());
    pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{a} {b}"));
}

/// X and Y of Model III by the sums of Lorenz (2005), equations 13.
fn scales(z: &[f64], reach: i64) -> (Vec<f64>, Vec<f64>) {
    let i = reach as f64;
    let alpha = (3.0 * i * i + 3.0) / (2.0 * i * i * i + 4.0 * i);
    let beta = (2.0 * i * i + 1.0) / (i * i * i * i + 2.0 * i * i);
    let weight = |j: i64| (alpha - beta * j.abs() as f64) * if j.abs() == reach { 0.5 } else { 1.0 };
    let x: Vec<f64> = (0..z.len() as i64).map(|n| (-reach..=reach).map(|j| weight(j) * at(z, n + j)).sum()).collect();
    let y = z.iter().zip(&x).map(|(z, x)| z - x).collect();
    (x, y)
}

#[test]
fn lorenz2005_model_iii() {
    for (dim, k, reach) in [(960, 32, 12), (30, 4, 3), (41, 7, 1), (16, 1, 2)] {
        let settings = [("dim", Value::Int(dim)), ("K", Value::Int(k)), ("I", Value::Int(reach))];
        let formula = |z: &[f64]| {
            let (x, y) = scales(z, reach);
            let small = |n| 100.0 * bracket(1, &y, &y, n) + 2.5 * bracket(1, &y, &x, n) - 10.0 * at(&y, n);
            (0..dim).map(|n| bracket(k, &x, &x, n) - at(&x, n) + 15.0 + small(n)).collect()
        };
        assert_drift("lorenz2005_iii", &settings, 5.0, formula);
    }
}

/// The weights of Model III leave a quadratic polynomial as it is, away from where the ring closes.
#[test]
fn the_large_scale_of_a_quadratic_is_the_quadratic() {
    let z: Vec<f64> = (0..60).map(|n| 3.0 - 0.2 * n as f64 + 0.01 * (n * n) as f64).collect();
    let (_, y) = scales(&z, 12);
    assert!(y[12..48].iter().all(|y| y.abs() < 1e-12), "{y:?}");
}

#[test]
fn vissio_lucarini() {
    for n in [36i64, 4, 5] {
        let (f, g, alpha, gamma) = (8.0, 3.0, 0.8, 1.2);
        let numbers = [("F", f), ("G", g), ("alpha", alpha), ("gamma", gamma)].map(|(key, v)| (key, Value::Float(v)));
        let settings: Vec<_> = numbers.into_iter().chain([("dim", Value::Int(n))]).collect();
        let formula = |s: &[f64]| {
            let (x, t) = s.split_at(n as usize);
            let momentum =
                (0..n).map(|k| at(x, k - 1) * (at(x, k + 1) - at(x, k - 2)) - alpha * at(t, k) - gamma * at(x, k) + f);
            let heat = (0..n).map(|k| {
                at(x, k + 1) * at(t, k + 2) - at(x, k - 1) * at(t, k - 2) + alpha * at(x, k) - gamma * at(t, k) + g
            });
            momentum.chain(heat).collect()
        };
        for (s, found) in assert_drift("vissio_lucarini", &settings, 3.0, formula) {
            let core = |i: usize| found[i] + gamma * s[i] - if i < n as usize { f } else { g };
            energy_change("vissio_lucarini", &s, &(0..s.len()).map(core).collect::<Vec<_>>());
        }
    }
}

/// The accelerations in the explicit form for rods and masses, and no change of energy: grad H . f = 0.
#[test]
fn double_pendulum() {
    let (l1, l2, m1, m2, g) = (0.8, 1.3, 1.5, 0.6, 9.81);
    let given = [("l1", l1), ("l2", l2), ("m1", m1), ("m2", m2), ("g", g)].map(|(key, v)| (key, Value::Float(v)));
    let formula = |s: &[f64]| {
        let (t1, w1, t2, w2) = (s[0], s[1], s[2], s[3]);
        let shared = 2.0 * m1 + m2 - m2 * (2.0 * t1 - 2.0 * t2).cos();
        let sin = (t1 - t2).sin();
        let first = -g * (2.0 * m1 + m2) * t1.sin()
            - m2 * g * (t1 - 2.0 * t2).sin()
            - 2.0 * sin * m2 * (w2 * w2 * l2 + w1 * w1 * l1 * (t1 - t2).cos());
        let second =
            2.0 * sin * (w1 * w1 * l1 * (m1 + m2) + g * (m1 + m2) * t1.cos() + w2 * w2 * l2 * m2 * (t1 - t2).cos());
        vec![w1, first / (l1 * shared), w2, second / (l2 * shared)]
    };
    for (s, f) in assert_drift("double_pendulum", &given, 2.0, formula) {
        let (t1, w1, t2, w2) = (s[0], s[1], s[2], s[3]);
        let (sin, cos) = (t1 - t2).sin_cos();
        let gradient = [
            -m2 * l1 * l2 * w1 * w2 * sin + (m1 + m2) * g * l1 * t1.sin(),
            (m1 + m2) * l1 * l1 * w1 + m2 * l1 * l2 * w2 * cos,
            m2 * l1 * l2 * w1 * w2 * sin + m2 * g * l2 * t2.sin(),
            m2 * l2 * l2 * w2 + m2 * l1 * l2 * w1 * cos,
        ];
        assert_conserved("double_pendulum", gradient.iter().zip(&f).map(|(g, f)| g * f));
    }
}

fn settings_of(name: &str) -> Settings {
    Settings::check(name, find(SYSTEMS, "system", name).unwrap().params, &BTreeMap::new()).unwrap()
}

/// RK4 loses energy at order h^5 a step; over ten seconds at h = 0.01 it stays within 1e-4 joules of the start.
#[test]
fn double_pendulum_keeps_its_energy() {
    let (pendulum, hanging) = (DoublePendulum::new(&settings_of("double_pendulum")), system("double_pendulum", &[]));
    let mut x = hanging.initial(8, Key::new(1, Domain::Score));
    let energies =
        |x: &Array2<f64>| -> Vec<f64> { x.outer_iter().map(|s| pendulum.energy([s[0], s[1], s[2], s[3]])).collect() };
    let before = energies(&x);
    hanging
        .forecaster(&stepping("rk4", 0.05, 50))
        .unwrap()
        .advance(0, 200, &mut x, Key::new(1, Domain::Score))
        .unwrap();
    for (before, after) in before.iter().zip(energies(&x)) {
        assert!((after - before).abs() < 1e-4, "{before} {after}");
    }
}

#[test]
fn lotka_volterra() {
    let r = [1.0, 0.72, 1.53, 1.27];
    let a = [[1.0, 1.09, 1.52, 0.0], [0.0, 1.0, 0.44, 1.36], [2.33, 0.0, 1.0, 0.47], [1.21, 0.51, 0.35, 1.0]];
    let formula =
        |x: &[f64]| (0..4).map(|i| r[i] * x[i] * (1.0 - (0..4).map(|j| a[i][j] * x[j]).sum::<f64>())).collect();
    assert_drift("lotka_volterra", &[], 1.0, formula);
}

/// V = c x - d ln x + b y - a ln y is constant for dx = (a x - b x y) dt, dy = (-d y + c x y) dt (Volterra 1926).
#[test]
fn a_predator_and_its_prey_have_a_first_integral() {
    let (a, b, c, d) = (1.1, 0.4, 0.1, 0.4);
    let settings = [("r", Value::Floats(vec![a, -d])), ("A", Value::Rows(vec![vec![0.0, b / a], vec![c / d, 0.0]]))];
    let formula = |s: &[f64]| vec![a * s[0] - b * s[0] * s[1], -d * s[1] + c * s[0] * s[1]];
    for (s, f) in assert_drift("lotka_volterra", &settings, 3.0, formula) {
        let gradient = [c - d / s[0], b - a / s[1]];
        assert_conserved("predator and prey", gradient.iter().zip(&f).map(|(g, f)| g * f));
    }
}

#[test]
fn an_interaction_matrix_must_fit() {
    let given = BTreeMap::from([("r".to_owned(), Value::Floats(vec![1.0, 2.0]))]);
    let mistakes = scorecast_systems::catalogue::build("lotka_volterra", &given).err().unwrap();
    assert!(mistakes[0].to_string().contains("has 2 numbers for an `A` of 4 rows and 4 columns; give both"));
}

type Block = Vec<[f64; LANES]>;

/// The formula; |det M'| = u^2 everywhere; tangent and adjoint are transposes.
#[test]
fn ikeda_shrinks_areas_by_u_squared() {
    let (map, u) = (Ikeda::new(&settings_of("ikeda")), 0.9f64);
    let states = random_states(2, 1.5);
    let block: Block = (0..2).map(|i| std::array::from_fn(|lane| states[lane][i])).collect();
    let apply = |f: &dyn Fn(&mut Block)| {
        let mut out = vec![[9.0; LANES]; 2];
        f(&mut out);
        out
    };
    let unit = |i: usize| -> Block { (0..2).map(|j| [f64::from(u8::from(i == j)); LANES]).collect() };
    let next = apply(&|out| map.map_block(&block, out));
    let columns = [0, 1].map(|i| apply(&|out| map.tangent_block(&block, &unit(i), out)));
    let rows = [0, 1].map(|i| apply(&|out| map.adjoint_block(&block, &unit(i), out)));
    for (lane, s) in states.iter().enumerate() {
        let t = 0.4 - 6.0 / (1.0 + s[0] * s[0] + s[1] * s[1]);
        let expected = [1.0 + u * (s[0] * t.cos() - s[1] * t.sin()), u * (s[0] * t.sin() + s[1] * t.cos())];
        assert!((0..2).all(|i| (next[i][lane] - expected[i]).abs() < 1e-14));
        let m = |i: usize, j: usize| columns[j][i][lane];
        let (determinant, size) = (m(0, 0) * m(1, 1) - m(0, 1) * m(1, 0), (m(0, 0) * m(1, 1)).abs());
        assert!((determinant - u * u).abs() < 1e-13 * (1.0 + size), "{determinant}");
        for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            assert!((m(i, j) - rows[i][j][lane]).abs() < 1e-14 * (1.0 + m(i, j).abs()), "{i} {j}");
        }
    }
}

#[test]
fn ikeda_keeps_its_fixed_point_and_takes_whole_iterations() {
    let forecaster = system("ikeda", &[]).forecaster(&stepping("", 1.0, 1)).unwrap();
    let mut x = array![[2.97, 4.15]];
    forecaster.advance(0, 2000, &mut x, Key::new(1, Domain::Score)).unwrap();
    let rest = x.clone();
    forecaster.advance(0, 1, &mut x, Key::new(1, Domain::Score)).unwrap();
    assert!((&x - &rest).iter().all(|gap| gap.abs() < 1e-12) && (rest[[0, 0]] - 2.97).abs() < 0.01, "{rest}");
    let refused = system("ikeda", &[]).forecaster(&stepping("", 0.5, 1)).err().unwrap().to_string();
    assert!(refused.ends_with("set dt = 1 and substeps = 1"), "{refused}");
}

/// Whole shifts keep every moment to rounding and are the rotation; broken ones are exact for the waves of the start.
#[test]
fn linear_advection_carries_the_field_exactly() {
    for (speed, damping, dim) in [(1.0, 1.0, 1000usize), (-3.0, 1.0, 101), (0.25, 1.0, 100), (-0.7, 0.98, 101)] {
        let settings =
            [("dim", Value::Int(dim as i64)), ("c", Value::Float(speed)), ("damping", Value::Float(damping))];
        let ring = system("linear_advection", &settings);
        let start = ring.initial(LANES + 1, Key::new(1, Domain::Score));
        let forecaster = Arc::clone(&ring).forecaster(&stepping("", 1.0, 1)).unwrap();
        let mut x = start.clone();
        // a whole number of points in all: 100 points forward or 20, 300 or 14 backward
        let steps = if speed == -0.7 { 20 } else { 100 };
        forecaster.advance(0, steps, &mut x, Key::new(1, Domain::Score)).unwrap();
        let by = (speed * steps as f64).round() as i64;
        let left = damping.powi(steps as i32);
        for (x, start) in x.outer_iter().zip(start.outer_iter()) {
            let row = start.to_vec();
            for (i, x) in x.iter().enumerate() {
                assert!((x - left * at(&row, i as i64 - by)).abs() < 1e-12, "{speed} {i}");
            }
            assert!((x.sum() - left * start.sum()).abs() < 1e-12 * start.mapv(f64::abs).sum());
            let (square, before) = (x.dot(&x), start.dot(&start));
            assert!((square - left * left * before).abs() < 1e-12 * before);
            assert!((before / dim as f64 - 0.05).abs() < 1e-12 && start.sum().abs() < 1e-11);
        }
        let linear = forecaster.linear_gaussian().unwrap();
        let mut next = start.clone();
        forecaster.advance(0, 1, &mut next, Key::new(1, Domain::Score)).unwrap();
        let gap = (start.dot(&linear.matrix.t()) - next).map_axis(Axis(1), |row| row.dot(&row).sqrt());
        assert!(gap.iter().all(|gap| *gap < 1e-12) && linear.covariance.iter().all(|q| *q == 0.0));
    }
}
