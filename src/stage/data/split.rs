//! Trajectories by the part that they play.

use std::path::PathBuf;

use ndarray::{Array3, Axis, concatenate};

use crate::failure::{Failure, FailureKind, Result};
use crate::store::digest::Digest;
use crate::store::netcdf::{SplitPart, TimeUnit, Wording};
use crate::systems::Geometry;

/// Trajectories for training, validation and test, `[case, time, component]` each.
#[derive(Clone, Debug)]
pub struct SplitTrajectories {
    /// For fitting.
    pub train: Array3<f64>,
    /// For choosing among fits.
    pub valid: Array3<f64>,
    /// For scoring forecasts.
    pub test: Array3<f64>,
    /// How components are laid out in space.
    pub geometry: Geometry,
    /// The lead step of the simulator at which they begin (the length of the spin-up): what a system that depends on time
    /// must know. 0 for a user's file.
    pub first_step: usize,
    /// The unit of the lead step: model time, or that of the file's times.
    pub unit: TimeUnit,
    /// The times of a user's file, where it has any.
    pub time: Option<Vec<f64>>,
    /// What a user's file calls what it holds.
    pub wording: Wording,
    /// The file that they are from; none of simulated ones.
    pub file: Option<PathBuf>,
}

impl SplitTrajectories {
    /// Cuts whole trajectories, `[case, time, component]`, to those of each part.
    ///
    /// # Errors
    /// When a part would be empty.
    pub fn cut(states: &Array3<f64>, split: &[SplitPart], geometry: Geometry, first_step: usize) -> Result<Self> {
        let cases = states.dim().0;
        let [train, valid, test] = SplitPart::ALL.map(|part| part.cases(split));
        if train.is_empty() || valid.is_empty() || test.is_empty() {
            return Err(Failure::new(
                FailureKind::Data,
                format!(
                    "there are {cases} trajectories, {} for training, {} for validation and {} for testing, which need \
                     one each",
                    train.len(),
                    valid.len(),
                    test.len()
                ),
            )
            .hint("give at least 3 trajectories; a long one can be cut into several"));
        }
        let [train, valid, test] = [train, valid, test].map(|cases| states.select(Axis(0), &cases));
        Ok(Self {
            train,
            valid,
            test,
            geometry,
            first_step,
            unit: TimeUnit::Model,
            time: None,
            wording: Wording::default(),
            file: None,
        })
    }

    /// All of them, in the order train, valid, test.
    pub fn joined(&self) -> Array3<f64> {
        concatenate(Axis(0), &[self.train.view(), self.valid.view(), self.test.view()]).unwrap_or_default()
    }

    /// The SHA-256 of what is learned from: shape and values of the training and of the validation part.
    pub fn training_digest(&self) -> String {
        let mut digest = Digest::default();
        for part in [&self.train, &self.valid] {
            let shape: Vec<u8> = part.shape().iter().flat_map(|&size| (size as u64).to_le_bytes()).collect();
            digest.part(&shape);
            digest.numbers(part.iter().map(|value| value.to_le_bytes()));
        }
        digest.hex()
    }

    /// The times of lead steps of length `dt` from the start of a trajectory: as the file says, or model time.
    pub fn times(&self, steps: impl Iterator<Item = usize>, dt: f64) -> Vec<f64> {
        let own = |step: usize| self.time.as_ref().and_then(|time| time.get(step)).copied();
        steps.map(|step| own(step).unwrap_or(step as f64 * dt)).collect()
    }

    /// The number of components.
    pub fn dim(&self) -> usize {
        self.train.dim().2
    }
}
