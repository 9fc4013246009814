//! A classifier two-sample test of one-step laws (Lopez-Paz and Oquab 2017), conditional on the state.
//!
//! From states x_k of the test trajectories, evenly spaced, come [`DRAWS`] fresh draws each of the true law and of the forecaster's,
//! less the mean of [`CENTRES`] other draws of the true law, so that the classifier need not find out by itself where that
//! lies. A [`Classifier`] learns from every second of these states to tell the two, and then chooses from each other state,
//! draw by draw, which of two is the forecaster's. Where the two laws are one, every choice is a fair coin of its own: draws are
//! independent given the states, so that it does not matter that neighbouring states resemble each other, nor which
//! were learned from. A tie is right every second time.

use ndarray::{Array1, Array2, Axis, s};

use super::start_blocks::lead_step;
use crate::failure::Result;
use crate::nn;
use crate::nn::classifier::{Classifier, Contrasts, Effort};
use crate::nn::windows::evenly;
use crate::progress::Quiet;
use crate::score::{CLASSIFIER_DRAWS as DRAWS, Case, Column, Input, Of, classifier_states};
use crate::stage::data::SplitTrajectories;
use crate::stage::score_table::ScoreTable;
use crate::systems::{Domain, Forecaster, Geometry, Key, Purpose};

/// How much is learned.
const EFFORT: Effort = Effort { steps: 300, width: 32 };
/// The cases of its random numbers, which no test trajectory has: the true law's draws, the forecaster's.
const CASES: [u64; 2] = [u64::MAX - 1, u64::MAX - 2];
/// The case of the draws whose mean is taken off.
const CENTRE: u64 = u64::MAX - 3;
/// How many these are.
const CENTRES: usize = 16;
/// What a draw that is not finite counts as, and the largest that counts, in standard deviations of the true law's increments.
const OUTLIER: f64 = 50.0;

/// Whether any column is about choices.
pub fn is_wanted(columns: &[Column]) -> bool {
    columns.iter().any(|column| column.metric.input() == Input::Choices)
}

/// Adds the choices of a classifier between a forecaster's draws and those of the true law to a table of the first lead
/// step.
///
/// # Errors
/// When a forecaster cannot run, or the training fails.
pub fn measure(
    table: &mut ScoreTable,
    data: &SplitTrajectories,
    exact: &dyn Forecaster,
    model: &dyn Forecaster,
    seed: u64,
) -> Result<()> {
    let (cases, times, dim) = data.test.dim();
    let count = classifier_states(cases * times, dim);
    if count == 0 {
        return Ok(());
    }
    let states = data.test.view();
    let finite =
        |(case, time): &(usize, usize)| states.index_axis(Axis(0), *case).row(*time).iter().all(|x| x.is_finite());
    let known = |(_, time): &(usize, usize)| *time + 1 >= model.history();
    let all = evenly(cases * times, count).map(|place| (place / times, place % times));
    let places: Vec<(usize, usize)> = all.filter(finite).filter(known).collect();
    let states = |law: &dyn Forecaster| {
        let mut states = Array2::zeros((places.len(), law.dim()));
        for (&(case, time), mut row) in places.iter().zip(states.outer_iter_mut()) {
            row.assign(&data.test_state(law, case, time));
        }
        states
    };
    let from = states(exact);
    let key = Key::new(seed, Domain::Score).purpose(Purpose::ProcessNoise);
    let steps = |law: &dyn Forecaster| -> Vec<usize> {
        let step = |(_, time): &(usize, usize)| if law.autonomous() { 0 } else { lead_step(law, data, *time) };
        places.iter().map(step).collect()
    };
    let both = centred([&from, &states(model)], [exact, model], [&steps(exact), &steps(model)], key)?;
    let from = from.slice_move(s![.., ..dim]);
    let right = right_choices(&from, both, data.geometry, EFFORT, Key::new(seed, Domain::Training).case(CASES[0]))?;
    let names: Vec<&'static str> =
        table.columns().iter().filter(|c| c.metric.input() == Input::Choices).map(Column::measured).collect();
    for (index, right) in right {
        let (case, time) = places[index];
        let found = Case::Choices { right, of: DRAWS };
        names.iter().for_each(|name| table.case(Of::Analysis, name, case, time, &found));
    }
    Ok(())
}

/// Draws of the true law and another from each state, [`DRAWS`] each, less the mean of other true ones from the same state, `[state x draw, component]`; a law is advanced from state i at lead step `steps[i]` of its own.
fn centred(
    [from, from_model]: [&Array2<f64>; 2],
    [exact, model]: [&dyn Forecaster; 2],
    [of_exact, of_model]: [&[usize]; 2],
    key: Key,
) -> Result<[Array2<f64>; 2]> {
    let others = drawn(exact, from, CENTRES, of_exact, key.case(CENTRE))?;
    let centre =
        |state: usize| others.slice(s![state * CENTRES..(state + 1) * CENTRES, ..]).sum_axis(Axis(0)) / CENTRES as f64;
    let mut own = drawn(exact, from, DRAWS, of_exact, key.case(CASES[0]))?;
    let mut other = drawn(model, from_model, DRAWS, of_model, key.case(CASES[1]))?;
    for (row, (mut own, mut other)) in own.outer_iter_mut().zip(other.outer_iter_mut()).enumerate() {
        let centre = centre(row / DRAWS);
        own -= &centre;
        other -= &centre;
    }
    Ok([own, other])
}

/// Draws of a law from each state (with its history and its parameters), `count` each, `[state x draw, component]`; state i is at lead step `steps[i]`.
fn drawn(law: &dyn Forecaster, from: &Array2<f64>, count: usize, steps: &[usize], key: Key) -> Result<Array2<f64>> {
    let mut x = Array2::from_shape_fn((from.nrows() * count, from.ncols()), |(row, c)| from[[row / count, c]]);
    let mut first = 0;
    // states at one lead step go together
    for run in steps.chunk_by(|a, b| a == b) {
        let rows = s![first * count..(first + run.len()) * count, ..];
        let mut part = x.slice(rows).to_owned();
        law.advance(run[0], 1, &mut part, key.members_from((first * count) as u64))?;
        x.slice_mut(rows).assign(&part);
        first += run.len();
    }
    Ok(x.slice_move(s![.., ..law.components()]))
}

/// The test states by their index, each with how many of its choices were right.
fn right_choices(
    from: &Array2<f64>,
    mut increments: [Array2<f64>; 2],
    geometry: Geometry,
    effort: Effort,
    key: Key,
) -> Result<Vec<(usize, usize)>> {
    // where the true system itself diverges there is nothing to be held against
    if increments[0].iter().any(|u| !u.is_finite()) {
        return Ok(Vec::new());
    }
    bound(&mut increments);
    let rows: Vec<usize> = (0..from.nrows() * DRAWS).map(|row| row / DRAWS).collect();
    let all = Contrasts { states: from.select(Axis(0), &rows), increments };
    let part =
        |of: &dyn Fn(usize) -> bool| all.select(&(0..rows.len()).filter(|row| of(rows[*row])).collect::<Vec<_>>());
    // of eight states four are learned from, one of them to look at what was learned, and four are tested
    let [train, valid, test] =
        [part(&|i| i.is_multiple_of(2) && i % 8 != 6), part(&|i| i % 8 == 6), part(&|i| i % 2 == 1)];
    let scores = match scores([&train, &valid, &test], geometry, effort, key) {
        Ok(scores) => Some(scores),
        // both laws are one point, the same
        Err(nn::Error::Data(_)) => None,
        Err(error) => return Err(crate::forecast::Error::from(error).into()),
    };
    let is_right = |row: usize| match scores.as_ref().map(|[first, second]| second[row] - first[row]) {
        Some(difference) if difference != 0.0 => difference > 0.0,
        _ => row.is_multiple_of(2),
    };
    let right = |state: usize| (state * DRAWS..(state + 1) * DRAWS).filter(|row| is_right(*row)).count();
    Ok((0..test.states.nrows() / DRAWS).map(|state| (2 * state + 1, right(state))).collect())
}

/// What a classifier of two parts says of the increments of both laws in a third.
fn scores(
    [train, valid, test]: [&Contrasts; 3],
    geometry: Geometry,
    effort: Effort,
    key: Key,
) -> nn::Result<[Array1<f64>; 2]> {
    let classifier = Classifier::fit([train, valid], geometry, effort, key, &Quiet)?;
    let of = |law: usize| classifier.scores(test.states.view(), test.increments[law].view());
    Ok([of(0)?, of(1)?])
}

/// Brings what is not finite, or far from all that the true law does, to where it is told at once and harms no training.
fn bound([exact, other]: &mut [Array2<f64>; 2]) {
    for (truth, mut drawn) in exact.columns().into_iter().zip(other.columns_mut()) {
        let (mean, sd) = (truth.mean().unwrap_or(0.0), truth.std(0.0));
        let spread = OUTLIER * if sd > 0.0 { sd } else { 1.0 };
        let most = mean + spread;
        drawn.mapv_inplace(|u| if u.is_finite() { u.clamp(mean - spread, most) } else { most });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::{Context, Metric, Pool, Terms, build};
    use crate::systems::{Result as StepResult, Stream};

    /// x_{k+1} = x_k / 2 + what is drawn.
    struct Drawn<F>(usize, F);

    impl<F: Fn(&mut Stream, &mut [f64]) + Send + Sync> Forecaster for Drawn<F> {
        fn dim(&self) -> usize {
            self.0
        }

        fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> StepResult<()> {
            let mut noise = vec![0.0; self.0];
            for (member, mut row) in x.outer_iter_mut().enumerate() {
                (self.1)(&mut key.at(k as u64).stream(member as u64), &mut noise);
                row.iter_mut().zip(&noise).for_each(|(x, noise)| *x = 0.5 * *x + noise);
            }
            Ok(())
        }
    }

    /// Accuracy and p of the choices between two laws from `count` states of `dim` components.
    fn test(laws: [&dyn Forecaster; 2], count: usize, effort: Effort, seed: u64) -> (f64, f64) {
        let from = Key::new(seed, Domain::Data).normals(count, laws[0].dim());
        let steps = vec![0; count];
        let key = Key::new(seed, Domain::Score);
        let both = centred([&from, &from], laws, [&steps, &steps], key).unwrap();
        let key = Key::new(seed, Domain::Training);
        let right = right_choices(&from, both, Geometry::Unstructured, effort, key).unwrap();
        let context = Context::plain(Pool::All);
        let value = |name: &str| {
            let metric: Box<dyn Metric> = build(name, &context).unwrap();
            let mut terms = Terms::new(metric.terms());
            right
                .iter()
                .for_each(|(i, right)| terms.measure(&*metric, 0, *i, &Case::Choices { right: *right, of: DRAWS }));
            metric.summarise(&terms).value.unwrap()
        };
        (value("classifier_accuracy"), value("classifier_p"))
    }

    fn gaussian(sd: f64) -> impl Forecaster {
        Drawn(1, move |stream: &mut Stream, out: &mut [f64]| out[0] = sd * stream.normal())
    }

    /// Two normals of unit variance with this correlation.
    fn correlated(correlation: f64) -> impl Forecaster {
        Drawn(2, move |stream: &mut Stream, out: &mut [f64]| {
            out[0] = stream.normal();
            out[1] = correlation * out[0] + (1.0 - correlation * correlation).sqrt() * stream.normal();
        })
    }

    /// +-m with equal chances plus a normal, of variance 1 in all.
    fn two_wells(m: f64) -> impl Forecaster {
        Drawn(1, move |stream: &mut Stream, out: &mut [f64]| {
            let well = if stream.uniform() < 0.5 { -m } else { m };
            out[0] = well + (1.0 - m * m).sqrt() * stream.normal();
        })
    }

    #[test]
    fn laws_that_differ_are_told_as_often_as_they_can_be() {
        let found = |name: &str, laws: [&dyn Forecaster; 2], least: f64, most: f64| {
            let tests = [3, 4, 5, 6].map(|seed| test(laws, 2048, EFFORT, seed));
            let accuracy = tests.iter().map(|(accuracy, _)| accuracy).sum::<f64>() / 4.0;
            let told = tests.iter().filter(|(_, p)| *p < 0.05).count();
            println!("{name}: accuracy {accuracy:.4} of at most {most:.4}; told at 5 % in {told} of 4; {tests:.4?}");
            // 4 x 4,096 choices: a standard deviation of .0039
            assert!(accuracy > least && accuracy < most + 0.012, "{name}: {accuracy}");
            told
        };
        let [right, wide, wider] = [1.0, 1.1, 1.2].map(gaussian);
        // the most that any function of what the classifier sees reaches, of 2,000,000 draws less the means of 16 others: for
        // an sd and a correlation by the quadratic form that is best, for wells by histograms
        found("sd off by 10 %", [&right, &wide], 0.512, 0.529);
        assert_eq!(found("sd off by 20 %", [&right, &wider], 0.54, 0.555), 4);
        assert_eq!(found("correlation 0 for .8", [&correlated(0.8), &correlated(0.0)], 0.73, 0.752), 4);
        assert_eq!(found("one well for two", [&two_wells(0.9), &right], 0.615, 0.635), 4);
    }

    #[test]
    fn one_law_against_itself_is_called_different_as_often_as_said() {
        let (law, repeats) = (correlated(0.5), 120);
        let effort = Effort { steps: 40, width: 16 };
        let rejected = (0..repeats).filter(|seed| test([&law, &law], 256, effort, 100 + seed).1 < 0.05).count();
        println!("one law against itself: rejected in {rejected} of {repeats} at 5 %");
        // 6 expected; more than 13 in one of 350 such tests
        assert!(rejected <= 13, "{rejected} of {repeats}");
    }

    #[test]
    fn a_draw_that_is_not_finite_is_told_at_once_and_a_tie_is_a_coin() {
        let wild = Drawn(1, |stream: &mut Stream, out: &mut [f64]| {
            out[0] = if stream.uniform() < 0.5 { f64::NAN } else { 1e300 };
        });
        let effort = Effort { steps: 60, width: 16 };
        let (accuracy, _) = test([&gaussian(1.0), &wild], 256, effort, 4);
        assert!(accuracy > 0.99, "{accuracy}");
        let still = Drawn(2, |_: &mut Stream, out: &mut [f64]| out.fill(0.1));
        assert_eq!(test([&still, &still], 64, effort, 4).0, 0.5);
    }

    const EXPERIMENT: &str = "[system]\nname = \"ou\"\n[data]\ntrajectories = 12\nsteps = 200\nsplit = [0.5, 0.25, 0.25]\n\
                              [score]\nforecasters = [\"perfect\", \"persistence\"]\nlead_steps = 2\nstarts = 40\nmembers = 40\n\
                              metrics = [\"variogram_score_fair\", \"classifier_accuracy\", \"classifier_p\", \
                              \"excess_kurtosis\"]\n";

    #[test]
    fn a_forecast_table_has_the_scores_that_nobody_is_trained_on_where_they_are_named() {
        let plan = crate::spec::check(EXPERIMENT, "ou.toml", &[]).unwrap_or_else(|found| panic!("{found:?}"));
        let options = crate::stage::options::Options::new(1 << 30);
        let experiment = crate::stage::experiment::Experiment::prepare(&plan, &options, &Quiet).unwrap();
        let report = super::super::score::score(&experiment, &Quiet).unwrap();
        let found = |forecaster: &str, metric: &str, lead: usize| {
            let is = |row: &&crate::results::ForecastRow| {
                row.forecaster == forecaster && row.metric == metric && row.lead_step == Some(lead)
            };
            report.forecast.iter().find(is)
        };
        let value = |forecaster: &str, metric: &str| found(forecaster, metric, 1).unwrap().value.unwrap();
        // 3 trajectories of 201 states, of which half are tested: 1,204 choices, a standard deviation of .0144
        let (accuracy, p) = (value("perfect", "classifier_accuracy"), value("perfect", "classifier_p"));
        assert!((accuracy - 0.5).abs() < 0.05 && p > 0.001, "{accuracy} {p}");
        assert!(value("persistence", "classifier_accuracy") > 0.9 && value("persistence", "classifier_p") < 1e-12);
        // choices are those of one lead step
        assert!(found("perfect", "classifier_accuracy", 2).is_none());
        // the law of a lead step is Gaussian
        let kurtosis = found("perfect", "excess_kurtosis", 1).unwrap();
        assert!(kurtosis.value.unwrap().abs() < 5.0 * kurtosis.se.unwrap(), "{kurtosis:?}");
        assert!(value("perfect", "variogram_score_fair") < value("persistence", "variogram_score_fair"));
        assert_eq!(found("perfect", "variogram_score_fair", 2).unwrap().estimator, "fair, pairs alike");
    }
}
