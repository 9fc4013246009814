//! A figure along a sweep of noise levels, and the plateau that is the dimension.
//!
//! At noise far below the law's own floor every direction is the law's, and the figure is n; at noise beyond the distances between
//! its pieces, or its curvature, it is the flat's; far beyond the law's width it is nothing. The dimension is read between: from
//! the plateau of the least noise that is not the whole space, or where noise and law are so near that there is none, from the
//! bend at which it changes least.

use super::estimate::{Curve, Dimension, median};
use crate::systems::Result;

/// Four levels a decade, from .01 to 31.6 standard deviations of the law.
const LEVELS: usize = 15;

/// Levels that a plateau holds at least: half a decade from end to end.
const HELD: usize = 3;

/// The share of the whole space from which a figure is that of the whole space.
const FILLED: f64 = 0.9;

/// How far values of a plateau are apart, at most: absolutely, and as a share.
const TOLERANCE: (f64, f64) = (0.5, 0.08);

/// The levels.
fn levels() -> impl Iterator<Item = f64> {
    (0..LEVELS).map(|index| 10f64.powf(index as f64 / 4.0 - 2.0))
}

/// The dimension by a figure of each point at each level, between `least` and `most` (both left out), n of them the whole space.
///
/// # Errors
/// When the figure cannot be had.
pub fn swept(
    (least, most, whole): (f64, f64, f64),
    mut figure: impl FnMut(f64) -> Result<Vec<f64>>,
) -> Result<Option<Dimension>> {
    let all: Vec<(f64, Vec<f64>)> = levels().map(|sigma| Ok((sigma, figure(sigma)?))).collect::<Result<_>>()?;
    let points: Vec<(f64, f64)> = all.iter().map(|(sigma, values)| (*sigma, median(values.clone()))).collect();
    let found = plateaus(&points);
    let value = |place: &(usize, usize)| median(points[place.0..place.1].iter().map(|point| point.1).collect());
    let inside = |place: &&(usize, usize)| (least + 0.25..(most - 0.25).min(FILLED * whole)).contains(&value(place));
    let bends = bends(&points);
    let filled = |place: &&(usize, usize)| value(place) >= FILLED * whole;
    let chosen = found.iter().find(inside).or_else(|| bends.iter().find(inside)).or_else(|| found.iter().find(filled));
    let Some(place) = chosen else { return Ok(None) };
    // each point by the median of its values on the plateau
    let count = all[0].1.len();
    let of = |point: usize| median(all[place.0..place.1].iter().map(|(_, values)| values[point]).collect());
    let own: Vec<f64> = (0..count).map(of).collect();
    let mean = own.iter().sum::<f64>() / count as f64;
    let variance = own.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count as f64 - 1.0);
    let se = (variance / count as f64).sqrt();
    let curve = Curve { scale: SIGMA, points: points.clone() };
    Ok(Some(Dimension { value: mean, se: (count > 1).then_some(se), n: count, curve }))
}

/// What levels are.
pub const SIGMA: &str = "noise sigma, in sd of the law";

/// The longest stretches of at least [`HELD`] levels along which values are alike: first and one past the last, from the least
/// noise on.
fn plateaus(points: &[(f64, f64)]) -> Vec<(usize, usize)> {
    let alike = |from: usize, to: usize| {
        let values = || points[from..to].iter().map(|point| point.1);
        let (min, max) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        values().all(f64::is_finite) && max - min <= TOLERANCE.0.max(TOLERANCE.1 * max)
    };
    let (mut found, mut from) = (Vec::new(), 0);
    while from + HELD <= points.len() {
        let Some(to) = (from + HELD..=points.len()).rev().find(|to| alike(from, *to)) else {
            from += 1;
            continue;
        };
        found.push((from, to));
        from = to;
    }
    found
}

/// Pairs of levels between which a figure changes less than on either side: first and one past the second.
fn bends(points: &[(f64, f64)]) -> Vec<(usize, usize)> {
    let steps: Vec<f64> = points.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs()).collect();
    let least = |index: &usize| steps[index - 1] > steps[*index] + 1e-9 && steps[index + 1] > steps[*index] + 1e-9;
    (1..steps.len().saturating_sub(1)).filter(least).map(|index| (index, index + 2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: [f64; LEVELS]) -> Option<f64> {
        let mut values = values.into_iter();
        let figure = |_: f64| Ok(vec![values.next().unwrap_or(f64::NAN); 2]);
        swept((0.0, 48.0, 48.0), figure).unwrap_or(None).map(|found| found.value)
    }

    #[test]
    fn the_dimension_is_the_plateau_of_least_noise_below_the_whole_space() {
        let full = 48.0;
        let noisy = [full, full, full, full, 40.0, 20.0, 6.0, 6.0, 6.0, 6.2, 8.0, 12.0, 12.0, 12.0, 12.0];
        assert_eq!(of(noisy), Some(6.0));
        let clean = [6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 8.0, 12.0, 12.0, 12.0, 12.0];
        assert_eq!(of(clean), Some(6.0));
        assert_eq!(of([full; LEVELS]), Some(full));
        let falling: [f64; LEVELS] = std::array::from_fn(|i| 45.0 - 3.0 * i as f64);
        assert_eq!(of(falling), None);
        // a law that is a point has no direction
        assert_eq!(of([0.0; LEVELS]), None);
    }
}
