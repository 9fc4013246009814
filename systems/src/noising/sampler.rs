//! Samplers by name: from noise through a denoiser to data, with alpha = 1.
//!
//! Data are of about unit variance. A deterministic sampler forgets its start slowly: started from N(0, sigma_max^2) its
//! mean falls short by m / sigma_max for data N(m, 1). So the first evaluation also moves the start by D, to
//! N(m, sigma_max^2 + 1) up to terms of order 1 / sigma_max^2; it costs nothing.
//!
//! The default schedules are the result of a scan over (sigma_min, sigma_max, rho) with the exact denoiser of Gaussian
//! data of sd v, through which all samplers are linear, so that the sd of what they make is a product of numbers:
//!
//! | sampler | evaluations | levels | v = 0.1 | 0.2 | 0.5 | 1 | 2 |
//! |---|---|---|---|---|---|---|---|
//! | `dpm_solver_2m` | 12 | 0.034 to 12, rho 100 | 0.940 | 0.991 | 1.010 | 1.015 | 1.024 |
//! | `heun` | 11 | 0.28 to 6, rho 2 | 0.348 | 0.638 | 0.959 | 1.019 | 1.047 |
//! | `reverse_sde` | 32 | 0.02 to 20, rho 7 | 0.995 | 1.015 | 1.017 | 1.015 | 1.012 |
//!
//! (sd made over sd of the data). Heun's rule cannot do narrow laws with 11 evaluations: take `dpm_solver_2m`, or more
//! steps. Data on a lower-dimensional set come out exactly on it where the denoiser says so, since all end with D.

use ndarray::Array2;

use super::{Denoiser, Schedule, dpm_solver_2m, heun, reverse_sde};
use crate::key::{Key, Purpose, Stream};
use crate::law::Result;
use crate::registry::{Entry, find};

/// A reverse sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// DPM-Solver++(2M), deterministic.
    DpmSolver2M,
    /// Heun's rule on the probability flow, deterministic.
    Heun,
    /// The reverse stochastic equation, SDE-DPM-Solver++(2M).
    ReverseSde,
}

/// Every sampler, in the order in which they are listed.
pub const SAMPLERS: &[Entry<Sampler>] = &[
    Entry {
        name: "dpm_solver_2m",
        about: "second-order multistep for the probability flow, one evaluation a step",
        reference: "Lu et al. (2022), arXiv:2211.01095",
        params: &[],
        build: Sampler::DpmSolver2M,
    },
    Entry {
        name: "heun",
        about: "Heun's rule for the probability flow, two evaluations a step",
        reference: "Karras et al. (2022), arXiv:2206.00364",
        params: &[],
        build: Sampler::Heun,
    },
    Entry {
        name: "reverse_sde",
        about: "second-order multistep for the reverse stochastic equation, one evaluation a step",
        reference: "Lu et al. (2022), arXiv:2211.01095",
        params: &[],
        build: Sampler::ReverseSde,
    },
];

impl Sampler {
    /// The sampler of that name in [`SAMPLERS`].
    ///
    /// # Errors
    /// [`crate::Error::UnknownName`] with the nearest name.
    pub fn named(name: &str) -> Result<Self> {
        Ok(find(SAMPLERS, "sampler", name)?.build)
    }

    /// The schedule that the module's table is about.
    pub const fn default_schedule(self) -> Schedule {
        match self {
            Self::DpmSolver2M => Schedule { sigma_min: 0.034, sigma_max: 12.0, rho: 100.0, steps: 12 },
            Self::Heun => Schedule { sigma_min: 0.28, sigma_max: 6.0, rho: 2.0, steps: 6 },
            Self::ReverseSde => Schedule { sigma_min: 0.02, sigma_max: 20.0, rho: 7.0, steps: 32 },
        }
    }

    /// Evaluations of the denoiser in that many steps.
    pub const fn evaluations(self, steps: usize) -> usize {
        match self {
            Self::Heun => (2 * steps).saturating_sub(1),
            Self::DpmSolver2M | Self::ReverseSde => steps,
        }
    }

    /// Draws `members` x `dim` samples in the space of the denoiser. Member i draws from stream i of
    /// `key.purpose(Sampler)`: the start, then the noise of each step.
    ///
    /// # Errors
    /// When the schedule does not descend, or the denoiser itself cannot run.
    pub fn sample(
        self,
        denoiser: &dyn Denoiser,
        schedule: &Schedule,
        members: usize,
        dim: usize,
        key: Key,
    ) -> Result<Array2<f64>> {
        let levels = schedule.levels()?;
        let key = key.purpose(Purpose::Sampler);
        let mut streams: Vec<Stream> = (0..members as u64).map(|member| key.stream(member)).collect();
        let mut x = Array2::zeros((members, dim));
        let sd = self.start_sd(schedule.sigma_max);
        for (mut row, stream) in x.outer_iter_mut().zip(&mut streams) {
            row.iter_mut().for_each(|value| *value = sd * stream.normal());
        }
        match self {
            Self::DpmSolver2M => dpm_solver_2m::sample(denoiser, &levels, x),
            Self::Heun => heun::sample(denoiser, &levels, x),
            Self::ReverseSde => reverse_sde::sample(denoiser, &levels, x, &mut streams),
        }
    }

    /// The sd of the noise at which sampling starts, so that unit-variance data at `sigma_max` have theirs, sqrt(1 +
    /// sigma_max^2), once a deterministic sampler has added D = x / (1 + sigma_max^2).
    fn start_sd(self, sigma_max: f64) -> f64 {
        let variance = 1.0 + sigma_max * sigma_max;
        match self {
            Self::ReverseSde => variance.sqrt(),
            Self::DpmSolver2M | Self::Heun => variance.sqrt() / (1.0 + 1.0 / variance),
        }
    }
}

/// Moves the noise `x` at the first level to where the data are, by the first evaluation of the denoiser.
pub(super) fn enter(x: &mut Array2<f64>, denoised: &Array2<f64>) {
    *x += denoised;
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, arr2, array};

    use super::*;
    use crate::gaussian::GaussianDenoiser;
    use crate::key::Domain;
    use crate::noising::{Denoiser, Level};

    /// The exact mean and sd that a deterministic sampler makes of data N(mean, sd^2): an affine function of the noise,
    /// read off at noise 0 and at its sd.
    fn moments(sampler: Sampler, schedule: &Schedule, mean: f64, sd: f64) -> (f64, f64) {
        let data = GaussianDenoiser::new(array![mean], arr2(&[[sd * sd]]).view()).unwrap();
        let levels = schedule.levels().unwrap();
        let x = arr2(&[[0.0], [sampler.start_sd(schedule.sigma_max)]]);
        let out = match sampler {
            Sampler::Heun => heun::sample(&data, &levels, x),
            _ => dpm_solver_2m::sample(&data, &levels, x),
        };
        let out = out.unwrap();
        (out[[0, 0]], out[[1, 0]] - out[[0, 0]])
    }

    #[test]
    fn default_schedules_keep_the_sd_of_gaussian_data() {
        let table = [
            (Sampler::DpmSolver2M, [(0.1, 0.940), (0.2, 0.991), (0.5, 1.010), (1.0, 1.015), (2.0, 1.024)]),
            (Sampler::Heun, [(0.1, 0.348), (0.2, 0.638), (0.5, 0.959), (1.0, 1.019), (2.0, 1.047)]),
        ];
        for (sampler, row) in table {
            let schedule = sampler.default_schedule();
            assert!(sampler.evaluations(schedule.steps) <= 12);
            assert!((moments(sampler, &schedule, 0.0, 1.0).1 - 1.0).abs() < 0.02, "{sampler:?}");
            for (sd, expected) in row {
                // the table has three digits
                let ratio = moments(sampler, &schedule, 0.0, sd).1 / sd;
                assert!((ratio - expected).abs() < 6e-4, "{sampler:?} sd {sd}: {ratio}");
            }
        }
    }

    #[test]
    fn the_start_costs_the_mean_less_than_one_percent() {
        for sampler in [Sampler::DpmSolver2M, Sampler::Heun] {
            for sd in [0.2, 0.5, 1.0] {
                let (mean, _) = moments(sampler, &sampler.default_schedule(), 1.0, sd);
                assert!((mean - 1.0).abs() < 0.01, "{sampler:?} sd {sd}: {mean}");
            }
        }
    }

    #[test]
    fn published_schedule_fails_with_few_steps() {
        let schedule = |steps| Schedule { sigma_min: 0.002, sigma_max: 80.0, rho: 7.0, steps };
        assert!((moments(Sampler::Heun, &schedule(6), 0.0, 1.0).1 - 1.68).abs() < 0.01);
        assert!((moments(Sampler::DpmSolver2M, &schedule(12), 0.0, 1.0).1 - 1.12).abs() < 0.01);
    }

    #[test]
    fn deterministic_samplers_converge_with_order_two() {
        for sampler in [Sampler::DpmSolver2M, Sampler::Heun] {
            // sigma_max and sigma_min so extreme that only the step is left of the error
            let error = |steps| {
                let schedule = Schedule { sigma_min: 1e-4, sigma_max: 100.0, rho: 7.0, steps };
                (moments(sampler, &schedule, 0.0, 1.0).1 - 1.0).abs()
            };
            let slope = (error(200) / error(400)).log2();
            assert!((slope - 2.0).abs() < 0.15, "{sampler:?}: {slope}");
        }
    }

    #[test]
    fn reverse_sde_makes_the_covariance_of_correlated_data() {
        let covariance = arr2(&[[1.0, 0.8], [0.8, 1.0]]);
        let mean = array![1.0, -0.5];
        let data = GaussianDenoiser::new(mean.clone(), covariance.view()).unwrap();
        let schedule = Schedule { sigma_min: 0.01, sigma_max: 40.0, rho: 7.0, steps: 100 };
        let members = 40_000;
        let key = Key::new(11, Domain::Method);
        let x = Sampler::ReverseSde.sample(&data, &schedule, members, 2, key).unwrap();
        let n = members as f64;
        let found = x.mean_axis(ndarray::Axis(0)).unwrap();
        let centred = &x - &found;
        let second = centred.t().dot(&centred) / n;
        for i in 0..2 {
            // five standard errors
            assert!((found[i] - mean[i]).abs() < 5.0 / n.sqrt(), "{found}");
            for j in 0..2 {
                // five standard errors of a covariance, and the 0.5 % that 100 steps leave
                let se = ((1.0 + covariance[[i, j]].powi(2)) / n).sqrt();
                assert!((second[[i, j]] - covariance[[i, j]]).abs() < 5.0 * se + 0.005, "{second}");
            }
        }
    }

    #[test]
    fn reverse_sde_default_keeps_the_sd() {
        for (sd, expected) in [(0.1, 0.995), (0.2, 1.015), (0.5, 1.017), (1.0, 1.015), (2.0, 1.012)] {
            let data = GaussianDenoiser::new(array![0.0], arr2(&[[sd * sd]]).view()).unwrap();
            let ratio = stationary_sd(&data, &Sampler::ReverseSde.default_schedule()) / sd;
            assert!((ratio - expected).abs() < 6e-4, "sd {sd}: {ratio}");
        }
    }

    /// The exact sd that the stochastic sampler makes of centred one-dimensional Gaussian data: the response to the
    /// start and to each step's noise, by feeding one unit of each.
    fn stationary_sd(data: &GaussianDenoiser, schedule: &Schedule) -> f64 {
        let levels = schedule.levels().unwrap();
        let mut variance = 0.0;
        for source in 0..schedule.steps {
            let mut history = dpm_solver_2m::History::default();
            let mut x = Array2::zeros((1, 1));
            if source == 0 {
                x.fill(Sampler::ReverseSde.start_sd(schedule.sigma_max));
            }
            for (step, pair) in levels.windows(2).enumerate() {
                let denoised = data.denoise(x.view(), Level::exploding(pair[0])).unwrap();
                if pair[1] == 0.0 {
                    x = denoised;
                    break;
                }
                let transition = super::reverse_sde::Transition::new(pair[0], pair[1]);
                let ahead = history.extrapolate(denoised, (pair[0] / pair[1]).ln());
                x = transition.mean(x.view(), ahead.view());
                if step + 1 == source {
                    x += transition.variance.sqrt();
                }
            }
            variance += x[[0, 0]] * x[[0, 0]];
        }
        variance.sqrt()
    }

    #[test]
    fn degenerate_data_come_out_on_their_set() {
        let data = GaussianDenoiser::new(Array1::from(vec![0.5, 2.0]), arr2(&[[1.0, 0.0], [0.0, 0.0]]).view()).unwrap();
        for entry in SAMPLERS {
            let sampler = entry.build;
            let key = Key::new(3, Domain::Method);
            let x = sampler.sample(&data, &sampler.default_schedule(), 20, 2, key).unwrap();
            assert!(x.column(1).iter().all(|value| (value - 2.0).abs() < 1e-12), "{}", entry.name);
            assert!(x.iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn mistakes_are_sentences() {
        assert_eq!(Sampler::named("huen").unwrap_err().to_string(), "unknown sampler `huen`; did you mean `heun`?");
        let wrong = Schedule { sigma_min: 2.0, sigma_max: 1.0, rho: 7.0, steps: 10 };
        assert!(wrong.levels().unwrap_err().to_string().contains("sigma_max 1 to sigma_min 2"));
    }
}
