//! Whether two independent measurements of the same thing agree.

use statrs::distribution::{Discrete, Hypergeometric};

/// The difference of two independent estimates in combined standard errors, (a - b) / sqrt(s_a^2 + s_b^2).
pub fn z(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - b.0) / a.1.hypot(b.1)
}

/// The two-sided p-value of Fisher's exact test (Fisher 1935) that two rates, `a.0` of `a.1` and `b.0` of `b.1`, are the
/// same: the probability, given both numbers of trials and all events, of a table no more probable than this one.
pub fn fisher_exact(a: (u64, u64), b: (u64, u64)) -> f64 {
    let (events, trials) = (a.0 + b.0, a.1 + b.1);
    let Ok(law) = Hypergeometric::new(trials, events, a.1) else { return f64::NAN };
    let found = law.pmf(a.0);
    // ties count, whatever the rounding
    let least_likely = (0..=events.min(a.1)).map(|count| law.pmf(count)).filter(|p| *p <= found * (1.0 + 1e-9));
    least_likely.sum::<f64>().min(1.0)
}

/// The least p-value that [`fisher_exact`] can give for `a` and `b` trials, that of no event here and only events there:
/// with so few trials that it is not below a level, nothing could have been.
pub fn least_p(a: u64, b: u64) -> f64 {
    fisher_exact((0, a), (b, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_in_combined_standard_errors() {
        assert!((z((1.0, 0.3), (0.0, 0.4)) - 2.0).abs() < 1e-12);
        assert!((z((0.0, 0.3), (1.0, 0.4)) + 2.0).abs() < 1e-12);
    }

    /// Figures of R's fisher.test.
    #[test]
    fn fishers_test_gives_the_known_p_values() {
        // the lady tasting tea
        assert!((fisher_exact((3, 4), (1, 4)) - 0.485_714_285_714).abs() < 1e-9);
        assert!((fisher_exact((1, 10), (11, 14)) - 0.002_759_456_185).abs() < 1e-9);
        assert!((fisher_exact((0, 20), (1, 1)) - 1.0 / 21.0).abs() < 1e-12);
        assert!((fisher_exact((0, 20), (0, 5)) - 1.0).abs() < 1e-12);
        assert!((fisher_exact((5, 5), (7, 7)) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn few_runs_cannot_differ() {
        assert!((least_p(20, 1) - 1.0 / 21.0).abs() < 1e-12);
        assert!((least_p(1, 20) - 1.0 / 21.0).abs() < 1e-12);
        assert!(least_p(20, 10) < 1e-6);
        assert_eq!(least_p(20, 0), 1.0);
    }

    #[test]
    fn the_test_is_symmetric_in_its_samples_and_its_outcomes() {
        for (a, b) in [((2, 9), (5, 7)), ((0, 4), (3, 8)), ((6, 6), (1, 5))] {
            let other = |x: (u64, u64)| (x.1 - x.0, x.1);
            assert!((fisher_exact(a, b) - fisher_exact(b, a)).abs() < 1e-12);
            assert!((fisher_exact(a, b) - fisher_exact(other(a), other(b))).abs() < 1e-12);
        }
    }
}
