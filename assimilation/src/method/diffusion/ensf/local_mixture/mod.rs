//! `score = "local_mixture"`: the forecast is a mixture of N localized Gaussian kernels, weighed at each component by the
//! observations near it, and every member is a draw of its kernel's posterior under the exact likelihood.
//!
//! With m and P the mean and the covariance of the members, P times the taper of `radius`, and b the `bandwidth`: kernels
//! N(c_i, K), c_i = m + sqrt(1 - b) (x_i - m), K = b P, which together have the mean and the covariance of the members
//! (West 1993). At component l, with rho_lj the taper of `weight_radius`,
//! log w_i = sum_j rho_lj log int p(y_j | x) N(x; c_i, K) dx,
//! and each member takes the centre of an ancestor there; one uniform serves all components, and a kernel that is taken keeps its
//! own place, as in the [`local particle filter`](crate::method::LocalParticleFilter). So each member has a centre c, made of pieces
//! of kernels, and is drawn from N(c, K) times the likelihood of all values. It starts where the quantile-conserving filter puts
//! it, and is then moved by `sampler`: `gibbs`, sweeps of elliptical slices a component ([`gibbs`]), or `langevin`, a reverse
//! diffusion by the exact denoiser of the kernel with Langevin steps after it ([`langevin`]).
//!
//! Unset, `bandwidth`, `radius` and `weight_radius` are those that did best on Lorenz-96 seen through |x| at 40, 100 and 400
//! members; where values have no places nothing is localized. It holds matrices of n^2 for a state of n components, whose factors cost n^3.

mod defaults;
mod gibbs;
mod kernels;
mod langevin;
mod marginal;
mod posterior;
mod weights;

use ndarray::Array2;
use scorecast_systems::{Entry, Key, Param, ParamKind, Purpose, Settings};

use self::gibbs::Gibbs;
use self::kernels::Kernels;
use self::langevin::Langevin;
use self::posterior::Likelihood;
use super::score::Score;
use crate::ensemble::all_finite;
use crate::error::Result;
use crate::guard::can_update;
use crate::localize::{LOCALIZATION, Localization};
use crate::method::around::inflation::{INFLATION, Inflation};
use crate::method::diffusion::counts;
use crate::method::ensemble::qceff::{MarginalPrior, QcEff, Readings};
use crate::method::memory;
use crate::method::shared::join;
use crate::method::variational::schur;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::{Analysis, Cycle, require_members};

const BANDWIDTH: Param = Param::unset(
    "bandwidth",
    ParamKind::real(f64::MIN_POSITIVE, 1.0),
    "share b of the variance that a kernel has; unset is one for the number of members, .2 at 400",
);

const WEIGHT_RADIUS: Param = Param::unset(
    "weight_radius",
    ParamKind::POSITIVE,
    "`radius` of the weights of the kernels; unset is one for the number of members, 2.5 at 400",
);

const SAMPLER: Param = Param::choice(
    "sampler",
    "gibbs",
    &["gibbs", "langevin"],
    "how a member is drawn from its kernel's posterior: slices a component, or (values of one component) a reverse diffusion",
);

const SWEEPS: Param = counts::repeats("sweeps", 16, 1, "sweeps over the components, or Langevin steps");

/// The settings of this score alone, beside those of the localization.
pub(super) const OWN: [Param; 4] = [BANDWIDTH, WEIGHT_RADIUS, SAMPLER, SWEEPS];

pub(super) const LOCAL_MIXTURE: Entry<Score> = Entry {
    name: "local_mixture",
    about: "a mixture of localized Gaussian kernels, weighed locally, each member drawn under the exact likelihood",
    reference: "West 1993; Murray, Adams and MacKay 2010",
    params: &join::<{ OWN.len() + LOCALIZATION.len() }>(&[&OWN, LOCALIZATION]),
    build: Score { make, memory: memory::of_mixture, caveat: None },
};

fn make(settings: &Settings) -> Result<Box<dyn Cycle>> {
    // its radius follows the number of members
    let usual = Localization::usual(settings, 1.0)?;
    schur::require_correlation(usual)?;
    let filter = LocalMixture {
        inflation: Inflation::factor(settings.number(INFLATION.key)),
        bandwidth: settings.optional_number(BANDWIDTH.key),
        localization: Localization::from_settings(settings)?,
        weights: Localization::from_radius(settings, &WEIGHT_RADIUS)?,
        usual,
        sampler: KernelSampler::named(settings.text(SAMPLER.key)),
        sweeps: settings.count(SWEEPS.key),
    };
    crate::method::around::cycle(filter, settings)
}

/// How a member is drawn from the posterior of its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelSampler {
    /// Sweeps of elliptical slices a component.
    Gibbs,
    /// A reverse diffusion, and Langevin steps after it; where values read several components, sweeps.
    Langevin,
}

impl KernelSampler {
    /// The sampler of a word of the setting `sampler`.
    pub fn named(word: &str) -> Self {
        if word == "langevin" { Self::Langevin } else { Self::Gibbs }
    }
}

/// The filter of local kernels.
#[derive(Clone, Debug)]
pub struct LocalMixture {
    /// What is done to the analysis ensemble.
    pub inflation: Inflation,
    /// The share b of the variance that a kernel has, above 0 and at most 1; none is one for the number of members.
    pub bandwidth: Option<f64>,
    /// How the covariance is localized; none is a radius for the number of members where values have places.
    pub localization: Option<Localization>,
    /// How the weights are localized; none is a radius for the number of members where values have places.
    pub weights: Option<Localization>,
    /// What is taken, with another radius, where one of these is not set; none where components have no distances.
    pub usual: Option<Localization>,
    /// How members are drawn.
    pub sampler: KernelSampler,
    /// Sweeps over the components, or Langevin steps.
    pub sweeps: usize,
}

/// What is used where nothing is set.
struct Used {
    bandwidth: f64,
    covariance: Option<Localization>,
    weights: Option<Localization>,
}

impl LocalMixture {
    /// The settings for so many members: those that are set, and others where values have places on a grid.
    fn used(&self, members: usize, observed: &ObservationSet) -> Used {
        let operator = observed.operator;
        let placed = operator.unplaced() == 0 && operator.location().is_some();
        let usual = |radius: f64| self.usual.filter(|_| placed).map(|usual| Localization { radius, ..usual });
        let covariance = self.localization.or_else(|| usual(defaults::radius(members)));
        Used {
            bandwidth: self.bandwidth.unwrap_or_else(|| defaults::bandwidth(members)),
            covariance: covariance.filter(|local| local.radius.is_finite()),
            weights: self.weights.or_else(|| usual(defaults::weight_radius(members))),
        }
    }
}

impl Analysis for LocalMixture {
    fn name(&self) -> &'static str {
        "ensf"
    }

    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        require_members(forecast.nrows())?;
        observed.check(forecast.ncols())?;
        let used = self.used(forecast.nrows(), observed);
        let order: Vec<usize> = (0..observed.present().len()).collect();
        let readings = Readings::new(observed, forecast.view(), &order)?;
        let near = used.weights.map(|local| local.neighbours(observed.operator, readings.index())).transpose()?;
        let taper = schur::taper(used.covariance, "ensf", observed)?;
        if !can_update(&forecast, observed) || !all_finite(readings.predicted()) {
            return Ok(Outcome::unchanged(forecast));
        }
        let kernels = Kernels::new(forecast.view(), used.bandwidth, taper.as_ref())?;
        let marginal = marginal::of_kernels(&readings, &kernels);
        let here = key.at(observed.step as u64);
        let (centres, ess) = weights::pieces(&kernels, &marginal, near.as_ref(), here.purpose(Purpose::Resampling));
        let likelihood = Likelihood::new(&readings, observed);
        let mut start = QcEff {
            inflation: Inflation::default(),
            localization: used.covariance,
            prior: MarginalPrior::Kernel,
            bounds: Default::default(),
        };
        let mut ensemble = start.update(forecast.clone(), observed, key)?.ensemble;
        let draws = here.purpose(Purpose::Sampler);
        if self.sampler == KernelSampler::Langevin && !likelihood.is_joint() {
            Langevin::new(&kernels, &readings, self.sweeps)?.draw(&mut ensemble, &centres, &likelihood, draws);
        } else {
            Gibbs::new(&kernels, self.sweeps).draw(&mut ensemble, &centres, &likelihood, draws);
        }
        let mut outcome = self.inflation.finish(forecast, ensemble, observed, key);
        outcome.diagnostics.extend(ess);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::s;
    use scorecast_systems::Domain;

    use super::*;
    use crate::observe::{Absolute, GaussianError, NoiseLaw, Pointwise, Stride};

    /// No step of a sampler is as long as the other members say.
    #[test]
    fn a_member_is_drawn_as_if_the_others_were_not_there() {
        let law = |dim| Ok(Box::new(GaussianError::new(&[0.4], dim)?) as Box<dyn NoiseLaw>);
        let operator = Pointwise::new(Absolute, Stride::new(6, 2, 0, &law).unwrap());
        let values = ndarray::array![0.3, 1.2, 0.9];
        let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
        let x = Key::new(1, Domain::Score).normals(9, 6);
        let readings = Readings::new(&observed, x.view(), &[0, 1, 2]).unwrap();
        let (kernels, likelihood) = (Kernels::new(x.view(), 0.5, None).unwrap(), Likelihood::new(&readings, &observed));
        let langevin = Langevin::new(&kernels, &readings, 5).unwrap();
        let draw = |start: &Array2<f64>, centres: &Array2<f64>| {
            let (mut by_slices, mut by_steps) = (start.clone(), start.clone());
            let key = Key::new(2, Domain::Method);
            Gibbs::new(&kernels, 5).draw(&mut by_slices, centres, &likelihood, key);
            langevin.draw(&mut by_steps, centres, &likelihood, key);
            [by_slices, by_steps]
        };
        let (mut other_start, mut other_centres) = (&x * 7.0, &kernels.centres * -3.0);
        other_start.row_mut(4).assign(&x.row(4));
        other_centres.row_mut(4).assign(&kernels.centres.row(4));
        for (one, other) in draw(&x, &kernels.centres).iter().zip(&draw(&other_start, &other_centres)) {
            assert_eq!(one.row(4), other.row(4));
            assert!(one.slice(s![..4, ..]) != other.slice(s![..4, ..]));
        }
    }
}
