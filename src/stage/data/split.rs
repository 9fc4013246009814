//! Trajectories by the part that they play.

use std::path::PathBuf;

use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, Axis, concatenate, s};

use super::history::state_at;
use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::KnownParameters;
use crate::nn::data::Prefetch;
use crate::store::States;
use crate::store::digest::Digest;
use crate::store::netcdf::{CaseParameters, SplitPart, TimeUnit, Wording};
use crate::systems::{Forecaster, Geometry};

/// Trajectories for training, validation and test, `[case, time, component]` each.
#[derive(Clone, Debug)]
pub struct SplitTrajectories {
    /// For fitting.
    pub train: States,
    /// For choosing among fits.
    pub valid: States,
    /// For scoring forecasts.
    pub test: States,
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
    /// The parameters that the system drew for each of them, where it drew some and they are known.
    pub parameters: Option<SplitParameters>,
}

/// The parameters of each trajectory, `[case, parameter]` of each part.
#[derive(Clone, Debug)]
pub struct SplitParameters {
    /// Their names, in the order of the columns.
    pub names: Vec<String>,
    /// Of the training trajectories.
    pub train: Array2<f64>,
    /// Of the validation trajectories.
    pub valid: Array2<f64>,
    /// Of the test trajectories.
    pub test: Array2<f64>,
}

impl SplitParameters {
    /// Cuts those of all trajectories to those of each part.
    pub fn cut(CaseParameters { names, values }: CaseParameters, split: &[SplitPart]) -> Self {
        let [train, valid, test] = SplitPart::ALL.map(|part| values.select(Axis(0), &part.cases(split)));
        Self { names, train, valid, test }
    }

    /// The parameters of all trajectories, in the order train, valid, test.
    pub fn joined(&self) -> CaseParameters {
        let parts = [self.train.view(), self.valid.view(), self.test.view()];
        CaseParameters { names: self.names.clone(), values: concatenate(Axis(0), &parts).unwrap_or_default() }
    }

    /// What a forecaster may be conditioned on.
    pub fn known(&self) -> KnownParameters<'_> {
        KnownParameters { names: &self.names, train: self.train.view(), valid: self.valid.view() }
    }

    /// The parameters of one trajectory, in the order of these names.
    fn of(&self, values: ArrayView1<f64>, names: &[String]) -> Option<Array1<f64>> {
        names.iter().map(|name| self.names.iter().position(|known| known == name).map(|at| values[at])).collect()
    }
}

impl SplitTrajectories {
    /// Cuts whole trajectories, `[case, time, component]`, to those of each part.
    ///
    /// # Errors
    /// When a part would be empty.
    pub fn cut(states: &Array3<f64>, split: &[SplitPart], geometry: Geometry, first_step: usize) -> Result<Self> {
        let cut = parts(split)?.map(|cases| States::from(states.select(Axis(0), &cases)));
        Ok(Self::of(cut, geometry, first_step))
    }

    /// Of the states of each part, of which no more is known.
    pub fn of([train, valid, test]: [States; 3], geometry: Geometry, first_step: usize) -> Self {
        Self {
            train,
            valid,
            test,
            geometry,
            first_step,
            unit: TimeUnit::Model,
            time: None,
            wording: Wording::default(),
            file: None,
            parameters: None,
        }
    }

    /// Whether all that a forecaster is conditioned on is known of these trajectories.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] where it is not.
    pub fn knows(&self, law: &dyn Forecaster, label: &str) -> Result<()> {
        let known = |name: &&String| self.parameters.as_ref().is_some_and(|own| own.names.contains(name));
        let Some(missing) = law.parameters().iter().find(|name| !known(name)) else { return Ok(()) };
        let message = format!("`{label}` is conditioned on `{missing}`, which is not known of these trajectories");
        let hint = "simulate them with a system that draws it (perturb_parameters), or leave the forecaster out";
        Err(Failure::new(FailureKind::Usage, message).hint(hint))
    }

    /// The state at a time of a test trajectory as a forecaster takes it: with those before it, and with the parameters of that
    /// trajectory; NaN where these are not known.
    pub fn test_state(&self, law: &dyn Forecaster, case: usize, time: usize) -> Array1<f64> {
        let own = self.parameters.as_ref().and_then(|own| own.of(own.test.row(case), law.parameters()));
        given(law, self.test.view().index_axis(Axis(0), case), time, own)
    }

    /// The state at a time of a training trajectory as a forecaster takes it, as [`SplitTrajectories::test_state`].
    pub fn train_state(&self, law: &dyn Forecaster, case: usize, time: usize) -> Array1<f64> {
        let own = self.parameters.as_ref().and_then(|own| own.of(own.train.row(case), law.parameters()));
        given(law, self.train.view().index_axis(Axis(0), case), time, own)
    }

    /// The SHA-256 of what is learned from: shape and values of the training and of the validation part, and the parameters of
    /// their trajectories where they are known.
    pub fn training_digest(&self) -> String {
        let mut digest = Digest::default();
        for part in [&self.train, &self.valid] {
            let states = part.view();
            let shape: Vec<u8> = states.shape().iter().flat_map(|&size| (size as u64).to_le_bytes()).collect();
            digest.part(&shape);
            digest.numbers(states.iter().map(|value| value.to_le_bytes()));
        }
        if let Some(known) = &self.parameters {
            known.names.iter().for_each(|name| digest.part(name.as_bytes()));
            for part in [&known.train, &known.valid] {
                digest.numbers(part.iter().map(|value| value.to_le_bytes()));
            }
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

impl Prefetch for States {
    fn read_soon(&self, parts: &mut dyn Iterator<Item = &[f64]>) {
        Self::read_soon(self, parts);
    }

    fn read_at_random(&self, random: bool) {
        Self::read_at_random(self, random);
    }
}

/// Who holds trajectories, training states and others, where they are in a file.
pub fn held_by(train: &States) -> Option<&dyn Prefetch> {
    // all parts lie in one file
    train.is_on_disk().then_some(train as &dyn Prefetch)
}

/// The cases of each part, given the part of each case.
///
/// # Errors
/// When a part would be empty.
pub fn parts(split: &[SplitPart]) -> Result<[Vec<usize>; 3]> {
    let parts = SplitPart::ALL.map(|part| part.cases(split));
    if parts.iter().any(Vec::is_empty) {
        let ([train, valid, test], cases) = (parts.map(|cases| cases.len()), split.len());
        let message = format!(
            "there are {cases} trajectories, {train} for training, {valid} for validation and {test} for testing, which need \
             one each"
        );
        return Err(Failure::new(FailureKind::Data, message)
            .hint("give at least 3 trajectories; a long one can be cut into several"));
    }
    Ok(parts)
}

/// A state of a trajectory with those before it and with parameters behind.
fn given(law: &dyn Forecaster, trajectory: ArrayView2<f64>, time: usize, own: Option<Array1<f64>>) -> Array1<f64> {
    let mut state = Array1::from_elem(law.dim(), f64::NAN);
    let behind = law.dim() - law.parameters().len();
    state.slice_mut(s![..behind]).assign(&state_at(trajectory, time, law.history()));
    own.iter().for_each(|own| state.slice_mut(s![behind..]).assign(own));
    state
}
