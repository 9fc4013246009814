//! The 1.5-layer reduced-gravity quasi-geostrophic model of Sakov and Oke (2008): wind-driven ocean gyres on the unit
//! square,
//!
//! q_t = -psi_x - epsilon J(psi, q) - A laplace^3 psi - 2 pi sin(2 pi y),   q = laplace psi - F psi,
//!
//! with psi = laplace psi = laplace^2 psi = 0 on the boundary (free slip). Differences are of second order, J is that of
//! Arakawa, and psi comes from q by an exact solver with a fast sine transform. In psi the equation is
//! psi_t = H^{-1} (...), H = laplace - F, which a Runge-Kutta scheme steps as it would step q, because H is linear.
//!
//! The sign of the wind is that of the authors' code (EnKF-Matlab, and DAPPER after it): the western boundary currents
//! meet at y = 1/2 and leave as an unstable jet, the flow has a steady climate, and small errors double in about 85 units
//! of time. With the opposite sign, under which the equation is also quoted, the currents part, the gyres strengthen
//! without end, and errors double in some 700.
//!
//! J(a, b)^T in a is J(b, .), and in b it is J(., a); hence the adjoint of the drift, with w = H^{-1} v, is
//! D w - epsilon (J(q, w) + H J(w, psi)) - A laplace^3 w, where D is the centred d/dx.
//!
//! The state is psi with the boundary, row by row: row j is y = j h, column i is x = i h. Values given on the boundary
//! are read as 0 and do not move.

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use ndarray::Array2;

use super::DefaultStepping;
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, Settings};
use crate::sde::{Noise, Sde};
use crate::spectral::{Basin, Complex64, Helmholtz, Pool, distinct, gather, scatter};
use crate::system::System;

const GRID: Param = Param::int(
    "grid",
    129,
    9,
    "n, an odd number, fastest as 2^m + 1: the state is psi on n x n points, boundary included",
)
.up_to(4097);
const VISCOSITY: Param =
    Param::positive("viscosity", 2e-12, "A, of the biharmonic friction; 2e-11 in the coarser variant");
const FROUDE: Param = Param::positive("froude", 1600.0, "F, the inverse square of the deformation radius");
const NONLINEARITY: Param =
    Param::at_least("nonlinearity", 1e-5, 0.0, "epsilon, the Rossby number in front of the advection");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "quasi_geostrophic",
    about: "wind-driven ocean gyres in a square basin, the 1.5-layer model of ensemble filtering",
    reference: "Sakov and Oke (2008), doi:10.1111/j.1600-0870.2007.00299.x",
    params: &[GRID, VISCOSITY, FROUDE, NONLINEARITY],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(QuasiGeostrophic::new(settings)?)),
        dt: 5.0,
        substeps: 4,
        integrator: "rk4",
        spin_up: 1000,
    },
};

/// Waves along each side, and the size of the longest, of the field from which a spin-up starts.
const START: (usize, f64) = (6, 10.0);

/// The model of Sakov and Oke.
pub struct QuasiGeostrophic {
    core: Core,
    pool: Pool<GyreWorkspace>,
}

/// The equation for one member, on contiguous fields.
struct Core {
    basin: Basin,
    solver: Helmholtz,
    froude: f64,
    epsilon: f64,
    viscosity: f64,
    wind: Vec<f64>,
}

/// Scratch for a block, and for the member that is evaluated.
struct GyreWorkspace {
    /// The members of two inputs, `[member][component]`; results overwrite those of the first.
    blocks: [Vec<f64>; 2],
    member: Member,
}

/// Scratch for one member.
struct Member {
    out: Vec<f64>,
    fields: [Vec<f64>; 4],
    real: Vec<f64>,
    complex: Vec<Complex64>,
}

impl QuasiGeostrophic {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When the grid is not an odd number.
    pub fn new(settings: &Settings) -> Result<Self> {
        let points = settings.count(GRID.key);
        if points.is_multiple_of(2) {
            let problem = format!("is {points}, but must be odd for the sine transform; take {}", points + 1);
            return Err(settings.mistake(GRID.key, problem));
        }
        let basin = Basin { points };
        let froude = settings.number(FROUDE.key);
        let solver = Helmholtz::new(basin, froude);
        let wind = (0..points * points).map(|at| -TAU * (TAU * (at / points) as f64 * basin.spacing()).sin()).collect();
        let (real, complex) = solver.scratch_len();
        let field = move || vec![0.0; points * points];
        let member = move || Member {
            out: field(),
            fields: std::array::from_fn(|_| field()),
            real: vec![0.0; real],
            complex: vec![Complex64::default(); complex],
        };
        let blocks = move || std::array::from_fn(|_| vec![0.0; LANES * points * points]);
        let pool = Pool::new(move || GyreWorkspace { blocks: blocks(), member: member() });
        let (epsilon, viscosity) = (settings.number(NONLINEARITY.key), settings.number(VISCOSITY.key));
        Ok(Self { core: Core { basin, solver, froude, epsilon, viscosity, wind }, pool })
    }

    /// Computes each distinct lane with `work`, which makes `out` of its scratch from at most two inputs; their boundary
    /// is 0, and it may overwrite them.
    fn each_lane<const I: usize>(
        &self,
        inputs: [&[[f64; LANES]]; I],
        out: &mut [[f64; LANES]],
        work: impl Fn(&Core, [&mut [f64]; 2], &mut Member),
    ) {
        let lanes = inputs.iter().map(|block| distinct(block)).max().unwrap_or(LANES);
        self.pool.with(|GyreWorkspace { blocks: [first, second], member }| {
            for (block, fields) in inputs.iter().zip([&mut *first, &mut *second]) {
                gather(block, lanes, fields);
            }
            let dim = out.len();
            for (first, second) in first.chunks_exact_mut(dim).zip(second.chunks_exact_mut(dim)).take(lanes) {
                self.core.basin.clear_boundary(first);
                self.core.basin.clear_boundary(second);
                work(&self.core, [&mut *first, second], member);
                first.copy_from_slice(&member.out);
            }
            scatter(first, lanes, out);
        });
    }
}

impl Core {
    /// q = laplace psi - F psi into `out`.
    fn vorticity(&self, psi: &[f64], out: &mut [f64]) {
        self.basin.laplacian(psi, out);
        out.iter_mut().zip(psi).for_each(|(q, psi)| *q -= self.froude * psi);
    }

    /// out -= A laplace^3 psi, through two scratch fields.
    fn add_friction(&self, psi: &[f64], out: &mut [f64], [first, second]: [&mut [f64]; 2]) {
        self.basin.laplacian(psi, first);
        self.basin.laplacian(first, second);
        self.basin.laplacian(second, first);
        out.iter_mut().zip(first).for_each(|(out, f)| *out -= self.viscosity * *f);
    }

    /// out -= epsilon f.
    fn subtract(&self, f: &[f64], out: &mut [f64]) {
        out.iter_mut().zip(f).for_each(|(out, f)| *out -= self.epsilon * f);
    }

    fn drift(&self, [psi, _]: [&mut [f64]; 2], member: &mut Member) {
        let Member { out, fields: [q, first, second, _], real, complex } = member;
        out.copy_from_slice(&self.wind);
        self.basin.add_x_derivative(-1.0, psi, out);
        self.vorticity(psi, q);
        self.basin.jacobian(psi, q, first);
        self.subtract(first, out);
        self.add_friction(psi, out, [first, second]);
        self.solver.solve(out, real, complex);
    }

    fn tangent(&self, [psi, d]: [&mut [f64]; 2], member: &mut Member) {
        let Member { out, fields: [q, dq, first, second], real, complex } = member;
        out.fill(0.0);
        self.basin.add_x_derivative(-1.0, d, out);
        self.vorticity(psi, q);
        self.vorticity(d, dq);
        self.basin.jacobian(d, q, first);
        self.subtract(first, out);
        self.basin.jacobian(psi, dq, first);
        self.subtract(first, out);
        self.add_friction(d, out, [first, second]);
        self.solver.solve(out, real, complex);
    }

    fn adjoint(&self, [psi, w]: [&mut [f64]; 2], member: &mut Member) {
        let Member { out, fields: [q, first, second, _], real, complex } = member;
        self.solver.solve(w, real, complex);
        out.fill(0.0);
        self.basin.add_x_derivative(1.0, w, out);
        self.vorticity(psi, q);
        self.basin.jacobian(q, w, first);
        self.subtract(first, out);
        self.basin.jacobian(w, psi, first);
        self.vorticity(first, second);
        self.subtract(second, out);
        self.add_friction(w, out, [first, second]);
    }
}

impl Sde for QuasiGeostrophic {
    fn dim(&self) -> usize {
        self.core.wind.len()
    }

    fn noise(&self) -> Noise {
        Noise::None
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.each_lane([x], out, Core::drift);
    }

    fn diffuse_block(&self, _t: f64, _x: &[[f64; LANES]], _dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        out.fill([0.0; LANES]);
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for QuasiGeostrophic {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.each_lane([x, dx], out, Core::tangent);
    }

    fn adjoint_block(&self, _t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.each_lane([x, v], out, Core::adjoint);
    }
}

impl System for QuasiGeostrophic {
    fn dim(&self) -> usize {
        self.core.wind.len()
    }

    fn geometry(&self) -> Geometry {
        let points = self.core.basin.points;
        Geometry::Plane { rows: points, columns: points }
    }

    /// Random smooth fields: waves sin(pi k x) sin(pi l y) of sizes 10 / (k l).
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let (n, (waves, size)) = (self.core.basin.points, START);
        let z = key.purpose(Purpose::InitialState).normals(members, waves * waves);
        let sine = |wave: usize, at: usize| (PI * (wave * at) as f64 / (n - 1) as f64).sin() / wave as f64;
        let sines = Array2::from_shape_fn((waves, n), |(wave, at)| sine(wave + 1, at));
        let mut out = Array2::zeros((members, n * n));
        for (z, mut row) in z.outer_iter().zip(out.outer_iter_mut()) {
            let field = |at: usize| -> f64 {
                let product = |(w, z): (usize, &f64)| z * sines[[w % waves, at % n]] * sines[[w / waves, at / n]];
                z.iter().enumerate().map(product).sum()
            };
            row.iter_mut().enumerate().for_each(|(at, psi)| *psi = size * field(at));
            if let Some(row) = row.as_slice_mut() {
                self.core.basin.clear_boundary(row);
            }
        }
        out
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
