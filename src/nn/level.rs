//! The noise level as a network sees it: features of c_noise = ln(sigma) / 4 (Karras et al. 2022), which are c itself
//! and cos(w c), sin(w c) for frequencies w from 1 to 16 in geometric steps. c is about -2 to 1 between sigma = .001 and
//! 40, so that the slowest wave is almost monotone and the fastest tells levels 10 % apart.

/// Waves of each kind.
const WAVES: usize = 7;

/// The number of features.
pub const FEATURES: usize = 1 + 2 * WAVES;

/// The features of each level, `[levels, FEATURES]` in row-major order.
pub fn features(levels: &[f64]) -> Vec<f32> {
    let mut out = Vec::with_capacity(levels.len() * FEATURES);
    for c in levels {
        out.push(*c as f32);
        for wave in 0..WAVES {
            let phase = c * 16f64.powf(wave as f64 / (WAVES - 1) as f64);
            out.extend([phase.cos() as f32, phase.sin() as f32]);
        }
    }
    out
}
