//! The spatially extended systems against independent numbers, exact solutions and conservation laws.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use common::{mean_and_se, stepping, system};
use ndarray::{Array1, Array2};
use scorecast_systems::spectral::{Complex64, Square};
use scorecast_systems::{Domain, Key, LANES, Purpose, Sde, System, Value};

type Block = Vec<[f64; LANES]>;

fn key() -> Key {
    Key::new(17, Domain::Score).purpose(Purpose::ProcessNoise)
}

fn sde(system: &Arc<dyn System>) -> Arc<dyn Sde> {
    Arc::clone(system).as_sde().unwrap()
}

/// The drift at one state.
fn drift(sde: &dyn Sde, x: &[f64]) -> Vec<f64> {
    let x: Block = x.iter().map(|x| [*x; LANES]).collect();
    let mut out = vec![[9.0; LANES]; x.len()];
    sde.drift_block(0.0, &x, &mut out);
    out.iter().map(|cell| cell[LANES - 1]).collect()
}

/// N alone at one state.
fn nonlinear(sde: &dyn Sde, x: &[f64]) -> Vec<f64> {
    let equation = sde.semilinear().unwrap();
    let zero = vec![Complex64::default(); equation.linear().len()];
    let (mut c, mut out, mut field, mut scratch) = (zero.clone(), zero, x.to_vec(), equation.workspace());
    equation.to_coefficients(&mut field, &mut c, &mut scratch);
    equation.nonlinear(0.0, &c, &mut out, &mut scratch);
    equation.to_grid(&mut out, &mut field, &mut scratch);
    field
}

/// One state over `time` in steps of `dt`.
fn integrate(system: &Arc<dyn System>, x: &[f64], integrator: &str, dt: f64, time: f64) -> Vec<f64> {
    let forecaster = Arc::clone(system).forecaster(&stepping(integrator, dt, 1)).unwrap();
    let mut x = Array1::from(x.to_vec()).insert_axis(ndarray::Axis(0));
    forecaster.advance(0, (time / dt).round() as usize, &mut x, key()).unwrap();
    x.row(0).to_vec()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// sum |a_i b_i|, the scale of rounding in [`dot`].
fn scale(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum()
}

fn normals(count: usize, stream: u64) -> Vec<f64> {
    let mut x = vec![0.0; count];
    key().stream(stream).fill_normal(&mut x);
    x
}

fn assert_near(found: &[f64], pick: &[usize], expected: [f64; 4], tolerance: f64) {
    let largest = found.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    for (at, expected) in pick.iter().zip(expected) {
        let gap = (found[*at] - expected).abs();
        assert!(gap < tolerance * largest, "component {at}: {} but {expected}, of {largest}", found[*at]);
    }
}

// the numbers of the next three tests are those of spectral_reference.py

#[test]
fn kuramoto_sivashinsky_is_the_reference() {
    let system = system("kuramoto_sivashinsky", &[]);
    let start = |j: usize| {
        let angle = TAU * j as f64 / 64.0;
        angle.cos() * (1.0 + (2.0 * angle).sin())
    };
    let x: Vec<f64> = (0..64).map(start).collect();
    let pick = [0, 16, 32, 48];
    let expected = [-4.962848577543e-01, -6.014103468161e-02, -6.461124708266e-01, 6.014103468225e-02];
    assert_near(&drift(&*sde(&system), &x), &pick, expected, 1e-11);
    let expected = [-1.437721706438e+00, 1.898201943105e+00, 7.414973930530e-02, 2.595484423196e-01];
    // h^4 is 1e-7 of the solution here, the reference's own tolerance 1e-10
    assert_near(&integrate(&system, &x, "etdrk4", 1.0 / 64.0, 10.0), &pick, expected, 1e-7);
}

#[test]
fn navier_stokes_is_the_reference() {
    let n = 32;
    let system = system("navier_stokes", &[("grid", Value::Int(n as i64)), ("drag", Value::Float(0.1))]);
    let start = |at: usize| {
        let (x, y) = (TAU * (at % n) as f64 / n as f64, TAU * (at / n) as f64 / n as f64);
        x.sin() * (2.0 * y).cos() + (3.0 * x - y + 0.5).cos() + 0.7 * (2.0 * x + 3.0 * y).sin()
    };
    let x: Vec<f64> = (0..n * n).map(start).collect();
    let pick = [3 * n + 5, 10 * n + 20, 17 * n + 2, 31 * n + 31];
    let expected = [2.909976043059e+00, 1.952470054201e-01, -2.669977984861e+00, -2.749755710626e+00];
    assert_near(&drift(&*sde(&system), &x), &pick, expected, 1e-11);
    let expected = [1.453331000686e+00, 1.007176628477e+00, -1.698469409507e+00, -2.211569642911e+00];
    assert_near(&integrate(&system, &x, "etdrk4", 1.0 / 128.0, 1.0), &pick, expected, 1e-9);
}

#[test]
fn quasi_geostrophic_is_the_reference() {
    let n = 33;
    let system = system("quasi_geostrophic", &[("grid", Value::Int(n as i64)), ("viscosity", Value::Float(2e-11))]);
    let sine = |k: usize, at: usize| (PI * (k * at) as f64 / (n - 1) as f64).sin();
    let start = |at: usize| {
        let (i, j) = (at % n, at / n);
        20.0 * sine(1, i) * sine(2, j) + 9.0 * sine(3, i) * sine(1, j)
    };
    let x: Vec<f64> = (0..n * n).map(start).collect();
    let pick = [3 * n + 5, 10 * n + 20, 17 * n + 2, 25 * n + 30];
    let expected = [2.185479074244e-02, 2.706602792065e-02, 2.845744321150e-02, 6.857225823454e-03];
    assert_near(&drift(&*sde(&system), &x), &pick, expected, 1e-11);
    let expected = [8.051441078775e+00, 1.447895374823e+01, 4.500049680244e+00, -5.905776026073e-01];
    assert_near(&integrate(&system, &x, "rk4", 1.25, 10.0), &pick, expected, 1e-11);
}

/// c_k by the definition, for k = 0 ... n / 2.
fn fourier(x: &[f64]) -> Vec<Complex64> {
    let n = x.len();
    let wave = |j: usize, k: usize| Complex64::from_polar(1.0 / n as f64, -TAU * ((j * k) % n) as f64 / n as f64);
    (0..=n / 2).map(|k| x.iter().enumerate().map(|(j, x)| x * wave(j, k)).sum()).collect()
}

/// The mean of f^2 for the field with symbol(k) c_k, by Parseval.
fn mean_square(c: &[Complex64], length: f64, symbol: impl Fn(f64) -> f64) -> f64 {
    let weight = |k: usize| if k == 0 || k == c.len() - 1 { 1.0 } else { 2.0 };
    c.iter().enumerate().map(|(k, c)| weight(k) * (symbol(TAU * k as f64 / length) * c.norm()).powi(2)).sum()
}

/// d/dt mean(u^2) / 2 = mean(u_x^2) - mean(u_xx^2), and d/dt mean(u) = 0, at any state.
#[test]
fn kuramoto_sivashinsky_conserves_the_mean_and_balances_energy() {
    for dim in [64usize, 30] {
        let system = system("kuramoto_sivashinsky", &[("dim", Value::Int(dim as i64))]);
        let u = normals(dim, 0);
        let slope = drift(&*sde(&system), &u);
        let c = fourier(&u);
        let balance = mean_square(&c, 22.0, |k| k) - mean_square(&c, 22.0, |k| k * k);
        let rate = dot(&u, &slope) / dim as f64;
        assert!((rate - balance).abs() < 1e-12 * scale(&u, &slope), "dim {dim}: {rate} {balance}");
        let size: f64 = slope.iter().map(|s| s.abs()).sum();
        assert!(slope.iter().sum::<f64>().abs() < 1e-12 * size);
        let n = nonlinear(&*sde(&system), &u);
        assert!(dot(&u, &n).abs() < 1e-12 * scale(&u, &n), "dim {dim}: the advection conserves energy");
    }
    let system = system("kuramoto_sivashinsky", &[]);
    let start = system.initial(1, key()).row(0).to_vec();
    let end = integrate(&system, &start, "etdrk4", 0.25, 250.0);
    assert!((end.iter().sum::<f64>() / 64.0).abs() < 1e-12 && dot(&end, &end) > 30.0);
}

/// The leading Lyapunov exponent at length 22: 0.043 (Edson, Bunder, Mattner and Roberts 2019) to 0.048 (Cvitanovic,
/// Davidchack and Siminos 2010). The growth of one tangent vector a member, renormalized each lead step; the standard
/// error is over members.
#[test]
fn kuramoto_sivashinsky_has_its_published_lyapunov_exponent() {
    let (members, spin_up, steps, renewed) = (LANES, 200, 3000, 4);
    let forecaster =
        system("kuramoto_sivashinsky", &[]).forecaster(&stepping("etdrk4", 0.25 * renewed as f64, renewed));
    let forecaster = forecaster.unwrap();
    let mut x = system("kuramoto_sivashinsky", &[]).initial(members, key());
    forecaster.advance(0, 200, &mut x, key()).unwrap();
    let mut dx = key().at(1).normals(members, 64);
    let mut growth = vec![0.0; members];
    for step in 0..spin_up + steps {
        (x, dx) = forecaster.differentiable().unwrap().tangent(step, x.view(), dx.view(), key()).unwrap();
        for (mut row, growth) in dx.outer_iter_mut().zip(&mut growth) {
            let norm = row.dot(&row).sqrt();
            row /= norm;
            *growth += if step < spin_up { 0.0 } else { norm.ln() };
        }
    }
    let rates: Vec<f64> = growth.iter().map(|growth| growth / (steps * renewed) as f64 / 0.25).collect();
    let (mean, se) = mean_and_se(&rates);
    println!("kuramoto_sivashinsky: leading exponent {mean:.4} +- {se:.4}");
    assert!(se < 0.0015 && mean > 0.043 - 4.0 * se && mean < 0.048 + 4.0 * se);
}

#[test]
fn burgers_conserves_the_mean_and_its_advection_energy() {
    let system = system("burgers", &[]);
    let u = normals(128, 1);
    let slope = drift(&*sde(&system), &u);
    let size: f64 = slope.iter().map(|s| s.abs()).sum();
    assert!(slope.iter().sum::<f64>().abs() < 1e-12 * size);
    let n = nonlinear(&*sde(&system), &u);
    assert!(dot(&u, &n).abs() < 1e-12 * scale(&u, &n));
}

/// u = -2 nu phi_x / phi with phi(x, 0) = exp(cos(x) / 2 nu) for u(x, 0) = sin x; phi's Fourier coefficients decay as
/// exp(-nu k^2 t). At time 1.5 the shock at pi stands.
#[test]
fn burgers_is_the_solution_of_cole_and_hopf() {
    let (n, nu, time) = (256usize, 0.1, 1.5);
    let settings = [("dim", n as i64)].map(|(k, v)| (k, Value::Int(v)));
    let settings = [settings[0].clone(), ("viscosity", Value::Float(nu)), ("noise", Value::Float(0.0))];
    let system = system("burgers", &settings);
    let x = |j: usize| TAU * j as f64 / n as f64;
    let c = fourier(&(0..n).map(|j| ((x(j).cos() - 1.0) / (2.0 * nu)).exp()).collect::<Vec<_>>());
    let exact = |x: f64| {
        let (mut phi, mut slope) = (c[0].re, 0.0);
        for (k, c) in c.iter().enumerate().take(60).skip(1) {
            let (k, size) = (k as f64, 2.0 * c.re * (-nu * (k * k) as f64 * time).exp());
            (phi, slope) = (phi + size * (k * x).cos(), slope - size * k * (k * x).sin());
        }
        -2.0 * nu * slope / phi
    };
    let start: Vec<f64> = (0..n).map(|j| x(j).sin()).collect();
    let found = integrate(&system, &start, "etdrk4", 0.005, time);
    let gap = found.iter().enumerate().map(|(j, u)| (u - exact(x(j))).abs()).fold(0.0, f64::max);
    assert!(gap < 1e-8, "{gap}");
}

/// The columns of g, as fields.
fn columns(sde: &dyn Sde) -> Vec<Vec<f64>> {
    let (dim, wiener) = (sde.dim(), sde.wiener_dim());
    let column = |j: usize| {
        let (mut dw, mut out) = (vec![[0.0; LANES]; wiener], vec![[9.0; LANES]; dim]);
        dw[j] = [1.0; LANES];
        sde.diffuse_block(0.0, &vec![[0.0; LANES]; dim], &dw, &mut out);
        out.iter().map(|cell| cell[3]).collect()
    };
    (0..wiener).map(column).collect()
}

#[test]
fn burgers_forcing_puts_in_its_energy() {
    let system = system("burgers", &[("noise", Value::Float(0.7)), ("forced_waves", Value::Int(4))]);
    let columns = columns(&*sde(&system));
    let input: f64 = columns.iter().map(|column| dot(column, column) / 128.0).sum();
    assert!(columns.len() == 8 && (input - 0.49).abs() < 1e-14, "{input}");
    assert!(columns.iter().all(|column| column.iter().sum::<f64>().abs() < 1e-13));
}

/// psi with laplace psi = w.
fn streamfunction(w: &[f64], n: usize) -> Vec<f64> {
    let square = Square::new(n);
    let (mut field, mut c) = (w.to_vec(), vec![Complex64::default(); square.modes()]);
    let mut scratch = vec![Complex64::default(); square.scratch_len()];
    square.forward(&mut field, &mut c, square.columns(), &mut scratch);
    for (index, c) in c.iter_mut().enumerate() {
        let (kx, ky) = square.wavenumbers(index);
        *c *= if index == 0 { 0.0 } else { -1.0 / ((kx * kx + ky * ky) * (n * n) as f64) };
    }
    square.inverse(&mut c, square.columns(), &mut field, &mut scratch);
    field
}

#[test]
fn navier_stokes_advection_conserves_energy_and_enstrophy() {
    for n in [32usize, 27] {
        let system =
            system("navier_stokes", &[("grid", Value::Int(n as i64)), ("forcing", Value::Text("none".into()))]);
        let w = normals(n * n, 2);
        let (slope, psi) = (nonlinear(&*sde(&system), &w), streamfunction(&w, n));
        assert!(dot(&slope, &slope) > 1.0);
        assert!(dot(&w, &slope).abs() < 1e-12 * scale(&w, &slope), "enstrophy, n = {n}");
        assert!(dot(&psi, &slope).abs() < 1e-12 * scale(&psi, &slope), "energy, n = {n}");
        assert!(slope.iter().sum::<f64>().abs() < 1e-12 * slope.iter().map(|s| s.abs()).sum::<f64>());
    }
}

/// A Taylor-Green vortex and a single wave decay as exp(-(nu k^2 + alpha) t), whatever the step.
#[test]
fn navier_stokes_vortices_decay_exactly() {
    let (n, nu, drag, time) = (32usize, 0.03, 0.2, 2.0);
    let system = system(
        "navier_stokes",
        &[
            ("grid", Value::Int(n as i64)),
            ("viscosity", Value::Float(nu)),
            ("drag", Value::Float(drag)),
            ("forcing", Value::Text("none".into())),
        ],
    );
    let vortex = |x: f64, y: f64| 6.0 * (3.0 * x).cos() * (3.0 * y).sin();
    let wave = |x: f64, y: f64| 4.0 * (2.0 * x - 5.0 * y + 1.0).cos();
    for (flow, squared) in [(&vortex as &dyn Fn(f64, f64) -> f64, 18.0), (&wave, 29.0)] {
        let at = |i: usize| flow(TAU * (i % n) as f64 / n as f64, TAU * (i / n) as f64 / n as f64);
        let start: Vec<f64> = (0..n * n).map(at).collect();
        let found = integrate(&system, &start, "etdrk4", 0.1, time);
        let decay = (-(nu * squared + drag) * time).exp();
        assert!(found.iter().zip(&start).all(|(x, start)| (x - decay * start).abs() < 1e-13), "{squared}");
    }
}

/// w = -m U cos(m y) with U = chi / (nu m^2 + alpha) is steady. A full step of ETDRK4 keeps it too, because N is then
/// the constant -L w.
#[test]
fn kolmogorov_flow_has_its_laminar_solution() {
    let (n, m, nu, drag, chi) = (32usize, 3.0, 0.05, 0.1, 0.7);
    let system = system(
        "navier_stokes",
        &[
            ("grid", Value::Int(n as i64)),
            ("viscosity", Value::Float(nu)),
            ("drag", Value::Float(drag)),
            ("wavenumber", Value::Int(3)),
            ("amplitude", Value::Float(chi)),
        ],
    );
    let speed = chi / (nu * m * m + drag);
    let w: Vec<f64> = (0..n * n).map(|i| -m * speed * (m * TAU * (i / n) as f64 / n as f64).cos()).collect();
    assert!(drift(&*sde(&system), &w).iter().all(|slope| slope.abs() < 1e-13));
    let end = integrate(&system, &w, "etdrk4", 0.1, 1.0);
    assert!(end.iter().zip(&w).all(|(end, w)| (end - w).abs() < 1e-12));
}

fn energy(w: &[f64], n: usize) -> f64 {
    -0.5 * dot(&streamfunction(w, n), w) / (n * n) as f64
}

/// sum over columns of their energies is epsilon exactly; the mean energy of flows forced from rest is epsilon dt, within
/// five standard errors; and the wavenumbers are those of the ring.
#[test]
fn ring_forcing_injects_its_energy() {
    let (n, epsilon, dt) = (32usize, 0.3, 0.01);
    let system = system(
        "navier_stokes",
        &[
            ("grid", Value::Int(n as i64)),
            ("forcing", Value::Text("ring".into())),
            ("injection", Value::Float(epsilon)),
            ("wavenumber", Value::Int(5)),
        ],
    );
    let sde = sde(&system);
    let columns = columns(&*sde);
    let total: f64 = columns.iter().map(|column| energy(column, n)).sum();
    assert!((total - epsilon).abs() < 1e-13, "{total}");
    let squared = |column: &Vec<f64>| dot(column, column) / (n * n) as f64 / (2.0 * energy(column, n));
    // lattice points with 4.5 <= |k| < 5.5: 12 with |k|^2 = 25, 8 with 26, 8 with 29; each pair of opposites has 2 columns
    assert_eq!(columns.len(), 28);
    assert!(columns.iter().all(|column| (4.5f64 * 4.5..5.5 * 5.5).contains(&squared(column))));
    let forecaster = Arc::clone(&system).forecaster(&stepping("etdrk4", dt, 1)).unwrap();
    let mut x = Array2::zeros((400, n * n));
    forecaster.advance(0, 1, &mut x, key()).unwrap();
    let rates: Vec<f64> = x.outer_iter().map(|w| energy(w.as_slice().unwrap(), n) / dt).collect();
    let (mean, se) = mean_and_se(&rates);
    println!("ring forcing: energy injected {mean:.4} +- {se:.4} for {epsilon}");
    assert!((mean - epsilon).abs() < 5.0 * se && se < 0.02 * epsilon);
}

/// What the defaults are for: the flow stays within its bounds from the start on, and small errors grow.
#[test]
#[ignore = "a minute: cargo test --release -p scorecast-systems --test it spectral -- --ignored --nocapture"]
fn plane_systems_spin_up_and_are_chaotic() {
    for name in ["navier_stokes", "quasi_geostrophic"] {
        let system = system(name, &[]);
        let defaults =
            scorecast_systems::registry::find(scorecast_systems::catalogue::SYSTEMS, "system", name).unwrap();
        let (dt, spin_up) = (defaults.build.dt, defaults.build.spin_up);
        let forecaster = Arc::clone(&system).forecaster(&defaults.build.stepping()).unwrap();
        let mut x = system.initial(4, key());
        for step in 0..spin_up {
            if step % (spin_up / 10) == 0 {
                let rms = (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt();
                let most = x.iter().fold(0.0f64, |most, x| most.max(x.abs()));
                println!("{name} step {step}: rms {rms:.3}, largest {most:.3}");
                assert!(most.is_finite());
            }
            forecaster.advance(step, 1, &mut x, key()).unwrap();
        }
        let (discarded, kept) = (60, 400);
        let (mut dx, mut growth) = (system.initial(4, key().at(9)), vec![0.0; 4]);
        for step in 0..discarded + kept {
            (x, dx) = forecaster.differentiable().unwrap().tangent(step, x.view(), dx.view(), key()).unwrap();
            for (mut row, growth) in dx.outer_iter_mut().zip(&mut growth) {
                let norm = row.dot(&row).sqrt();
                row /= norm;
                *growth += if step < discarded { 0.0 } else { norm.ln() / (kept as f64 * dt) };
            }
        }
        let (rate, se) = mean_and_se(&growth);
        println!("{name}: small errors grow at {rate:.4} +- {se:.4} and double in {:.1}", 2f64.ln() / rate);
        assert!(rate > 3.0 * se && se < 0.3 * rate);
    }
}
