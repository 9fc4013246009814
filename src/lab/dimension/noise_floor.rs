//! The noise around the set: in each direction outside it, of all points and of neighbourhoods.
//!
//! By all points it is the mean of the eigenvalues below the rank that the likelihood prefers ([`super::pieces`]), so outside the
//! flat that holds the set. By neighbourhoods ([`super::local_pca`]) it is also had of a set that no flat holds: the variance v
//! outside the directions of k neighbours, of radius r_k, is that of the noise and of curvature, v = f + c r_k^4, and two k give
//! both. Noise of variance f moves two points apart by (2 f (n - d))^(1/2): over smaller distances the set has the
//! dimension of the space.

use super::cloud::Cloud;
use super::cloud::NEIGHBOURS;
use super::estimate::median;
use super::local_pca::local;
use super::pieces::{floor_below, likeliest_rank};

/// The noise around the set, in the units of the points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseFloor {
    /// Its sd in a direction outside the flat that holds all points, and the rank of that flat.
    pub flat: Option<(f64, usize)>,
    /// Its sd in a direction outside neighbourhoods, and how many directions they have.
    pub local: Option<(f64, f64)>,
    /// The distance below which the set has the dimension of the space.
    pub scale: Option<f64>,
    /// The median distance of the nearest neighbour.
    pub nearest: f64,
}

/// A floor below this share of the sd of a point is rounding, or the least that [`floor_below`] gives.
const ROUNDING: f64 = 1e-4;

impl NoiseFloor {
    /// Of points.
    pub fn of(cloud: &Cloud) -> Self {
        let neighbours = cloud.neighbours();
        let nearest = (0..cloud.len()).filter_map(|point| Some(neighbours.of(point, 1)?[0])).collect();
        let width = cloud.spectrum().map_or(0.0, |spectrum| (spectrum.total() / spectrum.components as f64).sqrt());
        let seen = |sd: &f64| *sd > ROUNDING * width;
        let flat = cloud.spectrum().and_then(|spectrum| {
            let rank = likeliest_rank(spectrum);
            let sd = floor_below(spectrum, rank).sqrt();
            (rank < spectrum.components).then_some((sd, rank)).filter(|(sd, _)| seen(sd))
        });
        let (outside, outer) = outside(cloud);
        let local = outside.map(|(variance, directions)| (variance.sqrt(), directions)).filter(|(sd, _)| seen(sd));
        // what is outside the flat and not outside neighbourhoods is the shape of the set, and no noise
        let of_flat = flat.filter(|(sd, _)| outer > OF_NOISE * sd * sd).map(|(sd, rank)| (sd, rank as f64));
        let scale = of_flat.or(local);
        let scale = scale.map(|(sd, d)| sd * (2.0 * (cloud.components() as f64 - d).max(0.0)).sqrt());
        Self { flat, local, scale, nearest: median(nearest) }
    }

    /// Whether nearest neighbours are so near that their distances are those of the noise.
    pub fn is_seen_by_neighbours(&self) -> bool {
        self.scale.is_some_and(|scale| self.nearest < 1.5 * scale)
    }
}

/// The least share of the variance outside neighbourhoods that is noise and no doubt of the fit.
const SHARE: f64 = 0.3;

/// The least share of the variance outside the flat that neighbourhoods have outside theirs where it is noise.
const OF_NOISE: f64 = 0.25;

/// The variance of the noise outside neighbourhoods, without what curvature adds, and their directions; none where both sizes of
/// them do not have the same, or curvature may be all of it. Then the variance outside the larger ones, with what curvature adds.
fn outside(cloud: &Cloud) -> (Option<(f64, f64)>, f64) {
    let at = |k: usize| {
        let found = local(cloud, k);
        let radii = found.iter().filter_map(|one| Some(cloud.neighbours().of(one.0, k)?[k - 1])).collect();
        let variance = median(found.iter().map(|one| one.2).filter(|rest| rest.is_finite()).collect());
        (median(found.iter().map(|one| one.1 as f64).collect()), variance, median(radii).powi(4))
    };
    let ([small, large], [inner, outer], [near, far]) = {
        let (one, other) = (at(NEIGHBOURS / 2), at(NEIGHBOURS));
        ([one.0, other.0], [one.1, other.1], [one.2, other.2])
    };
    let noise = (inner * far - outer * near) / (far - near);
    ((small == large && noise > SHARE * inner).then_some((noise.min(inner), large)), outer)
}
