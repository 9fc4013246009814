//! The derivative of `gaussian`'s lead step, its noise held: x' = x + a + s (m(z) + e(z)), with z the scaled state, a and
//! s the mean and sd of increments, and e(z) what the normals that are drawn become by the covariance at z
//! ([`CovarianceForm::pull`](super::gaussian_covariance::CovarianceForm::pull)).
//!
//! M'(x)^T v is one backward pass through the network. M'(x) dx is made of the passes of all unit vectors: components
//! many for each state, once where all states are the same.

use candle_core::Var;
use ndarray::{Array2, ArrayView1, ArrayView2};

use super::gaussian::Gaussian;
use super::learned::{in_chunks, members, stacked};
use super::{Error, Result};
use crate::nn::array;
use crate::systems::{self, Differentiable, Forecaster, GaussianKernel, Key, Purpose};

impl Gaussian {
    /// M'(x)^T v of each row, given the noise of each.
    fn pull(&self, x: ArrayView2<f64>, v: ArrayView2<f64>, noise: ArrayView2<f64>) -> Result<Array2<f64>> {
        let learned = self.learned();
        let chunks = in_chunks(x.nrows(), learned.network().chunk(), |rows| {
            let (x, v, noise) = (members(&x, rows.clone()), members(&v, rows.clone()), members(&noise, rows));
            let network = learned.network();
            let input = Var::from_tensor(&array::interleave(&[learned.scaled(x).view()], network.dtype())?)?;
            let output = network.forward(input.as_tensor(), None)?;
            let weights = self.form().pull(&output, &(&v * &learned.scales().increments.sd), noise)?;
            let weights: Vec<_> = weights.iter().map(|field| field.view()).collect();
            let weights = array::interleave(&weights, output.dtype())?;
            let gradients = (&output * weights)?.sum_all()?.backward()?;
            let through = match gradients.get(input.as_tensor()) {
                Some(gradient) => array::field(gradient, 0)? / &learned.scales().states.sd,
                None => Array2::zeros(v.dim()),
            };
            Ok::<_, Error>(through + v)
        })?;
        Ok(stacked(&chunks, x.ncols()))
    }

    /// M'(x) dx of each row, given the noise of each.
    fn push(&self, x: ArrayView2<f64>, dx: ArrayView2<f64>, noise: ArrayView2<f64>) -> Result<Array2<f64>> {
        assert_eq!(x.dim(), dx.dim(), "one tangent vector for each state");
        let dim = self.dim();
        let mut out = Array2::zeros(x.raw_dim());
        let mut jacobian: Option<(usize, Array2<f64>)> = None;
        for member in 0..x.nrows() {
            let same = |(other, _): &(usize, Array2<f64>)| {
                x.row(*other) == x.row(member) && noise.row(*other) == noise.row(member)
            };
            let (at, transposed) = match jacobian.take().filter(same) {
                Some(kept) => kept,
                None => {
                    let repeated = |row: ArrayView1<f64>| {
                        let mut all = Array2::zeros((dim, row.len()));
                        all.assign(&row);
                        all
                    };
                    let (x, noise) = (repeated(x.row(member)), repeated(noise.row(member)));
                    (member, self.pull(x.view(), Array2::eye(dim).view(), noise.view())?)
                }
            };
            out.row_mut(member).assign(&transposed.dot(&dx.row(member)));
            jacobian = Some((at, transposed));
        }
        Ok(out)
    }

    fn noise(&self, k: usize, members: usize, key: Key) -> Array2<f64> {
        key.purpose(Purpose::ForecastNoise).at(k as u64).normals(members, self.form().normals(self.dim()))
    }

    /// The noise of no draw: its derivative is that of the mean.
    fn no_noise(&self, members: usize) -> Array2<f64> {
        Array2::zeros((members, self.form().normals(self.dim())))
    }
}

impl Differentiable for Gaussian {
    fn tangent(
        &self,
        k: usize,
        x: ArrayView2<f64>,
        dx: ArrayView2<f64>,
        key: Key,
    ) -> systems::Result<(Array2<f64>, Array2<f64>)> {
        let mut next = x.to_owned();
        self.advance(k, 1, &mut next, key)?;
        Ok((next, self.push(x, dx, self.noise(k, x.nrows(), key).view())?))
    }

    fn adjoint(&self, k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>, key: Key) -> systems::Result<Array2<f64>> {
        Ok(self.pull(x, v, self.noise(k, x.nrows(), key).view())?)
    }

    fn mean_tangent(
        &self,
        k: usize,
        x: ArrayView2<f64>,
        dx: ArrayView2<f64>,
    ) -> systems::Result<(Array2<f64>, Array2<f64>)> {
        let (mean, _) = self.kernel().moments(k, x)?;
        Ok((mean, self.push(x, dx, self.no_noise(x.nrows()).view())?))
    }

    fn mean_adjoint(&self, _k: usize, x: ArrayView2<f64>, v: ArrayView2<f64>) -> systems::Result<Array2<f64>> {
        Ok(self.pull(x, v, self.no_noise(x.nrows()).view())?)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, s};

    use super::*;
    use crate::forecast::gaussian::tests::untrained;
    use crate::forecast::gaussian_covariance::CovarianceForm;
    use crate::systems::Domain;

    #[test]
    fn tangent_and_adjoint_agree_with_finite_differences_and_with_each_other() {
        let forms = [CovarianceForm::Diagonal, CovarianceForm::LowRank(2), CovarianceForm::Full];
        for (kind, form) in ["conv", "mlp", "conv2d"].iter().flat_map(|kind| forms.map(|form| (kind, form))) {
            let model = untrained(kind, form);
            let dim = model.dim();
            let key = Key::new(3, Domain::Method);
            let draw = |seed| Key::new(seed, Domain::Data).normals(5, dim);
            let (x, dx, v) = (draw(4), draw(5), draw(6));
            let at = |h: f64| {
                let mut next = &x + &(&dx * h);
                model.advance(2, 1, &mut next, key).unwrap();
                next
            };
            // truncation h^2 f''' / 6 and rounding 1e-16 / h are both below 1e-9
            let h = 1e-5;
            let expected = (at(h) - at(-h)) / (2.0 * h);
            let (next, tangent) = model.tangent(2, x.view(), dx.view(), key).unwrap();
            assert_eq!(next, at(0.0));
            // what is carried from component to component is of any size
            let largest = expected.fold(1.0f64, |largest, value| largest.max(value.abs()));
            let size = if form == CovarianceForm::Diagonal { 1.0 } else { largest };
            assert!((&tangent - &expected).iter().all(|e| e.abs() < 1e-6 * size), "{kind}, {form:?}: of {size}");
            let adjoint = model.adjoint(2, x.view(), v.view(), key).unwrap();
            let (forward, backward) = ((tangent * v).sum_axis(Axis(1)), (adjoint * dx).sum_axis(Axis(1)));
            assert!((forward - backward).iter().all(|e| e.abs() < 1e-10 * size), "{kind}, {form:?}");
        }
    }

    #[test]
    fn the_derivative_of_the_mean_agrees_with_finite_differences_of_the_kernels_mean() {
        let model = untrained("mlp", CovarianceForm::Diagonal);
        let draw = |seed| Key::new(seed, Domain::Data).normals(4, model.dim());
        let (x, dx, v, h) = (draw(4), draw(5), draw(6), 1e-5);
        let at = |h: f64| model.kernel().moments(0, (&x + &(&dx * h)).view()).unwrap().0;
        let (mean, tangent) = model.mean_tangent(0, x.view(), dx.view()).unwrap();
        assert_eq!(mean, at(0.0));
        assert!((&tangent - (at(h) - at(-h)) / (2.0 * h)).iter().all(|e| e.abs() < 1e-6));
        let adjoint = model.mean_adjoint(0, x.view(), v.view()).unwrap();
        assert!(((tangent * v).sum_axis(Axis(1)) - (adjoint * dx).sum_axis(Axis(1))).iter().all(|e| e.abs() < 1e-10));
    }

    #[test]
    fn equal_states_share_their_passes() {
        let model = untrained("mlp", CovarianceForm::Diagonal);
        let key = Key::new(3, Domain::Method);
        let dx = Key::new(5, Domain::Data).normals(2, model.dim());
        let mut x = Array2::zeros((2, model.dim()));
        let both = model.tangent(0, x.view(), dx.view(), key).unwrap().1;
        let first = model.tangent(0, x.slice(s![..1, ..]), dx.slice(s![..1, ..]), key).unwrap().1;
        assert_eq!(both.slice(s![..1, ..]), first);
        x[(1, 0)] = 1.0;
        assert!(model.tangent(0, x.view(), dx.view(), key).unwrap().1.row(1) != both.row(1));
    }
}
