//! What a generative forecaster draws, z, as a standardised value of one of three forms: with w = (x_{k+1} - x_k - a) / b
//! the increment, scaled by its mean and sd, z is
//!
//! - `increment`: w;
//! - `state`: (x_{k+1} - m) / s, with the mean and sd of states;
//! - `residual`: (w - f(x_k)) / r, with f a network that was trained for the mean of w by squared error (`regression`) in
//!   the same fit, before, and r the sd of what it leaves on pairs that it was not fitted to (Mardani et al. 2025, CorrDiff).

use candle_core::Tensor;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::denoiser::LearnedDenoiser;
use super::fitted::Parts;
use super::learned::{
    self, First, Learned, Task, Work, after, in_chunks, members, named, shared_steps, stacked, started, steps,
};
use super::stored::{misfit, reals, vector};
use super::{Cost, FitContext, FitSize, Result, Training};
use crate::model::{Checkpoints, Model};
use crate::nn::data::{Batch, Data, Scales};
use crate::nn::objective::{DENOISER_FIELDS, Draws, Fields, ObjectiveBuild, REGRESSION_FIELDS};
use crate::nn::{NeuralNetwork, OBJECTIVES, Objective, array};
use crate::systems::registry::find;
use crate::systems::{self, Affine, BoundDenoiser, Denoiser, Entry, MemoryUse, Param, ParamKind, Settings};

/// The form of models that do not name theirs.
const USUAL: &str = "increment";

const TARGET: Param = Param::choice(
    "target",
    USUAL,
    &[USUAL, "state", "residual"],
    "what is drawn: the increment, the next state, or what a network for the mean leaves of the increment",
);
pub(super) const MEAN_STEPS: Param = Param::unset(
    "mean_steps",
    ParamKind::COUNT,
    "of `steps`, those that train the mean which residuals are of; unset: half",
);

/// The settings of the form.
pub(super) const SETTINGS: [Param; 2] = [TARGET, MEAN_STEPS];

/// The name of the network for the mean in a stored model.
const MEAN: &str = "mean";

/// The stored array of r.
const RESIDUAL: &str = "residual.sd";

/// Pairs whose residuals are taken.
const RESIDUALS: usize = 16 * 1024;

/// The least variance of residuals, in units of that of increments: what single precision tells from none.
const SMALLEST: f64 = 1e-12;

/// The form of z, with what it is made of.
pub(super) enum Target {
    /// The increment.
    Increment,
    /// The next state.
    State,
    /// What a mean leaves of the increment.
    Residual {
        /// f.
        mean: Box<Learned>,
        /// r, `[component]`.
        sd: Array1<f64>,
    },
}

/// What a fit holds with these settings, where the forecaster's own network takes and gives `fields`.
pub(super) fn held(settings: &Settings, size: &FitSize, fields: Fields) -> Vec<MemoryUse> {
    let mut held = learned::held(settings, size, fields);
    if settings.text(TARGET.key) == "residual" {
        let of_mean = learned::held(settings, size, REGRESSION_FIELDS);
        held.extend(of_mean.into_iter().map(|held| MemoryUse { what: format!("the mean: {}", held.what), ..held }));
    }
    held
}

/// What a network for the denoiser of z costs that is evaluated so many times in a lead step, with that for the mean.
///
/// # Errors
/// When the settings contradict each other or the layout of a state.
pub(super) fn cost(settings: &Settings, size: &FitSize, evaluations: usize) -> Result<Cost> {
    let of = |fields, work| learned::cost(settings, size, fields, work);
    if settings.text(TARGET.key) != "residual" {
        return of(DENOISER_FIELDS, Work::of(settings, evaluations));
    }
    let (of_mean, rest) = shared_steps(settings, MEAN_STEPS)?;
    let mean = of(REGRESSION_FIELDS, Work { steps: of_mean, ..Work::of(settings, 1) })?;
    let rests = of(REGRESSION_FIELDS, Work { steps: rest, members: 0, beside: 1, evaluations: 0 })?;
    let own = of(DENOISER_FIELDS, Work { steps: rest, ..Work::of(settings, evaluations) })?;
    Ok(own.and(mean).and(Cost { parameters: 0, ..rests }))
}

/// A fit of a network for z.
pub(super) struct TargetFit<'a, 'c, 'd> {
    /// The settings of the forecaster.
    pub settings: &'a Settings,
    /// What it is made from.
    pub context: &'a FitContext<'c>,
    /// The scaled data.
    pub data: &'a Data<'d>,
    /// What the network is trained for.
    pub objective: &'static Entry<ObjectiveBuild>,
    /// Evaluations of the network in a lead step.
    pub evaluations: usize,
}

impl TargetFit<'_, '_, '_> {
    /// Trains the network for the form that the settings name, after the one for the mean where there is one.
    ///
    /// # Errors
    /// Those of the trainings.
    pub fn run(&self) -> Result<(Learned, Target, Training)> {
        match self.settings.text(TARGET.key) {
            "state" => {
                let (learned, training) = self.of(&Target::State)?;
                Ok((learned, Target::State, training))
            }
            "residual" => self.of_residual(),
            _ => {
                let Self { settings, context, data, objective, evaluations } = self;
                let (learned, training) = Learned::fit(settings, context, data, objective, *evaluations)?;
                Ok((learned, Target::Increment, training))
            }
        }
    }

    /// Trains the network for a form, with all steps.
    ///
    /// # Errors
    /// Those of the training.
    pub fn of(&self, target: &Target) -> Result<(Learned, Training)> {
        self.trained(target, [0, steps(self.settings)], self.context.checkpoints)
    }

    /// Trains the network for a form, with so many steps after so many.
    fn trained(
        &self,
        target: &Target,
        [before, steps]: [u64; 2],
        kept: Option<&dyn Checkpoints>,
    ) -> Result<(Learned, Training)> {
        let Self { settings, context, data, objective, evaluations } = self;
        let fields = (objective.build.fields)(settings, context.layout().1);
        let inner = (objective.build.make)(settings);
        let task = Task {
            objective: &Retargeted { inner: inner.as_ref(), target, scales: data.scales() },
            named: format!("{} of the {}", named(objective, settings), target.form()),
            fields,
            steps,
            before,
            key: context.key,
            start: started(context, fields)?,
            checkpoints: kept,
        };
        Learned::train(settings, context, data, &task, *evaluations)
    }

    fn of_residual(&self) -> Result<(Learned, Target, Training)> {
        let (of_mean, rest) = shared_steps(self.settings, MEAN_STEPS)?;
        let regression = find(OBJECTIVES, "objective", "regression")?;
        let made = (regression.build.make)(self.settings);
        let task = Task {
            objective: made.as_ref(),
            named: named(regression, self.settings),
            fields: REGRESSION_FIELDS,
            steps: of_mean,
            before: 0,
            key: self.context.key,
            start: None,
            checkpoints: None,
        };
        let first = First::fit(self.settings, self.context, self.data, task)?;
        let carried = first.carried(self.context);
        let before = first.training;
        let target = Target::residual(first.learned, self.data)?;
        let kept = carried.as_ref().map(|kept| kept as &dyn Checkpoints);
        let (learned, second) = self.trained(&target, [of_mean, rest], kept)?;
        let (parameters, evaluations) = (before.parameters + second.parameters, 1 + second.evaluations);
        Ok((learned, target, Training { parameters, evaluations, ..after(&before, MEAN, second) }))
    }
}

impl Target {
    /// Of the residuals that a network for the mean leaves.
    fn residual(mean: Learned, data: &Data) -> Result<Self> {
        let batch = data.withheld(RESIDUALS);
        let view = batch.states.view();
        let chunk = mean.network().chunk();
        let means = in_chunks(view.nrows(), chunk, |rows| Ok(mean_of(mean.network(), members(&view, rows))?))?;
        let residuals = &batch.increments - &stacked(&means, batch.increments.ncols());
        let squares = residuals.mapv(|r| r * r).sum_axis(Axis(0)) / residuals.nrows().max(1) as f64;
        // a network over one field has one scale of it, and components are told apart by their own otherwise
        let one = data.scales().increments.sd.iter().all(|sd| *sd == data.scales().increments.sd[0]);
        let squares =
            if one { Array1::from_elem(squares.len(), squares.sum() / squares.len() as f64) } else { squares };
        Ok(Self::Residual { mean: Box::new(mean), sd: squares.mapv(|v| v.max(SMALLEST).sqrt()) })
    }

    fn form(&self) -> &'static str {
        match self {
            Self::Increment => USUAL,
            Self::State => "state",
            Self::Residual { .. } => "residual",
        }
    }

    /// A batch whose increments are replaced by z.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn batch(&self, scales: &Scales, batch: Batch) -> crate::nn::Result<Batch> {
        let Batch { states, increments, later, pairs } = batch;
        let increments = match self {
            Self::Increment => increments,
            // x_{k+1} - m = s (scaled x_k) + a + b w
            Self::State => {
                let step = increments * &scales.increments.sd + &scales.increments.mean;
                &states.slice(s![.., ..step.ncols()]) + &(step / &scales.states.sd)
            }
            Self::Residual { mean, sd } => (increments - mean_of(mean.network(), states.view())?) / sd,
        };
        Ok(Batch { states, increments, later, pairs })
    }

    /// From z to x_{k+1}, of members `x`, `[member, component]`.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn to_state(&self, learned: &Learned, x: ArrayView2<f64>) -> Result<Affine> {
        let Scales { states, increments, .. } = learned.scales();
        let newest = learned.newest(x);
        let (offset, sd) = match self {
            Self::Increment => (&newest + &increments.mean, increments.sd.clone()),
            Self::State => (Array2::from_shape_fn(newest.dim(), |(_, c)| states.mean[c]), states.sd.clone()),
            Self::Residual { mean, sd } => {
                let scaled = learned.scaled(x);
                let view = scaled.view();
                let chunk = mean.network().chunk();
                let means = in_chunks(x.nrows(), chunk, |rows| Ok(mean_of(mean.network(), members(&view, rows))?))?;
                let offset = &newest + &increments.mean + stacked(&means, newest.ncols()) * &increments.sd;
                (offset, &increments.sd * sd)
            }
        };
        Ok(Affine { offset, scale: Array2::from_shape_fn(newest.dim(), |(_, c)| sd[c]) })
    }

    /// The denoiser of z given `x`, `[member, component]`, and the way from z to x_{k+1}.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn bind<'a>(&self, denoiser: &'a LearnedDenoiser, x: ArrayView2<f64>) -> Result<BoundDenoiser<'a>> {
        let learned = denoiser.learned();
        let bound = denoiser.bind(learned.scaled(x));
        Ok(BoundDenoiser { denoiser: Box::new(bound), to_state: self.to_state(learned, x)? })
    }

    /// Takes members through a lead step, whose z is what `draw` makes of their denoiser and their number.
    ///
    /// # Errors
    /// When Candle fails, and those of `draw`.
    pub fn step(
        &self,
        denoiser: &LearnedDenoiser,
        x: &mut Array2<f64>,
        draw: impl FnOnce(&dyn Denoiser, usize) -> systems::Result<Array2<f64>>,
    ) -> systems::Result<()> {
        let bound = self.bind(denoiser, x.view())?;
        let next = bound.to_state.apply(&draw(bound.denoiser.as_ref(), x.nrows())?);
        *x = denoiser.learned().shifted(x.view(), next);
        Ok(())
    }

    /// Puts it among the parts of a stored model.
    pub fn store(&self, parts: &mut Parts) {
        if let Self::Increment = self {
            return;
        }
        parts.config["forecaster"][TARGET.key] = self.form().into();
        if let Self::Residual { mean, sd } = self {
            mean.beside(parts, MEAN);
            parts.tensors.insert(RESIDUAL.to_owned(), reals(sd.to_vec()));
        }
    }

    /// From plain data; `learned` is the network for z.
    ///
    /// # Errors
    /// When it is incomplete or damaged.
    pub fn load(model: &Model, learned: &Learned) -> Result<Self> {
        match model.config["forecaster"][TARGET.key].as_str().unwrap_or(USUAL) {
            USUAL => Ok(Self::Increment),
            "state" => Ok(Self::State),
            "residual" => {
                let mean = learned.load_beside(model, MEAN, REGRESSION_FIELDS)?;
                let sd = vector(model, RESIDUAL, learned.components())?;
                match sd.iter().position(|sd| !(*sd > 0.0 && sd.is_finite())) {
                    Some(at) => {
                        Err(misfit(model, RESIDUAL, &format!("is {} for component {at}, but must be above 0", sd[at])))
                    }
                    None => Ok(Self::Residual { mean: Box::new(mean), sd }),
                }
            }
            other => Err(misfit(model, TARGET.key, &format!("is \"{other}\", which is none that is known"))),
        }
    }
}

/// f of scaled states, `[row, component]` each.
fn mean_of(network: &dyn NeuralNetwork, states: ArrayView2<f64>) -> crate::nn::Result<Array2<f64>> {
    let out = network.forward(&network.input(&[states])?, None)?;
    array::field(&out, 0)
}

/// An objective that sees z in the place of the increments.
struct Retargeted<'a> {
    inner: &'a dyn Objective,
    target: &'a Target,
    scales: &'a Scales,
}

impl Objective for Retargeted<'_> {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> crate::nn::Result<Tensor> {
        self.inner.loss(network, &self.target.batch(self.scales, batch.clone())?, draws)
    }

    fn draws(&self) -> bool {
        self.inner.draws()
    }
}
