//! Monotone rational-quadratic splines (Durkan et al. 2019): K bins of [-B, B] whose widths, heights and inner slopes a
//! network gives, and the identity beyond. In bin k, with xi = (u - x_k) / w_k, s = h_k / w_k and the slopes d_k, d_{k+1} at
//! its ends,
//!
//! v = y_k + h_k (s xi^2 + d_k xi (1 - xi)) / q,   q = s + (d_k + d_{k+1} - 2 s) xi (1 - xi),
//!
//! dv/du = s^2 (d_{k+1} xi^2 + 2 s xi (1 - xi) + d_k (1 - xi)^2) / q^2.
//!
//! Widths and heights are 2 B times a softmax that is at least [`LEAST`], slopes a softplus that is at least that; where
//! the network gives zeros the spline is the identity. Beyond the bins the branch that is not taken is computed at their
//! edge, so that neither its value nor its gradient is ever infinite.

use candle_core::{D, DType, Device, Result, Tensor};

/// B.
pub const BOUND: f64 = 5.0;
/// The least width and height of a bin as a share of all, and the least slope.
const LEAST: f64 = 1e-3;

/// Outputs of a network that make a spline of that many bins.
pub const fn parameters(bins: usize) -> usize {
    3 * bins - 1
}

/// What a raw slope of 0 is shifted by, so that it is a slope of 1.
fn shift() -> f64 {
    (1.0 - LEAST).exp_m1().ln()
}

/// v and ln(dv/du) of u `[count]`, with the parameters `raw` `[count, parameters]`.
///
/// # Errors
/// When Candle fails.
pub fn apply(u: &Tensor, raw: &Tensor) -> Result<(Tensor, Tensor)> {
    let (count, parameters) = raw.dims2()?;
    let bins = parameters.div_ceil(3);
    let narrow = |from: usize, many: usize| raw.narrow(1, from, many)?.contiguous();
    let (widths, heights) = (shares(&narrow(0, bins)?)?, shares(&narrow(bins, bins)?)?);
    let (x, y) = (starts(&widths)?, starts(&heights)?);
    let ones = Tensor::ones((count, 1), raw.dtype(), &Device::Cpu)?;
    let slopes = match bins {
        1 => Tensor::cat(&[&ones, &ones], 1)?,
        _ => Tensor::cat(&[&ones, &slope(&narrow(2 * bins, bins - 1)?)?, &ones], 1)?,
    };
    let (bin, inside) = places(u, &x)?;
    let at = |of: &Tensor, shift: u32| -> Result<Tensor> {
        let index = (&bin + &Tensor::full(shift, bin.shape(), &Device::Cpu)?)?;
        of.gather(&index.unsqueeze(1)?, 1)?.squeeze(1)
    };
    let (x, w, y, h) = (at(&x, 0)?, at(&widths, 0)?, at(&y, 0)?, at(&heights, 0)?);
    let (below, above) = (at(&slopes, 0)?, at(&slopes, 1)?);
    let xi = ((u.clamp(-BOUND, BOUND)? - x)? / &w)?;
    let rest = (1.0 - &xi)?;
    let (both, s) = ((&xi * &rest)?, (&h / &w)?);
    let q = (&s + (((&below + &above)? - (&s * 2.0)?)? * &both)?)?;
    let v = (y + ((h * ((&s * xi.sqr()?)? + (&below * &both)?)?)? / &q)?)?;
    let top = (((above * xi.sqr()?)? + ((&s * 2.0)? * both)?)? + (below * rest.sqr()?)?)?;
    let log_slope = ((s.log()? * 2.0)? + (top.log()? - (q.log()? * 2.0)?)?)?;
    Ok((inside.where_cond(&v, u)?, inside.where_cond(&log_slope, &log_slope.zeros_like()?)?))
}

/// 2 B times a softmax over bins that is at least [`LEAST`].
fn shares(raw: &Tensor) -> Result<Tensor> {
    let bins = raw.dim(1)? as f64;
    candle_nn::ops::softmax(raw, D::Minus1)?.affine(2.0 * BOUND * (1.0 - bins * LEAST), 2.0 * BOUND * LEAST)
}

/// Where bins start, from their widths.
fn starts(widths: &Tensor) -> Result<Tensor> {
    let bins = widths.dim(1)?;
    let before = (0..bins).flat_map(|j| (0..bins).map(move |k| f64::from(u8::from(j < k))));
    let before = Tensor::from_iter(before, &Device::Cpu)?.reshape((bins, bins))?.to_dtype(widths.dtype())?;
    widths.matmul(&before)? - BOUND
}

/// A softplus that is at least [`LEAST`], and 1 at 0.
fn slope(raw: &Tensor) -> Result<Tensor> {
    let raw = (raw + shift())?;
    (raw.relu()? + (raw.abs()?.neg()?.exp()? + 1.0)?.log()?)? + LEAST
}

/// The bin of each u, and whether it is in one.
fn places(u: &Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let u: Vec<f64> = u.to_dtype(DType::F64)?.to_vec1()?;
    let x: Vec<Vec<f64>> = x.to_dtype(DType::F64)?.to_vec2()?;
    let bin = |(u, x): (&f64, &Vec<f64>)| (x.partition_point(|x| x <= u)).saturating_sub(1) as u32;
    let bins: Vec<u32> = u.iter().zip(&x).map(bin).collect();
    let inside: Vec<u8> = u.iter().map(|u| u8::from(u.abs() <= BOUND)).collect();
    let count = u.len();
    Ok((Tensor::from_vec(bins, count, &Device::Cpu)?, Tensor::from_vec(inside, count, &Device::Cpu)?))
}

/// One spline in plain numbers.
#[derive(Clone, Debug, Default)]
pub struct Spline {
    x: Vec<f64>,
    y: Vec<f64>,
    slopes: Vec<f64>,
}

impl Spline {
    /// Becomes the spline of these raw parameters.
    pub fn set(&mut self, raw: &[f64]) {
        let bins = raw.len().div_ceil(3);
        knots(&mut self.x, &raw[..bins]);
        knots(&mut self.y, &raw[bins..2 * bins]);
        let softplus = |raw: f64| raw.max(0.0) + (-raw.abs()).exp().ln_1p();
        let inner = raw[2 * bins..].iter().map(|raw| softplus(raw + shift()) + LEAST);
        self.slopes.clear();
        self.slopes.extend(std::iter::once(1.0).chain(inner).chain([1.0]));
    }

    /// v and ln(dv/du) at u.
    pub fn forward(&self, u: f64) -> (f64, f64) {
        if u.abs() > BOUND {
            return (u, 0.0);
        }
        let k = bin(&self.x, u);
        let (w, h) = (self.x[k + 1] - self.x[k], self.y[k + 1] - self.y[k]);
        let (s, below, above) = (h / w, self.slopes[k], self.slopes[k + 1]);
        let xi = (u - self.x[k]) / w;
        let both = xi * (1.0 - xi);
        let q = s + (below + above - 2.0 * s) * both;
        let top = above * xi * xi + 2.0 * s * both + below * (1.0 - xi) * (1.0 - xi);
        (self.y[k] + h * (s * xi * xi + below * both) / q, 2.0 * s.ln() + top.ln() - 2.0 * q.ln())
    }

    /// The u whose v is this: the root of a quadratic in xi.
    pub fn inverse(&self, v: f64) -> f64 {
        if v.abs() > BOUND {
            return v;
        }
        let k = bin(&self.y, v);
        let (w, h, y) = (self.x[k + 1] - self.x[k], self.y[k + 1] - self.y[k], v - self.y[k]);
        let (s, below, above) = (h / w, self.slopes[k], self.slopes[k + 1]);
        let bent = y * (below + above - 2.0 * s);
        let (a, b, c) = (h * (s - below) + bent, h * below - bent, -s * y);
        let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
        self.x[k] + w * (2.0 * c / (-b - root)).clamp(0.0, 1.0)
    }
}

/// Where bins start, and where the last one ends.
fn knots(knots: &mut Vec<f64>, raw: &[f64]) {
    let most = raw.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = raw.iter().map(|raw| (raw - most).exp()).sum();
    let free = 1.0 - raw.len() as f64 * LEAST;
    knots.clear();
    knots.push(-BOUND);
    for (k, raw) in raw.iter().enumerate() {
        knots.push(knots[k] + 2.0 * BOUND * (LEAST + free * (raw - most).exp() / total));
    }
    // the sum of all shares is 1 up to rounding
    knots[raw.len()] = BOUND;
}

/// The bin between knots that a number of [-B, B] is in.
fn bin(knots: &[f64], at: f64) -> usize {
    knots[1..knots.len() - 1].partition_point(|knot| *knot <= at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ops::differences::{check, normals};

    fn splines(bins: usize) -> (Tensor, Vec<Spline>) {
        let raw = normals(1, &[7, parameters(bins)]);
        let of = |raw: &Vec<f64>| {
            let mut spline = Spline::default();
            spline.set(raw);
            spline
        };
        let all = raw.to_vec2::<f64>().unwrap().iter().map(of).collect();
        (raw, all)
    }

    #[test]
    fn tensors_and_plain_numbers_agree_and_gradients_with_finite_differences() {
        for bins in [1, 2, 8] {
            let (raw, splines) = splines(bins);
            let at = vec![-50.0, -5.0, -1.3, 0.2, 2.9, 4.999, 50.0];
            let u = Tensor::from_vec(at.clone(), 7, &Device::Cpu).unwrap();
            let (v, log_slope) = apply(&u, &raw).unwrap();
            let (v, log_slope) = (v.to_vec1::<f64>().unwrap(), log_slope.to_vec1::<f64>().unwrap());
            for (i, spline) in splines.iter().enumerate() {
                let (own, own_slope) = spline.forward(at[i]);
                assert!((own - v[i]).abs() < 1e-11 && (own_slope - log_slope[i]).abs() < 1e-11, "{bins} {i}");
            }
            // -5 is an edge, where the derivative of ln(dv/du) is one-sided
            let inner = Tensor::from_vec(vec![-50.0, -4.2, -1.3, 0.2, 2.9, 4.4, 50.0], 7, &Device::Cpu).unwrap();
            check(&[inner.clone(), raw.clone()], |a| apply(&a[0], &a[1]).map(|(v, _)| v));
            check(&[inner, raw], |a| apply(&a[0], &a[1]).map(|(_, log_slope)| log_slope));
        }
    }

    #[test]
    fn the_inverse_inverts_and_the_slope_is_that_of_the_spline() {
        for spline in splines(8).1 {
            for i in -70..=70 {
                let u = f64::from(i) / 10.0 + 0.013;
                let (v, log_slope) = spline.forward(u);
                assert!((spline.inverse(v) - u).abs() < 1e-9, "{u}: {}", spline.inverse(v));
                let h = 1e-6;
                let slope = (spline.forward(u + h).0 - spline.forward(u - h).0) / (2.0 * h);
                assert!((slope.ln() - log_slope).abs() < 1e-5, "{u}");
            }
        }
    }

    #[test]
    fn of_zeros_it_is_the_identity() {
        let mut spline = Spline::default();
        spline.set(&[0.0; parameters(8)]);
        for u in [-6.0, -5.0, -0.7, 0.0, 3.3, 5.0, 50.0] {
            let (v, log_slope) = spline.forward(u);
            assert!((v - u).abs() < 1e-12 && log_slope.abs() < 1e-12, "{u}: {v} {log_slope}");
        }
    }
}
