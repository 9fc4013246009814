//! (I + S)^-1/2 b and (I + S)^-1 b for one vector b and a positive semi-definite S, without eigenvectors.
//!
//! A^-1/2 = 2/pi int_0^inf (s^2 I + A)^-1 ds. With A = I + S, whose eigenvalues lie in [1, kappa], the substitution
//! s = sc(u | k'), k'^2 = 1 - 1 / kappa, turns the midpoint rule into a sum that converges geometrically (Hale, Higham
//! and Trefethen 2008, method 3):
//! (I + S)^-1/2 = sum_j w_j (I + c_j S)^-1, c_j = cn^2 u_j, w_j = 2 K' dn(u_j) / (pi m), u_j = (j - 1/2) K' / m;
//! its error is about exp(-2 pi^2 m / (log kappa + 3)): 15 terms for kappa = 100 and 23 for 10^4, for full precision. Each
//! term is a partial analysis, with the observation errors' variances divided by c_j.
//!
//! Householder reflections that begin with b itself make S tridiagonal, S = V T V^T with V e_1 = b / |b|, so that every
//! term is a tridiagonal solve with the right side e_1, several terms side by side. An eigenproblem of the same order
//! costs several times as much, and all that is wanted of it here is its effect on b.

use std::sync::LazyLock;

use scorecast_systems::wide;

use super::tridiagonal::Tridiagonal;

/// Terms that are solved side by side.
const LANES: usize = 4;

/// Powers of 4 up to which kappa is tabulated: beyond 10^18 no double tells A from a singular matrix.
const LEVELS: usize = 31;

/// The terms of one kappa, filled up with terms of weight 0.
struct Rule(Vec<Terms>);

/// c and w of some terms.
#[derive(Clone, Copy)]
struct Terms {
    c: [f64; LANES],
    w: [f64; LANES],
}

/// Rules for kappa = 4^level.
static RULES: LazyLock<Vec<Rule>> =
    LazyLock::new(|| (0..LEVELS).map(|level| Rule::new(4f64.powi(level as i32))).collect());

impl Rule {
    /// The terms that are exact to round-off for eigenvalues in [1, kappa], or in [1, 2] where that is wider.
    fn new(kappa: f64) -> Self {
        let kappa = kappa.max(2.0);
        let terms = (1.75 * (kappa.ln() + 3.0)).ceil() + 1.0;
        let k = kappa.recip().sqrt();
        let quarter = std::f64::consts::PI / (2.0 * mean_of_agm(k));
        let weight = 2.0 * quarter / (std::f64::consts::PI * terms);
        let node = |j: f64| {
            let u = (j + 0.5).min(terms - j - 0.5) * quarter / terms;
            let (sn, cn) = jacobi(u, k);
            let dn = (cn * cn + k * k * sn * sn).sqrt();
            // in the upper half by reflection at K' / 2, which keeps the digits of a small cn
            let (cn, dn) = if j + 0.5 < 0.5 * terms { (cn, dn) } else { (k * sn / dn, k / dn) };
            (cn * cn, weight * dn)
        };
        let all: Vec<(f64, f64)> = (0..terms as usize).map(|j| node(j as f64)).collect();
        let chunk = |some: &[(f64, f64)]| {
            let term = |lane| some.get(lane).copied().unwrap_or((0.0, 0.0));
            Terms { c: std::array::from_fn(|lane| term(lane).0), w: std::array::from_fn(|lane| term(lane).1) }
        };
        Self(all.chunks(LANES).map(chunk).collect())
    }

    /// The rule for a matrix whose eigenvalues are at most `kappa`.
    fn of(kappa: f64) -> &'static Self {
        let level = (0.5 * kappa.log2()).ceil().clamp(0.0, (LEVELS - 1) as f64);
        &RULES[level as usize]
    }
}

/// The arithmetic-geometric mean of 1 and k.
fn mean_of_agm(k: f64) -> f64 {
    let (mut a, mut b) = (1.0, k);
    for _ in 0..12 {
        (a, b) = (0.5 * (a + b), f64::sqrt(a * b));
    }
    a
}

/// sn and cn of u for the modulus k' with k'^2 = 1 - k^2, k at most 0.71, to relative round-off: sc(u | k') = sinh psi,
/// where i psi is the amplitude of i u for the modulus k (Abramowitz and Stegun 16.4 and 16.20, by the
/// arithmetic-geometric mean).
fn jacobi(u: f64, k: f64) -> (f64, f64) {
    // quadratic convergence: five are enough for k' above 0.7
    const STEPS: usize = 5;
    let (mut a, mut b, mut c) = (1.0, (1.0 - k * k).sqrt(), k);
    let mut ratio = [0.0; STEPS];
    for value in &mut ratio {
        let next = 0.5 * (a + b);
        // (a - b) / 2 without its cancellation
        c = c * c / (4.0 * next);
        *value = c / next;
        (a, b) = (next, f64::sqrt(a * b));
    }
    let mut psi = 2f64.powi(STEPS as i32) * a * u;
    for value in ratio.iter().rev() {
        psi = 0.5 * (psi + (value * psi.sinh()).asinh());
    }
    (psi.tanh(), psi.cosh().recip())
}

/// Room for one problem after the other, up to an order.
#[derive(Clone, Debug)]
pub struct InverseRoot {
    tridiagonal: Tridiagonal,
    lanes: Vec<[f64; LANES]>,
}

/// Which sum over the terms is wanted beside (I + S)^-1 b.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// (I + S)^-1/2 b.
    Whole,
    /// (I - (I + S)^-1/2) S^-1 b = sum_j w_j c_j (I + c_j S)^-1 b, what Z^T Z needs for the root of Z Z^T.
    Step,
}

impl InverseRoot {
    /// Room for problems up to `order`.
    pub fn new(order: usize) -> Self {
        Self { tridiagonal: Tridiagonal::new(order), lanes: vec![[0.0; LANES]; 2 * order] }
    }

    /// Writes the root's vector to `root` and (I + S)^-1 b to `inverse`. `s` is S, `[order, order]` row by row and both
    /// triangles; all four have the order of `b`, at most that of [`InverseRoot::new`].
    pub fn solve(&mut self, which: Root, s: &[f64], b: &[f64], root: &mut [f64], inverse: &mut [f64]) {
        let n = b.len();
        assert!(s.len() == n * n && root.len() == n && inverse.len() == n && 2 * n <= self.lanes.len(), "sizes differ");
        let mut length = 0.0;
        reduce(&mut self.tridiagonal, s, b, &mut length);
        self.sum_terms(which, length, root, inverse);
        self.tridiagonal.apply(root);
        self.tridiagonal.apply(inverse);
    }

    /// `length` times the two functions of T times e_1.
    fn sum_terms(&mut self, which: Root, length: f64, root: &mut [f64], inverse: &mut [f64]) {
        let n = root.len();
        let off = |i: usize| if i < n { self.tridiagonal.beside[i].abs() } else { 0.0 };
        // Gershgorin's bound of the largest eigenvalue
        let row = |i: usize| {
            self.tridiagonal.diagonal[i].abs()
                + if i + 1 < n { off(i) } else { 0.0 }
                + if i > 0 { off(i - 1) } else { 0.0 }
        };
        let bound = (0..n).map(row).fold(0.0f64, f64::max);
        root.fill(0.0);
        let all = Terms { c: [1.0; LANES], w: [0.0; LANES] };
        self.solve_terms(n, &all.c);
        inverse.iter_mut().zip(&self.lanes).for_each(|(value, x)| *value = length * x[0]);
        for terms in &Rule::of(1.0 + bound).0 {
            self.solve_terms(n, &terms.c);
            let weights: [f64; LANES] = std::array::from_fn(|lane| match which {
                Root::Whole => length * terms.w[lane],
                Root::Step => length * terms.w[lane] * terms.c[lane],
            });
            for (value, x) in root.iter_mut().zip(&self.lanes) {
                *value += x.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>();
            }
        }
    }

    /// (I + c T)^-1 e_1 for each lane's c into the first n rows of `lanes`. The elimination runs upwards, so that the
    /// right side stays e_1.
    fn solve_terms(&mut self, n: usize, c: &[f64; LANES]) {
        let (x, pivots) = self.lanes.split_at_mut(n);
        let mut above = [0.0; LANES];
        for i in (0..n).rev() {
            let (t, e) = (self.tridiagonal.diagonal[i], if i + 1 < n { self.tridiagonal.beside[i] } else { 0.0 });
            for lane in 0..LANES {
                let ce = c[lane] * e;
                above[lane] = 1.0 / (1.0 + c[lane] * t - ce * ce * above[lane]);
            }
            pivots[i] = above;
        }
        let mut last = [1.0; LANES];
        for i in 0..n {
            // minus the element beside the diagonal; the first row has the right side
            let e = if i > 0 { -self.tridiagonal.beside[i - 1] } else { 1.0 };
            for lane in 0..LANES {
                let factor = if i > 0 { c[lane] * e } else { 1.0 };
                last[lane] *= factor * pivots[i][lane];
            }
            x[i] = last;
        }
    }
}

wide! {
    /// The reduction of S that begins with b, and the length of b with the sign of its image.
    fn reduce(tridiagonal: &mut Tridiagonal, s: &[f64], b: &[f64], length: &mut f64) {
        let n = b.len();
        *length = tridiagonal.reduce(n, |i| &s[i * n..(i + 1) * n], Some(b));
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2};
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::linalg::Eigen;

    #[test]
    fn the_rules_are_inverse_roots_on_their_intervals() {
        for level in 0..LEVELS as i32 {
            let kappa = 4f64.powi(level);
            for step in 0..=200 {
                let eigenvalue = kappa.powf(step as f64 / 200.0);
                let terms = Rule::of(kappa).0.iter().flat_map(|terms| terms.c.into_iter().zip(terms.w));
                let sum: f64 = terms.map(|(c, w)| w / (1.0 + c * (eigenvalue - 1.0))).sum();
                let error = sum * eigenvalue.sqrt() - 1.0;
                assert!(error.abs() < 1e-14, "kappa {kappa:e}, {eigenvalue:e}: {error:e}");
            }
        }
    }

    #[test]
    fn the_vectors_are_those_of_the_eigenproblem() {
        let mut room = InverseRoot::new(30);
        for (n, rank, scale) in [(1, 1, 1.0), (2, 1, 3.0), (7, 3, 10.0), (24, 21, 1.0), (24, 40, 1e3), (30, 5, 1e-9)] {
            let key = Key::new(n as u64, Domain::Score);
            let z = scale * key.normals(rank, n);
            let b = key.at(1).normals(1, n).remove_axis(ndarray::Axis(0));
            let s = z.t().dot(&z);
            let eigen = Eigen::new(s.view()).unwrap();
            let (mut root, mut inverse) = (vec![0.0; n], vec![0.0; n]);
            let mut solve = |which, root: &mut Vec<f64>| {
                let s = s.as_standard_layout().into_owned().into_raw_vec_and_offset().0;
                room.solve(which, &s, b.as_slice().unwrap(), root, &mut inverse);
            };
            let near = |found: &[f64], exact: Array2<f64>, tolerance: f64| {
                let exact: Array1<f64> = exact.dot(&b);
                assert!(found.iter().zip(&exact).all(|(f, e)| (f - e).abs() < tolerance), "{n} {rank} {scale}");
            };
            // a rank below the order leaves eigenvalues of 0 known to round-off of the largest only
            let tolerance = 1e-13 * (1.0 + scale * scale) * n as f64;
            solve(Root::Whole, &mut root);
            near(&root, eigen.apply(|l| 1.0 / (1.0 + l.max(0.0)).sqrt()), tolerance);
            let whole = root.clone();
            solve(Root::Step, &mut root);
            near(&root, eigen.apply(|l| 1.0 / ((1.0 + l.max(0.0)).sqrt() + 1.0 + l.max(0.0))), tolerance);
            near(&inverse, eigen.apply(|l| 1.0 / (1.0 + l.max(0.0))), tolerance);
            // whole + S step = b
            let back = Array1::from(whole) + s.dot(&Array1::from(root)) - &b;
            assert!(back.iter().all(|e| e.abs() < tolerance), "{n} {rank} {scale}");
        }
    }

    #[test]
    fn a_vector_of_zeros_stays_one() {
        let (mut root, mut inverse) = (vec![1.0; 3], vec![1.0; 3]);
        let s = vec![2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        InverseRoot::new(3).solve(Root::Whole, &s, &[0.0; 3], &mut root, &mut inverse);
        assert!(root.iter().chain(&inverse).all(|value| *value == 0.0));
    }
}
