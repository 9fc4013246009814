//! Models II and III of Lorenz (2005), Lorenz-96 with waves that are smooth in space. With the bracket [u, v]_K of
//! `bracket`, on a ring,
//!
//! II: dX_n = ([X, X]_{K,n} - X_n + F) dt + s dW_n,
//! III: dZ_n = ([X, X]_{K,n} + b^2 [Y, Y]_{1,n} + c [Y, X]_{1,n} - X_n - b Y_n + F) dt + s dW_n,
//!
//! with the large scale X and the small scale Y = Z - X of `scales`. State: X_0 .. X_{N-1} or Z_0 .. Z_{N-1}. K = 1
//! makes Model II the system of Lorenz (1996). The bracket of Model II conserves sum X^2, so that
//! `E[X^2]` - F `E[X]` = s^2 / 2 in its stationary law; Model III has no such balance.

mod bracket;
mod scales;

use std::cell::RefCell;
use std::sync::Arc;

use ndarray::Array2;

use super::{DefaultStepping, additive, count_param, diffuse, dim_param, noise_param};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::integrate::Lanes;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

use bracket::Bracket;
use scales::Filter;

const REFERENCE: &str = "Lorenz (2005), doi:10.1175/JAS3430.1";

const fn dim(default: i64) -> Param {
    dim_param(4, default, "N, the number of grid points on the ring, at least 4 K")
}

const fn width(default: i64) -> Param {
    count_param("K", 1, default, "width of the averages: longer waves with larger K")
}

const FORCING: Param = Param::real("forcing", 15.0, "F, the constant forcing");
const NOISE: Param = noise_param(0.0);
const I: Param =
    count_param("I", 1, 12, "half-width of the filter that separates the scales, in grid points; at most N / 2 - 1");
const B: Param = Param::positive("b", 10.0, "how much faster and smaller the small scale is");
const C: Param = Param::real("c", 2.5, "coupling of the scales");

pub(super) const MODEL_II: Entry<DefaultStepping> = Entry {
    name: "lorenz2005_ii",
    about: "Model II of Lorenz (2005): chaotic waves on a ring, smooth in space, with additive noise",
    reference: REFERENCE,
    params: &[dim(240), width(8), FORCING, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Lorenz2005::new(settings)?)),
        dt: 0.05,
        substeps: 2,
        integrator: "rk4",
        spin_up: 1000,
    },
};

pub(super) const MODEL_III: Entry<DefaultStepping> = Entry {
    name: "lorenz2005_iii",
    about: "Model III of Lorenz (2005): long chaotic waves and short ones in one field, with additive noise",
    reference: REFERENCE,
    params: &[dim(960), width(32), I, B, C, FORCING, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Lorenz2005::new(settings)?)),
        dt: 0.05,
        substeps: 20,
        integrator: "rk4",
        spin_up: 200,
    },
};

/// The sd of the perturbation of the steady state from which a spin-up starts.
const PERTURBATION: f64 = 0.1;

/// [Y, .] of Model III.
const NEXT: Bracket = Bracket { k: 1 };

/// Model II or III of Lorenz (2005).
#[derive(Clone, Debug)]
pub struct Lorenz2005 {
    dim: usize,
    large: Bracket,
    forcing: f64,
    small: Option<Small>,
    noise: f64,
}

/// What Model III adds.
#[derive(Clone, Debug)]
struct Small {
    filter: Filter,
    b: f64,
    c: f64,
}

impl Lorenz2005 {
    /// From checked settings, as in the catalogue; Model III where they have `I`.
    ///
    /// # Errors
    /// When a window does not fit the ring.
    pub fn new(settings: &Settings) -> Result<Self> {
        let (dim, k, number) = (settings.count(dim(0).key), settings.count(width(0).key), |key| settings.number(key));
        if dim < 4 * k {
            return Err(settings.mistake("K", format!("is {k}, but must be at most {} for `dim` {dim}", dim / 4)));
        }
        let reach = settings.count(I.key);
        if dim <= 2 * reach {
            let most = (dim - 1) / 2;
            return Err(settings.mistake(I.key, format!("is {reach}, but must be at most {most} for `dim` {dim}")));
        }
        let small =
            settings.has(I.key).then(|| Small { filter: Filter::new(reach), b: number(B.key), c: number(C.key) });
        Ok(Self { dim, large: Bracket { k }, forcing: number(FORCING.key), small, noise: number(NOISE.key) })
    }
}

/// Calls `f` with `N` scratch arrays of `dim` cells that the thread keeps; what they hold is left over from before.
fn with_scratch<const N: usize>(dim: usize, f: impl FnOnce([&mut [Lanes]; N])) {
    thread_local! {
        static SCRATCH: RefCell<Vec<Lanes>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < N * dim {
            scratch.resize(N * dim, [0.0; LANES]);
        }
        let mut arrays = scratch.chunks_exact_mut(dim);
        f(std::array::from_fn(|_| arrays.next().unwrap_or_default()));
    });
}

/// out = -x - b y + constant.
fn damp(x: &[Lanes], b: f64, y: &[Lanes], constant: f64, out: &mut [Lanes]) {
    let cells = x.as_flattened().iter().zip(y.as_flattened());
    for (out, (x, y)) in out.as_flattened_mut().iter_mut().zip(cells) {
        *out = constant - x - b * y;
    }
}

/// out = constant - x.
fn relax(x: &[Lanes], constant: f64, out: &mut [Lanes]) {
    for (out, x) in out.as_flattened_mut().iter_mut().zip(x.as_flattened()) {
        *out = constant - x;
    }
}

impl Sde for Lorenz2005 {
    fn dim(&self) -> usize {
        self.dim
    }

    fn noise(&self) -> Noise {
        additive(self.noise)
    }

    fn drift_block(&self, _t: f64, z: &[Lanes], out: &mut [Lanes]) {
        with_scratch(self.dim, |[x, y, s0, s1, s2]| match &self.small {
            None => {
                relax(z, self.forcing, out);
                self.large.add(1.0, z, z, out, [s0, s1, s2]);
            }
            Some(Small { filter, b, c }) => {
                filter.split(z, x, y);
                damp(x, *b, y, self.forcing, out);
                self.large.add(1.0, x, x, out, [s0, s1, s2]);
                NEXT.add(b * b, y, y, out, [s0, s1, s2]);
                NEXT.add(*c, y, x, out, [s0, s1, s2]);
            }
        });
    }

    fn diffuse_block(&self, _t: f64, _x: &[Lanes], dw: &[Lanes], out: &mut [Lanes]) {
        diffuse(self.noise, dw, out);
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        Some(vec![self.noise; self.dim])
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for Lorenz2005 {
    fn tangent_block(&self, _t: f64, z: &[Lanes], dz: &[Lanes], out: &mut [Lanes]) {
        with_scratch(self.dim, |[x, y, dx, dy, s0, s1, s2]| match &self.small {
            None => {
                relax(dz, 0.0, out);
                self.large.add(1.0, dz, z, out, [s0, s1, s2]);
                self.large.add(1.0, z, dz, out, [s0, s1, s2]);
            }
            Some(Small { filter, b, c }) => {
                filter.split(z, x, y);
                filter.split(dz, dx, dy);
                damp(dx, *b, dy, 0.0, out);
                self.large.add(1.0, dx, x, out, [s0, s1, s2]);
                self.large.add(1.0, x, dx, out, [s0, s1, s2]);
                NEXT.add(b * b, dy, y, out, [s0, s1, s2]);
                NEXT.add(b * b, y, dy, out, [s0, s1, s2]);
                NEXT.add(*c, dy, x, out, [s0, s1, s2]);
                NEXT.add(*c, y, dx, out, [s0, s1, s2]);
            }
        });
    }

    fn adjoint_block(&self, _t: f64, z: &[Lanes], v: &[Lanes], out: &mut [Lanes]) {
        with_scratch(self.dim, |[x, y, gx, gy, s0, s1, s2]| match &self.small {
            None => {
                relax(v, 0.0, out);
                self.large.add_adjoint_first(1.0, z, v, out, [s0, s1, s2]);
                self.large.add_adjoint_second(1.0, z, v, out, [s0, s1, s2]);
            }
            Some(Small { filter, b, c }) => {
                filter.split(z, x, y);
                relax(v, 0.0, gx);
                self.large.add_adjoint_first(1.0, x, v, gx, [s0, s1, s2]);
                self.large.add_adjoint_second(1.0, x, v, gx, [s0, s1, s2]);
                NEXT.add_adjoint_second(*c, y, v, gx, [s0, s1, s2]);
                gy.as_flattened_mut().iter_mut().zip(v.as_flattened()).for_each(|(g, v)| *g = -b * v);
                NEXT.add_adjoint_first(b * b, y, v, gy, [s0, s1, s2]);
                NEXT.add_adjoint_second(b * b, y, v, gy, [s0, s1, s2]);
                NEXT.add_adjoint_first(*c, x, v, gy, [s0, s1, s2]);
                // X = A Z and Y = Z - A Z with A symmetric
                gx.as_flattened_mut().iter_mut().zip(gy.as_flattened()).for_each(|(gx, gy)| *gx -= gy);
                filter.large(gx, out);
                out.as_flattened_mut().iter_mut().zip(gy.as_flattened()).for_each(|(out, gy)| *out += gy);
            }
        });
    }
}

impl System for Lorenz2005 {
    fn dim(&self) -> usize {
        self.dim
    }

    fn geometry(&self) -> Geometry {
        Geometry::Ring
    }

    /// The unstable steady state F with a perturbation of sd 0.1.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        key.purpose(Purpose::InitialState).normals(members, self.dim) * PERTURBATION + self.forcing
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
