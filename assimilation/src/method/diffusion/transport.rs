//! Quantile transport: weighted members of one component made equally weighted ones that keep their order.
//!
//! With the members sorted and c_k the sum of the weights below the kth and half its own, the posterior's distribution function
//! is taken through (x_k, c_k), linear in the normal scores of c between members and with the slope of the posterior's sd
//! beyond them, s / (1 - sum w^2)^1/2 with s^2 the weighted variance. The member of rank k goes to the quantile (k - 1/2) / N;
//! mean and sd are then those of the weights again. Equal weights leave all where they are. Members stay distinct, so that
//! neither jitter nor inflation is asked for, and a member moves as little as it can: it stays near what its other
//! components say.

use ndarray::{Array1, ArrayView1};
use statrs::distribution::{ContinuousCDF, Normal};

/// A weight below which a member tells nothing of the distribution function.
const NEGLIGIBLE: f64 = 1e-12;

/// The standard normal quantile of a share in (0, 1).
fn normal_quantile(share: f64) -> f64 {
    Normal::standard().inverse_cdf(share)
}

/// The normal quantiles of (k - 1/2) / N for k = 1..=N.
pub(super) fn normal_scores(members: usize) -> Vec<f64> {
    (0..members).map(|rank| normal_quantile((rank as f64 + 0.5) / members as f64)).collect()
}

/// The members of `x` (`[member]`) where normalised weights, `log_weights`, put them; `scores` are those of their number.
pub(super) fn transport(x: ArrayView1<f64>, log_weights: &Array1<f64>, scores: &[f64]) -> Array1<f64> {
    let weights = log_weights.mapv(f64::exp);
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|a, b| x[*a].total_cmp(&x[*b]));
    let mean = weights.dot(&x);
    let variance = weights.iter().zip(&x).map(|(w, x)| w * (x - mean) * (x - mean)).sum::<f64>();
    let concentration = weights.dot(&weights);
    let sd = if concentration < 1.0 { (variance / (1.0 - concentration)).sqrt() } else { 0.0 };
    // the distribution function at the members that have weight: normal score, value
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(order.len());
    let mut below = 0.0;
    for &member in &order {
        let weight = weights[member];
        if weight > NEGLIGIBLE {
            let share: f64 = below + 0.5 * weight;
            points.push((normal_quantile(share.clamp(NEGLIGIBLE, 1.0 - NEGLIGIBLE)), x[member]));
        }
        below += weight;
    }
    let mut moved = Array1::from_elem(x.len(), mean);
    let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else { return moved };
    let mut segment = 0;
    for (&member, &score) in order.iter().zip(scores) {
        moved[member] = if score <= first.0 {
            first.1 + sd * (score - first.0)
        } else if score >= last.0 {
            last.1 + sd * (score - last.0)
        } else {
            while points[segment + 1].0 < score {
                segment += 1;
            }
            let ((z, x), (z_next, x_next)) = (points[segment], points[segment + 1]);
            x + (x_next - x) * (score - z) / (z_next - z)
        };
    }
    restore(&mut moved, mean, sd);
    moved
}

/// Shifts and scales members to a mean and an unbiased sd.
fn restore(members: &mut Array1<f64>, mean: f64, sd: f64) {
    let (centre, spread) = (members.mean().unwrap_or(mean), members.std(1.0));
    let factor = if spread > 0.0 { sd / spread } else { 0.0 };
    members.mapv_inplace(|value| mean + factor * (value - centre));
}

#[cfg(test)]
mod tests {
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::method::particle::weights::{equal, normalise};

    #[test]
    fn equal_weights_leave_members_where_they_are() {
        let x = Key::new(1, Domain::Method).normals(50, 1).column(0).to_owned();
        let moved = transport(x.view(), &equal(50), &normal_scores(50));
        assert!((&moved - &x).iter().all(|gap| gap.abs() < 1e-9), "{moved} for {x}");
    }

    /// A prior N(0, 1) observed as 1.5 with an error of sd .7, by the quantiles of the prior: those of the posterior.
    #[test]
    fn quantiles_of_a_gaussian_go_to_those_of_its_posterior() {
        let members = 400;
        let scores = normal_scores(members);
        let x: Array1<f64> = scores.iter().copied().collect();
        let mut log_weights = x.mapv(|x| -0.5 * ((1.5 - x) / 0.7f64).powi(2));
        normalise(&mut log_weights);
        let moved = transport(x.view(), &log_weights, &scores);
        let variance = 1.0 / (1.0 + 1.0 / 0.49);
        let (mean, sd) = (variance * 1.5 / 0.49, f64::sqrt(variance));
        for (score, moved) in scores.iter().zip(&moved) {
            // the tail is a line; between, the weighted members are a fine grid
            let tolerance = if score.abs() < 2.0 { 0.01 } else { 0.15 };
            assert!((moved - mean - sd * score).abs() < tolerance, "{moved} for {}", mean + sd * score);
        }
        assert!(moved.windows(2).into_iter().all(|pair| pair[0] < pair[1]), "the order is kept");
    }

    #[test]
    fn one_weight_that_is_all_of_them_draws_all_to_its_member() {
        let x = ndarray::array![0.3, -1.0, 2.0];
        let mut log_weights = ndarray::array![-1e4, 0.0, -1e4];
        normalise(&mut log_weights);
        let moved = transport(x.view(), &log_weights, &normal_scores(3));
        assert!(moved.iter().all(|value| *value == -1.0), "{moved}");
    }
}
