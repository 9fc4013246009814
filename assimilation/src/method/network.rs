//! The observations of a local filter, scaled and turned so that the members of one are next to each other.
//!
//! z_ij = (h(x_j) - mean h(x))_i / sqrt(r_i (N - 1)), one row an observation i of variance r_i and one column a member j,
//! and d_i = (y_i - mean h(x)_i) / sqrt(r_i). h is taken of a few members at a time, so that beside z no array of its size
//! is needed.

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::localize::{Localization, Neighbours};
use crate::problem::{Result, Seen};

/// Members whose h(x) is held at a time: a cache line of each row of z.
const BLOCK: usize = 8;

/// Rows that one task fills.
const ROWS: usize = 512;

/// The present observations of one set, for a local analysis.
pub(super) struct Network {
    /// `[present, member]`.
    pub z: Vec<f64>,
    /// `[present]`.
    pub d: Vec<f64>,
    /// N.
    pub members: usize,
    /// Where they are.
    pub neighbours: Neighbours,
}

impl Network {
    /// The observations of `seen` and what `forecast` (`[member, component]`) predicts of them; none where nothing was
    /// observed or the forecast has diverged.
    ///
    /// # Errors
    /// When shapes do not fit or the observations have no place.
    pub fn new(localization: &Localization, forecast: ArrayView2<f64>, seen: &Seen) -> Result<Option<Self>> {
        seen.check(forecast.ncols())?;
        let (members, index) = (forecast.nrows(), seen.present());
        let neighbours = localization.neighbours(seen.operator, &index)?;
        let finite = |row: ndarray::ArrayView1<f64>| row.iter().all(|value| value.is_finite());
        if index.is_empty() || !forecast.axis_iter(Axis(0)).into_par_iter().all(finite) {
            return Ok(None);
        }
        let mut z = predicted(forecast, seen, &index);
        let mut d = vec![0.0; index.len()];
        let per = (members as f64 - 1.0).sqrt();
        let variance = seen.operator.error().variance();
        let rows = z.par_chunks_mut(ROWS * members).zip(d.par_chunks_mut(ROWS)).zip(index.par_chunks(ROWS));
        let all_finite = rows.map(|((z, d), index)| {
            z.chunks_exact_mut(members).zip(d).zip(index).fold(true, |finite, ((row, d), &i)| {
                let mean = super::by_component::centre(row);
                let per_sd = 1.0 / variance[i].sqrt();
                *d = (seen.values[i] - mean) * per_sd;
                row.iter_mut().for_each(|z| *z *= per_sd / per);
                finite && mean.is_finite()
            })
        });
        // not `all`, which would leave rows undone
        let finite = all_finite.reduce(|| true, |a, b| a && b);
        Ok(finite.then_some(Self { z, d, members, neighbours }))
    }
}

/// h(x) of the members at the values listed in `index`, `[present, member]`.
fn predicted(forecast: ArrayView2<f64>, seen: &Seen, index: &[usize]) -> Vec<f64> {
    let members = forecast.nrows();
    let mut turned = vec![0.0; index.len() * members];
    for (block, some) in forecast.axis_chunks_iter(Axis(0), BLOCK).enumerate() {
        let each = some.axis_iter(Axis(0)).into_par_iter();
        let h: Vec<Array2<f64>> = each.map(|x| seen.operator.apply(seen.time, x.insert_axis(Axis(0)))).collect();
        let rows = turned.par_chunks_mut(ROWS * members).zip(index.par_chunks(ROWS));
        rows.for_each(|(rows, index)| {
            for (row, &i) in rows.chunks_exact_mut(members).zip(index) {
                row[block * BLOCK..].iter_mut().zip(&h).for_each(|(value, h)| *value = h[(0, i)]);
            }
        });
    }
    turned
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::localize::{Layout, Taper};
    use crate::method::etkf;
    use crate::observe::{Arctan, GaussianError, NoiseLaw, Pointwise, Stride};

    const LOCAL: Localization = Localization { layout: Layout::Ring, taper: Taper::Step, radius: 2.0 };

    /// A case of several blocks of members and several of rows, with missing values.
    fn case(members: usize) -> (Array2<f64>, impl crate::Observation, Array1<f64>) {
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
            let seen = Seen { step: 1, time: 0.0, values: y.view(), operator: &operator };
            let (z, d) = etkf::scaled(seen.restrict(x.view()).unwrap());
            let network = Network::new(&LOCAL, x.view(), &seen).unwrap().unwrap();
            let found = Array2::from_shape_vec((1196, members), network.z).unwrap();
            assert!((found - z.t()).iter().all(|e| e.abs() < 1e-14), "{members}");
            assert!((Array1::from(network.d) - d).iter().all(|e| e.abs() < 1e-13), "{members}");
        }
    }

    #[test]
    fn there_is_none_of_a_diverged_forecast_or_of_nothing() {
        let (x, operator, y) = case(9);
        let none = |x: &Array2<f64>, y: &Array1<f64>| {
            let seen = Seen { step: 1, time: 0.0, values: y.view(), operator: &operator };
            Network::new(&LOCAL, x.view(), &seen).unwrap().is_none()
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
