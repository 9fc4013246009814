//! Where a Gaussian update is wrong: Lorenz-96 seen through |x|, its logarithm and arctan.

use scorecast_systems::Value;

use super::run::{Length, Setting, mean_and_error};
use crate::common::word;

const S1: Setting = Setting { name: "S1", operator: ("absolute", &[]), sd: 0.5, every: 4, shocks: false };
const A: Setting = Setting { name: "A", every: 8, ..S1 };
const B: Setting = Setting { name: "B", operator: ("absolute", &[("stride", 2)]), ..S1 };
const C: Setting = Setting { name: "C", operator: ("log", &[]), sd: 0.3, ..S1 };
const D: Setting = Setting { name: "D", operator: ("arctan", &[]), sd: 0.05, shocks: true, ..S1 };

const SETTINGS: [&Setting; 5] = [&A, &B, &C, &D, &S1];

/// Prints a row and returns its rmse.
fn row(setting: &Setting, name: &str, given: &[(&str, Value)], length: Length) -> f64 {
    let score = setting.run(name, given, length);
    let ((rmse, error), (spread, _)) = (mean_and_error(&score.rmse), mean_and_error(&score.spread));
    let settings: Vec<String> = given.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
    println!(
        "{:2} {name} {}: rmse {rmse:.4} +- {error:.4}, spread {spread:.4}, {:.1} ms a set, {} truths x {} sets {:.3?}",
        setting.name,
        settings.join(" "),
        1e3 * score.seconds,
        length.truths,
        length.sets - length.burn_in,
        score.rmse,
    );
    rmse
}

/// A number, a whole number or a word.
fn value(text: &str) -> Value {
    if let Ok(number) = text.parse() {
        return Value::Int(number);
    }
    text.parse().map_or_else(|_| word(text), Value::Float)
}

/// Rows that the environment names, several behind `;`: SCORECAST_ROWS="A qceff members=100 radius=4.0; B ..." with SCORECAST_TRUTHS and
/// SCORECAST_SETS, of which a quarter, 100 at most, is burn-in.
#[test]
#[ignore = "measures what the environment names"]
fn rows_of_the_environment() {
    let count = |key: &str, usual: usize| std::env::var(key).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let sets = count("SCORECAST_SETS", 400);
    let length = Length { truths: count("SCORECAST_TRUTHS", 3) as u64, sets, burn_in: (sets / 4).min(100) };
    for line in std::env::var("SCORECAST_ROWS").unwrap_or_default().split(';') {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [setting, name, given @ ..] = &words[..] else { continue };
        let setting = SETTINGS.iter().find(|known| known.name == *setting).unwrap();
        let given: Vec<_> =
            given.iter().map(|pair| pair.split_once('=').unwrap()).map(|(key, text)| (key, value(text))).collect();
        row(setting, name, &given, length);
    }
}
