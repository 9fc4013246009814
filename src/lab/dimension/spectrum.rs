//! Eigenvalues of the covariance of points, largest first.
//!
//! With fewer points than components they are those of the Gram matrix of the points, of which at most [`GRAM`] count.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::systems::gaussian::SymmetricEigen;
use crate::systems::{Domain, Key, Purpose};

/// The largest matrix that is taken apart.
pub const GRAM: usize = 1000;

/// Eigenvalues of a covariance.
#[derive(Clone, Debug)]
pub struct Spectrum {
    /// l, largest first: at most one less than there are points, and as many as components.
    pub values: Vec<f64>,
    /// The points.
    pub count: usize,
    /// The components.
    pub components: usize,
}

impl Spectrum {
    /// Of points `[point, component]` around their mean. None of fewer than 2, or where they are too large for numbers.
    pub fn of(points: ArrayView2<f64>) -> Option<Self> {
        let (all, components) = points.dim();
        let thinned;
        let points = if components > GRAM && all > GRAM {
            thinned = points.select(Axis(0), &some(all, GRAM));
            thinned.view()
        } else {
            points
        };
        let count = points.nrows();
        if count < 2 {
            return None;
        }
        let centred = centred(points);
        let gram = if count <= components { centred.dot(&centred.t()) } else { centred.t().dot(&centred) };
        Self::of_matrix((gram / (count - 1) as f64).view(), count, components)
    }

    /// Of a covariance, or of a Gram matrix over the number of points less one, of so many points and components.
    pub fn of_matrix(matrix: ArrayView2<f64>, count: usize, components: usize) -> Option<Self> {
        let eigen = SymmetricEigen::new(matrix).ok()?.descending();
        let values = eigen.values.iter().copied().take(components.min(count - 1)).collect();
        Some(Self { values, count, components })
    }

    /// The sum of the eigenvalues.
    pub fn total(&self) -> f64 {
        self.values.iter().sum()
    }
}

/// Points around their mean.
pub fn centred(points: ArrayView2<f64>) -> Array2<f64> {
    let mean: Array1<f64> = points.sum_axis(Axis(0)) / points.nrows().max(1) as f64;
    &points - &mean
}

/// So many of the numbers below `all` at most, drawn without replacement, in their order.
pub fn drawn(all: usize, most: usize, key: Key) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..all).collect();
    if all > most {
        let mut stream = key.purpose(Purpose::Statistic).stream(0);
        (0..most).for_each(|i| numbers.swap(i, i + stream.below(all - i)));
        numbers.truncate(most);
        numbers.sort_unstable();
    }
    numbers
}

/// Some of the points of a cloud where all would take too long: always the same, and not at even distances, which data that
/// recur could be in step with.
pub fn some(all: usize, most: usize) -> Vec<usize> {
    drawn(all, most, Key::new(0, Domain::Score))
}
