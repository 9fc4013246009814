//! Which noise levels the frames of a window are trained at.
//!
//! ln r is normal about the logarithm of a width, as for one state (Karras et al. 2022). There are four kinds of rows:
//!
//! - *forecasts*: the first h frames are given (r = 0), the next is at a level, of the width that it has given those before it,
//!   and nothing is known of the later ones; h is the history of the forecaster in half of them, and uniform from 1 to L - 1 in
//!   the others;
//! - *sorted*: levels of their own that rise in time, as in a filter that looks ahead (ForcingDAS 2026, arXiv:2605.14285, has
//!   them in a quarter of its batches, as they are here in a quarter of what are no forecasts);
//! - of the others a third have one level for all frames, as in a smoother, and the rest levels of their own in any order.
//!
//! Of all but forecasts the widths lie between 1 and that of the last frame, uniform in their logarithm: from noise that hides the
//! state to noise that hides what changes in a lead step.

use scorecast_systems::registry::DefaultValue;
use scorecast_systems::{Param, ParamKind, Settings};

use crate::nn::objective::RowDraws;
use crate::nn::objective::trained_levels::{P_MEAN, P_STD};

const FORECAST_SHARE: Param = Param::new(
    "forecast_share",
    ParamKind::real(0.0, 1.0),
    DefaultValue::Float(0.5),
    "share of the training rows whose first frames are given, the next at a noise level and the later ones unknown",
);
const SORTED_SHARE: Param = Param::new(
    "sorted_share",
    ParamKind::real(0.0, 1.0),
    DefaultValue::Float(0.125),
    "share of the training rows whose frames have noise levels that rise in time",
);

/// The settings of the levels of windows.
pub const WINDOW_LEVEL_SETTINGS: [Param; 4] = [P_MEAN, P_STD, FORECAST_SHARE, SORTED_SHARE];

/// The law of the levels of a row.
#[derive(Clone, Debug)]
pub struct FrameLevels {
    mean: f64,
    sd: f64,
    forecast: f64,
    sorted: f64,
    /// The width of each frame given those before it.
    widths: Vec<f64>,
    /// How many frames a lead step is given.
    history: usize,
}

impl FrameLevels {
    /// What the settings ask for, for frames of these widths, and lead steps that are given so many of them.
    pub fn new(settings: &Settings, widths: Vec<f64>, history: usize) -> Self {
        let [mean, sd, forecast, sorted] = WINDOW_LEVEL_SETTINGS.map(|param| settings.number(param.key));
        Self { mean, sd, forecast, sorted, widths, history }
    }

    /// What is wrong with the shares: the key, and a clause.
    pub fn refusal(settings: &Settings) -> Option<(&'static str, String)> {
        let [.., forecast, sorted] = WINDOW_LEVEL_SETTINGS.map(|param| settings.number(param.key));
        let problem =
            || format!("is {sorted}, but with `{}`, which is {forecast}, at most 1 is shared", FORECAST_SHARE.key);
        (forecast + sorted > 1.0).then(|| (SORTED_SHARE.key, problem()))
    }

    /// The relative levels of a row, `[frame]`, infinite where nothing is known.
    pub fn draw(&self, row: &mut RowDraws) -> Vec<f64> {
        let kind = row.uniform();
        let frames = self.widths.len();
        if kind < self.forecast {
            let own = row.stream.uniform() < 0.5;
            let known = if own { self.history } else { 1 + row.stream.below(frames - 1) };
            let level = self.widths[known] * (self.mean + self.sd * row.stream.normal()).exp();
            return (0..frames).map(|frame| forecast(frame, known, level)).collect();
        }
        if kind < self.forecast + self.sorted {
            let mut levels = self.independent(row);
            levels.sort_by(f64::total_cmp);
            return levels;
        }
        if kind < (1.0 + 2.0 * (self.forecast + self.sorted)) / 3.0 {
            return vec![self.level(row); frames];
        }
        self.independent(row)
    }

    fn independent(&self, row: &mut RowDraws) -> Vec<f64> {
        self.widths.iter().map(|_| self.level(row)).collect()
    }

    fn level(&self, row: &mut RowDraws) -> f64 {
        let narrowest = self.widths.last().copied().unwrap_or(1.0);
        let logarithm = row.stream.uniform() * narrowest.ln();
        (logarithm + self.mean + self.sd * row.stream.normal()).exp()
    }
}

/// The level of a frame where the first are `known`.
fn forecast(frame: usize, known: usize, level: f64) -> f64 {
    match frame.cmp(&known) {
        std::cmp::Ordering::Less => 0.0,
        std::cmp::Ordering::Equal => level,
        std::cmp::Ordering::Greater => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use scorecast_systems::{Domain, Key, Value};

    use super::*;
    use crate::nn::objective::Draws;

    #[test]
    fn rows_are_of_each_kind_in_their_shares() {
        let settings = Settings::check("window", &WINDOW_LEVEL_SETTINGS, &BTreeMap::new()).unwrap();
        let law = FrameLevels::new(&settings, vec![1.0, 0.5, 0.1], 1);
        let draws = Draws::new(Key::new(1, Domain::Training), 0).stratified();
        let mut counts = [0; 5];
        let mut logarithms = Vec::new();
        for row in 0..4096 {
            let levels = law.draw(&mut draws.row(row));
            let of = match levels.as_slice() {
                [0.0, _, f64::INFINITY] => 0,
                [0.0, 0.0, last] => {
                    logarithms.push((last / 0.1).ln());
                    1
                }
                [a, b, c] if a == b && b == c => 2,
                [a, b, c] if a <= b && b <= c => 3,
                _ => 4,
            };
            counts[of] += 1;
        }
        // of 2^12 rows in order the kinds have their shares exactly; within them one in six in any order rises by chance
        assert_eq!((counts[0] + counts[1], counts[2], counts[3] + counts[4]), (2048, 512, 1536));
        let chance = 1024.0 / 6.0;
        assert!((f64::from(counts[3]) - 512.0 - chance).abs() < 4.0 * chance.sqrt(), "{counts:?}");
        // a quarter of the forecasts is given two frames
        assert!((f64::from(counts[1]) - 512.0).abs() < 4.0 * 20.0, "{counts:?}");
        let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
        assert!((mean + 1.2).abs() < 4.0 * 1.5 / 22.0, "{mean}");
    }

    #[test]
    fn shares_above_one_are_refused() {
        let given = BTreeMap::from([("sorted_share".to_owned(), Value::Float(0.6))]);
        let settings = Settings::check("window", &WINDOW_LEVEL_SETTINGS, &given).unwrap();
        let (key, problem) = FrameLevels::refusal(&settings).unwrap();
        assert_eq!(key, "sorted_share");
        assert!(problem.contains("is 0.6, but with `forecast_share`, which is 0.5"), "{problem}");
    }
}
