//! Restarted GMRES (Saad and Schultz 1986) for many systems of the same order at once: V_i x_i = b_i, one a member.
//!
//! Each product V v is asked for all members together, so that a network runs once for the whole ensemble; every member
//! has its own Krylov basis, Hessenberg matrix and Givens rotations, and stops on its own. GMRES and not conjugate
//! gradients, because the Jacobian of a learned denoiser is not symmetric.

use ndarray::{Array1, Array2};

/// The solver: |b - V x| <= `tolerance` |b| for every member, or `iterations` products, whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct Gmres {
    /// Relative residual at which a member stops.
    pub tolerance: f64,
    /// Most products V v in one solve.
    pub iterations: usize,
    /// Products between restarts.
    pub restart: usize,
}

/// The Krylov space of one restart, for all members.
struct Krylov {
    /// q_j, `[member, order]` each.
    basis: Vec<Array2<f64>>,
    /// R of the Hessenberg matrix, `[member, column * (restart + 1) + row]`.
    upper: Array2<f64>,
    /// The rotations, cos and sin in turn, `[member, 2 * column]`.
    rotations: Array2<f64>,
    /// The rotated right side, `[member, row]`.
    right: Array2<f64>,
    /// Columns in use, `[member]`.
    used: Vec<usize>,
    /// Whether the member has stopped, `[member]`.
    done: Vec<bool>,
}

impl Gmres {
    /// Solves for all members: `product` gives V_i v_i for all rows of v (`[member, order]`), `b` is `[member, order]`.
    /// Also gives the number of products. A member that is not finite comes back not finite.
    ///
    /// # Errors
    /// The errors of `product`.
    pub fn solve<E>(
        &self,
        b: &Array2<f64>,
        mut product: impl FnMut(&Array2<f64>) -> Result<Array2<f64>, E>,
    ) -> Result<(Array2<f64>, usize), E> {
        let goals = norms(b) * self.tolerance;
        let restart = self.restart.min(b.ncols()).max(1);
        let mut x = Array2::zeros(b.raw_dim());
        let mut residual = b.clone();
        let mut products = 0;
        loop {
            let mut krylov = Krylov::start(&residual, &goals, restart);
            for column in 0..restart {
                if products == self.iterations || krylov.done.iter().all(|done| *done) {
                    break;
                }
                let next = product(&krylov.basis[column])?.as_standard_layout().into_owned();
                products += 1;
                krylov.extend(column, next, &goals);
            }
            krylov.add_solution(&mut x);
            if products >= self.iterations || krylov.done.iter().all(|done| *done) {
                return Ok((x, products));
            }
            residual = b - &product(&x)?;
            products += 1;
        }
    }
}

impl Krylov {
    fn start(residual: &Array2<f64>, goals: &Array1<f64>, restart: usize) -> Self {
        let members = residual.nrows();
        let sizes = norms(residual);
        // a residual that is not a number stops at once
        let done: Vec<bool> = sizes.iter().zip(goals).map(|(size, goal)| size.is_nan() || size <= goal).collect();
        let mut first = residual.as_standard_layout().into_owned();
        for ((mut row, size), done) in first.outer_iter_mut().zip(&sizes).zip(&done) {
            row *= if *done { 0.0 } else { 1.0 / size };
        }
        let mut right = Array2::zeros((members, restart + 1));
        right.column_mut(0).assign(&sizes);
        Self {
            basis: vec![first],
            upper: Array2::zeros((members, restart * (restart + 1))),
            rotations: Array2::zeros((members, 2 * restart)),
            right,
            used: vec![0; members],
            done,
        }
    }

    /// Takes V q_column, makes it orthogonal to the basis and brings the Hessenberg column to upper triangular form.
    fn extend(&mut self, column: usize, mut next: Array2<f64>, goals: &Array1<f64>) {
        let rows = self.right.ncols();
        let order = next.ncols();
        let basis: Vec<&[f64]> = self.basis.iter().map(flat).collect();
        let columns = flat_mut(&mut next).chunks_exact_mut(order.max(1));
        let members = columns
            .zip(flat_mut(&mut self.upper).chunks_exact_mut(rows * (rows - 1)))
            .zip(flat_mut(&mut self.right).chunks_exact_mut(rows))
            .zip(flat_mut(&mut self.rotations).chunks_exact_mut(2 * (rows - 1)));
        for (member, (((w, upper), right), rotations)) in members.enumerate() {
            if self.done[member] {
                w.fill(0.0);
                continue;
            }
            let h = &mut upper[column * rows..(column + 1) * rows];
            let before = norm(w);
            for (basis, h) in basis.iter().zip(h.iter_mut()) {
                let q = &basis[member * order..(member + 1) * order];
                *h = dot(q, w);
                w.iter_mut().zip(q).for_each(|(w, q)| *w -= *h * q);
            }
            let size = norm(w);
            // what is left after orthogonalization is round-off: the Krylov space is complete
            let complete = size <= 1e-14 * before;
            h[column + 1] = size;
            for (row, rotation) in rotations.chunks_exact(2).take(column).enumerate() {
                let (cos, sin) = (rotation[0], rotation[1]);
                (h[row], h[row + 1]) = (cos * h[row] + sin * h[row + 1], cos * h[row + 1] - sin * h[row]);
            }
            let length = h[column].hypot(h[column + 1]);
            let (cos, sin) = (h[column] / length, h[column + 1] / length);
            (h[column], h[column + 1]) = (length, 0.0);
            (rotations[2 * column], rotations[2 * column + 1]) = (cos, sin);
            (right[column], right[column + 1]) = (cos * right[column], -sin * right[column]);
            self.used[member] = column + 1;
            // a residual that is not a number stops too
            let left = right[column + 1].abs();
            self.done[member] = complete || left.is_nan() || left <= goals[member];
            let factor = if complete { 0.0 } else { 1.0 / size };
            w.iter_mut().for_each(|w| *w *= factor);
        }
        self.basis.push(next);
    }

    /// x += Q R^-1 (rotated right side), member by member.
    fn add_solution(&self, x: &mut Array2<f64>) {
        let rows = self.right.ncols();
        let order = x.ncols();
        let basis: Vec<&[f64]> = self.basis.iter().map(flat).collect();
        let mut y = vec![0.0; rows];
        for (member, x) in flat_mut(x).chunks_exact_mut(order.max(1)).enumerate() {
            let used = self.used[member];
            let entry = |row: usize, column: usize| self.upper[(member, column * rows + row)];
            for row in (0..used).rev() {
                let known: f64 = (row + 1..used).map(|column| entry(row, column) * y[column]).sum();
                y[row] = (self.right[(member, row)] - known) / entry(row, row);
            }
            for (basis, y) in basis.iter().zip(&y[..used]) {
                x.iter_mut().zip(&basis[member * order..]).for_each(|(x, q)| *x += y * q);
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

fn norms(x: &Array2<f64>) -> Array1<f64> {
    x.outer_iter().map(|row| row.dot(&row).sqrt()).collect()
}

/// The numbers of an array in standard layout, row by row.
fn flat(x: &Array2<f64>) -> &[f64] {
    x.as_slice().unwrap_or_default()
}

fn flat_mut(x: &mut Array2<f64>) -> &mut [f64] {
    x.as_slice_mut().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, s};
    use scorecast_systems::{Domain, Key};

    use super::*;

    /// Well-conditioned matrices that are not symmetric, one a member.
    fn matrices(members: usize, order: usize) -> Vec<Array2<f64>> {
        let noise = |member| Key::new(1, Domain::Score).at(member as u64).normals(order, order);
        (0..members).map(|m| Array2::eye(order) * 2.0 + noise(m) * (0.5 / (order as f64).sqrt())).collect()
    }

    fn product(matrices: &[Array2<f64>], v: &Array2<f64>) -> Array2<f64> {
        let mut out = Array2::zeros(v.raw_dim());
        for (matrix, (v, mut out)) in matrices.iter().zip(v.outer_iter().zip(out.outer_iter_mut())) {
            out.assign(&matrix.dot(&v));
        }
        out
    }

    fn solve(solver: Gmres, matrices: &[Array2<f64>], b: &Array2<f64>) -> (Array2<f64>, usize) {
        solver.solve(b, |v| Ok::<_, ()>(product(matrices, v))).unwrap()
    }

    #[test]
    fn every_member_is_solved_to_the_tolerance_with_and_without_restarts() {
        let matrices = matrices(5, 12);
        let b = Key::new(2, Domain::Score).normals(5, 12);
        for (restart, tolerance) in [(12, 1e-12), (4, 1e-12), (12, 1e-3), (1, 1e-6)] {
            let (x, products) = solve(Gmres { tolerance, iterations: 500, restart }, &matrices, &b);
            let residual = norms(&(product(&matrices, &x) - &b)) / norms(&b);
            assert!(residual.iter().all(|r| *r <= 1.01 * tolerance), "restart {restart}: {residual}");
            assert!(products < 200, "restart {restart}: {products} products");
        }
    }

    #[test]
    fn the_iteration_count_of_the_order_is_enough_and_few_distinct_eigenvalues_need_fewer() {
        let b = Key::new(3, Domain::Score).normals(1, 6);
        let solver = Gmres { tolerance: 1e-10, iterations: 6, restart: 6 };
        let general = matrices(1, 6);
        assert!(norms(&(product(&general, &solve(solver, &general, &b).0) - &b))[0] < 1e-9);
        let mut two = Array2::eye(6);
        two.slice_mut(s![3.., 3..]).diag_mut().fill(7.0);
        assert_eq!(solve(solver, &[two], &b).1, 2);
    }

    #[test]
    fn zero_and_non_finite_right_sides_end_at_once() {
        let matrices = matrices(3, 4);
        let mut b = Key::new(4, Domain::Score).normals(3, 4);
        b.row_mut(0).fill(0.0);
        b[(1, 2)] = f64::NAN;
        let (x, products) = solve(Gmres { tolerance: 1e-12, iterations: 50, restart: 4 }, &matrices, &b);
        assert!(x.row(0).iter().all(|v| *v == 0.0) && products <= 5);
        let left = product(&matrices, &x).row(2).to_owned() - b.row(2);
        assert!(left.insert_axis(Axis(0)).iter().all(|v| v.abs() < 1e-11));
    }
}
