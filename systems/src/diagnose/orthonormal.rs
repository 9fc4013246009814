//! Orthonormal vectors by the modified Gram-Schmidt process, repeated where a vector loses most of its length, because
//! what is left is then mostly rounding error of the others (Giraud, Langou and Rozloznik 2005).

use ndarray::{Array2, ArrayViewMut1, s};

/// A vector that keeps less than this share of its length goes through the process again.
const MOST_LOST: f64 = 0.1;

/// Makes the rows orthonormal in their order; the length of each after the earlier ones are taken off it. A row that
/// vanishes has length 0 and stays 0.
pub(super) fn orthonormalise(rows: &mut Array2<f64>) -> Vec<f64> {
    let mut lengths = Vec::with_capacity(rows.nrows());
    for j in 0..rows.nrows() {
        let (earlier, mut rest) = rows.view_mut().split_at(ndarray::Axis(0), j);
        let mut row = rest.row_mut(0);
        for _ in 0..2 {
            let before = length(&row);
            for other in earlier.outer_iter() {
                let along = other.dot(&row);
                row.scaled_add(-along, &other);
            }
            if length(&row) > MOST_LOST * before {
                break;
            }
        }
        let left = length(&row);
        row.mapv_inplace(|x| if left > 0.0 { x / left } else { 0.0 });
        lengths.push(left);
    }
    lengths
}

fn length(row: &ArrayViewMut1<f64>) -> f64 {
    let row = row.slice(s![..]);
    row.dot(&row).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Domain, Key};

    #[test]
    fn rows_are_orthonormal_even_where_they_are_nearly_parallel() {
        let mut rows = Key::new(8, Domain::Score).normals(6, 9);
        let first = rows.row(0).to_owned();
        rows.outer_iter_mut().skip(1).for_each(|mut row| {
            row *= 1e-9;
            row += &first;
        });
        let before = rows.clone();
        let lengths = orthonormalise(&mut rows);
        let gram = rows.dot(&rows.t());
        assert!((gram - Array2::<f64>::eye(6)).iter().all(|x| x.abs() < 1e-14));
        // the volume that they span is the product of the lengths
        let gram = before.dot(&before.t());
        let matrix = nalgebra::DMatrix::from_fn(2, 2, |i, j| gram[[i, j]]);
        assert!((lengths[0].powi(2) / matrix[(0, 0)] - 1.0).abs() < 1e-14);
        assert!(lengths.iter().skip(1).all(|length| (1e-10..1e-8).contains(length)), "{lengths:?}");
    }

    #[test]
    fn a_row_that_vanishes_stays_zero() {
        let mut rows = ndarray::array![[3.0, 4.0], [0.0, 0.0]];
        assert_eq!(orthonormalise(&mut rows), [5.0, 0.0]);
        assert_eq!(rows, ndarray::array![[0.6, 0.8], [0.0, 0.0]]);
    }
}
