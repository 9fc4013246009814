//! The observations near a point.
//!
//! Observations are sorted by the component where they sit (a counting sort), so that those of a component are a run of
//! the sorted list. A point then costs the rows of its stencil and the observations found, whatever the network: values
//! may share a place, and places may be empty. Where there is one value at each component, in their order, no list is
//! needed. Values beside a component are sorted with it, and each has the weight of its own distance.
//!
//! Components without a place on the grid, such as unknown parameters, are near every observation.

use super::{Localization, Stencil, Taper};
use crate::error::{Error, Result};
use crate::observe::Place;

/// Observations by place.
#[derive(Clone, Debug)]
pub struct Neighbours {
    stencil: Stencil,
    localization: Localization,
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
    /// None where all of them sit at components.
    beside: Option<Beside>,
}

/// Observations of which some sit beside their component.
#[derive(Clone, Debug)]
struct Beside {
    /// As [`Place::beside`].
    of: Vec<[f64; 2]>,
    /// The components whose observations may be near a place, with weights of 1.
    around: Stencil,
}

impl Neighbours {
    /// Sorts observations that sit at the places `location`; `stencil` has the weights of `localization`.
    ///
    /// # Errors
    /// When one of them is not at a component of the grid, or there are 2^32 of anything.
    pub fn new(stencil: Stencil, localization: Localization, location: Vec<Place>) -> Result<Self> {
        let grid = *stencil.grid();
        let dim = grid.dim();
        if let Some(bad) =
            location.iter().find(|place| place.component >= dim || !place.beside.iter().all(|b| b.is_finite()))
        {
            return Err(Error::Shape(format!(
                "an observed value sits at component {} of a state of {dim}, {:?} beside it; ObservationOperator::location \
                 counts from 0",
                bad.component, bad.beside
            )));
        }
        let plain = Self { stencil, localization, unplaced: 0, lists: None };
        if location.len() == dim && location.iter().enumerate().all(|(i, place)| *place == Place::from(i)) {
            return Ok(plain);
        }
        if u32::try_from(location.len().max(dim)).is_err() {
            return Err(Error::Shape(format!(
                "localization counts {} values at {dim} components and can count 4294967295; analyse the state in parts",
                location.len()
            )));
        }
        let mut lists = Lists::new(dim, location.iter().map(|place| place.component as u32).collect());
        if !location.iter().all(|place| place.is_on_grid()) {
            // one place looks for another, and both may be beside their component
            let furthest = location.iter().map(|place| place.beside[0].hypot(place.beside[1])).fold(0.0, f64::max);
            let reach = localization.taper.reach(localization.radius) + 2.0 * furthest;
            let around = Stencil::new(grid, Taper::Step, reach);
            lists.beside = Some(Beside { of: location.into_iter().map(|place| place.beside).collect(), around });
        }
        Ok(Self { lists: Some(lists), ..plain })
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

    /// Where an observation sits.
    pub fn place(&self, observation: usize) -> Place {
        let Some(lists) = &self.lists else { return Place::from(observation) };
        let beside = lists.beside.as_ref().map_or([0.0; 2], |beside| beside.of[observation]);
        Place { component: lists.location[observation] as usize, beside }
    }

    /// Fills `found` with the observations of positive weight near the place of another, and their weights.
    pub fn near_observation(&self, observation: usize, found: &mut Vec<(usize, f64)>) {
        found.clear();
        self.add_near(self.place(observation), found);
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
        self.add_near(Place::from(point), found);
    }

    fn add_near(&self, place: Place, found: &mut Vec<(usize, f64)>) {
        if let Some(Lists { beside: Some(beside), .. }) = &self.lists {
            return self.add_beside(beside, place, found);
        }
        self.stencil.runs(place.component, |components, weights| {
            for (component, &weight) in components.zip(weights).filter(|(_, weight)| **weight > 0.0) {
                match &self.lists {
                    None => found.push((component, weight)),
                    Some(lists) => found.extend(lists.at(component).iter().map(|&i| (i as usize, weight))),
                }
            }
        });
    }

    /// [`Neighbours::add_near`] where some observations sit beside their component.
    fn add_beside(&self, beside: &Beside, place: Place, found: &mut Vec<(usize, f64)>) {
        let (Some(lists), Localization { taper, radius, .. }) = (&self.lists, self.localization) else { return };
        beside.around.runs(place.component, |components, _| {
            for observation in components.flat_map(|component| lists.at(component)).map(|&i| i as usize) {
                let weight = taper.weight(self.stencil.grid().distance(place, self.place(observation)), radius);
                if weight > 0.0 {
                    found.push((observation, weight));
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
        Self { location, sorted, starts, beside: None }
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

    fn on_grid(components: &[usize]) -> Vec<Place> {
        components.iter().copied().map(Place::from).collect()
    }

    /// Half a step and less beside the components.
    fn beside(components: &[usize]) -> Vec<Place> {
        let place = |(i, &component): (usize, &usize)| {
            let beside = [(i as f64 * 1.7).sin() / 2.0, (i as f64 * 2.3).cos() / 2.0];
            Place { component, beside: if i % 5 == 0 { [0.0; 2] } else { beside } }
        };
        components.iter().enumerate().map(place).collect()
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
                    let some = places(30, dim, dim as u64);
                    for location in [beside(&some), on_grid(&some), on_grid(&(0..dim).collect::<Vec<_>>())] {
                        let local = Localization { layout, taper, radius };
                        let neighbours = Neighbours::new(local.stencil(dim).unwrap(), local, location.clone()).unwrap();
                        assert!((0..location.len()).all(|o| neighbours.place(o) == location[o]));
                        let expect = |from: Place| -> Vec<(usize, f64)> {
                            let weigh = |(o, &place)| (o, taper.weight(grid.distance(from, place), radius));
                            location.iter().enumerate().map(weigh).filter(|(_, w)| *w > 0.0).collect()
                        };
                        for (observation, &place) in location.iter().enumerate() {
                            neighbours.near_observation(observation, &mut found);
                            found.sort_unstable_by_key(|(observation, _)| *observation);
                            assert_eq!(found, expect(place), "{layout:?} {dim} {taper:?} {radius}");
                        }
                        for point in 0..dim {
                            neighbours.near(point, &mut found);
                            found.sort_unstable_by_key(|(observation, _)| *observation);
                            assert_eq!(found, expect(point.into()), "{layout:?} {dim} {taper:?} {radius} at {point}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_component_without_a_place_is_near_all_observations() {
        let local = Localization { layout: Layout::Ring, taper: Taper::Step, radius: 1.0 };
        for (location, count) in [(on_grid(&[3, 0, 3]), 3), (on_grid(&[0, 1, 2, 3, 4]), 5)] {
            let placed = Neighbours::new(local.stencil(5).unwrap(), local, location).unwrap();
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
        let local = Localization { layout: Layout::Ring, taper: Taper::Step, radius: 1.0 };
        let stencil = local.stencil(5).unwrap();
        for place in [Place::from(5), Place { component: 5, beside: [0.0, 0.5] }] {
            let message = Neighbours::new(stencil.clone(), local, vec![place]).unwrap_err().to_string();
            assert!(message.contains("component 5 of a state of 5"), "{message}");
        }
        let nowhere = Place { component: 0, beside: [0.0, f64::NAN] };
        assert!(Neighbours::new(stencil, local, vec![nowhere]).is_err());
    }
}
