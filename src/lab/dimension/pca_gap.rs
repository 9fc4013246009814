//! The place of the largest gap among the eigenvalues of the covariance: d where l_d / l_{d+1} is largest, if it is at least
//! [`LEAST`]. What lies below it is the noise.

use super::cloud::Cloud;
use super::estimate::{Curve, Dimension, Estimator, Of, jackknife};
use super::spectrum::Spectrum;
use crate::systems::Entry;

/// The least ratio of neighbouring eigenvalues that counts as a gap.
const LEAST: f64 = 5.0;

/// Eigenvalues below this share of the largest are rounding.
const ROUNDING: f64 = 1e-13;

pub(super) const ENTRY: Entry<Estimator> = Entry {
    name: "pca_gap",
    about: "principal components before the largest gap of the spectrum, where neighbours differ by a factor of 5 or more",
    reference: "Cangelosi and Goriely (2007)",
    params: &[],
    build: Estimator {
        caveat: "no answer for a spectrum that falls evenly; one direction of large variance can hide the others",
        of: Of::Flat(estimate),
    },
};

fn estimate(cloud: &Cloud) -> Option<Dimension> {
    let spectrum = cloud.spectrum()?;
    let ratios = spectrum.values.windows(2).enumerate().filter(|(_, pair)| pair[1] > ROUNDING * spectrum.values[0]);
    Some(Dimension {
        value: gap(spectrum)? as f64,
        se: jackknife(|group| Some(gap(&Spectrum::of(cloud.without(group).view())?)? as f64)),
        n: cloud.len(),
        curve: Curve {
            scale: "number of the eigenvalue: its ratio to the next",
            points: ratios.map(|(index, pair)| (index as f64 + 1.0, pair[0] / pair[1])).collect(),
        },
    })
}

/// Eigenvalues above the largest gap. Where there are fewer points than components, what their number cuts off is no gap.
fn gap(spectrum: &Spectrum) -> Option<usize> {
    let values = &spectrum.values;
    let floor = ROUNDING * values.first().copied().filter(|first| *first > 0.0)?;
    let full = values.iter().filter(|value| **value > floor).count();
    if full < spectrum.components && full < spectrum.count - 1 {
        return Some(full);
    }
    let ratio = |index: usize| values[index] / values[index + 1];
    let widest = (0..full.saturating_sub(1)).max_by(|i, j| ratio(*i).total_cmp(&ratio(*j)))?;
    (ratio(widest) >= LEAST).then_some(widest + 1)
}
