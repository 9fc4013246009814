//! Langevin correctors (Song et al. 2021): after each step of a sampler, steps that leave the law at that noise level as it is.
//!
//! x <- x + tau (alpha D - x) + sqrt(2 tau) sigma xi: a step of tau sigma^2 along the score (alpha D - x) / sigma^2 of the guided
//! law, whose noise scale is that of the level and of no member. (A step from the norm of the score of all members would make what
//! one member draws depend on the others.) It is stable up to tau = 1, since the score falls by at most 1 / sigma^2. Far from the
//! data, where D is alike everywhere, what it keeps has a variance 1 / (1 - tau / 2) times too large: at tau = .25, which is
//! published, an sd of 1.07, at .1 one of 1.026, and less the less noise is left.

use ndarray::Array2;
use scorecast_systems::noising::{Evaluation, Observer, Step};
use scorecast_systems::{Denoiser, Key, Level, Param, Purpose, Result, Settings, Stream};

const CORRECTORS: Param = Param::int("correctors", 0, 0, "Langevin steps after each step of the sampler");
const CORRECTOR_STEP: Param =
    Param::share("corrector_step", 0.1, "length of a Langevin step, in variances of the noise level");

/// The settings of the correctors.
pub(super) const SETTINGS: [Param; 2] = [CORRECTORS, CORRECTOR_STEP];

/// Langevin steps after each step of a sampler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correctors {
    /// How many after each step.
    pub count: usize,
    /// tau, up to 1.
    pub step: f64,
}

impl Correctors {
    /// No steps.
    pub const NONE: Self = Self { count: 0, step: 0.1 };

    /// From the settings `correctors` and `corrector_step`.
    pub(super) fn from_settings(settings: &Settings) -> Self {
        Self { count: settings.count(CORRECTORS.key), step: settings.number(CORRECTOR_STEP.key) }
    }

    /// An observer that takes these steps for `members` members by `denoiser`; member i draws from stream i of `key`.
    pub fn of<'a>(self, denoiser: &'a dyn Denoiser, members: usize, key: Key) -> Correcting<'a> {
        let key = key.purpose(Purpose::Perturbation);
        let members = if self.count > 0 { members as u64 } else { 0 };
        Correcting { of: self, denoiser, streams: (0..members).map(|member| key.stream(member)).collect() }
    }
}

/// [`Correctors`] on their way.
pub struct Correcting<'a> {
    of: Correctors,
    denoiser: &'a dyn Denoiser,
    streams: Vec<Stream>,
}

impl Correcting<'_> {
    /// One Langevin step of all members at `levels`.
    fn correct(&mut self, x: &mut Array2<f64>, levels: &[Level]) -> Result<()> {
        let (tau, width) = (self.of.step, x.ncols() / levels.len());
        let denoised = self.denoiser.evaluate(x.view(), levels)?.guided;
        for ((mut x, denoised), stream) in x.outer_iter_mut().zip(denoised.outer_iter()).zip(&mut self.streams) {
            for (component, (x, d)) in x.iter_mut().zip(denoised).enumerate() {
                let Level { alpha, sigma } = levels[component / width];
                if sigma > 0.0 {
                    *x += tau * (alpha * d - *x) + (2.0 * tau).sqrt() * sigma * stream.normal();
                }
            }
        }
        Ok(())
    }
}

impl Observer for Correcting<'_> {
    fn observe(&mut self, step: &Step, _: Option<&Evaluation>, next: &mut Array2<f64>) -> Result<Option<Vec<usize>>> {
        if step.to.iter().any(|level| level.sigma > 0.0) {
            (0..self.of.count).try_for_each(|_| self.correct(next, step.to))?;
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
            let mut correcting = Correctors { count: 1, step: tau }.of(&denoiser, members, key);
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
        let after = |others: f64| {
            let mut x = array![[0.3], [others], [-others]];
            let mut correcting = Correctors { count: 1, step: 0.1 }.of(&denoiser, 3, Key::new(1, Domain::Method));
            correcting.correct(&mut x, &[Level::exploding(1.0)]).unwrap();
            x[(0, 0)]
        };
        assert_eq!(after(0.1).to_bits(), after(50.0).to_bits());
    }
}
