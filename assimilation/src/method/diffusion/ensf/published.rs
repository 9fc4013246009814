//! The ensemble score filter as published (Bao, Zhang and Zhang 2024), and with the score of the whole mixture.
//!
//! Diffusion in pseudo-time t in [0, 1] by the schedule [`EnsembleScore`], alpha = 1 - (1 - eps_alpha) t and
//! beta^2 = eps_beta + (1 - eps_beta) t (its sigma^2). The reverse equation is integrated from t = 1 to 0 by
//! Euler-Maruyama, z <- z - dt (f z - g^2 s) + g sqrt(dt) xi, f = alpha'/alpha, g^2 = (beta^2)' - 2 f beta^2,
//! with s = s_prior + (1 - t) J_h(z)^T R^-1 (y - h(z)), clipped component by component.
//!
//! `score = "single"`, as published: the prior score of member j uses member j alone, s_prior = (alpha x_j - z) / beta^2.
//! The law sampled is then N(x_j, eps_beta) in place of the prior, whatever the spread of the ensemble: the gain is
//! fixed by eps_beta and R (.917 at an observation error of .05), which is nudging and not a filter.
//! `score = "mixture"`: the score of the whole mixture, s_prior = sum_j w_j (alpha x_j - z) / beta^2,
//! w_j ~ exp(-|z - alpha x_j|^2 / (2 beta^2)).
//!
//! As published only the initial noise is scaled, by the standard deviation of each component of the forecast; the
//! states are not.
//!
//! It is a sampler of [`scorecast_systems::noising::drive`] with the denoiser D = (z + beta^2 s) / alpha, and a test takes it
//! as one. The loop stays its own for two reasons: the score of that D is s only up to rounding, which chaotic cycles make
//! visible, and nine tenths of the time are normals, which are drawn here chunk by chunk on all threads.

use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis};
use scorecast_systems::noising::schedule::EnsembleScore;
use scorecast_systems::{Entry, Key, Param, Purpose, Settings, Stream};

use crate::ensemble::weighted_variance;
use crate::error::Result;
use crate::guard::can_update;
use crate::method::around::inflation::INFLATION;
use crate::method::diffusion::counts;
use crate::method::diffusion::ensf::score::Score;
use crate::method::diffusion::likelihood::LikelihoodScore;
use crate::method::memory;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;
use crate::problem::{Analysis, Cycle};

const STEPS: Param = counts::steps("steps", 500, 1, "Euler steps of the reverse equation");
const EPS_ALPHA: Param = EnsembleScore::EPS_ALPHA;
const EPS_BETA: Param = Param { about: "beta^2 at t = 0, states' unit squared", ..EnsembleScore::EPS_BETA };
const CLIP: Param = Param::positive("clip", 1000.0, "largest score in each component");

/// The settings of these two scores alone.
pub(super) const OWN: [Param; 4] = [STEPS, EPS_ALPHA, EPS_BETA, CLIP];

pub(super) const SINGLE: Entry<Score> = Entry {
    name: "single",
    about: "from the member itself alone, as published",
    reference: "Bao, Zhang and Zhang 2024",
    params: &OWN,
    build: Score {
        make: |settings| cycle(PriorScore::Single, settings),
        memory: memory::of_sampler,
        caveat: Some(
            "uses the published one-member score; its gain does not depend on the ensemble's spread, so it is fixed-gain \
             nudging rather than a posterior.",
        ),
    },
};

pub(super) const MIXTURE: Entry<Score> = Entry {
    name: "mixture",
    about: "from the mixture of all members",
    reference: "Bao, Zhang and Zhang 2024",
    params: &OWN,
    build: Score { make: |settings| cycle(PriorScore::Mixture, settings), memory: memory::of_sampler, caveat: None },
};

fn cycle(prior: PriorScore, settings: &Settings) -> Result<Box<dyn Cycle>> {
    let analysis = EnSf {
        prior,
        inflation: settings.number(INFLATION.key),
        steps: settings.count(STEPS.key),
        eps_alpha: settings.number(EPS_ALPHA.key),
        eps_beta: settings.number(EPS_BETA.key),
        clip: settings.number(CLIP.key),
    };
    crate::method::around::cycle(analysis, settings)
}

/// Members integrated together; a chunk is the unit of parallel work.
const CHUNK: usize = 16;

/// What the prior score of a member is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorScore {
    /// The member itself, as published.
    Single,
    /// The mixture of all members.
    Mixture,
}

/// The ensemble score filter.
#[derive(Clone, Debug)]
pub struct EnSf {
    /// What the prior score is made of.
    pub prior: PriorScore,
    /// Factor of the standard deviation of the analysis anomalies.
    pub inflation: f64,
    /// Euler steps of the reverse equation.
    pub steps: usize,
    /// alpha at t = 1.
    pub eps_alpha: f64,
    /// beta^2 at t = 0.
    pub eps_beta: f64,
    /// Largest score in each component.
    pub clip: f64,
}

/// The coefficients at one pseudo-time.
struct Coefficients {
    t: f64,
    alpha: f64,
    beta_square: f64,
    drift: f64,
    diffusion_square: f64,
}

impl Coefficients {
    fn new(schedule: EnsembleScore, t: f64) -> Self {
        let ((alpha, beta_square), (drift, diffusion_square)) = (schedule.coefficients(t), schedule.rates(t));
        Self { t, alpha, beta_square, drift, diffusion_square }
    }
}

impl EnSf {
    fn schedule(&self) -> EnsembleScore {
        EnsembleScore { eps_alpha: self.eps_alpha, eps_beta: self.eps_beta }
    }

    /// Integrates the reverse equation for the members `first..` into `z`.
    fn sample(
        &self,
        mut z: ArrayViewMut2<f64>,
        first: usize,
        forecast: ArrayView2<f64>,
        sd: &Array1<f64>,
        likelihood: &LikelihoodScore,
        key: Key,
    ) {
        let mut streams: Vec<Stream> = (0..z.nrows()).map(|i| key.stream((first + i) as u64)).collect();
        for (mut row, stream) in z.outer_iter_mut().zip(&mut streams) {
            row.zip_mut_with(sd, |value, sd| *value = sd * stream.normal());
        }
        let dt = 1.0 / self.steps as f64;
        let mut prior = Array2::zeros(z.raw_dim());
        for step in 0..self.steps {
            let c = Coefficients::new(self.schedule(), 1.0 - step as f64 * dt);
            match self.prior {
                PriorScore::Single => single(&c, z.view(), first, forecast, &mut prior),
                PriorScore::Mixture => mixture(&c, z.view(), forecast, &mut prior),
            }
            let pull = likelihood.at(z.view());
            let noise = (c.diffusion_square * dt).sqrt();
            for (((mut row, prior), pull), stream) in
                z.outer_iter_mut().zip(prior.outer_iter()).zip(pull.outer_iter()).zip(&mut streams)
            {
                for ((value, prior), pull) in row.iter_mut().zip(prior).zip(pull) {
                    let score = (prior + (1.0 - c.t) * pull).clamp(-self.clip, self.clip);
                    *value += dt * (c.diffusion_square * score - c.drift * *value) + noise * stream.normal();
                }
            }
        }
    }
}

/// (alpha x_j - z) / beta^2 for the members from `first` on.
fn single(c: &Coefficients, z: ArrayView2<f64>, first: usize, forecast: ArrayView2<f64>, out: &mut Array2<f64>) {
    for (i, (mut out, z)) in out.outer_iter_mut().zip(z.outer_iter()).enumerate() {
        for ((out, z), x) in out.iter_mut().zip(z).zip(forecast.row(first + i)) {
            *out = (c.alpha * x - z) / c.beta_square;
        }
    }
}

/// sum_j w_j (alpha x_j - z) / beta^2.
fn mixture(c: &Coefficients, z: ArrayView2<f64>, forecast: ArrayView2<f64>, out: &mut Array2<f64>) {
    let mut log_weights = Array1::zeros(forecast.nrows());
    for (mut out, z) in out.outer_iter_mut().zip(z.outer_iter()) {
        for (log_weight, x) in log_weights.iter_mut().zip(forecast.outer_iter()) {
            let square: f64 = z.iter().zip(x).map(|(z, x)| (z - c.alpha * x) * (z - c.alpha * x)).sum();
            *log_weight = -0.5 * square / c.beta_square;
        }
        crate::method::particle::weights::normalise(&mut log_weights);
        out.zip_mut_with(&z, |out, z| *out = -z / c.beta_square);
        for (log_weight, x) in log_weights.iter().zip(forecast.outer_iter()) {
            // members so far away that they do not count cost nothing
            if *log_weight > -40.0 {
                out.scaled_add(log_weight.exp() * c.alpha / c.beta_square, &x);
            }
        }
    }
}

impl Analysis for EnSf {
    fn name(&self) -> &'static str {
        "ensf"
    }

    fn update(&mut self, forecast: Array2<f64>, observed: &ObservationSet, key: Key) -> Result<Outcome> {
        observed.require_gaussian("ensf")?;
        observed.require_derivative("ensf")?;
        crate::problem::require_members(forecast.nrows())?;
        observed.check(forecast.ncols())?;
        if !can_update(&forecast, observed) {
            return Ok(Outcome::unchanged(forecast));
        }
        let sd = weighted_variance(forecast.view(), None).mapv(f64::sqrt);
        let likelihood = LikelihoodScore::new(*observed)?;
        // not `Sampler`: a diffusion forecaster draws the next step from there
        let key = key.purpose(Purpose::PosteriorDraw).at(observed.step as u64);
        let mut ensemble = Array2::zeros(forecast.raw_dim());
        ensemble.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter().enumerate().for_each(|(chunk, z)| {
            self.sample(z, chunk * CHUNK, forecast.view(), &sd, &likelihood, key);
        });
        crate::method::around::inflation::inflate(ensemble.view_mut(), None, self.inflation);
        Ok(Outcome::new(forecast, ensemble))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::noising::{Run, Sampler, Schedule, Start, Step, Uniform, drive};
    use scorecast_systems::{Denoiser, Domain, Level, Levels};

    use super::*;
    use crate::observe::{Arctan, GaussianError, Pointwise, Stride};

    /// The filter with its forecast and observations.
    struct Problem<'a> {
        filter: &'a EnSf,
        forecast: ArrayView2<'a, f64>,
        likelihood: LikelihoodScore<'a>,
    }

    impl Problem<'_> {
        /// The coefficients at a level of the schedule.
        fn at(&self, level: Level) -> Coefficients {
            let schedule = self.filter.schedule();
            Coefficients::new(schedule, schedule.time(level.relative()))
        }
    }

    /// D = (z + beta^2 s) / alpha.
    impl Denoiser for Problem<'_> {
        fn dim(&self) -> usize {
            self.forecast.ncols()
        }

        fn denoise(&self, z: ArrayView2<f64>, level: Level) -> scorecast_systems::Result<Array2<f64>> {
            let (c, clip) = (self.at(level), self.filter.clip);
            let mut score = Array2::zeros(z.raw_dim());
            match self.filter.prior {
                PriorScore::Single => single(&c, z, 0, self.forecast, &mut score),
                PriorScore::Mixture => mixture(&c, z, self.forecast, &mut score),
            }
            score.scaled_add(1.0 - c.t, &self.likelihood.at(z));
            score.mapv_inplace(|score| score.clamp(-clip, clip));
            Ok((score * c.beta_square + z) / c.alpha)
        }
    }

    /// Euler-Maruyama in pseudo-time.
    #[derive(Debug)]
    struct EulerMaruyama(EnsembleScore);

    impl Sampler for EulerMaruyama {
        fn draws(&self) -> bool {
            true
        }

        fn step(&self, step: &Step, d: ArrayView2<f64>, _: &dyn Denoiser) -> scorecast_systems::Result<Array2<f64>> {
            let (from, to) = (self.0.time(step.from[0].relative()), self.0.time(step.to[0].relative()));
            let (c, dt) = (Coefficients::new(self.0, from), from - to);
            let mut score = &d * c.alpha;
            score -= &step.x;
            score /= c.beta_square;
            let mut next = &step.x * (1.0 - dt * c.drift);
            next.scaled_add(dt * c.diffusion_square, &score);
            if let Some(noise) = step.noise {
                next.scaled_add((c.diffusion_square * dt).sqrt(), &noise);
            }
            Ok(next)
        }
    }

    #[test]
    fn it_is_the_sampler_of_its_score_along_its_schedule() {
        let selected = Stride::new(3, 1, 0, &|dim| Ok(Box::new(GaussianError::new(&[0.3], dim)?))).unwrap();
        let (operator, values) = (Pointwise::new(Arctan, selected), array![0.6, f64::NAN, -0.4]);
        let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
        let (forecast, key) = (Key::new(1, Domain::Score).normals(12, 3), Key::new(2, Domain::Method));
        let sd = weighted_variance(forecast.view(), None).mapv(f64::sqrt);
        for (prior, clip) in [(PriorScore::Single, 1000.0), (PriorScore::Mixture, 1000.0), (PriorScore::Mixture, 5.0)] {
            let mut filter = EnSf { prior, inflation: 1.0, steps: 50, eps_alpha: 0.5, eps_beta: 0.025, clip };
            let found = filter.update(forecast.clone(), &observed, key).unwrap().ensemble;
            let likelihood = LikelihoodScore::new(observed.view()).unwrap();
            let problem = Problem { filter: &filter, forecast: forecast.view(), likelihood };
            let levels = Levels::new(&filter.schedule(), &Uniform { from: 1.0, to: 0.0, steps: 50 }).unwrap();
            let sampler = EulerMaruyama(filter.schedule());
            let key = key.purpose(Purpose::PosteriorDraw).at(1);
            let run = Run { denoiser: &problem, sampler: &sampler, levels: &levels, key };
            let driven = drive(&run, Start::Scaled(Array2::<f64>::ones((12, 3)) * &sd), &mut ()).unwrap().x;
            assert!((found - driven).iter().all(|e| e.abs() < 1e-10), "{prior:?} {clip}");
        }
    }
}
