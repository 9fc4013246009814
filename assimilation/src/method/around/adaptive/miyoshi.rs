//! A variance factor from all the innovations near a component (Miyoshi 2011).
//!
//! E[d^2] = lambda s + r (Desroziers et al. 2005), so that values with weights w give
//! lambda_o = (sum w d^2 / r - sum w) / sum w s / r. With p = sum w and S = (sum w s / r) / p the variance of lambda_o is
//! about v_o = (2 / p) ((lambda S + 1) / S)^2, and the factor is updated as by a Kalman filter of prior variance sd^2:
//! lambda <- (v_o lambda + sd^2 lambda_o) / (v_o + sd^2).

/// The factor after the values near a component, each with its weight and `[s, d, r]`; unchanged without any.
pub(super) fn update(near: impl Iterator<Item = (f64, [f64; 3])>, lambda: f64, sd: f64) -> f64 {
    let sums = near.fold([0.0; 3], |[p, d, s], (w, value)| {
        [p + w, d + w * value[1] * value[1] / value[2], s + w * value[0] / value[2]]
    });
    let [p, squares, spread] = sums;
    if !(p > 0.0 && spread > 0.0) {
        return lambda;
    }
    let observed = (squares - p) / spread;
    let ratio = spread / p;
    let v = 2.0 / p * ((lambda * ratio + 1.0) / ratio).powi(2);
    (v * lambda + sd * sd * observed) / (v + sd * sd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_worked_by_hand() {
        // p = 1.5, sum w d^2 / r = 4 + .5 * 2 = 5, sum w s / r = 1 + .5 * .5 = 1.25: lambda_o = 2.8, S = 5 / 6,
        // v_o = 4 / 3 * (1.2 + 1)^2 for lambda = 1
        let values = [(1.0, [1.0, 2.0, 1.0]), (0.5, [1.0, -2.0, 2.0])];
        let v = 4.0 / 3.0 * 2.2f64.powi(2);
        let exact = (v + 0.25 * 2.8) / (v + 0.25);
        assert!((update(values.into_iter(), 1.0, 0.5) - exact).abs() < 1e-14);
        assert_eq!(update(std::iter::empty(), 1.7, 0.5), 1.7);
    }
}
