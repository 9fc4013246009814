//! Where on its way a sampler stops: grids of times `[step, frame]`, and the levels of a schedule at them.
//!
//! [`Karras`]: r_i = (r_max^{1/rho} + i/(n-1) (r_min^{1/rho} - r_max^{1/rho}))^rho for i = 0..n, then 0, in the relative
//! level r = sigma / alpha (Karras et al. 2022, equation 5); a large rho makes them geometric. [`LogSnr`]: r geometric,
//! which is uniform in the logarithm of signal to noise, then 0. [`Uniform`]: uniform in t. [`Stretched`]: uniform in t from 1
//! to 0, with each r multiplied by a factor (Esser et al. 2024: a shift of the timesteps).

use ndarray::{Array1, Array2, Axis, s};

use super::schedule::Exploding;
use super::{Level, Schedule};
use crate::error::{Error, Result};

/// Times to stop at.
pub trait TimeGrid: Send + Sync {
    /// The times of a schedule from noise to data, `[step + 1, frame]`; one column where all frames go together.
    ///
    /// # Errors
    /// When there would be no descent.
    fn times(&self, schedule: &dyn Schedule) -> Result<Array2<f64>>;

    /// The time whose noise a run starts with, where the first of the times is that only up to rounding.
    fn start(&self, schedule: &dyn Schedule) -> Option<f64> {
        let _ = schedule;
        None
    }
}

/// Relative levels that crowd at the small end, for data of about unit variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Karras {
    /// The last level before 0.
    pub sigma_min: f64,
    /// The first level.
    pub sigma_max: f64,
    /// How strongly levels crowd at the small end.
    pub rho: f64,
    /// Steps of a sampler: as many levels above 0.
    pub steps: usize,
}

impl Karras {
    /// The `steps` + 1 relative levels, from sigma_max down to 0.
    ///
    /// # Errors
    /// When the levels would not descend: steps below 2, sigma_min not in (0, sigma_max), or rho not above 0.
    pub fn sigmas(&self) -> Result<Vec<f64>> {
        self.check()?;
        let root = |sigma: f64| sigma.powf(1.0 / self.rho);
        let (first, last) = (root(self.sigma_max), root(self.sigma_min));
        let level = |i: usize| (first + i as f64 / (self.steps - 1) as f64 * (last - first)).powf(self.rho);
        Ok((0..self.steps).map(level).chain([0.0]).collect())
    }

    /// These levels of the variance-exploding process.
    ///
    /// # Errors
    /// When the levels would not descend, as in [`Karras::sigmas`].
    pub fn exploding(&self) -> Result<Levels> {
        Levels::new(&Exploding, self)
    }

    /// Whether the levels descend, without making them.
    ///
    /// # Errors
    /// As [`Karras::sigmas`].
    pub fn check(&self) -> Result<()> {
        let Self { sigma_min, sigma_max, rho, steps } = *self;
        descending(sigma_min, sigma_max, steps)?;
        if !(rho > 0.0 && rho.is_finite()) {
            return Err(Error::Unsupported(format!("rho is {rho}, but must be above 0 (7 is usual)")));
        }
        Ok(())
    }
}

fn descending(sigma_min: f64, sigma_max: f64, steps: usize) -> Result<()> {
    if steps < 2 {
        return Err(Error::Unsupported(format!("a sampler of {steps} steps has no schedule; give it at least 2")));
    }
    if !(sigma_min > 0.0 && sigma_min < sigma_max && sigma_max.is_finite()) {
        return Err(Error::Unsupported(format!(
            "noise levels from sigma_max {sigma_max} to sigma_min {sigma_min} do not descend to a level above 0"
        )));
    }
    Ok(())
}

/// One column of times.
fn column(times: impl IntoIterator<Item = f64>) -> Array2<f64> {
    times.into_iter().collect::<Array1<f64>>().insert_axis(Axis(1))
}

impl TimeGrid for Karras {
    fn times(&self, schedule: &dyn Schedule) -> Result<Array2<f64>> {
        Ok(column(self.sigmas()?.into_iter().map(|sigma| schedule.time(sigma))))
    }

    fn start(&self, schedule: &dyn Schedule) -> Option<f64> {
        Some(schedule.time(self.sigma_max))
    }
}

/// Relative levels whose logarithms are uniform.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogSnr {
    /// The last level before 0.
    pub sigma_min: f64,
    /// The first level.
    pub sigma_max: f64,
    /// Steps of a sampler: as many levels above 0.
    pub steps: usize,
}

impl TimeGrid for LogSnr {
    fn times(&self, schedule: &dyn Schedule) -> Result<Array2<f64>> {
        let Self { sigma_min, sigma_max, steps } = *self;
        descending(sigma_min, sigma_max, steps)?;
        let ratio = (sigma_min / sigma_max).ln() / (steps - 1) as f64;
        let sigmas = (0..steps).map(|i| sigma_max * (i as f64 * ratio).exp()).chain([0.0]);
        Ok(column(sigmas.map(|sigma| schedule.time(sigma))))
    }
}

/// Times at equal distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uniform {
    /// The time to start at.
    pub from: f64,
    /// The time to end at, 0 for data.
    pub to: f64,
    /// Steps between them.
    pub steps: usize,
}

impl TimeGrid for Uniform {
    fn times(&self, _schedule: &dyn Schedule) -> Result<Array2<f64>> {
        let Self { from, to, steps } = *self;
        if steps == 0 || !(from > to && to >= 0.0 && from.is_finite()) {
            return Err(Error::Unsupported(format!("{steps} steps from time {from} to {to} lead nowhere")));
        }
        let length = (to - from) / steps as f64;
        Ok(column((0..steps).map(|i| from + i as f64 * length).chain([to])))
    }
}

/// Times from 1 to 0 whose relative levels are `factor` times those of times at equal distances: for data of sd v and a
/// factor of v the steps are those that unit data have without one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretched {
    /// The factor, above 0.
    pub factor: f64,
    /// Steps between them.
    pub steps: usize,
}

impl TimeGrid for Stretched {
    fn times(&self, schedule: &dyn Schedule) -> Result<Array2<f64>> {
        let Self { factor, steps } = *self;
        if steps == 0 || !(factor > 0.0 && factor.is_finite()) {
            return Err(Error::Unsupported(format!(
                "{steps} steps with levels {factor} times those of a schedule lead nowhere; give both a number above 0"
            )));
        }
        let inner = |i: usize| schedule.time(factor * schedule.level(1.0 - i as f64 / steps as f64).relative());
        Ok(column(std::iter::once(1.0).chain((1..steps).map(inner)).chain([0.0])))
    }
}

/// Levels `[step + 1, frame]`: the way that [`super::drive`] goes, in either direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    rows: Array2<Level>,
    /// The level of the noise to start with, `[frame]`.
    start: Vec<Level>,
}

impl Levels {
    /// The levels of a schedule on a grid, from noise to data.
    ///
    /// # Errors
    /// When the grid does not descend.
    pub fn new(schedule: &dyn Schedule, grid: &dyn TimeGrid) -> Result<Self> {
        let mut levels = Self::from_rows(grid.times(schedule)?.mapv(|t| schedule.level(t)));
        if let Some(start) = grid.start(schedule) {
            levels.start.fill(schedule.level(start));
        }
        Ok(levels)
    }

    /// Any levels, `[step + 1, frame]`.
    pub fn from_rows(rows: Array2<Level>) -> Self {
        assert!(!rows.is_empty(), "no levels to go along");
        Self { start: rows.row(0).to_vec(), rows: rows.as_standard_layout().into_owned() }
    }

    /// The way back: from data to noise.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self::from_rows(self.rows.slice(s![..;-1, ..]).to_owned())
    }

    /// Each frame by levels of its own; all of equal length.
    #[must_use]
    pub fn side_by_side(frames: &[Self]) -> Self {
        let rows = frames.first().map_or(0, |frame| frame.rows.nrows());
        let columns: Vec<_> = frames.iter().flat_map(|frame| frame.rows.columns()).collect();
        let together = Array2::from_shape_fn((rows, columns.len()), |(step, frame)| columns[frame][step]);
        let start = frames.iter().flat_map(|frame| frame.start.clone()).collect();
        Self { start, ..Self::from_rows(together) }
    }

    /// The level of the noise to start with, `[frame]`.
    pub fn start(&self) -> &[Level] {
        &self.start
    }

    /// The number of steps.
    pub fn steps(&self) -> usize {
        self.rows.nrows().saturating_sub(1)
    }

    /// The levels before step `index`, `[frame]`; those after the last where it is the number of steps.
    pub fn before(&self, index: usize) -> &[Level] {
        self.rows.row(index).to_slice().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::{Rectified, VpCosine};
    use super::*;

    #[test]
    fn levels_of_karras_are_the_published_ones_whatever_the_schedule() {
        let grid = Karras { sigma_min: 0.002, sigma_max: 80.0, rho: 7.0, steps: 18 };
        let direct = grid.sigmas().unwrap();
        // (80^(1/7) + 9/17 (0.002^(1/7) - 80^(1/7)))^7
        assert!((direct[9] - 1.923_340).abs() < 1e-5, "{}", direct[9]);
        for schedule in [&Exploding as &dyn Schedule, &VpCosine { offset: 0.008 }, &Rectified] {
            let levels = Levels::new(schedule, &grid).unwrap();
            assert_eq!((levels.steps(), levels.before(18)), (18, &[Level::exploding(0.0)][..]));
            for (i, sigma) in direct.iter().enumerate() {
                assert!((levels.before(i)[0].relative() - sigma).abs() <= 1e-9 * sigma);
            }
        }
    }

    #[test]
    fn log_snr_is_uniform_and_so_is_time() {
        let levels = Levels::new(&Rectified, &LogSnr { sigma_min: 0.01, sigma_max: 10.0, steps: 7 }).unwrap();
        let snr: Vec<f64> = (0..7).map(|i| levels.before(i)[0].log_snr()).collect();
        assert!(snr.windows(3).all(|three| (three[0] + three[2] - 2.0 * three[1]).abs() < 1e-12), "{snr:?}");
        let levels = Levels::new(&Rectified, &Uniform { from: 1.0, to: 0.0, steps: 4 }).unwrap();
        assert_eq!((levels.before(1)[0].sigma, levels.before(4)[0].sigma), (0.75, 0.0));
        assert_eq!(levels.reversed().before(1)[0].sigma, 0.25);
        assert!(Levels::new(&Rectified, &Uniform { from: 0.5, to: 0.5, steps: 4 }).is_err());
    }

    #[test]
    fn stretched_levels_are_multiples_of_uniform_ones_and_keep_the_ends() {
        let uniform = Levels::new(&Rectified, &Uniform { from: 1.0, to: 0.0, steps: 5 }).unwrap();
        let stretched = Levels::new(&Rectified, &Stretched { factor: 0.3, steps: 5 }).unwrap();
        for i in 1..5 {
            let [own, other] = [&stretched, &uniform].map(|levels| levels.before(i)[0].relative());
            assert!((own / (0.3 * other) - 1.0).abs() < 1e-12, "{own} {other}");
        }
        assert_eq!([stretched.before(0), stretched.before(5)], [uniform.before(0), uniform.before(5)]);
        assert!(Levels::new(&Rectified, &Stretched { factor: 0.0, steps: 5 }).is_err());
    }

    #[test]
    fn frames_stand_side_by_side() {
        let one = Levels::new(&Rectified, &Uniform { from: 1.0, to: 0.0, steps: 2 }).unwrap();
        let both = Levels::side_by_side(&[one.clone(), one.reversed()]);
        assert_eq!(both.before(0), [Rectified.level(1.0), Rectified.level(0.0)]);
        assert_eq!(both.before(2), [Rectified.level(0.0), Rectified.level(1.0)]);
    }
}
