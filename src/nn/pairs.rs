//! Training pairs (x_k, x_{k+1}) of trajectories, and the scales that make them about a unit normal.
//!
//! scaled state = (x_k - mean) / sd, scaled increment z = (x_{k+1} - x_k - mean') / sd', with a mean and sd for each
//! component, or, on a ring, one for all positions, which are all the same field.

use ndarray::{Array1, Array2, ArrayView1, ArrayView3, Axis};
use scorecast_systems::Geometry;

use super::{Error, Result};

/// A mean and a standard deviation for each component, in the units of the state.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// `[component]`.
    pub mean: Array1<f64>,
    /// `[component]`, positive.
    pub sd: Array1<f64>,
}

impl Scale {
    /// From rows of `dim` components.
    fn of<R: Iterator<Item = Array1<f64>>>(dim: usize, rows: impl Fn() -> R, geometry: Geometry) -> Self {
        let average = |term: &dyn Fn(&Array1<f64>) -> Array1<f64>| {
            let (sum, count) = rows().fold((Array1::zeros(dim), 0usize), |(sum, n), row| (sum + term(&row), n + 1));
            let mean: Array1<f64> = sum / count.max(1) as f64;
            match geometry {
                Geometry::Ring => Array1::from_elem(dim, mean.sum() / dim as f64),
                _ => mean,
            }
        };
        let mean = average(&|row| row.clone());
        let sd = average(&|row| (row - &mean).mapv(|value| value * value)).mapv(f64::sqrt);
        Self { mean, sd }
    }

    /// (row - mean) / sd of component c.
    pub fn scaled(&self, value: f64, c: usize) -> f64 {
        (value - self.mean[c]) / self.sd[c]
    }
}

/// The pairs of a set of trajectories that have no missing value.
pub struct Pairs<'a> {
    data: ArrayView3<'a, f64>,
    /// (case, time of x_k).
    index: Vec<(usize, usize)>,
}

impl<'a> Pairs<'a> {
    /// The pairs of trajectories `[case, time, component]`.
    pub fn new(data: ArrayView3<'a, f64>) -> Self {
        let (cases, times, _) = data.dim();
        let finite = |case: usize, time: usize| {
            let row: ArrayView1<f64> = data.slice(ndarray::s![case, time, ..]);
            row.iter().all(|value| value.is_finite())
        };
        let mut index = Vec::new();
        for case in 0..cases {
            let mut before = times > 0 && finite(case, 0);
            for time in 1..times {
                let now = finite(case, time);
                if before && now {
                    index.push((case, time - 1));
                }
                before = now;
            }
        }
        Self { data, index }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// x_k and x_{k+1} of pair `row`.
    pub fn get(&self, row: usize) -> (ArrayView1<'_, f64>, ArrayView1<'_, f64>) {
        let (case, time) = self.index[row];
        let at = |time: usize| self.data.index_axis(Axis(0), case).index_axis_move(Axis(0), time);
        (at(time), at(time + 1))
    }

    /// The scales of states and of increments.
    ///
    /// # Errors
    /// When there are fewer than two pairs, or a component never changes.
    pub fn scales(&self, geometry: Geometry) -> Result<(Scale, Scale)> {
        if self.len() < 2 {
            return Err(Error::Data(format!(
                "a network learns from pairs of successive states, and the training data have {}; give longer or more \
                 trajectories",
                self.len()
            )));
        }
        let dim = self.data.dim().2;
        let states = Scale::of(dim, || (0..self.len()).map(|row| self.get(row).0.to_owned()), geometry);
        let increment = |row| {
            let (x, next) = self.get(row);
            &next - &x
        };
        let increments = Scale::of(dim, || (0..self.len()).map(increment), geometry);
        for (scale, what) in [(&states, "has the same value in"), (&increments, "changes by the same amount in")] {
            // a spread at the level of rounding is none
            let spread = |c: usize| scale.sd[c] > 1e-12 * (scale.mean[c].abs() + states.mean[c].abs());
            if let Some(c) = (0..dim).find(|c| !spread(*c)) {
                return Err(Error::Data(format!(
                    "component {c} {what} all {} training pairs, so there is nothing to learn about it; leave it out",
                    self.len()
                )));
            }
        }
        Ok((states, increments))
    }

    /// The scaled states and increments of some pairs, `[row, component]` each.
    pub fn scaled(&self, rows: &[usize], states: &Scale, increments: &Scale) -> (Array2<f64>, Array2<f64>) {
        let dim = self.data.dim().2;
        let (mut x_out, mut z_out) = (Array2::zeros((rows.len(), dim)), Array2::zeros((rows.len(), dim)));
        for (i, row) in rows.iter().enumerate() {
            let (x, next) = self.get(*row);
            for c in 0..dim {
                x_out[[i, c]] = states.scaled(x[c], c);
                z_out[[i, c]] = increments.scaled(next[c] - x[c], c);
            }
        }
        (x_out, z_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};

    #[test]
    fn pairs_skip_missing_values_and_never_cross_trajectories() {
        let mut data = Array3::from_shape_fn((2, 5, 1), |(case, time, _)| (10 * case + time * time) as f64);
        data[[1, 2, 0]] = f64::NAN;
        let pairs = Pairs::new(data.view());
        assert_eq!(pairs.index, [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 3)]);
        let (x, next) = pairs.get(5);
        assert_eq!((x[0], next[0]), (19.0, 26.0));
    }

    #[test]
    fn scaled_pairs_have_unit_moments() {
        let data = array![[[0.0, 10.0], [1.0, 30.0], [4.0, 20.0], [2.0, 25.0]]];
        let pairs = Pairs::new(data.view());
        for geometry in [Geometry::Unstructured, Geometry::Ring] {
            let (states, increments) = pairs.scales(geometry).unwrap();
            let (x, z) = pairs.scaled(&[0, 1, 2], &states, &increments);
            for values in [x, z] {
                let groups: Vec<Vec<f64>> = match geometry {
                    Geometry::Ring => vec![values.iter().copied().collect()],
                    _ => values.columns().into_iter().map(|c| c.to_vec()).collect(),
                };
                for group in groups {
                    let n = group.len() as f64;
                    assert!((group.iter().sum::<f64>() / n).abs() < 1e-12);
                    assert!((group.iter().map(|v| v * v).sum::<f64>() / n - 1.0).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn a_component_that_never_changes_is_refused() {
        let data = array![[[0.0, 7.0], [1.0, 7.0], [4.0, 7.0]]];
        let message = Pairs::new(data.view()).scales(Geometry::Unstructured).unwrap_err().to_string();
        assert!(message.contains("component 1") && message.contains("all 2 training pairs"), "{message}");
    }
}
