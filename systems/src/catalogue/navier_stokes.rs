//! The two-dimensional Navier-Stokes equation for the vorticity w on the periodic square [0, 2 pi)^2,
//!
//! dw = (-u . grad w + nu laplace w - alpha w + f) dt + dF,   u = (-psi_y, psi_x),   laplace psi = w,
//!
//! with alpha a linear drag. Kolmogorov forcing is the steady force (chi sin(m y), 0), so that f = -m chi cos(m y), with
//! the laminar solution w = -m U cos(m y), U = chi / (nu m^2 + alpha); at the defaults it is turbulent (Chandler and
//! Kerswell 2013, Reynolds number 40). Ring forcing F is white in time and isotropic, of the wavenumbers
//! m - 1/2 <= |k| < m + 1/2, and puts in kinetic energy mean(|u|^2) / 2 at the rate epsilon exactly (Lilly 1969).
//!
//! Without forcing and dissipation the cut-off advection conserves energy and enstrophy mean(w^2) / 2. The state is w,
//! row by row: row r is y = 2 pi r / n, column s is x = 2 pi s / n.

use std::sync::Arc;

use ndarray::Array2;

use super::DefaultStepping;
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::registry::{Entry, Param, Settings};
use crate::sde::Sde;
use crate::spectral::{Complex64, Forcing, Mode, RandomModes, SpectralSde, Square, Vorticity};
use crate::system::System;

const GRID: Param =
    Param::int("grid", 64, 8, "n: the state is the vorticity on n x n points; wavenumbers below n / 3 are resolved")
        .up_to(8192);
const VISCOSITY: Param =
    Param::positive("viscosity", 0.025, "nu; the inverse of the Reynolds number at Kolmogorov amplitude 1");
const DRAG: Param = Param::at_least(
    "drag",
    0.0,
    0.0,
    "alpha, linear drag per model time; it stops the growth of the largest scales under ring forcing",
);
const FORCING: Param = Param::choice(
    "forcing",
    "kolmogorov",
    &["kolmogorov", "ring", "none"],
    "a steady shear force, random forcing white in time, or none",
);
const WAVENUMBER: Param = Param::int("wavenumber", 4, 1, "m, of the forcing").up_to(2730);
const AMPLITUDE: Param = Param::positive("amplitude", 1.0, "chi, of the Kolmogorov force");
const INJECTION: Param =
    Param::positive("injection", 0.1, "epsilon, energy mean(|u|^2) / 2 put in by the ring forcing per model time");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "navier_stokes",
    about: "two-dimensional turbulence on the periodic square, spectral: Kolmogorov flow, random ring forcing, or decay",
    reference: "Chandler and Kerswell (2013), doi:10.1017/jfm.2013.122; Lilly (1969)",
    params: &[GRID, VISCOSITY, DRAG, FORCING, WAVENUMBER, AMPLITUDE, INJECTION],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(NavierStokes::new(settings)?)),
        dt: 0.1,
        substeps: 4,
        integrator: "etdrk4",
        spin_up: 1000,
    },
};

/// The root mean square velocity of the field from which a spin-up starts.
const START: f64 = 1.0;

/// The vorticity equation on the periodic square.
pub struct NavierStokes {
    sde: Arc<SpectralSde<Vorticity>>,
    start: RandomModes,
    grid: usize,
}

impl NavierStokes {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When the forcing is not resolved.
    pub fn new(settings: &Settings) -> Result<Self> {
        let (grid, m) = (settings.count(GRID.key), settings.count(WAVENUMBER.key));
        let (nu, drag) = (settings.number(VISCOSITY.key), settings.number(DRAG.key));
        let (square, kind) = (Square::new(grid), settings.text(FORCING.key));
        if m > square.cut() && kind != "none" {
            let problem =
                format!("is {m}, but {grid} points a side resolve {}; raise grid above {}", square.cut(), 3 * m);
            return Err(settings.mistake(WAVENUMBER.key, problem));
        }
        let start = isotropic(&square, 0.5, 4.5, 0.5 * START * START);
        let (mut steady, mut forcing) = (Vec::new(), Forcing::None);
        match kind {
            "kolmogorov" => steady = shear(&square, m, settings.number(AMPLITUDE.key)),
            "ring" => {
                let (inner, outer) = (m as f64 - 0.5, m as f64 + 0.5);
                forcing = Forcing::Modes(isotropic(&square, inner, outer, settings.number(INJECTION.key)));
            }
            _ => {}
        }
        let equation = Vorticity::new(square, |squared| -nu * squared - drag, steady);
        Ok(Self { sde: Arc::new(SpectralSde::new(equation, grid * grid, forcing)), start, grid })
    }
}

/// f = -m chi cos(m y).
fn shear(square: &Square, m: usize, chi: f64) -> Vec<(usize, Complex64)> {
    let half = Complex64::from(-0.5 * m as f64 * chi);
    vec![(square.index(0, m as i64), half), (square.index(0, -(m as i64)), half)]
}

/// Random vorticity of the resolved wavenumbers `inner <= |k| < outer` whose velocity has the mean kinetic energy
/// `energy`, the same in each wave.
fn isotropic(square: &Square, inner: f64, outer: f64, energy: f64) -> RandomModes {
    let cut = square.cut() as i64;
    let half_plane = (0..=cut).flat_map(|kx| (-cut..=cut).map(move |ky| (kx, ky)));
    let size = |(kx, ky): (i64, i64)| ((kx * kx + ky * ky) as f64).sqrt();
    let waves: Vec<_> = half_plane.filter(|k| (k.0 > 0 || k.1 > 0) && size(*k) >= inner && size(*k) < outer).collect();
    // a wave of vorticity of root mean square s has the energy s^2 / (2 |k|^2), and a wavenumber has two
    let one = (energy / waves.len() as f64).sqrt();
    let mode = |k: (i64, i64)| Mode {
        index: square.index(k.0 as usize, k.1),
        opposite: (k.0 == 0).then(|| square.index(0, -k.1)),
        size: one * size(k),
    };
    RandomModes::new(waves.into_iter().map(mode).collect())
}

impl System for NavierStokes {
    fn dim(&self) -> usize {
        self.grid * self.grid
    }

    fn geometry(&self) -> Geometry {
        Geometry::Torus { rows: self.grid, columns: self.grid }
    }

    /// Random flows of the wavenumbers up to 4, with root mean square velocity about 1.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        self.sde.draw(&self.start, members, key.purpose(Purpose::InitialState))
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(Arc::clone(&self.sde) as Arc<dyn Sde>)
    }
}
