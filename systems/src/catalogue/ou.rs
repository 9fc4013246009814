//! The Ornstein-Uhlenbeck process, dx = -Theta (x - mu) dt + S dW (Uhlenbeck and Ornstein 1930), exactly:
//! x(t + h) ~ N(mu + A (x - mu), Q) with A = exp(-Theta h) and Q = int_0^h exp(-Theta s) S S^T exp(-Theta^T s) ds, both
//! from one block exponential (Van Loan 1978), and the stationary law N(mu, P) with Theta P + P Theta^T = S S^T.
//!
//! Both are built from a small step by doubling, A(2h) = A(h)^2 and Q(2h) = Q(h) + A(h) Q(h) A(h)^T, because the block
//! exponential of a long step contains exp(+Theta h); P is the limit of Q.

use std::sync::Arc;

use nalgebra::DMatrix;
use ndarray::{Array1, Array2};

use super::{DefaultStepping, dim_param};
use crate::error::Result;
use crate::gaussian::{LinearForecaster, SymmetricEigen};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::law::{Forecaster, LinearGaussian};
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, ParamKind, Settings};
use crate::sde::{Noise, Sde};
use crate::stepping::Stepping;
use crate::system::System;

const DIM: Param = dim_param(1, 3, "number of components; not used where `drift` is set");
const RATE: Param =
    Param::real("rate", 1.0, "diagonal of Theta: the rate at which each component returns to its mean, above 0");
const COUPLING: Param = Param::real("coupling", 1.0, "each component is driven by the next: Theta_{i,i+1} = -coupling");
const DRIFT: Param = Param::unset(
    "drift",
    ParamKind::Rows,
    "rows of Theta in dx = -Theta (x - mean) dt; replaces dim, rate and coupling",
);
const MEAN: Param = Param::floats("mean", &[0.0], "the stationary mean: one number, or one a component");
const NOISE: Param = Param::floats(
    "noise",
    &[1.0],
    "sd of the additive noise per sqrt(model time): one number, or one a component; sd per step of length \
                    dt is noise * sqrt(dt) to first order",
);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "ou",
    about: "linear stochastic process with exact transitions, the reference for every method",
    reference: "Uhlenbeck and Ornstein (1930), doi:10.1103/PhysRev.36.823; Van Loan (1978), doi:10.1109/TAC.1978.1101743",
    params: &[DIM, RATE, COUPLING, DRIFT, MEAN, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Ou::new(settings)?)),
        dt: 0.1,
        substeps: 1,
        integrator: "rk4",
        spin_up: 0,
    },
};

/// The largest dimension: the matrices are dense.
const MAX_DIM: usize = 2000;

/// The largest rate whose square is a number with room to spare.
const LARGEST: f64 = 1e150;

/// The Ornstein-Uhlenbeck process.
#[derive(Clone, Debug)]
pub struct Ou {
    theta: DMatrix<f64>,
    mean: Array1<f64>,
    noise: Vec<f64>,
    stationary: Array2<f64>,
}

impl Ou {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When Theta is not square and stable, or a list has the wrong length.
    pub fn new(settings: &Settings) -> Result<Self> {
        let theta = theta(settings)?;
        let dim = theta.nrows();
        if let Some(large) = theta.iter().find(|rate| rate.abs() > LARGEST) {
            let of_rate = settings.number(RATE.key).abs() > LARGEST;
            let keys = [(settings.has(DRIFT.key), DRIFT.key), (of_rate, RATE.key)];
            let key = keys.into_iter().find(|(is, _)| *is).map_or(COUPLING.key, |(_, key)| key);
            let problem =
                format!("gives a rate of {large:e}, but at most {LARGEST:e} serve; take another unit of time");
            return Err(settings.mistake(key, problem));
        }
        let slowest = theta.complex_eigenvalues().iter().map(|value| value.re).fold(f64::INFINITY, f64::min);
        if slowest <= 0.0 {
            let key = if settings.has(DRIFT.key) { DRIFT.key } else { RATE.key };
            return Err(settings.mistake(
                key,
                format!("gives an eigenvalue with real part {slowest}, but all must be above 0 for a stationary law"),
            ));
        }
        let mean = per_component(settings, MEAN.key, dim)?;
        let noise = per_component(settings, NOISE.key, dim)?;
        if let Some(negative) = noise.iter().find(|sd| **sd < 0.0) {
            return Err(settings.mistake(NOISE.key, format!("contains {negative}, but an sd must be at least 0")));
        }
        let stationary = to_array(&stationary(&theta, &noise, slowest));
        if stationary.iter().any(|value| !value.is_finite()) {
            let key = if settings.has(DRIFT.key) { DRIFT.key } else { COUPLING.key };
            return Err(settings.mistake(key, "gives a stationary variance beyond 1e308; couple more weakly"));
        }
        Ok(Self { theta, mean: mean.into(), noise, stationary })
    }

    /// Theta, `[component, component]`.
    pub fn drift_matrix(&self) -> Array2<f64> {
        to_array(&self.theta)
    }

    /// The covariance P of the stationary law, `[component, component]`.
    pub fn stationary_covariance(&self) -> &Array2<f64> {
        &self.stationary
    }

    /// The exact transition over `h` of model time.
    pub fn transition(&self, h: f64) -> LinearGaussian {
        let doublings = doublings(&self.theta, h);
        let (mut a, mut q) = van_loan(&self.theta, &self.noise, halved(h, doublings));
        for _ in 0..doublings {
            (a, q) = double(&a, &q);
        }
        let (matrix, covariance) = (to_array(&a), to_array(&q));
        let offset = &self.mean - &matrix.dot(&self.mean);
        LinearGaussian { matrix, offset, covariance }
    }
}

/// Theta from the rows of `drift`, or from rate and coupling.
fn theta(settings: &Settings) -> Result<DMatrix<f64>> {
    let rows = settings.rows(DRIFT.key);
    let dim = if settings.has(DRIFT.key) { rows.len() } else { settings.count(DIM.key) };
    if dim == 0 || dim > MAX_DIM {
        let key = if settings.has(DRIFT.key) { DRIFT.key } else { DIM.key };
        return Err(settings.mistake(key, format!("gives {dim} components, but dense matrices serve 1 to {MAX_DIM}")));
    }
    if !settings.has(DRIFT.key) {
        let (rate, coupling) = (settings.number(RATE.key), settings.number(COUPLING.key));
        let entry = |i: usize, j: usize| match j.wrapping_sub(i) {
            0 => rate,
            1 => -coupling,
            _ => 0.0,
        };
        return Ok(DMatrix::from_fn(dim, dim, entry));
    }
    if rows[0].len() != dim {
        let problem = format!("has {dim} rows of {} numbers, but must be square", rows[0].len());
        return Err(settings.mistake(DRIFT.key, problem));
    }
    Ok(DMatrix::from_fn(dim, dim, |i, j| rows[i][j]))
}

/// A list of one number, or of one a component.
fn per_component(settings: &Settings, key: &str, dim: usize) -> Result<Vec<f64>> {
    match settings.floats(key) {
        [one] => Ok(vec![*one; dim]),
        list if list.len() == dim => Ok(list.to_vec()),
        list => Err(settings.mistake(key, format!("has {} numbers for {dim} components; give 1 or {dim}", list.len()))),
    }
}

/// How often a step of `h` is halved until the norm of Theta h is at most 1/2; never more often than all powers of 2 that
/// are numbers allow, twice.
fn doublings(theta: &DMatrix<f64>, h: f64) -> i32 {
    const MOST: f64 = 4096.0;
    let twice = 2.0 * theta.norm();
    let growth = if (twice * h).is_finite() { (twice * h).log2() } else { twice.log2() + h.log2() };
    growth.ceil().clamp(0.0, MOST) as i32
}

/// h / 2^n, also where 2^n is beyond all numbers.
fn halved(h: f64, n: i32) -> f64 {
    h / 2f64.powi(n / 2) / 2f64.powi(n - n / 2)
}

/// A and Q over a short step: exp([[Theta, S S^T], [0, -Theta^T]] h) = [[., A^{-1} Q], [0, A^T]].
fn van_loan(theta: &DMatrix<f64>, noise: &[f64], h: f64) -> (DMatrix<f64>, DMatrix<f64>) {
    let n = theta.nrows();
    let mut block = DMatrix::zeros(2 * n, 2 * n);
    block.view_mut((0, 0), (n, n)).copy_from(&(theta * h));
    block.view_mut((n, n), (n, n)).copy_from(&(-theta.transpose() * h));
    for (i, sd) in noise.iter().enumerate() {
        block[(i, n + i)] = sd * sd * h;
    }
    let exponential = block.exp();
    let a = exponential.view((n, n), (n, n)).transpose();
    let q = &a * exponential.view((0, n), (n, n));
    (a, symmetric(&q))
}

/// From a step to twice the step.
fn double(a: &DMatrix<f64>, q: &DMatrix<f64>) -> (DMatrix<f64>, DMatrix<f64>) {
    (a * a, symmetric(&(q + a * q * a.transpose())))
}

/// P: the limit of Q over steps doubled until A is gone. `slowest` is the smallest real part of an eigenvalue.
fn stationary(theta: &DMatrix<f64>, noise: &[f64], slowest: f64) -> DMatrix<f64> {
    let halvings = doublings(theta, 1.0 / slowest);
    let (mut a, mut q) = van_loan(theta, noise, halved(1.0 / slowest, halvings));
    // exp(-2^8) is far below rounding, the transient growth of a non-normal Theta included
    for _ in 0..halvings + 8 + (theta.nrows() as f64).log2().ceil() as i32 {
        (a, q) = double(&a, &q);
    }
    q
}

fn symmetric(q: &DMatrix<f64>) -> DMatrix<f64> {
    (q + q.transpose()) * 0.5
}

fn to_array(matrix: &DMatrix<f64>) -> Array2<f64> {
    Array2::from_shape_fn((matrix.nrows(), matrix.ncols()), |(i, j)| matrix[(i, j)])
}

impl Sde for Ou {
    fn dim(&self) -> usize {
        self.noise.len()
    }

    fn noise(&self) -> Noise {
        if self.noise.iter().any(|sd| *sd > 0.0) { Noise::Additive } else { Noise::None }
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = [0.0; LANES];
            for (j, (x, mean)) in x.iter().zip(&self.mean).enumerate() {
                let theta = self.theta[(i, j)];
                for lane in 0..LANES {
                    out[lane] -= theta * (x[lane] - mean);
                }
            }
        }
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for ((out, dw), sd) in out.iter_mut().zip(dw).zip(&self.noise) {
            for lane in 0..LANES {
                out[lane] = sd * dw[lane];
            }
        }
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        Some(self.noise.clone())
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

/// out_i = -sum_j theta(i, j) v_j.
fn minus_product(theta: impl Fn(usize, usize) -> f64, v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
    for (i, out) in out.iter_mut().enumerate() {
        *out = [0.0; LANES];
        for (j, v) in v.iter().enumerate() {
            let theta = theta(i, j);
            for lane in 0..LANES {
                out[lane] -= theta * v[lane];
            }
        }
    }
}

impl Linearized for Ou {
    fn tangent_block(&self, _t: f64, _x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        minus_product(|i, j| self.theta[(i, j)], dx, out);
    }

    fn adjoint_block(&self, _t: f64, _x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        minus_product(|i, j| self.theta[(j, i)], v, out);
    }
}

impl System for Ou {
    fn dim(&self) -> usize {
        self.noise.len()
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// Draws of the stationary law N(mu, P).
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let normals = key.purpose(Purpose::InitialState).normals(members, self.noise.len());
        // P is a sum of positive semi-definite terms; were it not finite, the states are left non-finite
        match SymmetricEigen::new(self.stationary.view()) {
            Ok(eigen) => normals.dot(&eigen.map(f64::sqrt)) + &self.mean,
            Err(_) => normals * f64::NAN,
        }
    }

    fn initial_is_stationary(&self) -> bool {
        true
    }

    /// The exact transition, whatever integrator and substeps.
    fn forecaster(self: Arc<Self>, stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        stepping.check()?;
        Ok(Box::new(LinearForecaster::new(self.transition(stepping.dt))?))
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
