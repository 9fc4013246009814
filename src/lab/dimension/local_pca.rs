//! Principal components of neighbourhoods: of the k nearest neighbours of a point, the eigenvalues of their covariance above
//! .05 of the largest. The least k counts that has four points a direction, since fewer leave directions out.

use ndarray::Axis;
use rayon::prelude::*;

use super::cloud::Cloud;
use super::cloud::NEIGHBOURS;
use super::estimate::{Curve, Dimension, Estimator, GROUPS, Of, jackknife};
use super::spectrum::{Spectrum, some};
use crate::systems::Entry;

/// The neighbours of a neighbourhood, fewest first.
const SIZES: [usize; 3] = [NEIGHBOURS / 4, NEIGHBOURS / 2, NEIGHBOURS];

/// Points whose neighbourhoods are looked at.
const CENTRES: usize = 256;

/// The share of the largest eigenvalue above which a direction counts.
const SHARE: f64 = 0.05;

/// Points a direction.
const POINTS: f64 = 4.0;

pub(super) const ENTRY: Entry<Estimator> = Entry {
    name: "local_pca",
    about: "principal components of small neighbourhoods, those with more than .05 of the largest variance",
    reference: "Fukunaga and Olsen (1971)",
    params: &[],
    build: Estimator {
        caveat: "beyond 16 dimensions its 64 neighbours are too few to tell; curvature and noise raise it",
        of: Of::Set(estimate),
    },
};

fn estimate(cloud: &Cloud) -> Option<Dimension> {
    let all: Vec<(usize, Vec<(usize, f64)>)> = SIZES
        .into_iter()
        .map(|k| (k, local(cloud, k).into_iter().map(|one| (cloud.group(one.0), one.1 as f64)).collect()))
        .filter(|(_, found): &(_, Vec<_>)| found.len() >= GROUPS)
        .collect();
    let mean = |found: &[(usize, f64)], left: Option<usize>| {
        let kept: Vec<f64> = found.iter().filter(|(group, _)| Some(*group) != left).map(|(_, d)| *d).collect();
        (!kept.is_empty()).then(|| kept.iter().sum::<f64>() / kept.len() as f64)
    };
    let chosen = all.iter().find(|(k, found)| mean(found, None).is_some_and(|d| POINTS * d <= *k as f64));
    let (_, found) = chosen.or(all.last())?;
    Some(Dimension {
        value: mean(found, None)?,
        se: jackknife(|group| mean(found, Some(group))),
        n: found.len(),
        curve: Curve {
            scale: "neighbours",
            points: all.iter().filter_map(|(k, found)| Some((*k as f64, mean(found, None)?))).collect(),
        },
    })
}

/// Of some points, those with k neighbours: the directions of their neighbourhoods, and the mean of the eigenvalues of the others
/// (NaN where there are none).
pub fn local(cloud: &Cloud, k: usize) -> Vec<(usize, usize, f64)> {
    let neighbours = cloud.neighbours();
    let of = |point: usize| {
        neighbours.of(point, k)?;
        let mut rows: Vec<usize> = neighbours.points.row(point).iter().copied().take(k).collect();
        rows.push(point);
        let spectrum = Spectrum::of(cloud.points().select(Axis(0), &rows).view())?;
        let directions = spectrum.values.iter().filter(|value| **value > SHARE * spectrum.values[0]).count();
        let rest: f64 = spectrum.values.iter().skip(directions).sum();
        // of k points around their mean, k - 1 - d directions of the others are seen
        let seen = cloud.components().saturating_sub(directions) as f64;
        let share = (rows.len() as f64 - 1.0) / (rows.len() as f64 - 1.0 - directions as f64).max(1.0);
        Some((point, directions, rest * share / seen))
    };
    some(cloud.len(), CENTRES).into_par_iter().filter_map(of).collect()
}
