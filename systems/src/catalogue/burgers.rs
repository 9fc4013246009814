//! Burgers (1948), stochastically forced: du = (-u u_x + nu u_xx) dt + s dF on a periodic line, where F is white in
//! time and made of the longest `forced_waves` waves with equal sizes, mean(F^2) growing by 1 per unit of time in
//! expectation. The mean of u is conserved; E d/dt mean(u^2) / 2 = s^2 / 2 - nu mean(u_x^2). Without forcing the
//! solution is known: u = -2 nu phi_x / phi, where phi solves the heat equation (Hopf 1950, Cole 1951).

use std::f64::consts::TAU;
use std::sync::Arc;

use ndarray::Array2;

use super::{DefaultStepping, dim_param};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::registry::{Entry, Param, Settings};
use crate::sde::Sde;
use crate::spectral::{Advection, Forcing, Mode, RandomModes, SpectralSde, cut};
use crate::system::System;

const DIM: Param = dim_param(8, 128, "number of grid points on the line");
const LENGTH: Param = Param::positive("length", TAU, "length of the line");
const VISCOSITY: Param =
    Param::positive("viscosity", 0.05, "nu; shocks of a jump J are about 4 nu / J wide, resolve them");
const FORCED_WAVES: Param =
    Param::int("forced_waves", 3, 1, "how many of the longest waves are forced (and make the start)").up_to(1_000_000);
const NOISE: Param = Param::at_least(
    "noise",
    0.5,
    0.0,
    "root mean square over the line of the forcing per sqrt(model time); it puts in noise^2 / 2 of energy \
                    mean(u^2) / 2 per model time",
);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "burgers",
    about: "shocks on a periodic line under random large-scale forcing, spectral",
    reference: "Burgers (1948), doi:10.1016/S0065-2156(08)70100-5; Cole (1951), doi:10.1090/qam/42889",
    params: &[DIM, LENGTH, VISCOSITY, FORCED_WAVES, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Burgers::new(settings)?)),
        dt: 0.05,
        substeps: 4,
        integrator: "etdrk4",
        spin_up: 400,
    },
};

/// The equation of Burgers.
pub struct Burgers {
    sde: Arc<SpectralSde<Advection>>,
    start: RandomModes,
    dim: usize,
}

impl Burgers {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When the forced waves are not resolved.
    pub fn new(settings: &Settings) -> Result<Self> {
        let (dim, waves) = (settings.count(DIM.key), settings.count(FORCED_WAVES.key));
        let (viscosity, noise) = (settings.number(VISCOSITY.key), settings.number(NOISE.key));
        let equation = Advection::new(dim, settings.number(LENGTH.key), |k| -viscosity * k * k);
        let resolved = cut(dim);
        if waves > resolved {
            return Err(settings.mistake(
                FORCED_WAVES.key,
                format!("is {waves}, but {dim} grid points resolve {resolved} waves; raise dim above {}", 3 * waves),
            ));
        }
        let field = |size: f64| {
            let size = size / (2.0 * waves as f64).sqrt();
            RandomModes::new((1..=waves).map(|index| Mode { index, opposite: None, size }).collect())
        };
        let forcing = if noise > 0.0 { Forcing::Modes(field(noise)) } else { Forcing::None };
        Ok(Self { sde: Arc::new(SpectralSde::new(equation, dim, forcing)), start: field(1.0), dim })
    }
}

impl System for Burgers {
    fn dim(&self) -> usize {
        self.dim
    }

    fn geometry(&self) -> Geometry {
        Geometry::Ring
    }

    /// Random fields of the forced waves, with mean 0 and root mean square about 1.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        self.sde.draw(&self.start, members, key.purpose(Purpose::InitialState))
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(Arc::clone(&self.sde) as Arc<dyn Sde>)
    }
}
