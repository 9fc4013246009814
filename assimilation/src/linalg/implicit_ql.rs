//! The eigenvalues and eigenvectors of a symmetric tridiagonal matrix by QL steps with implicit shifts (Dubrulle, Martin and
//! Wilkinson 1968, EISPACK's `imtql2`).

use super::lanes::{Lanes, rotate};

/// Steps for one eigenvalue before it is given up; two are usual.
const STEPS: usize = 60;

/// Replaces the diagonal by the eigenvalues, and the rows of `vectors` (V^T, `width` groups each) by those of the
/// eigenvectors in the coordinates of the columns. `beside`, element k between k and k + 1, is destroyed. False where it
/// does not converge.
#[inline(always)]
pub(super) fn diagonalise(d: &mut [f64], e: &mut [f64], vectors: &mut [Lanes], width: usize) -> bool {
    let n = d.len();
    let norm = d.iter().zip(e.iter()).fold(0.0f64, |norm, (d, e)| norm.max(d.abs() + e.abs()));
    let least = f64::EPSILON * norm;
    for l in 0..n {
        let mut steps = 0;
        loop {
            // the end of the block that begins at l
            let m = (l..n - 1).find(|&m| e[m].abs() <= least).unwrap_or(n - 1);
            if m == l {
                break;
            }
            steps += 1;
            if steps > STEPS {
                return false;
            }
            step(d, e, l, m, vectors, width);
        }
    }
    true
}

/// One step on the block from l to m, with the shift of Wilkinson.
#[inline(always)]
fn step(d: &mut [f64], e: &mut [f64], l: usize, m: usize, vectors: &mut [Lanes], width: usize) {
    let half = (d[l + 1] - d[l]) / (2.0 * e[l]);
    let root = (half * half + 1.0).sqrt().copysign(half);
    let mut g = d[m] - d[l] + e[l] / (half + root);
    let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
    for i in (l..m).rev() {
        let (f, b) = (s * e[i], c * e[i]);
        let r = (f * f + g * g).sqrt();
        e[i + 1] = r;
        if r == 0.0 {
            // the block falls apart by itself
            d[i + 1] -= p;
            e[m] = 0.0;
            return;
        }
        let inverse = 1.0 / r;
        (s, c) = (f * inverse, g * inverse);
        g = d[i + 1] - p;
        let t = (d[i] - g) * s + 2.0 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        let (upper, lower) = vectors[i * width..(i + 2) * width].split_at_mut(width);
        rotate(upper, lower, c, s);
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0.0;
}
