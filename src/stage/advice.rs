//! What a training curve says of the number of steps: that more may pay, or that there were too many.
//!
//! The fall of a curve is what its validation loss fell by from its first point to its least one. Where the last tenth of the
//! steps, in which the learning rate is next to nothing, still brought a hundredth of that, the training was too short.
//! Where the loss at the end has risen by a twentieth of that above its least, which was before half of the steps, it
//! was too long for its data.

use crate::model::CurvePoint;

/// The least number of points that say anything.
const POINTS: usize = 10;
/// The share of the fall in the last tenth that is much.
const STILL: f64 = 0.01;
/// The share of the fall that is a rise.
const RISE: f64 = 0.05;

/// Advice about the training of a forecaster, as a sentence.
pub fn advice(label: &str, curve: &[CurvePoint]) -> Option<String> {
    let known: Vec<&CurvePoint> = curve.iter().filter(|point| point.valid.is_finite()).collect();
    let (first, last) = (known.first()?, known.last()?);
    let least = known.iter().min_by(|a, b| a.valid.total_cmp(&b.valid))?;
    let fall = first.valid - least.valid;
    if known.len() < POINTS || fall <= 0.0 {
        return None;
    }
    let before = known[..known.len() - known.len() / 10].iter().map(|point| point.valid).fold(f64::INFINITY, f64::min);
    let (late, rise) = ((before - least.valid) / fall, (last.valid - least.valid) / fall);
    if late > STILL {
        let percent = 100.0 * late;
        return Some(format!(
            "`{label}`: the validation loss still fell in the last tenth of the training, by {percent:.0} % of its whole \
             fall; more steps than {} may pay",
            last.step
        ));
    }
    (rise > RISE && 2 * least.step < last.step).then(|| {
        format!(
            "`{label}`: the validation loss has risen since step {} of {}, by {:.0} % of its fall; give it fewer steps, a \
             smaller network or more data",
            least.step,
            last.step,
            100.0 * rise
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(valid: impl Fn(f64) -> f64) -> Vec<CurvePoint> {
        (1..=100).map(|i| CurvePoint { step: 10 * i, train: 0.0, valid: valid(i as f64 / 100.0) }).collect()
    }

    #[test]
    fn a_curve_that_falls_to_the_end_asks_for_more_steps_and_one_that_rises_for_fewer() {
        let falling = advice("a", &curve(|t| 1.0 - t)).unwrap();
        assert!(falling.contains("by 10 % of its whole fall; more steps than 1000"), "{falling}");
        // least at a fifth, and then up by half of its fall
        let rising = advice("a", &curve(|t| if t <= 0.2 { 1.0 - 5.0 * t } else { 0.5 * (t - 0.2) / 0.8 })).unwrap();
        assert!(rising.contains("risen since step 200 of 1000, by 53 %"), "{rising}");
        assert_eq!(advice("a", &curve(|t| (-20.0 * t).exp())), None, "one that has arrived");
        assert_eq!(advice("a", &curve(|_| f64::NAN)), None, "nothing was validated");
        assert_eq!(advice("a", &curve(|t| 1.0 + t)), None, "a loss that never fell says nothing of steps");
    }
}
