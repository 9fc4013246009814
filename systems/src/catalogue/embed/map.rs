//! A smooth injective map from d to n >= d dimensions,
//!
//! F(z) = U z + c l V sin(W z / l + b),
//!
//! with [U V] an n x (d + m) frame of orthonormal columns drawn uniformly (the QR of a Gaussian matrix: Stewart 1980),
//! the rows of W uniform unit vectors and b uniform phases. Since U^T V = 0, z = U^T F(z): the left inverse is linear, and
//! |F(z) - F(z')| >= |z - z'|. Its Jacobian is U + c V diag(cos(W z / l + b)) W, so that c, the curvature, is the largest
//! slope of a wave and l the length over which it turns. With c = 0 the map keeps all distances.

use std::f64::consts::TAU;

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::key::{Key, Purpose};

/// Multiplications above which rows go to several threads: about 100 us of work.
const PARALLEL_WORK: usize = 1 << 18;

/// The map F, its left inverse and its Jacobian. Arrays are `[member, component]`.
#[derive(Clone, Debug)]
pub struct Embedding {
    ambient: usize,
    intrinsic: usize,
    /// The columns of U and then those of V, each `ambient` long.
    frame: Vec<f64>,
    waves: Vec<Wave>,
    curvature: f64,
    length: f64,
}

/// A row of W with its phase.
#[derive(Clone, Debug)]
struct Wave {
    direction: Vec<f64>,
    phase: f64,
}

impl Embedding {
    /// Noise of standard deviation `sd` off the image of U, of the states that the key addresses, `[member, ambient]`.
    pub(super) fn noise(&self, sd: f64, members: usize, key: Key) -> Array2<f64> {
        let (key, ambient) = (key.purpose(Purpose::AmbientNoise), self.ambient_dim());
        let mut noise = Array2::zeros((members, ambient));
        for (member, mut row) in noise.outer_iter_mut().enumerate() {
            // a stream for each dimension: of systems in systems, each has its own
            let mut stream = key.node_stream(member as u64, ambient as u64);
            row.iter_mut().for_each(|value| *value = sd * stream.normal());
        }
        self.remove_span(&mut noise);
        noise
    }

    /// From `intrinsic` to `ambient` dimensions with `waves` curved directions; intrinsic + waves is at most ambient.
    /// `length` is in the units of z and above 0; the directions come from `key`.
    pub fn new(intrinsic: usize, ambient: usize, waves: usize, curvature: f64, length: f64, key: Key) -> Self {
        assert!(intrinsic + waves <= ambient, "{intrinsic} + {waves} directions in {ambient} dimensions");
        let key = key.purpose(Purpose::Map);
        let frame = orthonormal(key.at(0).normals(intrinsic + waves, ambient));
        let wave = |index: usize| {
            let mut stream = key.at(1).stream(index as u64);
            let mut direction = vec![0.0; intrinsic];
            stream.fill_normal(&mut direction);
            let size = dot(&direction, &direction).sqrt();
            direction.iter_mut().for_each(|value| *value /= size);
            Wave { direction, phase: TAU * stream.uniform() }
        };
        let waves = (0..waves).map(wave).collect();
        Self { ambient, intrinsic, frame: frame.into_iter().collect(), waves, curvature, length }
    }

    /// n, the dimension of the space that z is put into.
    pub fn ambient_dim(&self) -> usize {
        self.ambient
    }

    /// d, the dimension of z.
    pub fn intrinsic_dim(&self) -> usize {
        self.intrinsic
    }

    /// Whether F is linear and keeps distances.
    pub fn is_orthonormal(&self) -> bool {
        self.waves.is_empty() || self.curvature == 0.0
    }

    /// U, `[ambient, intrinsic]`.
    pub fn frame(&self) -> Array2<f64> {
        Array2::from_shape_fn((self.ambient, self.intrinsic), |(i, j)| self.frame[j * self.ambient + i])
    }

    /// F(z), `[member, ambient]` of `[member, intrinsic]`.
    pub fn apply(&self, z: ArrayView2<f64>) -> Array2<f64> {
        let z = self.checked(z, self.intrinsic);
        self.rows(&z, self.ambient, |z, x| {
            self.span(z, x);
            for (wave, column) in self.bends() {
                add(column, self.curvature * self.length * self.angle(wave, z).sin(), x);
            }
        })
    }

    /// U^T x, `[member, intrinsic]` of `[member, ambient]`: the z of the nearest point of the span of U, and of F(z) = x.
    pub fn left_inverse(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let x = self.checked(x, self.ambient);
        self.rows(&x, self.intrinsic, |x, z| self.project(x, z))
    }

    /// The Jacobian product F'(z) dz, `[member, ambient]`.
    pub fn tangent(&self, z: ArrayView2<f64>, dz: ArrayView2<f64>) -> Array2<f64> {
        let d = self.intrinsic;
        let both = self.checked_pair(z, d, dz, d);
        self.rows(&both, self.ambient, |both, out| {
            let (z, dz) = both.split_at(d);
            self.span(dz, out);
            for (wave, column) in self.bends() {
                add(column, self.curvature * self.angle(wave, z).cos() * dot(&wave.direction, dz), out);
            }
        })
    }

    /// The transposed Jacobian product F'(z)^T v, `[member, intrinsic]`.
    pub fn adjoint(&self, z: ArrayView2<f64>, v: ArrayView2<f64>) -> Array2<f64> {
        let d = self.intrinsic;
        let both = self.checked_pair(z, d, v, self.ambient);
        self.rows(&both, d, |both, out| {
            let (z, v) = both.split_at(d);
            self.project(v, out);
            for (wave, column) in self.bends() {
                add(&wave.direction, self.curvature * self.angle(wave, z).cos() * dot(column, v), out);
            }
        })
    }

    /// (I - U U^T) x in place: what is left of `x` (`[member, ambient]`) outside the span of U.
    pub(super) fn remove_span(&self, x: &mut Array2<f64>) {
        let z = self.left_inverse(x.view());
        let inside = self.rows(&z, self.ambient, |z, x| self.span(z, x));
        *x -= &inside;
    }

    /// The waves, each with its column of V; none of a map without curvature.
    fn bends(&self) -> impl Iterator<Item = (&Wave, &[f64])> {
        let columns = self.frame.chunks_exact(self.ambient).skip(self.intrinsic);
        self.waves.iter().zip(columns).filter(|_| self.curvature != 0.0)
    }

    fn angle(&self, wave: &Wave, z: &[f64]) -> f64 {
        dot(&wave.direction, z) / self.length + wave.phase
    }

    /// U z.
    fn span(&self, z: &[f64], x: &mut [f64]) {
        x.fill(0.0);
        for (z, column) in z.iter().zip(self.frame.chunks_exact(self.ambient)) {
            add(column, *z, x);
        }
    }

    /// U^T x.
    fn project(&self, x: &[f64], z: &mut [f64]) {
        for (z, column) in z.iter_mut().zip(self.frame.chunks_exact(self.ambient)) {
            *z = dot(column, x);
        }
    }

    fn checked(&self, x: ArrayView2<f64>, dim: usize) -> Array2<f64> {
        assert_eq!(x.ncols(), dim, "a map between {} and {} dimensions", self.intrinsic, self.ambient);
        x.as_standard_layout().into_owned()
    }

    /// Both side by side.
    fn checked_pair(&self, z: ArrayView2<f64>, d: usize, v: ArrayView2<f64>, n: usize) -> Array2<f64> {
        assert_eq!((z.dim(), v.dim()), ((v.nrows(), d), (z.nrows(), n)), "one vector for each point of the map");
        let mut both = Array2::zeros((z.nrows(), d + n));
        both.slice_mut(ndarray::s![.., ..d]).assign(&z);
        both.slice_mut(ndarray::s![.., d..]).assign(&v);
        both
    }

    /// Row by row, on several threads where that pays.
    fn rows(&self, input: &Array2<f64>, width: usize, f: impl Fn(&[f64], &mut [f64]) + Sync) -> Array2<f64> {
        let mut out = Array2::zeros((input.nrows(), width));
        let row = |(input, out): (&[f64], &mut [f64])| f(input, out);
        let work = input.nrows() * self.ambient * (self.intrinsic + self.waves.len());
        if let (Some(from), Some(to)) = (input.as_slice(), out.as_slice_mut()) {
            if work < PARALLEL_WORK {
                from.chunks_exact(input.ncols()).zip(to.chunks_exact_mut(width)).for_each(row);
            } else {
                from.par_chunks_exact(input.ncols()).zip(to.par_chunks_exact_mut(width)).for_each(row);
            }
        }
        out
    }
}

/// The rows of a full-rank matrix made orthonormal, by modified Gram-Schmidt twice: once leaves a rounding error that
/// grows with the condition number, twice does not.
fn orthonormal(mut rows: Array2<f64>) -> Array2<f64> {
    for _ in 0..2 {
        for j in 0..rows.nrows() {
            let (above, mut below) = rows.view_mut().split_at(Axis(0), j);
            let mut row = below.row_mut(0);
            for other in above.rows() {
                let overlap = row.dot(&other);
                row.scaled_add(-overlap, &other);
            }
            let size = row.dot(&row).sqrt();
            row /= size;
        }
    }
    rows
}

/// a += s b.
fn add(b: &[f64], s: f64, a: &mut [f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += s * b);
}

/// The inner product, in eight partial sums that are vector operations.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}
