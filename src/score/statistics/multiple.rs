//! Holm's correction for several tests at once (Holm 1979).

/// Adjusted p-values, in the order given: sorted p_(i) becomes max over j <= i of min(1, (m - j + 1) p_(j)). Rejecting
/// those at most alpha keeps the chance of any false rejection at alpha, however the tests depend on each other.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut running = 0.0f64;
    for (rank, index) in order.into_iter().enumerate() {
        running = running.max(((p.len() - rank) as f64 * p[index]).min(1.0));
        adjusted[index] = running;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_textbook_example() {
        // sorted .005, .01, .03, .04 times 4, 3, 2, 1, made monotone
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (got, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((got - expected).abs() < 1e-15);
        }
        assert_eq!(holm(&[0.6, 0.7]), [1.0, 1.0]);
    }
}
