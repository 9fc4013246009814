//! A mixture of low-rank Gaussians as a generator: every lead step is an independent draw of
//! x ~ sum_k pi_k N(m_k, U_k diag(l_k) U_k^T + tau^2 I), with its exact density and denoiser (see
//! [`crate::gaussian::LowRankMixture`] for the formulas).
//!
//! The subspaces U_k are drawn independently and uniformly from `subspace_seed`, and so are the directions of the means.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2};

use super::DefaultStepping;
use crate::error::Result;
use crate::gaussian::{LowRankGaussian, LowRankMixture};
use crate::geometry::Geometry;
use crate::key::{Key, Purpose, Stream};
use crate::law::{Affine, BoundDenoiser, ConditionalDenoiser, Forecaster};
use crate::noising::{Denoiser, Level};
use crate::registry::{Entry, Param, ParamKind, Settings};
use crate::stepping::Stepping;
use crate::subspace::{orthonormal, structure_key};
use crate::system::System;
use crate::transition::{ExactForecaster, ExactTransition, LogDensity};

const DIM: Param = Param::int("dim", 48, 1, "n, the ambient dimension").up_to(100_000);
const COMPONENTS: Param = Param::int("components", 2, 1, "K, the number of Gaussians").up_to(1000);
const INTRINSIC: Param = Param::int(
    "intrinsic",
    6,
    1,
    "d, the dimension of each subspace, with variance 1 along it; not used where `spectra` is set",
)
.up_to(100_000);
const SPECTRA: Param = Param::unset(
    "spectra",
    ParamKind::Rows,
    "variances along each subspace: one row, or one a component; zeros fill up the shorter ones",
);
const WEIGHTS: Param =
    Param::floats("weights", &[1.0], "the share of each component, in any unit: one number, or one a component");
const MEAN_NORM: Param =
    Param::at_least("mean_norm", 0.0, 0.0, "the distance of each component's mean from the origin");
const AMBIENT_NOISE: Param = Param::at_least(
    "ambient_noise",
    0.05,
    0.0,
    "tau, sd of the noise on each coordinate; without it there is no density",
);
const SUBSPACE_SEED: Param = Param::int(
    "subspace_seed",
    0,
    0,
    "the seed that subspaces and means are drawn from, whatever the experiment's own",
);

pub(super) const ENTRY: Entry<DefaultStepping> = Entry {
    name: "molrg",
    about: "independent draws of a mixture of low-rank Gaussians, with exact density and denoiser",
    reference: "Wang, Zhang, Zhang, Chen, Ma and Qu (2024), Diffusion models learn low-dimensional distributions via \
                subspace clustering, arXiv:2409.02426",
    params: &[DIM, COMPONENTS, INTRINSIC, SPECTRA, WEIGHTS, MEAN_NORM, AMBIENT_NOISE, SUBSPACE_SEED],
    build: DefaultStepping {
        make: |settings| Ok(Arc::new(Molrg::new(settings)?)),
        dt: 1.0,
        substeps: 1,
        integrator: "euler_maruyama",
        spin_up: 0,
    },
};

/// The step at which the means' directions stand in the structure's key, past those of the subspaces.
const MEANS: u64 = 1 << 32;

/// Independent draws of a mixture of low-rank Gaussians.
#[derive(Clone, Debug)]
pub struct Molrg {
    mixture: LowRankMixture,
    ambient_noise: f64,
}

impl Molrg {
    /// From checked settings, as in the catalogue.
    ///
    /// # Errors
    /// When a list has the wrong length, or a subspace more dimensions than the space.
    pub fn new(settings: &Settings) -> Result<Self> {
        let (n, components) = (settings.count(DIM.key), settings.count(COMPONENTS.key));
        let (spectra, weights) = (spectra(settings, components)?, weights(settings, components)?);
        let key = structure_key(settings.count(SUBSPACE_SEED.key) as u64);
        let part = |(k, (variances, weight)): (usize, (Vec<f64>, f64))| {
            let mean = key.at(MEANS + k as u64).normals(1, n).row(0).to_owned();
            let norm = mean.dot(&mean).sqrt();
            LowRankGaussian {
                weight,
                mean: mean * (settings.number(MEAN_NORM.key) / norm),
                basis: orthonormal(n, variances.len(), key.at(k as u64)),
                variances: variances.into(),
            }
        };
        let parts = spectra.into_iter().zip(weights).enumerate().map(part).collect();
        let ambient_noise = settings.number(AMBIENT_NOISE.key);
        Ok(Self { mixture: LowRankMixture::new(parts, ambient_noise)?, ambient_noise })
    }

    /// The law.
    pub fn mixture(&self) -> &LowRankMixture {
        &self.mixture
    }
}

/// The variances along each component's subspace, those above 0.
fn spectra(settings: &Settings, components: usize) -> Result<Vec<Vec<f64>>> {
    let (n, given) = (settings.count(DIM.key), settings.rows(SPECTRA.key));
    let unit = [vec![1.0; if settings.has(SPECTRA.key) { 0 } else { settings.count(INTRINSIC.key) }]];
    let (key, rows) = if settings.has(SPECTRA.key) { (SPECTRA.key, given) } else { (INTRINSIC.key, &unit[..]) };
    if rows.len() != 1 && rows.len() != components {
        let problem = format!("has {} rows for {components} components; give 1 or {components}", rows.len());
        return Err(settings.mistake(key, problem));
    }
    if let Some(negative) = rows.iter().flatten().find(|variance| **variance < 0.0) {
        return Err(settings.mistake(key, format!("contains {negative}, but a variance must be at least 0")));
    }
    let row = |k: usize| rows[k % rows.len()].iter().copied().filter(|variance| *variance > 0.0).collect::<Vec<_>>();
    match (0..components).map(row).map(|row| row.len()).find(|d| *d > n) {
        Some(d) => Err(settings.mistake(key, format!("gives a subspace of dimension {d} in the {n} of `dim`"))),
        None => Ok((0..components).map(row).collect()),
    }
}

/// The weight of each component.
fn weights(settings: &Settings, components: usize) -> Result<Vec<f64>> {
    let given = settings.floats(WEIGHTS.key);
    if let Some(bad) = given.iter().find(|weight| **weight <= 0.0) {
        return Err(settings.mistake(WEIGHTS.key, format!("contains {bad}, but a weight must be above 0")));
    }
    match given {
        [one] => Ok(vec![*one; components]),
        list if list.len() == components => Ok(list.to_vec()),
        list => {
            let problem = format!("has {} numbers for {components} components; give 1 or {components}", list.len());
            Err(settings.mistake(WEIGHTS.key, problem))
        }
    }
}

/// The law of a lead step, whatever the state. Its denoiser works on z = (x - m) / c, m its mean, with c^2 the mean variance of a
/// component: one scale for all of them keeps the noise of z isotropic in x.
struct MolrgTransition {
    mixture: LowRankMixture,
    standardized: Arc<LowRankMixture>,
    mean: Array1<f64>,
    scale: f64,
    has_density: bool,
}

impl MolrgTransition {
    fn new(Molrg { mixture, ambient_noise }: &Molrg) -> Self {
        let (mean, variance) = (mixture.mean(), mixture.mean_variance());
        let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        Self {
            mixture: mixture.clone(),
            standardized: Arc::new(mixture.standardized(&mean, scale)),
            mean,
            scale,
            has_density: *ambient_noise > 0.0,
        }
    }
}

impl ExactTransition for MolrgTransition {
    fn dim(&self) -> usize {
        self.mixture.dim()
    }

    fn draw(&self, x: &mut [f64], stream: &mut Stream) {
        self.mixture.draw(x, stream);
    }

    fn density(&self) -> Option<&dyn LogDensity> {
        self.has_density.then_some(self)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        Some(self)
    }
}

impl LogDensity for MolrgTransition {
    fn log_density(&self, _x: &[f64], next: &[f64]) -> f64 {
        let next = ArrayView2::from_shape((1, next.len()), next);
        next.map_or(f64::NAN, |next| self.mixture.log_density(next, Level::exploding(0.0))[0])
    }
}

impl ConditionalDenoiser for MolrgTransition {
    fn bind<'a>(&'a self, _k: usize, x: ArrayView2<'a, f64>) -> Result<BoundDenoiser<'a>> {
        let mut offset = Array2::zeros(x.dim());
        offset.assign(&self.mean);
        let to_state = Affine { offset, scale: Array2::from_elem(x.dim(), self.scale) };
        Ok(BoundDenoiser { denoiser: Box::new(Arc::clone(&self.standardized)), to_state })
    }
}

impl System for Molrg {
    fn dim(&self) -> usize {
        self.mixture.dim()
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    /// Draws of the law.
    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        let key = key.purpose(Purpose::InitialState);
        let mut out = Array2::zeros((members, self.mixture.dim()));
        for (member, mut row) in out.outer_iter_mut().enumerate() {
            if let Some(row) = row.as_slice_mut() {
                self.mixture.draw(row, &mut key.stream(member as u64));
            }
        }
        out
    }

    fn initial_is_stationary(&self) -> bool {
        true
    }

    /// Independent draws, whatever the stepping.
    fn forecaster(self: Arc<Self>, stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        stepping.check()?;
        Ok(Box::new(ExactForecaster::new(MolrgTransition::new(&self))))
    }
}
