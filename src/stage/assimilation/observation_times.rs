//! The lead steps of the sets of observations in a user's file, from its coordinate `time`.

use crate::stage::data::health::roundings;

/// The lead steps of `count` sets, the first `every` lead steps of length `dt` after the prior. Later ones follow at the gaps
/// between their times, each of which must be some whole number of `every * dt`; without times they follow each `every`.
///
/// # Errors
/// Two sentences, what is wrong and what to do, where times do not ascend or a gap is none of these.
pub(super) fn lead_steps(
    time: Option<&[f64]>,
    count: usize,
    every: usize,
    dt: f64,
) -> Result<Vec<usize>, (String, String)> {
    let Some(time) = time else { return Ok((1..=count).map(|set| set * every).collect()) };
    let unit = every as f64 * dt;
    let tolerance = TOLERANCE + (roundings(time).1 / unit).min(MOST_ROUNDING);
    let mut steps = vec![every];
    for (set, pair) in time.windows(2).enumerate() {
        let gap = pair[1] - pair[0];
        let (first, second) = (set + 1, set + 2);
        if gap.is_nan() || gap <= 0.0 {
            let what =
                format!("its `time` does not ascend: set {first} is at {} and set {second} at {}", pair[0], pair[1]);
            return Err((what, "put the sets in the order of their times, one set a time".to_owned()));
        }
        // from the first set on, so that what each gap is off does not add up
        let from_first = (pair[1] - time[0]) / unit;
        let (units, gaps) = (from_first.round(), (gap / unit).round());
        if gaps < 1.0 || (from_first - units).abs() > tolerance || gaps > MOST {
            let what = format!(
                "its sets {first} and {second} are {gap:.6} apart in `time`, and set {second} is {from_first:.4} times \
                 observe.every * data.dt = {unit:.6} after the first, but sets follow each other by a whole number (up to \
                 {MOST}) of it"
            );
            let remedy = "set observe.every and data.dt so that they do, give `time` in model time, or leave the coordinate \
                          out where sets are equally far apart";
            return Err((what, remedy.to_owned()));
        }
        steps.push(every + units as usize * every);
    }
    steps.truncate(count);
    Ok(steps)
}

/// How far the time since the first set may be from a whole number, beside what single precision rounds.
const TOLERANCE: f64 = 1e-2;

/// The most that rounding may add to it: single precision holds no small steps far from 0.
const MOST_ROUNDING: f64 = 0.1;

/// A gap of more than this is a time in another unit rather than a pause.
const MOST: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_where_their_times_are() {
        assert_eq!(lead_steps(None, 3, 4, 0.05).unwrap(), [4, 8, 12]);
        let regular: Vec<f64> = (1..=3).map(|set| 0.2 * f64::from(set)).collect();
        assert_eq!(lead_steps(Some(&regular), 3, 4, 0.05).unwrap(), [4, 8, 12]);
        // from another origin, in single precision, and with gaps
        let stored: Vec<f64> = [7.0f32, 7.2, 7.8, 8.0].map(f64::from).to_vec();
        assert_eq!(lead_steps(Some(&stored), 4, 4, 0.05).unwrap(), [4, 8, 20, 24]);
        assert_eq!(lead_steps(Some(&stored), 4, 2, 0.05).unwrap(), [2, 6, 18, 22]);
        assert_eq!(lead_steps(Some(&[]), 0, 4, 0.05).unwrap(), [0; 0]);
    }

    #[test]
    fn times_that_are_no_lead_steps_are_refused() {
        let refused = |time: &[f64]| lead_steps(Some(time), time.len(), 4, 0.05).unwrap_err().0;
        assert!(refused(&[0.2, 0.5]).contains("sets 1 and 2 are 0.300000 apart in `time`"));
        assert!(refused(&[0.2, 0.25]).contains("observe.every * data.dt = 0.200000"));
        // each gap is off by less than 1 %, and they add up
        let late: Vec<f64> = (0..300).map(|set| 0.2018 * f64::from(set)).collect();
        assert!(refused(&late).contains("set 3 is 2.0180 times"), "{}", refused(&late));
        // hours
        assert!(refused(&[0.0, 60.0]).contains("sets 1 and 2 are 60.000000"));
        // of single precision, which has no such steps so far from 0
        let coarse: Vec<f64> = (0..9).map(|set| f64::from((1e7 + 0.2 * f64::from(set)) as f32)).collect();
        assert!(lead_steps(Some(&coarse), 9, 4, 0.05).is_err());
        for time in [[0.4, 0.2], [0.2, 0.2], [0.2, f64::NAN]] {
            assert!(refused(&time).contains("does not ascend: set 1"), "{time:?}");
        }
    }
}
