//! Lorenz (1996) in two scales: a ring of K slow values X_k, each driving J values Y of one fast ring of J K,
//!
//! dX_k = ((X_{k+1} - X_{k-2}) X_{k-1} - X_k + F - (h c / b) sum_{j in k} Y_j) dt + s dW,
//! dY_j = (c b (Y_{j-1} - Y_{j+2}) Y_{j+1} - c Y_j + (h c / b) X_{k(j)}) dt + s dW.
//!
//! State: X_0 .. X_{K-1}, then Y of the first slow point, of the second, and so on. Defaults as in Wilks (2005), whose
//! two forcings are 18 and 20; 20 is taken here. Both quadratic parts and the coupling conserve sum X^2 + sum Y^2, so
//! that `E[sum X^2]` + c `E[sum Y^2]` - F `E[sum X]` = s^2 K (J + 1) / 2 in the stationary law.

use std::sync::Arc;

use ndarray::Array2;

use super::{DefaultStepping, additive, count_param, diffuse, noise_param};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

const K: Param = count_param("K", 4, 8, "number of slow grid points");
const J: Param = count_param("J", 1, 32, "number of fast grid points for each slow one");
const FORCING: Param = Param::real("forcing", 20.0, "F, the constant forcing of the slow scale");
const H: Param = Param::real("h", 1.0, "coupling of the scales");
const C: Param = Param::positive("c", 10.0, "how much faster the fast scale is");
const B: Param = Param::positive("b", 10.0, "how much smaller the fast amplitudes are");
const NOISE: Param = noise_param(0.0);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "lorenz96_two_scale",
    about: "slow chaotic waves on a ring, each driving fast ones, with additive noise",
    reference: "Lorenz (1996), Predictability: a problem partly solved; Wilks (2005), doi:10.1256/qj.04.03",
    params: &[K, J, FORCING, H, C, B, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Lorenz96TwoScale::new(settings))),
        dt: 0.05,
        substeps: 50,
        integrator: "rk4",
        spin_up: 200,
    },
};

/// The two-scale system of Lorenz (1996).
#[derive(Clone, Debug)]
pub struct Lorenz96TwoScale {
    slow: usize,
    fast: usize,
    forcing: f64,
    /// c
    rate: f64,
    /// c b
    advection: f64,
    /// h c / b
    coupling: f64,
    noise: f64,
}

impl Lorenz96TwoScale {
    /// From checked settings, as in the catalogue.
    pub fn new(settings: &Settings) -> Self {
        let number = |key| settings.number(key);
        let (h, c, b) = (number(H.key), number(C.key), number(B.key));
        Self {
            slow: settings.count(K.key),
            fast: settings.count(J.key),
            forcing: number(FORCING.key),
            rate: c,
            advection: c * b,
            coupling: h * c / b,
            noise: number(NOISE.key),
        }
    }

    /// Adds the coupling, which is linear and skew: to dX_k minus the sum of its Y, to dY_j its X; times `sign`.
    fn couple(&self, sign: f64, state: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let (x, y) = state.split_at(self.slow);
        let (fx, fy) = out.split_at_mut(self.slow);
        let g = sign * self.coupling;
        for (k, (fy, y)) in fy.chunks_exact_mut(self.fast).zip(y.chunks_exact(self.fast)).enumerate() {
            for (fy, y) in fy.iter_mut().zip(y) {
                for lane in 0..LANES {
                    fx[k][lane] -= g * y[lane];
                    fy[lane] += g * x[k][lane];
                }
            }
        }
    }
}

/// The cells around place i of a ring: i - 2, i - 1, i, i + 1, i + 2.
#[inline(always)]
fn around(x: &[[f64; LANES]], i: usize) -> [&[f64; LANES]; 5] {
    let n = x.len();
    let back = |by: usize| if i >= by { i - by } else { i + n - by };
    let on = |by: usize| if i + by < n { i + by } else { i + by - n };
    [&x[back(2)], &x[back(1)], &x[i], &x[on(1)], &x[on(2)]]
}

impl Sde for Lorenz96TwoScale {
    fn dim(&self) -> usize {
        self.slow * (1 + self.fast)
    }

    fn noise(&self) -> Noise {
        additive(self.noise)
    }

    fn drift_block(&self, _t: f64, state: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ((x, y), (fx, fy)) = (state.split_at(self.slow), out.split_at_mut(self.slow));
        for (k, fx) in fx.iter_mut().enumerate() {
            let [far, last, here, next, _] = around(x, k);
            for l in 0..LANES {
                fx[l] = (next[l] - far[l]) * last[l] - here[l] + self.forcing;
            }
        }
        for (j, fy) in fy.iter_mut().enumerate() {
            let [_, last, here, next, far] = around(y, j);
            for l in 0..LANES {
                fy[l] = self.advection * (last[l] - far[l]) * next[l] - self.rate * here[l];
            }
        }
        self.couple(1.0, state, out);
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        diffuse(self.noise, dw, out);
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        Some(vec![self.noise; self.slow * (1 + self.fast)])
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for Lorenz96TwoScale {
    fn tangent_block(&self, _t: f64, state: &[[f64; LANES]], d: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ((x, y), (dx, dy)) = (state.split_at(self.slow), d.split_at(self.slow));
        let (fx, fy) = out.split_at_mut(self.slow);
        for (k, fx) in fx.iter_mut().enumerate() {
            let ([far, last, _, next, _], [dfar, dlast, dhere, dnext, _]) = (around(x, k), around(dx, k));
            for l in 0..LANES {
                fx[l] = (dnext[l] - dfar[l]) * last[l] + (next[l] - far[l]) * dlast[l] - dhere[l];
            }
        }
        for (j, fy) in fy.iter_mut().enumerate() {
            let ([_, last, _, next, far], [_, dlast, dhere, dnext, dfar]) = (around(y, j), around(dy, j));
            for l in 0..LANES {
                let advection = (dlast[l] - dfar[l]) * next[l] + (last[l] - far[l]) * dnext[l];
                fy[l] = self.advection * advection - self.rate * dhere[l];
            }
        }
        self.couple(1.0, d, out);
    }

    fn adjoint_block(&self, _t: f64, state: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        let ((x, y), (vx, vy)) = (state.split_at(self.slow), v.split_at(self.slow));
        let (ax, ay) = out.split_at_mut(self.slow);
        for (k, ax) in ax.iter_mut().enumerate() {
            // x_k stands in the tendencies of k - 1 (as next), k + 1 (as last) and k + 2 (as far)
            let ([x2, x1, _, y1, y2], [_, v1, v0, w1, w2]) = (around(x, k), around(vx, k));
            for l in 0..LANES {
                ax[l] = v1[l] * x2[l] + w1[l] * (y2[l] - x1[l]) - w2[l] * y1[l] - v0[l];
            }
        }
        for (j, ay) in ay.iter_mut().enumerate() {
            // the fast ring runs the other way round
            let ([x2, x1, _, y1, y2], [v2, v1, v0, w1, _]) = (around(y, j), around(vy, j));
            for l in 0..LANES {
                let advection = w1[l] * y2[l] + v1[l] * (x2[l] - y1[l]) - v2[l] * x1[l];
                ay[l] = self.advection * advection - self.rate * v0[l];
            }
        }
        self.couple(-1.0, v, out);
    }
}

impl System for Lorenz96TwoScale {
    fn dim(&self) -> usize {
        self.slow * (1 + self.fast)
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// X normal with mean F / 5 and sd 1, Y normal with mean 0 and sd 1 / 10.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let mut state = key.purpose(Purpose::InitialState).normals(members, self.slow * (1 + self.fast));
        let (mut x, mut y) = state.view_mut().split_at(ndarray::Axis(1), self.slow);
        x += self.forcing / 5.0;
        y *= 0.1;
        state
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
