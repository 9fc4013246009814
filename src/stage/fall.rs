//! What the validation losses of a training did: how far they fell, how far they have risen since, and what of that is noise.
//!
//! Losses may be of any sign and near 0, so that no ratio of them means anything; differences do. The noise is told by
//! second differences, which a smooth curve has next to none of: of independent errors of sd s they have the sd
//! 6^(1/2) s, of whose absolute values the median is .6745 times as large.

use crate::model::CurvePoint;

/// The least number of points whose noise is told.
pub const POINTS: usize = 10;

/// Standard deviations of the noise within which two losses are not told apart.
const TELLING: f64 = 3.0;

/// What single losses of a curve differ by at least, in units of the largest: below, a fall is hardly one.
const HARDLY: f64 = 2e-3;

/// The validation losses of a training, at least one.
pub struct Fall<'a> {
    /// The points that were validated.
    known: Vec<&'a CurvePoint>,
    /// The first point of them.
    pub first: CurvePoint,
    /// The point of the least loss.
    pub least: CurvePoint,
    /// The last point.
    pub last: CurvePoint,
    noise: f64,
}

impl<'a> Fall<'a> {
    /// Of a curve; none where nothing was validated.
    pub fn of(curve: &'a [CurvePoint]) -> Option<Self> {
        let known: Vec<&CurvePoint> = curve.iter().filter(|point| point.valid.is_finite()).collect();
        let least = **known.iter().min_by(|a, b| a.valid.total_cmp(&b.valid))?;
        let (first, last) = (**known.first()?, **known.last()?);
        let noise = noise(&known);
        Some(Self { known, first, least, last, noise })
    }

    /// How many points there are.
    pub fn points(&self) -> usize {
        self.known.len()
    }

    /// What the loss fell by to its least.
    pub fn fall(&self) -> f64 {
        self.first.valid - self.least.valid
    }

    /// What it has risen by since.
    pub fn rise(&self) -> f64 {
        self.last.valid - self.least.valid
    }

    /// Whether it has risen since by more than noise.
    pub fn rose(&self) -> bool {
        self.rise() > 0.0 && self.tells_from_least(self.rise())
    }

    /// What the last tenth of the points brought.
    pub fn late(&self) -> f64 {
        let before = &self.known[..self.known.len() - self.known.len() / 10];
        before.iter().map(|point| point.valid).fold(f64::INFINITY, f64::min) - self.least.valid
    }

    /// Whether a loss is above the least of all by more than noise, which makes the least of n lower than one by (2 ln n)^(1/2)
    /// standard deviations.
    fn tells_from_least(&self, difference: f64) -> bool {
        difference > (TELLING + (2.0 * (self.points() as f64).ln()).sqrt()) * self.noise
    }

    /// Whether a difference of two losses is more than noise.
    pub fn tells(&self, difference: f64) -> bool {
        difference > TELLING * self.noise
    }

    /// Whether the loss fell by more than noise and than what counts.
    pub fn fell(&self) -> bool {
        let largest = self.known.iter().map(|point| point.valid.abs()).fold(0.0, f64::max);
        self.tells_from_least(self.fall()) && self.fall() > HARDLY * largest
    }
}

/// The sd of the noise of losses; 0 of too few to tell.
fn noise(known: &[&CurvePoint]) -> f64 {
    if known.len() < POINTS {
        return 0.0;
    }
    let second = |w: &[&CurvePoint]| (w[0].valid - 2.0 * w[1].valid + w[2].valid).abs();
    let mut second: Vec<f64> = known.windows(3).map(second).collect();
    second.sort_by(f64::total_cmp);
    second[second.len() / 2] / (0.6745 * 6f64.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::{Domain, Key};

    #[test]
    fn the_noise_of_a_curve_is_told_from_its_fall() {
        let normals = Key::new(3, Domain::Data).normals(400, 1);
        let of = |sd: f64, slope: f64| -> Vec<CurvePoint> {
            let valid = |i: usize| slope * (-(i as f64) / 40.0).exp() - 7.0 + sd * normals[[i, 0]];
            (0..400).map(|i| CurvePoint { step: i as u64, train: 0.0, valid: valid(i) }).collect()
        };
        for slope in [0.0, 1.0] {
            // the median of 398 dependent values: five of its standard errors are about a quarter
            let found = Fall::of(&of(0.01, slope)).unwrap().noise;
            assert!((found / 0.01 - 1.0).abs() < 0.25, "{found}");
        }
        let curve = of(0.01, 1.0);
        let fall = Fall::of(&curve).unwrap();
        assert!(fall.fell() && (fall.fall() - 1.0).abs() < 0.1 && !fall.tells(0.02) && fall.tells(0.05));
        assert!(!Fall::of(&of(0.01, 0.0)).unwrap().fell());
        assert!(Fall::of(&[]).is_none());
    }
}
