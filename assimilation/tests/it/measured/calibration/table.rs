//! Rows of a table: means over repeated posteriors, or over the sets of a filter, with standard errors.

use std::time::Instant;

use ndarray::{Array1, Array2, Axis};

use super::super::not_gaussian::value;
use super::super::run::mean_and_error;
use super::score::Score;
use crate::common::method;
use scorecast_assimilation::Cycle;
use scorecast_systems::Value;

/// What a row says beside its figures.
#[derive(Clone, Copy)]
pub struct Asked {
    /// A method by its name.
    pub method: &'static str,
    /// Its settings, `key=value`, apart from the members.
    pub given: &'static str,
    pub members: usize,
    /// Settings that all rows of a table share, which it does not print.
    pub shared: &'static str,
    /// Whether it claims the posterior, so that the bar holds for it.
    pub claims: bool,
}

impl Asked {
    pub const fn new(method: &'static str, members: usize, given: &'static str) -> Self {
        Self { method, given, members, shared: "", claims: false }
    }

    /// A row that claims the posterior.
    pub const fn claiming(self) -> Self {
        Self { claims: true, ..self }
    }

    /// With these settings too.
    pub const fn with(self, shared: &'static str) -> Self {
        Self { shared, ..self }
    }

    /// Whether the environment asks for it: SCORECAST_ONLY has words, one of which it must have, or is not set.
    pub fn is_wanted(&self) -> bool {
        let row = format!("{} {}", self.method, self.given);
        let has = |words: String| words.split_whitespace().any(|word| row.contains(word));
        std::env::var("SCORECAST_ONLY").map_or(true, has)
    }

    pub fn build(&self) -> Box<dyn Cycle> {
        let pair = |pair: &'static str| pair.split_once('=').map(|(key, text)| (key, value(text)));
        let given: Vec<_> =
            self.shared.split_whitespace().chain(self.given.split_whitespace()).filter_map(pair).collect();
        method(self.method, &[&[("members", Value::Int(self.members as i64))], &given[..]].concat())
    }
}

/// How much may be off: in exact standard deviations, and of the ratio of standard deviations.
#[derive(Clone, Copy)]
pub struct Bar {
    pub bias: f64,
    pub ratio: f64,
}

/// The posterior of one time, drawn again and again.
pub fn print_static(asked: &Asked, bar: Bar, repeats: usize, of: impl Fn(u64) -> Score) {
    let start = Instant::now();
    let scores: Vec<Score> = (0..repeats as u64).map(of).collect();
    let columns = |of: fn(&Score) -> &Array1<f64>| {
        let rows: Vec<_> = scores.iter().map(|score| of(score).view()).collect();
        ndarray::stack(Axis(0), &rows).unwrap()
    };
    let each =
        |x: &Array2<f64>| x.axis_iter(Axis(1)).map(|column| mean_and_error(&column.to_vec())).collect::<Vec<_>>();
    let (gaps, ratios) = (each(&columns(|score| &score.gaps)), each(&columns(|score| &score.ratios)));
    let most = |a: &(f64, f64), b: &(f64, f64)| a.0.abs().total_cmp(&b.0.abs());
    let bias = gaps.iter().copied().max_by(most).unwrap();
    let [least, largest] =
        [ratios.iter().min_by(|a, b| a.0.total_cmp(&b.0)), ratios.iter().max_by(|a, b| a.0.total_cmp(&b.0))]
            .map(|pair| *pair.unwrap());
    let spread = if ratios.len() == 1 {
        format!("{:.3} ± {:.3}", least.0, least.1)
    } else {
        format!("{:.3} to {:.3} ± {:.3}", least.0, largest.0, largest.1.max(least.1))
    };
    let met = bias.0.abs() < bar.bias && least.0 > 1.0 - bar.ratio && largest.0 < 1.0 + bar.ratio;
    finish(asked, &format!("{:+.3} ± {:.3}", bias.0, bias.1), &spread, &scores.iter().collect::<Vec<_>>(), met, start);
}

/// A filter: the root of the mean square over components and sets of how far means are off, and the mean ratio.
pub fn print_filter(asked: &Asked, bar: Bar, scores: &[Score], start: Instant) {
    let square = |score: &Score| score.gaps.mapv(|gap| gap * gap).mean().unwrap();
    let (square, error) = mean_and_error(&scores.iter().map(square).collect::<Vec<_>>());
    let most = scores.iter().flat_map(|score| &score.gaps).fold(0.0f64, |most, gap| most.max(gap.abs()));
    let bias = square.sqrt();
    let (ratio, ratio_error) =
        mean_and_error(&scores.iter().map(|score| score.ratios.mean().unwrap()).collect::<Vec<_>>());
    let met = bias < bar.bias && (ratio - 1.0).abs() < bar.ratio;
    let bias = format!("{bias:.3} ± {:.3} ({most:.2})", 0.5 * error / bias.max(1e-12));
    finish(asked, &bias, &format!("{ratio:.3} ± {ratio_error:.3}"), &scores.iter().collect::<Vec<_>>(), met, start);
}

fn finish(asked: &Asked, bias: &str, ratio: &str, scores: &[&Score], met: bool, start: Instant) {
    // a set without values takes nothing and tells nothing
    let mean = |of: &dyn Fn(&Score) -> f64| {
        let told: Vec<f64> = scores.iter().map(|score| of(score)).filter(|x| !x.is_nan()).collect();
        if told.is_empty() { (f64::NAN, f64::NAN) } else { mean_and_error(&told) }
    };
    let (energy, energy_error) = mean(&|score| score.energy);
    let cover = [0, 1, 2].map(|level| format!("{:.1}", 100.0 * mean(&|score| score.coverage[level]).0)).join(" / ");
    let told = |x: f64, text: String| if x.is_nan() { "–".to_owned() } else { text };
    let (evaluations, products) = (mean(&|score| score.evaluations).0, mean(&|score| score.products).0);
    let taken = told(evaluations, format!("{evaluations:.0} + {products:.0}"));
    let effective = mean(&|score| score.effective).0 * asked.members as f64;
    let effective = told(effective, format!("{effective:.0}"));
    let verdict = match (asked.claims, met) {
        (true, true) => "met",
        (true, false) => "**not met**",
        (false, true) => "within",
        (false, false) => "off",
    };
    println!(
        "| `{}` {} | {} x {} | {bias} | {ratio} | {energy:.4} ± {energy_error:.4} | {cover} | {taken} | {effective} | {verdict} | {:.1} |",
        asked.method,
        asked.given,
        asked.members,
        scores.len(),
        start.elapsed().as_secs_f64(),
    );
}

/// The first lines of a table.
pub fn head(title: &str, bias: &str) {
    println!("\n{title}\n");
    println!(
        "| row | N x n | {bias} | sd ratio | energy less floor | coverage 50 / 90 / 95 | evaluations + products | ESS | bar | s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
}
