//! The maximum-likelihood estimator of nearest neighbours. Around a point where the density hardly changes over the distance T_k
//! of its k-th neighbour, the k - 1 values ln(T_k / T_j) are independent and exponential with rate d, so that
//! 1 / m_k = sum_{j<k} ln(T_k / T_j) / (k - 1) has mean 1/d and variance 1 / (d^2 (k - 1)). Means over points are taken of 1 / m_k
//! (MacKay and Ghahramani 2005): the mean of m_k itself is too large by (k - 1) / (k - 2).

use std::ops::RangeInclusive;

use super::cloud::Cloud;
use super::estimate::{Curve, Dimension, Estimator, Of, jackknife};
use super::neighbours::Neighbours;
use crate::systems::Entry;

/// The k over which estimates are averaged.
const RANGE: RangeInclusive<usize> = 10..=20;

/// The k that show how it depends on the scale.
const SHOWN: [usize; 7] = [3, 5, 8, 12, 20, 32, 64];

pub(super) const ENTRY: Entry<Estimator> = Entry {
    name: "levina_bickel",
    about: "maximum likelihood of the distances to the nearest 10 to 20 neighbours, averaged as inverses",
    reference: "Levina and Bickel (2004); MacKay and Ghahramani (2005)",
    params: &[],
    build: Estimator {
        caveat: "too small from about 10 dimensions on unless there are very many points; noise raises it",
        of: Of::Set(estimate),
    },
};

fn estimate(cloud: &Cloud) -> Option<Dimension> {
    let neighbours = cloud.neighbours();
    let over = |kept: &dyn Fn(usize) -> bool| {
        let all: Vec<f64> = RANGE.map(|k| at(neighbours, k, kept)).collect::<Option<_>>()?;
        Some(all.iter().sum::<f64>() / all.len() as f64)
    };
    let n = (0..cloud.len()).filter(|point| neighbours.of(*point, *RANGE.end()).is_some()).count();
    let points = SHOWN.iter().filter_map(|&k| Some((k as f64, at(neighbours, k, &|_| true)?))).collect();
    Some(Dimension {
        value: over(&|_| true)?,
        se: jackknife(|group| over(&|point| cloud.group(point) != group)),
        n,
        curve: Curve { scale: "neighbours", points },
    })
}

/// The estimate at k over the points that are kept; none where no point has as many neighbours.
pub fn at(neighbours: &Neighbours, k: usize, kept: &dyn Fn(usize) -> bool) -> Option<f64> {
    let (mut sum, mut terms) = (0.0, 0);
    for point in (0..neighbours.distances.nrows()).filter(|point| kept(*point)) {
        let Some(distances) = neighbours.of(point, k) else { continue };
        sum += distances.iter().map(|distance| (distances[k - 1] / distance).ln()).sum::<f64>();
        terms += k - 1;
    }
    let value = terms as f64 / sum;
    value.is_finite().then_some(value)
}
