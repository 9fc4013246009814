//! The random numbers that an objective draws for a batch: a noise level and the noise of each row.

use scorecast_systems::{Key, Purpose, Stream};
use statrs::distribution::{ContinuousCDF, Normal};

/// The random numbers of some rows of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    key: Key,
    first: u64,
    stratified: bool,
    progress: f64,
    labels: Key,
}

/// The random numbers of one row.
pub struct RowDraws {
    /// The numbers of its noise.
    pub stream: Stream,
    quantile: Option<f64>,
}

impl Draws {
    /// The rows from `first` on of a batch whose noise is at `key`.
    pub fn new(key: Key, first: u64) -> Self {
        let key = key.purpose(Purpose::DiffusionNoise);
        Self { key, first, stratified: false, progress: 1.0, labels: key }
    }

    /// These rows, with numbers that belong to a training pair for good at `key`.
    #[must_use]
    pub fn labelled(self, key: Key) -> Self {
        Self { labels: key.purpose(Purpose::DiffusionNoise), ..self }
    }

    /// The numbers that belong to a pair of the training data, whenever it is drawn.
    pub fn label(&self, pair: usize) -> Stream {
        self.labels.stream(pair as u64)
    }

    /// These rows where `share` of the training steps have been taken.
    #[must_use]
    pub fn after(self, share: f64) -> Self {
        Self { progress: share, ..self }
    }

    /// The share of the training steps that have been taken, from 0 to 1; 1 in validation.
    pub fn progress(&self) -> f64 {
        self.progress
    }

    /// These rows with levels that are spread evenly over their law instead of drawn: the r-th row of a batch has the
    /// quantile of r in the sequence of van der Corput (1935), so that any 2^k rows in a row have one in each of 2^k equal
    /// parts. A mean over them varies by the noise alone.
    #[must_use]
    pub fn stratified(self) -> Self {
        Self { stratified: true, ..self }
    }

    /// The draws of the i-th of these rows.
    pub fn row(&self, i: usize) -> RowDraws {
        let row = self.first + i as u64;
        RowDraws { stream: self.key.stream(row), quantile: self.stratified.then(|| van_der_corput(row)) }
    }
}

impl RowDraws {
    /// A number uniform between 0 and 1, for the level.
    pub fn uniform(&mut self) -> f64 {
        self.quantile.unwrap_or_else(|| self.stream.uniform())
    }

    /// A standard normal number, for the level.
    pub fn normal(&mut self) -> f64 {
        self.quantile.map_or_else(|| self.stream.normal(), |quantile| Normal::standard().inverse_cdf(quantile))
    }
}

/// The binary digits of `index` mirrored at the point, plus half a unit of the last that 32 of them have: in (0, 1).
fn van_der_corput(index: u64) -> f64 {
    (f64::from((index as u32).reverse_bits()) + 0.5) / 2f64.powi(32)
}

#[cfg(test)]
mod tests {
    use scorecast_systems::Domain;

    use super::*;

    #[test]
    fn stratified_levels_have_one_in_each_part_and_the_moments_of_their_law() {
        let draws = Draws::new(Key::new(1, Domain::Training), 4096).stratified();
        let mut parts = [0; 64];
        (0..64).for_each(|i| parts[(draws.row(i).uniform() * 64.0) as usize] += 1);
        assert_eq!(parts, [1; 64]);
        let normals: Vec<f64> = (0..1024).map(|i| draws.row(i).normal()).collect();
        let mean = normals.iter().sum::<f64>() / 1024.0;
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / 1024.0;
        // of 1,024 drawn ones the errors would be .03 and .04
        assert!(mean.abs() < 0.005 && (variance - 1.0).abs() < 0.01, "{mean} {variance}");
    }
}
