//! The observations near a point.
//!
//! Observations are sorted by the component where they sit (a counting sort), so that those of a run of components are
//! a run of the sorted list. A point then costs the rows of its stencil and the observations found, whatever the
//! network: values may share a place, and places may be empty.

use super::Stencil;
use crate::problem::{Error, Result};

/// Observations by place.
#[derive(Clone, Debug)]
pub struct Neighbours {
    stencil: Stencil,
    /// The component where each observation sits.
    location: Vec<usize>,
    /// The observations in the order of their places, and of their own where they share one.
    sorted: Vec<usize>,
    /// Where in `sorted` each component's observations begin; one more than there are components.
    starts: Vec<usize>,
}

impl Neighbours {
    /// Sorts observations that sit at the components `location`.
    ///
    /// # Errors
    /// When one of them is not a component of the grid.
    pub fn new(stencil: Stencil, location: Vec<usize>) -> Result<Self> {
        let dim = stencil.grid().dim();
        if let Some(bad) = location.iter().find(|place| **place >= dim) {
            return Err(Error::Shape(format!(
                "an observed value sits at component {bad} of a state of {dim}; Observation::location counts from 0"
            )));
        }
        let mut starts = vec![0; dim + 1];
        location.iter().for_each(|&place| starts[place + 1] += 1);
        (0..dim).for_each(|place| starts[place + 1] += starts[place]);
        let (mut next, mut sorted) = (starts.clone(), vec![0; location.len()]);
        for (observation, &place) in location.iter().enumerate() {
            sorted[next[place]] = observation;
            next[place] += 1;
        }
        Ok(Self { stencil, location, sorted, starts })
    }

    /// The component where each observation sits.
    pub fn location(&self) -> &[usize] {
        &self.location
    }

    /// Fills `found` with the observations of positive weight near component `point` of a state, or of an earlier one
    /// behind it, and their weights; the order is that of the grid and does not depend on anything else.
    pub fn near(&self, point: usize, found: &mut Vec<(usize, f64)>) {
        found.clear();
        let point = point % self.stencil.grid().dim();
        self.stencil.runs(point, |components, weights| {
            for &observation in &self.sorted[self.starts[components.start]..self.starts[components.end]] {
                let weight = weights[self.location[observation] - components.start];
                if weight > 0.0 {
                    found.push((observation, weight));
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::localize::{Grid, Layout, Localization, Taper};

    /// Irregular places, some of them shared.
    fn places(count: usize, dim: usize, seed: u64) -> Vec<usize> {
        let normals = Key::new(seed, Domain::Score).normals(1, count);
        normals.iter().map(|z| ((z * 1e6).abs() as usize) % dim).collect()
    }

    #[test]
    fn the_search_finds_what_brute_force_finds() {
        let layouts = [
            (Layout::Ring, 1),
            (Layout::Ring, 2),
            (Layout::Ring, 41),
            (Layout::Torus { columns: 8 }, 56),
            (Layout::Torus { columns: 3 }, 39),
            (Layout::Plane { columns: 9 }, 63),
            (Layout::Plane { columns: 1 }, 12),
        ];
        let mut found = Vec::new();
        for (layout, dim) in layouts {
            let grid = Grid::new(layout, dim).unwrap();
            for taper in [Taper::GaspariCohn, Taper::Gaussian, Taper::Step, Taper::Cubic] {
                for radius in [0.3, 1.0, 1.5, 2.0, 3.7, 20.0, 1e9] {
                    let location = places(30, dim, dim as u64);
                    let stencil = Localization { layout, taper, radius }.stencil(dim).unwrap();
                    let neighbours = Neighbours::new(stencil, location.clone()).unwrap();
                    for point in 0..dim {
                        neighbours.near(point, &mut found);
                        found.sort_unstable_by_key(|(observation, _)| *observation);
                        let weigh = |(o, &place)| (o, taper.weight(grid.distance(point, place), radius));
                        let expected: Vec<_> =
                            location.iter().enumerate().map(weigh).filter(|(_, w)| *w > 0.0).collect();
                        assert_eq!(found, expected, "{layout:?} {dim} {taper:?} {radius} at {point}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_place_outside_the_state_is_refused() {
        let stencil = Localization { layout: Layout::Ring, taper: Taper::Step, radius: 1.0 }.stencil(5).unwrap();
        assert!(Neighbours::new(stencil, vec![5]).unwrap_err().to_string().contains("component 5 of a state of 5"));
    }
}
