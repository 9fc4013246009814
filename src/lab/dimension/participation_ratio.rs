//! (sum l)^2 / sum l^2 of the eigenvalues of the covariance: d where d of them are alike and the others 0.

use super::cloud::Cloud;
use super::estimate::{Curve, Dimension, Estimator, Of, jackknife};
use super::spectrum::Spectrum;
use crate::systems::Entry;

pub(super) const ENTRY: Entry<Estimator> = Entry {
    name: "participation_ratio",
    about: "how many directions share the variance: (sum l)^2 / sum l^2 of the covariance's eigenvalues",
    reference: "Kramer and MacKinnon (1993); Gao et al. (2017)",
    params: &[],
    build: Estimator {
        caveat: "weighs directions by their variance: a curved set fills more, and unequal variances lower it",
        of: Of::Flat(estimate),
    },
};

fn estimate(cloud: &Cloud) -> Option<Dimension> {
    let value = ratio(cloud.spectrum()?)?;
    Some(Dimension {
        value,
        se: jackknife(|group| ratio(&Spectrum::of(cloud.without(group).view())?)),
        n: cloud.len(),
        curve: Curve { scale: "points", points: vec![(cloud.len() as f64, value)] },
    })
}

/// The ratio; none where nothing varies.
fn ratio(spectrum: &Spectrum) -> Option<f64> {
    let squares: f64 = spectrum.values.iter().map(|value| value * value).sum();
    (squares > 0.0).then(|| spectrum.total().powi(2) / squares)
}
