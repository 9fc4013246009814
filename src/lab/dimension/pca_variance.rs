//! How many principal components hold 99 % of the variance.

use super::cloud::Cloud;
use super::estimate::{Curve, Dimension, Estimator, Of, jackknife};
use super::spectrum::Spectrum;
use crate::systems::Entry;

/// The share that is to be held, and others that are shown.
const SHARE: f64 = 0.99;
const SHARES: [f64; 6] = [0.5, 0.8, 0.9, 0.95, SHARE, 0.999];

pub(super) const ENTRY: Entry<Estimator> = Entry {
    name: "pca_variance",
    about: "principal components that hold 99 % of the variance",
    reference: "Jolliffe (2002), Principal component analysis, chapter 6",
    params: &[],
    build: Estimator {
        caveat: "the flat that holds the set, not the set: curvature, several pieces and noise raise it",
        of: Of::Flat(estimate),
    },
};

fn estimate(cloud: &Cloud) -> Option<Dimension> {
    let spectrum = cloud.spectrum()?;
    let points = SHARES.iter().filter_map(|share| Some((*share, holding(&spectrum.values, *share)? as f64))).collect();
    Some(Dimension {
        value: holding(&spectrum.values, SHARE)? as f64,
        se: jackknife(|group| Some(holding(&Spectrum::of(cloud.without(group).view())?.values, SHARE)? as f64)),
        n: cloud.len(),
        curve: Curve { scale: "share of variance", points },
    })
}

/// The least number of values, largest first, whose sum is this share of all; none where all are 0.
pub fn holding(values: &[f64], share: f64) -> Option<usize> {
    let total: f64 = values.iter().sum();
    let mut sum = 0.0;
    let enough = |value: &f64| {
        sum += value;
        // a sum in another order differs by rounding
        sum >= share * total * (1.0 - 1e-12)
    };
    if total > 0.0 { values.iter().position(enough).map(|index| index + 1) } else { None }
}
