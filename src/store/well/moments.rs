//! Moments of a field over samples, times and space, and `stats.yaml`, which holds them.
//!
//! mean, sd and root mean square of u, and of its change over one time step, u(t + 1) - u(t). The sds are those of the
//! population (n, not n - 1). Means and sums of squared deviations of parts combine by Chan, Golub and LeVeque (1983).

use ndarray::ArrayView2;

/// The least standard deviation with which The Well's programs normalise.
pub const MIN_SD: f64 = 1e-4;

/// Moments of numbers that are seen once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    count: f64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
}

impl Sums {
    fn add(&mut self, values: impl Iterator<Item = f64> + Clone) {
        let count = values.clone().count() as f64;
        if count == 0.0 {
            return;
        }
        let mean = values.clone().sum::<f64>() / count;
        let squares = values.map(|value| (value - mean).powi(2)).sum::<f64>();
        let (total, shift) = (self.count + count, mean - self.mean);
        self.squares += squares + shift * shift * self.count * count / total;
        self.mean += shift * count / total;
        self.count = total;
    }

    fn sd(&self) -> f64 {
        (self.squares / self.count).sqrt()
    }

    fn rms(&self) -> f64 {
        (self.squares / self.count + self.mean * self.mean).sqrt()
    }
}

/// Moments of a field and of its change in one time step. States come time by time.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    values: Sums,
    changes: Sums,
    before: Vec<f64>,
}

impl Moments {
    /// Adds the states of one time, `[sample, component]`, rounded to the single precision in which they are stored.
    pub fn add(&mut self, states: ArrayView2<f64>) {
        let now: Vec<f64> = states.iter().map(|&value| f64::from(value as f32)).collect();
        self.values.add(now.iter().copied());
        self.changes.add(self.before.iter().zip(&now).map(|(before, now)| now - before));
        self.before = now;
    }

    /// Standard deviation of the field.
    pub fn sd(&self) -> f64 {
        self.values.sd()
    }

    /// Standard deviation of its change in one time step.
    pub fn sd_of_change(&self) -> f64 {
        self.changes.sd()
    }

    /// `stats.yaml` for one field of this name.
    pub fn yaml(&self, field: &str) -> String {
        let (values, changes) = (&self.values, &self.changes);
        let lines = [
            ("mean", values.mean),
            ("std", values.sd()),
            ("rms", values.rms()),
            ("mean_delta", changes.mean),
            ("std_delta", changes.sd()),
            ("rms_delta", changes.rms()),
        ];
        lines.iter().map(|(name, value)| format!("{name}:\n  {field}: {}\n", yaml_float(*value))).collect()
    }
}

/// A number that YAML 1.1 takes for one: with a point, and a sign in the exponent.
fn yaml_float(value: f64) -> String {
    let text = format!("{value:?}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{digits}{point}e{sign}{exponent}")
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn moments_taken_time_by_time_are_those_of_the_whole() {
        let field = Array3::from_shape_fn((4, 6, 5), |(b, t, x)| f64::from(((b * 31 + t * 7 + x) as f32).sin() + 1e3));
        let mut moments = Moments::default();
        field.axis_iter(ndarray::Axis(1)).for_each(|states| moments.add(states));
        let changes = &field.slice(ndarray::s![.., 1.., ..]) - &field.slice(ndarray::s![.., ..5, ..]);
        let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} {b}");
        near(moments.values.mean, field.mean().unwrap());
        near(moments.sd(), field.std(0.0));
        near(moments.values.rms(), field.mapv(|v| v * v).mean().unwrap().sqrt());
        near(moments.changes.mean, changes.mean().unwrap());
        near(moments.sd_of_change(), changes.std(0.0));
    }

    #[test]
    fn numbers_are_numbers_to_yaml() {
        for (value, text) in [(1.5, "1.5"), (0.0, "0.0"), (1e-7, "1.0e-7"), (-2.5e300, "-2.5e+300")] {
            assert_eq!(yaml_float(value), text);
        }
    }
}
