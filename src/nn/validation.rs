//! What a validation found, and whether that tells two sets of weights apart.
//!
//! All validations look at the same rows with the same noise, so that the difference of two of them is a paired one: with
//! d_i the differences of the mean losses of shard i, its standard error is sd(d) / sqrt(shards). The lowest of many losses
//! that this does not tell apart is a matter of chance; the last of them is of a lower learning rate.

/// The mean loss of each shard of the validated rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Validation(pub Vec<f64>);

/// Standard errors within which losses are not told apart.
const STANDARD_ERRORS: f64 = 2.0;

impl Validation {
    /// The mean loss; NaN without rows.
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// Whether this is not surely a higher loss than another of the same rows.
    pub fn is_as_low_as(&self, other: &Self) -> bool {
        let shards = self.0.len() as f64;
        let differences = || self.0.iter().zip(&other.0).map(|(own, other)| own - other);
        let mean = differences().sum::<f64>() / shards;
        let variance = differences().map(|d| (d - mean).powi(2)).sum::<f64>() / (shards - 1.0).max(1.0);
        mean <= STANDARD_ERRORS * (variance / shards).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_apart_by_their_paired_differences() {
        // shards that differ much from each other
        let losses = |off: f64, noise: f64| {
            let shard = |i: i32| f64::from(i % 7) + off + if i % 2 == 0 { noise } else { -noise };
            Validation((0..64).map(shard).collect())
        };
        let lowest = losses(0.0, 0.0);
        // the noise of 64 shards leaves a standard error of .00126
        assert!(losses(0.002, 0.01).is_as_low_as(&lowest) && losses(-1.0, 0.01).is_as_low_as(&lowest));
        assert!(!losses(0.003, 0.01).is_as_low_as(&lowest));
        assert!(!losses(1e-9, 0.0).is_as_low_as(&lowest) && lowest.is_as_low_as(&lowest));
        // one shard has no standard error, and a loss that is none is never kept
        assert!(!Validation(vec![1.1]).is_as_low_as(&Validation(vec![1.0])));
        assert!(!Validation(vec![f64::NAN; 3]).is_as_low_as(&Validation(vec![1.0; 3])));
    }
}
