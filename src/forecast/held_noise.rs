//! The derivative of a learned lead step, its noise held: x' = x + a + s g(f(z, e), e), with z the scaled state, a and s the
//! mean and sd of increments, e the noise that is drawn, f what the network gives and g what the forecaster makes of it.
//!
//! M'(x)^T v is one backward pass through the network. M'(x) dx is made of the passes of all unit vectors: components
//! many for each state, once where all states are the same.

use candle_core::{Tensor, Var};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};

use super::learned::{Learned, in_chunks, members, stacked};
use super::{Error, Result};
use crate::nn::array;
use crate::systems::{self, Forecaster, Key, Purpose};

/// A forecaster whose lead step is a function of the state where the noise is held.
pub(super) trait HeldNoise: Forecaster {
    /// The network, with the scales.
    fn learned(&self) -> &Learned;

    /// How many numbers of a member's noise the network takes beside the state: its first, field by field.
    fn noise_inputs(&self) -> usize {
        0
    }

    /// How many normal numbers a member takes.
    fn normals(&self) -> usize;

    /// The covectors of the fields of `output`, `[member, component]` each, where v s (`[member, component]`) is that of
    /// g, given the noise of each member (`[member, normal]`).
    ///
    /// # Errors
    /// When Candle fails.
    fn pull(&self, output: &Tensor, v: &Array2<f64>, noise: ArrayView2<f64>) -> Result<Vec<Array2<f64>>>;

    /// The noise of lead step `k`, `[member, normal]`.
    fn noise(&self, k: usize, members: usize, key: Key) -> Array2<f64> {
        key.purpose(Purpose::ForecastNoise).at(k as u64).normals(members, self.normals())
    }

    /// The noise of no draw: where g is linear in the noise, the derivative with it is that of the mean.
    fn no_noise(&self, members: usize) -> Array2<f64> {
        Array2::zeros((members, self.normals()))
    }
}

/// M'(x)^T v of each row, given the noise of each.
///
/// # Errors
/// When Candle fails.
pub(super) fn adjoint(
    model: &dyn HeldNoise,
    x: ArrayView2<f64>,
    v: ArrayView2<f64>,
    noise: ArrayView2<f64>,
) -> Result<Array2<f64>> {
    let learned = model.learned();
    let (network, dim) = (learned.network(), x.ncols());
    let chunks = in_chunks(x.nrows(), network.chunk(), |rows| {
        let (x, v, noise) = (members(&x, rows.clone()), members(&v, rows.clone()), members(&noise, rows));
        let scaled = learned.scaled(x);
        let inputs = noise.slice_move(s![.., ..model.noise_inputs()]);
        let fields: Vec<ArrayView2<f64>> =
            std::iter::once(scaled.view()).chain(inputs.axis_chunks_iter(Axis(1), dim)).collect();
        let input = Var::from_tensor(&network.input(&fields)?)?;
        let output = network.forward(input.as_tensor(), None)?;
        let weights = model.pull(&output, &(&v * &learned.scales().increments.sd), noise)?;
        let weights: Vec<_> = weights.iter().map(|field| field.view()).collect();
        let weights = array::interleave(&weights, output.dtype())?;
        let gradients = (&output * weights)?.sum_all()?.backward()?;
        let through = match gradients.get(input.as_tensor()) {
            Some(gradient) => array::field(gradient, 0)? / &learned.scales().states.sd,
            None => Array2::zeros(v.dim()),
        };
        Ok::<_, Error>(through + v)
    })?;
    Ok(stacked(&chunks, dim))
}

/// M'(x) dx of each row, given the noise of each.
///
/// # Errors
/// When Candle fails.
pub(super) fn tangent(
    model: &dyn HeldNoise,
    x: ArrayView2<f64>,
    dx: ArrayView2<f64>,
    noise: ArrayView2<f64>,
) -> Result<Array2<f64>> {
    assert_eq!(x.dim(), dx.dim(), "one tangent vector for each state");
    let dim = x.ncols();
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
                (member, adjoint(model, x.view(), Array2::eye(dim).view(), noise.view())?)
            }
        };
        out.row_mut(member).assign(&transposed.dot(&dx.row(member)));
        jacobian = Some((at, transposed));
    }
    Ok(out)
}

/// The state after lead step `k`, and the tangent vector there.
///
/// # Errors
/// When the forecaster cannot run.
pub(super) fn step_and_tangent(
    model: &dyn HeldNoise,
    k: usize,
    (x, dx): (ArrayView2<f64>, ArrayView2<f64>),
    key: Key,
) -> systems::Result<(Array2<f64>, Array2<f64>)> {
    let mut next = x.to_owned();
    model.advance(k, 1, &mut next, key)?;
    Ok((next, tangent(model, x, dx, model.noise(k, x.nrows(), key).view())?))
}

#[cfg(test)]
mod tests {
    use ndarray::{Axis, s};

    use super::*;
    use crate::forecast::gaussian_covariance::CovarianceForm;
    use crate::forecast::{crps, gaussian, mse};
    use crate::nn::NETWORKS;
    use crate::systems::{Differentiable, Domain, GaussianKernel};

    /// Tangent and adjoint against finite differences of the lead step and against each other. What is carried from component
    /// to component by a full covariance, or grows through the trunks of a U-Net, is of any size: errors are held against
    /// the largest.
    fn agree(model: &(impl HeldNoise + Differentiable), named: &str, relative: bool) {
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
        let size = if relative { expected.fold(1.0f64, |largest, value| largest.max(value.abs())) } else { 1.0 };
        assert!((&tangent - &expected).iter().all(|e| e.abs() < 1e-6 * size), "{named}: of {size}");
        let adjoint = model.adjoint(2, x.view(), v.view(), key).unwrap();
        let (forward, backward) = ((tangent * v).sum_axis(Axis(1)), (adjoint * dx).sum_axis(Axis(1)));
        assert!((forward - backward).iter().all(|e| e.abs() < 1e-10 * size), "{named}");
    }

    #[test]
    fn tangent_and_adjoint_agree_with_finite_differences_and_with_each_other() {
        for kind in NETWORKS.iter().map(|entry| entry.name) {
            let unet = kind.starts_with("unet");
            for form in [CovarianceForm::Diagonal, CovarianceForm::LowRank(2), CovarianceForm::Full] {
                let named = format!("gaussian, {kind}, {form:?}");
                agree(&gaussian::tests::untrained(kind, form), &named, unet || form != CovarianceForm::Diagonal);
            }
            agree(&mse::tests::untrained(kind, 0.3), kind, unet);
            agree(&crps::tests::untrained(kind), kind, unet);
        }
    }

    #[test]
    fn noise_that_is_added_does_not_enter_the_derivative() {
        let (quiet, loud) = (mse::tests::untrained("mlp", 0.0), mse::tests::untrained("mlp", 2.0));
        let draw = |seed| Key::new(seed, Domain::Data).normals(4, quiet.dim());
        let (x, dx, key) = (draw(4), draw(5), Key::new(3, Domain::Method));
        let (mean, of_mean) = loud.mean_tangent(1, x.view(), dx.view()).unwrap();
        let (next, of_step) = quiet.tangent(1, x.view(), dx.view(), key).unwrap();
        assert_eq!((mean, of_mean), (next, of_step));
    }

    #[test]
    fn the_derivative_of_the_mean_agrees_with_finite_differences_of_the_kernels_mean() {
        let model = gaussian::tests::untrained("mlp", CovarianceForm::Diagonal);
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
        let model = gaussian::tests::untrained("mlp", CovarianceForm::Diagonal);
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
