//! Many standard normals of one stream, the same to the last bit as one after the other by [`StandardNormal`].
//!
//! The ziggurat (Doornik 2005) takes one word and one product for 98.8 % of its draws: word w has the layer i = w mod 256 and
//! the place u in [-1, 1), and u x_i is the draw where it lies below x_(i+1). That is computed for a batch of words without a
//! branch; only where a word is refused the sampler itself goes on from it, with the words that follow. The edges x_i are asked of the
//! sampler, so that they are its own.

use std::sync::OnceLock;

use rand::TryRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::words::{BATCH, Width, Words};
use crate::wide::wide;

/// Draws that make a batch of words worth its making.
pub(super) const WORTH: usize = 96;

/// Draws that are copied at once; as many are refused in one of 81 words.
const RUN: usize = 64;

/// Edges of the layers, `x[256]` = 0.
type Edges = [f64; 257];

/// Fills `out` with what `generator` would draw one by one.
pub(super) fn fill(generator: &mut ChaCha8Rng, out: &mut [f64]) {
    let width = Width::widest();
    let many = out.len() >= WORTH && width != Width::Plain;
    if let Some(mut draws) = many.then(|| Draws::after(generator, width)).flatten() {
        draws.fill(out);
        return draws.words.move_to(draws.at, generator);
    }
    out.iter_mut().for_each(|value| *value = StandardNormal.sample(generator));
}

/// Words with what each gives where it is not refused.
struct Draws {
    words: Words,
    batch: [u64; BATCH],
    /// u x_i of each word, and room for a copy that starts at the last.
    draws: [f64; BATCH + RUN],
    /// A bit for each word that is refused.
    refused: [u64; BATCH / 64],
    /// Words of the batch that are used.
    at: usize,
}

impl Draws {
    fn after(generator: &ChaCha8Rng, width: Width) -> Option<Self> {
        let (words, first) = Words::after(generator, width)?;
        let mut draws =
            Self { words, batch: [0; BATCH], draws: [0.0; BATCH + RUN], refused: [0; BATCH / 64], at: BATCH };
        draws.next_batch();
        draws.at = first;
        Some(draws)
    }

    fn next_batch(&mut self) {
        self.words.next_batch(&mut self.batch);
        if let Some(draws) = self.draws.first_chunk_mut() {
            try_all(&self.batch, edges(), draws, &mut self.refused);
        }
        self.at = 0;
    }

    fn fill(&mut self, out: &mut [f64]) {
        let mut filled = 0;
        while filled < out.len() {
            if self.at == BATCH {
                self.next_batch();
            }
            let (word, bit) = (self.at / 64, self.at % 64);
            let run = ((self.refused[word] >> bit).trailing_zeros() as usize).min(64 - bit);
            if run == 0 {
                out[filled] = StandardNormal.sample(self);
                filled += 1;
                continue;
            }
            let from = &self.draws[self.at..][..RUN];
            let left = &mut out[filled..];
            // a copy of a known length is a few vectors; what it writes too far is overwritten next
            let run = if let Some(to) = left.first_chunk_mut::<RUN>() {
                to.copy_from_slice(from);
                run
            } else {
                let run = run.min(left.len());
                left[..run].copy_from_slice(&from[..run]);
                run
            };
            filled += run;
            self.at += run;
        }
    }
}

/// The words, one by one.
impl TryRng for Draws {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.try_next_u64()? as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        if self.at == BATCH {
            self.next_batch();
        }
        self.at += 1;
        Ok(self.batch[self.at - 1])
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for bytes in bytes.chunks_mut(8) {
            bytes.copy_from_slice(&self.try_next_u64()?.to_le_bytes()[..bytes.len()]);
        }
        Ok(())
    }
}

/// u of a word: the upper 52 bits as a number in [2, 4), less 3.
#[inline(always)]
fn place(word: u64) -> f64 {
    f64::from_bits(word >> 12 | 0x4000_0000_0000_0000) - 3.0
}

wide! {
    /// u x_i of each word, and whether it is refused.
    fn try_all(words: &[u64; BATCH], edges: &Edges, draws: &mut [f64; BATCH], refused: &mut [u64; BATCH / 64]) {
        for ((words, draws), refused) in words.chunks(64).zip(draws.chunks_mut(64)).zip(refused) {
            *refused = 0;
            for (bit, (word, draw)) in words.iter().zip(draws).enumerate() {
                let layer = (word & 0xff) as usize;
                *draw = place(*word) * edges[layer];
                *refused |= u64::from(draw.abs() >= edges[layer + 1]) << bit;
            }
        }
    }
}

/// The edges of the sampler's layers: half of each is what it draws at u = 1/2, which it never refuses where the other words
/// are as large as can be.
fn edges() -> &'static Edges {
    static EDGES: OnceLock<Edges> = OnceLock::new();
    EDGES.get_or_init(|| {
        std::array::from_fn(|layer| {
            let half: f64 = StandardNormal.sample(&mut Given([3 << 62 | layer as u64 & 0xff, u64::MAX].into_iter()));
            if layer < 256 { 2.0 * half } else { 0.0 }
        })
    })
}

/// Words that are given; 0 after the last.
struct Given(std::array::IntoIter<u64, 2>);

impl TryRng for Given {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.next().unwrap_or(0))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn the_edges_are_those_of_a_ziggurat() {
        let edges = edges();
        assert_eq!(edges[1], 3.654_152_885_361_009);
        assert!(edges.windows(2).all(|pair| pair[0] > pair[1]));
        // every layer has the area of the lowest, tail and all
        let density = |x: f64| (-0.5 * x * x).exp();
        let area = edges[0] * density(edges[1]);
        for layer in 1..256 {
            let found = edges[layer] * (density(edges[layer + 1]) - density(edges[layer]));
            assert!((found - area).abs() < 2e-11, "{layer}: {found} {area}");
        }
    }

    #[test]
    fn a_batch_has_the_bits_of_one_draw_after_another() {
        for width in Width::all() {
            for (stream, made, length) in [(0, 0, 500_000), (1, 7, 100_001), (2, 33, 1), (3, 64, 129), (4, 5, 96)] {
                let mut single = ChaCha8Rng::from_seed([9; 32]);
                single.set_stream(stream);
                (0..made).for_each(|_| _ = single.next_u64());
                let mut out = vec![0.0; length];
                let mut draws = Draws::after(&single, width).unwrap();
                draws.fill(&mut out);
                let mut moved = single.clone();
                draws.words.move_to(draws.at, &mut moved);
                for (i, value) in out.iter().enumerate() {
                    let expected: f64 = StandardNormal.sample(&mut single);
                    assert_eq!(value.to_bits(), expected.to_bits(), "{width:?}, stream {stream}, draw {i}");
                }
                assert_eq!(moved.next_u64(), single.next_u64());
            }
        }
    }

    #[test]
    fn a_stream_that_stands_amid_64_bits_draws_one_by_one() {
        let mut generator = ChaCha8Rng::from_seed([1; 32]);
        generator.next_u32();
        let (mut single, mut out) = (generator.clone(), [0.0; 300]);
        fill(&mut generator, &mut out);
        assert!(out.iter().all(|value| *value == StandardNormal.sample(&mut single)));
        assert_eq!(generator, single);
    }
}
