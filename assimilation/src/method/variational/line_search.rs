//! The line search of the variational methods (Armijo 1966): the step of Gauss-Newton, or a half, a quarter, ... of it where
//! the cost would not fall by a share of what its slope promises.

use crate::error::Result;

/// Halvings of a step before it is taken as it is.
const HALVINGS: usize = 30;

/// The share of the fall that the slope promises, which a step must bring.
const SUFFICIENT: f64 = 1e-4;

/// Relative rounding of a cost.
const ROUNDING: f64 = 1e-14;

/// A point of the search with its cost.
pub(crate) trait Point {
    /// J there.
    fn cost(&self) -> f64;
}

/// The point that is gone to and the share of the step that is taken, where the cost is `cost` and the whole step promises
/// to lower it by `fall` (-J' . step); `at` gives the point after a share of the step.
///
/// # Errors
/// When `at` fails.
pub(crate) fn search<P: Point>(cost: f64, fall: f64, mut at: impl FnMut(f64) -> Result<P>) -> Result<(P, f64)> {
    let mut share = 1.0;
    let mut next = at(share)?;
    for _ in 0..HALVINGS {
        // written so that NaN is not accepted
        if next.cost() <= cost * (1.0 + ROUNDING) - SUFFICIENT * share * fall {
            break;
        }
        share *= 0.5;
        next = at(share)?;
    }
    Ok((next, share))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Point for f64 {
        fn cost(&self) -> f64 {
            *self
        }
    }

    #[test]
    fn steps_are_halved_until_the_cost_falls_and_nan_is_not_accepted() {
        // J = (x - 1)^2 from x = 0, whose slope is -2, by a step of 6: 36 - 12 J' falls first at a quarter
        let (cost, share) = search(1.0, 12.0, |share| Ok((6.0 * share - 1.0f64).powi(2))).unwrap();
        assert_eq!((cost, share), (0.25, 0.25));
        let (_, share) = search(1.0, 1.0, |share| Ok(if share > 0.1 { f64::NAN } else { 0.5 })).unwrap();
        assert_eq!(share, 0.0625);
        let (_, share) = search(1.0, 1.0, |_| Ok(0.9)).unwrap();
        assert_eq!(share, 1.0);
    }
}
