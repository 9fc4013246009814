//! Points of data, with what several estimators look at: their nearest neighbours and the eigenvalues of their covariance.

use std::sync::OnceLock;

use ndarray::{Array2, ArrayView2, Axis};

use super::estimate::GROUPS;
use super::neighbours::{Neighbours, Place};
use super::spectrum::Spectrum;

/// Neighbours that are found of each point.
pub const NEIGHBOURS: usize = 64;

/// Points `[point, component]`, in the units in which distances are taken, in the order of trajectory and time.
#[derive(Debug)]
pub struct Cloud {
    points: Array2<f64>,
    places: Vec<Place>,
    window: usize,
    neighbours: OnceLock<Neighbours>,
    spectrum: OnceLock<Option<Spectrum>>,
}

impl Cloud {
    /// Of points with their places, of which those within `window` lead steps of each other on one trajectory are no neighbours.
    pub fn new(points: Array2<f64>, places: Vec<Place>, window: usize) -> Self {
        assert_eq!(points.nrows(), places.len(), "one place for each point");
        Self { points, places, window, neighbours: OnceLock::new(), spectrum: OnceLock::new() }
    }

    /// Of independent points.
    pub fn independent(points: Array2<f64>) -> Self {
        let places = (0..points.nrows()).map(|case| Place { case, time: 0 }).collect();
        Self::new(points, places, 0)
    }

    /// The points, `[point, component]`.
    pub fn points(&self) -> ArrayView2<'_, f64> {
        self.points.view()
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.points.nrows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of components.
    pub fn components(&self) -> usize {
        self.points.ncols()
    }

    /// The [`NEIGHBOURS`] nearest of each point.
    pub(super) fn neighbours(&self) -> &Neighbours {
        self.neighbours.get_or_init(|| Neighbours::new(self.points.view(), &self.places, self.window, NEIGHBOURS))
    }

    /// The eigenvalues of the covariance.
    pub(super) fn spectrum(&self) -> Option<&Spectrum> {
        self.spectrum.get_or_init(|| Spectrum::of(self.points.view())).as_ref()
    }

    /// The group of a point among those that are left out in turn: whole trajectories where there are enough, and stretches of
    /// time else.
    pub(super) fn group(&self, point: usize) -> usize {
        let cases = self.places.last().map_or(0, |place| place.case + 1);
        if cases >= 2 * GROUPS { self.places[point].case % GROUPS } else { point * GROUPS / self.len() }
    }

    /// The points outside a group, `[point, component]`.
    pub(super) fn without(&self, group: usize) -> Array2<f64> {
        let kept: Vec<usize> = (0..self.len()).filter(|point| self.group(*point) != group).collect();
        self.points.select(Axis(0), &kept)
    }

    /// The nearest neighbours among each part of `parts` that share the points in turn: point i is of part i modulo `parts`.
    pub(super) fn thinned(&self, parts: usize, count: usize) -> Vec<Neighbours> {
        let of = |part: usize| {
            let rows: Vec<usize> = (part..self.len()).step_by(parts).collect();
            let places: Vec<Place> = rows.iter().map(|row| self.places[*row]).collect();
            Neighbours::new(self.points.select(Axis(0), &rows).view(), &places, self.window, count)
        };
        (0..parts).map(of).collect()
    }
}
