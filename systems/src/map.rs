//! Discrete maps x_{k+1} = M(x_k) + s xi_k as forecasters: one iteration a lead step. Without noise (s = 0) the map
//! draws nothing; with it the one-step law is N(M(x), s^2 I).

use ndarray::{Array1, Array2, ArrayView2};
use rayon::prelude::*;

use crate::error::Result;
use crate::gaussian::GaussianLaw;
use crate::key::Key;
use crate::lanes::{LANES, load_block, store_block};
use crate::law::{
    ConditionalDenoiser, Covariance, Density, Differentiable, Forecaster, GaussianKernel, LinearGaussian,
};

/// A map of the state space into itself, with its derivative. All arrays are `[component][lane]`.
pub trait Map: Send + Sync {
    /// The number of components.
    fn dim(&self) -> usize;

    /// M(x) into `out`.
    fn map_block(&self, x: &[[f64; LANES]], out: &mut [[f64; LANES]]);

    /// M'(x) dx into `out`.
    fn tangent_block(&self, x: &[[f64; LANES]], dx: &[[f64; LANES]], out: &mut [[f64; LANES]]);

    /// M'(x)^T v into `out`.
    fn adjoint_block(&self, x: &[[f64; LANES]], v: &[[f64; LANES]], out: &mut [[f64; LANES]]);

    /// The matrix `[component, component]` of a linear map.
    fn matrix(&self) -> Option<Array2<f64>> {
        None
    }
}

/// A map, iterated; with additive noise of one size or without.
///
/// Lead step k of member i draws its `dim` normals from `key.at(k).stream(i)`.
pub struct MapForecaster<M> {
    law: GaussianLaw<Iterated<M>>,
}

/// M and s.
struct Iterated<M> {
    map: M,
    noise: f64,
}

impl<M: Map> MapForecaster<M> {
    /// Of `map` with noise of sd `noise` an iteration on each component.
    pub fn new(map: M, noise: f64) -> Self {
        Self { law: GaussianLaw::new(Iterated { map, noise }) }
    }

    /// The map.
    pub fn map(&self) -> &M {
        &self.law.kernel().map
    }

    fn noisy(&self) -> bool {
        self.law.kernel().noise > 0.0
    }

    /// Adds s xi to the members `first..` that `rows` holds.
    fn perturb(&self, first: usize, rows: &mut [f64], key: Key) {
        for (member, row) in rows.chunks_exact_mut(self.dim()).enumerate() {
            let mut stream = key.stream((first + member) as u64);
            row.iter_mut().for_each(|x| *x += self.law.kernel().noise * stream.normal());
        }
    }
}

/// Applies `f` to blocks of rows, several threads at once: `[member, component]` in and out.
fn in_blocks(rows: &mut Array2<f64>, f: impl Fn(&mut [[f64; LANES]], &mut [[f64; LANES]]) + Sync) {
    let dim = rows.ncols();
    if !rows.is_standard_layout() {
        *rows = rows.as_standard_layout().into_owned();
    }
    let Some(slice) = rows.as_slice_mut() else { return };
    slice.par_chunks_mut(LANES * dim).for_each_init(
        || (vec![[0.0; LANES]; dim], vec![[0.0; LANES]; dim]),
        |(block, out), rows| {
            load_block(rows, block);
            f(block, out);
            store_block(out, rows);
        },
    );
}

impl<M: Map> Forecaster for MapForecaster<M> {
    fn dim(&self) -> usize {
        self.map().dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        let dim = self.dim();
        assert_eq!(x.ncols(), dim, "states of {} components for a map of {dim}", x.ncols());
        in_blocks(x, |x, out| self.map().map_block(x, out));
        if let Some(rows) = x.as_slice_mut().filter(|_| self.noisy()) {
            let chunks = rows.par_chunks_mut(LANES * dim).enumerate();
            chunks.for_each(|(block, rows)| self.perturb(block * LANES, rows, key.at(k as u64)));
        }
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        self.noisy().then_some(&self.law as &dyn Density)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.noisy().then_some(&self.law as &dyn ConditionalDenoiser)
    }

    fn gaussian(&self) -> Option<&dyn GaussianKernel> {
        self.noisy().then_some(&self.law as &dyn GaussianKernel)
    }

    fn linear_gaussian(&self) -> Option<LinearGaussian> {
        let (dim, noise) = (self.dim(), self.law.kernel().noise);
        self.map().matrix().map(|matrix| LinearGaussian {
            matrix,
            offset: Array1::zeros(dim),
            covariance: Array2::from_diag_elem(dim, noise * noise),
        })
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }
}

impl<M: Map> Differentiable for MapForecaster<M> {
    fn tangent(
        &self,
        k: usize,
        x: ArrayView2<f64>,
        dx: ArrayView2<f64>,
        key: Key,
    ) -> Result<(Array2<f64>, Array2<f64>)> {
        assert_eq!(x.dim(), dx.dim(), "one tangent vector for each state");
        let mut next = x.to_owned();
        self.step(k, &mut next, key)?;
        Ok((next, self.with_vectors(x, dx, |x, dx, out| self.map().tangent_block(x, dx, out))))
    }

    fn adjoint(&self, k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>, _key: Key) -> Result<Array2<f64>> {
        self.mean_adjoint(k, x, v)
    }

    fn mean_tangent(&self, k: usize, x: ArrayView2<f64>, dx: ArrayView2<f64>) -> Result<(Array2<f64>, Array2<f64>)> {
        assert_eq!(x.dim(), dx.dim(), "one tangent vector for each state");
        let (mean, _) = self.law.kernel().moments(k, x)?;
        Ok((mean, self.with_vectors(x, dx, |x, dx, out| self.map().tangent_block(x, dx, out))))
    }

    fn mean_adjoint(&self, _k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>) -> Result<Array2<f64>> {
        assert_eq!(x.dim(), v.dim(), "one covector for each state");
        Ok(self.with_vectors(x, v, |x, v, out| self.map().adjoint_block(x, v, out)))
    }
}

impl<M: Map> MapForecaster<M> {
    /// What `product` makes of each state of `x` and its vector of `v`; all `[member, component]`.
    fn with_vectors(
        &self,
        x: ArrayView2<f64>,
        v: ArrayView2<f64>,
        product: impl Fn(&[[f64; LANES]], &[[f64; LANES]], &mut [[f64; LANES]]) + Sync,
    ) -> Array2<f64> {
        let dim = self.dim();
        let mut both = ndarray::concatenate![ndarray::Axis(1), x, v];
        in_blocks(&mut both, |both, out| {
            let (x, v) = both.split_at(dim);
            out[..dim].fill([0.0; LANES]);
            product(x, v, &mut out[dim..]);
        });
        both.slice(ndarray::s![.., dim..]).to_owned()
    }
}

impl<M: Map> GaussianKernel for Iterated<M> {
    fn moments(&self, _k: usize, x: ArrayView2<f64>) -> Result<(Array2<f64>, Covariance)> {
        let mut mean = x.to_owned();
        in_blocks(&mut mean, |x, out| self.map.map_block(x, out));
        let variance = Array2::from_elem(mean.dim(), self.noise * self.noise);
        Ok((mean, Covariance::Diagonal(variance)))
    }
}
