//! The Kaplan-Yorke dimension (Kaplan and Yorke 1979): D = j + (l_1 + ... + l_j) / |l_{j+1}| for exponents l in falling
//! order, with j the most that still sum to at least 0.

/// The dimension from the leading exponents, in any order, of a system of `dim` components. None where so many
/// exponents do not reach a negative sum.
pub fn kaplan_yorke(exponents: &[f64], dim: usize) -> Option<f64> {
    let mut sorted = exponents.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let mut sum = 0.0;
    for (j, exponent) in sorted.iter().enumerate() {
        if sum + exponent < 0.0 {
            return Some(j as f64 + sum / exponent.abs());
        }
        sum += exponent;
    }
    (sum.is_finite() && sorted.len() == dim).then_some(dim as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_interpolates_where_the_sum_changes_sign() {
        for (exponents, dim, expected) in [
            (&[0.9056, 0.0, -14.5723][..], 3, Some(2.0 + 0.9056 / 14.5723)),
            (&[0.0, -14.5723, 0.9056], 3, Some(2.0 + 0.9056 / 14.5723)),
            (&[-1.0, -2.0], 2, Some(0.0)),
            (&[0.0, 0.0], 2, Some(2.0)),
            (&[0.5, 0.1], 40, None),
            (&[0.5, f64::NEG_INFINITY], 2, Some(1.0)),
            (&[f64::NAN, -1.0], 2, None),
            (&[], 3, None),
        ] {
            assert_eq!(kaplan_yorke(exponents, dim), expected, "{exponents:?}");
        }
    }
}
