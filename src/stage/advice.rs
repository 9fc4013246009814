//! What a training curve says of the number of steps: that more may pay, or that there were too many.
//!
//! The fall of a curve is what its validation loss fell by from its first point to its least one. Where the last tenth of the
//! steps, in which the learning rate is next to nothing, still brought a hundredth of that, the training was too short.
//! Where the loss at the end has risen by a twentieth of that above its least, which was before half of the steps, it
//! was too long for its data. Where the first point is as low as the least one but for noise, there is no fall to hold
//! anything against; that is said.

use super::fall::{Fall, POINTS};
use crate::results::Curve;

/// The share of the fall in the last tenth that is much.
const STILL: f64 = 0.01;
/// The share of the fall that is a rise.
const RISE: f64 = 0.05;

/// Advice about a training, as a sentence.
pub fn advice(curve: &Curve) -> Option<String> {
    let fall = Fall::of(&curve.points).filter(|fall| fall.points() >= POINTS && fall.fall() > 0.0)?;
    let said = match fall.fell() {
        true => too_short(&fall).or_else(|| too_long(&fall)),
        false => Some(early(&fall)),
    };
    Some(format!("`{}`: the validation loss {}", curve.title(), said?))
}

fn too_short(fall: &Fall) -> Option<String> {
    let share = fall.late() / fall.fall();
    (share > STILL && fall.tells(fall.late())).then(|| {
        format!(
            "still fell in the last tenth of the training, by {:.0} % of its whole fall; more steps than {} may pay",
            100.0 * share,
            fall.last.step
        )
    })
}

fn too_long(fall: &Fall) -> Option<String> {
    let rise = fall.rise();
    (rise > RISE * fall.fall() && is_long_over(fall)).then(|| {
        let by = match rise < fall.fall() {
            true => format!("by {:.0} % of its fall", 100.0 * rise / fall.fall()),
            false => format!(
                "from {} to {}, above its first, {}",
                loss(fall.least.valid),
                loss(fall.last.valid),
                loss(fall.first.valid)
            ),
        };
        format!("has risen since step {} of {}, {by}; {FEWER}", fall.least.step, fall.last.step)
    })
}

/// What to do where a loss rises.
const FEWER: &str = "give it fewer steps, a smaller network or more data";

/// Whether the loss has risen by more than noise from a least one before half of the steps.
fn is_long_over(fall: &Fall) -> bool {
    fall.rose() && 2 * fall.least.step < fall.last.step
}

/// Of a loss that was as low at its first validation as it ever was.
fn early(fall: &Fall) -> String {
    let (step, all) = (fall.first.step, fall.last.step);
    let [first, least, last] = [fall.first, fall.least, fall.last].map(|point| loss(point.valid));
    if is_long_over(fall) && fall.rise() > fall.fall() {
        let since = fall.least.step;
        return format!(
            "was hardly lower ever than at its first, {first} at step {step}, and has risen since step {since} of {all}, to {last}; {FEWER}"
        );
    }
    format!(
        "was hardly lower ever than at its first, {first} at step {step} (least {least}); fewer steps than {all} may do as well"
    )
}

/// A loss to so many digits that small differences are seen.
fn loss(value: f64) -> String {
    format!("{value:.4}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CurvePoint;

    fn curve(valid: impl Fn(f64) -> f64) -> Curve {
        let point = |i: u64| CurvePoint { step: 10 * i, train: 0.0, valid: valid(i as f64 / 100.0) };
        Curve { label: "a".to_owned(), of: None, points: (1..=100).map(point).collect() }
    }

    #[test]
    fn a_curve_that_falls_to_the_end_asks_for_more_steps_and_one_that_rises_for_fewer() {
        let falling = advice(&curve(|t| 1.0 - t)).unwrap();
        assert!(falling.contains("by 10 % of its whole fall; more steps than 1000"), "{falling}");
        // least at a fifth, and then up by half of its fall
        let rising = advice(&curve(|t| if t <= 0.2 { 1.0 - 5.0 * t } else { 0.5 * (t - 0.2) / 0.8 })).unwrap();
        assert!(rising.contains("risen since step 200 of 1000, by 53 %"), "{rising}");
        assert_eq!(advice(&curve(|t| (-20.0 * t).exp())), None, "one that has arrived");
        assert_eq!(advice(&curve(|_| f64::NAN)), None, "nothing was validated");
        assert_eq!(advice(&curve(|t| 1.0 + t)), None, "a loss that never fell says nothing of steps");
    }

    #[test]
    fn where_the_first_validation_is_as_low_as_the_least_no_share_of_a_fall_is_said() {
        // a loss that falls by less than its noise, and one that falls by next to nothing and is smooth
        let noise = |t: f64| 1e-3 * (997.0 * t).sin();
        let flat = advice(&curve(|t| 0.5 - 1e-4 * t + noise(t))).unwrap();
        assert!(
            flat.contains("hardly lower ever than at its first")
                && flat.ends_with("fewer steps than 1000 may do as well")
        );
        let smooth = advice(&curve(|t| 0.5 - 1e-5 * (1.0 - (-9.0 * t).exp()))).unwrap();
        assert!(smooth.contains("0.5000 at step 10 (least 0.5000)"), "{smooth}");
        let risen = advice(&curve(|t| 0.5 - 1e-3 * (-300.0 * (t - 0.1).powi(2)).exp() + 0.2 * t.powi(4))).unwrap();
        assert!(risen.contains("has risen since step") && risen.contains("to 0.7"), "{risen}");
        for said in [flat, smooth, risen] {
            assert!(!said.contains('%'), "{said}");
        }
        // a rise above the first is no share of the fall
        let above = advice(&curve(|t| if t <= 0.2 { 1.0 - t } else { 0.8 + 2.0 * (t - 0.2) })).unwrap();
        assert!(
            above.contains("risen since step 200 of 1000, from 0.8000 to 2.4000, above its first, 0.9900"),
            "{above}"
        );
    }

    #[test]
    fn the_least_of_many_noisy_losses_is_no_fall_of_the_last_tenth() {
        let noise = |t: f64| 0.03 * (997.0 * t).sin();
        assert_eq!(advice(&curve(|t| (-20.0 * t).exp() + noise(t) - if t > 0.995 { 0.02 } else { 0.0 })), None);
    }

    #[test]
    fn a_network_that_another_is_learned_from_is_named() {
        let said = advice(&Curve { of: Some("teacher".to_owned()), ..curve(|t| 1.0 - t) }).unwrap();
        assert!(said.starts_with("`a (teacher)`: the validation loss still fell"), "{said}");
    }
}
