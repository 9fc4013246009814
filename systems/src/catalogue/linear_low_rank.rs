//! A linear process of intrinsic dimension d in R^n: x = U z + w, with U orthonormal `[component, direction]`.
//!
//! In the subspace, z = U^T x is the Ornstein-Uhlenbeck process dz = -Theta z dt + s dW of the entry `ou`. Across it,
//! w = (I - U U^T) x is an Ornstein-Uhlenbeck process of its own, dw = -r w dt + e sqrt(2 r) (I - U U^T) dW, whose
//! stationary sd in each of the n - d directions is e. The two are independent, so that x itself is Markov and exactly
//! linear-Gaussian: over a step h, x' ~ N(A x, Q) with A = U A_z U^T + a (I - U U^T), Q = U Q_z U^T + q (I - U U^T),
//! a = exp(-r h) and q = e^2 (1 - a^2). With e = 0 the stationary law lives on the subspace.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2, s};

use super::{DefaultStepping, Ou, noise_param, ou};
use crate::error::Result;
use crate::gaussian::{LinearForecaster, SymmetricEigen};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::law::{Forecaster, LinearGaussian};
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings, Value};
use crate::sde::{Noise, Sde};
use crate::stepping::Stepping;
use crate::subspace::{orthonormal, structure_key};
use crate::system::System;

const DIM: Param = Param::int("dim", 32, 1, "n, the ambient dimension").up_to(MAX_DIM);
const INTRINSIC: Param = Param::int("intrinsic", 4, 1, "d, the dimension of the subspace, at most dim").up_to(MAX_DIM);
const RATE: Param =
    Param::real("rate", 1.0, "diagonal of Theta: the rate at which each intrinsic component returns to 0, above 0");
const COUPLING: Param =
    Param::real("coupling", 1.0, "each intrinsic component is driven by the next: Theta_{i,i+1} = -coupling");
const NOISE: Param = noise_param(1.0);
const AMBIENT_SD: Param =
    Param::at_least("ambient_sd", 0.01, 0.0, "e, the stationary sd in each direction across the subspace");
const AMBIENT_RATE: Param =
    Param::positive("ambient_rate", 1.0, "r, the rate at which deviations from the subspace decay");
const SUBSPACE_SEED: Param =
    Param::int("subspace_seed", 0, 0, "the seed that the subspace is drawn from, whatever the experiment's own");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "linear_low_rank",
    about: "linear stochastic process on a low-dimensional subspace, with ambient noise and exact transitions",
    reference: "Uhlenbeck and Ornstein (1930), doi:10.1103/PhysRev.36.823, in a subspace",
    params: &[DIM, INTRINSIC, RATE, COUPLING, NOISE, AMBIENT_SD, AMBIENT_RATE, SUBSPACE_SEED],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(LinearLowRank::new(settings)?)),
        dt: 0.1,
        substeps: 1,
        integrator: "rk4",
        spin_up: 0,
    },
};

/// The largest dimension: the matrices are dense.
const MAX_DIM: i64 = 2000;

/// The Ornstein-Uhlenbeck process on a subspace.
#[derive(Clone, Debug)]
pub struct LinearLowRank {
    basis: Array2<f64>,
    intrinsic: Ou,
    /// U (Theta - r I), `[component, direction]`.
    pull: Array2<f64>,
    noise: f64,
    ambient_sd: f64,
    ambient_rate: f64,
}

impl LinearLowRank {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When the subspace has more dimensions than the space, or z has no stationary law.
    pub fn new(settings: &Settings) -> Result<Self> {
        let (n, d) = (settings.count(DIM.key), settings.count(INTRINSIC.key));
        if d > n {
            return Err(settings.mistake(INTRINSIC.key, format!("is {d}, but must be at most the {n} of `dim`")));
        }
        let intrinsic = intrinsic_process(settings)?;
        let basis = orthonormal(n, d, structure_key(settings.count(SUBSPACE_SEED.key) as u64));
        let ambient_rate = settings.number(AMBIENT_RATE.key);
        let pull = basis.dot(&(intrinsic.drift_matrix() - Array2::<f64>::eye(d) * ambient_rate));
        let (noise, ambient_sd) = (settings.number(NOISE.key), settings.number(AMBIENT_SD.key));
        Ok(Self { basis, intrinsic, pull, noise, ambient_sd, ambient_rate })
    }

    /// U, `[component, direction]`.
    pub fn basis(&self) -> &Array2<f64> {
        &self.basis
    }

    /// The covariance U P U^T + e^2 (I - U U^T) of the stationary law, `[component, component]`.
    pub fn stationary_covariance(&self) -> Array2<f64> {
        self.lift(self.intrinsic.stationary_covariance().view(), self.ambient_sd * self.ambient_sd)
    }

    /// The exact transition over `h` of model time.
    pub fn transition(&self, h: f64) -> LinearGaussian {
        let LinearGaussian { matrix, covariance, .. } = self.intrinsic.transition(h);
        let kept = (-self.ambient_rate * h).exp();
        let variance = self.ambient_sd * self.ambient_sd * -(-2.0 * self.ambient_rate * h).exp_m1();
        LinearGaussian {
            matrix: self.lift(matrix.view(), kept),
            offset: Array1::zeros(self.basis.nrows()),
            covariance: self.lift(covariance.view(), variance),
        }
    }

    /// U m U^T + across (I - U U^T).
    fn lift(&self, m: ArrayView2<f64>, across: f64) -> Array2<f64> {
        let (n, d) = self.basis.dim();
        let inner = &m - &(Array2::<f64>::eye(d) * across);
        self.basis.dot(&inner).dot(&self.basis.t()) + Array2::<f64>::eye(n) * across
    }

    /// The sd of the noise across the subspace, per sqrt(model time).
    fn ambient_noise(&self) -> f64 {
        self.ambient_sd * (2.0 * self.ambient_rate).sqrt()
    }

    /// out = -r x - left right^T x.
    fn linear(&self, left: &Array2<f64>, right: &Array2<f64>, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for (out, x) in out.as_flattened_mut().iter_mut().zip(x.as_flattened()) {
            *out = -self.ambient_rate * x;
        }
        for (left, right) in left.columns().into_iter().zip(right.columns()) {
            let along = project(right, x);
            for (out, left) in out.iter_mut().zip(left) {
                (0..LANES).for_each(|lane| out[lane] -= left * along[lane]);
            }
        }
    }
}

/// The process of z: the entry `ou` with the intrinsic dimension.
fn intrinsic_process(settings: &Settings) -> Result<Ou> {
    let number = |key: &str| (key.to_owned(), Value::Float(settings.number(key)));
    let dim = (DIM.key.to_owned(), Value::Int(settings.count(INTRINSIC.key) as i64));
    let given = BTreeMap::from([dim, number(RATE.key), number(COUPLING.key), number(NOISE.key)]);
    let checked = Settings::check("system `linear_low_rank`", ou::ENTRY.params, &given);
    Ou::new(&checked.map_err(|mut mistakes| mistakes.remove(0))?)
}

/// The sum over components of column_i x_i, for every lane.
fn project(column: ndarray::ArrayView1<f64>, x: &[[f64; LANES]]) -> [f64; LANES] {
    let mut along = [0.0; LANES];
    for (u, x) in column.iter().zip(x) {
        (0..LANES).for_each(|lane| along[lane] += u * x[lane]);
    }
    along
}

impl Sde for LinearLowRank {
    fn dim(&self) -> usize {
        self.basis.nrows()
    }

    /// d Brownian motions along the subspace, then n that are projected across it.
    fn noise(&self) -> Noise {
        let (n, d) = self.basis.dim();
        match (self.noise > 0.0, self.ambient_sd > 0.0) {
            (_, true) => Noise::Constant(d + n),
            (true, false) => Noise::Constant(d),
            (false, false) => Noise::None,
        }
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.linear(&self.pull, &self.basis, x, out);
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let (inside, outside) = dw.split_at(self.basis.ncols().min(dw.len()));
        let ambient = self.ambient_noise();
        out.fill([0.0; LANES]);
        for (out, dw) in out.as_flattened_mut().iter_mut().zip(outside.as_flattened()) {
            *out = ambient * dw;
        }
        for (column, dw) in self.basis.columns().into_iter().zip(inside) {
            let along = project(column, outside);
            for (out, u) in out.iter_mut().zip(column) {
                (0..LANES).for_each(|lane| out[lane] += u * (self.noise * dw[lane] - ambient * along[lane]));
            }
        }
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for LinearLowRank {
    fn tangent_block(&self, t: f64, _x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.drift_block(t, dx, out);
    }

    fn adjoint_block(&self, _t: f64, _x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.linear(&self.basis, &self.pull, v, out);
    }
}

impl System for LinearLowRank {
    fn dim(&self) -> usize {
        self.basis.nrows()
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// Draws of the stationary law.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let (n, d) = self.basis.dim();
        let normals = key.purpose(Purpose::InitialState).normals(members, d + n);
        let (inside, outside) = (normals.slice(s![.., ..d]), normals.slice(s![.., d..]));
        // P is a sum of positive semi-definite terms; were it not finite, the states are left non-finite
        let root = SymmetricEigen::new(self.intrinsic.stationary_covariance().view()).map(|eigen| eigen.map(f64::sqrt));
        let root = root.unwrap_or_else(|_| Array2::from_elem((d, d), f64::NAN));
        let along = inside.dot(&root) - outside.dot(&self.basis) * self.ambient_sd;
        along.dot(&self.basis.t()) + &(&outside * self.ambient_sd)
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
