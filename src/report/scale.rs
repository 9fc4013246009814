//! Axes: which stretch of numbers is shown, linear or logarithmic, and where its ticks are.
//!
//! Ticks of a linear axis are multiples of 1, 2 or 5 times a power of ten (Heckbert 1990, "Nice numbers for graph
//! labels").

use super::number;

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// The number at the low end.
    pub min: f64,
    /// The number at the high end.
    pub max: f64,
    /// Whether equal distances are equal ratios.
    pub log: bool,
    /// Where ticks are.
    pub ticks: Vec<f64>,
    /// What is measured.
    pub label: String,
}

impl Axis {
    /// A linear axis over exactly these numbers, with about `count` ticks.
    pub fn linear(min: f64, max: f64, count: usize, label: &str) -> Self {
        let (min, max) = widen(min, max);
        Self { min, max, log: false, ticks: ticks(min, max, count), label: label.into() }
    }

    /// A linear axis widened to the ticks around these numbers.
    pub fn rounded(min: f64, max: f64, count: usize, label: &str) -> Self {
        let (min, max) = widen(min, max);
        let step = nice_step(max - min, count);
        let (low, high) = ((min / step + 1e-9).floor() * step, (max / step - 1e-9).ceil() * step);
        Self::linear(low, high, count, label)
    }

    /// A logarithmic axis around these positive numbers.
    pub fn log(min: f64, max: f64, label: &str) -> Self {
        let min = if min > 0.0 { min } else { 1e-12 };
        let max = if max > min { max } else { min * 10.0 };
        Self { min, max, log: true, ticks: log_ticks(min, max), label: label.into() }
    }

    /// The axis that suits these numbers: logarithmic where all are positive and the bulk of them spans more than
    /// `ratio`; from zero where that wastes little.
    pub fn fitting(values: &[f64], ratio: f64, label: &str) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else { return Self::linear(0.0, 1.0, 5, label) };
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
        if min > 0.0 && at(0.98) / at(0.02) > ratio {
            return Self::log(min, max, label);
        }
        let from_zero = min >= 0.0 && min < 0.6 * max;
        Self::rounded(if from_zero { 0.0 } else { min }, max, 5, label)
    }

    /// Where a number lies: 0 at the low end, 1 at the high end.
    pub fn at(&self, value: f64) -> f64 {
        if self.log {
            let floor = self.min * 1e-3;
            (value.max(floor) / self.min).ln() / (self.max / self.min).ln()
        } else {
            (value - self.min) / (self.max - self.min)
        }
    }

    /// The ticks as text, all with the same number of decimals.
    pub fn labels(&self) -> Vec<String> {
        if self.log {
            return self.ticks.iter().map(|&t| number::significant(t, 1)).collect();
        }
        let step = if self.ticks.len() > 1 { self.ticks[1] - self.ticks[0] } else { 1.0 };
        let places = (-(step.log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize;
        let largest = self.ticks.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        let print = |&tick: &f64| match () {
            () if largest >= 1e6 || places > 5 => number::significant(tick, 2),
            () if tick.abs() < step * 1e-6 => format!("{:.places$}", 0.0),
            () => format!("{tick:.places$}").replace('-', "−"),
        };
        self.ticks.iter().map(print).collect()
    }
}

/// An interval that is not empty.
fn widen(min: f64, max: f64) -> (f64, f64) {
    match (min.is_finite() && max.is_finite(), max > min) {
        (false, _) => (0.0, 1.0),
        (true, true) => (min, max),
        (true, false) => {
            let half = if min == 0.0 { 1.0 } else { 0.1 * min.abs() };
            (min - half, min + half)
        }
    }
}

/// The step, 1, 2 or 5 times a power of ten, that puts about `count` ticks into `range`.
fn nice_step(range: f64, count: usize) -> f64 {
    let raw = range / count.max(1) as f64;
    let decade = 10f64.powf(raw.log10().floor());
    let factor = match raw / decade {
        r if r < 1.5 => 1.0,
        r if r < 3.5 => 2.0,
        r if r < 7.5 => 5.0,
        _ => 10.0,
    };
    factor * decade
}

/// Nice ticks inside [min, max].
fn ticks(min: f64, max: f64, count: usize) -> Vec<f64> {
    let step = nice_step(max - min, count);
    let (first, last) = ((min / step - 1e-9).ceil() as i64, (max / step + 1e-9).floor() as i64);
    (first..=last).map(|index| index as f64 * step).collect()
}

/// Powers of ten inside [min, max]; with 2 and 5 times them over fewer than three decades.
fn log_ticks(min: f64, max: f64) -> Vec<f64> {
    let (low, high) = (min.log10().floor() as i32, max.log10().ceil() as i32);
    let factors: &[f64] = if (max / min).log10() < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let stride = (((high - low) as usize) / 6).max(1);
    let all = (low..=high).step_by(stride).flat_map(|decade| factors.iter().map(move |f| f * 10f64.powi(decade)));
    all.filter(|&tick| tick >= min * (1.0 - 1e-9) && tick <= max * (1.0 + 1e-9)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_nice_and_inside() {
        for (min, max, expected) in [
            (0.0, 1.0, vec!["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            (-7.0, 13.0, vec!["−5", "0", "5", "10"]),
            (0.13, 0.29, vec!["0.15", "0.20", "0.25"]),
            (0.0, 3000.0, vec!["0", "500", "1000", "1500", "2000", "2500", "3000"]),
        ] {
            assert_eq!(Axis::linear(min, max, 5, "").labels(), expected, "{min}..{max}");
        }
    }

    #[test]
    fn a_rounded_axis_ends_on_ticks() {
        let axis = Axis::rounded(0.03, 0.97, 5, "");
        assert_eq!((axis.min, axis.max), (0.0, 1.0));
        let level = Axis::rounded(2.0, 2.0, 5, "");
        assert!(level.min < 2.0 && level.max > 2.0, "{level:?}");
    }

    #[test]
    fn logarithmic_axes_tick_at_powers_of_ten() {
        assert_eq!(Axis::log(0.004, 20.0, "").labels(), ["0.01", "0.1", "1", "10"]);
        assert_eq!(Axis::log(0.1, 1.0, "").labels(), ["0.1", "0.2", "0.5", "1"]);
        let axis = Axis::log(0.01, 100.0, "");
        assert!((axis.at(1.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_bulk_decides_between_linear_and_logarithmic() {
        assert!(!Axis::fitting(&[0.1, 0.2, 0.9], 20.0, "").log);
        assert!(Axis::fitting(&[0.1, 0.2, 9.0, 90.0, 90.0], 20.0, "").log);
        assert!(!Axis::fitting(&[-1.0, 900.0], 20.0, "").log);
        let mut outlier = vec![1.0; 100];
        outlier.push(1e4);
        assert!(!Axis::fitting(&outlier, 20.0, "").log);
    }
}
