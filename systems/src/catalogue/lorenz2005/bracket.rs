//! The bracket of Lorenz (2005). With the window average (S x)_n = sum'_{|i| <= J} x_{n+i} / K, J = floor(K / 2), where
//! sum' counts its first and last term half if K is even and is an ordinary sum if K is odd,
//!
//! [u, v]_n = -(S u)_{n-2K} (S v)_{n-K} + (S w)_n,   w_n = (S u)_{n-K} v_{n+K}.
//!
//! sum_n u_n [u, u]_n = 0, because S is symmetric and commutes with shifts; that gives the adjoints too. Averages are
//! running sums, so that the cost does not depend on K.

use crate::integrate::Lanes;
use crate::lanes::LANES;

/// The bracket with windows of K points, on rings of at least 4 K.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bracket {
    pub(super) k: usize,
}

/// x at place i of the ring, i below twice its length.
#[inline(always)]
pub(super) fn ring(x: &[Lanes], i: usize) -> &Lanes {
    if i < x.len() { &x[i] } else { &x[i - x.len()] }
}

/// out_n += factor a_{n+p} b_{n+q} for a and b given with their shifts p and q, from minus the length of the ring up to
/// its length.
fn add_product(out: &mut [Lanes], factor: f64, a: (&[Lanes], isize), b: (&[Lanes], isize)) {
    let n = out.len();
    let from = |shift: isize| shift.rem_euclid(n as isize) as usize;
    let (p, q) = (from(a.1), from(b.1));
    for (i, out) in out.iter_mut().enumerate() {
        let (a, b) = (ring(a.0, i + p), ring(b.0, i + q));
        for lane in 0..LANES {
            out[lane] += factor * a[lane] * b[lane];
        }
    }
}

impl Bracket {
    /// K as a shift.
    fn shift(self) -> isize {
        self.k as isize
    }

    /// out_n += factor (S x)_n.
    fn add_average(self, factor: f64, x: &[Lanes], out: &mut [Lanes]) {
        let (n, k, half) = (x.len(), self.k, self.k / 2);
        let (scale, edge) = (factor / k as f64, if k.is_multiple_of(2) { 0.5 } else { 0.0 });
        let mut sum = [0.0; LANES];
        for x in (0..k).map(|i| ring(x, n - half + i)) {
            for lane in 0..LANES {
                sum[lane] += x[lane];
            }
        }
        for (i, out) in out.iter_mut().enumerate() {
            // the sum holds K places from i - J on; for even K the first counts half, and the place i + J half
            let (first, last, entering) = (ring(x, i + n - half), ring(x, i + half), ring(x, i + k - half));
            for lane in 0..LANES {
                out[lane] += scale * (sum[lane] + edge * (last[lane] - first[lane]));
                sum[lane] += entering[lane] - first[lane];
            }
        }
    }

    /// out = S x.
    fn average(self, x: &[Lanes], out: &mut [Lanes]) {
        out.fill([0.0; LANES]);
        self.add_average(1.0, x, out);
    }

    /// out += factor [u, v].
    pub(super) fn add(self, factor: f64, u: &[Lanes], v: &[Lanes], out: &mut [Lanes], scratch: [&mut [Lanes]; 3]) {
        let ([su, sv, w], k) = (scratch, self.shift());
        self.average(u, su);
        self.average(v, sv);
        add_product(out, -factor, (su, -2 * k), (sv, -k));
        w.fill([0.0; LANES]);
        add_product(w, 1.0, (su, -k), (v, k));
        self.add_average(factor, w, out);
    }

    /// out += factor (d[u, v]/du)^T p.
    pub(super) fn add_adjoint_first(
        self,
        factor: f64,
        v: &[Lanes],
        p: &[Lanes],
        out: &mut [Lanes],
        scratch: [&mut [Lanes]; 3],
    ) {
        let ([sv, sp, w], k) = (scratch, self.shift());
        self.average(v, sv);
        self.average(p, sp);
        w.fill([0.0; LANES]);
        add_product(w, -1.0, (p, 2 * k), (sv, k));
        add_product(w, 1.0, (sp, k), (v, 2 * k));
        self.add_average(factor, w, out);
    }

    /// out += factor (d[u, v]/dv)^T p.
    pub(super) fn add_adjoint_second(
        self,
        factor: f64,
        u: &[Lanes],
        p: &[Lanes],
        out: &mut [Lanes],
        scratch: [&mut [Lanes]; 3],
    ) {
        let ([su, sp, w], k) = (scratch, self.shift());
        self.average(u, su);
        self.average(p, sp);
        w.fill([0.0; LANES]);
        add_product(w, -1.0, (p, k), (su, -k));
        self.add_average(factor, w, out);
        add_product(out, factor, (sp, -k), (su, -2 * k));
    }
}
