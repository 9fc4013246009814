//! The slow scale of the two-scale Lorenz-96 with the fast one parametrized, after Wilks (2005): a polynomial U of the
//! slow value and red noise e_k at each point,
//!
//! dX_k = ((X_{k+1} - X_{k-2}) X_{k-1} - X_k + F - U(X_k) - e_k) dt,   U(X) = sum_p b_p X^p,
//! de_k = -e_k / tau dt + sigma sqrt(2 / tau) dW_k.
//!
//! State: X_0 .. X_{K-1}, then e_0 .. e_{K-1}. Wilks has e as an AR(1) process, e <- phi e + sigma sqrt(1 - phi^2) z,
//! per step of length delta. That is the Ornstein-Uhlenbeck process above seen every delta, with
//! tau = -delta / ln(phi); here e lives in continuous time, so that the law does not change with the step.
//! The coefficients b_p are those that Wilks prints for F = 20, h = 1, c = b = 10, K = 8, J = 32. sigma and phi are the
//! sd and the correlation over delta of what U leaves of the coupling in `lorenz96_two_scale` at those settings, as
//! measured there: 1.94 and .984.

use std::sync::Arc;

use ndarray::{Array2, s};

use super::{DefaultStepping, dim_param};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{DefaultValue, Entry, Param, ParamKind, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

const DIM: Param = dim_param(4, 8, "K, the number of grid points; the state has as many values of e again");
const FORCING: Param = Param::real("forcing", 20.0, "F, the constant forcing");
const POLYNOMIAL: Param =
    Param::floats("polynomial", &[0.262, 1.45, -0.0121, -0.00713, 0.000296], "coefficients of U, the constant first");
const PHI: Param = Param::new(
    "phi",
    ParamKind::real(f64::MIN_POSITIVE, 1.0 - f64::EPSILON),
    DefaultValue::Float(0.984),
    "correlation of e over `delta`",
);
const DELTA: Param = Param::positive("delta", 0.005, "the time over which e has the correlation `phi`");
const SIGMA: Param = Param::at_least("sigma", 1.94, 0.0, "stationary sd of e; 0 leaves the polynomial alone");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "lorenz96_truncated",
    about: "the slow scale of two-scale Lorenz-96 with a polynomial and red noise for the fast one",
    reference: "Wilks (2005), doi:10.1256/qj.04.03",
    params: &[DIM, FORCING, POLYNOMIAL, PHI, DELTA, SIGMA],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Lorenz96Truncated::new(settings))),
        dt: 0.05,
        substeps: 10,
        integrator: "rk4",
        spin_up: 200,
    },
};

/// The truncated system of Wilks (2005).
#[derive(Clone, Debug)]
pub struct Lorenz96Truncated {
    points: usize,
    forcing: f64,
    polynomial: Vec<f64>,
    /// 1 / tau
    rate: f64,
    sigma: f64,
}

impl Lorenz96Truncated {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        let number = |key| settings.number(key);
        Self {
            points: settings.count(DIM.key),
            forcing: number(FORCING.key),
            polynomial: settings.floats(POLYNOMIAL.key).to_vec(),
            rate: -number(PHI.key).ln() / number(DELTA.key),
            sigma: number(SIGMA.key),
        }
    }

    /// sigma sqrt(2 / tau)
    fn diffusion(&self) -> f64 {
        self.sigma * (2.0 * self.rate).sqrt()
    }

    /// U(x) in every lane.
    fn parametrization(&self, x: &[f64; LANES]) -> [f64; LANES] {
        let mut sum = [0.0; LANES];
        for b in self.polynomial.iter().rev() {
            for lane in 0..LANES {
                sum[lane] = sum[lane] * x[lane] + b;
            }
        }
        sum
    }

    /// U'(x) in every lane.
    fn slope(&self, x: &[f64; LANES]) -> [f64; LANES] {
        let mut sum = [0.0; LANES];
        for (power, b) in self.polynomial.iter().enumerate().skip(1).rev() {
            for lane in 0..LANES {
                sum[lane] = sum[lane] * x[lane] + power as f64 * b;
            }
        }
        sum
    }
}

impl Sde for Lorenz96Truncated {
    fn dim(&self) -> usize {
        2 * self.points
    }

    fn noise(&self) -> Noise {
        super::additive(self.sigma)
    }

    fn drift_block(&self, _t: f64, state: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let n = self.points;
        let ((x, e), (fx, fe)) = (state.split_at(n), out.split_at_mut(n));
        for (k, fx) in fx.iter_mut().enumerate() {
            let (far, last, next) = (&x[(k + n - 2) % n], &x[(k + n - 1) % n], &x[(k + 1) % n]);
            let fast = self.parametrization(&x[k]);
            for l in 0..LANES {
                fx[l] = (next[l] - far[l]) * last[l] - x[k][l] + self.forcing - fast[l] - e[k][l];
            }
        }
        for (fe, e) in fe.as_flattened_mut().iter_mut().zip(e.as_flattened()) {
            *fe = -self.rate * e;
        }
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let (still, moved) = out.split_at_mut(self.points);
        still.fill([0.0; LANES]);
        super::diffuse(self.diffusion(), &dw[self.points..], moved);
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        Some([vec![0.0; self.points], vec![self.diffusion(); self.points]].concat())
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for Lorenz96Truncated {
    fn tangent_block(&self, _t: f64, state: &[[f64; LANES]], d: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let n = self.points;
        let (x, (dx, de), (fx, fe)) = (&state[..n], d.split_at(n), out.split_at_mut(n));
        for (k, fx) in fx.iter_mut().enumerate() {
            let (far, last, next) = ((k + n - 2) % n, (k + n - 1) % n, (k + 1) % n);
            let slope = self.slope(&x[k]);
            for l in 0..LANES {
                fx[l] = (dx[next][l] - dx[far][l]) * x[last][l] + (x[next][l] - x[far][l]) * dx[last][l]
                    - (1.0 + slope[l]) * dx[k][l]
                    - de[k][l];
            }
        }
        for (fe, de) in fe.as_flattened_mut().iter_mut().zip(de.as_flattened()) {
            *fe = -self.rate * de;
        }
    }

    fn adjoint_block(&self, _t: f64, state: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let n = self.points;
        let (x, (vx, ve), (ax, ae)) = (&state[..n], v.split_at(n), out.split_at_mut(n));
        for (k, ax) in ax.iter_mut().enumerate() {
            // x_k stands in the tendencies of k - 1 (as next), k + 1 (as last) and k + 2 (as far)
            let (before, after, second) = ((k + n - 1) % n, (k + 1) % n, (k + 2) % n);
            let slope = self.slope(&x[k]);
            for l in 0..LANES {
                ax[l] = vx[before][l] * x[(k + n - 2) % n][l] + vx[after][l] * (x[second][l] - x[before][l])
                    - vx[second][l] * x[after][l]
                    - (1.0 + slope[l]) * vx[k][l];
            }
        }
        let cells = vx.as_flattened().iter().zip(ve.as_flattened());
        for (ae, (vx, ve)) in ae.as_flattened_mut().iter_mut().zip(cells) {
            *ae = -vx - self.rate * ve;
        }
    }
}

impl System for Lorenz96Truncated {
    fn dim(&self) -> usize {
        2 * self.points
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// X normal with mean F / 5 and sd 1; e from its stationary law N(0, sigma^2).
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let mut state = key.purpose(Purpose::InitialState).normals(members, 2 * self.points);
        let (mut x, mut e) = state.multi_slice_mut((s![.., ..self.points], s![.., self.points..]));
        x += self.forcing / 5.0;
        e *= self.sigma;
        state
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
