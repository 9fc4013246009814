//! Members stepped each by its own system.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use super::PerturbParameters;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::law::{Differentiable, Forecaster};
use crate::stepping::Stepping;

/// Ensembles whose forecasters are kept: truths and filters of a few replicates take turns.
const KEPT: usize = 8;

/// The forecaster of a system whose members differ in their parameters.
///
/// Member i draws at every lead step what it would draw in an ensemble of the system with its parameters alone.
pub struct Perturbed {
    system: Arc<PerturbParameters>,
    stepping: Stepping,
    nominal: Box<dyn Forecaster>,
    kept: Mutex<Vec<Ensemble>>,
}

/// The forecasters of the members of one ensemble, by the rows that share one.
#[derive(Clone)]
struct Ensemble {
    key: Key,
    members: usize,
    parts: Arc<Vec<SameParameters>>,
}

/// Rows with the same parameters, and their forecaster.
struct SameParameters {
    rows: std::ops::Range<usize>,
    forecaster: Box<dyn Forecaster>,
}

impl Perturbed {
    /// Of that system.
    ///
    /// # Errors
    /// When the stepping does not fit the system inside.
    pub fn new(system: Arc<PerturbParameters>, stepping: &Stepping) -> Result<Self> {
        let nominal = Arc::clone(&system.nominal).forecaster(stepping)?;
        Ok(Self { system, stepping: stepping.clone(), nominal, kept: Mutex::new(Vec::new()) })
    }

    /// The forecasters of `members` under `key`: those kept, or built anew.
    fn parts(&self, members: usize, key: Key) -> Result<Arc<Vec<SameParameters>>> {
        let address = self.system.family(key).members_from(key.first_member());
        let found = |kept: &Vec<Ensemble>| {
            kept.iter()
                .find(|known| known.key == address && known.members == members)
                .map(|known| Arc::clone(&known.parts))
        };
        if let Some(parts) = found(&self.kept.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(parts);
        }
        let part = |(draw, rows)| {
            let (_, system) = self.system.draw(draw, self.system.family(key))?;
            Ok(SameParameters { rows, forecaster: system.forecaster(&self.stepping)? })
        };
        let parts = self.system.groups(members, key).into_par_iter().map(part).collect::<Result<Vec<_>>>()?;
        let parts = Arc::new(parts);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.insert(0, Ensemble { key: address, members, parts: Arc::clone(&parts) });
        Ok(parts)
    }
}

impl Forecaster for Perturbed {
    fn dim(&self) -> usize {
        self.nominal.dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        assert_eq!(x.ncols(), self.dim(), "states of {} components for a system of {}", x.ncols(), self.dim());
        let parts = self.parts(x.nrows(), key)?;
        let advanced = parts.par_iter().map(|SameParameters { rows, forecaster }| {
            let mut own = x.slice(s![rows.clone(), ..]).to_owned();
            forecaster.advance(k, steps, &mut own, key.members_from(rows.start as u64))?;
            Ok(own)
        });
        let advanced = advanced.collect::<Result<Vec<_>>>()?;
        for (part, own) in parts.iter().zip(&advanced) {
            x.slice_mut(s![part.rows.clone(), ..]).assign(own);
        }
        Ok(())
    }

    fn autonomous(&self) -> bool {
        self.nominal.autonomous()
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        self.nominal.differentiable().map(|_| self as &dyn Differentiable)
    }
}

impl Differentiable for Perturbed {
    fn tangent(
        &self,
        k: usize,
        x: ArrayView2<f64>,
        dx: ArrayView2<f64>,
        key: Key,
    ) -> Result<(Array2<f64>, Array2<f64>)> {
        let parts = self.parts(x.nrows(), key)?;
        let (mut next, mut tangent) = (Array2::zeros(x.dim()), Array2::zeros(x.dim()));
        for SameParameters { rows, forecaster } in parts.iter() {
            let Some(inner) = forecaster.differentiable() else {
                return Err(Error::Unsupported("the derivative of the system inside is not known".into()));
            };
            let part = s![rows.clone(), ..];
            let key = key.members_from(rows.start as u64);
            let (to, vector) = inner.tangent(k, x.slice(part), dx.slice(part), key)?;
            next.slice_mut(part).assign(&to);
            tangent.slice_mut(part).assign(&vector);
        }
        Ok((next, tangent))
    }
}
