//! Which points belong to which part, by hard weights: labels and parts are improved in turn until no label changes, each
//! point going to the part with the largest pi_k N_k. That finds a local optimum, so that the start decides ([`starts`]): of
//! two starts the one with the larger likelihood is kept.
//!
//! [`starts`]: super::starts

use ndarray::{Array1, ArrayView2};

use super::super::Result;
use super::parts::{Principal, SubspacePart, parts};
use super::starts::{by_angle, by_distance, evenly, keep_larger, of_labels};
use crate::systems::Level;

/// Points that the parts are improved on; all of them make the last parts.
pub const IMPROVED: usize = 4096;

/// The most rounds of an improvement.
const ROUNDS: usize = 50;

/// The parts of points `[pair, component]`: at most `count`, since one that no point is likeliest under is left out.
///
/// # Errors
/// When a covariance is not finite.
pub fn clustered(
    points: ArrayView2<f64>,
    count: usize,
    dimension: usize,
    zero_means: bool,
) -> Result<Vec<SubspacePart>> {
    if count == 1 {
        return Ok(parts(&[Principal::new(points, zero_means)?], dimension));
    }
    let some = evenly(points, IMPROVED);
    let mut best: Option<(f64, Vec<SubspacePart>)> = None;
    let starts = [
        Some(by_angle(some.view(), count, dimension, zero_means)?),
        (!zero_means).then(|| by_distance(some.view(), count)).transpose()?,
    ];
    for labels in starts.into_iter().flatten() {
        let (likelihood, found) = improved(some.view(), labels, dimension, zero_means)?;
        if best.as_ref().is_none_or(|(other, _)| likelihood > *other) {
            best = Some((likelihood, found));
        }
    }
    let found = best.map_or_else(Vec::new, |(_, parts)| parts);
    let (labels, _) = likeliest(points, &found)?;
    Ok(parts(&of_labels(points, &labels, zero_means)?, dimension))
}

/// Which of at most `count` subspaces each point (`[point, component]`) is of, by the parts of a mixture that is fitted to them.
///
/// # Errors
/// When a covariance is not finite.
pub fn subspaces(points: ArrayView2<f64>, count: usize, dimension: usize, zero_means: bool) -> Result<Vec<usize>> {
    Ok(likeliest(points, &clustered(points, count, dimension, zero_means)?)?.0)
}

/// Improves labels and parts in turn; the log-likelihood with hard weights, and the parts.
fn improved(
    points: ArrayView2<f64>,
    mut labels: Vec<usize>,
    dimension: usize,
    zero_means: bool,
) -> Result<(f64, Vec<SubspacePart>)> {
    let mut found = parts(&of_labels(points, &labels, zero_means)?, dimension);
    let mut likelihood = f64::NEG_INFINITY;
    for _ in 0..ROUNDS {
        let (next, value) = likeliest(points, &found)?;
        likelihood = value;
        if next == labels {
            break;
        }
        labels = next;
        found = parts(&of_labels(points, &labels, zero_means)?, dimension);
    }
    Ok((likelihood, found))
}

/// The part under which each point is likeliest, and the sum of their log (pi_k N_k).
fn likeliest(points: ArrayView2<f64>, parts: &[SubspacePart]) -> Result<(Vec<usize>, f64)> {
    let mut best = (vec![0; points.nrows()], Array1::from_elem(points.nrows(), f64::NEG_INFINITY));
    for (k, part) in parts.iter().enumerate() {
        let shares = part.law()?.log_density(points, Level::exploding(0.0)) + part.gaussian.weight.ln();
        keep_larger(&mut best, k, shares.view());
    }
    Ok((best.0, best.1.sum()))
}
