//! Every random number of the toolkit, by address.
//!
//! A [`Key`] is (seed, domain, purpose, case, step). Together with a member (the stream) and a position in that stream
//! (the draw) it names one number of a ChaCha8 generator: the five parts fill the 32-byte key of the cipher without
//! overlap, so two different addresses never share a stream. Nothing in the toolkit draws from anywhere else, which is
//! why results are the same bytes for any number of threads.

mod box_muller;
mod words;
mod ziggurat;

pub use box_muller::BulkNormals;
use ndarray::{Array2, ArrayViewMut1};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Poisson, StandardNormal, StandardUniform};

/// Whose randomness it is. Truth, training data and methods never share a stream, so that no ensemble member can
/// replay the noise of the truth that it is scored against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Domain {
    /// Trajectories that forecasters learn from and are validated and tested on.
    Data = 1,
    /// The hidden truth of a twin experiment and the errors of its observations.
    Truth = 2,
    /// Ensembles: everything that a forecaster or an assimilation method draws.
    Method = 3,
    /// Training of networks: initial weights, batches, diffusion noise.
    Training = 4,
    /// Resampling in statistics (bootstrap intervals, random ties).
    Score = 5,
}

/// What the number is for: the whole list of places where randomness lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// States from which trajectories or ensembles start.
    InitialState = 1,
    /// Brownian increments of a stochastic system.
    ProcessNoise = 2,
    /// Errors of observations.
    ObservationNoise = 3,
    /// Initial weights of a network.
    WeightInit = 4,
    /// Which training pairs make a batch.
    Batch = 5,
    /// Noise levels and noise added to training targets.
    DiffusionNoise = 6,
    /// The noise that a diffusion sampler starts from and adds.
    Sampler = 7,
    /// Perturbed observations of a stochastic filter.
    Perturbation = 8,
    /// Resampling of particles.
    Resampling = 9,
    /// Random rotations of an ensemble.
    Rotation = 10,
    /// Draws of a forecaster's own law (residuals of a regression, choice among analogues).
    ForecastNoise = 11,
    /// Members drawn from a closed-form posterior, for scores that need an ensemble.
    PosteriorDraw = 12,
    /// Random ordering of ties, bootstrap indices.
    Statistic = 13,
    /// Parameters that a member draws once and keeps.
    Parameter = 14,
    /// Random directions of a map between spaces.
    Map = 15,
    /// Noise around the image of a map between spaces.
    AmbientNoise = 16,
    /// The subspaces, means and maps that are part of a system's definition, drawn once from a seed of its own.
    Structure = 17,
    /// The first directions of tangent vectors.
    TangentVector = 18,
    /// Draws of a smoother backward in time.
    Smoothing = 19,
    /// Random steps of parameters that are estimated with the state.
    ParameterWalk = 20,
}

/// The address of a family of random streams, one for each member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    seed: u64,
    domain: Domain,
    purpose: Purpose,
    case: u64,
    step: u64,
    first: u64,
}

impl Key {
    /// The root address of an experiment; `purpose` starts as [`Purpose::InitialState`], case and step as 0.
    pub const fn new(seed: u64, domain: Domain) -> Self {
        Self { seed, domain, purpose: Purpose::InitialState, case: 0, step: 0, first: 0 }
    }

    /// This address for another purpose.
    pub const fn purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }

    /// This address for another case (a trajectory, a replicate, a parameter's index).
    pub const fn case(self, case: u64) -> Self {
        Self { case, ..self }
    }

    /// This address at another step (a lead step, a training step).
    pub const fn at(self, step: u64) -> Self {
        Self { step, ..self }
    }

    /// This address for members counted from `first`: its stream 0 is stream `first` of this one. Whoever advances a
    /// part of an ensemble gives the part what it would draw within the whole.
    pub const fn members_from(self, first: u64) -> Self {
        Self { first: self.first + first, ..self }
    }

    /// The member that stream 0 stands for.
    pub(crate) const fn first_member(&self) -> u64 {
        self.first
    }

    /// The address of the whole ensemble, whatever part of it this one stands for.
    pub(crate) const fn whole_ensemble(self) -> Self {
        Self { first: 0, ..self }
    }

    /// The key of the cipher.
    fn cipher_key(&self) -> [u8; 32] {
        let mut bytes = [0u8; 32];
        bytes[0..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.case.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.step.to_le_bytes());
        bytes[24] = self.domain as u8;
        bytes[25] = self.purpose as u8;
        bytes
    }

    /// The generator of one member.
    pub fn stream(&self, member: u64) -> Stream {
        let mut generator = ChaCha8Rng::from_seed(self.cipher_key());
        generator.set_stream(self.first + member);
        Stream(generator)
    }

    /// The normals in bulk of one part of a member, such as some hundred of its components: other draws than those of
    /// [`Key::stream`], from the same words where `part` is 0. Members below 2^32.
    pub fn bulk_normals(&self, member: u64, part: u64) -> BulkNormals {
        BulkNormals::new(self.cipher_key(), (self.first + member) | part << 32)
    }

    /// The generator of one node of a member's Brownian path; node 0 is [`Key::stream`]. Members below 2^32.
    pub(crate) fn node_stream(&self, member: u64, node: u64) -> Stream {
        self.stream(member | node << 32)
    }

    /// Independent standard normals of shape `[members, dim]`; row i comes from stream i.
    pub fn normals(&self, members: usize, dim: usize) -> Array2<f64> {
        let mut out = Array2::zeros((members, dim));
        for (member, mut row) in out.outer_iter_mut().enumerate() {
            self.stream(member as u64).fill_normals(row.view_mut());
        }
        out
    }
}

/// The random numbers of one member at one address, in order.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// One standard normal.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// One uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        StandardUniform.sample(&mut self.0)
    }

    /// A uniform integer below `bound` (Lemire's multiplication; the bias is below 2^-64 * bound).
    ///
    /// A bound of 0 gives 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// An index with the chance that the logarithms of its weight says; the weights sum to 1, and the last takes what rounding
    /// leaves.
    pub fn index<'a>(&mut self, log_weights: impl ExactSizeIterator<Item = &'a f64>) -> usize {
        let (mut left, last) = (self.uniform(), log_weights.len().saturating_sub(1));
        let falls = |log_weight: &f64| {
            left -= log_weight.exp();
            left < 0.0
        };
        log_weights.into_iter().position(falls).unwrap_or(last)
    }

    /// One draw of any distribution of `rand_distr`.
    pub fn sample<T>(&mut self, distribution: &impl Distribution<T>) -> T {
        distribution.sample(&mut self.0)
    }

    /// One draw of the gamma law of this shape and scale 1; 0 for shape 0, NaN where the shape is not a number of at
    /// least 0.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        match Gamma::new(shape, 1.0) {
            Ok(law) => self.sample(&law),
            Err(_) if shape == 0.0 => 0.0,
            Err(_) => f64::NAN,
        }
    }

    /// One draw of the Poisson law of this mean; 0 for mean 0, NaN where the mean is not a number from 0 to 1.8e19.
    pub fn poisson(&mut self, mean: f64) -> f64 {
        match Poisson::new(mean) {
            Ok(law) => self.sample(&law),
            Err(_) if mean == 0.0 => 0.0,
            Err(_) => f64::NAN,
        }
    }

    /// Fills a slice with standard normals: those of [`Stream::normal`], twice as fast where there are many.
    pub fn fill_normal(&mut self, out: &mut [f64]) {
        ziggurat::fill(&mut self.0, out);
    }

    /// Fills one row or column with standard normals, as [`Stream::fill_normal`] does.
    pub fn fill_normals(&mut self, mut out: ArrayViewMut1<f64>) {
        match out.as_slice_mut() {
            Some(out) => self.fill_normal(out),
            None => out.iter_mut().for_each(|value| *value = self.normal()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_address_changes_the_stream() {
        let key = Key::new(7, Domain::Data);
        let others = [
            Key::new(8, Domain::Data),
            Key::new(7, Domain::Truth),
            key.purpose(Purpose::Batch),
            key.case(1),
            key.at(1),
        ];
        let first = key.stream(0).normal();
        assert_eq!(first, key.stream(0).normal(), "an address is reproducible");
        assert_ne!(first, key.stream(1).normal());
        for other in others {
            assert_ne!(first, other.stream(0).normal(), "{other:?}");
        }
    }

    #[test]
    fn a_part_of_an_ensemble_draws_what_it_draws_within_the_whole() {
        let key = Key::new(7, Domain::Method).at(3);
        let part = key.members_from(2).members_from(3);
        assert_eq!(part.normals(4, 3), key.normals(9, 3).slice(ndarray::s![5.., ..]));
        assert_eq!(part.node_stream(1, 6).normal(), key.node_stream(6, 6).normal());
        assert_eq!((part.first_member(), part.whole_ensemble()), (5, key));
    }

    #[test]
    fn normals_have_the_moments_of_a_standard_normal() {
        let draws = Key::new(1, Domain::Score).normals(1000, 200);
        let n = draws.len() as f64;
        let mean = draws.sum() / n;
        let variance = draws.mapv(|z| z * z).sum() / n;
        let fourth = draws.mapv(|z| z.powi(4)).sum() / n;
        // five standard errors of each sample moment
        assert!(mean.abs() < 5.0 / n.sqrt());
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!((fourth - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
    }

    #[test]
    fn below_is_uniform_and_bounded() {
        let mut stream = Key::new(2, Domain::Score).stream(0);
        let mut counts = [0usize; 7];
        (0..70_000).for_each(|_| counts[stream.below(7)] += 1);
        for count in counts {
            assert!((count as f64 - 10_000.0).abs() < 5.0 * (70_000.0f64 * 6.0 / 49.0).sqrt());
        }
    }
}
