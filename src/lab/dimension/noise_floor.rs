//! The noise around the set: in each direction outside it, of all points and of neighbourhoods.
//!
//! By all points it is the mean of the eigenvalues below the rank that the likelihood prefers ([`super::pieces`]), so of a flat; by
//! neighbourhoods ([`super::local_pca`]) also of a curved set or of several pieces, where curvature over the neighbourhood is told
//! from noise by nothing. Noise of variance f moves two points apart by (2 f (n - d))^(1/2): over smaller distances the set has the
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
    /// Its sd in a direction outside neighbourhoods, and how many directions they have; curvature counts as noise.
    pub local: Option<(f64, f64)>,
    /// The distance below which the set has the dimension of the space.
    pub scale: Option<f64>,
    /// The median distance of the nearest neighbour.
    pub nearest: f64,
}

/// A floor below this share of the sd of a point is rounding.
const ROUNDING: f64 = 1e-6;

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
        let found = local(cloud, NEIGHBOURS);
        let directions = median(found.iter().map(|one| one.1 as f64).collect());
        let variance = median(found.iter().map(|one| one.2).filter(|rest| rest.is_finite()).collect());
        let local = Some((variance.sqrt(), directions)).filter(|(sd, _)| seen(sd));
        // curvature makes the local figure too large, several pieces the other
        let both = [flat.map(|(sd, rank)| (sd, rank as f64)), local];
        let least = both.into_iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0));
        let scale = least.map(|(sd, d)| sd * (2.0 * (cloud.components() as f64 - d).max(0.0)).sqrt());
        Self { flat, local, scale, nearest: median(nearest) }
    }

    /// Whether nearest neighbours are so near that their distances are those of the noise.
    pub fn is_seen_by_neighbours(&self) -> bool {
        self.scale.is_some_and(|scale| self.nearest < 1.5 * scale)
    }
}
