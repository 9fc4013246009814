//! Long rollouts of what was fitted, held against the training data: a forecaster whose one-step law scores well may still
//! have a climate of its own, for errors of a step that no score sees add up.
//!
//! Members start from the training trajectories' first states and run freely; the second half counts. Mean, standard
//! deviation and autocorrelation of each component (of 32, evenly spaced) are compared with those of the training
//! states; standard errors take members as independent and allow for autocorrelation. Over the whole rollouts it is noted
//! when a member leaves the range of the training states.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, s};

use super::leaving::Leaving;
use crate::failure::Result;
use crate::progress::Progress;
use crate::results::{RolloutRow, TrainingRow};
use crate::score::Terms;
use crate::score::statistics::summarise;
use crate::stage::data::SplitTrajectories;
use crate::stage::experiment::{Experiment, FittedForecaster};
use crate::stage::options::go_on;
use crate::systems::{Domain, Forecaster, Key, Purpose};

/// Network evaluations that a check may take: a few seconds.
const BUDGET: usize = 1 << 17;
/// Members, at most and at least.
const MEMBERS: (usize, usize) = (64, 8);
/// Lead steps, at most.
const STEPS: usize = 1000;
/// The case of the check's random numbers, which no test trajectory has.
const CASE: u64 = u64::MAX;

/// The training table, with what rollouts show.
///
/// # Errors
/// When a forecaster itself cannot run, or the user stops.
pub fn training_rows(experiment: &Experiment, progress: &dyn Progress) -> Result<Vec<TrainingRow>> {
    let mut correlations = None;
    let mut rows = Vec::new();
    for made in &experiment.forecasters {
        let Some(row) = made.training_row() else { continue };
        let rollout = rollout(made, experiment, &mut correlations, progress)?;
        rows.push(TrainingRow { rollout, ..row });
    }
    Ok(rows)
}

/// A lag, and the autocorrelation of each probed component of the training data there.
type Correlations = (usize, Vec<f64>);

/// Rolls a forecaster out and compares its climate with that of the training data, whose `correlations` are found for the
/// first one that asks; none where it has no parameters, or the training trajectories are too short to know.
fn rollout(
    made: &FittedForecaster,
    experiment: &Experiment,
    correlations: &mut Option<Correlations>,
    progress: &dyn Progress,
) -> Result<Option<RolloutRow>> {
    let (Some(data), Some(climate)) = (&experiment.data, experiment.climate()) else { return Ok(None) };
    let (training, seed) = (made.fitted.training(), experiment.plan.seed);
    let steps = data.train.dim().1.saturating_sub(1).min(STEPS).min(BUDGET / training.evaluations.max(1) / MEMBERS.1);
    if training.parameters == 0 || steps < 20 || data.knows(made.fitted.as_forecaster(), &made.label).is_err() {
        return Ok(None);
    }
    let members = (BUDGET / training.evaluations.max(1) / steps).clamp(MEMBERS.1, MEMBERS.0);
    let probed = climate.probed();
    let (states, leaving) = run(made.fitted.as_forecaster(), data, (members, steps), &probed, seed, progress)?;
    let (lag, wanted) = correlations.get_or_insert_with(|| {
        let of_training = some(data.train.view(), &probed);
        let lag = half_life(&of_training);
        (lag, of_training.axis_iter(Axis(2)).map(|component| correlation(component, lag)).collect())
    });
    let (left, left_by) = leaving.found();
    let mut row = RolloutRow { members, steps, left, left_by, lag: *lag, ..RolloutRow::default() };
    for (j, &component) in probed.iter().enumerate() {
        let (mean, sd) = (climate.mean[component], climate.sd[component]);
        let found = states.index_axis(Axis(2), j).mapv(|x| (x - mean) / sd);
        add(&mut row, component, found.view(), wanted[j]);
    }
    Ok(Some(row))
}

impl RolloutRow {
    /// What to mistrust of the forecaster of this label: a standard deviation a tenth off, a mean a fifth of one off, surely;
    /// an autocorrelation .15 off.
    pub fn warning(&self, label: &str) -> Option<String> {
        if !self.finite {
            return Some(format!("A free rollout of `{label}` over {} lead steps is not finite.", self.steps));
        }
        // the worst of many components: four standard errors
        let surely = |off: f64, se: Option<f64>, least: f64| off > least && se.is_none_or(|se| off > 4.0 * se);
        let mut wrong = Vec::new();
        // of a law with heavy tails some may
        if let (Some(by), true) = (self.left_by, 10 * self.left > self.members) {
            let (left, members) = (self.left, self.members);
            wrong.push(format!(
                "{left} of {members} members leave the range of the training states, half of these by lead step {by}"
            ));
        }
        if let Some(ratio) = self.sd_ratio.filter(|ratio| surely((ratio - 1.0).abs(), self.sd_ratio_se, 0.1)) {
            wrong.push(format!("the standard deviation of component {} is {ratio:.2} times that", self.component));
        }
        if let Some(error) = self.mean_error.filter(|error| surely(error.abs(), self.mean_error_se, 0.2)) {
            wrong.push(format!("a mean is {error:.2} standard deviations off"));
        }
        if let Some(error) = self.autocorrelation_error.filter(|error| error.abs() > 0.15) {
            wrong.push(format!("the autocorrelation at lag {} is off by {error:.2}", self.lag));
        }
        (!wrong.is_empty()).then(|| {
            format!(
                "Free rollouts of `{label}` have a climate other than that of the training data: {}. Train longer, or on more \
                 data; long forecasts and background statistics of it are not to be trusted.",
                wrong.join("; ")
            )
        })
    }
}

/// The second half of the rollouts, `[member, time, probed component]`, and when members left the range of the training
/// states.
fn run(
    model: &dyn Forecaster,
    data: &SplitTrajectories,
    (members, steps): (usize, usize),
    probed: &[usize],
    seed: u64,
    progress: &dyn Progress,
) -> Result<(Array3<f64>, Leaving)> {
    let key = Key::new(seed, Domain::Method).purpose(Purpose::ProcessNoise).case(CASE);
    let cases = data.train.dim().0;
    let (mut x, past) = (Array2::zeros((members, model.dim())), model.history() - 1);
    for (member, mut state) in x.outer_iter_mut().enumerate() {
        state.assign(&data.train_state(model, member % cases, past));
    }
    let first = steps / 2;
    let mut states = Array3::zeros((members, steps - first, probed.len()));
    let mut leaving = Leaving::new(data.train.view(), members);
    for step in 0..steps {
        go_on(progress, "rolling forecasters out")?;
        let k = if model.autonomous() { step } else { data.first_step + past + step };
        model.advance(k, 1, &mut x, key)?;
        leaving.note(step + 1, &x);
        if step >= first {
            states.index_axis_mut(Axis(1), step - first).assign(&x.select(Axis(1), probed));
        }
    }
    Ok((states, leaving))
}

/// Values of training trajectories that correlations are taken from, at most.
const CORRELATED: usize = 1 << 24;

/// These components of training trajectories, `[case, time, component]`: of all of them, or of the first that hold 16 million
/// values, which say as much of a correlation.
fn some(states: ArrayView3<f64>, components: &[usize]) -> Array3<f64> {
    let (cases, times, _) = states.dim();
    let most = (CORRELATED / components.len().max(1)).max(2);
    let times = times.min(most);
    let cases = cases.min((most / times.max(1)).max(1));
    states.slice(s![..cases, ..times, ..]).select(Axis(2), components)
}

/// The first lag at which the mean autocorrelation over components, `[case, time, component]`, is below a half; at most a
/// tenth of a trajectory.
fn half_life(states: &Array3<f64>) -> usize {
    let most = (states.dim().1 / 10).max(1);
    let mean = |lag: usize| {
        let each = states.axis_iter(Axis(2)).map(|component| correlation(component, lag));
        each.filter(|rho| rho.is_finite()).sum::<f64>() / states.dim().2 as f64
    };
    (1..most).find(|lag| mean(*lag) < 0.5).unwrap_or(most)
}

/// The autocorrelation of one component, `[case, time]`, at a lag.
fn correlation(x: ArrayView2<f64>, lag: usize) -> f64 {
    let mean = x.mean().unwrap_or(0.0);
    let (times, centred) = (x.ncols(), x.mapv(|x| x - mean));
    let product = &centred.slice(s![.., ..times - lag]) * &centred.slice(s![.., lag..]);
    let square = centred.mapv(|x| x * x);
    product.mean().unwrap_or(0.0) / square.mean().unwrap_or(0.0)
}

/// Adds a component of the rollouts, `[member, time]` in units of the climate, where it is further off than those before.
fn add(row: &mut RolloutRow, component: usize, found: ArrayView2<f64>, wanted: f64) {
    let mut terms = Terms::new(2);
    for ((member, time), x) in found.indexed_iter() {
        terms.push(member, time, &[*x, x * x]);
    }
    let mean = summarise(&terms, &|means| means[0]);
    let sd = summarise(&terms, &|means| (means[1] - means[0] * means[0]).max(0.0).sqrt());
    let (Some(mean_value), Some(sd_value)) = (mean.value, sd.value) else {
        *row = RolloutRow { finite: false, component, sd_ratio: None, mean_error: None, ..row.clone() };
        return;
    };
    if !row.finite {
        return;
    }
    let further = |old: Option<f64>, new: f64| old.is_none_or(|old| new.ln().abs() > old.ln().abs());
    if further(row.sd_ratio, sd_value) {
        (row.component, row.sd_ratio, row.sd_ratio_se) = (component, Some(sd_value), sd.se);
    }
    if row.mean_error.is_none_or(|old| mean_value.abs() > old.abs()) {
        (row.mean_error, row.mean_error_se) = (Some(mean_value), mean.se);
    }
    let error = correlation(found, row.lag) - wanted;
    if row.autocorrelation_error.is_none_or(|old| error.abs() > old.abs()) {
        row.autocorrelation_error = Some(error).filter(|error| error.is_finite());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems;

    /// x' = phi x + s e: stationary with variance s^2 / (1 - phi^2).
    struct Autoregression(f64, f64);

    impl Forecaster for Autoregression {
        fn dim(&self) -> usize {
            2
        }

        fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
            let noise = key.purpose(Purpose::ForecastNoise).at(k as u64).normals(x.nrows(), x.ncols());
            *x = &*x * self.0 + noise * self.1;
            Ok(())
        }
    }

    fn row_of(model: &Autoregression) -> RolloutRow {
        let truth = Autoregression(0.9, 0.19f64.sqrt());
        let mut train = Array3::zeros((20, 2000, 2));
        let mut x = Key::new(1, Domain::Data).normals(20, 2);
        for time in 0..2000 {
            truth.step(time, &mut x, Key::new(1, Domain::Data)).unwrap();
            train.index_axis_mut(Axis(1), time).assign(&x);
        }
        let parts = [0, 1, 2].map(|_| crate::store::States::from(train.clone()));
        let data = SplitTrajectories::of(parts, crate::systems::Geometry::Unstructured, 0);
        let (states, leaving) = run(model, &data, (64, 1000), &[0, 1], 3, &crate::progress::Quiet).unwrap();
        let lag = half_life(&train);
        assert_eq!(lag, 7, "the first lag at which .9^lag is below a half");
        let (left, left_by) = leaving.found();
        let mut row = RolloutRow { members: 64, steps: 1000, left, left_by, lag, ..RolloutRow::default() };
        for j in 0..2 {
            let wanted = correlation(train.index_axis(Axis(2), j), lag);
            add(&mut row, j, states.index_axis(Axis(2), j), wanted);
        }
        row
    }

    #[test]
    fn the_climate_of_a_rollout_is_that_of_its_law() {
        // 64 members of 500 steps with a memory of 19: 1,700 values, so that an sd is known to 1.7 %
        let right = row_of(&Autoregression(0.9, 0.19f64.sqrt()));
        assert!((right.sd_ratio.unwrap() - 1.0).abs() < 0.06, "{right:?}");
        assert!(right.mean_error.unwrap().abs() < 0.12 && right.autocorrelation_error.unwrap().abs() < 0.08);
        assert!(right.warning("x").is_none(), "{right:?}");
        // 40,000 states reach 4.1 standard deviations on either side, widened 6.2: one of 64,000 is beyond in 1e5 times
        assert_eq!((right.left, right.left_by), (0, None));
        let wide = row_of(&Autoregression(0.95, 0.19f64.sqrt()));
        assert!((wide.sd_ratio.unwrap() / (0.19f64 / 0.0975).sqrt() - 1.0).abs() < 0.1, "{wide:?}");
        assert!(wide.warning("x").is_some_and(|text| text.contains("standard deviation")), "{wide:?}");
        let exploding = row_of(&Autoregression(3.0, 1.0));
        assert!(!exploding.finite || exploding.sd_ratio.unwrap() > 1e6, "{exploding:?}");
        assert!(exploding.warning("x").is_some());
        // 3^t times a state of order 1 is beyond 6.2 within a few lead steps
        assert!(exploding.left == 64 && exploding.left_by.is_some_and(|by| by <= 4), "{exploding:?}");
    }
}
