//! The jump ring against a plain fine simulation that keeps the well as part of its state, and against its own law.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use common::statistics::{KS_BOUND, Z_BOUND, ks, ks_two, z};
use common::{copies, stepping, system};
use ndarray::{Array2, array};
use scorecast_systems::{Domain, Forecaster, Key, Purpose, Stream, System, Value};

fn key() -> Key {
    Key::new(31, Domain::Method).purpose(Purpose::ProcessNoise)
}

fn perfect(settings: &[(&str, Value)]) -> Box<dyn Forecaster> {
    system("jump_ring", settings).forecaster(&stepping("rk4", 0.5, 1)).unwrap()
}

/// From the first well's mean: Heun steps of 1/200 in the rotated wells, whose weak error at relaxation time 0.1 is
/// about (dt / 0.1)^2 / 12 = 2e-4, and jumps with probability 1 - exp(-rate dt) a step. Returns the angle.
fn plain(steps: usize, rate: f64, stream: &mut Stream) -> f64 {
    let (dt, angle) = (0.005f64, TAU / 5.0);
    let (mut x, mut y, mut well) = (5.0f64, 0.0f64, 0usize);
    let jump = 1.0 - (-rate * dt).exp();
    for _ in 0..steps {
        let (sin, cos) = (angle * well as f64).sin_cos();
        let force = |x: f64, y: f64| {
            let (dx, dy) = (x - 5.0 * cos, y - 5.0 * sin);
            let (along, across) = ((cos * dx + sin * dy) / 1.5, (cos * dy - sin * dx) / 0.1);
            (-(cos * along - sin * across), -(sin * along + cos * across))
        };
        let (nx, ny) = (dt.sqrt() * stream.normal(), dt.sqrt() * stream.normal());
        let (fx, fy) = force(x, y);
        let (gx, gy) = force(x + fx * dt + nx, y + fy * dt + ny);
        (x, y) = (x + 0.5 * dt * (fx + gx) + nx, y + 0.5 * dt * (fy + gy) + ny);
        if stream.uniform() < jump {
            (x, y) = (angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y);
            well = (well + 1) % 5;
        }
    }
    y.atan2(x)
}

fn angles(x: &Array2<f64>) -> Vec<f64> {
    x.outer_iter().map(|row| row[1].atan2(row[0])).collect()
}

/// The published evaluation: from the first well's mean, recursive forecasts, the density of the angle. The clock's rate
/// is the negative control: 8 % off must be found after one lead step.
#[test]
fn angles_are_those_of_a_fine_simulation() {
    let simulate = |steps: usize, rate: f64, members: u64| -> Vec<f64> {
        let streams = (0..members).map(|member| key().case(1 + steps as u64).stream(member));
        streams.map(|mut stream| plain(100 * steps, rate, &mut stream)).collect()
    };
    for (lead, members) in [(1, 40_000), (4, 20_000)] {
        let mut x = copies(&array![5.0, 0.0], 200_000);
        perfect(&[]).advance(0, lead, &mut x, key()).unwrap();
        let (mut exact, mut fine) = (angles(&x), simulate(lead, 2.0, members));
        // the cut at pi lies between two wells, where almost no state is
        let distance = ks_two(&mut fine, &mut exact);
        println!("jump ring after {lead} lead steps: two-sample ks {distance:.2}");
        assert!(distance < KS_BOUND, "{lead}: {distance}");
        if lead == 1 {
            let control = ks_two(&mut simulate(1, 2.16, members), &mut exact);
            println!("jump ring: rate 8 % off gives {control:.2}");
            assert!(control > KS_BOUND, "{control}");
        }
    }
}

/// The density integrates to one, and its angle has the distribution of the draws.
#[test]
fn density_is_that_of_the_draws() {
    // between two wells, so that the hidden well matters
    for state in [array![4.0, 0.3], array![0.3, 0.5]] {
        let (forecaster, angles_count, radii) = (perfect(&[]), 1500, 250);
        let (dphi, dr) = (TAU / f64::from(angles_count), 11.0 / f64::from(radii));
        let phi = |i: i32| -PI + (f64::from(i) + 0.5) * dphi;
        let next = Array2::from_shape_fn(((angles_count * radii) as usize, 2), |(row, i)| {
            let (a, r) = (phi(row as i32 / radii), (f64::from(row as i32 % radii) + 0.5) * dr);
            if i == 0 { r * a.cos() } else { r * a.sin() }
        });
        let x = copies(&state, next.nrows());
        let log = forecaster.density().unwrap().log_prob(0, x.view(), next.view()).unwrap();
        let mut cumulative = vec![0.0];
        for i in 0..angles_count {
            let cells = (0..radii).map(|j| log[(i * radii + j) as usize].exp() * (f64::from(j) + 0.5) * dr);
            cumulative.push(cumulative[i as usize] + cells.sum::<f64>() * dr * dphi);
        }
        // the midpoint rule is exact to rounding but for the end r = 0, where r p(r) has slope p(0): dr^2 / 24 of it
        let (total, origin) = (cumulative[angles_count as usize], copies(&array![0.0, 0.0], 1));
        let at_origin = forecaster.density().unwrap().log_prob(0, copies(&state, 1).view(), origin.view()).unwrap()[0];
        let end = TAU * dr * dr / 24.0 * at_origin.exp();
        assert!((total - 1.0 - end).abs() < 1e-3 * end + 1e-12, "{total} {end}");
        let mut draws = copies(&state, 200_000);
        forecaster.advance(0, 1, &mut draws, key()).unwrap();
        let cdf = |angle: f64| {
            let at = ((angle + PI) / dphi).clamp(0.0, f64::from(angles_count) - 1e-9);
            cumulative[at as usize] + at.fract() * (cumulative[at as usize + 1] - cumulative[at as usize])
        };
        let distance = ks(&mut angles(&draws), cdf);
        println!("jump ring from {state}: integral - 1 = {:.1e}, ks of the angle {distance:.2}", total - 1.0);
        assert!(distance < KS_BOUND, "{distance}");
    }
}

/// E|x|^2 = r^2 + s^2 (c_1 + c_2) / 2, E[cos 5 phi] and the law of |x| stay as they are; E[x] = 0.
#[test]
fn the_initial_law_is_stationary() {
    for noise in [1.0, 2f64.sqrt()] {
        let system: Arc<dyn System> = system("jump_ring", &[("noise", Value::Float(noise))]);
        let forecaster = Arc::clone(&system).forecaster(&stepping("rk4", 0.5, 1)).unwrap();
        let (start, mut x) = (system.initial(100_000, key()), system.initial(100_000, key().case(1)));
        forecaster.advance(0, 8, &mut x, key()).unwrap();
        let radii = |x: &Array2<f64>| -> Vec<f64> { x.outer_iter().map(|row| row[0].hypot(row[1])).collect() };
        for (what, x) in [("initial", &start), ("after 8 steps", &x)] {
            let squares: Vec<f64> = radii(x).iter().map(|r| r * r).collect();
            let score = z(&squares, 25.0 + 0.5 * noise * noise * 1.6);
            let centre = [0, 1].map(|i| z(&x.column(i).to_vec(), 0.0));
            println!("jump ring, noise {noise:.2}, {what}: E|x|^2 {score:.2}, E[x] {centre:.2?} standard errors off");
            assert!(score.abs() < Z_BOUND && centre.iter().all(|score| score.abs() < Z_BOUND), "{what}");
        }
        let folded = |x: &Array2<f64>| -> Vec<f64> { angles(x).iter().map(|phi| (5.0 * phi).cos()).collect() };
        for of in [&radii as &dyn Fn(&Array2<f64>) -> Vec<f64>, &folded] {
            assert!(ks_two(&mut of(&start), &mut of(&x)) < KS_BOUND);
        }
    }
}

#[test]
fn without_noise_the_nearest_well_turns_the_state() {
    let forecaster = perfect(&[("noise", Value::Float(0.0))]);
    assert!(forecaster.density().is_none());
    let mut x = copies(&array![5.0, 0.0], 200);
    forecaster.advance(0, 3, &mut x, key()).unwrap();
    assert!(x.outer_iter().all(|row| (row[0].hypot(row[1]) - 5.0).abs() < 1e-12));
    assert!(angles(&x).iter().all(|phi| ((5.0 * phi).cos() - 1.0).abs() < 1e-12));
}
