//! Whether a method can use its forecaster and its operator, as far as that can be known before anything is fitted.

use ndarray::{Array1, Array2};

use super::Context;
use super::assimilate::Row;
use super::observe::Network;
use crate::assimilation::{self, METHODS, Prior, Seen};
use crate::spec::plan::{AssimilatePlan, ForecasterPlan};
use crate::systems::gaussian::LinearForecaster;
use crate::systems::registry::find;
use crate::systems::{Domain, Forecaster, Key, LinearGaussian};

/// Kinds that never offer a denoiser nor a linear-Gaussian law. What other kinds offer shows once they are fitted.
const SAMPLES_ONLY: &[&str] = &["persistence", "climatology", "analog"];

pub(super) fn check(
    cx: &Context,
    row: &Row,
    declared: &[ForecasterPlan],
    perfect: Option<&dyn Forecaster>,
    networks: &[Network],
    dim: Option<usize>,
) {
    let plan = &row.plan;
    let wrong = |what: String| cx.mistakes.add(row.place, format!("{}.method", row.key), what);
    let label = plan.forecaster.as_str();
    let kind = declared.iter().find(|known| known.label == label).map_or(label, |known| known.kind.as_str());
    let needs = Needs::of(&plan.method);
    if let Some(lack) = needs.lack(kind, perfect) {
        wrong(format!("`{}` needs {lack}, which `{label}` does not offer; {}", plan.method, needs.remedy()));
    }
    let network = networks.iter().find(|network| network.plan.name == plan.observe);
    if let Some(network) = network.filter(|network| network.plan.noise != "gaussian")
        && let Some(refusal) = refusal(plan, network)
    {
        wrong(refusal);
        return;
    }
    let operator = network.and_then(|network| network.operator.as_ref());
    if let (true, Some(operator), Some(_)) = (needs == Needs::LinearGaussian, operator, dim)
        && operator.matrix().is_none()
    {
        let name = network.map_or("", |network| network.plan.operator.as_str());
        wrong(format!(
            "`{}` needs a linear operator, but `{name}` is not; take etkf, or another operator",
            plan.method
        ));
    }
}

/// The largest state on which a method is tried out before the experiment is run.
const TRIED: usize = 200;

/// What a method has to say against the law of a network's errors: it is tried out on a random walk, which offers all
/// that a forecaster can.
fn refusal(plan: &AssimilatePlan, network: &Network) -> Option<String> {
    let operator = network.operator.as_deref().filter(|operator| operator.state_dim() <= TRIED)?;
    let dim = operator.state_dim();
    let law = LinearGaussian { matrix: Array2::eye(dim), offset: Array1::zeros(dim), covariance: Array2::eye(dim) };
    let model = LinearForecaster::new(law).ok()?;
    let entry = find(METHODS, "method", &plan.method).ok()?;
    let mut filter = (entry.build)(&plan.settings).ok()?;
    let key = Key::new(0, Domain::Method);
    filter.start(&Prior::Gaussian { mean: Array1::ones(dim), covariance: Array2::eye(dim) }, 0, key).ok()?;
    let predicted = operator.apply(0.0, Array2::ones((1, dim)).view());
    let values = operator.error().observe(predicted.view(), key);
    let seen = Seen { step: 1, time: 0.0, values: values.row(0), operator };
    match filter.step(&model, &seen, key) {
        Err(error @ assimilation::Error::Unsupported(_)) => Some(error.to_string()),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    LinearGaussian,
    Denoiser,
}

impl Needs {
    fn of(method: &str) -> Self {
        match method {
            "kalman" => Self::LinearGaussian,
            "guided" => Self::Denoiser,
            _ => Self::Nothing,
        }
    }

    /// What is missing, if that is known.
    fn lack(self, kind: &str, perfect: Option<&dyn Forecaster>) -> Option<&'static str> {
        let sampler = SAMPLES_ONLY.contains(&kind);
        let offered = match (self, kind, perfect) {
            (Self::Nothing, _, _) => true,
            (_, "perfect", None) => true,
            (Self::LinearGaussian, "perfect", Some(perfect)) => perfect.linear_gaussian().is_some(),
            (Self::Denoiser, "perfect", Some(perfect)) => perfect.denoiser().is_some(),
            (Self::LinearGaussian, "gaussian" | "diffusion", _) => false,
            _ => !sampler,
        };
        match (offered, self) {
            (false, Self::LinearGaussian) => Some("a linear-Gaussian forecaster"),
            (false, Self::Denoiser) => Some("a forecaster with a denoiser"),
            _ => None,
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::Denoiser => {
                "take diffusion, gaussian or linear, or the true system with additive noise and one integration step a lead step"
            }
            _ => "take the system `ou`, the forecaster `linear`, or the method etkf",
        }
    }
}
