//! What one core of this machine can do: sums and products a second, and bytes a second from memory.

use std::hint::black_box;
use std::time::Instant;

/// The least seconds of each loop.
pub struct Ceilings {
    arithmetic: f64,
    triad: f64,
    arrays: [Vec<f64>; 3],
}

/// Independent chains, enough to hide the latency of either operation.
const CHAINS: usize = 24;
const TURNS: usize = 100_000;

/// 128 MB for all three arrays: far beyond the caches.
const LENGTH: usize = 16 << 18;

impl Default for Ceilings {
    fn default() -> Self {
        let arrays = std::array::from_fn(|i| vec![i as f64; LENGTH]);
        Self { arithmetic: f64::INFINITY, triad: f64::INFINITY, arrays }
    }
}

impl Ceilings {
    /// Runs both loops and keeps the least times.
    pub fn measure(&mut self) {
        for _ in 0..10 {
            self.arithmetic = self.arithmetic.min(seconds(sums_and_products));
        }
        let [a, b, c] = &mut self.arrays;
        for _ in 0..3 {
            self.triad = self.triad.min(seconds(|| triad(a, b, c)));
        }
    }

    /// Sums and products a second in registers, in 1e9, half of each, none fused.
    pub fn gflops(&self) -> f64 {
        (2 * CHAINS * TURNS) as f64 / self.arithmetic * 1e-9
    }

    /// Bytes a second of a = b + s c, in 1e9: two reads, a write, and the read of the line that is written.
    pub fn gigabytes(&self) -> f64 {
        (4 * 8 * LENGTH) as f64 / self.triad * 1e-9
    }
}

fn seconds(work: impl FnOnce()) -> f64 {
    let before = Instant::now();
    work();
    before.elapsed().as_secs_f64()
}

fn triad(a: &mut [f64], b: &[f64], c: &[f64]) {
    let s = black_box(3.0);
    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
        *a = b + s * c;
    }
}

fn sums_and_products() {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has just been found to have AVX2.
        return unsafe { sums_and_products_avx2() };
    }
    chains();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sums_and_products_avx2() {
    chains();
}

#[inline(always)]
fn chains() {
    let (mut sums, mut products) = ([1.0f64; CHAINS], [1.0f64; CHAINS]);
    let (more, times) = (black_box(1e-9), black_box(1.0 + 1e-9));
    for _ in 0..TURNS {
        sums.iter_mut().for_each(|sum| *sum += more);
        products.iter_mut().for_each(|product| *product *= times);
    }
    black_box((sums, products));
}
