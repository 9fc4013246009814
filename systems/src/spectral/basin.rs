//! Fields on the unit square with value 0 on its boundary: n x n points with the boundary, n odd, h = 1 / (n - 1), row
//! by row (row j is y = j h, column i is x = i h). Differences of second order:
//! the five-point Laplacian, and the Jacobian J(a, b) = a_x b_y - a_y b_x of Arakawa (1966), for which
//! sum a J(b, c) = sum b J(c, a) = sum c J(a, b), so that sum a J(a, b) = sum b J(a, b) = 0.
//!
//! Inputs must be 0 on the boundary; outputs are.

/// The unit square of n x n points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basin {
    /// n, with the boundary.
    pub points: usize,
}

impl Basin {
    /// h.
    pub fn spacing(&self) -> f64 {
        1.0 / (self.points - 1) as f64
    }

    /// Sets the boundary to 0.
    pub fn clear_boundary(&self, f: &mut [f64]) {
        let n = self.points;
        f[..n].fill(0.0);
        f[n * (n - 1)..].fill(0.0);
        for row in f.chunks_exact_mut(n) {
            (row[0], row[n - 1]) = (0.0, 0.0);
        }
    }

    /// out = f(i, rows south, here and north) at the inner points, 0 on the boundary.
    #[inline(always)]
    fn each(&self, out: &mut [f64], value: impl Fn(usize, usize) -> f64) {
        let n = self.points;
        assert_eq!(out.len(), n * n, "a basin of {n} x {n} points for {} values", out.len());
        self.clear_boundary(out);
        for (j, row) in out.chunks_exact_mut(n).enumerate().take(n - 1).skip(1) {
            for (i, out) in row.iter_mut().enumerate().take(n - 1).skip(1) {
                *out = value(i, j);
            }
        }
    }

    /// The Laplacian of `f`.
    pub fn laplacian(&self, f: &[f64], out: &mut [f64]) {
        let (n, scale) = (self.points, ((self.points - 1) as f64).powi(2));
        self.each(out, |i, j| {
            let at = j * n + i;
            (f[at + 1] + f[at - 1] + f[at + n] + f[at - n] - 4.0 * f[at]) * scale
        });
    }

    /// out += weight f_x, by the centred difference.
    pub fn add_x_derivative(&self, weight: f64, f: &[f64], out: &mut [f64]) {
        let (n, scale) = (self.points, 0.5 * weight * (self.points - 1) as f64);
        for (f, out) in f.chunks_exact(n).zip(out.chunks_exact_mut(n)).take(n - 1).skip(1) {
            for (out, f) in out[1..n - 1].iter_mut().zip(f.windows(3)) {
                *out += scale * (f[2] - f[0]);
            }
        }
    }

    /// J(a, b).
    pub fn jacobian(&self, a: &[f64], b: &[f64], out: &mut [f64]) {
        let (n, scale) = (self.points, ((self.points - 1) as f64).powi(2) / 12.0);
        assert!(a.len() == n * n && b.len() == n * n, "a basin of {n} x {n} points for {}, {}", a.len(), b.len());
        self.each(out, |i, j| {
            let at = j * n + i;
            let (east, west, north, south) = (at + 1, at - 1, at + n, at - n);
            let (ne, nw, se, sw) = (north + 1, north - 1, south + 1, south - 1);
            // the three forms: plain, divergence in the direction of a, divergence in the direction of b
            let plain = (a[east] - a[west]) * (b[north] - b[south]) - (a[north] - a[south]) * (b[east] - b[west]);
            let of_a = a[east] * (b[ne] - b[se]) - a[west] * (b[nw] - b[sw]) - a[north] * (b[ne] - b[nw])
                + a[south] * (b[se] - b[sw]);
            let of_b = b[north] * (a[ne] - a[nw]) - b[south] * (a[se] - a[sw]) - b[east] * (a[ne] - a[se])
                + b[west] * (a[nw] - a[sw]);
            (plain + of_a + of_b) * scale
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Domain, Key};

    fn random(basin: Basin, stream: u64) -> Vec<f64> {
        let mut f = vec![0.0; basin.points * basin.points];
        Key::new(8, Domain::Score).stream(stream).fill_normal(&mut f);
        basin.clear_boundary(&mut f);
        f
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn the_jacobian_is_antisymmetric_in_all_three_ways() {
        let basin = Basin { points: 33 };
        let (a, b, c) = (random(basin, 0), random(basin, 1), random(basin, 2));
        let jacobian = |a: &[f64], b: &[f64]| {
            let mut out = vec![9.0; a.len()];
            basin.jacobian(a, b, &mut out);
            out
        };
        let (ab, bc) = (jacobian(&a, &b), jacobian(&b, &c));
        let size = dot(&ab, &ab).sqrt() * 31.0;
        // energy and enstrophy: sum a J(a, b) = sum b J(a, b) = 0
        assert!(dot(&a, &ab).abs() < 1e-12 * size && dot(&b, &ab).abs() < 1e-12 * size);
        assert!((dot(&a, &bc) - dot(&c, &ab)).abs() < 1e-12 * size);
        assert!(jacobian(&b, &a).iter().zip(&ab).all(|(x, y)| (x + y).abs() < 1e-12 * size));
    }

    /// J of two products of sines, at two resolutions.
    #[test]
    fn jacobian_and_laplacian_are_of_second_order() {
        use std::f64::consts::PI;
        let errors = [33usize, 65, 129].map(|points| {
            let (basin, h) = (Basin { points }, 1.0 / (points - 1) as f64);
            let field = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
                (0..points * points).map(|at| f((at % points) as f64 * h, (at / points) as f64 * h)).collect()
            };
            let a = field(&|x, y| (PI * x).sin() * (2.0 * PI * y).sin());
            let b = field(&|x, y| (3.0 * PI * x).sin() * (PI * y).sin());
            let exact = field(&|x, y| {
                PI * (PI * x).cos() * (2.0 * PI * y).sin() * PI * (3.0 * PI * x).sin() * (PI * y).cos()
                    - 2.0
                        * PI
                        * (PI * x).sin()
                        * (2.0 * PI * y).cos()
                        * 3.0
                        * PI
                        * (3.0 * PI * x).cos()
                        * (PI * y).sin()
            });
            let (mut jacobian, mut laplacian) = (a.clone(), a.clone());
            basin.jacobian(&a, &b, &mut jacobian);
            basin.laplacian(&b, &mut laplacian);
            let most = |f: &[f64], exact: &dyn Fn(usize) -> f64| {
                (0..f.len()).map(|at| (f[at] - exact(at)).abs()).fold(0.0, f64::max)
            };
            [most(&jacobian, &|at| exact[at]), most(&laplacian, &|at| -10.0 * PI * PI * b[at])]
        });
        for operator in 0..2 {
            for pair in errors.windows(2) {
                let order = (pair[0][operator] / pair[1][operator]).log2();
                assert!((order - 2.0).abs() < 0.15, "{operator}: {order}");
            }
        }
    }
}
