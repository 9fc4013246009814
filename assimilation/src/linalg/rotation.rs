//! A random rotation of an ensemble that keeps its mean and its covariance.
//!
//! A' = B Q B^T A, where B is an orthonormal basis of the space orthogonal to the ones vector and Q is uniform (Haar) on
//! the orthogonal matrices of order N - 1: the Q of the QR factors of a Gaussian matrix whose R has a positive diagonal.
//! Q is never formed: it is a product of Householder reflections of independent Gaussian vectors of falling length
//! (Stewart 1980, "The efficient generation of random orthogonal matrices"), applied to the rows of A one by one, which
//! costs about 2 N^2 n operations. Rotations of this kind: Sakov and Oke 2008.

use ndarray::{ArrayViewMut2, s};
use scorecast_systems::Key;

use super::add_scaled;

/// Rotates anomalies (`[member, component]`, each column of zero mean) in place; draws from stream 0 of `key`.
pub fn rotate_anomalies(mut anomalies: ArrayViewMut2<f64>, key: Key) {
    let members = anomalies.nrows();
    if members < 2 {
        return;
    }
    // the reflection that maps ones / sqrt(N) to the first unit vector
    let mut to_basis = vec![-1.0 / (members as f64).sqrt(); members];
    to_basis[0] += 1.0;
    let mut sum = vec![0.0; anomalies.ncols()];
    reflect(anomalies.view_mut(), &to_basis, &mut sum);
    multiply_by_haar(anomalies.slice_mut(s![1.., ..]), key, &mut sum);
    reflect(anomalies, &to_basis, &mut sum);
}

/// Multiplies `rows` from the left by a uniform orthogonal matrix.
fn multiply_by_haar(mut rows: ArrayViewMut2<f64>, key: Key, sum: &mut [f64]) {
    let order = rows.nrows();
    let mut gaussian = vec![0.0; order * (order + 1) / 2];
    key.stream(0).fill_normal(&mut gaussian);
    let mut start = gaussian.len();
    // the reflection of the shortest vector acts first
    for length in 1..=order {
        start -= length;
        let first = order - length;
        let vector = &mut gaussian[start..start + length];
        let sign = 1.0f64.copysign(vector[0]);
        // the sign that makes R's diagonal positive; the last reflection is a sign only
        let diagonal = if length == 1 { sign } else { -sign };
        rows.row_mut(first).mapv_inplace(|value| diagonal * value);
        if length > 1 {
            vector[0] += sign * vector.iter().map(|v| v * v).sum::<f64>().sqrt();
            reflect(rows.slice_mut(s![first.., ..]), vector, sum);
        }
    }
}

/// rows <- (I - 2 v v^T / v^T v) rows.
fn reflect(mut rows: ArrayViewMut2<f64>, v: &[f64], sum: &mut [f64]) {
    let factor = 2.0 / v.iter().map(|value| value * value).sum::<f64>();
    sum.fill(0.0);
    let width = sum.len().max(1);
    // rows side by side in memory are read as slices, which vectorize
    if let Some(values) = rows.as_slice_mut() {
        values.chunks_exact(width).zip(v).for_each(|(row, weight)| add_scaled(sum, *weight, row));
        values.chunks_exact_mut(width).zip(v).for_each(|(row, weight)| add_scaled(row, -(factor * weight), sum));
        return;
    }
    for (row, weight) in rows.outer_iter().zip(v) {
        sum.iter_mut().zip(row).for_each(|(total, value)| *total += weight * value);
    }
    for (mut row, weight) in rows.outer_iter_mut().zip(v) {
        let step = factor * weight;
        row.iter_mut().zip(sum.iter()).for_each(|(value, total)| *value -= step * total);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis, ShapeBuilder};
    use scorecast_systems::{Domain, Key};

    use super::*;

    #[test]
    fn mean_and_covariance_are_kept_and_the_members_change() {
        for members in [2, 3, 24] {
            let x = Key::new(4, Domain::Score).normals(members, 5);
            let centred = &x - &x.mean_axis(Axis(0)).unwrap();
            let mut rotated = centred.clone();
            rotate_anomalies(rotated.view_mut(), Key::new(5, Domain::Score));
            assert!(rotated.sum_axis(Axis(0)).iter().all(|m| m.abs() < 1e-13));
            let change = rotated.t().dot(&rotated) - centred.t().dot(&centred);
            assert!(change.iter().all(|c| c.abs() < 1e-12), "{members} members");
        }
    }

    #[test]
    fn the_layout_changes_no_bit() {
        let mut rows = Key::new(7, Domain::Score).normals(9, 5);
        let mut columns = Array2::from_shape_vec((5, 9).f(), vec![0.0; 45]).unwrap().reversed_axes();
        columns.assign(&rows);
        let mut turned = rows.t().to_owned().reversed_axes();
        for anomalies in [rows.view_mut(), columns.view_mut(), turned.view_mut()] {
            rotate_anomalies(anomalies, Key::new(8, Domain::Score));
        }
        assert!(rows == columns && rows == turned);
    }

    #[test]
    fn the_orthogonal_matrix_is_uniform() {
        // for Haar Q of order m: E Q_ij = 0, E Q_ij^2 = 1/m, E (tr Q)^2 = 1; a missing sign fix shifts E tr Q
        let (m, draws) = (4, 20_000);
        let (mut mean, mut square, mut trace, mut trace_square) =
            (Array2::<f64>::zeros((m, m)), Array2::<f64>::zeros((m, m)), 0.0, 0.0);
        for draw in 0..draws {
            let mut q = Array2::<f64>::eye(m);
            multiply_by_haar(q.view_mut(), Key::new(6, Domain::Score).at(draw), &mut vec![0.0; m]);
            mean += &q;
            square += &q.mapv(|v| v * v);
            let t = q.diag().sum();
            trace += t;
            trace_square += t * t;
        }
        let n = draws as f64;
        // five standard errors: sd of Q_ij is 1/2, of Q_ij^2 sqrt(3/(m(m+2)) - 1/m^2) = .25, of tr 1, of tr^2 sqrt(2)
        assert!(mean.iter().all(|v| (v / n).abs() < 5.0 * 0.5 / n.sqrt()));
        assert!(square.iter().all(|v| (v / n - 0.25).abs() < 5.0 * 0.25 / n.sqrt()));
        assert!((trace / n).abs() < 5.0 / n.sqrt());
        assert!((trace_square / n - 1.0).abs() < 5.0 * 2.0f64.sqrt() / n.sqrt());
    }
}
