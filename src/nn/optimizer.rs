//! AdamW (Loshchilov and Hutter 2019), the clipping of gradients, the averaging of weights and the learning rate.
//!
//! m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, w <- w - r (m' / (sqrt(v') + e) + d w) with m' = m / (1 - b1^t),
//! v' = v / (1 - b2^t), rate r, decay d (of matrices only, not of biases). Everything is a flat vector in the order of
//! the weights' paths, and one pass updates all of it.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::weights::Slot;

const B1: f64 = 0.9;
const E: f32 = 1e-8;

/// Weights that one thread goes over at a time.
const CHUNK: usize = 1 << 15;
/// Partial sums of a norm, side by side.
const LANES: usize = 8;

/// How far and how an update goes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// r.
    pub rate: f64,
    /// d: weight decay per unit of rate.
    pub decay: f64,
    /// b2: the weight of the past in the mean of squared gradients.
    pub beta2: f64,
}

/// The state of AdamW.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    /// Updates made.
    pub updates: u64,
    /// Mean gradients.
    pub m: Vec<f32>,
    /// Mean squared gradients.
    pub v: Vec<f32>,
}

impl AdamW {
    /// The start, for `count` weights.
    pub fn new(count: usize) -> Self {
        Self { updates: 0, m: vec![0.0; count], v: vec![0.0; count] }
    }

    /// One update of `values` (whose tensors are `slots`) by `gradient`.
    pub fn update(&mut self, slots: &[Slot], values: &mut [f32], gradient: &[f32], pace: Pace) {
        let Pace { rate, decay, beta2 } = pace;
        assert!(values.len() == self.m.len() && gradient.len() == self.m.len(), "one gradient for each weight");
        self.updates += 1;
        let t = self.updates.min(i32::MAX as u64) as i32;
        let bias_m = (rate / (1.0 - B1.powi(t))) as f32;
        let bias_v = (1.0 / (1.0 - beta2.powi(t))) as f32;
        for slot in slots {
            let shrink = if slot.path.ends_with(".weight") { (1.0 - rate * decay) as f32 } else { 1.0 };
            let range = || slot.range.clone();
            let (m, v) = (&mut self.m[range()], &mut self.v[range()]);
            let (values, gradient) = (&mut values[range()], &gradient[range()]);
            let factors = [shrink, bias_m, bias_v, beta2 as f32, (1.0 - beta2) as f32];
            if values.len() <= CHUNK {
                moved((values, gradient), (m, v), factors);
            } else {
                let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
                let moments = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
                chunks.zip(moments).for_each(|(values, moments)| moved(values, moments, factors));
            }
        }
    }
}

/// One update of some weights by their gradient and moments.
fn moved((w, g): (&mut [f32], &[f32]), (m, v): (&mut [f32], &mut [f32]), factors: [f32; 5]) {
    let [shrink, bias_m, bias_v, beta2, rest] = factors;
    for ((w, g), (m, v)) in w.iter_mut().zip(g).zip(m.iter_mut().zip(v)) {
        *m = B1 as f32 * *m + (1.0 - B1) as f32 * g;
        *v = beta2 * *v + rest * g * g;
        *w = *w * shrink - bias_m * *m / ((*v * bias_v).sqrt() + E);
    }
}

/// The sum of squares, in partial sums of every eighth element.
fn squares(values: &[f32]) -> f64 {
    let (eights, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0f64; LANES];
    for eight in eights {
        sums.iter_mut().zip(eight).for_each(|(sum, value)| *sum += f64::from(*value) * f64::from(*value));
    }
    sums.iter().sum::<f64>() + rest.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>()
}

/// Scales `gradient` down to the norm `limit` if it is longer; the norm that it had.
pub fn clip(gradient: &mut [f32], limit: f64) -> f64 {
    let norm = match gradient.len() {
        0..=CHUNK => squares(gradient),
        _ => gradient.par_chunks(CHUNK).map(squares).collect::<Vec<_>>().iter().sum(),
    }
    .sqrt();
    if norm > limit {
        let factor = (limit / norm) as f32;
        gradient.iter_mut().for_each(|g| *g *= factor);
    }
    norm
}

/// Exponential moving average after update `step` (from 0): the weight of the past is `decay`, and less in the first
/// steps, so that the start is forgotten.
pub fn average(mean: &mut [f32], values: &[f32], step: u64, decay: f64) {
    let step = step as f64;
    let keep = decay.min((1.0 + step) / (10.0 + step)) as f32;
    let one = |(mean, values): (&mut [f32], &[f32])| {
        mean.iter_mut().zip(values).for_each(|(mean, w)| *mean = keep * *mean + (1.0 - keep) * w);
    };
    match mean.len() {
        0..=CHUNK => one((mean, values)),
        _ => mean.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(one),
    }
}

/// How the learning rate goes to zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// As half a cosine.
    #[default]
    Cosine,
    /// In a straight line.
    Linear,
}

impl Decay {
    /// As a setting has them.
    pub const WORDS: [&'static str; 2] = ["cosine", "linear"];

    /// What a word means; the cosine where it is none of them.
    pub fn named(word: &str) -> Self {
        if word == "linear" { Self::Linear } else { Self::Cosine }
    }
}

/// The learning rate at `step` (from 0) of `steps`: a linear rise over `warm_up` steps to `peak`, then down to zero.
pub fn rate(peak: f64, step: u64, steps: u64, warm_up: u64, decay: Decay) -> f64 {
    if step < warm_up {
        return peak * (step + 1) as f64 / (warm_up + 1) as f64;
    }
    let progress = (step - warm_up) as f64 / steps.saturating_sub(warm_up).max(1) as f64;
    match decay {
        Decay::Cosine => peak * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos()),
        Decay::Linear => peak * (1.0 - progress.min(1.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(path: &str, range: std::ops::Range<usize>) -> Slot {
        Slot { path: path.to_owned(), shape: vec![range.len()], range }
    }

    #[test]
    fn three_updates_are_those_of_the_formula() {
        const B2: f64 = 0.99;
        let slots = [slot("a.bias", 0..1), slot("a.weight", 1..2)];
        let (mut values, mut state) = (vec![0.3f32, -0.8], AdamW::new(2));
        let (mut w, mut m, mut v) = ([0.3f64, -0.8], [0.0f64; 2], [0.0f64; 2]);
        for (t, g) in [[0.5, -2.0], [-0.25, 1.0], [1.5, 0.125]].into_iter().enumerate() {
            let pace = Pace { rate: 0.01, decay: 0.1, beta2: B2 };
            state.update(&slots, &mut values, &[g[0] as f32, g[1] as f32], pace);
            for i in 0..2 {
                m[i] = B1 * m[i] + (1.0 - B1) * g[i];
                v[i] = B2 * v[i] + (1.0 - B2) * g[i] * g[i];
                let t = t as i32 + 1;
                let decay = if i == 1 { 0.1 * w[i] } else { 0.0 };
                w[i] -= 0.01 * (m[i] / (1.0 - B1.powi(t)) / ((v[i] / (1.0 - B2.powi(t))).sqrt() + 1e-8) + decay);
            }
        }
        // three steps of single precision on numbers below 1, moves of .01
        for i in 0..2 {
            assert!((f64::from(values[i]) - w[i]).abs() < 5e-7, "{values:?} {w:?}");
        }
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let mut gradient = vec![3.0f32, 4.0];
        assert_eq!(clip(&mut gradient, 10.0), 5.0);
        assert_eq!(gradient, [3.0, 4.0]);
        clip(&mut gradient, 1.0);
        assert!((gradient[0] - 0.6).abs() < 1e-6 && (gradient[1] - 0.8).abs() < 1e-6);
    }

    #[test]
    fn the_rate_rises_and_falls_to_zero() {
        assert!((rate(1.0, 0, 100, 9, Decay::Cosine) - 0.1).abs() < 1e-12);
        assert!((rate(1.0, 9, 109, 9, Decay::Cosine) - 1.0).abs() < 1e-12);
        assert!((rate(1.0, 59, 109, 9, Decay::Cosine) - 0.5).abs() < 1e-12);
        assert!(rate(1.0, 109, 109, 9, Decay::Cosine).abs() < 1e-12);
        assert!((rate(1.0, 34, 109, 9, Decay::Linear) - 0.75).abs() < 1e-12);
        assert_eq!(rate(1.0, 109, 109, 9, Decay::Linear), 0.0);
    }
}
