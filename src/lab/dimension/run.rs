//! The command: data or a model in, every estimator asked, and told.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Array3, ArrayView3, s};

use super::ESTIMATORS;
use super::estimate::{Dimension, Estimator, Of};
use super::findings::Found;
use super::law::Law;
use super::noise_floor::NoiseFloor;
use super::pieces::pieces;
use super::rendered::{self, Rendered};
use super::sampled::{Sampled, Sampling};
use super::training_sizes::Size;
use crate::failure::{Failure, FailureKind, Result};
use crate::forecast::Fitted;
use crate::nn::windows::evenly;
use crate::progress::Progress;
use crate::spec::{DataSource, Plan};
use crate::stage::{Finished, Options, claim_folder, go_on, read_model, rebuild, simulated};
use crate::store;
use crate::systems::system::complete;
use crate::systems::{Domain, Entry, Forecaster, Key};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// How points are taken of the data.
    pub sampling: Sampling,
    /// Whether low-rank pieces are looked for.
    pub pieces: bool,
}

/// Points of a law at which a denoiser is asked, and components up to which its Jacobian is taken whole.
const LAW_POINTS: usize = 24;
const LAW_COMPONENTS: usize = 512;

/// The fewest points that anything can be said of.
const FEWEST: usize = 50;

/// Estimates the dimension of the plan's trajectories, simulated or of a file, and of the law of the model in a file, or of the
/// system where its denoiser is known. With `--out` a folder is written: `dimension.json`, `dimension.svg` and its data as
/// `dimension.csv`.
///
/// # Errors
/// When the output exists, trajectories or model cannot be had or do not fit, or there are too few points.
pub fn run(
    plan: &Plan,
    model: Option<&Path>,
    asked: &Asked,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Finished> {
    let _place = claim_folder(options)?;
    let fitted = model.map(loaded).transpose()?;
    let states = states(plan, options, progress)?;
    if let (Some(path), Some(fitted)) = (model, &fitted) {
        check_components(path, fitted, states.dim().2)?;
    }
    let key = Key::new(plan.seed, Domain::Score);
    let sampled = Sampled::of(states.view(), &asked.sampling, key);
    if sampled.cloud.len() < FEWEST || sampled.cloud.components() == 0 {
        return Err(too_few(&sampled));
    }
    options
        .check_memory("the points with their neighbours", &[4, sampled.cloud.len(), sampled.cloud.components() + 64])?;
    let exact = match (&fitted, &plan.system) {
        (None, Some(system)) => Some(Arc::clone(complete(&system.system)).forecaster(&plan.data.stepping)?),
        _ => None,
    };
    let forecaster = fitted.as_ref().map(|fitted| fitted.as_forecaster()).or(exact.as_deref());
    let pairs = forecaster.filter(|found| asks(*found)).map(|found| (found, pairs(states.view(), found.history())));
    let law = match &pairs {
        Some((found, (now, next))) if now.nrows() > 1 => {
            let denoiser = found.denoiser().map(|denoiser| denoiser.bind(0, now.view()));
            denoiser.transpose()?.map(|bound| Law::new(bound, next.view(), key))
        }
        _ => None,
    };
    let estimates = estimates(&sampled, law.as_ref(), progress)?;
    let floor = NoiseFloor::of(&sampled.cloud);
    go_on(progress, "estimating the dimension")?;
    let pieces = match asked.pieces {
        true => pieces(&sampled.cloud).map_err(|error| Failure::new(FailureKind::Numerical, error.to_string()))?,
        false => None,
    };
    progress.finish();
    let (points, components) = (sampled.cloud.len(), sampled.cloud.components());
    let found = Found { estimates: &estimates, floor: Some(&floor), pieces: pieces.as_ref(), points, components };
    let sizes = found.dimension().map(|dimension| {
        let several = pieces.as_ref().filter(|found| !found.is_at_the_most()).map_or(1, |found| found.pieces.len());
        let (flat, is_noisy) = (found.flat(), floor.scale.is_some());
        Size { components: states.dim().2, dimension, flat, pieces: several, is_noisy }.ranges()
    });
    let of = Rendered {
        name: &plan.name,
        model,
        sampled: &sampled,
        scale: asked.sampling.scale,
        estimates: &estimates,
        floor: &floor,
        pieces: pieces.as_ref(),
        dimension: found.dimension(),
        sentences: found.sentences(),
        sizes: sizes.unwrap_or_default(),
    };
    finished(&of, options)
}

fn finished(of: &Rendered, options: &Options) -> Result<Finished> {
    let (mut result, mut text) = (rendered::object(of), rendered::text(of));
    if let Some(out) = &options.out {
        let panels = rendered::panels(of);
        let written = [
            ("dimension.json", format!("{result:#}\n")),
            ("dimension.svg", crate::report::panels_svg(&format!("Dimension of {}", of.name), &panels)),
            ("dimension.csv", crate::report::panels_csv(&panels)),
        ];
        for (name, content) in written {
            store::write_atomic(&out.join(name), content.as_bytes())?;
        }
        text.push_str(&format!("\nfigure: {}\n", out.join("dimension.svg").display()));
        result["folder"] = out.display().to_string().into();
    }
    Ok(Finished { result, text })
}

/// A stored model with a denoiser.
fn loaded(path: &Path) -> Result<Fitted> {
    let fitted = rebuild(path, &read_model(path)?)?;
    let refused = |message: String, hint: &str| {
        Err(Failure::new(FailureKind::Usage, message).at(path.display().to_string()).hint(hint))
    };
    if fitted.denoiser().is_none() {
        let message =
            format!("a `{}` forecaster has no denoiser, which the dimension of a model is read from", fitted.kind());
        return refused(
            message,
            "name a model of `diffusion`, `flow_matching`, `interpolant`, `molrg`, ... or its data alone",
        );
    }
    if !fitted.parameters().is_empty() {
        let message =
            format!("this `{}` forecaster is given parameters, of which its data have no one value", fitted.kind());
        return refused(message, "name a model without parameters, or the data alone");
    }
    if fitted.components() > LAW_COMPONENTS {
        let message = format!(
            "the model has {} components, but Jacobians are taken whole up to {LAW_COMPONENTS}",
            fitted.components()
        );
        return refused(message, "name the data alone");
    }
    Ok(fitted)
}

fn check_components(path: &Path, fitted: &Fitted, dim: usize) -> Result<()> {
    if fitted.components() == dim {
        return Ok(());
    }
    let message = format!("the model forecasts {} components, but the data have {dim}", fitted.components());
    Err(Failure::new(FailureKind::Data, message).at(path.display().to_string()).hint("give --data of the same states"))
}

/// Whether a forecaster's denoiser can be asked.
fn asks(forecaster: &dyn Forecaster) -> bool {
    forecaster.denoiser().is_some() && forecaster.parameters().is_empty() && forecaster.components() <= LAW_COMPONENTS
}

fn too_few(sampled: &Sampled) -> Failure {
    let message = format!(
        "{} different states of {} varying components are too few to have a dimension; at least {FEWEST} states of 1 are needed",
        sampled.cloud.len(),
        sampled.cloud.components()
    );
    Failure::new(FailureKind::Data, message).hint("give more trajectories, or raise --points")
}

/// Trajectories `[case, time, component]`.
fn states(plan: &Plan, options: &Options, progress: &dyn Progress) -> Result<Array3<f64>> {
    match &plan.data.source {
        DataSource::File(path) => {
            Ok(store::read_trajectories(path, plan.data.variable.as_deref(), &options.limits())?.values)
        }
        DataSource::Simulated { trajectories, steps, spin_up } => {
            simulated(plan, *trajectories, *steps, *spin_up, options, progress)
        }
    }
}

/// Some states with those before them as a forecaster takes them, newest first, and the states that follow, `[point, component]`.
fn pairs(states: ArrayView3<f64>, history: usize) -> (Array2<f64>, Array2<f64>) {
    let (cases, times, dim) = states.dim();
    let each = times.saturating_sub(history);
    let count = LAW_POINTS.min(cases * each);
    let (mut now, mut next) = (Array2::zeros((count, history * dim)), Array2::zeros((count, dim)));
    for (row, pair) in evenly(cases * each, count).enumerate() {
        let (case, newest) = (pair / each, pair % each + history - 1);
        for lag in 0..history {
            now.slice_mut(s![row, lag * dim..(lag + 1) * dim]).assign(&states.slice(s![case, newest - lag, ..]));
        }
        next.row_mut(row).assign(&states.slice(s![case, newest + 1, ..]));
    }
    (now, next)
}

/// What an estimator gave; none where it has no answer, or there is nothing to ask it of.
pub type Answer = (&'static Entry<Estimator>, Option<Dimension>);

fn estimates(sampled: &Sampled, law: Option<&Law>, progress: &dyn Progress) -> Result<Vec<Answer>> {
    progress.start("estimators", ESTIMATORS.len() as u64);
    let mut found = Vec::new();
    for (index, entry) in ESTIMATORS.iter().enumerate() {
        go_on(progress, "estimating the dimension")?;
        progress.at(index as u64, entry.name);
        let dimension = match (entry.build.of, law) {
            (Of::Set(estimate) | Of::Flat(estimate), _) => estimate(&sampled.cloud),
            (Of::Law(estimate), Some(law)) => estimate(law)?,
            (Of::Law(_), None) => continue,
        };
        found.push((entry, dimension));
    }
    Ok(found)
}
