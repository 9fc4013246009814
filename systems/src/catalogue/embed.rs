//! Any system in a space of more dimensions: x = F(z) + s (I - U U^T) e, with z the state of the system inside, F the
//! [`Embedding`] and e ~ N(0, I) fresh at each lead step.
//!
//! The noise is orthogonal to the span of U. So z = U^T x holds with it as without it: x is a Markov process, z follows
//! exactly the law of the system inside, and the noise is forgotten at the next lead step. (Isotropic noise would either
//! enter z, and so change the system inside, or make x a hidden Markov process.) In the coordinates U^T x and those
//! orthogonal to it the one-step law is a product, p(x' | x) = p(z' | z) N(x'; F(z'), s^2 (I - U U^T)).

mod forecaster;
mod map;

use std::sync::Arc;

use ndarray::Array2;

use forecaster::Embedded;
pub use map::Embedding;

use super::inside::{OF, inside};
use super::{DefaultStepping, lorenz63};
use crate::error::Result;
use crate::geometry::Geometry;
use crate::key::{Domain, Key};
use crate::law::Forecaster;
use crate::registry::{Entry, Param, ParamKind, Settings};
use crate::stepping::Stepping;
use crate::system::System;

const DIM: Param = Param::unset(
    "dim",
    ParamKind::int(1, 10_000_000),
    "number of ambient components, at least those of the system inside; twice those if unset",
);
const CURVATURE: Param =
    Param::at_least("curvature", 0.0, 0.0, "largest slope of the waves of the map; the map is orthonormal at 0");
const LENGTH: Param =
    Param::positive("length", 10.0, "length over which the waves turn, in the units of the system inside");
const WAVES: Param = Param::unset(
    "waves",
    ParamKind::int(1, 10_000_000),
    "directions into which the map bends; as many as the system inside has components, or as fit, if unset",
);
const NOISE: Param = Param::at_least(
    "noise",
    0.0,
    0.0,
    "sd of the ambient noise, fresh at each lead step, in each direction orthogonal to the frame",
);
const MAP_SEED: Param = Param::int("map_seed", 1, 0, "seed of the map's directions");

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "embed",
    about: "any system in a space of more dimensions, through an orthonormal or a curved map, with ambient noise",
    reference: "Stewart (1980), doi:10.1137/0717034 (the random frame)",
    params: &[OF, DIM, CURVATURE, LENGTH, WAVES, NOISE, MAP_SEED],
    build: DefaultStepping { make: |settings| Ok(Arc::new(Embed::new(settings)?)), ..lorenz63::ENTRY.build },
};

/// The most numbers in a frame, which is dense: 0.8 GB.
const MAX_FRAME: usize = 100_000_000;

/// A system in a space of more dimensions.
pub struct Embed {
    inner: Arc<dyn System>,
    map: Arc<Embedding>,
    noise: f64,
}

impl Embed {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When the system inside cannot be built, or does not fit into the ambient space.
    pub fn new(settings: &Settings) -> Result<Self> {
        let inner = inside(settings)?;
        let (ambient, waves) = size(settings, inner.dim())?;
        let (curvature, length) = (settings.number(CURVATURE.key), settings.number(LENGTH.key));
        let key = Key::new(settings.count(MAP_SEED.key) as u64, Domain::Data);
        let map = Arc::new(Embedding::new(inner.dim(), ambient, waves, curvature, length, key));
        Ok(Self { inner, map, noise: settings.number(NOISE.key) })
    }

    /// d, the number of components of the system inside.
    pub fn intrinsic_dim(&self) -> usize {
        self.map.intrinsic_dim()
    }

    /// The map F with its left inverse and its Jacobian.
    pub fn map(&self) -> &Embedding {
        &self.map
    }

    /// The system inside.
    pub fn inner(&self) -> &Arc<dyn System> {
        &self.inner
    }
}

/// The ambient dimension and the number of curved directions.
fn size(settings: &Settings, intrinsic: usize) -> Result<(usize, usize)> {
    let ambient = if settings.has(DIM.key) { settings.count(DIM.key) } else { 2 * intrinsic };
    if ambient < intrinsic {
        let problem =
            format!("is {ambient}, but the system inside has {intrinsic} components; set at least {intrinsic}");
        return Err(settings.mistake(DIM.key, problem));
    }
    let (free, curved) = (ambient - intrinsic, settings.number(CURVATURE.key) > 0.0);
    if curved && free == 0 {
        let problem = format!("is above 0, but {ambient} dimensions leave none to bend into; raise `dim`");
        return Err(settings.mistake(CURVATURE.key, problem));
    }
    if settings.count(WAVES.key) > free {
        let problem = format!(
            "is {}, but {ambient} - {intrinsic} dimensions are left; set at most {free}",
            settings.count(WAVES.key)
        );
        return Err(settings.mistake(WAVES.key, problem));
    }
    let waves = match (curved, settings.has(WAVES.key)) {
        (false, _) => 0,
        (true, true) => settings.count(WAVES.key),
        (true, false) => intrinsic.min(free),
    };
    if ambient.saturating_mul(intrinsic + waves) > MAX_FRAME {
        let problem = format!(
            "gives a dense frame of {ambient} x {} numbers, but at most {MAX_FRAME} are held; take a smaller system or space",
            intrinsic + waves
        );
        return Err(settings.mistake(DIM.key, problem));
    }
    Ok((ambient, waves))
}

impl System for Embed {
    fn dim(&self) -> usize {
        self.map.ambient_dim()
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// The starts of the system inside, mapped, with noise.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let z = self.inner.initial(members, key);
        let x = self.map.apply(z.view());
        if self.noise > 0.0 { x + self.map.noise(self.noise, members, key) } else { x }
    }

    fn initial_is_stationary(&self) -> bool {
        self.inner.initial_is_stationary()
    }

    fn has_climate(&self) -> bool {
        self.inner.has_climate()
    }

    fn forecaster(self: Arc<Self>, stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        let inner = Arc::clone(&self.inner).forecaster(stepping)?;
        let constant_noise = Arc::clone(&self.inner).as_sde().is_some_and(|sde| sde.noise().is_constant());
        Ok(Box::new(Embedded::new(inner.into(), constant_noise, Arc::clone(&self.map), self.noise)?))
    }
}
