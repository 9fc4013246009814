//! A random rotation of an ensemble that keeps its mean and its covariance.
//!
//! A' = B Q B^T A, where B is an orthonormal basis of the space orthogonal to the ones vector and Q is uniform (Haar) on
//! the orthogonal matrices of order N - 1: the Q of the QR factors of a Gaussian matrix whose R has a positive diagonal.
//! Q is never formed: it is a product of Householder reflections of independent Gaussian vectors of falling length
//! (Stewart 1980, "The efficient generation of random orthogonal matrices"), applied to the rows of A one by one, which
//! costs about 2 N^2 n operations. Rotations of this kind: Sakov and Oke 2008.

use ndarray::ArrayViewMut2;
use scorecast_systems::{Key, wide};

use super::lanes::{Lanes, WIDTH, ZEROS, combine};

/// Rotates anomalies (`[member, component]`, each column of zero mean) in place; draws from stream 0 of `key`.
pub fn rotate_anomalies(anomalies: ArrayViewMut2<f64>, key: Key) {
    let members = anomalies.nrows();
    if members < 2 {
        return;
    }
    // the reflection that maps ones / sqrt(N) to the first unit vector
    let mut to_basis = vec![-1.0 / (members as f64).sqrt(); members];
    to_basis[0] += 1.0;
    let to_basis = Reflection::new(0, to_basis, 1.0);
    let mut reflections = vec![to_basis.clone()];
    reflections.extend(haar(members - 1, key).into_iter().map(|reflection| reflection.behind(1)));
    reflections.push(to_basis);
    multiply(anomalies, &reflections);
}

/// I - f v v^T on the rows from `first` on, after `sign` has multiplied row `first`.
#[derive(Clone)]
struct Reflection {
    first: usize,
    v: Vec<f64>,
    factor: f64,
    sign: f64,
}

impl Reflection {
    fn new(first: usize, v: Vec<f64>, sign: f64) -> Self {
        // a single row has its sign only
        let factor = if v.len() > 1 { 2.0 / v.iter().map(|value| value * value).sum::<f64>() } else { 0.0 };
        Self { first, v, factor, sign }
    }

    /// A rotation behind this many more rows.
    fn behind(self, rows: usize) -> Self {
        Self { first: self.first + rows, ..self }
    }
}

/// The reflections, in the order in which they act, whose product is a uniform orthogonal matrix.
fn haar(order: usize, key: Key) -> Vec<Reflection> {
    let mut gaussian = vec![0.0; order * (order + 1) / 2];
    key.stream(0).fill_normal(&mut gaussian);
    let mut start = gaussian.len();
    // the reflection of the shortest vector acts first
    let reflection = |length: usize| {
        start -= length;
        let mut vector = gaussian[start..start + length].to_vec();
        let sign = 1.0f64.copysign(vector[0]);
        // the sign that makes R's diagonal positive; the last reflection is a sign only
        let diagonal = if length == 1 { sign } else { -sign };
        vector[0] += sign * vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        Reflection::new(order - length, vector, diagonal)
    };
    (1..=order).map(reflection).collect()
}

/// Multiplies `rows` from the left by the reflections, a few columns at a time: those are on their own.
fn multiply(mut rows: ArrayViewMut2<f64>, reflections: &[Reflection]) {
    let (members, dim) = rows.dim();
    let mut block = vec![ZEROS; members];
    if !rows.is_standard_layout() {
        let mut copy = rows.as_standard_layout().into_owned();
        multiply(copy.view_mut(), reflections);
        rows.assign(&copy);
        return;
    }
    let Some(values) = rows.as_slice_mut() else { return };
    for from in (0..dim).step_by(WIDTH) {
        let to = (from + WIDTH).min(dim);
        for (row, lanes) in values.chunks_exact(dim).zip(&mut block) {
            lanes[..to - from].copy_from_slice(&row[from..to]);
        }
        reflect(&mut block, reflections);
        for (row, lanes) in values.chunks_exact_mut(dim).zip(&block) {
            row[from..to].copy_from_slice(&lanes[..to - from]);
        }
    }
}

wide! {
    fn reflect(rows: &mut [Lanes], reflections: &[Reflection]) {
        for Reflection { first, v, factor, sign } in reflections {
            let rows = &mut rows[*first..];
            rows[0] = combine(rows[0], ZEROS, |value, _| sign * value);
            let mut sum = ZEROS;
            for (row, weight) in rows.iter().zip(v) {
                sum = combine(sum, *row, |sum, value| sum + weight * value);
            }
            for (row, weight) in rows.iter_mut().zip(v) {
                let step = -(factor * weight);
                *row = combine(*row, sum, |value, sum| value + step * sum);
            }
        }
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
            multiply(q.view_mut(), &haar(m, Key::new(6, Domain::Score).at(draw)));
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
