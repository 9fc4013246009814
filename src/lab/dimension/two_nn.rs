//! From two neighbours alone: mu = T_2 / T_1 has the Pareto law F(mu) = 1 - mu^-d wherever the density hardly changes over T_2.
//! d is the slope of the line through the origin to the points (ln mu_(i), -ln(1 - i/N)), without the largest tenth of the mu,
//! where the density does change.

use super::cloud::Cloud;
use super::estimate::{Curve, Dimension, Estimator, Of, jackknife};
use super::neighbours::Neighbours;
use crate::systems::Entry;

/// The share of the largest ratios that is left out.
pub const TRIMMED: f64 = 0.1;

/// Into how many parts the points are cut for the estimate at larger scales; each has at least [`FEWEST`].
const PARTS: [usize; 6] = [1, 2, 4, 8, 16, 32];
const FEWEST: usize = 50;

pub(super) const ENTRY: Entry<Estimator> = Entry {
    name: "two_nn",
    about: "the ratio of the distances to the nearest two neighbours, without the largest tenth",
    reference: "Facco, d'Errico, Rodriguez and Laio (2017)",
    params: &[],
    build: Estimator {
        caveat: "the smallest scale of all: noise raises it first, and it is too small in many dimensions",
        of: Of::Set(estimate),
    },
};

fn estimate(cloud: &Cloud) -> Option<Dimension> {
    let own = ratios(cloud.neighbours());
    let values = |kept: &dyn Fn(usize) -> bool| {
        let mut kept: Vec<f64> = own.iter().filter(|(point, _)| kept(*point)).map(|(_, mu)| *mu).collect();
        slope(&mut kept, TRIMMED)
    };
    let at = |parts: usize| {
        if parts == 1 {
            return Some((cloud.len() as f64, values(&|_| true)?));
        }
        let of = |neighbours: &Neighbours| {
            let mut mu: Vec<f64> = ratios(neighbours).into_iter().map(|(_, mu)| mu).collect();
            slope(&mut mu, TRIMMED)
        };
        let all: Vec<f64> = cloud.thinned(parts, 2).iter().map(of).collect::<Option<_>>()?;
        Some(((cloud.len() / parts) as f64, all.iter().sum::<f64>() / parts as f64))
    };
    Some(Dimension {
        value: values(&|_| true)?,
        se: jackknife(|group| values(&|point| cloud.group(point) != group)),
        n: own.len(),
        curve: Curve {
            scale: "points",
            points: PARTS.into_iter().filter(|parts| cloud.len() / parts >= FEWEST).filter_map(at).collect(),
        },
    })
}

/// mu of each point that has one.
fn ratios(neighbours: &Neighbours) -> Vec<(usize, f64)> {
    let of = |point: usize| neighbours.of(point, 2).map(|distances| (point, distances[1] / distances[0]));
    (0..neighbours.distances.nrows()).filter_map(of).collect()
}

/// The slope of the line through the origin, without the `trimmed` share of the largest ratios; none of fewer than 2 that are
/// kept, or where all are 1.
pub fn slope(mu: &mut [f64], trimmed: f64) -> Option<f64> {
    mu.sort_by(f64::total_cmp);
    let all = mu.len() as f64;
    let kept = ((all * (1.0 - trimmed)).floor() as usize).min(mu.len().saturating_sub(1));
    if kept < 2 {
        return None;
    }
    let (mut products, mut squares) = (0.0, 0.0);
    for (i, mu) in mu.iter().take(kept).enumerate() {
        let (x, y) = (mu.ln(), -(-(i as f64 + 1.0) / all).ln_1p());
        products += x * y;
        squares += x * x;
    }
    let slope = products / squares;
    slope.is_finite().then_some(slope)
}
