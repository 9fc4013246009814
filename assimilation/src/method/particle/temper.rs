//! Tempering a likelihood so that weights keep an effective size (Neal 2001; adaptive as in Del Moral, Doucet and Jasra 2012).

use ndarray::Array1;

use crate::method::particle::weights::{effective_size, normalise};

/// The largest lambda in (0, `most`] for which the mean over `log_likelihoods` (`[member]` each) of the effective size of
/// weights in proportion to exp(lambda l) is at least `target`; `most` where that already is. Found to 1e-9 of `most`.
pub(crate) fn largest_exponent(log_likelihoods: &[Array1<f64>], target: f64, most: f64) -> f64 {
    let size = |lambda: f64| {
        let of = |log: &Array1<f64>| {
            let mut weights = log * lambda;
            normalise(&mut weights);
            effective_size(&weights)
        };
        log_likelihoods.iter().map(of).sum::<f64>() / log_likelihoods.len() as f64
    };
    if size(most) >= target {
        return most;
    }
    let (mut low, mut high) = (0.0, most);
    while high - low > 1e-9 * most {
        let middle = 0.5 * (low + high);
        if size(middle) >= target { low = middle } else { high = middle }
    }
    // so that what is left always becomes less
    low.max(1e-9 * most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::particle::weights::equal;
    use statrs::function::erf::erfc_inv;

    /// N(0, 1) seen as 3 with an error of sd .1: stage by stage, each from the exact law of the stage before at the quantiles of
    /// 100,000 members. The first lambda for half of them is .004403, and the evidence that of N(0, 1.01) at 3, -5.3794: a
    /// likelihood with its sign turned, or centred at 0, would not have them.
    #[test]
    fn half_of_the_members_stay_effective_and_the_stages_make_the_evidence() {
        let members = 100_000;
        let score = |k: usize| -std::f64::consts::SQRT_2 * erfc_inv(2.0 * (k as f64 + 0.5) / members as f64);
        let scores: Vec<f64> = (0..members).map(score).collect();
        let constant = -(0.1 * std::f64::consts::TAU.sqrt()).ln();
        let (mut lambda, mut log_z, mut stages) = (0.0, 0.0, 0);
        while lambda < 1.0 {
            // the law at lambda
            let precision: f64 = 1.0 + lambda * 100.0;
            let (mean, sd) = (lambda * 300.0 / precision, precision.powf(-0.5));
            let log: Array1<f64> = scores.iter().map(|z| constant - 50.0 * (3.0 - mean - sd * z).powi(2)).collect();
            let step = largest_exponent(std::slice::from_ref(&log), 0.5 * members as f64, 1.0 - lambda);
            let mut weights = equal(members) + log * step;
            log_z += normalise(&mut weights);
            if stages == 0 {
                assert!((step - 0.004_403).abs() < 2e-5, "{step}");
            }
            (lambda, stages) = (lambda + step, stages + 1);
        }
        println!("{stages} stages, log Z {log_z:.4}");
        assert!((log_z + 5.3794).abs() < 2e-3, "{log_z}");
    }
}
