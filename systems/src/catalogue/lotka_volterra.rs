//! Competitive Lotka-Volterra: dx_i = r_i x_i (1 - sum_j A_ij x_j) dt + s x_i dW_i (Ito). The defaults are the four
//! chaotic species of Vano et al. (2006). State: one abundance a species, above 0; the noise is multiplicative, so that
//! it stays there.
//!
//! Where all species persist, the mean growth of ln x_i vanishes, so that sum_j A_ij `E[x_j]` = 1 - s^2 / (2 r_i).
//! A predator and its prey are r = [a, -d] and A = [[0, b/a], [c/d, 0]].

use std::sync::Arc;

use ndarray::Array2;

use super::DefaultStepping;
use super::noise::{EqualNoise, MULTIPLICATIVE};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::lanes::LANES;
use crate::linearized::Linearized;
use crate::registry::{Entry, Param, ParamKind, Settings};
use crate::sde::{Noise, Sde};
use crate::system::System;

/// r of Vano et al. (2006).
const GROWTH: [f64; 4] = [1.0, 0.72, 1.53, 1.27];

/// A of Vano et al. (2006).
const INTERACTION: [[f64; 4]; 4] =
    [[1.0, 1.09, 1.52, 0.0], [0.0, 1.0, 0.44, 1.36], [2.33, 0.0, 1.0, 0.47], [1.21, 0.51, 0.35, 1.0]];

const R: Param = Param::floats("r", &GROWTH, "growth rates, one a species; below 0 for a predator");
const A: Param = Param::unset(
    "A",
    ParamKind::Rows,
    "rows of the interaction matrix; those of Vano et al. (2006) where it is not set",
);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "lotka_volterra",
    about: "competing species, chaotic with the default four, with multiplicative noise",
    reference: "Vano, Wildenberg, Anderson, Noel and Sprott (2006), doi:10.1088/0951-7715/19/10/006",
    params: &[R, A, MULTIPLICATIVE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(LotkaVolterra::new(settings)?)),
        dt: 0.5,
        substeps: 5,
        integrator: "rk4",
        spin_up: 2000,
    },
};

/// Lotka-Volterra competition.
#[derive(Clone, Debug)]
pub struct LotkaVolterra {
    growth: Vec<f64>,
    /// A, row by row.
    interaction: Vec<Vec<f64>>,
    noise: EqualNoise,
}

impl LotkaVolterra {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When A is not square with a row for each r.
    pub fn new(settings: &Settings) -> Result<Self> {
        let growth = settings.floats(R.key).to_vec();
        let interaction = match settings.has(A.key) {
            true => settings.rows(A.key).to_vec(),
            false => INTERACTION.iter().map(|row| row.to_vec()).collect(),
        };
        let (rows, columns) = (interaction.len(), interaction.first().map_or(0, Vec::len));
        if growth.is_empty() || rows != growth.len() || columns != rows {
            let problem = format!("has {} numbers for an `A` of {rows} rows and {columns} columns", growth.len());
            return Err(settings.mistake(R.key, problem + "; give both, A square with a row for each r"));
        }
        Ok(Self { growth, interaction, noise: EqualNoise::new(settings)? })
    }

    /// sum_j A_ij x_j in every lane.
    fn pressure(&self, i: usize, x: &[[f64; LANES]]) -> [f64; LANES] {
        let mut sum = [0.0; LANES];
        for (a, x) in self.interaction[i].iter().zip(x) {
            for lane in 0..LANES {
                sum[lane] += a * x[lane];
            }
        }
        sum
    }
}

impl Sde for LotkaVolterra {
    fn dim(&self) -> usize {
        self.growth.len()
    }

    fn noise(&self) -> Noise {
        self.noise.kind()
    }

    fn drift_block(&self, _t: f64, x: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for (i, (out, r)) in out.iter_mut().zip(&self.growth).enumerate() {
            let pressure = self.pressure(i, x);
            for lane in 0..LANES {
                out[lane] = r * x[i][lane] * (1.0 - pressure[lane]);
            }
        }
    }

    fn diffuse_block(&self, _t: f64, x: &[[f64; LANES]], dw: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        self.noise.diffuse(x, dw, out);
    }

    fn additive_sd(&self) -> Option<Vec<f64>> {
        self.noise.additive_sd(self.growth.len())
    }

    fn linearized(&self) -> Option<&dyn Linearized> {
        Some(self)
    }
}

impl Linearized for LotkaVolterra {
    fn tangent_block(&self, _t: f64, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for (i, (out, r)) in out.iter_mut().zip(&self.growth).enumerate() {
            let (pressure, change) = (self.pressure(i, x), self.pressure(i, dx));
            for lane in 0..LANES {
                out[lane] = r * (dx[i][lane] * (1.0 - pressure[lane]) - x[i][lane] * change[lane]);
            }
        }
    }

    fn adjoint_block(&self, _t: f64, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]) {
        for (j, (out, r)) in out.iter_mut().zip(&self.growth).enumerate() {
            let pressure = self.pressure(j, x);
            for lane in 0..LANES {
                out[lane] = r * v[j][lane] * (1.0 - pressure[lane]);
            }
            for (i, (row, r)) in self.interaction.iter().zip(&self.growth).enumerate() {
                for lane in 0..LANES {
                    out[lane] -= r * row[j] * x[i][lane] * v[i][lane];
                }
            }
        }
    }
}

impl System for LotkaVolterra {
    fn dim(&self) -> usize {
        self.growth.len()
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    fn lower_bound(&self) -> Option<f64> {
        Some(0.0)
    }

    /// Each abundance 1/4 times the exponential of a normal of sd 1/10.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        key.purpose(Purpose::InitialState).normals(members, self.growth.len()).mapv(|z| 0.25 * (0.1 * z).exp())
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(self)
    }
}
