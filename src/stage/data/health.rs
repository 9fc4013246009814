//! What can be wrong with trajectories themselves, whatever file they come from.

use std::collections::BTreeMap;

use ndarray::{Array3, ArrayView2, ArrayViewD, Axis, Dimension, s};
use serde_json::{Value, json};

use crate::store::netcdf::{SplitPart, StoredTrajectories};

/// A problem, and whether the trajectories cannot be used because of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Whether it keeps the trajectories from being used.
    pub fatal: bool,
    /// Where it is.
    pub place: String,
    /// What is wrong, as a clause.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    fn new(fatal: bool, place: &str, message: String, remedy: &str) -> Self {
        Self { fatal, place: place.into(), message, remedy: remedy.into() }
    }
}

/// The largest number that serves: its square, and the sum of many of them, are numbers too.
pub const LARGEST: f64 = 1e150;

/// What is wrong, as a sentence, and what to do about it.
pub type Wrong = (String, String);

/// A value, at a place that may be known, is too large to serve.
pub fn too_large(value: f64, place: Option<&[usize]>) -> Wrong {
    let at = place.map_or_else(String::new, |place| {
        format!(" at ({})", place.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
    });
    let what = format!("it holds {value:e}{at}, but at most {LARGEST:e} serve");
    (what, "take another unit, or mark it as missing".to_owned())
}

/// Whether an array has values, and none that is finite is so large that its square is no number.
///
/// # Errors
/// What is wrong, as a sentence, and what to do about it.
pub fn usable(values: ArrayViewD<f64>) -> Result<(), Wrong> {
    if values.is_empty() {
        let shape = values.shape().iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        return Err((format!("it holds no values ({shape})"), "give a file that has some".to_owned()));
    }
    match values.indexed_iter().find(|(_, value)| value.abs() > LARGEST && value.is_finite()) {
        None => Ok(()),
        Some((place, value)) => Err(too_large(*value, Some(place.slice()))),
    }
}

/// The step of the times, if they are equally spaced: to a millionth of it, or, where all of them are numbers of single precision,
/// within what those can hold, as long as that is small beside the step.
///
/// # Errors
/// A finding that names the first step that differs.
pub fn step(times: &[f64]) -> Result<Option<f64>, Finding> {
    let [first, .., last] = times else { return Ok(None) };
    let step = (last - first) / (times.len() - 1) as f64;
    if let Some(at) = times.iter().position(|time| !time.is_finite()) {
        let message = format!("time {at} is {}", times[at]);
        return Err(Finding::new(true, "time", message, "give finite times that increase"));
    }
    if step <= 0.0 {
        let message = format!("the times go from {first} to {last}");
        return Err(Finding::new(true, "time", message, "give finite times that increase"));
    }
    let steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (double, single) = roundings(times);
    let apart = |own: &f64, step: f64, rounding: f64| (own - step).abs() > 1e-6 * step.abs() + rounding;
    if !steps.iter().any(|own| apart(own, step, double)) {
        return Ok(Some(step));
    }
    let coarse = single > RESOLVED * step;
    if !coarse && !steps.iter().any(|own| apart(own, step, single)) {
        return Ok(Some(step));
    }
    // a single gap moves the mean of all steps, but not their median
    let mut sorted = steps.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[sorted.len() / 2];
    let different = |rounding: f64| steps.iter().enumerate().find(|(_, own)| apart(own, usual, rounding));
    let (k, own) = different(single).or_else(|| different(double)).unwrap_or((0, &steps[0]));
    let message = format!("the step from time {k} to {} is {own}, and most are {usual}", k + 1);
    let remedy = match coarse && different(single).is_none() {
        true => {
            "these are times of single precision, which holds no such small step so far from 0: store double precision"
        }
        false => "interpolate to equally spaced times, or cut the trajectories",
    };
    Err(Finding::new(true, "time", message, remedy))
}

/// How large the rounding of times in single precision may be beside their step.
const RESOLVED: f64 = 0.1;

/// How far a difference of two times may be off because numbers are rounded: of double precision, and, where all times are numbers
/// of single precision, of that.
pub fn roundings(times: &[f64]) -> (f64, f64) {
    let largest = times.iter().fold(0.0f64, |largest, time| largest.max(time.abs()));
    let double = 4.0 * f64::EPSILON * largest;
    let all_single = times.iter().all(|&time| f64::from(time as f32) == time);
    (double, if all_single { 2.0 * f64::from(f32::EPSILON) * largest } else { double })
}

/// Every problem of the trajectories' shape, times, parts and values, in this order.
pub fn findings(data: &StoredTrajectories) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(data.time.as_deref().and_then(|times| step(times).err()));
    found.extend(shape(data));
    found.extend(missing(&data.values));
    found.extend(repeats(data));
    found.extend(still(&data.values));
    found
}

fn shape(data: &StoredTrajectories) -> Vec<Finding> {
    let (cases, times, _) = data.values.dim();
    let mut found = Vec::new();
    if times < 2 {
        let message = format!("there are {times} times");
        found.push(Finding::new(true, "time", message, "give at least two, better hundreds"));
    }
    match &data.split {
        None if cases < 3 => {
            let message = format!("there are {cases} trajectories, and training, validation and testing need one each");
            found.push(Finding::new(true, "case", message, "cut long trajectories into several"));
        }
        None => {}
        Some(split) => {
            for part in SplitPart::ALL.into_iter().filter(|part| !split.contains(part)) {
                let message = format!("no trajectory is for `{}`", part.name());
                found.push(Finding::new(true, "split", message, "give each part one, or leave the split out"));
            }
        }
    }
    found
}

fn missing(values: &Array3<f64>) -> Option<Finding> {
    let ((case, time, component), _) = values.indexed_iter().find(|(_, value)| !value.is_finite())?;
    let count = values.iter().filter(|value| !value.is_finite()).count();
    let holed = values.outer_iter().filter(|case| case.iter().any(|value| !value.is_finite())).count();
    let message = format!(
        "{count} of {} values, in {holed} of {} trajectories, are missing or not finite",
        values.len(),
        values.dim().0
    );
    let place = format!("case {case}, time {time}, component {component}");
    Some(Finding::new(true, &place, message, "leave such trajectories out, or fill the gaps first"))
}

/// Trajectories that repeat an earlier one, value by value.
fn repeats(data: &StoredTrajectories) -> Vec<Finding> {
    let mut seen: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    let mut found = Vec::new();
    let part = |case: usize| data.split.as_ref().map_or(String::new(), |split| format!(" ({})", split[case].name()));
    for (case, trajectory) in data.values.outer_iter().enumerate() {
        let alike = seen.entry(digest(trajectory)).or_default();
        if let Some(&before) = alike.iter().find(|&&before| data.values.index_axis(Axis(0), before) == trajectory) {
            let message = format!("the trajectory{} repeats that of case {before}{}", part(case), part(before));
            let remedy = "leave it out: a repeated test trajectory is no test";
            found.push(Finding::new(false, &format!("case {case}"), message, remedy));
        } else {
            alike.push(case);
        }
    }
    found
}

/// Equal for equal trajectories.
fn digest(trajectory: ArrayView2<f64>) -> u64 {
    trajectory
        .iter()
        .fold(0, |sum: u64, value| (sum ^ value.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29))
}

/// Trajectories and components that never change.
fn still(values: &Array3<f64>) -> Vec<Finding> {
    let constant = |lane: ArrayView2<f64>, first: ndarray::ArrayView1<f64>| lane.outer_iter().all(|now| now == first);
    let cases = values.outer_iter().enumerate().filter(|(_, case)| case.nrows() > 1 && constant(*case, case.row(0)));
    let mut found: Vec<Finding> = cases
        .map(|(case, _)| {
            let message = "the state never changes".to_owned();
            Finding::new(
                false,
                &format!("case {case}"),
                message,
                "leave it out unless it is a fixed point that matters",
            )
        })
        .collect();
    for (component, lane) in values.axis_iter(Axis(2)).enumerate() {
        let Some(first) = lane.first() else { continue };
        if lane.iter().all(|value| value == first) {
            let message = format!("the component is {first} everywhere");
            found.push(Finding::new(
                false,
                &format!("component {component}"),
                message,
                "leave it out: it has no scale",
            ));
        }
    }
    found
}

/// Mean, standard deviation and range of the finite values, and the standard deviation of their change in one step.
pub struct Statistics {
    mean: f64,
    sd: f64,
    min: f64,
    max: f64,
    sd_of_change: f64,
}

impl Statistics {
    /// Of all trajectories, `[case, time, component]`.
    pub fn of(values: &Array3<f64>) -> Self {
        let times = values.dim().1;
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let (before, after) =
            (values.slice(s![.., ..times.saturating_sub(1), ..]), values.slice(s![.., 1.min(times).., ..]));
        let change =
            || after.iter().zip(&before).map(|(after, before)| after - before).filter(|value| value.is_finite());
        let mean = mean(finite());
        Self {
            mean,
            sd: sd(finite(), mean),
            min: finite().fold(f64::INFINITY, f64::min),
            max: finite().fold(f64::NEG_INFINITY, f64::max),
            sd_of_change: sd(change(), self::mean(change())),
        }
    }

    /// As a line.
    pub fn line(&self) -> String {
        let Self { mean, sd, min, max, sd_of_change } = self;
        format!("mean {mean:.4}, sd {sd:.4}, from {min:.4} to {max:.4}; sd of the change in a step {sd_of_change:.4}")
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let Self { mean, sd, min, max, sd_of_change } = self;
        json!({"mean": mean, "sd": sd, "min": min, "max": max, "sd_of_change": sd_of_change})
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0u64), |(sum, count), value| (sum + value, count + 1));
    sum / count as f64
}

fn sd(values: impl Iterator<Item = f64>, mean: f64) -> f64 {
    self::mean(values.map(|value| (value - mean).powi(2))).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> StoredTrajectories {
        let values = Array3::from_shape_fn((4, 6, 3), |(c, t, i)| ((c * 100 + t * 10 + i) as f64).sin());
        StoredTrajectories::new(values, Some((0..6).map(|k| f64::from(k) * 0.1).collect()))
    }

    #[test]
    fn good_trajectories_have_no_finding() {
        assert_eq!(findings(&good()), []);
        assert!((step(&good().time.unwrap()).unwrap().unwrap() - 0.1).abs() < 1e-15);
        // Times in single precision, as they come from files: not equal, but as equal as they can be.
        let single: Vec<f64> = (0..100_000).map(|k| f64::from((f64::from(k) * 0.05) as f32)).collect();
        assert!(step(&single).is_ok());
        // ... but not where single precision holds no such step, nor any that is far from regular in double precision
        let far = |k: i32| 1e5 + f64::from(k) * 0.01;
        let coarse: Vec<f64> = (0..50).map(|k| f64::from(far(k) as f32)).collect();
        assert!(step(&coarse).unwrap_err().remedy.contains("double precision"));
        assert!((step(&(0..50).map(far).collect::<Vec<_>>()).unwrap().unwrap() - 0.01).abs() < 1e-9);
        let nanoseconds: Vec<f64> = [0.0, 1.0, 2.0, 3.5, 4.0].iter().map(|hour| 1.7e18 + 3.6e12 * hour).collect();
        assert!(step(&nanoseconds).is_err());
        let hours: Vec<f64> = (0..50).map(|k| f64::from(1_000_000 + k)).collect();
        assert_eq!(step(&hours).unwrap(), Some(1.0));
    }

    #[test]
    fn each_problem_is_found_with_its_place() {
        type Change = fn(&mut StoredTrajectories);
        let rows: [(Change, bool, &str, &str); 9] = [
            (|d| d.values[[2, 3, 1]] = f64::NAN, true, "case 2, time 3, component 1", "1 of 72 values, in 1 of 4"),
            (|d| d.values[[0, 0, 0]] = f64::INFINITY, true, "case 0, time 0, component 0", "not finite"),
            (|d| d.time = Some(vec![0.0, 0.1, 0.2, 0.35, 0.4, 0.5]), true, "time", "from time 2 to 3"),
            (|d| d.time = Some(vec![0.5, 0.4, 0.3, 0.2, 0.1, 0.0]), true, "time", "from 0.5 to 0"),
            (|d| d.split = Some(vec![SplitPart::Train; 4]), true, "split", "`valid`"),
            (|d| d.values = d.values.slice(s![..2, .., ..]).to_owned(), true, "case", "2 trajectories"),
            (
                |d| {
                    let copy = d.values.index_axis(Axis(0), 1).to_owned();
                    d.values.index_axis_mut(Axis(0), 3).assign(&copy);
                    d.split = Some(vec![SplitPart::Train, SplitPart::Train, SplitPart::Valid, SplitPart::Test]);
                },
                false,
                "case 3",
                "(test) repeats that of case 1 (train)",
            ),
            (|d| d.values.index_axis_mut(Axis(0), 2).fill(1.5), false, "case 2", "never changes"),
            (|d| d.values.index_axis_mut(Axis(2), 1).fill(0.5), false, "component 1", "0.5 everywhere"),
        ];
        for (change, fatal, place, says) in rows {
            let mut data = good();
            change(&mut data);
            let found = findings(&data);
            let fits = |f: &Finding| f.fatal == fatal && f.place == place && f.message.contains(says);
            assert!(found.iter().any(fits), "{place} {says}: {found:?}");
        }
    }

    #[test]
    fn statistics_leave_gaps_out() {
        let mut values = Array3::from_shape_fn((2, 3, 1), |(c, t, _)| (10 * c + t) as f64);
        values[[1, 2, 0]] = f64::NAN;
        let found = Statistics::of(&values);
        assert_eq!((found.mean, found.min, found.max, found.sd_of_change), (24.0 / 5.0, 0.0, 11.0, 0.0));
        assert!(
            (found.sd - (values.iter().take(5).map(|v| (v - 4.8).powi(2)).sum::<f64>() / 5.0).sqrt()).abs() < 1e-15
        );
    }
}
