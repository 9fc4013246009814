//! Initial weights by address: each tensor is drawn from a stream of its own, named by its path, so that adding a layer
//! changes no other layer's start.

use scorecast_systems::{Key, Purpose};
use sha2::{Digest, Sha256};

/// How a tensor starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All zeros.
    Zero,
    /// Independent normals of this standard deviation.
    Normal(f64),
}

impl Init {
    /// The values of the tensor at `path`.
    pub fn draw(self, key: Key, path: &str, count: usize) -> Vec<f32> {
        match self {
            Self::Zero => vec![0.0; count],
            Self::Normal(sd) => {
                let mut stream = key.purpose(Purpose::WeightInit).case(address(path)).stream(0);
                (0..count).map(|_| (sd * stream.normal()) as f32).collect()
            }
        }
    }
}

/// The first eight bytes of the SHA-256 of a path.
fn address(path: &str) -> u64 {
    Sha256::digest(path.as_bytes()).iter().take(8).fold(0, |address, byte| (address << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scorecast_systems::Domain;

    #[test]
    fn a_weight_depends_on_its_path_and_on_nothing_else() {
        let key = Key::new(3, Domain::Training);
        let draw = |path: &str| Init::Normal(0.5).draw(key.at(0), path, 10_000);
        assert_eq!(draw("stem.weight"), draw("stem.weight"));
        assert_ne!(draw("stem.weight"), draw("head.weight"));
        // the address is part of what a seed means: it must not change between versions
        assert_eq!(address("stem.weight"), 0x64a1_7fac_0ec1_385b);
        let variance = draw("stem.weight").iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / 1e4;
        // five standard errors of the variance of 1e4 normals
        assert!((variance / 0.25 - 1.0).abs() < 5.0 * (2.0f64 / 1e4).sqrt());
    }
}
