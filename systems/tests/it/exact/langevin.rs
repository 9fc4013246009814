//! Langevin dynamics: its stationary laws, by quadrature on Mueller-Brown and in closed form on springs.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::sync::Arc;

use common::statistics::{KS_BOUND, Z_BOUND, ks, z};
use common::{assert_gaussian_moments, copies, stepping, system};
use ndarray::{Array1, Array2, array};
use scorecast_systems::catalogue::Potential;
use scorecast_systems::{Domain, Key, Purpose, Stream, System, Value};
use statrs::distribution::{ContinuousCDF, Normal};

const BETA: f64 = 0.05;

fn key() -> Key {
    Key::new(41, Domain::Method).purpose(Purpose::ProcessNoise)
}

/// exp(-beta V) of Mueller and Brown on a fine grid.
struct Quadrature {
    points: Vec<[f64; 2]>,
    /// Cumulative, ending at 1.
    mass: Vec<f64>,
}

type Observable = fn(&[f64; 2]) -> f64;

/// The side of a cell.
const CELL: f64 = 0.01;

impl Quadrature {
    fn new() -> Self {
        let grid = |from: f64, i: usize| from + CELL * (i as f64 + 0.5);
        let points: Vec<[f64; 2]> =
            (0..500).flat_map(|i| (0..500).map(move |j| [grid(-3.0, i), grid(-2.0, j)])).collect();
        let mut sum = 0.0;
        let mut mass: Vec<f64> = Vec::new();
        for q in &points {
            sum += (-BETA * (Potential::MuellerBrown.energy(q) + 146.7)).exp();
            mass.push(sum);
        }
        mass.iter_mut().for_each(|cell| *cell /= sum);
        Self { points, mass }
    }

    fn mean(&self, f: Observable) -> f64 {
        let mut last = 0.0;
        let terms = self.points.iter().zip(&self.mass).map(|(q, mass)| {
            let weight = mass - last;
            last = *mass;
            weight * f(q)
        });
        terms.sum()
    }

    /// A draw: a cell, and a uniform point in it, which adds a variance of 1e-4 / 12 to each component.
    fn draw(&self, stream: &mut Stream) -> [f64; 2] {
        let share = stream.uniform();
        let cell = self.mass.partition_point(|mass| *mass <= share).min(self.points.len() - 1);
        self.points[cell].map(|q| q + CELL * (stream.uniform() - 0.5))
    }
}

/// Started from the law that quadrature gives, the dynamics keep its energy, moments and wells. Meanwhile
/// the state relaxes in its well many times over (overdamped at rates of 1e2 to 3e3), so that a wrong temperature or force
/// shows.
#[test]
fn mueller_brown_keeps_the_law_of_quadrature() {
    let quadrature = Quadrature::new();
    let observables: [(&str, Observable); 5] = [
        ("V", |q| Potential::MuellerBrown.energy(q)),
        ("x", |q| q[0]),
        ("y", |q| q[1]),
        ("x y", |q| q[0] * q[1]),
        ("right well", |q| f64::from(u8::from(q[1] < 0.3))),
    ];
    let members = 4_000;
    let starts: Vec<[f64; 2]> = (0..members).map(|i| quadrature.draw(&mut key().stream(i))).collect();
    for (name, dt, substeps) in [("langevin_overdamped", 0.0256, 256), ("langevin_underdamped", 0.3, 150)] {
        let system = system(name, &[]);
        let mut x = system.initial(members as usize, key());
        x.outer_iter_mut().zip(&starts).for_each(|(mut row, q)| (row[0], row[1]) = (q[0], q[1]));
        let control = x.clone();
        let forecaster = Arc::clone(&system).forecaster(&stepping("heun", dt, substeps)).unwrap();
        forecaster.advance(0, 1, &mut x, key().case(1)).unwrap();
        for (what, of) in observables {
            let score = |x: &Array2<f64>| {
                z(&x.outer_iter().map(|row| of(&[row[0], row[1]])).collect::<Vec<_>>(), quadrature.mean(of))
            };
            println!("{name}: {what} {:.2} standard errors off at the start, {:.2} later", score(&control), score(&x));
            assert!(score(&x).abs() < Z_BOUND, "{name}: {what}");
        }
        for momentum in x.columns().into_iter().skip(2) {
            let normal = Normal::new(0.0, (1.0 / BETA).sqrt()).unwrap();
            let distance = ks(&mut momentum.to_vec(), |p| normal.cdf(p));
            assert!(distance < KS_BOUND, "{name}: momentum {distance}");
        }
        // the same states are not those of a temperature 15 % higher: two components, so E[V] is higher by about that of kT
        let kt = z(&x.outer_iter().map(|row| Potential::MuellerBrown.energy(&[row[0], row[1]])).collect::<Vec<_>>(), {
            quadrature.mean(|q| Potential::MuellerBrown.energy(q)) + 0.15 / BETA
        });
        assert!(kt < -Z_BOUND, "{name}: a temperature 15 % off is not found: {kt}");
    }
}

fn springs(name: &str) -> Arc<dyn System> {
    let settings = [
        ("potential", Value::Text("quadratic".into())),
        ("stiffness", Value::Floats(vec![1.0, 4.0])),
        ("beta", Value::Float(2.0)),
    ];
    let friction = [("friction", Value::Float(1.5))];
    system(name, &[&settings[..], if name == "langevin_underdamped" { &friction[..] } else { &[] }].concat())
}

/// The process as an Ornstein-Uhlenbeck process of the same Theta and noise.
fn as_ou(name: &str) -> Arc<dyn System> {
    let (drift, noise) = if name == "langevin_overdamped" {
        (vec![vec![1.0, 0.0], vec![0.0, 4.0]], vec![1.0, 1.0])
    } else {
        let rows = [[0.0, 0.0, -1.0, 0.0], [0.0, 0.0, 0.0, -1.0], [1.0, 0.0, 1.5, 0.0], [0.0, 4.0, 0.0, 1.5]];
        (rows.map(Vec::from).to_vec(), vec![0.0, 0.0, 1.5f64.sqrt(), 1.5f64.sqrt()])
    };
    system("ou", &[("drift", Value::Rows(drift)), ("noise", Value::Floats(noise))])
}

/// On springs the dynamics are an Ornstein-Uhlenbeck process: its exact transition, and N(0, 1 / (beta k)), N(0, 1 / beta)
/// at rest. Heun's weak error with steps of 1/64 is of order (4 / 64)^2 / 12 = 3e-4, far below the
/// standard errors of 1e-2.
#[test]
fn springs_have_the_exact_transition_and_stationary_law() {
    for (name, state) in
        [("langevin_overdamped", array![1.0, -0.5]), ("langevin_underdamped", array![1.0, -0.5, 0.3, 1.0])]
    {
        let system = springs(name);
        assert!(system.initial_is_stationary());
        let forecaster = Arc::clone(&system).forecaster(&stepping("heun", 0.5, 32)).unwrap();
        let mut x = copies(&state, 20_000);
        forecaster.advance(0, 1, &mut x, key()).unwrap();
        let law = as_ou(name).forecaster(&stepping("rk4", 0.5, 1)).unwrap().linear_gaussian().unwrap();
        assert_gaussian_moments(&x, &law.matrix.dot(&state), &law.covariance, name);

        let variance = Array1::from_vec(vec![0.5, 0.125, 0.5, 0.5][..state.len()].to_vec());
        let mut x = system.initial(20_000, key());
        for what in ["initial", "later"] {
            assert_gaussian_moments(&x, &Array1::zeros(state.len()), &Array2::from_diag(&variance), what);
            for (column, variance) in x.columns().into_iter().zip(&variance) {
                let normal = Normal::new(0.0, variance.sqrt()).unwrap();
                assert!(ks(&mut column.to_vec(), |x| normal.cdf(x)) < KS_BOUND, "{name}, {what}");
            }
            forecaster.advance(0, 2, &mut x, key()).unwrap();
        }
    }
}

#[test]
fn mistakes_are_sentences() {
    let settings = [("potential", Value::Text("quadratic".into())), ("stiffness", Value::Floats(vec![1.0, -2.0]))];
    let given = settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let mistakes = scorecast_systems::catalogue::build("langevin_overdamped", &given).err().unwrap();
    assert!(mistakes[0].to_string().contains("`stiffness` contains -2, but a spring must be above 0"));
}
