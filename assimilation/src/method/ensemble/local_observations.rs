//! The observations of a local filter, scaled and turned so that the members of one are next to each other.
//!
//! u_ij = (y_i - h(x_j)_i) / sqrt(r_i), one row an observation i of variance r_i and one column a member j: the scaled
//! innovation of each member. A row holds all that a local analysis needs of its observation: its mean over the members
//! is d_i = (y_i - mean h(x)_i) / sqrt(r_i), and z_ij = (d_i - u_ij) / sqrt(N - 1) is the scaled anomaly
//! (h(x_j) - mean h(x))_i / sqrt(r_i (N - 1)). h is taken of a few members at a time, so that beside u no array of its size
//! is needed.
//!
//! Correlated errors are scaled and made independent where they are used: u is then y - h(x), and what is gathered near a
//! component is scaled by L^-1 of [`LocalErrors`], in which the weights are.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::error::Result;
use crate::localize::{Localization, Neighbours};
use crate::method::ensemble::local_errors::{LocalErrors, half_solve};
use crate::observations::ObservationSet;

/// Members whose h(x) is held at a time: half a cache line of each row of u.
const BLOCK: usize = 4;

/// Rows that one task fills.
const ROWS: usize = 512;

/// The present observations of one set, for a local analysis.
pub(crate) struct LocalObservations<'a> {
    /// `[present, member]`.
    u: Vec<f64>,
    /// N.
    pub members: usize,
    /// Where they are.
    neighbours: Neighbours,
    /// Their errors, where these are correlated.
    errors: Option<LocalErrors<'a>>,
}

/// The observations near a component, and the room that it takes to gather them.
#[derive(Default)]
pub(crate) struct Gathered {
    /// Z, each observation a row of `[observation, member]`, times the root of its weight or made independent.
    pub z: Vec<f64>,
    /// d likewise.
    pub d: Vec<f64>,
    near: Vec<(usize, f64)>,
    factor: Vec<f64>,
}

impl<'a> LocalObservations<'a> {
    /// The observations of `observed` and what `forecast` (`[member, component]`) predicts of them; none where nothing was
    /// observed or the forecast has diverged.
    ///
    /// # Errors
    /// When shapes do not fit or the observations have no place.
    pub fn new(
        localization: &Localization,
        forecast: ArrayView2<f64>,
        observed: &ObservationSet<'a>,
    ) -> Result<Option<Self>> {
        observed.check(forecast.ncols())?;
        let (members, index) = (forecast.nrows(), observed.present());
        let neighbours = localization.neighbours(observed.operator, &index)?;
        let finite = |row: ndarray::ArrayView1<f64>| row.iter().all(|value| value.is_finite());
        if index.is_empty() || !forecast.axis_iter(Axis(0)).into_par_iter().all(finite) {
            return Ok(None);
        }
        let errors = LocalErrors::of(observed, &index);
        let u = innovations(forecast, observed, &index, errors.is_none());
        Ok(u.map(|u| Self { u, members, neighbours, errors }))
    }

    /// The observations near component `point`.
    pub fn gather(&self, point: usize, Gathered { z, d, near, factor }: &mut Gathered) {
        self.neighbours.near(point, near);
        z.clear();
        d.clear();
        let per = 1.0 / (self.members as f64 - 1.0).sqrt();
        for &(observation, weight) in &*near {
            let from = observation * self.members;
            let weight = if self.errors.is_some() { 1.0 } else { weight.sqrt() };
            let u = &self.u[from..from + self.members];
            let mean = sum(u) / self.members as f64;
            z.extend(u.iter().map(|u| (mean - u) * (weight * per)));
            d.push(weight * mean);
        }
        if let Some(errors) = &self.errors {
            errors.factorize(near, factor);
            half_solve(factor, z, self.members);
            half_solve(factor, d, 1);
        }
    }
}

/// The sum, in four that run side by side.
fn sum(x: &[f64]) -> f64 {
    let fours = x.chunks_exact(4);
    let rest: f64 = fours.remainder().iter().sum();
    let [a, b, c, d] = fours.fold([0.0; 4], |sums, four| std::array::from_fn(|lane| sums[lane] + four[lane]));
    (a + c) + (b + d) + rest
}

/// u for the values listed in `index`, scaled or not; none where h(x) of a member is not finite.
fn innovations(
    forecast: ArrayView2<f64>,
    observed: &ObservationSet,
    index: &[usize],
    scaled: bool,
) -> Option<Vec<f64>> {
    let members = forecast.nrows();
    let variance = observed.operator.error().variance();
    let mut u = vec![0.0; index.len() * members];
    for (block, some) in forecast.axis_chunks_iter(Axis(0), BLOCK).enumerate() {
        let each = some.axis_iter(Axis(0)).into_par_iter();
        let h: Vec<Array2<f64>> =
            each.map(|x| observed.operator.apply(observed.time, x.insert_axis(Axis(0)))).collect();
        let rows = u.par_chunks_mut(ROWS * members).zip(index.par_chunks(ROWS));
        let finite = rows.map(|(rows, index)| {
            rows.chunks_exact_mut(members).zip(index).fold(true, |finite, (row, &i)| {
                let per_sd = if scaled { 1.0 / variance[i].sqrt() } else { 1.0 };
                row[block * BLOCK..].iter_mut().zip(&h).fold(finite, |finite, (u, h)| {
                    *u = (observed.values[i] - h[(0, i)]) * per_sd;
                    finite && h[(0, i)].is_finite()
                })
            })
        });
        // not `all`, whose short way out is a matter of chance
        if !finite.reduce(|| true, |a, b| a && b) {
            return None;
        }
    }
    Some(u)
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::localize::{Layout, Taper};
    use crate::method::ensemble::etkf;
    use crate::observe::{Arctan, GaussianError, NoiseLaw, Pointwise, Stride};

    const LOCAL: Localization = Localization { layout: Layout::Ring, taper: Taper::Step, radius: 2.0 };

    /// A case of several blocks of members and several of rows, with missing values.
    fn case(members: usize) -> (Array2<f64>, impl crate::ObservationOperator, Array1<f64>) {
        let sd: Vec<f64> = (0..1200).map(|i| 0.2 + 1e-3 * i as f64).collect();
        let error = move |dim| Ok(Box::new(GaussianError::new(&sd, dim)?) as Box<dyn NoiseLaw>);
        let operator = Pointwise::new(Arctan, Stride::new(2400, 2, 1, &error).unwrap());
        let mut y = Key::new(2, Domain::Score).normals(1, 1200).remove_axis(Axis(0));
        [0, 7, 512, 1199].iter().for_each(|&i| y[i] = f64::NAN);
        (Key::new(1, Domain::Score).normals(members, 2400) * 1.5, operator, y)
    }

    #[test]
    fn the_rows_are_the_scaled_anomalies_of_the_whole() {
        for members in [2, 8, 19] {
            let (x, operator, y) = case(members);
            let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: &operator };
            let (z, d) = etkf::scaled(observed.restrict(x.view()).unwrap());
            let local_observations = LocalObservations::new(&LOCAL, x.view(), &observed).unwrap().unwrap();
            let mut found = Gathered::default();
            let mut count = 0;
            for place in (1..2400).step_by(2) {
                local_observations.gather(place, &mut found);
                let Gathered { near, z: rows, d: innovation, .. } = &found;
                // the step of radius 2 has a weight of 1
                for ((observation, _), (row, found)) in near.iter().zip(rows.chunks(members).zip(innovation)) {
                    let exact = z.column(*observation);
                    assert!(row.iter().zip(exact).all(|(z, exact)| (z - exact).abs() < 1e-14), "{members} {place}");
                    assert!((found - d[*observation]).abs() < 1e-13, "{members} {place}");
                    count += 1;
                }
            }
            assert_eq!(count, 3 * 1200 - 3 * 4);
        }
    }

    #[test]
    fn there_is_none_of_a_diverged_forecast_or_of_nothing() {
        let (x, operator, y) = case(9);
        let none = |x: &Array2<f64>, y: &Array1<f64>| {
            let observed = ObservationSet { step: 1, time: 0.0, values: y.view(), operator: &operator };
            LocalObservations::new(&LOCAL, x.view(), &observed).unwrap().is_none()
        };
        assert!(!none(&x, &y) && none(&x, &Array1::from_elem(1200, f64::NAN)));
        // one that the operator does not see, and one that it makes finite
        for (member, component) in [(8, 0), (3, 1)] {
            let mut x = x.clone();
            x[(member, component)] = f64::INFINITY;
            assert!(none(&x, &y));
        }
    }
}
