//! Kuramoto and Tsuzuki (1976), Sivashinsky (1977): du = (-u u_x - u_xx - u_xxxx) dt + s dW on a periodic line, a field
//! whose long waves are unstable (wavenumbers k < 1, growth k^2 - k^4). Without noise the mean of u is conserved and
//! d/dt mean(u^2) / 2 = mean(u_x^2) - mean(u_xx^2). At length 22 the leading Lyapunov exponent is 0.043 to 0.048
//! (Cvitanovic, Davidchack and Siminos 2010; Edson, Bunder, Mattner and Roberts 2019).
//!
//! Noise is independent at every grid point; with it the mean of u is a Brownian motion of sd s / sqrt(dim).

use std::f64::consts::TAU;
use std::sync::Arc;

use ndarray::Array2;

use super::{DefaultStepping, dim_param, noise_param};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Key, Purpose};
use crate::registry::{Entry, Param, Settings};
use crate::sde::Sde;
use crate::spectral::{Advection, Forcing, Mode, RandomModes, SpectralSde, cut};
use crate::system::System;

const DIM: Param = dim_param(8, 64, "number of grid points on the line");
const LENGTH: Param =
    Param::positive("length", 22.0, "length of the line; chaotic from about 22 on, waves are about 9 long");
const NOISE: Param = noise_param(0.0);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "kuramoto_sivashinsky",
    about: "spatio-temporal chaos of flame fronts on a periodic line, spectral, with additive noise",
    reference: "Kuramoto and Tsuzuki (1976), doi:10.1143/PTP.55.356; Sivashinsky (1977), doi:10.1016/0094-5765(77)90096-0",
    params: &[DIM, LENGTH, NOISE],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(KuramotoSivashinsky::new(settings)?)),
        dt: 0.25,
        substeps: 1,
        integrator: "etdrk4",
        spin_up: 2000,
    },
};

/// The root mean square of the field from which a spin-up starts; that of the attractor is 1.2.
const START: f64 = 1.0;

/// The equation of Kuramoto and Sivashinsky.
pub struct KuramotoSivashinsky {
    sde: Arc<SpectralSde<Advection>>,
    start: RandomModes,
    dim: usize,
}

impl KuramotoSivashinsky {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When the points are too few to resolve a damped wave, so that nothing bounds the field.
    pub fn new(settings: &Settings) -> Result<Self> {
        let (dim, length, noise) = (settings.count(DIM.key), settings.number(LENGTH.key), settings.number(NOISE.key));
        let unstable = (length / TAU) as usize;
        if cut(dim) <= unstable {
            let problem = format!(
                "is {dim}, but on a line of {length} the first {unstable} waves grow, and {dim} points resolve {}; take \
                 more than {}",
                cut(dim),
                3 * (unstable + 1)
            );
            return Err(settings.mistake(DIM.key, problem));
        }
        let equation = Advection::new(dim, length, |k| k * k - k.powi(4));
        let waves = unstable.max(1);
        let size = START / (2.0 * waves as f64).sqrt();
        let start = RandomModes::new((1..=waves).map(|index| Mode { index, opposite: None, size }).collect());
        let forcing = if noise > 0.0 { Forcing::White(noise) } else { Forcing::None };
        Ok(Self { sde: Arc::new(SpectralSde::new(equation, dim, forcing)), start, dim })
    }
}

impl System for KuramotoSivashinsky {
    fn dim(&self) -> usize {
        self.dim
    }

    fn geometry(&self) -> Geometry {
        Geometry::Ring
    }

    /// Random fields of the unstable waves (the longest where none is), with mean 0 and root mean square about 1.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        self.sde.draw(&self.start, members, key.purpose(Purpose::InitialState))
    }

    fn as_sde(self: Arc<Self>) -> Option<Arc<dyn Sde>> {
        Some(Arc::clone(&self.sde) as Arc<dyn Sde>)
    }
}
