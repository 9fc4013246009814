//! Langevin correctors (Song et al. 2021): after each step of a sampler, steps that leave the law at that noise level as it is.
//!
//! x <- x + tau (alpha D - x) + sqrt(2 tau) sigma xi: a step of tau sigma^2 along the score (alpha D - x) / sigma^2 of the guided
//! law, whose noise scale is that of the level and of no member. (A step from the norm of the score of all members would make what
//! one member draws depend on the others.) It is stable up to tau = 1, since the score falls by at most 1 / sigma^2. Far from the
//! data, where D is alike everywhere, what it keeps has a variance 1 / (1 - tau / 2) times too large: at tau = .25, which is
//! published, an sd of 1.07, at .1 one of 1.026, and less the less noise is left.
//!
//! Where little noise is left such a step is as small as the narrowest direction may ask for, and directions that are wide hardly
//! move. Preconditioned ([`Metric::Spread`]), each component has the variance M that it has in the guided law at that level,
//! M = sigma^2 / (1 - alpha J) with J the diagonal of dD/dx (for a Gaussian (K^-1 + H^T R^-1 H)^-1 + sigma^2 where components are
//! independent), and the step is x <- x + (1 - e^-tau) M / sigma^2 (alpha D - x) + sqrt((1 - e^-2tau) M) xi, which keeps N(., M) as
//! it is, whatever tau. J is asked for by differences of D about the member's own first D, so that M does not depend on x, as a
//! step that leaves the law alone must have it. M is at most sigma^2 + alpha^2, that of data of unit variance.

use ndarray::Array2;
use scorecast_systems::noising::{Evaluation, Observer, Step};
use scorecast_systems::{Denoiser, Key, Level, Param, Purpose, Result, Settings, Stream};

use crate::method::diffusion::counts;
use crate::method::shared::changed;

/// How many follow each step.
pub(super) const CORRECTORS: Param =
    counts::repeats("correctors", 0, 0, "Langevin steps after each step of the sampler");
const CORRECTOR_STEP: Param =
    Param::share("corrector_step", 0.1, "length of a Langevin step, in variances of the noise level");

const CORRECTOR_METRIC: Param = Param::choice(
    "corrector_metric",
    "level",
    &["level", "spread"],
    "what `corrector_step` is in variances of: the noise level, or each component's own at that level, for components of very \
     different spread",
);
const CORRECTOR_PROBES: Param = counts::repeats(
    "corrector_probes",
    8,
    1,
    "evaluations a level for `corrector_metric = \"spread\"`; components this far apart in order share one",
);

/// The settings of the correctors.
pub(super) const SETTINGS: [Param; 4] = [CORRECTORS, CORRECTOR_STEP, CORRECTOR_METRIC, CORRECTOR_PROBES];

/// What a step is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The variance of the noise level, alike for all components.
    Level,
    /// The variance of each component at that level, by so many evaluations.
    Spread(usize),
}

/// Langevin steps after each step of a sampler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correctors {
    /// How many after each step.
    pub count: usize,
    /// tau, up to 1.
    pub step: f64,
    /// In variances of what.
    pub metric: Metric,
}

impl Correctors {
    /// No steps.
    pub const NONE: Self = Self::by_level(0, 0.1);

    /// `count` steps of `step` variances of the noise level.
    pub const fn by_level(count: usize, step: f64) -> Self {
        Self { count, step, metric: Metric::Level }
    }

    /// From the settings `correctors`, `corrector_step`, `corrector_metric` and `corrector_probes`.
    ///
    /// # Errors
    /// When there is a setting of a metric that is not chosen: it would do nothing.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self> {
        let metric = match settings.text(CORRECTOR_METRIC.key) {
            "spread" => Metric::Spread(settings.count(CORRECTOR_PROBES.key)),
            _ if changed(settings, &CORRECTOR_PROBES) => {
                let problem = "belongs to corrector_metric \"spread\"; set `corrector_metric` to it, or leave this out";
                return Err(settings.mistake(CORRECTOR_PROBES.key, problem));
            }
            _ => Metric::Level,
        };
        Ok(Self { count: settings.count(CORRECTORS.key), step: settings.number(CORRECTOR_STEP.key), metric })
    }

    /// An observer that takes these steps for `members` members by `denoiser`; member i draws from stream i of `key`.
    pub fn of<'a>(self, denoiser: &'a dyn Denoiser, members: usize, key: Key) -> Correcting<'a> {
        let key = key.purpose(Purpose::Perturbation);
        let members = if self.count > 0 { members as u64 } else { 0 };
        let streams = (0..members).map(|member| key.stream(member)).collect();
        Correcting { of: self, denoiser, streams, centre: None }
    }
}

/// [`Correctors`] on their way.
pub struct Correcting<'a> {
    of: Correctors,
    denoiser: &'a dyn Denoiser,
    streams: Vec<Stream>,
    /// The first guided D, about which the spread is asked for, `[member, component]`.
    centre: Option<Array2<f64>>,
}

/// A Langevin step of one component: x + pull (alpha D - x) + sd xi.
#[derive(Clone, Copy, Debug)]
struct Move {
    pull: f64,
    sd: f64,
}

impl Move {
    /// Of tau variances of the level.
    fn by_level(tau: f64, sigma: f64) -> Self {
        Self { pull: tau, sd: (2.0 * tau).sqrt() * sigma }
    }

    /// Of tau of the variances M.
    fn by_spread(tau: f64, sigma: f64, variance: f64) -> Self {
        Self {
            pull: (1.0 - (-tau).exp()) * variance / (sigma * sigma),
            sd: ((1.0 - (-2.0 * tau).exp()) * variance).sqrt(),
        }
    }
}

impl Correcting<'_> {
    /// All Langevin steps of all members at `levels`.
    fn correct(&mut self, x: &mut Array2<f64>, levels: &[Level]) -> Result<()> {
        let moves = self.moves(x, levels)?;
        for _ in 0..self.of.count {
            let denoised = self.denoiser.evaluate(x.view(), levels)?.guided;
            let width = x.ncols() / levels.len();
            for (member, stream) in self.streams.iter_mut().enumerate() {
                for component in 0..x.ncols() {
                    let Level { alpha, sigma } = levels[component / width];
                    if sigma > 0.0 {
                        let (Move { pull, sd }, at) = (moves[(member, component)], (member, component));
                        x[at] += pull * (alpha * denoised[at] - x[at]) + sd * stream.normal();
                    }
                }
            }
        }
        Ok(())
    }

    /// The steps of all components at `levels`, `[member, component]`.
    fn moves(&self, x: &Array2<f64>, levels: &[Level]) -> Result<Array2<Move>> {
        let (tau, width) = (self.of.step, x.ncols() / levels.len());
        let sigma = |component: usize| levels[component / width].sigma;
        match (self.of.metric, &self.centre) {
            (Metric::Spread(probes), Some(centre)) => {
                let variances = self.variances(centre, levels, probes)?;
                let at = |(member, component)| (sigma(component), variances[(member, component)]);
                Ok(Array2::from_shape_fn(x.raw_dim(), |index| {
                    let (sigma, variance) = at(index);
                    Move::by_spread(tau, sigma, variance)
                }))
            }
            _ => Ok(Array2::from_shape_fn(x.raw_dim(), |(_, component)| Move::by_level(tau, sigma(component)))),
        }
    }

    /// M at `levels` about D = `centre`, `[member, component]`.
    fn variances(&self, centre: &Array2<f64>, levels: &[Level], probes: usize) -> Result<Array2<f64>> {
        let width = centre.ncols() / levels.len();
        let level = |component: usize| levels[component / width];
        let mut about = centre.clone();
        about.columns_mut().into_iter().enumerate().for_each(|(component, mut x)| x *= level(component).alpha);
        let before = self.denoiser.evaluate(about.view(), levels)?.guided;
        let mut out = Array2::zeros(centre.raw_dim());
        for first in 0..probes.min(centre.ncols()) {
            let probed = || (first..centre.ncols()).step_by(probes);
            let mut moved = about.clone();
            probed().for_each(|component| moved.column_mut(component).mapv_inplace(|x| x + level(component).sigma));
            let after = self.denoiser.evaluate(moved.view(), levels)?.guided;
            for component in probed() {
                let Level { alpha, sigma } = level(component);
                let most = alpha * alpha + sigma * sigma;
                for member in 0..centre.nrows() {
                    let slope = (after[(member, component)] - before[(member, component)]) / sigma;
                    let left = 1.0 - alpha * slope.max(0.0);
                    // a slope that is no number, or of no law, asks for the widest step
                    let variance = if left > 0.0 { sigma * sigma / left } else { most };
                    out[(member, component)] = variance.min(most);
                }
            }
        }
        Ok(out)
    }
}

impl Observer for Correcting<'_> {
    fn observe(
        &mut self,
        step: &Step,
        evaluation: Option<&Evaluation>,
        next: &mut Array2<f64>,
    ) -> Result<Option<Vec<usize>>> {
        if self.centre.is_none() {
            self.centre = evaluation.map(|evaluation| evaluation.denoised.guided.clone());
        }
        if self.of.count > 0 && step.to.iter().any(|level| level.sigma > 0.0) {
            self.correct(next, step.to)?;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::Domain;
    use scorecast_systems::gaussian::GaussianDenoiser;

    use super::*;

    /// The law that the steps keep, N(0, (1 + s) / (1 - a / 2)) for unit normals at sigma^2 = s with a = tau s / (1 + s), is kept
    /// with the noise that it takes, and no other: a wrong scale of either would show in the variance.
    #[test]
    fn the_variance_that_is_kept_is_that_of_the_recursion() {
        let denoiser = GaussianDenoiser::new(array![0.0], array![[1.0]].view()).unwrap();
        let members = 40_000;
        for (tau, sigma) in [(0.1, 0.5), (0.25, 3.0), (0.5, 50.0)] {
            let key = Key::new(1, Domain::Method);
            let mut correcting = Correctors::by_level(1, tau).of(&denoiser, members, key);
            let mut x = key.normals(members, 1) * (1.0f64 + sigma * sigma).sqrt();
            let a = tau * sigma * sigma / (1.0 + sigma * sigma);
            let steps = (8.0 / a).ceil() as usize;
            (0..steps).for_each(|_| correcting.correct(&mut x, &[Level::exploding(sigma)]).unwrap());
            let found = x.var(1.0);
            let exact = (1.0 + sigma * sigma) / (1.0 - a / 2.0);
            println!(
                "tau {tau} sigma {sigma}: {:.4} of {:.4}",
                found / (1.0 + sigma * sigma),
                exact / (1.0 + sigma * sigma)
            );
            assert!((found / exact - 1.0).abs() < 4.0 * (2.0 / members as f64).sqrt(), "{found} for {exact}");
        }
    }

    #[test]
    fn what_one_member_draws_does_not_depend_on_the_others() {
        let denoiser = GaussianDenoiser::new(array![0.0], array![[1.0]].view()).unwrap();
        let after = |metric, others: f64| {
            let mut x = array![[0.3], [others], [-others]];
            let mut correcting =
                Correctors { count: 1, step: 0.1, metric }.of(&denoiser, 3, Key::new(1, Domain::Method));
            correcting.centre = Some(x.clone());
            correcting.correct(&mut x, &[Level::exploding(1.0)]).unwrap();
            x[(0, 0)]
        };
        for metric in [Metric::Level, Metric::Spread(1)] {
            assert_eq!(after(metric, 0.1).to_bits(), after(metric, 50.0).to_bits());
        }
    }

    /// Variances 1 and 1e-4, at a noise level of the narrow one, from a start that is wrong by 2 sd of each and has no spread: 60
    /// steps of .1 bring both to their laws where they are measured in the spread of each. Where they are measured in the noise
    /// the wide component has moved by 60 tau sigma^2 / (1 + sigma^2) of its way, which is .0006, and its variance is as small.
    #[test]
    fn in_the_spread_of_each_component_steps_are_right_where_equal_ones_are_slow() {
        let (members, sigma, variances) = (20_000, 0.01, [1.0, 1e-4]);
        let denoiser = GaussianDenoiser::new(array![0.0, 0.0], array![[1.0, 0.0], [0.0, 1e-4]].view()).unwrap();
        let exact = variances.map(|v: f64| v + sigma * sigma);
        let after = |metric| {
            let mut x = Array2::from_shape_fn((members, 2), |(_, component)| 2.0 * exact[component].sqrt());
            let correctors = Correctors { count: 60, step: 0.1, metric };
            let mut correcting = correctors.of(&denoiser, members, Key::new(1, Domain::Method));
            correcting.centre = Some(Array2::from_elem((members, 2), 0.3));
            correcting.correct(&mut x, &[Level::exploding(sigma)]).unwrap();
            [0, 1].map(|c| (x.column(c).mean().unwrap() / exact[c].sqrt(), x.column(c).var(1.0) / exact[c]))
        };
        let (equal, spread) = (after(Metric::Level), after(Metric::Spread(8)));
        println!("equal {equal:.4?} spread {spread:.4?}");
        let error = 4.0 / (members as f64).sqrt();
        for (mean, variance) in spread {
            // e^-6 of the start is left, and 1 - e^-12 of the variance is there
            assert!((mean - 2.0 * (-6.0f64).exp()).abs() < error, "{mean}");
            assert!((variance - 1.0).abs() < error * 2.0f64.sqrt() + 1e-4, "{variance}");
        }
        let way = 60.0 * 0.1 * 1e-4 / (1.0 + 1e-4);
        assert!((equal[0].0 / 2.0 - (1.0 - way)).abs() < 1e-4, "{equal:?}");
        assert!((equal[0].1 / (2.0 * way) - 1.0).abs() < 0.05, "{equal:?}");
    }

    /// One step keeps N(0, M) whatever tau, with the noise that it takes.
    #[test]
    fn the_variance_that_is_measured_in_is_kept_whatever_the_step() {
        let denoiser = GaussianDenoiser::new(array![0.0], array![[0.6]].view()).unwrap();
        let members = 40_000;
        for (tau, sigma) in [(0.1, 0.5), (1.0, 0.05), (1.0, 50.0)] {
            let variance = 0.6 + sigma * sigma;
            let mut x = Key::new(3, Domain::Method).normals(members, 1) * f64::sqrt(variance);
            let correctors = Correctors { count: 3, step: tau, metric: Metric::Spread(8) };
            let mut correcting = correctors.of(&denoiser, members, Key::new(1, Domain::Method));
            correcting.centre = Some(Array2::zeros((members, 1)));
            correcting.correct(&mut x, &[Level::exploding(sigma)]).unwrap();
            let ratio = x.var(1.0) / variance;
            assert!((ratio - 1.0).abs() < 4.0 * (2.0 / members as f64).sqrt(), "tau {tau} sigma {sigma}: {ratio}");
        }
    }
}
