//! The observations near a point.
//!
//! Observations are sorted by the component where they sit (a counting sort), so that those of a component are a run of
//! the sorted list. A point then costs the rows of its stencil and the observations found, whatever the network: values
//! may share a place, and places may be empty. Where there is one value at each component, in their order, no list is
//! needed.
//!
//! Components without a place on the grid, such as unknown parameters, are near every observation.

use super::Stencil;
use crate::error::{Error, Result};

/// Observations by place.
#[derive(Clone, Debug)]
pub struct Neighbours {
    stencil: Stencil,
    /// Components behind those of the grid that have no place.
    unplaced: usize,
    /// None where observation i sits at component i, for each component.
    lists: Option<Lists>,
}

/// Where observations sit; counted in half the room of an address.
#[derive(Clone, Debug)]
struct Lists {
    /// The component where each observation sits.
    location: Vec<u32>,
    /// The observations in the order of their places, and of their own where they share one.
    sorted: Vec<u32>,
    /// Where in `sorted` each component's observations begin; one more than there are components.
    starts: Vec<u32>,
}

impl Neighbours {
    /// Sorts observations that sit at the components `location`.
    ///
    /// # Errors
    /// When one of them is not a component of the grid, or there are 2^32 of anything.
    pub fn new(stencil: Stencil, location: Vec<usize>) -> Result<Self> {
        let dim = stencil.grid().dim();
        if let Some(bad) = location.iter().find(|place| **place >= dim) {
            return Err(Error::Shape(format!(
                "an observed value sits at component {bad} of a state of {dim}; ObservationOperator::location counts from 0"
            )));
        }
        if location.len() == dim && location.iter().enumerate().all(|(i, place)| i == *place) {
            return Ok(Self { stencil, unplaced: 0, lists: None });
        }
        if u32::try_from(location.len().max(dim)).is_err() {
            return Err(Error::Shape(format!(
                "localization counts {} values at {dim} components and can count 4294967295; analyse the state in parts",
                location.len()
            )));
        }
        let lists = Lists::new(dim, location.into_iter().map(|place| place as u32).collect());
        Ok(Self { stencil, unplaced: 0, lists: Some(lists) })
    }

    /// These neighbours where each state has so many components without a place behind those of the grid.
    #[must_use]
    pub fn with_unplaced(self, unplaced: usize) -> Self {
        Self { unplaced, ..self }
    }

    /// The weights around each component of the grid.
    pub fn stencil(&self) -> &Stencil {
        &self.stencil
    }

    /// How many observations there are.
    fn count(&self) -> usize {
        self.lists.as_ref().map_or(self.stencil.grid().dim(), |lists| lists.location.len())
    }

    /// The component where an observation sits.
    pub fn place(&self, observation: usize) -> usize {
        self.lists.as_ref().map_or(observation, |lists| lists.location[observation] as usize)
    }

    /// Fills `found` with the observations of positive weight near component `point` of a state, or of an earlier one
    /// behind it, and their weights; the order is that of the grid and does not depend on anything else. For a component
    /// without a place these are all, in full and in their order.
    pub fn near(&self, point: usize, found: &mut Vec<(usize, f64)>) {
        found.clear();
        let placed = self.stencil.grid().dim();
        let point = point % (placed + self.unplaced);
        if point >= placed {
            return found.extend((0..self.count()).map(|observation| (observation, 1.0)));
        }
        self.stencil.runs(point, |components, weights| {
            for (component, &weight) in components.zip(weights).filter(|(_, weight)| **weight > 0.0) {
                match &self.lists {
                    None => found.push((component, weight)),
                    Some(lists) => found.extend(lists.at(component).iter().map(|&i| (i as usize, weight))),
                }
            }
        });
    }
}

impl Lists {
    fn new(dim: usize, location: Vec<u32>) -> Self {
        let mut starts = vec![0; dim + 1];
        location.iter().for_each(|&place| starts[place as usize + 1] += 1);
        (0..dim).for_each(|place| starts[place + 1] += starts[place]);
        let (mut next, mut sorted) = (starts.clone(), vec![0; location.len()]);
        for (observation, &place) in (0..).zip(&location) {
            sorted[next[place as usize] as usize] = observation;
            next[place as usize] += 1;
        }
        Self { location, sorted, starts }
    }

    /// The observations at a component.
    fn at(&self, component: usize) -> &[u32] {
        &self.sorted[self.starts[component] as usize..self.starts[component + 1] as usize]
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
                    // some places, and one value at each component
                    for location in [places(30, dim, dim as u64), (0..dim).collect()] {
                        let stencil = Localization { layout, taper, radius }.stencil(dim).unwrap();
                        let neighbours = Neighbours::new(stencil, location.clone()).unwrap();
                        assert!((0..location.len()).all(|o| neighbours.place(o) == location[o]));
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
    }

    #[test]
    fn a_component_without_a_place_is_near_all_observations() {
        let local = Localization { layout: Layout::Ring, taper: Taper::Step, radius: 1.0 };
        for (location, count) in [(vec![3, 0, 3], 3), ((0..5).collect(), 5)] {
            let placed = Neighbours::new(local.stencil(5).unwrap(), location).unwrap();
            let both = placed.clone().with_unplaced(2);
            let near = |of: &Neighbours, point| {
                let mut found = Vec::new();
                of.near(point, &mut found);
                found
            };
            let all: Vec<_> = (0..count).map(|observation| (observation, 1.0)).collect();
            // a state, and an earlier one behind it
            for state in [0, 7] {
                assert!((0..5).all(|point| near(&both, state + point) == near(&placed, point)));
                assert!([5, 6].iter().all(|point| near(&both, state + point) == all));
            }
        }
    }

    #[test]
    fn a_place_outside_the_state_is_refused() {
        let stencil = Localization { layout: Layout::Ring, taper: Taper::Step, radius: 1.0 }.stencil(5).unwrap();
        assert!(Neighbours::new(stencil, vec![5]).unwrap_err().to_string().contains("component 5 of a state of 5"));
    }
}
